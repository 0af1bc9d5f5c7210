"""Augmentation that imitates listings: crops, light, colour casts, blur, small pictures, JPEG, text and stickers.

The only module that touches albumentations (MIT, no longer developed).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read at import: no look-up of newer releases

import albumentations as A  # noqa: N812

UInt8Image = npt.NDArray[np.uint8]
LEAST_ZOOM = 0.2  # share of the photo's side that a crop keeps at least


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
        A.ToGray(p=0.12),
        A.OneOf(
            [
                A.GaussianBlur(blur_limit=(3, 7)),
                A.MotionBlur(blur_limit=(3, 9)),
                A.Downscale(scale_range=(0.25, 0.7)),
                A.Sharpen(),
            ],
            p=0.35,
        ),
        A.OneOf([A.GaussNoise(std_range=(0.02, 0.12)), A.ISONoise()], p=0.2),
        A.CoarseDropout(
            num_holes_range=(1, 3), hole_height_range=(0.08, 0.3), hole_width_range=(0.08, 0.3), fill="random", p=0.2
        ),
        A.ImageCompression(quality_range=(20, 95), p=0.7),
    ]


class Augment:
    """Square uint8 RGB in, square uint8 RGB out; a pure function of picture and seed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pipeline: Any = A.Compose(
            [
                A.RandomResizedCrop((size, size), scale=(0.4, 1.0), ratio=(0.6, 1.6), interpolation=cv2.INTER_AREA),
                A.HorizontalFlip(p=0.5),
                A.VerticalFlip(p=0.08),
                A.Affine(rotate=(-25, 25), shear=(-8, 8), border_mode=cv2.BORDER_REFLECT_101, p=0.35),
                A.RandomRotate90(p=0.1),
                A.Perspective(scale=(0.02, 0.08), p=0.15),
                *looks(),
            ]
        )

    def __call__(self, image: UInt8Image, seed: int) -> UInt8Image:
        """``(S, S, 3)`` to ``(size, size, 3)``."""
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


def zoom(image: UInt8Image, boxes: Sequence[tuple[float, float, float, float]], rng: np.random.Generator) -> UInt8Image:
    """A random crop that keeps one of the boxes whole; anywhere when there are none, so that zoom predicts no label.

    Args:
        image: ``(S, S, 3)``.
        boxes: ``[x0, y0, x1, y1]`` as shares of the sides, in [0, 1].
        rng: Source of chance.
    """
    x0, y0, x1, y1 = boxes[int(rng.integers(len(boxes)))] if boxes else _anywhere(rng)
    side = len(image)
    spans = []
    for low, high in ((y0, y1), (x0, x1)):
        least = max(high - low, LEAST_ZOOM)
        length = least * (1 / least) ** rng.random()  # log-uniform from the box to the whole
        start = np.clip(rng.uniform(high - length, low) if length > high - low else low, 0, 1 - length)
        spans.append(slice(int(start * side), max(int((start + length) * side), int(start * side) + 1)))
    return np.ascontiguousarray(image[spans[0], spans[1]])


def _anywhere(rng: np.random.Generator) -> tuple[float, float, float, float]:
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
