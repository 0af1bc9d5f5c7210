"""What test-time augmentation adds: held-out photos of every fold scored under each option, ranked and timed.

python -m training.tta configs/classifier-fast.yaml --report reports/fast   # after the folds of train_classifier

Writes tta.md. Photographs only. A card's policy is for scores without augmentation, so only rankings are compared.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.classifier.config import ClassifierConfig, read_config
from training.command import run_script
from training.data.manifest import Record, row_from_record
from training.evaluate import load_network, photographs
from training.folds import held_out_rows
from wildvision.backends.torch_backend import TorchBackend
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.metrics import Ranking, auroc
from wildvision.evaluation.scores import ScoreTable, concatenate, score_table
from wildvision.models.card import draft_card
from wildvision.models.classifier import TTA, Classifier
from wildvision.taxonomy import load_taxonomy

BATCH = 16


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--report", type=Path, required=True, help="folder for tta.md")
    args = parser.parse_args()
    config = read_config(args.config, data=args.data)
    records, root = photographs(config), Path(config.manifests[0]).parent
    seconds: Counter[str] = Counter()
    parts: dict[str, list[ScoreTable]] = {option: [] for option in TTA}
    for fold in range(len(config.folds)):
        rows = [records[i] for i in held_out_rows(records, config.folds, fold)]
        for option, table in score(config, rows, root, fold, args.runs, seconds).items():
            parts[option].append(table)
    args.report.mkdir(parents=True, exist_ok=True)
    text = page(config.name, {option: concatenate(tables) for option, tables in parts.items()}, seconds)
    (args.report / "tta.md").write_text(text, encoding="utf-8")
    print(text)


def score(
    config: ClassifierConfig, records: Sequence[Record], root: Path, fold: int, runs: Path, seconds: Counter[str]
) -> dict[str, ScoreTable]:
    """Scores of a fold's photos under each option; adds to ``seconds`` what its network took."""
    run = runs / f"{config.name}-fold{fold}"
    network = load_network(config, run)
    rollup = network.rollup
    backend = TorchBackend(network, mean=config.input.mean, std=config.input.std, precision="fp32")
    card = draft_card(name=config.name, architecture=config.architecture, input=config.input, taxonomy=load_taxonomy())
    classifiers = {option: Classifier(card, backend, tta=option) for option in TTA}
    found: dict[str, list[np.ndarray]] = {option: [] for option in TTA}
    for first in range(0, len(records), BATCH):
        some = records[first : first + BATCH]
        prepared = [classifiers["none"].prepare(root / record.path, hashes=False) for record in some]
        for option, classifier in classifiers.items():
            start = time.perf_counter()
            found[option].append(classifier.logits(prepared))
            seconds[option] += time.perf_counter() - start
    tables = {}
    for option, parts in found.items():
        logits = np.concatenate(parts)
        good = np.isfinite(logits).all(axis=1)
        tables[option] = score_table(
            [row_from_record(record) for record, ok in zip(records, good, strict=True) if ok],
            rollup.group_logits(logits[good]),
            rollup.leaf_probabilities(logits[good]),
            groups=rollup.groups,
            leaves=rollup.leaves,
            fold=np.full(good.sum(), fold),
        )
    return tables


def page(name: str, tables: Mapping[str, ScoreTable], seconds: Mapping[str, float]) -> str:
    """The report as Markdown."""
    lines = [
        f"# Test-time augmentation of `{name}`",
        "",
        f"`load_classifier(tta=…)`, {len(tables['none']):,} photos, each scored by a model that has not seen its "
        "source. Intervals of 95 % by bootstrap over sources, then objects; the ratio of times is that of the network "
        "alone, in this run. Folds as they lie in `runs/`: when they were trained again, `none` is not to the digit "
        "what report.json says.",
        "",
        "| group | positives / sources | tta | AUROC | recall at 1 % FPR | time |",
        "|---|---|---|---|---|---|",
    ]
    measured = {option: measure(judge_across_sources(table), model=option) for option, table in tables.items()}
    for group in tables["none"].groups:
        for option, evaluation in measured.items():
            numbers = evaluation.real.groups.get(group) if evaluation.real else None
            if numbers is None:
                continue
            lines.append(
                f"| {group} | {numbers.n_positives} / {numbers.n_sources} | {option} | {numbers.auroc} | "
                f"{numbers.recall_at_fpr['0.01']} | {seconds[option] / seconds['none']:.1f} |"
            )
    lines += [
        "",
        "## By fold and leaf",
        "",
        "AUROC of a product leaf's photos against the fold's photos without the group; for some leaves they are few.",
        "",
        f"| leaf | fold | photos | {' | '.join(tables)} |",
        "|---|---|---|" + "---|" * len(tables),
    ]
    plain = tables["none"]
    taxonomy = load_taxonomy()
    for leaf in taxonomy.leaf_names:
        for fold in np.unique(plain.fold):
            values = [_auroc(table, leaf, taxonomy.group_of(leaf), int(fold)) for table in tables.values()]
            if values[0] is not None:
                n = int(((plain.leaf == leaf) & plain.judged & (plain.fold == fold)).sum())
                lines.append(f"| {leaf} | {fold} | {n} | {' | '.join(f'{value:.3f}' for value in values)} |")
    return "\n".join(lines) + "\n"


def _auroc(table: ScoreTable, leaf: str, group: str | None, fold: int) -> float | None:
    """Of one leaf of one fold; ``None`` where it has no photos."""
    part = table.where(table.judged & (table.fold == fold))
    shown, column = part.leaf == leaf, part.groups.index(group or "")
    compared = shown | ~part.labels(part.groups[column])
    if not shown.any() or shown[compared].all():
        return None
    return float(auroc(*Ranking.of(part.raw[compared, column], shown[compared]).counts())[0])


if __name__ == "__main__":
    run_script(main)
