"""Photos inside tar and zip archives and WebDataset shards, as items that workers read by themselves.

Members of a local ``.tar`` or ``.zip`` are only located here; a worker reads them by offset. Compressed or remote tars
must be read front to back, so their members are handed over as bytes.
"""

from __future__ import annotations

import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from wildvision.contract import PHOTO_SUFFIXES, Status
from wildvision.scoring.items import Failure, Item, Slice, checksum, is_hidden, printable
from wildvision.scoring.manifests import text_of
from wildvision.scoring.remote import PUBLIC_ONLY, RemotePolicy, is_url, open_remote

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")

_SIDECARS = frozenset({".caption", ".cls", ".id", ".json", ".txt", ".url"})
_SIDECAR_BYTES = 1 << 20
_HEADER_BYTES = 1 << 20
_HEADER_TYPES = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError)
_BROKEN = (*_DAMAGED, tarfile.TarError, OSError)


@dataclass(frozen=True)
class Archives:
    """The photos of one or several archives, in the order given, members in the order of the archive.

    In a tar, files of one WebDataset sample (same name up to the first dot) make one item for each photo among them;
    the sample's ``.json`` becomes the item's extra columns (``id`` and ``listing_id`` in it are used as such) and short
    text files become columns named after their suffix. An archive that breaks off gives one last item that says so.

    Hidden members are left out, as in folders. A zip keeps its directory in memory while it is read, about 0.5 kB for
    each member.

    Attributes:
        paths: Paths or URLs.
        policy: What may be fetched from where, and the largest member that is read.
    """

    paths: tuple[str, ...]
    policy: RemotePolicy = PUBLIC_ONLY

    def describe(self) -> dict[str, Any]:
        """Kind, places and sizes."""
        local = [Path(p) for p in self.paths if not is_url(p)]
        return {
            "kind": "archives",
            "paths": [printable(p) for p in self.paths],
            "bytes": [p.stat().st_size for p in local],
        }

    def count(self) -> int | None:
        """Unknown without reading everything."""
        return None

    def shard(self, index: int, count: int) -> Archives | None:
        """Every ``count``-th archive from ``index`` on; ``None`` when there are too few archives to share out."""
        return replace(self, paths=self.paths[index::count]) if len(self.paths) >= count else None

    def __iter__(self) -> Iterator[Item]:
        for path in self.paths:
            members = 0
            items = self._zip(path) if path.lower().partition("?")[0].endswith(".zip") else self._tar(path)
            try:
                for item in items:
                    members += 1
                    yield item
            except _BROKEN as e:
                name = f"{path}::#{members}"
                reason = f"the archive cannot be read on after {members} photos: {e}"
                yield Item(name, name, Failure(Status.TRUNCATED, reason), stamp=reason)

    def _zip(self, path: str) -> Iterator[Item]:
        remote = is_url(path)
        with zipfile.ZipFile(open_remote(path, self.policy) if remote else path) as archive:
            for member in archive.infolist():
                if member.is_dir() or _is_hidden(member.filename):
                    continue
                name = f"{path}::{member.filename}"
                place = member.header_offset, member.compress_size
                payload: Any = Slice(path, *place, zipped=member.compress_type, crc=member.CRC)
                if member.flag_bits & 1:
                    payload = Failure(Status.UNSUPPORTED, "this member is encrypted")
                elif max(member.file_size, member.compress_size) > self.policy.max_bytes:
                    payload = self._too_large(member.file_size)
                elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    payload = Failure(Status.UNSUPPORTED, f"zip compression method {member.compress_type}")
                elif remote:
                    payload = _unpacked(archive, member)
                yield Item(name, name, payload, stamp=f"{member.file_size}:{member.CRC:08x}")

    def _tar(self, path: str) -> Iterator[Item]:
        remote = is_url(path)
        seekable = not remote and path.lower().endswith(".tar")
        stream = open_remote(path, self.policy, stream=True) if remote else None
        with tarfile.open(
            None if remote else path, "r:" if seekable else "r|*", fileobj=stream, tarinfo=_BoundedHeader
        ) as archive:
            sample: list[tuple[str, Item]] = []
            sidecars: dict[str, Any] = {}
            key = ""
            try:
                for member in _members(archive):
                    if _is_hidden(member.name):
                        continue
                    folder, _, base = member.name.rpartition("/")
                    stem, _, ending = base.partition(".")
                    if (folder + "/" + stem) != key:
                        yield from _sample(sample, sidecars)
                        sample, sidecars, key = [], {}, folder + "/" + stem
                    suffix = PurePosixPath(base).suffix.lower()
                    sidecar = suffix in _SIDECARS and member.isreg() and member.size <= _SIDECAR_BYTES
                    item = self._member(archive, member, path, inline=sidecar or not seekable)
                    if sidecar and isinstance(item.payload, bytes):
                        sidecars[ending] = item.payload
                    sample.append((suffix, item))
            except _BROKEN:
                yield from _sample(sample, sidecars)  # what was there before the archive broke off
                raise
            yield from _sample(sample, sidecars)

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, *, inline: bool) -> Item:
        name = f"{path}::{member.name}"
        if not member.isreg():
            return Item(name, name, Failure(Status.UNSUPPORTED, "a link or special file in the archive"))
        if member.size > self.policy.max_bytes:
            return Item(name, name, self._too_large(member.size), stamp=str(member.size))
        if not inline:
            payload = Slice(path, member.offset_data, member.size)
            return Item(name, name, payload, stamp=f"{member.size}:{member.mtime}")
        content = archive.extractfile(member)
        data = content.read() if content else b""
        return Item(name, name, data, stamp=checksum(data))

    def _too_large(self, size: int) -> Failure:
        return Failure(Status.TOO_LARGE, f"{size} bytes is more than the limit of {self.policy.max_bytes} bytes")


def _is_hidden(name: str) -> bool:
    """Whether a member is hidden, or any folder that it lies in."""
    return any(map(is_hidden, name.split("/")))


class _BoundedHeader(tarfile.TarInfo):
    """A member whose long name or attributes, which tarfile reads whole, may not fill the memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _HEADER_TYPES and self.size > _HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size} bytes is more than the limit of {_HEADER_BYTES}")
        return super()._proc_member(archive)  # type: ignore[misc]


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | Failure:
    try:
        return archive.read(member)
    except _DAMAGED as e:
        return Failure(Status.UNREADABLE, f"damaged in the archive: {e}")


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        if not member.isdir():
            yield member
        archive.members = []  # type: ignore[attr-defined]  # else tarfile keeps every header it ever read


def _sample(sample: list[tuple[str, Item]], sidecars: dict[str, bytes]) -> Iterator[Item]:
    """The photos of one WebDataset sample with its sidecars as columns; files without a photo stay what they are."""
    if not sidecars or not any(suffix in PHOTO_SUFFIXES for suffix, _ in sample):
        yield from (item for _, item in sample)
        return
    columns: dict[str, Any] = {}
    for ending, data in sidecars.items():
        text = data.decode("utf-8", "replace")
        if ending.endswith("json"):
            try:
                parsed = json.loads(text)
            except (ValueError, RecursionError):
                parsed = text
            columns.update(parsed if isinstance(parsed, dict) else {ending: parsed})
        else:
            columns[ending] = text.strip()
    photos = [item for suffix, item in sample if suffix not in _SIDECARS]
    own_id = text_of(columns.pop("id", None)) if len(photos) == 1 else None
    listing = text_of(columns.pop("listing_id", None))
    for item in photos:
        yield replace(
            item,
            id=own_id or item.id,
            listing_id=listing,
            extra=columns,
        )
