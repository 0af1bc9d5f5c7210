"""Piles: dozens of things of one leaf, most of them half hidden, as in photos of seizures and of market stalls.

The layouts of :mod:`training.composer.scene` keep objects apart enough to be boxed; here only those that lie clear are.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from training.composer.backgrounds import BackgroundBank
from training.composer.cutouts import CutoutBank
from training.composer.harmonise import Float, Light, camera, cast_shadow, overlap, shade
from training.composer.scene import transform
from training.data.masks import Image

MOST = 110
"""Objects of the largest pile."""

CLEAR = 0.6
"""Share of an object, what the picture's edge cuts off included, that must be seen for it to have a box of its own."""


class Pile(NamedTuple):
    """A composed pile.

    Attributes:
        image: ``(size, size, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32 ``[x0, y0, x1, y1]`` in pixels, tight around what is seen of each object that lies
            clear.
        hidden: ``(m, 4)`` float32, the same of the objects that others or the edge cover.
    """

    image: Image
    boxes: npt.NDArray[np.float32]
    hidden: npt.NDArray[np.float32]


class _Place(NamedTuple):
    """Where a pile lies, in shares of the picture: nothing of it starts above the ``horizon``."""

    shape: str
    horizon: float
    middle: float
    spread: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Place:
        shape = ("everywhere", "floor", "mound", "cone")[int(rng.choice(4, p=[0.25, 0.4, 0.2, 0.15]))]
        horizon = float(rng.uniform(0.1, 0.55)) if shape != "everywhere" else 0.0
        return cls(shape, horizon, float(rng.uniform(0.35, 0.65)), float(rng.uniform(0.3, 0.6)))

    def holds(self, x: float, y: float) -> bool:
        """Whether an object may lie at a point."""
        off, depth = (x - self.middle) / self.spread, (y - self.horizon) / (1 - self.horizon)
        if self.shape == "mound":
            return depth >= off * off
        return depth >= 0 and (self.shape != "cone" or abs(off) <= 0.8 * depth)

    def nearness(self, y: float) -> float:
        """Size of an object at a height against one at the lower edge; what lies on a floor recedes."""
        return 1.0 if self.shape == "everywhere" else 0.45 + 0.55 * (y - self.horizon) / (1 - self.horizon)


def pile(rng: np.random.Generator, cutouts: CutoutBank, backgrounds: BackgroundBank, leaf: str, *, size: int) -> Pile:
    """Compose a pile; the same state of ``rng`` and the same banks give the same picture.

    Args:
        rng: Source of all chance.
        cutouts: Bank with things of ``leaf``.
        backgrounds: Pictures without products.
        leaf: Leaf or look-alike leaf of everything in the pile.
        size: Side of the square picture in pixels.

    Raises:
        ArgumentError: The bank holds nothing of ``leaf``.
    """
    place, light = _Place.draw(rng), _light(rng)
    length = float(rng.uniform(0.18, 0.75))  # of an object at the lower edge, as a share of the picture's side
    lie = (None, float(rng.uniform(0, 180)), 90.0)[int(rng.choice(3, p=[0.45, 0.35, 0.2]))]
    positive = leaf in cutouts.leaves(positive=True)
    things = [cutouts.draw(rng, positive=positive, leaf=leaf) for _ in range(int(rng.integers(2, 12)))]
    scene = backgrounds.draw(rng, size, size).astype(np.float32)
    if place.shape == "everywhere":
        scene *= np.float32(rng.uniform(0.1, 0.5))  # what shows between the things lies in their shade
    owner = np.zeros((size, size), np.int16)  # number of the object that each pixel shows, 0 for the background
    areas: list[int] = []
    for x, y in _points(rng, place, int(np.clip(6 / length**1.7, 10, MOST))):
        thing = things[rng.integers(len(things))]
        pixels = transform(rng, thing, length * place.nearness(y) * rng.uniform(0.7, 1.2) * size, "heap")
        if lie is not None:
            pixels = _along(pixels, lie + float(rng.normal(0, 18)))
        _weather(rng, pixels)
        areas.append(int(np.count_nonzero(pixels[..., 3] > 0.5)))
        _lay(scene, owner, len(areas), pixels, x, y, light)
    return Pile(camera(scene, rng), *_boxes(owner, areas))


def _boxes(owner: npt.NDArray[np.int16], areas: list[int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Tight boxes around what is seen of the objects that lie clear, and of the others; none of those out of sight."""
    seen = np.bincount(owner.ravel(), minlength=len(areas) + 1)[1:]
    boxes = [cv2.boundingRect((owner == n).astype(np.uint8)) for n in range(1, len(areas) + 1)]
    corners = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], np.float32)
    clear = (seen > 0) & (seen >= CLEAR * np.array(areas))
    return corners[clear], corners[(seen > 0) & ~clear]


def _light(rng: np.random.Generator) -> Light:
    """Things that lie on each other cast short, dark shadows."""
    return dataclasses.replace(
        Light.draw(rng),
        shadow=float(rng.uniform(0.3, 0.75)),
        softness=float(rng.uniform(0.015, 0.05)),
        reach=float(rng.uniform(0.01, 0.06)),
    )


def _points(rng: np.random.Generator, place: _Place, count: int) -> list[tuple[float, float]]:
    """Centres ``(x, y)`` within the pile, the farthest first."""
    points: list[tuple[float, float]] = []
    while len(points) < count:
        x, y = rng.random(2)
        if place.holds(x, y):
            points.append((float(x), float(y)))
    return points if place.shape == "everywhere" else sorted(points, key=lambda p: p[1])


def _along(pixels: Float, angle: float) -> Float:
    """``(h, w, 4)`` turned so that its longer axis lies at ``angle`` degrees."""
    ys, xs = np.nonzero(pixels[..., 3] > 0.5)
    if len(xs) < 2:
        return pixels
    axis = np.linalg.eigh(np.cov(np.stack([xs, ys])))[1][:, 1]
    height, width = pixels.shape[:2]
    side = int(np.hypot(height, width)) + 2
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.degrees(np.arctan2(axis[1], axis[0]))) - angle, 1)
    turn[:, 2] += side / 2 - width / 2, side / 2 - height / 2
    return cv2.warpAffine(pixels, turn, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _weather(rng: np.random.Generator, pixels: Float) -> None:
    """Make an object lighter or darker than its neighbours, and blotchy."""
    height, width = pixels.shape[:2]
    coarse = rng.standard_normal((max(height // 24, 2), max(width // 24, 2)), dtype=np.float32)
    blotches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    gain = np.float32(rng.uniform(0.7, 1.1)) * (1 + np.float32(rng.uniform(0, 0.18)) * blotches)
    pixels[..., :3] *= gain[..., None]


def _lay(
    scene: Float, owner: npt.NDArray[np.int16], number: int, pixels: Float, x: float, y: float, light: Light
) -> None:
    """Paste an object with its centre at ``(x, y)``, over whatever is there; its pixels become ``number``'s."""
    size, (height, width) = scene.shape[0], pixels.shape[:2]
    left, top = int(x * size - width / 2), int(y * size - height / 2)
    region, part = overlap((size, size), (height, width), left, top)
    if region is None or part is None:
        return
    colour, alpha = np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
    shade(colour, light)
    cast_shadow(scene, alpha, left, top, light)
    scene[region] += alpha[part][..., None] * (np.clip(colour[part], 0, 255) - scene[region])
    owner[region][alpha[part] > 0.5] = number
