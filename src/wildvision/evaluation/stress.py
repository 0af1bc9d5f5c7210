"""Running a classifier over corrupted photos: what each corruption costs in recall and in false alarms."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.evaluation.metrics import Ranking, recall_at_fpr, threshold_at_fpr
from wildvision.evaluation.robustness import CORRUPTIONS, STRENGTHS, corrupt
from wildvision.evaluation.scores import AMBIGUOUS, LOW_TRUST, truth
from wildvision.imaging import decode
from wildvision.models import Classifier, Rollup
from wildvision.taxonomy import load_taxonomy

FPR = 0.01
_FAILED = -1e6  # ranks below every logit


def draw_rows(rows: Sequence[Mapping[str, Any]], per_leaf: int, *, seed: int = 0) -> list[Mapping[str, Any]]:
    """At most ``per_leaf`` rows a leaf, real and rendered apart, sources in turn; rows without a sure label never.

    Sources in turn: with four sources of a leaf and forty rows wanted, each source gives ten if it has them.
    """
    pools: dict[tuple[str, bool], dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    order = np.random.default_rng(seed).permutation(len(rows))
    for row in (rows[int(i)] for i in order):
        if row["group"] != AMBIGUOUS and row.get("trust") != LOW_TRUST:
            pools[str(row["leaf"]), truth(row.get("synthetic"))][str(row["source"])].append(row)
    drawn = []
    for key in sorted(pools):
        sources = [pools[key][name] for name in sorted(pools[key])]
        turns = [photo for turn in range(per_leaf) for s in sources if turn < len(s) for photo in (s[turn],)]
        drawn += turns[:per_leaf]
    return drawn


def stress(
    classifier: Classifier,
    rows: Sequence[Mapping[str, Any]],
    root: Path,
    *,
    names: Sequence[str] = tuple(CORRUPTIONS),
    strengths: Sequence[int] = STRENGTHS,
    seed: int = 0,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[str, Any], ...]:
    """Recall under every corruption, positives and negatives corrupted alike.

    Args:
        classifier: The model.
        rows: Rows of a manifest; those of :func:`draw_rows` keep the time bounded. Each photo runs
            ``len(names) * len(strengths) + 1`` times.
        root: Folder that their paths are relative to.
        names: Keys of :data:`wildvision.evaluation.robustness.CORRUPTIONS`.
        strengths: Of 1, 2, 3.
        seed: Of what is left to chance; every photo gets its own chance from it.
        batch_size: Photos that go through the network together.
        progress: Called with the number of photos done after each batch.

    Returns:
        One mapping for each part (``real``, ``synthetic``), group, corruption and strength: ``recall_clean`` and
        ``recall`` at 1 % false positives among equally corrupted negatives, ``recall_fixed`` and ``fpr_fixed`` at the
        threshold that gave 1 % on clean photos (a deployed threshold does not move), ``n_positives``,
        ``n_negatives``. Groups without positives in a part are left out.

    Raises:
        ArgumentError: An unknown corruption or strength.
    """
    if unknown := [*(set(names) - set(CORRUPTIONS)), *(set(strengths) - set(STRENGTHS))]:
        raise ArgumentError(f"unknown corruptions or strengths {unknown}; choose from {[*CORRUPTIONS, *STRENGTHS]}")
    variants = [("clean", 0), *((name, strength) for name in names for strength in strengths)]
    scores: dict[tuple[str, int], list[list[float]]] = {variant: [] for variant in variants}
    kept: list[Mapping[str, Any]] = []
    groups, done = classifier.card.groups, 0
    rollup = Rollup.of(load_taxonomy())
    for batch in (rows[i : i + batch_size] for i in range(0, len(rows), batch_size)):
        decoded = [(row, decode(root / row["path"]).image) for row in batch]
        photos = [(row, image) for row, image in decoded if image is not None]
        kept += [row for row, _ in photos]
        for name, strength in variants:
            images = [
                image if name == "clean" else corrupt(image, name, strength, seed=_photo_seed(row, seed))
                for row, image in photos
            ]
            # Raw logits, for whatever the calibration, equal probabilities cannot be ranked.
            raw = rollup.group_logits(classifier.logits([classifier.prepare(i, hashes=False) for i in images]))
            scores[name, strength] += np.where(np.isfinite(raw), raw, _FAILED).tolist()
        done += len(batch)
        progress(done)
    table = {variant: np.array(values).reshape(len(kept), len(groups)) for variant, values in scores.items()}
    synthetic = np.array([truth(row.get("synthetic")) for row in kept], dtype=bool)
    labels = np.array([row["group"] for row in kept], dtype=str)
    return tuple(
        {"part": part, "group": group, "corruption": name, "strength": strength, **cost}
        for part, inside in (("real", ~synthetic), ("synthetic", synthetic))
        for k, group in enumerate(groups)
        if (y := labels[inside] == group).any() and not y.all()
        for name, strength in variants[1:]
        for cost in (_cost(table["clean", 0][inside, k], table[name, strength][inside, k], y),)
    )


def _cost(
    clean: npt.NDArray[np.float64], corrupted: npt.NDArray[np.float64], y: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    before, after = Ranking.of(clean, y), Ranking.of(corrupted, y)
    fixed = corrupted >= threshold_at_fpr(before, FPR)
    return {
        "n_positives": int(y.sum()),
        "n_negatives": int((~y).sum()),
        "recall_clean": float(recall_at_fpr(*before.counts(), FPR)[0]),
        "recall": float(recall_at_fpr(*after.counts(), FPR)[0]),
        "recall_fixed": float(fixed[y].mean()),
        "fpr_fixed": float(fixed[~y].mean()),
    }


def _photo_seed(row: Mapping[str, Any], seed: int) -> int:
    return zlib.crc32(str(row["path"]).encode()) ^ seed
