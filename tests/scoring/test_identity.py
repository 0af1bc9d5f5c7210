"""Rows are shared between runs only where everything that changes them is the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.models.tiny import make_tiny_model
from tests.models.tiny_detector import make_tiny_detector
from wildvision.errors import ArgumentError
from wildvision.imaging import Limits
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
    larger = [dataclasses.replace(m.card.input, size=m.card.input.size + 32) for m in (classifier, detector)]
    for model, changes in ((detector, {"detector": settings}), (detector, {"calibration": flat}),
                           (classifier, {"calibration": flat}), (classifier, {"input": larger[0]}),
                           (detector, {"input": larger[1]})):  # fmt: skip
        card = model.card
        model.card = dataclasses.replace(card, **changes)
        assert Scorer(classifier, detector, batch_size=4).identity() != first
        model.card = card


def test_what_a_detector_was_loaded_with_is_part_of_the_identity(tmp_path: Path) -> None:
    folder, tiny = make_tiny_model(tmp_path / "classifier"), make_tiny_detector(tmp_path / "detector")
    classifier = load_classifier(folder, device="cpu")
    looks = [classifier, load_classifier(folder, device="cpu", tta="flip")]
    detectors = [
        load_detector(tiny, device="cpu"),
        load_detector(tiny, device="cpu", precision="bf16"),
        load_detector(tiny, device="cpu", limits=Limits(max_pixels=10_000)),
        *(load_detector(tiny, device="cpu", second_look=look) for look in looks),
    ]
    found = [json.dumps(Scorer(classifier, d, batch_size=4).identity(), sort_keys=True) for d in detectors]
    assert len(set(found)) == len(detectors)


def test_a_model_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    classifier = load_classifier(make_tiny_model(tmp_path / "classifier"), device="cpu")
    detector = load_detector(make_tiny_detector(tmp_path / "detector"), device="cpu")
    for models, message in (((classifier, classifier), "detector must be"), ((detector,), "classifier must be"),
                            ((classifier, 3), "received 3")):  # fmt: skip
        with pytest.raises(ArgumentError, match=message):
            Scorer(*models, batch_size=4)
