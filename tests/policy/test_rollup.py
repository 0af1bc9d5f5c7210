import pytest

from wildvision.errors import ArgumentError
from wildvision.policy import Certainty, roll_up
from wildvision.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()


def finding(group="ivory", **leaves):
    scores = {g: 0.9 if g == group else 0.05 for g in TAXONOMY.group_names}
    return roll_up(scores, {name: leaves.get(name, 0.0) for name in TAXONOMY.class_names}, TAXONOMY)


def test_a_clear_leaf_is_named():
    found = finding(ivory_worked=0.9, bone_antler=0.1)
    assert (found.group, found.leaf, found.certainty) == ("ivory", "ivory_worked", Certainty.LEAF)
    assert found.text.en.startswith("suspected")


def test_two_close_leaves_of_one_group_leave_the_leaf_open():
    found = finding(ivory_worked=0.5, ivory_raw=0.4, bone_antler=0.1)
    assert (found.leaf, found.certainty) == (None, Certainty.GROUP)


def test_a_close_lookalike_leaves_the_source_undetermined_in_both_languages():
    found = finding(ivory_worked=0.45, bone_antler=0.4, everyday=0.15)
    assert (found.leaf, found.certainty, found.lookalike) == (None, Certainty.UNDETERMINED, "bone_antler")
    assert found.margin == pytest.approx(0.05)
    assert "source undetermined" in found.text.en
    assert "来源未定" in found.text.zh


def test_leaves_of_the_group_count_together_against_the_lookalike():
    assert finding(ivory_worked=0.35, ivory_raw=0.3, bone_antler=0.35).certainty is Certainty.GROUP


def test_no_text_claims_an_offence():
    for group in TAXONOMY.group_names:
        for leaf in TAXONOMY.groups[group].leaves:
            assert "illegal" not in finding(group, **{leaf: 1.0}).text.en


def test_scores_of_an_unscored_photo_are_refused():
    with pytest.raises(ArgumentError, match="ivory"):
        roll_up({}, {}, TAXONOMY)


def test_the_claim_is_about_the_group_that_decided_where_one_is_given():
    scores = dict.fromkeys(TAXONOMY.group_names, 0.05) | {"ivory": 0.3}
    leaves = dict.fromkeys(TAXONOMY.class_names, 0.0) | {"rhino_horn_raw": 0.9}
    assert roll_up(scores, leaves, TAXONOMY).group == "ivory"
    assert roll_up(scores, leaves, TAXONOMY, group="rhino_horn").leaf == "rhino_horn_raw"
    with pytest.raises(ArgumentError, match="unicorn"):
        roll_up(scores, leaves, TAXONOMY, group="unicorn")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": float("nan")}, "probabilities"),
        ({"leaves": 1.5}, "probabilities"),
        ({"lookalike_margin": 1.1}, "lookalike_margin must be in"),
        ({"leaf_margin": float("nan")}, "leaf_margin must be in"),
    ],
)
def test_what_is_no_probability_and_margins_out_of_range_are_refused(change, said):
    scores = dict.fromkeys(TAXONOMY.group_names, change.pop("scores", 0.5))
    leaves = dict.fromkeys(TAXONOMY.class_names, change.pop("leaves", 0.05))
    with pytest.raises(ArgumentError, match=said):
        roll_up(scores, leaves, TAXONOMY, **change)
