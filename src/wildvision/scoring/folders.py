"""Folders as sources: walked lazily in sorted order. The command line walks by the same rules."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring.items import Failure, Item, is_hidden, printable


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
