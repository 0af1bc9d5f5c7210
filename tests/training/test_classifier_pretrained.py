"""Weights to begin with: named ones only, read by what the source says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.classifier import pretrained
from training.classifier.pretrained import Source, pretrained_backbone
from wildvision.errors import ModelError
from wildvision.models.published import CLIP


def test_a_source_reads_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(CLIP, lambda content, name: {name: torch.tensor(list(content))})
    monkeypatch.setitem(pretrained.SOURCES, "some", source)
    monkeypatch.setattr(pretrained, "fetch", lambda published, cache: b"weights" if published is CLIP else b"")
    found = pretrained_backbone("some", "architecture", cache=tmp_path)
    assert bytes(found["architecture"].tolist()) == b"weights"


def test_an_unknown_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="known are"):
        pretrained_backbone("none of them", "architecture", cache=tmp_path)
