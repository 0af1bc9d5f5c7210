"""All numbers of a report and of a model card, from a judged score table. Draws no plot and writes no file.

Real photos and renders are measured apart and never together. For a group, every photo of anything else is a negative;
ambiguous photos and labels of low trust are left out and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.evaluation import metrics
from wildvision.evaluation.bootstrap import Estimate, Weights, caveat, cluster_weights, rate_caveat
from wildvision.evaluation.judging import Judged
from wildvision.evaluation.results import Evaluation, GroupNumbers, Part, Share
from wildvision.evaluation.scores import AMBIGUOUS, ScoreTable
from wildvision.policy.targets import ppv

FPRS = (0.01, 0.001)
BASE_RATES = (1e-2, 1e-3, 1e-4)
THRESHOLDS = ("review", "block")
Bools = npt.NDArray[np.bool_]


def measure(
    judged: Judged,
    *,
    model: str,
    resamples: int = 1000,
    seed: int = 0,
    unscored: Mapping[str, int] | None = None,
    n_worst: int = 12,
) -> Evaluation:
    """Measure a judged table.

    Args:
        judged: Photos with probabilities and flags.
        model: What to call the model.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap; the same seed gives the same intervals.
        unscored: Status to number of photos that are not in the table.
        n_worst: Photos listed as worst misses and as worst false alarms, of each group.
    """
    parts: dict[str, Part | None] = {"real": None, "synthetic": None}
    for name, mask in (("real", ~judged.table.synthetic), ("synthetic", judged.table.synthetic)):
        if mask.any():
            parts[name] = _part(judged.where(mask), resamples, seed, n_worst)
    return Evaluation(model, judged.policy, resamples, seed, unscored or {}, parts["real"], parts["synthetic"])


def _part(judged: Judged, resamples: int, seed: int, n_worst: int) -> Part:
    everything = judged.table
    ambiguous = everything.group == AMBIGUOUS
    judged = judged.where(everything.judged)
    table = judged.table
    absent = tuple(g for g in table.groups if g in judged.unfitted and not table.labels(g).any())
    groups = {}
    for group in (g for g in table.groups if g not in absent and len(table)):  # labels may all be unsure
        rng = np.random.default_rng([seed, table.groups.index(group)])
        weights = cluster_weights(
            table.source.tolist(), table.object_id.tolist(), table.labels(group), resamples=resamples, rng=rng
        )
        groups[group] = _group(judged, group, weights, n_worst)
    return Part(
        n=len(table),
        n_sources=len(set(table.source.tolist())),
        left_out={
            "ambiguous": int(ambiguous.sum()),
            "low_trust": int((~everything.judged & ~ambiguous).sum()),
        },
        groups=groups,
        absent=absent,
        confusion=_confusion(table),
    )


def _group(judged: Judged, group: str, weights: Weights, n_worst: int) -> GroupNumbers:
    table, k = judged.table, judged.table.groups.index(group)
    p, y = judged.probabilities[:, k], table.labels(group)
    # Photos are ranked by raw logits, each against its own fold's negatives: neither probabilities of calibrators
    # fitted on different sources nor logits of different models compare.
    rank = metrics.aligned(table.raw[:, k], y, table.fold)
    ranked = np.isfinite(rank)  # a fold without negatives ranks nothing
    ranked = ranked if ranked.any() else np.ones_like(ranked)
    ranking = metrics.Ranking.of(np.nan_to_num(rank[ranked]), y[ranked])
    leaves = {str(leaf): y & (table.leaf == leaf) for leaf in np.unique(table.leaf[y])}
    fine = metrics.Ranking.of(np.nan_to_num(metrics.untied(rank, table.raw[:, k])[ranked]), y[ranked])
    once, often = ranking.counts(), ranking.counts(weights[:, ranked])
    ones = np.ones((1, len(y)), dtype=np.int32)
    flagged = {"review": judged.review[:, k], "block": judged.block[:, k]}
    at_1pct = rank >= metrics.threshold_at_fpr(ranking, FPRS[0])
    rates = {name: [metrics.flag_rates(flags, y, w) for w in (ones, weights)] for name, flags in flagged.items()}
    prevalence = judged.prevalence(group)
    at = metrics.at_prevalence(ones, y, prevalence)
    n_objects, n_others = (_objects(table, rows) for rows in (y, ~y))
    n_sources = len(set(table.source[y].tolist()))
    return GroupNumbers(
        n_positives=int(y.sum()),
        n_objects=n_objects,
        n_sources=n_sources,
        n_negatives=int((~y).sum()),
        caveat=_caveat(table, y, rank, n_objects, n_sources),
        auroc=Estimate.of(metrics.auroc(*once), metrics.auroc(*often)),
        average_precision=Estimate.of(
            metrics.average_precision(*fine.counts()), metrics.average_precision(*fine.counts(weights[:, ranked]))
        ),
        recall_at_fpr={
            f"{f:g}": Estimate.of(metrics.recall_at_fpr(*once, f), metrics.recall_at_fpr(*often, f), share_of=n_objects)
            for f in FPRS
        },
        ece=Estimate.of(
            metrics.expected_calibration_error(p, y),
            metrics.expected_calibration_error(p, y, weights),
            centred=True,
        ),
        ece_at={
            f"{prevalence:g}": Estimate.of(
                metrics.expected_calibration_error(p, y, at),
                metrics.expected_calibration_error(p, y, metrics.at_prevalence(weights, y, prevalence)),
                centred=True,
            )
        },
        recall={name: Estimate.of(value[0], draws[0], share_of=n_objects) for name, (value, draws) in rates.items()},
        false_positive_rate={
            name: Estimate.of(value[1], draws[1], share_of=n_others) for name, (value, draws) in rates.items()
        },
        ppv={
            name: {f"{base:g}": _bounded_ppv(flags, y, weights, base, n_objects, n_others) for base in BASE_RATES}
            for name, flags in flagged.items()
        },
        per_source={
            str(s): _shares(y & (table.source == s), flagged, at_1pct, np.isfinite(rank))
            for s in np.unique(table.source[y])
        },
        per_product_leaf={
            leaf: {
                **_shares(rows, flagged, at_1pct, np.isfinite(rank)),
                "n_objects": _objects(table, rows),
                "n_sources": len(set(table.source[rows].tolist())),
                "auroc": _auroc(rank, y, weights, ranked & (rows | ~y)),
            }
            for leaf, rows in leaves.items()
        },
        per_leaf={
            str(leaf): _shares(~y & (table.leaf == leaf), flagged, at_1pct, np.isfinite(rank))
            for leaf in np.unique(table.leaf[~y])
        },
        reliability=metrics.reliability(p, y, at[0] if 0 < y.sum() < len(y) else None),
        curve=metrics.curve(fine),
        worst={
            "missed": _listed(judged, _lowest(rank, y & ~at_1pct & np.isfinite(rank))[:n_worst], k),
            "false": _listed(judged, _lowest(-rank, ~y & at_1pct)[:n_worst], k),
        },
    )


def _auroc(rank: npt.NDArray[np.float64], y: Bools, weights: Weights, rows: Bools) -> Estimate:
    """Of some photos among all."""
    ranking = metrics.Ranking.of(np.nan_to_num(rank[rows]), y[rows])
    return Estimate.of(metrics.auroc(*ranking.counts()), metrics.auroc(*ranking.counts(weights[:, rows])))


def _lowest(values: npt.NDArray[np.float64], rows: Bools) -> npt.NDArray[np.int64]:
    """Numbers of ``rows``, by rising value."""
    chosen = np.flatnonzero(rows)
    return chosen[np.argsort(values[chosen], kind="stable")]


def _objects(table: ScoreTable, rows: Bools) -> int:
    return len({(s, o) for s, o in zip(table.source[rows], table.object_id[rows], strict=True)})


def _caveat(table: ScoreTable, y: Bools, rank: npt.NDArray[np.float64], n_objects: int, n_sources: int) -> str | None:
    ranked = np.isfinite(rank)
    folds = np.unique(table.fold[y & ranked]) if y.any() else np.unique(table.fold)
    said = [caveat(n_objects, n_sources), "no negatives" if y.all() else None]
    if not y.all():
        fewest = min((int((~y & (table.fold == f)).sum()) for f in folds), default=int((~y).sum()))
        others = len(set(table.source[~y].tolist()))
        said.append(rate_caveat(fewest, others, a_fold=len(set(table.fold.tolist())) > 1, rates=FPRS))
        if alone := int((y & ~ranked).sum()):
            said.append(f"{alone} photos of folds without negatives are not ranked")
    return "; ".join(filter(None, said)) or None


def _bounded_ppv(flags: Bools, y: Bools, weights: Weights, base: float, n_objects: int, n_others: int) -> Estimate:
    """Resamples without flags count as 0: leaving them out would leave out those in which nothing was found.

    The interval is no narrower than Wilson's of the recall of ``n_objects`` and of the false-positive rate of
    ``n_others`` objects make it, the other as measured: without a false flag no resample has one.
    """
    ones = np.ones((1, len(y)), dtype=np.int32)
    once, often = (_ppv(flags, y, w, base) for w in (ones, weights))
    found = Estimate.of(once, np.nan_to_num(often))
    if found.value is None:
        return found
    recall, rate = (float(share[0]) for share in metrics.flag_rates(flags, y, ones))
    ends = [ppv(recall, end, base) for end in metrics.wilson(rate * n_others, n_others)]
    ends += [
        ppv(end, (rate * n_others + 1) / (n_others + 1), base) for end in metrics.wilson(recall * n_objects, n_objects)
    ]
    known = [end for end in (found.value, found.low, found.high, *ends) if end is not None]
    return Estimate(found.value, min(known), max(known))


def _ppv(flags: Bools, y: Bools, w: Weights, base: float) -> npt.NDArray[np.float64]:
    recall, _ = metrics.flag_rates(flags, y, w)
    n = w @ ~y
    fpr = (w @ (flags & ~y) + 1) / (n + 1)
    hits = base * recall
    return np.where((n > 0) & ((w @ flags) > 0), hits / (hits + (1 - base) * fpr), np.nan)


def _shares(rows: Bools, flagged: Mapping[str, Bools], at_1pct: Bools, ranked: Bools) -> dict[str, Any]:
    shares = {name: Share.of(flags[rows]) for name, flags in flagged.items()}
    return {"n": int(rows.sum()), **shares, "fpr_0.01": Share.of(at_1pct[rows & ranked])}


def _listed(judged: Judged, rows: npt.NDArray[np.int64], k: int) -> list[dict[str, Any]]:
    table = judged.table
    return [
        {
            "path": str(table.path[i]),
            "source": str(table.source[i]),
            "leaf": str(table.leaf[i]),
            "likeliest": table.leaves[int(table.leaf_probabilities[i].argmax())],
            "probability": float(judged.probabilities[i, k]),
        }
        for i in rows
    ]


def _confusion(table: ScoreTable) -> dict[str, Any]:
    index = {leaf: i for i, leaf in enumerate(table.leaves)}
    counts = np.zeros((len(index), len(index)), dtype=int)
    known = np.isin(table.leaf, table.leaves)
    true = [index[str(leaf)] for leaf in table.leaf[known]]
    np.add.at(counts, (true, table.leaf_probabilities[known].argmax(axis=1)), 1)
    return {"leaves": list(table.leaves), "counts": counts.tolist()}
