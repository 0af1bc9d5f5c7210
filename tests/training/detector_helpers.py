"""A data set of drawn pictures and a tiny configuration, for tests of detector training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from training.data.manifest import Box, Record, write_manifest

CONFIG: dict[str, Any] = {
    "name": "tiny",
    "architecture": "test_efficientnet",
    "pretrained": "",
    "start_from": "",
    "context_from": "",
    "weights_from": "",
    "input": {"size": 96, "resize": "letterbox", "interpolation": "area", "mean": [0.5] * 3, "std": [0.5] * 3},
    "detector": {"head": "fcos", "channels": 32, "convs": 1, "context": 0.0},
    "sizes": [96],
    "frozen_stages": 0,
    "batch_size": 4,
    "samples": 24,
    "seed": 1,
    "composer_bank": "",
    "not_trained_on": [],
    "folds": [["shop-b"]],
    "optimiser": {
        "head_lr": 1e-3,
        "backbone_lr": 1e-3,
        "weight_decay": 0.0,
        "warmup": 0.1,
        "head_first": 0.0,
        "ema_decay": 0.9,
    },
    "sampling": {
        "positives": {"ivory": 0.5},
        "photo_weight": 1.0,
        "composed": 0.0,
        "composed_positives": 0.5,
        "piles": 0.0,
        "mosaic": 0.5,
    },
    "evaluation": {"every": 0, "photos": 10},
}


def write_pictures(folder: Path) -> Path:
    """Eight photos of two shops: pale rectangles (ivory) and green ones (wood), on grey; returns the manifest."""
    rng = np.random.default_rng(0)
    records = []
    for n in range(8):
        positive = n % 2 == 0
        image = np.full((90, 120, 3), 90, np.uint8)
        x, y = int(rng.integers(10, 60)), int(rng.integers(10, 40))
        image[y : y + 35, x : x + 40] = (240, 235, 210) if positive else (20, 160, 30)
        Image.fromarray(image).save(folder / f"{n}.png")
        records.append(
            Record(
                path=f"{n}.png",
                group="ivory" if positive else "none",
                leaf="ivory_worked" if positive else "everyday",
                source="shop-a" if n < 4 else "shop-b",
                boxes=(Box(x, y, x + 40, y + 35),) if positive else None,
                object_id=f"o{n}",
            )
        )
    write_manifest(folder / "manifest.csv", records)
    return folder / "manifest.csv"


def write_config(folder: Path, manifest: Path, **changes: Any) -> Path:
    """A YAML of :data:`CONFIG` with some values changed."""
    values = {**CONFIG, "photos": [{"manifest": str(manifest), "boxes": ""}], **changes}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def classifier_config(folder: Path, **changes: Any) -> Path:
    """A recipe as of `fast` with small networks and some values changed."""
    values = yaml.safe_load(Path("configs/classifier-fast.yaml").read_text())
    path = folder / f"{changes.get('name', 'classifier')}.yaml"
    values["input"] |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    changes = {"architecture": "test_efficientnet", "folds": [["shop-b"]], "partners": [], "shares": {}, **changes}
    path.write_text(yaml.safe_dump(values | changes))
    return path
