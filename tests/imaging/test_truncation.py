"""A photo that is cut short is ``truncated``: at every place, in every format, and never a grey half."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from tests.zoo import cuts, encode, photo
from wildvision.contract import Status
from wildvision.imaging import decode, formats

PHOTO = photo(160, 120)
FILES = {
    "jpeg": encode(PHOTO, "JPEG"),
    "jpeg progressive": encode(PHOTO, "JPEG", progressive=True),
    "jpeg grey": encode(PHOTO.convert("L"), "JPEG"),
    "jpeg cmyk": encode(PHOTO.convert("CMYK"), "JPEG"),
    "png": encode(PHOTO, "PNG"),
    "webp": encode(PHOTO, "WEBP"),
    "webp lossless": encode(PHOTO, "WEBP", lossless=True),
    "webp animated": encode(PHOTO, "WEBP", save_all=True, append_images=[photo(160, 120, seed=1)]),
    "gif": encode(PHOTO, "GIF"),
    "bmp": encode(PHOTO, "BMP"),
    "tiff": encode(PHOTO, "TIFF"),
    "tiff lzw": encode(PHOTO, "TIFF", compression="tiff_lzw"),
    "tiff deflate": encode(PHOTO, "TIFF", compression="tiff_adobe_deflate"),
}
if features.check("avif"):
    FILES["avif"] = encode(PHOTO, "AVIF")


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_twenty_places_is_truncated_at_each(name):
    assert decode(FILES[name]).ok
    statuses = [decode(data).status for data in cuts(FILES[name], 20)]
    assert statuses == [Status.TRUNCATED] * 20


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", FILES)
def test_a_program_that_lets_pillow_fill_with_grey_changes_nothing(name, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert decode(FILES[name]).ok
    statuses = [decode(data).status for data in cuts(FILES[name], 5)]
    assert statuses == [Status.TRUNCATED] * 5


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", FILES)
def test_near_its_end_a_cut_file_is_either_truncated_or_has_every_pixel(name):
    data = FILES[name]
    whole = decode(data).image
    for missing in range(1, 40):
        decoded = decode(data[:-missing])
        assert decoded.status in (Status.OK, Status.TRUNCATED), missing
        assert decoded.image is None or np.array_equal(decoded.image, whole), missing


@pytest.mark.parametrize("end", [b"", b"\xff", bytes(4096)], ids=["nothing", "half a marker", "zeros"])
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(end):
    data = FILES["jpeg"]
    decoded = decode(data[:-2] + end)
    assert decoded.status is Status.OK
    assert np.array_equal(decoded.image, decode(data).image)


def test_a_progressive_jpeg_without_end_marker_may_lack_detail_and_is_truncated():
    assert decode(FILES["jpeg progressive"][:-2]).status is Status.TRUNCATED


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk"])
@pytest.mark.parametrize("end", [b"\xff\xd9", bytes(3000)], ids=["end marker", "zeros"])
@pytest.mark.parametrize("scaled", [None, 20])
def test_a_jpeg_cut_and_then_ended_is_truncated_where_pillow_would_give_grey(name, end, scaled):
    data = FILES[name]
    assert decode(data[: len(data) // 2] + end, target=scaled).status is Status.TRUNCATED


def test_a_jpeg_with_bytes_after_its_end_is_whole():
    data = FILES["jpeg"]
    assert np.array_equal(decode(data + b"\r\n--boundary--" * 9).image, decode(data).image)


def test_an_animation_needs_only_its_first_frame():
    frames = {"save_all": True, "append_images": [photo(160, 120, seed=n) for n in (1, 2)]}
    data = encode(PHOTO, "GIF", **frames)
    cut = data[: len(data) * 2 // 3]
    assert np.array_equal(decode(cut).image, decode(data).image)
    for kind in ("GIF", "WEBP", "PNG"):
        first = np.asarray(Image.open(io.BytesIO(encode(PHOTO, kind, **frames))).convert("RGB"))
        assert np.array_equal(decode(encode(PHOTO, kind, **frames)).image, first)


def test_a_jpeg_damaged_in_the_middle_is_decoded_leniently_by_pillow():
    data = bytearray(encode(photo(400, 300), "JPEG", progressive=True))
    at = data.rindex(b"\xff\xda")
    data[at:at] = bytes(30)  # bytes that belong nowhere
    decoded = decode(bytes(data))
    assert decoded.status is Status.OK
    assert np.array_equal(decoded.image, np.asarray(Image.open(io.BytesIO(bytes(data)))))


@pytest.mark.parametrize("target", [None, 100, 40])
@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk"])
def test_pillow_gives_the_same_pixels_as_the_fast_decoder(monkeypatch, name, target):
    image = PHOTO.resize((803, 601)).convert({"jpeg grey": "L", "jpeg cmyk": "CMYK"}.get(name, "RGB"))
    data = encode(image, "JPEG", progressive="progressive" in name)
    fast = decode(data, target=target)
    monkeypatch.setattr(formats, "decode_jpeg", lambda *args: None)
    slow = decode(data, target=target)
    assert fast.image.shape == slow.image.shape
    assert np.abs(fast.image.astype(int) - slow.image).max() <= 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("unknown error when reading image file", Status.UNREADABLE),  # Pillow, of damaged data
        ("Error -3 while decompressing data: unknown compression method", Status.UNREADABLE),  # zlib, likewise
        ("unknown pixel mode", Status.UNSUPPORTED),
        ("Unsupported BMP bitfields layout", Status.UNSUPPORTED),
    ],
)
def test_damage_is_told_from_variants_that_are_not_known(said, status, monkeypatch):
    def fail(*_):
        raise OSError(said)

    monkeypatch.setattr(formats, "_load", fail)
    decoded = decode(encode(photo(), "PNG"))
    assert decoded.status is status
    assert said in decoded.error
