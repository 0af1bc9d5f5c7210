"""``wildvision predict``: one row a photo in input order, failures told apart, nothing lost when piped."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny import make_tiny_model
from wildvision.cli import main
from wildvision.contract import SCHEMA, Decision
from wildvision.models import load_card, write_card
from wildvision.policy import Isotonic
from wildvision.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos of noise and one file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(5):
        noise = np.random.default_rng(i).integers(0, 256, (70, 90, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    (folder / "bad.jpg").write_text("no photo")
    return folder


def predict(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["predict", "--device", "cpu", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def json_rows(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_json_rows_follow_the_contract_in_input_order(
    model: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = predict(capsys, "--json", "--model", model, str(photos / "3.png"), str(photos), "nowhere.jpg")
    rows = json_rows(out)
    names = ["3.png", "0.png", "1.png", "2.png", "3.png", "4.png", "bad.jpg", "nowhere.jpg"]
    assert [Path(str(row["path"])).name for row in rows] == names
    assert [row["status"] for row in rows] == ["ok"] * 6 + ["unreadable", "not_found"]
    assert {row["schema"] for row in rows} == {SCHEMA}
    assert len({str(row["id"]) for row in rows}) == len(rows)
    assert list(rows[0]["scores"]) == list(load_taxonomy().group_names)  # type: ignore[call-overload]
    assert rows[-1]["scores"] is None and rows[-1]["error"]
    assert (code, err) == (1, "")


def test_ids_are_unique_whatever_photos_are_called(
    model: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(photos / "3.png")
    _, out, _ = predict(capsys, "--json", "--model", model, name, name, f"{name}#2", name)
    assert [row["id"] for row in json_rows(out)] == [name, f"{name}#2", f"{name}#2#2", f"{name}#3"]


@pytest.mark.parametrize("batch_size", ["1", "2", "32"])
def test_batch_size_changes_no_score(
    batch_size: str, model: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operands = [str(photos / f"{i}.png") for i in range(5)]
    one_by_one = [predict(capsys, "--json", "--model", model, operand)[1] for operand in operands]
    together = predict(capsys, "--json", "--model", model, "--batch-size", batch_size, *operands)[1]
    for single, batched in zip(json_rows("".join(one_by_one)), json_rows(together), strict=True):
        assert single["path"] == batched["path"]
        assert single["scores"] == pytest.approx(batched["scores"], abs=1e-4)


def test_the_table_has_a_row_for_every_input_and_a_summary(
    model: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = predict(capsys, "--model", model, str(photos))
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == ["file", "group", "probability", "decision", "nearest look-alike", "finding"]
    assert [Path(row[0]).name for row in rows] == [*(f"{i}.png" for i in range(5)), "bad.jpg"]
    assert rows[-1][1:4] == ["-", "-", "unreadable"]
    taxonomy = load_taxonomy()
    for row in rows[:-1]:
        assert row[1] in taxonomy.groups
        assert 0 <= float(row[2]) <= 1
        assert row[3] in list(Decision)
        assert row[4].split()[0] in taxonomy.lookalike_names
        assert bool(row[5]) == (row[3] != "pass")
        assert not row[5] or row[5].startswith("suspected ") or row[5].endswith("-like, source undetermined")
    assert err.startswith("6 photos: ") and "1 failed" in err
    assert code == 1
    suspected = {row[1] for row in rows[:-1] if row[3] != "pass"}
    assert suspected and all(f"{g}: {taxonomy.groups[g].suspicion.en}\n" in err for g in suspected)
    assert "illegal" not in (out + err).lower()


def test_exit_code_is_0_when_every_photo_was_scored(
    model: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(capsys, "--model", model, str(photos / "0.png"))[0] == 0


def test_a_list_on_standard_input(
    model: str, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = f"{photos / '4.png'}\n{photos / '1.png'}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed)))
    rows = json_rows(predict(capsys, "--json", "--model", model, "-")[1])
    assert [Path(str(row["path"])).name for row in rows] == ["4.png", "1.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of arbitrary bytes")
def test_the_row_of_a_name_that_is_not_unicode_is_unicode(
    model: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = tmp_path / os.fsdecode(b"\xff.png")
    name.write_bytes((photos / "0.png").read_bytes())
    (row,) = json_rows(predict(capsys, "--json", "--model", model, str(name))[1])
    assert row["status"] == "ok" and row["id"] == row["path"] == rf"{tmp_path}/\xff.png"  # as `score` writes it
    assert json.dumps(row, ensure_ascii=False).encode()  # no lone surrogate


def test_a_folder_without_photos_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").touch()
    code, out, err = predict(capsys, str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith(f"wildvision: error: no photos in '{tmp_path}'; looked for files ending in ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--model", "no-such-model"], "no-such-model"), (["--device", "abacus"], "abacus")],
)
def test_a_model_or_device_that_does_not_exist_is_one_line_and_exit_code_2(
    options: list[str], message: str, model: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["predict", "--model", model, *options, str(photos / "0.png")])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert message in captured.err and captured.err.count("\n") == 1


def test_small_probabilities_of_a_model_for_rare_products_are_not_shown_as_nothing(
    model: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = load_card(model)
    folder = Path(shutil.copytree(model, tmp_path / "rare"))
    calibration = dict.fromkeys(card.groups, Isotonic(x=(0.0,), y=(3e-5,)))
    write_card(dataclasses.replace(card, calibration=calibration), folder / f"{card.name}.json")
    _, out, _ = predict(capsys, "--model", str(folder), str(photos / "0.png"))
    assert out.splitlines()[1].split("\t")[2] == "3.0e-05"
