"""``wildvision taxonomy`` shows every group and class, and every fact of a group, in both languages."""

from __future__ import annotations

import pytest

from wildvision.cli import main
from wildvision.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()


def test_the_overview_names_every_group_and_class(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*TAXONOMY.group_names, *TAXONOMY.class_names))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", TAXONOMY.group_names)
def test_a_group_is_shown_with_everything_a_reviewer_needs(
    name: str, lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["taxonomy", name, "--lang", lang]) == 0
    shown = capsys.readouterr().out
    group = TAXONOMY.groups[name]
    texts = [group.title, group.notice, *group.hints, *group.distinctions.values()]
    assert all(text[lang] in shown for text in texts)
    assert str(group.cites.status) in shown and str(group.cites.as_of) in shown
    assert all(source.url in shown for source in (*group.cites.sources, *group.references))
    assert shown.count("(unverified)") == sum(listing.unverified for listing in group.cites.listings)


def test_an_unknown_group_is_one_line_with_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy", "tiger"]) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "wildvision: error: unknown group 'tiger'; choose from ivory, python_skin, rhino_horn, hornbill_casque\n"
    )
    assert captured.out == ""
