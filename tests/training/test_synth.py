"""The renderer: planning, post-processing, boxes and manifest without Blender; tiny renders where ``bpy`` is."""

from __future__ import annotations

import importlib.util
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from training.data import read_manifest
from training.synth import textures
from training.synth.boxes import boxes_from_mask, enclosing
from training.synth.config import (
    EMPTY,
    GOODS,
    GROUNDS,
    group_of,
    label_of,
    load_config,
    plan_leaf,
    sample_scene,
    stream,
)
from training.synth.leaves import LEAVES, builder_for
from training.synth.materials.cloth import cloth, upper
from training.synth.materials.hides import Hide
from training.synth.post import apply_post, sample_post, save_jpeg
from training.synth.render import DEFAULT_CONFIG, to_record, write_outputs
from wildvision.errors import ArgumentError
from wildvision.taxonomy import load_taxonomy

CONFIG = load_config(DEFAULT_CONFIG)
HDRIS = ["a", "b", "c"]
needs_bpy = pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="needs the extra 'synth' (bpy)")


def photo(size: tuple[int, int] = (96, 128)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)


def neutral() -> dict[str, Any]:
    return {
        "expose": None, "gain": [1, 1, 1], "gamma": 1.0, "contrast": 1.0, "saturation": 1.0,
        "vignette": 0.0, "defocus": 0.0, "motion": None, "shot": 0.0, "read": 0.0, "chroma": 0.0, "sharpen": 0.0,
        "thumb": 1.0,
        "grey": False, "watermark": False, "price": False, "text": False, "screenshot": False, "quality": 95,
        "again": None, "seed": 5,
    }  # fmt: skip


def params(**changes: Any) -> dict[str, Any]:
    base = {
        "index": 7, "name": "000007_ivory_raw", "leaf": "ivory_raw", "seed": 1, "split": "train",
        "size": [200, 100], "crowd": True,
        "instances": [
            {"number": 1, "leaf": "ivory_raw", "box": [10, 10, 50, 40]},
            {"number": 2, "leaf": "ivory_raw", "box": [30, 20, 90, 80]},
            {"number": 3, "leaf": "bone_antler", "box": [0, 0, 5, 9]},
        ],
        "products": [{"leaf": "ivory_raw", "form": "heap of tusks"}],
    }  # fmt: skip
    return {**base, **changes}


def test_the_config_names_exactly_the_leaves_that_can_be_rendered() -> None:
    assert set(CONFIG.shares) == {*LEAVES, EMPTY} - {GOODS}
    assert {label_of(leaf) for leaf in LEAVES} <= set(load_taxonomy().class_names)


def test_about_half_of_the_plan_is_look_alikes_or_empty_and_every_group_has_its_share() -> None:
    groups = Counter(group_of(plan_leaf(CONFIG, 0, i)) for i in range(4000))
    assert 0.48 <= groups["none"] / 4000 <= 0.62
    assert all(groups[g] >= 250 for g in load_taxonomy().group_names)


def test_a_plan_restricted_to_leaves_takes_them_in_turn() -> None:
    assert [plan_leaf(CONFIG, 3, i, ("ivory_raw", "bovine_horn")) for i in range(4)] == ["ivory_raw", "bovine_horn"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "unknown keys"),
        ({"shares": {"ivory_raw": 1, "everyday": 0.2}}, "between 45 % and 75 %"),
    ],
)
def test_a_wrong_config_is_refused_by_name(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    raw = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**raw, **change}), encoding="utf-8")
    with pytest.raises(ArgumentError, match=message):
        load_config(tmp_path / "bad.yaml")


def test_scenes_repeat_by_seed_and_survive_json() -> None:
    scene = sample_scene(CONFIG, 11, 4, HDRIS)
    assert sample_scene(CONFIG, 11, 4, HDRIS) == scene
    assert sample_scene(CONFIG, 12, 4, HDRIS) != scene
    json.dumps(scene)


def test_the_ground_is_as_likely_for_products_as_for_look_alikes() -> None:
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for i in range(4000):
        kind = sample_scene(CONFIG, 5, i, HDRIS)["ground"]["kind"]
        counts[group_of(plan_leaf(CONFIG, 5, i)) == "none"][kind] += 1
    shares = {side: {g: c[g] / c.total() for g in GROUNDS} for side, c in counts.items()}
    assert max(abs(shares[True][g] - shares[False][g]) for g in GROUNDS) < 0.03


def test_an_unknown_leaf_has_no_builder() -> None:
    with pytest.raises(KeyError, match="no builder for leaf 'unicorn_horn'"):
        builder_for("unicorn_horn")


def test_boxes_are_tight_exclusive_and_leave_out_slivers() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:15, 10:30] = 1
    mask[20:23, 2:4] = 2  # 6 pixels: too little to call visible
    assert boxes_from_mask(mask, {1: "ivory_raw", 2: "ivory_raw"}) == {1: (10, 5, 30, 15)}
    assert enclosing({1: (10, 5, 30, 15), 4: (0, 8, 12, 40)}) == (0, 5, 30, 40)
    assert enclosing({}) is None


def test_neutral_post_processing_changes_nothing() -> None:
    image, mask = photo(), np.zeros((96, 128), np.uint8)
    finished = apply_post(image, mask, neutral())
    assert np.abs(finished.image.astype(int) - image).max() <= 1
    assert finished.shift == (0, 0)


@pytest.mark.parametrize("effect", ["watermark", "price", "text", "grey"])
def test_every_overlay_leaves_its_trace(effect: str) -> None:
    image = photo()
    finished = apply_post(image, np.zeros((96, 128), np.uint8), {**neutral(), effect: True})
    assert finished.image.shape == image.shape
    assert (finished.image != image).mean() > 0.005


def test_post_processing_repeats_by_its_parameters() -> None:
    for seed in range(12):
        p = sample_post(random.Random(seed))
        assert p == sample_post(random.Random(seed))
        a, b = (apply_post(photo(), np.ones((96, 128), np.uint8), json.loads(json.dumps(p))) for _ in range(2))
        assert np.array_equal(a.image, b.image)


def test_a_screenshot_moves_the_mask_with_the_picture() -> None:
    mask = np.zeros((96, 128), np.uint8)
    mask[10:20, 30:50] = 1
    finished = apply_post(photo(), mask, {**neutral(), "screenshot": True})
    dx, dy = finished.shift
    assert finished.mask.shape == finished.image.shape[:2]
    assert boxes_from_mask(finished.mask, {1: "x"})[1] == (30 + dx, 10 + dy, 50 + dx, 20 + dy)
    assert dy > 0


@pytest.mark.parametrize("name", ["ruler", "page", "cover", "screen", "label", "print_cloth", "marker"])
def test_textures_are_rgb_bytes_and_repeat_by_seed(name: str) -> None:
    draw = getattr(textures, name)
    image = draw(random.Random(3))
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert np.array_equal(image, draw(random.Random(3)))


def test_a_heap_gets_a_box_an_object_and_a_crowd_box() -> None:
    record = to_record(params())
    assert record.group == "ivory"
    assert [b.corners for b in record.boxes or ()] == [(10, 10, 50, 40), (30, 20, 90, 80), (10, 10, 90, 80)]
    assert [b.crowd for b in record.boxes or ()] == [False, False, True]
    assert (record.source, record.synthetic, record.redistributable) == ("render-train", True, True)


def test_look_alikes_and_empty_scenes_are_negatives_without_boxes() -> None:
    bone = to_record(params(leaf="bone_antler", products=[{"leaf": "bone_antler", "form": "antler"}]))
    empty = to_record(params(leaf=EMPTY, instances=[], products=[]))
    assert (bone.group, bone.boxes) == ("none", ())
    assert (empty.group, empty.leaf, empty.boxes) == ("none", EMPTY, ())


def test_a_product_that_nothing_is_left_of_is_ambiguous() -> None:
    assert to_record(params(instances=[])).group == "ambiguous"


def test_the_manifest_reads_back_and_names_every_finished_picture(tmp_path: Path) -> None:
    (tmp_path / "params").mkdir()
    for index in (1, 0):
        item = params(index=index, name=f"{index:06d}_ivory_raw")
        (tmp_path / "params" / f"{item['name']}.json").write_text(json.dumps(item), encoding="utf-8")
    assert write_outputs(tmp_path) == 2
    records = read_manifest(tmp_path / "manifest.csv")
    assert [r.path for r in records] == ["images/000000_ivory_raw.jpg", "images/000001_ivory_raw.jpg"]
    assert len({r.object_id for r in records}) == 2


def test_jpeg_quality_decides_the_size(tmp_path: Path) -> None:
    for quality in (30, 95):
        save_jpeg(tmp_path / f"{quality}.jpg", photo(), quality)
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2


def test_streams_of_one_picture_are_independent() -> None:
    assert stream(1, 2, "scene").random() != stream(1, 2, "leaf").random()


@needs_bpy
@pytest.mark.parametrize("leaf", ["ivory_raw", "hornbill_casque_worked"])
def test_a_staged_product_renders_with_a_mask_that_covers_it(leaf: str, tmp_path: Path) -> None:
    from training.synth.engine import render_mask, render_picture, settle_engine
    from training.synth.leaves import BuildContext
    from training.synth.light import find_hdris
    from training.synth.scene import reset, stage

    hdris = find_hdris(tmp_path, CONFIG.holdout["hdris"], test=False)
    scene = sample_scene(CONFIG, 1, 0, list(hdris))
    scene["occluder"], scene["camera"]["shift"], scene["ground"]["kind"] = "none", (0.0, 0.0), "table_plain"
    reset()
    staged = stage(leaf, None, scene, BuildContext(tmp_path), next(iter(hdris.values())), seed=1, index=0, size=64)
    settle_engine(0, samples=1)
    picture, mask = render_picture(), render_mask()
    assert picture.shape[:2] == mask.shape
    assert set(np.unique(mask)) - {0} <= set(staged.instances)
    assert boxes_from_mask(mask, staged.instances)


@needs_bpy
def test_a_picture_rendered_again_has_the_same_parameters_boxes_and_mask(tmp_path: Path) -> None:
    from training.synth.render import Job, render_one

    records, masks = [], []
    for folder, others in (("a", []), ("b", [1])):  # the second time after another picture in the same process
        out = tmp_path / folder
        for part in ("images", "masks", "params"):
            (out / part).mkdir(parents=True)
        job = Job(out, tmp_path, DEFAULT_CONFIG, 7, ("ivory_raw", "resin_plastic"), 64, "train")
        for index in [*others, 0]:
            record = render_one(job, index)
        records.append({k: v for k, v in record.items() if not k.endswith("seconds")})
        masks.append((out / "masks" / f"{record['name']}.png").read_bytes())
    assert records[0] == records[1]
    assert masks[0] == masks[1]


@needs_bpy
def test_a_sculpted_robe_survives_the_fusing() -> None:
    from training.synth.scene import reset  # loads bpy, which the others need

    reset()
    from training.synth import carve, shapes
    from training.synth.sculpts import SCULPTED

    for seed in range(3):
        figure = shapes.fit([carve.close(SCULPTED["robed"](random.Random(seed)))])[0]
        height = shapes.vertices(shapes.remesh(figure, 0.02))[:, 2]
        assert ((height > 0.15) & (height < 0.5)).sum() > 300


@needs_bpy
def test_the_test_set_has_ivory_casque_and_ground_colours_of_its_own() -> None:
    from training.synth import ground
    from training.synth.materials import casque, ivory

    assert not set(ground._HELD_PLAIN) & {*ground._PLAIN, *ground._BRIGHT}
    assert not set(casque._HELD) & {*casque._GOLD, *casque._RED}
    for tone, families in ivory._TONES.items():
        assert families[-1] not in families[:-1], tone


@needs_bpy
@pytest.mark.parametrize("holdout", [False, True])
def test_every_material_of_a_look_alike_is_made_for_training_and_for_test(holdout: bool) -> None:
    from training.synth.materials import imitations, ivory, keratin, minerals
    from training.synth.scene import reset

    reset()
    for maker in (
        ivory.polished, imitations.bone, imitations.antler, imitations.cream_resin, imitations.two_tone_resin,
        imitations.amber, imitations.plastic, minerals.porcelain, minerals.cut_stone, minerals.terracotta,
        minerals.metal, minerals.glass, keratin.rhino_polished, keratin.cattle_polished,
    ):  # fmt: skip
        for seed in range(4):
            assert maker(random.Random(seed), holdout).use_nodes


@needs_bpy
def test_imitations_of_ivory_are_stained_as_often_as_ivory() -> None:
    from training.synth.materials import patina

    rng = random.Random(3)
    tones = Counter(patina.stained(rng, (0.8, 0.7, 0.5))[0] for _ in range(600))
    assert 0.58 < tones["cream"] / 600 < 0.74 and tones["brown"] > 60 and tones["yellow"] > 50


@needs_bpy
def test_tusks_and_mounted_horns_come_in_any_material() -> None:
    from training.synth.leaves import BuildContext, tusks
    from training.synth.leaves.horn_wood import _mount
    from training.synth.scene import reset

    reset()
    rng = random.Random(2)
    for make in (tusks.single_tusk, tusks.tusk_pair, tusks.mounted_tusk):
        assert make(rng, [None] * 3).objects
    assert len(_mount(rng, BuildContext(Path())).instances) == 2


@pytest.mark.parametrize("maker", [cloth, upper])
def test_cloth_repeats_by_seed_and_keeps_colours_of_its_own_for_the_test_set(maker: Callable[..., Hide]) -> None:
    for seed in range(12):
        hide = maker(random.Random(seed), (90, 70), 12.0, holdout=False)
        again = maker(random.Random(seed), (90, 70), 12.0, holdout=False)
        assert np.array_equal(hide.colour, again.colour)
        assert (hide.colour.shape, hide.height.shape, hide.rough.shape) == ((90, 70, 3), (90, 70), (90, 70))
        assert np.isfinite(hide.height).all()
    assert not np.array_equal(hide.colour, maker(random.Random(seed), (90, 70), 12.0, holdout=True).colour)


def test_everyday_goods_are_labelled_everyday() -> None:
    goods = {"number": 1, "leaf": label_of(GOODS), "box": [10, 10, 50, 40]}
    record = to_record(params(leaf=label_of(GOODS), instances=[goods], products=[{"leaf": GOODS, "form": "top"}]))
    assert (record.group, record.leaf, record.boxes, record.origin_class) == ("none", EMPTY, (), "top")
