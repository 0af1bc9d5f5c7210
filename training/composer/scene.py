"""Compose one picture: choose a layout, then what to paste, then paste it. The layout is drawn before any label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from training.composer.backgrounds import BackgroundBank
from training.composer.cutouts import Cutout, CutoutBank
from training.composer.harmonise import Float, Light, camera, cast_shadow, overlap, shade, tint
from training.data.masks import Image

LENGTH_CM: Mapping[str, float] = {
    "ivory_raw": 80,
    "ivory_worked": 12,
    "python_skin_raw": 120,
    "python_skin_goods": 28,
    "rhino_horn_raw": 40,
    "rhino_horn_worked": 12,
    "hornbill_casque_raw": 20,
    "hornbill_casque_worked": 7,
    "bone_antler": 20,
    "resin_plastic": 15,
    "ceramic_stone": 20,
    "wood_carving": 25,
    "bovine_horn": 25,
    "other_reptile_leather": 28,
    "plain_leather": 28,
    "metal_glass": 18,
    "live_animal": 100,
    "everyday": 30,
}
"""Usual length of an object of each leaf, for sizes side by side; real sizes spread widely around it."""


@dataclass(frozen=True)
class Recipe:
    """How pictures are composed.

    Attributes:
        size: Side of the square picture in pixels.
        positive_share: Share of pictures with at least one product.
        empty_share: Share of the other pictures with nothing pasted at all.
        layouts: Relative frequency of each layout: ``one`` object, ``few`` (2 to 5, of any kinds), ``heap`` (6 to 14
            of one leaf) and ``collage`` (2 to 4 pictures side by side).
        least_visible: Share of an object that must stay visible; others are not put there.
    """

    size: int = 256
    positive_share: float = 0.5
    empty_share: float = 0.1
    layouts: Mapping[str, float] = field(
        default_factory=lambda: {"one": 0.5, "few": 0.3, "heap": 0.1, "collage": 0.1},
    )
    least_visible: float = 0.35


class Composition(NamedTuple):
    """A composed picture.

    Attributes:
        image: ``(size, size, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32, ``[x0, y0, x1, y1]`` in pixels, tight around what is visible of each pasted object.
        labels: ``n`` leaves, look-alikes included.
    """

    image: Image
    boxes: npt.NDArray[np.float32]
    labels: tuple[str, ...]


_DEFAULT = Recipe()


def compose(
    rng: np.random.Generator, cutouts: CutoutBank, backgrounds: BackgroundBank, recipe: Recipe = _DEFAULT
) -> Composition:
    """Compose one picture; the same state of ``rng`` and the same banks give the same picture.

    Args:
        rng: Source of all chance.
        cutouts: Products and look-alikes.
        backgrounds: Pictures without products.
        recipe: Shares, sizes and layouts.
    """
    names = tuple(recipe.layouts)
    weights = np.array([recipe.layouts[name] for name in names])
    layout = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    positive = bool(rng.random() < recipe.positive_share)
    if layout == "collage":
        scene, boxes, labels = _collage(rng, cutouts, backgrounds, recipe, positive)
    else:
        empty = bool(rng.random() < recipe.empty_share) and not positive
        scene, boxes, labels = _panel(
            rng, cutouts, backgrounds, recipe, layout, positive, empty, recipe.size, recipe.size
        )
    return Composition(camera(scene, rng), np.array(boxes, np.float32).reshape(-1, 4), tuple(labels))


_Panel = tuple[Float, list[tuple[float, float, float, float]], list[str]]


def _collage(
    rng: np.random.Generator, cutouts: CutoutBank, backgrounds: BackgroundBank, recipe: Recipe, positive: bool
) -> _Panel:
    """Two to four panels with a gutter; when ``positive`` one of them, at least, shows a product."""
    size = recipe.size
    gutter = int(rng.integers(0, max(size // 40, 1) + 1))
    rows, columns = ((1, 2), (2, 1), (2, 2))[rng.integers(3)]
    scene = np.full((size, size, 3), rng.choice([0.0, 255.0, 255.0, 200.0]), np.float32)
    chosen = int(rng.integers(rows * columns))
    boxes: list[tuple[float, float, float, float]] = []
    labels: list[str] = []
    for n in range(rows * columns):
        row, column = divmod(n, columns)
        y0, x0 = row * size // rows + (gutter if row else 0), column * size // columns + (gutter if column else 0)
        y1, x1 = (row + 1) * size // rows, (column + 1) * size // columns
        shows = positive and (n == chosen or bool(rng.random() < 0.3))
        layout = "one" if rng.random() < 0.8 else "few"
        panel, found, leaves = _panel(
            rng, cutouts, backgrounds, recipe, layout, shows, bool(rng.random() < 0.1) and not shows, y1 - y0, x1 - x0
        )
        scene[y0:y1, x0:x1] = panel
        boxes += [(a + x0, b + y0, c + x0, d + y0) for a, b, c, d in found]
        labels += leaves
    return scene, boxes, labels


def _panel(
    rng: np.random.Generator,
    cutouts: CutoutBank,
    backgrounds: BackgroundBank,
    recipe: Recipe,
    layout: str,
    positive: bool,
    empty: bool,
    height: int,
    width: int,
) -> _Panel:
    """One scene on one background."""
    count = {"one": 1, "few": int(rng.integers(2, 6)), "heap": int(rng.integers(6, 15))}[layout]
    light = Light.draw(rng)
    scene = backgrounds.draw(rng, height, width).astype(np.float32)
    if empty:
        return scene, [], []
    owner = np.zeros((height, width), np.int16)  # number of the object that each pixel shows, 0 for the background
    areas: list[int] = []
    labels: list[str] = []
    fill = _fill(rng, layout)
    for chosen in _choose(rng, cutouts, layout, count, positive):
        relative = 1.0 if layout != "few" else (LENGTH_CM[chosen.leaf] / 20) ** 0.35
        for _ in range(4):
            pixels = transform(rng, chosen, fill * relative * rng.uniform(0.8, 1.25) * min(height, width), layout)
            if _paste(rng, scene, owner, areas, pixels, light, recipe.least_visible):
                labels.append(chosen.leaf)
                break
    return scene, _boxes(owner, len(labels)), labels


def _fill(rng: np.random.Generator, layout: str) -> float:
    """Length of an object as a share of the shorter side of its panel."""
    low, high = {"one": (0.25, 1.05), "few": (0.22, 0.5), "heap": (0.3, 0.6)}[layout]
    return float(rng.uniform(low, high))


def _choose(rng: np.random.Generator, cutouts: CutoutBank, layout: str, count: int, positive: bool) -> list[Cutout]:
    """What to paste, in order: at least one product when ``positive``, none otherwise."""
    first = cutouts.draw(rng, positive=positive)
    if layout == "heap":
        return [first, *(cutouts.draw(rng, positive=positive, leaf=first.leaf) for _ in range(count - 1))]
    same = bool(rng.random() < 0.5)
    others = [
        cutouts.draw(rng, positive=positive, leaf=first.leaf)
        if same
        else cutouts.draw(rng, positive=positive and bool(rng.random() < 0.4))
        for _ in range(count - 1)
    ]
    at = int(rng.integers(count))
    return [*others[:at], first, *others[at:]]


def transform(rng: np.random.Generator, cutout: Cutout, length: float, layout: str) -> Float:
    """The cut-out mirrored, scaled, turned and jittered: ``(h, w, 4)`` float32, alpha in [0, 1]."""
    pixels = cutout.pixels
    height, width = pixels.shape[:2]
    kind = rng.random()
    spread = 180.0 if kind < (0.6 if layout == "heap" else 0.2) else 15.0
    angle = float(rng.uniform(-spread, spread)) + (90.0 * rng.integers(4) if kind > 0.9 else 0.0)
    scale = length / max(height, width)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    aspect = float(np.exp(rng.normal(0, 0.06)))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror * scale * aspect, scale / aspect])
    corners = turn @ np.array([[0, width, 0, width], [0, 0, height, height]], np.float64)
    low, high = corners.min(axis=1), corners.max(axis=1)
    w, h = (int(v) for v in np.maximum(np.ceil(high - low), 4))
    if scale < 0.5:  # shrink first, or the warp would skip pixels
        half = cv2.resize(np.ascontiguousarray(pixels), None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        turn = turn @ np.diag([width / half.shape[1], height / half.shape[0]])
        pixels = half.astype(np.uint8, copy=False)
    matrix = np.hstack([turn, -low[:, None]])
    warped = cv2.warpAffine(np.ascontiguousarray(pixels), matrix, (w, h), flags=cv2.INTER_LINEAR).astype(np.float32)
    warped[..., 3] /= 255
    warped[..., :3] *= (rng.uniform(0.85, 1.15) * (1 + rng.normal(0, 0.02, 3))).astype(np.float32)
    return warped


def _paste(
    rng: np.random.Generator,
    scene: Float,
    owner: npt.NDArray[np.int16],
    areas: list[int],
    pixels: Float,
    light: Light,
    least_visible: float,
) -> bool:
    """Put an object somewhere, unless too little of it or of an earlier one would stay visible."""
    height, width = scene.shape[:2]
    h, w = pixels.shape[:2]
    x = int(rng.uniform(-0.12 * w, max(width - 0.88 * w, -0.12 * w + 1)))
    y = int(rng.uniform(-0.12 * h, max(height - 0.88 * h, -0.12 * h + 1)))
    region, part = overlap((height, width), (h, w), x, y)
    if region is None or part is None:
        return False
    alpha = np.ascontiguousarray(pixels[..., 3])
    solid = alpha > 0.5
    covered = solid[part]
    whole = int(solid.sum())
    if whole < 30 or covered.sum() < max(2 * least_visible, 0.6) * whole:
        return False
    below = np.bincount(owner[region][covered], minlength=len(areas) + 1)[1:]
    visible = np.bincount(owner.ravel(), minlength=len(areas) + 1)[1:]
    if any(v - b < least_visible * a for v, b, a in zip(visible, below, areas, strict=True)):
        return False
    colour = np.ascontiguousarray(pixels[..., :3])
    shade(colour, light)
    tint(colour, alpha, scene[region], light)
    cast_shadow(scene, alpha, x, y, light)
    veil = alpha[part][..., None]
    scene[region] += veil * (colour[part] - scene[region])
    areas.append(whole)
    owner[region][covered] = len(areas)
    return True


def _boxes(owner: npt.NDArray[np.int16], count: int) -> list[tuple[float, float, float, float]]:
    """Tight boxes around what is visible of each object, in order."""
    found = []
    for n in range(1, count + 1):
        mine = owner == n
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        found.append((float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)))
    return found
