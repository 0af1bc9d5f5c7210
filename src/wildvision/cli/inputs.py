"""What commands are given: operands as paths of photos (folders walked, ``-`` read from stdin), and counts."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from wildvision.contract import PHOTO_SUFFIXES


def positive(text: str) -> int:
    """A whole number above 0, as the ``type`` of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, received {text!r}")
    return int(text)


def positive_number(text: str) -> float:
    """A finite number above 0, as the ``type`` of an option."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, received {text!r}")
    return value


def expand(operands: Iterable[str], *, null: bool = False) -> Iterator[str]:
    """Paths of photos, in the order of the operands.

    A folder is walked in sorted order, links to folders are not followed, and files without a photo's suffix are left
    out; a folder that cannot be read stands for itself, so that it gets a row with its status. Everything else
    is passed on as it is, whether it exists or not.

    Args:
        operands: Files, folders, or ``-`` for a list on standard input.
        null: Entries on standard input end with a NUL character in place of a newline.
    """
    for operand in operands:
        if operand == "-":
            for entry in _listed(null):
                yield from _one(entry)
        else:
            yield from _one(operand)


def _one(path: str) -> Iterator[str]:
    if not os.path.isdir(path):  # noqa: PTH112  (a Path would fold "./a" and refuse nothing that os takes)
        yield path
        return
    unreadable: list[str] = []
    for folder, subfolders, files in os.walk(path, onerror=lambda e: unreadable.append(str(e.filename))):
        subfolders.sort()
        for name in sorted(files):
            if PurePath(name).suffix.lower() in PHOTO_SUFFIXES:
                yield os.path.join(folder, name)  # noqa: PTH118
    yield from unreadable


def _listed(null: bool) -> Iterator[str]:
    if sys.stdin is None:  # the process was started without one
        return
    raw = sys.stdin.buffer
    if null:
        entries: Iterable[bytes] = raw.read().split(b"\0")
    else:
        entries = (entry.rstrip(b"\r\n") for entry in raw)
    for entry in entries:
        if entry:
            yield os.fsdecode(entry)
