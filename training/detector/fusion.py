"""Detector and classifier together: crops of boxes looked at again, and scores of whole photos joined.

Both join log-odds with weights that are set and not fitted: a few sources with products are too few to fit weights on
and measure them too, and scores from weights of their own for each source cannot be ranked together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.detector.held_out import Looked
from training.folds import inside
from wildvision.evaluation.bootstrap import Estimate, cluster_weights
from wildvision.evaluation.metrics import Ranking, aligned, auroc, recall_at_fpr
from wildvision.evaluation.scores import ScoreTable
from wildvision.imaging import decode
from wildvision.models import Classifier
from wildvision.models.detector import CROP_MARGIN
from wildvision.policy.calibration import Calibrator, sigmoid

LOOKED_AT = 3  # boxes of a photo
LEAST_SCORE = 0.05  # of a box, before calibration
NO_BOX = 0.01  # stands for the score of a group without boxes
Floats = npt.NDArray[np.float64]


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


def image_fusion(
    folds: Sequence[Sequence[Looked]],
    tables: Sequence[ScoreTable],
    calibration: Mapping[str, Calibrator],
    *,
    folders: Collection[Path] = (),
    resamples: int = 300,
    seed: int = 0,
) -> dict[str, Any]:
    """Whole photos ranked by the classifier, by the detector's best box and by both; photographs only.

    Both: :meth:`wildvision.Detections.joint_scores`, of the whole photo and the crop that the detector points to.

    Args:
        folds: Calibrated detections of each fold's held-out photos.
        tables: The classifier's scores of the same photos, in any order.
        calibration: The classifier's; puts its logits on the scale of the boxes' log-odds.
        folders: Folders of the manifests, which paths of ``folds`` start with and those of ``tables`` do not.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap.

    Returns:
        For each group with positives AUROC and recall at 1 % false positives of the three, the latter also among photos
        with several objects. Both are left out where no box was looked at again.
    """
    raw = {
        (source, path): row
        for table in tables
        for source, path, row in zip(table.source.tolist(), table.path.tolist(), table.raw, strict=True)
    }
    groups = tables[0].groups
    rows = []
    for number, items in enumerate(folds):
        for item in items:
            photo = item.record
            row = None if photo.synthetic else raw.get((photo.source, inside(photo.path, folders)))
            if row is not None:
                rows.append((number, item, row))
    if not rows:
        return {"n": 0, "groups": {}}
    fold = np.array([f for f, _, _ in rows])
    records = [item.record for _, item, _ in rows]
    sources = [r.source for r in records]
    labels = np.array([[r.group == g for g in groups] for r in records])
    boxes = np.array([[_best(item, g) for g in groups] for _, item, _ in rows])
    raw_logits = np.array([row for _, _, row in rows])
    own = np.stack([log_odds(calibration[g].apply(raw_logits[:, k])) for k, g in enumerate(groups)], axis=1)
    fused = np.array(
        [
            _joint(item, dict(zip(groups, z, strict=True)), calibration)
            for (_, item, _), z in zip(rows, own, strict=True)
        ]
    )
    ranked = {"classifier": own, "detector": boxes}
    if any(item.found.crop_scores is not None for _, item, _ in rows):
        ranked["both"] = fused
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
        for name, scores in ranked.items():
            rank = aligned(scores[:, g], y, fold)
            found[group][name] = {
                "auroc": _estimate(rank, y, draws, auroc),
                "recall_at_1_percent_fpr": _estimate(rank, y, draws, lambda p, n: recall_at_fpr(p, n, 0.01)),
                "recall_in_company": _estimate(
                    rank[several], y[several], draws[:, several], lambda p, n: recall_at_fpr(p, n, 0.01)
                ),
            }
    return {
        "n": len(rows),
        "groups": found,
    }


def log_odds(p: npt.ArrayLike) -> Floats:
    """Of probabilities, kept a millionth away from 0 and 1."""
    safe = np.clip(np.asarray(p, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(safe / (1 - safe)))


def _best(item: Looked, group: str) -> float:
    scores = [s for s, g in zip(item.found.scores.tolist(), item.found.groups, strict=True) if g == group]
    return float(log_odds(max(scores, default=NO_BOX)))


def _joint(item: Looked, own: Mapping[str, float], calibration: Mapping[str, Calibrator]) -> list[float]:
    """Joint log-odds of each group of ``own``, which holds those of the whole photo."""
    found = item.found
    if found.crop_scores is None:
        return list(own.values())
    crops = [
        float(calibration[g].apply(log_odds(s)))  # NaN stays NaN
        for s, g in zip(found.crop_scores, found.groups, strict=True)
    ]
    found = dataclasses.replace(found, crop_scores=np.array(crops, np.float32))
    joint = found.joint_scores({group: float(sigmoid(z)) for group, z in own.items()})
    return [float(log_odds(joint[group])) for group in own]


def _estimate(rank: Floats, y: npt.NDArray[np.bool_], draws: Any, metric: Any) -> dict[str, Any]:
    if not 0 < y.sum() < len(y):
        return dataclasses.asdict(Estimate(None, None, None))
    ranking = Ranking.of(rank, y)
    return dataclasses.asdict(Estimate.of(metric(*ranking.counts()), metric(*ranking.counts(draws))))
