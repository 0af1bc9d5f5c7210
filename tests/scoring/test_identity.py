"""Rows are shared between runs only where everything that changes them is the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tests.models.tiny import make_tiny_model
from tests.models.tiny_detector import make_tiny_detector
from wildvision.models import load_classifier, load_detector
from wildvision.policy.calibration import Platt
from wildvision.scoring.scorer import Scorer


def test_what_a_card_makes_of_equal_weights_is_part_of_the_identity(tmp_path: Path) -> None:
    classifier = load_classifier(make_tiny_model(tmp_path / "classifier"), device="cpu")
    detector = load_detector(make_tiny_detector(tmp_path / "detector"), device="cpu")
    first = Scorer(classifier, detector, batch_size=4).identity()
    assert first == Scorer(classifier, detector, batch_size=8).identity()
    assert detector.card.detector is not None
    settings = dataclasses.replace(detector.card.detector, nested=0.4)
    flat = {group: Platt(0.5, 0.0) for group in classifier.card.groups}
    for model, changes in ((detector, {"detector": settings}), (detector, {"calibration": flat}),
                           (classifier, {"calibration": flat})):  # fmt: skip
        card = model.card
        model.card = dataclasses.replace(card, **changes)
        assert Scorer(classifier, detector, batch_size=4).identity() != first
        model.card = card
