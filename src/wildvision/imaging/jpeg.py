"""JPEG bytes to pixels through libjpeg-turbo, whose warnings tell a cut photo from a damaged one.

Pillow reads the header (size, EXIF, ICC) beforehand and decodes what is refused here; both use libjpeg-turbo with
the same settings, so that their pixels are equal.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
from PIL import Image

from wildvision.contract import Status
from wildvision.imaging.types import InputError, UInt8Image

_COLOURSPACE = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # every mode that Pillow opens a JPEG in
_EOI = b"\xff\xd9"
_NO_EOI = "Premature end of JPEG file"
_CUT_SCAN = "premature end of data segment"


def scale_for(size: tuple[int, int], target: int | None) -> int:
    """The largest of 1, 2, 4, 8 that leaves the short side at ``target`` or more after dividing by it."""
    if target is None:
        return 1
    return next((s for s in (8, 4, 2) if -(-min(size) // s) >= target), 1)


def decode_jpeg(data: bytes, header: Image.Image, scale: int) -> UInt8Image | None:
    """Decode a JPEG at ``1 / scale`` of its size, or say ``None`` where Pillow should be asked instead.

    A file that lacks nothing but its end marker (or has only zeros after its last pixel, as a download that
    reserved its space leaves them) is whole: every pixel is there. That can be known for sequential files only;
    a progressive one without its end may lack its finest scans.

    Args:
        data: The whole file.
        header: The same file opened by Pillow, not loaded.
        scale: 1, 2, 4 or 8.

    Returns:
        ``(h, w, c)`` uint8 pixels in the mode of ``header``: c is 1 for L, 3 for RGB, 4 for CMYK.

    Raises:
        InputError: With status ``truncated`` when pixel data is missing, even where the file has an end marker.
    """
    try:
        return _turbo(data, header, scale)
    except ValueError as error:
        message = str(error)
    if _NO_EOI in message and not header.info.get("progressive"):
        try:
            return _turbo(data.rstrip(b"\0") + _EOI, header, scale)
        except ValueError as error:
            message = str(error)
    if _NO_EOI in message or _CUT_SCAN in message:
        raise InputError(Status.TRUNCATED, "the JPEG data ends before the last pixel")
    return None


def _turbo(data: bytes, header: Image.Image, scale: int) -> UInt8Image:
    width, height = header.size
    pixels: UInt8Image = simplejpeg.decode_jpeg(
        data,
        _COLOURSPACE[header.mode],
        min_height=-(-height // scale) if scale > 1 else 0,
        min_width=-(-width // scale) if scale > 1 else 0,
    )
    # Adobe writes CMYK inverted, and Pillow takes every CMYK JPEG as written by Adobe.
    return np.subtract(255, pixels, dtype=np.uint8) if header.mode == "CMYK" else pixels
