"""Orientation, CMYK, ICC, palette, alpha and bit depth all end as upright 8-bit sRGB."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from tests.zoo import encode, photo, with_orientation
from wildvision.contract import Status
from wildvision.imaging import Limits, decode

PHOTO = photo(48, 32)
RGB = np.asarray(PHOTO)


def difference(a, b) -> float:
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean())


def icc_profile(colorants: dict[str, tuple[float, float, float]], gamma: float = 2.2) -> bytes:
    """A minimal ICC v2 display profile with the given colorants (D50 XYZ) and one gamma for all channels."""
    tags = {b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))}
    for channel, xyz in colorants.items():
        tags[f"{channel}XYZ".encode()] = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in xyz))
        tags[f"{channel}TRC".encode()] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0" + bytes(3)
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = start + len(body)
    header = struct.pack(">I", size) + bytes(4) + struct.pack(">I", 0x02400000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + table + body


SRGB_COLORANTS = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7141)}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_is_turned_upright(orientation):
    data = with_orientation(PHOTO, orientation)
    decoded = decode(data)
    assert (decoded.width, decoded.height) == (48, 32)
    assert np.array_equal(decoded.image, RGB)
    assert np.array_equal(decoded.image, ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "PNG", "AVIF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_is_read_from_every_format_that_has_it(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(PHOTO, kind, exif=exif.tobytes())
    expected = PHOTO.transpose({3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}[orientation])
    decoded = decode(data)
    assert (decoded.width, decoded.height) == expected.size
    assert difference(decoded.image, expected) < 8


def test_orientation_turns_a_scaled_decode_and_reports_the_original_size():
    exif = Image.Exif()
    exif[0x0112] = 8
    decoded = decode(encode(photo(400, 300), "JPEG", exif=exif.tobytes()), target=100)
    assert (decoded.width, decoded.height) == (300, 400)
    assert decoded.image.shape == (200, 150, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b""])
def test_broken_exif_does_not_cost_the_photo(exif):
    assert decode(encode(PHOTO, "JPEG", exif=exif)).status is Status.OK


def test_exif_that_pillow_cannot_even_read_does_not_cost_the_photo(monkeypatch):
    def fail(self):
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert np.array_equal(decode(encode(PHOTO, "PNG")).image, RGB)


def test_a_profile_of_many_megabytes_is_ignored():
    assert np.array_equal(decode(encode(PHOTO, "TIFF", icc_profile=bytes(5_000_000))).image, RGB)


def test_an_orientation_out_of_range_is_ignored():
    assert np.array_equal(decode(with_orientation(PHOTO, 9)).image, RGB)


def test_cmyk_jpeg_and_tiff_look_like_their_rgb():
    cmyk = PHOTO.convert("CMYK")
    assert difference(decode(encode(cmyk, "TIFF")).image, PHOTO) < 1
    assert difference(decode(encode(cmyk, "JPEG", quality=95, subsampling=0)).image, PHOTO) < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_icc_profile_with_swapped_primaries_swaps_the_colours(kind):
    swapped = {"r": SRGB_COLORANTS["b"], "g": SRGB_COLORANTS["g"], "b": SRGB_COLORANTS["r"]}
    image = Image.new("RGB", (16, 16), (255, 0, 0))
    red, green, blue = decode(encode(image, kind, icc_profile=icc_profile(swapped))).image.mean(axis=(0, 1))
    assert blue > 245 and red < 25 and green < 25


def test_an_icc_profile_of_a_wide_gamut_makes_colours_stronger():
    p3 = {"r": (0.5151, 0.2412, -0.0011), "g": (0.2920, 0.6922, 0.0419), "b": (0.1571, 0.0666, 0.7841)}
    image = Image.new("RGB", (8, 8), (200, 60, 60))
    red, green, _ = decode(encode(image, "PNG", icc_profile=icc_profile(p3))).image[0, 0]
    assert red > 210 and green < 50


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), id="sRGB"),
        pytest.param(b"not a profile", id="garbage"),
        pytest.param(icc_profile(SRGB_COLORANTS)[:200], id="cut"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), id="of another colour space"),
    ],
)
def test_srgb_and_unusable_profiles_change_nothing(profile):
    assert np.array_equal(decode(encode(PHOTO, "PNG", icc_profile=profile)).image, RGB)


@pytest.mark.parametrize("mode", ["P", "L", "LA", "RGBA"])
def test_a_profile_for_rgb_on_another_mode_does_not_fail(mode):
    data = encode(PHOTO.convert(mode), "PNG", icc_profile=icc_profile(SRGB_COLORANTS))
    assert decode(data).status is Status.OK


def test_transparency_is_laid_on_white_for_alpha_palette_and_colour_key():
    clear = PHOTO.copy()
    clear.putalpha(0)
    assert (decode(encode(clear, "PNG")).image == 255).all()
    assert (decode(encode(clear, "WEBP", lossless=True)).image == 255).all()
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert decode(encode(palette, "PNG")).image[0, 0].tolist() == [10, 20, 30]
    assert decode(encode(palette, "PNG", transparency=1)).image[0, 0].tolist() == [255] * 3
    assert decode(encode(palette, "PNG", transparency=b"\xff\x00")).image[0, 0].tolist() == [255] * 3
    assert decode(encode(palette, "GIF", transparency=1)).image[0, 0].tolist() == [255] * 3
    keyed = Image.new("RGB", (8, 8), (1, 2, 3))
    assert decode(encode(keyed, "PNG", transparency=(1, 2, 3))).image[0, 0].tolist() == [255] * 3


def test_16_bit_images_keep_their_brightness():
    levels = np.array([[0, 128 * 257, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        assert decode(encode(Image.fromarray(levels), kind)).image[0, :, 0].tolist() == [0, 128, 255]
    assert decode(Image.fromarray(levels.astype(np.int32), "I")).image[0, :, 0].tolist() == [0, 128, 255]
    assert decode(Image.fromarray(np.float32([[0, 0.5, 1]]), "F")).image[0, :, 0].tolist() == [0, 128, 255]


def test_deep_images_without_a_known_range_are_unsupported():
    assert decode(Image.fromarray(np.int32([[-5, 9]]), "I")).status is Status.UNSUPPORTED
    assert decode(Image.fromarray(np.float32([[0, 300]]), "F")).status is Status.UNSUPPORTED


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV", "I;16"])
def test_every_pillow_mode_with_a_meaning_is_decoded(mode):
    image = Image.new(mode, (5, 4))
    decoded = decode(image)
    assert decoded.status is Status.OK and decoded.image.shape == (4, 5, 3)


def test_a_mode_that_pillow_cannot_convert_is_unsupported(monkeypatch):
    def fail(self, mode):
        raise ValueError("conversion not supported")

    monkeypatch.setattr(Image.Image, "convert", fail)
    decoded = decode(Image.new("LAB", (5, 4)))
    assert decoded.status is Status.UNSUPPORTED and "LAB" in decoded.error


def test_heic_needs_its_plugin_and_says_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decoded = decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    assert decoded.status is Status.UNSUPPORTED and "wildvision[heif]" in decoded.error


def test_heic_is_decoded_upright_where_its_plugin_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif")
    for orientation, size in ((1, (96, 64)), (6, (64, 96))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        buffer = io.BytesIO()
        pillow_heif.from_pillow(photo()).save(buffer, exif=exif.tobytes())
        decoded = decode(buffer.getvalue())
        assert (decoded.width, decoded.height) == size
        turned = photo() if orientation == 1 else photo().transpose(Image.Transpose.ROTATE_270)
        assert difference(decoded.image, turned) < 8
    assert decode(buffer.getvalue(), limits=Limits(max_pixels=99)).status is Status.TOO_LARGE
    assert decode(buffer.getvalue()[:-200]).status is Status.TRUNCATED


def test_pixels_of_an_array_of_integers_are_of_8_bits() -> None:
    levels = np.int32([[0, 128, 255], [7, 9, 200]])
    assert decode(Image.fromarray(levels, "I")).image[..., 0].tolist() == levels.tolist()
