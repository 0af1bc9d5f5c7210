"""A table of detectors trained alike: what each finds in the same held-out photos, and at what cost.

python -m training.detector.compare configs/detector-default.yaml configs/detector-320.yaml --folds 1 \
    --report reports/detector
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.command import run_script
from training.detector.config import DetectorConfig, read_config
from training.detector.fitting import calibrated, fit_policy
from training.detector.held_out import read_folds
from training.detector.measures import Part, budget, measure_part
from wildvision.evaluation.bootstrap import Estimate
from wildvision.models import DetectorNetwork
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy

NAME = "compared"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", type=Path, nargs="+")
    parser.add_argument("--folds", type=int, nargs="+", required=True, help="folds that all have been trained for")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--report", type=Path, required=True, help=f"folder for {NAME}.json and {NAME}.md")
    args = parser.parse_args()
    rows = [compared(read_config(path), args.folds, args.runs) for path in args.configs]
    args.report.mkdir(parents=True, exist_ok=True)
    (args.report / f"{NAME}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (args.report / f"{NAME}.md").write_text(page(rows, args.folds), encoding="utf-8")


def compared(config: DetectorConfig, folds: Sequence[int], runs: Path) -> dict[str, Any]:
    """Cost and measures of one recipe; photographs and renders apart."""
    looked = read_folds(config, folds, runs)
    policy = fit_policy(looked)
    calibration = {group: p.calibrator for group, p in policy.items()}
    judged = [calibrated(item, calibration) for item in looked]
    real = [item for item in judged if not item.record.synthetic]
    rendered = [item for item in judged if item.record.synthetic]
    review, at_budget = {group: p.review for group, p in policy.items()}, budget(real)
    parts = {
        name: _numbers(measure_part(part, review, at_budget))
        for name, part in (("photographs", real), ("renders", rendered))
        if any(item.record.boxes for item in part)
    }
    return {
        "name": config.name,
        "head": config.detector.head,
        "side": config.input.size,
        "samples": config.samples,
        "billion_multiply_adds": multiply_adds(config) / 1e9,
        "parts": parts,
    }


def multiply_adds(config: DetectorConfig) -> int:
    """Of backbone, pyramid and head for one photo at the input size; the classifier beside them is not counted."""
    network = DetectorNetwork(config.architecture, config.detector, Rollup.of(load_taxonomy())).eval()
    network.context = None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, config.input.size, config.input.size))
    return int(counter.get_total_flops()) // 2


def _numbers(part: Part) -> dict[str, Any]:
    return {
        "n": part.n,
        "boxes": part.n_boxes,
        "mAP50": asdict(part.map50),
        "recall_at_budget": asdict(part.recall_at_budget),
        "recall_in_company": asdict(part.recall_in_company),
        "AP50": {group: asdict(numbers.ap50) for group, numbers in part.groups.items()},
    }


def page(rows: Sequence[dict[str, Any]], folds: Sequence[int]) -> str:
    """The table as Markdown."""
    lines = [
        "# Detectors compared",
        "",
        "Trained alike but for what the table names, with the same classifier beside each; photos of the sources "
        f"held out in fold {', '.join(map(str, folds))}. Multiply-adds without the classifier; 95 % bootstrap "
        "intervals over sources, then objects. Photographs and renders are not comparable. Review thresholds were "
        "fitted on these same photos.",
        "",
        "| detector | head | side, px | samples | multiply-adds | part | boxes | mAP50 | AP50 by group | recall at one "
        "false box per ten everyday photos | several objects, found at the review point |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for part, n in row["parts"].items():
            groups = ", ".join(f"{group} {Estimate(**value)}" for group, value in n["AP50"].items())
            measures = [str(Estimate(**n[name])) for name in ("mAP50", "recall_at_budget", "recall_in_company")]
            cells = [
                row["name"],
                row["head"],
                str(row["side"]),
                str(row["samples"]),
                f"{row['billion_multiply_adds']:.2f} G",
                part,
                str(n["boxes"]),
            ]
            lines.append("| " + " | ".join([*cells, measures[0], groups, *measures[1:]]) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    run_script(main)
