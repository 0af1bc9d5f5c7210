"""What ships: the bundled model works, its card tells the truth, the samples are renders, the wheel is small."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

import wildvision as wv
from wildvision.evaluation.card_metrics import metrics_block
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.scores import read_scores
from wildvision.models import ModelCard, find_model, list_larger_models, list_models, load_network
from wildvision.models.registry import find_classifier

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "wildvision" / "samples"
WEIGHTS = ROOT / "src" / "wildvision" / "weights"
PHOTOS = sorted(SAMPLES.glob("*.jpg"))


def manifest() -> dict[str, dict[str, str]]:
    with (SAMPLES / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_the_default_model_is_bundled_under_its_own_name() -> None:
    names = {card.name for card in list_models()}
    assert "default" in names
    assert names == {path.stem for path in WEIGHTS.glob("*.json")}


def test_weights_are_half_precision_and_small() -> None:
    for card in list_models():
        assert card.weights.dtype == "float16"
        assert (WEIGHTS / card.weights.file).stat().st_size < 20e6


def test_of_larger_models_no_more_than_the_head_is_bundled() -> None:
    for card in (card for card in list_larger_models() if card.kind == "classifier"):
        assert {path.name for path in (WEIGHTS / "heads").glob(f"{card.name}.*")} == {
            f"{card.name}.json",
            f"{card.name}.head.safetensors",
        }
        assert (WEIGHTS / "heads" / f"{card.name}.head.safetensors").stat().st_size < 1e6
        assert all(find_classifier(partner, WEIGHTS) for partner in card.partners)


def test_larger_detectors_have_the_weights_of_bundled_ones_and_a_judge_of_the_library() -> None:
    known = [card.weights for card in list_models() if card.kind == "detector"]
    for card in (card for card in list_larger_models() if card.kind == "detector"):
        assert card.weights in known
        assert card.detector is not None
        assert card.detector.classifier in [c.model_id for c in (*list_models(), *list_larger_models())]


def multiply_adds(name: str) -> float:
    """Of one photo, by torch's counter of floating-point operations."""
    model = find_model(name)
    network, size = load_network(model).to("meta").eval(), model.card.input.size
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 2


def test_the_fast_model_costs_at_most_half_as_much_as_the_default() -> None:
    assert multiply_adds("fast") <= 0.5 * multiply_adds("default")
    assert multiply_adds("fast") < 1.8 * multiply_adds("probe")  # a second network from the fourth stage on


def test_the_bundled_model_scores_every_sample() -> None:
    predictions = wv.load_classifier(device="cpu").predict([str(p) for p in PHOTOS])
    assert [p.path for p in predictions] == [str(p) for p in PHOTOS]
    assert all(p.ok and set(p.scores) == set(wv.load_taxonomy().group_names) for p in predictions)


def test_the_bundled_model_finds_the_group_of_most_product_samples() -> None:
    rows = manifest()
    products = [p for p in PHOTOS if rows[p.name]["group"] != "none"]
    predictions = wv.load_classifier(device="cpu").predict([str(p) for p in products])
    right = sum(p.group == rows[path.name]["group"] for p, path in zip(predictions, products, strict=True))
    assert right / len(products) >= 0.7


def test_the_bundled_detector_finds_the_same_boxes_in_batches_and_in_arrays() -> None:
    detector = wv.load_detector(device="cpu")
    photos = [str(p) for p in PHOTOS[:6]]
    alone = [detector.predict(photo, score=0.02) for photo in photos]
    together = detector.predict(photos, batch_size=16, score=0.02)
    arrays = detector.predict([np.asarray(Image.open(photo).convert("RGB")) for photo in photos], score=0.02)
    assert sum(map(len, alone)) > 0
    for one, batched, pixels in zip(alone, together, arrays, strict=True):
        assert one.groups == batched.groups == pixels.groups
        for other in (batched, pixels):
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
            np.testing.assert_allclose(one.boxes, other.boxes, atol=0.5)


def test_every_sample_is_marked_as_a_render() -> None:
    rows = manifest()
    assert {p.name for p in PHOTOS} == set(rows)
    assert all(row["synthetic"] == "1" and name.startswith("render-") for name, row in rows.items())
    leaves = {row["leaf"] for row in rows.values()}
    assert set(wv.load_taxonomy().leaf_names) <= leaves


CLASSIFIERS = [card for card in (*list_models(), *list_larger_models()) if card.kind == "classifier"]


@pytest.mark.parametrize("card", CLASSIFIERS, ids=lambda card: card.name)
def test_the_numbers_in_the_card_follow_from_the_committed_scores(card: ModelCard) -> None:
    evaluation = measure(
        judge_across_sources(read_scores(ROOT / "reports" / card.name / "scores.parquet")), model="again"
    )
    again = json.loads(json.dumps(metrics_block(evaluation)))
    for kind in ("real", "synthetic"):
        for group, numbers in again[kind]["groups"].items():
            written = card.metrics[kind]["groups"][group]
            for name in ("auroc", "recall_at_fpr", "per_product_leaf"):
                assert written[name] == numbers[name]


def test_the_wheel_holds_the_model_and_the_samples_and_stays_below_60_mb(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 60e6
    names = set(zipfile.ZipFile(wheel).namelist())
    more = [f"weights/heads/{path.name}" for path in (WEIGHTS / "heads").iterdir()]
    for name in ("weights/default.safetensors", "weights/default.json", "samples/manifest.csv", "py.typed", *more):
        assert f"wildvision/{name}" in names
    assert not [name for name in names if name.startswith(("training", "tests"))]
