"""A detector that takes its boxes from another's runs, and whole photos are judged by another classifier."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests.training.detector_helpers import classifier_config, write_config, write_pictures
from training import ship_detector
from training.detector.config import DetectorConfig, read_config
from training.detector.held_out import found_by, read_looked
from training.detector.scenes import read_records
from training.ship_detector import evaluate, ship, shipped_card, with_classifier
from training.train_detector import train
from wildvision.errors import ArgumentError
from wildvision.imaging import Preprocess
from wildvision.models import DetectorNetwork, Network, Rollup, draft_card, export_detector, export_weights
from wildvision.models.card_file import read_card
from wildvision.models.detector_weights import load_detector_network
from wildvision.models.registry import Model
from wildvision.policy.calibration import sigmoid
from wildvision.taxonomy import load_taxonomy

ROLLUP = Rollup.of(load_taxonomy())
SHAPE = {"head": "fcos", "channels": 32, "convs": 1}
OTHER = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}


@pytest.fixture
def recipes(tmp_path: Path) -> tuple[DetectorConfig, DetectorConfig]:
    """A detector without a judge, trained on fold 0 and as it would ship, and the one that takes its weights."""
    manifest = write_pictures(tmp_path)
    plain = write_config(tmp_path, manifest, detector=SHAPE | {"context": 0.0}).rename(tmp_path / "plain.yaml")
    judge = classifier_config(tmp_path, name="judge", architecture="test_resnet")
    values = yaml.safe_load(judge.read_text())
    values["input"] |= OTHER
    judge.write_text(yaml.safe_dump(values))
    more = {"name": "judged", "detector": SHAPE | {"context": 0.5}, "context_from": str(judge)}
    judged = write_config(tmp_path, manifest, weights_from=str(plain), **more)
    torch.manual_seed(1)
    for run in ("judge-fold0", "judge-final"):
        (tmp_path / run).mkdir()
        torch.save(Network("test_resnet", ROLLUP).state_dict(), tmp_path / run / "average.pt")
    config = read_config(plain)
    for fold in (0, None):
        train(config, read_records(config.photos), fold, runs=tmp_path, cache=tmp_path)
    return config, read_config(judged)


def test_boxes_stay_and_only_the_judge_is_another(
    recipes: tuple[DetectorConfig, DetectorConfig], tmp_path: Path
) -> None:
    plain, judged = recipes
    train(judged, read_records(judged.photos), 0, runs=tmp_path, cache=tmp_path)
    assert {path.name for path in (tmp_path / "judged-fold0").iterdir()} == {"held_out.jsonl"}
    before = read_looked(tmp_path / "tiny-fold0" / "held_out.jsonl", found_by(plain))
    after = read_looked(tmp_path / "judged-fold0" / "held_out.jsonl", found_by(judged))
    network = Network("test_resnet", ROLLUP).eval()
    network.load_state_dict(torch.load(tmp_path / "judge-fold0" / "average.pt", weights_only=True))
    compared = 0
    for old, new in zip(before, after, strict=True):
        size = judged.context_classifier().input.size  # type: ignore[union-attr]
        photo = Image.open(old.record.path).resize((size, size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy((np.asarray(photo) / 255 - OTHER["mean"]) / OTHER["std"]).float()
        with torch.inference_mode():
            whole = network.group_logits(network(pixels.permute(2, 0, 1)[None])[0])[0].numpy()
        logs = 0.5 * np.log(sigmoid(whole.astype(np.float64)))
        own = {tuple(np.round(box, 2)): row for row, box in enumerate(old.found.boxes)}
        for row, box in enumerate(new.found.boxes):
            if (k := own.get(tuple(np.round(box, 2)))) is not None and old.found.groups[k] == new.found.groups[row]:
                moved = np.log(new.found.scores[row]) - np.log(old.found.scores[k])
                assert moved == pytest.approx(logs[ROLLUP.groups.index(new.found.groups[row])], abs=0.05)
                compared += 1
    assert compared > 10


def test_weights_of_a_recipe_that_trains_otherwise_are_refused(
    recipes: tuple[DetectorConfig, DetectorConfig], tmp_path: Path
) -> None:
    _, judged = recipes
    with pytest.raises(ArgumentError, match=r"trained as .* differ in \['samples'\]"):
        replace(judged, samples=48).trained()
    file = tmp_path / "tiny-fold0" / "average.pt"
    state = torch.load(file, weights_only=True)
    torch.save({name: state[name] for name in list(state)[:9]}, file)
    with pytest.raises(ArgumentError, match="lacks"):
        train(judged, read_records(judged.photos), 0, runs=tmp_path, cache=tmp_path)
    file.unlink()
    with pytest.raises(ArgumentError, match=r"train_detector .*plain.yaml --fold 0"):
        train(judged, read_records(judged.photos), 0, runs=tmp_path, cache=tmp_path)


def test_it_ships_as_a_card_that_names_the_other_s_weights(
    recipes: tuple[DetectorConfig, DetectorConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, judged = recipes
    out, taxonomy = tmp_path / "out", load_taxonomy()
    state = torch.load(tmp_path / "judge-final" / "average.pt", weights_only=True)
    network = Network("test_resnet", ROLLUP).eval()
    network.load_state_dict(state)
    how = Preprocess(size=64, resize="squash", interpolation="bicubic", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    export_weights(network, draft_card(name="judge", architecture="test_resnet", input=how, taxonomy=taxonomy), out)
    train(judged, read_records(judged.photos), 0, runs=tmp_path, cache=tmp_path)
    named = with_classifier(judged, out, tmp_path)
    report, policy = evaluate(judged, [0], tmp_path, resamples=2, crops=False)
    assert not report.second_look
    card = shipped_card(named, policy, report)
    with pytest.raises(ArgumentError, match="'tiny' is not bundled"):
        ship(named, card, tmp_path, out)

    other = DetectorNetwork(plain.architecture, plain.detector, ROLLUP)
    other.load_state_dict(torch.load(tmp_path / "tiny-final" / "average.pt", weights_only=True))
    draft = draft_card(
        name="tiny", architecture=plain.architecture, input=plain.input, taxonomy=taxonomy, detector=plain.detector
    )
    bundled = export_detector(other, draft, out)
    monkeypatch.setattr(ship_detector, "list_models", lambda: [bundled])
    written = ship(named, card, tmp_path, out)
    assert {path.name for path in out.glob("*.safetensors")} == {"judge.safetensors", "tiny.safetensors"}
    assert read_card(out / "judged.json").model_id == written.model_id
    assert written.weights == bundled.weights
    assert load_detector_network(Model(written, out / "judged.json")).context is not None


def test_boxes_of_a_run_that_was_trained_anew_are_refused(
    recipes: tuple[DetectorConfig, DetectorConfig], tmp_path: Path
) -> None:
    _, judged = recipes
    train(judged, read_records(judged.photos), 0, runs=tmp_path, cache=tmp_path)
    found = (tmp_path / "judged-fold0" / "held_out.jsonl").stat().st_mtime
    os.utime(tmp_path / "tiny-fold0" / "average.pt", (found + 9, found + 9))
    with pytest.raises(ArgumentError, match="is older than"):
        evaluate(judged, [0], tmp_path, resamples=2)
