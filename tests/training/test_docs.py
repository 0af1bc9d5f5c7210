"""Generated parts of the documents: blocks are replaced in place, and say what the cards and the manifest say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.models.tiny import make_tiny_model
from training import docs
from training.data.manifest import Record, write_manifest
from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.models.card import ModelCard
from wildvision.models.registry import load_card

ROOT = Path(docs.__file__).parent.parent


def estimate(value: float | None) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if value is None else value - 0.05,
        "high": None if value is None else value + 0.05,
    }


def numbers(auroc: float, caveat: str | None = None) -> dict[str, Any]:
    return {
        "auroc": estimate(auroc),
        "recall_at_fpr": {"0.01": estimate(0.5), "0.001": estimate(None)},
        "ece": estimate(0.1),
        "ece_at": {"0.05": estimate(0.02)},
        "n_positives": 12,
        "n_sources": 2,
        "caveat": caveat,
    }


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    return load_card(make_tiny_model(tmp_path_factory.mktemp("model")))


def test_only_the_inside_of_the_block_is_replaced() -> None:
    text = "before\n<!-- metrics:begin (by a command) -->\nold\n<!-- metrics:end -->\nafter\n"
    filled = docs.fill(text, "metrics", ["new", "lines"])
    assert filled == "before\n<!-- metrics:begin (by a command) -->\nnew\nlines\n<!-- metrics:end -->\nafter\n"
    assert docs.fill(filled, "metrics", ["new", "lines"]) == filled


@pytest.mark.parametrize(
    "text", ["", "<!-- metrics:begin -->", "<!-- metrics:end -->", "<!-- metrics:end --><!-- metrics:begin -->"]
)
def test_a_missing_mark_is_an_error(text: str) -> None:
    with pytest.raises(ArgumentError, match="metrics:begin"):
        docs.fill(text, "metrics", [])


def test_real_and_synthetic_numbers_are_apart_and_labelled(card: ModelCard) -> None:
    metrics = {
        "real": {"groups": {"ivory": numbers(0.9, "few positives")}},
        "synthetic": {"groups": {"hornbill_casque": numbers(0.8)}},
    }
    block = "\n".join(docs.metrics_block([dataclasses.replace(card, metrics=metrics)]))
    real, synthetic = block.split("Renders (synthetic")
    assert (
        "| `ivory` | 0.900 [0.850, 0.950] | 0.500 [0.450, 0.550] | undefined | 0.100 [0.050, 0.150] "
        "| 0.020 [-0.030, 0.070] | 12 | 2 |" in real
    )
    assert "- `ivory`: few positives" in real
    assert "| `hornbill_casque` | 0.800 [0.750, 0.850] |" in synthetic
    assert "ivory" not in synthetic


def test_corruptions_and_explanations_stand_with_their_part(card: ModelCard) -> None:
    def cost(part: str, corruption: str, recall: float, strength: int = 2) -> dict[str, Any]:
        row = {"part": part, "group": "ivory", "corruption": corruption, "strength": strength, "n_positives": 9}
        lost = {"value": 0.5 - recall, "low": 0.4 - recall, "high": 0.6 - recall}
        return row | {"n_sources": 2, "recall_clean": 0.5, "recall": recall, "lost": lost}

    ratio = {"value": 2.5, "low": 2.0, "high": 3.0}
    metrics = {
        "real": {"groups": {"ivory": numbers(0.9)}},
        "synthetic": {"groups": {"ivory": numbers(0.8)}},
        "robustness": [cost("real", "jpeg", 0.4), cost("real", "mirror", 0.45), cost("real", "sticker", 0.0, 3)],
        "explanations": [{"part": "synthetic", "group": "ivory", "n": 4, "n_sources": 1, "ratio": ratio}],
    }
    real, synthetic = "\n".join(docs.metrics_block([dataclasses.replace(card, metrics=metrics)])).split(
        "Renders (synth"
    )
    assert "- `ivory`, worst of 2 corruptions at the middle strength: jpeg, 10 [0, 20] points of recall" in real
    assert "lost (n = 9, sources 2)" in real
    assert "explanations" not in real
    assert (
        "- `ivory`, energy of explanations in the boxes: 2.50 [2.00, 3.00] times chance (n = 4, sources 1)" in synthetic
    )


def test_a_card_without_numbers_says_so(card: ModelCard) -> None:
    assert "The card states no metrics." in "\n".join(docs.metrics_block([card]))
    assert "no numbers to show" in "\n".join(docs.metrics_block([]))


def test_a_model_says_what_stands_beside_it(card: ModelCard) -> None:
    others = tuple(f"wildvision-classifier-{name}@sha256:{'0' * 64}" for name in ("one", "two"))
    block = "\n".join(docs.metrics_block([dataclasses.replace(card, partners=others)]))
    assert " with `one` and `two` beside it, " in block


def test_what_thresholds_of_other_sources_do_is_said_also_of_everyday_photos(card: ModelCard) -> None:
    rates = {at: estimate(value) for at, value in (("review", 0.1), ("block", 0.0))}
    everyday = {"everyday": {"n": 9, "review": estimate(0.2), "block": estimate(0.0)}}
    ivory = numbers(0.9) | {"recall": rates, "false_positive_rate": rates, "per_leaf": everyday}
    shown = dataclasses.replace(card, metrics={"real": {"groups": {"ivory": ivory}}})
    for brief in (False, True):
        block = "\n".join(docs.metrics_block([dataclasses.replace(shown, name="default")], brief=brief))
        assert "review finds 0.100 [0.050, 0.150] and flags 10.00 [5.00, 15.00] % of others, 20.00 [15.00" in block
        assert "block finds none and flags none" in block
    assert "".join(docs.metrics_block([dataclasses.replace(shown, name="helper")], brief=True)) == ""


def test_counts_come_from_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        Record(path=f"{i}.jpg", group="ivory", leaf="ivory_raw", source="museum", licence="CC0", redistributable=True)
        for i in range(3)
    ]
    rows.append(Record(path="x.jpg", group="none", leaf="everyday", source="shop", trust="low"))
    write_manifest(tmp_path / "manifest.csv", rows)
    (tmp_path / "datasets.md").write_text("<!-- sources:begin -->\n<!-- sources:end -->\n")
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert docs.main(["sources", str(tmp_path / "manifest.csv")]) == 0
    written = (tmp_path / "datasets.md").read_text()
    assert "4 photos of 2 sources." in written
    assert "| ivory | `ivory_raw` | 3 | 1 | 0 | 0 |" in written
    assert "| none | `everyday` | 1 | 1 | 1 | 0 |" in written
    assert "| `museum` | 3 | ivory_raw 3 | CC0 | yes |" in written
    assert "| `shop` | 1 | everyday 1 | none stated | no |" in written


def test_a_manifest_that_does_not_exist_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["sources", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(("name", "brief"), [("README.md", True), ("docs/numbers.md", False)])
def test_documents_show_the_numbers_of_the_bundled_cards(name: str, brief: bool) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = docs.metrics_block(docs.all_cards(), brief=brief)
    assert docs.fill(text, "metrics", lines) == text, "stale; run: make docs"


DRAWS = ["report", "two_folds", "without_piles", "plain_scores/first", "plain_scores/second"]


def test_a_detector_s_sources_are_told_apart() -> None:
    def share(hits: int, n: int) -> dict[str, Any]:
        return {"hits": hits, "n": n}

    sources = {
        "shop": {"found": share(1, 4), "others": share(0, 9)},
        "street": {"found": share(0, 0), "others": share(2, 7)},
    }
    part = {"per_source": sources, "groups": {}}
    assert list(docs._boxes_by_source(part)) == [
        "- by held-out source, at the review operating points: shop 1 of 4 boxes found, 0 of 9 others with a box; "
        "street 2 of 7 others with a box",
    ]
    assert list(docs._boxes_by_source({"groups": {}})) == []


@pytest.mark.parametrize(
    ("document", "report"),
    [
        ("README.md", "detector/report"),
        ("README.md", "detector-large/report"),
        *(("reports/detector/draws.md", f"detector/{name}") for name in DRAWS),
    ],
)
def test_the_documents_have_every_measurement_of_the_detectors(document: str, report: str) -> None:
    photos = json.loads((ROOT / "reports" / f"{report}.json").read_text(encoding="utf-8"))["real"]
    text = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    assert "{value:.3f} [{low:.3f}, {high:.3f}]".format(**photos["map50"]) in text
    assert f"({photos['n_boxes']} boxes" in text


def test_the_readme_names_the_source_of_the_larger_detectors_false_boxes() -> None:
    report = json.loads((ROOT / "reports/detector-large/report.json").read_text(encoding="utf-8"))
    elsewhere = report["thresholds_of_other_folds"]
    clothes = elsewhere["per_source"]["clothing-dataset-small"]["others"]["hits"]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{clothes} of the {elsewhere['everyday_with_boxes']['hits']} in the source of clothes" in text


def test_the_readme_explains_every_status() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [status for status in Status if f"| `{status}` |" not in text] == []
