"""Worked forms shared by ivory and all that imitates it: figurines, seals, plaques, … The caller brings the material.

So neither shape nor scene tells a product from its look-alike; only the substance does.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from training.synth import carve, shapes
from training.synth.figures import figurine
from training.synth.ground import plain_material, wood_material
from training.synth.jewellery import make_bangle, make_beads, make_pendant
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.tusks import make_carved_tusk
from training.synth.materials.minerals import steel
from training.synth.nodes import jitter, srgb
from training.synth.relief import relief_block, wrap_relief
from training.synth.sets import make_chess, make_chopsticks, make_fan, make_row

Material = Callable[[random.Random, bool], Any]  # (rng, holdout)
Form = Callable[[random.Random, BuildContext], Built]


def _lie(obj: Any, rng: random.Random) -> Any:
    """Lay an upright thing on its side or back."""
    return shapes.rest(shapes.turn(obj, x=rng.choice((-1, 1)) * math.pi / 2))


def _stand(rng: random.Random, width: float, depth: float) -> Any:
    """A carved wooden foot."""
    if rng.random() < 0.35:  # tall turned pedestal
        h = rng.uniform(0.25, 0.6)
        knots = [
            (0.5, 0),
            (0.5, 0.1),
            (0.42, 0.14),
            (0.46, 0.2),
            (0.3, 0.3),
            (0.27, 0.7),
            (0.42, 0.82),
            (0.38, 0.86),
            (0.47, 0.93),
            (0.47, 1),
        ]
        foot = shapes.lathe([(0, 0), *((r, z * h) for r, z in knots), (0, h)], rng.choice((6, 8, 40)))
        return shapes.paint(shapes.scale(foot, width, depth, 1), plain_material(rng, jitter(rng, srgb("#1c0f0a")), 0.3))
    h = rng.uniform(0.05, 0.12)
    profile = [(0, 0), (0.5, 0), (0.52, 0.02), (0.42, h * 0.5), (0.5, h * 0.85), (0.48, h), (0, h)]
    foot = shapes.lathe(profile, 48) if rng.random() < 0.6 else shapes.box((1, 1, h), 0.015)
    low, high = shapes.bounds([foot])
    shapes.scale(foot, width / float(high[0] - low[0]), depth / float(high[1] - low[1]), 1)
    dark = rng.random() < 0.7
    return shapes.paint(
        foot, plain_material(rng, jitter(rng, srgb("#2a150c")), 0.3) if dark else wood_material(rng, False)
    )


def make_figurine(rng: random.Random, context: BuildContext) -> Built:
    """A figurine, netsuke or okimono, often on a wooden stand."""
    obj, name = figurine(rng, context)
    props = []
    if rng.random() < 0.15:
        _lie(obj, rng)
    elif rng.random() < 0.35:
        low, high = shapes.bounds([obj])
        foot = _stand(
            rng, float(high[0] - low[0]) * rng.uniform(1.0, 1.3), float(high[1] - low[1]) * rng.uniform(1.0, 1.3)
        )
        shapes.move(obj, z=float(shapes.bounds([foot])[1][2]) - 0.005)
        props.append(foot)
    return Built([obj], {"form": "figurine", "figure": name}, props=props)


def make_plaque(rng: random.Random, context: BuildContext) -> Built:
    """A carved plaque lying flat or leaning upright."""
    obj = relief_block(rng, context, rng.choice((2, 8, 8)), tall=rng.uniform(0.7, 1.4), thick=rng.uniform(0.06, 0.14))
    if rng.random() < 0.4:
        shapes.turn(obj, x=rng.uniform(1.1, 1.5))
    shapes.fit([obj])
    return Built([obj], {"form": "plaque"})


def make_seal(rng: random.Random, context: BuildContext) -> Built:
    """A name seal: square or round block, plain or with an animal on top, red ink on its face; standing or lying."""
    side, tall = rng.uniform(0.2, 0.36), rng.uniform(0.6, 1.0)
    if rng.random() < 0.5:
        block = shapes.box((side, side, tall), 0.012)
    else:
        block = shapes.lathe([(0, 0), (side / 2, 0), (side / 2, tall * 0.97), (side * 0.42, tall), (0, tall)], 40)
    parts = [block]
    if rng.random() < 0.45:
        top, _ = figurine(rng, context)
        shapes.fit([top], side * 1.3)
        parts.append(shapes.move(top, z=tall - 0.02))
    obj = shapes.join(parts)
    if rng.random() < 0.6:
        _lie(obj, rng)
    shapes.fit([obj], rng.uniform(0.8, 1.0))
    return Built([obj], {"form": "seal"})


def make_handle(rng: random.Random, context: BuildContext) -> Built:
    """A knife, dagger or letter opener with a handle of the material."""
    steps = np.linspace(0, 1, 30)
    swell = rng.uniform(0.0, 0.35)
    radii = [0.045 * (1 + swell * math.sin(t * 6.3 + 0.7)) for t in steps]
    grip = shapes.sweep(
        [(-0.5 + 0.42 * t, 0, 0.05) for t in steps],
        radii,
        section=[(math.cos(a) * 0.75, math.sin(a)) for a in np.linspace(0, 6.28, 25)[:-1]],
    )
    if rng.random() < 0.4:
        carve.roughen(grip, rng, 0.012, 12)
    blade = shapes.sheet(lambda u, v: (-0.08 + 0.58 * v, (u - 0.5) * 0.09 * (1 - v**3) + 0.03 * v * v, 0.05), 20, 6)
    shapes.modify(blade, "SOLIDIFY", thickness=0.008)
    guard = shapes.move(shapes.box((0.02, 0.13, 0.05), 0.006), x=-0.075, z=0.025)
    metal = steel(rng)
    for part in (blade, guard):
        shapes.paint(part, metal)
    return Built([grip], {"form": "handle"}, props=[blade, guard])


def make_vessel(rng: random.Random, context: BuildContext) -> Built:
    """A lidded box, brush pot, tankard, snuff bottle or small vase, turned, sometimes carved all round."""
    kind = rng.choice(("brushpot", "box", "vase", "bottle", "egg"))
    r = rng.uniform(0.22, 0.42)
    profiles = {
        "brushpot": [
            (0, 0),
            (r, 0),
            (r * 1.02, 0.05),
            (r * 0.94, 0.5),
            (r, 0.95),
            (r, 1),
            (r * 0.88, 1),
            (r * 0.85, 0.1),
            (0, 0.1),
        ],
        "box": [
            (0, 0),
            (r, 0),
            (r * 1.1, 0.2),
            (r * 1.1, 0.33),
            (r * 1.06, 0.34),
            (r * 1.1, 0.35),
            (r, 0.5),
            (0.1, 0.58),
            (0.05, 0.6),
            (0.08, 0.66),
            (0, 0.7),
        ],
        "vase": [
            (0, 0),
            (r * 0.6, 0),
            (r * 0.5, 0.06),
            (r, 0.45),
            (r * 0.9, 0.65),
            (r * 0.35, 0.85),
            (r * 0.5, 1),
            (r * 0.42, 1),
            (0, 0.9),
        ],
        "bottle": [
            (0, 0),
            (r * 0.5, 0),
            (r, 0.3),
            (r, 0.6),
            (r * 0.3, 0.8),
            (r * 0.3, 0.88),
            (r * 0.4, 0.89),
            (r * 0.36, 1.0),
            (0, 1.02),
        ],
        "egg": [(0.5 * r * 1.7 * math.sin(t), 0.5 - 0.5 * math.cos(t)) for t in np.linspace(0, math.pi, 18)],
    }
    obj = shapes.lathe(profiles[kind], 96)
    shapes.modify(obj, "SUBSURF", levels=2, render_levels=2)
    if kind == "bottle":
        shapes.scale(obj, 1, rng.uniform(0.4, 0.8), 1)
    if rng.random() < 0.45:
        wrap_relief(obj, rng, context, rng.uniform(0.015, 0.05))
    shapes.shade_by_angle(obj, 60)
    if kind == "egg":
        shapes.turn(obj, x=rng.uniform(0, 1.5))
    shapes.fit([obj])
    return Built([obj], {"form": "vessel", "kind": kind})


FORMS: Mapping[str, tuple[Form, float]] = {
    "figurine": (make_figurine, 9), "bangle": (make_bangle, 3), "beads": (make_beads, 3), "pendant": (make_pendant, 2),
    "plaque": (make_plaque, 2), "chopsticks": (make_chopsticks, 1.5), "seal": (make_seal, 2),
    "handle": (make_handle, 1.5), "vessel": (make_vessel, 2), "fan": (make_fan, 0.7), "turned": (make_chess, 1.5),
    "row": (make_row, 2), "carved_tusk": (make_carved_tusk, 2),
}  # fmt: skip


def worked(rng: random.Random, context: BuildContext, material: Material, only: tuple[str, ...] = ()) -> Built:
    """A random worked form in the given material; ``only`` restricts the forms."""
    names = [n for n in FORMS if not only or n in only]
    name = rng.choices(names, [FORMS[n][1] for n in names])[0]
    built = FORMS[name][0](rng, context)
    skin, alike = material(rng, context.holdout), rng.random() < 0.7
    for obj in built.objects:
        shapes.paint(obj, skin if alike else material(rng, context.holdout))
    return built
