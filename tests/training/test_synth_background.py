"""The background check finds a planted leak, finds none where there is none, and looks only at what is background."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.synth.background_check import check, free_corners, out_of_fold, read_renders, to_markdown
from wildvision.errors import ArgumentError

LEAVES = ("ivory_raw", "bone_antler")


def mean_colour(images: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([np.asarray(image, float).mean(axis=(0, 1)) for image in images])


def render(folder: Path, index: int, leaf: str, ground: np.ndarray, *, visible: bool = True) -> None:
    """A pale (ivory) or dark (bone) square in the middle of a ground of one colour."""
    for part in ("images", "masks", "params"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    name = f"{index:06d}_{leaf}"
    image, mask = np.tile(ground.astype(np.uint8), (64, 64, 1)), np.zeros((64, 64), np.uint8)
    image[22:42, 22:42] = 250 if leaf == "ivory_raw" else 5
    mask[22:42, 22:42] = 1
    cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image)
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    instances = [{"number": 1, "leaf": leaf, "box": [22, 22, 42, 42]}] if visible else []
    (folder / "params" / f"{name}.json").write_text(json.dumps({"leaf": leaf, "instances": instances}))


@pytest.mark.parametrize(("leak", "low", "high"), [(True, 0.9, 1.0), (False, 0.3, 0.65)])
def test_a_ground_that_follows_the_leaf_is_found_and_one_that_does_not_is_not(
    tmp_path: Path, leak: bool, low: float, high: float
) -> None:
    rng = np.random.default_rng(3)
    for index in range(120):
        leaf = LEAVES[index % 2]
        warmth = 60 * (leaf == "ivory_raw") if leak else 60 * rng.integers(2)
        render(tmp_path, index, leaf, rng.integers(60, 120, 3) + np.array([0, 0, warmth]))
    row = check(list(read_renders(tmp_path, mean_colour)))["ivory"]
    assert (row["products"], row["others"], row["without_free_corner"]) == (60, 60, 0)
    assert low <= row["background"][0] <= high
    assert row["background"][1] <= row["background"][0] <= row["background"][2]
    assert row["whole"][0] > 0.9, "the objects themselves differ"


def test_patches_keep_clear_of_objects_and_have_one_size() -> None:
    image, mask = np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128), np.uint8)
    assert [patch.shape for patch in free_corners(image, mask)] == [(32, 32, 3)] * 4
    mask[:20, :20] = 2  # in the first corner
    mask[30, 125] = 3  # within the margin of the second
    mask[61, 10] = 1  # within the margin of the third
    assert len(free_corners(image, mask)) == 1
    mask[:] = 1
    assert free_corners(image, mask) == []


def test_scores_are_of_pictures_and_repeat_with_the_seed() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2 == 0
    views = [rng.normal(label, 0.1, (1 + i % 4, 3)) for i, label in enumerate(labels)]
    scores = out_of_fold(views, labels, seed=1)
    assert scores[labels].min() > scores[~labels].max()
    assert np.array_equal(scores, out_of_fold(views, labels, seed=1))


def test_hidden_products_are_left_out_and_too_few_pictures_are_not_measured(tmp_path: Path) -> None:
    for index in range(4):
        render(tmp_path, index, LEAVES[index % 2], np.full(3, 90), visible=index > 1)
    rows = check(list(read_renders(tmp_path, mean_colour)))
    assert (rows["ivory"]["products"], rows["ivory"]["others"]) == (1, 1)
    assert rows["ivory"]["background"] is None
    assert "| ivory | 1 | 1 | 0 | not measured | not measured |" in to_markdown(
        {"renders": 2, "seed": 0, "rows": rows, "verdict": "none"}
    )


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"training\.synth\.render"):
        list(read_renders(tmp_path, mean_colour))
