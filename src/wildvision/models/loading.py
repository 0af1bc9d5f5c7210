"""From the name of a model to a classifier that runs. Finding models is the registry's work."""

from __future__ import annotations

import os

from wildvision.backends import Backend
from wildvision.errors import ArgumentError
from wildvision.imaging import DEFAULT_LIMITS, Limits
from wildvision.models.classifier import Classifier
from wildvision.models.registry import Model, find_model


def load_classifier(
    name_or_path: str | os.PathLike[str] = "default",
    *,
    device: str = "auto",
    backend: str = "torch",
    precision: str = "auto",
    limits: Limits = DEFAULT_LIMITS,
    tta: str = "none",
) -> Classifier:
    """Load a classifier; the bundled ones need neither network nor cache.

    Args:
        name_or_path: Name of a bundled model (:func:`wildvision.models.list_models`), a folder with a card and its
            weights, the path of a card, or ``hf://org/repo@revision``.
        device: ``auto`` (CUDA, else MPS, else CPU) or the name of a torch device such as ``cuda:1``.
        backend: ``torch``.
        precision: ``auto`` (``fp16`` on CUDA, else ``fp32``), ``fp32``, ``fp16`` or ``bf16``.
        limits: What photos may cost before they are refused.
        tta: ``none``, or ``flip`` to average over each photo and its mirror image.

    Raises:
        ModelError: No such model, or it is refused: another sha256, a pickle, a newer card, other classes.
        ArgumentError: An unknown backend, device, precision or ``tta``.
    """
    if backend not in _BACKENDS:
        raise ArgumentError(f"backend must be one of {', '.join(_BACKENDS)}; received {backend!r}")
    model = find_model(name_or_path)
    return Classifier(model.card, _BACKENDS[backend](model, device, precision), limits=limits, tta=tta)


def _torch(model: Model, device: str, precision: str) -> Backend:
    from wildvision.backends.torch_backend import TorchBackend
    from wildvision.models.weights import load_network

    preprocess = model.card.input
    return TorchBackend(
        load_network(model), mean=preprocess.mean, std=preprocess.std, device=device, precision=precision
    )


_BACKENDS = {"torch": _torch}
