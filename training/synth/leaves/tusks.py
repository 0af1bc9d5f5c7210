"""The tusk: a tapering arc with a hollow or sawn base and UVs for its skin; single, paired, mounted, carved."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.synth import carve, shapes
from training.synth.ground import plain_material, wood_material
from training.synth.leaves import BuildContext, Built
from training.synth.materials.minerals import steel
from training.synth.relief import carving


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
    skins: Sequence[Any],
    *,
    end: str,
    start: float = 0.0,
    arc: float | None = None,
    thick: float = 1.0,
) -> Any:
    """A tusk lying on its side. end: ``hollow`` (pulp cavity) or ``cut`` (sawn face).

    ``skins`` are the materials of skin, sawn face and cavity; ``start`` is the share of the tusk sawn off its tip;
    ``thick`` multiplies the radius.
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
    skin, face, hole = skins
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
    carve.roughen(obj, rng, 0.003, 5)
    return shapes.rest(shapes.turn(obj, z=rng.uniform(0, 0.3)))


def single_tusk(rng: random.Random, skins: Sequence[Any]) -> Built:
    """One tusk lying on either side, sometimes on its back."""
    obj = tusk(rng, skins, end=rng.choice(("hollow", "hollow", "cut")), thick=rng.uniform(0.9, 1.25))
    if rng.random() < 0.5:
        shapes.rest(shapes.turn(obj, x=math.pi))
    if rng.random() < 0.15:
        shapes.rest(shapes.turn(obj, x=rng.uniform(0.3, 1.4)))
    shapes.fit([obj])
    return Built([obj], {"form": "tusk"})


def tusk_pair(rng: random.Random, skins: Sequence[Any]) -> Built:
    """A tusk and its mirror image side by side."""
    seed, thick = rng.getrandbits(32), rng.uniform(0.9, 1.25)
    pair = [tusk(random.Random(seed), skins, end="hollow", thick=thick) for _ in range(2)]
    shapes.scale(pair[1], 1, -1, 1)
    pair[1].data.flip_normals()
    low, high = shapes.bounds([pair[0]])
    gap = float(high[1] - low[1]) + rng.uniform(0.03, 0.2)
    shapes.rest(pair[0])
    shapes.rest(pair[1], rng.gauss(0, 0.04), gap * rng.choice((-1, 1)))
    shapes.turn(pair[1], z=rng.gauss(0, 0.1))
    shapes.fit(pair)
    return Built(pair, {"form": "pair of tusks"}, instances=[[p] for p in pair])


def mounted_tusk(rng: random.Random, skins: Sequence[Any]) -> Built:
    """A tusk upright on a wooden or metal foot."""
    obj = tusk(rng, skins, end="cut", arc=rng.uniform(0.5, 1.1))
    shapes.turn(obj, y=math.pi / 2)  # tip towards +z
    low, high = shapes.bounds([obj])
    if float(shapes.vertices(obj)[:44].mean(0)[2]) < float(low[2] + high[2]) / 2:
        shapes.turn(obj, x=math.pi)
    shapes.rest(obj)
    shapes.turn(obj, z=rng.uniform(0, 6.28))
    foot_at = shapes.vertices(obj)
    foot_at = foot_at[foot_at[:, 2] < foot_at[:, 2].min() + 0.05].mean(0)
    shapes.move(obj, -float(foot_at[0]), -float(foot_at[1]), 0.07)
    r = rng.uniform(0.1, 0.16)
    foot = shapes.lathe([(0, 0), (r, 0), (r, 0.03), (r * 0.8, 0.07), (r * 0.7, 0.1), (0, 0.1)])
    shapes.paint(foot, wood_material(rng, False) if rng.random() < 0.6 else steel(rng))
    both = shapes.fit([obj, foot])
    return Built([both[0]], {"form": "mounted tusk"}, props=[foot])


def make_carved_tusk(rng: random.Random, context: BuildContext) -> Built:
    """A tusk carved in relief along its length."""
    obj = tusk(rng, [None] * 3, end="cut", arc=rng.uniform(0.4, 1.0))
    count = len(obj.data.vertices)
    around = 2 * math.pi * (np.arange(count) % 44) / 44
    for name, values in (("cos", np.cos(around)), ("sin", np.sin(around)), ("along", np.arange(count) / count)):
        shapes.set_attribute(obj, name, values)  # survive the subdivision, unlike vertex order
    shapes.modify(obj, "SUBSURF", levels=2, render_levels=2)
    cos, sin, along = (shapes.attribute(obj, name) for name in ("cos", "sin", "along"))
    field, repeats = carving(rng, context, 96), rng.randint(4, 8)
    u = (np.arctan2(sin, cos) / (2 * math.pi) * rng.choice((1, 2))) % 1.0
    height = field[(u * 95).astype(int), ((along * repeats) % 1.0 * 95).astype(int)]
    radius = np.interp(along, (0, 0.5, 1), (0.008, 0.016, 0.02))
    cut = (1 - height) * np.clip((along - 0.12) / 0.05, 0, 1) * np.clip((0.93 - along) / 0.02, 0, 1)
    shapes.set_vertices(obj, shapes.vertices(obj) - shapes.normals(obj) * (cut * radius)[:, None])
    for polygon in obj.data.polygons:
        polygon.material_index = 0
    shapes.fit([obj])
    props = []
    if rng.random() < 0.4:
        props = [shapes.paint(shapes.box((0.5, 0.2, 0.05), 0.01), plain_material(rng, (0.03, 0.015, 0.01), 0.3))]
        shapes.move(obj, z=0.045)
    return Built([obj], {"form": "carved tusk"}, props=props)
