from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from training.classifier.config import read_config as read_classifier
from training.detector.config import read_config as read_detector
from training.prepare import load_config as load_data
from training.settings import checked, read_yaml
from training.synth.config import load_config as load_synth
from wildvision.errors import ArgumentError


@dataclass(frozen=True)
class Recipe:
    name: str
    samples: int
    rate: float
    mirrored: bool
    folds: tuple[tuple[str, ...], ...]
    mean: tuple[float, float, float]
    positives: dict[str, float]


GOOD: dict[str, Any] = {
    "name": "toy", "samples": 8, "rate": 1, "mirrored": True, "folds": [["a"], []], "mean": [0, 0.5, 1],
    "positives": {"ivory": 0.5},
}  # fmt: skip


def test_values_of_the_right_kind_pass() -> None:
    assert checked(GOOD, Recipe, "here") == GOOD


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 8),
        ("samples", "8"),
        ("samples", 8.0),
        ("samples", True),
        ("rate", "fast"),
        ("mirrored", 1),
        ("folds", "a"),
        ("folds", ["a"]),
        ("folds", [["a", 1]]),
        ("mean", [0, 1]),
        ("mean", 0.5),
        ("positives", ["ivory"]),
        ("positives", {"ivory": "half"}),
    ],
)
def test_values_of_another_kind_are_named(key: str, value: object) -> None:
    with pytest.raises(ArgumentError, match=f"here: {key} = "):
        checked(GOOD | {key: value}, Recipe, "here")


@pytest.mark.parametrize("number", ["1e-3", "1.5e3"])
def test_a_number_that_yaml_takes_for_text_is_explained(tmp_path: Path, number: str) -> None:
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(GOOD).replace("rate: 1", f"rate: {number}"), encoding="utf-8")
    with pytest.raises(ArgumentError, match=rf"rate = '{number}' is no float; .* write 1\.0e-3"):
        checked(read_yaml(tmp_path / "toy.yaml"), Recipe, "here")


@pytest.mark.parametrize("change", [{"floor": "low"}, {"channels": 96.0}, {"colour": 1}])
def test_settings_of_a_detector_are_checked_too(tmp_path: Path, change: dict[str, Any]) -> None:
    raw = yaml.safe_load(Path("configs/detector-default.yaml").read_text(encoding="utf-8"))
    raw["detector"] |= change
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ArgumentError, match=next(iter(change))):
        read_detector(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("read", "path", "change"),
    [
        (load_data, "configs/data.yaml", {"renders": 5}),
        (load_synth, "configs/synth.yaml", {"probabilities": {"wall": "x"}}),
    ],
)
def test_lists_and_mappings_are_checked_too(tmp_path: Path, read: Any, path: str, change: dict[str, Any]) -> None:
    raw = yaml.safe_load(Path(path).read_text(encoding="utf-8")) | change
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ArgumentError, match=next(iter(change))):
        read(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("read", "path"),
    [(read_classifier, "configs/classifier-fast.yaml"), (read_detector, "configs/detector-default.yaml")],
)
def test_a_name_that_cannot_ship_is_refused_before_training(tmp_path: Path, read: Any, path: str) -> None:
    raw = yaml.safe_load(Path(path).read_text(encoding="utf-8")) | {"name": "My Model"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ArgumentError, match="received 'My Model'"):
        read(tmp_path / "mine.yaml")


SCRIPTS = {
    "train_classifier": ["--final"],
    "train_detector": ["--final"],
    "ship_classifier": ["--to", "out"],
    "ship_detector": ["--to", "out"],
    "evaluate": ["--report", "out"],
    "ablation": ["--report", "out"],
    "tta": ["--report", "out"],
    "prepare": [],
    "detector.compare": ["--folds", "0", "--report", "out"],
    "detector.draw": ["--to", "out"],
}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
def test_scripts_refuse_settings_without_a_traceback(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, said in ((None, "No such file"), ("name: [", "is no YAML"), ("nmae: toy", "unknown keys")):
        if text is not None:
            (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
        monkeypatch.setattr("sys.argv", [script, str(tmp_path / "mine.yaml"), *SCRIPTS[script]])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(f"training.{script}", run_name="__main__")
        err = capsys.readouterr().err
        assert ended.value.code == 2
        assert err.startswith("error: ")
        assert said in err


def test_a_partner_comes_without_partners_of_its_own() -> None:
    default = read_classifier(Path("configs/classifier-default.yaml"))
    assert [partner.name for partner in default.partner_configs()] == ["fast", "probe"]
    assert read_classifier(Path("configs/classifier-fast.yaml")).partners
    assert not any(partner.partners for partner in default.partner_configs())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partners": []}, "must be 1 numbers"),
        ({"shares": {"ebony": [0.5, 0.5]}}, "unknown group 'ebony'"),
        ({"shares": {"ivory": [0.9, 0.9]}}, "1 in all"),
    ],
)
def test_shares_that_do_not_fit_the_partners_are_refused_before_training(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    raw = yaml.safe_load(Path("configs/classifier-fast.yaml").read_text(encoding="utf-8")) | changes
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ArgumentError, match=message):
        read_classifier(tmp_path / "mine.yaml")
