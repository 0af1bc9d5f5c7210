"""Suspected label errors from out-of-fold class scores, ranked by cleanlab. A suspicion, never a correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.manifest import AMBIGUOUS, Record
from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import LEAF_COLUMN


@dataclass(frozen=True)
class Suspect:
    """A photo whose label the scores contradict.

    Attributes:
        record: The photo.
        suggested: Class that the scores favour.
        quality: Out-of-fold probability of the given label in [0, 1]; lower is more suspicious.
    """

    record: Record
    suggested: str
    quality: float


def read_scores(path: Path) -> tuple[list[str], list[str], npt.NDArray[np.float64]]:
    """Read scores from a CSV or Parquet file: a score table of :mod:`wildvision.evaluation.scores`, or any table with a
    column ``path`` and one column of probabilities a class.

    Returns:
        The paths, the class names and an ``(n, classes)`` array.
    """
    import pandas as pd

    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    if "path" not in table.columns:
        raise ArgumentError(f"{path.name} lacks the column 'path'; it has {list(table.columns)}")
    columns = [str(name) for name in table.columns if name != "path"]
    ours = {c: c.removeprefix(LEAF_COLUMN) for c in columns if c.startswith(LEAF_COLUMN)}
    named = ours or {c: c for c in columns}
    if text := [c for c in named if table[c].dtype.kind not in "fiu"]:
        raise ArgumentError(f"{path.name}: the columns {text} hold no numbers; each but 'path' is a class")
    return [str(p) for p in table["path"]], list(named.values()), table[list(named)].to_numpy(np.float64)


def audit(
    records: Sequence[Record], paths: Sequence[str], classes: Sequence[str], scores: npt.NDArray[np.float64]
) -> list[Suspect]:
    """Rank photos whose leaf is probably wrong.

    Args:
        records: The manifest; photos without scores and ambiguous ones are skipped.
        paths: Photo of each row of ``scores``.
        classes: Leaf of each column of ``scores``.
        scores: ``(n, classes)`` probabilities, each row **out of fold**: from a model that never saw the photo, its
            object or its source. Scores of a model on its own training photos hide the errors looked for.

    Returns:
        Suspects, most suspicious first.

    Raises:
        ArgumentError: When shapes disagree, a leaf of the manifest has no column, or all photos are of one leaf, for
            what is odd about a label shows beside those of others.
    """
    from cleanlab.filter import find_label_issues

    if scores.shape != (len(paths), len(classes)):
        raise ArgumentError(f"scores have shape {scores.shape}, expected ({len(paths)}, {len(classes)})")
    row_of = {path: i for i, path in enumerate(paths)}
    judged = [record for record in records if record.path in row_of and record.group != AMBIGUOUS]
    if unknown := sorted({record.leaf for record in judged} - set(classes)):
        raise ArgumentError(f"no column of scores for the leaves {unknown}; columns are {list(classes)}")
    if not judged:
        return []
    if len({record.leaf for record in judged}) == 1:
        raise ArgumentError(f"all {len(judged)} photos with scores are of {judged[0].leaf}; an audit needs two leaves")
    rows = scores[[row_of[record.path] for record in judged]]
    present = [n for n, leaf in enumerate(classes) if any(record.leaf == leaf for record in judged)]
    names = [classes[n] for n in present]
    rows = np.clip(rows[:, present], 1e-9, None)
    rows /= rows.sum(axis=1, keepdims=True)
    labels = np.array([names.index(record.leaf) for record in judged])
    order = find_label_issues(labels, rows, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [Suspect(judged[i], names[int(rows[i].argmax())], float(rows[i, labels[i]])) for i in order]
