"""Hands and gloves, and a ribbon: what covers a product in part, or carries it on an open palm."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from mathutils import Vector

from training.synth import shapes
from training.synth.ground import plain_material, weave_material
from training.synth.nodes import Graph, jitter, srgb

_SKIN = ("#f0cdb4", "#e3b596", "#d49a74", "#b97a52", "#8a5636", "#5c3823")
_GLOVES = ("#3c6fc4", "#f1f1ee", "#191a1c", "#c9d8e6", "#7a5cc0")


def skin_material(rng: random.Random, glove: bool) -> Any:
    """Human skin, or a nitrile or cotton glove."""
    g = Graph("hand")
    base = jitter(rng, srgb(rng.choice(_GLOVES if glove else _SKIN)), 0.1)
    vector = g.coords("Object")
    red = (min(1.0, base[0] * 1.05), base[1] * 0.8, base[2] * 0.75)
    colour = base if glove else g.ramp(g.noise(vector, 5, 5), [(0.35, red), (0.65, base)])
    lines = g.math("ADD", g.noise(g.mapping(vector, scale=(12, 50, 30)), 1.0, 3), g.noise(vector, 70, 3))
    g.set(Base_Color=colour, Roughness=0.45 if glove else 0.5, Normal=g.bump(lines, 0.35, 0.01))
    if not glove:
        g.subsurface(0.35, 0.03, (1.0, 0.35, 0.2))
    return g.material


def _capsule(a: Vector, b: Vector, r0: float, r1: float) -> Any:
    axis = (b - a).normalized()
    ends = [(a - axis * r0 * k, r0 * math.sqrt(max(0.02, 1 - k * k))) for k in (0.95, 0.6)]
    tips = [(b + axis * r1 * k, r1 * math.sqrt(max(0.02, 1 - k * k))) for k in (0.6, 0.95)]
    points = [*ends, (a, r0), (b, r1), *tips]
    return shapes.sweep([p for p, _ in points], [r for _, r in points], segments=14)


def hand(
    rng: random.Random,
    *,
    curl: float,
    spread: float = 0.12,
    extended: Sequence[int] = (0, 1, 2, 3),
    glove: bool = False,
) -> Any:
    """A hand about 1.0 long: wrist at -y, fingers towards +y, its back up (+z), ``curl`` radians a joint."""
    parts = []
    knuckles = [(-0.15, 0.02, 0.047), (-0.05, 0.05, 0.05), (0.055, 0.04, 0.047), (0.15, 0.0, 0.04)]
    lengths = (0.36, 0.42, 0.39, 0.30)
    for k, ((x, y, r), length) in enumerate(zip(knuckles, lengths, strict=True)):
        place, bend = Vector((x, y, 0)), 0.0
        lean = (k - 1.5) * spread + rng.gauss(0, 0.03)
        parts.append(_capsule(Vector((x * 0.7, -0.33, -0.01)), place, 0.08, r * 1.25))
        for joint, share in enumerate((0.45, 0.32, 0.23)):
            bend += (curl if k in extended else 1.25) * rng.uniform(0.8, 1.2)
            step = (
                Vector((math.sin(lean) * math.cos(bend), math.cos(lean) * math.cos(bend), -math.sin(bend)))
                * length
                * share
            )
            parts.append(_capsule(place, place + step, r * (1 - 0.08 * joint), r * (0.94 - 0.1 * joint)))
            place = place + step
    thumb = [
        Vector((-0.13, -0.27, -0.03)),
        Vector((-0.27, -0.12, -0.07)),
        Vector((-0.32, 0.03, -0.09 - 0.2 * curl)),
        Vector((-0.3, 0.15, -0.1 - 0.35 * curl)),
    ]
    for a, b, r in zip(thumb[:-1], thumb[1:], (0.075, 0.052, 0.046), strict=True):
        parts.append(_capsule(a, b, r, r * 0.93))
    parts.append(_capsule(Vector((0, -0.33, -0.01)), Vector((0, -1.3, -0.02)), 0.11, 0.14))
    obj = shapes.remesh(shapes.join(parts, "hand"), 0.02)
    shapes.modify(obj, "SMOOTH", factor=0.6, iterations=5)
    if rng.random() < 0.5:
        shapes.scale(obj, -1, 1, 1)
        obj.data.flip_normals()
    return shapes.paint(obj, skin_material(rng, glove))


def palm_ground(rng: random.Random) -> list[Any]:
    """An open hand, palm up with its hollow at z = 0, above a far floor."""
    size = rng.uniform(1.7, 3.0)
    obj = hand(rng, curl=rng.uniform(0.02, 0.22), spread=rng.uniform(0.05, 0.2), glove=rng.random() < 0.2)
    shapes.turn(shapes.scale(obj, size), y=math.pi)
    shapes.move(obj, y=rng.uniform(-0.05, 0.35) * size * 0.5, z=-0.085 * size)
    shapes.turn(obj, z=rng.gauss(0, 0.6))
    floor = shapes.sheet(lambda u, v: ((2 * u - 1) * 9, (2 * v - 1) * 9, -rng.uniform(1.0, 1.01)), 2, 2)
    material = weave_material(rng, 0.3, rng.random() < 0.4) if rng.random() < 0.5 else plain_material(rng)
    return [obj, shapes.paint(floor, material)]


def occlude(kind: str, seed: int, subject: Sequence[Any]) -> list[Any]:
    """Put a hand, one finger, a glove or a ribbon over an edge of the subject."""
    if kind == "none":
        return []
    rng = random.Random(seed)
    low, high = shapes.bounds(subject)
    top = float(high[2])
    if kind == "ribbon":
        strip = shapes.box((max(1.4, 1.3 * float(high[0] - low[0])), rng.uniform(0.03, 0.09), 0.006))
        shapes.turn(strip, z=rng.uniform(0, 3.14))
        return [shapes.paint(shapes.move(strip, z=top * rng.uniform(0.9, 1.02)), plain_material(rng, roughness=0.4))]
    finger = kind == "finger"
    obj = hand(rng, curl=rng.uniform(0.15, 0.5), extended=(0,) if finger else (0, 1, 2, 3), glove=kind == "glove")
    size = rng.uniform(0.7, 1.6)
    shapes.scale(obj, size)
    shapes.turn(obj, x=rng.uniform(-0.35, 0.05), y=rng.gauss(0, 0.3))
    points = shapes.vertices(obj)
    tip = points[np.argmax(points[:, 1])]
    shapes.move(obj, -float(tip[0]), -float(tip[1]), -float(points[:, 2].min()))
    angle = rng.uniform(-2.6, -0.5)  # from the photographer's side or from left and right
    reach = float(max(high[0] - low[0], high[1] - low[1])) / 2 * rng.uniform(0.35, 0.9)
    shapes.turn(obj, z=angle + math.pi / 2)
    return [
        shapes.move(
            obj, reach * math.cos(angle), reach * math.sin(angle), max(0.0, top * rng.uniform(0.2, 0.75) - 0.02)
        )
    ]
