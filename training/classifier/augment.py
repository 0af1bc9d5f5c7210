"""Augmentation that imitates listings: crops, light, colour casts, blur, small pictures, JPEG, text and stickers.

The only module that touches albumentations (MIT, no longer developed).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read at import: no look-up of newer releases

import albumentations as A  # noqa: N812

UInt8Image = npt.NDArray[np.uint8]
Corners = tuple[float, float, float, float]
LEAST_ZOOM, MOST_ZOOM = 0.2, 0.7  # range of the share of a picture's side that a zoom onto a box ends at
KEPT = 0.75  # share of a box's side that a crop keeps at least


def looks() -> list[Any]:
    """Light, colour, sharpness, noise, patches and JPEG: what changes pixels and leaves places alone."""
    return [
        A.OneOf(
            [
                A.ColorJitter(brightness=(0.6, 1.4), contrast=(0.6, 1.5), saturation=(0.3, 1.6), hue=(-0.04, 0.04)),
                A.RandomGamma(gamma_limit=(60, 170)),
                A.RGBShift(r_shift_limit=35, g_shift_limit=25, b_shift_limit=35),
                A.PlanckianJitter(),
            ],
            p=0.85,
        ),
        A.ToGray(p=0.1),
        A.OneOf(
            [
                A.GaussianBlur(blur_limit=(3, 5)),
                A.MotionBlur(blur_limit=(3, 7)),
                A.Downscale(scale_range=(0.35, 0.8)),
                A.Sharpen(),
            ],
            p=0.3,
        ),
        A.OneOf([A.GaussNoise(std_range=(0.01, 0.07)), A.ISONoise()], p=0.15),
        A.CoarseDropout(
            num_holes_range=(1, 2),
            hole_height_range=(0.08, 0.3),
            hole_width_range=(0.08, 0.3),
            fill="random_uniform",
            p=0.15,
        ),
        A.ImageCompression(quality_range=(25, 95), p=0.7),
    ]


class Augment:
    """Flips, turns, tilts, :func:`looks` and captions; a pure function of picture and seed."""

    def __init__(self) -> None:
        self.pipeline: Any = A.Compose(
            [
                A.HorizontalFlip(p=0.5),
                A.VerticalFlip(p=0.08),
                A.Affine(rotate=(-25, 25), shear=(-8, 8), border_mode=cv2.BORDER_REFLECT_101, p=0.35),
                A.RandomRotate90(p=0.1),
                A.Perspective(scale=(0.02, 0.08), p=0.15),
                *looks(),
            ]
        )

    def __call__(self, image: UInt8Image, seed: int) -> UInt8Image:
        """``(S, S, 3)`` to the same shape."""
        rng = np.random.default_rng(seed)
        self.pipeline.set_random_seed(seed % 2**32)
        out: UInt8Image = self.pipeline(image=image)["image"]
        if rng.random() < 0.12:
            out = _caption(out, rng)
        return out


class Looks:
    """:func:`looks` by themselves, for pictures with boxes; a pure function of picture and seed."""

    def __init__(self) -> None:
        self.pipeline: Any = A.Compose(looks())

    def __call__(self, image: UInt8Image, seed: int) -> UInt8Image:
        """``(H, W, 3)`` to the same shape."""
        self.pipeline.set_random_seed(seed % 2**32)
        out: UInt8Image = self.pipeline(image=image)["image"]
        return out


class Crop(NamedTuple):
    """Part of a picture, as shares of its sides in [0, 1]."""

    x: float
    y: float
    width: float
    height: float

    def shows(self, box: Corners, least: float = 0.4) -> bool:
        """Whether at least a share of the box lies within, or the box fills as much of the crop."""
        x0, y0, x1, y1 = box
        across = min(x1, self.x + self.width) - max(x0, self.x)
        down = min(y1, self.y + self.height) - max(y0, self.y)
        smaller = min((x1 - x0) * (y1 - y0), self.width * self.height)
        return across > 0 and down > 0 and across * down >= least * smaller

    def cut(self, image: UInt8Image, size: int) -> UInt8Image:
        """``(S, S, 3)`` to ``(size, size, 3)``."""
        side = len(image)
        top, left = int(self.y * side), int(self.x * side)
        rows, columns = max(int(self.height * side), 2), max(int(self.width * side), 2)
        part = np.ascontiguousarray(image[top : top + rows, left : left + columns])
        how = cv2.INTER_AREA if min(part.shape[:2]) >= size else cv2.INTER_CUBIC
        out: UInt8Image = cv2.resize(part, (size, size), interpolation=how).astype(np.uint8, copy=False)
        return out


def choose_crop(boxes: Sequence[Corners], rng: np.random.Generator, *, zoomed: bool) -> Crop:
    """A random crop that keeps most of one of the boxes, or lies within it.

    Pictures without boxes get one anywhere, so that neither place nor size of the crop predicts a label.

    Args:
        boxes: ``[x0, y0, x1, y1]`` as shares of the sides, in [0, 1].
        rng: Source of chance.
        zoomed: From about the box to the whole picture, by the logarithm of the side; else 0.35 to 1 of its area.
    """
    x0, y0, x1, y1 = boxes[int(rng.integers(len(boxes)))] if boxes else _anywhere(rng)
    if zoomed:
        width, height = (np.clip(length, LEAST_ZOOM, MOST_ZOOM) ** rng.random() for length in (x1 - x0, y1 - y0))
    else:
        area, ratio = rng.uniform(0.35, 1.0), np.exp(rng.uniform(-0.45, 0.45))
        width, height = min((area * ratio) ** 0.5, 1.0), min((area / ratio) ** 0.5, 1.0)
    return Crop(_start(x0, x1, width, rng), _start(y0, y1, height, rng), width, height)


def _start(low: float, high: float, length: float, rng: np.random.Generator) -> float:
    """Where a stretch of ``length`` within [0, 1] begins that shares enough with [low, high]."""
    common = KEPT * min(high - low, length)
    first, last = np.clip((low + common - length, high - common), 0.0, 1.0 - length)
    return float(rng.uniform(first, max(first, last)))


def _anywhere(rng: np.random.Generator) -> Corners:
    """A box of like sizes as products have."""
    width, height = rng.uniform(0.3, 0.95, 2)
    x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    return x, y, x + width, y + height


def shrink_into(small: UInt8Image, room: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """``small`` at 30 to 70 % of its side somewhere in ``room``, as in collages and screenshots."""
    side = len(room)
    height, width = (int(side * rng.uniform(0.3, 0.7)) for _ in range(2))
    top, left = int(rng.integers(0, side - height + 1)), int(rng.integers(0, side - width + 1))
    out = room.copy()
    out[top : top + height, left : left + width] = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
    return out


def _caption(image: UInt8Image, rng: np.random.Generator) -> UInt8Image:
    """A line of text, a price or a plain bar, anywhere."""
    out, side = image.copy(), len(image)
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    where = (int(rng.integers(0, side // 2)), int(rng.integers(side // 8, side)))
    if rng.random() < 0.3:
        cv2.rectangle(out, (0, where[1]), (side, where[1] + side // 10), colour, -1)
    text = "".join(chr(c) for c in rng.integers(48, 91, int(rng.integers(4, 14))))
    cv2.putText(
        out, text, where, int(rng.integers(0, 5)), rng.uniform(0.4, 1.4), colour, int(rng.integers(1, 3)), cv2.LINE_AA
    )
    return out
