"""Age and use that ivory shares with bone and with the resin that imitates it: stain, cracks, old paint, tea bands."""

from __future__ import annotations

import random

from training.synth.nodes import Colour, Graph, Socket, jitter, srgb

TONES, _WEIGHTS = ("cream", "yellow", "brown"), (66, 16, 18)
_STAINS = {"cream": "#ffffff", "yellow": "#e6bf70", "brown": "#a8703c"}
_PAINTS = ("#9c4638", "#8a2f2a", "#4f6a86", "#35506e", "#b48f42", "#5f7a5a", "#2b2420")
_INKS = ("#6b431d", "#4a2c12", "#8a6230", "#3a2a1c", "#a37a45")


def tone_of(rng: random.Random) -> str:
    """Two thirds of the pieces are cream, the rest yellowed or stained brown."""
    return rng.choices(TONES, _WEIGHTS)[0]


def stained(rng: random.Random, base: Colour) -> tuple[str, Colour]:
    """A tone, and the base colour under its stain."""
    tone = tone_of(rng)
    r, g, b = (a * s for a, s in zip(base, jitter(rng, srgb(_STAINS[tone]), 0.15), strict=True))
    return tone, (r, g, b)


def worn(g: Graph, rng: random.Random, vector: Socket, along: Socket, colour: Socket, tone: str) -> Socket:
    """The colour after years of use. along: coordinates stretched along the grain, which cracks follow."""
    if rng.random() < 0.22:
        ink = srgb(rng.choice(_INKS))
        colour = g.mix(rng.uniform(0.25, 0.7), colour, _cracks(g, along, rng, ink), "MULTIPLY")
    if tone == "brown":  # the stain is rubbed off where hands touch
        colour = g.mix(g.remap(g.pointiness(), 0.51, 0.58, 0, rng.uniform(0.3, 0.8)), colour, srgb("#d9b97f"))
    if rng.random() < (0.12 if tone == "cream" else 0.04):
        colour = _paint_left(g, vector, colour, rng)
    if rng.random() < 0.2:  # stained bands, tea or smoke
        band = g.ramp(g.noise(vector, 1.2, 3), [(0.48, (1, 1, 1)), (0.62, jitter(rng, srgb("#b5803f"), 0.2))])
        colour = g.mix(0.8, colour, band, "MULTIPLY")
    return colour


def _paint_left(g: Graph, vector: Socket, colour: Socket, rng: random.Random) -> Socket:
    """Old paint or gilding in patches, worn through to the piece."""
    for code in rng.sample(_PAINTS, rng.randint(1, 3)):
        where = g.mapping(vector, offset=[rng.uniform(-9, 9) for _ in range(3)])
        patch = g.remap(g.noise(where, rng.uniform(2, 5), 2), 0.52, 0.56)
        wear = g.remap(g.noise(where, rng.uniform(12, 30), 5, 0.7), 0.3, 0.55, 1, rng.uniform(0.1, 0.6))
        colour = g.mix(g.math("MULTIPLY", patch, wear), colour, jitter(rng, srgb(code), 0.15))
    return colour


def _cracks(g: Graph, along: Socket, rng: random.Random, ink: Colour) -> Socket:
    """Thin dark lines that follow the grain."""
    edge = g.voronoi(g.warp(along, 0.4, 1.2, 4), rng.uniform(0.12, 0.25), "DISTANCE_TO_EDGE")
    patch = g.remap(g.noise(along, 0.25, 2), 0.5, 0.62)  # only here and there
    return g.mix(patch, (1, 1, 1), g.ramp(edge, [(0.0, ink), (rng.uniform(0.006, 0.016), (1, 1, 1))]))
