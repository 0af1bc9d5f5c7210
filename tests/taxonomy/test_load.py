"""The loader accepts a consistent file and names the key path and the mend of every planted fault."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wildvision.errors import TaxonomyError
from wildvision.taxonomy import CitesStatus, load_taxonomy, parse_taxonomy

DAY = datetime.date(2025, 12, 5)
SMALL: dict[str, Any] = {
    "schema": "wildvision-taxonomy/1",
    "version": "7",
    "sources": {"book": {"title": "A book", "url": "https://example.org/book"}},
    "groups": {
        "shell": {
            "title": {"en": "shell", "zh": "壳"},
            "leaves": {"shell_raw": {"title": {"en": "raw shell", "zh": "原壳"}}},
            "lookalikes": {"plastic": {"en": "It bends.", "zh": "可弯。"}},
            "cites": {
                "status": "appendix_I",
                "as_of": DAY,
                "sources": ["book"],
                "listings": [{"taxon": "Testa testa", "appendix": "I"}],
            },
            "references": ["book"],
            "hints": [{"en": "Warm.", "zh": "温润。"}],
            "notice": {"en": "Listed.", "zh": "已列入。"},
        }
    },
    "lookalikes": {
        "plastic": {
            "title": {"en": "plastic", "zh": "塑料"},
            "cites": {"status": "unlisted_lookalike", "as_of": DAY, "sources": ["book"]},
        }
    },
}


def dump(data: object) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def test_a_consistent_file_gives_typed_access() -> None:
    taxonomy = parse_taxonomy(dump(SMALL))
    shell = taxonomy.groups["shell"]
    assert taxonomy.version == "7"
    assert taxonomy.class_names == ("shell_raw", "plastic")
    assert (taxonomy.group_of("shell_raw"), taxonomy.group_of("plastic")) == ("shell", None)
    assert shell.lookalikes == ("plastic",)
    assert shell.distinctions["plastic"]["zh"] == "可弯。"
    assert shell.cites.status is CitesStatus.APPENDIX_I
    assert shell.cites.as_of == DAY
    assert shell.cites.sources[0].url == "https://example.org/book"
    assert shell.cites.listings[0].unverified is False
    assert taxonomy.classes["shell_raw"].cites == shell.cites


Edit = Callable[[dict[str, Any]], None]


def put(*path: Any, value: Any) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return edit


def drop(*path: Any) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return edit


SHELL = ("groups", "shell")
PLASTIC = ("lookalikes", "plastic")
LEAF = {"title": {"en": "x", "zh": "x"}}
FAULTS: dict[str, tuple[Edit, str]] = {
    "unknown top key": (put("colour", value=1), r"top level: unknown key 'colour'"),
    "misspelt key": (put(*SHELL, "notise", value="x"), r"groups\.shell: unknown key 'notise'; did you mean 'notice'"),
    "missing key": (drop(*SHELL, "hints"), r"groups\.shell: missing 'hints'"),
    "missing translation": (drop(*SHELL, "notice", "zh"), r"groups\.shell\.notice: missing 'zh'"),
    "empty translation": (put(*SHELL, "title", "zh", value=" "), r"groups\.shell\.title\.zh: must be a non-empty text"),
    "missing hint translation": (drop(*SHELL, "hints", 0, "en"), r"groups\.shell\.hints\[0\]: missing 'en'"),
    "third language": (put(*SHELL, "title", "fr", value="x"), r"groups\.shell\.title: unknown key 'fr'"),
    "text that YAML reads as a number": (
        put("version", value=1.0),
        r"version: must be a non-empty text, received 1\.0",
    ),
    "newer schema": (put("schema", value="wildvision-taxonomy/2"), r"schema: must be one of wildvision-taxonomy/1"),
    "dangling look-alike": (
        put(*SHELL, "lookalikes", "glas", value={"en": "x", "zh": "x"}),
        r"groups\.shell\.lookalikes\.glas: is no look-alike; .* choose from plastic",
    ),
    "look-alike that no group lists": (
        put("lookalikes", "glass", value=SMALL["lookalikes"]["plastic"]),
        r"lookalikes\.glass: no group lists it",
    ),
    "dangling source": (
        put(*PLASTIC, "cites", "sources", value=["bok"]),
        r"plastic\.cites\.sources\[0\]: must be one of book",
    ),
    "source that nothing cites": (
        put("sources", "film", value={"title": "x", "url": "https://example.org"}),
        r"sources\.film: nothing cites it",
    ),
    "no sources": (put(*SHELL, "cites", "sources", value=[]), r"cites\.sources: must be a non-empty list"),
    "insecure url": (put("sources", "book", "url", value="http://x"), r"sources\.book\.url: must start with https"),
    "unknown status": (put(*SHELL, "cites", "status", value="banned"), r"cites\.status: must be one of appendix_I"),
    "product without listed status": (
        put(*SHELL, "cites", "status", value="unlisted_lookalike"),
        r"groups\.shell\.cites: a product group needs a listed status",
    ),
    "product without listings": (drop(*SHELL, "cites", "listings"), r"groups\.shell\.cites: .* listings"),
    "listed look-alike": (
        put(*PLASTIC, "cites", "status", value="appendix_I"),
        r"plastic\.cites\.status: a look-alike is",
    ),
    "unknown appendix": (
        put(*SHELL, "cites", "listings", 0, "appendix", value="IV"),
        r"listings\[0\]\.appendix: must be one of",
    ),
    "flag that is no flag": (
        put(*SHELL, "cites", "listings", 0, "unverified", value="yes"),
        r"unverified: must be true or false",
    ),
    "day that is no day": (put(*SHELL, "cites", "as_of", value="soon"), r"groups\.shell\.cites\.as_of: must be a day"),
    "leaf of the same name as a group": (put(*SHELL, "leaves", "shell", value=LEAF), r"'shell' names two things"),
    "leaf of the same name as a look-alike": (
        put(*SHELL, "leaves", "plastic", value=LEAF),
        r"'plastic' names two things",
    ),
    "name that YAML reads as a flag": (
        put(*SHELL, "leaves", True, value=LEAF),
        r"groups\.shell\.leaves: True is no name",
    ),
    "groups as a list": (put("groups", value=["shell"]), r"groups: must be a non-empty mapping"),
    "no leaves": (put(*SHELL, "leaves", value={}), r"groups\.shell\.leaves: must be a non-empty mapping"),
}


@pytest.mark.parametrize(("edit", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_an_error_with_key_path_and_mend(edit: Edit, message: str) -> None:
    data = copy.deepcopy(SMALL)
    edit(data)
    with pytest.raises(TaxonomyError, match=message):
        parse_taxonomy(dump(data))


def test_a_leaf_in_two_groups_is_an_error() -> None:
    data = copy.deepcopy(SMALL)
    data["groups"]["coral"] = copy.deepcopy(data["groups"]["shell"])
    with pytest.raises(TaxonomyError, match=r"groups\.coral\.leaves\.shell_raw: is a leaf of 'shell' too"):
        parse_taxonomy(dump(data))


def test_a_key_written_twice_is_an_error_with_its_line() -> None:
    with pytest.raises(TaxonomyError, match=r"line 2: duplicate key 'version'"):
        parse_taxonomy('schema: wildvision-taxonomy/1\nversion: "1"\nversion: "2"\n')


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_an_error(text: str) -> None:
    with pytest.raises(TaxonomyError, match="top level: must be a non-empty mapping"):
        parse_taxonomy(text)


@pytest.mark.parametrize("text", ["? [a, b]\n: c\n", "as_of: 2025-13-40\n", "!!python/object:os.system x"])
def test_yaml_that_cannot_be_built_is_a_taxonomy_error(text: str) -> None:
    with pytest.raises(TaxonomyError, match="not valid YAML"):
        parse_taxonomy(text)


def test_broken_yaml_is_a_taxonomy_error() -> None:
    with pytest.raises(TaxonomyError, match="not valid YAML"):
        parse_taxonomy("groups: [")


def test_a_file_of_ones_own_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(dump(SMALL), encoding="utf-8")
    assert load_taxonomy(path).version == "7"
    with pytest.raises(TaxonomyError, match=r"cannot read the taxonomy .*nowhere\.yaml"):
        load_taxonomy(tmp_path / "nowhere.yaml")
