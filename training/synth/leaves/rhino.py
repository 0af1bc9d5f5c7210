"""Rhino horn: whole horns, mounted pairs, segments, discs and heaps; libation cups, bangles, beads, handles, seals."""

from __future__ import annotations

import math
import random

import numpy as np

from training.synth import carve, shapes
from training.synth.forms import worked
from training.synth.leaves import BuildContext, Builder, Built
from training.synth.leaves.horns import HORN_FORMS, Horn, cap, mount, rhino, rhino_horn, skin_of
from training.synth.leaves.panels import Object, tube
from training.synth.materials import keratin
from training.synth.relief import wrap_relief


def _lay(rng: random.Random, objects: list[Object], showing_base: float = 0.4) -> list[Object]:
    """Stand, or lie on the side; the heading decides whether the base faces the camera (which looks towards +y)."""
    if rng.random() < 0.3:
        heading, tilt = rng.uniform(0, 6.28), 0.0
    else:
        tilt = math.pi / 2 * rng.uniform(0.92, 1.02) * rng.choice((-1, 1))
        heading = rng.uniform(0, 6.28)
    roll = rng.uniform(0, 6.28) if tilt and rng.random() < showing_base else 0.0
    for obj in objects:
        shapes.turn(obj, z=roll)
        if tilt:
            shapes.turn(obj, y=tilt)
        shapes.turn(obj, z=heading)
    low = float(shapes.bounds(objects)[0][2])
    return [shapes.move(obj, z=-low) for obj in objects]


def _whole(rng: random.Random, context: BuildContext, count: int) -> Built:
    materials = [
        (keratin.rhino_raw(rng, context.holdout), keratin.rhino_foot(rng, context.holdout))
        for _ in range(min(count, 3))
    ]
    instances: list[list[Object]] = []
    for k in range(count):
        outside, foot = materials[k % len(materials)]
        one = _lay(rng, rhino_horn(rng, outside, foot, rear=rng.random() < 0.4))
        size = rng.uniform(0.6, 1.0) if count > 1 else 1.0
        row, place = divmod(k, 3)
        x, y, high = place * rng.uniform(0.5, 0.75), (row % 2) * rng.uniform(0.5, 0.8), 0.22 * (k // 6)
        for obj in one:
            shapes.move(shapes.scale(obj, size), x, y, high)
        instances.append(one)
    objects = [obj for one in instances for obj in one]
    shapes.fit(objects)
    return Built(objects, {"form": "horns", "count": count}, instances if count > 1 else [], crowd=count > 6)


def _mount(rng: random.Random, context: BuildContext) -> Built:
    """Front and rear horn side by side on a wooden shield."""
    outside, foot = keratin.rhino_raw(rng, context.holdout), keratin.rhino_foot(rng, context.holdout)
    pair = (rhino_horn(rng, outside, foot, rear=rear) for rear in (False, True))
    return mount(rng, context, *pair)


def _slice(body: Horn, start: int, stop: int, outside: object, cut: object) -> list[Object]:
    parts = [shapes.paint(skin_of(body, start, stop + 1), outside)]
    parts.append(shapes.paint(cap(body, start), cut))
    parts.append(shapes.paint(cap(body, stop, flip=True), cut))
    return parts


def _pieces(rng: random.Random, context: BuildContext) -> Built:
    """Sawn segments, or discs."""
    discs = rng.random() < 0.5
    outside, cut = keratin.rhino_raw(rng, context.holdout), keratin.rhino_cut(rng, context.holdout)
    body = rhino(rng, rear=False)
    count = rng.randint(2, 7) if discs else rng.randint(1, 4)
    edges = sorted(rng.sample(range(4, 66), count))
    instances: list[list[Object]] = []
    x = 0.0
    for start in edges:
        stop = start + (rng.randint(2, 5) if discs else rng.randint(12, 22))
        piece = _slice(body, start, stop, outside, cut)
        centre = (body.centres[start] + body.centres[stop]) / 2
        pose = rng.choice((0.0, 0.0, math.pi / 2)) if not discs else rng.choice((0.0, 0.0, math.pi, 1.2))
        spin = rng.uniform(0, 6.28)
        for obj in piece:
            shapes.move(obj, *(-float(c) for c in centre))
            shapes.turn(shapes.turn(obj, y=pose), z=spin)
        low, high = shapes.bounds(piece)
        y = rng.gauss(0, 0.08)
        for obj in piece:
            shapes.move(obj, x=x - float(low[0]), y=y, z=-float(low[2]))
        x += float(high[0] - low[0]) * rng.uniform(0.75, 1.2)
        instances.append(piece)
    objects = [obj for piece in instances for obj in piece]
    shapes.fit(objects)
    return Built(objects, {"form": "discs" if discs else "segments", "count": count}, instances if count > 1 else [])


def rhino_horn_raw(rng: random.Random, context: BuildContext) -> Built:
    """Whole horns, a heap, a mounted pair, or sawn pieces."""
    kind = rng.choices(("one", "few", "heap", "mount", "pieces"), weights=(5, 3, 1, 1.5, 3))[0]
    if kind == "mount":
        return _mount(rng, context)
    if kind == "pieces":
        return _pieces(rng, context)
    return _whole(rng, context, {"one": 1, "few": rng.randint(2, 4), "heap": rng.randint(5, 10)}[kind])


def libation_cup(rng: random.Random, context: BuildContext, material: object) -> Built:
    """A carved cup cut from the flared base of a horn: wide lip with a spout, narrow foot, relief and a branch as
    handle.
    """
    high, lip, foot = rng.uniform(0.55, 1.0), rng.uniform(0.4, 0.6), rng.uniform(0.14, 0.26)
    flare = rng.uniform(1.3, 2.6)
    n = 40
    t = np.linspace(0, 1, n)
    outer = foot + (lip - foot) * t**flare + 0.03 * np.exp(-t * 18)
    profile = [(0.0, 0.02), *zip(outer.tolist(), (t * high).tolist(), strict=True)]
    inner = [(float(outer[k]) - 0.045, float(t[k]) * high + 0.003) for k in range(n - 1, 6, -1)]
    cup = shapes.lathe([*profile, *inner, (0.0, float(t[6]) * high)], 120)
    wrap_relief(cup, rng, context, rng.uniform(0.015, 0.045))
    points = shapes.vertices(cup)
    angle, level = np.arctan2(points[:, 1], points[:, 0]), points[:, 2] / high
    spout = rng.uniform(0.05, 0.25) * np.exp(-((angle / 0.6) ** 2)) * level**3
    wave = 0.03 * np.sin(rng.choice((3, 4, 5)) * angle + rng.uniform(0, 6)) * level**3
    points[:, :2] *= (1 + spout + wave)[:, None]
    points[:, 1] *= rng.uniform(0.62, 0.85)
    points[:, 2] += (0.25 * spout + wave) * 0.6
    shapes.set_vertices(cup, points)
    parts = [cup]
    for _ in range(rng.randint(1, 3)):
        out = rng.uniform(0.08, 0.2)
        s = np.linspace(0, 1, 30)
        wobble = [rng.uniform(-0.04, 0.04) for _ in range(3)]
        x = -(np.interp(s, t, outer) + out * np.sin(s * math.pi) ** 0.7) + 0.02
        y = sum(w * np.sin((k + 2) * s * 3) for k, w in enumerate(wobble))
        branch = tube(np.column_stack([x, y, s * high * 0.97]), 0.035 * rng.uniform(0.7, 1.3))
        parts.append(carve.roughen(branch, rng, 0.02, 9))
        for leaf in np.linspace(0.2, 0.9, rng.randint(2, 5)):
            i = int(leaf * 29)
            knob = shapes.lathe([(0, -0.05), (0.05, -0.02), (0.055, 0.02), (0, 0.05)], 16)
            parts.append(
                shapes.move(
                    carve.roughen(knob, rng, 0.03, 14),
                    float(x[i]),
                    float(y[i]) + rng.uniform(-0.04, 0.04),
                    float(s[i]) * high * 0.97,
                )
            )
    for obj in parts:
        shapes.paint(obj, material)
    if rng.random() < 0.2:
        parts = [shapes.turn(obj, x=math.pi / 2 * 0.85) for obj in parts]
    shapes.fit(parts)
    return Built(parts, {"form": "libation_cup"})


def rhino_horn_worked(rng: random.Random, context: BuildContext) -> Built:
    """Cups, bangles, beads, seals, handles, pendants and carvings, polished."""
    if rng.random() < 0.35:
        return libation_cup(rng, context, keratin.rhino_polished(rng, context.holdout))
    return worked(rng, context, keratin.rhino_polished, (rng.choice(HORN_FORMS),))


BUILDERS: dict[str, Builder] = {"rhino_horn_raw": rhino_horn_raw, "rhino_horn_worked": rhino_horn_worked}
