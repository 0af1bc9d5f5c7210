"""One photo to score, before anybody opened it: who it is, where its bytes lie, what comes along with it.

Finding the items is :mod:`~wildvision.scoring.sources`; opening them is :mod:`~wildvision.scoring.loading`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import numbers
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from wildvision.contract import Status
from wildvision.errors import ArgumentError

_LONE_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Half characters that no encoding of text holds; those left out stand for bytes of file names."""
_DEEPEST = 100
_LARGEST_BITS = 10_000
"""Python refuses to write out integers of more than 4,300 decimal digits."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The bytes of one member inside an archive on this machine, so that a worker can read them by itself.

    Attributes:
        archive: Path of the archive.
        offset: Where the member begins (a zip member: its local header), in bytes.
        size: Bytes that the member takes in the archive.
        zipped: ``None`` for a tar member, else the zip compression method (0 stored, 8 deflated).
        crc: CRC-32 of a zip member's content.
    """

    archive: str
    offset: int
    size: int
    zipped: int | None = None
    crc: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A payload that cannot be opened, with the reason; its photo still gets its row."""

    status: Status
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))


@dataclass(frozen=True, slots=True)
class Item:
    """One photo to score. Whatever texts it is made of, it holds only what a row can hold.

    Attributes:
        id: Identifier, unique in its run.
        path: What the row shows as ``path``: a path, a URL or ``archive::member``; ``None`` for in-memory photos.
        payload: What a worker opens: a local path or URL (``str``), a :class:`Slice`, encoded ``bytes``, anything
            else that :func:`wildvision.imaging.decode` takes, or a :class:`Failure`.
        listing_id: The advert that the photo belongs to.
        extra: Further columns of the source, carried into the row unchanged.
        stamp: What changes when the photo changes (size and time of change, say), for the fingerprint of the input.
    """

    id: str
    path: str | None
    payload: Any
    listing_id: str | None = None
    extra: Mapping[str, Any] | None = None
    stamp: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "path", "listing_id"):
            if (text := getattr(self, name)) is not None:
                object.__setattr__(self, name, printable(text))
        object.__setattr__(self, "extra", plain(self.extra or None))


class Fingerprint:
    """A running digest of the items of a run, in order: the same items give the same digest, and nothing is kept.

    Attributes:
        items: How many were taken in.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.items = 0

    def add(self, item: Item) -> None:
        """Take in the next item."""
        facts = [item.id, item.path, item.listing_id, item.extra, item.stamp]
        self._hash.update(json.dumps(facts, sort_keys=True, default=str).encode())
        self.items += 1

    def hexdigest(self) -> str:
        """Digest of all the items so far, 32 hex digits."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` of ``count`` of a source: the items at ``index``, ``index + count``, ... (0-based)."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        whole = isinstance(self.index, int) and isinstance(self.count, int)
        if not whole or self.count < 1 or not 0 <= self.index < self.count:
            raise _no_shard(f"{self.index}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"i/n"``."""
        left, _, right = text.partition("/")
        try:
            index, count = int(left), int(right)
        except ValueError as e:
            raise _no_shard(text) from e
        return cls(index, count)

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items of this shard."""
        return islice(items, self.index, None, self.count)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _no_shard(received: str) -> ArgumentError:
    return ArgumentError(f"a shard is INDEX/COUNT with 0 <= INDEX < COUNT, such as 0/4; received {received!r}")


WHOLE = Shard()
"""All of a source."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out of every walk and archive, with all that lies in it."""
    return name == "__MACOSX" or (name.startswith(".") and name not in (".", ".."))


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: ``None``, or what tables put there (NaN; pandas' ``NA`` and ``NaT``)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Real) and bool(value != value)


def printable(text: str) -> str:
    r"""Text as valid Unicode: bytes of a file name that are not UTF-8 become ``\xNN``, half characters ``\uNNNN``."""
    if text.isascii():
        return text
    whole = _LONE_SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return whole.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file, read piece by piece."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def checksum(data: bytes) -> str:
    """A stamp for in-memory bytes; guards against mistakes, not against forgery."""
    return f"{len(data)}:{zlib.crc32(data):08x}"


def plain(value: Any, depth: int = 0) -> Any:
    """A value of a source's column as JSON can hold it; times become ISO text, bytes become base64."""
    if isinstance(value, str):
        return printable(value)
    if is_missing(value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _LARGEST_BITS else hex(value)
    if isinstance(value, float):
        return value if abs(value) != float("inf") else None
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if depth == _DEEPEST:
        return f"(left out: nested more than {_DEEPEST} deep)"
    if isinstance(value, Mapping):
        return {printable(str(k)): plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(v, depth + 1) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist(), depth + 1)
    return printable(value.isoformat() if hasattr(value, "isoformat") else str(value))
