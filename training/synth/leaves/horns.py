"""Horn-shaped bodies: solid or hollow, oval in section, along a curved path, with UVs and the attributes horn
materials read.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.synth import shapes
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.panels import Array, Object, cushion, rounded_rect, surface
from training.synth.materials.wood import wood

COLUMNS = 72
HORN_FORMS = (
    "bangle", "bangle", "beads", "seal", "handle", "vessel", "pendant", "figurine", "plaque", "chopsticks",
)  # fmt: skip


@dataclass(frozen=True)
class Horn:
    """rings: (rows, COLUMNS, 3) from base to tip; centres: (rows, 3); along: (rows,) 0 at the base, 1 at the tip."""

    rings: Array
    centres: Array
    along: Array


def horn(
    path: Array, radius: Array, *, oval: float = 1.0, bumps: Callable[[Array, Array], Array] | None = None
) -> Horn:
    """Rings around a path (n, 3) that stays near the x, z plane; ``oval`` is width over depth of the section;
    ``bumps``(angle,
    along) scales the radius.
    """
    n = len(path)
    along = np.linspace(0, 1, n)
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(np.broadcast_to([0.0, 1.0, 0.0], ahead.shape), ahead)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(ahead, side)
    a = np.linspace(0, 2 * math.pi, COLUMNS, endpoint=False)
    r = radius[:, None] * (bumps(a[None], along[:, None]) if bumps else 1.0)
    rings = path[:, None] + (r * np.cos(a))[..., None] * side[:, None] + (r * oval * np.sin(a))[..., None] * up[:, None]
    return Horn(rings, path, along)


def skin_of(body: Horn, start: int = 0, stop: int | None = None) -> Object:
    """The outside between two rows, with ``along`` per vertex; UV in units of length, u around."""
    stop = len(body.rings) if stop is None else stop
    obj = surface(body.rings[start:stop], wrap=True, name="horn")
    shapes.set_attribute(obj, "along", np.repeat(body.along[start:stop], COLUMNS))
    return obj


def cap(body: Horn, row: int, *, depth: Callable[[Array, Array], Array] | None = None, flip: bool = False) -> Object:
    """A face across the body at a row; ``flip`` for one that looks towards the tip. depth(share of the radius,
    angle) pushes it into the body; attribute ``core``.
    """
    rim, centre = body.rings[row], body.centres[row]
    other = body.centres[min(row + 1, len(body.centres) - 1)] if row == 0 else body.centres[row - 1]
    inwards = (other - centre) / np.linalg.norm(other - centre)
    share = np.concatenate([[0.02], np.linspace(0.08, 1, 24)])
    a = np.linspace(0, 2 * math.pi, COLUMNS, endpoint=False)
    push = depth(share[:, None], a[None]) if depth else np.zeros((len(share), COLUMNS))
    points = centre + (rim - centre)[None] * share[:, None, None] + inwards * push[..., None]
    radius = float(np.linalg.norm(rim - centre, axis=1).max())
    x, y = share[:, None] * radius * np.cos(a), share[:, None] * radius * np.sin(a)
    uv = np.stack([x, y], -1)
    if flip:
        points, uv = points[:, ::-1], uv[:, ::-1]
    obj = surface(points, wrap=True, uv=np.concatenate([uv, uv[:, :1]], 1), name="cap")
    shapes.set_attribute(obj, "core", np.repeat(1 - share, COLUMNS))
    return obj


def rhino(rng: random.Random, rear: bool) -> Horn:
    """A rhino horn standing on its base: the front one curved and longer, the rear one straighter and conical."""
    n = 90
    t = np.linspace(0, 1, n)
    thick = rng.uniform(0.26, 0.42) if rear else rng.choice([rng.uniform(0.17, 0.26), rng.uniform(0.23, 0.36)])
    curve = rng.uniform(0.0, 0.12) if rear else rng.uniform(0.12, 0.5)
    lean = rng.uniform(-0.15, 0.2)
    path = np.column_stack([curve * t**2 * 0.9 + lean * t, np.zeros(n), t * (1 - 0.25 * curve * t)])
    power = rng.uniform(0.75, 1.1) if rear else rng.uniform(0.55, 0.9)
    tip = rng.uniform(0.05, 0.3)  # worn round
    shape = ((1 - t) ** power) * (1 - tip) + tip * np.sqrt(np.clip(1 - t**6, 0, 1)) * 0.9
    flare = rng.uniform(0.0, 0.1)
    radius = thick * (shape + flare * np.exp(-t * rng.uniform(9, 20))) * np.sqrt(np.clip(1 - t**30, 0, 1)) + 1e-3
    phases = [(rng.randint(1, 9), rng.uniform(0, 6.28), rng.uniform(0.2, 1.0)) for _ in range(6)]
    groove = [(rng.randint(14, 34), rng.uniform(0, 6.28)) for _ in range(4)]
    front = rng.uniform(0.0, 0.12)

    def bumps(a: Array, along: Array) -> Array:
        slow = sum(w * np.cos(k * a + p + 2.5 * along * (k % 3)) / k for k, p, w in phases) * 0.05
        fine = sum(np.cos(k * a + p + 1.5 * np.sin(4 * along + p)) for k, p in groove) * 0.008 * (1.3 - along)
        ring = 0.02 * np.sin(along * 60 + 3 * np.sin(a + phases[0][1])) * np.exp(-along * 8)
        worn = -front * np.clip(np.cos(a + math.pi), 0, 1) ** 4 * np.sin(along * math.pi) ** 2
        return 1 + slow + fine + ring + worn

    body = horn(path, radius, oval=rng.uniform(0.66, 0.92), bumps=bumps)
    # The rim of the base is ragged: strands reach down by different lengths.
    a = np.linspace(0, 2 * math.pi, COLUMNS, endpoint=False)
    ragged = sum(np.cos(k * a + rng.uniform(0, 6)) * rng.uniform(0.3, 1) for k in (2, 3, 5, 9, 14, 23)) * rng.uniform(
        0.002, 0.006
    )
    saddle = rng.uniform(0.0, 0.05) * np.cos(2 * a)
    body.rings[..., 2] += (ragged + saddle)[None] * np.exp(-t * 14)[:, None]
    return body


def rhino_horn(rng: random.Random, outside: Any, foot: Any, rear: bool) -> list[Object]:
    """A whole rhino horn with its concave, brush-like base, standing."""
    body = rhino(rng, rear)
    obj = shapes.paint(skin_of(body), outside)
    deep = float(body.rings[0].max() - body.rings[0].min()) * rng.uniform(0.1, 0.28)
    tufts = [(rng.uniform(20, 60), rng.uniform(0, 6.28), rng.uniform(3, 9)) for _ in range(8)]

    def well(share: Array, a: Array) -> Array:
        brush = sum(np.sin(k * share * np.cos(a + p) + f * share * np.sin(a)) for k, p, f in tufts) / 8
        return deep * (1 - share**2.2) + 0.018 * brush * (1 - share**8)

    under = shapes.paint(cap(body, 0, depth=well), foot)
    return [obj, under]


def drape_horn(length: float, bend: float, twist: float, n: int = 110) -> Array:
    """The path of a cattle horn: a crescent of total angle ``bend`` that also leaves its plane by ``twist``."""
    t = np.linspace(0, 1, n)
    angle = bend * t**1.2
    step = length / n
    x, z = np.cumsum(np.sin(angle)) * step, np.cumsum(np.cos(angle)) * step
    return np.column_stack([x, twist * t**2 * length, z])


def mount(rng: random.Random, context: BuildContext, large: list[Object], small: list[Object]) -> Built:
    """Two standing horns side by side on a wooden shield that stands or hangs upright."""
    size, apart = rng.uniform(0.4, 0.65), rng.uniform(0.36, 0.46)
    for obj in small:
        shapes.move(shapes.scale(obj, size), x=apart)
    for obj in large:
        shapes.move(obj, x=-0.12)
    objects = large + small
    outline = rounded_rect(1.15, 0.75, rng.uniform(0.1, 0.35), rng.uniform(0.6, 1.0))
    board = cushion(outline, 0.05, 0.03, 20)
    material = wood(rng, context.holdout)
    props = [shapes.move(shapes.paint(obj, material), x=0.15, z=-0.06) for obj in board]
    if rng.random() < 0.6:
        for obj in objects + props:
            shapes.turn(shapes.turn(obj, z=-math.pi / 2), x=math.pi / 2 * rng.choice((1.0, 0.97)))
    shapes.fit(objects + props)
    return Built(objects, {"form": "mount"}, [large, small], props)
