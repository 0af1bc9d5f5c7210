"""Figurines: scanned stand-ins and sculpted figures, bent, worn and chiselled: no two alike. No materials."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
from mathutils import Vector, noise

from training.synth import carve, shapes
from training.synth.leaves import BuildContext
from training.synth.sculpts import SCULPTED

_SCANS = ("ChineseDragon-10kv", "elephant", "lion", "lion-head", "bull", "camel", "mannequin-devil")
_Z_UP = ("camel",)  # the others have y up
_SCANNED = 0.25  # chance of a scan in place of a sculpted figure
VOXEL = 0.0095


def figurine(rng: random.Random, context: BuildContext) -> tuple[Any, str]:
    """A standing figurine, largest dimension 1.0, resting on z = 0; and its name."""
    scans = [n for n in _SCANS if (n in context.held_meshes) == context.holdout]
    scans = [n for n in scans if (context.assets / "meshes" / f"{n}.off").exists()]
    if scans and rng.random() < _SCANNED:
        name = rng.choice(scans)
        obj = shapes.load_off(context.assets / "meshes" / f"{name}.off")
        if name not in _Z_UP:
            shapes.turn(obj, x=math.pi / 2)
        shapes.fit([obj])
        if len(obj.data.vertices) > 25000:
            shapes.modify(obj, "DECIMATE", ratio=25000 / len(obj.data.vertices))
    else:
        name = rng.choice(("robed", "robed", "robed", "seated", "group", *sorted(SCULPTED)))
        obj = SCULPTED[name](rng)
        shapes.fit([obj])
        carve.close(obj)  # an open robe can vanish when fused
        shapes.remesh(obj, VOXEL)
        shapes.modify(obj, "SMOOTH", factor=0.5, iterations=rng.randint(2, 4))
        _chisel(obj, rng)
    carve.bend(obj, rng.uniform(0.01, 0.07), rng.uniform(0.8, 1.8), rng)
    stretch = [rng.uniform(0.82, 1.2) for _ in range(3)]
    shapes.scale(obj, *stretch)
    carve.roughen(obj, rng, rng.uniform(0.0, 0.012), rng.uniform(5, 14))
    if rng.random() < 0.4:
        _base(obj)
    shapes.fit([obj])
    return obj, name


def _base(obj: Any) -> None:
    """Cut the feet level, as carved pieces are."""
    points = shapes.vertices(obj)
    floor = np.quantile(points[:, 2], 0.03)
    points[:, 2] = np.maximum(points[:, 2], floor)
    shapes.set_vertices(obj, points)


def _chisel(obj: Any, rng: random.Random) -> None:
    """Tool work: fine grooves in patches (fur, feathers, folds, scales)."""
    pitch, depth = rng.uniform(20, 60), rng.uniform(0.002, 0.006)
    offset = Vector([rng.uniform(-50, 50) for _ in range(3)])
    tilt = Vector((rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 0.5)))

    def groove(p: Vector) -> float:
        patch = noise.noise(p * 2.2 + offset)
        swirl = p.dot(tilt) + 0.35 * noise.noise(p * 3.5 + offset)
        return depth * math.sin(swirl * pitch) if patch > 0.12 else 0.0

    carve.displace(obj, groove)
