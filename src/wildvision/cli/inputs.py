"""What commands are given: operands as paths of photos (folders walked, ``-`` read from stdin), and counts."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath

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

    A folder is walked as :class:`wildvision.scoring.folders.Folder` says, and files without a photo's suffix are left
    out; a folder that cannot be read stands for itself, so that it gets a row with its status. Everything else is
    passed on as it is, whether it exists or not.

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
    from wildvision.scoring.folders import walk

    for relative, entry, _ in walk(Path(path)):
        if entry is None:  # a folder that cannot be listed
            yield path if relative == "./" else os.path.join(path, relative.rstrip("/"))  # noqa: PTH118
        elif PurePath(entry.name).suffix.lower() in PHOTO_SUFFIXES:
            yield os.path.join(path, relative)  # noqa: PTH118


def first_free(
    name: str, taken: dict[str, int], numbered: Callable[[int], str], *, key: Callable[[str], str] = str
) -> str:
    """``name``, or the first of ``numbered(2)``, ``numbered(3)``, … that is free where it is taken.

    Args:
        name: What is wanted.
        taken: Keys of all names that were given, each with how far it was counted: the same name many times is not
            counted from the start again. Brought up to date.
        numbered: The name with a number.
        key: What names that may not stand side by side have in common.
    """
    wanted = key(name)
    number = taken.get(wanted, 1)
    while key(name) in taken:
        number += 1
        name = numbered(number)
    taken[wanted] = number
    taken.setdefault(key(name), 1)
    return name


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
