"""What a decode worker does with one item: get its bytes, hash, decode, resize. Needs no torch.

A :class:`Loader` is sent to worker processes and to Ray and Spark, so it holds nothing but settings.
"""

from __future__ import annotations

import hashlib
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wildvision.contract import Status
from wildvision.errors import WildvisionError
from wildvision.imaging import DEFAULT_LIMITS, Limits, Prepared
from wildvision.scoring.items import Failure, Slice, file_sha256
from wildvision.scoring.remote import PUBLIC_ONLY, FetchError, RemotePolicy, fetch, is_url
from wildvision.scoring.store import CacheKey, ScoreCache

_ZIP_HEADER = struct.Struct("<26xHH")  # the two lengths at the end of a zip member's local header


@dataclass(frozen=True)
class Loader:
    """Payload of an item in, one :class:`~wildvision.imaging.Prepared` for each model out. Never raises for a photo.

    Attributes:
        preparers: One for each model that looks at the photo; the first also makes the hashes.
        limits: What one photo may cost.
        policy: What may be fetched from where.
        cache: A score cache to look into: a photo that is in it is hashed and not decoded, and comes back as ``ok``
            without pixels.
        grace: Seconds beyond all limits after which a worker counts as hung.
    """

    preparers: tuple[Callable[..., Prepared], ...]
    limits: Limits = DEFAULT_LIMITS
    policy: RemotePolicy = PUBLIC_ONLY
    cache: CacheKey | None = None
    grace: float = 5.0
    _here: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    def __call__(self, payload: Any) -> tuple[Prepared, ...]:
        """Prepare one photo for every model."""
        try:
            source = self._source(payload)
        except (_UnusableError, FetchError) as e:
            return self.failed(e.status, str(e))
        if known := self._known(source):
            return known
        return tuple(p(source, hashes=i == 0) for i, p in enumerate(self.preparers))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_here"}  # a database connection stays in its thread

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _here=threading.local())

    @property
    def longest(self) -> float:
        """Seconds after which a worker on a local photo must have answered by itself, unless it hangs."""
        return self.limits.seconds * len(self.preparers) + self.grace

    def longest_for(self, payload: Any) -> float:
        """As :attr:`longest`, with the time that fetching may take."""
        remote = isinstance(payload, str) and is_url(payload)
        return self.longest + (self.policy.worst_seconds if remote else 0.0)

    def failed(self, status: Status, error: str) -> tuple[Prepared, ...]:
        """What a photo becomes that could not even be opened."""
        return tuple(Prepared(status, error) for _ in self.preparers)

    def _source(self, payload: Any) -> Any:
        if isinstance(payload, Failure):
            raise _UnusableError(payload.status, payload.message)
        if isinstance(payload, Slice):
            return _read_slice(payload, self.limits.max_bytes)
        if isinstance(payload, str) and is_url(payload):
            return fetch(payload, self.policy)
        return payload

    def _known(self, source: Any) -> tuple[Prepared, ...] | None:
        if self.cache is None or not isinstance(source, str | bytes):
            return None
        try:
            cache: ScoreCache | None = getattr(self._here, "cache", None)
            if cache is None:
                cache = self._here.cache = ScoreCache(self.cache, readonly=True)
            digest = _digest(source, self.limits.max_bytes)
            if digest is None or not cache.knows(digest):
                return None
        except (OSError, WildvisionError):
            return None  # decode says what is wrong with the photo, and the run what is wrong with the cache
        return tuple(Prepared(Status.OK, sha256=digest) for _ in self.preparers)


class _UnusableError(Exception):
    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


def _digest(source: str | bytes, max_bytes: int) -> str | None:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    path = Path(source)
    if not path.is_file() or path.stat().st_size > max_bytes:
        return None
    return file_sha256(path)


def _read_slice(member: Slice, max_bytes: int) -> bytes:
    try:
        with Path(member.archive).open("rb") as f:
            f.seek(member.offset)
            if member.zipped is not None:
                name, extra = _ZIP_HEADER.unpack(f.read(_ZIP_HEADER.size))
                f.seek(name + extra, 1)
            data = f.read(member.size)
    except (OSError, struct.error) as e:
        raise _UnusableError(Status.UNREADABLE, f"cannot read the archive: {e}") from e
    if len(data) < member.size:
        raise _UnusableError(Status.TRUNCATED, f"the archive ends {member.size - len(data)} bytes early")
    if member.zipped:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, max_bytes + 1)
        except zlib.error as e:
            raise _UnusableError(Status.UNREADABLE, f"damaged in the archive: {e}") from e
        if len(data) > max_bytes:
            raise _UnusableError(Status.TOO_LARGE, f"unpacks to more than {max_bytes} bytes")
    if member.crc is not None and zlib.crc32(data) != member.crc:
        raise _UnusableError(Status.UNREADABLE, "damaged in the archive: wrong checksum")
    return data
