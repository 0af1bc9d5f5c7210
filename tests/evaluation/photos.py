"""A folder of made-up photos with a manifest, for whatever runs a model."""

import csv
from pathlib import Path

import cv2
import numpy as np

COLUMNS = ("path", "group", "leaf", "source", "object_id", "trust", "synthetic", "boxes")
LEAVES = (
    ("ivory", "ivory_worked"),
    ("python_skin", "python_skin_goods"),
    ("none", "bone_antler"),
    ("none", "everyday"),
)


def make_photos(folder: Path, n: int = 24, *, size: tuple[int, int] = (80, 100)) -> Path:
    """Write ``n`` noisy photos and ``manifest.csv``; returns the manifest's path."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        group, leaf = LEAVES[i % len(LEAVES)]
        grain = rng.integers(0, 256, size=(*size, 3)) * rng.random()
        image = np.clip(rng.integers(0, 200, size=3) + grain, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.jpg"), image)
        box = f'[{{"box": [10, 10, {size[1] // 2}, {size[0] // 2}]}}]' if group != "none" else ""
        rows.append((f"{i}.jpg", group, leaf, f"{leaf}-shop-{i % 3}", str(i), "high", (i % 8 >= 4 and "1") or "0", box))
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as f:
        csv.writer(f).writerows([COLUMNS, *rows])
    return manifest
