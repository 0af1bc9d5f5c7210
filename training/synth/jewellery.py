"""Bangles, beads and pendants, and the cords they hang on. The caller brings the material."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from training.synth import carve, shapes
from training.synth.figures import figurine
from training.synth.ground import plain_material
from training.synth.leaves import BuildContext, Built
from training.synth.nodes import jitter, srgb
from training.synth.relief import relief_block


def cord(rng: random.Random) -> Any:
    """Strings of necklaces and pendants."""
    return plain_material(
        rng, jitter(rng, srgb(rng.choice(("#1b1716", "#8c2020", "#6d4a2a", "#d8cfba", "#274a33"))), 0.2), 0.9
    )


def make_bangle(rng: random.Random, context: BuildContext) -> Built:
    """One to three bangles: round, flat, faceted or carved section."""
    rings = []
    for k in range(rng.choices((1, 2, 3), (6, 3, 1))[0]):
        tall, thick = rng.uniform(0.04, 0.22), rng.uniform(0.035, 0.09)
        power = rng.choice((2, 2, 4, 8))
        angles = np.linspace(0, 2 * math.pi, 28)[:-1]
        section = [(thick * _super(math.cos(a), power), tall * _super(math.sin(a), power)) for a in angles]
        path = [(0.5 * math.cos(t), 0.5 * math.sin(t), 0) for t in np.linspace(0, 2 * math.pi, 97)[:-1]]
        ring = shapes.sweep(path, [1.0] * 96, section=_upright(section), closed=True)
        if rng.random() < 0.3:
            n, depth = rng.randint(8, 40), rng.uniform(0.005, 0.02)
            carve.displace(ring, lambda p, n=n, depth=depth: depth * math.sin(n * math.atan2(p.y, p.x)))
        shapes.rest(ring)
        if k or rng.random() < 0.15:
            shapes.turn(ring, x=rng.uniform(0.1, 0.5), y=rng.uniform(-0.3, 0.3))
            shapes.rest(ring, rng.gauss(0, 0.6), rng.gauss(0, 0.5), 0.0)
        rings.append(ring)
    return Built(rings, {"form": "bangle"}, instances=[[r] for r in rings])


def _super(x: float, power: float) -> float:
    return math.copysign(abs(x) ** (2 / power), x)


def _upright(section: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Swap the axes: around a flat ring the frame's first axis is vertical."""
    return [(y, x) for x, y in section]


def bead_shape(rng: random.Random, kind: str, r: float) -> Any:
    """One bead with its bore along z."""
    if kind == "round":
        profile = [(r * math.sin(t), -r * math.cos(t)) for t in np.linspace(0.22, math.pi - 0.22, 12)]
    elif kind == "barrel":
        profile = [
            (r * (0.62 + 0.38 * math.sin(t)), 1.4 * r * (t / math.pi * 2 - 1)) for t in np.linspace(0, math.pi, 10)
        ]
    elif kind == "disc":
        profile = [(r * 0.9, -r * 0.3), (r, -r * 0.2), (r, r * 0.2), (r * 0.9, r * 0.3)]
    else:
        profile = [(r * 0.8, -r), (r, -r * 0.8), (r, r * 0.8), (r * 0.8, r)]
    hole = r * 0.18
    return shapes.lathe([(hole, profile[0][1]), *profile, (hole, profile[-1][1]), (hole, profile[0][1])], 22)


def make_beads(rng: random.Random, context: BuildContext) -> Built:
    """A necklace or bracelet lying in a loop, or loose beads."""
    kind, carved = rng.choice(("round", "round", "round", "barrel", "disc")), rng.random() < 0.2
    if rng.random() < 0.25:
        return _loose_beads(rng, kind)
    count = rng.randint(14, 46)
    wobble = [(rng.gauss(0, 0.09), rng.uniform(0, 6.28)) for _ in range(3)]
    squash, taper = rng.uniform(0.45, 1.0), rng.random() < 0.3
    pitch = 2 * math.pi * 0.5 / count
    beads, path = [], []
    for k in range(count):
        a = 2 * math.pi * k / count
        radius = 0.5 * (1 + sum(w * math.sin((n + 2) * a + ph) for n, (w, ph) in enumerate(wobble)))
        x, y = radius * math.cos(a), radius * squash * math.sin(a)
        r = pitch / 2 * rng.uniform(0.92, 1.0) * (0.6 + 0.6 * abs(math.sin(a / 2)) if taper else 1)
        bead = bead_shape(rng, kind, r)
        if carved:
            carve.roughen(bead, rng, r * 0.25, 2.5 / r, 2)
        shapes.turn(bead, x=math.pi / 2, z=a + rng.gauss(0, 0.15))
        beads.append(shapes.move(bead, x, y, r))
        path.append((x, y, r))
    string = shapes.paint(shapes.sweep(path, [pitch * 0.06] * count, segments=6, closed=True), cord(rng))
    joined = shapes.join(beads)
    both = shapes.fit([joined, string])
    return Built([both[0]], {"form": "beads", "bead": kind, "count": count}, props=[string])


def _loose_beads(rng: random.Random, kind: str) -> Built:
    beads = []
    for _ in range(rng.randint(5, 16)):
        bead = bead_shape(rng, kind, rng.uniform(0.06, 0.09))
        shapes.turn(bead, x=rng.uniform(0, 3), y=rng.uniform(0, 3))
        for _ in range(20):
            x, y = rng.gauss(0, 0.25), rng.gauss(0, 0.25)
            if all(
                math.hypot(x - float(c[0]), y - float(c[1])) > 0.17 for c in (shapes.vertices(b).mean(0) for b in beads)
            ):
                break
        beads.append(shapes.rest(bead, x, y))
    return Built(beads, {"form": "loose beads", "bead": kind}, instances=[[b] for b in beads])


def make_pendant(rng: random.Random, context: BuildContext) -> Built:
    """A carved pendant or amulet on a cord: disc, drop, tablet or small figure."""
    kind = rng.choice(("disc", "drop", "tablet", "figure"))
    if kind == "figure":
        obj, _ = figurine(rng, context)
        shapes.scale(obj, 0.7, 0.25, 0.7)
        shapes.turn(obj, x=-math.pi / 2)
        shapes.rest(obj)
    else:
        obj = relief_block(
            rng,
            context,
            {"disc": 2, "drop": 2.6, "tablet": 8}[kind],
            tall=rng.uniform(0.8, 1.3) if kind != "disc" else 1.0,
        )
    shapes.fit([obj], 0.75)
    high = shapes.bounds([obj])[1]
    loop = [
        (0.25 * math.sin(t) * (1 + 0.3 * math.sin(3 * t)), float(high[1]) + 0.32 - 0.34 * math.cos(t), 0.02)
        for t in np.linspace(0, 2 * math.pi, 40)[:-1]
    ]
    string = shapes.paint(shapes.sweep(loop, [0.012] * 39, segments=8, closed=True), cord(rng))
    return Built([obj], {"form": "pendant", "kind": kind}, props=[string] if rng.random() < 0.7 else [])
