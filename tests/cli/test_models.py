"""``wildvision models``: cards are listed and described, and damaged weights never pass as intact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.models.tiny import make_tiny_model
from wildvision.cli import main


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def damaged(intact: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "damaged"
    shutil.copytree(intact, folder)
    weights = folder / "tiny.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return folder


def models(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["models", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_shows_the_bundled_models(
    intact: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wildvision.models.registry.BUNDLED", intact)
    monkeypatch.setattr("wildvision.models.registry.HEADS", intact / "none")
    code, out, _ = models(capsys, "list")
    header, row = (line.split("\t") for line in out.splitlines())
    assert code == 0
    assert header == ["name", "kind", "architecture", "input", "size", "licence", "created", "where"]
    assert (row[:4], row[-1]) == (["tiny", "classifier", "test_efficientnet", "64 px"], "bundled")


def test_info_says_what_the_card_says(intact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = models(capsys, "info", str(intact))
    card = json.loads((intact / "tiny.json").read_text())
    assert code == 0
    assert f"model id: wildvision-classifier-tiny@sha256:{card['weights']['sha256']}" in out
    assert "ivory: review from 0.5000, block from 0.9000" in out
    assert "data: none: random weights for tests" in out
    assert "metrics\n  not stated in the card" in out


def test_info_outlines_nested_numbers(intact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(intact, tmp_path, dirs_exist_ok=True)
    card = json.loads((tmp_path / "tiny.json").read_text())
    card["metrics"] = {"real": {"ivory": {"auroc": 0.9, "interval": [0.8, 0.95]}}}
    (tmp_path / "tiny.json").write_text(json.dumps(card))
    _, out, _ = models(capsys, "info", str(tmp_path))
    assert "metrics\n  real:\n    ivory:\n      auroc: 0.9\n      interval: [0.8, 0.95]\n" in out


def test_info_as_json_is_the_card(intact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = models(capsys, "info", "--json", str(intact))
    assert code == 0
    assert json.loads(out) == json.loads((intact / "tiny.json").read_text())


def test_verify_passes_the_intact_and_fails_the_damaged(
    intact: Path, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = models(capsys, "verify", str(damaged), str(intact))
    assert code == 2
    assert out == f"failed\t{damaged}\nok\t{intact}\n"
    assert "sha256" in err and err.count("\n") == 1


def test_verify_without_names_checks_every_bundled_model(
    intact: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wildvision.models.registry.BUNDLED", intact)
    assert models(capsys, "verify") == (0, "ok\ttiny\n", "")


def test_verify_without_any_model_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wildvision.models.registry.BUNDLED", tmp_path)
    code, out, err = models(capsys, "verify")
    assert (code, out) == (2, "")
    assert "bundles no models" in err


def test_download_prints_the_folder_of_a_checked_model(
    intact: Path, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(capsys, "download", str(intact)) == (0, f"{intact}\n", "")
    code, out, err = models(capsys, "download", str(damaged))
    assert (code, out) == (2, "")
    assert "sha256" in err


def test_an_unknown_model_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = models(capsys, "info", "no-such-model")
    assert (code, out) == (2, "")
    assert "no model 'no-such-model'" in err and err.count("\n") == 1
