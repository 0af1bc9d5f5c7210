"""Hornbill casque: golden-yellow keratin under a thin red skin, on bone. The layers come from vertex attributes."""

from __future__ import annotations

import random
from typing import Any

from training.synth.nodes import Colour, Graph, Socket, jitter, srgb

_GOLD = ("#e2a63c", "#d9922b", "#e8bb5d", "#cf8427", "#ecd08a", "#e9c77c")
# The last pair of gold and red belongs to the synthetic test set.
_HELD = ("#efe2bd", "#93412f")
_RED = ("#a8301a", "#8f2416", "#c2461c", "#b8401f", "#c8531f", "#b94a26", "#d0602a", "#a63a20")


def gold_and_red(rng: random.Random, holdout: bool = False) -> tuple[Colour, Colour]:
    """Body and skin colour of one casque; ``holdout``: the pale body and dull skin of the synthetic test set."""
    if holdout:
        return jitter(rng, srgb(_HELD[0]), 0.1), jitter(rng, srgb(_HELD[1]), 0.12)
    return jitter(rng, srgb(rng.choice(_GOLD)), 0.1), jitter(rng, srgb(rng.choice(_RED)), 0.12)


def _body(g: Graph, vector: Socket, gold: Colour, rng: random.Random) -> Socket:
    """Blotchy translucent yellow: creamy clouds, darker amber veins."""
    cream = tuple(min(1.0, c * 0.5 + 0.45) for c in gold)
    amber = (gold[0] * 0.75, gold[1] * 0.55, gold[2] * 0.35)
    cloud = g.noise(g.warp(vector, 1.5, 0.5), rng.uniform(2, 5), 5, 0.6)
    return g.ramp(cloud, [(0.32, amber), (0.5, gold), (0.68, cream)])


def layered(rng: random.Random, holdout: bool = False, attribute: str = "skin") -> Any:
    """Worked casque: red where the attribute is near 1 (uncarved outer surface), gold where the tool went through.

    The edge between the layers is ragged and passes through orange, for the skin has no even thickness.
    """
    g = Graph("casque")
    gold, red = gold_and_red(rng, holdout)
    vector = g.coords("Object", offset=[rng.uniform(-9, 9) for _ in range(3)])
    ragged = g.math(
        "MULTIPLY", g.math("SUBTRACT", g.noise(vector, rng.uniform(4, 12), 5, 0.65), 0.5), rng.uniform(0.2, 0.9)
    )
    skin = g.remap(g.math("ADD", g.attribute(attribute), ragged), 0.45, rng.uniform(0.58, 0.8))
    orange = tuple(0.5 * a + 0.5 * b for a, b in zip(gold, red, strict=True))
    streaks = g.noise(g.mapping(vector, scale=(3, 3, 14)), 2, 5)
    skin_colour = g.ramp(streaks, [(0.35, red), (0.7, tuple(min(1.0, c * 1.35 + 0.02) for c in red))])
    body = _body(g, vector, gold, rng)
    colour = g.mix(g.remap(skin, 0.0, 0.5), body, orange)
    colour = g.mix(g.remap(skin, 0.35, 1.0), colour, skin_colour)
    recess = g.ramp(g.pointiness(), [(0.44, (0.35, 0.16, 0.05)), (0.5, (1, 1, 1))])
    colour = g.mix(rng.uniform(0.2, 0.8), colour, recess, "MULTIPLY")
    g.set(
        Base_Color=colour,
        Roughness=rng.uniform(0.15, 0.38),
        IOR=1.54,
        Normal=g.bump(g.noise(vector, 12, 4), rng.uniform(0.02, 0.1), 0.01),
    )
    g.subsurface(rng.uniform(0.3, 0.6), rng.uniform(0.03, 0.07), (1.0, 0.5, 0.15))
    return g.material


def skull(rng: random.Random, holdout: bool = False) -> Any:
    """A whole skull: attributes ``red``, ``yellow`` and ``dark`` (eye sockets, mouth) on weathered bone."""
    g = Graph("hornbill")
    gold, red = gold_and_red(rng, holdout)
    vector = g.coords("Object", offset=[rng.uniform(-9, 9) for _ in range(3)])
    bone = jitter(rng, srgb(rng.choice(("#d8c9a8", "#c4ae86", "#e6dcc4", "#a58d66", "#8b7355"))), 0.1)
    grime = g.noise(vector, 7, 6, 0.65)
    base = g.ramp(grime, [(0.38, tuple(c * 0.45 for c in bone)), (0.6, bone)])
    ragged = g.math("MULTIPLY", g.math("SUBTRACT", g.noise(vector, rng.uniform(8, 18), 5, 0.7), 0.5), 0.7)
    scratches = g.noise(g.mapping(g.warp(vector, 2, 0.1), scale=(6, 30, 70)), 1.5, 4, 0.7)
    worn = g.remap(scratches, 0.62, 0.72, 0, rng.uniform(0.1, 0.9))
    yellow = g.remap(g.math("ADD", g.attribute("yellow"), ragged), 0.4, 0.6)
    redness = g.remap(g.math("SUBTRACT", g.math("ADD", g.attribute("red"), ragged), worn), 0.4, 0.68)
    red_tone = g.ramp(
        g.noise(g.mapping(vector, scale=(2, 10, 12)), 2, 5),
        [(0.35, tuple(c * 0.75 for c in red)), (0.65, tuple(min(1, c * 1.3) for c in red))],
    )
    colour = g.mix(yellow, base, _body(g, vector, gold, rng))
    colour = g.mix(redness, colour, red_tone)
    colour = g.mix(g.attribute("dark"), colour, (0.02, 0.014, 0.01))
    dirt = g.ramp(grime, [(0.3, (0.5, 0.42, 0.32)), (0.5, (1, 1, 1))])
    colour = g.mix(rng.uniform(0.1, 0.6), colour, dirt, "MULTIPLY")
    horny = g.math("MAXIMUM", yellow, redness)
    normal = g.bump(scratches, 0.25, 0.006, g.bump(grime, 0.35, 0.012))
    g.set(Base_Color=colour, Roughness=g.remap(horny, 0, 1, 0.75, rng.uniform(0.25, 0.5)), Normal=normal)
    g.subsurface(0.15, 0.02, (1, 0.5, 0.25))
    return g.material
