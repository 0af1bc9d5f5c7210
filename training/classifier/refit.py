"""After training: the backbone part of the way back to ImageNet, and a head fitted anew on its features.

Fine-tuning on few museums and shops bends features to them. Weights between the pretrained and the fine-tuned ones hold
better on other sources (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903), and so does a regularised last
layer (Kirichenko et al. 2023, https://arxiv.org/abs/2204.02937).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

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
    if config.refit.textures:
        network.add_textures()
    else:
        network.drop_textures()  # of an earlier recipe
    rows = sampler.numbers
    x, textures = features(network, (np.asarray(photos.pixels[i]) for i in rows), config)
    groups = torch.tensor([[photos.records[i].group == g for g in network.rollup.groups] for i in rows]).float()
    leaves = torch.tensor([network.rollup.leaves.index(photos.records[i].leaf) for i in rows])
    weights = torch.from_numpy(sampler.weights).float()
    synthetic = torch.tensor([photos.records[i].synthetic for i in rows])
    everyday = synthetic & torch.tensor([photos.records[i].leaf == EVERYDAY for i in rows])
    weights = weights * torch.where(everyday, config.refit.everyday, 1.0)
    weights, rendered = weights / weights.sum(), synthetic & ~everyday
    group_weights, leaf_weights = shared(network.rollup, weights, rendered, groups, config.refit.renders)
    fit_textures(network, textures[~synthetic], groups[~synthetic], group_weights[~synthetic], config)
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
    x, _ = features(network, (picture for _, picture in piles), config)
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
def features(
    network: Network, pictures: Iterable[npt.NDArray[np.uint8]], config: ClassifierConfig
) -> tuple[Tensor, Tensor]:
    """Pooled features and textures of pictures ``(S, S, 3)`` at the size that the model is used at.

    Returns:
        ``(n, d)`` and ``(n, t)`` float32; ``t`` is 0 of a network without textures.
    """
    device, size = next(network.parameters()).device, config.input.size
    out, spreads = [], []
    pictures = iter(pictures)
    while part := list(islice(pictures, BATCH)):
        pixels = np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in part])
        with torch.autocast(device.type, torch.bfloat16):
            maps = network.maps(normalise(torch.from_numpy(pixels).to(device), config.input))
            out.append(network.pooled(maps).float().cpu())
        spreads.append(network.textures(maps).cpu())
    return torch.cat(out), torch.cat(spreads)


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

    def cost(logits: Tensor) -> Tensor:
        group, leaf = losses(network, logits, groups, leaves, config.loss)
        return (group * group_weights).sum() + config.loss.leaf_weight * (leaf * leaf_weights).sum()

    weight, bias = _least("head", cost, x, network.rollup.outputs, config.refit.l2)
    with torch.no_grad():
        network.head.weight.copy_(weight)
        network.head.bias.copy_(bias)


def fit_textures(network: Network, x: Tensor, groups: Tensor, group_weights: Tensor, config: ClassifierConfig) -> None:
    """Fit the layer over textures, apart from the head, beside whose richer features it would learn little.

    Args:
        network: With textures where ``config.refit.textures`` names a group; its layer over them is replaced.
        x: ``(n, t)`` textures of photographs; those of renders are the renderer's.
        groups: ``(n, groups)`` float, 1 where the photo shows the group.
        group_weights: ``(n, groups)``; only their proportions within a column matter.
        config: Gives the groups, how much textures count for each, and the penalty.

    Raises:
        ArgumentError: The configuration names no group of the classes.
    """
    names, shares = network.rollup.groups, config.refit.textures
    if unknown := sorted(set(shares) - set(names)):
        raise ArgumentError(f"refit.textures names unknown groups {unknown}; known: {', '.join(names)}")
    if network.texture_head is None:
        return
    shown = groups.sum(dim=0)
    columns = [k for k in (names.index(group) for group in shares) if 0 < shown[k] < len(groups)]
    if unseen := sorted(set(shares) - {names[k] for k in columns}):
        log.warning("no textures of %s: there are no photographs of it, or of nothing else", ", ".join(unseen))
    wanted, weights = groups[:, columns], group_weights[:, columns] / group_weights[:, columns].sum(dim=0)

    def cost(logits: Tensor) -> Tensor:
        return (F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weights).sum()

    network.texture_head.weight.data.zero_()
    network.texture_head.bias.data.zero_()
    if not columns:
        return
    weight, bias = _least("textures", cost, x, len(columns), config.refit.l2)
    share = torch.tensor([shares[names[k]] for k in columns])
    with torch.no_grad():
        network.texture_head.weight[columns] = share[:, None] * weight
        network.texture_head.bias[columns] = share * bias


def _least(name: str, cost: Callable[[Tensor], Tensor], x: Tensor, outputs: int, l2: float) -> tuple[Tensor, Tensor]:
    """Weights ``(outputs, d)`` and biases of the linear layer over ``x`` whose logits cost least; L-BFGS from zero.

    ``l2`` weighs the penalty on the weights of standardised features; ``name`` goes into the log.
    """
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    weight = torch.zeros(outputs, x.shape[1], requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def evaluate() -> Tensor:
        optimiser.zero_grad()
        loss = cost(x @ weight.T + bias) + l2 / 2 * (weight**2).sum()
        loss.backward()
        return loss

    optimiser.step(evaluate)  # type: ignore[no-untyped-call]
    log.info("%s fitted on %d photos, loss %.4f", name, len(x), evaluate().item())
    with torch.no_grad():
        return weight / deviation, bias - (weight / deviation) @ mean
