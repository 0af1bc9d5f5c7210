"""Automatic boxes for photos of conspicuous objects: from masks to boxes, with a quality score to judge them by.

Proposals are for a person to accept, correct or refuse (``annotations`` keeps the verdicts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.data.manifest import Box
from training.data.masks import Mask

Flags = npt.NDArray[np.bool_]

MIN_PART = 0.08
"""Parts smaller than this share of the largest one are specks or stray reflections."""

GAP = 0.02
"""Parts closer than this share of the longer side belong to one object."""


@dataclass(frozen=True)
class Proposal:
    """Boxes for one photo and how far to trust them.

    Attributes:
        boxes: One a separate part, largest first.
        quality: In [0, 1]: product of the four below, each clipped to [0, 1].
        agreement: Intersection over union of the boxes around everything by two independent masks.
        sharpness: How decided the first mask is: 1 when every pixel is 0 or 255.
        inside: 1 minus the share of the photo's border that the object touches.
        extent: 1 for an object between 2 % and 90 % of the photo, falling to 0 outside.
    """

    boxes: tuple[Box, ...]
    quality: float
    agreement: float
    sharpness: float
    inside: float
    extent: float


def propose(mask: Mask, second: Mask | None = None, *, threshold: int = 128) -> Proposal:
    """Boxes from a mask, or from the mean of two masks, which are right more often and judge each other.

    Args:
        mask: ``(H, W)`` uint8, 255 where the object certainly is.
        second: An independent mask of the same photo; without it agreement counts as 1.
        threshold: Level from which a pixel belongs to the object.
    """
    soft: npt.NDArray[np.float32] = mask.astype(np.float32)
    agreement = 1.0
    if second is not None:
        soft = (soft + second.astype(np.float32)) / np.float32(2)
        first_parts, second_parts = (separate(m >= threshold) for m in (mask, second))
        both = bool(first_parts and second_parts)
        agreement = iou(around(first_parts), around(second_parts)) if both else 0.0
    flags = soft >= threshold
    parts = separate(flags)
    if not parts:
        return Proposal((), 0.0, 0.0, 0.0, 0.0, 0.0)
    core = cv2.dilate(flags.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    sharpness = float(np.abs(mask[core] / 127.5 - 1).mean())
    border = np.concatenate([flags[0], flags[-1], flags[:, 0], flags[:, -1]])
    inside = 1 - float(border.mean())
    share = float(flags.mean())
    extent = float(np.clip(min(share / 0.02, (1 - share) / 0.1), 0, 1))
    quality = agreement * sharpness * inside * extent
    return Proposal(tuple(parts), quality, agreement, sharpness, inside, extent)


def separate(flags: Flags) -> list[Box]:
    """Boxes of the separate parts of a mask, largest part first; near parts count as one, specks are left out."""
    height, width = flags.shape
    gap = max(round(GAP * max(height, width)), 1)
    grown = cv2.dilate(flags.astype(np.uint8), np.ones((gap, gap), np.uint8))
    count, labels = cv2.connectedComponents(grown)
    found: list[tuple[int, Box]] = []
    for n in range(1, count):
        ys, xs = np.nonzero((labels == n) & flags)
        if len(ys):
            found.append((len(ys), Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)))
    found.sort(key=lambda part: (-part[0], part[1].corners))
    return [box for pixels, box in found if pixels >= MIN_PART * found[0][0]]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    overlap = max(width, 0.0) * max(height, 0.0)
    union = a.area + b.area - overlap
    return overlap / union if union > 0 else 0.0


def around(boxes: Sequence[Box]) -> Box:
    """The box around at least one box."""
    return Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
