"""Woven, knitted and printed cloth, and the dark leather and mesh of everyday shoes, as pictures. No bpy."""

from __future__ import annotations

import random

import numpy as np

from training.synth.materials.hides import Hide, pick
from training.synth.materials.patterns import rgb
from training.synth.materials.scales import Array, jittered_cells, noise, smoothstep

# sRGB, dark ones first in number as on a clothes rail; the last quarter belongs to the synthetic test set.
COLOURS = (
    "0c0c0e", "141416", "1b1d24", "1c2436", "23324f", "2a2a2c", "2b211c", "3b2a22", "44464a", "31402f", "5a1a22",
    "7a2230", "24506e", "5b7fa6", "8a8d90", "b8b6b0", "d8d4cc", "efece6", "c9a27a", "b6452c", "d8b13c", "6a8a5a",
    "101216", "26201e", "384860", "a0a4a8", "e4dccc", "8c3a4a", "c87a8a",
)  # fmt: skip
KINDS = (
    "plain", "plain", "check", "stripe", "stripe", "knit", "melange", "houndstooth", "floral", "dots", "camouflage",
    "quilt", "print",
)  # fmt: skip


def _colours(rng: random.Random, count: int, holdout: bool) -> list[Array]:
    out = []
    for _ in range(count):
        r, g, b = (v * rng.uniform(0.85, 1.15) for v in rgb(pick(rng, COLOURS, holdout)))
        out.append(np.clip(np.asarray([r, g, b], np.float32), 0, 1))
    return out


def _mix(under: Array, colour: Array, amount: Array) -> Array:
    return np.asarray(under + (colour - under) * amount[..., None], np.float32)


def _bands(rng: random.Random, along: Array, period: float) -> list[Array]:
    """Stripes of one rhythm: a few bands of different width and place in each period."""
    place = along / period - np.floor(along / period)
    width = [rng.uniform(0.03, 0.25) for _ in range(rng.randint(1, 3))]
    return [(np.abs(place - rng.random()) < w).astype(np.float32) for w in width]


def cloth(rng: random.Random, shape: tuple[int, int], px: float, *, holdout: bool) -> Hide:
    """Cloth of a garment: plain, checks, stripes, knit, melange, houndstooth, flowers, dots, camouflage, quilting or a
    printed motif.
    """
    kind = rng.choice(KINDS)
    grid = np.random.default_rng(rng.getrandbits(32))
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / px
    u = u - shape[1] / px / 2
    u, v = u + 0.08 * noise(grid, shape, 9 * px), v + 0.08 * noise(grid, shape, 9 * px)
    base, second, third = _colours(rng, 3, holdout)
    colour = np.broadcast_to(base, (*shape, 3)).astype(np.float32)
    thread = 2 * np.pi * rng.uniform(3.0, 5.0)
    weave = 0.5 + 0.25 * (np.sin(thread * u) + np.sin(thread * v))
    height = 0.03 * weave
    size = rng.choice([rng.uniform(0.5, 1.5), rng.uniform(1.5, 6.0)])
    if kind == "check":
        for amount, axis in ((0.55, u), (0.55, v)):
            for band, tint in zip(_bands(rng, axis, 2 * size), (second, third, second), strict=False):
                colour = _mix(colour, tint, amount * band)
    elif kind == "stripe":
        axis = rng.choice([u, v, u + v])
        for band, tint in zip(_bands(rng, axis, size), (second, third, base), strict=False):
            colour = _mix(colour, tint, band)
    elif kind in ("knit", "melange"):
        stitch = rng.uniform(0.35, 0.9)
        row, column = v / stitch, u / stitch * 1.3
        chevron = np.abs(column - np.rint(column)) + row
        loop = 0.5 + 0.5 * np.cos(2 * np.pi * chevron)
        rib = 0.5 + 0.5 * np.cos(2 * np.pi * column)
        height = 0.16 * loop * stitch + 0.1 * rib * stitch
        colour = colour * (0.6 + 0.4 * loop * (0.5 + 0.5 * rib))[..., None]
        if kind == "melange":
            code = jittered_cells(grid, column, row, 0.9).code
            colour = _mix(colour, second, (code > rng.uniform(0.45, 0.75)).astype(np.float32))
    elif kind == "houndstooth":
        a, b = u / size - np.floor(u / size), v / size - np.floor(v / size)
        tooth = ((a < 0.5) & (b < 0.5)) | (((a + b) % 0.5 < 0.25) & ((a < 0.5) != (b < 0.5)))
        colour = _mix(colour, second, tooth.astype(np.float32))
    elif kind in ("floral", "dots"):
        cells = jittered_cells(grid, u / size / 1.6, v / size / 1.6, 0.2 if kind == "dots" else 0.9, brick=0.5)
        petals = 1.0
        if kind == "floral":
            angle = np.arctan2(v / size / 1.6 - cells.v, u / size / 1.6 - cells.u)
            petals = 1 + 0.35 * np.cos(rng.choice([4, 5, 6]) * angle + 6.3 * cells.code)
        colour = _mix(colour, second, smoothstep(cells.near, 0.27 * petals, 0.24 * petals))
        if kind == "floral":
            colour = _mix(colour, third, smoothstep(cells.near, 0.11, 0.09))
    elif kind == "camouflage":
        for tint in (second, third):
            colour = _mix(colour, tint, smoothstep(noise(grid, shape, 3 * size * px, 2), 0.35, 0.4))
    elif kind == "quilt":
        step = rng.uniform(4, 9)
        lines = [v / step] if rng.random() < 0.5 else [(u + v) / step, (u - v) / step]
        depth = np.min([np.abs(line - np.rint(line)) for line in lines], axis=0)
        height = height + 0.35 * step * np.sqrt(depth)
    elif kind == "print":
        here = smoothstep(np.hypot(u / rng.uniform(5, 14), (v - v.mean()) / rng.uniform(3, 12)), 1.0, 0.95)
        motif = smoothstep(noise(grid, shape, 2.5 * px, 2), 0.0, 0.1)
        colour = _mix(_mix(colour, second, here), third, here * motif)
    fold = 1 + 0.05 * noise(grid, shape, 12 * px)
    colour = colour * ((0.86 + 0.14 * weave) * fold)[..., None]
    shiny = rng.random() < 0.2  # nylon and satin
    rough = np.full(shape, rng.uniform(0.3, 0.5) if shiny else rng.uniform(0.75, 0.95), np.float32)
    return Hide(colour, height.astype(np.float32), rough, px, 0.0, 0.0, {"animal": "none", "finish": f"cloth_{kind}"})


def upper(rng: random.Random, shape: tuple[int, int], px: float, *, holdout: bool) -> Hide:
    """What everyday shoes are made of: smooth or creased leather, suede, mesh, canvas; mostly dark."""
    kind = rng.choice(["smooth", "creased", "suede", "mesh", "mesh", "canvas", "patent"])
    grid = np.random.default_rng(rng.getrandbits(32))
    dark = COLOURS[:12] if rng.random() < 0.7 else COLOURS
    base = np.clip(np.asarray(rgb(pick(rng, dark, holdout)), np.float32) * rng.uniform(0.8, 1.2), 0, 1)
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / px
    tone = 1 + 0.05 * noise(grid, shape, 4 * px)
    height = 0.01 * noise(grid, shape, 3)
    rough = {"smooth": 0.35, "creased": 0.4, "suede": 0.95, "mesh": 0.8, "canvas": 0.9, "patent": 0.08}[kind]
    if kind == "creased":
        crease = np.abs(noise(grid, shape, 2.0 * px))
        height = height + 0.08 * smoothstep(crease, 0.0, 0.25)
    elif kind == "mesh":
        cells = jittered_cells(grid, u * rng.uniform(2, 5), v * rng.uniform(2, 5), 0.1, brick=0.5)
        hole = smoothstep(cells.near, 0.35, 0.25)
        tone, height = tone * (1 - 0.7 * hole), height - 0.05 * hole
    elif kind in ("canvas", "suede"):
        grain = noise(grid, shape, 2)
        tone, height = tone * (1 + 0.12 * grain), height + 0.02 * grain
    colour = base * tone[..., None]
    coat = 1.0 if kind == "patent" else 0.0
    return Hide(colour.astype(np.float32), height.astype(np.float32), np.full(shape, rough, np.float32), px, 0.0, coat,
                {"animal": "none", "finish": f"shoe_{kind}"})  # fmt: skip
