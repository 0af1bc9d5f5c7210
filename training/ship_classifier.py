"""Turn finished runs into a bundled model: weights, calibration, operating points and measured numbers.

python -m training.ship_classifier configs/classifier-fast.yaml --report reports/fast --to src/wildvision/weights
python -m training.ship_classifier … --scores

Needs `--final` and every `--fold` of training/train_classifier.py, and partners already shipped there or bundled.
A model too large to bundle goes to src/wildvision/weights/heads, with `--head`. Calibration
and thresholds are fitted on the pooled out-of-fold scores; the numbers are those of policies fitted on other sources
than the photo's own. With `--scores` it needs no runs: the card and the report of what has been shipped are written
anew from the scores beside the report, for when the way of measuring changed and no network did.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from training.classifier.config import ClassifierConfig, read_config
from training.classifier.pretrained import SOURCES
from training.command import run_script
from training.composer import CutoutBank
from training.data.manifest import DROPPED, read_manifest
from training.evaluate import PRECISIONS, evaluate, load_network, photographs
from training.folds import TEST
from wildvision.errors import ArgumentError
from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.card_metrics import metrics_block
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.recalibrate import recalibrate
from wildvision.evaluation.report import JSON_NAME, write_report
from wildvision.evaluation.results import CorruptionCost, Evaluation, Pointing
from wildvision.evaluation.scores import ScoreTable, read_scores, write_scores
from wildvision.models.card import ModelCard, draft_card
from wildvision.models.card_file import read_card, write_card
from wildvision.models.heads import export_head
from wildvision.models.network import Network
from wildvision.models.registry import BUNDLED
from wildvision.models.weights import export_weights
from wildvision.taxonomy import load_taxonomy


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, required=True, help="folder for the weights and the card")
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--robustness", type=int, default=20, help="photos a leaf and fold that are corrupted")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of networks on corrupted photos")
    parser.add_argument("--report", type=Path, help="folder for the evaluation report and the scores behind it")
    parser.add_argument("--head", action="store_true", help="of a head on CLIP as published, leave the backbone out")
    parser.add_argument("--scores", action="store_true", help="only measure and calibrate the report's scores anew")
    args = parser.parse_args()
    config = read_config(args.config, data=args.data)
    if args.scores:
        if not args.report:
            parser.error("--scores needs the --report that they lie beside")
        return measure_again(config.name, args.report, args.to)
    network = load_network(config, args.runs / f"{config.name}-final")
    partners = tuple(
        _shipped_partner(cast(Network, joined), partner.name, args.to)
        for partner, joined in zip(config.partner_configs(), network.partners, strict=True)
    )
    evaluation, table = evaluate(config, args.runs, robustness=args.robustness, precision=args.precision)
    if args.report:
        write_report(evaluation, args.report)
        write_scores(table, args.report / "scores.parquet")
    card = draft_card(
        name=config.name,
        architecture=config.architecture,
        input=config.input,
        taxonomy=load_taxonomy(),
        licence=SOURCES[config.pretrained].licence,
        training=_training(config, table),
    )
    card = _measured(dataclasses.replace(card, partners=partners), evaluation, table)
    written = (export_head if args.head else export_weights)(network, card, args.to)
    print(f"{written.name}: {written.weights.bytes / 1e6:.1f} MB, sha256 {written.weights.sha256[:12]}")


def measure_again(name: str, report: Path, folder: Path) -> None:
    """Write the report and the card of a shipped classifier anew from the scores beside the report.

    Robustness and explanations, which need networks and photos, stay as they are.

    Args:
        name: Of the classifier.
        report: Its report's folder, with `report.json` and `scores.parquet`.
        folder: Where its card lies.
    """
    before = json.loads((report / JSON_NAME).read_text(encoding="utf-8"))
    table = read_scores(report / "scores.parquet")
    evaluation = dataclasses.replace(
        measure(judge_across_sources(table), model=before["model"], resamples=before["resamples"], seed=before["seed"]),
        robustness=tuple(CorruptionCost(**row | {"lost": Estimate(**row["lost"])}) for row in before["robustness"]),
        explanations=tuple(Pointing(**row | {"ratio": Estimate(**row["ratio"])}) for row in before["explanations"]),
        measured_on=before["measured_on"],
    )
    write_report(evaluation, report)
    path = folder / f"{name}.json"
    write_card(_measured(read_card(path), evaluation, table), path)


def _measured(card: ModelCard, evaluation: Evaluation, table: ScoreTable) -> ModelCard:
    """The card with calibration, thresholds and numbers."""
    # The refitted head's logits are small and not centred, so no temperature alone can make probabilities of them,
    # and the steps of an isotonic fit would give photos that differ one score.
    card, chosen = recalibrate(card, table, methods=("platt",))
    return dataclasses.replace(card, metrics=metrics_block(evaluation, calibration=chosen))


def check_shipped(network: Network, card: ModelCard) -> None:
    """Make sure that what has been shipped is what was measured.

    Raises:
        ArgumentError: The weights that ``card`` names are not those of ``network``.
    """
    with tempfile.TemporaryDirectory() as scratch:
        measured = export_weights(network, card, Path(scratch))
    if measured.model_id != card.model_id:
        raise ArgumentError(
            f"the shipped {card.name!r} has other weights or shares than its run; ship {card.name} first"
        )


def _shipped_partner(partner: Network, name: str, folder: Path) -> str:
    """The ``model_id`` of a partner in ``folder`` or bundled, by itself, whose weights are those of ``partner``."""
    own = folder / f"{name}.json"
    card = dataclasses.replace(read_card(own if own.exists() else BUNDLED / own.name), partners=(), shares={})
    check_shipped(partner, card)
    return card.model_id


def _taught_by_renders(config: ClassifierConfig) -> bool:
    """Whether manifests or the composer's bank give the network renders to learn from."""
    if any(r.synthetic and r.split not in (TEST, DROPPED) for m in config.manifests for r in read_manifest(m)):
        return True
    return config.sampling.composed > 0 and any(c.rendered for c in CutoutBank.load(Path(config.composer_bank)).cutouts)


def _training(config: ClassifierConfig, table: ScoreTable) -> dict[str, Any]:
    real = ~table.synthetic
    members = (config, *config.partner_configs())
    taught = {
        r.source
        for member in members
        for r in photographs(member)
        if r.sure and r.split not in (TEST, DROPPED) and r.source not in member.not_trained_on
    }
    renders = {"renders": "made by training/synth; see datasets.md"} if _taught_by_renders(config) else {}
    return {
        "recipe": dataclasses.asdict(dataclasses.replace(config, manifests=())),
        "photos": {g: int((table.group[real & table.judged] == g).sum()) for g in (*table.groups, "none")},
        "sources": len(np.unique(table.source[real])),
        "taught_by": sorted(taught),
        **renders,
    }


if __name__ == "__main__":
    run_script(main)
