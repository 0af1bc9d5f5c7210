"""The taxonomy that ships: names in output order, complete facts, and wording that accuses nobody."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from wildvision.taxonomy import CitesStatus, load_taxonomy

TAXONOMY = load_taxonomy()


def test_names_and_order_are_those_of_the_trained_models() -> None:
    assert TAXONOMY.group_names == ("ivory", "python_skin", "rhino_horn", "hornbill_casque")
    assert TAXONOMY.leaf_names == (
        "ivory_raw",
        "ivory_worked",
        "python_skin_raw",
        "python_skin_goods",
        "rhino_horn_raw",
        "rhino_horn_worked",
        "hornbill_casque_raw",
        "hornbill_casque_worked",
    )
    assert TAXONOMY.lookalike_names == (
        "bone_antler",
        "resin_plastic",
        "ceramic_stone",
        "wood_carving",
        "bovine_horn",
        "other_reptile_leather",
        "plain_leather",
        "metal_glass",
        "live_animal",
        "everyday",
    )
    assert TAXONOMY.class_names == TAXONOMY.leaf_names + TAXONOMY.lookalike_names


def test_it_is_read_once() -> None:
    assert load_taxonomy() is TAXONOMY


def test_it_cannot_be_changed_by_a_caller() -> None:
    with pytest.raises(TypeError):
        TAXONOMY.groups["tiger"] = TAXONOMY.groups["ivory"]  # type: ignore[index]


def test_every_leaf_belongs_to_the_group_that_lists_it() -> None:
    for name, group in TAXONOMY.groups.items():
        assert all(TAXONOMY.group_of(leaf) == name for leaf in group.leaves)
    assert all(TAXONOMY.group_of(leaf) is None for leaf in TAXONOMY.lookalike_names)
    with pytest.raises(KeyError, match="unknown leaf 'ivroy_raw'; choose from ivory_raw"):
        TAXONOMY.group_of("ivroy_raw")


@pytest.mark.parametrize(
    ("group", "status"),
    [
        ("ivory", CitesStatus.APPENDIX_I),
        ("python_skin", CitesStatus.APPENDIX_II_PERMIT),
        ("rhino_horn", CitesStatus.APPENDIX_I),
        ("hornbill_casque", CitesStatus.APPENDIX_I),
    ],
)
def test_listing_of_each_group(group: str, status: CitesStatus) -> None:
    assert TAXONOMY.groups[group].cites.status is status


def test_unconfirmed_facts_are_flagged() -> None:
    flagged = {i.taxon for leaf in TAXONOMY.classes.values() for i in leaf.cites.listings if i.unverified}
    assert {"Mammuthus primigenius", "Odobenus rosmarus", "Ceratotherium simum simum (Namibia)"} <= flagged
    assert not {"Elephas maximus", "Loxodonta spp.", "Rhinoplax vigil", "Pythonidae spp."} & flagged


def test_the_wording_never_claims_an_offence() -> None:
    text = resources.files("wildvision.taxonomy").joinpath("taxonomy.yaml").read_text(encoding="utf-8")
    assert not re.findall(r"illegal|unlawful|crime|非法|违法|犯罪", text, flags=re.IGNORECASE)
    for group in TAXONOMY.groups.values():
        assert group.suspicion.en.startswith("suspected ") and "CITES" in group.suspicion.en
        assert group.suspicion.zh.startswith("疑似") and "CITES" in group.suspicion.zh


def test_chinese_texts_are_chinese() -> None:
    texts = [leaf.title for leaf in TAXONOMY.classes.values()]
    for group in TAXONOMY.groups.values():
        texts += [group.title, group.notice, *group.hints, *group.distinctions.values()]
    assert all(re.search(r"[\u4e00-\u9fff]", text.zh) for text in texts)
    assert not any(re.search(r"[\u4e00-\u9fff]", text.en) for text in texts)


def test_a_text_knows_only_its_languages() -> None:
    title = TAXONOMY.groups["ivory"].title
    assert (title["en"], title["zh"]) == (title.en, title.zh)
    with pytest.raises(KeyError, match="no text in 'fr'; choose from en, zh"):
        title["fr"]
