"""The tusk: a tapering arc with a hollow or sawn base, UVs for its skin, and the raw skins it wears by default."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from training.synth import shapes
from training.synth.materials.ivory import bark, cavity, cut_face


def _curve(rng: random.Random, n: int, arc: float) -> list[tuple[float, float, float]]:
    """Points of a tusk of length 1 from tip to base: an arc of ``arc`` radians with a slight corkscrew."""
    lift, points, x, y, heading = rng.gauss(0, 0.08), [], 0.0, 0.0, 0.0
    tightening = rng.uniform(-0.5, 0.8)
    for k in range(n):
        t = k / (n - 1)
        points.append((x, y, lift * math.sin(2.4 * t)))
        heading += arc / (n - 1) * (1 + tightening * (0.5 - t))
        x, y = x + math.cos(heading) / (n - 1), y + math.sin(heading) / (n - 1)
    return points


def tusk(
    rng: random.Random,
    *,
    end: str,
    clean: float = 1.0,
    number: bool = False,
    start: float = 0.0,
    arc: float | None = None,
    skins: list[Any] | None = None,
    thick: float = 1.0,
) -> Any:
    """A tusk lying on its side. end: ``hollow`` (pulp cavity) or ``cut`` (sawn face).

    ``start`` is the share of the tusk sawn off its tip; ``skins`` gives ready skin, face and cavity materials
    (``clean`` and ``number`` are for the default ones); ``thick`` multiplies the radius.
    """
    n, m = 56, 44
    base, power = rng.uniform(0.035, 0.075) * thick, rng.uniform(0.45, 0.75)
    arc = rng.uniform(0.35, 1.5) if arc is None else arc
    path = _curve(rng, n, arc)
    blunt = rng.uniform(0.1, 0.34)
    radii = [base * min(1.0, blunt + (1 - blunt) * (k / (n - 1)) ** power) for k in range(n)]
    for k, share in enumerate((0.3, 0.7, 0.9)):  # round off the tip
        radii[k] *= share
    oval = rng.uniform(0.82, 1.0)
    section = [(math.cos(a), oval * math.sin(a)) for a in np.linspace(0, 2 * math.pi, m + 1)[:-1]]
    layers = shapes.rings(path, radii, section=section)
    layers = layers[int(start * n) :]
    phase, count = rng.uniform(0, 6.28), rng.randint(5, 12)
    fluting = 1 + rng.uniform(0, 0.01) * np.sin(count * np.linspace(0, 2 * math.pi, m + 1)[:-1] + phase)
    centres = layers.mean(1, keepdims=True)
    layers = centres + (layers - centres) * fluting[None, :, None]
    outer = len(layers)
    if end == "hollow":
        deep = min(outer - 2, rng.randint(8, 20))
        wall = rng.uniform(0.06, 0.16)
        factors = np.concatenate([[1 - wall * 0.3, 1 - wall], (1 - wall) * (1 - np.linspace(0.05, 1, deep) ** 1.4)])
        inner = [outer - 1, outer - 1, *range(outer - 1, outer - 1 - deep, -1)]
        extra = [(layers[i] - centres[i]) * f + centres[i] for i, f in zip(inner, factors, strict=True)]
        ragged = 1 + 0.02 * np.sin(np.arange(m) * 0.9 + phase)
        layers[-1] = centres[-1] + (layers[-1] - centres[-1]) * ragged[:, None]
        layers = np.concatenate([layers, np.asarray(extra, np.float32)])
    obj = shapes.loft(layers, caps=True, name="tusk")
    uv = obj.data.uv_layers["UVMap"].data
    total = len(layers) - 1
    sides = total * m
    for loop in range(
        sides * 4
    ):  # outer skin: v = 0 at the tip, 1 at the rim; cavity: v = 0 at its rim, 1 in the depth
        v = uv[loop].uv[1] * total
        uv[loop].uv[1] = v / (outer - 1) if loop // (4 * m) < outer - 1 else (v - outer + 1) / max(1, total - outer + 1)
    skin, face, hole = skins or (bark(rng, clean=clean, number=number), cut_face(rng), cavity(rng))
    shapes.paint(obj, skin)
    obj.data.materials.append(face)
    obj.data.materials.append(hole)
    for index, polygon in enumerate(obj.data.polygons):
        if index >= sides:
            last = index == sides + 1
            polygon.material_index = (2 if end == "hollow" else 1) if last else (1 if start > 0 else 0)
            polygon.use_smooth = False
        elif index // m >= outer - 1:
            polygon.material_index = 2
    if end == "cut" or start > 0:
        shapes.shade_by_angle(obj, 55)
    shapes.roughen(obj, rng, 0.003, 5)
    return shapes.rest(shapes.turn(obj, z=rng.uniform(0, 0.3)))
