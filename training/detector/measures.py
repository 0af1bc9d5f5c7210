"""Numbers of a detector on photos that it has not learnt from, with intervals over sources and objects. Fits nothing.

Photos whose product nobody has boxed are left out: which of their boxes are right is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.detector.coco import coco_map, judge
from training.detector.held_out import Looked
from wildvision.evaluation.bootstrap import Estimate, Weights, caveat, cluster_weights
from wildvision.evaluation.metrics import expected_calibration_error
from wildvision.evaluation.results import Share
from wildvision.taxonomy import EVERYDAY, load_taxonomy

FALSE_BOXES = 0.1
"""False boxes a photo that the recall of the goals is stated for, counted on everyday photos."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GroupNumbers:
    """What was measured for one group.

    Attributes:
        n_photos: Photos with a box of the group.
        n_boxes: Boxes in them, heaps not counted.
        n_sources: Sources of those photos.
        ap50: Average precision at IoU 0.5 by COCO's 101 points.
        recall_at_budget: Share of the boxes found at one false box per ten everyday photos, all groups together.
        recall_at_review: Share of the boxes found at the review operating points.
        calibration_error: Expected calibration error of the scores as probabilities that a box is right; what the
            calibration was fitted on flatters it.
        caveat: What to say beside the numbers when they rest on little.
        curve: ``recall`` and ``precision``, for a plot.
    """

    n_photos: int
    n_boxes: int
    n_sources: int
    ap50: Estimate
    recall_at_budget: Estimate
    recall_at_review: Estimate
    calibration_error: Estimate
    caveat: str | None
    curve: Mapping[str, list[float]] = field(repr=False)


@dataclass(frozen=True)
class SourceNumbers:
    """What was measured on one source, at the review operating points.

    Attributes:
        found: Share of the boxes that were found, heaps not counted.
        others: Share of the photos without a product that get any box.
    """

    found: Share
    others: Share


@dataclass(frozen=True)
class Part:
    """What was measured on photographs, or on renders.

    Attributes:
        n: Photos.
        n_sources: Sources.
        n_unboxed: Photos of a product that were left out for want of boxes.
        coco: ``mAP`` (IoU 0.5 to 0.95) and ``mAP50`` by pycocotools.
        map50: Mean over groups of ``ap50``.
        budget: Score at which everyday photos get one false box per ten.
        n_boxes: Boxes in all, heaps not counted.
        recall_at_budget: As for a group, over all boxes.
        recall_at_review: As for a group, over all boxes.
        n_in_company: Boxes on photos with several.
        recall_in_company: Share of those found at the review operating points.
        everyday_with_boxes: Share of the everyday photos with any box at the review operating points.
        per_leaf: The same for each look-alike leaf.
        per_source: Source to its numbers.
        groups: Group to its numbers; only groups with boxes.
    """

    n: int
    n_sources: int
    n_unboxed: int
    coco: Mapping[str, float]
    map50: Estimate
    budget: float
    n_boxes: int
    recall_at_budget: Estimate
    recall_at_review: Estimate
    n_in_company: int
    recall_in_company: Estimate
    everyday_with_boxes: Share
    per_leaf: Mapping[str, Share]
    per_source: Mapping[str, SourceNumbers]
    groups: Mapping[str, GroupNumbers]


def usable(looked: Sequence[Looked]) -> list[Looked]:
    """Negatives, and products with boxes."""
    return [item for item in looked if not item.record.positive or item.record.boxes]


def budget(looked: Sequence[Looked], false_boxes: float = FALSE_BOXES) -> float:
    """The least score at which everyday photos get at most ``false_boxes`` boxes each; any negatives without those."""
    negatives = [item for item in looked if not item.record.positive]
    quiet = [item for item in negatives if item.record.leaf == EVERYDAY] or negatives
    scores = np.sort(np.concatenate([np.zeros(0), *(item.found.scores for item in quiet)]))[::-1]
    allowed = int(false_boxes * len(quiet) + 1e-9)
    return float(np.nextafter(scores[allowed], np.inf)) if allowed < len(scores) else 0.0


def measure_part(
    looked: Sequence[Looked],
    review: Mapping[str, float],
    at_budget: float,
    *,
    resamples: int = 300,
    seed: int = 0,
) -> Part:
    """Measure photographs or renders.

    Args:
        looked: Photos with calibrated detections.
        review: Group to its review threshold.
        at_budget: Of :func:`budget`, on photographs.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap.
    """
    items = usable(looked)
    table = _Table.of(items)
    weights = cluster_weights(
        [i.record.source for i in items],
        [i.record.object_id or i.record.path for i in items],
        np.array([i.record.positive for i in items]),
        resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    thresholds = np.array([review.get(g, np.inf) for g in table.names])
    flagged = table.right & (table.scores >= thresholds[table.groups])
    within = table.right & (table.scores >= at_budget)
    fired = np.bincount(table.photos[table.scores >= thresholds[table.groups]], minlength=len(items)) > 0
    every = np.ones(len(table.names), bool)
    company = table.objects.sum(axis=1) > 1
    groups, curves = {}, []
    for g, name in enumerate(table.names):
        if not table.objects[:, g].sum():
            continue
        own = np.arange(len(table.names)) == g
        once, curve = table.average_precision(g, np.ones((1, len(items)), np.int32))
        often, _ = table.average_precision(g, weights)
        curves.append((once, often))
        having = [i.record for i, n in zip(items, table.objects[:, g], strict=True) if n]
        n_sources = len({r.source for r in having})
        groups[name] = GroupNumbers(
            n_photos=len(having),
            n_boxes=int(table.objects[:, g].sum()),
            n_sources=n_sources,
            ap50=Estimate.of(once, often),
            recall_at_budget=table.recall(within, own, weights),
            recall_at_review=table.recall(flagged, own, weights),
            calibration_error=table.calibration_error(g, weights),
            caveat=caveat(len({(r.source, r.object_id or r.path) for r in having}), n_sources),
            curve=curve,
        )
    leaves: dict[str, list[bool]] = defaultdict(list)
    for item, fires in zip(items, fired, strict=True):
        if not item.record.positive:
            leaves[item.record.leaf].append(bool(fires))
    sources = np.array([i.record.source for i in items])
    negative = np.array([not i.record.positive for i in items], bool)
    hits, there = np.bincount(table.photos[flagged], minlength=len(items)), table.objects.sum(axis=1)
    measured = coco_map([i.record for i in items], [i.found for i in items])
    return Part(
        n=len(items),
        n_sources=len({i.record.source for i in items}),
        n_unboxed=len(looked) - len(items),
        coco={k: round(v, 4) for k, v in measured.items() if np.isfinite(v)},
        map50=_mean(curves),
        budget=at_budget,
        n_boxes=int(table.objects.sum()),
        recall_at_budget=table.recall(within, every, weights),
        recall_at_review=table.recall(flagged, every, weights),
        n_in_company=int(table.objects[company].sum()),
        recall_in_company=table.recall(flagged, every, weights, photos=company),
        everyday_with_boxes=Share.of(np.array(leaves.get(EVERYDAY, []), bool)),
        per_leaf={leaf: Share.of(np.array(fires)) for leaf, fires in sorted(leaves.items())},
        per_source={
            source: SourceNumbers(
                found=Share.of(np.arange(there[sources == source].sum()) < hits[sources == source].sum()),
                others=Share.of(fired[negative & (sources == source)]),
            )
            for source in sorted(set(sources.tolist()))
        },
        groups=groups,
    )


@dataclass(frozen=True, eq=False)
class _Table:
    """Judged boxes of ``n`` photos, best first: ``(k,)`` photo, group, score, right; ``objects`` ``(n, groups)``."""

    names: tuple[str, ...]
    photos: npt.NDArray[np.intp]
    groups: npt.NDArray[np.intp]
    scores: Floats
    right: Bools
    objects: npt.NDArray[np.int64]

    @classmethod
    def of(cls, items: Sequence[Looked]) -> _Table:
        taxonomy = load_taxonomy()
        names = taxonomy.group_names
        objects = np.zeros((len(items), len(names)), np.int64)
        rows: list[tuple[int, int, float, bool]] = []
        for n, item in enumerate(items):
            for box in item.record.boxes or ():
                group = taxonomy.group_of(box.leaf or item.record.leaf)
                if group is not None and not box.crowd:
                    objects[n, names.index(group)] += 1
            good, judged = judge(item.record, item.found)
            found = zip(item.found.groups, item.found.scores.tolist(), good.tolist(), judged.tolist(), strict=True)
            rows += [(n, names.index(g), s, r) for g, s, r, known in found if known]
        rows.sort(key=lambda row: -row[2])
        columns = np.array(rows, np.float64).reshape(-1, 4)
        photos, groups, right = columns[:, 0].astype(np.intp), columns[:, 1].astype(np.intp), columns[:, 3] > 0
        return cls(names, photos, groups, columns[:, 2], right, objects)

    def recall(self, found: Bools, groups: Bools, weights: Weights, photos: Bools | None = None) -> Estimate:
        """Share of the objects of ``groups`` on ``photos`` that the boxes ``found`` are right about."""
        keep = found & groups[self.groups]
        hits = np.bincount(self.photos[keep], minlength=len(self.objects)).astype(np.float64)
        there = self.objects[:, groups].sum(axis=1).astype(np.float64)
        if photos is not None:
            hits, there = hits * photos, there * photos

        def share(w: npt.NDArray[np.int32]) -> Floats:
            n = w @ there
            return np.asarray(np.divide(w @ hits, n, out=np.full(len(w), np.nan), where=n > 0))

        return Estimate.of(share(np.ones((1, len(there)), np.int32)), share(weights), share_of=int(there.sum()))

    def calibration_error(self, group: int, weights: Weights) -> Estimate:
        """How far the scores of the group's boxes are from the share of them that is right; undefined without boxes."""
        own = self.groups == group
        scores, right, photos = self.scores[own], self.right[own], self.photos[own]
        drawn = weights[:, photos]
        drawn = drawn[drawn.sum(axis=1) > 0]
        if not len(drawn):
            return Estimate(None, None, None)
        once, often = (expected_calibration_error(scores, right, w) for w in (None, drawn))
        return Estimate.of(once, often)

    def average_precision(self, group: int, weights: Weights) -> tuple[Floats, dict[str, list[float]]]:
        """COCO's average precision at IoU 0.5 for each weighting, ``(b,)``, and the curve of the first."""
        own = self.groups == group
        photos, right = self.photos[own], self.right[own]
        total = weights @ self.objects[:, group]
        points = np.linspace(0, 1, 101)
        values = np.full(len(weights), np.nan)
        first: dict[str, list[float]] = {"recall": points.tolist(), "precision": [0.0] * 101}
        for b, w in enumerate(weights):
            if not total[b]:
                continue
            drawn = w[photos].astype(np.float64)
            hits = np.cumsum(drawn * right)
            precision = hits / np.maximum(np.cumsum(drawn), 1e-9)
            envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
            at = envelope[np.searchsorted(hits / total[b], points - 1e-12, side="left")]
            values[b] = at.mean()
            if b == 0:
                first["precision"] = at.tolist()
        return values, first


def _mean(parts: Sequence[tuple[Floats, Floats]]) -> Estimate:
    """Mean over groups; a resample without one of the groups is left out."""
    if not parts:
        return Estimate(None, None, None)
    once, often = (np.mean([p[k] for p in parts], axis=0) for k in (0, 1))
    return Estimate.of(once, often)
