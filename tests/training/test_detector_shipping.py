"""From held-out detections to calibration, numbers, report and sheets; no network is trained here."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.detector_helpers import classifier_config, write_config, write_pictures
from training import ship_detector
from training.classifier.config import read_config as read_classifier_config
from training.data.manifest import Box, Record
from training.detector import compare
from training.detector.coco import coco_map
from training.detector.config import read_config
from training.detector.draw import choose_photos, draw_sheets
from training.detector.fitting import calibrated, fit_policy
from training.detector.fusion import image_fusion, log_odds
from training.detector.held_out import Looked, found_by, read_looked, write_looked
from training.detector.measures import budget, measure_part
from training.detector.report import Report, write_report
from training.docs import metrics_block
from training.ship_detector import evaluate, second_look, shipped_card, with_classifier
from training.train_detector import first_weights
from wildvision.contract import Detections
from wildvision.errors import ArgumentError, ModelError
from wildvision.evaluation.scores import score_table
from wildvision.imaging import Preprocess
from wildvision.models import (
    DetectorNetwork,
    DetectorSettings,
    Network,
    Rollup,
    draft_card,
    export_detector,
    export_weights,
)
from wildvision.models.card_file import parse_card
from wildvision.models.detector_weights import load_detector_network
from wildvision.models.registry import find_model
from wildvision.policy import NEVER, Platt
from wildvision.taxonomy import load_taxonomy

GROUPS = load_taxonomy().group_names
LEAF = {"ivory": "ivory_worked", "python_skin": "python_skin_goods", "none": "everyday"}


def item(n: int, group: str, *, source: str = "shop", seed: int = 0, skill: float = 2.0, **changes: Any) -> Looked:
    """A photo with one to three objects and a heap; a detector finds most of them and some that are not there."""
    rng = np.random.default_rng((seed, n))
    boxes = []
    if group != "none":
        boxes = [Box(x, 10, x + 40, 60) for x in (5.0, 80.0, 150.0)[: 1 + n % 3]]
        boxes += [Box(0, 100, 200, 150, crowd=True)] if n % 4 == 0 else []
    record = Record(
        **{
            "path": f"{source}/{n}.jpg",
            "group": group,
            "leaf": LEAF[group],
            "source": source,
            "boxes": tuple(boxes) if boxes else None,
            "object_id": f"{source}:{n}",
            **changes,
        }
    )
    rows = [((*np.add(b.corners, rng.normal(0, 3, 4)),), rng.normal(skill), group) for b in boxes if not b.crowd]
    rows += [((x, 90, x + 30, 130), rng.normal(-1), str(rng.choice(GROUPS[:2]))) for x in rng.uniform(0, 150, 3)]
    rows.sort(key=lambda row: -row[1])
    scores = 1 / (1 + np.exp(-np.array([r[1] for r in rows])))
    found = Detections(
        boxes=np.array([r[0] for r in rows], np.float32),
        scores=scores.astype(np.float32),
        groups=tuple(r[2] for r in rows),
        leaves=(None,) * len(rows),
        size=(200, 150),
    )
    return Looked(record, found)


def shop(name: str, seed: int, **changes: Any) -> list[Looked]:
    groups = ("ivory", "python_skin", "none", "none")
    return [item(n, groups[n % 4], source=name, seed=seed, **changes) for n in range(48)]


# --- what a run starts from -------------------------------------------------------------------------------------------


def test_a_run_starts_from_the_classifier_of_the_same_fold(tmp_path: Path) -> None:
    start = classifier_config(tmp_path)
    detector = {"head": "fcos", "channels": 32, "convs": 1, "context": 0.5}
    config = read_config(write_config(tmp_path, write_pictures(tmp_path), start_from=str(start), detector=detector))
    network = DetectorNetwork(config.architecture, config.detector, Rollup.of(load_taxonomy()))
    with pytest.raises(ArgumentError, match=r"fast-fold0.*train_classifier .*--fold 0"):
        first_weights(network, config, 0, (), runs=tmp_path, cache=tmp_path)
    torch.manual_seed(1)
    trained = Network("test_efficientnet", Rollup.of(load_taxonomy()))
    (tmp_path / "fast-fold0").mkdir()
    torch.save(trained.state_dict(), tmp_path / "fast-fold0" / "average.pt")
    first_weights(network, config, 0, (), runs=tmp_path, cache=tmp_path)
    assert network.context is not None
    torch.testing.assert_close(network.context.state_dict(), trained.state_dict())
    torch.testing.assert_close(network.body.conv_stem.weight, trained.backbone.conv_stem.weight)
    with pytest.raises(ArgumentError, match="--final"):
        first_weights(network, config, None, (), runs=tmp_path, cache=tmp_path)


def test_a_detector_without_a_classifier_to_start_from_has_none_inside(tmp_path: Path) -> None:
    detector = {"head": "fcos", "channels": 32, "convs": 1, "context": 0.5}
    config = read_config(write_config(tmp_path, write_pictures(tmp_path), detector=detector))
    network = DetectorNetwork(config.architecture, config.detector, Rollup.of(load_taxonomy()))
    with pytest.raises(ArgumentError, match="start_from"):
        first_weights(network, config, 0, (), runs=tmp_path, cache=tmp_path)


def test_a_classifier_of_its_own_judges_whole_photos_and_stays_out_of_the_detector_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = classifier_config(tmp_path, name="judge", architecture="test_resnet")
    detector = {"head": "fcos", "channels": 32, "convs": 1, "context": 0.5}
    config = read_config(write_config(tmp_path, write_pictures(tmp_path), context_from=str(judge), detector=detector))
    rollup, taxonomy = Rollup.of(load_taxonomy()), load_taxonomy()
    trained = Network("test_resnet", rollup).eval()
    (tmp_path / "judge-fold0").mkdir()
    torch.save(trained.state_dict(), tmp_path / "judge-fold0" / "average.pt")
    network = DetectorNetwork(config.architecture, config.detector, rollup).eval()
    classifier_config(tmp_path, name="judge", architecture="test_resnet", partners=[str(classifier_config(tmp_path))])
    with pytest.raises(ArgumentError, match=r"judge needs its partner fast; .*--fold 0"):
        first_weights(network, config, 0, (), runs=tmp_path, cache=tmp_path)
    classifier_config(tmp_path, name="judge", architecture="test_resnet")
    first_weights(network, config, 0, (), runs=tmp_path, cache=tmp_path)
    assert network.context is not None
    assert network.context.architecture == "test_resnet"

    how = Preprocess(size=64, resize="squash", interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)
    draft = draft_card(name="judge", architecture="test_resnet", input=how, taxonomy=taxonomy)
    card = export_weights(trained, draft, tmp_path / "out")
    with pytest.raises(ArgumentError, match=r"needs the classifier 'judge', neither in .* nor bundled"):
        with_classifier(config, tmp_path, tmp_path)
    final = tmp_path / "judge-final" / "average.pt"
    final.parent.mkdir()
    torch.save(trained.state_dict() | {"head.bias": trained.head.bias + 1}, final)
    with pytest.raises(ArgumentError, match="ship judge first"):
        with_classifier(config, tmp_path / "out", tmp_path)
    torch.save(trained.state_dict(), final)
    named = with_classifier(config, tmp_path / "out", tmp_path)
    assert named.detector.classifier == card.model_id
    monkeypatch.setattr(ship_detector, "list_models", lambda: [card])
    assert with_classifier(config, tmp_path, tmp_path) == named
    draft = draft_card(
        name="finder", architecture=config.architecture, input=config.input, taxonomy=taxonomy, detector=named.detector
    )
    bare = DetectorNetwork(config.architecture, named.detector, rollup)
    assert bare.context is None
    bare.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("context.")})
    export_detector(bare, draft, tmp_path / "out")
    loaded = load_detector_network(find_model(tmp_path / "out" / "finder.json"))
    x = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x)[0], network(x)[0], atol=0.02, rtol=0.02)
    (tmp_path / "out" / "judge.json").unlink()
    with pytest.raises(ModelError, match="nor bundled"):
        load_detector_network(find_model(tmp_path / "out" / "finder.json"))


def test_a_judge_of_other_folds_may_have_seen_the_photos(tmp_path: Path) -> None:
    judge = classifier_config(tmp_path, name="judge", folds=[["shop-a"]])
    detector = {"head": "fcos", "channels": 32, "convs": 1, "context": 0.5}
    config = read_config(write_config(tmp_path, write_pictures(tmp_path), context_from=str(judge), detector=detector))
    with pytest.raises(ArgumentError, match="other folds"):
        config.context_classifier()


@pytest.mark.parametrize("change", [{"folds": [["shop-a"]]}, {"architecture": "tf_efficientnet_lite0"}])
def test_a_classifier_of_other_folds_or_another_backbone_is_no_start(tmp_path: Path, change: dict[str, Any]) -> None:
    start = classifier_config(tmp_path, **change)
    config = read_config(write_config(tmp_path, tmp_path / "manifest.csv", start_from=str(start)))
    with pytest.raises(ArgumentError, match=f"other {next(iter(change))}"):
        config.classifier()


def test_fcos_and_retinanet_are_compared_at_nearly_the_same_cost() -> None:
    fcos, retina = (read_config(Path(f"configs/detector-{name}.yaml")) for name in ("320", "retinanet"))
    assert fcos.classifier() is not None
    assert compare.multiply_adds(retina) / compare.multiply_adds(fcos) == pytest.approx(1.0, abs=0.12)


# --- measures ---------------------------------------------------------------------------------------------------------


def test_average_precision_is_coco_s() -> None:
    looked = shop("a", 0) + shop("b", 1)
    part = measure_part(looked, dict.fromkeys(GROUPS, 0.5), 0.5, resamples=20)
    coco = coco_map([i.record for i in looked], [i.found for i in looked])
    assert 0.5 < coco["mAP50"] < 1
    for group in ("ivory", "python_skin"):
        assert part.groups[group].ap50.value == pytest.approx(coco[f"AP50 {group}"], abs=1e-4)
    assert part.map50.value == pytest.approx(coco["mAP50"], abs=1e-4)
    assert set(part.groups) == {"ivory", "python_skin"}
    assert part.map50.low < part.map50.value < part.map50.high


def test_counts_and_recalls_are_those_of_a_photo_worked_by_hand() -> None:
    def found(*rows: tuple[tuple[float, ...], float]) -> Detections:
        return Detections(
            boxes=np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
            scores=np.array([r[1] for r in rows], np.float32),
            groups=("ivory",) * len(rows),
            leaves=(None,) * len(rows),
            size=(100, 100),
        )

    two = Record("a.jpg", "ivory", "ivory_raw", "s", boxes=(Box(0, 0, 20, 20), Box(50, 50, 90, 90)))
    quiet = [replace(two, path=f"{n}", group="none", leaf="everyday", boxes=None) for n in range(10)]
    unknown = replace(two, path="u.jpg", boxes=None)
    looked = [
        Looked(two, found(((0, 0, 20, 20), 0.9), ((50, 50, 88, 90), 0.35), ((20, 60, 40, 90), 0.3))),
        *(Looked(r, found(((0, 0, 9, 9), 0.4 - n / 100))) for n, r in enumerate(quiet)),
        Looked(unknown, found(((0, 0, 20, 20), 0.99))),
    ]
    assert budget(looked) == pytest.approx(0.39, abs=1e-3)  # the best of ten photos' false boxes may stay
    part = measure_part(looked, {"ivory": 0.345}, budget(looked), resamples=5)
    assert (part.n, part.n_unboxed, part.n_boxes, part.n_in_company) == (11, 1, 2, 2)
    assert part.recall_at_budget.value == 0.5
    assert part.recall_at_review.value == part.recall_in_company.value == 1.0
    assert (part.everyday_with_boxes.hits, part.everyday_with_boxes.n) == (6, 10)
    own = part.per_source["s"]
    assert (own.found.hits, own.found.n, own.others.hits, own.others.n) == (2, 2, 6, 10)
    gaps = abs(0.9 - 1), 0.4, sum(0.4 - n / 100 for n in range(1, 7)) + 0.35 - 1, 0.33 + 0.32 + 0.31 + 0.3  # by bin
    assert part.groups["ivory"].calibration_error.value == pytest.approx(sum(gaps) / 13, abs=1e-4)


# --- policy -----------------------------------------------------------------------------------------------------------


def test_calibration_survives_groups_with_few_positives_or_none() -> None:
    few = [item(1, "python_skin", source="c"), *(item(n, "none", source="d") for n in range(40))]
    policy = fit_policy([*few, *(item(n, "ivory", source="e", synthetic=True) for n in range(30))])
    assert set(policy) == set(GROUPS)
    assert policy["rhino_horn"].chosen is None
    assert policy["rhino_horn"].review == NEVER
    assert "all groups" in policy["python_skin"].fitted_on
    assert policy["ivory"].chosen is not None
    assert "renders" in policy["ivory"].fitted_on
    nothing = fit_policy([item(n, "none") for n in range(5)])
    assert all(p.review == NEVER for p in nothing.values())


def test_review_thresholds_are_judged_by_everyday_photos_and_block_thresholds_by_all() -> None:
    def sure(n: int, group: str, leaf: str, score: float) -> Looked:
        one = item(n, group, source=leaf)
        boxes = np.array([[10, 10, 50, 50]], np.float32)
        found = Detections(boxes, np.array([score], np.float32), ("ivory",), ("ivory_worked",), (100, 100))
        return Looked(replace(one.record, leaf=leaf), found)

    products = [sure(n, "ivory", "ivory_worked", 0.5 + n / 100) for n in range(40)]
    everyday = [sure(n, "none", "everyday", n / 1000) for n in range(400)]
    bones = [sure(n, "none", "bone_antler", 0.93) for n in range(50)]
    alone, company = fit_policy([*products, *everyday])["ivory"], fit_policy([*products, *everyday, *bones])["ivory"]
    assert alone.chosen
    assert company.chosen
    assert alone.chosen.recall["review"] == company.chosen.recall["review"] == 1.0  # bones do not move it
    assert alone.chosen.recall["block"] == 0.0  # 400 photos cannot show one error in two thousand
    assert company.chosen.point.block == NEVER
    assert "everyday photos" in company.to_json()["review_target"]


def test_calibrated_boxes_are_right_as_often_as_they_say() -> None:
    looked = [i for seed in range(4) for i in shop(f"s{seed}", seed)]
    policy = fit_policy(looked)
    calibration = {group: p.calibrator for group, p in policy.items()}
    judged = [calibrated(i, calibration) for i in looked]
    for one in judged:
        assert list(one.found.scores) == sorted(one.found.scores, reverse=True)
    said = sum(float(s) for i in judged for s, g in zip(i.found.scores, i.found.groups, strict=True) if g == "ivory")
    assert said == pytest.approx(policy["ivory"].right_boxes, rel=0.2)


def test_detectors_are_compared_on_the_same_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_pictures(tmp_path)
    paths = []
    for head in ("fcos", "retinanet"):
        (tmp_path / head).mkdir()
        detector = {"head": head, "channels": 32, "convs": 1, "context": 0.0}
        paths.append(write_config(tmp_path / head, manifest, name=head, detector=detector))
        looked = [*shop("a", 0), *shop("b", 1), *shop("c", 2)]
        write_looked(tmp_path / "runs" / f"{head}-fold0" / "held_out.jsonl", looked, found_by(read_config(paths[-1])))
    argv = [*paths, "--folds", 0, "--runs", tmp_path / "runs", "--report", tmp_path / "report"]
    monkeypatch.setattr("sys.argv", ["compare", *map(str, argv)])
    compare.main()
    rows = json.loads((tmp_path / "report" / "compared.json").read_text())
    assert [row["head"] for row in rows] == ["fcos", "retinanet"]
    assert rows[0]["parts"] == rows[1]["parts"]
    assert 0 < rows[0]["billion_multiply_adds"] < rows[1]["billion_multiply_adds"]
    table = (tmp_path / "report" / "compared.md").read_text()
    assert f"{rows[0]['parts']['photographs']['mAP50']['value']:.3f}" in table
    assert all(f"| {row['head']} | {row['side']} | {row['samples']} |" in table for row in rows)


# --- both models ------------------------------------------------------------------------------------------------------


def test_a_look_at_the_best_crop_helps_to_rank_photos() -> None:
    parts = [shop("a", 0, skill=0.5) + shop("b", 1, skill=0.5), shop("c", 2, skill=0.5) + shop("d", 3, skill=0.5)]
    rng = np.random.default_rng(0)
    parts = [[with_crops(item, rng) for item in part] for part in parts]
    rows = [i.record for part in parts for i in part]
    raw = np.array([[(r.group == g) * 1.5 + rng.normal() for g in GROUPS] for r in rows])
    table = score_table(
        [{n: getattr(r, n) for n in ("path", "source", "object_id", "group", "leaf")} for r in rows],
        raw,
        np.ones((len(rows), 1)),
        groups=GROUPS,
        leaves=("x",),
    )
    fusion = image_fusion(parts, [table], {group: Platt() for group in GROUPS}, resamples=10)
    assert fusion["n"] == len(rows)
    assert set(fusion["groups"]) == {"ivory", "python_skin"}
    ivory = fusion["groups"]["ivory"]
    assert ivory["both"]["auroc"]["value"] > ivory["classifier"]["auroc"]["value"]
    assert ivory["n_in_company"] > 0


def test_photos_of_one_name_in_two_folders_keep_their_own_scores() -> None:
    part = shop("a", 0) + shop("b", 1)
    folders = [f"{r.group}-{n}" for n, r in enumerate(i.record for i in part)]
    part = [replace(i, record=replace(i.record, path=f"data/{f}/1.jpg")) for i, f in zip(part, folders, strict=True)]
    table = score_table(
        [{"path": f"{f}/1.jpg", "source": i.record.source, "object_id": "", "group": i.record.group, "leaf": "x"}
         for i, f in zip(part, folders, strict=True)],
        np.array([[1.0 * (i.record.group == g) for g in GROUPS] for i in part]),
        np.ones((len(part), 1)),
        groups=GROUPS,
        leaves=("x",),
    )  # fmt: skip
    identity = {group: Platt() for group in GROUPS}
    fusion = image_fusion([part], [table], identity, folders=[Path("data")], resamples=2)
    assert fusion["n"] == len(part)
    assert fusion["groups"]["ivory"]["classifier"]["auroc"]["value"] == 1.0
    assert "both" not in fusion["groups"]["ivory"]  # no box was looked at again


def with_crops(item: Looked, rng: np.random.Generator) -> Looked:
    """The best box looked at again by something that tells products from the rest a little."""
    crops = np.full(len(item.found), np.nan, np.float32)
    crops[:1] = 1 / (1 + np.exp(-1.5 * item.record.positive - rng.normal()))
    return replace(item, found=replace(item.found, crop_scores=crops))


def test_a_second_look_that_knows_better_raises_ap(tmp_path: Path) -> None:
    looked = []
    for part in (shop("a", 0, skill=0.3), shop("b", 1, skill=0.3), shop("c", 2, skill=0.3)):
        for one in part:
            n = len(one.found)
            right = np.array([box[1] < 40 for box in one.found.boxes])
            crops = np.where(right, 0.9, 0.1).astype(np.float32)
            crops[n - 1 :] = np.nan  # not looked at
            looked.append(replace(one, found=replace(one.found, crop_scores=crops)))
    write_looked(tmp_path / "l.jsonl", looked, "by hand")
    again = read_looked(tmp_path / "l.jsonl", "by hand")
    np.testing.assert_array_equal(again[0].found.crop_scores, looked[0].found.crop_scores)
    measured = second_look({"real": again}, {group: Platt() for group in GROUPS}, DetectorSettings())
    assert measured["ap50"]["real"]["after"]["ivory"] > measured["ap50"]["real"]["before"]["ivory"] + 0.02


def test_crops_are_looked_at_anew_once_the_classifier_or_the_detections_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config(write_config(tmp_path, write_pictures(tmp_path)))
    judge = read_classifier_config(classifier_config(tmp_path))
    first, weights = tmp_path / "tiny-fold0" / "held_out.jsonl", tmp_path / "fast-fold0" / "average.pt"
    write_looked(first, shop("shop-b", 1), found_by(config))
    weights.parent.mkdir()
    torch.save(Network("test_efficientnet", Rollup.of(load_taxonomy())).state_dict(), weights)
    looks: list[int] = []

    def look_again(items: list[Looked], _: Any) -> list[Looked]:
        looks.append(len(items))
        return items

    monkeypatch.setattr(ship_detector, "look_again", look_again)
    for newer in (None, None, weights, first):
        if newer:  # everything else was written before it
            for path in (first, weights, first.with_name("second_look-fast.jsonl")):
                os.utime(path, (1, 2 if path == newer else 1))
        evaluate(config, [0], tmp_path, judge, resamples=2)
    assert looks == [48] * 3
    partner = tmp_path / "more-fold0" / "average.pt"
    partner.parent.mkdir()
    shutil.copy2(weights, partner)
    averaged = replace(judge, partners=(str(classifier_config(tmp_path, name="more")),))
    evaluate(config, [0], tmp_path, averaged, resamples=2)
    assert looks == [48] * 4


def test_log_odds_stay_finite() -> None:
    assert np.isfinite(log_odds([0.0, 1.0])).all()


# --- what people look at ----------------------------------------------------------------------------------------------


def test_the_report_of_a_run_is_complete_and_self_contained(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, tmp_path / "manifest.csv"))
    looked = shop("a", 0) + [replace(i, record=replace(i.record, synthetic=True)) for i in shop("r", 1)]
    write_looked(tmp_path / "tiny-fold0" / "held_out.jsonl", looked, found_by(config))
    report, policy = evaluate(config, [0], tmp_path, resamples=10)
    assert isinstance(report, Report)
    page = write_report(report, tmp_path / "report")
    values = json.loads((tmp_path / "report" / "report.json").read_text())
    assert values["real"]["groups"]["ivory"]["ap50"]["value"] > 0.5
    assert values["synthetic"]["n"] == 48
    text = page.read_text()
    assert "Synthetic" in text and "<svg" in text and 'src="http' not in text
    card = shipped_card(config, policy, report)
    assert "curve" not in card.metrics["real"]["groups"]["ivory"]
    assert "| `ivory` |" in "\n".join(metrics_block([card]))
    assert "; renders (kept apart)" in report.measured_on
    assert parse_card(json.loads(json.dumps(card.to_json()))).operating_points == card.operating_points


def test_a_report_of_photographs_alone_does_not_speak_of_renders(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, tmp_path / "manifest.csv"))
    write_looked(tmp_path / "tiny-fold0" / "held_out.jsonl", shop("a", 0), found_by(config))
    report, _ = evaluate(config, [0], tmp_path, resamples=2)
    assert "render" not in report.measured_on


def test_boxes_that_another_average_of_classifiers_judged_are_refused(tmp_path: Path) -> None:
    detector = {"head": "fcos", "channels": 32, "convs": 1, "context": 0.5}
    settings = {"manifest": write_pictures(tmp_path), "detector": detector}
    judge, more = classifier_config(tmp_path, name="judge"), classifier_config(tmp_path, name="more")
    config = read_config(write_config(tmp_path, context_from=str(judge), **settings))
    file = tmp_path / "looked.jsonl"
    write_looked(file, shop("a", 0), found_by(config))
    for shares in ({}, {"ivory": [1.0, 0.0]}):
        before = found_by(config)
        classifier_config(tmp_path, name="judge", partners=[str(more)], shares=shares)
        assert found_by(config) != before
        with pytest.raises(ArgumentError, match="looks again"):
            read_looked(file, found_by(config))


def test_boxes_that_other_settings_chose_are_refused(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, tmp_path / "manifest.csv"))
    write_looked(tmp_path / "tiny-fold0" / "held_out.jsonl", shop("a", 0), found_by(config))
    lighter = replace(config, detector=replace(config.detector, floor=0.3, fusion_detector=0.7))
    assert evaluate(lighter, [0], tmp_path, resamples=2)
    for change in ({"contrast": 3.0}, {"nms_iou": 0.9}):
        other = replace(config, detector=replace(config.detector, **change))
        with pytest.raises(ArgumentError, match="looks again"):
            evaluate(other, [0], tmp_path, resamples=2)


def test_sheets_show_products_and_negatives_in_equal_number(tmp_path: Path) -> None:
    manifest = write_pictures(tmp_path)
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), (), (120, 90))
    boxed = Record(str(manifest.parent / "0.png"), "ivory", "ivory_worked", "s", boxes=(Box(5, 5, 50, 50),))
    plain = replace(boxed, path=str(manifest.parent / "1.png"), group="none", leaf="everyday", boxes=None)
    looked = [Looked(r, empty) for r in (boxed, plain) for _ in range(15)]
    looked += [Looked(replace(boxed, synthetic=True), empty), Looked(replace(boxed, boxes=None), empty)]
    chosen = choose_photos(looked, 24, seed=0)
    assert [i.record.positive for i in chosen] == [True] * 12 + [False] * 12
    sheets = draw_sheets(chosen, {}, tmp_path / "sheets")
    assert [s.name for s in sheets] == ["sheet-01.jpg", "sheet-02.jpg"]
    assert len((tmp_path / "sheets" / "photos.csv").read_text().splitlines()) == 25
