"""Two identities of a photo: of its exact bytes and of how it looks."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from wildvision.imaging.resizing import halve
from wildvision.imaging.types import UInt8Image

_ENOUGH = 128  # pixels on the short side: four times the 32 that the hash shrinks to


def sha256_hex(data: bytes | UInt8Image) -> str:
    """Hex digest of encoded bytes, or of pixels row by row."""
    return hashlib.sha256(data if isinstance(data, bytes) else np.ascontiguousarray(data).data).hexdigest()


def phash_hex(image: UInt8Image) -> str:
    """64-bit DCT perceptual hash (imagehash's ``phash``) of an RGB image, as 16 hex digits.

    Near duplicates differ in few bits; compare with ``imagehash.hex_to_hash(a) - imagehash.hex_to_hash(b)``.
    The image is halved to a short side of 128 to 255 first, which moves the hash by a bit at most and costs a
    tenth of the time.
    """
    import imagehash  # with scipy at the first hash: only for those who ask for hashes

    while min(image.shape[:2]) >= 2 * _ENOUGH:
        image = halve(image)
    return str(imagehash.phash(Image.fromarray(image)))
