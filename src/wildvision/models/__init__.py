"""Models: the classifier, model cards, and where models are found.

What needs torch is loaded on first use, so that listing models stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wildvision.models.card import ModelCard, Weights, draft_card
from wildvision.models.card_file import read_card, write_card
from wildvision.models.classifier import Classifier
from wildvision.models.loading import load_classifier
from wildvision.models.registry import Model, download, find_model, list_models, load_card, verify
from wildvision.models.rollup import Rollup

if TYPE_CHECKING:
    from wildvision.models.network import Network
    from wildvision.models.weights import export_weights, load_network

_HOME = {
    "Network": "wildvision.models.network",
    "export_weights": "wildvision.models.weights",
    "load_network": "wildvision.models.weights",
}

__all__ = [
    "Classifier",
    "Model",
    "ModelCard",
    "Network",
    "Rollup",
    "Weights",
    "download",
    "draft_card",
    "export_weights",
    "find_model",
    "list_models",
    "load_card",
    "load_classifier",
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
