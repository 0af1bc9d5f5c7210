"""After training: the backbone part of the way back to ImageNet, and a head fitted anew on its features.

Fine-tuning on few museums and shops bends features to them. Weights between the pretrained and the fine-tuned ones hold
better on other sources (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903), and so does a regularised last
layer (Kirichenko et al. 2023, https://arxiv.org/abs/2204.02937).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.classifier.config import ClassifierConfig
from training.classifier.engine import losses
from training.classifier.photos import Photos
from training.classifier.sampling import NONE, BatchSampler
from training.optim import normalise
from wildvision.errors import ArgumentError
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import EVERYDAY

log = logging.getLogger(__name__)
BATCH = 8  # more at once spend a CPU's time on page faults
ITERATIONS = 80  # of L-BFGS; the loss moves in the fourth digit by then

Labelled = tuple[str, npt.NDArray[np.uint8]]
"""A leaf and a picture ``(S, S, 3)`` uint8 of it."""


def refit(
    network: Network,
    pretrained: Mapping[str, Tensor],
    photos: Photos,
    sampler: BatchSampler,
    config: ClassifierConfig,
    piles: Sequence[Labelled] = (),
) -> None:
    """Move the backbone towards ``pretrained``, then fit the head on whole photos, renders and piles.

    Args:
        network: Changed in place.
        pretrained: State of the backbone.
        photos: To learn from.
        sampler: Gives their numbers and weights.
        config: Of the model.
        piles: Composed piles, each with the leaf of what lies in it.
    """
    interpolate(network.backbone, pretrained, config.refit.pretrained_share)
    rows = sampler.numbers
    x = features(network, (np.asarray(photos.pixels[i]) for i in rows), config)
    groups = torch.tensor([[photos.records[i].group == g for g in network.rollup.groups] for i in rows]).float()
    leaves = torch.tensor([network.rollup.leaves.index(photos.records[i].leaf) for i in rows])
    weights = torch.from_numpy(sampler.weights).float()
    rendered = torch.tensor([photos.records[i].synthetic for i in rows])
    everyday = rendered & torch.tensor([photos.records[i].leaf == EVERYDAY for i in rows])
    weights = weights * torch.where(everyday, config.refit.everyday, 1.0)
    weights, rendered = weights / weights.sum(), rendered & ~everyday
    group_weights, leaf_weights = shared(network.rollup, weights, rendered, groups, config.refit.renders)
    lesson = x, groups, leaves, group_weights, leaf_weights
    if piles:
        both = zip(lesson, _of_piles(network, piles, config), strict=True)
        x, groups, leaves, group_weights, leaf_weights = (torch.cat(pair) for pair in both)
        lesson = x, groups, leaves, group_weights / group_weights.sum(0), leaf_weights / leaf_weights.sum()
    fit_head(network, *lesson, config)


def _of_piles(
    network: Network, piles: Sequence[Labelled], config: ClassifierConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Features, groups, leaves and weights (by group and by leaf) of piles, as :func:`fit_head` takes them."""
    rollup = network.rollup
    leaves = torch.tensor([rollup.leaves.index(leaf) for leaf, _ in piles])
    groups = torch.from_numpy(rollup.members.T[leaves.numpy()]).float()
    names = [next((g for g, there in zip(rollup.groups, row, strict=True) if there), NONE) for row in groups.tolist()]
    counts = Counter(names)
    weights = torch.tensor([config.refit.piles[name] / counts[name] for name in names])
    x = features(network, (picture for _, picture in piles), config)
    named = torch.tensor([group in config.refit.piles for group in rollup.groups])
    return x, groups, leaves, weights[:, None] * named, weights


def shared(
    rollup: Rollup, weights: Tensor, rendered: Tensor, groups: Tensor, factors: Mapping[str, float]
) -> tuple[Tensor, Tensor]:
    """Weights by group ``(n, groups)`` and by leaf ``(n,)``, each summing to 1, once ``factors`` bears on renders.

    Raises:
        ArgumentError: ``factors`` names no group of the classes.
    """
    if unknown := sorted(set(factors) - set(rollup.groups)):
        raise ArgumentError(f"refit.renders names unknown groups {unknown}; known: {', '.join(rollup.groups)}")
    factor = torch.tensor([factors.get(group, 1.0) for group in rollup.groups])
    by_group = weights[:, None] * torch.where(rendered[:, None], factor, torch.ones(()))
    own = torch.where(groups > 0, factor, torch.ones(())).amin(dim=1)
    by_leaf = weights * torch.where(rendered, own, torch.ones(()))
    return by_group / by_group.sum(dim=0), by_leaf / by_leaf.sum()


@torch.no_grad()
def interpolate(backbone: nn.Module, pretrained: Mapping[str, Tensor], share: float) -> None:
    """Set weights to ``share`` of the pretrained ones and the rest of their own."""
    for name, value in backbone.state_dict().items():
        if value.is_floating_point():
            value.lerp_(pretrained[name].to(value), share)


@torch.inference_mode()
def features(network: Network, pictures: Iterable[npt.NDArray[np.uint8]], config: ClassifierConfig) -> Tensor:
    """Pooled features ``(n, d)`` float32 of pictures ``(S, S, 3)`` at the size that the model is used at."""
    device, size = next(network.parameters()).device, config.input.size
    out = []
    pictures = iter(pictures)
    while part := list(islice(pictures, BATCH)):
        pixels = np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in part])
        with torch.autocast(device.type, torch.bfloat16):
            out.append(network.backbone(normalise(torch.from_numpy(pixels).to(device), config.input)).float().cpu())
    return torch.cat(out)


def fit_head(
    network: Network,
    x: Tensor,
    groups: Tensor,
    leaves: Tensor,
    group_weights: Tensor,
    leaf_weights: Tensor,
    config: ClassifierConfig,
) -> None:
    """Fit the head by the training loss with an L2 penalty on standardised features; L-BFGS from zero.

    Args:
        network: Its head is replaced.
        x: ``(n, d)`` features.
        groups: ``(n, groups)`` float, 1 where the photo shows the group.
        leaves: ``(n,)`` numbers of leaves.
        group_weights: ``(n, groups)``, each column of sum 1.
        leaf_weights: ``(n,)``, sum 1.
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
        cost = (group * group_weights).sum() + config.loss.leaf_weight * (leaf * leaf_weights).sum()
        loss = cost + config.refit.l2 / 2 * (weight**2).sum()
        loss.backward()
        return loss

    optimiser.step(evaluate)  # type: ignore[no-untyped-call]
    log.info("head fitted on %d photos, loss %.4f", len(x), evaluate().item())
    with torch.no_grad():
        network.head.weight.copy_(weight / deviation)
        network.head.bias.copy_(bias - (weight / deviation) @ mean)
