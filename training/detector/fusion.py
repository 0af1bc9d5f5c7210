"""Detector and classifier together: crops of boxes looked at again, and scores of whole photos joined.

Weights are a logistic regression on log-odds. What is measured comes from weights fitted on other sources.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.detector.coco import judge
from training.detector.held_out import Looked
from wildvision.evaluation.bootstrap import Estimate, cluster_weights
from wildvision.evaluation.metrics import Ranking, aligned, auroc, recall_at_fpr
from wildvision.evaluation.scores import ScoreTable
from wildvision.imaging import decode
from wildvision.models import Classifier, DetectorSettings
from wildvision.models.detector import CROP_MARGIN
from wildvision.policy.calibration import Calibrator
from wildvision.policy.fitting import source_folds

LOOKED_AT = 3  # boxes of a photo
LEAST_SCORE = 0.05  # of a box, before calibration
FEWEST = 10  # right boxes, or photos, that weights are fitted on
NO_BOX = 0.01  # stands for the score of a group without boxes
Floats = npt.NDArray[np.float64]


class FusionWeights(NamedTuple):
    """Weights of the two log-odds and an offset."""

    detector: float
    classifier: float
    offset: float

    def apply(self, detector: Floats, classifier: Floats) -> Floats:
        """Fused log-odds ``(n,)``."""
        return self.detector * detector + self.classifier * classifier + self.offset


def look_again(looked: Sequence[Looked], classifier: Classifier) -> list[Looked]:
    """The same detections with ``crop_scores``: what an uncalibrated classifier gives each good box; NaN for others."""
    return [dataclasses.replace(item, found=_with_crop_scores(item, classifier)) for item in looked]


def _with_crop_scores(item: Looked, classifier: Classifier) -> Any:
    found = item.found
    rows = np.flatnonzero(found.scores >= LEAST_SCORE)[:LOOKED_AT]
    scores = np.full(len(found), np.nan, np.float32)
    if len(rows) and (image := decode(item.record.path).image) is not None:
        keep = np.isin(np.arange(len(found)), rows)
        crops = [np.ascontiguousarray(c) for c in found.filter(keep).crops(image, margin=CROP_MARGIN)]
        seen = classifier.predict(crops)
        scores[rows] = [p.scores[found.groups[n]] for n, p in zip(rows, seen, strict=True)]
    return dataclasses.replace(found, crop_scores=scores)


def fit_crop_weights(
    looked: Sequence[Looked], calibration: Mapping[str, Calibrator]
) -> tuple[FusionWeights | None, int]:
    """Weights for the second look and the number of right boxes behind them; ``None`` where those are too few.

    Args:
        looked: Photos with calibrated detections and the crop scores of :func:`look_again`.
        calibration: The classifier's; identity where it has none.
    """
    x, y = [], []
    for item in looked:
        if item.found.crop_scores is None or (item.record.positive and not item.record.boxes):
            continue
        good, judged = judge(item.record, item.found)
        for n in np.flatnonzero(judged & np.isfinite(item.found.crop_scores)):
            crop = calibration[item.found.groups[n]].apply(log_odds(item.found.crop_scores[n : n + 1]))
            x.append((float(log_odds(item.found.scores[n : n + 1])[0]), float(log_odds(crop)[0])))
            y.append(bool(good[n]))
    return fit_weights(np.array(x).reshape(-1, 2), np.array(y, bool)), int(np.sum(y))


def fused_settings(settings: DetectorSettings, weights: FusionWeights | None) -> DetectorSettings:
    """The card's settings with fitted weights, or as they were."""
    if weights is None:
        return settings
    return dataclasses.replace(
        settings,
        fusion_detector=weights.detector,
        fusion_classifier=weights.classifier,
        fusion_offset=weights.offset,
    )


def fit_weights(x: Floats, y: npt.NDArray[np.bool_]) -> FusionWeights | None:
    """Logistic regression on log-odds ``(n, 2)``; weights are never negative. ``None`` with too little to fit on."""
    from sklearn.linear_model import LogisticRegression

    if min(y.sum(), (~y).sum()) < FEWEST:
        return None
    model = LogisticRegression(C=1.0, max_iter=1000).fit(x, y)
    a, b = (float(v) for v in model.coef_[0])
    if b >= 0 and a > 0:
        return FusionWeights(a, b, float(model.intercept_[0]))
    kept = int(a > 0)  # a model that only misleads gets no weight, and the other is fitted alone
    alone = LogisticRegression(C=1.0, max_iter=1000).fit(x[:, [1 - kept]], y)
    weight, offset = max(float(alone.coef_[0, 0]), 1e-3), float(alone.intercept_[0])
    return FusionWeights(weight, 0.0, offset) if kept else FusionWeights(1e-3, weight, offset)


def image_fusion(
    folds: Sequence[Sequence[Looked]], tables: Sequence[ScoreTable], *, resamples: int = 300, seed: int = 0
) -> dict[str, Any]:
    """Whole photos ranked by the classifier, by the detector's best box and by both; photographs only.

    Args:
        folds: Calibrated detections of each fold's held-out photos.
        tables: The classifier's scores of the same photos, in any order.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap.

    Returns:
        Weights and their share of photos, and for each group with positives AUROC and recall at 1 % false positives of
        the three, the latter also among photos with several objects.
    """
    raw = {
        (source, PurePosixPath(path).name): row
        for table in tables
        for source, path, row in zip(table.source.tolist(), table.path.tolist(), table.raw, strict=True)
    }
    groups = tables[0].groups
    rows = []
    for number, items in enumerate(folds):
        for item in items:
            row = None if item.record.synthetic else raw.get((item.record.source, PurePosixPath(item.record.path).name))
            if row is not None:
                rows.append((number, item, row))
    if not rows:
        return {"n": 0, "groups": {}}
    fold = np.array([f for f, _, _ in rows])
    records = [item.record for _, item, _ in rows]
    sources = [r.source for r in records]
    labels = np.array([[r.group == g for g in groups] for r in records])
    boxes = np.array([[_best(item, g) for g in groups] for _, item, _ in rows])
    own = np.array([row for _, _, row in rows])
    held = source_folds(sources, labels.any(axis=1))
    fused = np.empty_like(own)
    for k in np.unique(held):
        weights = _pooled(boxes[held != k], own[held != k], labels[held != k]) or FusionWeights(0.5, 0.5, 0.0)
        fused[held == k] = weights.apply(boxes[held == k], own[held == k])
    final = _pooled(boxes, own, labels)
    company = np.array([sum(not b.crowd for b in r.boxes or ()) > 1 for r in records])
    objects = [r.object_id or r.path for r in records]
    found: dict[str, Any] = {}
    for g, group in enumerate(groups):
        y = labels[:, g]
        if not 0 < y.sum() < len(y):
            continue
        draws = cluster_weights(sources, objects, y, resamples=resamples, rng=np.random.default_rng(seed))
        several = ~y | company
        found[group] = {"n_positives": int(y.sum()), "n_in_company": int((y & company).sum())}
        for name, scores in (("classifier", own[:, g]), ("detector", boxes[:, g]), ("both", fused[:, g])):
            rank = aligned(scores, y, fold)
            found[group][name] = {
                "auroc": _estimate(rank, y, draws, auroc),
                "recall_at_1_percent_fpr": _estimate(rank, y, draws, lambda p, n: recall_at_fpr(p, n, 0.01)),
                "recall_in_company": _estimate(
                    rank[several], y[several], draws[:, several], lambda p, n: recall_at_fpr(p, n, 0.01)
                ),
            }
    return {
        "n": len(rows),
        "weights": final._asdict() if final else None,
        "measured_with": "weights fitted on other sources than the photo's own",
        "groups": found,
    }


def log_odds(p: npt.ArrayLike) -> Floats:
    """Of probabilities, kept a millionth away from 0 and 1."""
    safe = np.clip(np.asarray(p, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(safe / (1 - safe)))


def _pooled(boxes: Floats, own: Floats, labels: npt.NDArray[np.bool_]) -> FusionWeights | None:
    return fit_weights(np.stack([boxes.ravel(), own.ravel()], axis=1), labels.ravel())


def _best(item: Looked, group: str) -> float:
    scores = [s for s, g in zip(item.found.scores.tolist(), item.found.groups, strict=True) if g == group]
    return float(log_odds(max(scores, default=NO_BOX)))


def _estimate(rank: Floats, y: npt.NDArray[np.bool_], draws: Any, metric: Any) -> dict[str, Any]:
    if not 0 < y.sum() < len(y):
        return dataclasses.asdict(Estimate(None, None, None))
    ranking = Ranking.of(rank, y)
    return dataclasses.asdict(Estimate.of(metric(*ranking.counts()), metric(*ranking.counts(draws))))
