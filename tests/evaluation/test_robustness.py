import cv2
import numpy as np
import pytest

from wildvision.errors import ArgumentError
from wildvision.evaluation.robustness import CORRUPTIONS, STRENGTHS, corrupt

RESIZING = {"thumbnail", "corner_crop", "screenshot_frame", "chat_screenshot", "mirror"}


def photo(h=240, w=320, seed=0):
    """Smooth colours with a textured disc in the middle."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(30, 220, size=(6, 8, 3), dtype=np.uint8), (w, h), interpolation=cv2.INTER_CUBIC)
    cv2.circle(image, (w // 2, h // 2), min(h, w) // 4, (235, 225, 200), -1)
    return image


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_gives_a_changed_seeded_image_and_leaves_its_input_alone(name, strength):
    image = photo()
    before = image.copy()
    out = corrupt(image, name, strength, seed=1)
    assert out.dtype == np.uint8
    assert out.ndim == 3
    assert out.shape[2] == 3
    assert out.flags.c_contiguous
    assert (image == before).all()
    assert out.shape != image.shape or (out != image).any()
    assert name in RESIZING or out.shape == image.shape
    assert (out == corrupt(image, name, strength, seed=1)).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (40, 40)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_odd_sizes_are_corrupted_all_the_same(name, size):
    for strength in STRENGTHS:
        assert corrupt(photo(*size), name, strength).size > 0


@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - RESIZING - {"collage", "tiny_in_room"}))
def test_a_higher_strength_changes_more(name):
    image = photo()
    changes = []
    for strength in STRENGTHS:
        outs = [corrupt(image, name, strength, seed=s).astype(float) for s in range(6)]
        changes.append(np.mean([np.abs(o - image).mean() for o in outs]))
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("name", ["jpeg", "greyscale"])
def test_what_leaves_nothing_to_chance_does_not_depend_on_the_seed(name):
    assert (corrupt(photo(), name, 2, seed=0) == corrupt(photo(), name, 2, seed=1)).all()


@pytest.mark.parametrize("name", ["watermark", "collage", "occlusion", "sticker", "tiny_in_room", "chat_screenshot"])
def test_what_is_drawn_depends_on_the_seed(name):
    outs = [corrupt(photo(), name, 2, seed=s) for s in range(5)]
    assert any(o.shape != outs[0].shape or (o != outs[0]).any() for o in outs[1:])


def test_the_named_levels_of_the_middle_strength():
    image = photo(400, 300)
    assert max(corrupt(image, "thumbnail", 2).shape[:2]) == 96
    grey = corrupt(image, "greyscale", 2)
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (corrupt(image, "mirror", 1) == image[:, ::-1]).all()
    assert (corrupt(image, "inverted", 3) == 255 - image).all()
    changed = (corrupt(image, "inverted", 2) != image).any(axis=2).mean()
    assert changed == pytest.approx(0.5, abs=0.02)


def test_a_small_thumbnail_is_not_enlarged():
    assert corrupt(photo(30, 40), "thumbnail", 2).shape == (30, 40, 3)


@pytest.mark.parametrize(("name", "share"), [("occlusion", (0.04, 0.35)), ("sticker", (0.10, 0.18))])
def test_covered_area_is_about_what_is_stated(name, share):
    image = photo()
    for seed in range(8):
        covered = (corrupt(image, name, 2, seed=seed) != image).any(axis=2).mean()
        assert share[0] < covered < share[1]


@pytest.mark.parametrize(
    ("image", "name", "strength"),
    [
        (photo(), "nonsense", 1),
        (photo(), "jpeg", 0),
        (photo(), "jpeg", 4),
        (photo().astype(float), "jpeg", 1),
        (photo()[..., 0], "jpeg", 1),
    ],
)
def test_bad_arguments_are_refused(image, name, strength):
    with pytest.raises(ArgumentError):
        corrupt(image, name, strength)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strength": 2.0}, "strength"),
        ({"strength": True}, "strength"),
        ({"seed": 1.5}, "seed"),
        ({"seed": None}, "seed"),
    ],
)
def test_arguments_of_another_kind_are_refused_by_name(wrong, message):
    with pytest.raises(ArgumentError, match=message):
        corrupt(photo(), "jpeg", **wrong)
    with pytest.raises(ArgumentError, match="received str"):
        corrupt("photo.jpg", "jpeg")


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_even_of_a_few_pixels_a_copy_is_made(name):
    image = np.full((2, 2, 3), 90, np.uint8)
    assert not np.shares_memory(corrupt(image, name, 2), image)
