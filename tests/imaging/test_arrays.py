"""The written rule for each shape and dtype of arrays and tensors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.zoo import photo
from wildvision.contract import Status
from wildvision.imaging import Limits, decode

RGB = np.asarray(photo())


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(RGB, RGB, id="uint8"),
        pytest.param(RGB[::-1, ::2], RGB[::-1, ::2], id="a view with steps"),
        pytest.param(RGB.astype(np.uint16) * 257, RGB, id="uint16"),
        pytest.param((RGB.astype(np.uint16) * 257).astype(">u2"), RGB, id="uint16 big-endian"),
        pytest.param(RGB / 255, RGB, id="float64"),
        pytest.param((RGB / 255).astype(np.float32), RGB, id="float32"),
        pytest.param(RGB[..., 0], np.repeat(RGB[..., :1], 3, axis=2), id="grey"),
        pytest.param(RGB[..., :1], np.repeat(RGB[..., :1], 3, axis=2), id="one channel"),
        pytest.param(RGB[..., 0] > 128, np.repeat(np.where(RGB[..., :1] > 128, 255, 0), 3, axis=2), id="bool"),
        pytest.param(np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)]), RGB, id="opaque"),
        pytest.param(np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)]), np.full_like(RGB, 255), id="transparent"),
    ],
)
def test_arrays_become_8_bit_rgb(array, expected):
    decoded = decode(array)
    assert decoded.status is Status.OK
    assert decoded.image.dtype == np.uint8 and decoded.image.flags.c_contiguous
    assert np.array_equal(decoded.image, expected)


def test_half_transparent_black_on_white_is_grey():
    pixel = np.array([[[0, 0, 0, 128]]], np.uint8)
    assert decode(pixel).image.tolist() == [[[127, 127, 127]]]


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (RGB.astype(np.float32), "pass uint8"),
        (np.full((4, 4, 3), np.nan), "float pixels"),
        (RGB.astype(np.int32), "received int32"),
        (RGB.transpose(2, 0, 1), "transpose(1, 2, 0)"),
        (RGB[np.newaxis], "as a list"),
        (np.zeros((4, 4, 7), np.uint8), "(4, 4, 7)"),
        (np.zeros(5, np.uint8), "(5,)"),
        (np.array([["a", "b"]]), "received <U1"),
        (np.array([[object(), 1]], object), "received object"),
    ],
)
def test_arrays_of_unknown_meaning_are_unsupported_with_a_way_out(array, hint):
    decoded = decode(array)
    assert decoded.status is Status.UNSUPPORTED and hint in decoded.error


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0), (5, 5, 0)])
def test_arrays_without_values_are_empty(shape, hashes):
    assert decode(np.zeros(shape, np.uint8), hashes=hashes).status is Status.EMPTY


def test_arrays_obey_the_pixel_limit_and_are_not_changed():
    array = RGB.copy()
    assert decode(array, limits=Limits(max_pixels=100)).status is Status.TOO_LARGE
    decode(array).image[:] = 0
    assert np.array_equal(array, RGB)


def test_tensors_are_channels_first_like_torchvision():
    torch = pytest.importorskip("torch")
    chw = torch.from_numpy(RGB.transpose(2, 0, 1).copy())
    for tensor in (chw, chw / 255, chw.permute(1, 2, 0), (chw / 255).requires_grad_()):
        assert np.array_equal(decode(tensor).image, RGB)
    assert np.array_equal(decode(chw[0]).image[..., 0], RGB[..., 0])
    assert np.abs(decode((chw / 255).bfloat16()).image.astype(int) - RGB).max() <= 1
    assert decode(chw[None]).status is Status.UNSUPPORTED
    assert decode(chw.long()).status is Status.UNSUPPORTED
