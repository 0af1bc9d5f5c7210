from __future__ import annotations

import numpy as np
import pytest
from pycocotools.coco import COCO

from wildvision.contract import Detections, Status, coco_categories
from wildvision.errors import ArgumentError
from wildvision.models import DetectorSettings, draw_detections
from wildvision.taxonomy import load_taxonomy


def detections(**changes: object) -> Detections:
    values = {
        "boxes": np.array([[10, 20, 50, 80], [0.5, 0, 30.25, 25]], np.float32),
        "scores": np.array([0.9, 0.4], np.float32),
        "groups": ("rhino_horn", "ivory"),
        "leaves": ("rhino_horn_raw", None),
        "size": (100, 90),
        **changes,
    }
    return Detections(**values)  # type: ignore[arg-type]


def test_filter_keeps_what_meets_every_condition() -> None:
    d = detections(crop_scores=np.array([0.1, 0.2], np.float32))
    assert d.filter(score=0.5).groups == ("rhino_horn",)
    assert d.filter(groups={"ivory"}).crop_scores == pytest.approx([0.2])
    assert len(d.filter(np.array([False, True]), score=0.5)) == 0
    assert d.filter().size == d.size


def test_rows_are_chosen_as_numpy_and_supervision_choose_them() -> None:
    d = detections(crop_scores=np.array([0.1, 0.2], np.float32))
    for rows in (1, slice(1, None), [1], np.array([False, True]), d.scores < 0.5):
        assert d[rows].groups == ("ivory",)
        assert d[rows].crop_scores == pytest.approx([0.2])
    assert [one.groups for one in d] == [("rhino_horn",), ("ivory",)]
    assert len(d[[]]) == 0
    for wrong in (2, None, True, np.array([[0, 1]])):
        with pytest.raises(IndexError):
            d[wrong]


@pytest.mark.parametrize("wrong", ["1", None, True])
def test_shares_and_margins_are_numbers(wrong: object) -> None:
    d = detections(crop_scores=np.zeros(2, np.float32))
    with pytest.raises(ArgumentError, match="crop_share must"):
        d.joint_scores({"ivory": 0.2}, crop_share=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="margin must"):
        d.crops(np.zeros((90, 100, 3), np.uint8), margin=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", [np.array([1, 0]), ["False", "False"], [np.nan, np.nan]])
def test_filter_takes_no_positions_for_a_mask(keep: object) -> None:
    with pytest.raises(ArgumentError, match=r"keep must be \(2,\) bool"):
        detections().filter(keep)  # type: ignore[arg-type]
    assert len(detections().filter([False, True])) == 1  # type: ignore[arg-type]
    assert len(detections().filter(score=1.0).filter([])) == 0  # type: ignore[arg-type]


def test_filter_refuses_another_length() -> None:
    with pytest.raises(ArgumentError, match=r"\(2,\)"):
        detections().filter(np.ones(3, bool))


def test_detections_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="n groups"):
        detections(groups=("ivory",))
    with pytest.raises(ValueError, match="crop_scores"):
        detections(crop_scores=np.zeros(3, np.float32))


def test_joint_scores_lie_between_the_whole_photo_and_its_best_crop() -> None:
    d = detections(crop_scores=np.array([0.9, np.nan], np.float32))
    whole = {"rhino_horn": 0.5, "ivory": 0.3, "python_skin": 0.2}
    joint = d.joint_scores(whole)
    assert joint["rhino_horn"] == pytest.approx(1 / (1 + (1 / 9) ** 0.25))  # a quarter of the log-odds of 0.9
    assert {g: joint[g] for g in ("ivory", "python_skin")} == {"ivory": 0.3, "python_skin": 0.2}
    assert d.joint_scores(whole, crop_share=1.0)["rhino_horn"] == pytest.approx(0.9)
    assert 0 < d.joint_scores({"rhino_horn": 0.0})["rhino_horn"] < 0.01
    with pytest.raises(ArgumentError, match="second_look"):
        detections().joint_scores(whole)
    with pytest.raises(ArgumentError, match="crop_share"):
        d.joint_scores(whole, crop_share=1.5)
    failed = detections(boxes=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), groups=(), leaves=(),
                        status=Status.UNREADABLE, error="no photo")  # fmt: skip
    assert failed.joint_scores(whole) == whole


def test_coco_round_trip() -> None:
    d = detections()
    truth = COCO()
    truth.dataset = {"info": {}, "images": [{"id": 7}], "annotations": [], "categories": coco_categories()}
    truth.createIndex()
    rows = sorted(truth.loadRes(d.to_coco(7)).anns.values(), key=lambda row: -row["score"])
    names = {c["id"]: c["name"] for c in truth.dataset["categories"]}
    assert list(names.values()) == list(load_taxonomy().group_names)
    assert [names[row["category_id"]] for row in rows] == list(d.groups)
    back = [[x, y, x + w, y + h] for x, y, w, h in (row["bbox"] for row in rows)]
    np.testing.assert_allclose(back, d.boxes)
    assert [row["score"] for row in rows] == pytest.approx(d.scores.tolist())


def test_supervision_gets_boxes_scores_and_names() -> None:
    supervision = pytest.importorskip("supervision")
    sv = detections().to_supervision()
    assert isinstance(sv, supervision.Detections)
    np.testing.assert_array_equal(sv.xyxy, detections().boxes)
    assert sv.class_id.tolist() == [2, 0]
    assert sv.data["class_name"].tolist() == ["rhino_horn", "ivory"]


def test_crops_are_views_and_follow_a_smaller_picture() -> None:
    image = np.arange(90 * 100 * 3, dtype=np.uint8).reshape(90, 100, 3)
    first, second = detections().crops(image)
    np.testing.assert_array_equal(first, image[20:80, 10:50])
    assert second.shape == (25, 31, 3)
    assert np.shares_memory(first, image)
    assert [c.shape[:2] for c in detections().crops(image[::2, ::2])] == [(30, 20), (13, 16)]
    assert detections().crops(image, margin=0.5)[0].shape == (90, 70, 3)


def test_drawing_leaves_the_photo_alone_and_marks_the_boxes() -> None:
    image = np.zeros((90, 100, 3), np.uint8)
    drawn = draw_detections(image, detections())
    assert not image.any()
    assert drawn[80 - 1, 30].any()  # lower edge of the first box
    assert not drawn[85, 90].any()


def test_fusion_keeps_agreement_and_lets_the_classifier_veto() -> None:
    settings = DetectorSettings()
    fused = settings.fuse(np.array([0.9, 0.9, 0.5]), np.array([0.9, 0.01, 0.5]))
    assert fused[0] == pytest.approx(0.9)
    assert fused[1] < 0.3
    assert fused[2] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"score": float("nan")}, "score must be"),
        ({"score": None}, "score must be"),
        ({"groups": "ivory"}, "groups must be"),
        ({"groups": {"pangolin"}}, "pangolin"),
        ({"groups": 5}, "groups must be"),
        ({"groups": [["ivory"]]}, "groups must be"),
    ],
)
def test_filter_refuses_what_it_would_misread(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        detections().filter(**wrong)  # type: ignore[arg-type]


def test_joint_scores_take_scores_and_nothing_else() -> None:
    with pytest.raises(ArgumentError, match="received tuple"):
        detections(crop_scores=np.zeros(2, np.float32)).joint_scores(("ivory", 0.2))  # type: ignore[arg-type]


def test_groups_may_come_from_a_generator() -> None:
    assert detections().filter(groups=(g for g in ("ivory",))).groups == ("ivory",)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image", ["photo.jpg", *(np.zeros(s, np.uint8) for s in ((90, 100), (0, 0, 3), (90, 100, 4), (90, 100, 1)))]
)
def test_only_photos_are_cropped_and_drawn_on(image: object) -> None:
    for use in (detections().crops, lambda i: draw_detections(i, detections())):
        with pytest.raises(ArgumentError, match="uint8"):
            use(image)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "fits"), [((90, 100), True), ((45, 50), True), ((45, 49), True), ((100, 90), False), ((90, 120), False)]
)
def test_a_photo_that_was_not_turned_upright_is_refused(shape: tuple[int, int], fits: bool) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    if fits:
        assert len(detections().crops(image)) == 2
    else:
        with pytest.raises(ArgumentError, match="upright"):
            detections().crops(image)


def test_a_margin_is_not_negative() -> None:
    for margin in (-0.1, float("nan")):
        with pytest.raises(ArgumentError, match="margin"):
            detections().crops(np.zeros((90, 100, 3), np.uint8), margin=margin)


def test_leaf_crop_score_and_status_go_along() -> None:
    d = detections(crop_scores=np.array([0.1, 0.2], np.float32))
    assert [(r["leaf"], r["crop_score"]) for r in d.to_coco(1)] == [
        ("rhino_horn_raw", pytest.approx(0.1)),
        (None, pytest.approx(0.2)),
    ]
    assert "crop_score" not in detections().to_coco(1)[0]
    assert d.to_supervision().data["crop_score"] == pytest.approx([0.1, 0.2])
    nothing = detections(boxes=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), groups=(), leaves=(),
                         status=Status.UNREADABLE, error="no photo")  # fmt: skip
    found = nothing.to_supervision()
    assert found.metadata == {"status": "unreadable", "error": "no photo"}
    assert found.data["leaf"].dtype.kind == "U"


def test_detections_can_be_compared_and_put_into_sets() -> None:
    one, other = detections(), detections()
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_labels_cover_neither_each_other_nor_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    bars: list[tuple[int, int, int, int]] = []
    real = cv2.rectangle

    def rectangle(out, a, b, colour, thick):  # type: ignore[no-untyped-def]
        if thick == -1:
            bars.append((*a, *b))
        return real(out, a, b, colour, thick)

    monkeypatch.setattr(cv2, "rectangle", rectangle)
    n = 12
    boxes = np.array([[5 + 3 * i, 30 + 4 * i, 120 + 3 * i, 90 + 4 * i] for i in range(n)], np.float32)
    many = detections(boxes=boxes, scores=np.linspace(0.9, 0.1, n, dtype=np.float32), groups=("hornbill_casque",) * n,
                      leaves=(None,) * n, size=(300, 200))  # fmt: skip
    draw_detections(np.zeros((200, 300, 3), np.uint8), many)
    assert len(bars) > 3
    for i, a in enumerate(bars):
        assert a[0] >= 0
        assert a[1] >= 0
        assert a[2] <= 300
        assert a[3] <= 200
        assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for b in bars[:i])


@pytest.mark.parametrize("size", [(96, 96), (60, 600), (640, 12), (8, 8)])
def test_narrow_photos_are_drawn_on_all_the_same(size: tuple[int, int]) -> None:
    width, height = size
    d = detections(boxes=np.array([[0, 0, width, height]] * 2, np.float32), size=size)
    assert draw_detections(np.zeros((height, width, 3), np.uint8), d).any()
