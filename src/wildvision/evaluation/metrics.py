"""Binary detection metrics with integer weights, in numpy. Draws no resamples and reads no files.

Every metric takes a whole stack of weightings at once, ``(b, n)``: the bootstrap is ``b`` weightings of the same ``n``
photos, and the point estimate is the one weighting of ones. Photos with equal scores stand or fall together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ECE_BINS = 15
_WILSON_Z = 1.959963984540054


@dataclass(frozen=True)
class Ranking:
    """Scores sorted once, for any number of weightings.

    Attributes:
        order: ``(n,)`` indices from the highest score to the lowest.
        ends: ``(k,)`` position in ``order`` of the last photo of each run of equal scores.
        thresholds: ``(k,)`` the scores of those runs, falling.
        labels: ``(n,)`` in input order.
    """

    order: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    thresholds: Floats
    labels: Bools

    @classmethod
    def of(cls, scores: npt.ArrayLike, labels: npt.ArrayLike) -> Ranking:
        """Sort scores ``(n,)`` with their labels ``(n,)``.

        Raises:
            ArgumentError: Lengths differ, nothing was given, or a score is not finite.
        """
        s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool)
        if s.ndim != 1 or s.shape != y.shape or not len(s) or not np.all(np.isfinite(s)):
            raise ArgumentError(f"metrics need finite scores, as many as labels; received {s.shape} and {y.shape}")
        order = np.argsort(-s, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
        return cls(order, ends, s[order][ends], y)

    def counts(self, weights: npt.NDArray[Any] | None = None) -> tuple[Floats, Floats]:
        """Weight of positives and of negatives at or above each threshold, both ``(b, k)``."""
        y = self.labels[self.order]
        w = np.ones((1, len(y))) if weights is None else np.atleast_2d(weights)[:, self.order].astype(np.float64)
        return np.cumsum(w * y, axis=1)[:, self.ends], np.cumsum(w * ~y, axis=1)[:, self.ends]


def aligned(scores: npt.ArrayLike, labels: npt.ArrayLike, fold: npt.ArrayLike) -> Floats:
    """Scores of several models on one scale, ``(n,)``: minus the share of its own fold's negatives that rank above.

    Each fold is scored by a model of its own, and their logits do not compare. Ranked like this, pooled numbers are
    means over folds of what each model does against its own negatives, weighted by positives. Within a fold the order
    stays; a fold without negatives ranks nothing and is NaN throughout.
    """
    s, y, f = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool), np.asarray(fold)
    out = np.full(len(s), np.nan)
    for k in np.unique(f):
        here = f == k
        negatives = np.sort(s[here & ~y])
        if len(negatives):
            below, not_above = (np.searchsorted(negatives, s[here], side) for side in ("left", "right"))
            out[here] = 0.5 * (below + not_above) / len(negatives) - 1.0
    return out


def untied(rank: Floats, scores: npt.ArrayLike) -> Floats:
    """Ranks ``(n,)`` of :func:`aligned` with ties broken by the scores, by less than any other difference.

    Positives between two negatives of their fold share a rank, which is nothing to AUROC and recall; average precision
    would take each for as good as the last of them.
    """
    _, place = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    return np.asarray(rank + 1e-9 * place / max(len(rank), 1))


def auroc(positives: Floats, negatives: Floats) -> Floats:
    """Area under the ROC curve, ``(b,)``; a tie counts one half. NaN without positives or negatives."""
    recall, fpr = _rates(positives), _rates(negatives)
    zero = np.zeros((len(recall), 1))
    heights = np.concatenate([zero, recall], axis=1)
    area = (0.5 * (heights[:, 1:] + heights[:, :-1]) * np.diff(fpr, axis=1, prepend=0.0)).sum(axis=1)
    return np.asarray(area.round(12))  # a perfect ranking is 1, whatever its steps add up to


def average_precision(positives: Floats, negatives: Floats) -> Floats:
    """Area under the precision-recall curve by steps, ``(b,)``. NaN without positives or negatives."""
    flagged = positives + negatives
    precision = np.divide(positives, flagged, out=np.zeros_like(flagged), where=flagged > 0)
    area = (np.diff(_rates(positives), axis=1, prepend=0.0) * precision).sum(axis=1)
    return np.where(negatives[:, -1] > 0, area, np.nan)


def recall_at_fpr(positives: Floats, negatives: Floats, rate: float) -> Floats:
    """Highest recall of any threshold whose false-positive rate is at most ``rate``, ``(b,)``.

    No interpolation: with fewer than ``1 / rate`` negatives no false positive at all is allowed. A run of equal scores
    that would break the limit is left out whole. NaN without positives or negatives.
    """
    recall = _ratio(np.where(_within(negatives, rate), positives, 0.0).max(axis=1), positives[:, -1])
    return np.where(negatives[:, -1] > 0, recall, np.nan)


def threshold_at_fpr(ranking: Ranking, rate: float) -> float:
    """Lowest score of the ranking that may be flagged at a false-positive rate of at most ``rate``; ``inf`` when none.

    It is the score of one of the photos ranked, so that on other photos it is a little stricter than it need be.
    """
    within = _within(ranking.counts()[1], rate)[0]
    return float(ranking.thresholds[within][-1]) if within.any() else float("inf")


def expected_calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.NDArray[Any] | None = None, bins: int = ECE_BINS
) -> Floats:
    """Mean gap between confidence and frequency over equal-width bins of [0, 1], ``(b,)`` (Guo et al. 2017)."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels).astype(np.float64)
    w = np.ones((1, len(p))) if weights is None else np.atleast_2d(weights).astype(np.float64)
    member = np.eye(bins)[np.minimum((p * bins).astype(int), bins - 1)]
    gaps = np.abs(w @ (member * (p - y)[:, None])).sum(axis=1)
    return np.asarray(gaps / w.sum(axis=1))


def at_prevalence(weights: npt.NDArray[Any], labels: npt.ArrayLike, prevalence: float) -> Floats:
    """Weights ``(b, n)`` scaled so that positives have the share ``prevalence`` of each row; NaN where a class is
    missing."""
    w, y = np.atleast_2d(weights).astype(np.float64), np.asarray(labels).astype(bool)
    positives, negatives = (w @ y)[:, None], (w @ ~y)[:, None]
    share = np.full_like(positives, prevalence)
    factor = np.where(y, _ratio(share, positives), _ratio(1.0 - share, negatives))
    return np.asarray(np.where((positives > 0) & (negatives > 0), w * factor, np.nan))


def reliability(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.NDArray[Any] | None = None, bins: int = ECE_BINS
) -> list[dict[str, Any]]:
    """The bins of :func:`expected_calibration_error` that hold photos: mean confidence, frequency, count of photos."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels).astype(bool)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)
    index = np.minimum((p * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(np.average(p[index == b], weights=w[index == b])),
            "frequency": float(np.average(y[index == b], weights=w[index == b])),
            "n": int((index == b).sum()),
        }
        for b in np.unique(index)
    ]


def flag_rates(flagged: Bools, labels: Bools, weights: npt.NDArray[Any] | None = None) -> tuple[Floats, Floats]:
    """Recall and false-positive rate of a fixed set of flags, both ``(b,)``. NaN without positives or negatives."""
    w = np.ones((1, len(labels))) if weights is None else np.atleast_2d(weights).astype(np.float64)
    return _ratio(w @ (flagged & labels), w @ labels), _ratio(w @ (flagged & ~labels), w @ ~labels)


def wilson(hits: float, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a share, for counts of single photos; (0, 1) when ``n`` is 0."""
    if n == 0:
        return 0.0, 1.0
    z2 = _WILSON_Z**2
    centre = (hits + z2 / 2) / (n + z2)
    half = _WILSON_Z * np.sqrt(hits * (n - hits) / n + z2 / 4) / (n + z2)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def curve(ranking: Ranking, points: int = 400) -> Mapping[str, list[float]]:
    """ROC and PR curve as lists ``fpr``, ``recall``, ``precision``, thinned to about ``points`` for a plot."""
    positives, negatives = (c[0] for c in ranking.counts())
    recall, fpr = positives / max(positives[-1], 1), negatives / max(negatives[-1], 1)
    # Even steps along the curve keep both its steep start and its flat end.
    travelled = np.cumsum(np.abs(np.diff(recall, prepend=0)) + np.abs(np.diff(fpr, prepend=0)))
    keep = np.unique(np.searchsorted(travelled, np.linspace(0, travelled[-1], points)))
    keep = keep[keep < len(recall)]
    precision = positives / (positives + negatives)
    return {"fpr": fpr[keep].tolist(), "recall": recall[keep].tolist(), "precision": precision[keep].tolist()}


def _rates(cumulative: Floats) -> Floats:
    return _ratio(cumulative, cumulative[:, -1:])


def _within(negatives: Floats, rate: float) -> Bools:
    # The margin undoes rounding such as 0.01 * 300 = 2.99…96.
    return np.asarray(negatives <= np.floor(rate * negatives[:, -1:] + 1e-9))


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.divide(a, b, out=np.full(np.broadcast_shapes(a.shape, b.shape), np.nan), where=b > 0))
