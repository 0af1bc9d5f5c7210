"""One photo gives the same pixels and facts whichever way it is handed over."""

from __future__ import annotations

import hashlib
import io
import sys

import numpy as np
import pytest
from PIL import Image

from tests.zoo import encode, photo, with_orientation
from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.imaging import decode

JPEG = encode(photo(), "JPEG")
RGB = np.asarray(Image.open(io.BytesIO(JPEG)))


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda p: p, id="path"),
        pytest.param(str, id="str"),
        pytest.param(lambda p: p.read_bytes(), id="bytes"),
        pytest.param(lambda p: bytearray(p.read_bytes()), id="bytearray"),
        pytest.param(lambda p: memoryview(p.read_bytes()), id="memoryview"),
        pytest.param(lambda p: io.BytesIO(p.read_bytes()), id="file object"),
        pytest.param(Image.open, id="lazy PIL"),
        pytest.param(lambda p: Image.open(p).copy(), id="loaded PIL"),
        pytest.param(lambda p: np.asarray(Image.open(p)), id="numpy"),
    ],
)
def test_every_kind_of_source_gives_equal_pixels(tmp_path, wrap):
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    decoded = decode(wrap(path))
    assert decoded.status is Status.OK
    assert np.array_equal(decoded.image, RGB)
    assert (decoded.width, decoded.height) == (96, 64)


def test_only_a_path_is_reported_as_path(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    assert decode(path).path == decode(str(path)).path == str(path)
    assert decode(JPEG).path is None and decode(io.BytesIO(JPEG)).path is None


def test_a_file_object_is_read_from_where_it_stands_and_put_back():
    file = io.BytesIO(b"header" + JPEG)
    file.seek(6)
    assert decode(file).ok and decode(file).ok
    assert file.tell() == 6 and not file.closed


def test_a_file_object_that_cannot_seek_is_read_once():
    class Stream(io.RawIOBase):
        def __init__(self):
            self.rest = [JPEG[:1000], JPEG[1000:]]

        def readable(self):
            return True

        def read(self, n=-1):
            return self.rest.pop(0) if self.rest else b""

    assert np.array_equal(decode(Stream()).image, RGB)


def test_a_failing_file_object_is_unreadable():
    class Broken:
        def read(self, n):
            raise ConnectionResetError("peer went away")

    decoded = decode(Broken())
    assert decoded.status is Status.UNREADABLE and "peer went away" in decoded.error
    closed = io.BytesIO(JPEG)
    closed.close()
    assert decode(closed).status is Status.UNREADABLE


def test_a_failing_path_like_is_unreadable():
    class Broken:
        def __fspath__(self):
            raise RuntimeError("no path today")

    assert decode(Broken()).status is Status.UNREADABLE


def test_a_truncated_pil_image_is_truncated_and_a_closed_one_unreadable():
    cut = Image.open(io.BytesIO(encode(photo(), "PNG")[:4000]))
    assert decode(cut).status is Status.TRUNCATED
    closed = Image.open(io.BytesIO(JPEG))
    closed.close()
    assert decode(closed).status is Status.UNREADABLE


def test_a_pil_image_with_an_orientation_is_turned_like_its_file():
    data = with_orientation(photo(48, 32), 6)
    assert np.array_equal(decode(Image.open(io.BytesIO(data))).image, decode(data).image)


def test_sha256_is_of_the_encoded_bytes_or_of_the_pixels(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    assert decode(path, hashes=True).sha256 == hashlib.sha256(JPEG).hexdigest()
    assert decode(RGB, hashes=True).sha256 == hashlib.sha256(RGB.tobytes()).hexdigest()
    assert decode(JPEG[:500], hashes=True).sha256 == hashlib.sha256(JPEG[:500]).hexdigest()
    assert decode(JPEG).sha256 is None and decode(JPEG).phash is None


def test_phash_survives_recompression_and_tells_photos_apart():
    import imagehash

    def bits(data):
        return imagehash.hex_to_hash(decode(data, hashes=True).phash)

    large = photo(900, 600)
    same, small = encode(large, "JPEG", quality=40), encode(large.resize((450, 300)), "PNG")
    assert bits(encode(large, "PNG")) - bits(same) <= 4
    assert bits(encode(large, "PNG")) - bits(small) <= 4
    assert bits(same) - bits(encode(photo(900, 600, seed=9), "JPEG")) > 12
    assert abs(bits(same) - imagehash.phash(Image.open(io.BytesIO(same)))) <= 2


def test_a_target_below_one_is_a_bad_argument():
    with pytest.raises(ArgumentError, match="received 0"):
        decode(JPEG, target=0)


def test_imaging_does_not_import_torch_and_wildvision_does_not_import_imaging():
    import subprocess

    script = (
        "import sys, wildvision; assert 'PIL' not in sys.modules and 'cv2' not in sys.modules; "
        "import wildvision.imaging; assert not {'torch', 'timm', 'scipy', 'imagehash'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
