"""Whatever the bytes, decode answers with a status: never an exception, never half a result."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.zoo import encode, photo
from wildvision.contract import Status
from wildvision.imaging import Decoded, Limits, Preparer, Preprocess, decode

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

LIMITS = Limits(max_pixels=4_000_000)
FILES = [
    encode(photo(), "JPEG"),
    encode(photo(), "JPEG", progressive=True),
    encode(photo(24, 16), "PNG"),
    encode(photo(24, 16).quantize(8), "PNG", transparency=2),
    encode(photo(), "WEBP"),
    encode(photo(24, 16), "GIF"),
    encode(photo(24, 16), "BMP"),
    encode(photo(24, 16), "TIFF", compression="tiff_lzw"),
]
MAGIC = [
    b"",
    *(data[:16] for data in FILES),
    b"\0\0\0\x18ftypheic",
    b"\0\0\0\x18ftypavif",
    b"II+\0",
    b"RIFF\0\0\0\0WEBP",
]
settings.register_profile("imaging", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
CALM = settings.get_profile("imaging")


def check(decoded: Decoded) -> None:
    assert isinstance(decoded.status, Status)
    if decoded.ok:
        assert decoded.error is None
        assert decoded.image.dtype == np.uint8 and decoded.image.ndim == 3 and decoded.image.shape[2] == 3
        assert decoded.image.flags.c_contiguous and decoded.image.size > 0
        assert decoded.width >= decoded.image.shape[1] and decoded.height >= decoded.image.shape[0]
    else:
        assert decoded.image is None and decoded.phash is None
        assert decoded.error and len(decoded.error) <= 300 and "\n" not in decoded.error


@CALM
@given(st.sampled_from(MAGIC), st.binary(max_size=400))
def test_random_bytes_behind_any_magic_give_a_status(magic, rest):
    check(decode(magic + rest, limits=LIMITS, hashes=True))


@CALM
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    st.sampled_from([None, 16]),
)
def test_files_with_changed_bytes_give_a_status(data, changes, target):
    mutated = bytearray(data)
    for at, value in changes:
        mutated[at % len(mutated)] = value
    check(decode(bytes(mutated), limits=LIMITS, target=target))


@CALM
@given(st.sampled_from(FILES), st.integers(0, 10**6), st.binary(max_size=40), st.integers(0, 200))
def test_files_with_bytes_inserted_or_lost_give_a_status(data, at, inserted, lost):
    at %= len(data)
    mutated = data[:at] + inserted + data[at + lost :]
    check(decode(io.BytesIO(mutated), limits=LIMITS))


@CALM
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.bool_, np.complex64]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
    )
)
def test_arrays_of_any_shape_and_dtype_give_a_status(array):
    check(decode(array, hashes=True))


@CALM
@given(st.text(max_size=40))
def test_any_text_as_a_path_gives_a_status_and_a_path_that_can_be_written(text):
    decoded = decode(text)
    check(decoded)
    decoded.path.encode("utf-8")


@CALM
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.sampled_from(["squash", "center", "letterbox"]),
    st.sampled_from(["bicubic", "bilinear", "area"]),
)
def test_a_flat_image_stays_flat_whatever_the_geometry(width, height, size, resize, interpolation):
    flat = np.full((height, width, 3), (255, 128, 0), np.uint8)
    prepared = Preparer(Preprocess(size, resize, interpolation, mean=(1.0, 0.5, 0.0)))(flat, hashes=False)
    assert (prepared.pixels == (255, 128, 0)).all()
