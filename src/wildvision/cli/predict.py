"""``wildvision predict``: score photos, a table for people or JSON Lines for programs."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from wildvision.cli.inputs import expand, first_free, positive
from wildvision.contract import PHOTO_SUFFIXES, Decision, Prediction
from wildvision.errors import ArgumentError

NAME = "predict"
HELP = "score photos for the four groups of wildlife products"

_STYLES = {Decision.BLOCK: "bold red", Decision.REVIEW: "yellow", Decision.PASS: "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``predict``."""
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="files, folders, or '-' for a list on standard input"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON row a photo, in input order, and nothing else"
    )
    parser.add_argument("--model", default="default", metavar="MODEL", help="name, folder or hf://org/repo@revision")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="photos a forward pass (default: 32)"
    )
    parser.add_argument("-0", "--null", action="store_true", help="the list on standard input is separated by NUL")


def run(args: argparse.Namespace) -> int:
    """Score the photos; 1 when some of them could not be scored."""
    paths = expand(args.photos, null=args.null)
    first = next(paths, None)
    if first is None:
        suffixes = " ".join(sorted(PHOTO_SUFFIXES))
        raise ArgumentError(f"no photos in {' '.join(args.photos)!r}; looked for files ending in {suffixes}")
    from wildvision.models import load_classifier
    from wildvision.scoring.items import printable

    classifier = load_classifier(args.model, device=args.device)
    inputs, names = itertools.tee(itertools.chain([first], paths))
    predictions = classifier.predict(inputs, batch_size=args.batch_size)
    scored = zip(map(printable, names), predictions, strict=True)
    failed = _print_json(scored) if args.json else _print_table(scored)
    return 1 if failed else 0


def _print_json(scored: Iterable[tuple[str, Prediction]]) -> int:
    taken: dict[str, int] = {}
    failed = 0
    for path, prediction in scored:
        unique = first_free(path, taken, partial("{}#{}".format, path))
        print(json.dumps({**prediction.to_row(id=unique), "path": path}), flush=True)
        failed += not prediction.ok
    return failed


def _print_table(scored: Iterable[tuple[str, Prediction]]) -> int:
    from wildvision.cli.output import Column, Table, probability
    from wildvision.policy import roll_up
    from wildvision.taxonomy import load_taxonomy

    columns = (
        Column("file"),
        Column("group", 15),
        Column("probability", 11),
        Column("decision", 11),
        Column("nearest look-alike", 26),
        Column("finding", 20),
    )
    table, taxonomy = Table(columns), load_taxonomy()
    outcomes: Counter[str] = Counter()
    suspected: dict[str, None] = {}
    for path, p in scored:
        if p.ok and p.group is not None:
            look = f"{p.lookalike.leaf} {p.lookalike.score:.2f}" if p.lookalike else ""
            decision = p.decision or Decision.PASS
            finding = ""
            if decision is not Decision.PASS:
                suspected[p.group] = None
                finding = roll_up(p.scores, p.leaves, taxonomy, group=p.group).text.en
            shown = probability(p.scores[p.group])
            table.row((path, p.group, shown, decision, look, finding), style=_STYLES[decision])
            outcomes[decision] += 1
        else:
            table.row((path, "-", "-", p.status, p.error or "", ""), style="magenta")
            outcomes["failed"] += 1
    for text in _summary(outcomes, suspected):
        print(text, file=sys.stderr)
    return outcomes["failed"]


def _summary(outcomes: Counter[str], suspected: Iterable[str]) -> Iterator[str]:
    from wildvision.taxonomy import load_taxonomy

    parts = [f"{outcomes[name]} {name}" for name in (*Decision, "failed") if outcomes[name]]
    yield f"{outcomes.total()} photos: {', '.join(parts)}"
    groups = load_taxonomy().groups
    for group in suspected:
        yield f"{group}: {groups[group].suspicion.en}"
