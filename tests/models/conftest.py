from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.tiny import make_tiny_model
from wildvision.models import Classifier, load_classifier


@pytest.fixture(scope="session")
def tiny_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model; tests that change it copy it first."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(tiny_original: Path, tmp_path: Path) -> Path:
    """A folder with the tiny model, for this test alone."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in tiny_original.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="session")
def classifier(tiny_original: Path) -> Classifier:
    return load_classifier(tiny_original, device="cpu")
