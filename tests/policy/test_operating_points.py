import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildvision.errors import ArgumentError
from wildvision.policy import NEVER, Flags, Precision, Recall, parse_target, ppv
from wildvision.policy.operating_points import choose_operating_point, conformal_threshold, promises


def scores(n_pos=300, n_neg=3000, seed=0):
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.beta(6, 2, n_pos), rng.beta(1, 12, n_neg)])
    return p, np.arange(n_pos + n_neg) < n_pos


def rates(p, y, t):
    return (p[y] >= t).mean(), ((p[~y] >= t).sum() + 1) / ((~y).sum() + 1)


def test_a_detector_of_95_95_is_nearly_always_wrong_at_platform_prevalence():
    assert ppv(0.95, 0.05, 1e-4) == pytest.approx(0.0018965, rel=1e-3)
    assert ppv(0.0, 0.0, 1e-4) == 0.0


def test_precision_target_is_met_at_the_stated_prevalence_and_just_missed_one_score_below():
    p, y = scores()
    target = Precision(0.5, 0.01)
    t = choose_operating_point(p, y, block=target, review=Flags(2000, 0.01)).point.block
    assert ppv(*rates(p, y, t), 0.01) >= 0.5
    below = np.unique(p)[np.searchsorted(np.unique(p), t) - 1]
    assert ppv(*rates(p, y, below), 0.01) < 0.5


def test_flags_target_is_met_and_spends_the_budget():
    p, y = scores()
    t = choose_operating_point(p, y, review=Flags(200, 1e-4), block=Flags(20, 1e-4)).point.review
    recall, fpr = rates(p, y, t)
    flags = 1e4 * (1e-4 * recall + (1 - 1e-4) * fpr)
    assert 190 < flags <= 200


def test_too_few_negatives_to_prove_a_precision_give_no_block_threshold():
    p, y = np.array([0.9] * 50 + [0.1] * 100), np.arange(150) < 50  # separates perfectly
    chosen = choose_operating_point(p, y, block=Precision(0.9, 1e-4), review=Recall(0.9))
    assert chosen.point.block == NEVER
    assert chosen.false_positive_rate["block"] == pytest.approx(1 / 101)


def test_review_never_lies_above_block():
    p, y = scores()
    chosen = choose_operating_point(p, y, review=Flags(1, 1e-4), block=Flags(500, 1e-4))
    assert chosen.point.review == chosen.point.block


def test_a_block_target_that_lies_below_the_review_threshold_is_said_to_be_raised():
    p, y = np.linspace(0, 1, 200), np.arange(200) >= 100
    chosen = choose_operating_point(p, y, review=Recall(0.1), block=Recall(0.99))
    assert chosen.point.block == chosen.point.review
    assert chosen.block_target == "recall:0.99, raised to the review threshold"


def test_look_alikes_count_against_the_block_target_and_not_against_the_review_target_of_listings():
    p, y = scores()
    harder = np.concatenate([p, np.full(200, 0.97)])
    labels = np.concatenate([y, np.zeros(200, bool)])
    listed = np.arange(len(harder)) < len(p)
    targets = {"review": Flags(200, 1e-4), "block": Flags(20, 1e-4)}
    plain = choose_operating_point(p, y, **targets)
    chosen = choose_operating_point(harder, labels, listed=listed, **targets)
    assert chosen.point.review == plain.point.review
    assert chosen.point.block > plain.point.block
    assert chosen.false_positive_rate["review"] == plain.false_positive_rate["review"]
    assert chosen.review_target.endswith("of everyday photos")
    few = choose_operating_point(harder, labels, listed=np.arange(len(harder)) < y.sum() + 40, **targets)
    assert few.point == choose_operating_point(harder, labels, **targets).point  # too few listings to go by


def test_a_lax_block_target_does_not_spend_more_flags_on_listings_than_review_may():
    y = np.arange(2000) < 100
    p = np.where(y, 0.9, 0.1)
    p[100:200] = 0.5  # everyday photos, one in ten of them high
    listed = (np.arange(2000) >= 100) & (np.arange(2000) < 1100)
    chosen = choose_operating_point(p, y, listed=listed, review=Flags(100, 1e-4), block=Flags(2000, 1e-4))
    assert chosen.point.review == chosen.point.block == 0.9


def test_conformal_threshold_covers_new_objects_as_promised():
    rng, covered = np.random.default_rng(1), []
    for _ in range(2000):
        draws = rng.normal(size=41)
        covered.append(draws[-1] >= conformal_threshold(draws[:-1], [str(i) for i in range(40)], 0.9))
    assert np.mean(covered) == pytest.approx(37 / 41, abs=0.02)  # exactly 1 - k / (n + 1) in expectation, k = 4
    assert np.mean(covered) > 0.88


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_conformal_threshold_leaves_at_most_the_promised_share_below(values, coverage):
    t = conformal_threshold(values, [str(i) for i in range(len(values))], coverage)
    assert sum(v < t for v in values) <= (1 - coverage) * (len(values) + 1)


def test_an_object_counts_once_with_its_worst_photo():
    one_object_each = conformal_threshold([0.2, 0.5, 0.7, 0.9], list("abcd"), 0.8)
    with_more_views = conformal_threshold([0.2, 0.5, 0.7, 0.9, 0.95, 0.99], list("abcdab"), 0.8)
    assert one_object_each == with_more_views == 0.2


def test_too_few_objects_for_the_promise_review_everything():
    p, y = scores(n_pos=5)
    chosen = choose_operating_point(p, y, review=Recall(0.95))
    assert chosen.point.review == 0.0
    assert chosen.to_json()["guarantee"]["n_objects"] == 5


@pytest.mark.parametrize("text", ["precision:0.9@0.001", "flags:50@0.0001", "recall:0.95"])
def test_targets_read_and_write_the_same_text(text):
    assert str(parse_target(text)) == text


@pytest.mark.parametrize(
    "text", ["", "precision:0.9", "recall:1.5", "recall:x", "flags:-1@0.1", "fpr:0.1", "flags:5@0"]
)
def test_unusable_targets_are_refused(text):
    with pytest.raises(ArgumentError):
        parse_target(text)


@pytest.mark.parametrize(("p", "y"), [([0.1, 0.2], [1, 1]), ([0.1, 2.0], [0, 1]), ([0.1], [0, 1])])
def test_unusable_rows_are_refused(p, y):
    with pytest.raises(ArgumentError):
        choose_operating_point(p, y)


@pytest.mark.parametrize("other", [{"objects": ["a"]}, {"sources": list("abc")}, {"listed": [True]}])
def test_what_goes_with_the_scores_is_as_long_as_they(other):
    with pytest.raises(ArgumentError, match=f"{next(iter(other))} must be as many as labels"):
        choose_operating_point([0.1, 0.2], [0, 1], **other)


def test_a_promise_needs_finite_scores():
    with pytest.raises(ArgumentError, match="finite"):
        conformal_threshold([math.nan, 0.5], ["a", "b"], 0.5)


def test_a_target_that_is_met_to_the_letter_is_met():
    assert Precision(0.8, 0.01).met(1.0, 1 / 396)
    assert Precision(0.9, 0.5).met(1.0, 1 / 9)
    assert Flags(100, 0.01).met(1.0, 0.0)
    assert not Precision(0.9, 0.5).met(1.0, 1 / 8.999)


def test_promises_are_told_with_what_they_need():
    chosen = choose_operating_point(np.linspace(0, 1, 60), np.arange(60) >= 20, review=Recall(0.9))
    first, *needed = promises({"ivory": chosen.to_json(), "rhino_horn": {}})
    assert first.startswith("ivory: 0.9 of new objects")
    assert len(needed) == 3 and all(text.startswith("the promise needs: ") for text in needed)
    assert promises({"ivory": {}}) == []
