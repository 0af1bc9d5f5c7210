"""The image half of CLIP as it is published: from ONNX with 8-bit weights to the state of a timm architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor

from wildvision.errors import ModelError

_LAYERS = {"attn.proj": "self_attn/out_proj", "mlp.fc1": "mlp/fc1", "mlp.fc2": "mlp/fc2"}


def read_clip(content: bytes, architecture: str) -> dict[str, Tensor]:
    """The image half of CLIP from ONNX with weights of 8 bits and a scale for each channel; its projection is left out.

    Only weights are read. Run as they lie there, with activations of 8 bits too, they say something else than CLIP
    (cosine 0.55, by the package's own account).

    Args:
        content: Of the file.
        architecture: Name of the timm architecture; gives the number of layers.

    Raises:
        ModelError: The package onnx is not there.
    """
    try:
        import onnx  # only here: nothing else in the library reads it
        from onnx.numpy_helper import to_array
    except ImportError as error:
        raise ModelError("reading CLIP's weights needs onnx: pip install 'wildvision[onnx]'") from error

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
    blocks: Any = timm.create_model(architecture, pretrained=False).blocks
    for k in range(len(blocks)):
        own, there = f"blocks.{k}", f"encoder.layers.{k}"
        norms |= {f"{own}.norm1": f"{there}.layer_norm1", f"{own}.norm2": f"{there}.layer_norm2"}
        three = [f"self_attn/{part}_proj" for part in "qkv"]
        for layer, parts in {"attn.qkv": three, **{to: [of] for to, of in _LAYERS.items()}}.items():
            state[f"{own}.{layer}.weight"] = np.concatenate(
                [multiplied[f"/vision_model/encoder/layers.{k}/{part}"] for part in parts]
            )
            state[f"{own}.{layer}.bias"] = np.concatenate(
                [known[f"{prefix}{there}.{part.replace('/', '.')}.bias"] for part in parts]
            )
    for own, there in norms.items():
        state |= {f"{own}.{kind}": known[f"{prefix}{there}.{kind}"] for kind in ("weight", "bias")}
    return {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in state.items()}
