"""Checks an output folder: every row against the row contract, every part against the log. Reads only.

``row.schema.json`` beside this file is the published contract; :func:`row_problem` is the same in Python, so that a
million rows are checked in seconds (a test holds the two together).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from wildvision.contract import SCHEMA, Decision, Status
from wildvision.errors import ArgumentError, WildvisionError
from wildvision.scoring.items import file_sha256
from wildvision.scoring.listings import NAME as LISTINGS
from wildvision.scoring.rows import ROW_FIELDS
from wildvision.scoring.runmanifest import RunManifest
from wildvision.scoring.sinks import LOG, Part, read_part, read_parts
from wildvision.taxonomy import load_taxonomy

_STATUSES = tuple(s.value for s in Status)  # tuples, because a damaged row may hold what has no hash
_DECISIONS = tuple(d.value for d in Decision)
_OPTIONAL = ("copy_of", "extra")
_REQUIRED = tuple(field for field in ROW_FIELDS if field not in _OPTIONAL)
_MOST = 20


@dataclass(frozen=True)
class ValidationReport:
    """What :func:`validate` found.

    Attributes:
        rows: Rows read.
        parts: Parts read.
        complete: Whether the run had come to its end.
        problems: What is wrong, in words; at most 20 are listed.
    """

    rows: int
    parts: int
    complete: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the run is complete and nothing is wrong."""
        return self.complete and not self.problems


def row_schema() -> dict[str, Any]:
    """The row contract as a JSON Schema (draft 2020-12)."""
    text = resources.files(__package__).joinpath("row.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def validate(out: str | os.PathLike[str]) -> ValidationReport:
    """Check an output folder.

    Identifiers are checked to be unique by 64-bit hashes, at 8 bytes a row; nothing else grows with the rows.

    Raises:
        ArgumentError: There is no run in the folder.
    """
    folder = Path(out)
    manifest = RunManifest.read(folder)
    if manifest is None:
        raise ArgumentError(f"{folder} holds no run: it has no manifest.json")
    problems: list[str] = []
    ids = array("Q")
    rows = 0
    try:
        parts = read_parts(folder, mend=False)
    except WildvisionError as e:
        parts, problems = [], [str(e)]
    for part in parts:
        for problem in _part_problems(folder, part, rows, ids):
            if len(problems) < _MOST:
                problems.append(problem)
        rows += part.rows
    if len(problems) < _MOST and (doubled := _doubled(ids)):
        problems.append(f"{doubled} identifiers occur more than once; give the source an id column with unique values")
    extra = {p.name for p in folder.glob("part-*")} - {p.part for p in parts}
    if extra:
        problems.append(f"parts that {LOG} does not name: {', '.join(sorted(extra)[:5])}; resume the run to mend this")
    if manifest.totals is not None and manifest.totals["rows"] != rows:
        problems.append(f"the manifest counts {manifest.totals['rows']} rows, the parts have {rows}")
    if manifest.totals is not None:
        problems += _listing_problems(folder / LISTINGS, manifest.totals)
    return ValidationReport(rows, len(parts), manifest.state == "complete", tuple(problems))


def row_problem(row: Any) -> str | None:
    """What is wrong with one row, ``None`` when it keeps the contract."""
    if not isinstance(row, dict):
        return f"expected an object, received {type(row).__name__}"
    if missing := [k for k in _REQUIRED if k not in row]:
        return f"missing fields: {', '.join(missing)}"
    if unknown := [str(k) for k in row if k not in ROW_FIELDS]:
        return f"unknown fields: {', '.join(unknown)}"
    return next(_problems(row), None)


def _problems(row: Mapping[str, Any]) -> Iterator[str]:
    ok = row["status"] == Status.OK.value
    if row["schema"] != SCHEMA:
        yield f"schema must be {SCHEMA!r}; received {row['schema']!r}"
    if not isinstance(row["id"], str) or not row["id"]:
        yield f"id must be a non-empty text; received {row['id']!r}"
    for key in ("path", "listing_id", "error", "model", "copy_of"):
        if not isinstance(row.get(key), str | None):
            yield f"{key} must be text or null; received {row[key]!r}"
    if row["status"] not in _STATUSES:
        yield f"unknown status {row['status']!r}"
    if ok != (row["error"] is None):
        yield "error must be null exactly when status is ok"
    for key in ("width", "height"):
        if row[key] is not None and not (_whole(row[key]) and row[key] >= 0):
            yield f"{key} must be a whole number or null; received {row[key]!r}"
    for key, digits in (("sha256", 64), ("phash", 16)):
        if row[key] is not None and not _hex(row[key], digits):
            yield f"{key} must be {digits} hex digits or null; received {row[key]!r}"
    yield from _score_problems(row) if ok else _failure_problems(row)
    if not isinstance(row["detections"], list):
        yield f"detections must be a list; received {row['detections']!r}"
    else:
        yield from (f"a detection is wrong: {d!r}" for d in row["detections"] if not _detection(d))
    if not isinstance(row.get("extra"), dict | None):
        yield f"extra must be an object or null; received {row['extra']!r}"


def _score_problems(row: Mapping[str, Any]) -> Iterator[str]:
    groups, leaves, lookalikes = _names()
    scores = row["scores"]
    if not isinstance(scores, dict) or set(scores) != set(groups) or not all(map(_probability, scores.values())):
        yield f"scores must give each of {', '.join(sorted(groups))} a probability; received {scores!r}"
    if row["decision"] not in _DECISIONS:
        yield f"unknown decision {row['decision']!r}"
    if row["leaf"] is not None and row["leaf"] not in leaves:
        yield f"unknown leaf {row['leaf']!r}"
    look = row["lookalike"]
    if not (
        isinstance(look, dict)
        and set(look) == {"leaf", "score", "margin"}
        and look["leaf"] in lookalikes
        and _probability(look["score"])
        and _number(look["margin"])
        and -1 <= look["margin"] <= 1
    ):
        yield f"lookalike must have a leaf, a score in [0, 1] and a margin in [-1, 1]; received {look!r}"
    if not isinstance(row["model"], str):
        yield "a scored row must name its model"


def _failure_problems(row: Mapping[str, Any]) -> Iterator[str]:
    for key in ("scores", "decision", "leaf", "lookalike"):
        if row[key] is not None:
            yield f"{key} must be null when status is {row['status']!r}; received {row[key]!r}"
    if row["detections"]:
        yield f"there can be no detections when status is {row['status']!r}"


def _part_problems(folder: Path, part: Part, rows: int, ids: array[int]) -> Iterator[str]:
    path = folder / part.part
    if part.first != rows:
        yield f"{part.part}: begins at row {part.first}, expected {rows}"
    if file_sha256(path) != part.sha256:
        yield f"{part.part}: changed after it was finished (its sha256 is not that in {LOG})"
    count = 0
    try:
        for row in read_part(path):
            count += 1
            if problem := row_problem(row):
                yield f"{part.part}, row {count}: {problem}"
            else:
                ids.append(_hash(row["id"]))
    except (ValueError, OSError) as e:  # pyarrow's errors are ValueErrors and OSErrors
        yield f"{part.part}: cannot be read after row {count}: {e}"
    if count != part.rows:
        yield f"{part.part}: has {count} rows, {LOG} says {part.rows}"


def _listing_problems(path: Path, totals: Mapping[str, Any]) -> Iterator[str]:
    expected, digest = totals.get("listings", 0), totals.get("listings_sha256")
    lines = 0
    if path.exists():
        with path.open("rb") as f:
            lines = sum(1 for _ in f)
    if lines != expected:
        yield f"the manifest counts {expected} listings, {path.name} has {lines}"
    elif digest and file_sha256(path) != digest:
        yield f"{path.name}: changed after the run was finished (its sha256 is not that in the manifest)"


def _doubled(ids: array[int]) -> int:
    import numpy as np

    return len(ids) - len(np.unique(np.frombuffer(ids, np.uint64))) if ids else 0


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@cache
def _names() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    taxonomy = load_taxonomy()
    return tuple(taxonomy.group_names), tuple(taxonomy.leaf_names), tuple(taxonomy.lookalike_names)


def _detection(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"group", "score", "box"}
        and value["group"] in _names()[0]
        and _probability(value["score"])
        and isinstance(value["box"], list)
        and len(value["box"]) == 4
        and all(map(_number, value["box"]))
    )


def _whole(value: Any) -> bool:
    return _number(value) and float(value).is_integer()  # JSON knows no difference between 3 and 3.0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _probability(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _hex(value: Any, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and all(c in "0123456789abcdef" for c in value)
