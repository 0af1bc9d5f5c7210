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
from wildvision.policy.operating_points import DEFAULT_BLOCK, DEFAULT_REVIEW, ChosenPoint, choose_operating_point
from wildvision.policy.targets import Target
from wildvision.policy.triage import NEVER, OperatingPoint
from wildvision.taxonomy import EVERYDAY

ENOUGH_REAL = 10
Bools = npt.NDArray[np.bool_]
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
    review: Bools
    block: Bools
    policy: str
    prevalences: Mapping[str, float] = field(default_factory=dict)
    unfitted: frozenset[str] = frozenset()

    def prevalence(self, group: str) -> float:
        """That calibration error of a group is measured at."""
        return self.prevalences.get(group, PREVALENCE)

    def where(self, mask: Bools) -> Judged:
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


def fitting_rows(table: ScoreTable, group: str) -> tuple[Bools, str]:
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
    card's policy is fitted, so that renders too are judged as the card would judge them. Where positives or negatives
    come from so few sources that without one none are left, the policy of a group is that of all photos; where too few
    are left to show a threshold that all together show, that threshold is. ``policy`` says so.

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
    in_sample, rendered, unfitted, targets = [], [], [], set[str]()
    prevalences: dict[str, float] = {}
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
        prevalences[group] = float(y[pool].mean()) if prevalence is None else prevalence
        if basis != "photographs":
            rendered.append(group)

        def fitted(known: Bools, column: int = column, method: str = how.get(group, "platt")) -> _Fitted:
            return _Fitted.on(table.where(known), column, method, review, block, prevalence)

        together = fitted(pool)
        without = {fold: pool & (folds != fold) for fold in np.unique(folds).tolist()}
        policies = {fold: fitted(known) for fold, known in without.items() if _both(y[known])}
        if len(policies) < len(without):
            in_sample.append(group)
            policies = dict.fromkeys(without, together)
        for fold, own in policies.items():
            held = folds == fold
            targets.add(own.chosen.review_target)
            p[held, column] = own.calibrator.apply(g[held])
            reviewed[held, column] = p[held, column] >= own.threshold("review")
            blocked[held, column] = p[held, column] >= own.threshold("block")
        for name, flags in (("review", reviewed), ("block", blocked)):
            if any(own.threshold(name) == NEVER > together.threshold(name) for own in policies.values()):
                in_sample.append(f"{name} of {group}")
                flags[:, column] = together.calibrator.apply(g) >= together.threshold(name)
        reviewed[:, column] |= blocked[:, column]
    reviewed_at = " or ".join(sorted(targets, key=len, reverse=True)) or review
    share = "that of the photos" if prevalence is None else f"{prevalence:g}"
    policy = f"calibration for a prevalence of {share}, review at {reviewed_at}, block at {block}"
    policy += ", each fitted on other sources"
    if rendered:
        policy += f", with renders for {', '.join(rendered)}"
    if in_sample:
        policy += (
            f"; fitted on the photos themselves for {', '.join(in_sample)}, whose positives or negatives have too few "
            "sources"
        )
    return Judged(table, p, reviewed, blocked, policy, prevalences, frozenset(unfitted))


@dataclass(frozen=True)
class _Fitted:
    """Calibration and thresholds of one group, fitted on some photos."""

    calibrator: Calibrator
    chosen: ChosenPoint

    @classmethod
    def on(
        cls, table: ScoreTable, column: int, method: str, review: Target, block: Target, prevalence: float | None
    ) -> _Fitted:
        g, y = table.raw[:, column], table.labels(table.groups[column])
        calibrator = fit(method, g, y, prevalence=prevalence)
        chosen = choose_operating_point(
            calibrator.apply(g),
            y,
            objects=[f"{s}\0{o}" for s, o in zip(table.source, table.object_id, strict=True)],
            listed=table.leaf == EVERYDAY,
            review=review,
            block=block,
        )
        return cls(calibrator, chosen)

    def threshold(self, name: str) -> float:
        return self.chosen.point.review if name == "review" else self.chosen.point.block


def _both(y: Bools) -> bool:
    return bool(y.any() and not y.all())
