"""The resize in front of a model, driven by its card, and the decode-and-resize step that worker pools run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.imaging.decoding import decode
from wildvision.imaging.resizing import resize
from wildvision.imaging.types import DEFAULT_LIMITS, Limits, Prepared, UInt8Image

ResizeMode = Literal["squash", "center", "letterbox"]
Interpolation = Literal["bicubic", "bilinear", "area"]


@dataclass(frozen=True)
class Preprocess:
    """How a model wants its input; comes from the ``input`` field of its card.

    Attributes:
        size: Side of the square input in pixels.
        resize: ``squash`` ignores the aspect ratio and keeps everything; ``center`` keeps the aspect ratio and the
            largest square in the middle; ``letterbox`` keeps both and pads with ``mean``.
        interpolation: ``bicubic``, ``bilinear`` or ``area``, each antialiased.
        mean: Per channel, for RGB in [0, 1]; subtracted on the model's device, not here.
        std: Per channel, for RGB in [0, 1]; divided by on the model's device, not here.
    """

    size: int
    resize: ResizeMode = "squash"
    interpolation: Interpolation = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ArgumentError(f"Preprocess.size must be a positive number of pixels; received {self.size!r}")
        for name, allowed in (("resize", ResizeMode), ("interpolation", Interpolation)):
            if getattr(self, name) not in get_args(allowed):
                raise ArgumentError(
                    f"Preprocess.{name} must be one of {', '.join(get_args(allowed))}; received {getattr(self, name)!r}"
                )
        for name in ("mean", "std"):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != 3 or (name == "std" and min(values) <= 0):
                raise ArgumentError(f"Preprocess.{name} must be three numbers, std positive; received {values!r}")
            object.__setattr__(self, name, values)  # a card gives lists, which would not hash

    def renormalised(self, other: Preprocess) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Per channel, what pixels normalised so are multiplied with, and what is added, to be as ``other`` wants."""
        factors = tuple(ours / theirs for ours, theirs in zip(self.std, other.std, strict=True))
        moved = ((ours - theirs) / std for ours, theirs, std in zip(self.mean, other.mean, other.std, strict=True))
        return factors, tuple(moved)


def preprocess(image: UInt8Image, how: Preprocess) -> UInt8Image:
    """Resize an upright RGB image to a model's input.

    Args:
        image: ``(H, W, 3)`` uint8.
        how: The model's wishes.

    Returns:
        ``(size, size, 3)`` uint8, not normalised, contiguous and writable; ``image`` itself where nothing is to do.
    """
    return np.require(_resized(image, how), requirements=["C", "W"])


def _resized(image: UInt8Image, how: Preprocess) -> UInt8Image:
    size = how.size
    height, width = image.shape[:2]
    if how.resize == "squash":
        return resize(image, size, size, how.interpolation)
    if how.resize == "center":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return resize(image[top : top + side, left : left + side], size, size, how.interpolation)
    left, top, inner_width, inner_height = letterbox(width, height, size)
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = [round(255 * min(max(m, 0.0), 1.0)) for m in how.mean]
    canvas[top : top + inner_height, left : left + inner_width] = resize(
        image, inner_width, inner_height, how.interpolation
    )
    return canvas


def letterbox(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Where an image of ``width`` by ``height`` comes to lie in its letterbox: left, top, width, height in pixels."""
    ratio = size / max(height, width)
    inner_width, inner_height = max(1, round(width * ratio)), max(1, round(height * ratio))
    return (size - inner_width) // 2, (size - inner_height) // 2, inner_width, inner_height


@dataclass(frozen=True)
class Preparer:
    """Decodes and resizes one input for a model; needs no torch, pickles, and may be shared by threads.

    Attributes:
        preprocess: The model's wishes.
        limits: What one input may cost.
        scaled: Let the JPEG decoder shrink large photos while it decodes. Up to four times faster on large
            photos, but file and array of the same photo then differ by a few grey levels at edges, and so their
            scores in the third digit; without it they agree exactly.
    """

    preprocess: Preprocess
    limits: Limits = DEFAULT_LIMITS
    scaled: bool = False

    def blank(self) -> Prepared:
        """A black photo of the input's size, to fill a batch up with."""
        size = self.preprocess.size
        return Prepared(Status.OK, pixels=np.zeros((size, size, 3), np.uint8))

    def __call__(self, source: Any, *, hashes: bool = True) -> Prepared:
        """Prepare one input of any kind that :func:`wildvision.imaging.decode` takes; never raises for a bad one."""
        target = self.preprocess.size if self.scaled else None
        decoded = decode(source, target=target, limits=self.limits, hashes=hashes)
        status, error, pixels = decoded.status, decoded.error, None
        if decoded.image is not None:
            try:
                pixels = preprocess(decoded.image, self.preprocess)
            except MemoryError:
                status, error = Status.TOO_LARGE, "there is not enough memory to resize the image"
        return Prepared(
            status=status,
            error=error,
            path=decoded.path,
            width=decoded.width,
            height=decoded.height,
            sha256=decoded.sha256,
            phash=decoded.phash,
            pixels=pixels,
        )
