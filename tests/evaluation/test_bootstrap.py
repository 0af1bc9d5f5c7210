import time

import numpy as np
import pytest

from wildvision.evaluation.bootstrap import Estimate, caveat, cluster_weights, rate_caveat
from wildvision.evaluation.metrics import Ranking, auroc, expected_calibration_error, recall_at_fpr


def draw(sources, objects, labels, resamples=200, seed=0):
    return cluster_weights(sources, objects, np.asarray(labels), resamples=resamples, rng=np.random.default_rng(seed))


def test_photos_of_one_object_are_drawn_together_even_when_ids_repeat_across_sources():
    w = draw(["a", "a", "a", "b"], ["1", "1", "2", "1"], [True, True, False, False])
    assert (w[:, 0] == w[:, 1]).all()
    assert (w[:, 0] != w[:, 2]).any()
    assert (w[:, 0] != w[:, 3]).any()


def test_every_source_is_drawn_whole_so_its_objects_fill_its_share():
    sources, objects = ["a"] * 5 + ["b"] * 5, [str(i) for i in range(10)]
    w = draw(sources, objects, [True] * 10)
    assert set((w[:, :5].sum(axis=1)).tolist()) == {0, 5, 10}
    assert (w.sum(axis=1) == 10).all()
    assert w.mean() == pytest.approx(1.0)


def test_no_resample_is_without_the_sources_that_hold_positives():
    sources = ["rare"] + [f"s{i}" for i in range(50)]
    w = draw(sources, sources, [True] + [False] * 50, resamples=500)
    assert (w[:, 0] == 1).all()


def test_few_sources_give_a_wider_interval_than_many():
    def width(n_sources):
        rng = np.random.default_rng(5)
        source = rng.integers(0, n_sources, 2000)
        y = rng.random(2000) < 0.3
        s = rng.normal(size=2000) + y * (1 + rng.normal(size=n_sources)[source])  # sources differ in difficulty
        w = draw([str(i) for i in source], [str(i) for i in range(2000)], y)
        e = Estimate.of(auroc(*Ranking.of(s, y).counts()), auroc(*Ranking.of(s, y).counts(w)))
        assert e.low <= e.value <= e.high
        return e.high - e.low

    assert width(4) > 2 * width(400)


def test_the_same_seed_gives_the_same_resamples():
    args = (["a", "b", "c"], ["1", "2", "3"], [True, False, True])
    assert (draw(*args, seed=7) == draw(*args, seed=7)).all()
    assert (draw(*args, seed=7) != draw(*args, seed=8)).any()


def test_the_interval_of_a_biased_metric_reaches_down_to_the_truth():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(40):
        p = rng.beta(0.5, 3, 500)
        y = rng.random(500) < p  # perfectly calibrated
        w = rng.multinomial(500, np.full(500, 1 / 500), size=200)
        e = Estimate.of(expected_calibration_error(p, y), expected_calibration_error(p, y, w), centred=True)
        covered += e.low <= 0.005 <= e.high  # what the bins cannot tell from 0
        assert e.low <= e.value <= e.high
    assert covered >= 26  # one or two without the basic end


def test_an_undefined_metric_stays_undefined():
    assert Estimate.of(np.array([np.nan]), np.array([0.5])) == Estimate(None, None, None)
    assert str(Estimate(None, None, None)) == "undefined"
    assert str(Estimate(0.5, 0.25, 1.0)) == "0.500 [0.250, 1.000]"


def test_resamples_that_are_all_equal_give_no_interval():
    assert Estimate.of(np.array([0.5]), np.full(9, 0.5)) == Estimate(0.5, None, None)
    assert str(Estimate(0.5, None, None)) == "0.500 [too few for an interval]"


def test_the_interval_of_a_share_is_never_narrower_than_wilson_s():
    none = Estimate.of(np.array([0.0]), np.zeros(9), share_of=100)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.037, abs=1e-3)  # 1 - 0.025 ** (1 / 100) is the exact end
    wide = Estimate.of(np.array([0.5]), np.linspace(0.1, 0.9, 99), share_of=1000)
    assert (wide.low, wide.high) == (pytest.approx(0.12), pytest.approx(0.88))


def test_a_thousand_resamples_of_five_thousand_photos_take_seconds():
    rng = np.random.default_rng(0)
    y = rng.random(5000) < 0.2
    source = [f"s{i}" for i in rng.integers(0, 80, 5000)]
    started = time.process_time()
    w = draw(source, [str(i // 2) for i in range(5000)], y, resamples=1000)
    recall_at_fpr(*Ranking.of(rng.normal(size=5000), y).counts(w), 0.01)
    assert time.process_time() - started < 10


def test_small_counts_are_said():
    assert caveat(0, 0) == "no positives"
    assert "one source" in caveat(40, 1)
    assert "too narrow" in caveat(4, 2)
    assert caveat(300, 5) is None
    rates = (0.01, 0.001)
    assert rate_caveat(1000, 5, a_fold=False, rates=rates) is None
    assert rate_caveat(999, 5, a_fold=False, rates=rates) == (
        "only 999 negatives: a false-positive rate of 0.1 % cannot be told from 0"
    )
    assert "only 20 negatives in one fold: a false-positive rate of 1 % or 0.1 %" in rate_caveat(
        20, 5, a_fold=True, rates=rates
    )
    assert rate_caveat(5000, 1, a_fold=False, rates=rates) == "negatives of one source"
