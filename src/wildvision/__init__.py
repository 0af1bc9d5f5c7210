"""wildvision: find suspected products of the illegal wildlife trade in marketplace photos.

Public names are resolved on first use, so that ``import wildvision`` loads neither torch nor cv2.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wildvision._version import __version__

if TYPE_CHECKING:
    from wildvision.contract import Detections, Lookalike, Prediction, Status, coco_categories
    from wildvision.errors import WildvisionError
    from wildvision.models import Classifier, Detector, load_classifier, load_detector
    from wildvision.scoring import BatchPredictor, ScoreReport, ScoreSettings, score
    from wildvision.taxonomy import load_taxonomy

_HOME = {
    "BatchPredictor": "wildvision.scoring",
    "Classifier": "wildvision.models",
    "Detections": "wildvision.contract",
    "Detector": "wildvision.models",
    "Lookalike": "wildvision.contract",
    "Prediction": "wildvision.contract",
    "ScoreReport": "wildvision.scoring",
    "ScoreSettings": "wildvision.scoring",
    "Status": "wildvision.contract",
    "WildvisionError": "wildvision.errors",
    "coco_categories": "wildvision.contract",
    "load_classifier": "wildvision.models",
    "load_detector": "wildvision.models",
    "load_taxonomy": "wildvision.taxonomy",
    "score": "wildvision.scoring",
}

__all__ = [
    "BatchPredictor",
    "Classifier",
    "Detections",
    "Detector",
    "Lookalike",
    "Prediction",
    "ScoreReport",
    "ScoreSettings",
    "Status",
    "WildvisionError",
    "__version__",
    "coco_categories",
    "load_classifier",
    "load_detector",
    "load_taxonomy",
    "score",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'wildvision' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
