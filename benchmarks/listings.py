"""Which rule turns the photos of a listing into one verdict: chosen on scored photos that share an object.

Reads the rows of a ``wildvision score`` run whose manifest had the columns ``group`` (truth), ``object_id`` and
``source``. Score photos that the model was not trained on. Listings are put together from them: photos of one object,
with unrelated photos of everyday things mixed in, as adverts have them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.common import arguments, write_report
from wildvision.scoring import read_rows
from wildvision.scoring.listings import combine_scores

Rule = Callable[[Sequence[float]], float]
RULES: dict[str, Rule] = {
    "mean": lambda s: float(np.mean(s)),
    "mean of the best two": lambda s: float(np.mean(sorted(s)[-2:])),
    **{
        {0.0: "maximum", 1.0: "noisy-or"}.get(d, f"discounted noisy-or, {d:g}"): (
            lambda s, d=d: combine_scores(s, discount=d)  # type: ignore[misc]
        )
        for d in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
    },
}


def make_listings(
    rows: list[dict[str, Any]], group: str, rng: np.random.Generator, count: int
) -> list[tuple[list[float], int]]:
    """``(scores, truth)`` of made-up listings of one to eight photos, half of them positive."""
    objects: dict[str, list[float]] = defaultdict(list)
    negatives: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        truth = row["extra"]["group"]
        key = f"{row['extra'].get('source')}/{row['extra'].get('object_id') or row['id']}"
        if truth == group:
            objects[key].append(row["scores"][group])
        elif truth != "ambiguous":
            negatives[key].append(row["scores"][group])
    positive_keys, negative_keys = sorted(objects), sorted(negatives)
    listings = []
    for n in range(count):
        size, truth = int(rng.integers(1, 9)), n % 2
        pool = objects[positive_keys[rng.integers(len(positive_keys))]] if truth else []
        shown = min(len(pool), int(rng.integers(1, size + 1))) if truth else 0
        scores = [float(s) for s in rng.choice(pool, shown, replace=False)] if shown else []
        while len(scores) < size:
            other = negatives[negative_keys[rng.integers(len(negative_keys))]]
            scores += [float(s) for s in rng.choice(other, min(len(other), size - len(scores)), replace=False)]
        listings.append((scores, truth))
    return listings


def recall_at(truth: np.ndarray, scores: np.ndarray, false_positives: float) -> float:
    """Recall where at most this share of the negatives is flagged."""
    threshold = np.quantile(scores[truth == 0], 1.0 - false_positives, method="higher")
    return float((scores[truth == 1] > threshold).mean())


def main() -> int:
    """Run the comparison."""
    args = arguments(
        main.__doc__ or "", 4_000, scored="runs/benchmarks/listings/out", groups="ivory,python_skin", seed=0
    )
    rows = [row for row in read_rows(Path(args.scored)) if row["status"] == "ok" and row["extra"]]
    results: dict[str, dict[str, dict[str, float]]] = {}
    for group in args.groups.split(","):
        listings = make_listings(rows, group, np.random.default_rng(args.seed), args.rows)
        truth = np.array([t for _, t in listings])
        results[group] = {}
        for name, rule in RULES.items():
            scores = np.array([rule(s) for s, _ in listings])
            results[group][name] = {
                "log_loss": float(log_loss(truth, scores.clip(1e-6, 1 - 1e-6))),
                "auroc": float(roc_auc_score(truth, scores)),
                "recall_at_1pct": recall_at(truth, scores, 0.01),
            }
    mean = {name: float(np.mean([results[g][name]["recall_at_1pct"] for g in results])) for name in RULES}
    best = max(mean, key=lambda name: mean[name])
    parts = []
    for group, rules in results.items():
        head = f"### {group}\n\n| rule | recall at 1 % false positives | AUROC | log loss |\n|---|---|---|---|\n"
        parts.append(
            head
            + "\n".join(
                f"| {name} | {r['recall_at_1pct']:.3f} | {r['auroc']:.4f} | {r['log_loss']:.4f} |"
                for name, r in rules.items()
            )
        )
    note = (
        f"{args.rows} made-up listings a group of one to eight photos, from {len(rows)} scored photos: positives show "
        f"one to all photos of one object among unrelated ones. Highest mean recall: **{best}**."
    )
    data = {"rows": args.rows, "photos": len(rows), "results": results, "best": best, "scored": args.scored}
    return write_report(args.report, "listings", "Listing rules", "\n\n".join([*parts, note]), data, passed=True)


if __name__ == "__main__":
    sys.exit(main())
