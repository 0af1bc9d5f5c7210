"""Whole skins and pieces of skin: laid out, rolled, bundled, stacked, cut to swatches, and what is draped. In
centimetres.
"""

from __future__ import annotations

import math
import random

import numpy as np

from training.synth import carve, shapes
from training.synth.leaves.panels import Array, Dress, Object, stitches, surface, thicken, tube


def _ripple(rng: random.Random, x: Array, y: Array, size: float) -> Array:
    """A soft, random undulation with waves of about ``size``."""
    out = np.zeros(np.broadcast(x, y).shape)
    for _ in range(5):
        k, a, p = rng.uniform(0.6, 1.8) * 2 * math.pi / size, rng.uniform(0, 6.28), rng.uniform(0, 6.28)
        out += np.sin(k * (x * math.cos(a) + y * math.sin(a)) + p)
    return out / 5


def _outline(rng: random.Random, t: Array, width: float) -> Array:
    """Half width of a skin along its length: narrow at the neck and tail, ragged at the edges."""
    neck, tail = rng.uniform(0.5, 0.8), rng.uniform(0.15, 0.4)
    body = np.interp(t, [0, 0.06, 0.3, 0.6, 0.9, 1], [tail * 0.6, tail, 0.85, 1.0, neck, neck * 0.8])
    ragged = sum(np.sin(t * rng.uniform(20, 90) + rng.uniform(0, 6)) for _ in range(4)) * 0.008
    return width / 2 * (body + ragged)


def flat_skin(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """One to three long skins laid out, with lifting edges; or a shorter cut of one."""
    width = rng.uniform(24, 42)
    length = width * rng.uniform(*rng.choice([(1.6, 3.0), (3.0, 6.0), (4.0, 10.0)]))
    out = []
    material = dress.skin(width, length)
    for k in range(rng.choice([1, 1, 1, 2, 3])):
        t = np.linspace(0, 1, 120)[:, None]
        s = np.linspace(-1, 1, 30)[None]
        half = _outline(rng, t[:, 0], width)[:, None]
        sway = width * rng.uniform(0, 0.25) * np.sin(t * rng.uniform(1, 4) + rng.uniform(0, 6))
        x, y = s * half + sway, (t - 0.5) * length
        curl = rng.uniform(0.2, 3.0) * np.abs(s) ** 6 * (0.5 + _ripple(rng, y, y * 0, 40))
        z = 1.2 + 0.7 * _ripple(rng, x, y, 30) + np.maximum(curl, -0.3) + 0.25 * k
        uv = np.stack([np.broadcast_to(s * half, x.shape), np.broadcast_to(y, x.shape)], -1)
        piece = thicken(
            shapes.paint(surface(np.stack([x, np.broadcast_to(y, x.shape), z], -1), uv=uv), material),
            0.18,
            dress.lining,
        )
        out.append(
            [shapes.move(shapes.turn(piece, z=rng.gauss(0, 0.12) * (k > 0)), x=k * width * rng.uniform(0.75, 1.1))]
        )
    return out


def _roll(rng: random.Random, dress: Dress, material: object, width: float) -> list[Object]:
    """A rolled skin lying along x with a loose tongue."""
    turns, core = rng.uniform(2.5, 5.0), rng.uniform(0.8, 2.0)
    step = rng.uniform(0.35, 0.8)
    n = 200
    a = np.linspace(0, 2 * math.pi * turns, n)
    r = core + step * a / (2 * math.pi)
    y, z = r * np.sin(a), -r * np.cos(a)
    tail = np.linspace(0, rng.uniform(2, 16), 30)[1:]
    y, z = np.concatenate([y, y[-1] + tail * math.cos(a[-1])]), np.concatenate([z, z[-1] + tail * math.sin(a[-1])])
    z = np.maximum(z, -r[-1] * 1.02)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(y), np.diff(z)))])
    s = np.linspace(-1, 1, 24)[None]
    skew = rng.uniform(-0.12, 0.12)
    half = width / 2 * (1 - 0.12 * np.linspace(0, 1, len(y))[:, None] * rng.random())
    x = s * half + skew * length[:, None] + 0.4 * _ripple(rng, s * half, length[:, None], 25)
    swell = 1 + 0.05 * _ripple(rng, x, length[:, None], 20)
    grid = np.stack([x, y[:, None] * swell, z[:, None] * swell], -1)
    uv = np.stack(
        [np.broadcast_to(s * half, x.shape), np.broadcast_to((length - length[-1] / 2)[:, None], x.shape)], -1
    )
    sheet = shapes.paint(surface(grid[:, ::-1], uv=uv[:, ::-1]), material)
    parts = [thicken(sheet, 0.14, dress.lining)]
    if rng.random() < 0.5:
        ring = [(0.0, r[-1] * 1.05 * math.cos(b), r[-1] * 1.05 * math.sin(b)) for b in np.linspace(0, 6.28, 32, False)]
        parts.append(shapes.paint(tube(ring, 0.3, closed=True), dress.trim))
    return [shapes.move(obj, z=float(r[-1]) * 1.02) for obj in parts]


def rolls(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """One roll, or a bundle of up to six."""
    width = rng.uniform(22, 36)
    count = rng.choice([1, 1, 2, 3, 4, 6])
    out = []
    for k in range(count):
        material = dress.skin(width, 90.0) if k < 3 else out[k % 3][0].data.materials[0]
        roll = _roll(rng, dress, material, width * rng.uniform(0.85, 1.0))
        if rng.random() < 0.5:
            for obj in roll:
                shapes.turn(obj, z=math.pi)
        high = float(shapes.bounds(roll)[1][2])
        row, place = divmod(k, 3) if count > 3 else (0, k)
        turn, slide = rng.gauss(0, 0.06), rng.gauss(0, 1.5)
        for obj in roll:
            shapes.move(shapes.turn(obj, z=turn), x=slide, y=(place + 0.5 * row) * high * 0.95, z=row * high * 0.8)
        out.append(roll)
    return out


def stack(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """Folded skins on a pile."""
    w, d = rng.uniform(24, 36), rng.uniform(18, 30)
    count, z0 = rng.randint(3, 8), 0.0
    out: list[list[Object]] = []
    for k in range(count):
        layers = rng.choice([2, 3, 4])
        gap = rng.uniform(0.6, 1.0)
        material = dress.skin(w, d * 3) if k >= count - 3 or not out else out[0][0].data.materials[0]
        y, z, length = [], [], []
        for fold in range(layers):
            t = np.linspace(-1, 1, 30) * (-1) ** fold
            y.append(t * d / 2 * rng.uniform(0.93, 1.0))
            z.append(np.full(30, fold * gap))
            b = np.linspace(-math.pi / 2, math.pi / 2, 10)[1:-1]
            if fold < layers - 1:
                y.append(y[-1][-1] + np.cos(b) * gap / 2 * (-1) ** fold)
                z.append(fold * gap + gap / 2 + np.sin(b) * gap / 2)
        yy, zz = np.concatenate(y), np.concatenate(z)
        length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(yy), np.diff(zz)))])
        s = np.linspace(-1, 1, 24)[None]
        x = s * w / 2 * (1 + 0.02 * _ripple(rng, s, length[:, None], 20)) + 0 * yy[:, None]
        wave = 0.35 * _ripple(rng, x, yy[:, None], 22)
        grid = np.stack([x, np.broadcast_to(yy[:, None], x.shape), zz[:, None] + wave], -1)
        uv = np.stack([x, np.broadcast_to((length - length[-1])[:, None] + d / 2, x.shape)], -1)
        if layers % 2 == 0:  # the scaled side comes out on top
            grid, uv = grid[:, ::-1], uv[:, ::-1]
        piece = thicken(shapes.paint(surface(grid, uv=uv), material), 0.15, dress.lining)
        shapes.move(shapes.turn(piece, z=rng.gauss(0, 0.06)), x=rng.gauss(0, 0.8), y=rng.gauss(0, 0.8), z=z0 + 0.5)
        out.append([piece])
        z0 += layers * gap + 0.1
    return out


def swatches(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """Cut pieces: one sheet that fills the photo, or a fan of samples in several colours."""
    count = rng.choice([1, 1, 1, 3, 4, 6])
    w = rng.uniform(14, 30) if count == 1 else rng.uniform(7, 12)
    h = w * rng.uniform(0.7, 1.4)
    out = []
    for k in range(count):
        s, t = np.linspace(-0.5, 0.5, 40)[None], np.linspace(-0.5, 0.5, 40)[:, None]
        x, y = s * w + 0.15 * np.sin(t * 40) * (rng.random() < 0.3), t * h + 0 * s
        bend = rng.uniform(0, 1.5) * w * 0.1
        z = (
            0.05 * w * (1 + _ripple(rng, x, y, w * 1.3)) * (1 if count == 1 else 0.3)
            + bend * (s * rng.uniform(0.6, 1.4) + t) ** 2
        )
        piece = thicken(shapes.paint(surface(np.stack([x + 0 * t, y, z], -1)), dress.skin(w, h)), 0.16, dress.lining)
        if count > 1:
            shapes.move(
                shapes.turn(piece, z=rng.gauss(0, 0.15)),
                x=(k % 3) * w * rng.uniform(0.55, 1.1),
                y=(k // 3) * h * 0.9,
                z=0.35 * k,
            )
        out.append([piece])
    return out


def limb(path: Array, radii: Array, power: float = 2.0) -> Object:
    """A sleeve: rings around a path in the x, z plane."""
    a = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, [0.0, 1.0, 0.0])
    rings = path[:, None] + radii[:, None, None] * (
        np.cos(a)[None, :, None] * side[:, None] + 0.55 * np.sin(a)[None, :, None] * np.array([0.0, 1.0, 0.0])
    )
    return surface(rings[:, ::-1], wrap=True)


def garment(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """A jacket or vest hanging or a skirt, with folds."""
    kind = rng.choice(["jacket", "skirt", "vest"])
    dress.params["form"] = kind
    skin = dress.skin(rng.choice([40.0, 70.0]), 60.0)
    a = np.linspace(-1.5 * math.pi, 0.5 * math.pi, 120, endpoint=False)
    v = np.linspace(0, 1, 40)[:, None]
    if kind == "skirt":
        half, depth, high = np.interp(v, [0, 0.6, 1], [rng.uniform(24, 34), 24, 17]), 11.0, 58.0
    else:
        half, depth, high = np.interp(v, [0, 0.3, 0.8, 0.93, 1], [26, 24, 27, 23, 9]), 9.0, 62.0
    folds = rng.randint(4, 9)
    fold = 1 + 0.05 * (1 - v) ** 0.7 * np.sin(folds * a + rng.uniform(0, 6) + 2 * v)
    x, y = half * fold * np.cos(a), depth * fold * (0.5 + 0.5 * half / 26) * np.sin(a)
    body = shapes.paint(surface(np.stack([x, y, np.broadcast_to(v * high, x.shape)], -1), wrap=True), skin)
    carve.roughen(body, rng, 0.9, 0.09, 3)
    parts = [thicken(body, 0.2, dress.lining)]
    front = np.column_stack([np.zeros(40), y[:, np.argmin(np.abs(a + math.pi / 2))] * 1.05 - 0.4, v[:, 0] * high])
    parts.append(stitches(front, rng.choice([dress.metal, dress.dark]), 0.5, 0.9))
    if kind == "jacket":
        for k in (-1, 1):
            t = np.linspace(0, 1, 30)
            path = np.column_stack([k * (22 + 16 * t**0.8 + 4 * np.sin(3 * t)), -1.5 * t, 54 - 46 * t])
            sleeve = shapes.paint(limb(path, np.interp(t, [0, 0.5, 1], [10, 8, 6.5])), skin)
            carve.roughen(sleeve, rng, 0.9, 0.14, 3)
            parts.append(sleeve)
        collar = [(9.5 * math.cos(b), 5.5 * math.sin(b), 61.5) for b in np.linspace(0, 6.28, 30, False)]
        parts.append(shapes.paint(tube(collar, 1.6, closed=True), rng.choice([skin, dress.trim])))
    if rng.random() < 0.3:  # lying on its back
        parts = [shapes.scale(shapes.turn(obj, x=-math.pi / 2), 1, 1, 0.35) for obj in parts]
    return [parts]


def drum(rng: random.Random, dress: Dress) -> list[list[Object]]:
    """A two-string fiddle (erhu): the skin is the head of a small hexagonal or round sound box."""
    n = rng.choice([6, 8, 40])
    r, depth = 4.6, 12.0
    ring = np.array([(math.cos(b), math.sin(b)) for b in np.linspace(0, 2 * math.pi, n, False)]) * r
    box = shapes.mesh_object(
        "box",
        [(x, y, z) for z in (-depth, 0.0) for x, y in ring],
        [(k, (k + 1) % n, n + (k + 1) % n, n + k) for k in range(n)],
        smooth=n > 9,
    )
    head = surface(np.stack([np.column_stack([ring * f, np.full(n, 0.02)]) for f in (0.02, 0.5, 1.0)]), wrap=True,
                   uv=np.stack([np.concatenate([ring, ring[:1]]) * f for f in (0.02, 0.5, 1.0)]))  # fmt: skip
    neck = tube([(0, -6, -5), (0, 30, -5), (0, 70, -5.5)], 0.9)
    pegs = [tube([(0, y, -5), (0, y + 0.5, -17)], 0.55) for y in (52, 58)]
    strings = [tube([(dx, 60, -3), (dx, 0, 0.6), (dx, -4, 0.1)], 0.06) for dx in (-0.4, 0.4)]
    shapes.paint(head, dress.skin(10, 10))
    wood = [shapes.paint(obj, dress.params["sole"]) for obj in (box, neck, *pegs)]
    parts = [head, *wood, *(shapes.paint(obj, dress.metal) for obj in strings)]
    if rng.random() < 0.5:
        parts = [shapes.turn(obj, x=math.pi / 2) for obj in parts]
    return [parts]
