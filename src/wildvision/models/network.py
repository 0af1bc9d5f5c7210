"""The classifier as a torch module: a timm backbone and one linear head, and maybe more such networks beside it.

Knows no files, cards or thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import timm
import torch
from timm.models import EfficientNet, get_pretrained_cfg_value
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from wildvision.models.rollup import OTHERS, Rollup, check_shares

ROOT_CUBIC_MEAN = "root_cubic_mean"
TEXTURES = "root_cubic_mean_and_textures"
POOLINGS = (ROOT_CUBIC_MEAN, TEXTURES, "backbone")
_FLOOR = 1e-12  # of mean cubes and variances; a root has no slope at 0
Channels = tuple[float, ...]
_Look = tuple[int, Channels, Channels]
"""Side of a member's pictures, and factors and summands for their pixels."""
_MIDDLE = (8, 16)  # strides of the maps whose channels still see material and no longer single pixels


class GeneralisedMean(nn.Module):
    """Square root of the cubic mean over places: ``(n, c, h, w)`` to ``(n, c)`` float32; values below 0 count as 0.

    The cubic mean lets a small object count more than its area (Radenović et al. 2019,
    https://arxiv.org/abs/1711.02512), the root keeps single strong channels from ruling a linear head (Perronnin et
    al. 2010, https://doi.org/10.1007/978-3-642-15561-1_11).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return (x.float().clamp(min=0.0).pow(3).mean(dim=(2, 3)) + _FLOOR).pow(1 / 6)


class Spread(nn.Module):
    """How much each channel of middle feature maps varies over a photo, and over what the last map finds in it.

    Standard deviations over places, plain and weighted by the square of the last map's mean over channels: to
    ``(n, 2 c)`` float32 for ``c`` channels in all middle maps. What varies on a scale of 8 to 16 pixels is texture
    more than form (second-order statistics: Gatys et al. 2015, https://arxiv.org/abs/1505.07376).
    """

    def forward(self, last: Tensor, middle: Sequence[Tensor]) -> Tensor:
        """Pool."""
        found = last.float().mean(dim=1, keepdim=True).clamp(min=0.0).square() + _FLOOR
        out = []
        for maps in (m.float() for m in middle):
            where = F.interpolate(found, maps.shape[2:], mode="bilinear", align_corners=False)
            where = where / where.sum(dim=(2, 3), keepdim=True)
            out += [_deviation(maps, torch.full_like(where, 1 / where[0, 0].numel())), _deviation(maps, where)]
        return torch.cat(out, dim=1)


def _deviation(maps: Tensor, weights: Tensor) -> Tensor:
    mean = (maps * weights).sum(dim=(2, 3))
    variance = ((maps - mean[..., None, None]).square() * weights).sum(dim=(2, 3))
    return (variance + _FLOOR).sqrt()


class Network(nn.Module):
    """A timm backbone, pooled features, one linear layer over groups and leaves.

    With partners, logits are averaged with those of one after the other, so that the last counts for half, unless
    :meth:`share` says otherwise for a group: networks that were trained differently err differently (Lakshminarayanan
    et al. 2017, https://arxiv.org/abs/1612.01474). Features stay those of its own backbone. What EfficientNets of one
    architecture have in common, for their first stages were frozen in training, is computed once for all that look at
    pictures of one size.

    Args:
        architecture: Name of a timm architecture, such as ``tf_efficientnet_lite0``. Its weights are random:
            nothing is ever downloaded here.
        rollup: The classes; gives the length and the order of the outputs.
        drop_rate: Probability in [0, 1) of dropping a feature before the head while training.
        pooling: ``root_cubic_mean`` pools features by :class:`GeneralisedMean` where pooling is the backbone's own last
            step, as in EfficientNet and ResNet, and leaves other architectures theirs; ``backbone`` leaves all theirs.
            ``root_cubic_mean_and_textures`` adds a second linear layer over the :class:`Spread` of middle feature maps,
            which starts at 0. The attribute of this name says which of them it came to.
        size: Side of its pictures in pixels, for architectures that are made for one; left out, the usual one.

    Raises:
        ValueError: timm knows no such architecture, an unknown pooling, or textures of an architecture without middle
            feature maps or with a pooling of its own.
    """

    def __init__(
        self,
        architecture: str,
        rollup: Rollup,
        *,
        drop_rate: float = 0.0,
        pooling: str = ROOT_CUBIC_MEAN,
        size: int | None = None,
    ) -> None:
        super().__init__()
        if not timm.is_model(architecture):
            raise ValueError(f"timm {timm.__version__} knows no architecture {architecture!r}; see timm.list_models()")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}; received {pooling!r}")
        self.architecture = architecture
        self.rollup = rollup
        fixed = size is not None and get_pretrained_cfg_value(architecture, "fixed_input_size")
        more: dict[str, Any] = {"img_size": size} if fixed else {}
        backbone: Any = timm.create_model(architecture, pretrained=False, num_classes=0, **more)
        pools_last = backbone.num_features == backbone.head_hidden_size  # MobileNetV3, say, pools before its last layer
        ours = pools_last and isinstance(getattr(backbone, "global_pool", None), nn.Module)
        self.pooling = ROOT_CUBIC_MEAN if ours and pooling != "backbone" else "backbone"
        if self.pooling == ROOT_CUBIC_MEAN:
            backbone.global_pool = GeneralisedMean()
        self.features = int(backbone.head_hidden_size)
        self.backbone: nn.Module = backbone
        self.drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(self.features, rollup.outputs)
        self.texture_head: nn.Linear | None = None
        if pooling == TEXTURES:
            self.add_textures()
        self.register_buffer("_members", torch.from_numpy(rollup.members), persistent=False)
        self.partners = nn.ModuleList()
        self._partner_looks: list[_Look] = []
        self.shares: dict[str, tuple[float, ...]] = {}
        self.register_buffer("_shares", torch.ones(1, rollup.outputs), persistent=False)
        self._common: dict[str, int] = {}

    def add_textures(self) -> None:
        """Add the layer over textures, all 0, where there is none.

        Raises:
            ValueError: As of the class.
        """
        if self.texture_head is not None:
            return
        channels = [info["num_chs"] for info in self._middle()]
        if self.pooling != ROOT_CUBIC_MEAN or len(channels) != len(_MIDDLE):
            raise ValueError(f"{self.architecture!r} has no feature maps of strides {_MIDDLE}; leave out textures")
        self.pooling = TEXTURES
        self.spread = Spread()
        self.texture_head = nn.Linear(2 * sum(channels), self.rollup.outputs)
        nn.init.zeros_(self.texture_head.weight)
        nn.init.zeros_(self.texture_head.bias)

    def drop_textures(self) -> None:
        """Remove the layer over textures, where there is one."""
        if self.texture_head is not None:
            self.texture_head, self.pooling = None, ROOT_CUBIC_MEAN

    def _middle(self) -> list[dict[str, Any]]:
        """Entries of timm's ``feature_info`` that describe middle feature maps."""
        info: Any = getattr(self.backbone, "feature_info", None)
        if not (hasattr(self.backbone, "forward_intermediates") and isinstance(info, list)):
            return []
        return [entry for entry in info if entry["reduction"] in _MIDDLE]

    def join(self, partner: Network, size: int, factors: Channels = (1, 1, 1), summands: Channels = (0, 0, 0)) -> None:
        """Average with another network of the same classes, which looks at pictures with sides of ``size`` pixels.

        Both have their weights by then: what they have in common is looked for here.

        Args:
            partner: The other network.
            size: Side of its pictures.
            factors: What this network's normalised pixels are multiplied with to be the partner's, per channel.
            summands: What is added then.

        Raises:
            ValueError: It has other classes, or partners itself.
        """
        if (self.rollup.groups, self.rollup.leaves) != (partner.rollup.groups, partner.rollup.leaves):
            raise ValueError("a partner must have the same classes in the same order")
        if partner.partners:
            raise ValueError("a partner has no partners itself")
        self.partners.append(partner)
        self._partner_looks.append((size, tuple(factors), tuple(summands)))
        self._common = _common_stages([self, *cast(list[Network], list(self.partners))])
        self.share({})

    def share(self, shares: Mapping[str, Sequence[float]]) -> None:
        """Let members count otherwise in the outputs of single groups and of their leaves.

        Raw group logits compare leaves, so that those of other groups move a little too.

        Args:
            shares: Group to the share of this network and of each partner, which add up to 1. All other outputs have
                the shares of ``others``; where that is not named, the last partner counts for half, the one before it
                for half of the rest, and so on.

        Raises:
            ValueError: As of :func:`wildvision.models.rollup.check_shares`.
        """
        count = 1 + len(self.partners)
        check_shares(shares, self.rollup.groups, count)
        usual = shares.get(OTHERS, [0.5 ** (count - max(k, 1)) for k in range(count)])
        table = torch.tensor(usual)[:, None].repeat(1, self.rollup.outputs)
        for group, given in shares.items():
            if group == OTHERS:
                continue
            index = self.rollup.groups.index(group)
            leaves = [len(self.rollup.groups) + k for k in self.rollup.members[index].nonzero()[0].tolist()]
            table[:, [index, *leaves]] = torch.tensor(given, dtype=table.dtype)[:, None]
        self.shares = {group: tuple(map(float, given)) for group, given in shares.items()}
        self._shares = table.to(self.head.weight.device)

    def own_state(self) -> dict[str, Tensor]:
        """The state without the partners'."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("partners.")}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos ``(n, 3, h, w)`` to logits ``(n, groups + leaves)`` and features ``(n, d)``."""
        parts: list[Tensor] = []
        own: list[Tensor] = []
        begun: dict[tuple[str, torch.Size], Tensor] = {}
        for member, picture, shares in self.members(x):
            stages = self._common.get(member.architecture, 0)
            if stages:
                key = (member.architecture, picture.shape)
                if key not in begun:
                    begun[key] = member.begin(picture, stages)
                maps = member.finish(begun[key], stages)
            else:
                maps = member.maps(picture)
            logits, features = member.judged(maps)
            own.append(features)
            parts.append(shares * logits)
        return sum(parts[1:], parts[0]), own[0]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Its own feature maps of normalised photos, the last one first; with textures the middle ones after it.

        Of a vision transformer the tokens ``(n, t, d)`` that its last block attends to, for behind it the first token
        holds what is made of the others, and those tokens before they are normalised.
        """
        backbone: Any = self.backbone
        if _is_plain_transformer(backbone):
            tokens = backbone.norm_pre(backbone.patch_drop(backbone._pos_embed(backbone.patch_embed(x))))
            tokens = backbone.blocks[:-1](tokens)
            return [backbone.blocks[-1].norm1(tokens), tokens]
        if self.texture_head is None:
            return [backbone.forward_features(x)]
        wanted = [backbone.feature_info.index(entry) for entry in self._middle()]
        last, middle = backbone.forward_intermediates(x, indices=wanted)
        return [last, *middle]

    def begin(self, x: Tensor, stages: int) -> Tensor:
        """Of an EfficientNet, the map of normalised photos after the stem and so many stages."""
        backbone = cast(EfficientNet, self.backbone)
        begun: Tensor = backbone.blocks[:stages](backbone.bn1(backbone.conv_stem(x)))
        return begun

    def finish(self, begun: Tensor, stages: int) -> list[Tensor]:
        """What :meth:`maps` gives, from what :meth:`begin` gave."""
        backbone = cast(EfficientNet, self.backbone)
        wanted = {entry["stage"] for entry in self._middle()} if self.texture_head is not None else set()
        x, middle = begun, [begun] if stages in wanted else []
        for number, stage in enumerate(backbone.blocks[stages:], start=stages + 1):
            x = stage(x)
            if number in wanted:
                middle.append(x)
        return [backbone.bn2(backbone.conv_head(x)), *middle]

    def pooled(self, maps: Sequence[Tensor]) -> Tensor:
        """Its own features ``(n, d)`` from what :meth:`maps` gave."""
        backbone: Any = self.backbone
        if _is_plain_transformer(backbone):
            block, (attended, tokens) = backbone.blocks[-1], maps
            tokens = tokens + block.drop_path1(block.ls1(block.attn(attended)))
            tokens = tokens + block.drop_path2(block.ls2(block.mlp(block.norm2(tokens))))
            maps = [backbone.norm(tokens)]
        features: Tensor = backbone.forward_head(maps[0])
        return features

    def places(self, maps: Tensor) -> Tensor:
        """The sum over channels at every place of one of its feature maps, ``(n, h, w)``.

        Raises:
            ValueError: Maps of this architecture are laid out in a way that is not known here.
        """
        backbone: Any = self.backbone
        if _is_plain_transformer(backbone):
            height, width = backbone.patch_embed.grid_size
            return maps.sum(dim=2)[:, backbone.num_prefix_tokens :].reshape(-1, height, width)
        if maps.ndim != 4 or getattr(backbone, "output_fmt", "NCHW") != "NCHW":
            raise ValueError(f"{self.architecture!r} has no feature maps (n, channels, h, w)")
        return maps.sum(dim=1)

    def textures(self, maps: Sequence[Tensor]) -> Tensor:
        """Its own textures ``(n, t)`` from what :meth:`maps` gave; ``(n, 0)`` without them."""
        if self.texture_head is None:
            return maps[0].new_zeros((len(maps[0]), 0), dtype=torch.float32)
        textures: Tensor = self.spread(maps[0], maps[1:])
        return textures

    def judged(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Its own logits and features of what :meth:`maps` gave."""
        features = self.pooled(maps)
        logits: Tensor = self.head(self.drop(features))
        if self.texture_head is not None:
            logits = logits + self.texture_head(self.textures(maps))
        return logits, features

    def members(self, x: Tensor) -> Iterator[tuple[Network, Tensor, Tensor]]:
        """This network and its partners, the photos as each looks at them, its share ``(outputs,)`` of the logits."""
        shares = self.get_buffer("_shares")
        yield self, x, shares[0]
        pictures: dict[_Look, Tensor] = {}
        for k, (partner, look) in enumerate(zip(self.partners, self._partner_looks, strict=True), start=1):
            if look not in pictures:
                pictures[look] = _looked_at(x, *look)
            yield cast(Network, partner), pictures[look], shares[k]

    def group_logits(self, logits: Tensor) -> Tensor:
        """Raw group logits ``(n, groups)``, as :meth:`Rollup.group_logits` but differentiable."""
        own, leaf = logits.float().tensor_split([len(self.rollup.groups)], dim=1)
        members = self.get_buffer("_members")
        rows = leaf.unsqueeze(1)
        inside = rows.masked_fill(~members, -torch.inf).logsumexp(dim=2)
        outside = rows.masked_fill(members, -torch.inf).logsumexp(dim=2)
        group_logits: Tensor = 0.5 * (own + inside - outside)
        return group_logits


def _is_plain_transformer(backbone: nn.Module) -> bool:
    """Whether it is a vision transformer of usual blocks, such as CLIP's."""
    return isinstance(backbone, VisionTransformer) and type(backbone.blocks[-1]) is Block


def _looked_at(x: Tensor, size: int, factors: Channels, summands: Channels) -> Tensor:
    """Normalised photos as a partner wants them; those that are so already stay as they are, to the bit."""
    picture = x
    if x.shape[2:] != (size, size):
        picture = F.interpolate(x.float(), (size, size), mode="bilinear", antialias=True).to(x.dtype)
    if (factors, summands) == ((1, 1, 1), (0, 0, 0)):
        return picture
    by, more = (picture.new_tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (factors, summands))
    return (picture.float() * by + more).to(x.dtype)


def _common_stages(members: Sequence[Network]) -> dict[str, int]:
    """Of each architecture that several members have, how many first stages they have in common, to the bit.

    Only EfficientNets', and none behind the first middle map, which textures may need.
    """
    found = {}
    for architecture, n in Counter(member.architecture for member in members).items():
        alike = [member for member in members if member.architecture == architecture]
        if n == 1 or not all(isinstance(member.backbone, EfficientNet) and member._middle() for member in alike):
            continue
        first, *others = (member.backbone.state_dict() for member in alike)
        differing = [name for name in first if not all(torch.equal(first[name], other[name]) for other in others)]
        stages = alike[0]._middle()[0]["stage"]
        while stages and any(name.startswith(_beginning(stages)) for name in differing):
            stages -= 1
        found[architecture] = stages
    return found


def _beginning(stages: int) -> tuple[str, ...]:
    """How the names of weights of an EfficientNet's stem and first stages begin."""
    return ("conv_stem.", "bn1.", *(f"blocks.{k}." for k in range(stages)))
