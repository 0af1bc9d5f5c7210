"""Running a classifier over a photo manifest to get a score table. Measures nothing."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from wildvision.evaluation.scores import ScoreTable, score_table
from wildvision.models import Classifier, Rollup
from wildvision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)


def score_manifest(
    classifier: Classifier,
    rows: Sequence[Mapping[str, Any]],
    root: Path,
    *,
    batch_size: int = 32,
    workers: int = 2,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[ScoreTable, dict[str, int]]:
    """Score labelled photos.

    Args:
        classifier: The model.
        rows: Rows of a manifest.
        root: Folder that their paths are relative to.
        batch_size: Photos that go through the network together.
        workers: Threads that decode.
        progress: Called with the number of photos done after each batch.

    Returns:
        The table of the photos that were scored, in the order of ``rows``, and status to number of the others, each of
        which is named in a warning. Copies of a photo count as often as they are there, and a warning says so.
    """
    rollup = Rollup.of(load_taxonomy())
    logits, scored, failed, done = [], [], Counter[str](), 0
    copies: dict[bytes, list[Mapping[str, Any]]] = defaultdict(list)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for batch in (rows[i : i + batch_size] for i in range(0, len(rows), batch_size)):
            prepared = list(pool.map(lambda row: classifier.prepare(root / row["path"], hashes=False), batch))
            outputs = classifier.logits(prepared)
            for row, photo, output in zip(batch, prepared, outputs, strict=True):
                if photo.pixels is None or np.isnan(output).any():
                    status = "model_error" if photo.ok else photo.status.value
                    log.warning("%s could not be scored: %s %s", row["path"], status, photo.error or "")
                    failed[status] += 1
                else:
                    scored.append(row)
                    logits.append(output)
                    copies[hashlib.sha256(photo.pixels.tobytes()).digest()].append(row)
            done += len(batch)
            progress(done)
    _warn_of_copies([same for same in copies.values() if len(same) > 1])
    outputs = np.stack(logits) if logits else np.empty((0, rollup.outputs), np.float32)
    table = score_table(
        scored,
        rollup.group_logits(outputs),
        rollup.leaf_probabilities(outputs),
        groups=rollup.groups,
        leaves=rollup.leaves,
        model=classifier.model_id,
    )
    return table, dict(failed)


def _warn_of_copies(copies: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    if not copies:
        return
    first, second, *_ = (row["path"] for row in copies[0])
    log.warning("%d photos are there more than once, %s as %s for one; each copy counts", len(copies), first, second)
    for same in copies:
        if len({row["group"] for row in same}) > 1:
            labels = ", ".join(f"{row['path']} {row['group']}" for row in same)
            log.warning("copies of one photo have several labels: %s", labels)
