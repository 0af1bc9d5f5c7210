"""Bone and antler: the forms of ivory in bone, and raw bones and antlers beside tusks."""

from __future__ import annotations

import math
import random
from typing import Any

from training.synth import carve, shapes
from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.tusks import tusk
from training.synth.materials.imitations import antler, antler_points, bone


def _antler(rng: random.Random, context: BuildContext) -> Any:
    parts = [shapes.sweep(path, radii, segments=16) for path, radii in antler_points(rng)]
    obj = shapes.remesh(shapes.join(parts, "antler"), 0.009)
    carve.roughen(obj, rng, 0.008, 14)
    shapes.paint(obj, antler(rng, context.holdout))
    shapes.turn(obj, x=rng.choice((0, math.pi / 2, math.pi)))
    return shapes.rest(obj)


def _raw_bone(rng: random.Random, context: BuildContext) -> Any:
    path = context.assets / "meshes" / "femur.off"
    if path.exists() and rng.random() < 0.5:
        obj = shapes.load_off(path)
        carve.bend(shapes.fit([obj])[0], 0.06, 1.2, rng)
    else:
        parts = [
            shapes.sweep(
                [(t / 20 - 0.5, 0.05 * math.sin(t / 6), 0) for t in range(21)],
                [0.05 + 0.03 * abs(t / 10 - 1) ** 3 for t in range(21)],
            )
        ]
        for end in (-0.5, 0.5):
            for side in (-1, 1):
                ball = shapes.lathe([(0.07 * math.sin(a / 6), -0.07 * math.cos(a / 6)) for a in range(19)], 20)
                parts.append(shapes.move(ball, end, side * 0.055, 0))
        obj = shapes.remesh(shapes.join(parts), 0.012)
        shapes.modify(obj, "SMOOTH", factor=0.6, iterations=4)
    carve.roughen(obj, rng, 0.006, 9)
    return shapes.rest(shapes.paint(obj, bone(rng, context.holdout)))


def _boar_tusk(rng: random.Random, context: BuildContext) -> Any:
    """A small strongly curved tooth in bone material: boar, warthog; not elephant."""
    return tusk(rng, [bone(rng, context.holdout)] * 3, end="hollow", arc=rng.uniform(2.2, 3.6))


def bone_antler(rng: random.Random, context: BuildContext) -> Built:
    """Worked bone in the forms of ivory; whole bones, antlers, boar teeth."""
    chance = rng.random()
    if chance < 0.62:
        built = worked(rng, context, bone)
        return Built(built.objects, {**built.params, "material": "bone"}, built.instances, built.props)
    if chance < 0.8:
        pieces, form = [_antler(rng, context) for _ in range(rng.choice((1, 1, 2)))], "antler"
    elif chance < 0.92:
        pieces, form = [_raw_bone(rng, context) for _ in range(rng.choice((1, 2, 3)))], "bones"
    else:
        pieces, form = [_boar_tusk(rng, context) for _ in range(rng.choice((1, 2)))], "boar teeth"
    shift = 0.0
    for piece in pieces:
        low, high = shapes.bounds([piece])
        shapes.rest(piece, rng.gauss(0, 0.05), shift + float(high[1] - low[1]) / 2)
        shift += float(high[1] - low[1]) * rng.uniform(0.8, 1.1)
    shapes.fit(pieces)
    return Built(pieces, {"form": form}, instances=[[p] for p in pieces])


BUILDERS = {"bone_antler": bone_antler}
