"""One input of any kind to an upright RGB array or a typed failure. The only place where failures become statuses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.imaging.arrays import check_array, is_tensor, rgb_from_array, rgb_from_tensor
from wildvision.imaging.colour import orientation_of, to_rgb, upright, upright_size
from wildvision.imaging.formats import rgb_from_bytes
from wildvision.imaging.hashes import phash_hex, sha256_hex
from wildvision.imaging.reading import check_bytes, read_file_object, read_path
from wildvision.imaging.types import (
    DEFAULT_LIMITS,
    Decoded,
    InputError,
    Limits,
    UInt8Image,
    check_pixels,
    one_line,
    valid_text,
)
from wildvision.imaging.watchdog import within

Source = Any
"""A path, bytes, a binary file object, a PIL image, a numpy array or a torch tensor; see :func:`decode`."""


def decode(
    source: Source, *, target: int | None = None, limits: Limits = DEFAULT_LIMITS, hashes: bool = False
) -> Decoded:
    """Decode one input; safe to call from many threads. Whatever is wrong with the input becomes a status.

    Inputs are opened read-only and left as they were. A file object is read from where it stands to its end and put
    back. Only the first frame of an animation or page of a document counts; of a PIL image, the one it stands at. A
    photo that is cut short is ``truncated``, never filled with grey, unless all it lacks is the end marker behind its
    last pixel; one that is damaged in the middle but complete is decoded as well as its decoder can.

    Args:
        source: ``str`` or path-like (a local file), bytes-like (an encoded image), an object with ``read`` in binary
            mode, ``PIL.Image.Image``, a numpy array ``(H, W)`` or ``(H, W, C)`` or a torch tensor ``(C, H, W)`` or
            ``(H, W)``. Arrays hold RGB (not OpenCV's BGR) with 1 to 4 channels, as uint8, uint16, bool or float
            in [0, 1].
        target: Lets the JPEG decoder shrink by 2, 4 or 8 while decoding, as long as the short side stays at this
            many pixels or more; several times faster on large photos and close to, but not the same as, shrinking
            afterwards. ``None`` decodes every pixel.
        limits: What this input may cost.
        hashes: Whether to compute ``sha256`` and ``phash``.

    Raises:
        ArgumentError: For a ``target`` below 1; never for a bad ``source``.
    """
    if target is not None and target < 1:
        raise ArgumentError(f"target must be a positive number of pixels or None; received {target!r}")
    work = _Work(source, target, limits, hashes)
    try:
        path = valid_text(os.fsdecode(source)) if isinstance(source, str | os.PathLike) else None
    except Exception as error:  # a path-like of the caller's own
        return Decoded(Status.UNREADABLE, one_line(f"the path cannot be read: {error!r}"))
    try:
        image, size = within(limits.seconds, work.run)
        # Not timed: loading scipy for the first hash must not cost that photo its result.
        phash = phash_hex(image) if hashes else None
    except InputError as error:
        failure = error
    except MemoryError:
        failure = InputError(Status.TOO_LARGE, "there is not enough memory to decode it")
    except Exception as error:  # a batch must survive whatever an input does
        failure = InputError(Status.UNREADABLE, f"decoding failed: {error!r}")
    else:
        return Decoded(Status.OK, None, image, *size, path, work.sha256, phash)
    width, height = failure.size or (None, None)
    return Decoded(failure.status, one_line(failure), None, width, height, path, work.sha256)


@dataclass
class _Work:
    """The part of decoding that is timed, and the sha256 found on the way, which failures keep too."""

    source: Any
    target: int | None
    limits: Limits
    hashes: bool
    sha256: str | None = None

    def run(self) -> tuple[UInt8Image, tuple[int, int]]:
        data = self._bytes()
        if data is not None:
            check_bytes(len(data), self.limits)
            if self.hashes:
                self.sha256 = sha256_hex(data)
            image, size = rgb_from_bytes(data, self.target, self.limits)
        else:
            image, size = self._pixels()
            if self.hashes:
                self.sha256 = sha256_hex(image)
        return image, size

    def _bytes(self) -> bytes | None:
        """The encoded image; ``None`` where the source holds pixels."""
        source = self.source
        if isinstance(source, str | os.PathLike):
            return read_path(os.fsdecode(source), self.limits)
        if isinstance(source, bytes | bytearray | memoryview):
            check_bytes(memoryview(source).nbytes, self.limits)
            return bytes(source)
        if hasattr(source, "read") and not isinstance(source, Image.Image):
            return read_file_object(source, self.limits)
        return None

    def _pixels(self) -> tuple[UInt8Image, tuple[int, int]]:
        source = self.source
        if isinstance(source, Image.Image):
            return _rgb_from_pil(source, self.limits)
        if is_tensor(source):
            image = rgb_from_tensor(source, self.limits)
        elif isinstance(source, np.ndarray):
            check_array(source, self.limits)
            image = rgb_from_array(source)
        else:
            raise InputError(
                Status.UNSUPPORTED,
                f"cannot decode a {type(source).__name__}; pass a path, bytes, a binary file object, a PIL image, "
                "a numpy array or a torch tensor",
            )
        return image, (image.shape[1], image.shape[0])


def _rgb_from_pil(image: Image.Image, limits: Limits) -> tuple[UInt8Image, tuple[int, int]]:
    check_pixels(*image.size, limits)
    size = image.size
    try:
        image.load()
        orientation = orientation_of(image)
        pixels = to_rgb(image)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
        raise InputError(
            Status.TRUNCATED if cut else Status.UNREADABLE, f"the PIL image cannot be loaded: {error}", size=size
        ) from error
    return upright(pixels, orientation), upright_size(image.size, orientation)
