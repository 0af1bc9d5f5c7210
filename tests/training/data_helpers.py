"""Pictures and records for the tests of the data engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.data import Record

GROUPS = {
    "ivory_raw": "ivory",
    "ivory_worked": "ivory",
    "python_skin_goods": "python_skin",
    "bone_antler": "none",
    "everyday": "none",
}


def picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """A smooth random photo: different seeds give photos that no hash confuses."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def save(path: Path, image: np.ndarray, quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def record(path: str, leaf: str = "ivory_worked", source: str = "museum", **more: Any) -> Record:
    return Record(path=path, group=GROUPS[leaf], leaf=leaf, source=source, **more)
