"""Contact sheets of a classifier's errors on held-out photos, for people to count kinds of failure.

python -m training.classifier.errors reports/default --data ../shared/data --to runs/error-sheets

An error is a product below the threshold of 1 % false positives, or another photo above it. `photos.csv` beside the
sheets says which photo has which number. Photos may not be published, so the folder should be one that git ignores.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.command import run_script
from training.data.sheets import Tile, contact_sheet
from wildvision.evaluation.metrics import Ranking, aligned, threshold_at_fpr
from wildvision.evaluation.scores import ScoreTable, read_scores
from wildvision.imaging import decode

SIDE = 320
COLUMNS, ROWS = 5, 4
FPR = 0.01


@dataclass(frozen=True)
class Error:
    """A photo on the wrong side of the threshold of its group.

    Attributes:
        group: The group.
        kind: ``missed`` or ``false``.
        path: The photo's, as in the scores.
        leaf: What it shows.
        source: Where it comes from.
        likeliest: The leaf that the classifier thought likeliest.
    """

    group: str
    kind: str
    path: str
    leaf: str
    source: str
    likeliest: str


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="folder with the scores.parquet of training/evaluate.py")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the photos")
    parser.add_argument("--count", type=int, default=30, help="errors of each kind of a group, at most")
    parser.add_argument("--seed", type=int, default=0, help="another draw of photos")
    parser.add_argument("--to", type=Path, required=True, help="folder for the sheets")
    args = parser.parse_args()
    table = read_scores(args.report / "scores.parquet")
    errors = choose_errors(table, args.count, seed=args.seed)
    every = choose_errors(table, len(table), seed=args.seed)
    chosen, all_of = (Counter((e.group, e.kind) for e in some) for some in (errors, every))
    for (group, kind), n in all_of.items():
        print(f"{group} {kind}: {chosen[group, kind]} of {n}")
    for path in draw_sheets(errors, args.data, args.to):
        print(path)
    if lost := sum(not (args.data / e.path).is_file() for e in errors):
        print(f"{lost} of {len(errors)} photos are not in {args.data}; their tiles are empty", file=sys.stderr)


def choose_errors(table: ScoreTable, count: int, *, seed: int) -> list[Error]:
    """Photographs only. Products missed are drawn in turns from their sources; false alarms are the highest."""
    photos = table.where(table.judged & ~table.synthetic)
    rng = np.random.default_rng(seed)
    found: list[Error] = []
    for column, group in enumerate(photos.groups):
        shown = photos.labels(group)
        if not 0 < shown.sum() < len(shown):
            continue
        rank = aligned(photos.raw[:, column], shown, photos.fold)
        ranked = np.isfinite(rank)  # all but folds without negatives
        flagged = rank >= threshold_at_fpr(Ranking.of(rank[ranked], shown[ranked]), FPR)
        missed = rng.permutation(np.flatnonzero(shown & ranked & ~flagged))
        missed = _in_turns(missed, photos.source[missed].tolist())
        false = np.flatnonzero(~shown & flagged)
        false = false[np.argsort(-rank[false], kind="stable")]
        for kind, rows in (("missed", missed), ("false", false)):
            found += [
                Error(
                    group,
                    kind,
                    str(photos.path[i]),
                    str(photos.leaf[i]),
                    str(photos.source[i]),
                    photos.leaves[int(photos.leaf_probabilities[i].argmax())],
                )
                for i in rows[:count]
            ]
    return found


def _in_turns(rows: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """One row of each source, then a second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for source in sources:
        turns.append(seen.get(source, 0))
        seen[source] = turns[-1] + 1
    return rows[np.argsort(turns, kind="stable")]


def draw_sheets(errors: Sequence[Error], data: Path, folder: Path) -> list[Path]:
    """Write the sheets and ``photos.csv``; returns the paths of the sheets, each of one group and kind."""
    folder.mkdir(parents=True, exist_ok=True)
    each, written = COLUMNS * ROWS, []
    numbered = list(enumerate(errors, start=1))
    for group, kind in dict.fromkeys((e.group, e.kind) for e in errors):
        part = [(n, e) for n, e in numbered if (e.group, e.kind) == (group, kind)]
        for start in range(0, len(part), each):
            tiles = [
                Tile(decode(data / e.path).image, caption=f"{n} {e.leaf} as {e.likeliest} {e.source}")
                for n, e in part[start : start + each]
            ]
            path = folder / f"{group}-{kind}-{start // each + 1}.jpg"
            cv2.imwrite(str(path), contact_sheet(tiles, columns=COLUMNS, side=SIDE)[..., ::-1])
            written.append(path)
    with (folder / "photos.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "group", "kind", "path", "leaf", "source", "likeliest"])
        writer.writerows([n, e.group, e.kind, e.path, e.leaf, e.source, e.likeliest] for n, e in numbered)
    return written


if __name__ == "__main__":
    run_script(main)
