"""The loops that benchmarks time do what is said of them; how fast they are is for `make bench-throughput`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.throughput import data_loader_loop, plain_loop
from tests.models.tiny import make_tiny_model
from wildvision import load_classifier


@pytest.mark.parametrize("workers", [None, 0])
def test_the_timm_loops_run_the_same_network(tmp_path: Path, workers: int | None) -> None:
    classifier = load_classifier(make_tiny_model(tmp_path / "model"), device="cpu")
    seen: list[int] = []
    module = classifier._backend.module  # type: ignore[attr-defined]
    module.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    paths = [tmp_path / f"{n}.png" for n in range(5)]
    for path in paths:
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path)
    if workers is None:
        plain_loop(paths, classifier, 2)
    else:
        data_loader_loop(paths, classifier, 2, workers)
    assert seen == [2, 2, 1]
