import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from wildvision.errors import ArgumentError
from wildvision.evaluation import metrics
from wildvision.evaluation.metrics import (
    Ranking,
    at_prevalence,
    auroc,
    average_precision,
    curve,
    expected_calibration_error,
    flag_rates,
    recall_at_fpr,
    reliability,
    threshold_at_fpr,
    wilson,
)

# Scores on a coarse grid, so that ties are the rule and not the exception.
rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=80).filter(
    lambda r: 0 < sum(y for _, y in r) < len(r)
)


def columns(r):
    return np.array([s for s, _ in r]) / 8, np.array([y for _, y in r])


@settings(deadline=None, max_examples=100)
@given(rows)
def test_auroc_agrees_with_scikit_learn(r):
    s, y = columns(r)
    assert auroc(*Ranking.of(s, y).counts())[0] == pytest.approx(reference.roc_auc_score(y, s))


def test_a_perfect_ranking_has_an_area_of_one_to_the_letter():
    for n in range(1, 40):
        assert auroc(*Ranking.of(np.arange(n + 7.0), np.arange(n + 7) >= 7).counts())[0] == 1.0


@settings(deadline=None, max_examples=100)
@given(rows)
def test_average_precision_agrees_with_scikit_learn(r):
    s, y = columns(r)
    assert average_precision(*Ranking.of(s, y).counts())[0] == pytest.approx(reference.average_precision_score(y, s))


@settings(deadline=None, max_examples=100)
@given(rows, st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.3, 0.5]))
def test_recall_at_fpr_is_the_best_point_of_the_roc_curve_within_the_limit(r, rate):
    s, y = columns(r)
    fpr, tpr, _ = reference.roc_curve(y, s, drop_intermediate=False)
    ranking = Ranking.of(s, y)
    assert recall_at_fpr(*ranking.counts(), rate)[0] == pytest.approx(tpr[fpr <= rate + 1e-12].max())
    t = threshold_at_fpr(ranking, rate)
    assert (s[~y] >= t).mean() <= rate + 1e-12
    assert (s[y] >= t).mean() == pytest.approx(recall_at_fpr(*ranking.counts(), rate)[0])


@settings(deadline=None, max_examples=60)
@given(rows, st.data())
def test_integer_weights_mean_the_same_as_repeated_photos(r, data):
    s, y = columns(r)
    w = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(r), max_size=len(r))))
    s2, y2 = np.repeat(s, w), np.repeat(y, w)
    if not 0 < y2.sum() < len(y2):
        return
    weighted, repeated = Ranking.of(s, y).counts(w), Ranking.of(s2, y2).counts()
    assert auroc(*weighted)[0] == pytest.approx(auroc(*repeated)[0])
    assert average_precision(*weighted)[0] == pytest.approx(average_precision(*repeated)[0])
    assert recall_at_fpr(*weighted, 0.3)[0] == pytest.approx(recall_at_fpr(*repeated, 0.3)[0])
    assert expected_calibration_error(s, y, w)[0] == pytest.approx(expected_calibration_error(s2, y2)[0])


def test_positives_that_tie_with_one_negative_too_many_are_not_recalled():
    s = np.array([0.9] + [0.5] * 4 + [0.1] * 100)
    y = np.array([True] + [True, True, True, False] + [False] * 100)
    counts = Ranking.of(s, y).counts()
    assert recall_at_fpr(*counts, 0.001)[0] == pytest.approx(1 / 4)  # 101 negatives: none may fire
    assert recall_at_fpr(*counts, 0.01)[0] == pytest.approx(1.0)


def test_without_positives_every_metric_is_undefined_and_not_perfect():
    counts = Ranking.of([0.1, 0.2], [0, 0]).counts()
    assert np.isnan([auroc(*counts)[0], average_precision(*counts)[0], recall_at_fpr(*counts, 0.01)[0]]).all()


def test_ece_by_hand():
    # Bin of 0.1: two photos, none positive; bin of 0.9: two photos, one positive.
    assert expected_calibration_error([0.1, 0.1, 0.9, 0.9], [0, 0, 0, 1])[0] == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)


def test_ece_at_a_prevalence_by_hand():
    # Four in ten are positive; weighed to one in ten, and right about it, nothing is left of the error.
    p, y = [0.1] * 10, [1] * 4 + [0] * 6
    weights = at_prevalence(np.ones((1, 10)), y, 0.1)
    assert weights[0, :4].sum() == pytest.approx(0.1)
    assert weights.sum() == pytest.approx(1.0)
    assert expected_calibration_error(p, y)[0] == pytest.approx(0.3)
    assert expected_calibration_error(p, y, weights)[0] == pytest.approx(0.0)
    assert np.isnan(expected_calibration_error(p, [0] * 10, at_prevalence(np.ones((1, 10)), [0] * 10, 0.1))).all()


def test_reliability_bins_carry_the_ece():
    rng = np.random.default_rng(0)
    p, y = rng.random(500), rng.random(500) < 0.3
    bins = reliability(p, y)
    assert sum(b["n"] for b in bins) == 500
    by_bins = sum(b["n"] * abs(b["confidence"] - b["frequency"]) for b in bins) / 500
    assert by_bins == pytest.approx(expected_calibration_error(p, y)[0])
    one = reliability([0.1] * 4, [1, 0, 0, 0], [3.0, 1.0, 1.0, 1.0])
    assert one == [{"confidence": pytest.approx(0.1), "frequency": pytest.approx(0.5), "n": 4}]


def test_flag_rates_by_hand():
    recall, fpr = flag_rates(np.array([True, False, True, False]), np.array([True, True, False, False]))
    assert (recall[0], fpr[0]) == (0.5, 0.5)


def test_wilson_interval_of_no_errors_in_a_hundred_is_not_zero():
    low, high = wilson(0, 100)
    assert low == 0.0
    assert high == pytest.approx(0.0370, abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


def test_curve_is_thin_and_runs_to_full_recall():
    rng = np.random.default_rng(0)
    y = rng.random(5000) < 0.2
    c = curve(Ranking.of(rng.normal(size=5000) + 2 * y, y), points=100)
    assert len(c["fpr"]) <= 100
    assert c["recall"][-1] == c["fpr"][-1] == 1.0
    assert np.all(np.diff(c["recall"]) >= 0)


@pytest.mark.parametrize(("s", "y"), [([], []), ([1.0], [1, 0]), ([math.nan], [1])])
def test_unusable_rows_are_refused(s, y):
    with pytest.raises(ArgumentError):
        Ranking.of(s, y)


def test_aligned_scores_make_the_pooled_auroc_the_mean_over_folds_by_positives() -> None:
    rng = np.random.default_rng(0)
    fold = np.repeat([0, 1], 300)
    labels = rng.random(600) < np.where(fold == 0, 0.1, 0.3)
    scores = rng.normal(size=600) + labels * np.where(fold == 0, 2.0, 0.7) + np.where(fold == 0, 5.0, 0.0)
    parts = [(metrics.Ranking.of(scores[fold == k], labels[fold == k]), labels[fold == k].sum()) for k in (0, 1)]
    mean = sum(metrics.auroc(*ranking.counts())[0] * n for ranking, n in parts) / labels.sum()
    pooled = metrics.auroc(*metrics.Ranking.of(metrics.aligned(scores, labels, fold), labels).counts())[0]
    assert pooled == pytest.approx(mean, abs=1e-3)
    assert metrics.auroc(*metrics.Ranking.of(scores, labels).counts())[0] < mean - 0.05


def test_aligned_keeps_order_and_ties_of_one_model() -> None:
    scores, labels = np.array([3.0, 1.0, 2.0, 2.0, 0.0, 3.0]), np.array([1, 0, 1, 0, 0, 0], bool)
    rank = metrics.aligned(scores, labels, np.zeros(6))
    assert np.array_equal(np.argsort(rank, kind="stable"), np.argsort(scores, kind="stable"))
    assert metrics.auroc(*metrics.Ranking.of(rank, labels).counts()) == metrics.auroc(
        *metrics.Ranking.of(scores, labels).counts()
    )


def test_a_fold_without_negatives_ranks_nothing() -> None:
    rank = metrics.aligned([0.1, 0.2, 0.9, 0.8, -5.0], [1, 1, 0, 0, 1], [0, 0, 1, 1, 1])
    assert np.isnan(rank[:2]).all()
    assert rank[2:].tolist() == [-0.25, -0.75, -1.0]


def test_nothing_is_measured_without_negatives() -> None:
    counts = metrics.Ranking.of([0.9, 0.8], [1, 1]).counts()
    for value in (metrics.auroc(*counts), metrics.average_precision(*counts), metrics.recall_at_fpr(*counts, 0.01)):
        assert np.isnan(value).all()
