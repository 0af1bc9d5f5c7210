"""Several photos of one advert: one verdict, the photo that decided it, and the photos that speak against it.

The rule was chosen on data, see ``benchmarks/reports/listings.md``. Thresholds come from the model card, which sets
them on single photos: listings of many photos raise more false alarms at the same threshold.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from wildvision.contract import Decision
from wildvision.errors import ArgumentError
from wildvision.policy import OperatingPoint, decide, deciding_group
from wildvision.scoring.runmanifest import STATE
from wildvision.scoring.sinks import read_rows, sync_folder

SCHEMA = "wildvision-listing/1"
NAME = "listings.jsonl"
DISCOUNT = 0.0
"""How much a further photo counts, see :func:`combine_scores`. Zero, the maximum, told listings apart best: photos of
one advert err together, so that a noisy-or mostly adds up their errors."""


@dataclass(frozen=True)
class Conflict:
    """A photo that a reviewer should see before agreeing with the verdict.

    Attributes:
        id: Identifier of the photo.
        decision: What its own row says.
        group: Its own top group.
        reason: ``other_group`` (it is suspected of another group) or ``lookalike`` (a look-alike is its likelier
            explanation, while the listing is not passed).
        lookalike: Its look-alike, for ``lookalike``.
    """

    id: str
    decision: str
    group: str
    reason: str
    lookalike: str | None = None


@dataclass(frozen=True)
class ListingVerdict:
    """The verdict on one listing.

    Attributes:
        listing_id: Identifier of the listing.
        photos: Number of its rows.
        scored: Number of different photos that were scored; copies count once.
        failed: Status to number of rows that were not scored.
        scores: Group to probability in [0, 1] that at least one photo shows a product of it; empty without scored
            photos.
        group: The group that the decision is about, as :func:`wildvision.policy.deciding_group` finds it.
        decision: By the operating points of the model card; ``None`` without scored photos, which is not a pass.
        decided_by: Identifier of the photo with the highest score for ``group``.
        conflicts: Photos that speak against the verdict, in input order.
    """

    listing_id: str
    photos: int
    scored: int
    failed: dict[str, int]
    scores: dict[str, float]
    group: str | None
    decision: Decision | None
    decided_by: str | None
    conflicts: tuple[Conflict, ...]

    def to_row(self) -> dict[str, Any]:
        """One line of ``listings.jsonl``."""
        row = asdict(self)
        row["decision"] = self.decision.value if self.decision else None
        row["conflicts"] = [asdict(c) for c in self.conflicts]
        return {"schema": SCHEMA, **row}


def combine_scores(scores: Sequence[float], *, discount: float = DISCOUNT) -> float:
    """Probability that at least one of several photos of one advert shows a product.

    A noisy-or in which every photo but the strongest is discounted: ``1 - (1 - p_max) * prod((1 - p_i) ** discount)``.
    With ``discount`` 0 it is the maximum, with 1 the plain noisy-or of independent photos. A further photo never lowers
    the result.

    Args:
        scores: Calibrated probabilities in [0, 1], one for each different photo.
        discount: In [0, 1].
    """
    if not scores or not 0.0 <= discount <= 1.0:
        raise ArgumentError(f"need at least one score and a discount in [0, 1]; received {len(scores)}, {discount!r}")
    strongest, *others = sorted(scores, reverse=True)
    missed = 1.0 - strongest
    for score in others:
        missed *= (1.0 - score) ** discount
    return 1.0 - missed


def combine(
    rows: Sequence[Mapping[str, Any]],
    operating_points: Mapping[str, OperatingPoint],
    *,
    discount: float = DISCOUNT,
) -> ListingVerdict:
    """The verdict on one listing.

    Args:
        rows: All rows of the listing, in input order.
        operating_points: Thresholds of the model card.
        discount: As in :func:`combine_scores`.

    Raises:
        ArgumentError: There are no rows, or they belong to different listings.
    """
    names = {row["listing_id"] for row in rows}
    if len(names) != 1 or None in names:
        raise ArgumentError(f"expected the rows of one listing; received listings {sorted(map(str, names))}")
    failed: dict[str, int] = {}
    different: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["scores"] is None:
            failed[row["status"]] = failed.get(row["status"], 0) + 1
        else:
            different.setdefault(row["sha256"] or row["id"], row)
    photos = list(different.values())
    if not photos:
        return ListingVerdict(names.pop(), len(rows), 0, failed, {}, None, None, None, ())
    scores = {
        group: combine_scores([photo["scores"][group] for photo in photos], discount=discount)
        for group in photos[0]["scores"]
    }
    top = deciding_group(scores, operating_points)
    decision = decide(scores, operating_points)
    decided_by = max(photos, key=lambda photo: float(photo["scores"][top]))
    conflicts = tuple(
        c
        for photo in photos
        if photo is not decided_by and (c := _conflict(photo, top, decision, operating_points)) is not None
    )
    return ListingVerdict(
        names.pop(), len(rows), len(photos), failed, scores, top, decision, decided_by["id"], conflicts
    )


def write_listings(folder: str | os.PathLike[str], operating_points: Mapping[str, OperatingPoint]) -> int:
    """Combine the rows of a finished run into ``listings.jsonl``, in order of each listing's first photo.

    The photos of a listing need not lie together in the input; memory does not grow with their number. The rows are
    sorted on disk, in the folder itself.

    Returns:
        The number of listings.
    """
    root = Path(folder)
    temporary = root / f".{NAME}.tmp"
    scratch = root / STATE / "listings.sqlite"
    scratch.parent.mkdir(exist_ok=True)
    scratch.unlink(missing_ok=True)  # of a run that was killed here
    count = 0
    try:
        with temporary.open("wb") as f:
            for rows in _by_listing(root, scratch):
                f.write(json.dumps(combine(rows, operating_points).to_row(), ensure_ascii=False).encode() + b"\n")
                count += 1
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(root / NAME)
    finally:
        for path in (temporary, scratch):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: a run is at work
            scratch.parent.rmdir()
    sync_folder(root)
    return count


def _by_listing(folder: Path, scratch: Path) -> Iterator[list[dict[str, Any]]]:
    keep = ("id", "listing_id", "status", "sha256", "scores", "decision", "lookalike")
    with closing(sqlite3.connect(scratch)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("CREATE TABLE firsts (listing TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        db.execute("CREATE TABLE photos (listing INTEGER, number INTEGER, row TEXT)")
        for number, row in enumerate(read_rows(folder)):
            listing = row["listing_id"]
            if listing is None:
                continue
            db.execute("INSERT OR IGNORE INTO firsts VALUES (?, ?)", (listing, number))
            first = db.execute("SELECT number FROM firsts WHERE listing = ?", (listing,)).fetchone()[0]
            db.execute("INSERT INTO photos VALUES (?, ?, ?)", (first, number, json.dumps({k: row[k] for k in keep})))
        db.execute("CREATE INDEX in_order ON photos (listing, number)")
        found = db.execute("SELECT listing, row FROM photos ORDER BY listing, number")
        for _, group in groupby(found, key=lambda entry: entry[0]):
            yield [json.loads(text) for _, text in group]


def _conflict(
    photo: Mapping[str, Any], group: str, decision: Decision, operating_points: Mapping[str, OperatingPoint]
) -> Conflict | None:
    own = deciding_group(photo["scores"], operating_points)
    look = photo["lookalike"]
    if photo["decision"] != Decision.PASS.value and own != group:
        return Conflict(photo["id"], photo["decision"], own, "other_group")
    if decision is not Decision.PASS and photo["decision"] == Decision.PASS.value and look and look["margin"] < 0:
        return Conflict(photo["id"], photo["decision"], own, "lookalike", look["leaf"])
    return None
