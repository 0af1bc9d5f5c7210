"""From the name of a model to a classifier or detector that runs. Finding models is the registry's work."""

from __future__ import annotations

import os

from wildvision.backends import Backend
from wildvision.errors import ArgumentError, ModelError
from wildvision.imaging import DEFAULT_LIMITS, Limits
from wildvision.models.classifier import Classifier
from wildvision.models.detector import Detector
from wildvision.models.registry import Model, find_model, is_known


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
        tta: ``none``; ``flip`` to average over each photo and its mirror image, or ``zoom`` over it and its middle.

    Raises:
        ModelError: No such model, or it is refused: another sha256, a pickle, a newer card, other classes.
        ArgumentError: An unknown backend, device, precision or ``tta``, or ``limits`` are none.
    """
    _check_limits(limits)
    model = find_model(name_or_path)
    run = _backend(backend, model, device, precision)
    return Classifier(model.card, run, limits=limits, tta=tta)


def load_detector(
    name_or_path: str | os.PathLike[str] = "default",
    *,
    device: str = "auto",
    backend: str = "torch",
    precision: str = "auto",
    limits: Limits = DEFAULT_LIMITS,
    tiles: bool = False,
    second_look: Classifier | str | os.PathLike[str] | None = None,
) -> Detector:
    """Load a detector; the bundled one needs neither network nor cache.

    Args:
        name_or_path: As for :func:`load_classifier`; of the library's detectors ``detector-`` may be left out:
            ``default``, the bundled one, and ``large``, which must have been downloaded.
        device: As for :func:`load_classifier`.
        backend: ``torch``.
        precision: As for :func:`load_classifier`.
        limits: What photos may cost before they are refused.
        tiles: Also search large photos tile by tile, for small objects; takes up to 17 times as long. Each tile is
            judged as a photo of its own, and the card's operating points were chosen without: several times as many
            photos that show nothing get a box.
        second_look: A classifier, or what :func:`load_classifier` takes: it scores the crop of each box again, and the
            score reported is that of both. The card's operating points were chosen without one; what it does to average
            precision is in the card's metrics (``second_look``) where it was measured.

    Raises:
        ModelError: No such model, or it is refused.
        ArgumentError: An unknown backend, device or precision, or ``second_look`` is neither.
    """
    _check_limits(limits)
    short = isinstance(name_or_path, str) and (name_or_path == "default" or is_known(f"detector-{name_or_path}"))
    model = find_model(f"detector-{name_or_path}" if short else name_or_path)
    if model.card.kind != "detector":
        raise ModelError(
            f"model {model.card.name!r} is a {model.card.kind}, not a detector; use load_{model.card.kind}"
        )
    run = _backend(backend, model, device, precision)
    if isinstance(second_look, str | os.PathLike):
        second_look = load_classifier(second_look, device=device, backend=backend, precision=precision, limits=limits)
    return Detector(model.card, run, limits=limits, tiles=tiles, second_look=second_look)


def _check_limits(limits: Limits) -> None:
    if not isinstance(limits, Limits):
        raise ArgumentError(f"limits must be a wildvision.imaging.Limits; received {limits!r}")


def _backend(name: str, model: Model, device: str, precision: str) -> Backend:
    if name not in _BACKENDS:
        raise ArgumentError(f"backend must be one of {', '.join(_BACKENDS)}; received {name!r}")
    return _BACKENDS[name](model, device, precision)


def _torch(model: Model, device: str, precision: str) -> Backend:
    import torch

    from wildvision.backends.torch_backend import TorchBackend
    from wildvision.models.detector_weights import load_detector_network
    from wildvision.models.weights import load_network

    how = model.card.input
    with torch.inference_mode(False):  # weights made in the caller's inference mode could never be explained
        network = load_detector_network(model) if model.card.kind == "detector" else load_network(model)
        return TorchBackend(network, mean=how.mean, std=how.std, device=device, precision=precision)


_BACKENDS = {"torch": _torch}
