"""Boots and shoes lofted over a last, modelled in centimetres; toe towards +x. Dressed in any hide."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from training.synth import shapes
from training.synth.leaves.panels import Array, Dress, Object, buckle, stitches, surface, thicken, tube

# Sections of the upper: top or front point (x, z), bottom or back point (x, z), half width. Toe first.
_TOE = [
    (28.0, 2.5, 28.2, 1.9, 0.5),
    (26.2, 3.9, 26.5, 1.4, 2.3),
    (23.0, 5.2, 23.0, 1.1, 3.7),
    (18.5, 6.9, 18.5, 1.0, 4.8),
]
_BOOT = [
    (14.5, 9.3, 13.0, 1.7, 4.2), (12.0, 12.0, 8.0, 2.6, 3.6), (10.9, 14.3, 1.3, 2.8, 3.4), (10.3, 15.9, 0.1, 6.8, 3.6),
    (10.3, 17.8, 0.3, 12.0, 4.0), (10.6, 20.0, 0.5, 17.0, 4.5), (11.6, 24.5, -0.6, 23.4, 5.4),
    (12.2, 29.8, -1.3, 29.8, 6.0),
]  # fmt: skip
_SHOE = [
    (16.0, 7.8, 13.0, 1.6, 4.3), (14.8, 8.6, 8.0, 2.4, 3.6), (14.0, 9.0, 1.4, 2.6, 3.3), (13.4, 9.2, 0.3, 5.2, 3.3),
    (12.8, 9.2, 0.5, 8.6, 3.2),
]  # fmt: skip
_PUMP = [
    (20.0, 5.0, 14.0, 1.4, 4.0), (20.0, 5.2, 8.0, 2.2, 3.5), (20.0, 5.3, 1.6, 2.6, 3.1), (20.0, 5.4, 0.5, 5.0, 3.0),
    (20.0, 5.5, 0.8, 8.2, 2.8),
]  # fmt: skip


@dataclass(frozen=True)
class _Last:
    """points: (rows, columns, 3) of the upper, toe first, columns from the sole's middle around over the top."""

    points: Array
    keys: Array
    lift: float


def _spline(keys: Array, n: int) -> Array:
    """Catmull-Rom through rows of keys, n rows out."""
    padded = np.concatenate([2 * keys[:1] - keys[1:2], keys, 2 * keys[-1:] - keys[-2:-1]])
    t = np.linspace(0, len(keys) - 1 - 1e-6, n)
    i = t.astype(int)
    f = (t - i)[:, None]
    a, b, c, d = (padded[i + k] for k in range(4))
    return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


def _raise(x: Array, lift: float) -> Array:
    s = np.clip((17.0 - x) / 14.0, 0, 1)
    return lift * s * s * (3 - 2 * s)


def _upper(rng: random.Random, keys: list[tuple[float, ...]], lift: float, square: float, n: int = 90) -> _Last:
    array = np.asarray(keys, float)
    array[0, 4] = 0.5 + 2.0 * square
    array[1, 4] += 0.9 * square
    rows = _spline(array, n)
    phi = np.linspace(-math.pi, math.pi, 64, endpoint=False)
    c, s = np.cos(phi), np.sin(phi)
    power = rng.uniform(2.2, 2.6)
    cc, ss = np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)
    mid_x, mid_z = (rows[:, 0] + rows[:, 2]) / 2, (rows[:, 1] + rows[:, 3]) / 2
    foot = np.clip((rows[:, 0] - 12) / 4, 0, 1)[:, None]
    x = mid_x[:, None] + (rows[:, 0] - rows[:, 2])[:, None] / 2 * cc
    z = mid_z[:, None] + (rows[:, 1] - rows[:, 3])[:, None] / 2 * cc
    y = rows[:, 4][:, None] * ss * (1 - 0.24 * foot * c) + 0.5 * np.sin((x - 8) / 20 * math.pi) * foot
    return _Last(np.stack([x, y, z + _raise(x, lift)], axis=-1), array, lift)


def _sole(last: _Last, thick: float, welt: float, heel: float, dress: Dress, sole: object, high: bool) -> list[Object]:
    """A sole under the last with a heel down to z = 0 (the lowest point of the ball becomes the ground)."""
    bottom = _spline(last.keys, 120)
    bottom = bottom[: int(np.argmin(bottom[:, 2])) + 1]
    order = np.argsort(bottom[:, 2])
    x = np.linspace(0.0, 28.5, 60)
    z = np.interp(x, bottom[order, 2], bottom[order, 3]) + _raise(x, last.lift)
    w = np.interp(x, [0.0, 0.5, 1.5, 3.5, 8, 13, 18.5, 23, 26.5, 28.2, 28.5],
                  [0.4, 1.8, 2.8, 3.4, 3.0, 3.6, 4.9, 3.9, max(2.5, last.keys[1, 4]),
                   last.keys[0, 4] + 0.4, 0.3]) + welt  # fmt: skip
    s = np.linspace(-1, 1, 13)
    centre = 0.5 * np.sin((x - 8) / 20 * math.pi) * np.clip((x - 12) / 4, 0, 1)
    grid = np.stack(
        [
            np.broadcast_to(x[:, None], (60, 13)),
            centre[:, None] + w[:, None] * s,
            np.broadcast_to(z[:, None] + 0.25, (60, 13)),
        ],
        -1,
    )
    board = surface(grid[:, ::-1])
    shapes.paint(shapes.modify(board, "SOLIDIFY", thickness=thick, offset=1.0), sole)
    parts = [board]
    floor = float(shapes.bounds([board])[0][2])
    if heel > 0.3:
        end = 2.6 if high else 6.3
        k = np.linspace(0, 1, 8)
        ring = []
        for f in k:
            shrink = 1 - (0.72 if high else 0.14) * (1 - (1 - f) ** 2)
            xs = (
                np.array([0.1, 0.6, 1.8, end, end, 1.8, 0.6])
                if not high
                else np.array([0.4, 0.8, 1.5, 3.6, 3.6, 1.5, 0.8])
            )
            ws = np.interp(xs, x, w) * np.array([0.4, 0.9, 0.96, 0.96, -0.96, -0.96, -0.9])
            top = np.interp(xs, x, z) - thick + 0.3
            ring.append(np.column_stack([1.6 + (xs - 1.6) * shrink, ws * shrink, top + (floor - top) * f]))
        block = surface(np.stack(ring), wrap=True)
        lid = shapes.mesh_object("heel", ring[-1].tolist(), [tuple(range(7))])
        parts += [shapes.paint(obj, sole) for obj in (block, lid)]
    return parts


def _row_of(last: _Last, share: float) -> int:
    return int(share * (len(last.points) - 1))


def _line(last: _Last, rows: list[int], columns: list[float], out: float = 1.006) -> Array:
    """A path on the upper through (row, column share of the way around: 0 sole, 0.5 top)."""
    n = last.points.shape[1]
    centre = last.points.mean(1)
    t = np.linspace(0, len(rows) - 1, 60)
    r = np.interp(t, range(len(rows)), rows)
    c = np.interp(t, range(len(columns)), columns) * n
    i, j = np.rint(r).astype(int), c.astype(int)
    f = (c - j)[:, None]
    p = last.points[i, j % n] * (1 - f) + last.points[i, (j + 1) % n] * f
    return centre[i] + (p - centre[i]) * out


def _one(rng: random.Random, dress: Dress, kind: str, style: dict[str, float]) -> list[Object]:
    look = random.Random(style["seed"])  # both shoes of a pair take the same choices
    keys = {"boot": _TOE + _BOOT, "ankle": _TOE + _BOOT[:6], "pump": _TOE + _PUMP}.get(kind, _TOE + _SHOE)
    if kind == "boot":
        keys = [*keys[:-1], tuple(k * (style["tall"] if i in (1, 3) else 1) for i, k in enumerate(keys[-1]))]
    last = _upper(look, keys, style["lift"], style["square"])
    upper = surface(last.points, wrap=True)
    whole = kind != "boot" or look.random() < 0.2
    skin, columns = dress.params["foot"], last.points.shape[1]
    upper.data.materials.append(skin)
    upper.data.materials.append(dress.trim)
    upper.data.materials.append(dress.lining)
    cut = _row_of(last, style["cut"])
    if not whole:
        for polygon in upper.data.polygons:
            row, col = divmod(polygon.index, columns)
            top = abs(col / columns - 0.5) * 2
            polygon.material_index = int(row > cut + 10 * (top**2) - (12 if top > 0.8 else 0))
    if kind == "boot":  # the scalloped top of a cowboy boot
        points = shapes.vertices(upper)
        dip = np.clip((points[:, 2] - 21) / 9, 0, 1) * style["scallop"] * np.abs(points[:, 1] / 6) ** 1.5
        points[:, 2] -= dip
        shapes.set_vertices(upper, points)
    parts = [shapes.modify(upper, "SOLIDIFY", thickness=0.28, offset=-1.0, material_offset=2)]
    white = kind == "sneaker"
    sole_material = dress.params["white"] if white else dress.params["sole"]
    welt = {"sneaker": 0.5, "pump": 0.05}.get(kind, 0.3)
    parts += _sole(last, 2.4 if white else 0.55, welt, style["lift"] + (0.0 if white else 2.0),
                   dress, sole_material, kind == "pump")  # fmt: skip
    rows = len(last.points) - 1
    if kind == "boot" and not whole:
        for side in (0.27, 0.73):
            for d in (0.0, 0.02, 0.04):
                wave = [side + (0.05 + d) * math.sin(k * 1.3 + style["seed"] % 3) for k in range(12)]
                at = [int(cut + 12 + (rows - cut - 14) * k / 11) for k in range(12)]
                parts.append(stitches(_line(last, at, wave), dress.thread, 0.4, 0.1))
    if kind in ("boot", "ankle"):
        for side in (0.25, 0.75):
            base = last.points[rows, int(side * columns)]
            height = base[2] - 1.6 * style["scallop"] * (kind == "boot")
            pull = [(base[0] + 1.2 * math.cos(a), base[1] * 1.02, height + 2.6 * math.sin(a))
                    for a in np.linspace(-0.3, math.pi + 0.3, 14)]  # fmt: skip
            parts.append(shapes.paint(tube(pull, 0.32), dress.trim))
    if kind in ("sneaker", "derby"):
        for k in range(5):
            row = _row_of(last, 0.36 + 0.07 * k)
            across = _line(last, [row, row], [0.40, 0.60], 1.03)
            parts.append(shapes.paint(tube(across, 0.2), dress.thread if white else dress.dark))
    elif kind == "loafer":
        row = _row_of(last, 0.4)
        band = np.stack([_line(last, [row + d, row + d], [0.24, 0.76], 1.03) for d in (-4, -1, 2, 5)])
        parts.append(thicken(shapes.paint(surface(band[:, ::-1]), dress.trim), 0.15))
        if look.random() < 0.5:
            top = last.points[row, columns // 2]
            parts += [shapes.move(obj, *(float(v) for v in top)) for obj in buckle(2.4, 1.4, 0.15, dress.metal)]
    return parts


def footwear(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """A pair or a single boot or shoe; one inner list a shoe."""
    kind = rng.choice(["boot", "boot", "boot", "ankle", "ankle", "loafer", "derby", "sneaker", "pump", "pump"])
    dress.params["form"] = kind
    dress.params["foot"] = dress.skin(26.0, 34.0 if kind == "boot" else 30.0)
    style = {
        "seed": rng.getrandbits(30), "tall": rng.uniform(0.9, 1.15),
        "square": rng.choice([0.0, 0.2, rng.uniform(0.3, 1.0)]),
        "lift": {"boot": rng.uniform(1.0, 3.0), "ankle": rng.uniform(0.5, 3.0),
        "pump": rng.uniform(3.5, 8.0)}.get(kind, 0.2),
        "cut": rng.uniform(0.44, 0.55), "scallop": rng.uniform(0.5, 4.0),
    }  # fmt: skip
    count = rng.choice([1, 2, 2])
    pair = []
    for k in range(count):
        shoe = _one(rng, dress, kind, style)
        for obj in shoe:
            if k:
                shapes.scale(obj, 1, -1, 1)
                obj.data.flip_normals()
        low = float(shapes.bounds(shoe)[0][2])
        spread, slide, toe = rng.uniform(12, 16), rng.uniform(-6, 6), rng.gauss(0, 0.12)
        for obj in shoe:
            shapes.move(obj, z=-low)
            if count == 2:
                shapes.move(shapes.turn(obj, z=toe), x=slide * k, y=-spread * k)
        pair.append(shoe)
    return pair
