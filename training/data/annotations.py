"""The box annotation file: verdicts on proposals, kept apart from the photos and merged into a manifest on demand.

A CSV with the columns ``path, group, leaf, boxes, quality, how``; boxes as in a manifest.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.data.manifest import Box, Record, format_boxes, parse_boxes, read_manifest
from training.data.tables import read_csv
from wildvision.errors import ArgumentError

COLUMNS = ("path", "group", "leaf", "boxes", "quality", "how")
HOW = {
    "auto": "a proposal that a person accepted as it was",
    "corrected": "drawn or moved by a person",
    "crowd": "a heap: one box for each clearly visible object and a crowd box around the rest",
    "none": "looked at, and no box is right: the photo is all product, or the product cannot be found",
}


@dataclass(frozen=True)
class Annotation:
    """Boxes of one photo and where they come from: ``how`` is a key of :data:`HOW`, ``quality`` in [0, 1]."""

    path: str
    group: str
    leaf: str
    boxes: tuple[Box, ...]
    quality: float
    how: str


def read_annotations(path: Path) -> list[Annotation]:
    """Read the file, rows in file order; raises :class:`ArgumentError` with the row that is wrong."""
    found = []
    for n, row in enumerate(read_csv(path)[1], start=1):
        try:
            a = Annotation(
                row["path"], row["group"], row["leaf"], parse_boxes(row["boxes"]), float(row["quality"]), row["how"]
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ArgumentError(f"{path.name} row {n} does not parse: {error!r}") from error
        if a.how not in HOW:
            raise ArgumentError(f"{path.name} row {n}: how = {a.how!r}; write one of {', '.join(HOW)}")
        found.append(a)
    return found


def read_annotated(manifest: Path, annotations: Path | None) -> list[Record]:
    """The rows of a manifest, with the boxes of an annotation file where there is one."""
    records = read_manifest(manifest)
    return records if annotations is None else merge(records, read_annotations(annotations))


def write_annotations(path: Path, annotations: Iterable[Annotation]) -> None:
    """Write the file sorted by path. Equal input, equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for a in sorted(annotations, key=lambda a: a.path):
            writer.writerow([a.path, a.group, a.leaf, format_boxes(a.boxes), f"{a.quality:.3f}", a.how])


def merge(records: Sequence[Record], annotations: Sequence[Annotation]) -> list[Record]:
    """The manifest with the annotated boxes filled in.

    Raises:
        ArgumentError: When an annotation names a photo that the manifest lacks or labels otherwise: its boxes were
            drawn for another label.
    """
    by_path: Mapping[str, Annotation] = {a.path: a for a in annotations}
    labels = {record.path: record.leaf for record in records}
    for a in annotations:
        if labels.get(a.path) != a.leaf:
            have = labels.get(a.path, "not in the manifest")
            raise ArgumentError(f"annotation of {a.path} was made for {a.leaf}, the manifest says {have}")
    return [
        replace(record, boxes=by_path[record.path].boxes) if record.path in by_path else record for record in records
    ]
