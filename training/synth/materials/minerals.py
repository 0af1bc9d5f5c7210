"""Ceramic, stone, clay, metal and glass: what is carved, cast or blown in the forms of ivory; steel of blades."""

from __future__ import annotations

import random
from typing import Any

from training.synth.materials.imitations import offset, pick
from training.synth.nodes import Graph, jitter, srgb


def porcelain(rng: random.Random, holdout: bool) -> Any:
    """Glazed ceramic: white, ivory-white, celadon, crackled, blue-and-white or painted."""
    g = Graph("porcelain")
    kind = rng.choice(("white", "white", "celadon", "crackle", "blue", "painted", "brown"))
    white = pick(rng, ("#f6f4ee", "#f3ecdc", "#eef1f0", "#dfe3dc", "#e8d9c8"), holdout)
    base = jitter(rng, srgb({"celadon": "#b4c9b0", "brown": "#7a4524"}.get(kind, white)), 0.06)
    vector = g.coords("Object", offset=offset(rng))
    colour: Any = base
    if kind == "crackle":
        lines = g.voronoi(g.warp(vector, 3, 0.1), rng.uniform(7, 16), "DISTANCE_TO_EDGE")
        colour = g.ramp(lines, [(0.0, srgb("#7a6242")), (0.02, base)])
    elif kind in ("blue", "painted"):
        inks = {"blue": ("#1f3f9a", "#3f63b5"), "painted": ("#b5302a", "#2f7a4a")}[kind]
        blot = g.noise(g.warp(vector, 4, 0.4), rng.uniform(3, 7), 3)
        colour = g.ramp(blot, [(0.4, srgb(inks[0])), (0.44, base), (0.56, base), (0.6, srgb(inks[1]))])
    colour = g.mix(
        rng.choice((0.0, 0.3)),
        colour,
        g.ramp(g.pointiness(), [(0.42, (0.5, 0.47, 0.42)), (0.5, (1, 1, 1))]),
        "MULTIPLY",
    )
    g.set(Base_Color=colour, Roughness=rng.uniform(0.02, 0.15), IOR=1.5, Coat_Weight=0.8, Coat_Roughness=0.03)
    g.subsurface(0.08, 0.02, (1, 0.95, 0.9))
    return g.material


def cut_stone(rng: random.Random, holdout: bool) -> Any:
    """Marble, alabaster, jade, soapstone, lapis, carnelian: veined or clouded stone, matt to polished."""
    g = Graph("stone")
    light, dark, veins, rough = pick(
        rng,
        [
            ("#f0eee8", "#9c9a96", True, 0.3), ("#f2e9d8", "#d8c4a2", False, 0.35), ("#7fae7c", "#3f6b45", False, 0.12),
            ("#d9e3cf", "#a5bd96", False, 0.15), ("#a88a68", "#6b4f38", True, 0.4), ("#8c8f88", "#4a4d48", True, 0.5),
            ("#c9b79a", "#8d6f50", True, 0.4), ("#2f4f8f", "#1a2a55", True, 0.2), ("#b8482a", "#7a2412", False, 0.15),
            ("#e9dfc8", "#b3a078", True, 0.3), ("#2c2c2e", "#101012", True, 0.25), ("#d3c4cb", "#a78a96", False, 0.25),
            ("#dcd3bd", "#8f8a6a", True, 0.3), ("#5f7f86", "#33484f", False, 0.2),
        ],
        holdout,
    )  # fmt: skip
    vector = g.coords("Object", offset=offset(rng))
    warped = g.warp(vector, 2, 0.7, 4)
    cloud = g.noise(warped, rng.uniform(1.5, 4), 6, 0.6)
    low, high = jitter(rng, srgb(dark), 0.1), jitter(rng, srgb(light), 0.1)
    colour = g.ramp(cloud, [(0.36, low), (0.62, high)])
    if veins:
        vein = g.voronoi(warped, rng.uniform(1.2, 3), "DISTANCE_TO_EDGE")
        colour = g.mix(g.remap(vein, 0.0, 0.06, 0.8, 0), colour, low)
    g.set(
        Base_Color=colour, Roughness=rough * rng.uniform(0.6, 1.6), Normal=g.bump(g.noise(vector, 40, 5), 0.08, 0.006)
    )
    g.subsurface(rng.uniform(0.1, 0.4), 0.04, (0.9, 1, 0.8))
    return g.material


def terracotta(rng: random.Random, holdout: bool) -> Any:
    """Unglazed clay, plaster or concrete casts."""
    g = Graph("clay")
    base = jitter(
        rng,
        srgb(pick(rng, ("#b5653f", "#d9c9b2", "#8c5a41", "#cfcac2", "#6e6a66", "#a87a5c", "#b9b3a4"), holdout)),
        0.12,
    )
    vector = g.coords("Object", offset=offset(rng))
    colour = g.ramp(g.noise(vector, 6, 7, 0.65), [(0.35, tuple(c * 0.7 for c in base)), (0.6, base)])
    g.set(Base_Color=colour, Roughness=0.9, Normal=g.bump(g.noise(vector, 50, 5), 0.4, 0.01))
    return g.material


def metal(rng: random.Random, holdout: bool) -> Any:
    """Silver, brass, bronze, gold, pewter, iron: with tarnish in the recesses."""
    g = Graph("metal")
    tint, dark = pick(
        rng,
        [
            ("#e6e4df", "#3a3834"),
            ("#d9b45c", "#4a3413"),
            ("#9c6a3c", "#2e1c0e"),
            ("#e8c15a", "#8a5a1a"),
            ("#8d8d8b", "#2c2c2b"),
            ("#7a8f7a", "#3b2f1e"),
            ("#b9a58a", "#33291d"),
            ("#a7adb5", "#2a2d33"),
        ],
        holdout,
    )
    vector = g.coords("Object", offset=offset(rng))
    tarnish = g.remap(g.pointiness(), 0.42, 0.52)
    colour = g.mix(g.math("MULTIPLY", tarnish, 1.0), srgb(dark), jitter(rng, srgb(tint), 0.05))
    smudge = g.noise(vector, 6, 6)
    rough = rng.uniform(0.08, 0.4)
    g.set(
        Base_Color=colour,
        Metallic=1.0,
        Roughness=g.remap(smudge, 0.3, 0.7, rough, rough + 0.2),
        Normal=g.bump(smudge, 0.08, 0.01),
    )
    return g.material


def glass(rng: random.Random, holdout: bool) -> Any:
    """Clear, milk or coloured glass."""
    g = Graph("glass")
    base = pick(
        rng,
        [
            (0.95, 0.97, 0.97), (0.3, 0.55, 0.8), (0.5, 0.75, 0.5), (0.85, 0.55, 0.2), (0.7, 0.2, 0.25),
            (0.9, 0.9, 0.88), (0.9, 0.94, 0.86), (0.55, 0.4, 0.7),
        ],
        holdout,
    )  # fmt: skip
    milky = rng.random() < 0.4
    g.set(Base_Color=base, Roughness=rng.uniform(0.0, 0.08), IOR=1.48, Transmission_Weight=0.2 if milky else 0.9)
    if milky:
        g.subsurface(0.6, 0.1, (1, 1, 1))
    return g.material


def steel(rng: random.Random) -> Any:
    """Blades and fittings."""
    g = Graph("steel")
    tint = rng.choice([(0.75, 0.75, 0.77), (0.78, 0.6, 0.3), (0.7, 0.45, 0.25), (0.3, 0.3, 0.31)])
    g.set(
        Base_Color=tint,
        Metallic=1.0,
        Roughness=rng.uniform(0.15, 0.5),
        Normal=g.bump(g.noise(g.coords(scale=(2, 60, 60)), 4, 4), 0.1, 0.005),
    )
    return g.material
