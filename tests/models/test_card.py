from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wildvision.errors import ModelError
from wildvision.models import ModelCard, read_card, write_card
from wildvision.policy.calibration import Isotonic
from wildvision.taxonomy import load_taxonomy


@pytest.fixture
def card(tiny: Path) -> ModelCard:
    return read_card(tiny / "tiny.json")


def rewritten(tiny: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = tiny / "tiny.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return path


def test_a_written_card_reads_back_equal(card: ModelCard, tmp_path: Path) -> None:
    full = dataclasses.replace(
        card,
        calibration={**card.calibration, "ivory": Isotonic(x=(-1.0, 2.0), y=(0.1, 0.8))},
        provenance={group: {"target": "precision 0.95", "photos": 812} for group in card.groups},
        metrics={"auroc": {"ivory": [0.91, 0.88, 0.94]}},
        training={"data": "none", "说明": "无"},
    )
    write_card(full, tmp_path / "card.json")
    assert read_card(tmp_path / "card.json") == full


def test_a_card_that_cannot_be_written_leaves_the_old_one(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "card.json"
    write_card(card, path)

    def full(self: Path, *_: object, **__: object) -> int:
        with self.open("w") as file:
            file.write("{")
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        write_card(dataclasses.replace(card, licence="MIT"), path)
    assert read_card(path) == card
    assert [p.name for p in tmp_path.glob("*card*")] == ["card.json"]


def test_model_id_names_kind_name_and_hash(card: ModelCard) -> None:
    assert card.model_id == f"wildvision-classifier-tiny@sha256:{card.weights.sha256}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema="wildvision-card/2"), "newer.*pip install --upgrade"),
        (lambda c: c.update(schema="wildvision-card/0"), "reads cards of schema"),
        (lambda c: c.update(schema="somebody-else/1"), "has schema"),
        (lambda c: c.pop("schema"), "has schema"),
        (lambda c: c.update(extra=1), r"unknown keys \['extra'\]"),
        (lambda c: c["input"].update(crop=0.9), r"input has unknown keys \['crop'\]"),
        (lambda c: c["weights"].update(url="x"), r"weights has unknown keys"),
        (lambda c: c["calibration"]["ivory"].update(c=1), r"'ivory' has unknown keys \['c'\]"),
        (lambda c: c.pop("licence"), r"lacks \['licence'\]"),
        (lambda c: c.update(name=3), "'name' of the card must be str"),
        (lambda c: c["weights"].update(bytes=True), "'bytes' of weights must be int"),
        (lambda c: c.update(name="../up"), "name is lower-case"),
        (lambda c: c.update(kind="segmenter"), "kind must be one of"),
        (lambda c: c["input"].update(resize="stretch"), "resize"),
        (lambda c: c["input"].update(mean=["a", 0, 0]), "unusable"),
        (lambda c: c["classes"].update(groups=[]), "distinct names"),
        (lambda c: c["classes"].update(leaves=["a", "a"]), "distinct names"),
        (lambda c: c["classes"].update(leaves=["a", 1]), "distinct names"),
        (lambda c: c["calibration"].pop("ivory"), "calibration must name the groups"),
        (lambda c: c["calibration"].update(ivory={"method": "magic"}), "magic"),
        (lambda c: c["calibration"].update(ivory=3), "unusable"),
        (lambda c: c["operating_points"].pop("ivory"), "operating_points must name the groups"),
        (lambda c: c["operating_points"]["ivory"].update(review=1.5), "review threshold"),
        (lambda c: c["operating_points"]["ivory"].update(review=0.95), "must not exceed"),
        (lambda c: c["operating_points"]["ivory"].pop("block"), "'review' and 'block'"),
        (lambda c: c["metrics"].update(auroc=float("nan")), "NaN is not JSON"),
        (lambda c: c["weights"].update(file="model.bin"), "Pickle"),
        (lambda c: c["weights"].update(file="../model.safetensors"), "beside the card"),
        (lambda c: c["weights"].update(file="a\\model.safetensors"), "beside the card"),
        (lambda c: c["weights"].update(sha256="ABC"), "64 lower-case hex"),
        (lambda c: c["weights"].update(bytes=0), "above 0 bytes"),
    ],
)
def test_unusable_cards_are_refused_with_their_path(
    tiny: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = rewritten(tiny, change)
    with pytest.raises(ModelError, match=message) as caught:
        read_card(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "<html></html>", "\ufeff{}"])
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="card"):
        read_card(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ModelError, match="no model card"):
        read_card(path)


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model card"):
        read_card(tmp_path / "none.json")


@pytest.mark.parametrize("metrics", [{"auroc": float("nan")}, {"auroc": {1, 2}}])
def test_what_is_not_json_is_not_written(card: ModelCard, tmp_path: Path, metrics: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="not JSON"):
        write_card(dataclasses.replace(card, metrics=metrics), tmp_path / "card.json")
    assert not (tmp_path / "card.json").exists()


def test_another_version_over_the_same_classes_is_accepted(card: ModelCard) -> None:
    dataclasses.replace(card, taxonomy_version="0.9").check_taxonomy(load_taxonomy())


@pytest.mark.parametrize(
    ("leaves", "message"),
    [
        (lambda leaves: leaves[:-1], r"only in the library: \['everyday'\]"),
        (lambda leaves: (*leaves, "coral"), r"only in the model: \['coral'\]"),
        (lambda leaves: leaves[::-1], "another order"),
    ],
)
def test_other_classes_than_the_librarys_are_refused(
    card: ModelCard, leaves: Callable[[tuple[str, ...]], tuple[str, ...]], message: str
) -> None:
    other = dataclasses.replace(card, leaves=leaves(card.leaves))
    with pytest.raises(ModelError, match=message):
        other.check_taxonomy(load_taxonomy())
