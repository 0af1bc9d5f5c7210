"""Reading CLIP's image half from the ONNX file that its wheel carries."""

from __future__ import annotations

import sys

import pytest

from tests.models.tiny_clip import ARCHITECTURE, as_onnx, make_tiny_clip
from wildvision.errors import ModelError
from wildvision.models import clip


def test_clip_is_read_weight_by_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip.timm, "create_model", make_tiny_clip)
    tiny = make_tiny_clip()
    state = {name: value.clone() for name, value in tiny.state_dict().items()}
    read = clip.read_clip(as_onnx(state), ARCHITECTURE)
    tiny.load_state_dict(read)  # every name and shape is there
    for name, value in state.items():
        step = value.abs().amax() / 127 if ".attn." in name or ".mlp." in name else 0.0  # half of it is lost in 8 bits
        assert (read[name] - value).abs().max() <= step / 2 + 1e-6, name


def test_without_onnx_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"wildvision\[onnx\]"):
        clip.read_clip(b"", ARCHITECTURE)
