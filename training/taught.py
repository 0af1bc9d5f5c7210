"""What a run has learnt from, kept beside its weights, so that it is never measured on that."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from training.folds import PhotoName
from wildvision.errors import ArgumentError

FILE = "taught.json"
WEIGHTS = ("checkpoint.pt", "average.pt")


def refuse_taught(run: Path, held_out: Collection[PhotoName]) -> set[PhotoName]:
    """Make sure that a run has learnt nothing from photos that are held out: folds change, and copies come later.

    Args:
        run: Folder of the run, of which there may be nothing yet.
        held_out: Photos that must teach it nothing.

    Returns:
        The photos that it has learnt from.

    Raises:
        ArgumentError: Some of them are held out.
    """
    file = run / FILE
    begun = file.exists() and any((run / name).exists() for name in WEIGHTS)
    taught = {(source, path) for source, path in json.loads(file.read_text("utf-8"))} if begun else set()
    if wrong := sorted(taught.intersection(held_out)):
        raise ArgumentError(
            f"{run} has learnt from {len(wrong)} photos that are held out now, {wrong[0][1]!r} of {wrong[0][0]!r} for "
            "one; what it says of unseen sources would be worth nothing. Move the folder away and train it anew"
        )
    return taught


def note_taught(run: Path, photos: Collection[PhotoName], held_out: Collection[PhotoName]) -> None:
    """Add the photos that a run is about to learn from to those that it has learnt from.

    Raises:
        ArgumentError: As :func:`refuse_taught`.
    """
    known = refuse_taught(run, held_out)
    run.mkdir(parents=True, exist_ok=True)
    part = run / f"{FILE}.{os.getpid()}.part"  # processes that train one network note the same at once
    part.write_text(json.dumps(sorted(known.union(photos)), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    part.replace(run / FILE)
