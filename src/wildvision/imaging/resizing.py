"""Antialiased resizing of RGB arrays, the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from wildvision.imaging.types import UInt8Image

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def _area(image: UInt8Image, width: int, height: int) -> UInt8Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def halve(image: UInt8Image) -> UInt8Image:
    """Half the size by the mean of 2 by 2 pixels; an odd last row or column is dropped."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return _area(image[: 2 * height, : 2 * width], width, height)


def resize(image: UInt8Image, width: int, height: int, interpolation: str) -> UInt8Image:
    """Resize ``(H, W, 3)`` uint8 to ``(height, width, 3)`` with antialiasing.

    An image at least four times too large in both directions is halved first, which on large photos is several
    times faster and differs by less than one level of 255 on average. ``bicubic`` and ``bilinear`` then are Pillow's
    filters; ``area`` is the mean over the area of each target pixel (bilinear where it enlarges).
    """
    while image.shape[0] >= 4 * height and image.shape[1] >= 4 * width:
        image = halve(image)
    if image.shape[:2] == (height, width):
        return image
    if interpolation != "area":
        method = _FILTERS[interpolation]
    elif image.shape[0] >= height and image.shape[1] >= width:
        return _area(image, width, height)
    else:
        method = Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize((width, height), method))
