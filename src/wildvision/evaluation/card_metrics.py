"""The ``metrics`` block of a model card, and the only code that writes one.

A card keeps the numbers with their intervals and counts; curves, confusion and lists of photos stay in the report.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from wildvision.evaluation.results import Evaluation, Part
from wildvision.models import ModelCard, find_model, write_card

_REPORT_ONLY = ("reliability", "curve", "worst")


def metrics_block(evaluation: Evaluation, measured_on: str, **more: Any) -> dict[str, Any]:
    """The block as plain JSON; ``real`` and ``synthetic`` are apart, and ``null`` where nothing was measured.

    Args:
        evaluation: The measured numbers.
        measured_on: What the photos were, in words; above all whether the model had seen their sources.
        more: Further facts, such as how the calibration was chosen.
    """
    return {
        "measured_on": measured_on,
        "model": evaluation.model,
        "policy": evaluation.policy,
        "intervals": f"95 % bootstrap over sources, then objects; {evaluation.resamples} resamples",
        "unscored": dict(evaluation.unscored),
        **{name: None if part is None else _part(part) for name, part in _both(evaluation).items()},
        "robustness": [dict(row) for row in evaluation.robustness],
        "explanations": dict(evaluation.explanations),
        **more,
    }


def write_metrics(evaluation: Evaluation, model: str | os.PathLike[str], measured_on: str, **more: Any) -> ModelCard:
    """Replace the metrics of a model's card in place.

    Args:
        evaluation: The measured numbers.
        model: Folder or card of a model on this machine.
        measured_on: As in :func:`metrics_block`.
        more: As in :func:`metrics_block`.

    Returns:
        The card as written.

    Raises:
        ModelError: No such model, or its card is unusable.
    """
    found = find_model(model)
    card = dataclasses.replace(found.card, metrics=metrics_block(evaluation, measured_on, **more))
    write_card(card, found.card_path)
    return card


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
