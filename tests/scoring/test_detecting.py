"""Runs with a detector: rows hold its boxes for any number of photos, and its failures are failures of the photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.models.tiny import make_tiny_model
from tests.models.tiny_detector import make_tiny_detector
from tests.scoring.conftest import make_photo
from wildvision import BatchPredictor, score
from wildvision.contract import Status
from wildvision.models import Classifier, Detector, load_classifier, load_detector
from wildvision.scoring import ScoreSettings
from wildvision.scoring.scorer import Scorer
from wildvision.scoring.validation import validate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_detector(tmp_path_factory.mktemp("tiny-detector"))


def written(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for part in sorted(out.glob("part-*.jsonl")) for line in part.read_text().splitlines()]


def photos(folder: Path, n: int, size: tuple[int, int] = (96, 80)) -> list[Path]:
    return [make_photo(folder / f"{i:02d}.jpg", i, size) for i in range(n)]


@pytest.mark.parametrize("n", [1, 15, 17, 33])
def test_rows_hold_the_boxes_that_the_detector_finds(tiny: Classifier, folder: Path, tmp_path: Path, n: int) -> None:
    detector = load_detector(folder, device="cpu")
    paths = photos(tmp_path / "in", n)
    (tmp_path / "in" / "zz.jpg").write_text("no photo")
    report = score(tmp_path / "in", tmp_path / "out", classifier=tiny, detector=detector)
    assert report.statuses == {"ok": n, "unreadable": 1}
    *rows, bad = written(tmp_path / "out")
    assert bad["model"] == rows[0]["model"]
    assert not validate(tmp_path / "out").problems
    for row, found in zip(rows, detector.predict(paths), strict=True):
        assert [box["group"] for box in row["detections"]] == list(found.groups)
        assert [box["score"] for box in row["detections"]] == pytest.approx(found.scores.tolist(), abs=1e-5)
        assert row["model"] == f"{tiny.model_id}+{detector.model_id}"
    assert any(row["detections"] for row in rows)


@pytest.mark.parametrize("options", [{"tiles": True}, {"second_look": True}])
def test_tiles_and_second_looks_run_in_small_batches_too(
    tiny: Classifier, folder: Path, tmp_path: Path, options: dict[str, bool]
) -> None:
    look = {"second_look": load_classifier(make_tiny_model(tmp_path / "look"), device="cpu")}
    detector = load_detector(folder, device="cpu", **(look if "second_look" in options else options))
    paths = photos(tmp_path / "in", 3, size=(260, 240))
    predictor = BatchPredictor(classifier=tiny, detector=detector)
    rows = predictor({"path": [str(p) for p in paths]})
    assert list(rows["status"]) == ["ok"] * 3
    for boxes, found in zip(rows["detections"], detector.predict(paths), strict=True):
        assert [box["score"] for box in boxes] == pytest.approx(found.scores.tolist(), abs=1e-5)


class Broken:
    device, precision = "stub", "fp32"

    def __call__(self, batch: object) -> object:
        raise RuntimeError("out of order")


def test_a_failing_detector_is_a_failure_and_not_an_empty_photo(tiny: Classifier, folder: Path, tmp_path: Path) -> None:
    detector = Detector(load_detector(folder, device="cpu").card, Broken())
    photos(tmp_path / "in", 2)
    report = score(tmp_path / "in", tmp_path / "out", classifier=tiny, detector=detector)
    assert report.statuses == {Status.MODEL_ERROR.value: 2}
    for row in written(tmp_path / "out"):
        assert row["error"] == "the detector: the model failed: RuntimeError: out of order"
        assert row["scores"] is None
        assert row["detections"] == []


def test_models_are_named_by_name_or_given(tiny: Classifier, folder: Path) -> None:
    scorer = Scorer(tiny, str(folder), batch_size=4, device="cpu")
    assert isinstance(scorer.detector, Detector)


def test_a_near_duplicate_has_the_boxes_of_the_first_at_its_own_size(
    tiny: Classifier, folder: Path, tmp_path: Path
) -> None:
    first = make_photo(tmp_path / "in" / "0.png", 0, size=(200, 160))
    with Image.open(first) as photo:
        photo.resize((100, 40), Image.Resampling.BICUBIC).save(tmp_path / "in" / "1.png")
    detector = load_detector(folder, device="cpu")
    settings = ScoreSettings(dedupe="near", isolation="thread", progress="none")
    score(tmp_path / "in", tmp_path / "out", classifier=tiny, detector=detector, settings=settings)
    original, copy = written(tmp_path / "out")
    assert copy["copy_of"] == original["id"] and original["detections"]
    for whole, small in zip(original["detections"], copy["detections"], strict=True):
        x1, y1, x2, y2 = whole["box"]
        assert small == {**whole, "box": pytest.approx([x1 / 2, y1 / 4, x2 / 2, y2 / 4])}
