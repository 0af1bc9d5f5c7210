"""Models too large to bundle are put together once, checked, and then found by name without a network."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from tests.models.tiny_clip import ARCHITECTURE, SIZE, as_onnx, make_tiny_clip
from tests.models.tiny_detector import make_tiny_detector, tiny_network
from wildvision.cli import main
from wildvision.errors import ModelError
from wildvision.evaluation.card_metrics import own_classifier
from wildvision.imaging import Preprocess
from wildvision.models import (
    DetectorNetwork,
    Network,
    Rollup,
    download,
    draft_card,
    export_detector,
    find_model,
    list_larger_models,
    load_card,
    load_classifier,
    load_detector,
    registry,
    verify,
)
from wildvision.models.card_file import write_card
from wildvision.models.heads import ENDING, cache_folder, export_head
from wildvision.taxonomy import load_taxonomy

PHOTO = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A classifier on a small CLIP that can be "published"; its card and head are the library's model "large"."""
    real = timm.create_model
    monkeypatch.setattr(
        "timm.create_model", lambda name, **o: make_tiny_clip() if name == ARCHITECTURE else real(name, **o)
    )
    monkeypatch.setattr(registry, "HEADS", tmp_path / "heads")
    monkeypatch.setenv("WILDVISION_CACHE", str(tmp_path / "cache"))
    published = as_onnx(make_tiny_clip().state_dict())
    monkeypatch.setattr("wildvision.models.published.fetch", lambda *_: published)
    taxonomy = load_taxonomy()
    torch.manual_seed(1)
    made = Network(ARCHITECTURE, Rollup.of(taxonomy)).eval()
    from wildvision.models.clip import read_clip

    made.backbone.load_state_dict(read_clip(published, ARCHITECTURE))
    how = Preprocess(size=SIZE, resize="squash", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
    card = draft_card(name="large", architecture=ARCHITECTURE, input=how, taxonomy=taxonomy)
    export_head(made, card, tmp_path / "heads")
    return made


def test_what_is_bundled_is_small(network: Network, tmp_path: Path) -> None:
    files = {path.name for path in (tmp_path / "heads").iterdir()}
    assert files == {"large.json", f"large{ENDING}"}
    assert (tmp_path / "heads" / f"large{ENDING}").stat().st_size < load_card("large").weights.bytes / 4


def test_it_is_put_together_and_scores_as_the_network_it_came_from(network: Network, tmp_path: Path) -> None:
    folder = download("large")
    assert folder.parent == tmp_path / "cache"
    assert verify("large") == load_card("large")
    by_name, by_folder = load_classifier("large", device="cpu"), load_classifier(folder, device="cpu")
    assert by_name.model_id == by_folder.model_id
    pixels = by_name.prepare(PHOTO).pixels
    with torch.inference_mode():
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
        expected = network(x)[0].numpy()
    for classifier in (by_name, by_folder):
        np.testing.assert_allclose(classifier.logits([classifier.prepare(PHOTO)]), expected, rtol=0.02, atol=0.05)


def test_it_is_put_together_once(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    first = download("large")

    def unplugged(*_: object) -> bytes:
        raise ModelError("no network")

    monkeypatch.setattr("wildvision.models.published.fetch", unplugged)
    assert download("large") == first
    shutil.rmtree(first)
    with pytest.raises(ModelError, match="no network"):
        download("large")
    assert not list(cache_folder().iterdir())


def test_until_then_its_card_can_be_read_and_the_error_names_the_command(network: Network) -> None:
    assert [card.name for card in list_larger_models()] == ["large"]
    for use in (find_model, load_classifier, verify):
        with pytest.raises(ModelError, match="wildvision models download large"):
            use("large")


def test_another_backbone_is_refused_and_nothing_is_kept(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_tiny_clip()
    with torch.no_grad():
        other.norm.bias.add_(1.0)
    monkeypatch.setattr("wildvision.models.published.fetch", lambda *_: as_onnx(other.state_dict()))
    with pytest.raises(ModelError, match="came out with sha256"):
        download("large")
    assert not list(cache_folder().iterdir())


def test_damaged_weights_are_refused_and_a_download_mends_them(network: Network) -> None:
    folder = download("large")
    weights = folder / "large.safetensors"
    intact = weights.read_bytes()
    weights.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    for use in (verify, load_classifier):
        with pytest.raises(ModelError, match="get the file again"):
            use("large")
    assert download("large") == folder
    assert weights.read_bytes() == intact


def test_a_cache_that_cannot_be_written_is_one_clear_error(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WILDVISION_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="WILDVISION_CACHE names another"):
        download("large")


def test_a_folder_of_the_same_name_does_not_stand_in_for_it(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="wildvision models download large"):
        find_model("large")


def test_its_card_is_not_written(network: Network) -> None:
    download("large")
    with pytest.raises(ModelError, match="comes with the library"):
        own_classifier("large")


@pytest.mark.parametrize("variable", ["WILDVISION_CACHE", "XDG_CACHE_HOME"])
def test_the_cache_is_where_the_user_wants_it(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WILDVISION_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path.home() / ".cache" / "wildvision"
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache_folder() in (tmp_path, tmp_path / "wildvision")


def test_the_command_line_lists_and_downloads_it(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    def where() -> str:
        assert main(["models", "list"]) == 0
        rows = (line.split("\t") for line in capsys.readouterr().out.splitlines())
        return next(row[-1] for row in rows if row[0] == "large")

    assert where() == "to download"
    assert main(["models", "download", "large"]) == 0
    assert capsys.readouterr().out.strip() == str(find_model("large").weights_path.parent)
    assert where() == "downloaded"


@pytest.fixture
def judged(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundled detector, and the library's detector "detector-big" of the same weights with "large" as its judge."""
    bundled, heads = tmp_path / "bundled", tmp_path / "heads"
    monkeypatch.setattr(registry, "BUNDLED", bundled)
    inside = tiny_network()
    alone = dataclasses.replace(inside.settings, context=0.0)
    small = DetectorNetwork(inside.architecture, alone, Rollup.of(load_taxonomy()))
    small.load_state_dict({k: v for k, v in inside.state_dict().items() if not k.startswith("context.")})
    how = Preprocess(size=96, resize="letterbox", interpolation="bilinear", mean=(0.4,) * 3, std=(0.2,) * 3)
    of = {"architecture": inside.architecture, "input": how, "taxonomy": load_taxonomy(), "detector": alone}
    card = export_detector(small, draft_card(name="detector-small", **of), bundled)
    settings = dataclasses.replace(alone, context=0.5, classifier=load_card("large").model_id)
    write_card(dataclasses.replace(card, name="detector-big", detector=settings), heads / "detector-big.json")


def test_a_detector_that_needs_it_is_here_once_it_is(
    judged: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for use in (find_model, load_detector, verify):
        with pytest.raises(ModelError, match="wildvision models download detector-big"):
            use("detector-big")
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.count("to download") == 2
    folder = download("detector-big")
    assert folder == download("detector-big") == download("large")
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.count("downloaded") == 2
    by_short, by_name = load_detector("big", device="cpu"), load_detector("detector-big", device="cpu")
    assert by_short.model_id == by_name.model_id == load_card("detector-big").model_id
    one, other = (d.predict(PHOTO, score=0.0) for d in (by_short, load_detector("small", device="cpu")))
    assert one.ok
    assert not np.allclose(one.scores.max(), other.scores.max())


def test_a_download_of_the_detector_mends_what_it_needs(judged: None) -> None:
    download("detector-big")
    weights = find_model("large").weights_path
    intact = weights.read_bytes()
    weights.write_bytes(intact[:-1])
    with pytest.raises(ModelError, match="get the file again"):
        verify("detector-big")
    download("detector-big")
    assert weights.read_bytes() == intact


def test_a_detector_of_one_s_own_that_needs_it_is_told_the_command(judged: None, tmp_path: Path) -> None:
    card = dataclasses.replace(load_card("detector-big"), name="mine")
    write_card(card, tmp_path / "bundled" / "mine.json")
    with pytest.raises(ModelError, match=r"neither in .* nor bundled; .*: wildvision models download large"):
        load_detector(tmp_path / "bundled" / "mine.json")
    download("large")
    assert load_detector(tmp_path / "bundled" / "mine.json", device="cpu").predict(PHOTO).ok


def test_a_short_name_is_text(judged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_tiny_detector(tmp_path / "small", name="another")
    assert "detector-small" in load_detector("small", device="cpu").model_id
    assert "another" in load_detector(Path("small"), device="cpu").model_id


def test_another_version_of_it_is_not_to_be_downloaded(judged: None, tmp_path: Path) -> None:
    of = load_card("detector-big").detector
    assert of is not None
    digest = load_card("large").weights.sha256
    older = dataclasses.replace(of, classifier=of.classifier.replace(digest, digest[::-1]))
    write_card(
        dataclasses.replace(load_card("detector-big"), name="mine", detector=older), tmp_path / "bundled/mine.json"
    )
    with pytest.raises(ModelError, match=r"nor bundled$"):
        load_detector(tmp_path / "bundled" / "mine.json")
