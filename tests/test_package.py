"""The package as a whole: its version, its public names, and how little an import loads."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wildvision

HEAVY = ("torch", "torchvision", "timm", "cv2", "PIL", "pyarrow", "rich", "huggingface_hub", "matplotlib", "sklearn")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def best_seconds(code: str, runs: int = 5) -> float:
    """Least processor time of a few runs: what the code needs, however busy the machine is."""
    timed = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    return min(float(run_python(timed)) for _ in range(runs))


def test_version_is_the_same_everywhere() -> None:
    assert wildvision.__version__ == importlib.metadata.version("wildvision")


@pytest.mark.parametrize("statement", ["import wildvision", "from wildvision.cli import build_parser; build_parser()"])
def test_import_and_help_load_nothing_heavy(statement: str) -> None:
    loaded = run_python(f"{statement}; import sys; print(' '.join(m for m in {HEAVY!r} if m in sys.modules))")
    assert loaded == ""


def test_import_takes_less_than_0_3_s() -> None:
    assert best_seconds("import wildvision") < 0.3


def test_help_takes_less_than_0_5_s() -> None:
    assert best_seconds("from wildvision.cli import build_parser; build_parser().format_help()") < 0.5


@pytest.mark.parametrize("name", [name for name in wildvision.__all__ if name != "__version__"])
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(wildvision, name).__module__.startswith("wildvision.")
    assert name in dir(wildvision)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'wildvision' has no attribute 'load_clasifier'"):
        wildvision.load_clasifier  # noqa: B018


def test_type_hints_ship_with_the_package() -> None:
    assert (Path(os.fspath(wildvision.__file__)).parent / "py.typed").is_file()
