from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny import make_tiny_model
from wildvision.models import Classifier, load_classifier


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model on disk, for code that loads by name and for other processes."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Classifier:
    return load_classifier(tiny_folder, device="cpu")


def make_photo(path: Path, seed: int, size: tuple[int, int] = (96, 80)) -> Path:
    """A smooth random JPEG; equal seeds give equal files."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize(size, Image.Resampling.BICUBIC).save(path, quality=90)
    return path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 files in three folders: 30 photos, 4 exact copies of earlier ones, 6 bad files. Read only."""
    root = tmp_path_factory.mktemp("shop")
    for n in range(30):
        make_photo(root / f"{'abc'[n % 3]}" / f"{n:03d}.jpg", n)
    for n in range(4):
        make_photo(root / "c" / f"copy-{n}.jpg", n)
    whole = (root / "a" / "000.jpg").read_bytes()
    (root / "a" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "a" / "empty.jpg").write_bytes(b"")
    (root / "b" / "notes.txt").write_text("not a photo")
    (root / "b" / "noise.jpg").write_bytes(bytes(range(256)) * 8)
    (root / "b" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (root / "c" / "header.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return root


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers share the machine with other tests."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
