"""Worked forms of several like pieces: chopsticks, fans, chessmen, a row of figures. The caller brings the material."""

from __future__ import annotations

import math
import random

import numpy as np

from training.synth import shapes
from training.synth.figures import figurine
from training.synth.leaves import BuildContext, Built


def make_chopsticks(rng: random.Random, context: BuildContext) -> Built:
    """Chopsticks, hairpins or paper knives side by side."""
    sticks = []
    for k in range(rng.choice((1, 2, 2, 2, 4, 6))):
        width = rng.uniform(0.014, 0.022)
        round_ = rng.random() < 0.5
        section = None if round_ else [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        steps = np.linspace(0, 1, 16)
        stick = shapes.sweep(
            [(t - 0.5, 0, 0) for t in steps], [width * (1 - 0.5 * t) for t in steps], section=section, segments=16
        )
        if not round_:
            shapes.shade_by_angle(stick)
        shapes.turn(stick, z=rng.gauss(0, 0.06))
        sticks.append(shapes.rest(stick, rng.gauss(0, 0.02), 0.06 * k + rng.gauss(0, 0.01)))
    return Built(sticks, {"form": "chopsticks"}, instances=[[s] for s in sticks])


def make_fan(rng: random.Random, context: BuildContext) -> Built:
    """A pierced brisé fan, partly open, lying flat."""
    blades, opening = rng.randint(12, 22), rng.uniform(0.8, 2.4)
    parts = []
    for k in range(blades):
        blade = shapes.sheet(lambda u, v: ((u - 0.5) * (0.02 + 0.09 * v), 0.9 * v, 0), 14, 6)
        shapes.modify(blade, "SOLIDIFY", thickness=0.006)
        shapes.turn(blade, y=0.08, z=opening * (k / (blades - 1) - 0.5))
        parts.append(shapes.move(blade, z=0.012 + 0.0015 * k))
    obj = shapes.join(parts)
    shapes.fit([obj])
    return Built([obj], {"form": "fan"})


def make_chess(rng: random.Random, context: BuildContext) -> Built:
    """Turned pieces: chessmen, dice, balls, needle cases."""
    pieces = []
    for _ in range(rng.randint(2, 7)):
        kind = rng.choice(("man", "man", "die", "ball"))
        if kind == "man":
            h, r = rng.uniform(0.35, 0.7), rng.uniform(0.08, 0.13)
            knots = [
                (0, 0),
                (r, 0),
                (r, 0.05),
                (r * 0.6, 0.1),
                (r * 0.35, h * 0.5),
                (r * 0.7, h * 0.62),
                (r * 0.4, h * 0.68),
                (r * 0.55, h * 0.85),
                (r * 0.15, h * 0.95),
                (0, h),
            ]
            piece = shapes.lathe(knots, 32)
            shapes.modify(piece, "SUBSURF", levels=1, render_levels=1)
            if rng.random() < 0.4:
                shapes.turn(piece, x=math.pi / 2 - 0.1, z=rng.uniform(0, 6))
        elif kind == "die":
            side = rng.uniform(0.12, 0.2)
            piece = shapes.turn(shapes.box((side, side, side), side * 0.12), z=rng.uniform(0, 1.5))
        else:
            r = rng.uniform(0.08, 0.16)
            piece = shapes.lathe([(r * math.sin(t), -r * math.cos(t)) for t in np.linspace(0, math.pi, 20)], 32)
        for _ in range(20):
            x, y = rng.gauss(0, 0.35), rng.gauss(0, 0.25)
            if all(
                math.hypot(x - float(c[0]), y - float(c[1])) > 0.27
                for c in (shapes.vertices(p).mean(0) for p in pieces)
            ):
                break
        pieces.append(shapes.rest(piece, x, y))
    shapes.fit(pieces)
    return Built(pieces, {"form": "turned pieces"}, instances=[[p] for p in pieces])


def make_row(rng: random.Random, context: BuildContext) -> Built:
    """A market stall's row of small figures."""
    figures, x = [], 0.0
    for _ in range(rng.randint(2, 5)):
        obj, _ = figurine(rng, context)
        shapes.turn(obj, z=rng.gauss(0, 0.4))
        shapes.fit([obj], rng.uniform(0.3, 0.5))
        low, high = shapes.bounds([obj])
        x += float(high[0] - low[0]) / 2
        figures.append(shapes.rest(obj, x, rng.gauss(0, 0.05)))
        x += float(high[0] - low[0]) / 2 + rng.uniform(0.02, 0.12)
    shapes.fit(figures)
    return Built(figures, {"form": "row of figurines"}, instances=[[f] for f in figures])
