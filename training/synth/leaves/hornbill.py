"""Helmeted hornbill: skulls with bill and casque, carved casques, and goods cut from the layered casque block."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from training.synth import shapes
from training.synth.figures import figurine
from training.synth.ground import plain_material
from training.synth.jewellery import bead_shape, cord
from training.synth.leaves import BuildContext, Built
from training.synth.materials.casque import layered, skull
from training.synth.relief import carving, relief_block

Material = Callable[[random.Random, bool], Any]  # (rng, holdout)


def _ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Any:
    ball = shapes.lathe([(math.sin(t), -math.cos(t)) for t in np.linspace(0, math.pi, 18)], 28)
    return shapes.move(shapes.scale(ball, *radii), *centre)


def _superblock(centre: tuple[float, float, float], half: tuple[float, float, float], power: float) -> Any:
    """A rounded block: superellipsoid with the given half sizes."""
    ball = shapes.lathe([(math.sin(t), -math.cos(t)) for t in np.linspace(0, math.pi, 26)], 44)
    points = shapes.vertices(ball)
    norm = (np.abs(points) ** power).sum(1) ** (1 / power)
    shapes.set_vertices(ball, points / norm[:, None] * np.asarray(half))
    return shapes.move(ball, *centre)


def _bill(rng: random.Random, lower: bool, length: float, droop: float, gap: float) -> Any:
    steps = np.linspace(0, 1, 26)
    drop = gap if lower else 0.0
    path = [
        (0.02 + length * t, 0, (-0.03 - drop if lower else 0.03) - droop * t * t - drop * 0.6 * t * (1 - t))
        for t in steps
    ]
    tall, wide = (0.08, 0.05) if lower else (0.12, 0.062)
    radii = [max(0.06, (1 - t) ** 0.5) for t in steps]
    section = [
        (wide * math.cos(a), tall * math.sin(a) * (0.6 if (math.sin(a) > 0) == lower else 1.0))
        for a in np.linspace(0, 2 * math.pi, 29)[:-1]
    ]
    layers = np.stack(
        [np.asarray(p) + r * np.asarray([(0, y, z) for y, z in section]) for p, r in zip(path, radii, strict=True)]
    )
    return shapes.loft(layers.astype(np.float32))


def _skull(rng: random.Random, context: BuildContext, carve: bool) -> Any:
    """Cranium at -x, bill towards +x; attributes red, yellow and dark tell the material what is what."""
    length, droop, gap = rng.uniform(0.35, 0.45), rng.uniform(0.02, 0.1), rng.choice((0.0, 0.0, 0.0, 0.02))
    long, wide, tall = rng.uniform(0.15, 0.19), rng.uniform(0.068, 0.085), rng.uniform(0.095, 0.125)
    front = 0.1 + rng.uniform(0, 0.08)
    casque_at = (front - long, 0.0, 0.05 + tall * 0.8)
    parts = [
        _ellipsoid((-0.18, 0, -0.01), (0.115, 0.09, 0.095)),
        _ellipsoid((-0.06, 0, 0.02), (0.13, 0.075, 0.08)),
        _superblock(casque_at, (long, wide, tall), rng.uniform(2.6, 4.0)),
        _bill(rng, False, length, droop, gap),
    ]
    if rng.random() < 0.85:
        parts.append(_bill(rng, True, length * rng.uniform(0.93, 1.0), droop, gap))
        parts.append(_ellipsoid((-0.07, 0, -0.045), (0.1, 0.06, 0.03)))
    obj = shapes.remesh(shapes.join(parts, "hornbill"), 0.0085)
    shapes.modify(obj, "SMOOTH", factor=0.5, iterations=5)
    points = shapes.vertices(obj)
    x, z = points[:, 0], points[:, 2]
    cx, cz = casque_at[0], casque_at[2]
    # casque slopes down to the back of the head
    on_casque = (z > 0.07) & (np.abs(x - cx) < long * 1.1)
    points[:, 2] = np.where(on_casque, z - np.clip((cx - x) / long, 0, 1) ** 1.5 * tall * rng.uniform(0.2, 0.55), z)
    dark = np.zeros(len(points))
    for side in (-1, 1):
        away = np.linalg.norm(
            (points - np.asarray((-0.115, side * 0.092, 0.015))) / np.asarray((0.05, 0.05, 0.042)), axis=1
        )
        sink = np.clip(1.15 - away, 0, 1)
        points[:, 1] -= side * sink * 0.075
        dark = np.maximum(dark, np.clip(sink * 1.6, 0, 1))
        nostril = np.linalg.norm(
            (points - np.asarray((front - 0.01, side * 0.05, 0.06))) / np.asarray((0.02, 0.02, 0.01)), axis=1
        )
        dark = np.maximum(dark, np.clip(1.1 - nostril, 0, 1))
    shapes.set_vertices(obj, points)
    normal = shapes.normals(obj)
    x, z = points[:, 0], points[:, 2]
    casque = (
        np.clip((z - 0.055) / 0.03, 0, 1)
        * np.clip((x - (cx - long * 1.05)) / 0.06, 0, 1)
        * np.clip((front + 0.03 - x) / 0.01, 0, 1)
    )
    face = np.clip((normal[:, 0] - rng.uniform(0.35, 0.6)) * 5, 0, 1) * np.clip((x - (front - 0.07)) / 0.02, 0, 1)
    beak = np.clip((x - 0.02) / 0.08, 0, 1) * np.clip(1 - casque, 0, 1)
    if carve:
        field = carving(rng, context, 96)
        u = np.clip((x - (cx - long)) / (2 * long), 0, 1)
        v = np.clip((z - (cz - tall)) / (2 * tall), 0, 1)
        relief = field[(v * 95).astype(int), (u * 95).astype(int)]
        window = (
            casque
            * np.clip((np.abs(normal[:, 1]) - 0.5) * 4, 0, 1)
            * ((u > 0.12) & (u < 0.88) & (v > 0.2) & (v < 0.85))
        )
        cut = (1 - relief) * window
        shapes.set_vertices(obj, points - normal * (cut * 0.022)[:, None])
    else:
        cut = np.zeros(len(points))
    base_red = np.clip((0.2 - x) / 0.12, 0, 1) * beak * rng.choice((0.0, 0.6, 1.0))
    shapes.set_attribute(obj, "red", np.clip(np.maximum(casque * (1 - face), base_red) - cut * 1.5, 0, 1))
    shapes.set_attribute(obj, "yellow", np.clip(np.maximum(casque, beak), 0, 1))
    shapes.set_attribute(obj, "dark", dark)
    return shapes.paint(obj, skull(rng, context.holdout))


def hornbill_casque_raw(rng: random.Random, context: BuildContext) -> Built:
    """One to several skulls lying on the side, upright, or seen from the front; or a casque sawn off."""
    carve, birds = rng.random() < 0.2, []
    count = rng.choices((1, 2, 3, 5), (7, 1.5, 1, 0.7))[0]
    for k in range(count):
        obj = _casque_block(rng, context.holdout) if rng.random() < 0.2 else _skull(rng, context, carve)
        if rng.random() < 0.6:
            shapes.turn(obj, x=rng.choice((-1, 1)) * math.pi / 2 + rng.gauss(0, 0.1))
        shapes.turn(obj, z=rng.gauss(0, 0.25) if count > 1 else rng.uniform(0, 6.28))
        low, high = shapes.bounds([obj])
        shift = k * float(high[1] - low[1]) * rng.uniform(0.9, 1.2)
        birds.append(shapes.rest(obj, rng.gauss(0, 0.05), shift))
    shapes.fit(birds)
    return Built(birds, {"form": "skulls" if count > 1 else "skull", "carved": carve}, instances=[[b] for b in birds])


def _casque_block(rng: random.Random, holdout: bool) -> Any:
    """A casque cut from its skull: yellow in front and on the sawn faces, red above and at the sides."""
    obj = _superblock((0, 0, 0), (0.5, rng.uniform(0.2, 0.27), rng.uniform(0.33, 0.45)), rng.uniform(3.5, 7))
    shapes.modify(obj, "SUBSURF", levels=1, render_levels=1)
    points = shapes.vertices(obj)
    floor = points[:, 2].min() * rng.uniform(0.5, 0.8)
    cut = points[:, 2] < floor
    points[:, 2] = np.maximum(points[:, 2], floor)
    back = points[:, 0] < -0.4
    points[:, 0] = np.maximum(points[:, 0], -0.4)
    shapes.set_vertices(obj, points)
    normal = shapes.normals(obj)
    front = np.clip((normal[:, 0] - 0.4) * 5, 0, 1)
    shapes.set_attribute(obj, "skin", np.where(cut | back, 0.0, 1 - front))
    return shapes.paint(obj, layered(rng, holdout))


def slab(rng: random.Random, context: BuildContext, material: Material) -> Built:
    """Goods cut from a layered slab: attribute ``skin`` is 1 on the outer surface and 0 where it is carved through."""
    makers: tuple[tuple[Callable[..., tuple[list[Any], list[Any], str]], float], ...] = (
        (_plaque, 4), (_beads, 3), (_bottle, 2.5), (_figure, 3),
    )  # fmt: skip
    maker = rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
    objects, props, form = maker(rng, context)
    skin = material(rng, context.holdout)
    for obj in objects:
        shapes.paint(obj, skin)
    shapes.fit([*objects, *props])
    return Built(objects, {"form": form}, instances=[[o] for o in objects], props=props)


def _plaque(rng: random.Random, context: BuildContext) -> tuple[list[Any], list[Any], str]:
    """Plaque, pendant or belt buckle in relief: the red skin is left as background or on the highest parts."""
    kind = rng.choice(("plaque", "pendant", "buckle"))
    obj = relief_block(
        rng, context, rng.choice((2, 2.6, 5, 8)), tall=rng.uniform(0.55, 1.4), thick=rng.uniform(0.05, 0.14)
    )
    carved = shapes.attribute(obj, "carved")
    up = shapes.normals(obj)[:, 2] > -0.2
    flip = rng.random() < 0.3
    shapes.set_attribute(
        obj, "skin", np.where(up, carved if flip else 1 - np.clip(carved * rng.uniform(1.0, 2.2), 0, 1), 0)
    )
    props = []
    if kind == "pendant":
        loop = [(0.3 * math.sin(t), 0.95 - 0.4 * math.cos(t), 0.03) for t in np.linspace(0, 2 * math.pi, 40)[:-1]]
        props.append(shapes.paint(shapes.sweep(loop, [0.012] * 39, segments=8, closed=True), cord(rng)))
    if rng.random() < 0.25:
        for part in (obj, *props):
            shapes.turn(part, x=rng.uniform(0.9, 1.5))
    return [obj], props, kind


def _beads(rng: random.Random, context: BuildContext) -> tuple[list[Any], list[Any], str]:
    """Beads, each with a patch of red skin on one side, strung or loose."""
    beads, count, strung = [], rng.randint(8, 24), rng.random() < 0.6
    kind = rng.choice(("round", "round", "barrel", "disc"))
    radius = 0.5 * math.pi / count * 0.95 if strung else 0.07
    for k in range(count):
        bead = bead_shape(rng, kind, radius)
        toward = np.asarray([rng.gauss(0, 1) for _ in range(3)])
        level = shapes.normals(bead) @ (toward / np.linalg.norm(toward))
        shapes.set_attribute(bead, "skin", np.clip((level - rng.uniform(0.0, 0.7)) * 2.5 + 0.5, 0, 1))
        angle = 2 * math.pi * k / count
        if strung:
            shapes.turn(bead, x=math.pi / 2, z=angle)
            shapes.move(bead, 0.5 * math.cos(angle), 0.5 * math.sin(angle) * 0.85, radius)
        else:
            shapes.turn(bead, x=rng.uniform(0, 3), y=rng.uniform(0, 3))
            shapes.rest(bead, (k % 5) * 0.17 + rng.gauss(0, 0.02), (k // 5) * 0.17 + rng.gauss(0, 0.02))
        beads.append(bead)
    if not strung:
        return beads, [], "loose beads"
    ring = [(0.5 * math.cos(a), 0.425 * math.sin(a), radius) for a in np.linspace(0, 2 * math.pi, 60)[:-1]]
    return (
        [shapes.join(beads)],
        [shapes.paint(shapes.sweep(ring, [radius * 0.15] * 59, segments=6, closed=True), cord(rng))],
        "beads",
    )


def _bottle(rng: random.Random, context: BuildContext) -> tuple[list[Any], list[Any], str]:
    """A flat snuff bottle: yellow body, the red skin left on the narrow sides; green or red stopper."""
    r = rng.uniform(0.28, 0.36)
    obj = shapes.lathe(
        [
            (0, 0),
            (r * 0.6, 0),
            (r * 0.62, 0.04),
            (r, 0.25),
            (r, 0.55),
            (r * 0.75, 0.7),
            (r * 0.3, 0.76),
            (r * 0.3, 0.86),
            (r * 0.36, 0.87),
            (0, 0.88),
        ],
        96,
    )
    shapes.modify(obj, "SUBSURF", levels=2, render_levels=2)
    shapes.scale(obj, 1, rng.uniform(0.4, 0.6), 1)
    points, normal = shapes.vertices(obj), shapes.normals(obj)
    field = carving(rng, context, 96)
    u, v = np.clip(points[:, 0] / (2 * r) + 0.5, 0, 1), np.clip((points[:, 2] - 0.1) / 0.6, 0, 1)
    window = np.clip((np.abs(normal[:, 1]) - 0.55) * 4, 0, 1) * (v > 0) * (v < 1)
    cut = (1 - field[(v * 95).astype(int), (u * 95).astype(int)]) * window * (rng.random() < 0.7)
    shapes.set_vertices(obj, points - normal * (cut * 0.03)[:, None])
    sides = np.clip((np.abs(normal[:, 0]) - rng.uniform(0.3, 0.7)) * 4 + 0.4, 0, 1)
    shapes.set_attribute(obj, "skin", sides if rng.random() < 0.7 else np.clip(1 - cut * 2, 0, 1) * window)
    stopper = shapes.move(_ellipsoid((0, 0, 0), (r * 0.3, r * 0.3, 0.06)), z=0.9)
    shapes.paint(
        stopper,
        plain_material(
            rng, rng.choice([(0.1, 0.35, 0.15), (0.5, 0.05, 0.04), (0.02, 0.02, 0.02), (0.2, 0.5, 0.4)]), 0.15
        ),
    )
    parts = [obj, stopper]
    if rng.random() < 0.4:
        for part in parts:
            shapes.turn(part, x=math.pi / 2)
    low, _ = shapes.bounds(parts)
    for part in parts:
        shapes.move(part, z=-float(low[2]))
    return [obj], [stopper], "snuff bottle"


def _figure(rng: random.Random, context: BuildContext) -> tuple[list[Any], list[Any], str]:
    """A figure cut from the block: red on all that lay at its outer face."""
    obj, _ = figurine(rng, context)
    shapes.scale(obj, 1, rng.uniform(0.4, 0.8), 1)
    shapes.fit([obj])
    points = shapes.vertices(obj)
    low, high = points.min(0), points.max(0)
    axis, sign = rng.choice(((1, 1), (1, 1), (2, -1), (0, 1)))
    depth = (points[:, axis] - low[axis]) / max(float(high[axis] - low[axis]), 1e-6)
    depth = depth if sign > 0 else 1 - depth
    bulge = 0.12 * ((points[:, 0] / max(float(high[0]), 1e-6)) ** 2)
    shapes.set_attribute(obj, "skin", np.clip((rng.uniform(0.12, 0.3) + bulge - depth) * 6 + 0.5, 0, 1))
    return [shapes.rest(obj)], [], "figure"


def hornbill_casque_worked(rng: random.Random, context: BuildContext) -> Built:
    """Goods in which the red skin follows the outer surface and the body is golden."""
    return slab(rng, context, layered)


BUILDERS = {"hornbill_casque_raw": hornbill_casque_raw, "hornbill_casque_worked": hornbill_casque_worked}
