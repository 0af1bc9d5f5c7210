"""From photo to detector input: its letterbox, overlapping tiles of a large one, and the way back to its pixels.

Never imports torch: this part runs in decode workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.imaging import DEFAULT_LIMITS, Limits, Prepared, Preprocess, decode, preprocess
from wildvision.imaging.preprocessing import letterbox
from wildvision.imaging.resizing import resize

Floats = npt.NDArray[np.float64]
UInt8Image = npt.NDArray[np.uint8]

OVERLAP = 0.3
"""Share of a tile's side that it has in common with its neighbour; smaller objects are whole in one of them."""

MOST_TILES = 4
"""Most tiles along the longer side; larger photos get larger tiles."""

CROPS_SIDE = 1600
"""Longest side in pixels at which a photo is kept for a second look."""


@dataclass(frozen=True)
class View:
    """A rectangle of the photo: ``left``, ``top``, ``width`` and ``height`` in pixels of the upright original."""

    left: int
    top: int
    width: int
    height: int

    def to_photo(self, boxes: npt.NDArray[np.floating], size: int) -> Floats:
        """Boxes ``(n, 4)`` in pixels of the ``size`` by ``size`` letterbox of this view, in pixels of the photo."""
        left, top, width, height = letterbox(self.width, self.height, size)
        scale = np.array([self.width / width, self.height / height] * 2)
        inside = np.clip((boxes - [left, top, left, top]) * scale, 0, [self.width, self.height] * 2)
        return np.asarray(inside + np.array([self.left, self.top] * 2), dtype=np.float64)

    def touches_seam(
        self, boxes: npt.NDArray[np.floating], photo: tuple[int, int], *, within: float
    ) -> npt.NDArray[np.bool_]:
        """``(n,)`` bool: boxes that reach an edge of the view, to ``within`` pixels, that is no edge of the photo."""
        edges = (self.left, self.top, self.left + self.width, self.top + self.height)
        inner = (self.left > 0, self.top > 0, edges[2] < photo[0], edges[3] < photo[1])
        near = np.abs(boxes - np.array(edges)) <= within
        return np.asarray((near & np.array(inner)).any(axis=1), dtype=np.bool_)


def tile_views(width: int, height: int, size: int) -> tuple[View, ...]:
    """Overlapping square tiles over a photo that is much larger than the detector's input; none for a smaller one."""
    longest = max(width, height)
    if longest < 1.5 * size:
        return ()
    side = max(size, math.ceil(longest / (MOST_TILES - (MOST_TILES - 1) * OVERLAP)))
    return tuple(
        View(left, top, min(side, width), min(side, height))
        for top in _starts(height, side)
        for left in _starts(width, side)
    )


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    # Rounded up, a side may be one pixel short of what makes the most tiles enough.
    count = min(math.ceil((length - side) / (side * (1 - OVERLAP))) + 1, MOST_TILES)
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


@dataclass(frozen=True, eq=False)
class DetectorInput(Prepared):
    """A prepared photo; ``pixels`` is its letterbox.

    Attributes:
        tiles: ``(t, S, S, 3)`` uint8 letterboxes of ``views``, ``None`` without tiles.
        views: The tiles' places.
        photo: ``(h, w, 3)`` uint8, the upright photo for a second look at crops of it, maybe smaller than the original.
    """

    tiles: UInt8Image | None = None
    views: tuple[View, ...] = ()
    photo: UInt8Image | None = None


@dataclass(frozen=True)
class DetectorPreparer:
    """Decodes one input for a detector; needs no torch, pickles, and may be shared by threads.

    Attributes:
        preprocess: The detector's wishes; a letterbox.
        limits: What one input may cost.
        tiled: Also cut large photos into tiles.
        keep_photo: Keep the photo for a second look.
    """

    preprocess: Preprocess
    limits: Limits = DEFAULT_LIMITS
    tiled: bool = False
    keep_photo: bool = False

    def __post_init__(self) -> None:
        if self.preprocess.resize != "letterbox":
            raise ArgumentError(f"a detector's input is a letterbox; received resize={self.preprocess.resize!r}")

    def blank(self) -> DetectorInput:
        """A black photo of the input's size, to fill a batch up with; it has neither tiles nor crops."""
        size = self.preprocess.size
        return DetectorInput(Status.OK, width=size, height=size, pixels=np.zeros((size, size, 3), np.uint8))

    def __call__(self, source: Any, *, hashes: bool = True) -> DetectorInput:
        """Prepare one input of any kind that :func:`wildvision.imaging.decode` takes; never raises for a bad one."""
        decoded = decode(source, limits=self.limits, hashes=hashes)
        status, error, made = decoded.status, decoded.error, {}
        if decoded.image is not None:
            try:
                made = self._made(decoded.image)
            except MemoryError:
                status, error = Status.TOO_LARGE, "there is not enough memory to resize the image"
        return DetectorInput(
            status=status,
            error=error,
            path=decoded.path,
            width=decoded.width,
            height=decoded.height,
            sha256=decoded.sha256,
            phash=decoded.phash,
            **made,
        )

    def _made(self, image: UInt8Image) -> dict[str, Any]:
        height, width = image.shape[:2]
        made: dict[str, Any] = {"pixels": preprocess(image, self.preprocess)}
        if self.tiled and (views := tile_views(width, height, self.preprocess.size)):
            cut = (image[v.top : v.top + v.height, v.left : v.left + v.width] for v in views)
            made |= {"views": views, "tiles": np.stack([preprocess(tile, self.preprocess) for tile in cut])}
        if self.keep_photo:
            ratio = min(1.0, CROPS_SIDE / max(height, width))
            small = resize(image, max(1, round(width * ratio)), max(1, round(height * ratio)), "area")
            made["photo"] = small
        return made
