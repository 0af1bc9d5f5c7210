"""``wildvision evaluate``: measure a model on labelled photos, or on scores that training has written."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from wildvision.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wildvision.evaluation.results import Evaluation
    from wildvision.evaluation.scores import ScoreTable
    from wildvision.models import Classifier

NAME = "evaluate"
HELP = "measure a model on labelled photos and write a report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``evaluate``."""
    parser.add_argument("manifest", nargs="?", metavar="MANIFEST", help="CSV of labelled photos, beside their folder")
    parser.add_argument(
        "--scores", nargs="+", metavar="TABLE", help="score tables (.parquet, .csv) to measure in place of photos"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="name, folder or hf://org/repo@revision (default: default; of --scores none: they are judged by a policy "
        "fitted on the scores themselves, across sources)",
    )
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="report.json, index.html and, of photos, scores.parquet go here"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="photos a forward pass (default: 32)")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything left to chance (default: 0)")
    parser.add_argument(
        "--robustness", type=int, default=0, metavar="N", help="also corrupt N photos a leaf in 48 ways (default: 0)"
    )
    parser.add_argument(
        "--explain", action="store_true", help="also check explanations against the column 'boxes' of the manifest"
    )
    parser.add_argument(
        "--thumbnails", action="store_true", help="show the worst errors in the page; do not publish such a page"
    )
    parser.add_argument(
        "--measured-on",
        metavar="TEXT",
        default="labelled photos; whether the model had seen their sources is not recorded",
        help="what the photos are, for report and card",
    )
    parser.add_argument(
        "--write-card", action="store_true", help="put the numbers into the card of MODEL, your own folder"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and write the report; 1 when some photos could not be scored."""
    if (args.manifest is None) == (args.scores is None):
        raise ArgumentError("give either a MANIFEST of photos or --scores, and not both")
    if args.scores and (args.robustness or args.explain or args.thumbnails):
        raise ArgumentError(
            "--robustness, --explain and --thumbnails need photos: give a MANIFEST in place of --scores"
        )
    if args.write_card and args.model is None:
        raise ArgumentError("--write-card needs the folder of a model: --model FOLDER")
    if args.resamples < 1 or args.batch_size < 1 or args.robustness < 0 or args.seed < 0:
        raise ArgumentError("--resamples and --batch-size must be at least 1, --robustness and --seed at least 0")
    import dataclasses

    from wildvision.evaluation.card_metrics import measured_on, own_classifier, write_metrics
    from wildvision.evaluation.plots import check_plots
    from wildvision.evaluation.report import write_report
    from wildvision.evaluation.scores import write_scores
    from wildvision.models import load_card

    check_plots()  # refused, as below, before photos are scored
    if args.write_card:
        own_classifier(args.model)
    evaluation, table = _of_scores(args) if args.scores else _of_photos(args)
    photos = measured_on(args.measured_on, load_card(args.model or "default"), table)
    evaluation = dataclasses.replace(evaluation, measured_on=photos)
    page = write_report(evaluation, args.out, photos=_folder(args.manifest) if args.thumbnails else None)
    if not args.scores:
        write_scores(table, page.parent / "scores.parquet")
    if args.write_card:
        write_metrics(evaluation, args.model)
    _print(evaluation)
    print(page)
    return 1 if evaluation.unscored else 0


def _of_scores(args: argparse.Namespace) -> tuple[Evaluation, ScoreTable]:
    from wildvision.evaluation.card_metrics import calibrated_for, check_classifier, check_scored_by
    from wildvision.evaluation.judging import judge, judge_across_sources
    from wildvision.evaluation.measure import measure
    from wildvision.evaluation.scores import concatenate, read_scores
    from wildvision.models import load_card

    table = concatenate([read_scores(path) for path in args.scores])
    if args.model is None:
        judged, model = judge_across_sources(table), table.model or "out-of-fold models"
    else:
        card = load_card(args.model)
        check_classifier(card)
        check_scored_by(table, card)
        judged = judge(table, card.calibration, card.operating_points, prevalences=calibrated_for(card))
        model = card.model_id
    return measure(judged, model=model, resamples=args.resamples, seed=args.seed), table


def _of_photos(args: argparse.Namespace) -> tuple[Evaluation, ScoreTable]:
    import dataclasses
    from pathlib import Path

    from wildvision.evaluation.card_metrics import calibrated_for
    from wildvision.evaluation.explain import explain_rows, pointing
    from wildvision.evaluation.judging import judge
    from wildvision.evaluation.manifest import boxes_of, read_manifest
    from wildvision.evaluation.measure import measure
    from wildvision.evaluation.stress import corruption_costs, draw_rows, stress
    from wildvision.models import find_model, load_classifier, load_network

    rows, root = read_manifest(args.manifest), _folder(args.manifest)
    classifier = load_classifier(args.model or "default", device=args.device)
    card = classifier.card
    if args.explain and not any(boxes_of(row) for row in rows if row["group"] in card.groups):
        raise ArgumentError("--explain needs boxes, and no photo of a product has any in the column 'boxes'")
    Path(args.out).mkdir(parents=True, exist_ok=True)  # what cannot be written is found before photos are scored
    explained = []
    if args.explain:  # first of all, for networks without feature maps are refused
        network = load_network(find_model(args.model or "default")).to(classifier.device)
        explained = explain_rows(network, card.input, rows, root)
    table, unscored = score(classifier, rows, root, args.batch_size)
    judged = judge(table, card.calibration, card.operating_points, prevalences=calibrated_for(card))
    evaluation = measure(judged, model=card.model_id, resamples=args.resamples, seed=args.seed, unscored=unscored)
    if args.robustness:
        drawn = draw_rows(rows, args.robustness, seed=args.seed)
        stressed = stress(
            classifier,
            drawn,
            root,
            seed=args.seed,
            batch_size=args.batch_size,
            progress=progress("corrupted", len(drawn)),
        )
        costs = corruption_costs([stressed], resamples=args.resamples, seed=args.seed)
        evaluation = dataclasses.replace(evaluation, robustness=costs)
    found = pointing(explained, resamples=args.resamples, seed=args.seed)
    return dataclasses.replace(evaluation, explanations=found), table


def score(
    classifier: Classifier, rows: Sequence[Mapping[str, Any]], root: Path, batch_size: int
) -> tuple[ScoreTable, dict[str, int]]:
    """Score the photos of a manifest, with a count on the terminal and a word on those that failed.

    Raises:
        ArgumentError: Not one photo could be scored.
    """
    from wildvision.evaluation.running import score_manifest

    table, unscored = score_manifest(
        classifier, rows, root, batch_size=batch_size, progress=progress("scored", len(rows))
    )
    if unscored:
        counts = ", ".join(f"{status} {n}" for status, n in sorted(unscored.items()))
        if not len(table):
            raise ArgumentError(f"none of the {len(rows)} photos could be scored ({counts})")
        print(f"{sum(unscored.values())} of {len(rows)} photos could not be scored: {counts}", file=sys.stderr)
    return table, unscored


def progress(verb: str, total: int) -> Callable[[int], None]:
    """A line on standard error that counts up, when that is a terminal."""

    def show(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{verb} {done} of {total}", end="\n" if done >= total else "", file=sys.stderr, flush=True)

    return show


def _print(evaluation: Evaluation) -> None:
    from wildvision.cli.output import print_table

    heads = ("part", "group", "photos", "sources", "AUROC", "recall at 1 % FPR", "ECE", "ECE at a prevalence")
    print_table(
        heads,
        [
            (
                name,
                group,
                str(n.n_positives),
                str(n.n_sources),
                str(n.auroc),
                str(n.recall_at_fpr["0.01"]),
                str(n.ece),
                "; ".join(f"{ece} at {share}" for share, ece in n.ece_at.items()),
            )
            for name, part in evaluation.parts
            for group, n in part.groups.items()
        ],
    )
    for name, part in evaluation.parts:
        for group, n in part.groups.items():
            if n.caveat:
                print(f"{name}, {group}: {n.caveat}", file=sys.stderr)
    if not any(n.n_positives for _, part in evaluation.parts for n in part.groups.values()):
        print("no photo of a product with a sure label: nothing was measured", file=sys.stderr)


def _folder(manifest: str) -> Any:
    from pathlib import Path

    return Path(manifest).parent
