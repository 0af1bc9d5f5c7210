from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.data_helpers import GROUPS, picture, save
from training.data import Box, Record
from training.data.importers import (
    Import,
    from_coco,
    from_csv,
    from_image_folder,
    from_label_studio,
    from_voc,
    from_yolo,
)
from wildvision.errors import ArgumentError

SPEC = Import(source="theirs", groups=GROUPS, class_map={"tusk": "ivory_raw", "antler": "bone_antler"}, licence="CC0")


def expected(path: str, leaf: str, boxes: tuple[Box, ...] | None) -> Record:
    return Record(path, GROUPS[leaf], leaf, "theirs", boxes, licence="CC0", width=160, height=120)


def test_image_folder(tmp_path: Path) -> None:
    for name in ("tusk/b.jpg", "tusk/deep/a.PNG", "everyday/c.jpg"):
        save(tmp_path / name, picture(1))
    (tmp_path / "tusk" / "notes.txt").write_text("no photo")
    assert from_image_folder(tmp_path, SPEC) == [
        expected("everyday/c.jpg", "everyday", None),
        expected("tusk/b.jpg", "ivory_raw", None),
        expected("tusk/deep/a.PNG", "ivory_raw", None),
    ]


def test_coco(tmp_path: Path) -> None:
    data = {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 160, "height": 120},
            {"id": 8, "file_name": "b.jpg", "width": 160, "height": 120},
        ],
        "categories": [{"id": 1, "name": "tusk"}, {"id": 2, "name": "antler"}],
        "annotations": [
            {"image_id": 7, "category_id": 2, "bbox": [0, 0, 100, 100]},
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 1},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(data))
    boxes = (Box(0, 0, 100, 100, "bone_antler"), Box(10, 20, 40, 60, "ivory_raw", crowd=True))
    assert from_coco(tmp_path, SPEC, tmp_path / "coco.json") == [
        expected("a.jpg", "ivory_raw", boxes),  # a product outranks a larger look-alike
        expected("b.jpg", "everyday", ()),
    ]


@pytest.mark.parametrize("names", ["[antler, tusk]", "{0: antler, 1: tusk}"])
def test_yolo(tmp_path: Path, names: str) -> None:
    for name in ("images/train/a.jpg", "images/train/b.jpg"):
        save(tmp_path / name, picture(1))
    label = tmp_path / "labels" / "train" / "a.txt"
    label.parent.mkdir(parents=True)
    label.write_text("1 0.5 0.5 0.25 0.5\n\n0 0 0 0.5 0 0.5 0.25\n")
    (tmp_path / "data.yaml").write_text(f"names: {names}\n")
    boxes = (Box(60, 30, 100, 90, "ivory_raw"), Box(0, 0, 80, 30, "bone_antler"))
    assert from_yolo(tmp_path, SPEC, tmp_path / "data.yaml") == [
        expected("images/train/a.jpg", "ivory_raw", boxes),
        expected("images/train/b.jpg", "everyday", ()),
    ]
    label.write_text("2 0.5 0.5 0.25 0.5\n")
    with pytest.raises(ArgumentError, match=r"a\.txt line 1 is no YOLO label"):
        from_yolo(tmp_path, SPEC, tmp_path / "data.yaml")


def test_label_studio(tmp_path: Path) -> None:
    save(tmp_path / "b.jpg", picture(1))
    save(tmp_path / "sub" / "c.jpg", picture(1))
    size = {"original_width": 160, "original_height": 120, "type": "rectanglelabels"}
    turned = {"x": 50, "y": 50, "width": 10, "height": 20, "rotation": 90, "rectanglelabels": ["tusk"]}
    straight = {"x": 25, "y": 50, "width": 50, "height": 25, "rectanglelabels": ["antler"]}
    tasks = [
        {
            "data": {"image": "/data/upload/3/0a1b2c3d-b.jpg"},
            "annotations": [
                {"was_cancelled": True, "result": []},
                {"result": [{**size, "value": straight}, {**size, "value": turned}]},
            ],
        },
        {
            "data": {"image": "/data/local-files/?d=sub/c.jpg"},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": ["tusk"]}}]}],
        },
        {"data": {"image": "b.jpg"}, "annotations": []},
    ]
    (tmp_path / "ls.json").write_text(json.dumps(tasks))
    first, second = from_label_studio(tmp_path, SPEC, tmp_path / "ls.json")
    assert second == expected("sub/c.jpg", "ivory_raw", None)
    assert (first.path, first.leaf) == ("b.jpg", "ivory_raw")
    assert first.boxes is not None
    assert first.boxes[0] == Box(40, 60, 120, 90, "bone_antler")
    assert first.boxes[1].corners == pytest.approx((56, 60, 80, 76))


def test_voc(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(1))
    box = "<bndbox><xmin>1</xmin><ymin>11</ymin><xmax>160</xmax><ymax>120</ymax></bndbox>"
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "a.xml").write_text(
        f"<annotation><filename>a.jpg</filename><object><name>tusk</name>{box}</object></annotation>"
    )
    assert from_voc(tmp_path, SPEC, tmp_path / "xml") == [
        expected("a.jpg", "ivory_raw", (Box(0, 10, 160, 120, "ivory_raw"),))
    ]


def test_csv_with_columns_of_other_names(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(1))
    (tmp_path / "t.csv").write_text("file,label,object_id,trust\na.jpg,tusk,o1,medium\n")
    (found,) = from_csv(tmp_path, SPEC, tmp_path / "t.csv", {"path": "file", "leaf": "label"})
    assert (found.path, found.leaf, found.group, found.object_id, found.trust) == (
        "a.jpg", "ivory_raw", "ivory", "o1", "medium",
    )  # fmt: skip
    assert (found.source, found.licence, found.width, found.height) == ("theirs", "CC0", 160, 120)


def test_an_unmapped_class_is_an_error_that_lists_the_leaves(tmp_path: Path) -> None:
    save(tmp_path / "pangolin" / "a.jpg", picture(1))
    with pytest.raises(ArgumentError, match=r"class 'pangolin' is no leaf; .*ivory_raw"):
        from_image_folder(tmp_path, SPEC)
    with pytest.raises(ArgumentError, match=r"class 'x' \(mapped to 'tuks'\)"):
        Import("s", GROUPS, {"x": "tuks"}).leaf("x")


def test_labels_that_are_not_read_are_no_negatives(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.jpg", picture(1))
    for kind, key in (("polygonlabels", "polygonlabels"), ("rectangle", "labels")):
        result = [{"type": kind, "original_width": 160, "original_height": 120, "value": {key: ["tusk"]}}]
        task = {"data": {"image": "images/a.jpg"}, "annotations": [{"result": result}]}
        (tmp_path / "ls.json").write_text(json.dumps([task]))
        with pytest.raises(ArgumentError, match=kind):
            from_label_studio(tmp_path, SPEC, tmp_path / "ls.json")
    (tmp_path / "data.yaml").write_text("names: [tusk]\n")
    with pytest.raises(ArgumentError, match="no photo has a label file"):
        from_yolo(tmp_path, SPEC, tmp_path / "data.yaml")
    images = [{"id": "1", "file_name": "./images/a.jpg", "width": 160, "height": 120}]
    coco = {"categories": [{"id": 1, "name": "tusk"}], "images": images}
    for image, annotated in ((1, False), ("1", True)):
        coco["annotations"] = [{"image_id": image, "category_id": 1, "bbox": [0, 0, 9, 9]}]
        (tmp_path / "coco.json").write_text(json.dumps(coco))
        if annotated:
            (found,) = from_coco(tmp_path, SPEC, tmp_path / "coco.json")
            assert (found.path, found.leaf) == ("images/a.jpg", "ivory_raw")
        else:
            with pytest.raises(ArgumentError, match="not listed"):
                from_coco(tmp_path, SPEC, tmp_path / "coco.json")


def test_a_group_that_a_csv_states_is_kept(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(1))
    (tmp_path / "t.csv").write_text("path,leaf,group\na.jpg,tusk,ambiguous\n")
    (found,) = from_csv(tmp_path, SPEC, tmp_path / "t.csv")
    assert (found.group, found.leaf) == ("ambiguous", "ivory_raw")
