"""What ivory and casque are imitated with: bone, antler, resin, celluloid, amber, plastic."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, TypeVar

from training.synth.materials import patina
from training.synth.nodes import Graph, jitter, srgb

T = TypeVar("T")


def pick(rng: random.Random, items: Sequence[T], holdout: bool) -> T:
    """One of the items; the last two belong to the synthetic test set."""
    return rng.choice(items[-2:] if holdout else items[:-2])


def offset(rng: random.Random) -> list[float]:
    """A random place in a texture."""
    return [rng.uniform(-9, 9) for _ in range(3)]


def bone(rng: random.Random, holdout: bool) -> Any:
    """Carved bone: dry, off-white to tan, with pits and short dark flecks along the grain."""
    g = Graph("bone")
    dry = ("#ece5d3", "#e3d8bd", "#d6c49d", "#f1ede2", "#bfa67b", "#cbbfa8", "#d9cdb9", "#a89274")
    tone, base = patina.stained(rng, jitter(rng, srgb(pick(rng, dry, holdout)), 0.08))
    vector = g.coords("Object", offset=offset(rng), rotation=[rng.gauss(0, 0.2) for _ in range(3)])
    long = [1.0, 1.0, 1.0]
    long[rng.choice((0, 1, 2, 2))] = 0.14
    grain = g.mapping(vector, scale=long)
    cloud = g.noise(vector, rng.uniform(2, 5), 5)
    colour = g.ramp(cloud, [(0.36, tuple(c * 0.82 for c in base)), (0.62, base)])
    spacing = rng.uniform(35, 75)
    pores = g.voronoi(g.warp(grain, 6, 0.02), spacing, "F1")
    patch = g.remap(g.noise(vector, 4, 3), 0.42, 0.6)
    fleck = g.math("MULTIPLY", g.remap(pores, 0.12, 0.3, 1, 0), patch)
    ink = srgb(rng.choice(("#5a4128", "#3a2a1b", "#7d6038")))
    colour = g.mix(g.math("MULTIPLY", fleck, rng.uniform(0.5, 1.0)), colour, ink)
    streak = g.noise(g.mapping(vector, scale=[40 * s for s in long]), 1.5, 4)
    colour = g.mix(0.5, colour, g.ramp(streak, [(0.35, (0.75, 0.7, 0.6)), (0.55, (1, 1, 1))]), "MULTIPLY")
    recess = g.ramp(g.pointiness(), [(0.44, srgb("#5b4126")), (0.5, (1, 1, 1))])
    colour = g.mix(rng.uniform(0.1, 0.8), colour, recess, "MULTIPLY")
    colour = patina.worn(g, rng, vector, g.mapping(vector, scale=[9 * s for s in long]), colour, tone)
    height = g.math("SUBTRACT", g.math("MULTIPLY", streak, 0.3), fleck)
    g.set(Base_Color=colour, Roughness=rng.uniform(0.35, 0.7), Normal=g.bump(height, rng.uniform(0.2, 0.5), 0.008))
    g.subsurface(rng.uniform(0.0, 0.15), 0.015, (1, 0.7, 0.5))
    return g.material


def antler(rng: random.Random, holdout: bool) -> Any:
    """Antler: brown pearled bark, paler tips and ridges."""
    g = Graph("antler")
    bark = jitter(
        rng, srgb(pick(rng, ("#6b4e33", "#4f3824", "#8a6d4b", "#a58c68", "#75604a", "#9a7f66"), holdout)), 0.12
    )
    pale = srgb("#d8c7a2")
    vector = g.coords("Object", offset=offset(rng))
    pearls = g.voronoi(g.warp(vector, 8, 0.03), rng.uniform(25, 45), "SMOOTH_F1")
    grooves = g.noise(vector, 9, 6, 0.6)
    wear = g.math("ADD", g.remap(g.pointiness(), 0.47, 0.56), g.remap(grooves, 0.5, 0.75, 0, 0.6), clamp=True)
    dark = tuple(c * 0.45 for c in bark)
    colour = g.mix(wear, g.ramp(grooves, [(0.35, dark), (0.6, bark)]), pale)
    g.set(Base_Color=colour, Roughness=0.65, Normal=g.bump(g.math("SUBTRACT", grooves, pearls), 0.6, 0.015))
    return g.material


def cream_resin(rng: random.Random, holdout: bool) -> Any:
    """Imitation ivory: even cream plastic with a brown wash, or celluloid with parallel lines; no grain, waxy shine."""
    g = Graph("cream-resin")
    cream = ("#f2e6c9", "#f5efdd", "#e8d3a0", "#ead9bb", "#f7f3e8", "#e6dfcf", "#f0dcc0")
    tone, base = patina.stained(rng, jitter(rng, srgb(pick(rng, cream, holdout)), 0.05))
    vector = g.coords("Object", offset=offset(rng))
    colour: Any = base
    if rng.random() < 0.35:  # celluloid, "French ivory"
        lines = g.wave(g.mapping(vector, rotation=(rng.choice((0, 1.57)), 0, 0)), rng.uniform(6, 16), 0.15)
        colour = g.mix(lines, base, tuple(c * 0.86 for c in base))
    wash = srgb(rng.choice(("#5a3a1c", "#7a5426", "#2e2118", "#8d6a35")))
    low = rng.uniform(0.43, 0.47)
    colour = g.mix(
        rng.choice((0.0, 0.5, 1.0)), colour, g.ramp(g.pointiness(), [(low, wash), (low + 0.03, (1, 1, 1))]), "MULTIPLY"
    )
    colour = patina.worn(g, rng, vector, g.mapping(vector, scale=(9, 9, 0.8)), colour, tone)
    g.set(Base_Color=colour, Roughness=rng.uniform(0.12, 0.55), IOR=1.5, Coat_Weight=rng.choice((0.0, 0.0, 0.5)))
    bubbles = g.ramp(g.voronoi(vector, 28, "F1"), [(0.05, (0, 0, 0)), (0.1, (1, 1, 1))])
    g.set(Normal=g.bump(bubbles, rng.choice((0.0, 0.15)), 0.01))
    g.subsurface(rng.uniform(0.1, 0.5), 0.04, (1, 0.8, 0.6))
    return g.material


def two_tone_resin(rng: random.Random, holdout: bool, attribute: str | None = None) -> Any:
    """Red-and-yellow imitation casque: layers with a clean straight border, or colours swirled in the mass."""
    g = Graph("two-tone")
    reds = ("#c01f1a", "#d8281c", "#a3131a", "#e0431f", "#8f1020", "#8a2c3c", "#b0502c")
    yellows = ("#f0b92e", "#f5c95a", "#e8a020", "#f6dc8c", "#fff0c0", "#e9d9a8", "#d9b878")
    red, yellow = (jitter(rng, srgb(pick(rng, family, holdout)), 0.08) for family in (reds, yellows))
    vector = g.coords("Object", offset=(0, 0, 0), rotation=(rng.choice((0, 1.57)), rng.choice((0, 0.8, 1.57)), 0))
    kind = rng.choice(("layers", "swirl", "fade", "outline"))
    if kind == "outline" and attribute:
        fac = g.remap(g.attribute(attribute), 0.49, 0.51)
    elif kind == "swirl":
        swirl = g.noise(g.warp(vector, 2.5, 1.0, 4), 1.6, 3)
        fac = g.remap(swirl, 0.46, 0.56)
    else:
        width = 0.004 if kind == "layers" else 0.25
        level = rng.uniform(0.05, 0.35)
        fac = g.remap(g.split(vector, "Z"), level, level + width)
    recess = g.ramp(g.pointiness(), [(0.44, (0.35, 0.16, 0.05)), (0.5, (1, 1, 1))])
    g.set(
        Base_Color=g.mix(rng.uniform(0.0, 0.8), g.mix(fac, yellow, red), recess, "MULTIPLY"),
        Roughness=rng.uniform(0.06, 0.3),
        IOR=1.5,
        Coat_Weight=rng.choice((0.0, 0.6)),
    )
    g.subsurface(rng.uniform(0.2, 0.7), 0.06, (1, 0.5, 0.2))
    return g.material


def amber(rng: random.Random, holdout: bool) -> Any:
    """Amber, cherry bakelite, butterscotch, coral-like and lacquer reds: one clouded translucent mass."""
    g = Graph("amber")
    light, dark = pick(
        rng,
        [
            ("#f2b93f", "#b8651a"),
            ("#d9701e", "#8a2c0e"),
            ("#c9281e", "#6e0d12"),
            ("#f4d68c", "#d9972f"),
            ("#7a1f10", "#2f0a08"),
            ("#e2502c", "#b52618"),
            ("#e0a860", "#a0522a"),
            ("#b03a3a", "#5a1420"),
        ],
        holdout,
    )
    vector = g.coords("Object", offset=offset(rng))
    cloud = g.noise(g.warp(vector, 1.5, 0.8), rng.uniform(1.5, 4), 5)
    colour = g.ramp(cloud, [(0.38, jitter(rng, srgb(dark), 0.1)), (0.62, jitter(rng, srgb(light), 0.1))])
    g.set(
        Base_Color=colour, Roughness=rng.uniform(0.04, 0.2), IOR=1.54, Transmission_Weight=rng.choice((0.0, 0.0, 0.35))
    )
    g.subsurface(rng.uniform(0.4, 0.9), 0.1, (1, 0.45, 0.12))
    return g.material


def plastic(rng: random.Random, holdout: bool) -> Any:
    """Plain coloured plastic, incl. white and dark."""
    g = Graph("plastic")
    colours = (
        "#f4f4f2", "#1b1b1d", "#b7322c", "#2f6db0", "#e5c339", "#3f8a55", "#d98fae", "#6a4a34", "#c9c4b8",
        "#e3dfd0", "#4f8a92",
    )  # fmt: skip
    base = jitter(rng, srgb(pick(rng, colours, holdout)), 0.15)
    g.set(Base_Color=base, Roughness=rng.uniform(0.1, 0.5))
    g.subsurface(0.1, 0.03)
    return g.material


def antler_points(rng: random.Random) -> list[tuple[list[tuple[float, float, float]], list[float]]]:
    """Beam and tines of one antler as (path, radii), about 1 unit long."""
    bend, rise = rng.uniform(0.2, 0.5), rng.uniform(0.1, 0.3)
    steps = [k / 30 for k in range(31)]
    beam = [(t, bend * math.sin(2.2 * t), rise * t * t) for t in steps]
    thick = rng.uniform(0.028, 0.045)
    radii = [thick * (1.45 if k < 2 else 1 - 0.75 * t**1.5) for k, t in enumerate(steps)]
    out = [(beam, radii)]
    for _ in range(rng.randint(2, 4)):
        k = rng.randint(2, 24)
        x, y, z = beam[k]
        length, lean = rng.uniform(0.15, 0.4), rng.uniform(0.4, 1.2)
        tine = [
            (x + length * s * math.cos(lean), y + length * s * math.sin(lean) - 0.08 * s * s, z + 0.25 * length * s)
            for s in [q / 12 for q in range(13)]
        ]
        out.append((tine, [radii[k] * 0.8 * (1 - 0.85 * q / 12) for q in range(13)]))
    return out
