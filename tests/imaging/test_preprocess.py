"""The resize in front of a model: antialiased, close to Pillow, the same everywhere."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image

from tests.zoo import encode, photo
from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.imaging import Preparer, Preprocess, decode, preprocess, preprocessing

SIZES = [(1400, 1000), (641, 480), (300, 500), (64, 64), (40, 90), (5000, 3), (1, 1)]


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "area"])
@pytest.mark.parametrize("resize", ["squash", "center", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
def test_every_mode_gives_a_square_of_bytes_for_every_shape(size, resize, interpolation):
    image = np.asarray(photo(*size))
    pixels = preprocess(image, Preprocess(64, resize, interpolation))
    assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous and pixels.flags.writeable
    assert np.array_equal(pixels, preprocess(image, Preprocess(64, resize, interpolation)))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", SIZES)
def test_squash_is_close_to_pillow(size, interpolation):
    image = photo(*size)
    expected = image.resize((64, 64), Image.Resampling[interpolation.upper()])
    got = preprocess(np.asarray(image), Preprocess(64, "squash", interpolation))
    difference = np.abs(got.astype(int) - np.asarray(expected))
    assert difference.mean() < 0.6 and np.percentile(difference, 99) <= 4


def test_area_is_the_mean_of_the_covered_pixels():
    image = np.asarray(photo(128, 128))
    expected = image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    got = preprocess(image, Preprocess(64, "squash", "area"))
    assert np.abs(got - expected).max() <= 0.5


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "area"])
def test_a_fine_checkerboard_becomes_grey_instead_of_aliasing(interpolation):
    board = np.indices((999, 999)).sum(axis=0) % 2 * 255
    image = np.repeat(board[..., np.newaxis], 3, axis=2).astype(np.uint8)
    pixels = preprocess(image, Preprocess(100, "squash", interpolation))
    assert abs(pixels[5:-5, 5:-5].astype(int) - 127.5).max() < 6


def test_center_keeps_the_largest_square_in_the_middle():
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, 20:80] = 200
    assert (preprocess(image, Preprocess(30, "center")) == 200).all()


def test_letterbox_keeps_everything_and_pads_with_the_mean():
    image = np.full((50, 100, 3), 200, np.uint8)
    pixels = preprocess(image, Preprocess(40, "letterbox", mean=(1.0, 0.5, 0.0)))
    assert (pixels[10:30] == 200).all()
    assert (pixels[:10] == (255, 128, 0)).all() and (pixels[30:] == (255, 128, 0)).all()


def test_an_image_of_the_right_size_is_not_touched():
    image = np.asarray(photo(64, 64))
    assert np.array_equal(preprocess(image, Preprocess(64)), image)


@pytest.mark.parametrize(
    "bad",
    [
        {"size": 0},
        {"size": 2.5},
        {"size": True},
        {"size": 8, "resize": "stretch"},
        {"size": 8, "interpolation": "nearest"},
        {"size": 8, "mean": (0.5,)},
        {"size": 8, "std": (1.0, 0.0, 1.0)},
    ],
)
def test_a_bad_preprocess_names_the_value_received(bad):
    with pytest.raises(ArgumentError, match="received"):
        Preprocess(**bad)


def test_lists_from_a_card_give_an_equal_and_hashable_preprocess():
    assert hash(Preprocess(8, mean=[0, 0, 0])) == hash(Preprocess(8, mean=(0.0, 0.0, 0.0)))


@pytest.mark.parametrize(
    ("target", "shape"), [(None, (600, 800)), (300, (300, 400)), (301, (600, 800)), (75, (75, 100))]
)
def test_a_scaled_decode_never_goes_below_its_target(target, shape):
    decoded = decode(encode(photo(800, 600), "JPEG"), target=target)
    assert decoded.image.shape[:2] == shape
    assert (decoded.width, decoded.height) == (800, 600)


@pytest.mark.parametrize("size", [(800, 600), (1600, 1203), (601, 1000)])
def test_a_scaled_decode_is_close_to_the_exact_one(size):
    data = encode(photo(*size), "JPEG", quality=90)
    how = Preprocess(128)
    exact, scaled = Preparer(how)(data).pixels, Preparer(how, scaled=True)(data).pixels
    difference = np.abs(exact.astype(int) - scaled)
    assert difference.any()
    assert difference.mean() < 1.5 and np.percentile(difference, 99) <= 8


def test_prepared_carries_the_facts_and_failures_pass_through(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(photo(), "JPEG"))
    prepare = Preparer(Preprocess(32))
    good, bad = prepare(path), prepare(tmp_path / "none.jpg", hashes=False)
    assert good.ok and (good.width, good.height, good.path) == (96, 64, str(path))
    assert good.sha256 and good.phash and good.pixels.shape == (32, 32, 3)
    assert not bad.ok and bad.status is Status.NOT_FOUND and bad.pixels is None and bad.error and bad.sha256 is None


def test_a_resize_without_memory_is_too_large(monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(preprocessing, "resize", fail)
    prepared = Preparer(Preprocess(32))(photo())
    assert prepared.status is Status.TOO_LARGE and prepared.error and prepared.pixels is None


def test_a_preparer_pickles_and_works_in_other_processes():
    prepare = Preparer(Preprocess(32), scaled=True)
    assert pickle.loads(pickle.dumps(prepare)) == prepare
    data = [encode(photo(seed=n), "JPEG") for n in range(3)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for here, there in zip(map(prepare, data), pool.map(prepare, data), strict=True):
            assert np.array_equal(here.pixels, there.pixels) and here.phash == there.phash
