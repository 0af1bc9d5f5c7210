"""What composed pictures and renders add: one recipe trained on photos, + composer, + renders; measured on photos.

python -m training.ablation configs/classifier-fast.yaml --row photos          # trains its folds
python -m training.ablation configs/classifier-fast.yaml --report reports/ablation  # when all rows are there

The last row is the recipe itself. Every row sees the same number of samples, and none is averaged with partners. A row
leaves sources out as if they were held out, for training and for the composer alike.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.classifier.config import ClassifierConfig, read_config
from training.classifier.photos import Photos, load_photos
from training.command import run_script
from training.train_classifier import fit_head_anew, train
from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.metrics import Ranking, auroc
from wildvision.evaluation.results import Evaluation
from wildvision.evaluation.scores import ScoreTable, concatenate, read_scores

ROWS = {
    "photos": "photos",
    "composer": "photos + composer",
    "renders": "photos + composer + renders",
}
HIGHEST = 60  # negatives of a fold that are counted by leaf


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--row", choices=tuple(ROWS), help="train a row's folds")
    what.add_argument("--report", type=Path, help="folder for ablation.json and ablation.md")
    parser.add_argument("--fold", type=int, action="append", help="train only this fold; may be repeated")
    parser.add_argument("--head", action="store_true", help="with --row: only fit the heads of finished runs anew")
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    config = read_config(args.config, data=args.data).alone
    if args.head and not args.row:
        parser.error("--head fits the heads of a row; name it with --row")
    if args.report:
        write_ablation(config, args.runs, args.report)
        return
    photos = load_photos(
        [Path(m) for m in config.manifests],
        annotations=config.boxes,
        size=config.cache_size,
        cache=args.cache,
    )
    for fold in args.fold or range(len(config.folds)):
        row = variant(config, args.row, photos)
        if args.head:
            fit_head_anew(row, photos, fold, runs=args.runs)
        else:
            train(row, photos, fold, runs=args.runs, cache=args.cache)


def variant(config: ClassifierConfig, row: str, photos: Photos) -> ClassifierConfig:
    """The recipe of one row of :data:`ROWS`."""
    config = dataclasses.replace(config, name=_run_name(config, row))
    if row == "renders":
        return config
    renders = sorted({record.source for record in photos.records if record.synthetic})
    sampling, refit = config.sampling, config.refit
    if row != "composer":  # photos as they are
        sampling, refit = dataclasses.replace(sampling, composed=0.0), dataclasses.replace(refit, piles={})
    return dataclasses.replace(
        config,
        not_trained_on=(*config.not_trained_on, *renders),
        sampling=sampling,
        refit=refit,
    )


def write_ablation(config: ClassifierConfig, runs: Path, out: Path) -> None:
    """Measure every row on the held-out photos and write the table; renders are not in it."""
    folds = range(len(config.folds))
    found: dict[str, Any] = {
        "samples": config.samples,
        "architecture": config.architecture,
        "renders_teach": "backbone and head" if config.sampling.renders else "the head alone",
        "weight_of_renders_in_the_head": config.refit.renders,
        "weight_of_everyday_renders_in_the_head": config.refit.everyday,
        "rows": {},
        "details": {},
    }
    for row in ROWS:
        tables = [read_scores(runs / f"{_run_name(config, row)}-fold{k}" / "scores.parquet") for k in folds]
        found["details"][row] = {f"fold {k}": _details(tables[k]) for k in folds}
        parts = {"all folds": concatenate(tables)} | {f"fold {k}": tables[k] for k in folds}
        found["rows"][row] = {
            name: _groups(measure(judge_across_sources(table), model=f"{row}, {name}")) for name, table in parts.items()
        }
    out.mkdir(parents=True, exist_ok=True)
    (out / "ablation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "ablation.md").write_text(_page(found), encoding="utf-8")


def _run_name(config: ClassifierConfig, row: str) -> str:
    return f"{config.name}-{row}"


def _groups(evaluation: Evaluation) -> dict[str, Any]:
    if evaluation.real is None:
        return {}
    return {
        name: {
            "positives": numbers.n_positives,
            "sources": numbers.n_sources,
            "negatives": numbers.n_negatives,
            "auroc": dataclasses.asdict(numbers.auroc),
            "recall_at_1_percent": dataclasses.asdict(numbers.recall_at_fpr["0.01"]),
        }
        for name, numbers in evaluation.real.groups.items()
    }


def _details(table: ScoreTable) -> dict[str, Any]:
    """For each group of a fold: AUROC of each source's products, and the leaves of the highest negatives."""
    photos = table.where(table.judged & ~table.synthetic)
    details = {}
    for column, group in enumerate(photos.groups):
        shown, raw = photos.labels(group), photos.raw[:, column]
        if not 0 < shown.sum() < len(shown):
            continue
        negatives = photos.where(~shown)
        highest = np.argsort(-negatives.raw[:, column], kind="stable")[:HIGHEST]
        sources = {}
        for source in sorted(set(photos.source[shown].tolist())):
            own = shown & (photos.source == source)
            ranking = Ranking.of(raw[own | ~shown], own[own | ~shown])
            sources[source] = {"photos": int(own.sum()), "auroc": auroc(*ranking.counts()).item()}
        details[group] = {
            "sources": sources,
            "highest_negatives": dict(Counter(negatives.leaf[highest].tolist()).most_common()),
        }
    return details


def _factors(weights: Mapping[str, float]) -> str:
    named = [f"{factor:g} for {group}" for group, factor in weights.items()]
    return ", ".join([*named, "in full for all other groups" if named else "in full"])


def _page(found: Mapping[str, Any]) -> str:
    lines = [
        "# What composed pictures and renders add",
        "",
        f"{found['architecture']}, {found['samples']:,} samples in every row and fold, one seed. "
        "Out-of-fold photos only; 95 % bootstrap intervals over sources, then objects. "
        f"Renders teach {found['renders_teach']}. "
        f"In the head they count {_factors(found['weight_of_renders_in_the_head'])}; "
        f"those without product or look-alike {found['weight_of_everyday_renders_in_the_head']:g} times, for all.",
        "",
        "| group | part | positives / sources | trained on | AUROC | recall at 1 % FPR |",
        "|---|---|---|---|---|---|",
    ]
    for part in found["rows"]["photos"]:
        for group in found["rows"]["photos"][part]:
            for row, title in ROWS.items():
                n = found["rows"][row][part][group]
                lines.append(
                    f"| {group} | {part} | {n['positives']} / {n['sources']} | {title} | {Estimate(**n['auroc'])} | "
                    f"{Estimate(**n['recall_at_1_percent'])} |"
                )
    lines += [
        "",
        "## By source",
        "",
        "AUROC of each held-out source's products against the negatives of its fold; too few photos for intervals.",
        "",
        f"| group | source | number | {' | '.join(ROWS.values())} |",
        "|---|---|---|" + "---|" * len(ROWS),
    ]
    first = found["details"]["photos"]
    for part, groups in first.items():
        for group, details in groups.items():
            for source, numbers in details["sources"].items():
                own = [found["details"][row][part][group]["sources"][source]["auroc"] for row in ROWS]
                lines.append(
                    f"| {group} | {source} | {numbers['photos']} | {' | '.join(f'{value:.3f}' for value in own)} |"
                )
    lines += [
        "",
        "## What ranks highest among the negatives",
        "",
        f"Leaves of the {HIGHEST} highest negatives of a fold.",
        "",
        "| group | fold | trained on | leaves |",
        "|---|---|---|---|",
    ]
    for part, groups in first.items():
        for group in groups:
            for row, title in ROWS.items():
                leaves = found["details"][row][part][group]["highest_negatives"]
                shown = ", ".join(f"{leaf} {n}" for leaf, n in leaves.items())
                lines.append(f"| {group} | {part} | {title} | {shown} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
