"""The models of a run behind one door: how to load photos for them, what they say, and who they are.

The door of every engine: the local runner, :class:`~wildvision.scoring.batch.BatchPredictor`, Ray and Spark.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wildvision.backends import DeviceMemoryError
from wildvision.contract import Detections, Prediction, Status
from wildvision.errors import ArgumentError, ModelError
from wildvision.imaging import Limits, Prepared
from wildvision.scoring.items import Item
from wildvision.scoring.loading import Loader
from wildvision.scoring.remote import RemotePolicy
from wildvision.scoring.store import CacheKey

if TYPE_CHECKING:
    from wildvision.models import Classifier, Detector

logger = logging.getLogger(__name__)

Verdict = dict[str, Any]
"""A row without what comes from the item: its id, path, listing, copy and extra columns."""

_FACTS = ("width", "height", "sha256", "phash")
_ITEM_FIELDS = ("id", "path", "listing_id")
SCORES = "2"
"""Raised whenever the numbers of one and the same model may change, so that no run and no cache mixes old and new."""

_HOPELESS = 256  # photos in a row on which the model failed
_FLOOR, _STEP = 16, 4
"""Smallest batch that runs, and what sizes of batches are multiples of. Below the floor, and for what is left over when
a CPU takes photos by fours, libraries of kernels switch to others that round differently in the last digits. So the
scores of a photo on a CPU are the same to the last bit in any batch and at any place of it."""


class Scorer:
    """Scores loaded photos.

    Args:
        classifier: A classifier, or what :func:`~wildvision.models.load_classifier` takes.
        detector: A detector, or what ``load_detector`` takes; ``None`` runs none.
        batch_size: Photos that go through the models together; halved for good where the device's memory is short.
        options: Passed to the loading functions when names are given: ``device``, ``backend``, ``precision``,
            ``limits``.

    Attributes:
        named: Classifier and detector as they were given.
    """

    def __init__(
        self, classifier: Classifier | str | os.PathLike[str], detector: Any = None, *, batch_size: int, **options: Any
    ) -> None:
        self.named = (classifier, detector)
        self.classifier = _loaded(classifier, "classifier", options)
        self.detector = None if detector is None else _loaded(detector, "detector", options)
        self.batch_size = batch_size
        self._floor = _FLOOR
        self._failures = 0

    @property
    def groups(self) -> tuple[str, ...]:
        """Product groups, in the order of the scores."""
        return tuple(self.classifier.card.groups)

    def identity(self) -> dict[str, Any]:
        """Everything about the models that changes rows, as JSON."""
        preparer = self.classifier.preparer
        return {
            **_judgement(self.classifier),
            "scores": SCORES,
            "classifier": self.classifier.model_id,
            "taxonomy": self.classifier.card.taxonomy_version,
            "precision": self.classifier.precision,
            "tta": self.classifier.tta,
            "limits": dataclasses.asdict(preparer.limits),
            "scaled_decode": preparer.scaled,
            "detector": None if self.detector is None else self.detector.model_id,
            "detector_judgement": None if self.detector is None else _judgement(self.detector),
            "detector_settings": None if self.detector is None else _settings(self.detector),
        }

    def loader(self, policy: RemotePolicy, cache: CacheKey | None = None) -> Loader:
        """What decode workers do with a photo for these models."""
        models = [self.classifier] if self.detector is None else [self.classifier, self.detector]
        limits: Limits = self.classifier.preparer.limits
        policy = dataclasses.replace(policy, max_bytes=min(policy.max_bytes, limits.max_bytes))
        return Loader(tuple(m.preparer for m in models), limits, policy, cache)

    def score(self, photos: Sequence[tuple[Prepared, ...]]) -> list[Verdict]:
        """One verdict for each photo, in order. A photo that could not be loaded or scored gets its status.

        Raises:
            ModelError: The model failed on a long row of photos, so that the fault is not theirs.
        """
        verdicts: list[Verdict] = []
        start = 0
        while start < len(photos):
            batch = photos[start : start + self.batch_size]
            try:
                predictions = self._predict(batch)
            except DeviceMemoryError as e:
                if max(len(batch), self._floor) > 1:
                    self.batch_size = max(1, max(len(batch), self._floor) // 2)
                    self._floor = min(self._floor, self.batch_size)
                    logger.warning("the device is out of memory; going on with batches of %d", self.batch_size)
                    continue
                predictions = [failed_prediction(batch[0][0], Status.MODEL_ERROR, str(e), self.model_id)]
            for prediction in predictions:
                self._watch(prediction)
                verdicts.append(verdict_of(prediction))
            start += len(batch)
        return verdicts

    @property
    def model_id(self) -> str:
        """What rows say of the models: the classifier's id, and after ``+`` that of a detector."""
        ids = (
            [self.classifier.model_id] if self.detector is None else [self.classifier.model_id, self.detector.model_id]
        )
        return "+".join(ids)

    def _predict(self, batch: Sequence[tuple[Prepared, ...]]) -> list[Prediction]:
        predictions = self._infer(self.classifier, [photo[0] for photo in batch])
        if self.detector is None:
            return predictions
        found = self._infer(self.detector, [photo[1] for photo in batch])
        return [
            _with_boxes(p, d, photo[0], self.model_id) for p, d, photo in zip(predictions, found, batch, strict=True)
        ]

    def _infer(self, model: Any, photos: list[Prepared]) -> list[Any]:
        """Results of one batch, which blank photos fill up."""
        step = _STEP if self._floor == _FLOOR else 1  # where memory is short, no more than the batch
        size = max(self._floor, -(-len(photos) // step) * step)
        blanks = [model.preparer.blank()] * (size - len(photos))
        return list(model.infer([*photos, *blanks])[: len(photos)])

    def _watch(self, prediction: Prediction) -> None:
        failed = prediction.status is Status.MODEL_ERROR
        self._failures = self._failures + 1 if failed else 0 if prediction.ok else self._failures
        if self._failures >= _HOPELESS:
            raise ModelError(
                f"the model failed on {self._failures} photos in a row, at last with: {prediction.error}. Nothing is "
                "lost: mend the model or the device and resume the run"
            )


def _with_boxes(prediction: Prediction, found: Detections, photo: Prepared, model: str) -> Prediction:
    """A prediction with its boxes. Where the detector failed the photo has, for no boxes would say: nothing there."""
    if not prediction.ok:
        return dataclasses.replace(prediction, model=model)
    if not found.ok:
        return failed_prediction(photo, found.status, f"the detector: {found.error}", model)
    return dataclasses.replace(prediction, detections=tuple(found.to_row()), model=model)


def verdict_of(prediction: Prediction) -> Verdict:
    """The verdict in a prediction."""
    row = prediction.to_row(id="")
    return {key: value for key, value in row.items() if key not in _ITEM_FIELDS}


def failed_prediction(photo: Prepared, status: Status, error: str | None, model: str) -> Prediction:
    """The prediction of a photo that could not be scored."""
    return Prediction(status, error, None, photo.width, photo.height, photo.sha256, photo.phash, model=model)


def with_facts_of(verdict: Verdict, photo: Prepared) -> Verdict:
    """A verdict on a copy with the copy's own size and hashes, as far as it was decoded; boxes are scaled to it."""
    own = {**verdict, **{key: value for key in _FACTS if (value := getattr(photo, key)) is not None}}
    if verdict["detections"] and (own["width"], own["height"]) != (verdict["width"], verdict["height"]):
        scale = own["width"] / verdict["width"], own["height"] / verdict["height"]
        own["detections"] = [
            {**found, "box": [edge * scale[i % 2] for i, edge in enumerate(found["box"])]}
            for found in verdict["detections"]
        ]
    return own


def row_of(item: Item, verdict: Verdict, copy_of: str | None) -> dict[str, Any]:
    """One row of the row contract."""
    head = {"schema": verdict["schema"], "id": item.id, "path": item.path, "listing_id": item.listing_id}
    extra = dict(item.extra) if item.extra else None
    return {**head, **verdict, "copy_of": copy_of, "extra": extra}


def verdict_in(row: Mapping[str, Any]) -> Verdict:
    """The verdict in a row of the row contract."""
    return {key: value for key, value in row.items() if key not in (*_ITEM_FIELDS, "copy_of", "extra")}


def _judgement(model: Classifier | Detector) -> dict[str, Any]:
    """What a card does beside the weights that its id names."""
    card = model.card
    return {
        "input": dataclasses.asdict(card.input),
        "calibration": {group: c.to_json() for group, c in card.calibration.items()},
        "operating_points": {group: dataclasses.asdict(p) for group, p in card.operating_points.items()},
        "boxes": card.detector.to_json() if card.detector else None,
    }


def _settings(detector: Any) -> dict[str, Any]:
    """What a detector was loaded with that changes its boxes."""
    look = detector.second_look
    return {
        "precision": detector.precision,
        "limits": dataclasses.asdict(detector.preparer.limits),
        "second_look": None if look is None else {"precision": look.precision, "tta": look.tta, **_judgement(look)},
    }


def _loaded(model: Any, kind: str, options: dict[str, Any]) -> Any:
    if isinstance(model, str | os.PathLike):
        import wildvision

        return getattr(wildvision, f"load_{kind}")(model, **options)
    if getattr(getattr(model, "card", None), "kind", None) != kind:
        raise ArgumentError(f"{kind} must be a {kind}, or what load_{kind} takes; received {model!r}")
    return model
