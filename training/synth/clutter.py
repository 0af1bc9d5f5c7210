"""Things that happen to lie about: books, cups, boxes, coins, rulers, phones, tags. Never products or look-alikes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.synth import carve, shapes, textures
from training.synth.ground import picture_material, plain_material, weave_material
from training.synth.nodes import Graph


def _metal(rng: random.Random) -> Any:
    g = Graph("coin")
    tint = rng.choice([(0.75, 0.73, 0.70), (0.72, 0.45, 0.2), (0.8, 0.6, 0.25)])
    g.set(Base_Color=tint, Metallic=1.0, Roughness=rng.uniform(0.25, 0.5))
    return g.material


def _printed_box(rng: random.Random, size: Sequence[float], pixels: np.ndarray, bevel: float) -> list[Any]:
    """A box whose top face shows the picture; the sides are plain."""
    obj = shapes.box(size, bevel)
    layer = obj.data.uv_layers["UVMap"].data
    for item in layer:
        item.uv = (item.uv[0] / size[0] + 0.5, item.uv[1] / size[1] + 0.5)
    shapes.paint(obj, plain_material(rng))
    obj.data.materials.append(picture_material("print", pixels, roughness=rng.uniform(0.15, 0.7)))
    for polygon in obj.data.polygons:
        polygon.material_index = int(polygon.normal.z > 0.9)
    return [obj]


def _book(rng: random.Random) -> list[Any]:
    return _printed_box(
        rng, (rng.uniform(0.5, 0.9), rng.uniform(0.7, 1.2), rng.uniform(0.04, 0.2)), textures.cover(rng), 0.008
    )


def _box(rng: random.Random) -> list[Any]:
    size = [rng.uniform(0.2, 0.8) for _ in range(3)]
    if rng.random() < 0.5:
        return _printed_box(rng, size, textures.cover(rng), 0.01)
    return [shapes.paint(shapes.box(size, 0.012), plain_material(rng))]


def _cup(rng: random.Random) -> list[Any]:
    r, h = rng.uniform(0.16, 0.26), rng.uniform(0.25, 0.5)
    cup = shapes.lathe([(0, 0), (r * 0.8, 0), (r, h * 0.3), (r, h), (r * 0.93, h), (r * 0.9, h * 0.1), (0, h * 0.08)])
    ring = [(r + 0.5 * h * 0.5 * math.sin(a), 0, h / 2 + 0.3 * h * math.cos(a)) for a in np.linspace(0.1, 3.04, 14)]
    handle = shapes.sweep(ring, [0.02] * 14, segments=10)
    material = plain_material(rng, roughness=0.15)
    return [shapes.paint(o, material) for o in (cup, handle)]


def _coins(rng: random.Random) -> list[Any]:
    r = rng.uniform(0.05, 0.11)
    coins = []
    for _ in range(rng.randint(1, 4)):
        coin = shapes.lathe(
            [(0, 0), (r, 0), (r * 1.01, 0.006), (r, 0.013), (r * 0.9, 0.013), (r * 0.88, 0.011), (0, 0.011)], 32
        )
        coins.append(
            shapes.move(
                shapes.paint(coin, _metal(rng)), rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), rng.uniform(0, 0.004)
            )
        )
    return coins


def _ruler(rng: random.Random) -> list[Any]:
    length = rng.uniform(0.9, 1.8)
    return _printed_box(rng, (length, length / rng.uniform(8, 12), 0.01), textures.ruler(rng), 0.0)


def _phone(rng: random.Random) -> list[Any]:
    return _printed_box(rng, (0.36, 0.74, 0.04), textures.screen(rng), 0.012)


def _pen(rng: random.Random) -> list[Any]:
    pen = shapes.lathe([(0, 0), (0.01, 0.03), (0.025, 0.1), (0.025, 0.8), (0.02, 0.82), (0, 0.82)], 20)
    return [shapes.paint(shapes.rest(shapes.turn(pen, y=math.pi / 2)), plain_material(rng, roughness=0.3))]


def _bottle(rng: random.Random) -> list[Any]:
    r, h = rng.uniform(0.1, 0.18), rng.uniform(0.5, 1.0)
    profile = [(0, 0), (r, 0), (r, h * 0.6), (r * 0.4, h * 0.78), (r * 0.4, h * 0.95), (r * 0.45, h), (0, h)]
    return [shapes.paint(shapes.lathe(profile), plain_material(rng, roughness=0.1))]


def _plate(rng: random.Random) -> list[Any]:
    r = rng.uniform(0.35, 0.6)
    return [
        shapes.paint(
            shapes.lathe([(0, 0), (r * 0.6, 0), (r, 0.07), (r * 0.99, 0.085), (r * 0.58, 0.02), (0, 0.02)]),
            plain_material(rng, roughness=0.12),
        )
    ]


def _tag(rng: random.Random) -> list[Any]:
    return _printed_box(rng, (0.3, 0.18, 0.004), textures.label(rng), 0.0)


def _vase(rng: random.Random) -> list[Any]:
    r, h = rng.uniform(0.12, 0.25), rng.uniform(0.5, 1.0)
    knots = [(0, 0), (r * 0.6, 0)] + [
        (r * (0.6 + 0.5 * math.sin(t * 2.6 + rng.uniform(-0.2, 0.2))), h * t) for t in np.linspace(0.1, 1, 9)
    ]
    return [shapes.paint(shapes.lathe(knots), plain_material(rng, roughness=rng.uniform(0.05, 0.6)))]


def _ball(rng: random.Random) -> list[Any]:
    r = rng.uniform(0.08, 0.2)
    ball = shapes.lathe([(r * math.sin(t), r - r * math.cos(t)) for t in np.linspace(0, math.pi, 16)])
    return [shapes.paint(ball, plain_material(rng))]


def _cloth_heap(rng: random.Random) -> list[Any]:
    heap = shapes.lathe([(0.45 * math.cos(t), 0.2 * math.sin(t)) for t in np.linspace(0, math.pi / 2, 24)], 64)
    carve.roughen(heap, rng, 0.14, 3.0, 4)
    return [shapes.paint(shapes.rest(heap, z=-0.03), weave_material(rng, 0.1, rng.random() < 0.4))]


_MAKERS: dict[str, Callable[[random.Random], list[Any]]] = {
    "book": _book, "cup": _cup, "box": _box, "coins": _coins, "ruler": _ruler, "phone": _phone, "pen": _pen,
    "bottle": _bottle, "plate": _plate, "tag": _tag, "vase": _vase, "ball": _ball, "cloth_heap": _cloth_heap,
}  # fmt: skip


def place_clutter(items: Sequence[str], seed: int, taken: Sequence[tuple[float, float, float]]) -> list[Any]:
    """Build the items around the products; ``taken`` holds (x, y, radius) of what must not be run through.

    Tall things go behind so that they rarely hide the product; flat ones go anywhere.
    """
    rng = random.Random(seed)
    used = list(taken)
    made: list[Any] = []
    for name in items:
        size, angle = rng.uniform(0.5, 1.3), rng.uniform(0, 2 * math.pi)
        distance, spin = rng.uniform(0.5, 1.7), rng.uniform(0, 2 * math.pi)
        parts = _MAKERS[name](rng)
        for part in parts:
            shapes.turn(shapes.scale(part, size), z=spin)
        low, high = shapes.bounds(parts)
        radius = float(max(high[0] - low[0], high[1] - low[1])) / 2
        if float(high[2]) > 0.3 and math.sin(angle) < 0:
            angle = -angle
        for _ in range(12):
            x, y = distance * math.cos(angle), distance * math.sin(angle)
            if all(math.hypot(x - a, y - b) > r + radius * 0.85 for a, b, r in used):
                break
            distance += 0.2
        used.append((x, y, radius * 0.85))
        made += [shapes.move(part, x, y) for part in parts]
    return made
