"""Which rule turns the photos of a listing into one verdict, chosen on out-of-fold scores of labelled photos.

Needs the ``scores.parquet`` that training writes for each fold (scores of photos whose source the fold never saw) and
the model card, for calibration and thresholds. Listings are put together from them, because no labelled adverts with
several photos are at hand: photos of one object among photos of unrelated things, as adverts have them; innocent ones
from one source and one kind, so that a look-alike's photos err together.

Rules by which a further photo can lower the verdict (the means) are shown and cannot be chosen: a seller would only
have to add photos of something else.
"""

from __future__ import annotations

import glob
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.common import arguments, write_report
from wildvision.models import find_model
from wildvision.scoring.listings import combine_scores

Rule = Callable[[Sequence[float]], float]
Listing = tuple[list[float], int]
DISCOUNTS = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
SIZES = (1, 9)
FALSE_ALARMS = (0.01, 0.05)


def rules() -> dict[str, Rule]:
    """Name to rule."""

    def discounted(discount: float) -> Rule:
        return lambda scores: combine_scores(scores, discount=discount)

    names = {0.0: "maximum", 1.0: "noisy-or"}
    found: dict[str, Rule] = {"mean": lambda s: float(np.mean(s)), "mean of the best two": _best_two}
    return found | {names.get(d, f"discounted noisy-or, {d:g}"): discounted(d) for d in DISCOUNTS}


def _best_two(scores: Sequence[float]) -> float:
    return float(np.mean(sorted(scores)[-2:]))


def read_scores(pattern: str, model: str) -> list[dict[str, Any]]:
    """Real photos with calibrated scores."""
    card = find_model(model).card
    photos: list[dict[str, Any]] = []
    for path in sorted(glob.glob(pattern)):  # noqa: PTH207  (a pattern from the command line)
        table = pq.read_table(path)
        scores = {g: card.calibration[g].apply(table.column(f"raw_{g}").to_numpy()).tolist() for g in card.groups}
        photos += [
            {**row, "scores": {group: scores[group][i] for group in card.groups}}
            for i, row in enumerate(table.select(["source", "object_id", "group", "leaf", "synthetic"]).to_pylist())
            if row["group"] != "ambiguous" and not row["synthetic"]
        ]
    return photos


def make_listings(photos: list[dict[str, Any]], group: str, rng: np.random.Generator, count: int) -> list[Listing]:
    """``(scores, truth)`` of made-up listings of one to eight photos, half of them positive."""
    positives: dict[str, list[float]] = defaultdict(list)
    kinds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for photo in photos:
        if photo["group"] == group:
            positives[photo["object_id"]].append(photo["scores"][group])
        elif photo["group"] == "none":
            kinds[photo["source"], photo["leaf"]].append(photo["scores"][group])
    objects, innocent = list(positives.values()), list(kinds.values())
    listings = []
    for n in range(count):
        size, truth = int(rng.integers(*SIZES)), n % 2
        shown: list[float] = []
        if truth:
            views = objects[rng.integers(len(objects))]
            shown = rng.choice(views, min(len(views), int(rng.integers(1, size + 1))), replace=False).tolist()
        other, missing = innocent[rng.integers(len(innocent))], size - len(shown)
        shown += rng.choice(other, missing, replace=len(other) < missing).tolist()
        listings.append((shown, truth))
    return listings


def measure(listings: list[Listing], rule: Rule, review: float) -> dict[str, float]:
    """How well a rule tells listings apart, and whether it holds its false alarms when listings get longer."""
    truth = np.array([t for _, t in listings])
    sizes = np.array([len(s) for s, _ in listings])
    scores = np.array([rule(s) for s, _ in listings])
    found = {
        "log_loss": float(log_loss(truth, scores.clip(1e-6, 1 - 1e-6))),
        "auroc": float(roc_auc_score(truth, scores)),
        "false_alarms_1_photo": float((scores[(truth == 0) & (sizes == 1)] >= review).mean()),
        "false_alarms_8_photos": float((scores[(truth == 0) & (sizes == 8)] >= review).mean()),
    }
    for rate in FALSE_ALARMS:
        threshold = np.quantile(scores[truth == 0], 1.0 - rate, method="higher")
        found[f"recall_at_{rate:g}"] = float((scores[truth == 1] > threshold).mean())
    return found


def mean(found: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the draws."""
    return {key: float(np.mean([f[key] for f in found])) for key in found[0]}


def main() -> int:
    """Run the comparison."""
    args = arguments(
        main.__doc__ or "", 8_000, scores="runs/default-fold*/scores.parquet", model="default", groups="", seeds=5
    )
    photos = read_scores(args.scores, args.model)
    card = find_model(args.model).card
    counts = {g: len({p["object_id"] for p in photos if p["group"] == g}) for g in card.groups}
    groups = args.groups.split(",") if args.groups else [g for g in card.groups if counts[g] >= 10]
    results: dict[str, dict[str, dict[str, float]]] = {}
    for group in groups:
        review = card.operating_points[group].review
        drawn = [make_listings(photos, group, np.random.default_rng(seed), args.rows) for seed in range(args.seeds)]
        results[group] = {name: mean([measure(d, rule, review) for d in drawn]) for name, rule in rules().items()}
    auroc = {n: float(np.mean([results[g][n]["auroc"] for g in groups])) for n in rules() if not n.startswith("mean")}
    best = max(auroc, key=lambda name: auroc[name])
    parts = []
    for group in groups:
        head = (
            f"### {group} ({counts[group]} objects)\n\n| rule | recall at 1 % false alarms | at 5 % | AUROC | log loss "
            "| false alarms at the review threshold: 1 photo | 8 photos |\n|---|---|---|---|---|---|---|\n"
        )
        lines = [
            f"| {name} | {r['recall_at_0.01']:.3f} | {r['recall_at_0.05']:.3f} | {r['auroc']:.4f} "
            f"| {r['log_loss']:.4f} | {r['false_alarms_1_photo']:.3f} | {r['false_alarms_8_photos']:.3f} |"
            for name, r in results[group].items()
        ]
        parts.append(head + "\n".join(lines))
    left_out = ", ".join(f"{g} ({counts[g]})" for g in card.groups if g not in groups)
    note = (
        f"Means over {args.seeds} draws of {args.rows} made-up listings a group, of one to eight photos, from "
        f"{len(photos)} real photos with out-of-fold scores. Groups with fewer than ten real objects are left out: "
        f"{left_out or 'none'}. Highest mean AUROC of the rules by which no further photo can lower the verdict: "
        f"**{best}**. False alarms at a fixed threshold grow with the number of photos under every such rule: "
        "thresholds for listings must be set on listings."
    )
    data = {"rows": args.rows, "photos": len(photos), "objects": counts, "results": results, "best": best}
    return write_report(args.report, "listings", "Listing rules", "\n\n".join([*parts, note]), data, passed=True)


if __name__ == "__main__":
    sys.exit(main())
