from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import box_iou

from tests.models.tiny import make_tiny_model
from tests.models.tiny_detector import SIZE, make_tiny_detector, tiny_network
from wildvision.backends import DeviceMemoryError
from wildvision.contract import Detections, Status
from wildvision.errors import ArgumentError, ModelError
from wildvision.imaging import Limits
from wildvision.models import (
    Detector,
    DetectorSettings,
    export_detector,
    load_card,
    load_classifier,
    load_detector,
)
from wildvision.models.card_file import write_card
from wildvision.models.detector_input import View, tile_views


@pytest.fixture(scope="module", params=["fcos", "retinanet"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_detector(tmp_path_factory.mktemp(request.param), head=request.param)


@pytest.fixture(scope="module")
def detector(folder: Path) -> Detector:
    return load_detector(folder, device="cpu")


def photo(seed: int, width: int = 130, height: int = 90) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return np.array(small.resize((width + seed % 17, height + seed % 13), Image.Resampling.BICUBIC))


PHOTOS = [photo(seed) for seed in range(17)]


class SpotBackend:
    """Says ``ivory_raw`` where the picture is red: one box around all red pixels of each view, cut where they are."""

    device = "stub"
    precision = "fp32"

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, boxes = np.full((len(batch), 3, 8), -9.0, np.float32), np.zeros((len(batch), 3, 4), np.float32)
        for n, view in enumerate(batch.astype(int)):
            ys, xs = np.nonzero((view[..., 0] > 200) & (view[..., 1] < 60))
            if len(xs) > 20:
                boxes[n, 0] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
                boxes[n, 1] = boxes[n, 0] + 1  # a second opinion on the same object
                logits[n, :2, 0] = 3.0, 2.0
        return logits, boxes


class FailingBackend(SpotBackend):
    """Fails on whatever holds a white pixel in its middle, or runs out of memory over more than ``most`` views."""

    def __init__(self, most: int = 99) -> None:
        self.most = most

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(batch) > self.most:
            raise DeviceMemoryError("too many")
        if (batch[:, SIZE // 2, SIZE // 2] == 255).all(axis=1).any():
            raise RuntimeError("white")
        return super().__call__(batch)


@pytest.fixture
def spotter(detector: Detector) -> Detector:
    return Detector(detector.card, SpotBackend())


def spot(width: int, height: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    image = np.full((height, width, 3), 90, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = (250, 10, 10)
    return image


def assert_same(a: Detections, b: Detections) -> None:
    assert (a.groups, a.leaves, a.size, a.status) == (b.groups, b.leaves, b.size, b.status)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-3)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)


# --- the same photo gives the same boxes ------------------------------------------------------------------------------


def test_boxes_do_not_depend_on_the_batch_size(detector: Detector) -> None:
    alone = detector.predict(PHOTOS, batch_size=1, score=0.4)
    together = detector.predict(PHOTOS, batch_size=16, score=0.4)
    assert sum(map(len, alone)) > 50
    for a, b in zip(alone, together, strict=True):
        assert_same(a, b)


def test_a_path_bytes_and_an_array_give_the_same_boxes(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(PHOTOS[0]).save(path)
    with Image.open(path) as image:
        image.load()
    first, *others = detector.predict([path, path.read_bytes(), image, np.array(image)], score=0.4)
    assert len(first)
    for other in others:
        assert_same(first, other)


def test_prepared_and_inferred_equals_predicted(detector: Detector) -> None:
    prepared = [detector.prepare(p) for p in PHOTOS]
    for a, b in zip(detector.infer(prepared), detector.predict(PHOTOS), strict=True):
        assert_same(a, b)


def test_a_preparer_from_another_process_gives_the_same_pixels(folder: Path) -> None:
    preparer = load_detector(folder, device="cpu", tiles=True).preparer
    large = photo(1, 400, 300)
    here, there = preparer(large), pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(preparer))(large)))
    np.testing.assert_array_equal(here.pixels, there.pixels)
    np.testing.assert_array_equal(here.tiles, there.tiles)
    assert here.views == there.views


# --- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_pixels_of_the_upright_photo(spotter: Detector, tmp_path: Path, orientation: int) -> None:
    upright = spot(320, 200, (40, 50, 100, 110))
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: np.transpose(a, (1, 0, 2)),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.transpose(np.rot90(a, 2), (1, 0, 2)),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    stored = Image.fromarray(np.ascontiguousarray(turn(upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    stored.save(path, exif=exif)
    found = spotter.predict(path, score=0.5)
    assert found.size == (320, 200)
    np.testing.assert_allclose(found.boxes, [[40, 50, 100, 110]], atol=320 / SIZE)


@pytest.mark.parametrize(("width", "height"), [(96, 96), (300, 40), (37, 211), (1, 500)])
def test_boxes_stay_inside_the_photo(detector: Detector, width: int, height: int) -> None:
    found = detector.predict(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8), score=0.0)
    assert found.ok
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, 2:] <= [width, height]).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


def test_of_boxes_that_overlap_in_one_group_the_best_stays(detector: Detector) -> None:
    for found in detector.predict(PHOTOS, score=0.0):
        assert list(found.scores) == sorted(found.scores, reverse=True)
        for group in set(found.groups):
            own = found.filter(groups={group}).boxes
            overlaps = box_iou(torch.from_numpy(own), torch.from_numpy(own)).numpy()
            assert (overlaps[~np.eye(len(own), dtype=bool)] <= 0.5 + 1e-4).all()


def test_nested_boxes_count_less(folder: Path, tmp_path: Path) -> None:
    def scores(nested: float) -> dict[tuple[Any, ...], float]:
        card = load_card(folder)
        assert card.detector is not None
        settings = dataclasses.replace(card.detector, nested=nested)
        written = tmp_path / f"{nested}"
        shutil.copytree(folder, written)
        write_card(dataclasses.replace(card, detector=settings), next(written.glob("*.json")))
        found = load_detector(written, device="cpu").predict(PHOTOS[0], score=0.0)
        return {(g, *b): float(s) for g, b, s in zip(found.groups, found.boxes.tolist(), found.scores, strict=True)}

    equal, lowered = scores(1.0), scores(0.5)
    assert lowered.keys() <= equal.keys()
    assert all(lowered[box] <= equal[box] + 1e-6 for box in lowered)
    assert any(lowered[box] < 0.6 * equal[box] for box in lowered)


# --- tiles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(150, 150), (400, 300), (1000, 90), (90, 1000), (2000, 1500)])
def test_tiles_cover_the_photo_with_overlap(width: int, height: int) -> None:
    views = tile_views(width, height, SIZE)
    covered = np.zeros((height, width), bool)
    for v in views:
        assert v.left >= 0 and v.top >= 0 and v.left + v.width <= width and v.top + v.height <= height
        covered[v.top : v.top + v.height, v.left : v.left + v.width] = True
    assert covered.all()
    assert len(views) <= 16
    side = views[0].width if width > height else views[0].height
    starts = sorted({v.left if width >= height else v.top for v in views})
    assert all(b - a <= 0.7 * side + 1 for a, b in pairwise(starts))


def test_no_photo_has_more_than_sixteen_tiles() -> None:
    assert max(len(tile_views(side, side, 416)) for side in range(600, 6000, 7)) == 16
    assert len(tile_views(2015, 2015, 416)) == 16  # where rounding once made 25


def test_a_photo_of_the_input_s_size_has_no_tiles() -> None:
    assert tile_views(SIZE, SIZE, SIZE) == ()


def test_tiles_agree_with_the_whole_photo_on_an_object_in_the_middle(detector: Detector) -> None:
    image = spot(400, 400, (180, 170, 230, 240))
    whole = Detector(detector.card, SpotBackend()).predict(image, score=0.5)
    tiled = Detector(detector.card, SpotBackend(), tiles=True).predict(image, score=0.5)
    assert len(whole) == len(tiled) == 1
    np.testing.assert_allclose(tiled.boxes, whole.boxes, atol=400 / SIZE)


def test_an_object_across_a_seam_is_found_once(detector: Detector) -> None:
    views = tile_views(400, 400, SIZE)
    seam = views[0].width  # right edge of the first tile
    image = spot(400, 400, (seam - 60, 100, seam + 60, 160))
    found = Detector(detector.card, SpotBackend(), tiles=True).predict(image, score=0.5)
    np.testing.assert_allclose(found.boxes, [[seam - 60, 100, seam + 60, 160]], atol=400 / SIZE)


def test_only_inner_edges_are_seams() -> None:
    view, photo_size = View(0, 0, 50, 50), (100, 50)
    boxes = np.array([[0.0, 0, 20, 20], [30, 10, 50, 20], [10, 30, 20, 50]])
    assert view.touches_seam(boxes, photo_size, within=1).tolist() == [False, True, False]


# --- scores -----------------------------------------------------------------------------------------------------------


def test_the_operating_point_of_each_group_is_the_default_threshold(detector: Detector) -> None:
    found = detector.predict(PHOTOS)
    everything = detector.predict(PHOTOS, score=0.0)
    assert sum(map(len, found)) < sum(map(len, everything))
    for some, every in zip(found, everything, strict=True):
        assert_same(some, every.filter(score=0.5))


def test_a_second_look_fuses_the_scores(folder: Path, tmp_path: Path) -> None:
    classifier = load_classifier(make_tiny_model(tmp_path), device="cpu")
    plain = load_detector(folder, device="cpu")
    twice = load_detector(folder, device="cpu", second_look=classifier)
    assert twice.model_id == f"{plain.model_id}+{classifier.model_id}"
    found = twice.predict(PHOTOS[0], score=0.0)
    best = plain.predict(PHOTOS[0], score=0.0).filter(np.arange(100) < 20)
    assert found.crop_scores is not None
    assert list(found.scores) == sorted(found.scores, reverse=True)
    own = {(group, *box): s for group, box, s in zip(best.groups, best.boxes.tolist(), best.scores, strict=True)}
    alone = np.array([own[group, *box] for group, box in zip(found.groups, found.boxes.tolist(), strict=True)])
    np.testing.assert_allclose(found.scores, twice.settings.fuse(alone, found.crop_scores), atol=1e-4)
    crop = found.crops(PHOTOS[0], margin=0.15)[0]
    assert found.crop_scores[0] == pytest.approx(
        classifier.predict(np.ascontiguousarray(crop)).scores[found.groups[0]], abs=1e-4
    )


def test_what_a_second_look_puts_below_the_floor_is_not_reported(folder: Path, tmp_path: Path) -> None:
    twice = load_detector(folder, device="cpu", second_look=load_classifier(make_tiny_model(tmp_path), device="cpu"))
    scores = twice.predict(PHOTOS[0], score=0.0).scores
    strict = dataclasses.replace(twice.card.detector, floor=float(np.median(scores)))  # type: ignore[type-var]
    twice.settings = strict
    few = twice.predict(PHOTOS[0], score=0.0).scores
    assert 0 < len(few) < len(scores)
    assert few.min() >= strict.floor


def test_limits_of_a_second_look_s_classifier_do_not_refuse_crops(folder: Path, tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path)
    strict = load_classifier(model, device="cpu", limits=Limits(max_pixels=50))
    found = load_detector(folder, device="cpu", second_look=strict).predict(PHOTOS[0], score=0.0)
    usual = load_detector(folder, device="cpu", second_look=model).predict(PHOTOS[0], score=0.0)
    assert_same(found, usual)
    assert not strict.predict(PHOTOS[0]).ok


def test_as_many_photos_as_asked_for_go_through_the_network_together(detector: Detector) -> None:
    sizes: list[int] = []

    class Counting(SpotBackend):
        def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            sizes.append(len(batch))
            return super().__call__(batch)

    counting = Detector(detector.card, Counting())
    counting.predict([PHOTOS[0]] * 40, batch_size=40)
    counting.predict([PHOTOS[0]] * 40, batch_size=8)
    assert sizes == [40, *[8] * 5]


def test_a_network_of_other_settings_is_not_exported(tmp_path: Path) -> None:
    network = tiny_network()
    card = load_card(make_tiny_detector(tmp_path / "model"))
    assert card.detector is not None
    for change in ({"peak": 0.5}, {"contrast": 2.0}, {"context": 0.1}):
        other = dataclasses.replace(card, detector=dataclasses.replace(card.detector, **change))
        with pytest.raises(ModelError, match="describes"):
            export_detector(network, other, tmp_path / "out")


def test_a_card_from_before_scores_were_split_is_read_as_it_was_meant(tmp_path: Path) -> None:
    folder = make_tiny_detector(tmp_path / "model")
    path = next(folder.glob("*.json"))
    card = json.loads(path.read_text(encoding="utf-8"))
    del card["detector"]["peak"], card["detector"]["contrast"]
    path.write_text(json.dumps(card), encoding="utf-8")
    assert load_detector(folder, device="cpu").settings == DetectorSettings(channels=32, convs=1)
    card["detector"]["colour"] = card["detector"].pop("convs")
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match=r"unknown keys \['colour'\] and lacks \['convs'\]"):
        load_detector(folder, device="cpu")


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_second_look_is_a_classifier_or_the_name_of_one(folder: Path, tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path)
    found = load_detector(folder, device="cpu", second_look=model).second_look
    assert found is not None
    assert found.model_id == load_card(model).model_id
    for wrong in (3, load_detector(folder, device="cpu")):
        with pytest.raises(ArgumentError, match="second_look must be a classifier"):
            load_detector(folder, device="cpu", second_look=wrong)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        load_detector(folder, device="cpu", second_look="nowhere")


def test_bad_photos_keep_their_places_and_statuses(detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("no photo")
    found = detector.predict([PHOTOS[0], tmp_path / "bad.jpg", "nowhere.jpg", b"", PHOTOS[1]])
    assert [d.status for d in found] == [
        Status.OK,
        Status.UNREADABLE,
        Status.NOT_FOUND,
        Status.EMPTY,
        Status.OK,
    ]
    assert all(len(d) == 0 and d.error for d in found[1:4])


def test_a_failing_network_costs_one_photo(detector: Detector) -> None:
    white = np.full((96, 96, 3), 255, np.uint8)
    found = Detector(detector.card, FailingBackend()).predict([spot(96, 96, (9, 9, 40, 40)), white], score=0.5)
    assert [d.status for d in found] == [Status.OK, Status.MODEL_ERROR]
    assert len(found[0]) == 1
    assert "white" in (found[1].error or "")


def test_batches_are_halved_where_memory_is_short(detector: Detector) -> None:
    images = [spot(96, 96, (9, 9, 20 + n, 40)) for n in range(7)]
    found = Detector(detector.card, FailingBackend(most=2)).predict(images, score=0.5)
    assert [len(d) for d in found] == [1] * 7
    tiled = Detector(detector.card, FailingBackend(most=2), tiles=True).predict(spot(300, 200, (9, 9, 40, 40)))
    assert tiled.ok  # views of one photo come in halves too
    with pytest.raises(DeviceMemoryError):
        short = Detector(detector.card, FailingBackend(most=0))
        short.infer([short.prepare(i) for i in images])


def test_one_many_and_a_stream(detector: Detector) -> None:
    assert isinstance(detector.predict(PHOTOS[0]), Detections)
    assert len(detector.predict(PHOTOS[:3], batch_size=2)) == 3
    assert detector.predict([]) == []
    stream = detector.predict(iter(PHOTOS), batch_size=2)
    assert next(stream).ok


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"score": 1.5}])
def test_bad_arguments_raise_at_once(detector: Detector, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        detector.predict(PHOTOS, **options)


@pytest.mark.parametrize("score", [-1.0, 2.0, float("nan"), "a"])
def test_a_score_is_checked_for_prepared_photos_too(detector: Detector, score: Any) -> None:
    with pytest.raises(ArgumentError, match="score must lie in"):
        detector.infer([detector.prepare(PHOTOS[0])], score=score)


# --- loading ----------------------------------------------------------------------------------------------------------


def test_a_missing_detector_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("wildvision.models.registry.BUNDLED", tmp_path)
    with pytest.raises(ModelError, match="detector-default"):
        load_detector()


def test_a_classifier_is_not_loaded_as_a_detector(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="use load_classifier"):
        load_detector(make_tiny_model(tmp_path))


def test_the_card_reads_back_equal(folder: Path, detector: Detector) -> None:
    card = load_card(folder)
    assert card == detector.card
    assert card.model_id.startswith("wildvision-detector-tiny-detector@sha256:")
