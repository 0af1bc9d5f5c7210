"""Ivory: polished dentine with grain and stained recesses; the bark-like skin of raw tusks; Schreger cut faces."""

from __future__ import annotations

import math
import random
from typing import Any

from training.synth import textures
from training.synth.ground import image_from_array
from training.synth.materials import patina
from training.synth.nodes import Colour, Graph, Socket, jitter, srgb

_PALE = ("#f4e8cc", "#f0dfb8", "#ead2a0", "#f5edd9", "#e6c88f", "#f1e2bf")
_AGED = ("#d9b97f", "#c79f62", "#b98a4d", "#dcc293", "#a9763d")
# (light, dark) of worked pieces that are no longer cream; the last of each belongs to the synthetic test set.
_TONES = {
    "cream": (("#f4e8cc", "#d9b97f"), ("#f0dfb8", "#c79f62"), ("#ead2a0", "#b98a4d"), ("#f1e2bf", "#d2ac70"),
              ("#f2ebdc", "#d8c39c"), ("#e9dccf", "#bfa28c")),
    "yellow": (("#d9b25e", "#a8752f"), ("#cfa14c", "#94642a"), ("#e0bd74", "#b5853f"), ("#b9a463", "#7d6a35")),
    "brown": (("#9c6431", "#5a3216"), ("#85502a", "#43240f"), ("#b07a42", "#6d4320"), ("#8a5a48", "#4a2a22")),
}  # fmt: skip


def dentine_colours(rng: random.Random) -> tuple[Colour, Colour]:
    """(light, dark) of one piece: fresh cream, mellow yellow or brown with age."""
    old = rng.random()
    light = jitter(rng, srgb(rng.choice(_PALE if old < 0.75 else _AGED)), 0.07)
    dark = srgb(rng.choice(_AGED))
    k = rng.uniform(0.15, 0.7)
    return light, tuple(a * (1 - k) + b * k for a, b in zip(light, dark, strict=True))  # type: ignore[return-value]


def worked_colours(rng: random.Random, holdout: bool) -> tuple[str, Colour, Colour]:
    """(tone, light, dark) of a carving."""
    tone = patina.tone_of(rng)
    families = _TONES[tone][-1:] if holdout else _TONES[tone][:-1]
    light, dark = (jitter(rng, srgb(code), 0.08) for code in rng.choice(families))
    return tone, light, dark


def polished(rng: random.Random, holdout: bool) -> Any:
    """Worked ivory: grain along a random axis and darker recesses always; some pieces stained, crackled or painted.

    ``holdout``: the tones of the synthetic test set.
    """
    g = Graph("ivory")
    tone, light, dark = worked_colours(rng, holdout)
    vector = g.coords(
        "Object", offset=[rng.uniform(-9, 9) for _ in range(3)], rotation=[rng.gauss(0, 0.25) for _ in range(3)]
    )
    long = [14.0, 14.0, 14.0]
    long[rng.choice((0, 2, 2))] = rng.uniform(0.5, 1.2)
    along = g.mapping(g.warp(vector, 1.2, 0.06), scale=long)
    clouds = g.noise(vector, rng.uniform(1, 3), 4)
    colour = g.ramp(clouds, [(0.35, light), (0.68, dark)])
    grain = g.noise(along, rng.uniform(1, 2.2), 5, 0.6)
    shade = rng.uniform(0.72, 0.88)
    colour = g.mix(
        rng.uniform(0.6, 0.95),
        colour,
        g.ramp(grain, [(0.35, (shade, shade * 0.96, shade * 0.88)), (0.6, (1, 1, 1))]),
        "MULTIPLY",
    )
    grime = srgb(rng.choice(("#6b431d", "#4a2c12", "#8a6230", "#3a2a1c", "#a37a45")))
    stain = rng.choice((0.6, 0.8, 0.95))
    recess = g.ramp(g.pointiness(), [(rng.uniform(0.43, 0.47), grime), (rng.uniform(0.492, 0.51), (1, 1, 1))])
    colour = g.mix(stain, colour, recess, "MULTIPLY")
    colour = patina.worn(g, rng, vector, along, colour, tone)
    g.set(
        Base_Color=colour,
        Roughness=rng.uniform(0.18, 0.42),
        IOR=1.54,
        Normal=g.bump(grain, rng.uniform(0.02, 0.12), 0.006),
    )
    g.subsurface(rng.uniform(0.25, 0.6), rng.uniform(0.02, 0.05), (1.0, 0.62, 0.38))
    return g.material


def tube(g: Graph, around: float, along: float, offset: float = 0.0) -> Socket:
    """Seamless coordinates on a lofted tube from its UV: ``around`` and ``along`` are frequencies."""
    uv = g.coords("UV")
    angle = g.math("MULTIPLY", g.split(uv, "X"), 2 * math.pi)
    v = g.math("MULTIPLY_ADD", g.split(uv, "Y"), along, offset)
    k = around / (2 * math.pi)
    return g.join(g.math("MULTIPLY", g.math("COSINE", angle), k), g.math("MULTIPLY", g.math("SINE", angle), k), v)


def bark(rng: random.Random, *, clean: float, number: bool, smooth: float = 0.0) -> Any:
    """Skin of a raw tusk: brown streaked cementum, long cracks, paler worn tip (v = 0). ``clean`` 1 is polished;
    ``smooth`` 1 takes the cracks and the furrows away.
    """
    rough_skin = 1 - smooth
    g = Graph("tusk")
    light, dark = dentine_colours(rng)
    skin = jitter(
        rng, srgb(rng.choice(("#8a6238", "#6d4a2a", "#a5814f", "#574028", "#b89a6c", "#8f8068", "#c0a986"))), 0.15
    )
    shift = rng.uniform(0, 50)
    v = g.split(g.coords("UV"), "Y")
    streaks = g.noise(g.warp(tube(g, rng.uniform(6, 14), rng.uniform(2, 5), shift), 1.0, 0.5), 2.0, 8, 0.65)
    broad = g.noise(tube(g, 4, 1.6, shift), 1.3, 5, 0.6)
    body = g.ramp(broad, [(0.35, light), (0.7, dark)])
    cover = g.math("ADD", g.math("MULTIPLY", streaks, 0.7), g.math("MULTIPLY", broad, 0.6))
    towards_base = g.remap(v, 0.0, rng.uniform(0.3, 0.9), -0.22, 0.08)
    dirty = g.remap(g.math("ADD", cover, towards_base), 0.52 + 0.28 * clean, 0.78 + 0.28 * clean)
    colour = g.mix(dirty, body, g.mix(streaks, skin, tuple(c * 0.35 for c in skin)))
    cracks = g.voronoi(g.warp(tube(g, 12, 0.9, shift), 1.5, 0.5), rng.uniform(1.0, 2.0), "DISTANCE_TO_EDGE")
    lines = g.ramp(cracks, [(0.0, (0.12, 0.07, 0.035)), (rng.uniform(0.01, 0.035) * (1.2 - clean), (1, 1, 1))])
    colour = g.mix(rng.uniform(0.2, 0.9) * rough_skin, colour, lines, "MULTIPLY")
    fine = g.noise(tube(g, 70, 1.2, shift), 2.0, 4)
    colour = g.mix(0.35 * rough_skin, colour, g.ramp(fine, [(0.35, (0.6, 0.55, 0.48)), (0.6, (1, 1, 1))]), "MULTIPLY")
    if number:
        image = g.node("TexImage", extension="EXTEND", Vector=_patch(g, rng))
        image.image = image_from_array("number", textures.marker(rng))
        colour = g.mix(0.92, colour, image.outputs["Color"], "MULTIPLY")
    g.set(Base_Color=colour, IOR=1.5, Roughness=g.remap(dirty, 0, 1, rng.uniform(0.2, 0.4), rng.uniform(0.5, 0.8)))
    rough = g.bump(
        g.math("ADD", g.math("MULTIPLY", streaks, 0.7), g.math("MULTIPLY", fine, 0.3)),
        0.5 * (1.15 - clean) * rough_skin,
        0.01,
    )
    g.set(Normal=rough)
    g.subsurface(rng.uniform(0.1, 0.3), 0.02)
    return g.material


def _patch(g: Graph, rng: random.Random) -> Socket:
    """UV window in which a hand-written number runs along the tusk."""
    uv = g.coords("UV")
    length = rng.uniform(0.14, 0.24)
    x = g.math("DIVIDE", g.math("SUBTRACT", g.split(uv, "Y"), rng.uniform(0.4, 0.7)), length)
    y = g.math(
        "DIVIDE", g.math("SUBTRACT", g.split(uv, "X"), rng.choice((0.1, 0.25, 0.4, 0.6))), rng.uniform(0.16, 0.24)
    )
    return g.join(x, y)


def cut_face(rng: random.Random) -> Any:
    """A sawn or polished cross-section: Schreger cross-hatching, growth rings, rim of cementum, nerve in the middle."""
    g = Graph("schreger")
    light, dark = dentine_colours(rng)
    centred = g.mapping(g.coords("UV"), offset=(-0.5, -0.5, 0))
    x, y = g.split(centred, "X"), g.split(centred, "Y")
    r = g.math("MULTIPLY", g.math("POWER", g.math("ADD", g.math("MULTIPLY", x, x), g.math("MULTIPLY", y, y)), 0.5), 2.0)
    angle = g.math("ARCTAN2", y, x)
    arms, twist = rng.randint(22, 44), rng.uniform(16, 34)
    swirl = g.math("MULTIPLY", g.math("LOGARITHM", g.math("MAXIMUM", r, 0.02), math.e), twist)
    families = [
        g.math("SINE", g.math("MULTIPLY_ADD", angle, float(arms), swirl)),
        g.math("SINE", g.math("SUBTRACT", g.math("MULTIPLY", angle, float(arms)), swirl)),
    ]
    hatch = g.math("MULTIPLY", g.math("ADD", *families), 0.5)
    fade = g.remap(r, 0.25, 0.7)
    rings = g.wave(
        g.join(g.math("ADD", r, g.math("MULTIPLY", g.noise(centred, 3, 3), 0.08)), 0.0), rng.uniform(3, 7), 0.3
    )
    tone = g.math(
        "ADD",
        g.math("MULTIPLY", g.math("MULTIPLY", hatch, fade), rng.uniform(0.12, 0.42)),
        g.math("MULTIPLY", rings, 0.25),
    )
    colour = g.ramp(g.remap(tone, -0.4, 0.6), [(0.0, tuple(c * 0.75 for c in dark)), (1.0, light)])
    rim = g.ramp(
        r,
        [
            (0.0, (0.25, 0.16, 0.08)),
            (0.035, (1, 1, 1)),
            (0.88, (1, 1, 1)),
            (0.92, (0.72, 0.6, 0.42)),
            (1.0, (0.6, 0.48, 0.32)),
        ],
    )
    colour = g.mix(1.0, colour, rim, "MULTIPLY")
    dirt = g.ramp(g.noise(centred, 6, 5), [(0.45, (1, 1, 1)), (0.75, (0.72, 0.58, 0.4))])
    colour = g.mix(rng.uniform(0.1, 0.7), colour, dirt, "MULTIPLY")
    saw = g.wave(g.mapping(centred, rotation=(0, 0, rng.uniform(0, 3))), rng.uniform(10, 25), 2.0)
    g.set(Base_Color=colour, Roughness=rng.uniform(0.25, 0.6), Normal=g.bump(saw, rng.uniform(0, 0.15), 0.004))
    g.subsurface(0.25, 0.02)
    return g.material


def cavity(rng: random.Random) -> Any:
    """Inside of the hollow base: rough, stained, darker with depth (UV v from rim to depth)."""
    g = Graph("cavity")
    light, dark = dentine_colours(rng)
    depth = g.split(g.coords("UV"), "Y")
    stain = g.noise(tube(g, 8, 10), 2, 5)
    colour = g.mix(stain, dark, tuple(c * 0.4 for c in dark))
    g.set(Base_Color=g.mix(g.remap(depth, 0.0, 1.0), g.mix(0.5, light, colour), (0.05, 0.03, 0.02)), Roughness=0.7)
    return g.material
