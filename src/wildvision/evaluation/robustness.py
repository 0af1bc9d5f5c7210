"""The robustness suite: named corruptions at three strengths, seeded. Runs no model; that is in :mod:`.stress`.

Strength 2 is the one that acceptance is stated for: JPEG quality 30, a 96-px thumbnail, a collage of four.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from wildvision.errors import ArgumentError
from wildvision.evaluation import disguises, distortions
from wildvision.evaluation.distortions import Image, Rng

STRENGTHS = (1, 2, 3)

CORRUPTIONS: Mapping[str, Callable[[Image, int, Rng], Image]] = MappingProxyType(
    {
        "jpeg": distortions.jpeg,
        "thumbnail": distortions.thumbnail,
        "watermark": disguises.watermark,
        "text_overlay": disguises.text_overlay,
        "collage": disguises.collage,
        "screenshot_frame": disguises.screenshot_frame,
        "mirror": distortions.mirror,
        "occlusion": disguises.occlusion,
        "greyscale": distortions.greyscale,
        "colour_cast": distortions.colour_cast,
        "corner_crop": distortions.corner_crop,
        "sticker": disguises.sticker,
        "tiny_in_room": disguises.tiny_in_room,
        "chat_screenshot": disguises.chat_screenshot,
        "heavy_filter": distortions.heavy_filter,
        "inverted": distortions.inverted,
    }
)


def corrupt(image: Image, name: str, strength: int = 2, *, seed: int = 0) -> Image:
    """A corrupted copy of a photo.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; left as it is.
        name: Key of :data:`CORRUPTIONS`.
        strength: 1, 2 or 3. The same seed draws the same at every strength.
        seed: Decides everything that is left to chance.

    Returns:
        ``(h, w, 3)`` uint8 RGB. Frames and crops change the size; the rest keeps it.

    Raises:
        ArgumentError: No such corruption or strength, or not a uint8 RGB image.
    """
    if name not in CORRUPTIONS:
        raise ArgumentError(f"corruption must be one of {', '.join(CORRUPTIONS)}; received {name!r}")
    if isinstance(strength, bool) or not isinstance(strength, int) or strength not in STRENGTHS:
        raise ArgumentError(f"strength must be 1, 2 or 3; received {strength!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ArgumentError(f"a seed is a whole number of 0 or more; received {seed!r}")
    if not isinstance(image, np.ndarray):
        raise ArgumentError(f"an image must be (H, W, 3) uint8; received {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ArgumentError(f"an image must be (H, W, 3) uint8; received {image.shape} {image.dtype}")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    out = CORRUPTIONS[name](image, strength, rng)
    return out.copy() if np.shares_memory(out, image) else out
