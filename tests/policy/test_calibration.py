import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from wildvision.errors import ArgumentError
from wildvision.policy.calibration import Isotonic, Platt, Temperature, calibrator_from_json
from wildvision.policy.fitting import METHODS, choose, cross_fit, fit, negative_log_likelihood, source_folds


def sample(n=2000, a=0.5, b=-2.0, seed=0):
    """Logits whose true probabilities are ``sigmoid(a * g + b)``, with 40 sources."""
    rng = np.random.default_rng(seed)
    g = rng.normal(0, 6, n)
    y = rng.random(n) < 1 / (1 + np.exp(-(a * g + b)))
    return g, y, [f"s{i}" for i in rng.integers(0, 40, n)]


def test_platt_recovers_the_parameters_that_made_the_data():
    g, y, _ = sample(20000)
    found = fit("platt", g, y)
    assert found.a == pytest.approx(0.5, abs=0.03)
    assert found.b == pytest.approx(-2.0, abs=0.12)


def test_platt_agrees_with_an_unpenalised_logistic_regression():
    g, y, _ = sample(20000, seed=3)
    reference = LogisticRegression(C=1e9).fit(g[:, None], y)
    found = fit("platt", g, y)
    assert found.a == pytest.approx(reference.coef_[0, 0], rel=0.01)
    assert found.b == pytest.approx(reference.intercept_[0], rel=0.01)


def test_temperature_recovers_the_temperature():
    g, y, _ = sample(20000, a=1 / 3, b=0.0)
    assert fit("temperature", g, y).t == pytest.approx(3.0, rel=0.05)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=4, max_size=60))
def test_isotonic_agrees_with_scikit_learn(rows):
    g, y = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    if not 0 < y.sum() < len(y):
        return
    reference = IsotonicRegression().fit(g, y).predict(g)
    floor = 1 / (len(g) + 2)
    np.testing.assert_allclose(fit("isotonic", g, y).apply(g), np.clip(reference, floor, 1 - floor), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(METHODS))
def test_every_method_keeps_the_order_and_stays_a_probability(seed, method):
    rng = np.random.default_rng(seed)
    g, y = rng.normal(0, 3, 50), rng.random(50) < 0.4  # labels carry no information
    y[:2] = True, False
    p = fit(method, g, y).apply(np.sort(rng.normal(0, 30, 100)))
    assert np.all(np.diff(p) >= 0)
    assert np.all((p >= 0) & (p <= 1))


@pytest.mark.parametrize("calibrator", [Platt(0.3, -1.25), Temperature(2.5), Isotonic((-1.0, 0.5), (0.1, 0.9))])
def test_calibrators_survive_json(calibrator):
    assert calibrator_from_json(json.loads(json.dumps(calibrator.to_json()))) == calibrator


def test_perfectly_separated_logits_give_finite_parameters():
    g, y = np.array([-2.0, -1, 1, 2]), np.array([False, False, True, True])
    for method in METHODS:
        p = fit(method, g, y).apply(g)
        assert 0 < p.min() < 0.5 < p.max() < 1


@pytest.mark.parametrize("method", ["platt", "isotonic"])
@pytest.mark.parametrize("prevalence", [0.5, 0.01, 1e-3, 1e-4])
@pytest.mark.parametrize("positives", [None, 30])
def test_prevalence_moves_the_probabilities_to_the_stated_base_rate(method, prevalence, positives):
    g, y, _ = sample(5000)
    if positives:
        kept = ~y | (np.cumsum(y) <= positives)
        g, y = g[kept], y[kept]
    calibrated = fit(method, g, y, prevalence=prevalence).apply(g)
    mean = prevalence * calibrated[y].mean() + (1 - prevalence) * calibrated[~y].mean()
    assert mean == pytest.approx(prevalence, rel=0.05)


def test_choice_follows_the_likelihood_on_held_out_sources():
    g, y, sources = sample(4000, a=0.5, b=-3.0)
    chosen = choose(g, y, sources)
    assert set(chosen.out_of_fold_nll) == set(METHODS)
    assert chosen.calibrator.to_json()["method"] == min(chosen.out_of_fold_nll, key=chosen.out_of_fold_nll.get)
    assert chosen.out_of_fold_nll["platt"] < chosen.out_of_fold_nll["temperature"]


def test_with_one_source_of_positives_nothing_can_be_compared_and_platt_is_taken():
    g, y, _ = sample(200)
    sources = np.where(y, "museum", [f"s{i % 7}" for i in range(200)])
    chosen = choose(g, y, sources)
    assert chosen.out_of_fold_nll == {}
    assert isinstance(chosen.calibrator, Platt)
    assert cross_fit(g, y, sources) is None


def test_a_source_never_straddles_folds_and_positives_are_spread():
    _, y, sources = sample(2000)
    folds = source_folds(sources, y, 5)
    assert all(len({f for f, s in zip(folds, sources, strict=True) if s == name}) == 1 for name in set(sources))
    positives = [y[folds == k].sum() for k in range(5)]
    assert min(positives) > 0.7 * max(positives)


def test_cross_fitted_probabilities_do_not_depend_on_the_held_out_labels():
    g, y, sources = sample(1000)
    folds = source_folds(sources, y, 5)
    before = cross_fit(g, y, sources)
    changed = g.copy()
    changed[folds == 2] += 5.0  # move the held-out logits: other folds' fits move, the fit for fold 2 does not
    expected = fit("platt", g[folds != 2], y[folds != 2]).apply(changed[folds == 2])
    np.testing.assert_allclose(cross_fit(changed, y, sources)[folds == 2], expected)
    assert not np.allclose(before, cross_fit(changed, y, sources))


def test_negative_log_likelihood_of_a_coin_is_log_two():
    assert negative_log_likelihood([0.5, 0.5], [1, 0]) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "magic"},
        {"method": "platt", "a": 1.0},
        {"method": "platt", "a": "x", "b": 1.0},
        {"a": 1.0, "b": 0.0},
        {"method": "platt", "a": -1.0, "b": 0.0},
        {"method": "isotonic", "x": [1, 0], "y": [0, 1]},
        {"method": "isotonic", "x": [0, 1], "y": [0.5, 0.2]},
        ["platt"],
        None,
    ],
)
def test_unusable_stored_calibration_is_refused(bad):
    with pytest.raises(ArgumentError):
        calibrator_from_json(bad)


@pytest.mark.parametrize(("logits", "labels"), [([1.0, 2.0], [1, 1]), ([np.nan, 1.0], [0, 1]), ([1.0], [0, 1])])
def test_unusable_rows_are_refused(logits, labels):
    with pytest.raises(ArgumentError):
        fit("platt", logits, labels)


def test_the_method_asked_for_is_taken_also_where_nothing_can_be_held_out():
    g, y, _ = sample(300)
    one = np.where(y, "museum", "shop").tolist()
    for method in METHODS:
        assert choose(g, y, one, methods=(method,)).to_json()["method"] == method
    assert choose(g, y, one).to_json()["method"] == "platt"


def test_what_cannot_be_chosen_from_is_refused():
    g, y, sources = sample(300)
    for change in ({"methods": ("beta",)}, {"methods": ()}, {"n_folds": 0}):
        with pytest.raises(ArgumentError):
            choose(g, y, sources, **change)
    with pytest.raises(ArgumentError, match="299 sources"):
        cross_fit(g, y, sources[:-1])


def test_a_calibration_says_for_which_prevalence_it_is():
    g, y, sources = sample(300)
    assert choose(g, y, sources, prevalence=0.01).prevalence == 0.01
    assert choose(g, y, sources).prevalence == pytest.approx(y.mean())
