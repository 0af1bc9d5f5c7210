"""What is left of a large classifier's recall when it sees only what a small one ranks highest.

python -m training.second_opinion reports/fast reports/default --then reports/large --report reports/large

Works on the scores beside the reports: needs neither photos nor networks. Writes second_opinion.md. Photographs only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from training.command import run_script
from wildvision.errors import ArgumentError
from wildvision.evaluation.bootstrap import Estimate, Weights, cluster_weights
from wildvision.evaluation.metrics import Bools, Floats, Ranking, aligned, recall_at_fpr
from wildvision.evaluation.scores import ScoreTable, read_scores
from wildvision.taxonomy import EVERYDAY

SHARES = (0.02, 0.05, 0.1, 0.2)
"""Of the photos without the group that the small classifier passes on."""
RATE = 0.01


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, nargs="+", help="report of a classifier that sees every photo")
    parser.add_argument("--then", type=Path, required=True, help="report of the classifier that sees what is passed on")
    parser.add_argument("--report", type=Path, required=True, help="folder for second_opinion.md")
    args = parser.parse_args()
    firsts = [(folder.name, judged_photographs(folder)) for folder in args.first]
    text = page(firsts, (args.then.name, judged_photographs(args.then)))
    args.report.mkdir(parents=True, exist_ok=True)
    (args.report / "second_opinion.md").write_text(text, encoding="utf-8")
    print(text)


def judged_photographs(folder: Path) -> ScoreTable:
    """Scores beside a report of the photos that headline numbers use, sorted by source and path."""
    table = read_scores(folder / "scores.parquet")
    table = table.where(table.judged & ~table.synthetic)
    order = np.lexsort((table.path, table.source))
    return table.where(order)


def passed_on(first: Floats, labels: Bools, fold: np.ndarray, share: float) -> Bools:
    """``(n,)`` true for photos that rank above all but ``share`` of their fold's photos without the group."""
    return np.asarray(aligned(first, labels, fold) > -share)


def page(firsts: Sequence[tuple[str, ScoreTable]], second: tuple[str, ScoreTable], *, resamples: int = 1000) -> str:
    """The report as Markdown.

    Raises:
        ArgumentError: The reports are of other photos or folds.
    """
    name, then = second
    for other, table in firsts:
        same = [np.array_equal(getattr(table, key), getattr(then, key)) for key in ("source", "path", "fold", "group")]
        if not all(same):
            raise ArgumentError(f"the reports of {other} and {name} are of other photos or folds")
    lines = [
        f"# A second opinion by `{name}`",
        "",
        f"{len(then.path):,} photographs, each scored by models that have not seen its source. The first classifier "
        "sees all of them; those that it ranks above all but a share of the photos without the group go on to "
        f"`{name}`, which ranks them again, and all others stay below. Each fold is ranked against its own photos. "
        "Recall at 1 % false positives with intervals of 95 % by bootstrap over sources, then objects.",
    ]
    for group in then.groups:
        y = then.labels(group)
        if not 0 < y.sum() < len(y):
            continue
        rng = np.random.default_rng(0)
        weights = cluster_weights(then.source.tolist(), then.object_id.tolist(), y, resamples=resamples, rng=rng)
        sources = len(set(then.source[y].tolist()))
        lines += [
            "",
            f"## `{group}`: {int(y.sum())} photos of {sources} {'source' if sources == 1 else 'sources'}",
            "",
            "| first | passed on, of others | of everyday photos | of the group | recall at 1 % FPR |",
            "|---|---|---|---|---|",
        ]
        for other, table in firsts:
            lines += _rows(other, table, then, group, y, weights)
        alone = _recall(aligned(_logits(then, group), y, then.fold), y, weights)
        lines.append(f"| none: `{name}` sees all | 100 % | 100 % | 1.000 | {alone} |")
    return "\n".join(lines) + "\n"


def _rows(name: str, first: ScoreTable, then: ScoreTable, group: str, y: Bools, weights: Weights) -> Iterator[str]:
    own, rank = _logits(first, group), aligned(_logits(then, group), y, then.fold)
    everyday = (then.leaf == EVERYDAY) & ~y
    yield f"| `{name}` alone | | | | {_recall(aligned(own, y, first.fold), y, weights)} |"
    for share in SHARES:
        on = passed_on(own, y, first.fold, share)
        again = _recall(np.where(on, rank, rank - 2), y, weights)  # a rank lies between -1 and 0
        yield (
            f"| `{name}` | {100 * on[~y].mean():.0f} % | {100 * on[everyday].mean():.1f} % | {on[y].mean():.3f} "
            f"| {again} |"
        )


def _logits(table: ScoreTable, group: str) -> Floats:
    return np.asarray(table.raw[:, table.groups.index(group)], dtype=np.float64)


def _recall(rank: Floats, y: Bools, weights: Weights) -> Estimate:
    ranked = np.isfinite(rank)
    ranking = Ranking.of(rank[ranked], y[ranked])
    return Estimate.of(recall_at_fpr(*ranking.counts(), RATE), recall_at_fpr(*ranking.counts(weights[:, ranked]), RATE))


if __name__ == "__main__":
    run_script(main)
