"""Turns what a user names (folder, glob, manifest, archive, URL, iterable) into a lazy, ordered stream of items.

Nothing is opened or decoded here. Manifests are in :mod:`~wildvision.scoring.manifests`, archives in
:mod:`~wildvision.scoring.archives`.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring.archives import ARCHIVE_SUFFIXES, Archives
from wildvision.scoring.items import Failure, Item, Shard, is_hidden, is_missing, printable
from wildvision.scoring.manifests import (
    BY_NAME,
    HEAD,
    MANIFEST_SUFFIXES,
    Columns,
    Manifest,
    bad_row,
    in_memory,
    item_of,
    part_files,
)
from wildvision.scoring.remote import PUBLIC_ONLY, RemoteFolder, RemotePolicy, is_url


@runtime_checkable
class Source(Protocol):
    """A repeatable stream of items: iterating twice over an unchanged input gives the same items in the same order."""

    def describe(self) -> dict[str, Any]:
        """What the source is, for the run manifest; a run is refused when this changed."""

    def __iter__(self) -> Iterator[Item]: ...

    def count(self) -> int | None:
        """How many items there are, ``None`` when finding out would cost as much as scoring."""


@dataclass(frozen=True)
class Folder:
    """Every file below a folder, walked lazily in sorted order; only one directory's names at a time are in memory.

    Hidden files and folders (a leading dot, ``__MACOSX``) are left out. Everything else is an input: a file that is no
    photo gets its typed row. Links are followed, except back into a folder that is being walked.

    Attributes:
        root: The folder.
        exclude: Folders and files left out, such as the output folder of the run itself.
        pattern: Only files whose path relative to ``root`` matches this glob.
    """

    root: Path
    exclude: tuple[Path, ...] = ()
    pattern: str | None = None

    def describe(self) -> dict[str, Any]:
        """Kind, place and pattern."""
        return {"kind": "folder", "path": printable(str(self.root)), "pattern": self.pattern}

    def count(self) -> int:
        """Number of files, by another walk."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Item]:
        wanted = _matcher(self.pattern) if self.pattern else None
        skip = frozenset(_identity(p) for p in self.exclude if p.exists())
        files = {os.path.abspath(p) for p in self.exclude if not p.is_dir()}  # noqa: PTH100  (may be yet to come)
        for relative, entry, failure in walk(self.root, skip):
            if wanted is None or wanted(relative):
                path = os.path.join(self.root, relative)  # noqa: PTH118  (Path would normalise what the user wrote)
                if files and os.path.abspath(path) in files:  # noqa: PTH100
                    continue
                stamp = _stamp(entry) if entry else ""
                yield Item(relative, path, failure or path, stamp=stamp)


@dataclass(frozen=True)
class Objects:
    """A Python iterable of photos: paths, URLs, bytes, arrays, PIL images, or mappings with the columns of a manifest.

    Attributes:
        values: The iterable. To resume a run, hand over an iterable that gives the same photos again.
        columns: Which keys of a mapping mean what.
        max_bytes: How much of a file object is read, plus one.
    """

    values: Iterable[Any]
    columns: Columns = BY_NAME
    max_bytes: int = 64 << 20

    def describe(self) -> dict[str, Any]:
        """Kind only; the items themselves are fingerprinted as they come."""
        return {"kind": "iterable"}

    def count(self) -> int | None:
        """Length, where the iterable has one."""
        return len(self.values) if isinstance(self.values, Sized) else None

    def __iter__(self) -> Iterator[Item]:
        held: list[Item] | None = []  # rows without a photo, until one has shown that the columns are not at fault
        refusal: ArgumentError | None = None
        for number, value in enumerate(self.values):
            try:
                item = self._item(number, value)
            except ArgumentError as e:
                item = bad_row(number, str(e), str(e))
                if held is not None:
                    refusal = refusal or e
                    held.append(item)
                    if len(held) == HEAD:
                        break
                    continue
            if held is not None:
                yield from held
                held = None
            yield item
        if held and refusal:
            raise refusal

    def _item(self, number: int, value: Any) -> Item:
        if isinstance(value, Item):
            return value
        if isinstance(value, Mapping):
            return item_of(value, number, self.columns.resolve(value), base=None)
        if isinstance(value, str | os.PathLike):
            path = os.fspath(value)
            return Item(str(number), path, path)
        if is_missing(value):
            return Item(str(number), None, Failure(Status.NOT_FOUND, f"element {number} is missing"), stamp="missing")
        if hasattr(value, "read") and hasattr(value, "tell"):  # a file object does not reach a worker process
            try:
                value = value.read(self.max_bytes + 1)
            except Exception as e:  # a caller's object may raise anything
                value = Failure(Status.UNREADABLE, f"reading the file object failed: {e!r}")
            if isinstance(value, str):
                value = Failure(Status.UNREADABLE, "the file object gives text; open it in binary mode ('rb')")
        payload, stamp = in_memory(value)
        return Item(str(number), None, payload, stamp=stamp)


@dataclass(frozen=True)
class Table:
    """A data frame (of pandas or polars) as records, row by row.

    Attributes:
        frame: The data frame.
        names: Its columns.
    """

    frame: Any
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        polars = hasattr(self.frame, "iter_rows")
        rows = self.frame.iter_rows() if polars else self.frame.itertuples(index=False, name=None)
        return (dict(zip(self.names, row, strict=True)) for row in rows)


def open_source(
    source: Any,
    *,
    columns: Columns = BY_NAME,
    policy: RemotePolicy = PUBLIC_ONLY,
    exclude: tuple[Path, ...] = (),
) -> Source:
    """The source that a user named.

    Args:
        source: A folder, a glob, a manifest (``.txt .csv .tsv .jsonl .parquet``), an archive (``.tar .tar.gz .zip``; a
            glob of archives; WebDataset shards), one photo, a URL of any of these, an iterable, a data frame, or a
            :class:`Source`.
        columns: Which columns of a manifest mean what; found by name where not given.
        policy: What may be fetched from where.
        exclude: Folders and files that a folder walk leaves out.

    Raises:
        ArgumentError: There is no such file, nothing that can be a source, or a source without the columns named.
    """
    if not isinstance(source, str | os.PathLike):
        return _from_object(source, columns, policy)
    found = _named(os.fspath(source), columns, policy, exclude)
    if columns != BY_NAME and not isinstance(found, Manifest):
        given = {k: v for k, v in vars(columns).items() if v is not None}
        options = ", ".join(f"{k}={v!r} (--{k}-column)" for k, v in given.items())
        raise ArgumentError(f"{os.fspath(source)!r} is no manifest and has no columns; leave out {options}")
    return found


def _from_object(source: Any, columns: Columns, policy: RemotePolicy) -> Source:
    if hasattr(source, "dtypes") and hasattr(source, "columns"):
        return Objects(_table(source, columns), columns, policy.max_bytes)
    if isinstance(source, Source) and not hasattr(source, "dtype"):  # a Series has the methods of a Source
        return source
    if _is_photo(source):
        raise ArgumentError(
            f"one photo is scored as a list of it, score([photo], ...); received {type(source).__name__}, which is none"
        )
    if isinstance(source, Iterable) and not isinstance(source, Mapping):
        return Objects(source, columns, policy.max_bytes)
    raise ArgumentError(
        f"a source is a path, a URL, an iterable of photos or a Source; received {type(source).__name__}"
    )


def _table(frame: Any, columns: Columns) -> Table:
    """A data frame whose columns make sense.

    Raises:
        ArgumentError: It is of a kind that cannot be read row by row, or no column can hold the photos.
    """
    if not hasattr(frame, "iter_rows") and not hasattr(frame, "itertuples"):
        raise ArgumentError(
            f"a data frame is read row by row, which a {type(frame).__name__} does not offer; write it as Parquet and "
            "score that"
        )
    names = tuple(map(str, frame.columns))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(f"columns {', '.join(twice)} occur more than once; rename them")
    columns.resolve(list(names))
    return Table(frame, names)


def _is_photo(source: Any) -> bool:
    """Whether it is a photo itself, of which an iteration would give bytes, rows of pixels or lines of its file."""
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read") or hasattr(source, "getpixel"):
        return True
    pixels = hasattr(source, "dtype") and not hasattr(source, "describe")  # an array or tensor, not a Series
    return pixels and getattr(source, "ndim", 4) < 4 and getattr(source.dtype, "kind", "u") not in "OSU"


def _named(name: str, columns: Columns, policy: RemotePolicy, exclude: tuple[Path, ...]) -> Source:
    lower = name.lower().partition("?")[0] if is_url(name) else name.lower()
    if is_url(name):
        if lower.endswith(MANIFEST_SUFFIXES):
            return Manifest(name, columns, policy)
        if lower.endswith(ARCHIVE_SUFFIXES):
            return Archives((name,), policy)
        if lower.startswith(("http://", "https://")):
            return Objects([name])
        return RemoteFolder(name, policy)
    if Path(name).is_dir():
        table = Path(name).suffix.lower() == ".parquet" and part_files(Path(name))
        return Manifest(name, columns, policy) if table else Folder(Path(name), exclude)
    if Path(name).exists():
        if lower.endswith(MANIFEST_SUFFIXES):
            return Manifest(name, columns, policy)
        return Archives((name,), policy) if lower.endswith(ARCHIVE_SUFFIXES) else Objects([name])
    if glob.has_magic(name):
        return _from_glob(name, policy, exclude)
    raise ArgumentError(f"there is no file or folder {name!r} to score")


def shard_of(source: Source, shard: Shard) -> Source:
    """One shard of a source: whole archives where there are enough of them to share out, else photo by photo."""
    if shard.count == 1:
        return source
    if isinstance(source, Archives) and (own := source.shard(shard.index, shard.count)):
        return own
    return _Sharded(source, shard)


@dataclass(frozen=True)
class _Sharded:
    source: Source
    shard: Shard

    def describe(self) -> dict[str, Any]:
        return self.source.describe()

    def count(self) -> int | None:
        total = self.source.count()
        return None if total is None else len(range(self.shard.index, total, self.shard.count))

    def __iter__(self) -> Iterator[Item]:
        return self.shard.of(self.source)


def _from_glob(pattern: str, policy: RemotePolicy, exclude: tuple[Path, ...]) -> Source:
    parts = Path(pattern).parts
    plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root, rest = Path(*parts[:plain]), "/".join(parts[plain:])
    if not root.is_dir():
        raise ArgumentError(f"there is no folder {str(root)!r} for the pattern {pattern!r}")
    folder = Folder(root, exclude, rest)
    if pattern.lower().endswith(ARCHIVE_SUFFIXES):
        archives = tuple(item.payload for item in folder)
        if not archives:
            raise ArgumentError(f"no archive matches {pattern!r}")
        return Archives(archives, policy)
    if next(iter(folder), None) is None:
        raise ArgumentError(f"no file matches {pattern!r} (hidden files never do)")
    return folder


def walk(
    root: Path, skip: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[str, os.DirEntry[str] | None, Failure | None]]:
    """Files below ``root``, depth first in sorted order, as :class:`Folder` says; ``skip`` is never entered.

    Yields:
        ``(relative path, entry, failure)``; without an entry for a folder that cannot be listed, whose path ends in
        ``/``.
    """
    waiting: list[str] = [""]
    open_folders: list[tuple[str, tuple[int, int], Iterator[os.DirEntry[str]]]] = []
    while waiting or open_folders:
        if waiting:
            prefix = waiting.pop()
            try:
                identity, entries = _listed(root / prefix)
            except OSError as e:
                reason = f"this folder cannot be listed: {e.strerror}"
                yield f"{prefix or '.'}/", None, Failure(Status.UNREADABLE, reason)
                continue
            if identity not in skip and all(identity != above for _, above, _ in open_folders):
                open_folders.append((prefix, identity, entries))
            continue
        prefix, _, entries = open_folders[-1]
        entry = next(entries, None)
        if entry is None:
            open_folders.pop()
            continue
        relative = f"{prefix}/{entry.name}" if prefix else entry.name
        if _is_folder(entry):
            waiting.append(relative)
        else:
            yield relative, entry, _special(entry)


def _listed(folder: Path) -> tuple[tuple[int, int], Iterator[os.DirEntry[str]]]:
    with os.scandir(folder) as listing:
        entries = sorted((e for e in listing if not is_hidden(e.name)), key=lambda e: e.name)
    return _identity(folder), iter(entries)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _special(entry: os.DirEntry[str]) -> Failure | None:
    """Pipes, sockets and devices would block or never end: they are not opened."""
    try:
        mode = entry.stat().st_mode
    except OSError:
        return None  # a dangling link: decode says not_found
    return None if stat.S_ISREG(mode) else Failure(Status.UNSUPPORTED, "not a regular file")


def _stamp(entry: os.DirEntry[str]) -> str:
    try:
        facts = entry.stat()
    except OSError:
        return "missing"
    return f"{facts.st_size}:{facts.st_mtime_ns}"


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_dev, facts.st_ino


def _matcher(pattern: str) -> Callable[[str], object]:
    """A test for relative paths: ``*`` and ``?`` stay inside one name, ``**/`` crosses folders."""
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        elif pattern[i] == "[" and (end := pattern.find("]", i + 2)) > 0:
            body = pattern[i + 1 : end].replace("\\", r"\\")
            out, i = out + f"[{'^' + body[1:] if body[0] == '!' else body}]", end + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    try:
        return re.compile(out, re.DOTALL).fullmatch
    except re.error as e:
        raise ArgumentError(f"{pattern!r} is no pattern of file names: {e}") from e
