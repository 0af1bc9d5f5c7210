"""A very small detector with random weights, for tests. Its boxes mean nothing, but they differ from photo to photo."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from wildvision.imaging import Preprocess
from wildvision.models import DetectorNetwork, DetectorSettings, draft_card, export_detector
from wildvision.models.rollup import Rollup
from wildvision.policy import OperatingPoint
from wildvision.taxonomy import load_taxonomy

ARCHITECTURE = "test_efficientnet"
SIZE = 96


def tiny_network(head: str = "fcos", *, seed: int = 0) -> DetectorNetwork:
    """An untrained network whose scores spread over (0, 1) and whose boxes are neither empty nor all alike."""
    settings = DetectorSettings(head=head, channels=32, convs=1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = DetectorNetwork(ARCHITECTURE, settings, Rollup.of(load_taxonomy())).eval()
        classify, regress = network.framework.head.classification_head, network.framework.head.regression_head
        classify.cls_logits.weight.normal_(std=0.1)
        classify.cls_logits.bias.fill_(-3.0)
        regress.bbox_reg.weight.normal_(std=0.05)
        regress.bbox_reg.bias.fill_(1.0 if head == "fcos" else 0.0)
        assert network.context is not None
        network.context.head.bias[: len(load_taxonomy().group_names)] = (
            8.0  # the classifier says of all that it is there
        )
        if head == "fcos":
            regress.bbox_ctrness.bias.fill_(1.0)
    return network


def make_tiny_detector(folder: Path, *, head: str = "fcos", name: str = "tiny-detector", seed: int = 0) -> Path:
    """Write card and weights into ``folder`` and return it, for ``load_detector(folder)``."""
    network = tiny_network(head, seed=seed)
    card = draft_card(
        name=name,
        architecture=ARCHITECTURE,
        input=Preprocess(size=SIZE, resize="letterbox", interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3),
        taxonomy=load_taxonomy(),
        training={"data": "none: random weights for tests"},
        detector=network.settings,
    )
    points = {group: OperatingPoint(review=0.5, block=0.9) for group in card.groups}
    export_detector(network, dataclasses.replace(card, operating_points=points), folder)
    return folder
