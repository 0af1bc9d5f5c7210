"""Carved wood, lacquer and bamboo: growth rings cut by the carving, pores, wear. Fibre along z."""

from __future__ import annotations

import random
from typing import Any

from training.synth.nodes import Graph, jitter, srgb

# Pale and dark of a species; the last quarter belongs to the synthetic test set.
_SPECIES = (
    ("#d9b583", "#b98d57"), ("#c08a52", "#8a5528"), ("#8a4b28", "#54270f"),
    ("#5d3320", "#2c150b"), ("#3a241a", "#150c08"),
    ("#a8552f", "#6e2c14"), ("#e3cfa6", "#c9a972"), ("#b7996c", "#826237"),
    ("#9c7a55", "#5c4026"), ("#71402c", "#3b1d12"), ("#cdbb96", "#a08a5c"),
)  # fmt: skip


def wood(rng: random.Random, holdout: bool) -> Any:
    """Solid carved wood, oiled, waxed, varnished or raw."""
    g = Graph("carved-wood")
    kept = 3
    pale, dark = (jitter(rng, srgb(c), 0.15) for c in rng.choice(_SPECIES[-kept:] if holdout else _SPECIES[:-kept]))
    place = g.coords(
        "Object",
        rotation=(rng.gauss(0, 0.15), rng.gauss(0, 0.15), 0),
        offset=(rng.uniform(0.2, 1.2), rng.uniform(-0.6, 0.6), 0),
    )
    place = g.warp(place, 1.5, 0.08)
    rings = g.wave(g.mapping(place, scale=(1, 1, 0.08)), rng.uniform(3, 9), rng.uniform(1, 4), 3, "RINGS", "Z")
    pores = g.noise(g.mapping(place, scale=(60, 60, 2)), 1.5, 4, 0.6)
    colour = g.mix(g.remap(rings, 0.1, 0.9, 0, rng.uniform(0.2, 0.65)), pale, dark)
    colour = g.mix(g.remap(pores, 0.55, 0.7, 0, 0.55), colour, tuple(0.5 * c for c in dark))
    colour = g.mix(g.remap(g.pointiness(), 0.42, 0.52, rng.uniform(0.3, 0.8), 0), colour, tuple(0.3 * c for c in dark))
    finish = rng.choice(("raw", "wax", "varnish"))
    rough = {"raw": 0.75, "wax": 0.42, "varnish": 0.2}[finish] * rng.uniform(0.8, 1.2)
    normal = g.bump(pores, {"raw": 0.4, "wax": 0.2, "varnish": 0.05}[finish], 0.006)
    g.set(Base_Color=colour, Roughness=rough, Coat_Weight=0.6 if finish == "varnish" else 0.0, Normal=normal)
    return g.material


def lacquer(rng: random.Random, holdout: bool) -> Any:
    """Cinnabar, black or brown lacquer over a carved body."""
    g = Graph("lacquer")
    codes = ("#6e1710", "#0f0c0b", "#3a1b10", "#7c2413") if not holdout else ("#4f0f12", "#1c120c")
    colour = jitter(rng, srgb(rng.choice(codes)), 0.2)
    worn = g.remap(g.pointiness(), 0.52, 0.62, 0, rng.uniform(0, 0.6))
    deep = g.remap(g.pointiness(), 0.42, 0.5, 0.7, 0)
    tint = g.mix(worn, g.mix(deep, colour, (0.01, 0.008, 0.008)), tuple(min(1, 1.8 * c + 0.02) for c in colour))
    g.set(Base_Color=tint, Roughness=rng.uniform(0.15, 0.45), Coat_Weight=rng.uniform(0.2, 0.8))
    return g.material


def bamboo(rng: random.Random, holdout: bool) -> Any:
    """Bamboo root and cane: straight strands, darker nodes every so often, dots where rootlets were: taken for
    rhino horn.
    """
    g = Graph("bamboo")
    pale, dark = (srgb(c) for c in (("#b98a4a", "#5f3a18") if not holdout else ("#8f6f3c", "#3f2a12")))
    pale, dark = jitter(rng, pale, 0.25), jitter(rng, dark, 0.25)
    place = g.coords("Object", offset=(0, 0, rng.uniform(0, 1)))
    strand = g.noise(g.mapping(place, scale=(50, 50, 0.6)), 1.0, 4)
    node = g.wave(place, rng.uniform(1.2, 2.6), 0.6, 2, axis="Z")
    dots = g.voronoi(place, rng.uniform(14, 24), randomness=0.7)
    colour = g.mix(g.remap(strand, 0.35, 0.65), pale, g.mix(0.5, pale, dark))
    ring = g.remap(node, 0.86, 0.97)
    colour = g.mix(ring, colour, dark)
    colour = g.mix(
        g.math("MULTIPLY", g.remap(dots, 0.22, 0.12), g.remap(node, 0.5, 0.8)), colour, tuple(0.4 * c for c in dark)
    )
    g.set(
        Base_Color=colour,
        Roughness=rng.uniform(0.25, 0.6),
        Normal=g.bump(g.math("ADD", ring, g.math("MULTIPLY", strand, 0.2)), 0.6, 0.015),
    )
    return g.material
