"""The classifier as a torch module: a timm backbone and one linear head. Knows no files, cards or thresholds."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from wildvision.models.rollup import Rollup


class Network(nn.Module):
    """A timm backbone, pooled features, one linear layer over groups and leaves.

    Args:
        architecture: Name of a timm architecture, such as ``tf_efficientnet_lite0``. Its weights are random:
            nothing is ever downloaded here.
        rollup: The classes; gives the length and the order of the outputs.
        drop_rate: Probability in [0, 1) of dropping a feature before the head while training.

    Raises:
        ValueError: timm knows no such architecture.
    """

    def __init__(self, architecture: str, rollup: Rollup, *, drop_rate: float = 0.0) -> None:
        super().__init__()
        if not timm.is_model(architecture):
            raise ValueError(f"timm {timm.__version__} knows no architecture {architecture!r}; see timm.list_models()")
        self.architecture = architecture
        self.rollup = rollup
        backbone: Any = timm.create_model(architecture, pretrained=False, num_classes=0)
        self.features = int(backbone.head_hidden_size)
        self.backbone: nn.Module = backbone
        self.drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(self.features, rollup.outputs)
        self.register_buffer("_members", torch.from_numpy(rollup.members), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos ``(n, 3, h, w)`` to logits ``(n, groups + leaves)`` and features ``(n, d)``."""
        features = self.backbone(x)
        return self.head(self.drop(features)), features

    def group_logits(self, logits: Tensor) -> Tensor:
        """Raw group logits ``(n, groups)``, as :meth:`Rollup.group_logits` but differentiable."""
        own, leaf = logits.float().tensor_split([len(self.rollup.groups)], dim=1)
        members = self.get_buffer("_members")
        rows = leaf.unsqueeze(1)
        inside = rows.masked_fill(~members, -torch.inf).logsumexp(dim=2)
        outside = rows.masked_fill(members, -torch.inf).logsumexp(dim=2)
        group_logits: Tensor = 0.5 * (own + inside - outside)
        return group_logits
