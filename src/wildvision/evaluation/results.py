"""What an evaluation finds: typed numbers, as reports and model cards hold them.

They are computed in :mod:`wildvision.evaluation.measure`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.metrics import wilson


@dataclass(frozen=True)
class Share:
    """A share of single photos with its 95 % Wilson interval.

    Attributes:
        hits: Photos that were flagged.
        n: Photos in all.
        value: ``hits / n``; ``None`` of nothing.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    hits: int
    n: int
    value: float | None
    low: float
    high: float

    @classmethod
    def of(cls, flagged: npt.NDArray[np.bool_]) -> Share:
        """The share of true values."""
        hits, n = int(flagged.sum()), len(flagged)
        return cls(hits, n, hits / n if n else None, *wilson(hits, n))


@dataclass(frozen=True)
class GroupNumbers:
    """What was measured for one group. Intervals resample sources, then objects.

    Attributes:
        n_positives: Photos of the group.
        n_objects: Objects of the group.
        n_sources: Sources of the group.
        n_negatives: Photos of anything else.
        caveat: What to say beside the numbers when they rest on little.
        auroc: Area under the ROC curve. Ranking numbers use raw logits, whatever the calibration, within each fold
            (:func:`.metrics.aligned`).
        average_precision: Area under the precision-recall curve, at the prevalence of the table.
        recall_at_fpr: False-positive rate, as text, to recall. Intervals of shares are never narrower than Wilson's of
            as many objects.
        ece: Expected calibration error of the group's probability on the photos as they are.
        ece_at: Prevalence, as text, to the same with photos weighed as if that share showed a product. Where one
            museum makes most of the positives, ``ece`` mostly measures their share.
        recall: ``review`` and ``block`` to the share of positives flagged.
        false_positive_rate: ``review`` and ``block`` to the share of negatives flagged.
        ppv: ``review`` and ``block`` to base rate, as text, to the share of flags that are right there; with ``f``
            false flags among ``n`` negatives the rate used is ``(f + 1) / (n + 1)``. Undefined without flags.
        per_source: Source of positives to its counts and shares.
        per_product_leaf: Leaf of positives to its counts and shares, ``n_objects``, ``n_sources`` and ``auroc`` against
            all negatives: tusks, say, apart from the carvings that outnumber them.
        per_leaf: Leaf of negatives to its false-positive shares; ``fpr_0.01`` is at the threshold of 1 % overall.
        reliability: Bins of the reliability diagram, with the weights of ``ece_at``.
        curve: ROC and precision-recall curve.
        worst: ``missed`` and ``false``: photos on the wrong side of the threshold of 1 % false positives, the worst
            first.
    """

    n_positives: int
    n_objects: int
    n_sources: int
    n_negatives: int
    caveat: str | None
    auroc: Estimate
    average_precision: Estimate
    recall_at_fpr: Mapping[str, Estimate]
    ece: Estimate
    ece_at: Mapping[str, Estimate]
    recall: Mapping[str, Estimate]
    false_positive_rate: Mapping[str, Estimate]
    ppv: Mapping[str, Mapping[str, Estimate]]
    per_source: Mapping[str, Mapping[str, Any]]
    per_product_leaf: Mapping[str, Mapping[str, Any]]
    per_leaf: Mapping[str, Mapping[str, Any]]
    reliability: list[dict[str, Any]]
    curve: Mapping[str, list[float]]
    worst: Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Part:
    """The numbers of the real photos, or of the renders.

    Attributes:
        n: Photos measured.
        n_sources: Their sources.
        left_out: ``ambiguous`` and ``low_trust`` to photos left out.
        groups: Group to its numbers. Of a group without positives they are those of false alarms, the others undefined.
        absent: Groups without positives that no thresholds could be fitted for either.
        confusion: ``leaves`` and ``counts[true][predicted]``: photos by labelled leaf and by likeliest leaf.
    """

    n: int
    n_sources: int
    left_out: Mapping[str, int]
    groups: Mapping[str, GroupNumbers]
    absent: tuple[str, ...]
    confusion: Mapping[str, Any]


@dataclass(frozen=True)
class CorruptionCost:
    """What one corruption at one strength costs a group. Intervals resample sources, then objects.

    Attributes:
        part: ``real`` or ``synthetic``.
        group: Product group.
        corruption: Key of :data:`wildvision.evaluation.robustness.CORRUPTIONS`.
        strength: 1, 2 or 3.
        n_positives: Photos of the group.
        n_sources: Their sources.
        n_negatives: Photos of anything else, corrupted alike.
        recall_clean: At 1 % false positives, as the photos are.
        recall: At 1 % false positives among the corrupted negatives.
        lost: ``recall_clean`` less ``recall``.
        recall_fixed: At the threshold that gave 1 % on clean photos, for a deployed threshold does not move.
        fpr_fixed: False-positive rate at that threshold.
    """

    part: str
    group: str
    corruption: str
    strength: int
    n_positives: int
    n_sources: int
    n_negatives: int
    recall_clean: float
    recall: float
    lost: Estimate
    recall_fixed: float
    fpr_fixed: float


@dataclass(frozen=True)
class Pointing:
    """How much of a group's explanations lies on the objects. Intervals resample sources, then objects.

    Attributes:
        part: ``real`` or ``synthetic``.
        group: Product group.
        n: Photos measured.
        n_sources: Their sources.
        energy: Mean share of an explanation inside the annotated boxes.
        chance: Mean share of the photo inside them.
        ratio: ``energy`` over ``chance``.
        n_filled: Photos left out because the object fills more than half.
    """

    part: str
    group: str
    n: int
    n_sources: int
    energy: float
    chance: float
    ratio: Estimate
    n_filled: int


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
        model: What was measured: a model id, or a name for out-of-fold models.
        policy: Where calibration and thresholds come from, in words.
        resamples: Bootstrap resamples behind each interval.
        seed: Their seed.
        unscored: Status to number of photos that could not be scored; they are in no number.
        real: Numbers on photographs, ``None`` when there are none.
        synthetic: Numbers on renders, ``None`` when there are none.
        robustness: From :func:`wildvision.evaluation.stress.corruption_costs`, when it ran.
        explanations: From :func:`wildvision.evaluation.explain.pointing`, when it ran.
        measured_on: What the photos were, in words; above all whether the model had seen their sources.
    """

    model: str
    policy: str
    resamples: int
    seed: int
    unscored: Mapping[str, int]
    real: Part | None
    synthetic: Part | None
    robustness: tuple[CorruptionCost, ...] = ()
    explanations: tuple[Pointing, ...] = ()
    measured_on: str = ""

    @property
    def parts(self) -> Iterator[tuple[str, Part]]:
        """``real`` and ``synthetic`` with their numbers, where there are any."""
        yield from ((name, part) for name, part in (("real", self.real), ("synthetic", self.synthetic)) if part)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; undefined numbers are ``null``."""
        return dataclasses.asdict(self)
