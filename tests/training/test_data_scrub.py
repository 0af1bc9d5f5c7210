from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.training.data_helpers import picture
from training.data.masks import read_rgb
from training.data.scrub import blur, scrub, scrub_folder, yunet
from wildvision.errors import ArgumentError

SECRET = b"Lat 51.4779 serial 0042"


def photo_with_secrets(path: Path, orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 28.0, 40.0)})
    image = Image.fromarray(picture(1))
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        info.add_text("Comment", SECRET.decode())
        image.save(path, exif=exif, pnginfo=info)
    else:
        options = {"comment": SECRET} if path.suffix == ".jpg" else {}
        image.save(path, exif=exif, xmp=SECRET, quality=80, **options)
    assert SECRET in path.read_bytes()
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_no_secret_survives_and_the_photo_is_upright(tmp_path: Path, name: str, orientation: int) -> None:
    source = photo_with_secrets(tmp_path / name, orientation)
    before = source.read_bytes()
    out = tmp_path / "out" / name
    assert scrub(source, out) == 0
    assert source.read_bytes() == before, "the original is never touched"
    data = out.read_bytes()
    assert SECRET not in data
    assert b"Exif" not in data
    with Image.open(out) as clean:
        assert not clean.getexif()
        assert clean.size == ((160, 120) if orientation == 1 else (120, 160))
        expected = picture(1) if orientation == 1 else np.rot90(picture(1), -1)
        assert np.abs(np.asarray(clean.convert("RGB"), int) - expected).mean() < 6


def test_scrubbing_an_upright_jpeg_keeps_its_quantisation_tables(tmp_path: Path) -> None:
    source = photo_with_secrets(tmp_path / "a.jpg")
    scrub(source, tmp_path / "b.jpg")
    with Image.open(source) as a, Image.open(tmp_path / "b.jpg") as b:
        assert a.quantization == b.quantization


def test_faces_are_blurred_only_on_request_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (80, 100, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    original = read_rgb(tmp_path / "a.png")
    scrub(tmp_path / "a.png", tmp_path / "plain.png")
    assert np.array_equal(read_rgb(tmp_path / "plain.png"), original)
    assert scrub(tmp_path / "a.png", tmp_path / "b.png", faces=lambda image: [(10.0, 20.0, 40.0, 60.0)]) == 1
    blurred = read_rgb(tmp_path / "b.png")
    assert blurred is not None
    changed = (blurred != original).any(axis=-1)
    assert changed[20:61, 10:41].mean() > 0.95
    changed[20:61, 10:41] = False
    assert not changed.any()


def test_a_box_reaching_outside_is_blurred_as_far_as_it_goes() -> None:
    image = picture(1)
    assert not np.array_equal(blur(image, [(-20, -20, 30, 30)]), image)
    assert np.array_equal(blur(image, [(500, 500, 600, 600)]), image)


def test_a_folder_reports_what_it_could_not_scrub(tmp_path: Path) -> None:
    photo_with_secrets(tmp_path / "a.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    Image.fromarray(picture(1)).save(tmp_path / "c.gif")
    failed = list(scrub_folder(tmp_path, ["a.jpg", "bad.jpg", "c.gif"], tmp_path / "out"))
    assert [line.split(":")[0] for line in failed] == ["bad.jpg", "c.gif"]
    assert (tmp_path / "out" / "a.jpg").exists()


def test_writing_over_the_original_and_a_missing_face_model_are_refused(tmp_path: Path) -> None:
    source = photo_with_secrets(tmp_path / "a.jpg")
    with pytest.raises(ArgumentError, match="writes a copy"):
        scrub(source, source)
    with pytest.raises(ArgumentError, match="no face model at"):
        yunet(tmp_path / "none.onnx")
