"""The detector: photos in, boxes in pixels of the upright original out. The network lives behind a backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from wildvision.backends import Backend, DeviceMemoryError
from wildvision.contract import Detections, Status
from wildvision.errors import ArgumentError, ModelError, at_least_one
from wildvision.imaging import DEFAULT_LIMITS, Limits, Preparer, Source
from wildvision.models.batching import is_iterator, is_list, many, run_fitting
from wildvision.models.card import ModelCard
from wildvision.models.classifier import Classifier
from wildvision.models.detector_boxes import Boxes, candidates, discount_nested, kept_rows, merge_tiles
from wildvision.models.detector_input import DetectorInput, DetectorPreparer, UInt8Image, View
from wildvision.taxonomy import load_taxonomy

SECOND_LOOKS = 20
"""Most boxes of a photo that a classifier looks at again; with a second look no more are reported."""

CROP_MARGIN = 0.15
"""Share of its size by which a box is grown for the second look: a classifier knows objects with some ground around."""

_VIEWS = 16  # views that go through the network together, where there are fewer photos


@dataclass(frozen=True)
class _Row:
    """What became of one photo: its boxes or an error; neither where there were no pixels."""

    found: Boxes | None = None
    crop_scores: npt.NDArray[np.float64] | None = None
    error: str | None = None


class Detector:
    """Finds products in photos. Made by :func:`wildvision.load_detector`.

    ``prepare`` and ``infer`` are the two halves of ``predict``, for callers that decode elsewhere: ``preparer`` may be
    sent to other processes, and ``infer`` takes what it returns. At precision ``fp32`` boxes and scores do not depend
    on how photos are batched, but for rounding (about 1e-6 of a score, 1e-4 pixels).

    Args:
        card: What the model is.
        backend: Runs its network; returns logits ``(n, anchors, leaves)`` and boxes ``(n, anchors, 4)``.
        limits: What photos may cost before they are refused.
        tiles: Also search large photos tile by tile, for small objects; takes up to 17 times as long. Each tile is
            judged as a photo of its own, and the card's operating points were chosen without: several times as many
            photos that show nothing get a box.
        second_look: A classifier that scores the crop of each box again; the score reported is that of both. The
            card's operating points were chosen without one.

    Raises:
        ArgumentError: ``second_look`` is no classifier.
        ModelError: The card is not a detector's, its classes are not the library's, or its input is no letterbox.
    """

    def __init__(
        self,
        card: ModelCard,
        backend: Backend,
        *,
        limits: Limits = DEFAULT_LIMITS,
        tiles: bool = False,
        second_look: Classifier | None = None,
    ) -> None:
        if card.detector is None:
            raise ModelError(f"model {card.name!r} is a {card.kind}, not a detector; use load_{card.kind}")
        if card.input.resize != "letterbox":
            raise ModelError(f"a detector's input is a letterbox; the card of {card.name!r} says {card.input.resize!r}")
        if second_look is not None and not isinstance(second_look, Classifier):
            raise ArgumentError(
                f"second_look must be a classifier, as load_classifier gives it; received {second_look!r}"
            )
        taxonomy = load_taxonomy()
        card.check_taxonomy(taxonomy)
        self.card = card
        self.settings = card.detector
        self.second_look = second_look
        self.preparer = DetectorPreparer(card.input, limits, tiles, second_look is not None)
        self._backend = backend
        self._leaves = taxonomy.leaf_names
        self._members = [
            np.array([i for i, leaf in enumerate(self._leaves) if taxonomy.group_of(leaf) == group], dtype=np.intp)
            for group in card.groups
        ]

    def __repr__(self) -> str:
        return f"Detector({self.model_id!r}, device={self.device!r}, precision={self.precision!r})"

    @property
    def model_id(self) -> str:
        """``wildvision-detector-NAME@sha256:…``, with ``+`` and the id of each of these that is there.

        The classifier that judges whole photos; ``tiles``; the classifier of the second look.
        """
        tiles = "+tiles" if self.preparer.tiled else ""
        return self.card.model_id + tiles + (f"+{self.second_look.model_id}" if self.second_look else "")

    @property
    def device(self) -> str:
        """Where the network runs, such as ``cpu`` or ``cuda:0``."""
        return self._backend.device

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``bf16``."""
        return self._backend.precision

    @overload
    def predict(
        self, x: list[Any] | tuple[Any, ...], *, batch_size: int = ..., score: float | None = ...
    ) -> list[Detections]: ...
    @overload
    def predict(
        self, x: Iterator[Any], *, batch_size: int = ..., score: float | None = ...
    ) -> Iterator[Detections]: ...
    @overload
    def predict(self, x: Source, *, batch_size: int = ..., score: float | None = ...) -> Detections: ...
    def predict(
        self, x: Any, *, batch_size: int = 16, score: float | None = None
    ) -> Detections | list[Detections] | Iterator[Detections]:
        """Find products in one photo, or in many in input order.

        A bad photo never raises; its detections carry the status. Neither does a failing network: ``model_error``.

        Args:
            x: One photo (path, bytes, file object, PIL image, numpy array, torch tensor); a list or tuple of
                photos; or an iterator over photos, which is read ``batch_size`` photos at a time.
            batch_size: Photos that are read and go through the network together; with their tiles no more views than
                that at once, or 16. Halved where the device's memory is short.
            score: Least score of a box, in [0, 1]; the review operating point of its group by default. Boxes below the
                ``floor`` of the card's settings, and beyond its ``max_boxes``, are never reported.

        Returns:
            One :class:`~wildvision.Detections` for one photo, a list for a collection, a lazy iterator for an
            iterator.

        Raises:
            ArgumentError: ``batch_size`` is below 1, or ``score`` outside [0, 1].
        """
        at_least_one("batch_size", batch_size)
        _check_score(score)
        sources = iter(many(x))
        batches = iter(lambda: [self.prepare(s, hashes=False) for s in islice(sources, batch_size)], [])
        found = (
            self._detections(photo, row, score)
            for batch in batches
            for photo, row in zip(batch, run_fitting(self._run, batch, lambda e: _Row(error=e)), strict=True)
        )
        if is_list(x):
            return list(found)
        return found if is_iterator(x) else next(found)

    def prepare(self, source: Source, *, hashes: bool = True) -> DetectorInput:
        """Decode and preprocess one photo: CPU only, thread-safe. ``preparer`` is the same for process pools."""
        return self.preparer(source, hashes=hashes)

    def infer(self, prepared: Sequence[DetectorInput], *, score: float | None = None) -> list[Detections]:
        """Detections of prepared photos as one batch; same order and length, failures pass through.

        Raises:
            ArgumentError: ``score`` lies outside [0, 1].
            DeviceMemoryError: Not even one view fits on the device.
        """
        _check_score(score)
        return [self._detections(p, row, score) for p, row in zip(prepared, self._run(prepared), strict=True)]

    def _run(self, prepared: Sequence[DetectorInput]) -> list[_Row]:
        views = [(n, view, pixels) for n, photo in enumerate(prepared) for view, pixels in _views(photo)]
        seen: list[list[tuple[View, Boxes]]] = [[] for _ in prepared]
        errors: dict[int, str] = {}
        together = max(_VIEWS, len(prepared))
        for start in range(0, len(views), together):
            chunk = views[start : start + together]
            outputs = self._forward(np.stack([pixels for _, _, pixels in chunk]))
            for (n, view, _), output in zip(chunk, outputs, strict=True):
                if isinstance(output, str):
                    errors[n] = output
                else:
                    seen[n].append((view, self._candidates(view, *output)))
        rows = [
            _Row(error=errors[n]) if n in errors else _Row(self._merged(photo, seen[n])) if seen[n] else _Row()
            for n, photo in enumerate(prepared)
        ]
        return rows if self.second_look is None else self._look_again(self.second_look, prepared, rows)

    def _forward(self, batch: UInt8Image) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | str]:
        """Logits and boxes of each view, or why there are none."""
        try:
            logits, boxes = self._backend(batch)
        except DeviceMemoryError:
            if len(batch) == 1:
                raise
            half = len(batch) // 2  # views of one photo cannot be had by fewer photos
            return [*self._forward(batch[:half]), *self._forward(batch[half:])]
        except Exception as error:  # whatever a network or its runtime throws costs the photo, never the batch
            if len(batch) == 1:
                return [f"the model failed: {type(error).__name__}: {error}".splitlines()[0]]
            return [output for view in batch for output in self._forward(view[None])]
        return [
            (own, place)
            if np.isfinite(own).all() and np.isfinite(place).all()
            else "the model's outputs are not finite"
            for own, place in zip(logits, boxes, strict=True)
        ]

    def _candidates(self, view: View, logits: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> Boxes:
        return candidates(
            logits,
            view.to_photo(boxes, self.card.input.size),
            members=self._members,
            calibration=[self.card.calibration[group] for group in self.card.groups],
            floor=self.settings.floor,
        )

    def _merged(self, photo: DetectorInput, seen: Sequence[tuple[View, Boxes]]) -> Boxes:
        (_, whole), *tiles = seen
        found = merge_tiles(whole, tiles, _size(photo)) if tiles else whole
        settings, calibration = self.settings, [self.card.calibration[group] for group in self.card.groups]
        rows = kept_rows(found, iou=settings.nms_iou, most=settings.max_boxes)
        found = found.take(rows)
        review = np.array([self.card.operating_points[group].review for group in self.card.groups])
        sure = (rows < len(whole)) & (found.scores >= review[found.groups]) if tiles else None
        found = discount_nested(found, settings.nested, calibration=calibration, floor=settings.floor, first=sure)
        return found if self.second_look is None else found.take(np.arange(min(SECOND_LOOKS, len(found))))

    def _look_again(
        self, classifier: Classifier, prepared: Sequence[DetectorInput], rows: Sequence[_Row]
    ) -> list[_Row]:
        looking = copy(classifier)  # limits are for photos, and these were accepted
        looking.preparer = Preparer(classifier.card.input)
        out = []
        for photo, row in zip(prepared, rows, strict=True):
            if row.found is None or photo.photo is None:
                out.append(row)
                continue
            crops = self._as_detections(photo, row.found).crops(photo.photo, margin=CROP_MARGIN)
            views = [np.ascontiguousarray(crop) for crop in crops]
            looks = looking.predict(views, batch_size=max(1, len(views)), hashes=False)
            if bad := next((look for look in looks if not look.ok), None):
                out.append(_Row(error=f"the second look failed: {bad.error}"))
                continue
            groups = self.card.groups
            seen = np.array([look.scores[groups[g]] for look, g in zip(looks, row.found.groups, strict=True)])
            fused = self.settings.fuse(row.found.scores, seen)
            order = np.argsort(-fused, kind="stable")
            order = order[fused[order] >= self.settings.floor]
            found = Boxes(row.found.boxes, fused, row.found.groups, row.found.leaves, row.found.logits).take(order)
            out.append(_Row(found, seen[order]))
        return out

    def _as_detections(self, photo: DetectorInput, found: Boxes) -> Detections:
        return Detections(
            boxes=found.boxes.astype(np.float32),
            scores=found.scores.astype(np.float32),
            groups=tuple(self.card.groups[g] for g in found.groups),
            leaves=tuple(self._leaves[i] for i in found.leaves),
            size=_size(photo),
        )

    def _detections(self, photo: DetectorInput, row: _Row, score: float | None) -> Detections:
        if row.found is None:
            status = Status.MODEL_ERROR if row.error is not None else photo.status
            return _failed(photo, status, row.error if row.error is not None else photo.error)
        points = self.card.operating_points
        least = np.array([points[g].review if score is None else score for g in self.card.groups], dtype=np.float32)
        keep = row.found.scores.astype(np.float32) >= least[row.found.groups]  # as they are given out
        crop_scores = None if row.crop_scores is None else row.crop_scores[keep].astype(np.float32)
        found = self._as_detections(photo, row.found.take(keep))
        return found if crop_scores is None else replace(found, crop_scores=crop_scores)


def _views(photo: DetectorInput) -> Iterator[tuple[View, UInt8Image]]:
    """The whole photo first, then its tiles; nothing for a photo without pixels."""
    if photo.pixels is None:
        return
    yield View(0, 0, *_size(photo)), photo.pixels
    if photo.tiles is not None:
        yield from zip(photo.views, photo.tiles, strict=True)


def _size(photo: DetectorInput) -> tuple[int, int]:
    return photo.width or 0, photo.height or 0


def _failed(photo: DetectorInput, status: Status, error: str | None) -> Detections:
    size = (photo.width, photo.height) if photo.width and photo.height else None
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    return Detections(*nothing, groups=(), leaves=(), size=size, status=status, error=error)


def _check_score(score: float | None) -> None:
    if score is not None and (
        isinstance(score, bool) or not (isinstance(score, int | float | np.number) and 0.0 <= score <= 1.0)
    ):
        raise ArgumentError(f"score must lie in [0, 1]; received {score!r}")
