"""The classifier as a torch module: a timm backbone and one linear head, and maybe more such networks beside it.

Knows no files, cards or thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from wildvision.models.rollup import Rollup

ROOT_CUBIC_MEAN = "root_cubic_mean"
POOLINGS = (ROOT_CUBIC_MEAN, "backbone")
_FLOOR = 1e-12  # of the mean cube; a root has no slope at 0


class GeneralisedMean(nn.Module):
    """Square root of the cubic mean over places: ``(n, c, h, w)`` to ``(n, c)`` float32; values below 0 count as 0.

    The cubic mean lets a small object count more than its area (Radenović et al. 2019,
    https://arxiv.org/abs/1711.02512), the root keeps single strong channels from ruling a linear head (Perronnin et
    al. 2010, https://doi.org/10.1007/978-3-642-15561-1_11).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return (x.float().clamp(min=0.0).pow(3).mean(dim=(2, 3)) + _FLOOR).pow(1 / 6)


class Network(nn.Module):
    """A timm backbone, pooled features, one linear layer over groups and leaves.

    With partners, logits are averaged with those of one after the other, so that the last counts for half: networks
    that were trained differently err differently (Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474).
    Features stay those of its own backbone.

    Args:
        architecture: Name of a timm architecture, such as ``tf_efficientnet_lite0``. Its weights are random:
            nothing is ever downloaded here.
        rollup: The classes; gives the length and the order of the outputs.
        drop_rate: Probability in [0, 1) of dropping a feature before the head while training.
        pooling: ``root_cubic_mean`` pools features by :class:`GeneralisedMean` where pooling is the backbone's own last
            step, as in EfficientNet and ResNet, and leaves other architectures theirs; ``backbone`` leaves all theirs.
            The attribute of this name says which of the two it came to.

    Raises:
        ValueError: timm knows no such architecture, or an unknown pooling.
    """

    def __init__(
        self, architecture: str, rollup: Rollup, *, drop_rate: float = 0.0, pooling: str = ROOT_CUBIC_MEAN
    ) -> None:
        super().__init__()
        if not timm.is_model(architecture):
            raise ValueError(f"timm {timm.__version__} knows no architecture {architecture!r}; see timm.list_models()")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}; received {pooling!r}")
        self.architecture = architecture
        self.rollup = rollup
        backbone: Any = timm.create_model(architecture, pretrained=False, num_classes=0)
        pools_last = backbone.num_features == backbone.head_hidden_size  # MobileNetV3, say, pools before its last layer
        ours = pools_last and isinstance(getattr(backbone, "global_pool", None), nn.Module)
        self.pooling = pooling if ours else "backbone"
        if self.pooling == ROOT_CUBIC_MEAN:
            backbone.global_pool = GeneralisedMean()
        self.features = int(backbone.head_hidden_size)
        self.backbone: nn.Module = backbone
        self.drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(self.features, rollup.outputs)
        self.register_buffer("_members", torch.from_numpy(rollup.members), persistent=False)
        self.partners = nn.ModuleList()
        self.partner_sizes: list[int] = []

    def join(self, partner: Network, size: int) -> None:
        """Average with another network of the same classes, which looks at pictures with sides of ``size`` pixels."""
        if (self.rollup.groups, self.rollup.leaves) != (partner.rollup.groups, partner.rollup.leaves):
            raise ValueError("a partner must have the same classes in the same order")
        self.partners.append(partner)
        self.partner_sizes.append(size)

    def own_state(self) -> dict[str, Tensor]:
        """The state without the partners'."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("partners.")}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos ``(n, 3, h, w)`` to logits ``(n, groups + leaves)`` and features ``(n, d)``."""
        parts: list[Tensor] = []
        own: list[Tensor] = []
        for member, picture, share in self.members(x):
            features = member.backbone(picture)
            own.append(features)
            parts.append(share * member.head(member.drop(features)))
        return sum(parts[1:], parts[0]), own[0]

    def members(self, x: Tensor) -> Iterator[tuple[Network, Tensor, float]]:
        """This network and its partners, the photos as each looks at them, and the share of each in the logits."""
        share = 0.5 ** len(self.partners)
        yield self, x, share
        pictures: dict[int, Tensor] = {}
        for partner, size in zip(self.partners, self.partner_sizes, strict=True):
            if size not in pictures:
                pictures[size] = F.interpolate(x.float(), (size, size), mode="bilinear", antialias=True).to(x.dtype)
            for member, picture, part in cast(Network, partner).members(pictures[size]):
                yield member, picture, share * part
            share *= 2

    def group_logits(self, logits: Tensor) -> Tensor:
        """Raw group logits ``(n, groups)``, as :meth:`Rollup.group_logits` but differentiable."""
        own, leaf = logits.float().tensor_split([len(self.rollup.groups)], dim=1)
        members = self.get_buffer("_members")
        rows = leaf.unsqueeze(1)
        inside = rows.masked_fill(~members, -torch.inf).logsumexp(dim=2)
        outside = rows.masked_fill(members, -torch.inf).logsumexp(dim=2)
        group_logits: Tensor = 0.5 * (own + inside - outside)
        return group_logits
