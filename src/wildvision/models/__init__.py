"""Models: the classifier, the detector, model cards, and where models are found.

What needs torch is loaded on first use, so that listing models stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wildvision.models.card import ModelCard, Weights, draft_card
from wildvision.models.card_file import read_card, write_card
from wildvision.models.classifier import Classifier
from wildvision.models.detector import Detector
from wildvision.models.detector_settings import DetectorSettings
from wildvision.models.loading import load_classifier, load_detector
from wildvision.models.registry import (
    Model,
    download,
    find_model,
    list_larger_models,
    list_models,
    load_card,
    verify,
)
from wildvision.models.rollup import Rollup

if TYPE_CHECKING:
    from wildvision.models.detector_drawing import draw_detections
    from wildvision.models.detector_network import DetectorNetwork
    from wildvision.models.detector_weights import export_detector, load_detector_network
    from wildvision.models.explaining import Explanation
    from wildvision.models.network import Network
    from wildvision.models.weights import export_weights, load_network

_HOME = {
    "DetectorNetwork": "wildvision.models.detector_network",
    "Explanation": "wildvision.models.explaining",
    "Network": "wildvision.models.network",
    "draw_detections": "wildvision.models.detector_drawing",
    "export_detector": "wildvision.models.detector_weights",
    "export_weights": "wildvision.models.weights",
    "load_detector_network": "wildvision.models.detector_weights",
    "load_network": "wildvision.models.weights",
}

__all__ = [
    "Classifier",
    "Detector",
    "DetectorNetwork",
    "DetectorSettings",
    "Explanation",
    "Model",
    "ModelCard",
    "Network",
    "Rollup",
    "Weights",
    "download",
    "draft_card",
    "draw_detections",
    "export_detector",
    "export_weights",
    "find_model",
    "list_larger_models",
    "list_models",
    "load_card",
    "load_classifier",
    "load_detector",
    "load_detector_network",
    "load_network",
    "read_card",
    "verify",
    "write_card",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'wildvision.models' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)
