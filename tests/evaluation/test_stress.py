import dataclasses
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from wildvision.errors import ArgumentError
from wildvision.evaluation.manifest import read_manifest
from wildvision.evaluation.scores import score_table
from wildvision.evaluation.stress import CLEAN, corruption_costs, draw_rows, stress
from wildvision.models import Classifier
from wildvision.policy import Isotonic


def test_costs_come_per_part_group_corruption_and_strength(classifier, manifest):
    rows = read_manifest(manifest)
    stressed = stress(classifier, rows, manifest.parent, names=["mirror", "inverted"], strengths=[1, 2])
    costs = corruption_costs([stressed], resamples=20)
    keys = [(c.part, c.group, c.corruption, c.strength) for c in costs]
    assert len(keys) == len(set(keys)) == 2 * 2 * 2 * 2
    assert {c.group for c in costs} == {"ivory", "python_skin"}
    for c in costs:
        assert c.n_positives == sum(
            r["group"] == c.group and (r["synthetic"] == "1") == (c.part == "synthetic") for r in rows
        )
        assert all(0 <= rate <= 1 for rate in (c.recall_clean, c.recall, c.recall_fixed, c.fpr_fixed))
        assert c.lost.value == pytest.approx(c.recall_clean - c.recall)
        assert c.lost.low is None or c.lost.low <= c.lost.high
    assert corruption_costs([]) == ()


def scores_of(fold, ivory, none):
    """One fold's ranking of ``ivory`` and ``none`` logits, as a table."""
    rows = [
        {"path": f"{fold}-{group}-{i}", "source": f"{fold}", "object_id": f"{group}{i}", "group": group, "leaf": ""}
        for group, n in (("ivory", len(ivory)), ("none", len(none)))
        for i in range(n)
    ]
    for row in rows:
        row["trust"] = "high"
    raw = np.array([*ivory, *none])[:, None]
    return score_table(rows, raw, np.empty((len(rows), 0)), groups=("ivory",), leaves=(), fold=np.full(len(rows), fold))


def test_each_fold_is_ranked_against_its_own_negatives():
    """The second fold's logits lie 100 higher; by hand: 1 of 2 and 1 of 1 found clean, none and 1 when corrupted."""
    one = {CLEAN: scores_of(0, [3.0, 1.0], [2.0, 0.0]), ("jpeg", 2): scores_of(0, [1.0, 1.0], [2.0, 0.0])}
    two = {CLEAN: scores_of(1, [103.0], [102.0]), ("jpeg", 2): scores_of(1, [102.5], [102.0])}
    (cost,) = corruption_costs([one, two], resamples=50)
    assert (cost.n_positives, cost.n_sources, cost.n_negatives) == (3, 2, 3)
    assert (cost.recall_clean, cost.recall) == pytest.approx((2 / 3, 1 / 3))
    assert cost.lost.value == pytest.approx(1 / 3)
    assert cost.lost.low < cost.lost.value < cost.lost.high
    assert (cost.recall_fixed, cost.fpr_fixed) == (0.0, 0.0)  # 1.0 is below 3.0, 102.5 below 103.0


def test_what_corruptions_cost_does_not_depend_on_the_calibration(classifier, manifest):
    rows = read_manifest(manifest)
    flat = Isotonic((-1.0, 1.0), (0.5, 0.5))  # says the same of every photo
    card = dataclasses.replace(classifier.card, calibration=dict.fromkeys(classifier.card.groups, flat))
    other = Classifier(card, classifier._backend)
    one, two = (stress(c, rows, manifest.parent, names=["mirror"], strengths=[2]) for c in (classifier, other))
    assert corruption_costs([one], resamples=9) == corruption_costs([two], resamples=9)


def test_the_suite_is_seeded(classifier, manifest):
    rows = read_manifest(manifest)[:8]
    run = lambda seed: stress(classifier, rows, manifest.parent, names=["occlusion"], seed=seed)  # noqa: E731
    one, again, other = (run(seed)["occlusion", 2].raw.tolist() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_a_camera_s_photo_is_corrupted_in_the_size_of_a_platform_s(classifier, tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        "wildvision.evaluation.stress.corrupt", lambda image, *_, **__: sizes.append(image.shape) or image
    )
    for name, size in (("large.png", (3200, 2000)), ("small.png", (90, 60))):
        Image.new("RGB", size).save(tmp_path / name)
    rows = [
        dict.fromkeys(("leaf", "source", "object_id"), "x") | {"group": "none"} | {"path": n}
        for n in ("large.png", "small.png")
    ]
    stress(classifier, rows, tmp_path, names=["mirror"], strengths=[1])
    assert sizes == [(800, 1280, 3), (60, 90, 3)]


def test_unknown_corruptions_are_refused_before_anything_runs(classifier, manifest):
    with pytest.raises(ArgumentError, match="sepia"):
        stress(classifier, [], manifest.parent, names=["sepia"])


def test_rows_are_drawn_in_turn_from_sources_without_doubtful_labels():
    rows = [
        {"path": f"{s}{i}", "group": "ivory", "leaf": "ivory_worked", "source": s, "trust": "high"}
        for s, n in (("big", 50), ("small", 3))
        for i in range(n)
    ]
    rows += [{**rows[0], "path": "x", "group": "ambiguous"}, {**rows[0], "path": "y", "trust": "low"}]
    drawn = draw_rows(rows, 10)
    assert Counter(r["source"] for r in drawn) == {"big": 7, "small": 3}
    assert draw_rows(rows, 10) == drawn
    assert {r["path"] for r in draw_rows(rows, 1000)}.isdisjoint({"x", "y"})


def test_rows_without_leaves_are_drawn_from_every_group():
    rows = [
        {"path": f"{group}{i}", "group": group, "leaf": "", "source": "shop"}
        for group, n in (("none", 90), ("ivory", 5), ("rhino_horn", 5))
        for i in range(n)
    ]
    assert Counter(r["group"] for r in draw_rows(rows, 4)) == {"none": 4, "ivory": 4, "rhino_horn": 4}
