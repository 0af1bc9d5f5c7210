"""Boxes nested in better ones of their group."""

from __future__ import annotations

import numpy as np
import pytest

from wildvision.models.detector_boxes import Boxes, discount_nested
from wildvision.policy import Platt

CALIBRATION = [Platt(1.0, 0.0), Platt(1.0, 0.0)]


def found(groups: tuple[int, ...] = (0, 0, 0, 0)) -> Boxes:
    boxes = np.array([[0, 0, 100, 100], [10, 10, 40, 40], [15, 15, 30, 30], [90, 0, 190, 100]], np.float64)
    logits = np.log([0.8 / 0.2, 0.6 / 0.4, 0.5 / 0.5, 0.45 / 0.55])
    scores = 1 / (1 + np.exp(-logits))
    return Boxes(boxes, scores, np.array(groups), np.zeros(4, np.intp), logits)


def test_a_box_loses_for_every_better_box_that_it_lies_in() -> None:
    kept = discount_nested(found(), 0.5, calibration=CALIBRATION, floor=0.01)
    assert kept.scores == pytest.approx([0.8, 0.45, 0.3, 0.125])
    assert kept.boxes[:, 0].tolist() == [0, 90, 10, 15]  # best first again
    assert kept.logits == pytest.approx(np.log(kept.scores / (1 - kept.scores)))


def test_a_box_that_holds_a_better_one_loses_too() -> None:
    upside = found().take(np.array([1, 0]))
    upside = Boxes(upside.boxes, upside.scores[::-1], upside.groups, upside.leaves, upside.logits[::-1])
    assert discount_nested(upside, 0.5, calibration=CALIBRATION, floor=0.01).scores == pytest.approx([0.8, 0.3])


def test_other_groups_and_a_factor_of_one_change_nothing() -> None:
    kept = discount_nested(found((0, 1, 0, 0)), 0.5, calibration=CALIBRATION, floor=0.01)
    assert kept.scores == pytest.approx([0.8, 0.6, 0.45, 0.25])
    same = found()
    assert discount_nested(same, 1.0, calibration=CALIBRATION, floor=0.01) is same


def test_what_falls_below_the_floor_is_dropped() -> None:
    assert len(discount_nested(found(), 0.5, calibration=CALIBRATION, floor=0.2)) == 3


def test_saturated_logits_stay_finite() -> None:
    sure = Boxes(found().boxes, np.ones(4), np.zeros(4, np.intp), np.zeros(4, np.intp), np.full(4, 60.0))
    kept = discount_nested(sure, 0.5, calibration=CALIBRATION, floor=0.01)
    assert np.isfinite(kept.logits).all()
    assert kept.scores.max() == pytest.approx(1.0)


def test_a_box_that_comes_first_is_not_judged_by_better_ones_inside_it() -> None:
    upside = found().take(np.array([1, 0]))
    upside = Boxes(upside.boxes, upside.scores[::-1], upside.groups, upside.leaves, upside.logits[::-1])
    first = np.array([False, True])  # the large box, whose score is the lower one
    kept = discount_nested(upside, 0.5, calibration=CALIBRATION, floor=0.01, first=first)
    assert {tuple(b): s for b, s in zip(kept.boxes.tolist(), kept.scores.tolist(), strict=True)} == {
        (0.0, 0.0, 100.0, 100.0): pytest.approx(0.6),
        (10.0, 10.0, 40.0, 40.0): pytest.approx(0.4),
    }
    assert kept.scores.tolist() == sorted(kept.scores, reverse=True)
