from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.detector_helpers import write_config, write_pictures
from training.composer import BackgroundBank, Cutout, CutoutBank
from training.composer.backgrounds import Background
from training.data.manifest import Box, Record
from training.detector.augment import clip, mirror, mosaic, place
from training.detector.config import read_config
from training.detector.scenes import Composer, Scene, make_scene, scene_of, teaches
from wildvision.errors import ArgumentError
from wildvision.taxonomy import load_taxonomy

LEAVES = load_taxonomy().leaf_names


def record(**changes: object) -> Record:
    return Record(**{"path": "x.png", "group": "ivory", "leaf": "ivory_raw", "source": "s", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (record(boxes=(Box(0, 0, 9, 9),)), True),
        (record(boxes=None), False),  # nobody has looked: the product would be learnt as background
        (record(boxes=()), False),
        (record(group="none", leaf="wood_carving"), True),
        (record(group="ambiguous", boxes=(Box(0, 0, 9, 9),)), False),
        (record(group="none", leaf="everyday", trust="low"), False),
    ],
)
def test_only_sure_negatives_and_boxed_products_teach(row: Record, expected: bool) -> None:
    assert teaches(row) is expected


def test_look_alike_boxes_are_background_and_crowds_are_ignored(tmp_path: Path) -> None:
    manifest = write_pictures(tmp_path)
    boxes = (Box(1, 2, 30, 40), Box(5, 5, 20, 20, leaf="bone_antler"), Box(0, 0, 90, 80, crowd=True))
    scene = scene_of(record(path=str(manifest.parent / "0.png"), boxes=boxes), LEAVES)
    assert scene.boxes.tolist() == [[1, 2, 30, 40]]
    assert [LEAVES[i] for i in scene.labels] == ["ivory_raw"]
    assert scene.ignore.tolist() == [[0, 0, 90, 80]]


def test_piles_of_products_have_boxes_and_piles_of_look_alikes_none(tmp_path: Path) -> None:
    def bars(colour: tuple[int, int, int], leaf: str, group: str) -> list[Cutout]:
        return [Cutout(np.full((14, 90, 4), (*colour, 255), np.uint8), leaf, group, "s", leaf, f"{leaf}.jpg")]

    CutoutBank(bars((220, 20, 20), "ivory_raw", "ivory") + bars((20, 220, 20), "bone_antler", "none")).save(tmp_path)
    BackgroundBank([Background(np.full((99, 99, 3), 90, np.uint8), "photo", "s", "b.jpg")]).save(tmp_path)
    rng = np.random.default_rng(0)
    for positives, leaf in ((1.0, "ivory_raw"), (0.0, None)):
        composer = Composer(tmp_path, (), (), LEAVES, size=96, positives=positives, piles=1.0, photo_weight=1.0)
        drawn = [composer(rng) for _ in range(20)]
        shown = {LEAVES[label] for scene in drawn for label in scene.labels}
        assert shown == ({leaf} if leaf else set())
        assert any(len(scene.boxes) > 5 for scene in drawn) is bool(leaf)
        assert any(len(scene.ignore) > 0 for scene in drawn) is bool(leaf)


def test_an_unreadable_photo_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"nowhere\.jpg"):
        scene_of(record(path="nowhere.jpg"), LEAVES)


def marked(width: int, height: int, box: tuple[int, int, int, int]) -> Scene:
    """A grey picture that is red exactly in its box."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = (255, 0, 0)
    return make_scene(image, [box], [0])


def red(image: np.ndarray) -> list[int]:
    ys, xs = np.nonzero((image[..., 0] > 170) & (image[..., 1] < 50))
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


@pytest.mark.parametrize("seed", range(20))
def test_boxes_follow_the_pixels_through_every_placement(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = marked(150, 110, (40, 30, 100, 90))
    for placed in (
        mirror(scene),
        place(scene, 128, 96, rng),
        mosaic([scene, *(make_scene(np.full((50, 50, 3), 90, np.uint8), [], []) for _ in range(3))], 160, rng),
    ):
        assert (placed.boxes >= 0).all()
        for box in placed.boxes:
            np.testing.assert_allclose(box, red(placed.image), atol=2.0)


def test_what_is_cut_off_is_ignored_and_what_is_outside_is_gone() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    scene = make_scene(image, [(-10, 0, 90, 50), (90, 10, 190, 50), (200, 10, 250, 50), (5, 5, 7, 90)], [0, 1, 2, 3])
    clipped = clip(scene)
    assert clipped.boxes.tolist() == [[0, 0, 90, 50]]
    assert clipped.labels.tolist() == [0]
    assert clipped.ignore.tolist() == [[90, 10, 100, 50], [5, 5, 7, 90]]


def test_a_scene_without_objects_survives() -> None:
    empty = make_scene(np.zeros((40, 60, 3), np.uint8), [], [])
    placed = place(empty, 64, 64, np.random.default_rng(0))
    assert placed.boxes.shape == (0, 4) and placed.ignore.shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown keys"),
        ({"sizes": [100]}, "multiples of 32"),
        ({"detector": {"head": "yolo"}}, "head"),
        ({"sampling": {"mosaic": 0.5}}, "missing keys"),
    ],
)
def test_configurations_are_read_strictly(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_config(write_config(tmp_path, tmp_path / "manifest.csv", **change))


@pytest.mark.parametrize("path", sorted(Path("configs").glob("detector-*.yaml")), ids=lambda p: p.stem)
def test_the_project_s_configurations_are_valid(path: Path) -> None:
    config = read_config(path)
    assert config.name == path.stem
    assert config.steps > 0
