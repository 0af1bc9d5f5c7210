"""Calibration of boxes and operating points of photos, fitted on what was found in photos of unseen sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.detector.coco import judge
from training.detector.fusion import log_odds
from training.detector.held_out import Looked
from training.detector.measures import usable
from wildvision.contract import Detections
from wildvision.policy import NEVER, Flags, Platt
from wildvision.policy.calibration import Calibrator
from wildvision.policy.fitting import choose
from wildvision.policy.operating_points import ChosenPoint, choose_operating_point
from wildvision.taxonomy import EVERYDAY, load_taxonomy

ENOUGH_REAL = 20  # photos of a group; below it renders are used too, and the card says so
ENOUGH_RIGHT = 10  # boxes of a group; below it the boxes of all groups are calibrated together
REVIEW = Flags(at_most=55, prevalence=1e-4)  # of everyday photos, a group; four groups then stay within two percent


@dataclass(frozen=True)
class GroupPolicy:
    """How boxes of a group are judged.

    Attributes:
        calibrator: From the raw logit of a box to the probability that it is right.
        chosen: Thresholds on photos; ``None`` without positives, where nothing is ever reported.
        fitted_on: In words.
        right_boxes: Right boxes of the group behind the calibration.
    """

    calibrator: Calibrator
    chosen: ChosenPoint | None
    fitted_on: str
    right_boxes: int

    @property
    def review(self) -> float:
        """Review threshold."""
        return self.chosen.point.review if self.chosen else NEVER

    def to_json(self) -> dict[str, Any]:
        """For the report and, without the thresholds, for a card's provenance."""
        points = self.chosen.to_json() if self.chosen else {"review": NEVER, "block": NEVER}
        return {**points, "fitted_on": self.fitted_on, "right_boxes": self.right_boxes, **self.calibrator.to_json()}


def fit_policy(looked: Sequence[Looked]) -> dict[str, GroupPolicy]:
    """Group to its policy; every group gets one, however few its photos."""
    found = {}
    for group in load_taxonomy().group_names:
        real = [item for item in looked if not item.record.synthetic]
        enough = sum(item.record.group == group for item in real) >= ENOUGH_REAL
        used = real if enough else list(looked)
        on = "photographs" if enough else "photographs and renders (too few photographs of this group)"
        raw, right, sources = _boxes(used, {group})
        n_right = sum(right)
        if n_right < ENOUGH_RIGHT:
            raw, right, sources = _boxes(used, load_taxonomy().group_names)
            on += "; calibrated on boxes of all groups (too few of this one)"
        calibrator: Calibrator = Platt()
        if 0 < sum(right) < len(right):
            calibrator = choose(raw, right, sources, methods=("temperature", "platt")).calibrator
        chosen = _thresholds(used, group, calibrator)
        found[group] = GroupPolicy(calibrator, chosen, on if chosen else "nothing: no positives", n_right)
    return found


def calibrated(item: Looked, calibration: Mapping[str, Calibrator]) -> Looked:
    """Raw scores turned into calibrated ones, best first."""
    found = item.found
    raw = log_odds(found.scores)
    scores = np.array([calibration[g].apply(z) for g, z in zip(found.groups, raw, strict=True)], np.float32)
    return dataclasses.replace(item, found=rescored(found, scores))


def rescored(found: Detections, scores: np.ndarray) -> Detections:
    """The boxes with other scores ``(n,)``, best first."""
    order = np.argsort(-scores, kind="stable")
    return dataclasses.replace(
        found,
        boxes=found.boxes[order],
        scores=scores[order].astype(np.float32),
        groups=tuple(found.groups[i] for i in order),
        leaves=tuple(found.leaves[i] for i in order),
        crop_scores=None if found.crop_scores is None else found.crop_scores[order],
    )


def _boxes(looked: Iterable[Looked], groups: Iterable[str]) -> tuple[list[float], list[bool], list[str]]:
    """Raw logits of the boxes of ``groups``, whether they are right, and the sources of their photos."""
    wanted = set(groups)
    raw: list[float] = []
    right: list[bool] = []
    sources: list[str] = []
    for item in usable(list(looked)):
        good, judged = judge(item.record, item.found)
        rows = [n for n, g in enumerate(item.found.groups) if g in wanted and judged[n]]
        raw += log_odds(item.found.scores[rows]).tolist()
        right += good[rows].tolist()
        sources += [item.record.source] * len(rows)
    return raw, right, sources


def _thresholds(used: Sequence[Looked], group: str, calibrator: Calibrator) -> ChosenPoint | None:
    labels = [item.record.group == group for item in used]
    if not 0 < sum(labels) < len(labels):
        return None
    best = np.array([_best(item.found, group) for item in used])
    return choose_operating_point(
        np.where(best > 0, calibrator.apply(log_odds(best)), 0.0),
        labels,
        objects=[f"{i.record.source}\0{i.record.object_id or i.record.path}" for i in used],
        sources=[i.record.source for i in used],
        listed=[i.record.leaf == EVERYDAY for i in used],
        review=REVIEW,
    )


def _best(found: Detections, group: str) -> float:
    return max((s for s, g in zip(found.scores.tolist(), found.groups, strict=True) if g == group), default=0.0)
