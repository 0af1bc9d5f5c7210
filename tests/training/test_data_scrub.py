from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.training.data_helpers import picture, record
from training.data import write_manifest
from training.data.cli import main
from training.data.faces import GROW, STRIDE, decode
from training.data.masks import read_rgb
from training.data.scrub import blur, scrub, scrub_folder
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


def test_writing_over_the_original_is_refused(tmp_path: Path) -> None:
    source = photo_with_secrets(tmp_path / "a.jpg")
    with pytest.raises(ArgumentError, match="writes a copy"):
        scrub(source, source)


def test_blur_leaves_nothing_of_a_face_to_recognise() -> None:
    grid = np.indices((120, 120)).sum(axis=0) // 6 % 2 * 255
    image = np.repeat(grid[..., None], 3, axis=2).astype(np.uint8)
    face = blur(image, [(20, 20, 99, 99)])[24:96, 24:96].astype(float)
    assert np.abs(np.diff(face, axis=0)).max() < 12, "no edge is left"
    assert abs(face.mean() - image.mean()) < 12, "its brightness is"


def face_maps(*faces: tuple[int, int, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What CenterFace puts out for faces of (row, column, height, width), all in pixels, seen twice each."""
    heat, sizes, offsets = np.zeros((20, 30)), np.zeros((2, 20, 30)), np.zeros((2, 20, 30))
    for y, x, height, width in faces:
        for column, score in ((x // STRIDE, 0.9), (x // STRIDE + 1, 0.6)):
            heat[y // STRIDE, column] = score
            sizes[:, y // STRIDE, column] = np.log(height / STRIDE), np.log(width / STRIDE)
            offsets[:, y // STRIDE, column] = y / STRIDE - y // STRIDE - 0.5, x / STRIDE - column - 0.5
    return heat, sizes, offsets


def test_each_face_gives_one_box_in_pixels_of_the_photo() -> None:
    found = decode(*face_maps((32, 20, 24, 16), (50, 90, 20, 20)), score=0.4, zoom=(2.0, 1.0))
    expected = [(x - w * r, y - h * r, x + w * r, y + h * r) for y, x, h, w in ((32, 20, 24, 16), (50, 90, 20, 20))
                for r in [0.5 + GROW]]  # fmt: skip
    assert np.allclose(sorted(found), [(2 * a, b, 2 * c, d) for a, b, c, d in expected])
    assert decode(*face_maps((32, 20, 24, 16)), score=0.95) == []


def test_the_face_finder_is_asked_for_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(1)).save(tmp_path / "a.png")
    write_manifest(tmp_path / "m.csv", [record("a.png")])
    monkeypatch.setattr("training.data.faces.centerface", lambda: lambda image: [(0.0, 0.0, 60.0, 60.0)])
    for flags, same in (([], True), (["--blur-faces"], False)):
        assert main(["scrub", str(tmp_path / "m.csv"), "--out", str(tmp_path / "out"), *flags]) == 0
        copy = read_rgb(tmp_path / "out" / "a.png")
        assert copy is not None
        assert np.array_equal(copy, picture(1)) == same
