"""Turn finished runs into a bundled model: weights, calibration, operating points and measured numbers.

python -m training.ship_detector configs/detector-default.yaml --to src/wildvision/weights

Needs `--final` and every `--fold` of training/train_detector.py. Calibration is fitted on boxes, operating points on
photos, both on held-out sources pooled over the folds. Photos and renders are measured apart.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.detector.coco import coco_map, judge
from training.detector.config import DetectorConfig, read_config
from training.detector.held_out import Looked, read_looked
from wildvision.contract import Detections
from wildvision.models import DetectorNetwork, ModelCard, draft_card, export_detector
from wildvision.policy import Flags, Platt, Precision
from wildvision.policy.calibration import Calibrator
from wildvision.policy.fitting import choose
from wildvision.policy.operating_points import ChosenPoint, choose_operating_point
from wildvision.taxonomy import load_taxonomy

ENOUGH_REAL = 20  # photos of a group; below it renders are used too, and the card says so
REVIEW = Flags(at_most=50, prevalence=1e-4)  # half a percent a group, so that four groups stay within two
BLOCK = Precision(at_least=0.5, prevalence=1e-2)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--to", type=Path, required=True, help="folder for the weights and the card")
    args = parser.parse_args()
    config = read_config(args.config)
    parts = [read_looked(args.runs / f"{config.name}-fold{k}" / "held_out.jsonl") for k in range(len(config.folds))]
    card = fitted_card(config, [item for part in parts for item in part])
    network = DetectorNetwork(config.architecture, config.detector, len(load_taxonomy().leaf_names))
    network.load_state_dict(torch.load(args.runs / f"{config.name}-final" / "average.pt", weights_only=True))
    written = export_detector(network, card, args.to)
    print(f"{written.name}: {written.weights.bytes / 1e6:.1f} MB, sha256 {written.weights.sha256[:12]}")


def fitted_card(config: DetectorConfig, looked: Sequence[Looked]) -> ModelCard:
    """The card with calibration, operating points and metrics from held-out photos."""
    taxonomy = load_taxonomy()
    policy = {group: _policy(looked, group) for group in taxonomy.group_names}
    calibration = {group: calibrator for group, (calibrator, _, _) in policy.items()}
    judged = [dataclasses.replace(item, found=calibrated(item.found, calibration)) for item in looked]
    draft = draft_card(
        name=config.name,
        architecture=config.architecture,
        input=config.input,
        taxonomy=taxonomy,
        training={"recipe": dataclasses.asdict(dataclasses.replace(config, photos=(), composer_bank=""))},
        detector=config.detector,
    )
    points = {g: chosen.point for g, (_, chosen, _) in policy.items() if chosen is not None}
    return dataclasses.replace(
        draft,
        calibration=calibration,
        operating_points={**draft.operating_points, **points},
        provenance={
            group: {k: v for k, v in chosen.to_json().items() if k not in ("review", "block")} | {"fitted_on": on}
            for group, (_, chosen, on) in policy.items()
            if chosen is not None
        },
        metrics={
            kind: measures(part, {g: p.review for g, p in points.items()})
            for kind, part in (
                ("photos", [item for item in judged if not item.record.synthetic]),
                ("synthetic", [item for item in judged if item.record.synthetic]),
            )
            if part
        },
    )


def calibrated(found: Detections, calibration: Mapping[str, Calibrator]) -> Detections:
    """Raw scores turned into calibrated ones, best first."""
    raw = _logits(found.scores)
    scores = np.array([calibration[g].apply(z) for g, z in zip(found.groups, raw, strict=True)], np.float32)
    order = np.argsort(-scores, kind="stable")
    return Detections(
        found.boxes[order],
        scores[order],
        tuple(found.groups[i] for i in order),
        tuple(found.leaves[i] for i in order),
        found.size,
    )


def measures(looked: Sequence[Looked], review: Mapping[str, float]) -> dict[str, Any]:
    """mAP, and at the review operating points: recall of boxes, false boxes and share of everyday photos with any."""
    boxed = [item for item in looked if not item.record.positive or item.record.boxes]
    values: dict[str, Any] = {
        name: round(value, 4)
        for name, value in coco_map([b.record for b in boxed], [b.found for b in boxed]).items()
        if np.isfinite(value)
    }
    hits = objects = 0
    crowded_hits = crowded = 0
    for item in boxed:
        least = np.array([review.get(g, np.inf) for g in item.found.groups])
        kept = item.found.filter(item.found.scores >= least)
        right, n = int(judge(item.record, kept)[0].sum()), sum(not b.crowd for b in item.record.boxes or ())
        n = n if item.record.positive else 0
        hits, objects = hits + right, objects + n
        if n > 1:
            crowded_hits, crowded = crowded_hits + right, crowded + n
    negatives = [item for item in looked if not item.record.positive]
    fires = [
        sum(s >= review.get(g, np.inf) for g, s in zip(i.found.groups, i.found.scores, strict=True)) for i in negatives
    ]
    everyday = [f for f, item in zip(fires, negatives, strict=True) if item.record.leaf == "everyday"]
    values |= {
        "objects": objects,
        "recall_at_review": round(hits / objects, 4) if objects else None,
        "objects_in_company": crowded,
        "recall_in_company": round(crowded_hits / crowded, 4) if crowded else None,
        "negatives": len(negatives),
        "false_boxes_per_photo": round(float(np.mean(fires)), 4) if fires else None,
        "everyday_photos": len(everyday),
        "everyday_photos_with_boxes": round(float(np.mean(np.array(everyday) > 0)), 4) if everyday else None,
    }
    return values


def _policy(looked: Sequence[Looked], group: str) -> tuple[Calibrator, ChosenPoint | None, str]:
    """Calibration and thresholds of one group, with what they were fitted on; untouched where there is nothing."""
    real = [item for item in looked if not item.record.synthetic]
    enough = sum(item.record.group == group for item in real) >= ENOUGH_REAL
    used = real if enough else list(looked)
    raw, right, sources = [], [], []
    for item in used:
        if item.record.positive and not item.record.boxes:
            continue  # nobody knows which of its boxes are right
        good, judged = judge(item.record, item.found)
        for n, g in enumerate(item.found.groups):
            if g == group and judged[n]:
                raw.append(float(_logits(item.found.scores[n : n + 1])[0]))
                right.append(bool(good[n]))
                sources.append(item.record.source)
    calibrator: Calibrator = Platt()
    if 0 < sum(right) < len(right):
        calibrator = choose(raw, right, sources, methods=("temperature", "platt")).calibrator
    labels = [item.record.group == group for item in used]
    if not 0 < sum(labels) < len(labels):
        return calibrator, None, "nothing"
    best = [
        max((s for s, g in zip(i.found.scores, i.found.groups, strict=True) if g == group), default=0.0) for i in used
    ]
    chosen = choose_operating_point(
        np.where(np.array(best) > 0, calibrator.apply(_logits(np.array(best))), 0.0),
        labels,
        objects=[i.record.object_id or i.record.path for i in used],
        sources=[i.record.source for i in used],
        review=REVIEW,
        block=BLOCK,
    )
    return calibrator, chosen, "photos" if enough else "photos and renders (too few photos of this group)"


def _logits(scores: Any) -> Any:
    safe = np.clip(np.asarray(scores, np.float64), 1e-7, 1 - 1e-7)
    return np.log(safe / (1 - safe))


if __name__ == "__main__":
    main()
