"""Measure a trained recipe on sources that its models have not seen, and write the report.

python -m training.evaluate configs/classifier-default.yaml --report reports/default

Needs every `--fold` of training/train_classifier.py. Each fold's model is measured on its own held-out photos: scores,
explanations against the annotated boxes, and corrupted copies of some photos.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from training.classifier.config import ClassifierConfig, averaged, read_config
from training.command import run_script
from training.data.annotations import read_annotated
from training.data.manifest import Record, read_manifest, row_from_record
from training.folds import TEST, held_out_rows
from training.optim import read_checkpoint
from wildvision.errors import ArgumentError
from wildvision.evaluation.explain import Explained, explain_rows, pointing
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.report import write_report
from wildvision.evaluation.results import Evaluation
from wildvision.evaluation.scores import ScoreTable, concatenate, read_scores, write_scores
from wildvision.evaluation.stress import Variant, corruption_costs, draw_rows, stress
from wildvision.models import load_classifier
from wildvision.models.card import draft_card
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.models.weights import export_weights
from wildvision.taxonomy import load_taxonomy

STRENGTH = 2  # the one that goals are stated for
AVERAGED = "averaged.json"  # beside the scores of a fold: whose logits were averaged for them
Row = Mapping[str, Any]
Stressed = Mapping[Variant, ScoreTable]


PRECISIONS = ("auto", "fp32", "fp16", "bf16")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--report", type=Path, required=True, help="folder for the report and the scores behind it")
    parser.add_argument("--robustness", type=int, default=20, help="photos a leaf and fold that are corrupted")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of networks on corrupted photos")
    args = parser.parse_args()
    config = read_config(args.config, data=args.data)
    evaluation, table = evaluate(config, args.runs, robustness=args.robustness, precision=args.precision)
    print(write_report(evaluation, args.report))
    write_scores(table, args.report / "scores.parquet")


def evaluate(
    config: ClassifierConfig, runs: Path, *, robustness: int = 20, precision: str = "auto"
) -> tuple[Evaluation, ScoreTable]:
    """All out-of-fold numbers of a recipe, and the scores behind them.

    Args:
        config: The recipe.
        runs: Folder with the runs of every fold.
        robustness: Photos a leaf and fold whose corrupted copies are scored too; 0 for none.
        precision: In which they are, as :func:`wildvision.load_classifier` takes it.

    Raises:
        ArgumentError: Scores were made when other sources were held out, or by other weights.
    """
    folds = range(len(config.folds))
    table = concatenate([_fold_scores(config, k, runs) for k in folds])
    evaluation = measure(judge_across_sources(table), model=f"{config.name}, out of fold")
    records, root = photographs(config), Path(config.manifests[0]).parent
    photos: list[Stressed] = []
    rendered: list[Stressed] = []
    explained: list[Explained] = []
    for k in folds:
        network = load_network(config, runs / f"{config.name}-fold{k}")
        rows = [row_from_record(records[i]) for i in held_out_rows(records, config.folds, k)]
        explained += explain_rows(network, config.input, rows, root)
        if robustness:
            drawn = draw_rows(rows, robustness, seed=config.seed)
            photos.append(_stress(network, config, drawn, root, fold=k, precision=precision))
        for folder, renders in _test_renders(config):
            explained += explain_rows(network, config.input, renders[k :: len(config.folds)], folder)
            if robustness and k == 0:  # no fold's model has seen them, and a third of them has too few negatives
                rendered.append(_stress(network, config, renders, folder, fold=k, precision=precision))
    costs = (*corruption_costs(photos), *corruption_costs(rendered))
    found = dataclasses.replace(evaluation, robustness=costs, explanations=pointing(explained))
    by = f"; corrupted photos at precision {precision}" if robustness and precision != "auto" else ""
    return dataclasses.replace(found, measured_on=_measured_on(config, table) + by), table


def _fold_scores(config: ClassifierConfig, fold: int, runs: Path) -> ScoreTable:
    run = runs / f"{config.name}-fold{fold}"
    file = run / "scores.parquet"
    table = read_scores(file)
    anew = f"write the scores anew with 'python -m training.train_classifier … --fold {fold} --scores'"
    made_of = json.loads(note.read_text("utf-8")) if (note := run / AVERAGED).exists() else averaged(config.alone)
    if made_of != averaged(config):
        raise ArgumentError(f"{file} averages {made_of}, the recipe {averaged(config)}; {anew}")
    for weights in (run, *(partner_run(config, partner, run) for partner in config.partner_configs())):
        if (made := weights / "average.pt").exists() and made.stat().st_mtime > file.stat().st_mtime:
            raise ArgumentError(f"{file} is older than {made}; {anew}")
    elsewhere = {source for k, sources in enumerate(config.folds) if k != fold for source in sources}
    if wrong := sorted(elsewhere.intersection(table.source[~table.synthetic].tolist())):
        raise ArgumentError(f"{file} has scores of {wrong}, which another fold holds out now; train the folds anew")
    return table


def _measured_on(config: ClassifierConfig, table: ScoreTable) -> str:
    photos = f"{len(config.folds)} folds, each scored by a model trained on none of its sources"
    renders = "renders (kept apart) with skies and figure meshes that no model was trained on"
    return f"{photos}; {renders}" if table.synthetic.any() else photos


def load_network(config: ClassifierConfig, run: Path) -> Network:
    """The averaged weights of a finished run, in evaluation mode, with those of the partners' runs of the same fold.

    Raises:
        ArgumentError: The run's checkpoint is of another recipe.
    """
    read_checkpoint(run, torch.device("cpu"), config.decisive)
    network = Network(config.architecture, Rollup.of(load_taxonomy()), size=config.input.size)
    state = torch.load(run / "average.pt", map_location="cpu", weights_only=True)
    if any(name.startswith("texture_head.") for name in state):
        network.add_textures()
    network.load_state_dict(state)
    for partner in config.partner_configs():
        other = load_network(partner, partner_run(config, partner, run))
        network.join(other, partner.input.size, *config.input.renormalised(partner.input))
    network.share(config.shares)
    return network.eval()


def partner_run(config: ClassifierConfig, partner: ClassifierConfig, run: Path) -> Path:
    """The folder of the partner's run that has seen the same sources as ``run``."""
    return run.with_name(partner.name + run.name.removeprefix(config.name))


def photographs(config: ClassifierConfig) -> list[Record]:
    """Rows of photographs of all manifests; ``path`` is relative to the folder of the first."""
    first = Path(config.manifests[0])
    found = read_annotated(first, config.boxes)
    for manifest in _others(config):
        place = os.path.relpath(manifest.parent, first.parent)
        found += [dataclasses.replace(r, path=f"{place}/{r.path}") for r in read_manifest(manifest)]
    return [record for record in found if not record.synthetic]


def _test_renders(config: ClassifierConfig) -> list[tuple[Path, list[dict[str, Any]]]]:
    """Folder and rows of each manifest of renders that has some kept from training."""
    found = ((m.parent, [r for r in read_manifest(m) if r.synthetic and r.split == TEST]) for m in _others(config))
    return [(root, [row_from_record(r) for r in records]) for root, records in found if records]


def _others(config: ClassifierConfig) -> list[Path]:
    return [Path(name) for name in config.manifests[1:]]


def _stress(
    network: Network, config: ClassifierConfig, rows: Sequence[Row], root: Path, *, fold: int, precision: str
) -> Stressed:
    with tempfile.TemporaryDirectory() as folder:
        card = draft_card(
            name=config.name,
            architecture=config.architecture,
            input=config.input,
            taxonomy=load_taxonomy(),
            training={},
        )
        partners = []
        for partner, joined in zip(config.partner_configs(), network.partners, strict=True):
            other = draft_card(
                name=partner.name,
                architecture=partner.architecture,
                input=partner.input,
                taxonomy=load_taxonomy(),
            )
            partners.append(export_weights(cast(Network, joined), other, Path(folder)).model_id)
        export_weights(network, dataclasses.replace(card, partners=tuple(partners)), Path(folder))
        classifier = load_classifier(Path(folder) / f"{config.name}.json", precision=precision)
        return stress(classifier, rows, root, strengths=(STRENGTH,), seed=config.seed, fold=fold)


if __name__ == "__main__":
    run_script(main)
