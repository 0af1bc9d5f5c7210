import dataclasses

import numpy as np
import pytest

from tests.evaluation.tables import make_table
from wildvision.errors import ArgumentError
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.recalibrate import recalibrate
from wildvision.models import load_card
from wildvision.models.card_file import parse_card
from wildvision.policy import Flags, Recall


def test_probabilities_of_the_new_card_match_the_frequencies(model):
    table = make_table(1500)
    card, chosen = recalibrate(load_card(model), table, prevalence=None)
    judged = table.where(table.judged)
    p = card.calibration["ivory"].apply(judged.raw[:, 0])
    assert p.mean() == pytest.approx(judged.labels("ivory").mean(), abs=0.01)
    rare, chosen_rare = recalibrate(load_card(model), table, prevalence=0.01)
    y = judged.labels("ivory")
    p = rare.calibration["ivory"].apply(judged.raw[:, 0])
    assert 0.01 * p[y].mean() + 0.99 * p[~y].mean() == pytest.approx(0.01, abs=0.002)
    assert chosen_rare["ivory"]["prevalence"] == 0.01
    assert set(chosen["ivory"]["out_of_fold_nll"]) == {"temperature", "platt", "isotonic"}


def test_the_new_card_reads_back_and_keeps_the_weights(model):
    old = load_card(model)
    card, _ = recalibrate(old, make_table(600), review=Recall(0.9), block=Flags(30, 1e-4))
    assert parse_card(card.to_json()) == card
    assert card.weights == old.weights
    assert card.provenance["ivory"]["block_target"] == "flags:30@0.0001"
    assert card.provenance["ivory"]["guarantee"]["coverage"] == 0.9
    assert not old.provenance.get("ivory")


def test_a_group_with_few_photographs_is_fitted_on_renders_too_and_says_so(model):
    table = make_table(800)
    horn = table.labels("rhino_horn")
    half = dataclasses.replace(table, synthetic=horn & (np.cumsum(horn) > 3))
    card, chosen = recalibrate(load_card(model), half)
    assert chosen["rhino_horn"]["basis"] == "photographs and renders"
    assert card.provenance["ivory"]["basis"] == "photographs"
    assert card.provenance["rhino_horn"]["n_positives"] > 3


def test_review_thresholds_go_by_everyday_photos_where_there_are_enough(model):
    table = make_table(6000)
    raw = table.raw.copy()
    raw[table.leaf == "bone_antler", table.groups.index("ivory")] += 8
    hard = dataclasses.replace(table, raw=raw)
    few = hard.where(hard.leaf != "everyday")
    kept, lost = (recalibrate(load_card(model), t, methods=("platt",))[0].provenance["ivory"] for t in (hard, few))
    assert kept["review_target"].endswith("of everyday photos")
    assert not lost["review_target"].endswith("of everyday photos")
    assert kept["recall"]["review"] > lost["recall"]["review"] + 0.2
    assert "of everyday photos" in judge_across_sources(hard).policy
    assert "of everyday photos" not in judge_across_sources(few).policy


def test_a_group_without_positives_keeps_what_the_card_has(model):
    old = load_card(model)
    table = make_table(600)
    card, chosen = recalibrate(old, table.where(table.group != "hornbill_casque"))
    assert "hornbill_casque" not in chosen
    assert card.calibration["hornbill_casque"] == old.calibration["hornbill_casque"]
    assert card.operating_points["hornbill_casque"] == old.operating_points["hornbill_casque"]


def test_nothing_to_calibrate_on_is_an_error(model):
    table = make_table(100)
    with pytest.raises(ArgumentError, match=r"nothing .*ivory: no photos of it with a sure label"):
        recalibrate(load_card(model), table.where(table.group == "none"))


def test_no_promise_is_made_on_photos_that_the_model_was_trained_on(model):
    old, table = load_card(model), make_table(600)
    seen = sorted(set(table.source.tolist()))[:1]
    taught = dataclasses.replace(old, training={"recipe": {"folds": [seen]}})
    own = dataclasses.replace(table, model=old.model_id)
    assert "guarantee" in recalibrate(old, own, review=Recall(0.9))[0].provenance["ivory"]
    assert "guarantee" not in recalibrate(taught, own, review=Recall(0.9))[0].provenance["ivory"]
