"""Carving in relief: height fields of figures, cut into slabs and around turned bodies."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from training.synth import shapes
from training.synth.figures import figurine
from training.synth.leaves import BuildContext


def relief_block(rng: random.Random, context: BuildContext, power: float, *, tall: float, thick: float = 0.1) -> Any:
    """A flat piece lying on its back with carving on top: outline |x|^p + |y|^p = 1, width 1, height ``tall``.

    The vertex attribute ``carved`` is 0 on the untouched outer skin and grows to 1 with the depth of the carving.
    """
    n = 110
    relief = carving(rng, context, n)
    depth, border = rng.uniform(0.03, 0.09), rng.uniform(0.75, 0.92)
    dome = rng.uniform(0.0, 0.12)
    grid = np.linspace(-1, 1, n)
    xs, ys = np.meshgrid(grid, grid)
    radius = (np.abs(xs) ** power + np.abs(ys) ** power) ** (1 / power)
    square = np.maximum(np.abs(xs), np.abs(ys))
    pull = np.where(radius > 1e-6, square / np.maximum(radius, 1e-6), 1.0)
    px, py = xs * pull * 0.5, ys * pull * 0.5 * tall
    inside = square < border
    top = np.where(inside, relief * depth - depth, 0.0)
    edge = np.clip((1 - square) / 0.06, 0, 1)
    z = thick + dome * (1 - square**2) + top
    z = z * (0.25 + 0.75 * np.sqrt(edge))
    carved = np.clip(-top / depth, 0, 1)
    up = np.stack([px, py, z], -1).reshape(-1, 3)
    down = np.stack([px, py, np.zeros_like(z)], -1).reshape(-1, 3)
    faces = []
    for i in range(n - 1):
        for j in range(n - 1):
            a = i * n + j
            faces.append((a, a + 1, a + n + 1, a + n))
            faces.append((n * n + a, n * n + a + n, n * n + a + n + 1, n * n + a + 1))
    rim = (
        list(range(n))
        + [i * n + n - 1 for i in range(1, n)]
        + [(n - 1) * n + j for j in range(n - 2, -1, -1)]
        + [i * n for i in range(n - 2, 0, -1)]
    )
    for a, b in zip(rim, rim[1:] + rim[:1], strict=True):
        faces.append((b, a, n * n + a, n * n + b))
    obj = shapes.mesh_object("relief", np.concatenate([up, down]), faces)
    shapes.set_attribute(obj, "carved", np.concatenate([carved.ravel(), np.ones(n * n)]))
    return obj


def carving(rng: random.Random, context: BuildContext, n: int) -> np.ndarray:
    """Height field (n, n) in [0, 1] of random figures seen from the front, filled and softened; 0 is ground.

    One figure, a procession of the same two, or rows of them as on a diptych.
    """
    fields = [_front(rng, context, n) for _ in range(rng.choice((1, 1, 2)))]
    rows, columns = rng.choice(((1, 1), (1, 1), (1, 2), (1, 3), (2, 2), (2, 4), (3, 5)))
    out = np.zeros((n, n), np.float32)
    for row in range(rows):
        for column in range(columns):
            field = rng.choice(fields)[:, :: rng.choice((-1, 1))]
            height, width = n // rows, n // columns
            size = min(n, round(max(height, width) * rng.uniform(0.95, 1.15)))
            small = field[np.ix_(np.linspace(0, n - 1, size).astype(int), np.linspace(0, n - 1, size).astype(int))]
            y = max(0, min(n - size, row * height + (height - size) // 2))
            x = max(0, min(n - size, column * width + (width - size) // 2))
            out[y : y + size, x : x + size] = np.maximum(out[y : y + size, x : x + size], small)
    return out


def _front(rng: random.Random, context: BuildContext, n: int) -> np.ndarray:
    """Depth of one figure towards -y on an (n, n) grid."""
    obj, _ = figurine(rng, context)
    points = shapes.vertices(obj).copy()
    shapes.discard(obj)
    low, high = points.min(0), points.max(0)
    size = float(max(high[0] - low[0], high[2] - low[2]))
    col = ((points[:, 0] - (low[0] + high[0]) / 2) / size * 0.86 + 0.5) * (n - 1)
    row = ((points[:, 2] - (low[2] + high[2]) / 2) / size * 0.86 + 0.5) * (n - 1)
    near = 0.15 + 0.85 * (high[1] - points[:, 1]) / max(float(high[1] - low[1]), 1e-6)
    field = np.zeros((n, n), np.float32)
    np.maximum.at(field, (row.astype(int), col.astype(int)), near)
    for _ in range(3):  # close the gaps between vertices, then soften
        padded = np.pad(field, 1)
        neighbours = np.max([padded[i : i + n, j : j + n] for i in range(3) for j in range(3)], axis=0)
        field = np.where(field > 0, field, neighbours * 0.97)
    padded = np.pad(field, 1, mode="edge")
    return np.mean([padded[i : i + n, j : j + n] for i in range(3) for j in range(3)], axis=0)


def wrap_relief(obj: Any, rng: random.Random, context: BuildContext, depth: float) -> None:
    """Carve figures all round a turned body; writes the attribute ``carved``."""
    field = carving(rng, context, 120)
    points, repeats = shapes.vertices(obj), rng.randint(2, 4)
    u = (np.arctan2(points[:, 1], points[:, 0]) / (2 * math.pi) * repeats) % 1.0
    low, high = points[:, 2].min(), points[:, 2].max()
    v = (points[:, 2] - low) / max(float(high - low), 1e-6)
    value = field[np.clip(v * 119, 0, 119).astype(int), np.clip(u * 119, 0, 119).astype(int)]
    band = np.clip(np.minimum(v - 0.12, 0.85 - v) / 0.05, 0, 1)
    cut = (1 - value) * band
    shapes.set_vertices(obj, points - shapes.normals(obj) * (cut * depth)[:, None])
    shapes.set_attribute(obj, "carved", cut)
