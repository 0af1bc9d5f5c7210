"""The detector as a torch module: torchvision's FCOS or RetinaNet on a timm backbone. Knows no files, cards or photos.

Inference gives dense outputs of fixed length, so that every backend can run it; choosing among the boxes is numpy's
work (:mod:`wildvision.models.detector_boxes`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from wildvision.models.detector_settings import DetectorSettings
from wildvision.models.network import Channels, Network
from wildvision.models.rollup import Rollup

STRIDES = (8, 16, 32, 64)
_BAR = 0.003  # of a normalised pixel; the next shade of grey is 0.008 away
_NOTHING = -20.0  # a logit that costs nothing where nothing is


class Target(NamedTuple):
    """What one picture shows.

    Attributes:
        boxes: ``(n, 4)`` float32 ``[x0, y0, x1, y1]`` in pixels of the network's input.
        labels: ``(n,)`` int64, numbers of the product leaves.
        ignore: ``(m, 4)`` float32; whatever is found in these areas outside ``boxes`` is neither right nor wrong.
    """

    boxes: Tensor
    labels: Tensor
    ignore: Tensor


class DetectorNetwork(nn.Module):
    """A feature pyramid on a timm backbone, one of torchvision's dense heads, and a classifier for the whole photo.

    Dense heads judge places, and many look like ivory; what the classifier says of the photo bears on all of them.

    Args:
        architecture: Name of a timm architecture with features at strides 8, 16 and 32. Its weights are random:
            nothing is ever downloaded here.
        settings: Shape of pyramid and head, weight of the classifier. Where it names a classifier, ``context`` is that
            one's network, for the caller to set.
        rollup: The classes. Boxes are of the product leaves among them, in their order.

    Raises:
        ValueError: timm knows no such architecture.
    """

    def __init__(self, architecture: str, settings: DetectorSettings, rollup: Rollup) -> None:
        super().__init__()
        if not timm.is_model(architecture):
            raise ValueError(f"timm {timm.__version__} knows no architecture {architecture!r}; see timm.list_models()")
        self.architecture = architecture
        self.settings = settings
        products = rollup.members.any(axis=0)
        self.classes = int(products.sum())
        self._group_of_leaf = rollup.members[:, products].argmax(axis=0).tolist()
        backbone = _Pyramid(architecture, settings.channels)
        self.framework: Any = _FRAMEWORKS[settings.head](backbone, settings, self.classes)
        inside = settings.context and not settings.classifier
        self.context = Network(architecture, rollup) if inside else None
        self.context_size = 0

    def set_context(
        self,
        classifier: Network,
        size: int,
        factors: Channels = (1.0, 1.0, 1.0),
        summands: Channels = (0.0, 0.0, 0.0),
    ) -> None:
        """Let a classifier judge the whole photo.

        Args:
            classifier: Its network.
            size: Side in pixels of the squashed photos that it looks at; 0 leaves them as they come.
            factors: What this network's normalised pixels are multiplied with to be the classifier's, per channel.
            summands: What is added then.
        """
        self.context, self.context_size = classifier, size
        device = next(self.framework.parameters()).device
        self.register_buffer("_factors", torch.tensor(factors, device=device).view(3, 1, 1), persistent=False)
        self.register_buffer("_summands", torch.tensor(summands, device=device).view(3, 1, 1), persistent=False)

    def _as_judged(self, x: Tensor) -> Tensor:
        """Letterboxed photos as the classifier looks at photos: without bars, which have no texture, and square."""
        if not self.context_size:
            return x
        sides = (self.context_size, self.context_size)
        photos = (_without_bars(photo)[None].float() for photo in x)
        square = torch.cat([F.interpolate(p, sides, mode="bilinear", antialias=True) for p in photos])
        return (square * self.get_buffer("_factors") + self.get_buffer("_summands")).to(x.dtype)

    @property
    def body(self) -> nn.Module:
        """The timm backbone."""
        body: nn.Module = self.framework.backbone.body
        return body

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised photos ``(n, 3, h, w)`` to logits ``(n, anchors, classes)``, boxes ``(n, anchors, 4)`` in pixels.

        FCOS's score is the root of class probability times centre-ness (Tian et al. 2019). Either head's is split into
        the highest of its group in the photo and its share of that, which tell whether the photo shows the group and
        where; with the classifier's probability of the group each enters to the power of its weight. The log-odds of
        the product are the logit.
        """
        outputs, anchors, _ = self._dense(x)
        score = F.logsigmoid(outputs["cls_logits"])
        if "bbox_ctrness" in outputs:
            score = 0.5 * (score + F.logsigmoid(outputs["bbox_ctrness"]))
        if (self.settings.peak, self.settings.contrast) != (1, 1):
            highest = self._highest(score)
            score = self.settings.peak * highest + self.settings.contrast * (score - highest)
        if self.context is not None:
            whole = F.logsigmoid(self.context.group_logits(self.context(self._as_judged(x))[0]))
            score = score + self.settings.context * whole[:, None, self._group_of_leaf]
        logits = score - torch.log1p(-score.exp().clamp(max=1 - 1e-6))
        return logits, self._decode(outputs["bbox_regression"], torch.stack(anchors))

    def _highest(self, score: Tensor) -> Tensor:
        """``(n, anchors, classes)`` to ``(n, 1, classes)``: the highest score of each leaf's group in the photo."""
        leaf, of = score.amax(dim=1, keepdim=True), self._group_of_leaf
        own = [[i for i, group in enumerate(of) if group == g] for g in of]
        return torch.cat([leaf[..., rows].amax(dim=-1, keepdim=True) for rows in own], dim=-1)

    def losses(self, x: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Parts of the training loss, each a scalar already averaged over the objects of the batch."""
        outputs, anchors, per_level = self._dense(x)
        ignored = torch.stack([_ignored(a, t) for a, t in zip(anchors, targets, strict=True)])
        outputs["cls_logits"] = outputs["cls_logits"].masked_fill(ignored[..., None], _NOTHING)
        wanted = [{"boxes": t.boxes, "labels": t.labels} for t in targets]
        extra = (per_level,) if self._is_fcos else ()
        found: dict[str, Tensor] = self.framework.compute_loss(wanted, outputs, anchors, *extra)
        return found

    @property
    def _is_fcos(self) -> bool:
        return self.settings.head == "fcos"

    def _decode(self, codes: Tensor, anchors: Tensor) -> Tensor:
        if self._is_fcos:
            boxes: Tensor = self.framework.head.box_coder.decode(codes, anchors)
            return boxes
        flat: Tensor = self.framework.box_coder.decode_single(codes.flatten(0, 1), anchors.flatten(0, 1))
        return flat.view_as(codes)

    def _dense(self, x: Tensor) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        features = list(self.framework.backbone(x).values())
        outputs = {name: out.float() for name, out in self.framework.head(features).items()}
        levels = self._anchors(x, [(f.shape[2], f.shape[3]) for f in features])
        return outputs, [torch.cat(levels)] * len(x), [len(level) for level in levels]

    def _anchors(self, x: Tensor, grids: list[tuple[int, int]]) -> list[Tensor]:
        """``(n, 4)`` anchors of each level. torchvision's own call divides the side of the picture by that of the grid,
        which at sides that are no multiple of 64 is not the stride of the pooled level."""
        generator: Any = self.framework.anchor_generator
        generator.set_cell_anchors(x.dtype, x.device)
        strides = [[torch.tensor(stride, device=x.device)] * 2 for stride in STRIDES]
        levels: list[Tensor] = generator.grid_anchors([list(grid) for grid in grids], strides)
        return levels


def _without_bars(photo: Tensor) -> Tensor:
    """A normalised photo ``(3, h, w)`` without its bars, which are 0: letterboxes are filled up with the mean."""
    inside = (photo.abs() > _BAR).any(dim=0)
    rows, columns = (inside.any(dim=side).nonzero().flatten().tolist() for side in (1, 0))
    return photo[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows else photo


class _Pyramid(nn.Module):
    """Features at strides 8, 16, 32 of the backbone and a pooled fourth level, all with the same channels."""

    def __init__(self, architecture: str, channels: int) -> None:
        super().__init__()
        body: Any = timm.create_model(architecture, pretrained=False, features_only=True, out_indices=(2, 3, 4))
        self.body: nn.Module = body
        self.pyramid = FeaturePyramidNetwork(body.feature_info.channels(), channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        levels: dict[str, Tensor] = self.pyramid({str(i): f for i, f in enumerate(self.body(x))})
        return levels


def _fcos(backbone: _Pyramid, settings: DetectorSettings, classes: int) -> nn.Module:
    anchors = AnchorGenerator(tuple((s,) for s in STRIDES), ((1.0,),) * len(STRIDES))
    head = FCOSHead(settings.channels, 1, classes, settings.convs)
    model: nn.Module = FCOS(backbone, classes, anchor_generator=anchors, head=head)
    return model


def _retinanet(backbone: _Pyramid, settings: DetectorSettings, classes: int) -> nn.Module:
    sizes = tuple(tuple(round(4 * s * 2 ** (k / 3)) for k in range(3)) for s in STRIDES)
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    norm = partial(nn.GroupNorm, 32)
    head = RetinaNetHead(settings.channels, anchors.num_anchors_per_location()[0], classes, norm_layer=norm)
    for tower in (head.classification_head, head.regression_head):
        tower.conv = tower.conv[: settings.convs]
    model: nn.Module = RetinaNet(backbone, classes, anchor_generator=anchors, head=head)
    return model


_FRAMEWORKS = {"fcos": _fcos, "retinanet": _retinanet}


def _ignored(anchors: Tensor, target: Target) -> Tensor:
    """``(anchors,)`` bool: centres inside an ignored area and outside every box."""
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    return _inside(centres, target.ignore) & ~_inside(centres, target.boxes)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    x, y = points[:, None].unbind(dim=2)
    x0, y0, x1, y1 = boxes.unbind(dim=1)
    return ((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).any(dim=1)
