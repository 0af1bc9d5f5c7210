"""The one manifest format: a typed row for each photo, read from and written to CSV or Parquet.

Knows nothing of pixels, models or the taxonomy; ``validate`` checks a manifest against those.
"""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from training.data.tables import read_csv
from wildvision.errors import ArgumentError

TRUST = ("low", "medium", "high")
AMBIGUOUS = "ambiguous"
NEGATIVE = "none"
DROPPED = "dropped"
UNUSED = frozenset({"", DROPPED})
"""Values of ``split`` that name no part: not assigned, which recipes train on, and left out because it would leak."""


@dataclass(frozen=True)
class Box:
    """Where one object is.

    Attributes:
        x0: Left edge in pixels of the upright photo; ``y0`` top, ``x1`` right and ``y1`` bottom, exclusive.
        leaf: Leaf of this object, ``None`` for the leaf of the photo.
        crowd: Whether the box covers many objects that cannot be told apart (a heap); COCO's ``iscrowd``.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    leaf: str | None = None
    crowd: bool = False

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)``."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def area(self) -> float:
        """Area in square pixels, 0 for an inside-out box."""
        return max(self.x1 - self.x0, 0.0) * max(self.y1 - self.y0, 0.0)


@dataclass(frozen=True)
class Record:
    """One photo of a manifest.

    Attributes:
        path: POSIX path relative to the folder that holds the photos (by default the manifest's own).
        group: Product group, ``none`` for a negative, ``ambiguous`` for a photo to leave out of metrics.
        leaf: Leaf or look-alike leaf of the taxonomy.
        source: Museum, shop or agency. Splits never divide one.
        boxes: Objects in the photo; ``()`` when there are none and ``None`` when nobody has looked.
        object_id: Views of one object share it; empty when unknown.
        split: Fold or part that the photo is assigned to; empty when unassigned.
        licence: As its source states it.
        redistributable: Whether the licence clearly allows passing the photo on.
        synthetic: Whether the picture was rendered or composed.
        trust: Of the label: ``low``, ``medium`` or ``high``.
        greyscale: Whether it is a black-and-white photo.
        width: Width in pixels of the upright photo, ``None`` when not recorded.
        height: Height in pixels of the upright photo, ``None`` when not recorded.
        origin_class: The class that the source gave it.
        note: Anything else.
    """

    path: str
    group: str
    leaf: str
    source: str
    boxes: tuple[Box, ...] | None = None
    object_id: str = ""
    split: str = ""
    licence: str = ""
    redistributable: bool = False
    synthetic: bool = False
    trust: str = "high"
    greyscale: bool = False
    width: int | None = None
    height: int | None = None
    origin_class: str = ""
    note: str = ""

    @property
    def positive(self) -> bool:
        """Whether the photo is labelled with a product group."""
        return self.group not in (NEGATIVE, AMBIGUOUS)

    @property
    def sure(self) -> bool:
        """Whether the label can be learnt from: neither ambiguous nor of low trust."""
        return self.group != AMBIGUOUS and self.trust != "low"


COLUMNS = tuple(f.name for f in fields(Record))
_REQUIRED = tuple(f.name for f in fields(Record) if f.default is MISSING)


def read_manifest(path: str | Path) -> list[Record]:
    """Read a ``.csv`` or ``.parquet`` manifest, rows in file order.

    Raises:
        ArgumentError: No such file, another suffix, a missing or unknown column, or a value that does not parse; the
            message names the row.
    """
    path = Path(path)
    if not path.is_file():
        raise ArgumentError(f"no manifest at {path}; 'make prepare' makes those of renders")
    if _is_parquet(path):
        import pyarrow.parquet as pq

        rows: Sequence[Mapping[str, Any]] = pq.read_table(path).to_pylist()
        columns = tuple(pq.read_schema(path).names)
    else:
        columns, rows = read_csv(path)
    _check_columns(columns, path)
    return [record_from_row(row, where=f"{path.name} row {n}") for n, row in enumerate(rows, start=1)]


def write_manifest(path: str | Path, records: Iterable[Record]) -> None:
    """Write records in the order given; the suffix decides between CSV and Parquet. Equal input, equal bytes."""
    path = Path(path)
    rows = [row_from_record(record) for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_parquet(path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"bool": pa.bool_(), "int | None": pa.int32()}
        schema = pa.schema([(f.name, kinds.get(str(f.type), pa.string())) for f in fields(Record)])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: int(v) if isinstance(v, bool) else v for k, v in row.items()})


def record_from_row(row: Mapping[str, Any], *, where: str = "row") -> Record:
    """Build a record from one row of strings (CSV) or typed values (Parquet); ``where`` goes into errors."""
    values: dict[str, Any] = {}
    for field in fields(Record):
        raw = row.get(field.name)
        if raw is None or raw == "":
            if field.default is MISSING:
                raise ArgumentError(f"{where}: column {field.name!r} is empty")
            continue
        try:
            values[field.name] = _PARSERS.get(str(field.type), str)(raw)
        except (ValueError, TypeError, KeyError) as error:
            raise ArgumentError(f"{where}: {field.name} = {raw!r} does not parse: {error}") from error
    record = Record(**{**values, "path": posixpath.normpath(values["path"])})  # one name for one photo
    if record.trust not in TRUST:
        raise ArgumentError(f"{where}: trust = {record.trust!r}; write one of {', '.join(TRUST)}")
    return record


def row_from_record(record: Record) -> dict[str, Any]:
    """The record as a flat row: boxes as JSON text, everything else as it is."""
    row = {name: getattr(record, name) for name in COLUMNS}
    row["boxes"] = format_boxes(record.boxes)
    return row


def parse_boxes(text: str) -> tuple[Box, ...]:
    """Parse ``[{"box": [x0, y0, x1, y1], "leaf": "…", "crowd": true}, …]``; ``leaf`` and ``crowd`` may be absent."""
    boxes = []
    for item in json.loads(text):
        if unknown := set(item) - {"box", "leaf", "crowd"}:
            raise ValueError(f"unknown keys {sorted(unknown)} in a box")
        x0, y0, x1, y1 = (float(v) for v in item["box"])
        boxes.append(Box(x0, y0, x1, y1, item.get("leaf"), bool(item.get("crowd", False))))
    return tuple(boxes)


def format_boxes(boxes: Iterable[Box] | None) -> str:
    """The inverse of :func:`parse_boxes`; ``None`` becomes an empty string."""
    if boxes is None:
        return ""
    items: list[dict[str, Any]] = []
    for box in boxes:
        item: dict[str, Any] = {"box": [int(v) if float(v).is_integer() else round(v, 2) for v in box.corners]}
        if box.leaf is not None:
            item["leaf"] = box.leaf
        if box.crowd:
            item["crowd"] = True
        items.append(item)
    return json.dumps(items)


def _parse_bool(value: Any) -> bool:
    known = {"0": False, "1": True, "false": False, "true": True}
    key = str(value).strip().lower()
    if key not in known:
        raise ValueError("write 0 or 1")
    return known[key]


_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "bool": _parse_bool,
    "int | None": int,
    "tuple[Box, ...] | None": parse_boxes,
}


def _is_parquet(path: Path) -> bool:
    if path.suffix not in (".csv", ".parquet"):
        raise ArgumentError(f"a manifest ends in .csv or .parquet, received {path.name!r}")
    return path.suffix == ".parquet"


def _check_columns(columns: tuple[str, ...], path: Path) -> None:
    if missing := [name for name in _REQUIRED if name not in columns]:
        raise ArgumentError(f"{path.name} lacks the columns {missing}; it has {list(columns)}")
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise ArgumentError(f"{path.name} has unknown columns {unknown}; known are {list(COLUMNS)}")
