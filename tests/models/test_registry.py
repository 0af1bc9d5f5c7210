from __future__ import annotations

import dataclasses
import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models.tiny import make_tiny_model
from tests.models.tiny_detector import make_tiny_detector
from wildvision.errors import ModelError
from wildvision.models import (
    download,
    find_model,
    list_models,
    load_card,
    load_classifier,
    read_card,
    registry,
    verify,
    write_card,
)


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundled"
    make_tiny_model(folder, name="default")
    make_tiny_model(folder, name="fast", seed=1)
    monkeypatch.setattr(registry, "BUNDLED", folder)
    return folder


def test_bundled_models_are_listed_in_name_order(bundled: Path) -> None:
    assert [card.name for card in list_models()] == ["default", "fast"]


@pytest.mark.parametrize("name", ["default", "fast"])
def test_a_bundled_name_is_found(bundled: Path, name: str) -> None:
    assert load_card(name).name == name
    assert verify(name) == load_card(name)
    assert download(name) == bundled


def test_a_folder_of_the_same_name_does_not_stand_in_for_a_bundled_model(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tiny_model(tmp_path / "default", name="impostor")
    monkeypatch.chdir(tmp_path)
    assert load_card("default").name == "default"


def test_every_model_in_the_package_is_intact_and_named_as_its_file() -> None:
    for path in sorted(registry.BUNDLED.glob("*.json")):
        assert verify(path).name == path.stem


@pytest.mark.parametrize("given", [lambda f: f, str, lambda f: f / "tiny.json", lambda f: str(f / "tiny.json")])
def test_folder_and_card_are_found_as_path_and_as_text(tiny: Path, given: Callable[[Path], str | Path]) -> None:
    assert find_model(given(tiny)).weights_path == tiny / "tiny.safetensors"


def test_model_json_is_the_card_of_a_folder_with_other_json_files(tiny: Path) -> None:
    (tiny / "tiny.json").rename(tiny / "model.json")
    (tiny / "config.json").write_text("{}")
    assert load_card(tiny).name == "tiny"


def test_several_cards_in_a_folder_ask_for_one(tmp_path: Path) -> None:
    make_tiny_model(tmp_path, name="a")
    make_tiny_model(tmp_path, name="b")
    with pytest.raises(ModelError, match=r"a\.json, b\.json.*give the card's path"):
        load_card(tmp_path)


@pytest.mark.parametrize("name", ["defualt", "no/such/folder", "model.safetensors", "card.json", "x" * 300])
def test_an_unknown_name_lists_what_there_is_and_the_other_ways(bundled: Path, name: str) -> None:
    with pytest.raises(ModelError, match=rf"'{name}': bundled are default, fast; .*folder.*hf://org/repo@revision"):
        load_classifier(name)


def test_a_bundled_name_given_as_a_path_is_told_apart(bundled: Path) -> None:
    with pytest.raises(ModelError, match="named by text, not by a path"):
        load_classifier(Path("fast"))


@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "ckpt", "pkl"])
def test_pickles_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(ModelError, match="can run code"):
        load_classifier(path)
    with pytest.raises(ModelError, match=rf"no model card.*model\.{suffix} can run code"):
        load_classifier(tmp_path)


def test_an_empty_folder_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model card"):
        load_classifier(tmp_path)


@dataclasses.dataclass
class Bomb:
    mark: Path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.mark,)


def test_a_pickle_under_a_safetensors_name_and_with_the_right_hash_is_refused_and_never_run(
    tiny: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    content = pickle.dumps(Bomb(mark))
    forge(tiny, content)
    with pytest.raises(ModelError, match="does not hold"):
        load_classifier(tiny)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists()  # the bomb was live


def forge(folder: Path, content: bytes) -> None:
    """Put other weights under the card's name and let the card vouch for them."""
    card = read_card(folder / "tiny.json")
    (folder / card.weights.file).write_bytes(content)
    weights = dataclasses.replace(card.weights, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    write_card(dataclasses.replace(card, weights=weights), folder / "tiny.json")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_byte, "sha256"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "bytes, its card says"),
        (lambda p: p.write_bytes(b""), "bytes, its card says"),
        (lambda p: p.unlink(), "cannot read the weights"),
    ],
)
@pytest.mark.parametrize("use", [verify, load_classifier, download])
def test_damaged_weights_are_refused(
    tiny: Path, damage: Callable[[Path], object], message: str, use: Callable[[Path], object]
) -> None:
    use(tiny)
    damage(tiny / "tiny.safetensors")
    with pytest.raises(ModelError, match=message):
        use(tiny)


def test_weights_of_another_architecture_are_refused(tiny: Path) -> None:
    card = read_card(tiny / "tiny.json")
    write_card(dataclasses.replace(card, architecture="test_resnet"), tiny / "tiny.json")
    with pytest.raises(ModelError, match="does not hold a 'test_resnet'"):
        load_classifier(tiny)


def test_an_architecture_that_timm_does_not_know_is_refused(tiny: Path) -> None:
    card = read_card(tiny / "tiny.json")
    write_card(dataclasses.replace(card, architecture="hf-hub:some/where"), tiny / "tiny.json")
    with pytest.raises(ModelError, match="no architecture"):
        load_classifier(tiny)


def test_a_card_of_other_classes_is_refused_before_its_weights_are_read(tiny: Path) -> None:
    card = read_card(tiny / "tiny.json")
    write_card(dataclasses.replace(card, leaves=card.leaves[::-1]), tiny / "tiny.json")
    (tiny / "tiny.safetensors").unlink()
    with pytest.raises(ModelError, match="taxonomy"):
        load_classifier(tiny)


def test_a_detector_is_not_loaded_as_a_classifier(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="use load_detector"):
        load_classifier(make_tiny_detector(tmp_path))


def test_cards_are_read_without_torch() -> None:
    code = "import sys; from wildvision.models import list_models; list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["", None, b"fast"])
def test_what_names_no_model_is_refused(name: Any) -> None:
    with pytest.raises(ModelError, match="a model is named by"):
        find_model(name)
