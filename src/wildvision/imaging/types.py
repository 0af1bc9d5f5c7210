"""What decoding takes and gives: limits, decoded photos, prepared photos and the private failure they share.

Holds no decoding code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.contract import Status
from wildvision.errors import ArgumentError

UInt8Image = npt.NDArray[np.uint8]

_WHOLE: tuple[type, ...] = (int, np.integer)
_NUMBER: tuple[type, ...] = (*_WHOLE, float, np.floating)
_PILLOW_BOMB_LIMIT = 178_956_970  # Image.open raises beyond twice Pillow's MAX_IMAGE_PIXELS, whatever we allow


@dataclass(frozen=True)
class Limits:
    """How much one input may cost. An input beyond a limit gets a status and never an exception.

    Attributes:
        max_bytes: Largest encoded size in bytes; beyond it ``too_large``, and a longer file is not read.
        max_pixels: Largest width times height, read from the header before any pixel is decoded; beyond it
            ``too_large``. At most 178,956,970, where Pillow refuses by itself.
        seconds: Longest wall time for reading and decoding one input; beyond it ``timeout``. The caller gets its
            answer in time, but native code cannot be interrupted: the work ends in a background thread, whose
            memory is returned only then. The perceptual hash and the resize after decoding are not timed;
            ``max_pixels`` bounds them.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000
    seconds: float = 20.0

    def __post_init__(self) -> None:
        for name, kinds in (("max_bytes", _WHOLE), ("max_pixels", _WHOLE), ("seconds", _NUMBER)):
            value: Any = getattr(self, name)
            known = isinstance(value, kinds) and not isinstance(value, bool)
            if not known or not value > 0:
                named = "whole number" if kinds is _WHOLE else "number"
                raise ArgumentError(f"Limits.{name} must be a positive {named}; received {value!r}")
        if self.max_pixels > _PILLOW_BOMB_LIMIT:
            raise ArgumentError(f"Limits.max_pixels can be at most {_PILLOW_BOMB_LIMIT}; received {self.max_pixels!r}")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Decoded:
    """One decoded input.

    Attributes:
        status: What became of the input; ``image`` is there exactly when it is ``ok``.
        error: One line about the failure, ``None`` for ``ok``.
        image: ``(H, W, 3)`` uint8 RGB in sRGB, upright, alpha laid on white. Smaller than ``width`` by ``height``
            when a scaled decode was asked for.
        width: Width in pixels of the upright original; known for some failures too.
        height: Height in pixels of the upright original; known for some failures too.
        path: The path given as input, ``None`` for in-memory inputs. Bytes that are not UTF-8 read ``\\udcNN``.
        sha256: Hex digest of the encoded bytes; of the upright RGB pixels for arrays and PIL images.
        phash: 64-bit perceptual hash as 16 hex digits, of ``image``.
    """

    status: Status
    error: str | None = None
    image: UInt8Image | None = None
    width: int | None = None
    height: int | None = None
    path: str | None = None
    sha256: str | None = None
    phash: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an image."""
        return self.status is Status.OK


@dataclass(frozen=True, eq=False)
class Prepared:
    """The facts of one decoded input and its pixels as the model wants them; small enough to queue and to pickle.

    Attributes:
        pixels: ``(S, S, 3)`` uint8 RGB, not normalised; there exactly when ``status`` is ``ok``.

    The other attributes are those of :class:`Decoded`.
    """

    status: Status
    error: str | None = None
    path: str | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    phash: str | None = None
    pixels: UInt8Image | None = None

    @property
    def ok(self) -> bool:
        """Whether there are pixels."""
        return self.status is Status.OK


class InputError(Exception):
    """Private to imaging: ends the decoding of one input with a status; never leaves :func:`decode`."""

    def __init__(self, status: Status, message: str, *, size: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.size = size


def one_line(text: object) -> str:
    """``text`` as one line of valid Unicode, at most 300 characters: it ends up in a row."""
    return valid_text(" ".join(str(text).split())[:300])


def valid_text(text: str) -> str:
    """``text`` with what is not Unicode (from file names in another encoding) written as ``\\udcNN``."""
    return text.encode("utf-8", "backslashreplace").decode()


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Refuse an image without pixels and an image with too many, before anything is decoded."""
    if width < 1 or height < 1:
        raise InputError(Status.EMPTY, f"the image is {width} by {height} pixels", size=(width, height))
    if width * height > limits.max_pixels:
        raise InputError(
            Status.TOO_LARGE,
            f"{width} by {height} pixels is more than the limit of {limits.max_pixels}",
            size=(width, height),
        )
