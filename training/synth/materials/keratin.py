"""Horn substances: rhino horn (compacted fibres, raw, cut across, polished) and the layered horn of cattle and buffalo.

UVs run u around and v along the horn, in units of its length; polished things have no UVs and take their fibre along z.
"""

from __future__ import annotations

import random
from typing import Any

from training.synth.nodes import Graph, jitter, srgb

# Last entries belong to the synthetic test set.
_RAW = (
    ("#2b2118", "#6a4e31", "#a5814f"), ("#33281b", "#7a5d38", "#b28c55"), ("#3d3122", "#8a6c44", "#bf9c64"),
    ("#1d1712", "#4a3826", "#8d6f49"), ("#4a3823", "#967445", "#c9a668"), ("#2c2826", "#5c5349", "#968673"),
)  # fmt: skip
_POLISHED = (
    ("#3a1e0c", "#8a4f20", "#c98a42"), ("#2a160b", "#6b3a18", "#b0712f"), ("#4a280f", "#a3662a", "#dda657"),
    ("#241510", "#573420", "#9a6432"), ("#54300f", "#b0752f", "#e3b468"), ("#35271a", "#7d5f38", "#b8985c"),
)  # fmt: skip
_CATTLE = (
    ("#0d0c0b", "#1b1714", "#3a3028"), ("#15110d", "#5b452c", "#d9c6a0"), ("#2a2018", "#b99a68", "#ece0c4"),
    ("#0b0b0c", "#171617", "#2a2827"), ("#3a2413", "#a5763a", "#e6cf9c"), ("#121012", "#57504a", "#cfc8bb"),
)  # fmt: skip


def _choose(rng: random.Random, families: tuple[tuple[str, str, str], ...], holdout: bool) -> list[Any]:
    return [jitter(rng, srgb(code), 0.15) for code in rng.choice(families[-1:] if holdout else families[:-1])]


def rhino_raw(rng: random.Random, holdout: bool) -> Any:
    """The outside of a horn: long striation, flaking and pale towards the base, dark and smoother at the tip, dust
    in grooves.

    Reads the mesh attribute ``along`` (0 base, 1 tip).
    """
    g = Graph("rhino")
    dark, mid, pale = _choose(rng, _RAW, holdout)
    uv = g.warp(g.coords("UV"), 2.5, 0.05)
    along = g.attribute("along")
    fibre = g.noise(g.mapping(uv, scale=(rng.uniform(28, 45), 1.6, 1)), 2.0, 8, 0.7)
    hair = g.noise(g.mapping(uv, scale=(130, 5, 1)), 2.0, 3)
    patch = g.noise(
        g.coords("Object", scale=(1, 1, 1), offset=(rng.uniform(-9, 9), 0, 0)), rng.uniform(2.0, 4.5), 5, 0.6
    )
    flake = g.voronoi(g.mapping(g.warp(uv, 9, 0.05), scale=(16, 3.4, 1)), 1.6, "DISTANCE_TO_EDGE")
    colour = g.ramp(fibre, [(0.3, dark), (0.5, mid), (0.72, pale)])
    base = g.remap(g.math("ADD", along, g.math("MULTIPLY", patch, 0.35)), 0.12, rng.uniform(0.35, 0.7), 1, 0)
    colour = g.mix(g.math("MULTIPLY", base, 0.75), colour, g.ramp(fibre, [(0.25, mid), (0.6, pale)]))
    tip = g.remap(along, 0.55, 1.0, 0, rng.uniform(0.2, 0.85))
    colour = g.mix(tip, colour, g.ramp(fibre, [(0.3, dark), (0.8, mid)]))
    dust = rng.uniform(0.0, 0.55)
    colour = g.mix(g.remap(patch, 0.5, 0.75, 0, dust), colour, jitter(rng, srgb("#a8977c")))
    colour = g.mix(g.math("MULTIPLY", g.remap(flake, 0.0, 0.05, 0.5, 0), base), colour, dark)
    normal = g.bump(fibre, rng.uniform(0.6, 1.0), 0.02)
    normal = g.bump(hair, 0.4, 0.006, normal)
    normal = g.bump(g.math("MULTIPLY", g.remap(flake, 0.0, 0.12), base), 0.6, 0.012, normal)
    rough = g.remap(along, 0.2, 1.0, rng.uniform(0.65, 0.9), rng.uniform(0.35, 0.6))
    g.set(Base_Color=colour, Roughness=rough, Normal=normal)
    return g.material


def rhino_foot(rng: random.Random, holdout: bool) -> Any:
    """The concave base: the ends of torn fibres, like a worn brush. UV = place in the plane of the base."""
    g = Graph("rhino-foot")
    dark, mid, pale = _choose(rng, _RAW, holdout)
    uv = g.warp(g.coords("UV"), 6, 0.03)
    ends = g.voronoi(uv, rng.uniform(70, 110))
    tuft = g.noise(uv, 14, 8, 0.75)
    colour = g.ramp(tuft, [(0.28, dark), (0.45, mid), (0.62, pale)])
    colour = g.mix(g.remap(ends, 0.25, 0.7, 0.0, 0.55), colour, dark)
    normal = g.bump(tuft, 1.0, 0.05, g.bump(ends, 0.9, 0.012))
    g.set(Base_Color=colour, Roughness=0.95, Normal=normal)
    return g.material


def _dots(g: Graph, plane: Any, dark: Any, mid: Any, pale: Any, scale: float, core: Any) -> Any:
    """End grain: circles with a dot in each, dark in the core and amber towards the rim. core: 1 in the middle, 0
    at the rim.
    """
    near = g.voronoi(plane, scale, randomness=0.8)
    ring = g.ramp(near, [(0.0, dark), (0.16, dark), (0.3, pale), (0.5, mid), (0.75, dark)])
    amber = g.mix(0.45, ring, pale)
    return g.mix(core, amber, g.mix(0.65, ring, dark))


def rhino_cut(rng: random.Random, holdout: bool) -> Any:
    """A sawn face across the fibres: orange peel of dotted circles, dark core, translucent amber edge.

    UV = place in the plane of the cut; reads the attribute ``core`` (1 in the middle, 0 at the rim).
    """
    g = Graph("rhino-cut")
    dark, mid, pale = (tuple(0.6 * c for c in tone) for tone in _choose(rng, _POLISHED, holdout))
    uv = g.warp(g.coords("UV"), 8, 0.012)
    blur = g.noise(uv, 7, 4)
    core = g.remap(g.math("ADD", g.attribute("core"), g.math("MULTIPLY", blur, 0.5)), 0.35, 0.95, smooth=True)
    colour = _dots(g, uv, dark, mid, pale, rng.uniform(38, 60), core)
    saw = g.wave(g.mapping(uv, rotation=(0, 0, rng.uniform(0, 3))), 30, 2.0, 3)
    g.set(Base_Color=colour, Roughness=rng.uniform(0.25, 0.7), Normal=g.bump(saw, rng.uniform(0.0, 0.25), 0.004))
    g.subsurface(0.25, 0.05, (1.0, 0.45, 0.15))
    return g.material


def _thin_edges(g: Graph, rng: random.Random, colour: Any, pale: Any) -> Any:
    """Light comes through thin edges."""
    return g.mix(g.remap(g.pointiness(), 0.5, 0.6, 0, rng.uniform(0.3, 0.9)), colour, pale)


def _polish(g: Graph, rng: random.Random, colour: Any, dark: Any) -> None:
    """Grime in the grooves and the gloss of handled horn."""
    groove = g.remap(g.pointiness(), 0.42, 0.5, rng.uniform(0.5, 0.85), 0)
    colour = g.mix(groove, colour, tuple(0.35 * c for c in dark))
    g.set(Base_Color=colour, Roughness=rng.uniform(0.12, 0.45), Coat_Weight=rng.choice((0.0, 0.0, 0.3, 0.7)))


def rhino_polished(rng: random.Random, holdout: bool) -> Any:
    """Carved and polished: fine parallel fibre along z seen as hairlines on the sides and as dots on top, honey to
    black.
    """
    g = Graph("rhino-polished")
    dark, mid, pale = _choose(rng, _POLISHED, holdout)
    offset = [rng.uniform(-5, 5) for _ in range(3)]
    place = g.warp(g.coords("Object", offset=offset), 1.3, 0.03)
    fine = rng.uniform(45, 80)
    hair = g.noise(g.mapping(place, scale=(fine, fine, 1.2)), 1.0, 3, 0.55)
    cloud = g.noise(g.warp(place, 1.0, 0.4), rng.uniform(1.0, 1.8), 2)
    colour = g.ramp(
        cloud, [(0.3, dark), (0.52, tuple(0.5 * (a + b) for a, b in zip(dark, mid, strict=True))), (0.72, mid)]
    )
    colour = _thin_edges(g, rng, colour, pale)
    sides = g.mix(g.remap(hair, 0.4, 0.62, 0.0, 0.5), colour, dark)
    dots = g.voronoi(g.mapping(place, scale=(1, 1, 0.02)), fine * 1.1, randomness=0.8)
    top = g.mix(g.remap(dots, 0.35, 0.1, 0.0, 0.75), g.mix(0.25, colour, pale), dark)
    upward = g.math("ABSOLUTE", g.split(g.node("NewGeometry").outputs["Normal"], "Z"))
    colour = g.mix(g.remap(upward, 0.75, 0.95), sides, top)
    _polish(g, rng, colour, dark)
    g.set(Normal=g.bump(hair, rng.uniform(0.05, 0.25), 0.004))
    g.subsurface(rng.uniform(0.3, 0.7), rng.uniform(0.04, 0.1), (1.0, 0.4, 0.1))
    return g.material


def cattle_raw(rng: random.Random, holdout: bool, ridges: float) -> Any:
    """A whole horn of cattle or buffalo: pale or black with long streaks, growth ridges across near the base,
    smooth tip.

    Reads ``along``. ridges: 0 none to 1 strong.
    """
    g = Graph("cattle-horn")
    dark, mid, pale = _choose(rng, _CATTLE, holdout)
    uv, along = g.warp(g.coords("UV"), 2, 0.06), g.attribute("along")
    streak = g.noise(g.mapping(uv, scale=(5, 0.9, 1)), 1.5, 5, 0.55)
    bend = rng.uniform(-0.25, 0.25)
    tone = g.math("ADD", g.math("MULTIPLY", along, bend), streak)
    colour = g.ramp(tone, [(0.3, pale), (0.5, mid), (0.7, dark)])
    colour = g.mix(g.remap(along, 0.7, 0.97, 0, rng.uniform(0.3, 1.0)), colour, dark)
    peel = g.noise(g.mapping(uv, scale=(4, 60, 1)), 1.0, 4, 0.6)
    rings = g.wave(g.mapping(uv, scale=(0.1, 1, 1)), rng.uniform(9, 16), 1.5, 3, axis="Y")
    strength = g.math("MULTIPLY", g.remap(along, 0.15, 0.7, 1, 0), ridges)
    normal = g.bump(g.math("MULTIPLY", rings, strength), 0.8, 0.02, g.bump(peel, 0.25 * ridges + 0.05, 0.008))
    rough = g.remap(along, 0.1, 0.9, rng.uniform(0.3, 0.75), rng.uniform(0.15, 0.4))
    g.set(Base_Color=colour, Roughness=rough, Normal=normal)
    g.subsurface(0.1, 0.03, (1, 0.7, 0.4))
    return g.material


def cattle_polished(rng: random.Random, holdout: bool) -> Any:
    """Polished horn plates and turned horn: black, or cream and brown in broad soft streaks and flames; no fibres,
    no dots.
    """
    g = Graph("cattle-polished")
    dark, mid, pale = _choose(rng, _CATTLE, holdout)
    place = g.warp(g.coords("Object", offset=(rng.uniform(-5, 5), rng.uniform(-5, 5), 0)), 1.2, rng.uniform(0.1, 0.4))
    flame = g.noise(
        g.mapping(place, scale=(rng.uniform(3, 6), rng.uniform(0.8, 1.4), 3)), 1.0, 5, 0.5, rng.uniform(0, 0.8)
    )
    sharp = rng.uniform(0.06, 0.2)
    colour = g.ramp(flame, [(0.5 - sharp, dark), (0.5, mid), (0.5 + sharp, pale)])
    layers = g.wave(g.mapping(place, scale=(1, 0.3, 1)), rng.uniform(8, 16), 3.0, 3)
    colour = g.mix(g.math("MULTIPLY", layers, 0.2), colour, dark)
    _polish(g, rng, _thin_edges(g, rng, colour, pale), dark)
    g.subsurface(rng.uniform(0.05, 0.25), 0.04, (1, 0.7, 0.4))
    return g.material
