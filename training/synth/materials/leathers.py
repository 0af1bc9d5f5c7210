"""What python skin is confused with, as pictures: other reptiles, ostrich, ray and fish; plain, embossed and
printed leather.

Prints take their pattern a pixel at a time and repeat exactly; no print is in register with scales, no scale has a
free edge.
"""

from __future__ import annotations

import random

import numpy as np

from training.synth.materials import patterns
from training.synth.materials.hides import VIEWS, Hide, dye, pick, snake
from training.synth.materials.scales import Array, jittered_cells, noise, smoothstep, snake_lattice

ANIMALS = ("crocodile", "crocodile", "crocodile", "lizard", "ostrich", "stingray", "fish", "snake")


def _leather(grid: np.random.Generator, shape: tuple[int, int], grain: float) -> tuple[Array, Array]:
    """Height and tone of leather grain with pebbles of ``grain`` pixels."""
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / grain
    u, v = u + 0.3 * noise(grid, shape, grain * 3), v + 0.3 * noise(grid, shape, grain * 3)
    pebble = smoothstep(jittered_cells(grid, u, v, 0.9).edge, 0.0, 0.22)
    return pebble, 1 - 0.12 * (1 - pebble)


def other_reptile(rng: random.Random, shape: tuple[int, int], px: float, *, animal: str, holdout: bool) -> Hide:
    """Crocodile, lizard, ostrich, stingray, fish or another snake."""
    if animal == "snake":
        return snake(rng, shape, px * rng.uniform(1.0, 1.6), view=rng.choice(VIEWS), holdout=holdout, python=False)
    grid = np.random.default_rng(rng.getrandbits(32))
    code, tint = dye(rng, holdout)
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / px
    u = u - shape[1] / px / 2
    u, v = u + 0.4 * noise(grid, shape, 8 * px), v + 0.4 * noise(grid, shape, 8 * px)
    tone = np.ones(shape, np.float32)
    grain, grain_tone = _leather(grid, shape, rng.uniform(5, 8))
    rough = np.full(shape, rng.uniform(0.15, 0.5), np.float32)
    if animal == "crocodile":
        size = rng.uniform(2.2, 3.6)
        reach = rng.uniform(4, 9)
        row = v / size
        across = (
            np.sign(u) * (np.abs(u) + 0.5 * np.maximum(np.abs(u) - reach, 0) ** 1.25) / (size * rng.uniform(1.1, 1.6))
        )
        flank = smoothstep(np.abs(u), reach, reach * 1.8)
        cells = jittered_cells(grid, across + rng.uniform(0, 99), row, 0.38, power=4.0, brick=0.5)
        body = smoothstep(cells.edge, 0.02, 0.16)
        height = (
            0.55 * body * (1 - 0.25 * flank) + 0.1 * smoothstep(cells.near, 0.6, 0.0) * (0.5 + flank) + 0.02 * grain
        )
        tone = (0.45 + 0.55 * smoothstep(cells.edge, 0.0, 0.1)) * (0.9 + 0.2 * cells.code)
    elif animal == "lizard":
        size = rng.uniform(0.55, 0.8)
        cells = jittered_cells(grid, u / size * 1.2, (v + 0.02 * u * u / size) / size, 0.3, power=3.0, brick=0.5)
        body = smoothstep(cells.edge, 0.02, 0.25)
        height = 0.22 * body
        spots = jittered_cells(grid, cells.u / 9, cells.v / 7, 0.7)
        ring = smoothstep(np.abs(spots.near - 0.28), 0.1, 0.04) * (rng.random() < 0.6)
        tone = (0.55 + 0.45 * body) * (0.9 + 0.2 * cells.code) * (1 + rng.choice([-0.5, 0.7]) * ring)
    elif animal == "ostrich":
        gap = rng.uniform(2.4, 3.6)
        cells = jittered_cells(grid, u / gap, v / gap, 0.5, brick=0.5)
        radius = 0.17 + 0.09 * cells.code
        crown = smoothstep(np.abs(u), shape[1] / px * 0.48, shape[1] / px * 0.3)
        bump = smoothstep(cells.near, radius * 1.25, radius * 0.4) * crown
        pit = smoothstep(np.hypot(u / gap - cells.u, v / gap - cells.v + 0.06), radius * 0.45, radius * 0.1) * crown
        height = 0.7 * bump - 0.25 * pit + 0.03 * grain + 0.05 * noise(grid, shape, px * 2, 3)
        tone = 1 - 0.35 * pit - 0.15 * (smoothstep(cells.near, radius * 1.7, radius * 1.2) - bump).clip(0, 1) * crown
        tone = tone * (1 + 0.06 * noise(grid, shape, px * 5))
    elif animal == "stingray":
        size = rng.uniform(0.22, 0.34)
        near_eye = np.hypot(u / 1.6, v - np.rint(v / 26) * 26 - 4)
        grow = 1 / (1 + 1.1 * np.exp(-((near_eye / 2.6) ** 2)))
        cells = jittered_cells(grid, u / size * grow, v / size * grow, 0.8)
        body = smoothstep(cells.edge, 0.05, 0.35)
        height = 0.2 * body
        pearl = smoothstep(near_eye, 2.4, 1.9) * (rng.random() < 0.7)
        tone = (0.4 + 0.6 * body) * (0.9 + 0.2 * cells.code)
        colour = tone[..., None] * (
            np.asarray(tint) * (1 - pearl[..., None]) + np.asarray([0.9, 0.88, 0.82]) * pearl[..., None]
        )
        return Hide(colour, height, rough + 0.2 * (1 - body), px, 0.0, 0.4, {"animal": animal, "dye": code})
    else:  # fish: big round pockets with a loose rim, overlapping
        lattice = snake_lattice(
            grid, shape, px * rng.uniform(1.6, 2.4), centre=-400.0, half_width=30.0, belly_in_centre=False,
            narrow=0.5, wide=0.5, roundness=2.0, wobble=0.4,
        )  # fmt: skip
        body = smoothstep(lattice.edge, -0.03, 0.08)
        height = 0.5 * body * (lattice.along + 0.5) + 0.05 * noise(grid, shape, px * 0.4, 2)
        tone = (0.6 + 0.4 * body) * (0.75 + 0.4 * smoothstep(lattice.along, -0.4, 0.3))
    colour = np.asarray(tint, np.float32) * (tone * grain_tone)[..., None]
    coat = rng.uniform(0.3, 1.0) if rng.random() < 0.5 else 0.0
    return Hide(colour, height, rough, px, 0.0, coat, {"animal": animal, "dye": code})


def plain(rng: random.Random, shape: tuple[int, int], px: float, *, holdout: bool, sober: bool = False) -> Hide:
    """Cattle leather, smooth to pebbled, suede or patent; sober: black or brown, as trims are."""
    grid = np.random.default_rng(rng.getrandbits(32))
    code, tint = dye(rng, holdout)
    if sober:
        code, tint = rng.choice(
            [("black", (0.09, 0.085, 0.085)), ("dark brown", (0.22, 0.13, 0.09)), ("brown", (0.42, 0.25, 0.14))]
        )
    kind = rng.choice(["smooth", "smooth", "pebbled", "pebbled", "suede", "patent", "crackled"])
    tone = 1 + 0.05 * noise(grid, shape, px * 3, 2)
    rough, coat = rng.uniform(0.3, 0.6), 0.0
    height = np.zeros(shape, np.float32)
    if kind in ("smooth", "pebbled", "crackled"):
        grain, grain_tone = _leather(grid, shape, {"smooth": 5.0, "pebbled": 13.0, "crackled": 26.0}[kind] * px / 24)
        height, tone = (0.05 if kind == "smooth" else 0.16) * grain, tone * grain_tone
    elif kind == "suede":
        rough, height, tone = 0.9, 0.03 * noise(grid, shape, 2.5), tone * (1 + 0.1 * noise(grid, shape, px, 3))
    else:
        rough, coat = 0.12, 1.0
    colour = np.asarray(tint, np.float32) * tone[..., None]
    return Hide(
        colour,
        height,
        np.full(shape, rough, np.float32),
        px,
        0.0,
        coat,
        {"animal": "cattle", "finish": kind, "dye": code},
    )


def embossed(rng: random.Random, shape: tuple[int, int], px: float, *, holdout: bool) -> Hide:
    """Cattle leather or PU pressed with a snake or crocodile plate: one tile, repeated exactly, rounded valleys,
    no free edges.
    """
    grid = np.random.default_rng(rng.getrandbits(32))
    px = float(max(8, round(px)))
    plate = rng.choice(["snake", "snake", "snake", "crocodile"])
    high, wide = (rng.choice([8, 12, 16]) for _ in range(2)) if plate == "snake" else (rng.choice([12, 16]), 12)
    tile = (int(high * px), int(wide * px))
    v, u = np.mgrid[0 : tile[0], 0 : tile[1]].astype(np.float32) / px
    soft = rng.uniform(0.1, 0.25)
    if plate == "snake":
        edge = snake_lattice(
            grid, tile, px, centre=wide / 2, half_width=rng.choice([30.0, wide * 0.7]), narrow=0.5, wide=0.7,
            belly_in_centre=rng.random() < 0.4, scute=4, roundness=rng.uniform(2.2, 4), wobble=0.25,
        ).edge  # fmt: skip
        valley, depth = smoothstep(edge, -0.03, soft), 0.16
    else:
        size = wide / rng.choice([4, 6])
        cells = jittered_cells(grid, u / size, v * (high / 2) / high, 0.4, 4.0, 0.5, (high // 2, round(wide / size)))
        valley, depth = smoothstep(cells.edge, 0.0, soft), 0.4
    height = depth * valley + 0.01 * noise(grid, tile, 3)
    code, tint = dye(rng, holdout)
    tone = (1 - rng.uniform(0.1, 0.5) * (1 - valley))[..., None]
    colour = np.asarray(tint, np.float32) * tone
    printed = plate == "snake" and rng.random() < 0.55
    if printed:
        pressed = _print(rng, grid, tile, holdout)
        colour = pressed * tone * (1.0 if rng.random() < 0.6 else np.asarray(tint, np.float32) * 1.3)
    colour, height = _repeat(colour, shape), _repeat(height, shape)
    rough = np.full(shape, rng.uniform(0.2, 0.55), np.float32)
    coat = rng.uniform(0.3, 1) if rng.random() < 0.4 else 0.0
    params = {"animal": "cattle", "finish": f"embossed_{plate}", "printed": printed, "tile": [high, wide], "dye": code}
    return Hide(colour, height, rough, px, 0.0, coat, params)


def _repeat(tile: Array, shape: tuple[int, int]) -> Array:
    times = (-(-shape[0] // tile.shape[0]), -(-shape[1] // tile.shape[1]), *([1] * (tile.ndim - 2)))
    return np.tile(tile, times)[: shape[0], : shape[1]]


def _print(rng: random.Random, grid: np.random.Generator, tile: tuple[int, int], holdout: bool) -> Array:
    """A snake pattern printed a pixel at a time, seamless when repeated, out of register with any scales."""
    v, u = np.mgrid[0 : tile[0], 0 : tile[1]].astype(np.float32)
    n = rng.choice([1, 1, 2])
    a = 2 * n * u / tile[1] + 0.16 * noise(grid, tile, tile[1] / 5, 3)
    b = 2 * n * v / tile[0] + 0.16 * noise(grid, tile, tile[0] / 5, 3)
    inner = 0.5 - np.maximum(*(np.abs(c - np.rint(c)) for c in ((a + b) / 2, (a - b) / 2)))
    codes = patterns.palette(pick(rng, patterns.PYTHON[rng.choice(["reticulated", "burmese"])][1], holdout))
    dark, rim, centre = (np.asarray(c, np.float32) for c in codes[:3])
    colour = centre + (rim - centre) * smoothstep(inner, 0.26, 0.2)[..., None]
    colour = colour + (dark - colour) * smoothstep(inner, 0.14, 0.09)[..., None]
    core = smoothstep(inner, 0.36, 0.4) * smoothstep(noise(grid, tile, tile[0] / 10), 0.0, 0.3)
    return colour + (dark - colour) * (0.8 * core)[..., None]


def animal_print(rng: random.Random, shape: tuple[int, int], px: float, *, holdout: bool) -> Hide:
    """Fabric with a printed snake, leopard or zebra pattern: flat, woven, repeating."""
    grid = np.random.default_rng(rng.getrandbits(32))
    side = min(*shape, int(px * rng.uniform(14, 22)))
    tile = (side, side)
    kind = rng.choice(["snake", "snake", "leopard", "zebra"])
    v, u = (axis.astype(np.float32) / side for axis in np.mgrid[0:side, 0:side])
    if kind == "snake":
        k = rng.choice([10, 14])
        lines = np.maximum(*(np.abs(k * c - np.rint(k * c)) for c in (u + v, u - v)))
        colour = (
            _print(rng, grid, tile, holdout) * (1 - rng.uniform(0.1, 0.4) * smoothstep(lines, 0.38, 0.46))[..., None]
        )
    elif kind == "leopard":
        cells = jittered_cells(grid, u * 8, v * 8, 0.7, 2.0, 0.5, (8, 8))
        size = cells.near + 0.05 * noise(grid, tile, side / 24)
        mark = smoothstep(np.abs(size - 0.27), 0.11, 0.08) * smoothstep(noise(grid, tile, side / 20), -0.7, -0.4)
        ground = np.asarray(rng.choice([(0.78, 0.6, 0.36), (0.85, 0.78, 0.66), (0.7, 0.68, 0.66)]), np.float32)
        colour = ground * (1 - 0.3 * smoothstep(size, 0.25, 0.2))[..., None] * (1 - 0.88 * mark)[..., None]
    else:
        band = np.sin(2 * np.pi * (6 * v + 0.5 * noise(grid, tile, side / 3))) + 0.3 * noise(grid, tile, side / 6)
        colour = np.asarray([0.9, 0.88, 0.84], np.float32) * (1 - 0.9 * smoothstep(band, -0.1, 0.1))[..., None]
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]]
    weave = 0.5 + 0.25 * (np.sin(rows * 2.1) + np.sin(cols * 2.1)).astype(np.float32)
    colour = _repeat(colour.astype(np.float32), shape) * (0.85 + 0.15 * weave[..., None])
    rough = np.full(shape, rng.choice([0.35, 0.85, 0.85]), np.float32)
    return Hide(colour, 0.03 * weave, rough, px, 0.0, 0.0, {"animal": "fabric", "finish": f"print_{kind}"})
