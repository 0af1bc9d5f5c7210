"""Training a classifier at toy size: settings, sampling, crops, exact resume, key mapping, shipping."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from training.classifier.augment import KEPT, Augment, Corners, Crop, choose_crop, shrink_into
from training.classifier.config import ClassifierConfig, Refit, read_config
from training.classifier.engine import Batches, Run, score_photos
from training.classifier.photos import Photos, load_photos
from training.classifier.pretrained import _rename
from training.classifier.refit import _of_piles, features, fit_head, interpolate, refit, shared
from training.classifier.sampling import BatchSampler
from training.data.manifest import Record, write_manifest
from training.folds import barred
from training.train_classifier import _rows
from wildvision.errors import ArgumentError
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy

CONFIG = Path("configs/classifier-default.yaml")


@pytest.fixture
def config() -> ClassifierConfig:
    how = read_config(CONFIG)
    return replace(
        how,
        input=replace(how.input, size=32),
        train_size=32,
        cache_size=40,
        batch_size=4,
        samples=16,
        sampling=replace(how.sampling, composed=0.0),
    )


@pytest.fixture
def photos() -> Photos:
    """Three groups from two museums; museum "big" has far more of everything."""
    records = []
    for source, n in (("big", 18), ("small", 2)):
        for i in range(n):
            for group, leaf in (("ivory", "ivory_worked"), ("none", "bone_antler"), ("none", "everyday")):
                name = f"{source}-{leaf}-{i}.png"
                records.append(Record(name, group, leaf, source, object_id=f"{leaf}{i}", width=80, height=40))
    pixels = np.random.default_rng(0).integers(0, 256, (len(records), 40, 40, 3), dtype=np.uint8)
    return Photos(tuple(records), tuple(Path(r.path) for r in records), pixels, tuple(range(len(records))))


def network(config: ClassifierConfig) -> Network:
    torch.manual_seed(0)
    return Network(config.architecture, Rollup.of(load_taxonomy()), drop_rate=config.drop_rate)


def batches(photos: Photos, config: ClassifierConfig) -> Batches:
    sampler = BatchSampler(photos.records, range(len(photos)), config.sampling, size=config.batch_size, seed=1)
    return Batches(photos, sampler, config, network(config), None)


@pytest.mark.parametrize("change", [{"learning_rate": 1.0}, {"samples": None}, {"sampling": {"tiny": 0.1}}])
def test_a_config_with_unknown_or_missing_keys_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    raw = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    for key, value in change.items():
        if value is None:
            del raw[key]
        else:
            raw[key] = value
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"unknown keys|missing keys"):
        read_config(file)


def test_every_source_is_held_out_in_exactly_one_fold() -> None:
    folds = [set(fold) for fold in read_config(CONFIG).folds]
    assert sum(len(fold) for fold in folds) == len(set.union(*folds))


def test_batches_are_balanced_over_groups_and_sources(photos: Photos, config: ClassifierConfig) -> None:
    sampler = BatchSampler(photos.records, range(len(photos)), config.sampling, size=4000, seed=1)
    drawn = Counter((photos.records[i].group, photos.records[i].source) for i in sampler.batch(0))
    ivory = drawn["ivory", "big"] + drawn["ivory", "small"]
    assert ivory / 4000 == pytest.approx(config.sampling.positives["ivory"], abs=0.03)
    assert drawn["ivory", "small"] / ivory == pytest.approx(0.25, abs=0.05)  # square roots of 18 and 2 objects


def test_a_batch_is_a_pure_function_of_its_number(photos: Photos, config: ClassifierConfig) -> None:
    first, again, other = batches(photos, config)[3], batches(photos, config)[3], batches(photos, config)[2]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("zoomed", [True, False])
@pytest.mark.parametrize("box", [(0.3, 0.4, 0.7, 0.6), (0.0, 0.0, 1.0, 1.0), (0.9, 0.05, 0.98, 0.1)])
def test_crops_keep_most_of_a_box_or_lie_within_it(box: Corners, zoomed: bool) -> None:
    rng = np.random.default_rng(0)
    crops = [choose_crop([box], rng, zoomed=zoomed) for _ in range(200)]
    for x, y, width, height in crops:
        assert 0 <= x <= x + width <= 1 + 1e-9
        assert 0 <= y <= y + height <= 1 + 1e-9
    assert all(crop.shows(box, least=KEPT**2 - 1e-9) for crop in crops)
    assert len(set(crops)) > 100


def test_a_crop_shows_what_lies_within_it() -> None:
    crop = Crop(0.5, 0.5, 0.5, 0.5)
    assert crop.shows((0.4, 0.5, 1.0, 1.0))
    assert not crop.shows((0.0, 0.5, 0.55, 1.0))
    assert crop.shows((0.0, 0.0, 1.0, 1.0))
    image = np.zeros((100, 100, 3), np.uint8)
    image[50:, 50:] = 255
    assert (crop.cut(image, 32) == 255).all()


def test_composed_objects_that_a_crop_leaves_out_are_no_labels(photos: Photos, config: ClassifierConfig) -> None:
    how = replace(config, sampling=replace(config.sampling, composed=1.0))
    picture = np.zeros((40, 40, 3), np.uint8)
    both = [(0.0, 0.0, 0.1, 0.1), (0.9, 0.9, 1.0, 1.0)]
    sampler = BatchSampler(photos.records, range(len(photos)), how.sampling, size=4, seed=1)
    made = Batches(
        photos, sampler, how, network(how), lambda rng: (picture, both, ("ivory_worked", "python_skin_goods"))
    )
    groups = torch.cat([made[k][1] for k in range(8)])
    assert (groups.sum(1) >= 1).all()  # one of the boxes is always kept
    assert (groups.sum(1) == 1).any()


def test_shrink_into_leaves_most_of_the_room_visible() -> None:
    rng = np.random.default_rng(0)
    small, room = np.full((60, 60, 3), 255, np.uint8), np.zeros((60, 60, 3), np.uint8)
    for _ in range(20):
        share = float((shrink_into(small, room, rng) == 255).mean())
        assert 0.05 < share < 0.6


def test_augmentation_repeats_for_a_seed(photos: Photos) -> None:
    one, two = Augment(), Augment()
    assert np.array_equal(one(photos.pixels[0], 7), two(photos.pixels[0], 7))
    assert not np.array_equal(one(photos.pixels[0], 7), one(photos.pixels[0], 8))


def test_an_interrupted_run_ends_with_the_same_weights(
    photos: Photos, config: ClassifierConfig, tmp_path: Path
) -> None:
    whole = Run(network(config), config, tmp_path / "whole").fit(batches(photos, config), workers=0)
    half = replace(config, samples=8)
    part = Run(network(config), half, tmp_path / "cut")
    part.config = config  # the schedule of the long run, stopped half-way
    data = batches(photos, config)
    for k in range(half.steps):
        part._advance(*data[k])
    part._save()
    resumed = Run(network(config), config, tmp_path / "cut").fit(data, workers=0)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_run_goes_on_under_another_head_and_under_no_other_recipe(
    photos: Photos, config: ClassifierConfig, tmp_path: Path
) -> None:
    Run(network(config), config, tmp_path).fit(batches(photos, config), workers=0)
    other_head = replace(config, refit=replace(config.refit, l2=9.0))
    assert Run(network(config), other_head, tmp_path).fit(batches(photos, config), workers=0)
    other = replace(config, frozen_stages=config.frozen_stages + 1)
    with pytest.raises(ArgumentError, match="another frozen_stages;"):
        Run(network(config), other, tmp_path).fit(batches(photos, config), workers=0)


def test_frozen_stages_keep_their_weights(photos: Photos, config: ClassifierConfig, tmp_path: Path) -> None:
    start = network(config)
    stem, head = start.backbone.conv_stem.weight.detach().clone(), start.head.weight.detach().clone()
    trained = Run(start, config, tmp_path).fit(batches(photos, config), workers=0)
    assert torch.equal(trained.backbone.conv_stem.weight, stem)
    assert not torch.equal(trained.head.weight, head)


def test_a_backbone_goes_part_of_the_way_back(config: ClassifierConfig) -> None:
    backbone = network(config).backbone
    own = backbone.conv_stem.weight.detach().clone()
    pretrained = {name: torch.ones_like(value) for name, value in backbone.state_dict().items()}
    interpolate(backbone, pretrained, 0.25)
    torch.testing.assert_close(backbone.conv_stem.weight.detach(), 0.75 * own + 0.25)


@pytest.mark.parametrize(("l2", "least", "most"), [(1e-3, 0.9, 1.0), (1e4, 0.0, 0.0)])
def test_the_head_is_fitted_as_far_as_its_penalty_lets_it(
    config: ClassifierConfig, l2: float, least: float, most: float
) -> None:
    fitted = network(config)
    group = np.arange(80) % 4
    noise = np.random.default_rng(0).normal(size=(80, fitted.features))
    x = torch.from_numpy(7 + 5 * (noise + 3 * np.eye(4, fitted.features)[group])).float()
    leaves = torch.from_numpy(fitted.rollup.members.argmax(1)[group])
    how = replace(config, refit=Refit(pretrained_share=0.0, l2=l2, renders={}, everyday=1.0, piles={}, textures={}))
    fit_head(fitted, x, torch.eye(4)[group], leaves, torch.full((80, 4), 1 / 80), torch.full((80,), 1 / 80), how)
    right = fitted.head(x)[:, 4:].softmax(1)[torch.arange(80), leaves] > 0.5
    assert least <= right.float().mean() <= most


def test_a_refit_learns_from_photos_and_hears_rendered_everyday_things_in_full(
    photos: Photos, config: ClassifierConfig
) -> None:
    records = tuple(replace(r, synthetic=r.source == "small") for r in photos.records)
    part = replace(photos, records=records)
    fitted = network(config).eval()
    pretrained = {name: value.clone() for name, value in fitted.backbone.state_dict().items()}
    sampler = BatchSampler(records, range(len(records)), config.sampling, size=4, seed=1)
    heads = {}
    for renders, everyday in ((1.0, 1.0), (1.0, 16.0), (0.0, 1.0)):
        weights = Refit(
            pretrained_share=0.5, l2=1.0, renders={"ivory": renders}, everyday=everyday, piles={}, textures={}
        )
        how = replace(config, refit=weights)
        refit(fitted, pretrained, part, sampler, how)
        heads[renders, everyday] = fitted.head.weight.detach().clone()
        with torch.no_grad():
            ivory = fitted.group_logits(fitted.head(features(fitted, photos.pixels, config)[0]))[:, 0].numpy()
        shown = np.array([r.group == "ivory" for r in records])
        assert ivory[shown].mean() > ivory[~shown].mean()
    assert not torch.allclose(heads[1.0, 1.0], heads[1.0, 16.0])
    assert not torch.allclose(heads[1.0, 1.0], heads[0.0, 1.0])


def test_piles_teach_the_head_by_the_weight_of_their_group(photos: Photos, config: ClassifierConfig) -> None:
    fitted = network(config).eval()
    pretrained = {name: value.clone() for name, value in fitted.backbone.state_dict().items()}
    sampler = BatchSampler(photos.records, range(len(photos)), config.sampling, size=4, seed=1)
    red, blue = (np.full((40, 40, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))
    piles = [("ivory_raw", red)] * 3 + [("bone_antler", blue)] * 2
    ivory = {}
    for share in (0.0, 0.1, 1.0):
        weights = Refit(0.5, 1.0, renders={}, everyday=1.0, piles={"ivory": share, "none": share}, textures={})
        refit(fitted, pretrained, photos, sampler, replace(config, refit=weights), piles)
        with torch.no_grad():
            ivory[share] = fitted.group_logits(fitted.head(features(fitted, [red, blue], config)[0]))[:, 0].numpy()
    gaps = [float(red - blue) for red, blue in ivory.values()]
    assert gaps[0] < gaps[1] < gaps[2]
    by_group, by_leaf = _of_piles(fitted, piles, replace(config, refit=weights))[3:]
    torch.testing.assert_close(by_leaf, torch.tensor([1 / 3] * 3 + [1 / 2] * 2))
    torch.testing.assert_close(by_group, by_leaf[:, None] * torch.tensor([1.0, 0.0, 0.0, 0.0]))


def test_textures_teach_named_groups_and_only_what_photographs_show(photos: Photos, config: ClassifierConfig) -> None:
    rng, seen = np.random.default_rng(3), Counter[str]()
    records = []
    for (
        record
    ) in photos.records:  # every second one of each group a render, where ivory looks as others do in photographs
        seen[record.group] += 1
        records.append(replace(record, synthetic=seen[record.group] % 2 == 0))
    coarse = rng.integers(0, 256, (len(records), 5, 5, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    fine = rng.integers(0, 256, (len(records), 40, 40, 3), dtype=np.uint8)
    is_fine = np.array([(r.group == "ivory") != r.synthetic for r in records])
    pixels = np.where(is_fine[:, None, None, None], fine, coarse)
    part = replace(photos, records=tuple(records), pixels=pixels)
    fitted = network(config).eval()
    pretrained = {name: value.clone() for name, value in fitted.backbone.state_dict().items()}
    sampler = BatchSampler(records, range(len(records)), config.sampling, size=4, seed=1)
    weights = Refit(1.0, 0.01, renders={}, everyday=1.0, piles={}, textures={"ivory": 2.0})
    refit(fitted, pretrained, part, sampler, replace(config, refit=weights))
    head = fitted.texture_head
    assert head is not None
    assert head.weight[1:].abs().max() == 0.0 == head.bias[1:].abs().max()
    with torch.no_grad():
        ivory = head(features(fitted, pixels, config)[1])[:, 0].numpy()
    assert ivory[is_fine].min() > ivory[~is_fine].max()
    with pytest.raises(ArgumentError, match="unknown groups"):
        refit(fitted, pretrained, part, sampler, replace(config, refit=replace(weights, textures={"gold": 1.0})))


def test_textures_that_cannot_be_learnt_are_left_out_and_those_of_an_earlier_recipe_dropped(
    photos: Photos, config: ClassifierConfig, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = network(config).eval()
    pretrained = {name: value.clone() for name, value in fitted.backbone.state_dict().items()}
    sampler = BatchSampler(photos.records, range(len(photos)), config.sampling, size=4, seed=1)
    weights = Refit(1.0, 0.1, renders={}, everyday=1.0, piles={}, textures={"hornbill_casque": 2.0})
    refit(fitted, pretrained, photos, sampler, replace(config, refit=weights))
    assert "no textures of hornbill_casque" in caplog.text
    assert fitted.texture_head is not None
    assert fitted.texture_head.bias.abs().max() == 0.0 == fitted.texture_head.weight.abs().max()
    refit(fitted, pretrained, photos, sampler, replace(config, refit=replace(weights, textures={})))
    assert fitted.texture_head is None
    assert not [name for name in fitted.state_dict() if name.startswith("texture_head")]


@pytest.mark.parametrize(("positives", "message"), [({"ivry": 0.1}, "unknown groups"), ({"ivory": 1.0}, "shares")])
def test_shares_that_make_no_sense_are_refused(
    photos: Photos, config: ClassifierConfig, positives: dict[str, float], message: str
) -> None:
    how = replace(config.sampling, positives={**dict.fromkeys(config.sampling.positives, 0.1), **positives})
    with pytest.raises(ArgumentError, match=message):
        BatchSampler(photos.records, range(len(photos)), how, size=4, seed=1)


def test_renders_count_less_in_what_a_named_group_learns() -> None:
    rollup = Rollup.of(load_taxonomy())
    rendered = torch.tensor([False, True, False, True])
    groups = torch.zeros(4, 4)
    groups[2:, rollup.groups.index("python_skin")] = 1
    by_group, by_leaf = shared(rollup, torch.full((4,), 0.25), rendered, groups, {"python_skin": 0.1})
    python, ivory = (by_group[:, rollup.groups.index(name)] for name in ("python_skin", "ivory"))
    torch.testing.assert_close(python, torch.tensor([1, 0.1, 1, 0.1]) / 2.2)
    torch.testing.assert_close(ivory, torch.full((4,), 0.25))
    torch.testing.assert_close(by_leaf, torch.tensor([1, 1, 1, 0.1]) / 3.1)  # a rendered look-alike counts in full
    with pytest.raises(ArgumentError, match="unknown groups \\['dragon'\\]; known: ivory"):
        shared(rollup, torch.full((4,), 0.25), rendered, groups, {"dragon": 0.5})


def test_photos_are_cached_and_bad_ones_left_out(tmp_path: Path, config: ClassifierConfig) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "good.png"), np.full((30, 50, 3), 90, np.uint8))
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    rows = [Record(f"{name}.png", "none", "everyday", "shop") for name in ("good", "bad")]
    write_manifest(tmp_path / "manifest.csv", rows)
    (tmp_path / "boxes.csv").write_text("path,group,leaf,boxes,quality,how\n", encoding="utf-8")
    manifests, cache = [tmp_path / "manifest.csv"], tmp_path / "cache"
    for _ in range(2):
        found = load_photos(manifests, annotations=tmp_path / "boxes.csv", size=16, cache=cache)
        assert [r.path for r in found.records] == ["good.png"]
        assert found.pixels.shape == (1, 16, 16, 3)
        assert int(found.pixels.min()) == 90
    logits = score_photos(network(config).eval(), list(found.files), config.input)
    assert logits.shape == (1, 22)
    cv2.imwrite(str(tmp_path / "bad.png"), np.full((30, 50, 3), 40, np.uint8))  # comes later, or is mended
    mended = load_photos(manifests, annotations=tmp_path / "boxes.csv", size=16, cache=cache)
    assert [int(p.min()) for p in mended.pixels] == [90, 40]


def test_a_group_without_a_share_is_refused(photos: Photos, config: ClassifierConfig) -> None:
    how = replace(config.sampling, positives={"ivroy": 0.2})
    with pytest.raises(ArgumentError, match="ivory"):
        BatchSampler(photos.records, range(len(photos)), how, size=4, seed=1)


def test_nothing_is_learnt_from_rows_that_a_split_has_dropped(photos: Photos) -> None:
    records = [replace(r, split=("train", "test", "dropped")[i % 3]) for i, r in enumerate(photos.records)]
    records[3] = replace(records[3], trust="low")
    divided = replace(photos, records=tuple(records))
    rows = _rows(divided, barred(divided.records, divided.clusters, ()))
    assert {records[i].split for i in rows} == {"train"}
    assert 0 in rows
    assert 3 not in rows


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_mean", "bn1.running_mean"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.2._bn2.bias", "blocks.1.1.bn3.bias"),
    ],
)
def test_pretrained_keys_map_onto_timm(key: str, expected: str) -> None:
    assert _rename(key, ["blocks.0.0", "blocks.1.0", "blocks.1.1"]) == expected
