from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

from tests.models.hub_server import COMMIT, FakeHub, serve
from tests.models.tiny import make_tiny_model
from wildvision.errors import ArgumentError, ModelError
from wildvision.models import download, load_card, load_classifier
from wildvision.models.hub import HubReference

MODEL = f"hf://org/model@{COMMIT}"
WEIGHTS = "tiny.safetensors"


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub that holds the tiny model, with a cache of its own."""
    files = {"model.json": (tiny / "tiny.json").read_bytes(), WEIGHTS: (tiny / WEIGHTS).read_bytes()}
    with serve(files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
        yield hub


def cached(tmp_path: Path) -> list[str]:
    """Names of the model files that the cache still holds, bytes and links alike."""
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if "snapshots" in p.parts and not p.is_dir())


def blobs(tmp_path: Path) -> list[Path]:
    return [p for p in (tmp_path / "cache").rglob("blobs/*") if p.is_file()]


@pytest.mark.parametrize("revision", [COMMIT, "main", "v1"])
def test_a_model_is_fetched_and_loaded_at_its_revision(hub: FakeHub, revision: str) -> None:
    classifier = load_classifier(f"hf://org/model@{revision}", device="cpu")
    assert classifier.card.name == "tiny"
    assert any(f"/resolve/{revision}/model.json" in request for request in hub.requests)
    assert hub.gets(WEIGHTS) == [f"GET /org/model/resolve/{COMMIT}/{WEIGHTS}"]  # the commit of the card


def test_a_second_load_of_a_commit_asks_the_network_for_nothing(hub: FakeHub) -> None:
    load_classifier(MODEL)
    hub.requests.clear()
    load_classifier(MODEL)
    assert hub.requests == []


def test_a_partner_in_the_same_repository_is_fetched_with_the_model(hub: FakeHub, tmp_path: Path) -> None:
    make_tiny_model(tmp_path, name="other", seed=5)
    other = load_card(tmp_path / "other.json")
    card = json.loads(hub.files["model.json"])
    hub.files["model.json"] = json.dumps({**card, "partners": [other.model_id]}).encode()
    with pytest.raises(ModelError, match=r"other\.json"):
        load_classifier(MODEL)
    hub.files["other.json"] = (tmp_path / "other.json").read_bytes()
    hub.files["other.safetensors"] = (tmp_path / "other.safetensors").read_bytes()
    assert load_classifier(MODEL, device="cpu").card.model_id.endswith(other.model_id)
    hub.requests.clear()
    assert download(MODEL).name == COMMIT
    assert hub.requests == []


def test_a_repository_whose_partner_is_another_model_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    make_tiny_model(tmp_path, name="other", seed=5)
    card = json.loads(hub.files["model.json"])
    hub.files["other.json"] = (tmp_path / "other.json").read_bytes()
    partner = "wildvision-classifier-other@sha256:" + "0" * 64
    hub.files["model.json"] = json.dumps({**card, "partners": [partner]}).encode()
    with pytest.raises(ModelError, match="needs wildvision-classifier-other"):
        load_classifier(MODEL)
    assert not hub.gets("other.safetensors")


def test_a_partner_with_partners_comes_by_itself(hub: FakeHub, tmp_path: Path) -> None:
    make_tiny_model(tmp_path, name="other", seed=5)
    wanted = load_card(tmp_path / "other.json").model_id
    other = json.loads((tmp_path / "other.json").read_text())
    third = "wildvision-classifier-third@sha256:" + "0" * 64  # of which the repository has nothing
    hub.files["other.json"] = json.dumps({**other, "partners": [third], "shares": {"ivory": [1.0, 0.0]}}).encode()
    hub.files["other.safetensors"] = (tmp_path / "other.safetensors").read_bytes()
    card = json.loads(hub.files["model.json"])
    hub.files["model.json"] = json.dumps({**card, "partners": [wanted]}).encode()
    assert load_classifier(MODEL, device="cpu").card.partners == (wanted,)


def test_a_bundled_partner_is_not_fetched(hub: FakeHub) -> None:
    card = json.loads(hub.files["model.json"])
    hub.files["model.json"] = json.dumps({**card, "partners": [load_card("fast").model_id.partition("+")[0]]}).encode()
    download(MODEL)
    assert not hub.gets("fast")


def test_a_larger_partner_of_the_library_is_named_with_the_way_to_get_it(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WILDVISION_CACHE", str(tmp_path / "empty"))
    card = json.loads(hub.files["model.json"])
    hub.files["model.json"] = json.dumps({**card, "partners": [load_card("large").model_id.partition("+")[0]]}).encode()
    with pytest.raises(ModelError, match=r"large\.json.*wildvision models download large"):
        download(MODEL)


@pytest.mark.parametrize("name", ["../other", "a/b", ""])
def test_a_partner_whose_name_leaves_the_folder_is_refused(hub: FakeHub, name: str) -> None:
    card = json.loads(hub.files["model.json"])
    partner = f"wildvision-classifier-{name}@sha256:{'0' * 64}"
    hub.files["model.json"] = json.dumps({**card, "partners": [partner]}).encode()
    with pytest.raises(ModelError, match="NAME"):
        load_classifier(MODEL)


def test_reading_the_card_fetches_no_weights(hub: FakeHub) -> None:
    assert load_card(MODEL).name == "tiny"
    assert hub.gets(WEIGHTS) == []


def test_offline_uses_what_was_downloaded(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = download(MODEL)
    assert {"model.json", WEIGHTS} <= {p.name for p in folder.iterdir()}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert load_classifier(MODEL).card.name == "tiny"
    assert load_classifier(folder).card.name == "tiny"
    assert hub.requests == []


def test_offline_without_a_download_says_how_to_get_it(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=f"HF_HUB_OFFLINE.*`wildvision models download {MODEL}`"):
        load_classifier(MODEL)
    assert hub.requests == []


def test_a_corrupted_file_on_the_hub_is_refused_and_leaves_the_cache(hub: FakeHub, tmp_path: Path) -> None:
    good = hub.files[WEIGHTS]
    hub.files[WEIGHTS] = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(ModelError, match=rf"{WEIGHTS} of hf://org/model@.* refused and removed from the cache.*sha256"):
        load_classifier(MODEL)
    assert cached(tmp_path) == ["model.json"]
    assert len(blobs(tmp_path)) == 1
    hub.files[WEIGHTS] = good
    assert load_classifier(MODEL).card.name == "tiny"


def test_a_file_corrupted_in_the_cache_is_fetched_anew(hub: FakeHub) -> None:
    path = download(MODEL) / WEIGHTS
    path.resolve().write_bytes(b"\0" * path.stat().st_size)
    assert load_classifier(MODEL).card.name == "tiny"
    assert len(hub.gets(WEIGHTS)) == 2


def test_a_file_corrupted_in_the_cache_is_never_used_offline(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = download(MODEL) / WEIGHTS
    path.resolve().write_bytes(b"\0" * path.stat().st_size)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"removed from the cache.*second download failed.*HF_HUB_OFFLINE"):
        load_classifier(MODEL)
    assert cached(tmp_path) == ["model.json"]


def test_an_interrupted_download_resumes_where_it_stopped(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # whole chunks are kept, and a real one is 10 MB
    load_card(MODEL)
    hub.cuts = 2
    assert load_classifier(MODEL).card.name == "tiny"
    first, second, third = hub.gets(WEIGHTS)
    assert "bytes=" not in first
    assert 0 < resumed_at(second) < resumed_at(third) < len(hub.files[WEIGHTS])


def resumed_at(request: str) -> int:
    return int(request.split("bytes=")[1].rstrip("-"))


def test_a_download_that_keeps_breaking_fails_clearly_and_leaves_nothing(hub: FakeHub, tmp_path: Path) -> None:
    load_card(MODEL)
    hub.endless_cuts = True
    with pytest.raises(ModelError, match=rf"cannot fetch {WEIGHTS}.*download failed.*try again"):
        load_classifier(MODEL)
    assert cached(tmp_path) == ["model.json"]
    assert len(blobs(tmp_path)) == 1
    hub.endless_cuts = False
    assert load_classifier(MODEL).card.name == "tiny"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://org/absent@main", "no such repository, or a private one.*hf auth login"),
        ("hf://org/gated@main", "access to the repository must be granted"),
        ("hf://org/model@v9", "no revision 'v9'"),
    ],
)
def test_what_is_not_there_is_named(hub: FakeHub, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_classifier(name)


@pytest.mark.parametrize("missing", ["model.json", WEIGHTS])
def test_a_repository_without_a_file_is_no_model(hub: FakeHub, missing: str) -> None:
    del hub.files[missing]
    with pytest.raises(ModelError, match=f"cannot fetch {missing}.*no such file"):
        load_classifier(MODEL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.replace(b"wildvision-card/1", b"wildvision-card/9"), "newer.*pip install --upgrade"),
        (lambda card: card.replace(b"tiny.safetensors", b"pytorch_model.bin"), "Pickle"),
        (lambda card: card[: len(card) // 2], "no model card"),
    ],
)
def test_an_unusable_card_is_refused_before_weights_are_fetched(
    hub: FakeHub, change: Callable[[bytes], bytes], message: str
) -> None:
    hub.files["model.json"] = change(hub.files["model.json"])
    with pytest.raises(ModelError, match=message):
        load_classifier(MODEL)
    assert {r.rsplit("/", 1)[1] for r in hub.requests} == {"model.json"}


def test_a_hub_that_cannot_be_reached_is_named_with_the_way_out(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"Hub cannot be reached.*HF_ENDPOINT.*folder"):
        load_classifier(MODEL)


@pytest.mark.parametrize(
    "text", ["hf://", "hf://org/model", "hf://model@main", "hf://org/model@", "hf://a/b/c@main", "hf://a/b@../../x"]
)
def test_a_malformed_reference_is_an_argument_error(text: str) -> None:
    with pytest.raises(ArgumentError, match="hf://org/repo@revision"):
        load_card(text)


def test_a_reference_reads_back_as_it_was_written() -> None:
    assert str(HubReference.parse("hf://org/model@refs/pr/1")) == "hf://org/model@refs/pr/1"


def test_the_environment_alone_steers_a_fresh_process(hub: FakeHub, tmp_path: Path) -> None:
    code = f"from wildvision.models import download; print(download({MODEL!r}))"
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "home")
    assert len(hub.gets(WEIGHTS)) == 1
