"""Choosing review and block thresholds from scores of photos that the model has not seen.

Counts are small and prevalence is smaller, so false-positive rates are never taken at face value: with ``f`` of ``n``
negatives above a threshold the rate used is ``(f + 1) / (n + 1)``. That is the conformal bound: the chance that one
more negative, exchangeable with the ``n``, lies above it. Zero errors in 1,000 photos is a rate of 0.1 %, not of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.policy.calibration import Floats
from wildvision.policy.targets import Flags, Precision, Recall, Target
from wildvision.policy.triage import NEVER, OperatingPoint

DEFAULT_REVIEW = Flags(at_most=100, prevalence=1e-4)
DEFAULT_BLOCK = Precision(at_least=0.9, prevalence=1e-2)  # nobody looks before a block, so nine in ten must be right

CONFORMAL_ASSUMPTIONS = (
    "New objects are exchangeable with the calibration objects: drawn from the same sources in the same mix. A "
    "platform that sells other things than museums show breaks this; recalibrate on its own photos.",
    "The model was trained on none of the calibration objects.",
    "The guarantee is on average over calibration sets, per object and not per photo: every photo of a new object "
    "reaches the threshold with the stated probability.",
)


@dataclass(frozen=True)
class ReviewGuarantee:
    """What a conformal review threshold promises.

    Attributes:
        threshold: Score that a product reaches with probability at least ``coverage``; 0 where the objects are too
            few for the promise, so that everything is reviewed.
        coverage: Promised share in (0, 1) of new objects all of whose photos reach the threshold.
        n_objects: Number of calibration objects.
        assumptions: What must hold for the promise.
    """

    threshold: float
    coverage: float
    n_objects: int
    assumptions: tuple[str, ...] = CONFORMAL_ASSUMPTIONS


@dataclass(frozen=True)
class ChosenPoint:
    """Two thresholds with what they were chosen for and what they reach on the data they were chosen on.

    Attributes:
        point: The thresholds.
        review_target: Target of the review threshold, as text.
        block_target: Target of the block threshold, as text.
        n_positives: Photos of the group.
        n_negatives: Photos of anything else.
        n_objects: Objects of the group.
        n_sources: Sources of the positives.
        recall: ``review`` and ``block`` to the share of positives that reach the threshold.
        false_positive_rate: ``review`` and ``block`` to ``(f + 1) / (n + 1)``, each of the negatives that its target
            was held against.
        guarantee: Set where the review target is a recall.
    """

    point: OperatingPoint
    review_target: str
    block_target: str
    n_positives: int
    n_negatives: int
    n_objects: int
    n_sources: int
    recall: dict[str, float]
    false_positive_rate: dict[str, float]
    guarantee: ReviewGuarantee | None

    def to_json(self) -> dict[str, Any]:
        """One entry of a model card's ``operating_points``."""
        out: dict[str, Any] = {
            "review": self.point.review,
            "block": self.point.block,
            "review_target": self.review_target,
            "block_target": self.block_target,
            "n_positives": self.n_positives,
            "n_negatives": self.n_negatives,
            "n_objects": self.n_objects,
            "n_sources": self.n_sources,
            "recall": self.recall,
            "false_positive_rate": self.false_positive_rate,
        }
        if self.guarantee is not None:
            out["guarantee"] = {
                "coverage": self.guarantee.coverage,
                "n_objects": self.guarantee.n_objects,
                "assumptions": list(self.guarantee.assumptions),
            }
        return out


def choose_operating_point(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    objects: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    listed: npt.ArrayLike | None = None,
    review: Target = DEFAULT_REVIEW,
    block: Target = DEFAULT_BLOCK,
) -> ChosenPoint:
    """The lowest thresholds that meet the targets (for a recall target: the highest that keeps it).

    Args:
        scores: ``(n,)`` calibrated probabilities.
        labels: ``(n,)`` true where the photo shows a product of the group.
        objects: ``n`` object identifiers; each photo is its own object when left out.
        sources: ``n`` source names, for the count in the provenance.
        listed: ``(n,)`` true for negatives such as most listings are. The review target is held against these alone,
            for look-alikes, which photos to fit on are full of, are few among a platform's listings; the block target
            is held against all. All count for both when left out, or when too few are listed to meet the target.
        review: Target of the review threshold.
        block: Target of the block threshold, which never lies below the review threshold.

    Raises:
        ArgumentError: Scores that are no probabilities, lengths that differ, or one of the two classes is missing.
    """
    p, y = np.asarray(scores, dtype=np.float64), np.asarray(labels).astype(bool)
    if p.shape != y.shape or p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise ArgumentError(f"scores must be probabilities, as many as labels; received {p.shape} and {y.shape}")
    if not 0 < y.sum() < len(y):
        raise ArgumentError(
            f"an operating point needs positives and negatives; {int(y.sum())} of {len(y)} are positive"
        )
    for name, rows in (("objects", objects), ("sources", sources), ("listed", listed)):
        if rows is not None and np.shape(rows) != y.shape:
            raise ArgumentError(f"{name} must be as many as labels; received {np.shape(rows)} and {y.shape}")
    ids = np.asarray(objects if objects is not None else range(len(y)), dtype=str)
    common = ~y & (np.zeros(len(y), bool) if listed is None else np.asarray(listed).astype(bool))
    near = y | common
    review_at = threshold_for(review, p[near], y[near], ids[near]) if common.any() else NEVER
    everyday = review_at < NEVER and not isinstance(review, Recall)
    if not everyday:
        near = np.ones(len(y), bool)
        review_at = threshold_for(review, p, y, ids)
    asked = threshold_for(block, p, y, ids, least=review_at)
    block_at = max(asked, review_at)
    point = OperatingPoint(review=review_at, block=block_at)
    n_objects = len(set(ids[y]))
    return ChosenPoint(
        point=point,
        review_target=f"{review}, of everyday photos" if everyday else str(review),
        block_target=str(block) if asked >= review_at else f"{block}, raised to the review threshold",
        n_positives=int(y.sum()),
        n_negatives=int((~y).sum()),
        n_objects=n_objects,
        n_sources=len(set(np.asarray(sources, dtype=str)[y])) if sources is not None else 0,
        recall={"review": float((p[y] >= point.review).mean()), "block": float((p[y] >= point.block).mean())},
        false_positive_rate={
            "review": _bounded_rate(p[near & ~y], point.review),
            "block": _bounded_rate(p[~y], point.block),
        },
        guarantee=ReviewGuarantee(review_at, review.at_least, n_objects) if isinstance(review, Recall) else None,
    )


def promises(provenance: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The conformal promises in a card's ``provenance`` in words, then what must hold for them; empty without any."""
    made = {group: facts["guarantee"] for group, facts in provenance.items() if facts.get("guarantee")}
    lines = [
        f"{group}: {promise['coverage']:g} of new objects of it are promised to reach review ({promise['n_objects']} "
        "calibration objects)"
        for group, promise in made.items()
    ]
    needed = dict.fromkeys(text for promise in made.values() for text in promise["assumptions"])
    return lines + [f"the promise needs: {text}" for text in needed]


def threshold_for(
    target: Target, scores: Floats, labels: npt.NDArray[np.bool_], objects: npt.NDArray[Any], *, least: float = 0.0
) -> float:
    """The lowest threshold, ``least`` or more, that meets a target; :data:`NEVER` where none does.

    For a recall the highest, whatever ``least`` is.
    """
    if isinstance(target, Recall):
        return conformal_threshold(scores[labels], objects[labels], target.at_least)
    candidates = np.unique(scores)
    positives, negatives = np.sort(scores[labels]), np.sort(scores[~labels])
    hits = len(positives) - np.searchsorted(positives, candidates, side="left")
    errors = len(negatives) - np.searchsorted(negatives, candidates, side="left")
    met = [
        float(t)
        for t, hit, error in zip(candidates, hits, errors, strict=True)
        if t >= least and target.met(hit / len(positives), (error + 1) / (len(negatives) + 1))
    ]
    return min(met, default=NEVER)


def conformal_threshold(
    positive_scores: npt.ArrayLike, objects: Sequence[str] | npt.NDArray[Any], coverage: float
) -> float:
    """Split-conformal threshold that new positive objects reach with probability at least ``coverage``.

    Each object counts once, with its lowest-scoring photo. With ``n`` objects the threshold is the ``k``-th smallest of
    those scores, ``k = floor((1 - coverage) * (n + 1))``; exchangeability gives the bound (Vovk et al. 2005).

    Args:
        positive_scores: ``(n,)`` scores of positive photos.
        objects: Their objects.
        coverage: In (0, 1).

    Returns:
        The threshold; 0.0 when ``n`` is too small for the promise (``k`` is 0).

    Raises:
        ArgumentError: No score or one that is not finite, as many objects as there are not scores, or a coverage
            outside (0, 1).
    """
    p = np.asarray(positive_scores, dtype=np.float64)
    if p.ndim != 1 or not len(p) or len(p) != len(objects) or not 0.0 < coverage < 1.0 or not np.isfinite(p).all():
        raise ArgumentError(
            f"a conformal threshold needs finite scores (n,), their n objects and a coverage in (0, 1); received "
            f"{p.shape}, {len(objects)} and {coverage}"
        )
    _, index = np.unique(np.asarray(objects, dtype=str), return_inverse=True)
    lowest = np.full(int(index.max()) + 1, np.inf)
    np.minimum.at(lowest, index, p)
    # The margin undoes rounding such as (1 - 0.9) * 10 = 0.99…98.
    k = int(np.floor((1 - coverage) * (len(lowest) + 1) + 1e-9))
    return float(np.sort(lowest)[k - 1]) if k > 0 else 0.0


def _bounded_rate(negative_scores: Floats, threshold: float) -> float:
    return float(((negative_scores >= threshold).sum() + 1) / (len(negative_scores) + 1))
