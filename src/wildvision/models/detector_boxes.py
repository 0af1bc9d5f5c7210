"""Choosing among a detector's dense boxes, in numpy: best leaf, calibration, suppression by group, tiles merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from wildvision.models.detector_input import Floats, View
from wildvision.policy.calibration import Calibrator

CANDIDATES = 300
"""Best boxes of each group and view that suppression looks at."""

NESTED = 0.8
"""Share of the smaller box inside the larger one from which one of them counts as nested in the other."""

SEAM = 0.02
"""Share of a tile's side within which a box counts as cut by the seam."""


_CORNERS = ((np.maximum, slice(0, 2)), (np.minimum, slice(2, 4)))


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of one photo or of one view of it.

    Attributes:
        boxes: ``(n, 4)`` in pixels of the photo.
        scores: ``(n,)`` calibrated probabilities.
        groups: ``(n,)`` numbers of groups.
        leaves: ``(n,)`` numbers of product leaves.
        logits: ``(n,)`` raw log-odds before calibration.
    """

    boxes: Floats
    scores: Floats
    groups: npt.NDArray[np.intp]
    leaves: npt.NDArray[np.intp]
    logits: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Boxes:
        """Some of the boxes."""
        return Boxes(self.boxes[rows], self.scores[rows], self.groups[rows], self.leaves[rows], self.logits[rows])

    @classmethod
    def joined(cls, parts: Sequence[Boxes]) -> Boxes:
        """Boxes of several views, at least one."""
        names = ("boxes", "scores", "groups", "leaves", "logits")
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def candidates(
    logits: npt.NDArray[np.float32],
    boxes: Floats,
    *,
    members: Sequence[npt.NDArray[np.intp]],
    calibration: Sequence[Calibrator],
    floor: float,
) -> Boxes:
    """The boxes of one view that may be an object of a group.

    Args:
        logits: ``(anchors, leaves)``.
        boxes: ``(anchors, 4)`` in pixels of the photo.
        members: Numbers of the leaves of each group.
        calibration: Of each group's logit, which is that of its best leaf.
        floor: Least calibrated score.
    """
    parts = []
    for group, (leaves, calibrator) in enumerate(zip(members, calibration, strict=True)):
        own = logits[:, leaves].astype(np.float64)
        best = own.argmax(axis=1)
        raw = own[np.arange(len(own)), best]
        scores = calibrator.apply(raw)
        rows = np.flatnonzero((scores >= floor) & ((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 1.0))
        rows = rows[np.argsort(-raw[rows], kind="stable")][:CANDIDATES]
        parts.append(Boxes(boxes[rows], scores[rows], np.full(len(rows), group), leaves[best[rows]], raw[rows]))
    return Boxes.joined(parts)


def suppress(found: Boxes, *, iou: float, most: int) -> Boxes:
    """Best boxes first, without those that overlap a better one of the same group by more than ``iou``."""
    return found.take(kept_rows(found, iou=iou, most=most))


def kept_rows(found: Boxes, *, iou: float, most: int) -> npt.NDArray[np.intp]:
    """Numbers of the boxes that :func:`suppress` keeps, in its order."""
    if len(found) == 0:
        return np.zeros(0, np.intp)
    corners = np.hstack([found.boxes[:, :2], found.boxes[:, 2:] - found.boxes[:, :2]])
    # Suppression only needs an order, and ranks never tie.
    order = np.lexsort((*corners.T[::-1], -found.logits, -found.scores))
    rank = np.empty(len(found), np.float32)
    rank[order] = np.arange(len(found), 0, -1, dtype=np.float32)
    kept = cv2.dnn.NMSBoxesBatched(corners.tolist(), rank.tolist(), found.groups.tolist(), 0.0, iou)
    rows = np.asarray(kept, dtype=np.intp).reshape(-1)
    return np.asarray(rows[np.argsort(-rank[rows])][:most], dtype=np.intp)


def discount_nested(
    found: Boxes,
    factor: float,
    *,
    calibration: Sequence[Calibrator],
    floor: float,
    first: npt.NDArray[np.bool_] | None = None,
) -> Boxes:
    """Boxes with their probability lowered for each better box of their group that they are nested with.

    Args:
        found: Best boxes first.
        factor: On the uncalibrated probability, in (0, 1].
        calibration: Of each group's logit.
        floor: Boxes whose calibrated score falls below are dropped.
        first: ``(n,)`` true for boxes that count as better than all others, whatever their score: an object that is
            whole in one view is not judged by parts of it in others.
    """
    if factor == 1.0 or len(found) < 2:
        return found
    if first is not None:
        found = found.take(np.argsort(~first, kind="stable"))
    low, high = (pick(found.boxes[:, None, k], found.boxes[None, :, k]) for pick, k in _CORNERS)
    shared = (high - low).clip(min=0).prod(axis=2)
    area = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    pairs = shared > NESTED * np.minimum(area[:, None], area[None])
    better = np.tri(len(found), k=-1, dtype=bool) & (found.groups[:, None] == found.groups[None])
    costs = np.logaddexp(0, -found.logits) - (pairs & better).sum(axis=1) * np.log(factor)  # minus log probability
    logits = -costs - np.log(-np.expm1(-costs.clip(min=1e-9)))
    scores = np.array([calibration[g].apply(z) for g, z in zip(found.groups, logits, strict=True)])
    lowered = Boxes(found.boxes, scores, found.groups, found.leaves, logits)
    order = np.argsort(-scores, kind="stable")
    return lowered.take(order[scores[order] >= floor])


def merge_tiles(whole: Boxes, tiles: Sequence[tuple[View, Boxes]], photo: tuple[int, int]) -> Boxes:
    """Boxes of the whole photo and of its tiles, without tile boxes that a seam cuts.

    A cut object is whole in the neighbouring tile when it is smaller than the overlap, and otherwise large enough for
    the view of the whole photo.

    Args:
        whole: Boxes of the whole photo.
        tiles: Boxes of each tile, in pixels of the photo.
        photo: Its width and height.
    """

    kept = [
        found.take(~view.touches_seam(found.boxes, photo, within=SEAM * max(view.width, view.height)))
        for view, found in tiles
    ]
    return Boxes.joined([whole, *kept])
