"""What both trainers share: freezing, the optimiser and its schedule, the moving average, bf16 on CPUs, checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wildvision.errors import ArgumentError
from wildvision.imaging import Preprocess


@dataclass(frozen=True)
class Optimiser:
    """AdamW with a warm-up and a cosine; learning rates are for the head and, smaller, for the backbone.

    Attributes:
        head_first: Share of the steps in which the head learns alone. A backbone that starts under a random head
            forgets what made it general (Kumar et al. 2022, https://arxiv.org/abs/2202.10054).
    """

    head_lr: float
    backbone_lr: float
    weight_decay: float
    warmup: float
    head_first: float
    ema_decay: float


def freeze(backbone: nn.Module, stages: int) -> None:
    """Stop the gradient for the stem and the first ``stages`` stages of a timm EfficientNet."""
    if stages == 0:
        return
    for part in (backbone.conv_stem, backbone.bn1, *backbone.blocks[:stages]):
        part.requires_grad_(False)


def still_norms(network: nn.Module) -> None:
    """Keep ImageNet's running statistics: batches mix museums, shops and renders, and none should set them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def full_precision_depthwise(network: nn.Module) -> None:
    """Run trainable depthwise convolutions outside autocast: their bf16 backward is many times slower on CPUs."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and module.weight.requires_grad:
            module.forward = _without_autocast(module.forward)  # type: ignore[method-assign]


def _without_autocast(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return forward(x.float())

    return run


def schedule(progress: float, warmup: float) -> float:
    """Share of the peak learning rate: a linear warm-up, then a cosine down to half a percent."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) + 0.005


def make_optimiser(body: Iterable[nn.Parameter], head: Iterable[nn.Parameter], how: Optimiser) -> torch.optim.AdamW:
    """AdamW over the trained part of a backbone and over a head."""
    groups = [
        {"params": list(body), "peak": how.backbone_lr, "from": how.head_first},
        {"params": list(head), "peak": how.head_lr, "from": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, weight_decay=how.weight_decay)


def set_rates(optimiser: torch.optim.Optimizer, progress: float, how: Optimiser) -> None:
    """Learning rates at ``progress`` in [0, 1) of the run, for an optimiser of :func:`make_optimiser`."""
    for group in optimiser.param_groups:
        own = max(progress - group["from"], 0.0) / (1 - group["from"])
        group["lr"] = group["peak"] * schedule(own, how.warmup)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """Move the average's trained weights towards the network's; faster in the first steps, when it knows little."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, new in zip(average.parameters(), network.parameters(), strict=True):
        if new.requires_grad:
            mean.lerp_(new, 1 - decay)


def normalise(pixels: Tensor, how: Preprocess) -> Tensor:
    """``(n, S, S, 3)`` uint8 to ``(n, 3, S, S)`` float32 in channels-last memory."""
    x = pixels.permute(0, 3, 1, 2).float()
    mean = torch.tensor(how.mean, device=x.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(how.std, device=x.device).view(1, 3, 1, 1) * 255
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def save_checkpoint(folder: Path, state: dict[str, Any], recipe: Mapping[str, Any]) -> None:
    """Write ``checkpoint.pt``; a run that dies meanwhile leaves the earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "checkpoint.part"
    torch.save(state | {"recipe": _text(recipe)}, part)
    part.replace(folder / "checkpoint.pt")


def read_checkpoint(folder: Path, device: torch.device, recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    """What :func:`save_checkpoint` wrote, ``None`` when there is nothing yet.

    Raises:
        ArgumentError: It was written under another recipe, so that the run would be neither, or says none.
    """
    file = folder / "checkpoint.pt"
    if not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    if "recipe" not in state:
        raise ArgumentError(f"{file} does not say by which recipe it was trained; move the folder away")
    then, now = json.loads(state["recipe"]), json.loads(_text(recipe))
    if other := sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key)):
        raise ArgumentError(
            f"{file} was trained with another {', '.join(other)}; train on with that recipe, or move the folder away"
        )
    return state


def _text(recipe: Mapping[str, Any]) -> str:
    return json.dumps(recipe, sort_keys=True)
