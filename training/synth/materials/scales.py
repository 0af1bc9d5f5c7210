"""Cell fields of animal skin in numpy: noise, the diamond lattice of snake scales, jittered cells. No colours, no bpy.

Arrays are (rows, columns), row 0 at the bottom; x runs across the skin, y along the spine. A *unit* is one scale
length on
the back, so a field is the same whatever its resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray


def smoothstep(value: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between (``low`` may exceed ``high``)."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def noise(rng: np.random.Generator, shape: tuple[int, int], wavelength: float, octaves: int = 1) -> Array:
    """Smooth noise of mean 0 and deviation 1 that repeats at the borders; ``wavelength`` in cells of the array."""
    out = np.zeros(shape, np.float32)
    for k in range(octaves):
        out += 0.5**k * _band(rng, shape, max(wavelength, 1.0) / 2.0**k)
    return out / max(float(out.std()), 1e-9) if octaves > 1 else out


def _band(rng: np.random.Generator, shape: tuple[int, int], wavelength: float) -> Array:
    # Wide waves are drawn on a coarse grid and enlarged: they cost no more than a thumbnail.
    coarse = max(1.0, wavelength / 8)
    small = (max(4, math.ceil(shape[0] / coarse)), max(4, math.ceil(shape[1] / coarse)))
    fy, fx = np.fft.fftfreq(small[0])[:, None], np.fft.rfftfreq(small[1])[None]
    cut = (0.35 / wavelength * shape[0] / small[0], 0.35 / wavelength * shape[1] / small[1])
    window = np.exp(-0.5 * ((fy / cut[0]) ** 2 + (fx / cut[1]) ** 2)).astype(np.float32)
    window[0, 0] = 0
    white = rng.standard_normal((2, *window.shape), np.float32)
    layer = np.fft.irfft2(window * (white[0] + 1j * white[1]), small).astype(np.float32)
    layer /= max(float(layer.std()), 1e-9)
    if small == shape:
        return layer
    to_small = np.float32([[small[1] / shape[1], 0, 0], [0, small[0] / shape[0], 0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(layer, to_small, shape[::-1], flags=flags, borderMode=cv2.BORDER_WRAP)


@dataclass(frozen=True)
class Lattice:
    """A snake's scale field, one entry a pixel.

    column, half: integer indices of the scale (half counts half scale lengths along the spine); a belly scute has
    the column
    of the belly's middle. edge: distance to the border of the scale in units, negative between
    scales. along: place within the scale from -0.5 (head end) to 0.5 (free trailing edge). across: from the keel,
    -1 to 1.
    belly: True on belly scutes. x_of_column: lateral place of each column in units from the spine, by column - first.
    """

    column: Array
    half: Array
    edge: Array
    along: Array
    across: Array
    belly: Array
    x_of_column: Array
    first_column: int
    first_half: int
    halves: int


def snake_lattice(
    rng: np.random.Generator,
    shape: tuple[int, int],
    px: float,
    *,
    centre: float,
    half_width: float,
    belly_in_centre: bool,
    narrow: float = 0.45,
    wide: float = 0.75,
    scute: int = 6,
    roundness: float = 4.0,
    wobble: float = 0.5,
    fan: float = 0.0,
) -> Lattice:
    """Staggered diamonds whose width grows from ``narrow`` at the spine to ``wide`` beside the belly scutes.

    px: pixels a unit. centre: x of the middle line in units from the left border. half_width: distance in units
    from spine to
    the middle of the belly. scute: half width of a belly scute in columns. roundness: exponent of the scale
    outline, 2 is
    round and large is a sharp diamond. wobble: how far the rows stray, in units; fan: how
    far they bend forward at the belly.
    """
    rows, cols = shape
    y = (np.arange(rows, dtype=np.float32) / px)[:, None]
    x = (np.arange(cols, dtype=np.float32) / px - centre)[None]
    reach = 14.0 * px
    x = x + wobble * noise(rng, shape, reach)
    y = y + wobble * noise(rng, shape, reach) + fan * np.abs(x / half_width) ** 1.5
    # Table from lateral distance to column number, kept for the way back so that colours are exact per scale.
    extent = float(np.abs(x).max()) + 2
    table = np.arange(0, extent + 0.05, 0.05, dtype=np.float32)
    from_spine = half_width - table if belly_in_centre else table
    share = np.clip(np.abs(from_spine) / half_width, 0, 1)
    columns = np.concatenate([[0], np.cumsum(0.05 / (narrow + (wide - narrow) * share**1.8))[:-1]])
    s = np.interp(np.abs(x), table, columns).astype(np.float32) * np.sign(x)
    b = 2 * y
    p, q = (s + b) / 2, (s - b) / 2
    ip, iq = np.rint(p), np.rint(q)
    lp, lq = p - ip, q - iq
    column, half = (ip + iq).astype(np.int32), (ip - iq).astype(np.int32)
    r = (np.abs(lp) ** roundness + np.abs(lq) ** roundness) ** (1 / roundness)
    edge, along, across = (0.5 - r) * 0.75, (lp - lq) / 2, lp + lq
    belly_columns = [0] if belly_in_centre else [-1, 1]
    middle = 0 if belly_in_centre else round(float(np.interp(half_width, table, columns)))
    belly = np.zeros(shape, bool)
    for sign in belly_columns:
        at = sign * middle
        inside = np.abs(column - at) < scute
        parity = ((at + scute) % 2) / 2
        number = np.floor(y - parity)
        dt = y - parity - number - 0.5
        gap = (scute - 2 * np.abs(dt) - np.abs(s - at)) * wide * 0.6
        edge = np.where(inside, np.minimum((0.5 - np.abs(dt)) * 0.9, gap), edge)
        along, across = np.where(inside, dt, along), np.where(inside, (s - at) / scute, across)
        half = np.where(inside, (2 * number).astype(np.int32), half)
        column = np.where(inside, at, column)
        belly |= inside
    first_column, first_half = int(column.min()), int(half.min())
    numbers = np.arange(first_column, int(column.max()) + 1)
    x_of_column = np.interp(np.abs(numbers), columns, table) * np.sign(numbers)
    if belly_in_centre:
        x_of_column = half_width - np.abs(x_of_column)
    return Lattice(
        column, half, edge.astype(np.float32), along.astype(np.float32), across.astype(np.float32), belly,
        x_of_column.astype(np.float32), first_column, first_half, int(half.max()) - first_half + 1,
    )  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """Jittered cells, one entry a pixel: u, v of the cell's seed; near and far = distance to the first and second seed;
    code: a random number in [0, 1) for each cell.
    """

    u: Array
    v: Array
    near: Array
    far: Array
    code: Array

    @property
    def edge(self) -> Array:
        """Distance to the border between cells, 0 on it."""
        return (self.far - self.near) / 2


def jittered_cells(
    rng: np.random.Generator,
    u: Array,
    v: Array,
    jitter: float,
    power: float = 2.0,
    brick: float = 0.0,
    period: tuple[int, int] = (256, 256),
) -> Cells:
    """Voronoi cells of a jittered unit grid at coordinates (u, v), both (rows, columns).

    power: 2 gives round cells, 4 and more squarish ones. brick: sideways shift of every other row.
    period: rows and columns after which the cells repeat (even numbers with brick).
    """
    ju, jv, codes = (rng.random(period, np.float32) for _ in range(3))
    iv = np.floor(v).astype(np.int32)
    near = np.full(u.shape, 9.0, np.float32)
    far, bu, bv, code = near.copy(), np.zeros_like(near), np.zeros_like(near), np.zeros_like(near)
    for dv in (-1, 0, 1):
        row = iv + dv
        shift = brick * (row % 2)
        iu = np.floor(u - shift).astype(np.int32)
        for du in (-1, 0, 1):
            col = iu + du
            at = (row % period[0], col % period[1])
            cu = col + shift + 0.5 + jitter * (ju[at] - 0.5)
            cv = row + 0.5 + jitter * (jv[at] - 0.5)
            a, b = np.abs(u - cu), np.abs(v - cv)
            d = np.sqrt(a * a + b * b) if power == 2.0 else (a**power + b**power) ** (1 / power)
            closer = d < near
            far = np.where(closer, near, np.minimum(far, d))
            bu, bv = np.where(closer, cu, bu), np.where(closer, cv, bv)
            code, near = np.where(closer, codes[at], code), np.where(closer, d, near)
    return Cells(bu.astype(np.float32), bv.astype(np.float32), near, far, code)
