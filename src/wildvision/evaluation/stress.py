"""Running a classifier over corrupted photos, and what each corruption costs in recall and in false alarms."""

from __future__ import annotations

import logging
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.evaluation.bootstrap import Estimate, Weights, cluster_weights
from wildvision.evaluation.metrics import Floats, Ranking, aligned, recall_at_fpr, threshold_at_fpr
from wildvision.evaluation.results import CorruptionCost
from wildvision.evaluation.robustness import CORRUPTIONS, STRENGTHS, corrupt
from wildvision.evaluation.scores import AMBIGUOUS, LOW_TRUST, ScoreTable, concatenate, score_table, truth
from wildvision.imaging import decode
from wildvision.models import Classifier, Rollup
from wildvision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)
FPR = 0.01
Variant = tuple[str, int]
CLEAN: Variant = ("clean", 0)
_LARGEST = 1280  # side in pixels of a photo that is corrupted
_FAILED = -1e6  # ranks below every logit


def draw_rows(rows: Sequence[Mapping[str, Any]], per_leaf: int, *, seed: int = 0) -> list[Mapping[str, Any]]:
    """At most ``per_leaf`` rows a leaf, real and rendered apart, sources in turn; rows without a sure label never.

    Rows that name no leaf are drawn by group. Sources in turn: with four sources of a leaf and forty rows wanted, each
    source gives ten if it has them.
    """
    pools: dict[tuple[str, bool, str], dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    order = np.random.default_rng(seed).permutation(len(rows))
    for row in (rows[int(i)] for i in order):
        if row["group"] != AMBIGUOUS and row.get("trust") != LOW_TRUST:
            pools[str(row["leaf"]), truth(row.get("synthetic")), str(row["group"])][str(row["source"])].append(row)
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
    fold: int = -1,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[Variant, ScoreTable]:
    """Scores of photos as they are and under every corruption, for :func:`corruption_costs`.

    Args:
        classifier: The model.
        rows: Rows of a manifest; those of :func:`draw_rows` keep the time bounded. Each photo, shrunk to 1,280 pixels
            a side where it is larger, runs ``len(names) * len(strengths) + 1`` times.
        root: Folder that their paths are relative to.
        names: Keys of :data:`wildvision.evaluation.robustness.CORRUPTIONS`.
        strengths: Of 1, 2, 3.
        seed: Of what is left to chance; every photo gets its own chance from it.
        fold: Of the model, where several models share the work; -1 for one alone.
        batch_size: Photos that go through the network together.
        progress: Called with the number of photos done after each batch.

    Returns:
        :data:`CLEAN` and each ``(corruption, strength)`` to the scores of the same photos, without leaves: raw logits,
        for whatever the calibration, equal probabilities cannot be ranked.

    Raises:
        ArgumentError: An unknown corruption or strength.
    """
    if unknown := [*(set(names) - set(CORRUPTIONS)), *(set(strengths) - set(STRENGTHS))]:
        raise ArgumentError(f"unknown corruptions or strengths {unknown}; choose from {[*CORRUPTIONS, *STRENGTHS]}")
    variants = [CLEAN, *((name, strength) for name in names for strength in strengths)]
    scores: dict[Variant, list[npt.NDArray[np.float64]]] = {variant: [] for variant in variants}
    kept: list[Mapping[str, Any]] = []
    groups, done = classifier.card.groups, 0
    rollup = Rollup.of(load_taxonomy())
    for batch in (rows[i : i + batch_size] for i in range(0, len(rows), batch_size)):
        decoded = [(row, decode(root / row["path"]).image) for row in batch]
        photos = [(row, _no_larger(image)) for row, image in decoded if image is not None]
        if len(photos) < len(batch):
            log.warning("%d photos cannot be read: they are not corrupted", len(batch) - len(photos))
        kept += [row for row, _ in photos]
        for name, strength in variants:
            images = [
                image if (name, strength) == CLEAN else corrupt(image, name, strength, seed=_photo_seed(row, seed))
                for row, image in photos
            ]
            raw = rollup.group_logits(classifier.logits([classifier.prepare(i, hashes=False) for i in images]))
            scores[name, strength] += list(np.where(np.isfinite(raw), raw, _FAILED))
        done += len(batch)
        progress(done)
    which = np.full(len(kept), fold)
    return {
        variant: score_table(kept, values, np.empty((len(kept), 0)), groups=groups, leaves=(), fold=which)
        for variant, values in scores.items()
    }


def corruption_costs(
    stressed: Sequence[Mapping[Variant, ScoreTable]], *, resamples: int = 1000, seed: int = 0
) -> tuple[CorruptionCost, ...]:
    """What corruptions cost, positives and negatives corrupted alike; photographs and renders apart.

    Args:
        stressed: From :func:`stress`, of one model or of one a fold; each fold is ranked against its own negatives.
        resamples: Bootstrap resamples behind each interval.
        seed: Of the bootstrap.

    Returns:
        One for each part, group, corruption and strength; groups without positives or negatives in a part are left out.
    """
    if not stressed:
        return ()
    tables = {variant: concatenate([one[variant] for one in stressed]) for variant in stressed[0]}
    costs: list[CorruptionCost] = []
    for part, synthetic in (("real", False), ("synthetic", True)):
        inside = {variant: table.where(table.synthetic == synthetic) for variant, table in tables.items()}
        for group in inside[CLEAN].groups:
            costs += _costs(inside, part, group, resamples, seed)
    return tuple(costs)


def _costs(
    tables: Mapping[Variant, ScoreTable], part: str, group: str, resamples: int, seed: int
) -> Iterator[CorruptionCost]:
    clean = tables[CLEAN]
    y, k = clean.labels(group), clean.groups.index(group)
    ranked = np.isfinite(aligned(clean.raw[:, k], y, clean.fold))  # a fold without negatives ranks nothing
    y, sources = y[ranked], clean.source[ranked]
    if not y.any() or y.all():
        return
    weights = cluster_weights(
        sources.tolist(),
        clean.object_id[ranked].tolist(),
        y,
        resamples=resamples,
        rng=np.random.default_rng([seed, k]),
    )
    (before,), befores = _recalls(clean.where(ranked), k, y, weights)
    for (name, strength), table in tables.items():
        if (name, strength) == CLEAN:
            continue
        (after,), afters = _recalls(table.where(ranked), k, y, weights)
        flagged = _above_clean(clean.where(ranked), table.where(ranked), k, y)
        yield CorruptionCost(
            part=part,
            group=group,
            corruption=name,
            strength=strength,
            n_positives=int(y.sum()),
            n_sources=len(set(sources[y].tolist())),
            n_negatives=int((~y).sum()),
            recall_clean=float(before),
            recall=float(after),
            lost=Estimate.of(np.array([before - after]), befores - afters),
            recall_fixed=float(flagged[y].mean()),
            fpr_fixed=float(flagged[~y].mean()),
        )


def _recalls(table: ScoreTable, k: int, y: npt.NDArray[np.bool_], weights: Weights) -> tuple[Floats, Floats]:
    """Recall at 1 % false positives, ``(1,)`` as it is and ``(b,)`` resampled."""
    ranking = Ranking.of(aligned(table.raw[:, k], y, table.fold), y)
    return recall_at_fpr(*ranking.counts(), FPR), recall_at_fpr(*ranking.counts(weights), FPR)


def _above_clean(clean: ScoreTable, corrupted: ScoreTable, k: int, y: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which corrupted photos reach the threshold that gives 1 % on the clean ones of their fold."""
    out = np.zeros(len(y), dtype=bool)
    for fold in np.unique(clean.fold):
        here = clean.fold == fold
        threshold = threshold_at_fpr(Ranking.of(clean.raw[here, k], y[here]), FPR)
        out[here] = corrupted.raw[here, k] >= threshold
    return out


def _no_larger(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The photo as platforms show it; corruptions of a camera's pixels take seconds, and vanish when it is shrunk."""
    ratio = _LARGEST / max(image.shape[:2])
    if ratio >= 1:
        return image
    height, width = (max(1, round(ratio * side)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def _photo_seed(row: Mapping[str, Any], seed: int) -> int:
    return zlib.crc32(str(row["path"]).encode()) ^ seed
