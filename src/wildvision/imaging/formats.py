"""Encoded bytes to pixels: which formats are opened, and what a failure of each of them means.

JPEG pixels come from :mod:`.jpeg`, everything else from Pillow; colour is made sRGB in :mod:`.colour`.
"""

from __future__ import annotations

import io
from typing import TypeGuard

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from wildvision.contract import Status
from wildvision.imaging.colour import orientation_of, rgb_from_jpeg, to_rgb, upright, upright_size
from wildvision.imaging.jpeg import decode_jpeg, scale_for
from wildvision.imaging.sniffing import SUPPORTED, is_cut, sniff
from wildvision.imaging.types import InputError, Limits, UInt8Image, check_pixels

# Named, because Image.open would otherwise try every plugin, some of which start other programs (EPS).
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    AvifImagePlugin.AvifImageFile,
)
_FORMATS = [plugin.format for plugin in _PLUGINS]

# What decoders say of a variant that they do not know. "Unknown" by itself is no sign: of damaged data Pillow says
# "unknown error" and zlib "unknown compression method".
_VARIANTS = ("unsupported", "unknown pixel mode", "unknown raw mode")


def rgb_from_bytes(data: bytes, target: int | None, limits: Limits) -> tuple[UInt8Image, tuple[int, int]]:
    """Upright sRGB pixels and the ``(width, height)`` of the upright original.

    Raises:
        InputError: With the status that fits the bytes.
    """
    size: tuple[int, int] | None = None
    try:
        with _open(data, limits) as image:
            size = image.size
            check_pixels(*size, limits)
            pixels, orientation = _load(data, image, target)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise InputError(Status.TOO_LARGE, f"too large to decode: {error}", size=size) from error
    except Exception as error:  # decoders of hostile bytes raise anything
        raise _refusal(data, error, size) from error
    return upright(pixels, orientation), upright_size(size, orientation)


def _open(data: bytes, limits: Limits) -> Image.Image:
    kind = sniff(data)
    if kind == "HEIF":
        return _open_heif(data, limits)
    if kind is None:
        what = "an HTML page" if b"<html" in data[:1024].lower() else "no known image format"
        raise InputError(Status.UNREADABLE, f"not an image: {what}")
    if kind not in SUPPORTED:
        raise InputError(Status.UNSUPPORTED, f"{kind} files are not supported")
    if kind == "AVIF" and not features.check("avif"):
        raise InputError(Status.UNSUPPORTED, "this build of Pillow cannot read AVIF")
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _open_heif(data: bytes, limits: Limits) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError(
            Status.UNSUPPORTED, "HEIC needs pillow-heif; install it with: pip install 'wildvision[heif]'"
        ) from error
    heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    check_pixels(heif.size[0], heif.size[1], limits)
    return heif.to_pillow()


def _load(data: bytes, image: Image.Image, target: int | None) -> tuple[UInt8Image, int]:
    if image.format in ("JPEG", "MPO"):
        scale = scale_for(image.size, target)
        orientation = orientation_of(image)
        pixels = decode_jpeg(data, image, scale)
        if pixels is not None:
            return rgb_from_jpeg(pixels, image), orientation
        image.draft(None, (image.width // scale, image.height // scale))
    elif _filled_silently(image.format) and is_cut(data, image.format):
        raise InputError(Status.TRUNCATED, f"the {image.format} file ends before the picture does", size=image.size)
    image.load()
    return to_rgb(image), orientation_of(image)  # asked after loading: Pillow turns TIFF by itself


def _filled_silently(kind: str | None) -> TypeGuard[str]:
    """Whether Pillow would fill what is missing with grey: in a GIF always, else where the program asked it to."""
    return kind == "GIF" or (ImageFile.LOAD_TRUNCATED_IMAGES and kind in SUPPORTED)


def _refusal(data: bytes, error: Exception, size: tuple[int, int] | None) -> InputError:
    """The status behind a decoder's exception: cut, damaged, or a variant that the decoder does not know."""
    kind = sniff(data)
    text = str(error).lower()
    reason = "cannot identify it" if isinstance(error, UnidentifiedImageError) else f"{error or type(error).__name__}"
    if "truncated" in text or isinstance(error, EOFError) or (kind in SUPPORTED and is_cut(data, kind)):
        return InputError(Status.TRUNCATED, f"the {kind} file is incomplete: {reason}", size=size)
    if isinstance(error, NotImplementedError) or any(words in text for words in _VARIANTS):
        return InputError(Status.UNSUPPORTED, f"a kind of {kind} that cannot be decoded: {reason}", size=size)
    return InputError(Status.UNREADABLE, f"the {kind} file is damaged: {reason}", size=size)
