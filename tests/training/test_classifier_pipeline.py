"""From a manifest to a shipped classifier at toy size: folds, out-of-fold report, ablation, weights and card."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from training import ablation, evaluate, ship_classifier, train_classifier, tta
from training.classifier.config import read_config
from training.composer import BackgroundBank, Cutout, CutoutBank
from training.composer.backgrounds import Background
from training.data.manifest import Box, Record, read_manifest, write_manifest
from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import read_scores
from wildvision.models import load_classifier, write_card
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy

LEAVES = {"ivory_worked": "ivory", "python_skin_goods": "python_skin", "bone_antler": "none", "everyday": "none"}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of two museums and a few renders, a configuration with one fold a museum, random first weights."""
    rng = np.random.default_rng(0)
    for folder, sources, synthetic in (("data", ("north", "south"), False), ("renders", ("render-train",), True)):
        (tmp_path / folder).mkdir()
        records = []
        for source in sources:
            for leaf, group in LEAVES.items():
                for i in range(6):
                    name = f"{source}-{leaf}-{i}.png"
                    cv2.imwrite(str(tmp_path / folder / name), rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
                    records.append(
                        Record(name, group, leaf, source, object_id=name, synthetic=synthetic, width=40, height=40)
                    )
        write_manifest(tmp_path / folder / "manifest.csv", records)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(
        "path,group,leaf,boxes,quality,how\n"
        'north-ivory_worked-0.png,ivory,ivory_worked,"[{""box"": [5, 5, 20, 20]}]",0.9,auto\n',
        encoding="utf-8",
    )
    raw = yaml.safe_load(Path("configs/classifier-fast.yaml").read_text(encoding="utf-8"))
    raw |= {
        "name": "toy", "batch_size": 4, "samples": 12, "train_size": 32, "cache_size": 40, "not_trained_on": [],
        "manifests": [str(tmp_path / f / "manifest.csv") for f in ("data", "renders")],
        "annotations": str(boxes), "folds": [["north"], ["south"]], "partners": [], "shares": {},
    }  # fmt: skip
    raw["input"]["size"] = 32
    raw["sampling"]["composed"] = 0.0
    raw["refit"]["piles"] = {}
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    fresh = Network("tf_efficientnet_lite0", Rollup.of(load_taxonomy())).backbone.state_dict()
    monkeypatch.setattr(train_classifier, "pretrained_backbone", lambda *_, **__: fresh)
    return tmp_path


def run(main: object, monkeypatch: pytest.MonkeyPatch, *argv: object) -> None:
    monkeypatch.setattr("sys.argv", ["command", *map(str, argv)])
    assert callable(main)
    main()


def test_a_recipe_is_trained_measured_and_shipped(
    work: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    places = ("--runs", work / "runs", "--cache", work / "cache")
    caplog.set_level("INFO")
    run(train_classifier.main, monkeypatch, work / "toy.yaml", "--fold", 0, "--fold", 1, *places)
    assert "toy-fold0: 24 photos" in caplog.text  # the backbone sees no renders
    assert "head fitted on 48 photos" in caplog.text  # and its head them as well
    run(tta.main, monkeypatch, work / "toy.yaml", "--runs", work / "runs", "--report", work / "report")
    page = (work / "report" / "tta.md").read_text(encoding="utf-8")
    assert "48 photos, each scored by a model" in page
    assert all(f"| ivory | 12 / 2 | {option} |" in page for option in ("none", "flip", "zoom"))
    assert "| ivory_worked | 1 | 6 |" in page
    run(train_classifier.main, monkeypatch, work / "toy.yaml", "--final", *places)
    run(
        ship_classifier.main, monkeypatch,
        work / "toy.yaml", "--runs", work / "runs",
        "--to", work / "out", "--report", work / "report", "--robustness", 2, "--precision", "bf16",
    )  # fmt: skip
    classifier = load_classifier(work / "out")
    metrics = classifier.card.metrics
    assert metrics["real"]["groups"]["ivory"]["n_positives"] == 12
    assert {(e["part"], e["group"]): e["n"] for e in metrics["explanations"]}["real", "ivory"] == 1
    assert {row["strength"] for row in metrics["robustness"]} == {2}
    assert metrics["measured_on"].endswith("; corrupted photos at precision bf16")
    assert {row["n_positives"] for row in metrics["robustness"] if row["group"] == "ivory"} == {4}  # two a fold
    assert classifier.card.training["taught_by"] == ["north", "south"]
    assert "renders" in classifier.card.training  # they taught the head, and none is left to be measured on
    assert classifier.predict(work / "data" / "north-everyday-0.png").ok
    assert (work / "report" / "index.html").exists()

    # The same numbers from the scores beside the report, without the runs.
    files = [work / "out" / "toy.json", work / "report" / "report.json", work / "report" / "index.html"]
    first = [path.read_bytes() for path in files]
    write_card(replace(classifier.card, metrics={}, provenance={}), files[0])
    run(ship_classifier.main, monkeypatch, work / "toy.yaml", "--runs", work / "none",
        "--to", work / "out", "--report", work / "report", "--scores")  # fmt: skip
    assert [path.read_bytes() for path in files] == first
    with pytest.raises(SystemExit):
        run(ship_classifier.main, monkeypatch, work / "toy.yaml", "--to", work / "out", "--scores")

    # Another run of the recipe, with the first for a partner.
    raw = yaml.safe_load((work / "toy.yaml").read_text()) | {
        "name": "pair",
        "partners": [str(work / "toy.yaml")],
        "shares": {"python_skin": [0.25, 0.75]},
        "seed": 2,
    }
    (work / "pair.yaml").write_text(yaml.safe_dump(raw))
    run(train_classifier.main, monkeypatch, work / "pair.yaml", "--fold", 0, "--fold", 1, *places)
    run(train_classifier.main, monkeypatch, work / "pair.yaml", "--final", *places)
    scores = work / "runs" / "pair-fold0" / "scores.parquet"
    both = read_scores(scores).raw
    run(ship_classifier.main, monkeypatch, work / "pair.yaml", "--runs", work / "runs", "--to", work / "out",
        "--robustness", 1)  # fmt: skip
    pair = load_classifier(work / "out" / "pair.json")
    assert pair.card.partners == (classifier.model_id,)
    assert pair.card.shares == {"python_skin": (0.25, 0.75)}
    assert pair.predict(work / "data" / "north-everyday-0.png").ok

    # Scores older than the weights of a partner are nobody's, and runs are of the recipe that trained them.
    stale = work / "runs" / "toy-fold0" / "average.pt"
    os.utime(stale, (1, scores.stat().st_mtime + 9))
    with pytest.raises(ArgumentError, match=r"older than .*--fold 0 --scores"):
        run(ship_classifier.main, monkeypatch, work / "pair.yaml", "--runs", work / "runs", "--to", work / "out")
    os.utime(stale, (1, 1))

    # Nor are those of another average.
    (work / "shared.yaml").write_text(yaml.safe_dump(raw | {"shares": {}}))
    with pytest.raises(ArgumentError, match=r"averages .*0\.25.*--fold 0 --scores"):
        run(ship_classifier.main, monkeypatch, work / "shared.yaml", "--runs", work / "runs", "--to", work / "out")
    other = yaml.safe_load((work / "pair.yaml").read_text()) | {"seed": 3}
    (work / "other.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(ArgumentError, match="trained with another seed"):
        run(ship_classifier.main, monkeypatch, work / "other.yaml", "--runs", work / "runs", "--to", work / "out")

    # It ships with the partner that it was measured with, and with no other.
    weights = work / "runs" / "toy-final" / "average.pt"
    state = torch.load(weights)
    torch.save(state | {"head.bias": state["head.bias"] + 1}, weights)
    with pytest.raises(ArgumentError, match="ship toy first"):
        run(ship_classifier.main, monkeypatch, work / "pair.yaml", "--runs", work / "runs", "--to", work / "out",
            "--robustness", 0)  # fmt: skip
    (work / "pair.yaml").write_text(yaml.safe_dump(raw | {"partners": [], "shares": {}}))
    run(train_classifier.main, monkeypatch, work / "pair.yaml", "--fold", 0, "--scores", *places)
    assert not np.allclose(read_scores(scores).raw, both)

    # Another recipe for the head changes the head alone.
    weights = work / "runs" / "pair-fold0" / "average.pt"
    before, alone = torch.load(weights), read_scores(scores).raw
    again = {"partners": [], "shares": {}, "refit": raw["refit"] | {"l2": 3.0}}
    (work / "pair.yaml").write_text(yaml.safe_dump(raw | again))
    run(train_classifier.main, monkeypatch, work / "pair.yaml", "--fold", 0, "--head", *places)
    after = torch.load(weights)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.weight", "head.bias"}
    assert not np.allclose(read_scores(scores).raw, alone)


def test_what_shows_a_held_out_photo_teaches_nothing_and_nothing_that_has_taught_is_held_out(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = work / "data" / "manifest.csv"
    rows = read_manifest(manifest)

    def copied(number: int, source: str) -> Record:
        path = f"copy-{number}.png"
        (work / "data" / path).write_bytes((work / "data" / rows[number].path).read_bytes())
        return replace(rows[number], path=path, source=source, object_id="")

    first = copied(0, "south")
    write_manifest(manifest, [*rows, first])
    drawn: list[set[int]] = []
    pasted: list[object] = []

    class Sampler(train_classifier.BatchSampler):
        def __init__(self, records: object, rows: list[int], *args: object, **options: object) -> None:
            drawn.append(set(rows))
            super().__init__(records, rows, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(train_classifier, "BatchSampler", Sampler)
    monkeypatch.setattr(train_classifier, "composer", lambda _, unseen, without: pasted.append(without))
    places = ("--runs", work / "runs", "--cache", work / "cache")
    train = (train_classifier.main, monkeypatch, work / "toy.yaml", "--fold", 0, *places)
    run(*train)
    assert set.union(*drawn) == {*range(24, 48), *range(49, 73)}  # the south's but its copy, and renders
    assert pasted == [{("south", first.path), *(("north", r.path) for r in rows[:24])}]

    write_manifest(manifest, [*rows, first, copied(30, "north")])
    for option in ([], ["--head"], ["--scores"]):
        with pytest.raises(ArgumentError, match="learnt from 1 photos that are held out now"):
            run(*train, *option)
    write_manifest(manifest, [*rows, first])
    run(*train, "--scores")
    raw = yaml.safe_load((work / "toy.yaml").read_text())
    (work / "toy.yaml").write_text(yaml.safe_dump(raw | {"folds": [["south"], ["north"]]}))
    with pytest.raises(ArgumentError, match="learnt from 24 photos"):
        run(*train, "--scores")
    with pytest.raises(ArgumentError, match="which another fold holds out now"):
        evaluate.evaluate(read_config(work / "toy.yaml"), work / "runs")


def test_piles_for_the_head_show_nothing_that_is_held_out(
    work: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(leaf: str, group: str, source: str, n: int) -> Cutout:
        return Cutout(np.full((9, 30, 4), 255, np.uint8), leaf, group, source, f"{n}", f"{n}.png")

    leaves = {"ivory_raw": "ivory", "ivory_worked": "ivory", "bone_antler": "none"}
    CutoutBank(
        [
            cut(leaf, group, source, n)
            for leaf, group in leaves.items()
            for source in ("north", "south")
            for n in range(13)
        ]
    ).save(work / "bank")
    BackgroundBank([Background(np.zeros((64, 64, 3), np.uint8), "photo", "south", "0.jpg")]).save(work / "bank")
    config = read_config(work / "toy.yaml")
    config = replace(config, composer_bank=str(work / "bank"))
    laid: list[Cutout] = []
    draw = CutoutBank.draw
    monkeypatch.setattr(CutoutBank, "draw", lambda *a, **how: laid.append(draw(*a, **how)) or laid[-1])
    monkeypatch.setattr(train_classifier, "PILES", 4)

    def made(**shares: float) -> list[str]:
        wanted = replace(config, refit=replace(config.refit, piles=shares))
        return [leaf for leaf, _ in train_classifier.piles(wanted, {"north"}, {("south", "0.png")})]

    assert made() == []
    assert made(ivory=0.1, none=0.1, python_skin=0.1) == [*["ivory_raw", "ivory_worked"] * 2, *["bone_antler"] * 4]
    assert "no piles of python_skin" in caplog.text
    assert {c.source for c in laid} == {"south"}
    assert "0.png" not in {c.path for c in laid}
    with pytest.raises(ArgumentError, match="unknown groups"):
        made(gold=0.1)


def test_piles_that_cannot_be_laid_are_refused_before_training(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = yaml.safe_load((work / "toy.yaml").read_text())
    raw["refit"]["piles"] = {"gold": 0.1}
    (work / "toy.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.setattr(train_classifier.Run, "fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(ArgumentError, match=r"refit\.piles names unknown groups \['gold'\]"):
        run(train_classifier.main, monkeypatch, work / "toy.yaml", "--fold", 0, "--runs", work / "runs",
            "--cache", work / "cache")  # fmt: skip


def test_renders_of_two_manifests_in_one_folder_are_all_tested(work: Path) -> None:
    rows = read_manifest(work / "renders" / "manifest.csv")
    write_manifest(work / "renders" / "test.csv", [replace(r, split="test") for r in rows])
    for order in (("manifest.csv", "test.csv"), ("test.csv", "manifest.csv")):
        config = replace(read_config(work / "toy.yaml"), manifests=("x", *(str(work / "renders" / m) for m in order)))
        assert [(root, len(found)) for root, found in evaluate._test_renders(config)] == [(work / "renders", 24)]


def test_the_ablation_leaves_renders_out_and_reports_every_row(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(work / "toy.yaml")
    photos = train_classifier.load_photos(
        [Path(m) for m in config.manifests], annotations=config.boxes, size=40, cache=work / "cache"
    )
    composed = replace(config, sampling=replace(config.sampling, composed=0.5))
    assert ablation.variant(composed, "photos", photos).sampling.composed == 0
    assert ablation.variant(composed, "composer", photos).sampling.composed == 0.5
    assert "render-train" in ablation.variant(composed, "composer", photos).not_trained_on
    assert ablation.variant(composed, "renders", photos) == replace(composed, name="toy-renders")
    places = ("--runs", work / "runs", "--cache", work / "cache")
    for row in ablation.ROWS:
        run(ablation.main, monkeypatch, work / "toy.yaml", "--row", row, *places)
    run(ablation.main, monkeypatch, work / "toy.yaml", "--report", work / "ablation", *places)
    found = json.loads((work / "ablation" / "ablation.json").read_text())
    assert {row: n["all folds"]["ivory"]["positives"] for row, n in found["rows"].items()} == dict.fromkeys(
        ablation.ROWS, 12
    )
    fold = found["details"]["composer"]["fold 0"]["ivory"]
    assert (
        sum(n["photos"] for n in fold["sources"].values()) == found["rows"]["composer"]["fold 0"]["ivory"]["positives"]
    )
    assert sum(fold["highest_negatives"].values()) > 0
    page = (work / "ablation" / "ablation.md").read_text()
    assert "they count 0.5 for ivory, 0.1 for python_skin, in full for all other groups; those without" in page
    assert all(title in page for title in (*ablation.ROWS.values(), *fold["sources"], *fold["highest_negatives"]))


def test_a_recipe_of_no_steps_fits_a_head_on_imagenet_features(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = yaml.safe_load((work / "toy.yaml").read_text())
    raw |= {"name": "probe", "samples": 0, "refit": raw["refit"] | {"pretrained_share": 1.0}}
    (work / "probe.yaml").write_text(yaml.safe_dump(raw))
    places = ("--runs", work / "runs", "--cache", work / "cache")
    run(train_classifier.main, monkeypatch, work / "probe.yaml", "--fold", 0, *places)
    state = torch.load(work / "runs" / "probe-fold0" / "average.pt")
    pretrained = train_classifier.pretrained_backbone("", "", cache=work)
    assert all(torch.equal(state[f"backbone.{name}"], value) for name, value in pretrained.items())
    assert state["head.weight"].abs().sum() > 0
    assert len(read_scores(work / "runs" / "probe-fold0" / "scores.parquet")) == 24


def test_a_head_on_a_transformer_is_measured_explained_and_shipped(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = yaml.safe_load((work / "toy.yaml").read_text())
    raw |= {"name": "vit", "architecture": "vit_tiny_patch16_224", "samples": 0, "frozen_stages": 0}
    raw |= {"pretrained": "clip-vit-b16"}
    raw |= {"refit": raw["refit"] | {"pretrained_share": 1.0}, "input": raw["input"] | {"size": 64}}
    (work / "vit.yaml").write_text(yaml.safe_dump(raw))
    backbone = Network("vit_tiny_patch16_224", Rollup.of(load_taxonomy()), size=64).backbone.state_dict()
    monkeypatch.setattr(train_classifier, "pretrained_backbone", lambda *_, **__: backbone)
    places = ("--runs", work / "runs", "--cache", work / "cache")
    run(train_classifier.main, monkeypatch, work / "vit.yaml", "--fold", 0, "--fold", 1, *places)
    run(train_classifier.main, monkeypatch, work / "vit.yaml", "--final", *places)
    run(
        ship_classifier.main, monkeypatch,
        work / "vit.yaml", *places[:2], "--to", work / "out", "--report", work / "report", "--robustness", 0,
    )  # fmt: skip
    report = json.loads((work / "report" / "report.json").read_text())
    assert report["real"]["n"] == 48  # each scored by the model that has not seen its museum
    assert report["explanations"]
    classifier = load_classifier(work / "out")
    assert classifier.card.licence == "MIT"  # of the weights that it began with
    assert classifier.predict(work / "data" / "north-everyday-0.png").ok


def test_the_ablation_fits_heads_of_named_rows_only(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(ablation.main, monkeypatch, work / "toy.yaml", "--head", "--report", "x")
    assert "name it with --row" in capsys.readouterr().err


def test_photos_of_two_manifests_without_renders_or_boxes_are_measured_whole(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_manifest(work / "data" / "manifest.csv")
    (work / "more").mkdir()
    moved = [replace(r, boxes=(Box(5, 5, 20, 20),)) for r in rows if r.source == "south"]
    for record in moved:
        (work / "data" / record.path).rename(work / "more" / record.path)
    write_manifest(work / "data" / "manifest.csv", [r for r in rows if r.source == "north"])
    write_manifest(work / "more" / "manifest.csv", moved)
    raw = yaml.safe_load((work / "toy.yaml").read_text()) | {
        "manifests": [str(work / folder / "manifest.csv") for folder in ("data", "more")],
        "annotations": "",
    }
    (work / "toy.yaml").write_text(yaml.safe_dump(raw))
    places = ("--runs", work / "runs", "--cache", work / "cache")
    run(train_classifier.main, monkeypatch, work / "toy.yaml", "--fold", 0, "--fold", 1, *places)
    run(train_classifier.main, monkeypatch, work / "toy.yaml", "--final", *places)
    run(ship_classifier.main, monkeypatch, work / "toy.yaml", "--runs", work / "runs", "--to", work / "out",
        "--robustness", 2)  # fmt: skip
    card = load_classifier(work / "out").card
    assert {row["n_sources"] for row in card.metrics["robustness"] if row["group"] == "ivory"} == {2}
    explained = {(e["part"], e["group"]): e["n"] for e in card.metrics["explanations"]}
    assert explained == {("real", "ivory"): 6, ("real", "python_skin"): 6}
    assert "render" not in json.dumps(card.metrics["measured_on"])
    assert "renders" not in card.training


def test_photos_that_share_a_name_are_refused_before_training(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = yaml.safe_load((work / "toy.yaml").read_text())
    (work / "copy").mkdir()
    for file in (work / "data").iterdir():
        (work / "copy" / file.name).write_bytes(file.read_bytes())
    rows = [replace(r, source=f"{r.source}-copy") for r in read_manifest(work / "data" / "manifest.csv")]
    write_manifest(work / "copy" / "manifest.csv", rows)
    raw["manifests"] = [str(work / folder / "manifest.csv") for folder in ("data", "copy")]
    raw["folds"] = [["north", "north-copy"], ["south", "south-copy"]]
    (work / "toy.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ArgumentError, match="48 paths stand for two photos each"):
        run(train_classifier.main, monkeypatch, work / "toy.yaml", "--fold", 0, "--runs", work / "runs",
            "--cache", work / "cache")  # fmt: skip
    assert not (work / "runs").exists()
