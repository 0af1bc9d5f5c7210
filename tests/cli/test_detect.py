"""``wildvision detect``: a picture for each photo, COCO JSON that pycocotools reads, inputs left alone."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny_detector import make_tiny_detector
from wildvision.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_detector(tmp_path_factory.mktemp("model")))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of the same name in two folders, and a file that is none."""
    for n, name in enumerate(("a/x.png", "b/x.png")):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True)
        noise = np.random.default_rng(n).integers(0, 256, (120, 90 + 40 * n, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file)
    (tmp_path / "photos" / "bad.jpg").write_text("no photo")
    return tmp_path / "photos"


def test_pictures_and_coco_are_written(
    model: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.read_bytes() for p in photos.rglob("*") if p.is_file()}
    out = tmp_path / "out"
    code = main(["detect", str(photos), "--out", str(out), "--model", model, "--device", "cpu", "--score", "0.3"])
    assert code == 1  # one of them is no photo
    assert sorted(p.name for p in (out / "pictures").iterdir()) == ["x.jpg", "x~2.jpg"]
    with Image.open(out / "pictures" / "x~2.jpg") as picture:
        assert picture.size == (130, 120)
    coco = json.loads((out / "detections.json").read_text())
    assert {Path(i["file_name"]).name: i["status"] for i in coco["images"]} == {"x.png": "ok", "bad.jpg": "unreadable"}
    assert {a["image_id"] for a in coco["annotations"]} <= {i["id"] for i in coco["images"] if i["status"] == "ok"}
    assert coco["annotations"]
    assert {p: p.read_bytes() for p in before} == before
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_every_photo_has_a_picture_of_its_own_that_the_file_names(model: str, photos: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(photos / "b" / "x~2.png")
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(photos / "b" / "X.png")
    out = tmp_path / "out"
    main(["detect", str(photos), "--out", str(out), "--model", model, "--device", "cpu"])
    coco = json.loads((out / "detections.json").read_text())
    assert coco["info"]["complete"]
    named = [image["picture"] for image in coco["images"] if image["status"] == "ok"]
    assert len(named) == len({name.lower() for name in named}) == 4
    assert sorted(named) == sorted(f"pictures/{p.name}" for p in (out / "pictures").iterdir())


def test_a_walk_does_not_come_to_what_the_run_itself_writes(model: str, photos: Path) -> None:
    (photos / "c").mkdir()
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(photos / "c" / "y.png")
    out = photos / "b" / "found"
    options = ["--model", model, "--device", "cpu", "--batch-size", "1"]
    main(["detect", str(photos), "--out", str(out), *options])
    coco = json.loads((out / "detections.json").read_text())
    assert [Path(i["file_name"]).name for i in coco["images"]] == ["x.png", "x.png", "bad.jpg", "y.png"]


def test_names_and_sizes_that_a_jpeg_may_not_have_stop_nothing(model: str, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(photos / "..jpg", format="JPEG")
    Image.fromarray(np.zeros((4, 65_501, 3), np.uint8)).save(photos / "wide.png")
    operands = [str(photos / "..jpg"), str(photos)]  # the walk leaves out what begins with a dot
    assert main(["detect", *operands, "--out", str(out), "--model", model, "--device", "cpu"]) == 0
    coco = json.loads((out / "detections.json").read_text())
    assert {Path(i["file_name"]).name: i.get("picture") for i in coco["images"]} == {
        "..jpg": "pictures/..jpg",
        "wide.png": None,
    }


def test_a_name_that_is_not_utf_8_is_valid_text_in_the_results(model: str, tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9.png")
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / strange)
    out = tmp_path / "out"
    assert main(["detect", str(tmp_path / strange), "--out", str(out), "--model", model, "--device", "cpu"]) == 0
    (image,) = json.loads((out / "detections.json").read_text(encoding="utf-8"))["images"]
    assert image["file_name"] == f"{tmp_path}/caf\\xe9.png"
    image["picture"].encode("utf-8")
    assert (out / image["picture"]).is_file()


def test_names_as_long_as_a_file_system_takes_get_pictures_too(model: str, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for folder in ("a", "b"):
        (photos / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(photos / folder / f"{'é' * 125}x.png")
    assert main(["detect", str(photos), "--out", str(out), "--model", model, "--device", "cpu"]) == 0
    coco = json.loads((out / "detections.json").read_text())
    assert sorted(i["picture"] for i in coco["images"]) == sorted(
        f"pictures/{p.name}" for p in (out / "pictures").iterdir()
    )


def test_a_photo_that_changes_meanwhile_has_no_picture_and_stops_nothing(
    model: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wildvision.cli import detect

    real = detect._draw

    def draw(path: str, *rest: object) -> bool:
        if "/a/" in path:
            Image.fromarray(np.zeros((50, 70, 3), np.uint8)).save(path)
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(detect, "_draw", draw)
    main(["detect", str(photos), "--out", str(tmp_path / "out"), "--model", model, "--device", "cpu"])
    coco = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert coco["info"]["complete"]
    assert ["picture" in image for image in coco["images"] if image["status"] == "ok"] == [False, True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_broken_off_keeps_what_it_found(
    model: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    from wildvision.cli import detect

    drawn: list[str] = []

    def draw(path: str, *_: object) -> None:
        drawn.append(path)
        if len(drawn) == 2:
            signal.raise_signal(number)

    monkeypatch.setattr(detect, "_draw", draw)
    arguments = ["detect", str(photos), "--out", str(tmp_path / "out"), "--model", model, "--device", "cpu"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell's background start without
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            raise SystemExit(main(arguments))
    finally:
        signal.signal(signal.SIGINT, before)
    coco = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert coco["info"]["complete"] is False
    assert sum(image["status"] == "ok" for image in coco["images"]) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # as it was


def test_a_score_out_of_range_leaves_no_folder_behind(model: str, photos: Path, tmp_path: Path) -> None:
    arguments = ["detect", str(photos), "--out", str(tmp_path / "out"), "--model", model, "--device", "cpu"]
    assert main([*arguments, "--score", "2"]) == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_with_contents_is_refused(model: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(photos), "--out", str(photos), "--model", model]) == 2
    assert "new or empty" in capsys.readouterr().err


def test_without_a_bundled_detector_the_error_names_the_ways_out(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wildvision.models.registry.BUNDLED", tmp_path / "empty")
    assert main(["detect", str(photos / "bad.jpg"), "--out", str(tmp_path / "out")]) == 2
    assert "detector-default" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()  # the command can be given again with a model


def test_a_name_that_the_file_system_s_encoding_lacks_gets_a_picture(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(tmp_path / "é.png")
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    out = tmp_path / "out"
    assert main(["detect", str(tmp_path / "é.png"), "--out", str(out), "--model", model, "--device", "cpu"]) == 0
    assert [p.name for p in (out / "pictures").iterdir()] == [r"\xe9.jpg"]
