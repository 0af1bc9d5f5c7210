"""A very small classifier with random weights, for tests. Loads and runs in milliseconds; its scores mean nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from wildvision.imaging import Preprocess
from wildvision.models import Network, Rollup, draft_card, export_weights
from wildvision.policy import OperatingPoint
from wildvision.policy.calibration import Platt
from wildvision.taxonomy import load_taxonomy

ARCHITECTURE = "test_efficientnet"
SIZE = 64


def make_tiny_model(folder: Path, *, name: str = "tiny", seed: int = 0) -> Path:
    """Write ``<name>.json`` and ``<name>.safetensors`` into ``folder`` and return it, for ``load_classifier(folder)``.

    The head is scaled on plain and noisy pictures so that different photos get clearly different scores and all three
    decisions occur.
    """
    taxonomy = load_taxonomy()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = Network(ARCHITECTURE, Rollup.of(taxonomy)).eval()
        pictures = torch.rand(64, 3, 1, 1) + torch.rand(64, 1, 1, 1) * torch.rand(64, 3, SIZE, SIZE)
        network.backbone.bn2.weight.mul_(500.0)  # random weights leave activations so near 0 that rounding shows
        features = network.backbone(2.0 * pictures.clamp(0.0, 1.0) - 1.0)
        head = network.head
        head.weight.copy_(2.0 * torch.randn_like(head.weight) / features.std(dim=0) / features.shape[1] ** 0.5)
        head.bias.copy_(-(head.weight @ features.mean(dim=0)))
    card = draft_card(
        name=name,
        architecture=ARCHITECTURE,
        input=Preprocess(size=SIZE, resize="squash", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3),
        taxonomy=taxonomy,
        training={"data": "none: random weights for tests"},
    )
    card = dataclasses.replace(
        card,
        calibration={group: Platt(a=0.9, b=-0.1) for group in card.groups},
        operating_points={group: OperatingPoint(review=0.5, block=0.9) for group in card.groups},
    )
    export_weights(network, card, folder)
    return folder
