import math

import pytest

from wildvision.contract import Decision
from wildvision.errors import ArgumentError
from wildvision.policy import NEVER, OperatingPoint, decide, deciding_group
from wildvision.policy.triage import threshold_in_words

POINTS = {"ivory": OperatingPoint(review=0.2, block=0.8), "python_skin": OperatingPoint(review=0.5, block=NEVER)}


@pytest.mark.parametrize(
    ("ivory", "python", "expected"),
    [
        (0.1, 0.1, Decision.PASS),
        (0.2, 0.0, Decision.REVIEW),
        (0.0, 0.5, Decision.REVIEW),
        (0.8, 0.0, Decision.BLOCK),
        (0.8, 0.6, Decision.BLOCK),
        (0.3, 1.0, Decision.REVIEW),
    ],
)
def test_the_strictest_group_decides_and_a_threshold_is_reached_by_equality(ivory, python, expected):
    assert decide({"ivory": ivory, "python_skin": python}, POINTS) is expected
    assert decide({"python_skin": python, "ivory": ivory}, POINTS) is expected


@pytest.mark.parametrize(
    ("ivory", "python", "expected"),
    [
        (0.1, 0.05, "ivory"),  # nothing flagged: the likeliest
        (0.25, 0.45, "ivory"),  # python_skin is likelier and stays under its own threshold
        (0.8, 0.9, "ivory"),  # a block goes before a likelier review
        (0.3, 0.6, "python_skin"),
    ],
)
def test_the_decision_is_about_the_likeliest_of_the_groups_that_ask_for_it(ivory, python, expected):
    assert deciding_group({"ivory": ivory, "python_skin": python}, POINTS) == expected
    assert deciding_group({"python_skin": python, "ivory": ivory}, POINTS) == expected


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.1, None, "0.5"])
def test_a_score_that_is_no_probability_is_an_error_and_never_a_pass(score):
    with pytest.raises(ArgumentError, match="ivory"):
        decide({"ivory": score}, POINTS)


def test_there_is_no_decision_without_scores():
    for ask in (decide, deciding_group):
        with pytest.raises(ArgumentError, match="none"):
            ask({}, POINTS)


def test_a_group_without_operating_point_is_an_error():
    with pytest.raises(ArgumentError, match="rhino_horn"):
        decide({"rhino_horn": 0.0}, POINTS)


@pytest.mark.parametrize(("review", "block"), [(0.6, 0.5), (-0.1, 0.5), (0.1, 1.5), (math.nan, 0.5), (0.1, math.inf)])
def test_unusable_thresholds_are_refused(review, block):
    with pytest.raises(ArgumentError):
        OperatingPoint(review=review, block=block)


def test_card_entries_keep_their_provenance_to_themselves():
    point = OperatingPoint.from_json({"review": 0.1, "block": 0.9, "block_target": "precision:0.9@0.01"})
    assert point == OperatingPoint(0.1, 0.9)
    with pytest.raises(ArgumentError, match="block"):
        OperatingPoint.from_json({"review": 0.1})


def test_a_photo_without_scores_is_an_error_and_never_a_pass():
    with pytest.raises(ArgumentError, match="received none"):
        decide({}, {})


def test_thresholds_of_a_card_are_numbers():
    with pytest.raises(ArgumentError, match="are numbers"):
        OperatingPoint.from_json({"review": None, "block": 1.0})


@pytest.mark.parametrize(
    ("threshold", "said"),
    [(0.0, "always"), (NEVER, "never"), (0.172, "from 0.1720"), (0.001, "from 0.0010"), (3.14e-5, "from 3.1e-05")],
)
def test_a_small_threshold_is_not_said_to_be_nothing(threshold, said):
    assert threshold_in_words(threshold) == said


def test_thresholds_that_are_no_mapping_are_refused():
    with pytest.raises(ArgumentError, match=r"numbers; received \[0.2\]"):
        OperatingPoint.from_json([0.2])
