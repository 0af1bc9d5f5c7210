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
from wildvision.evaluation.recalibrate import recalibrate
from wildvision.evaluation.report import write_report
from wildvision.evaluation.scores import ScoreTable, concatenate, read_scores, write_scores
from wildvision.models.card import draft_card
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.models.weights import export_weights
from wildvision.taxonomy import load_taxonomy


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, required=True, help="folder for the weights and the card")
    parser.add_argument("--report", type=Path, help="folder for the evaluation report and the scores behind it")
    args = parser.parse_args()
    config = read_config(args.config)
    folds = range(len(config.folds))
    table = concatenate([read_scores(args.runs / f"{config.name}-fold{k}" / "scores.parquet") for k in folds])
    measured_on = (
        f"{len(folds)} folds, each scored by a model trained on none of its sources; "
        "renders (kept apart) with skies and figure meshes that no model was trained on"
    )
    evaluation = measure(judge_across_sources(table), model=f"{config.name}, out of fold")
    if args.report:
        write_report(evaluation, args.report)
        write_scores(table, args.report / "scores.parquet")
    taxonomy = load_taxonomy()
    network = Network(config.architecture, Rollup.of(taxonomy))
    network.load_state_dict(torch.load(args.runs / f"{config.name}-final" / "average.pt", weights_only=True))
    card = draft_card(
        name=config.name,
        architecture=config.architecture,
        input=config.input,
        taxonomy=taxonomy,
        training=_training(config, table),
    )
    card, chosen = recalibrate(card, table, methods=("temperature", "platt"))
    card = dataclasses.replace(card, metrics=metrics_block(evaluation, measured_on, calibration=chosen))
    written = export_weights(network, card, args.to)
    print(f"{written.name}: {written.weights.bytes / 1e6:.1f} MB, sha256 {written.weights.sha256[:12]}")


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
