"""What ivory and casque are confused with: bone, antler, resin, celluloid, amber, ceramic, stone, metal, glass."""

from __future__ import annotations

import math
import random
from typing import Any

from training.synth.nodes import Graph, jitter, srgb

# Colours that only the synthetic test set uses.
_HELD = {
    "bone": ("#d9cdb9", "#a89274"), "resin": ("#e6dfcf", "#f0dcc0"), "two_tone": ("#8a2c3c", "#e9d9a8"),
    "porcelain": ("#dfe3dc", "#e8d9c8"), "metal": (("#b9a58a", "#33291d"), ("#a7adb5", "#2a2d33")),
}  # fmt: skip


def _offset(rng: random.Random) -> list[float]:
    return [rng.uniform(-9, 9) for _ in range(3)]


def bone(rng: random.Random, holdout: bool = False) -> Any:
    """Carved bone: dry, off-white to tan, with pits and short dark flecks along the grain."""
    g = Graph("bone")
    base = jitter(
        rng,
        srgb(
            rng.choice(_HELD["bone"] if holdout else ("#ece5d3", "#e3d8bd", "#d6c49d", "#f1ede2", "#bfa67b", "#cbbfa8"))
        ),
        0.08,
    )
    vector = g.coords("Object", offset=_offset(rng), rotation=[rng.gauss(0, 0.2) for _ in range(3)])
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
    height = g.math("SUBTRACT", g.math("MULTIPLY", streak, 0.3), fleck)
    g.set(Base_Color=colour, Roughness=rng.uniform(0.35, 0.7), Normal=g.bump(height, rng.uniform(0.2, 0.5), 0.008))
    g.subsurface(rng.uniform(0.0, 0.15), 0.015, (1, 0.7, 0.5))
    return g.material


def antler(rng: random.Random) -> Any:
    """Antler: brown pearled bark, paler tips and ridges."""
    g = Graph("antler")
    bark = jitter(rng, srgb(rng.choice(("#6b4e33", "#4f3824", "#8a6d4b", "#a58c68"))), 0.12)
    pale = srgb("#d8c7a2")
    vector = g.coords("Object", offset=_offset(rng))
    pearls = g.voronoi(g.warp(vector, 8, 0.03), rng.uniform(25, 45), "SMOOTH_F1")
    grooves = g.noise(vector, 9, 6, 0.6)
    wear = g.math("ADD", g.remap(g.pointiness(), 0.47, 0.56), g.remap(grooves, 0.5, 0.75, 0, 0.6), clamp=True)
    dark = tuple(c * 0.45 for c in bark)
    colour = g.mix(wear, g.ramp(grooves, [(0.35, dark), (0.6, bark)]), pale)
    g.set(Base_Color=colour, Roughness=0.65, Normal=g.bump(g.math("SUBTRACT", grooves, pearls), 0.6, 0.015))
    return g.material


def cream_resin(rng: random.Random, holdout: bool = False) -> Any:
    """Imitation ivory: even cream plastic with a brown wash, or celluloid with parallel lines; no grain, waxy shine."""
    g = Graph("cream-resin")
    base = jitter(
        rng,
        srgb(rng.choice(_HELD["resin"] if holdout else ("#f2e6c9", "#f5efdd", "#e8d3a0", "#ead9bb", "#f7f3e8"))),
        0.05,
    )
    vector = g.coords("Object", offset=_offset(rng))
    colour: Any = base
    if rng.random() < 0.35:  # celluloid, "French ivory"
        lines = g.wave(g.mapping(vector, rotation=(rng.choice((0, 1.57)), 0, 0)), rng.uniform(6, 16), 0.15)
        colour = g.mix(lines, base, tuple(c * 0.86 for c in base))
    wash = srgb(rng.choice(("#5a3a1c", "#7a5426", "#2e2118", "#8d6a35")))
    low = rng.uniform(0.43, 0.47)
    colour = g.mix(
        rng.choice((0.0, 0.5, 1.0)), colour, g.ramp(g.pointiness(), [(low, wash), (low + 0.03, (1, 1, 1))]), "MULTIPLY"
    )
    g.set(Base_Color=colour, Roughness=rng.uniform(0.12, 0.55), IOR=1.5, Coat_Weight=rng.choice((0.0, 0.0, 0.5)))
    bubbles = g.ramp(g.voronoi(vector, 28, "F1"), [(0.05, (0, 0, 0)), (0.1, (1, 1, 1))])
    g.set(Normal=g.bump(bubbles, rng.choice((0.0, 0.15)), 0.01))
    g.subsurface(rng.uniform(0.1, 0.5), 0.04, (1, 0.8, 0.6))
    return g.material


def two_tone_resin(rng: random.Random, attribute: str | None = None, holdout: bool = False) -> Any:
    """Red-and-yellow imitation casque: layers with a clean straight border, or colours swirled in the mass."""
    g = Graph("two-tone")
    red = jitter(rng, srgb(rng.choice(("#c01f1a", "#d8281c", "#a3131a", "#e0431f", "#8f1020"))), 0.08)
    yellow = jitter(rng, srgb(rng.choice(("#f0b92e", "#f5c95a", "#e8a020", "#f6dc8c", "#fff0c0"))), 0.08)
    if holdout:
        red, yellow = (srgb(code) for code in _HELD["two_tone"])
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
    g.set(
        Base_Color=g.mix(fac, yellow, red),
        Roughness=rng.uniform(0.06, 0.3),
        IOR=1.5,
        Coat_Weight=rng.choice((0.0, 0.6)),
    )
    g.subsurface(rng.uniform(0.2, 0.7), 0.06, (1, 0.5, 0.2))
    return g.material


def amber(rng: random.Random) -> Any:
    """Amber, cherry bakelite, butterscotch, coral-like and lacquer reds: one clouded translucent mass."""
    g = Graph("amber")
    light, dark = rng.choice(
        [
            ("#f2b93f", "#b8651a"),
            ("#d9701e", "#8a2c0e"),
            ("#c9281e", "#6e0d12"),
            ("#f4d68c", "#d9972f"),
            ("#7a1f10", "#2f0a08"),
            ("#e2502c", "#b52618"),
        ]
    )
    vector = g.coords("Object", offset=_offset(rng))
    cloud = g.noise(g.warp(vector, 1.5, 0.8), rng.uniform(1.5, 4), 5)
    colour = g.ramp(cloud, [(0.38, jitter(rng, srgb(dark), 0.1)), (0.62, jitter(rng, srgb(light), 0.1))])
    g.set(
        Base_Color=colour, Roughness=rng.uniform(0.04, 0.2), IOR=1.54, Transmission_Weight=rng.choice((0.0, 0.0, 0.35))
    )
    g.subsurface(rng.uniform(0.4, 0.9), 0.1, (1, 0.45, 0.12))
    return g.material


def plastic(rng: random.Random) -> Any:
    """Plain coloured plastic, incl. white and dark."""
    g = Graph("plastic")
    base = jitter(
        rng,
        srgb(
            rng.choice(
                ("#f4f4f2", "#1b1b1d", "#b7322c", "#2f6db0", "#e5c339", "#3f8a55", "#d98fae", "#6a4a34", "#c9c4b8")
            )
        ),
        0.15,
    )
    g.set(Base_Color=base, Roughness=rng.uniform(0.1, 0.5))
    g.subsurface(0.1, 0.03)
    return g.material


def porcelain(rng: random.Random, holdout: bool = False) -> Any:
    """Glazed ceramic: white, ivory-white, celadon, crackled, blue-and-white or painted."""
    g = Graph("porcelain")
    kind = rng.choice(("white", "white", "celadon", "crackle", "blue", "painted", "brown"))
    base = jitter(
        rng,
        srgb(
            {"celadon": "#b4c9b0", "brown": "#7a4524"}.get(
                kind, rng.choice(_HELD["porcelain"] if holdout else ("#f6f4ee", "#f3ecdc", "#eef1f0"))
            )
        ),
        0.06,
    )
    vector = g.coords("Object", offset=_offset(rng))
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


def cut_stone(rng: random.Random) -> Any:
    """Marble, alabaster, jade, soapstone, lapis, carnelian: veined or clouded stone, matt to polished."""
    g = Graph("stone")
    light, dark, veins, rough = rng.choice(
        [
            ("#f0eee8", "#9c9a96", True, 0.3), ("#f2e9d8", "#d8c4a2", False, 0.35), ("#7fae7c", "#3f6b45", False, 0.12),
            ("#d9e3cf", "#a5bd96", False, 0.15), ("#a88a68", "#6b4f38", True, 0.4), ("#8c8f88", "#4a4d48", True, 0.5),
            ("#c9b79a", "#8d6f50", True, 0.4), ("#2f4f8f", "#1a2a55", True, 0.2), ("#b8482a", "#7a2412", False, 0.15),
            ("#e9dfc8", "#b3a078", True, 0.3), ("#2c2c2e", "#101012", True, 0.25), ("#d3c4cb", "#a78a96", False, 0.25),
        ]
    )  # fmt: skip
    vector = g.coords("Object", offset=_offset(rng))
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


def terracotta(rng: random.Random) -> Any:
    """Unglazed clay, plaster or concrete casts."""
    g = Graph("clay")
    base = jitter(rng, srgb(rng.choice(("#b5653f", "#d9c9b2", "#8c5a41", "#cfcac2", "#6e6a66"))), 0.12)
    vector = g.coords("Object", offset=_offset(rng))
    colour = g.ramp(g.noise(vector, 6, 7, 0.65), [(0.35, tuple(c * 0.7 for c in base)), (0.6, base)])
    g.set(Base_Color=colour, Roughness=0.9, Normal=g.bump(g.noise(vector, 50, 5), 0.4, 0.01))
    return g.material


def metal(rng: random.Random, holdout: bool = False) -> Any:
    """Silver, brass, bronze, gold, pewter, iron: with tarnish in the recesses."""
    g = Graph("metal")
    tint, dark = rng.choice(
        _HELD["metal"]
        if holdout
        else [
            ("#e6e4df", "#3a3834"),
            ("#d9b45c", "#4a3413"),
            ("#9c6a3c", "#2e1c0e"),
            ("#e8c15a", "#8a5a1a"),
            ("#8d8d8b", "#2c2c2b"),
            ("#7a8f7a", "#3b2f1e"),
        ]
    )
    vector = g.coords("Object", offset=_offset(rng))
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


def glass(rng: random.Random) -> Any:
    """Clear, milk or coloured glass."""
    g = Graph("glass")
    base = rng.choice(
        [(0.95, 0.97, 0.97), (0.3, 0.55, 0.8), (0.5, 0.75, 0.5), (0.85, 0.55, 0.2), (0.7, 0.2, 0.25), (0.9, 0.9, 0.88)]
    )
    milky = rng.random() < 0.4
    g.set(Base_Color=base, Roughness=rng.uniform(0.0, 0.08), IOR=1.48, Transmission_Weight=0.2 if milky else 0.9)
    if milky:
        g.subsurface(0.6, 0.1, (1, 1, 1))
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
