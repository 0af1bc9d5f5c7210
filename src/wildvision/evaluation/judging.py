"""From raw logits of a score table to probabilities and flags, by a card's policy or by one fitted on other sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import ScoreTable
from wildvision.policy.calibration import Calibrator, Platt
from wildvision.policy.fitting import PREVALENCE, fit, source_folds
from wildvision.policy.operating_points import DEFAULT_BLOCK, DEFAULT_REVIEW, choose_operating_point
from wildvision.policy.targets import Target
from wildvision.policy.triage import OperatingPoint
from wildvision.taxonomy import EVERYDAY

ENOUGH_REAL = 10
_OUTSIDE = -1  # fold of rows of sources that nothing is fitted on


@dataclass(frozen=True)
class Judged:
    """A score table with what a policy makes of it.

    Attributes:
        table: The photos.
        probabilities: ``(n, groups)`` calibrated, in [0, 1].
        review: ``(n, groups)`` true where the probability reaches the review threshold.
        block: ``(n, groups)`` true where it reaches the block threshold.
        policy: Where calibration and thresholds come from, in words.
        prevalences: Group to the share of photos with a product that its probabilities are for; the usual one for
            groups left out.
        unfitted: Groups without a policy of their own: uncalibrated and never flagged.
    """

    table: ScoreTable
    probabilities: npt.NDArray[np.float64]
    review: npt.NDArray[np.bool_]
    block: npt.NDArray[np.bool_]
    policy: str
    prevalences: Mapping[str, float] = field(default_factory=dict)
    unfitted: frozenset[str] = frozenset()

    def prevalence(self, group: str) -> float:
        """That calibration error of a group is measured at."""
        return self.prevalences.get(group, PREVALENCE)

    def where(self, mask: npt.NDArray[np.bool_]) -> Judged:
        """The rows where ``mask`` ``(n,)`` is true."""
        rows = self.probabilities[mask], self.review[mask], self.block[mask]
        return Judged(self.table.where(mask), *rows, self.policy, self.prevalences, self.unfitted)


def judge(
    table: ScoreTable,
    calibration: Mapping[str, Calibrator],
    operating_points: Mapping[str, OperatingPoint],
    *,
    policy: str = "calibration and operating points of the model card",
    prevalences: Mapping[str, float] | None = None,
) -> Judged:
    """Apply a card's policy.

    Args:
        table: The photos.
        calibration: Group to its calibrator.
        operating_points: Group to its thresholds.
        policy: Where both come from, in words.
        prevalences: Group to the share of photos with a product that its calibrator is for, see :class:`Judged`.

    Raises:
        ArgumentError: A group of the table has no calibrator or no operating point.
    """
    if missing := [g for g in table.groups if g not in calibration or g not in operating_points]:
        raise ArgumentError(f"no calibration or operating point for {missing}")
    p = np.stack([calibration[g].apply(table.raw[:, k]) for k, g in enumerate(table.groups)], axis=1)
    points = [operating_points[g] for g in table.groups]
    return Judged(table, p, p >= [o.review for o in points], p >= [o.block for o in points], policy, prevalences or {})


def with_kept(judged: Judged, own: Judged, kept: Sequence[str]) -> Judged:
    """``judged`` with the groups ``kept`` as in ``own``, which holds the same photos by a card's own policy."""
    if not kept:
        return judged
    columns = np.array([group in kept for group in judged.table.groups])
    p, review, block = (
        np.where(columns, getattr(own, name), getattr(judged, name)) for name in ("probabilities", "review", "block")
    )
    policy = f"{judged.policy}; as the card had it for {', '.join(kept)}"
    prevalences = {**judged.prevalences, **{group: own.prevalence(group) for group in kept}}
    return Judged(judged.table, p, review, block, policy, prevalences, judged.unfitted - {*kept})


def fitting_rows(table: ScoreTable, group: str) -> tuple[npt.NDArray[np.bool_], str]:
    """Which rows ``(n,)`` a group's calibration and thresholds are fitted on, and what they are in words.

    Photographs where there are at least :data:`ENOUGH_REAL` of the group or no renders, else photographs and renders.
    """
    real = table.judged & ~table.synthetic
    if (table.labels(group) & real).sum() >= ENOUGH_REAL or not table.synthetic.any():
        return real, "photographs"
    return table.judged, "photographs and renders"


def judge_across_sources(
    table: ScoreTable,
    *,
    methods: Mapping[str, str] | None = None,
    review: Target = DEFAULT_REVIEW,
    block: Target = DEFAULT_BLOCK,
    prevalence: float | None = PREVALENCE,
    n_folds: int = 5,
) -> Judged:
    """Calibrate and threshold each photo by what was fitted on other sources.

    This is what a report on out-of-fold scores needs: fitting the policy on the very photos it is measured on would
    flatter calibration error and false-positive rates. The rows fitted on are those of :func:`fitting_rows`, as when a
    card's policy is fitted, so that renders too are judged as the card would judge them. A group whose positives all
    come from one source cannot be held out; its policy is then that of all photos, and ``policy`` says so.

    Args:
        table: Scores of photos that their model was not trained on.
        methods: Group to calibration method; ``platt`` for those left out.
        review: Target of the review thresholds.
        block: Target of the block thresholds.
        prevalence: Share of photos with a product of the group that probabilities are for; ``None`` takes that of the
            photos fitted on.
        n_folds: At most this many folds of sources.
    """
    how = methods or {}
    shape = table.raw.shape
    p, reviewed, blocked = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    item = np.array([f"{s}\0{o}" for s, o in zip(table.source, table.object_id, strict=True)])
    in_sample, rendered, unfitted, targets = [], [], [], set[str]()
    for column, group in enumerate(table.groups):
        g, y = table.raw[:, column], table.labels(group)
        pool, basis = fitting_rows(table, group)
        if not _both(y[pool]):  # uncalibrated, never flagged
            p[:, column] = Platt().apply(g)
            unfitted.append(group)
            continue
        sources = table.source[pool].tolist()
        fold_of = dict(zip(sources, source_folds(sources, y[pool], n_folds).tolist(), strict=True))
        folds = np.array([fold_of.get(source, _OUTSIDE) for source in table.source.tolist()])
        whole = any(not _both(y[pool & (folds != fold)]) for fold in np.unique(folds))
        if whole:
            in_sample.append(group)
        if basis != "photographs":
            rendered.append(group)
        for fold in np.unique(folds):
            held = folds == fold
            known = pool if whole else pool & ~held
            calibrator = fit(how.get(group, "platt"), g[known], y[known], prevalence=prevalence)
            chosen = choose_operating_point(
                calibrator.apply(g[known]),
                y[known],
                objects=item[known].tolist(),
                listed=table.leaf[known] == EVERYDAY,
                review=review,
                block=block,
            )
            targets.add(chosen.review_target)
            p[held, column] = calibrator.apply(g[held])
            reviewed[held, column] = p[held, column] >= chosen.point.review
            blocked[held, column] = p[held, column] >= chosen.point.block
    reviewed_at = " or ".join(sorted(targets, key=len, reverse=True)) or review
    share = "that of the photos" if prevalence is None else f"{prevalence:g}"
    policy = f"calibration for a prevalence of {share}, review at {reviewed_at}, block at {block}"
    policy += ", each fitted on other sources"
    if rendered:
        policy += f", with renders for {', '.join(rendered)}"
    if in_sample:
        policy += f"; fitted on the photos themselves for {', '.join(in_sample)}, whose positives have too few sources"
    prevalences = dict.fromkeys(table.groups, prevalence or PREVALENCE)
    return Judged(table, p, reviewed, blocked, policy, prevalences, frozenset(unfitted))


def _both(y: npt.NDArray[np.bool_]) -> bool:
    return bool(y.any() and not y.all())
