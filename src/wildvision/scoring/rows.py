"""The row contract as field names and as an Arrow schema. Values only; files are :mod:`~wildvision.scoring.sinks`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

ROW_FIELDS = (
    "schema",
    "id",
    "path",
    "listing_id",
    "status",
    "error",
    "width",
    "height",
    "sha256",
    "phash",
    "scores",
    "leaf",
    "lookalike",
    "decision",
    "detections",
    "model",
    "copy_of",
    "extra",
)
"""Fields of a row, in order."""


def arrow_schema(groups: Sequence[str]) -> Any:
    """The row contract as a ``pyarrow.Schema``; ``extra`` is JSON text, since its columns vary."""
    import pyarrow as pa

    text, real = pa.string(), pa.float64()
    box = [("group", text), ("score", real), ("box", pa.list_(real))]
    special = {
        "width": pa.int32(),
        "height": pa.int32(),
        "scores": pa.struct([(group, real) for group in groups]),
        "lookalike": pa.struct([("leaf", text), ("score", real), ("margin", real)]),
        "detections": pa.list_(pa.struct(box)),
    }
    return pa.schema([(field, special.get(field, text)) for field in ROW_FIELDS])


def arrow_rows(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    """Rows as a ``pyarrow.Table``."""
    import pyarrow as pa

    flat = [{**r, "extra": None if r["extra"] is None else json.dumps(r["extra"], ensure_ascii=False)} for r in rows]
    return pa.Table.from_pylist(flat, schema=schema)
