"""Turns what a user names (folder, glob, manifest, archive, URL, iterable) into a lazy, ordered stream of items.

Nothing is opened or decoded here. Each kind of source has a module: :mod:`~wildvision.scoring.folders`,
:mod:`~wildvision.scoring.manifests`, :mod:`~wildvision.scoring.archives`, :mod:`~wildvision.scoring.objects`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from wildvision.errors import ArgumentError
from wildvision.scoring.archives import ARCHIVE_SUFFIXES, Archives
from wildvision.scoring.folders import Folder
from wildvision.scoring.items import Item, Shard
from wildvision.scoring.manifests import BY_NAME, MANIFEST_SUFFIXES, Columns, Manifest, part_files
from wildvision.scoring.objects import Objects, is_photo, table_of
from wildvision.scoring.remote import PUBLIC_ONLY, RemoteFolder, RemotePolicy, is_url


@runtime_checkable
class Source(Protocol):
    """A repeatable stream of items: iterating twice over an unchanged input gives the same items in the same order."""

    def describe(self) -> dict[str, Any]:
        """What the source is, for the run manifest; a run is refused when this changed."""

    def __iter__(self) -> Iterator[Item]: ...

    def count(self) -> int | None:
        """How many items there are, ``None`` when finding out would cost as much as scoring."""


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
        return Objects(table_of(source, columns), columns, policy.max_bytes)
    if isinstance(source, Source) and not hasattr(source, "dtype"):  # a Series has the methods of a Source
        return source
    if is_photo(source):
        raise ArgumentError(
            f"one photo is scored as a list of it, score([photo], ...); received {type(source).__name__}, which is none"
        )
    if isinstance(source, Iterable) and not isinstance(source, Mapping):
        return Objects(source, columns, policy.max_bytes)
    raise ArgumentError(
        f"a source is a path, a URL, an iterable of photos or a Source; received {type(source).__name__}"
    )


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
