"""Any Pillow mode, palette, alpha, bit depth and ICC profile to upright 8-bit sRGB."""

from __future__ import annotations

import io
import logging
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from wildvision.contract import Status
from wildvision.imaging.arrays import rgb_from_array
from wildvision.imaging.types import InputError, UInt8Image

_LOG = logging.getLogger(__name__)
_ORIENTATION = 0x0112
_DEEP = ("I", "F")
_PROFILE_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_LARGEST_PROFILE = 4 * 2**20


def to_rgb(image: Image.Image) -> UInt8Image:
    """``(h, w, 3)`` uint8 sRGB of a loaded image, not yet turned upright; transparency is laid on white."""
    if image.mode.startswith(_DEEP):
        return rgb_from_array(_deep(image))
    profile = image.info.get("icc_profile")
    try:
        if image.has_transparency_data:
            image = _on_white(image)
        elif image.mode == "P":
            image = image.convert("RGB")
        if profile:
            image = _to_srgb(image, profile)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except ValueError as error:  # a mode without a conversion, such as LAB
        raise InputError(Status.UNSUPPORTED, f"no conversion of mode {image.mode} to RGB: {error}") from error


def rgb_from_jpeg(pixels: UInt8Image, header: Image.Image) -> UInt8Image:
    """``(h, w, 3)`` uint8 sRGB of decoded JPEG pixels; costs nothing for the usual RGB without a profile."""
    profile = header.info.get("icc_profile")
    if header.mode == "RGB" and not (profile and _transform(profile, "RGB")):
        return pixels
    image = Image.fromarray(pixels[..., 0] if header.mode == "L" else pixels, header.mode)
    image.info = {"icc_profile": profile} if profile else {}
    return to_rgb(image)


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 where it is absent or nonsense."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises many kinds on broken EXIF, none of which makes the pixels unusable
        _LOG.debug("broken EXIF ignored", exc_info=True)
        return 1
    return value if value in range(1, 9) else 1


def upright(pixels: UInt8Image, orientation: int) -> UInt8Image:
    """Undo an EXIF orientation: 2, 4, 5, 7 are mirrored, 5 to 8 lie on their side."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """``(width, height)`` after :func:`upright`."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def _deep(image: Image.Image) -> npt.NDArray[Any]:
    """More than 8 bits a pixel. Pillow's 32-bit mode I holds 16-bit values, or 8-bit ones of an array of integers."""
    values = np.asarray(image)
    if image.mode != "I":
        return values
    if values.min() < 0 or values.max() > 65535:
        raise InputError(
            Status.UNSUPPORTED, f"32-bit pixels from {values.min()} to {values.max()} have no known white and black"
        )
    return values.astype(np.uint8 if values.max() <= 255 else np.uint16)  # of 16 bits it would be all but black


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    return transform.apply(image)


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from an ICC profile to sRGB; ``None`` where it is sRGB already, is broken or is for another mode."""
    if len(profile) > _LARGEST_PROFILE:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _PROFILE_SPACES.get(source.profile.xcolor_space) != mode:
            return None
        if mode == "RGB" and "srgb" in (source.profile.profile_description or "").lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        _LOG.debug("broken ICC profile ignored", exc_info=True)
        return None
