"""Manifests of labelled photos, as ``evaluate`` and ``calibrate`` read them: checked row by row before a model runs.

Knows no scores. Training's own manifests, which hold more, have the same columns.
"""

from __future__ import annotations

import csv
import json
import math
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import AMBIGUOUS, NO_GROUP, SYNTHETIC, TRUST
from wildvision.taxonomy import Taxonomy, load_taxonomy

REQUIRED = ("path", "group", "leaf", "source", "object_id")


def read_manifest(path: str | Path) -> list[dict[str, str]]:
    """Rows of a photo manifest: CSV in UTF-8, with or without a byte-order mark; paths are relative to its folder.

    Args:
        path: The CSV, with the columns ``path``, ``group`` (a product group, ``none`` or ``ambiguous``), ``leaf`` (of
            the taxonomy, a name of your own for a negative, or empty), ``source`` and ``object_id`` (may be empty).
            ``trust`` (``high``, ``medium``, ``low``), ``synthetic`` (1 for a render) and ``boxes`` (see
            :func:`boxes_of`) are optional; other columns are kept and ignored.

    Raises:
        ArgumentError: No such file, not UTF-8, no rows, a missing column, or a row that is cut off, names a photo
            twice, or holds something else than the above. The message names the line.
    """
    manifest = Path(path)
    if not manifest.is_file():
        raise ArgumentError(f"no manifest at {manifest}; give a CSV with {', '.join(REQUIRED)}")
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f)
            rows = [(reader.line_num, row) for row in reader]
    except csv.Error as e:
        raise ArgumentError(f"{manifest}, line {reader.line_num}: {e}; is a quote left open?") from e
    except UnicodeDecodeError as e:
        raise ArgumentError(f"{manifest} is not UTF-8 ({e}); save it as CSV in UTF-8") from e
    if not rows:
        raise ArgumentError(f"{manifest} holds no rows")
    if missing := [name for name in REQUIRED if name not in rows[0][1]]:
        raise ArgumentError(f"{manifest} lacks the columns {missing}; it has {list(rows[0][1])}")
    taxonomy, lines = load_taxonomy(), dict[str, int]()
    for line, row in rows:
        problem = _problem(row, taxonomy)
        photo = posixpath.normpath(row["path"] or "")
        if problem is None and photo in lines:
            problem = f"{row['path']} is in line {lines[photo]} already"
        if problem is not None:
            raise ArgumentError(f"{manifest}, line {line}: {problem}")
        lines[photo] = line
    return [row for _, row in rows]


def boxes_of(row: Mapping[str, Any]) -> list[list[float]]:
    """Corners ``[x0, y0, x1, y1]`` of a row's objects, in pixels of the upright photo; none where nobody has looked.

    Args:
        row: With a column ``boxes``, if any: ``[{"box": [x0, y0, x1, y1]}, …]`` as JSON.

    Raises:
        ArgumentError: The column holds something else.
    """
    try:
        found = [[float(v) for v in item["box"]] for item in json.loads(row.get("boxes") or "[]")]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as e:
        raise ArgumentError(_BOXES.format(row["boxes"])) from e
    if any(len(b) != 4 or not all(map(math.isfinite, b)) or b[0] >= b[2] or b[1] >= b[3] for b in found):
        raise ArgumentError(_BOXES.format(row["boxes"]))
    if any(max(b) <= 1 for b in found):
        raise ArgumentError(f"boxes are in pixels of the photo, not in shares of it; received {row['boxes']!r}")
    return found


_BOXES = 'boxes are [{{"box": [x0, y0, x1, y1]}}, …] as JSON, x0 < x1 and y0 < y1; received {!r}'


def _problem(row: Mapping[str, Any], taxonomy: Taxonomy) -> str | None:
    """What is wrong with a row, in words."""
    if cut := [name for name in REQUIRED if row[name] is None]:
        return f"the row is cut off before {cut[0]!r}"
    if None in row:  # where csv puts what has no column
        return "the row has more fields than the first line; is a comma not quoted?"
    if empty := [name for name in ("path", "source") if not row[name].strip()]:
        return f"{empty[0]!r} is empty"
    if (row.get("synthetic") or "").strip().lower() not in SYNTHETIC:
        return f"synthetic must be one of {', '.join(SYNTHETIC[1:])}, or empty; received {row['synthetic']!r}"
    group, leaf, trust = row["group"], row["leaf"], row.get("trust") or TRUST[0]
    known = (*taxonomy.group_names, NO_GROUP, AMBIGUOUS)
    if group not in known:
        return f"group must be one of {', '.join(known)}; received {group!r}"
    if trust not in TRUST:
        return f"trust must be one of {', '.join(TRUST)}; received {trust!r}"
    own = taxonomy.groups[group].leaves if group in taxonomy.groups else ()
    if own and leaf and leaf not in own:
        return f"a photo of {group} has a leaf of {', '.join(own)}, or none; received {leaf!r}"
    if group == NO_GROUP and leaf in taxonomy.leaf_names:
        return f"a photo of no group cannot have the leaf {leaf!r}"
    try:
        boxes_of(row)
    except ArgumentError as e:
        return str(e)
    return None
