"""``wildvision calibrate``: a model with calibration and thresholds fitted on a platform's own labelled photos."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wildvision.cli.inputs import positive
from wildvision.errors import ArgumentError

if TYPE_CHECKING:
    from wildvision.evaluation.scores import ScoreTable
    from wildvision.models import ModelCard

NAME = "calibrate"
HELP = "fit calibration and thresholds of a model on your own labelled photos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``calibrate``."""
    parser.add_argument("manifest", nargs="?", metavar="MANIFEST", help="CSV of labelled photos, beside their folder")
    parser.add_argument("--scores", nargs="+", metavar="TABLE", help="score tables to fit on in place of photos")
    parser.add_argument("--model", default="default", metavar="MODEL", help="name, folder or hf://org/repo@revision")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="new folder for the model; must not hold one")
    parser.add_argument(
        "--name", metavar="NAME", help="name of the new model (default: the old one's and a digest of what was fitted)"
    )
    parser.add_argument(
        "--review",
        default="flags:100@0.0001",
        metavar="TARGET",
        help="for each group: precision:P@PREVALENCE, flags:N@PREVALENCE (per 10,000) or recall:R "
        "(default: flags:100@0.0001)",
    )
    parser.add_argument("--block", default="precision:0.9@0.01", metavar="TARGET", help="default: precision:0.9@0.01")
    parser.add_argument(
        "--method", choices=("auto", "temperature", "platt", "isotonic"), default="auto", help="auto: by likelihood"
    )
    parser.add_argument(
        "--prevalence",
        type=_prevalence,
        default="0.05",
        metavar="P",
        help="share of photos with a product that probabilities are for, or 'data': that of the photos (default: 0.05)",
    )
    parser.add_argument(
        "--measured-on",
        metavar="TEXT",
        default="the photos it was calibrated on; whether the model had seen their sources is not recorded",
        help="what the photos are, for the card",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="photos a forward pass (default: 32)"
    )


def run(args: argparse.Namespace) -> int:
    """Fit, measure on held-out sources, write the new model; 1 when some photos could not be scored."""
    if (args.manifest is None) == (args.scores is None):
        raise ArgumentError("give either a MANIFEST of photos or --scores, and not both")
    import dataclasses
    import datetime
    from pathlib import Path

    from wildvision.cli.output import print_section
    from wildvision.evaluation.card_metrics import (
        calibrated_for,
        calibration_facts,
        check_classifier,
        check_scored_by,
        measured_on,
        metrics_block,
    )
    from wildvision.evaluation.judging import judge, judge_across_sources, with_kept
    from wildvision.evaluation.measure import measure
    from wildvision.evaluation.recalibrate import recalibrate, unchanged
    from wildvision.models import find_model, list_models, load_card, write_card
    from wildvision.models.registry import find_classifier, list_larger_models, short_name
    from wildvision.policy.fitting import METHODS
    from wildvision.policy.operating_points import promises
    from wildvision.policy.targets import parse_target
    from wildvision.policy.triage import threshold_in_words

    folder = Path(args.out)
    if folder.exists() and any(folder.iterdir()):
        raise ArgumentError(f"{folder} is not empty; give a new folder")
    if args.method == "temperature" and args.prevalence is not None:
        raise ArgumentError("a temperature has no offset and meets no prevalence; use --prevalence data")
    review, block = parse_target(args.review), parse_target(args.block)
    free = [method for method in METHODS if method != "temperature" or args.prevalence is None]
    methods = free if args.method == "auto" else (args.method,)
    model = find_model(args.model)
    check_classifier(model.card)
    partners = [find_classifier(wanted, model.card_path.parent) for wanted in model.card.partners]
    files = ["model.json", model.card.weights.file]
    files += [file for p in partners for file in (f"{p.card.name}.json", p.card.weights.file)]
    if twice := sorted({file for file in files if files.count(file) > 1}):
        raise ArgumentError(f"the model and its partners would all be written as {twice}; export one as another stem")
    if args.name is not None:  # a bad name is found before photos are scored
        dataclasses.replace(model.card, name=args.name)
        others = {card.name for card in (*list_models(), *list_larger_models())} | {
            short_name(p) for p in model.card.partners
        }
        if args.name in {model.card.name} | others:
            raise ArgumentError(f"{args.name!r} is the name of another model; rows of both must be told apart")
    table, unscored = _score(args)
    check_scored_by(table, model.card)
    card, chosen = recalibrate(
        model.card, table, review=review, block=block, methods=methods, prevalence=args.prevalence
    )
    fitted = {group: str(facts["method"]) for group, facts in chosen.items()}
    judged = judge_across_sources(table, methods=fitted, review=review, block=block, prevalence=args.prevalence)
    kept = [group for group in table.groups if group not in chosen]
    before = calibrated_for(model.card)
    judged = with_kept(judged, judge(table, card.calibration, card.operating_points, prevalences=before), kept)
    name, today = _name(card) if args.name is None else args.name, datetime.datetime.now(datetime.UTC).date()
    card = dataclasses.replace(card, name=name, created=today.isoformat())
    photos = measured_on(args.measured_on, model.card, table)
    evaluation = dataclasses.replace(measure(judged, model=card.model_id, unscored=unscored), measured_on=photos)
    facts = {**calibration_facts(model.card), **chosen}
    card = dataclasses.replace(card, metrics=metrics_block(evaluation, calibration=facts))
    contents = [(m.card.weights.file, m.read_weights()) for m in (model, *partners)]
    folder.mkdir(parents=True, exist_ok=True)  # only now: a folder that lacks something would pass for a model
    for file, content in contents:
        (folder / file).write_bytes(content)
    for partner in partners:
        write_card(load_card(partner.card_path), folder / f"{partner.card.name}.json")  # with partners of its own
    write_card(card, folder / "model.json")
    print_section(
        f"{card.name} in {folder}",
        [
            f"{group}: review {threshold_in_words(p.review)}, block {threshold_in_words(p.block)}"
            + (
                ""
                if group in chosen
                else f" (unchanged: {unchanged(table, group, review)}; its probabilities are for {before[group]:g})"
            )
            for group, p in card.operating_points.items()
        ]
        + promises(card.provenance),
    )
    return 1 if unscored else 0


def _name(card: ModelCard) -> str:
    """A name that no other calibration of the same weights has: rows of both must be told apart."""
    import hashlib
    import json

    fitted = {key: card.to_json()[key] for key in ("calibration", "operating_points")}
    digest = hashlib.sha256(json.dumps(fitted, sort_keys=True).encode()).hexdigest()[:8]
    return f"{card.name.partition('-calibrated-')[0]}-calibrated-{digest}"


def _prevalence(text: str) -> float | None:
    """Of ``--prevalence``; ``None`` for that of the photos."""
    if text == "data":
        return None
    try:
        if 0.0 < float(text) < 1.0:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must lie strictly between 0 and 1, or be 'data'; received {text!r}")


def _score(args: argparse.Namespace) -> tuple[ScoreTable, dict[str, int]]:
    from pathlib import Path

    from wildvision.cli.evaluate import score
    from wildvision.evaluation.manifest import read_manifest
    from wildvision.evaluation.scores import concatenate, read_scores
    from wildvision.models import load_classifier

    if args.scores:
        return concatenate([read_scores(path) for path in args.scores]), {}
    rows = read_manifest(args.manifest)
    return score(load_classifier(args.model, device=args.device), rows, Path(args.manifest).parent, args.batch_size)
