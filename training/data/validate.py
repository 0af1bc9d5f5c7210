"""Faults of a manifest against its photos, the taxonomy and its own splits. Reports everything, mends nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.dedup import Fingerprint, find_duplicates
from training.data.manifest import AMBIGUOUS, NEGATIVE, UNUSED, Record
from training.data.progress import track

EXIF_GPS = 0x8825


@dataclass(frozen=True)
class Issue:
    """One fault.

    Attributes:
        kind: Its name, one of :data:`KINDS`.
        path: The photo.
        detail: What was found, in words.
    """

    kind: str
    path: str
    detail: str


KINDS = {
    "missing": "the photo is not there",
    "unreadable": "the photo does not decode",
    "size_mismatch": "the photo is not as large as the manifest says",
    "gps": "the photo carries GPS coordinates; run scrub",
    "unknown_group": "the group is not in the taxonomy",
    "unknown_leaf": "the leaf is not in the taxonomy",
    "wrong_group": "the leaf belongs to another group",
    "box_empty": "a box has no area",
    "box_outside": "a box reaches outside the photo",
    "box_unknown_leaf": "the leaf of a box is not in the taxonomy",
    "duplicate_path": "two rows name the same photo",
    "duplicate": "the same picture is there twice",
    "label_conflict": "the same picture is there with two groups",
    "leak": "the same picture is in two splits",
    "object_across_splits": "views of one object are in two splits",
}


def leaf_groups() -> dict[str, str]:
    """Leaf or look-alike leaf to the group that a manifest gives it (``none`` for look-alikes)."""
    from wildvision.taxonomy import load_taxonomy

    taxonomy = load_taxonomy()
    return {leaf: taxonomy.group_of(leaf) or NEGATIVE for leaf in taxonomy.class_names}


def validate(
    records: Sequence[Record],
    root: Path,
    groups: Mapping[str, str],
    prints: Sequence[Fingerprint | None] | None = None,
) -> list[Issue]:
    """Find every fault, in the order of :data:`KINDS` and then by path.

    Args:
        records: The manifest.
        root: Folder that its paths are relative to.
        groups: Leaf to group, as :func:`leaf_groups` gives it.
        prints: Fingerprints in manifest order; without them duplicates are not looked for.
    """
    issues = [*_check_labels(records, groups), *_check_splits(records)]
    for record in track(records, "photos"):
        issues += _check_photo(record, root)
    if prints is not None:
        issues += _check_duplicates(records, prints)
    order = list(KINDS)
    return sorted(issues, key=lambda issue: (order.index(issue.kind), issue.path, issue.detail))


def _check_labels(records: Sequence[Record], groups: Mapping[str, str]) -> Iterator[Issue]:
    known = {*groups.values(), NEGATIVE, AMBIGUOUS}
    times = Counter(record.path for record in records)
    for path, n in times.items():
        if n > 1:
            yield Issue("duplicate_path", path, f"{n} rows")
    for record in records:
        if record.group not in known:
            yield Issue("unknown_group", record.path, record.group)
        elif record.group == AMBIGUOUS:
            continue
        elif record.leaf not in groups:
            yield Issue("unknown_leaf", record.path, record.leaf)
        elif groups[record.leaf] != record.group:
            yield Issue("wrong_group", record.path, f"{record.leaf} belongs to {groups[record.leaf]}")
        for box in record.boxes or ():
            if box.leaf is not None and box.leaf not in groups:
                yield Issue("box_unknown_leaf", record.path, box.leaf)


def _check_splits(records: Sequence[Record]) -> Iterator[Issue]:
    parts: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for record in records:
        if record.object_id and record.split not in UNUSED:
            parts[record.source, record.object_id].setdefault(record.split, record.path)
    for (_, name), where in parts.items():
        if len(where) > 1:
            yield Issue("object_across_splits", next(iter(where.values())), f"{name} in {', '.join(sorted(where))}")


def _check_photo(record: Record, root: Path) -> Iterator[Issue]:
    from PIL import Image, ImageOps

    path = root / record.path
    if not path.is_file():
        yield Issue("missing", record.path, f"not under {root.name}/")
        return
    try:
        with Image.open(path) as file:
            if file.getexif().get_ifd(EXIF_GPS):
                yield Issue("gps", record.path, "EXIF GPS block")
            width, height = ImageOps.exif_transpose(file).size
            file.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        yield Issue("unreadable", record.path, str(error))
        return
    if record.width and record.height and (record.width, record.height) != (width, height):
        yield Issue("size_mismatch", record.path, f"{width}×{height}, manifest {record.width}×{record.height}")
    for box in record.boxes or ():
        if box.x1 <= box.x0 or box.y1 <= box.y0:
            yield Issue("box_empty", record.path, f"{box.corners}")
        elif box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            yield Issue("box_outside", record.path, f"{box.corners} in {width}×{height}")


def _check_duplicates(records: Sequence[Record], prints: Sequence[Fingerprint | None]) -> Iterator[Issue]:
    first_rows = {record.path: i for i, record in reversed(list(enumerate(records)))}
    rows = sorted(first_rows.values())  # a path that is there twice has a fault of its own
    for found in find_duplicates([records[i] for i in rows], [prints[i] for i in rows]):
        first, *others = (record.path for record in found.members)
        detail = f"{found.kind}: {', '.join(others)}"
        if found.conflict:
            yield Issue("label_conflict", first, detail)
        if found.across_splits:
            yield Issue("leak", first, detail)
        if not (found.conflict or found.across_splits):
            yield Issue("duplicate", first, detail)
