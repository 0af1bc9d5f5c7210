"""Colour patterns of snakes, one colour a scale: net of diamonds, blotches, bands, speckles. Plain numpy, no bpy.

Every pattern takes x (units from the spine, signed), y (units along it), the distance from spine to belly and a
palette of
five sRGB colours (dark, rim, centre, base, belly), and returns an (…, 3) array.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synth.materials.scales import Array, noise, smoothstep

Palette = tuple[tuple[float, float, float], ...]


def rgb(code: str) -> tuple[float, float, float]:
    """'rrggbb' as sRGB values in [0, 1]."""
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return (r, g, b)


def palette(codes: str) -> Palette:
    """Five hex colours: dark, rim, centre, base, belly."""
    return tuple(rgb(code) for code in codes.split())


def _paint(under: Array, colour: tuple[float, float, float], amount: Array) -> Array:
    return under + (np.asarray(colour, np.float32) - under) * amount[..., None]


def _ground(x: Array, half_width: float, colours: Palette) -> Array:
    base = np.broadcast_to(np.asarray(colours[3], np.float32), (*x.shape, 3))
    return _paint(base, colours[4], smoothstep(np.abs(x), 0.72 * half_width, 0.92 * half_width))


def reticulated(rng: np.random.Generator, x: Array, y: Array, half_width: float, colours: Palette) -> Array:
    """A dark net with pale rims around grey or golden diamonds; white spots where the net crosses on the flanks."""
    length = half_width * rng.uniform(0.85, 1.35)
    wide = half_width * rng.uniform(0.45, 0.6)
    wx = x + 1.0 * noise(rng, x.shape, 5) + 0.5 * noise(rng, x.shape, 2)
    wy = y + 0.9 * noise(rng, x.shape, 6) + rng.uniform(0, length)
    a, b = wx / wide, 2 * wy / length
    p, q = (a + b) / 2, (a - b) / 2
    inner = (0.5 - np.maximum(np.abs(p - np.rint(p)), np.abs(q - np.rint(q)))) * 1.4 * min(wide, length / 2)
    pp, qq = p - np.floor(p) - 0.5, q - np.floor(q) - 0.5
    knot = np.hypot((pp + qq) * wide, (pp - qq) * length / 2)
    net = rng.uniform(0.7, 1.3) + 0.35 * noise(rng, x.shape, 5)
    out = _ground(x, half_width, colours)
    flank = smoothstep(np.abs(x), 0.95 * half_width, 0.7 * half_width)
    out = _paint(out, colours[2], flank * smoothstep(inner, net, net + 0.3))
    rim = smoothstep(inner, net + 1.7, net + 1.4) * smoothstep(noise(rng, x.shape, 6), -0.9, -0.3)
    out = _paint(out, colours[1], flank * rim)
    out = _paint(out, colours[0], flank * smoothstep(inner, net + 0.1, net - 0.1))
    core = smoothstep(inner, 0.36 * wide, 0.42 * wide) * smoothstep(noise(rng, x.shape, 4), 0.1, 0.5)
    out = _paint(out, colours[0], 0.75 * flank * core)
    spot = smoothstep(knot, 1.8, 1.3) * (np.abs(x) > 0.3 * wide)
    out = _paint(out, colours[0], flank * smoothstep(knot, 2.9, 2.5) * (np.abs(x) > 0.3 * wide))
    return _paint(out, colours[1], flank * spot)


def blotched(rng: np.random.Generator, x: Array, y: Array, half_width: float, colours: Palette) -> Array:
    """Dark-edged brown blotches like a giraffe's, with pale lanes between: Burmese, Indian and African rock python."""
    period = half_width * rng.uniform(0.6, 0.95)
    span = float(y.max() - y.min())
    seeds = []
    for k in range(-1, int(span / period) + 2):
        y0 = float(y.min()) + k * period
        seeds.append((rng.normal(0, 0.05) * half_width, y0 + rng.normal(0, 0.12) * period, 0.0))
        for side in (-1, 1):
            seeds.append((side * half_width * rng.normal(0.56, 0.06), y0 + period * rng.normal(0.45, 0.14), 1.6))
            seeds.append((side * half_width * rng.normal(0.85, 0.05), y0 + period * rng.normal(0.0, 0.2), 2.2))
    wx, wy = x + 0.8 * noise(rng, x.shape, 4, 2), y + 0.8 * noise(rng, x.shape, 4, 2)
    distance = np.stack([np.hypot((wx - sx) * 1.15, wy - sy) + handicap for sx, sy, handicap in seeds])
    two = np.partition(distance, 1, axis=0)[:2]
    border = (two[1] - two[0]) / 2 + 0.2 * noise(rng, x.shape, 4)
    lane, rim = rng.uniform(0.6, 1.1), rng.uniform(0.7, 1.3)
    out = _ground(x, half_width, colours)
    inside = smoothstep(border, lane, lane + 0.15) * smoothstep(np.abs(x), 0.98 * half_width, 0.85 * half_width)
    pale = smoothstep(np.abs(x), 0.8 * half_width, 0.6 * half_width)
    out = _paint(out, colours[1], pale * (1 - inside))
    out = _paint(out, colours[0], inside)
    blotch = inside * smoothstep(border, lane + rim, lane + rim + 0.4)
    out = _paint(out, colours[2], blotch * (0.8 + 0.15 * noise(rng, x.shape, 4)).clip(0, 1))
    eye = smoothstep(border, 0.3 * period, 0.38 * period) * (np.abs(x) > 0.35 * half_width)
    return _paint(out, colours[1], 0.7 * eye)


def blood(rng: np.random.Generator, x: Array, y: Array, half_width: float, colours: Palette) -> Array:
    """Broad dark red-brown saddles with thin pale borders over tan, speckled flanks: blood and short-tailed python."""
    field = noise(rng, x.shape, half_width * 0.6) + 0.6 * noise(rng, x.shape, half_width * 0.25)
    field = field + 1.1 * (0.5 - np.abs(x) / half_width) + 0.18 * noise(rng, x.shape, 2)
    out = _ground(x, half_width, colours)
    out = _paint(out, colours[0], 0.5 * smoothstep(noise(rng, x.shape, 3), 1.1, 1.5))
    out = _paint(out, colours[1], smoothstep(field, 0.15, 0.3))
    out = _paint(out, colours[2], smoothstep(field, 0.38, 0.46))
    out = _paint(out, colours[0], smoothstep(field, 0.95, 1.3))
    stripe = smoothstep(np.abs(x + 0.8 * noise(rng, x.shape, 12)), 1.3, 0.9) * smoothstep(
        noise(rng, x.shape, 9), 0.0, 0.4
    )
    return _paint(out, colours[1], stripe)


def ball(rng: np.random.Generator, x: Array, y: Array, half_width: float, colours: Palette) -> Array:
    """Dark net around rounded tan patches with dark dots inside: royal (ball) and carpet python."""
    field = np.abs(noise(rng, x.shape, half_width * 0.3)) + 0.06 * noise(rng, x.shape, 2)
    out = _ground(x, half_width, colours)
    flank = smoothstep(np.abs(x), 0.95 * half_width, 0.75 * half_width)
    out = _paint(out, colours[0], flank)
    out = _paint(out, colours[1], flank * smoothstep(field, 0.5, 0.56))
    out = _paint(out, colours[2], flank * smoothstep(field, 0.62, 0.75))
    return _paint(out, colours[0], flank * smoothstep(field, 1.55, 1.65))


def banded(rng: np.random.Generator, x: Array, y: Array, half_width: float, colours: Palette) -> Array:
    """Cross bands: cobras, sea snakes, kraits. Not a python's pattern."""
    period = half_width * rng.uniform(0.35, 0.8)
    wave = np.cos(2 * np.pi * (y + 0.25 * np.abs(x) + 0.4 * noise(rng, x.shape, 8)) / period)
    out = _ground(x, half_width, colours)
    out = _paint(out, colours[1], smoothstep(wave, -0.2, 0.05))
    return _paint(out, colours[0], smoothstep(wave, 0.1, 0.3))


def speckled(rng: np.random.Generator, x: Array, y: Array, half_width: float, colours: Palette) -> Array:
    """Nearly plain, with single odd scales: whip and rat snakes, water snakes (karung)."""
    out = _ground(x, half_width, colours)
    odd = rng.random(x.shape, np.float32)
    out = _paint(out, colours[0], 0.8 * (odd < 0.12))
    return _paint(out, colours[2], 0.8 * (odd > 0.88))


Pattern = Callable[[np.random.Generator, Array, Array, float, Palette], Array]
PYTHON: dict[str, tuple[Pattern, tuple[str, ...]]] = {
    # The last palette of each list belongs to the synthetic test set.
    "reticulated": (reticulated, (
        "2a241f e9e2d0 8f8574 cfc6b2 ece5d6", "1c1712 d9c48d 8a5f2c b59a68 e6d9b8",
        "3a342e f2ede1 a79d8e dcd5c6 f4efe4",
        "241d18 e6d8a8 b59048 c9b588 efe6cd", "2b2a2c eceae6 8d8d8f c9c8c6 f0eeea",
    )),
    "burmese": (blotched, (
        "2b1a10 dcc698 6e4a2a c9b085 eadfc4", "231a14 e6dcc0 7d6247 cfc0a0 efe7d5",
        "40352b f0e8d6 8c7c68 ddd2bc f3ede0",
        "2a1c12 d2a65c 5f3516 b98848 e0c690", "332a24 e9e0cc 715a45 d5c8ae f0e9da",
    )),
    "blood": (blood, (
        "2a1411 e0c9a3 6b2c1e b99468 e9ddc6",
        "33201a e8d8b8 84452c c9a67c efe5d2", "3a2a24 e6dccb 7c5a4a cbb9a2 f0e9de",
    )),
    "ball": (ball, (
        "1f1711 e2cf9b a87f45 d6c6a2 efe8d8", "2c241e e9dfc4 a08a66 d9cdb4 f2ecdf",
    )),
}  # fmt: skip
OTHER_SNAKES: dict[str, tuple[Pattern, tuple[str, ...]]] = {
    "rattlesnake": (reticulated, ("3a2e22 e8dcbf 8c7350 c2a97d eadfc8", "33302a dedbcf 77705f b0a78f e8e4d6")),
    "cobra": (banded, ("2a241c d8c79a 6a5a3e a8926a e2d6b6", "1d1a17 c9c2b0 55504a 8d8678 d8d2c2")),
    "seasnake": (banded, ("17181a d9dbd8 44484a b9bdbb e6e8e4", "20211c d2cfae 4c4c3c aeab88 e0ddc4")),
    "ratsnake": (speckled, ("3b3022 d8c8a0 8a754e b39c6c e0d2ac", "44403a d8d2c4 8d8576 b5ad9c e2ddd0")),
}
