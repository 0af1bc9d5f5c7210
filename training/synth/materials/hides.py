"""A hide as pictures (colour, height, roughness) and how one is made for a snake, scale by scale. No bpy.

The pattern is evaluated once for each scale, so colour is constant inside a scale as on a real skin.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from training.synth.materials import patterns
from training.synth.materials.patterns import rgb
from training.synth.materials.scales import Array, Lattice, noise, smoothstep, snake_lattice

T = TypeVar("T")

# No near-blacks, in which no scale shows. The last quarter belongs to the synthetic test set.
DYES = (
    "303034", "3a241a", "5a3420", "8a5428", "a8743a", "5a1620", "8e1f24", "b3262c", "2a3c6a", "23489a", "5f6268",
    "8a8c8e", "c9c4ba", "d7a9ae", "c46a86", "2f5c47", "5f6b3a", "a07a50", "c89a3c",
    "6f4e37", "e4dfd3", "74282f", "326d8c", "9c3f1f", "a39a86",
)  # fmt: skip
VIEWS = ("back", "back", "belly", "flank")
_FINISHES = ("natural",) * 13 + ("bleached",) * 3 + ("dyed",) * 5 + ("solid",) * 4 + ("metallic",)
# Species of the training pictures, pythons and others; the test set shows all of ``patterns``.
_TRADED = ("reticulated", "reticulated", "reticulated", "burmese", "burmese", "blood")
_OTHERS = ("rattlesnake", "cobra", "seasnake")


@dataclass(frozen=True)
class Hide:
    """Maps of one skin. colour: (h, w, 3) sRGB in [0, 1]; height: (h, w) in units; rough: (h, w) in [0, 1]; px:
    pixels a
    unit; metallic and coat: constants for the shader; params: what it is, for the replay file.
    """

    colour: Array
    height: Array
    rough: Array
    px: float
    metallic: float = 0.0
    coat: float = 0.0
    params: dict[str, Any] = field(default_factory=dict)


def pick(rng: random.Random, items: Sequence[T], holdout: bool) -> T:
    """One of the items; the last quarter (at least one) is kept for the synthetic test set."""
    kept = max(1, len(items) // 4) if len(items) > 1 else 0
    return rng.choice(items[-kept:] if holdout and kept else items[: len(items) - kept])


def dye(rng: random.Random, holdout: bool) -> tuple[str, tuple[float, float, float]]:
    """A leather colour: hex code and jittered sRGB."""
    code = pick(rng, DYES, holdout)
    r, g, b = (min(1.0, max(0.0, v * rng.uniform(0.85, 1.15))) for v in rgb(code))
    return code, (r, g, b)


def _luminance(colour: Array) -> Array:
    return (colour @ np.asarray([0.3, 0.59, 0.11], np.float32))[..., None]


def _table(grid: np.random.Generator, lattice: Lattice, pattern: patterns.Pattern, half_width: float,
           colours: patterns.Palette) -> Array:  # fmt: skip
    """Colour of every scale: (halves, columns, 3)."""
    x = np.broadcast_to(lattice.x_of_column[None], (lattice.halves, len(lattice.x_of_column)))
    y = np.broadcast_to((np.arange(lattice.halves, dtype=np.float32) / 2)[:, None], x.shape)
    colour = pattern(grid, x, y, half_width, colours)
    pale = smoothstep(np.abs(x) + 0.4 * noise(grid, x.shape, 3), 0.86 * half_width, 0.96 * half_width)[..., None]
    colour = colour + (np.asarray(colours[4], np.float32) - colour) * pale  # no pattern reaches the belly
    return np.asarray(colour * (1 + 0.05 * grid.standard_normal((*x.shape, 1))), np.float32)


def _finish(rng: random.Random, natural: Array, holdout: bool) -> tuple[Array, dict[str, Any], float]:
    """Tan the scales: natural, bleached, dyed over the pattern, solid, metallic. Returns colours, params, metallic."""
    kind = rng.choice(_FINISHES)
    params: dict[str, Any] = {"finish": kind}
    if kind == "natural":
        return natural * rng.uniform(0.85, 1.08), params, 0.0
    if kind == "bleached":
        keep = rng.uniform(0.0, 0.3)
        white = np.asarray([0.93, 0.91, 0.86], np.float32) * rng.uniform(0.9, 1.04)
        return white + (natural - white) * keep, {**params, "keep": keep}, 0.0
    code, colour = dye(rng, holdout)
    keep = rng.uniform(0.35, 0.9) if kind == "dyed" else rng.uniform(0.0, 0.12)
    relative = 1 + keep * (_luminance(natural) / 0.75 - 1)
    tint = np.asarray(colour, np.float32)
    if kind == "metallic":
        tint = np.asarray(rng.choice([(0.75, 0.6, 0.35), (0.72, 0.72, 0.74), (0.45, 0.42, 0.4)]), np.float32)
    params |= {"dye": code if kind != "metallic" else "metal", "keep": keep}
    return tint * relative, params, 0.55 if kind == "metallic" else 0.0


def snake(
    rng: random.Random,
    shape: tuple[int, int],
    px: float,
    *,
    view: str,
    holdout: bool,
    python: bool = True,
) -> Hide:
    """A snake's skin. view: 'back' (pattern in the middle), 'belly' (scutes in the middle) or 'flank' (neither)."""
    grid = np.random.default_rng(rng.getrandbits(32))
    species_of = patterns.PYTHON if python else patterns.OTHER_SNAKES
    species = rng.choice(list(species_of) if holdout else _TRADED if python else _OTHERS)
    pattern, palettes = species_of[species]
    half_width = rng.uniform(13, 18) if python else rng.uniform(6, 8)
    middle = shape[1] / px / 2
    centre = {"back": middle, "belly": middle, "flank": middle - half_width * rng.choice([-0.5, 0.5])}[view]
    lattice = snake_lattice(
        grid, shape, px,
        centre=centre + rng.uniform(-1, 1), half_width=half_width, belly_in_centre=view == "belly",
        narrow=rng.uniform(0.4, 0.48) if python else rng.uniform(0.24, 0.32),
        wide=rng.uniform(0.62, 0.85) if python else 0.4,
        scute=rng.choice([5, 6, 7]) if python else 8, roundness=rng.uniform(2.6, 5.5), wobble=rng.uniform(0.3, 0.9),
        fan=rng.uniform(0.0, 1.5),
    )  # fmt: skip
    table = _table(grid, lattice, pattern, half_width, patterns.palette(pick(rng, palettes, holdout)))
    table, params, metallic = _finish(rng, table, holdout)
    colour = table[lattice.half - lattice.first_half, lattice.column - lattice.first_column]
    gap, lift = rng.uniform(0.03, 0.09), rng.choice([rng.uniform(0.28, 0.44), rng.uniform(0.44, 0.8)])
    body = smoothstep(lattice.edge, gap - 0.02, gap + rng.uniform(0.07, 0.16))
    lifted = (lattice.along + 0.5) * np.where(lattice.belly, 0.7, 1.0)
    keel = 0.0 if python else 0.12 * smoothstep(np.abs(lattice.across), 0.16, 0.02) * ~lattice.belly
    fine = noise(grid, shape, 3.0) * 0.012 + noise(grid, shape, px * 1.5) * 0.02
    height = body * (0.12 + lift * 0.3 * lifted + keel) + fine
    # The free edge of the scale in front throws a shadow on the head end of the next one; the skin between is duller.
    seam = np.asarray(
        rng.choice([(0.35, 0.3, 0.26), (0.55, 0.5, 0.45), (0.2, 0.19, 0.19), (1.05, 1.02, 0.98)]), np.float32
    )
    shade = (1 - (0.15 + 0.4 * lift) * smoothstep(lattice.along, -0.12, -0.48))[..., None]
    tip = 1 + rng.uniform(-0.12, 0.22) * smoothstep(lattice.along, 0.05, 0.4)[..., None]
    colour = colour * shade * tip * (seam + (1 - seam) * body[..., None])
    colour = colour * (1 + 0.05 * noise(grid, shape, px * 4)[..., None] + 0.03 * noise(grid, shape, 2)[..., None])
    glossy = rng.random() < 0.7
    base = rng.uniform(0.16, 0.32) if glossy else rng.uniform(0.42, 0.68)
    rough = base + 0.25 * (1 - body) + 0.03 * noise(grid, shape, px)
    params |= {"animal": species, "view": view, "lift": lift, "glossy": glossy}
    return Hide(colour, height, rough, px, metallic, rng.uniform(0.2, 0.8) if glossy else 0.0, params)
