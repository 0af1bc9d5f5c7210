from __future__ import annotations

import csv
import dataclasses
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from tests.training.detector_helpers import CONFIG, write_config, write_pictures
from training import train_detector
from training.data.manifest import Box, Record, read_manifest, write_manifest
from training.detector import scenes
from training.detector.coco import coco_map, judge
from training.detector.config import DetectorConfig, read_config
from training.detector.engine import Batches, Run
from training.detector.held_out import bare_detector, found_by, read_looked
from training.detector.scenes import read_records
from training.ship_detector import evaluate, shipped_card
from training.taught import note_taught
from training.train_detector import train
from wildvision.contract import Detections
from wildvision.errors import ArgumentError
from wildvision.imaging import Preprocess, preprocess
from wildvision.imaging.preprocessing import letterbox
from wildvision.models import DetectorNetwork, DetectorSettings, Network, export_detector, load_detector
from wildvision.models.detector_network import Target
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy

LEAVES = load_taxonomy().leaf_names
ROLLUP = Rollup.of(load_taxonomy())
ROOT = Path(__file__).parents[2]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


def network(config: DetectorConfig) -> DetectorNetwork:
    torch.manual_seed(0)
    return DetectorNetwork(config.architecture, config.detector, ROLLUP)


def batches(config: DetectorConfig, **share: int) -> Batches:
    records = read_records(config.photos)
    return Batches(records, range(len(records)), config, LEAVES, None, **share)


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_is_a_function_of_its_number(tmp_path: Path, manifest: Path) -> None:
    config = read_config(write_config(tmp_path, manifest, sizes=[64, 96]))
    first, second = batches(config), batches(config)
    for k in (0, 5, 2):
        (pixels, targets), (again, same) = first[k], second[k]
        assert torch.equal(pixels, again)
        assert all(torch.equal(a.boxes, b.boxes) for a, b in zip(targets, same, strict=True))
    assert {first[k][0].shape[1] for k in range(6)} == {64, 96}


def test_processes_share_one_batch(tmp_path: Path, manifest: Path) -> None:
    config = read_config(write_config(tmp_path, manifest))
    whole, (even, odd) = batches(config)[3][0], (batches(config, rank=r, world=2)[3][0] for r in (0, 1))
    assert torch.equal(whole[::2], even)
    assert torch.equal(whole[1::2], odd)


# --- the classifier inside --------------------------------------------------------------------------------------------


def test_what_the_classifier_says_of_the_photo_bears_on_the_boxes_of_its_group_alone() -> None:
    net = DetectorNetwork("test_efficientnet", DetectorSettings(channels=32, convs=1, context=0.5), ROLLUP).eval()
    assert net.context is not None
    x, groups = torch.rand(1, 3, 96, 96), len(ROLLUP.groups)
    with torch.inference_mode():
        net.context.head.weight.zero_()
        net.context.head.bias.zero_()
        net.context.head.bias[:groups] = 40.0
        sure, _ = net(x)
        net.context.head.bias[0] = -40.0
        denied, _ = net(x)
    products = ROLLUP.members[:, ROLLUP.members.any(axis=0)]
    first, others = torch.from_numpy(products[0]), torch.from_numpy(~products[0])
    assert (denied[..., first] < sure[..., first] - 5).all()
    torch.testing.assert_close(denied[..., others], sure[..., others])


@pytest.mark.parametrize(("peak", "contrast"), [(0.25, 1.5), (0.0, 1.0), (1.0, 2.0)])
def test_a_box_counts_by_its_share_of_the_best_of_its_group(peak: float, contrast: float) -> None:
    torch.manual_seed(0)
    how = DetectorSettings(channels=32, convs=1, context=0.0)
    plain = DetectorNetwork("test_efficientnet", how, ROLLUP).eval()
    net = DetectorNetwork("test_efficientnet", dataclasses.replace(how, peak=peak, contrast=contrast), ROLLUP).eval()
    net.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        before, after = (F.logsigmoid(n(x)[0].double()) for n in (plain, net))
        together = net(x[1:])[0]
    products = ROLLUP.members[:, ROLLUP.members.any(axis=0)]
    for members in products:
        rows = torch.from_numpy(members)
        if not members.any():
            continue
        own, scored = before[..., rows], after[..., rows]
        best = own.amax(dim=(1, 2), keepdim=True)
        torch.testing.assert_close(scored, peak * best + contrast * (own - best), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[0], net(x)[0][1], atol=1e-4, rtol=1e-4)  # of this photo, not of the batch


def test_the_classifier_looks_at_the_photo_at_its_own_size() -> None:
    net = DetectorNetwork("test_efficientnet", DetectorSettings(channels=32, convs=1, context=0.5), ROLLUP).eval()
    judge, seen = Network("test_efficientnet", ROLLUP).eval(), []
    judge.register_forward_pre_hook(lambda _, arguments: seen.append(tuple(arguments[0].shape)))
    net.set_context(judge, 96)
    with torch.inference_mode():
        net(torch.rand(2, 3, 128, 128))
        net(torch.rand(1, 3, 96, 96))
    assert seen == [(2, 3, 96, 96), (1, 3, 96, 96)]


@pytest.mark.parametrize(("height", "width"), [(80, 40), (30, 90), (50, 50)])
def test_the_classifier_does_not_see_the_bars_of_the_letterbox(height: int, width: int) -> None:
    how = Preprocess(size=128, resize="letterbox", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    photo = np.random.default_rng(0).integers(0, 120, (height, width, 3), dtype=np.uint8)
    x = (torch.from_numpy(preprocess(photo, how)).permute(2, 0, 1)[None].float() / 255 - 127 / 255) / (128 / 255)
    net = DetectorNetwork("test_efficientnet", DetectorSettings(channels=32, convs=1, context=0.5), ROLLUP).eval()
    judge, seen = Network("test_efficientnet", ROLLUP).eval(), []
    judge.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    net.set_context(judge, 64)
    with torch.inference_mode():
        net(torch.cat([x, torch.zeros_like(x)]))
    left, top, w, h = letterbox(width, height, 128)
    bare = x[..., top : top + h, left : left + w]
    torch.testing.assert_close(seen[0][:1], F.interpolate(bare, (64, 64), mode="bilinear", antialias=True))
    assert seen[0][1].abs().max() == 0.0  # a grey photo has no bars


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["fcos", "retinanet"])
def test_what_lies_in_an_ignored_area_costs_nothing(head: str) -> None:
    torch.manual_seed(0)
    net = DetectorNetwork("test_efficientnet", DetectorSettings(head=head, channels=32, convs=1), ROLLUP).eval()
    x, nothing, everything = torch.rand(1, 3, 96, 96), torch.zeros(0, 4), torch.tensor([[0.0, 0, 96, 96]])
    labels = torch.zeros(0, dtype=torch.int64)
    seen = net.losses(x, [Target(nothing, labels, nothing)])["classification"]
    ignored = net.losses(x, [Target(nothing, labels, everything)])["classification"]
    assert float(seen.detach()) > 1e-3
    assert float(ignored.detach()) < 1e-6


def test_anchors_lie_on_the_features_whatever_the_size_and_the_precision() -> None:
    net = DetectorNetwork("test_efficientnet", DetectorSettings(channels=32, convs=1), ROLLUP)
    with torch.autocast("cpu", torch.bfloat16):
        _, (anchors, _), per_level = net._dense(torch.rand(2, 3, 288, 288))
    assert anchors.dtype == torch.float32
    assert per_level == [36 * 36, 18 * 18, 9 * 9, 5 * 5]
    centres = ((anchors[:, :2] + anchors[:, 2:]) / 2).split(per_level)
    for stride, places in zip((8, 16, 32, 64), centres, strict=True):
        side = round(len(places) ** 0.5)
        assert places.unique().tolist() == [stride * n for n in range(side)]


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, manifest: Path) -> None:
    config = read_config(write_config(tmp_path, manifest))
    unbroken = Run(network(config), config, tmp_path / "a").fit(batches(config), workers=0)
    Run(network(config), config, tmp_path / "b").fit(batches(config), workers=0, stop_at=2)
    torch.manual_seed(99)  # whatever happened in between
    other = DetectorNetwork(config.architecture, config.detector, ROLLUP)
    resumed = Run(other, config, tmp_path / "b").fit(batches(config), workers=0)
    for (name, a), b in zip(unbroken.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    with (tmp_path / "b" / "losses.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "6"]


def test_a_run_is_not_gone_on_with_under_another_recipe(tmp_path: Path, manifest: Path) -> None:
    config = read_config(write_config(tmp_path, manifest))
    Run(network(config), config, tmp_path / "run").fit(batches(config), workers=0, stop_at=2)
    other = dataclasses.replace(config, sizes=(32,), seed=config.seed + 1)
    with pytest.raises(ArgumentError, match="another seed, sizes"):
        Run(network(config), other, tmp_path / "run").fit(batches(config), workers=0)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    state = torch.load(checkpoint)
    torch.save({key: value for key, value in state.items() if key != "recipe"}, tmp_path / "old.pt")
    checkpoint.rename(tmp_path / "kept.pt")
    (tmp_path / "old.pt").rename(checkpoint)
    with pytest.raises(ArgumentError, match="does not say by which recipe"):
        Run(network(config), config, tmp_path / "run").fit(batches(config), workers=0)
    (tmp_path / "kept.pt").rename(checkpoint)
    lighter = dataclasses.replace(config, detector=dataclasses.replace(config.detector, context=0.1))
    assert Run(network(config), lighter, tmp_path / "run").fit(batches(config), workers=0)


def test_a_resumed_run_keeps_the_judge_that_it_was_given(tmp_path: Path, manifest: Path) -> None:
    config = read_config(write_config(tmp_path, manifest, detector={"head": "fcos", "channels": 32, "convs": 1}))
    Run(network(config), config, tmp_path / "run").fit(batches(config), workers=0, stop_at=2)
    torch.manual_seed(7)
    other = DetectorNetwork(config.architecture, config.detector, ROLLUP)
    other.context = Network("test_resnet", ROLLUP)
    judge = other.context.head.weight.detach().clone()
    resumed = Run(other, config, tmp_path / "run").fit(batches(config), workers=0)
    assert resumed.context is not None
    assert torch.equal(resumed.context.head.weight, judge)


def test_the_composer_of_a_run_pastes_as_many_products_as_its_recipe_says(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bank:
        def without_sources(self, unseen: object) -> Bank:
            return self

        def without_photos(self, photos: object) -> Bank:
            return self

    for kind in (scenes.CutoutBank, scenes.BackgroundBank):
        monkeypatch.setattr(kind, "load", lambda *_, **__: Bank())
    sampling = CONFIG["sampling"] | {"composed": 0.5, "composed_positives": 0.4, "piles": 0.1}
    config = read_config(write_config(tmp_path, manifest, sampling=sampling))
    composer = train_detector._composer(config, (), (), ("ivory_worked",))
    assert composer is not None
    assert (composer.recipe.positive_share, composer.piles) == (0.4, 0.1)


def test_a_fold_writes_weights_and_what_it_finds_in_unseen_sources(tmp_path: Path, manifest: Path) -> None:
    logging.disable(logging.CRITICAL)
    config = read_config(write_config(tmp_path, manifest, evaluation={"every": 3, "photos": 4}))
    train(config, read_records(config.photos), 0, runs=tmp_path / "runs", cache=tmp_path)
    logging.disable(logging.NOTSET)
    folder = tmp_path / "runs" / "tiny-fold0"
    looked = read_looked(folder / "held_out.jsonl", found_by(config))
    assert [item.record.source for item in looked] == ["shop-b"] * 4
    with (folder / "map.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6"]
    assert "photos mAP50" in rows[0]
    report, policy = evaluate(config, [0], tmp_path / "runs", resamples=10)
    assert report.parts["real"].per_leaf["everyday"].n == 2
    card = shipped_card(config, policy, report)
    trained = network(config)
    trained.load_state_dict(torch.load(folder / "average.pt", weights_only=True))
    export_detector(trained, card, tmp_path / "model")
    assert load_detector(tmp_path / "model", device="cpu").predict(tmp_path / "0.png").ok


def test_what_shows_a_held_out_photo_teaches_a_detector_nothing(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = read_manifest(manifest)
    for path in ("copy.png", "broken.png"):
        shutil.copy(tmp_path / rows[4].path, tmp_path / path)
    copy, broken = (
        dataclasses.replace(rows[4], path=p, source="shop-a", object_id="") for p in ("copy.png", "broken.png")
    )
    write_manifest(manifest, [*rows, copy, broken])
    (tmp_path / "broken.png").write_bytes(b"junk")
    config = read_config(write_config(tmp_path, manifest))
    taught: list[str] = []
    pasted: list[object] = []
    monkeypatch.setattr(
        train_detector, "Batches", lambda records, rows, *_, **__: taught.extend(records[i].path for i in rows)
    )
    monkeypatch.setattr(train_detector, "_composer", lambda _, unseen, without, __: pasted.append(without))
    monkeypatch.setattr(Run, "fit", lambda *_, **__: None)
    train(config, read_records(config.photos), 0, runs=tmp_path / "runs", cache=tmp_path, stop_at=1)
    assert [Path(path).name for path in taught] == [r.path for r in rows[:4]]
    assert "1 photos cannot be read" in caplog.text
    assert pasted == [{("shop-a", "copy.png"), *(("shop-b", r.path) for r in rows[4:])}]


def test_a_run_that_has_learnt_from_what_is_held_out_now_is_refused(tmp_path: Path, manifest: Path) -> None:
    config = read_config(write_config(tmp_path, manifest))
    train(config, read_records(config.photos), 0, runs=tmp_path / "runs", cache=tmp_path, stop_at=1)
    rows = read_manifest(manifest)
    shutil.copy(tmp_path / rows[0].path, tmp_path / "copy.png")
    write_manifest(manifest, [*rows, dataclasses.replace(rows[0], path="copy.png", source="shop-b", object_id="")])
    with pytest.raises(ArgumentError, match=r"learnt from 1 photos that are held out now, '0\.png' of 'shop-a'"):
        train(config, read_records(config.photos), 0, runs=tmp_path / "runs", cache=tmp_path)


def test_two_processes_train_one_network_and_go_on_where_they_stopped(tmp_path: Path, manifest: Path) -> None:
    path = write_config(tmp_path, manifest)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, "-m", "training.train_detector", str(path), "--final", "--threads=1"]
    folders = [f"--runs={tmp_path / 'runs'}", f"--cache={tmp_path}"]
    for more in (["--stop-at=2"], []):
        done = subprocess.run([*command, *folders, *more], cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
    assert "resumed at step 2 of 6" in done.stderr
    folder = tmp_path / "runs" / "tiny-final"
    with (folder / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "6"]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    trained = network(read_config(path))
    trained.load_state_dict(torch.load(folder / "average.pt", weights_only=True))
    assert all(torch.isfinite(value).all() for value in trained.state_dict().values())


def test_processes_that_note_what_they_learn_from_do_not_take_each_other_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, replace, other = [("shop-a", "0.png")], Path.replace, iter([7])

    def overtaken(part: Path, target: Path) -> Path:
        if number := next(other, None):
            monkeypatch.setattr("os.getpid", lambda: number)
            note_taught(tmp_path, photos, ())
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", overtaken)
    note_taught(tmp_path, photos, ())
    assert [p.name for p in tmp_path.iterdir()] == ["taught.json"]


@pytest.mark.slow
def test_a_few_pictures_are_learnt_by_heart(tmp_path: Path, manifest: Path) -> None:
    sampling = {
        "positives": {"ivory": 0.5},
        "photo_weight": 1.0,
        "composed": 0.0,
        "composed_positives": 0.5,
        "piles": 0.0,
        "mosaic": 0.0,
    }
    optimiser = {
        "head_lr": 3e-3,
        "backbone_lr": 3e-3,
        "weight_decay": 0.0,
        "warmup": 0.1,
        "head_first": 0.0,
        "ema_decay": 0.9,
    }
    path = write_config(tmp_path, manifest, samples=4 * 250, sampling=sampling, optimiser=optimiser)
    config = read_config(path)
    average = Run(network(config), config, tmp_path / "run").fit(batches(config), workers=0)
    records = read_records(config.photos)
    found = bare_detector(average, config.name, config.input).predict([r.path for r in records], score=0.0)
    assert coco_map(records, found)["AP50 ivory"] > 0.8


# --- measures ---------------------------------------------------------------------------------------------------------


def photo(*boxes: Box, group: str = "ivory", leaf: str = "ivory_raw") -> Record:
    return Record(path="x.png", group=group, leaf=leaf, source="s", boxes=boxes)


def detections(*rows: tuple[tuple[float, float, float, float], float, str]) -> Detections:
    return Detections(
        boxes=np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
        scores=np.array([r[1] for r in rows], np.float32),
        groups=tuple(r[2] for r in rows),
        leaves=(None,) * len(rows),
        size=(100, 100),
    )


def test_perfect_detections_have_map_one_and_false_alarms_lower_it() -> None:
    records = [photo(Box(10, 10, 50, 50)), photo(group="none", leaf="everyday")]
    good = detections(((10, 10, 50, 50), 0.6, "ivory"))
    assert coco_map(records, [good, detections()])["mAP"] == pytest.approx(1.0)
    alarm = detections(((0, 0, 20, 20), 0.9, "ivory"))
    assert coco_map(records, [good, alarm])["mAP50"] == pytest.approx(0.5, abs=0.01)
    assert coco_map(records, [detections(), detections()])["mAP"] == 0.0
    assert np.isnan(coco_map(records[1:], [good])["mAP"])


def test_each_object_is_found_once_and_heaps_are_not_judged() -> None:
    record = photo(Box(10, 10, 50, 50), Box(60, 60, 100, 100, crowd=True))
    found = detections(
        ((10, 10, 50, 50), 0.9, "ivory"),
        ((11, 10, 50, 50), 0.8, "ivory"),
        ((10, 10, 50, 50), 0.7, "rhino_horn"),
        ((65, 65, 75, 75), 0.6, "ivory"),
    )
    right, judged = judge(record, found)
    assert right.tolist() == [True, False, False, False]
    assert judged.tolist() == [True, True, True, False]
