"""Surfaces worked over vertex by vertex: closed, displaced, roughened, bent. No materials."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import bmesh
import numpy as np
from mathutils import Vector, noise

from training.synth import shapes


def close(obj: Any) -> Any:
    """Put a face on every open rim."""
    mesh = bmesh.new()
    mesh.from_mesh(obj.data)
    bmesh.ops.holes_fill(mesh, edges=mesh.edges[:], sides=0)
    mesh.to_mesh(obj.data)
    mesh.free()
    return obj


def displace(obj: Any, fn: Callable[[Vector], float], axis: Sequence[float] | None = None) -> Any:
    """Move every vertex by fn(position) along its normal (or along a fixed axis)."""
    points = shapes.vertices(obj)
    directions = shapes.normals(obj) if axis is None else np.asarray([axis], np.float32)
    amounts = np.asarray([fn(Vector(p)) for p in points.tolist()], np.float32)
    return shapes.set_vertices(obj, points + directions * amounts[:, None])


def roughen(obj: Any, rng: random.Random, amount: float, scale: float = 4.0, octaves: int = 3) -> Any:
    """Fractal noise along the normals: ``amount`` in scene units, ``scale`` in lumps a unit."""
    offset = Vector([rng.uniform(-50, 50) for _ in range(3)])
    return displace(obj, lambda p: amount * noise.fractal(p * scale + offset, 1.0, 2.0, octaves))


def bend(obj: Any, amount: float, frequency: float, rng: random.Random) -> Any:
    """Warp the whole shape softly in space: no two figurines from one mesh are then alike."""
    noise.seed_set(1)  # noise_vector adds a hidden offset that is otherwise drawn from the clock
    offset = Vector([rng.uniform(-50, 50) for _ in range(3)])
    points = shapes.vertices(obj)
    shift = np.asarray([noise.noise_vector(Vector(p) * frequency + offset) for p in points.tolist()], np.float32)
    return shapes.set_vertices(obj, points + amount * shift)
