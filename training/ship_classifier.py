"""Turn finished runs into a bundled model: weights, calibration, operating points and measured numbers.

python -m training.ship_classifier configs/classifier-fast.yaml --to src/wildvision/weights

Needs `--final` and every `--fold` of training/train_classifier.py. Calibration and thresholds are fitted on the pooled
out-of-fold scores; the numbers are those of policies fitted on other sources than the photo's own.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.classifier.config import ClassifierConfig, read_config
from wildvision.evaluation.card_metrics import metrics_block
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.report import write_report
from wildvision.evaluation.scores import ScoreTable, concatenate, read_scores
from wildvision.models.card import draft_card
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.models.weights import export_weights
from wildvision.policy.fitting import choose
from wildvision.policy.operating_points import choose_operating_point
from wildvision.taxonomy import load_taxonomy

ENOUGH_REAL = 20  # positives; below it a group's policy is fitted on renders too, and its provenance says so


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, required=True, help="folder for the weights and the card")
    parser.add_argument("--report", type=Path, help="folder for the evaluation report")
    args = parser.parse_args()
    config = read_config(args.config)
    folds = range(len(config.folds))
    table = concatenate([read_scores(args.runs / f"{config.name}-fold{k}" / "scores.parquet") for k in folds])
    evaluation = measure(judge_across_sources(table), model=f"{config.name}, {len(folds)} leave-sources-out folds")
    if args.report:
        write_report(evaluation, args.report)
    taxonomy = load_taxonomy()
    network = Network(config.architecture, Rollup.of(taxonomy))
    network.load_state_dict(torch.load(args.runs / f"{config.name}-final" / "average.pt", weights_only=True))
    card = draft_card(
        name=config.name,
        architecture=config.architecture,
        input=config.input,
        taxonomy=taxonomy,
        metrics=metrics_block(evaluation),
        training=_training(config, table),
    )
    policy = {group: _policy(table, group) for group in card.groups}
    card = dataclasses.replace(
        card,
        calibration={group: calibration.calibrator for group, (calibration, _, _) in policy.items()},
        operating_points={group: chosen.point for group, (_, chosen, _) in policy.items()},
        provenance={
            group: {k: v for k, v in chosen.to_json().items() if k not in ("review", "block")}
            | {"fitted_on": fitted_on}
            for group, (_, chosen, fitted_on) in policy.items()
        },
    )
    written = export_weights(network, card, args.to)
    print(f"{written.name}: {written.weights.bytes / 1e6:.1f} MB, sha256 {written.weights.sha256[:12]}")


def _policy(table: ScoreTable, group: str) -> tuple[Any, Any, str]:
    """Calibration and thresholds of one group, with what they were fitted on."""
    real = table.where(table.judged & ~table.synthetic)
    enough = int(real.labels(group).sum()) >= ENOUGH_REAL
    rows = real if enough else table.where(table.judged)
    g, y = rows.raw[:, rows.groups.index(group)], rows.labels(group)
    calibration = choose(g, y, rows.source.tolist(), methods=("temperature", "platt"))
    chosen = choose_operating_point(
        calibration.calibrator.apply(g), y, objects=rows.object_id.tolist(), sources=rows.source.tolist()
    )
    return calibration, chosen, "photos" if enough else "photos and renders (too few photos of this group)"


def _training(config: ClassifierConfig, table: ScoreTable) -> dict[str, Any]:
    real = ~table.synthetic
    return {
        "recipe": dataclasses.asdict(dataclasses.replace(config, manifests=())),
        "photos": {g: int((table.group[real & table.judged] == g).sum()) for g in (*table.groups, "none")},
        "sources": len(np.unique(table.source[real])),
        "renders": "made by training/synth; see datasets.md",
    }


if __name__ == "__main__":
    main()
