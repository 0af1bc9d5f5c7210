"""After training: the backbone part of the way back to ImageNet, and a head fitted anew on its features.

Fine-tuning on few museums and shops bends features to them. Weights between the pretrained and the fine-tuned ones hold
better on other sources (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903), and so does a regularised last
layer (Kirichenko et al. 2023, https://arxiv.org/abs/2204.02937).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from training.classifier.config import ClassifierConfig
from training.classifier.engine import losses
from training.classifier.photos import Photos
from training.classifier.sampling import BatchSampler
from training.optim import normalise
from wildvision.models.network import Network

log = logging.getLogger(__name__)
BATCH = 8  # more at once spend a CPU's time on page faults
ITERATIONS = 60  # of L-BFGS; the loss moves in the fourth digit by then


def refit(
    network: Network,
    pretrained: Mapping[str, Tensor],
    photos: Photos,
    sampler: BatchSampler,
    config: ClassifierConfig,
) -> None:
    """Move the backbone towards ``pretrained`` and fit the head on whole photos, weighed as the sampler draws them."""
    interpolate(network.backbone, pretrained, config.refit.pretrained_share)
    rows = sampler.numbers
    groups = torch.tensor([[photos.records[i].group == g for g in network.rollup.groups] for i in rows]).float()
    leaves = torch.tensor([network.rollup.leaves.index(photos.records[i].leaf) for i in rows])
    weights = torch.from_numpy(sampler.weights).float()
    fit_head(network, features(network, photos, rows, config), groups, leaves, weights, config)


@torch.no_grad()
def interpolate(backbone: nn.Module, pretrained: Mapping[str, Tensor], share: float) -> None:
    """Set weights to ``share`` of the pretrained ones and the rest of their own."""
    for name, value in backbone.state_dict().items():
        if value.is_floating_point():
            value.lerp_(pretrained[name].to(value), share)


@torch.inference_mode()
def features(network: Network, photos: Photos, rows: np.ndarray, config: ClassifierConfig) -> Tensor:
    """Pooled features ``(n, d)`` float32 of whole photos at the size that the model is used at."""
    device, size = next(network.parameters()).device, config.input.size
    out = []
    for start in range(0, len(rows), BATCH):
        part = [np.asarray(photos.pixels[i]) for i in rows[start : start + BATCH]]
        pixels = np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in part])
        with torch.autocast(device.type, torch.bfloat16):
            out.append(network.backbone(normalise(torch.from_numpy(pixels).to(device), config.input)).float().cpu())
    return torch.cat(out)


def fit_head(
    network: Network, x: Tensor, groups: Tensor, leaves: Tensor, weights: Tensor, config: ClassifierConfig
) -> None:
    """Fit the head by the training loss with an L2 penalty on standardised features; L-BFGS from zero.

    Args:
        network: Its head is replaced.
        x: ``(n, d)`` features.
        groups: ``(n, groups)`` float, 1 where the photo shows the group.
        leaves: ``(n,)`` numbers of leaves.
        weights: ``(n,)``, sum 1.
        config: Gives the loss and the penalty.
    """
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    weight = torch.zeros(network.rollup.outputs, x.shape[1], requires_grad=True)
    bias = torch.zeros(network.rollup.outputs, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def evaluate() -> Tensor:
        optimiser.zero_grad()
        group, leaf = losses(network, x @ weight.T + bias, groups, leaves, config.loss)
        cost = ((group + config.loss.leaf_weight * leaf) * weights).sum()
        loss = cost + config.refit.l2 / 2 * (weight**2).sum()
        loss.backward()
        return loss

    optimiser.step(evaluate)  # type: ignore[no-untyped-call]
    log.info("head fitted on %d photos, loss %.4f", len(x), evaluate().item())
    with torch.no_grad():
        network.head.weight.copy_(weight / deviation)
        network.head.bias.copy_(bias - (weight / deviation) @ mean)
