"""Measure finished runs on the sources they have not seen, and turn the final one into a bundled model.

python -m training.ship_detector configs/detector-default.yaml --report reports/detector
python -m training.ship_detector configs/detector-default.yaml --report reports/detector --to src/wildvision/weights

Needs the `--fold` runs of training/train_detector.py that it is told to measure (all of them, by default), and with
`--to` the `--final` one. A detector that takes its weights from another's runs ships as a card that names the other's
file, in src/wildvision/weights/heads where its classifier is too large to bundle. Calibration is fitted on boxes,
operating points on photos, both pooled over the folds. Photos and renders are measured apart. Where the folds'
classifiers are there, crops of boxes are looked at again (kept beside the runs, so that it is done once; not with
`--no-second-look`) and whole photos are ranked by both models together.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.classifier.config import ClassifierConfig
from training.classifier.config import read_config as read_classifier_config
from training.command import run_script
from training.detector.coco import coco_map
from training.detector.config import DetectorConfig, read_config, run_name
from training.detector.fitting import GroupPolicy, calibrated, fit_policy, rescored
from training.detector.fusion import image_fusion, log_odds, look_again
from training.detector.held_out import Looked, found_by, read_looked, write_looked
from training.detector.measures import Part, budget, measure_part, usable
from training.detector.report import Report, write_report
from training.evaluate import load_network, partner_run
from training.ship_classifier import check_shipped
from wildvision.backends.torch_backend import TorchBackend
from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import read_scores
from wildvision.models import (
    Classifier,
    DetectorNetwork,
    DetectorSettings,
    ModelCard,
    draft_card,
    export_detector,
    list_larger_models,
    list_models,
)
from wildvision.models.card import Weights
from wildvision.models.card_file import read_card, write_card
from wildvision.models.rollup import Rollup
from wildvision.policy import Platt
from wildvision.policy.calibration import Calibrator
from wildvision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", help="folds to measure (default: all)")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument(
        "--classifier", type=Path, help="configuration of the classifier that looks again (default: of start_from)"
    )
    parser.add_argument("--no-second-look", action="store_true", help="do not score crops of boxes again")
    parser.add_argument("--to", type=Path, help="folder for the weights and the card")
    parser.add_argument("--report", type=Path, help="folder for the report")
    args = parser.parse_args()
    config = read_config(args.config, data=args.data)
    second = read_classifier_config(args.classifier) if args.classifier else config.classifier()
    shipped = with_classifier(config, args.to, args.runs) if args.to else config  # before the hours of measuring
    if args.to and config.weights_from:
        shared_weights(shipped, args.runs)
    folds = args.folds or range(len(config.folds))
    report, policy = evaluate(config, folds, args.runs, second, beside=args.to, crops=not args.no_second_look)
    if args.report:
        print(write_report(report, args.report))
    if args.to:
        written = ship(shipped, shipped_card(shipped, policy, report), args.runs, args.to)
        print(f"{written.name}: {written.weights.bytes / 1e6:.1f} MB, sha256 {written.weights.sha256[:12]}")


def ship(config: DetectorConfig, card: ModelCard, runs: Path, folder: Path) -> ModelCard:
    """Write the weights of the final run and the card; of weights that another detector ships, the card alone.

    Raises:
        ArgumentError: As of :func:`shared_weights`.
    """
    if not config.weights_from:
        return export_detector(_final(config, runs), card, folder)
    written = dataclasses.replace(card, weights=shared_weights(config, runs))
    folder.mkdir(parents=True, exist_ok=True)
    write_card(written, folder / f"{written.name}.json")
    return written


def shared_weights(config: DetectorConfig, runs: Path) -> Weights:
    """The bundled weights of the detector whose runs a recipe takes its own from.

    Raises:
        ArgumentError: That one has not been shipped, or with other weights than those of its final run.
    """
    trained = config.trained()
    other = next((card.weights for card in list_models() if card.name == trained.name), None)
    taxonomy, settings = load_taxonomy(), config.detector
    of = {"architecture": config.architecture, "input": config.input, "taxonomy": taxonomy, "detector": settings}
    with tempfile.TemporaryDirectory() as scratch:
        own = export_detector(_final(config, runs), draft_card(name=config.name, **of), scratch).weights
    if other is None or dataclasses.replace(own, file=other.file) != other:
        raise ArgumentError(f"{trained.name!r} is not bundled with the weights of its final run; ship it first")
    return other


def _final(config: DetectorConfig, runs: Path) -> DetectorNetwork:
    """The network of the final run, without a classifier that ships apart."""
    network = DetectorNetwork(config.architecture, config.detector, Rollup.of(load_taxonomy()))
    path = runs / run_name(config.trained().name, None) / "average.pt"
    state = torch.load(path, map_location="cpu", weights_only=True)
    wanted = network.state_dict()
    network.load_state_dict({name: value for name, value in state.items() if name in wanted})
    return network


def evaluate(
    config: DetectorConfig,
    folds: Sequence[int],
    runs: Path,
    classifier: ClassifierConfig | None = None,
    *,
    beside: Path | None = None,
    crops: bool = True,
    resamples: int = 300,
) -> tuple[Report, dict[str, GroupPolicy]]:
    """Every number of a recipe, and the policy fitted on the way.

    Args:
        config: The recipe.
        folds: Folds that have been trained.
        runs: Folder with the runs.
        classifier: Of the same folds; ranks whole photos too and looks again, where its runs are there.
        beside: Folder with shipped classifiers that come before the bundled ones of their names.
        crops: Whether it looks at crops of boxes again.
        resamples: Bootstrap resamples.
    """
    if classifier and classifier.folds != config.folds:
        raise ArgumentError(f"{classifier.name} has other folds than {config.name}: it may have seen these photos")
    parts = [_looked(config, classifier if crops else None, k, runs) for k in folds]
    policy = fit_policy([item for part in parts for item in part])
    calibration = {group: p.calibrator for group, p in policy.items()}
    judged = [[calibrated(item, calibration) for item in part] for part in parts]
    items = [item for part in judged for item in part]
    kinds = {
        "real": [item for item in items if not item.record.synthetic],
        "synthetic": [item for item in items if item.record.synthetic],
    }
    kinds = {name: part for name, part in kinds.items() if any(i.record.boxes for i in part)}
    at_budget = budget(kinds.get("real") or items)
    review = {group: p.review for group, p in policy.items()}
    known = _classifier_calibration(classifier, beside)
    tables = [_scores(runs / run_name(classifier.name, k)) for k in folds] if classifier else []
    ready = [table for table in tables if table is not None]
    return (
        Report(
            model=f"{config.name}, out of fold",
            measured_on=_measured_on(config, folds, renders="synthetic" in kinds),
            policy={group: p.to_json() for group, p in policy.items()},
            parts={name: measure_part(part, review, at_budget, resamples=resamples) for name, part in kinds.items()},
            elsewhere=_by_other_folds(parts, at_budget, resamples=resamples),
            second_look=second_look(kinds, known, config.detector),
            image_fusion=image_fusion(judged, ready, known, folders=config.folders, resamples=resamples)
            if len(ready) == len(folds)
            else {},
        ),
        policy,
    )


def _by_other_folds(parts: Sequence[Sequence[Looked]], at_budget: float, *, resamples: int) -> Part | None:
    """Photographs judged by calibration and thresholds of the other folds; ``None`` of a single fold."""
    if len(parts) < 2:
        return None
    whole, kept = [], []
    for k, part in enumerate(parts):
        policy = fit_policy([item for other, items in enumerate(parts) if other != k for item in items])
        calibration = {group: p.calibrator for group, p in policy.items()}
        for item in (calibrated(item, calibration) for item in part if not item.record.synthetic):
            found = item.found
            least = np.array([policy[group].review for group in found.groups])
            whole.append(item)
            kept.append(dataclasses.replace(item, found=found.filter(found.scores >= least)))
    least_of_all = dict.fromkeys(load_taxonomy().group_names, 0.0)
    all_boxes, above = (measure_part(items, least_of_all, at_budget, resamples=resamples) for items in (whole, kept))
    groups = {
        name: dataclasses.replace(numbers, calibration_error=all_boxes.groups[name].calibration_error)
        for name, numbers in above.groups.items()
    }
    return dataclasses.replace(above, groups=groups)


def second_look(
    kinds: Mapping[str, Sequence[Looked]], calibration: Mapping[str, Calibrator], settings: DetectorSettings
) -> dict[str, Any]:
    """AP50 of the boxes looked at again, without the second look and with it; empty where there was none."""
    if not any(item.found.crop_scores is not None for part in kinds.values() for item in part):
        return {}
    twice = {name: [_seen_twice(item) for item in usable(part)] for name, part in kinds.items()}
    return {
        "weights": {"detector": settings.fusion_detector, "classifier": settings.fusion_classifier},
        "ap50": {
            name: {"before": _ap50(part), "after": _ap50([_fused(item, settings, calibration) for item in part])}
            for name, part in twice.items()
        },
    }


def with_classifier(config: DetectorConfig, beside: Path, runs: Path) -> DetectorConfig:
    """The configuration with the classifier named that the detector ships without.

    Args:
        config: The recipe.
        beside: Folder that the detector goes to; a classifier of that name there comes before a bundled one.
        runs: Folder with the classifier's final run.

    Raises:
        ArgumentError: There is no such classifier, or its weights are not those of the run.
    """
    judge = config.context_classifier()
    if judge is None or not config.context_from:
        return config
    card = _shipped_classifier(judge.name, beside)
    if card is None:
        raise ArgumentError(
            f"{config.name} needs the classifier {judge.name!r}, neither in {beside} nor bundled; ship it there first "
            "with 'python -m training.ship_classifier'"
        )
    check_shipped(load_network(judge, runs / run_name(judge.name, None)), card)
    return dataclasses.replace(config, detector=dataclasses.replace(config.detector, classifier=card.model_id))


def shipped_card(config: DetectorConfig, policy: Mapping[str, GroupPolicy], report: Report) -> ModelCard:
    """The card with calibration, operating points and metrics."""
    recipe = dataclasses.asdict(dataclasses.replace(config, photos=(), composer_bank=""))
    draft = draft_card(
        name=config.name,
        architecture=config.architecture,
        input=config.input,
        taxonomy=load_taxonomy(),
        training={"recipe": recipe},
        detector=config.detector,
    )
    metrics = report.to_json(curves=False)
    del metrics["policy"]
    return dataclasses.replace(
        draft,
        calibration={group: p.calibrator for group, p in policy.items()},
        operating_points={
            **draft.operating_points,
            **{group: p.chosen.point for group, p in policy.items() if p.chosen is not None},
        },
        provenance={
            group: {k: v for k, v in p.chosen.to_json().items() if k not in ("review", "block")}
            | {"fitted_on": p.fitted_on, "right_boxes": p.right_boxes}
            for group, p in policy.items()
            if p.chosen is not None
        },
        metrics=metrics,
    )


def _looked(config: DetectorConfig, classifier: ClassifierConfig | None, fold: int, runs: Path) -> list[Looked]:
    """What a fold's run found in its held-out photos, looked at again where the fold's classifier is there."""
    folder = runs / run_name(config.name, fold)
    first, again = folder / "held_out.jsonl", folder / f"second_look-{classifier.name if classifier else ''}.jsonl"
    run = runs / run_name(classifier.name, fold) if classifier else None
    if again.exists() and again.stat().st_mtime >= max(p.stat().st_mtime for p in (first, *_weights(classifier, run))):
        with again.open(encoding="utf-8") as file:
            same = file.readline().rstrip("\n") == found_by(config, classifier)
        if same:
            return read_looked(again, found_by(config, classifier))
    found = read_looked(first, found_by(config))
    trained = runs / run_name(config.trained().name, fold) / "average.pt"
    if config.weights_from and trained.exists() and trained.stat().st_mtime > first.stat().st_mtime:
        raise ArgumentError(f"{first} is older than {trained}; look again with 'python -m training.train_detector'")
    if classifier is None or run is None or not (run / "average.pt").exists():
        return found
    card = draft_card(
        name=classifier.name, architecture=classifier.architecture, input=classifier.input, taxonomy=load_taxonomy()
    )
    backend = TorchBackend(
        load_network(classifier, run), mean=classifier.input.mean, std=classifier.input.std, precision="fp32"
    )
    write_looked(again, look_again(found, Classifier(card, backend)), found_by(config, classifier))
    return read_looked(again, found_by(config, classifier))


def _weights(classifier: ClassifierConfig | None, run: Path | None) -> list[Path]:
    """Weight files of a classifier's run and of its partners' of the same fold, those that are there."""
    if classifier is None or run is None:
        return []
    folders = [run, *(partner_run(classifier, partner, run) for partner in classifier.partner_configs())]
    return [path for folder in folders if (path := folder / "average.pt").exists()]


def _scores(run: Path) -> Any:
    path = run / "scores.parquet"
    return read_scores(path) if path.exists() else None


def _shipped_classifier(name: str, beside: Path | None) -> ModelCard | None:
    """The classifier of that name in a folder, or the library's."""
    if beside is not None and (path := beside / f"{name}.json").is_file():
        card = read_card(path)
        return card if card.kind == "classifier" else None
    return {card.name: card for card in (*list_models(), *list_larger_models()) if card.kind == "classifier"}.get(name)


def _classifier_calibration(classifier: ClassifierConfig | None, beside: Path | None) -> Mapping[str, Calibrator]:
    """Of the shipped classifier of that name, which is what a second look will use; identity before it ships."""
    card = _shipped_classifier(classifier.name, beside) if classifier else None
    if classifier and card is None:
        log.warning("%s has not been shipped: crops and photos are judged by its uncalibrated scores", classifier.name)
    return card.calibration if card else {group: Platt() for group in load_taxonomy().group_names}


def _measured_on(config: DetectorConfig, folds: Sequence[int], *, renders: bool) -> str:
    named = f"folds {', '.join(map(str, folds))} of {len(config.folds)}"
    kept = "all folds" if len(folds) == len(config.folds) else named
    apart = "; renders (kept apart) of objects and places that no model was trained on" if renders else ""
    return (
        f"{kept}, each looked at by a model trained on none of its sources{apart}. Calibration and thresholds were "
        "fitted, and the weights of the parts of a score and of nested boxes chosen, on these same photos"
    )


def _seen_twice(item: Looked) -> Looked:
    scores = item.found.crop_scores
    keep = np.zeros(len(item.found), bool) if scores is None else np.isfinite(scores)
    return dataclasses.replace(item, found=item.found.filter(keep))


def _fused(item: Looked, settings: DetectorSettings, calibration: Mapping[str, Calibrator]) -> Looked:
    found = item.found
    if found.crop_scores is None or not len(found):
        return item
    raw = log_odds(found.crop_scores)
    crops = np.array([float(calibration[g].apply(z)) for g, z in zip(found.groups, raw, strict=True)])
    return dataclasses.replace(item, found=rescored(found, settings.fuse(found.scores, crops)))


def _ap50(items: Sequence[Looked]) -> dict[str, float]:
    measured = coco_map([i.record for i in items], [i.found for i in items])
    return {k.removeprefix("AP50 "): round(v, 4) for k, v in measured.items() if k.startswith("AP50 ")}


if __name__ == "__main__":
    run_script(main)
