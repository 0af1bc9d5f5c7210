"""Networks to safetensors files and back. Pickle is neither written nor read."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from wildvision.errors import ModelError
from wildvision.models.card import ModelCard, Weights
from wildvision.models.card_file import write_card
from wildvision.models.network import Network
from wildvision.models.registry import Model, find_classifier
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy


def export_weights(
    network: Network, card: ModelCard, folder: str | os.PathLike[str], *, stem: str | None = None
) -> ModelCard:
    """Write a network and its card so that ``load_classifier(folder)`` loads them.

    Matrices are stored as float16; vectors (biases, batch-norm statistics) as float32, for a variance can be too
    small or too large for float16 and they are few.

    Args:
        network: The trained network, on any device.
        card: Its card; ``pooling`` and ``shares`` become the network's, ``weights`` what was written.
        folder: Where to write; made when missing.
        stem: Name of the two files without their endings; the card's name when not given. The Hub wants ``model``.

    Returns:
        The card as written.

    Raises:
        ModelError: The card describes another network or is not JSON, or a weight is not finite as float16.
    """
    if (network.architecture, network.rollup.groups, network.rollup.leaves) != (
        card.architecture,
        card.groups,
        card.leaves,
    ):
        raise ModelError(
            f"the card describes a {card.architecture!r}, the network is a {network.architecture!r}, "
            "or their classes differ"
        )
    if len(card.partners) != len(network.partners):
        raise ModelError(
            f"card and network disagree on partners (card: {', '.join(card.partners) or 'none'}; network: "
            f"{len(network.partners)}); both must have the same"
        )
    card = dataclasses.replace(card, pooling=network.pooling, shares=network.shares)
    return write_model(network.own_state(), card, folder, stem=stem)


def write_model(
    state: Mapping[str, Tensor], card: ModelCard, folder: str | os.PathLike[str], *, stem: str | None = None
) -> ModelCard:
    """Write weights of any kind and their card, as :func:`export_weights` describes.

    Raises:
        ModelError: A weight is not finite as float16, or the card is not JSON.
    """
    tensors = {}
    for name, tensor in state.items():
        half = tensor.is_floating_point() and tensor.ndim > 1
        tensors[name] = tensor.detach().cpu().to(torch.float16 if half else tensor.dtype).contiguous()
        if tensor.is_floating_point() and not tensors[name].isfinite().all():
            raise ModelError(f"weight {name!r} is not finite as {tensors[name].dtype}; the network cannot be exported")
    content = save(tensors)
    stem = stem or card.name
    written = dataclasses.replace(
        card,
        weights=Weights(f"{stem}.safetensors", hashlib.sha256(content).hexdigest(), len(content), "float16"),
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_card(written, folder / f"{stem}.json")  # first: a card that cannot be written leaves an older model whole
    (folder / written.weights.file).write_bytes(content)
    return written


def load_network(model: Model) -> Network:
    """The network of a model with its checked weights, in float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: The weights are not those of the card, not safetensors, or not of its architecture; or the
            card's classes are not the library's; or a partner that it names is not there or is fed otherwise.
    """
    card, taxonomy = model.card, load_taxonomy()
    card.check_taxonomy(taxonomy)
    content = model.read_weights()
    try:
        with torch.random.fork_rng(devices=[]):  # a new network draws weights, though not from the caller's numbers
            network = Network(card.architecture, Rollup.of(taxonomy), pooling=card.pooling, size=card.input.size)
        network.load_state_dict(load(content))
        for partner in card.partners:
            _join(network, model, find_classifier(partner, model.card_path.parent))
        network.share(card.shares)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise ModelError(f"{model.weights_path} does not hold a {card.architecture!r}: {error}") from error
    return network.float().eval()


def _join(network: Network, model: Model, partner: Model) -> None:
    ours, theirs = model.card.input, partner.card.input
    if partner.card.partners:
        raise ModelError(f"the partner {partner.card.name!r} of {model.card.name!r} has partners of its own")
    if ours.resize != theirs.resize:
        raise ModelError(f"{model.card.name!r} and its partner {partner.card.name!r} resize differently")
    network.join(load_network(partner), theirs.size, *ours.renormalised(theirs))
