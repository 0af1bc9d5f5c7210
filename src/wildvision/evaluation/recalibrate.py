"""A model card with calibration and operating points fitted anew on a score table. Measures nothing, writes no file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from wildvision.errors import ArgumentError
from wildvision.evaluation.card_metrics import check_classifier, trained_on
from wildvision.evaluation.judging import fitting_rows
from wildvision.evaluation.scores import ScoreTable
from wildvision.models import ModelCard
from wildvision.policy.fitting import METHODS, PREVALENCE, Calibration, choose
from wildvision.policy.operating_points import DEFAULT_BLOCK, DEFAULT_REVIEW, choose_operating_point
from wildvision.policy.targets import Target
from wildvision.policy.triage import NEVER
from wildvision.taxonomy import EVERYDAY


def recalibrate(
    card: ModelCard,
    table: ScoreTable,
    *,
    review: Target = DEFAULT_REVIEW,
    block: Target = DEFAULT_BLOCK,
    methods: Sequence[str] = METHODS,
    prevalence: float | None = PREVALENCE,
) -> tuple[ModelCard, dict[str, Any]]:
    """Fit calibration and thresholds on photos that the model was not trained on.

    A group is fitted on photographs where there are at least 10 of it, else on photographs and renders together; the
    provenance of its thresholds says which. A group keeps what the card has when it has no positives, and when it
    would be switched off: no threshold is shown to meet the review target, as with too few negatives. Review targets
    are held against photos of the class ``everyday`` where these are enough to meet them, block targets against all
    negatives. Where the model was trained on some of the photos, no conformal promise is made.

    Args:
        card: The model's card; left as it is.
        table: Labelled scores of the model, or of its out-of-fold twins.
        review: Target of the review thresholds.
        block: Target of the block thresholds.
        methods: Calibrators to choose from, by likelihood on held-out sources.
        prevalence: Share of photos with a product of the group that probabilities are for, in (0, 1); ``None`` takes
            that of the table.

    Returns:
        The new card, and group to how its calibration was chosen; groups that keep theirs are absent.

    Raises:
        ArgumentError: Other groups than the card's, or no group could be fitted.
        ModelError: The card is no classifier's.
    """
    check_classifier(card)
    if table.groups != card.groups:
        raise ArgumentError(f"the scores are of groups {list(table.groups)}, the model's are {list(card.groups)}")
    trained = trained_on(card, table)
    calibration, points, provenance = dict(card.calibration), dict(card.operating_points), dict(card.provenance)
    chosen: dict[str, Any] = {}
    for k, group in enumerate(table.groups):
        rows, basis = fitting_rows(table, group)
        y = table.labels(group)[rows]
        if not 0 < y.sum() < len(y):
            continue
        logits, sources = table.raw[rows, k], table.source[rows].tolist()
        fitted = choose(logits, y, sources, methods=methods, prevalence=prevalence)
        objects = [f"{s}\0{o}" for s, o in zip(sources, table.object_id[rows], strict=True)]
        point = choose_operating_point(
            fitted.calibrator.apply(logits),
            y,
            objects=objects,
            sources=sources,
            listed=table.leaf[rows] == EVERYDAY,
            review=review,
            block=block,
        )
        if point.point.review == NEVER > card.operating_points[group].review:
            continue
        left_out = {"review", "block"} | ({"guarantee"} if trained else set())
        facts = {key: value for key, value in point.to_json().items() if key not in left_out}
        calibration[group], points[group] = fitted.calibrator, point.point
        provenance[group] = {**facts, "basis": basis}
        chosen[group] = {**_evidence(fitted), "basis": basis}
    if not chosen:
        reasons = "; ".join(f"{group}: {unchanged(table, group, review)}" for group in table.groups)
        raise ArgumentError(f"nothing can be calibrated on these photos ({reasons})")
    new = dataclasses.replace(card, calibration=calibration, operating_points=points, provenance=provenance)
    return new, chosen


def unchanged(table: ScoreTable, group: str, review: Target) -> str:
    """Why :func:`recalibrate` leaves a group as it is, in words."""
    rows, _ = fitting_rows(table, group)
    positives = int(table.labels(group)[rows].sum())
    negatives = int(rows.sum()) - positives
    if not positives:
        return "no photos of it with a sure label"
    if not negatives:
        return "no photos of anything else"
    return f"{negatives} photos of other things and {positives} of it do not show that {review} is met; label more"


def _evidence(fitted: Calibration) -> Mapping[str, Any]:
    return {key: value for key, value in fitted.to_json().items() if key not in ("a", "b", "t", "x", "y")}
