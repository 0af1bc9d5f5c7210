import dataclasses
from collections import Counter

import pytest

from wildvision.errors import ArgumentError
from wildvision.evaluation.manifest import read_manifest
from wildvision.evaluation.stress import draw_rows, stress
from wildvision.models import Classifier
from wildvision.policy import Isotonic


def test_costs_come_per_part_group_corruption_and_strength(classifier, manifest):
    rows = read_manifest(manifest)
    costs = stress(classifier, rows, manifest.parent, names=["mirror", "inverted"], strengths=[1, 2])
    keys = [(c["part"], c["group"], c["corruption"], c["strength"]) for c in costs]
    assert len(keys) == len(set(keys)) == 2 * 2 * 2 * 2
    assert {c["group"] for c in costs} == {"ivory", "python_skin"}
    for c in costs:
        assert c["n_positives"] == sum(
            r["group"] == c["group"] and (r["synthetic"] == "1") == (c["part"] == "synthetic") for r in rows
        )
        assert all(0 <= c[name] <= 1 for name in ("recall_clean", "recall", "recall_fixed", "fpr_fixed"))


def test_what_corruptions_cost_does_not_depend_on_the_calibration(classifier, manifest):
    rows = read_manifest(manifest)
    flat = Isotonic((-1.0, 1.0), (0.5, 0.5))  # says the same of every photo
    card = dataclasses.replace(classifier.card, calibration=dict.fromkeys(classifier.card.groups, flat))
    other = Classifier(card, classifier._backend)
    one, two = (stress(c, rows, manifest.parent, names=["mirror"], strengths=[2]) for c in (classifier, other))
    assert one == two


def test_the_suite_is_seeded(classifier, manifest):
    rows = read_manifest(manifest)[:8]
    run = lambda seed: stress(classifier, rows, manifest.parent, names=["occlusion"], seed=seed)  # noqa: E731
    assert run(0) == run(0)


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
