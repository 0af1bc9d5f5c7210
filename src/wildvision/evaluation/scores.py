"""The scored table: one row a labelled photo, with what the model said of it. Reading, writing, selecting rows.

Training writes one from out-of-fold models, ``wildvision evaluate`` one from a single model; every number of a report
comes from such a table and can be computed again without a photo or a model.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError

AMBIGUOUS = "ambiguous"
NO_GROUP = "none"
LOW_TRUST = "low"
TRUST = ("high", "medium", LOW_TRUST)
SYNTHETIC = ("", "0", "1", "true", "false")
TEXT_COLUMNS = ("path", "source", "object_id", "group", "leaf", "trust")
_RAW, LEAF_COLUMN, _MODEL = "raw_", "leaf_", "model"
_WHOLE = ("groups", "leaves", "model")
"""What a table has once, not for each photo."""

Text = npt.NDArray[np.str_]


@dataclass(frozen=True)
class ScoreTable:
    """Labels and scores of ``n`` photos.

    Attributes:
        path: ``(n,)`` where the photo lies, relative to its data folder.
        source: ``(n,)`` museum, shop or agency; nothing of one source may be trained on and measured on.
        object_id: ``(n,)`` views of one object share it, within a source.
        group: ``(n,)`` a product group, ``none`` or ``ambiguous``.
        leaf: ``(n,)`` leaf or look-alike leaf, empty where unknown.
        trust: ``(n,)`` ``high``, ``medium`` or ``low``: how sure the label is.
        synthetic: ``(n,)`` true for renders.
        fold: ``(n,)`` fold whose model scored the photo without having seen it; -1 where one model scored all.
        raw: ``(n, groups)`` raw group logits, uncalibrated.
        leaf_probabilities: ``(n, leaves)``; rows sum to 1.
        groups: Names of the columns of ``raw``.
        leaves: Names of the columns of ``leaf_probabilities``.
        model: ``model_id`` of what scored the photos; empty for out-of-fold models and where it is not known.
    """

    path: Text
    source: Text
    object_id: Text
    group: Text
    leaf: Text
    trust: Text
    synthetic: npt.NDArray[np.bool_]
    fold: npt.NDArray[np.int64]
    raw: npt.NDArray[np.float64]
    leaf_probabilities: npt.NDArray[np.float64]
    groups: tuple[str, ...]
    leaves: tuple[str, ...]
    model: str = ""

    def __post_init__(self) -> None:
        n = len(self.path)
        for name in (*TEXT_COLUMNS, "synthetic", "fold"):
            if getattr(self, name).shape != (n,):
                raise ArgumentError(f"column {name!r} must have {n} values; received shape {getattr(self, name).shape}")
        for name, columns in (("raw", self.groups), ("leaf_probabilities", self.leaves)):
            if getattr(self, name).shape != (n, len(columns)):
                raise ArgumentError(f"{name} must be ({n}, {len(columns)}); received {getattr(self, name).shape}")
        if not (np.all(np.isfinite(self.raw)) and np.all(np.isfinite(self.leaf_probabilities))):
            raise ArgumentError("a score table holds finite scores only; leave out photos that were not scored")
        if unknown := sorted(set(self.group.tolist()) - {*self.groups, NO_GROUP, AMBIGUOUS}):
            raise ArgumentError(f"unknown groups {unknown}; choose from {[*self.groups, NO_GROUP, AMBIGUOUS]}")
        if unknown := sorted(set(self.trust.tolist()) - {*TRUST}):
            raise ArgumentError(f"trust must be one of {', '.join(TRUST)}; received {unknown}")

    def __len__(self) -> int:
        return len(self.path)

    def labels(self, group: str) -> npt.NDArray[np.bool_]:
        """``(n,)`` true where the photo shows the group; every other photo is a negative of it."""
        return np.asarray(self.group == group)

    def where(self, mask: npt.NDArray[np.bool_]) -> ScoreTable:
        """The rows where ``mask`` ``(n,)`` is true."""
        rows = {f.name: getattr(self, f.name)[mask] for f in fields(self) if f.name not in _WHOLE}
        return replace(self, **rows)

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """``(n,)`` true for rows that headline numbers use: label sure enough and not ambiguous."""
        return np.asarray((self.group != AMBIGUOUS) & (self.trust != LOW_TRUST))


def score_table(
    rows: Sequence[Mapping[str, Any]],
    raw: npt.ArrayLike,
    leaf_probabilities: npt.ArrayLike,
    *,
    groups: Sequence[str],
    leaves: Sequence[str],
    fold: npt.ArrayLike | None = None,
    model: str = "",
) -> ScoreTable:
    """Join rows of a photo manifest with a model's outputs in the same order.

    Args:
        rows: With the columns of the manifest: ``path, group, leaf, source, object_id``; ``trust`` (``high`` when
            left out) and ``synthetic`` (0 or 1; 0 when left out) are optional, others are ignored. A photo without
            an ``object_id`` is an object of its own.
        raw: ``(n, groups)`` raw group logits.
        leaf_probabilities: ``(n, leaves)``.
        groups: Names of the columns of ``raw``.
        leaves: Names of the columns of ``leaf_probabilities``.
        fold: ``(n,)`` fold that held the photo out.
        model: ``model_id`` of what scored the photos, empty for out-of-fold models.

    Raises:
        ArgumentError: A row lacks a column or holds an unknown word, or shapes or groups do not fit.
    """
    text = {name: np.array([_text(row, name) for row in rows], dtype=str) for name in TEXT_COLUMNS}
    text["object_id"] = np.where(text["object_id"] == "", text["path"], text["object_id"])
    flags = [str(row.get("synthetic") or "").strip().lower() for row in rows]
    if unknown := sorted(set(flags) - {*SYNTHETIC}):  # such as 1.0, which must not pass for a photograph
        raise ArgumentError(f"synthetic must be one of {', '.join(SYNTHETIC[1:])}, or empty; received {unknown}")
    return ScoreTable(
        **text,
        synthetic=np.array([truth(flag) for flag in flags], dtype=bool),
        fold=np.full(len(rows), -1) if fold is None else np.asarray(fold, dtype=np.int64),
        raw=np.asarray(raw, dtype=np.float64).reshape(len(rows), len(groups)),
        leaf_probabilities=np.asarray(leaf_probabilities, dtype=np.float64).reshape(len(rows), len(leaves)),
        groups=tuple(groups),
        leaves=tuple(leaves),
        model=model,
    )


def concatenate(tables: Sequence[ScoreTable]) -> ScoreTable:
    """The rows of several tables, such as those of the folds of one training.

    Raises:
        ArgumentError: No table, other classes, or a photo that was scored twice.
    """
    if not tables:
        raise ArgumentError("no score table to measure")
    if len({(t.groups, t.leaves) for t in tables}) > 1:
        raise ArgumentError("score tables of models with other classes cannot be put together")
    if len({t.model for t in tables}) > 1:
        named = ", ".join(sorted({t.model or "none that is named" for t in tables}))
        raise ArgumentError(f"the score tables come from different models ({named})")
    names = [f.name for f in fields(ScoreTable) if f.name not in _WHOLE]
    columns: dict[str, Any] = {name: np.concatenate([getattr(t, name) for t in tables]) for name in names}
    joined = replace(tables[0], **columns)
    if len(set(joined.path.tolist())) != len(joined):
        raise ArgumentError("some photos are twice in the score tables; folds must not overlap")
    return joined


def write_scores(table: ScoreTable, path: str | Path) -> None:
    """Write a table as ``.parquet`` or ``.csv``, by the suffix."""
    target, columns = Path(path), _columns(table)
    if _suffix(target) == ".csv":
        with target.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), target)


def read_scores(path: str | Path) -> ScoreTable:
    """Read a table that :func:`write_scores` wrote.

    Raises:
        ArgumentError: No such file, neither ``.parquet`` nor ``.csv``, a missing column, or unusable values.
    """
    source = Path(path)
    if not source.is_file():
        raise ArgumentError(f"no score table at {source}")
    rows: list[dict[str, Any]]
    if _suffix(source) == ".csv":
        try:
            with source.open(newline="", encoding="utf-8-sig") as f:
                rows = list(csv.DictReader(f))
        except (csv.Error, UnicodeDecodeError) as e:
            raise ArgumentError(f"{source} is not a score table in UTF-8: {e}") from e
        if any(None in row for row in rows):  # where csv puts what has no column
            raise ArgumentError(f"{source}: a row has more fields than the first line; is a comma not quoted?")
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(source).to_pylist()
        except pa.ArrowInvalid as e:
            raise ArgumentError(f"{source} is not a score table: {e}") from e
    if not rows:
        raise ArgumentError(f"{source} holds no rows")
    groups = [c.removeprefix(_RAW) for c in rows[0] if c.startswith(_RAW)]
    leaves = [c.removeprefix(LEAF_COLUMN) for c in rows[0] if c.startswith(LEAF_COLUMN)]
    if not groups or not leaves:
        raise ArgumentError(
            f"{source} is not a score table: it has no columns {_RAW}GROUP and {LEAF_COLUMN}NAME; "
            f"received {sorted(rows[0])}"
        )
    models = {str(row.get(_MODEL) or "") for row in rows}
    if len(models) > 1:
        raise ArgumentError(f"{source} holds scores of different models ({', '.join(sorted(models))})")
    try:
        return score_table(
            rows,
            [[float(row[_RAW + g]) for g in groups] for row in rows],
            [[float(row[LEAF_COLUMN + name]) for name in leaves] for row in rows],
            groups=groups,
            leaves=leaves,
            fold=[int(row.get("fold", -1)) for row in rows],
            model=models.pop(),
        )
    except (TypeError, ValueError, OverflowError) as e:
        raise ArgumentError(f"{source} is not a score table: {e}") from e


def truth(value: object) -> bool:
    """Whether a manifest's flag is set: ``1`` or ``true``; empty and missing are not."""
    return str(value).strip().lower() in ("1", "true")


def _columns(table: ScoreTable) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: getattr(table, name).tolist() for name in TEXT_COLUMNS}
    columns["synthetic"] = table.synthetic.astype(int).tolist()
    columns["fold"] = table.fold.tolist()
    if table.model:
        columns[_MODEL] = [table.model] * len(table)
    columns |= {_RAW + g: table.raw[:, i].tolist() for i, g in enumerate(table.groups)}
    columns |= {LEAF_COLUMN + name: table.leaf_probabilities[:, i].tolist() for i, name in enumerate(table.leaves)}
    return columns


def _text(row: Mapping[str, Any], name: str) -> str:
    if name == "trust":
        return str(row.get(name) or "high")
    if name not in row or row[name] is None:
        raise ArgumentError(f"column {name!r} is missing; received columns {sorted(map(str, row))}")
    return str(row[name])


def _suffix(path: Path) -> str:
    if path.suffix not in (".csv", ".parquet"):
        raise ArgumentError(f"a score table is .parquet or .csv; received {path.name!r}")
    return path.suffix
