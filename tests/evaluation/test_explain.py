import numpy as np
import pytest

from wildvision.errors import ArgumentError
from wildvision.evaluation.explain import Energy, Explained, energy_in_boxes, explain_rows, pointing
from wildvision.evaluation.manifest import read_manifest
from wildvision.models import find_model, load_network


@pytest.fixture(scope="module")
def network(model):
    return load_network(find_model(model))


def test_energy_in_boxes_by_hand():
    evidence = np.zeros((10, 10), np.float32)
    evidence[2, 2], evidence[8, 8] = 3.0, 1.0
    energy = energy_in_boxes(evidence, [[0, 0, 5, 5], [1, 1, 4, 4]])  # the second adds nothing
    assert (energy.inside, energy.chance) == (0.75, 0.25)
    even = energy_in_boxes(np.ones((10, 10), np.float32), [[0, 0, 5, 4]])
    assert even.inside == pytest.approx(even.chance)
    assert energy_in_boxes(np.zeros((4, 4), np.float32), [[0, 0, 2, 2]]).inside == 0.0
    with pytest.raises(ArgumentError):
        energy_in_boxes(evidence, [])


def test_explanations_are_checked_on_rows_with_boxes_only(network, classifier, manifest):
    rows = read_manifest(manifest)
    found = pointing(explain_rows(network, classifier.card.input, rows, manifest.parent), resamples=20)
    assert {(p.part, p.group) for p in found} == {
        (part, group) for part in ("real", "synthetic") for group in ("ivory", "python_skin")
    }
    by_part = {p.part: p for p in found if p.group == "ivory"}
    for part, synthetic in (("real", False), ("synthetic", True)):
        expected = sum(r["group"] == "ivory" and (r["synthetic"] == "1") == synthetic for r in rows)
        assert by_part[part].n == expected
    assert by_part["real"].chance == pytest.approx(0.5 * 0.5 * 0.75 * 0.8, abs=0.02)
    filled = [{**r, "boxes": '[{"box": [0, 0, 100, 80]}]'} for r in rows]
    assert pointing(explain_rows(network, classifier.card.input, filled, manifest.parent)) == ()


def test_boxes_beside_the_photo_are_said_and_not_measured(network, classifier, manifest, caplog):
    beside = [{**r, "boxes": '[{"box": [900, 900, 950, 950]}]'} for r in read_manifest(manifest)[:1]]
    assert explain_rows(network, classifier.card.input, beside, manifest.parent) == []
    assert "no box of 0.jpg covers a pixel" in caplog.text


def test_the_share_in_the_boxes_against_chance_by_hand():
    def explained(source, inside, chance):
        return Explained("real", "ivory", source, "1", Energy(inside, chance))

    rows = [explained("a", 0.8, 0.2), explained("b", 0.4, 0.4), explained("c", 1.0, 0.6)]
    (found,) = pointing(rows, resamples=200)
    assert (found.n, found.n_sources, found.n_filled) == (2, 2, 1)
    assert (found.energy, found.chance) == pytest.approx((0.6, 0.3))
    assert found.ratio.value == pytest.approx(2.0)
    assert (found.ratio.low, found.ratio.high) == pytest.approx((1.0, 4.0))  # one source drawn twice


def test_unusable_boxes_are_refused():
    for boxes in ([[0, 0, 10]], [], [[0, 0, np.nan, 5]]):
        with pytest.raises(ArgumentError, match="finite boxes"):
            energy_in_boxes(np.ones((9, 9), np.float32), boxes)
