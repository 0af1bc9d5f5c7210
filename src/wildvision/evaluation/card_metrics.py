"""The ``metrics`` block of a model card, and the only code that writes one.

A card keeps the numbers with their intervals and counts; curves, confusion and lists of photos stay in the report.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Mapping
from typing import Any

from wildvision.errors import ArgumentError, ModelError
from wildvision.evaluation.results import Evaluation, Part
from wildvision.evaluation.scores import ScoreTable
from wildvision.models import ModelCard, find_model, write_card
from wildvision.models.hub import PREFIX
from wildvision.models.registry import Model, comes_with_the_library
from wildvision.policy.fitting import PREVALENCE

log = logging.getLogger(__name__)
_REPORT_ONLY = ("reliability", "curve", "worst")


def metrics_block(evaluation: Evaluation, **more: Any) -> dict[str, Any]:
    """The block as plain JSON; ``real`` and ``synthetic`` are apart, and ``null`` where nothing was measured.

    Args:
        evaluation: The measured numbers.
        more: Further facts, such as how the calibration was chosen.
    """
    return {
        "measured_on": evaluation.measured_on,
        "model": evaluation.model,
        "policy": evaluation.policy,
        "intervals": f"95 % bootstrap over sources, then objects; {evaluation.resamples} resamples",
        "unscored": dict(evaluation.unscored),
        **{name: None if part is None else _part(part) for name, part in _both(evaluation).items()},
        "robustness": [dataclasses.asdict(cost) for cost in evaluation.robustness],
        "explanations": [dataclasses.asdict(found) for found in evaluation.explanations],
        **more,
    }


def write_metrics(evaluation: Evaluation, model: str | os.PathLike[str], **more: Any) -> ModelCard:
    """Replace the metrics of a model's card in place; how its calibration was chosen stays.

    Args:
        evaluation: The measured numbers.
        model: Folder or card of a classifier of your own on this machine.
        more: As in :func:`metrics_block`.

    Returns:
        The card as written.

    Raises:
        ModelError: No such model, its card is unusable, or it is no classifier, bundled, or on the Hub.
    """
    found = own_classifier(model)
    more = {"calibration": found.card.metrics["calibration"], **more} if "calibration" in found.card.metrics else more
    card = dataclasses.replace(found.card, metrics=metrics_block(evaluation, **more))
    write_card(card, found.card_path)
    return card


def own_classifier(model: str | os.PathLike[str]) -> Model:
    """A classifier whose card may be written.

    Raises:
        ModelError: No such model, its card is unusable, or it is no classifier, bundled, or on the Hub.
    """
    if isinstance(model, str) and model.startswith(PREFIX):
        raise ModelError(f"the card of {model} lies on the Hub; give the folder of a model of your own")
    found = find_model(model)
    if comes_with_the_library(found):
        raise ModelError(
            f"{found.card.name!r} comes with the library, and its card holds what it was measured with; `wildvision "
            "calibrate` makes a model of your own from it, in a folder"
        )
    check_classifier(found.card)
    return found


def check_classifier(card: ModelCard) -> None:
    """Make sure that a card is a classifier's.

    Raises:
        ModelError: It is another model's.
    """
    if card.kind != "classifier":
        raise ModelError(f"{card.name!r} is a {card.kind}; scores of whole photos are a classifier's")


def check_scored_by(table: ScoreTable, card: ModelCard) -> None:
    """Make sure that scores are those of a card's weights, under whatever name, where the table says whose they are.

    Raises:
        ArgumentError: They are another model's.
    """
    if table.model and not _same_weights(table.model, card.model_id):
        raise ArgumentError(f"the scores are of {table.model}, not of {card.model_id}; name that model with --model")


def _same_weights(one: str, other: str) -> bool:
    """Whether two model ids, under whatever names, are of the same weights, averaged alike."""
    digests = re.compile(r"(?:sha256|shares):[0-9a-f]+").findall
    return bool(digests(one) == digests(other))


def calibrated_for(card: ModelCard) -> dict[str, float]:
    """Group to the prevalence that a card's probabilities are for, as its metrics say.

    The usual one where they say none.
    """
    facts = calibration_facts(card)
    return {group: float(facts.get(group, {}).get("prevalence") or PREVALENCE) for group in card.groups}


def calibration_facts(card: ModelCard) -> dict[str, Mapping[str, Any]]:
    """Group to how its calibration was chosen, as far as a card's metrics say."""
    facts = card.metrics.get("calibration")
    known = facts if isinstance(facts, Mapping) else {}
    return {group: known[group] for group in card.groups if isinstance(known.get(group), Mapping)}


def _both(evaluation: Evaluation) -> Mapping[str, Part | None]:
    return {"real": evaluation.real, "synthetic": evaluation.synthetic}


def _part(part: Part) -> dict[str, Any]:
    block = dataclasses.asdict(part)
    del block["confusion"]
    block["absent"] = list(part.absent)
    for numbers in block["groups"].values():
        for name in _REPORT_ONLY:
            del numbers[name]
    return block


def measured_on(said: str, card: ModelCard, table: ScoreTable) -> str:
    """``said``, and which sources of the photos the model was trained on, by its card; that is logged as a warning."""
    if not (seen := trained_on(card, table)):
        return said
    log.warning("%s was trained on photos of %s: numbers on these flatter it", card.name, ", ".join(seen))
    return f"{said}; the model was trained on photos of {', '.join(seen)}"


def trained_on(card: ModelCard, table: ScoreTable) -> list[str]:
    """Sources of the photos that the model was trained on, by its card.

    Scores of out-of-fold models, which name no model, are of photos that theirs had not seen.
    """
    recipe = card.training.get("recipe")
    recipe = recipe if isinstance(recipe, Mapping) else {}  # a summary is whatever its author wrote
    trained = {str(source) for fold in _list(recipe.get("folds")) for source in _list(fold)}
    trained -= set(map(str, _list(recipe.get("not_trained_on"))))
    trained |= set(map(str, _list(card.training.get("taught_by"))))  # sources in no fold, too
    own = table.model and _same_weights(table.model, card.model_id)
    return sorted(trained & set(table.source.tolist())) if own else []


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
