"""Detector networks to safetensors files and back; the files are as :mod:`wildvision.models.weights` says."""

from __future__ import annotations

import os

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from wildvision.errors import ModelError
from wildvision.models.card import ModelCard
from wildvision.models.detector_network import DetectorNetwork
from wildvision.models.network import Network
from wildvision.models.registry import Model, find_classifier
from wildvision.models.rollup import Rollup
from wildvision.models.weights import load_network, write_model
from wildvision.taxonomy import load_taxonomy

FORWARD = ("head", "channels", "convs", "context", "peak", "contrast")
"""Settings that decide what the network puts out."""


def export_detector(
    network: DetectorNetwork, card: ModelCard, folder: str | os.PathLike[str], *, stem: str | None = None
) -> ModelCard:
    """Write a network and its card so that ``load_detector(folder)`` loads them.

    Args:
        network: The trained network, on any device.
        card: Its card; ``weights`` is replaced by what was written.
        folder: Where to write; made when missing.
        stem: Name of the two files without their endings; the card's name when not given.

    Returns:
        The card as written.

    Raises:
        ModelError: The card describes another network, or a weight is not finite as float16.
    """
    shape, wanted = network.settings, card.detector
    if (
        wanted is None
        or network.architecture != card.architecture
        or any(getattr(shape, name) != getattr(wanted, name) for name in FORWARD)
    ):
        raise ModelError(
            f"the card describes a {card.architecture!r} with {wanted}, the network is a {network.architecture!r} "
            f"with {shape}"
        )
    judge = network.context
    if judge is not None and not wanted.classifier and judge.pooling != _stored(judge).pooling:
        raise ModelError(f"a judge inside a detector's file cannot be pooled by {judge.pooling!r}; name it in the card")
    state = network.state_dict()
    if wanted.classifier:
        state = {name: value for name, value in state.items() if not name.startswith("context.")}
    return write_model(state, card, folder, stem=stem)


def _stored(judge: Network) -> Network:
    """The network that a judge inside a detector's file comes back as, with other weights."""
    with torch.random.fork_rng(devices=[]):
        return Network(judge.architecture, judge.rollup)


def load_detector_network(model: Model) -> DetectorNetwork:
    """The network of a detector with its checked weights, in float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: The card is not a detector's, the weights are not those of the card, not safetensors or not of its
            architecture, the card's classes are not the library's, or the classifier that it names is not there.
    """
    card, taxonomy = model.card, load_taxonomy()
    if card.detector is None:
        raise ModelError(f"model {card.name!r} is a {card.kind}, not a detector; use load_{card.kind}")
    card.check_taxonomy(taxonomy)
    content = model.read_weights()
    try:
        with torch.random.fork_rng(devices=[]):  # a new network draws weights, though not from the caller's numbers
            network = DetectorNetwork(card.architecture, card.detector, Rollup.of(taxonomy))
        network.load_state_dict(load(content))
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise ModelError(f"{model.weights_path} does not hold a {card.architecture!r} detector: {error}") from error
    if card.detector.context and card.detector.classifier:
        judge = find_classifier(card.detector.classifier, model.card_path.parent)
        network.set_context(load_network(judge), judge.card.input.size, *card.input.renormalised(judge.card.input))
    return network.float().eval()
