import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.evaluation.tables import make_table
from wildvision.errors import ArgumentError
from wildvision.evaluation.bootstrap import cluster_weights
from wildvision.evaluation.judging import judge, judge_across_sources
from wildvision.evaluation.measure import _bounded_ppv, measure
from wildvision.evaluation.metrics import wilson
from wildvision.evaluation.report import write_report
from wildvision.evaluation.scores import score_table
from wildvision.policy import NEVER, OperatingPoint, Platt
from wildvision.policy.targets import ppv
from wildvision.taxonomy import load_taxonomy

POINT = OperatingPoint(review=0.2, block=0.6)


def judged(table):
    return judge(table, {g: Platt() for g in table.groups}, dict.fromkeys(table.groups, POINT))


def evaluation(table, **options):
    return measure(judged(table), model="made-up", resamples=50, **options)


def test_numbers_agree_with_the_table_they_come_from():
    table = make_table(800)
    kept = table.where(table.judged)
    y = kept.labels("ivory")
    blocked = Platt().apply(kept.raw[:, 0]) >= 0.6
    found = evaluation(table).real.groups["ivory"]
    assert found.n_positives == y.sum()
    assert found.n_negatives == (~y).sum()
    assert found.n_sources == len(set(kept.source[y]))
    assert found.recall["block"].value == pytest.approx(blocked[y].mean())
    assert found.false_positive_rate["block"].value == pytest.approx(blocked[~y].mean())
    bone = kept.leaf == "bone_antler"
    assert found.per_leaf["bone_antler"]["block"].value == pytest.approx(blocked[bone].mean())
    assert found.per_leaf["bone_antler"]["n"] == bone.sum()
    assert sum(s["n"] for s in found.per_source.values()) == y.sum()
    assert set(found.per_product_leaf) == set(kept.leaf[y])
    for leaf, numbers in found.per_product_leaf.items():
        rows = kept.leaf == leaf
        assert (numbers["n"], numbers["n_sources"]) == (rows.sum(), len(set(kept.source[rows])))
        assert numbers["block"].value == pytest.approx(blocked[rows].mean())
        alone = kept.where(rows | ~y)
        expected = evaluation(alone).real.groups["ivory"].auroc.value
        assert numbers["auroc"].value == pytest.approx(expected)


def test_every_interval_holds_its_value():
    found = evaluation(make_table(800)).real.groups["python_skin"]
    for e in (found.auroc, found.ece, *found.recall_at_fpr.values(), *found.recall.values()):
        assert 0 <= e.low <= e.high <= 1
    for e in (found.auroc, found.ece, *found.ece_at.values()):
        assert e.low <= e.value <= e.high


def test_ppv_falls_with_the_base_rate_and_never_takes_zero_errors_for_a_rate_of_zero():
    table = make_table(800, skill=100.0)  # separates perfectly
    ppv = evaluation(table).real.groups["ivory"].ppv["block"]
    assert 1 > ppv["0.01"].value > ppv["0.001"].value > ppv["0.0001"].value
    assert ppv["0.0001"].value < 0.1  # 800 photos prove nothing at one in ten thousand


def test_ambiguous_and_low_trust_photos_change_no_number():
    table = make_table(400)
    raw = table.raw.copy()
    raw[~table.judged] = 50.0
    assert evaluation(dataclasses.replace(table, raw=raw)) == evaluation(table)
    left_out = evaluation(table).real.left_out
    assert left_out["ambiguous"] == 5
    assert left_out["low_trust"] > 0


def test_renders_change_no_number_of_the_photographs():
    table = make_table(600, synthetic=0.4)
    raw = table.raw.copy()
    raw[table.synthetic] = np.random.default_rng(1).normal(size=raw[table.synthetic].shape)
    before, after = evaluation(table), evaluation(dataclasses.replace(table, raw=raw))
    assert before.real == after.real
    assert before.synthetic != after.synthetic


def test_a_group_without_positives_is_measured_by_its_false_alarms():
    table = make_table(300)
    table = table.where(table.group != "hornbill_casque")
    found = measure(judged(table), model="m", resamples=20).real.groups["hornbill_casque"]
    fired = judged(table).review[table.judged, table.groups.index("hornbill_casque")].mean()
    assert found.false_positive_rate["review"].value == pytest.approx(fired)
    assert found.n_positives == 0 and "no positives" in found.caveat
    assert {found.auroc.value, found.recall["review"].value, found.ppv["review"]["0.01"].value} == {None}
    assert sum(share["n"] for share in found.per_leaf.values()) == found.n_negatives


def test_a_group_without_positives_and_without_thresholds_is_absent_and_said():
    table = make_table(300)
    part = measure(judge_across_sources(table.where(table.group != "hornbill_casque")), model="m", resamples=5).real
    assert part.absent == ("hornbill_casque",)
    assert "hornbill_casque" not in part.groups


@pytest.mark.parametrize("fitted", [True, False])
def test_photos_whose_labels_are_all_unsure_are_counted_and_give_no_numbers(fitted, tmp_path):
    table = dataclasses.replace(make_table(40), trust=np.full(40, "low"), synthetic=np.arange(40) < 10)
    points = {group: OperatingPoint(0.5, 0.9) for group in table.groups}
    judged = judge_across_sources(table) if fitted else judge(table, dict.fromkeys(table.groups, Platt()), points)
    found = measure(judged, model="m", resamples=5)
    assert (found.real.n, found.real.groups, found.synthetic.groups) == (0, {}, {})
    assert sum(found.real.left_out.values()) == 30
    assert "0 photos of 0 sources" in write_report(found, tmp_path).read_text()


def test_worst_errors_are_the_worst():
    found = evaluation(make_table(400, skill=3.0)).real.groups["ivory"]
    false = [e["probability"] for e in found.worst["false"]]
    missed = [e["probability"] for e in found.worst["missed"]]
    assert false == sorted(false, reverse=True)
    assert missed == sorted(missed)
    assert all(not e["leaf"].startswith("ivory") for e in found.worst["false"])


def test_photos_on_the_right_side_are_no_errors():
    table = make_table(400, skill=60.0)
    found = evaluation(table).real.groups["ivory"]
    assert found.recall_at_fpr["0.01"].value == 1.0
    assert found.worst["missed"] == []
    assert len(found.worst["false"]) <= 0.01 * found.n_negatives


def test_average_precision_is_scikit_learn_s_for_one_model():
    for seed in range(5):
        table = make_table(60, skill=1.0, seed=seed)
        known = table.where(table.judged)
        for k, group in enumerate(table.groups):
            y = known.labels(group)
            if y.any():
                found = evaluation(table).real.groups[group].average_precision.value
                assert found == pytest.approx(average_precision_score(y, known.raw[:, k]), abs=1e-9)


def test_resamples_without_flags_are_not_left_out_of_a_ppv():
    y = np.arange(40) < 20
    flags = np.arange(40) < 2
    weights = cluster_weights([f"s{i}" for i in range(40)], ["o"] * 40, y, resamples=500, rng=np.random.default_rng(0))
    found = _bounded_ppv(flags, y, weights, 0.01, 20, 20)
    assert found.value > 0 == found.low


def test_no_false_flag_among_a_thousand_does_not_make_a_ppv_sure():
    y = np.arange(1200) < 200
    flags = np.arange(1200) < 160
    weights = cluster_weights([f"s{i % 20}" for i in range(1200)], [str(i) for i in range(1200)], y, resamples=300,
                              rng=np.random.default_rng(0))  # fmt: skip
    for base in (1e-2, 1e-3):
        found = _bounded_ppv(flags, y, weights, base, 200, 1000)
        assert found.low == pytest.approx(ppv(0.8, wilson(0, 1000)[1], base))
        assert found.low < found.value < found.high == 1.0


def test_a_ppv_is_no_surer_than_the_recall_of_a_single_object():
    y, flags = np.arange(5002) < 2, np.arange(5002) == 2
    weights = cluster_weights(["s"] * 5002, ["o"] * 2 + [str(i) for i in range(5000)], y, resamples=50,
                              rng=np.random.default_rng(0))  # fmt: skip
    found = _bounded_ppv(flags, y, weights, 0.01, 1, 5000)
    assert found.value == found.low == 0.0
    assert found.high > 0.9


def lopsided(positives: list[str], negatives: list[str], seed: int = 0):
    """Scores of ivory and of everyday photos, three deviations apart, each with its source."""
    rng, taxonomy = np.random.default_rng(seed), load_taxonomy()
    labels = ["ivory"] * len(positives) + ["none"] * len(negatives)
    rows = [
        {"path": f"{i}.jpg", "group": g, "leaf": "everyday" if g == "none" else "ivory_worked", "source": s,
         "object_id": str(i)}
        for i, (g, s) in enumerate(zip(labels, positives + negatives, strict=True))
    ]  # fmt: skip
    raw = rng.normal(0, 1, (len(rows), len(taxonomy.group_names)))
    raw[: len(positives), 0] += 3
    leaves = taxonomy.class_names
    return score_table(rows, raw, np.full((len(rows), len(leaves)), 1 / len(leaves)), groups=taxonomy.group_names,
                       leaves=leaves)  # fmt: skip


def test_a_threshold_that_too_few_sources_are_left_to_show_is_not_measured_as_never():
    shops = [f"shop{i % 5}" for i in range(100)]
    table = lopsided([*shops, *["platform"] * 40], ["platform"] * 3000 + shops[:95])
    judged_so = judge_across_sources(table)
    assert "on the photos themselves for review of ivory," in judged_so.policy
    found = measure(judged_so, model="m", resamples=50).real.groups["ivory"]
    assert 0.004 < found.false_positive_rate["review"].value < 0.02  # as the shipped threshold has it, and not 0
    assert found.recall["review"].value > 0.65


def test_a_group_whose_negatives_have_one_source_is_said_to_be_judged_in_sample():
    policy = judge_across_sources(lopsided([f"shop{i % 5}" for i in range(100)], ["platform"] * 3000)).policy
    assert "on the photos themselves for ivory, whose positives or negatives have too few sources" in policy


def test_folds_with_few_negatives_are_said():
    table = make_table(900, skill=2.0)
    few = np.where(table.labels("ivory") | (np.arange(900) % 50 == 0), 0, 1)
    said = evaluation(dataclasses.replace(table, fold=few)).real.groups["ivory"].caveat
    assert "negatives in one fold: a false-positive rate of 1 % or 0.1 % cannot be told from 0" in said


def test_photos_of_folds_without_negatives_are_counted_and_their_share_is_undefined():
    table = make_table(600, skill=2.0)
    alone = table.labels("ivory") & (table.source == table.source[table.labels("ivory")][0]) & table.judged
    table = dataclasses.replace(table, fold=np.where(alone, 1, 0), source=np.where(alone, "lonely", table.source))
    found = evaluation(table).real.groups["ivory"]
    assert f"{alone.sum()} photos of folds without negatives are not ranked" in found.caveat
    assert found.per_source["lonely"]["fpr_0.01"].value is None


def test_a_group_without_negatives_says_so():
    table = make_table(300)
    assert "no negatives" in evaluation(table.where(table.labels("ivory"))).real.groups["ivory"].caveat


def test_confusion_counts_every_labelled_photo():
    table = make_table(400)
    confusion = evaluation(table).real.confusion
    assert np.sum(confusion["counts"]) == table.judged.sum()


def test_an_evaluation_is_json_and_repeats_itself():
    table = make_table(300, synthetic=0.2)
    text = json.dumps(evaluation(table, seed=3).to_json(), allow_nan=False)
    assert text == json.dumps(evaluation(table, seed=3).to_json(), allow_nan=False)
    assert json.loads(text)["real"]["groups"]["ivory"]["auroc"]["value"] > 0.5


def test_policy_fitted_on_other_sources_ignores_the_labels_it_is_measured_on():
    table = make_table(600)
    source = np.array([f"s{i % 8}" for i in range(600)])
    mixed = dataclasses.replace(table, source=source)
    inside = (source == "s3") & table.judged
    one, other = (np.flatnonzero(inside & (table.labels("ivory") == label))[0] for label in (True, False))
    group = table.group.copy()
    group[[one, other]] = group[[other, one]]
    swapped = dataclasses.replace(mixed, group=group)
    before, after = judge_across_sources(mixed, n_folds=8), judge_across_sources(swapped, n_folds=8)
    assert "themselves" not in before.policy
    assert (before.probabilities[inside, 0] == after.probabilities[inside, 0]).all()
    assert (before.probabilities[~inside, 0] != after.probabilities[~inside, 0]).any()


def test_ranking_numbers_do_not_depend_on_how_the_policy_was_fitted():
    table = make_table(600, skill=4.0)
    crossed = measure(judge_across_sources(table), model="m", resamples=20).real.groups["ivory"]
    plain = measure(judged(table), model="m", resamples=20).real.groups["ivory"]
    assert (crossed.auroc, crossed.recall_at_fpr) == (plain.auroc, plain.recall_at_fpr)
    assert crossed.ece != plain.ece


def test_probabilities_are_for_the_prevalence_asked_for_whatever_the_share_in_the_photos():
    table = make_table(2000, skill=4.0)
    for_data = judge_across_sources(table, prevalence=None)
    rare, as_is, as_if_rare = (
        measure(so, model="m", resamples=20).real.groups["ivory"]
        for so in (
            judge_across_sources(table, prevalence=0.05),
            for_data,
            dataclasses.replace(for_data, prevalences={}),
        )
    )
    share = rare.n_positives / (rare.n_positives + rare.n_negatives)
    assert share > 0.09
    assert rare.ece_at["0.05"].value < 0.02 < as_if_rare.ece_at["0.05"].value
    assert list(as_is.ece_at) == [f"{share:g}"]  # and not one that nobody calibrated for
    assert as_is.ece.value < rare.ece.value
    assert rare.recall == as_is.recall  # thresholds move with the probabilities


def test_positives_of_one_source_are_said_to_be_judged_in_sample():
    table = make_table(400)
    one = dataclasses.replace(table, source=np.where(table.group == "rhino_horn", "seizure", table.source))
    policy = judge_across_sources(one).policy
    assert "on the photos themselves for rhino_horn," in policy


def test_groups_with_few_photographs_are_judged_by_a_policy_of_renders_too_as_their_cards_are():
    table = make_table(900, skill=4.0, synthetic=0.5)
    kept = ~table.labels("rhino_horn") | table.synthetic | (np.cumsum(table.labels("rhino_horn")) <= 4)
    table = table.where(kept)
    both = judge_across_sources(table)
    assert "with renders for rhino_horn;" in both.policy or both.policy.endswith("with renders for rhino_horn")
    column = table.groups.index("rhino_horn")
    photographs = table.where(~table.synthetic)
    alone = judge_across_sources(photographs)
    assert not np.allclose(both.probabilities[~table.synthetic, column], alone.probabilities[:, column])
    ivory = table.groups.index("ivory")
    np.testing.assert_array_equal(both.review[~table.synthetic, ivory], alone.review[:, ivory])


def test_a_missing_operating_point_is_refused():
    table = make_table(20)
    with pytest.raises(ArgumentError, match="rhino_horn"):
        judge(table, {g: Platt() for g in table.groups}, {g: POINT for g in table.groups if g != "rhino_horn"})


def test_flags_that_are_never_raised_are_neither_right_nor_wrong():
    table = make_table(300)
    points = {group: OperatingPoint(review=0.5, block=NEVER) for group in table.groups}
    found = measure(judge(table, dict.fromkeys(table.groups, Platt()), points), model="m", resamples=20)
    ppv = found.real.groups["ivory"].ppv
    assert all(estimate.value is None for estimate in ppv["block"].values())
    assert all(estimate.value is not None for estimate in ppv["review"].values())


def test_a_fold_without_negatives_changes_no_ranking():
    table = make_table(300)
    alone = table.labels("ivory") & (np.arange(len(table)) % 2 == 0) & ~table.synthetic
    split = dataclasses.replace(table, fold=np.where(alone, 7, 0))
    found, rest = (measure(judge_across_sources(t), model="m", resamples=20) for t in (split, split.where(~alone)))
    assert found.real.groups["ivory"].auroc.value == rest.real.groups["ivory"].auroc.value
    assert (
        found.real.groups["ivory"].recall_at_fpr["0.01"].value == rest.real.groups["ivory"].recall_at_fpr["0.01"].value
    )
