"""The classifier: photos in, one prediction a photo out. Decoding lives in imaging, the network behind a backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from wildvision.backends import Backend, DeviceMemoryError
from wildvision.contract import Decision, Lookalike, Prediction, Status
from wildvision.errors import ArgumentError, ModelError, at_least_one
from wildvision.imaging import DEFAULT_LIMITS, Limits, Prepared, Preparer, Source, decode
from wildvision.imaging.resizing import resize
from wildvision.models.batching import is_iterator, is_list, many, run_fitting
from wildvision.models.card import ModelCard
from wildvision.models.rollup import Rollup
from wildvision.policy import decide, deciding_group
from wildvision.taxonomy import load_taxonomy

if TYPE_CHECKING:
    from wildvision.models.explaining import Explanation

TTA = ("none", "flip", "zoom")
ZOOM = 0.625  # of the photo's width and height that a closer look at its middle shows


@dataclass(frozen=True)
class _Row:
    """What the backend made of one photo: logits and features, or an error; nothing where there were no pixels."""

    logits: npt.NDArray[np.float32] | None = None
    features: npt.NDArray[np.float32] | None = None
    error: str | None = None


class Classifier:
    """Scores photos for every product group. Made by :func:`wildvision.load_classifier`.

    Results do not depend on how photos are batched or ordered: at precision ``fp32`` they agree to 1e-4.

    Args:
        card: What the model is.
        backend: Runs its network; returns logits ``(n, groups + leaves)`` and features ``(n, d)``.
        limits: What photos may cost before they are refused.
        tta: Test-time augmentation. ``flip`` averages the logits of a photo and its mirror image, ``zoom`` those of a
            photo and its middle five eighths; either takes twice the time. Calibration and operating points of the
            card hold for ``none``.

    Raises:
        ArgumentError: ``tta`` is not one of the three.
        ModelError: The card is not a classifier's, or its classes are not the library's.
    """

    def __init__(
        self, card: ModelCard, backend: Backend, *, limits: Limits = DEFAULT_LIMITS, tta: str = "none"
    ) -> None:
        if tta not in TTA:
            raise ArgumentError(f"tta must be one of {', '.join(TTA)}; received {tta!r}")
        if card.kind != "classifier":
            raise ModelError(f"model {card.name!r} is a {card.kind}, not a classifier; use load_{card.kind}")
        taxonomy = load_taxonomy()
        card.check_taxonomy(taxonomy)
        self.card = card
        self.tta = tta
        self.preparer = Preparer(card.input, limits)
        self._backend = backend
        self._rollup = Rollup.of(taxonomy)
        self._lookalikes = taxonomy.lookalike_names
        self._group_of = {leaf: taxonomy.group_of(leaf) for leaf in taxonomy.leaf_names}

    def __repr__(self) -> str:
        return f"Classifier({self.model_id!r}, device={self.device!r}, precision={self.precision!r})"

    @property
    def model_id(self) -> str:
        """As written into every output row: :attr:`wildvision.models.ModelCard.model_id`."""
        return self.card.model_id

    @property
    def device(self) -> str:
        """Where the network runs, such as ``cpu`` or ``cuda:0``."""
        return self._backend.device

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``bf16``."""
        return self._backend.precision

    @cached_property
    def embedding_size(self) -> int:
        """Length ``d`` of an embedding."""
        size = self.card.input.size
        return int(self._backend(np.zeros((1, size, size, 3), np.uint8))[1].shape[1])

    @overload
    def predict(
        self, x: list[Any] | tuple[Any, ...], *, batch_size: int = ..., hashes: bool = ...
    ) -> list[Prediction]: ...
    @overload
    def predict(self, x: Iterator[Any], *, batch_size: int = ..., hashes: bool = ...) -> Iterator[Prediction]: ...
    @overload
    def predict(self, x: Source, *, batch_size: int = ..., hashes: bool = ...) -> Prediction: ...
    def predict(
        self, x: Any, *, batch_size: int = 32, hashes: bool = True
    ) -> Prediction | list[Prediction] | Iterator[Prediction]:
        """Score one photo, or many in input order.

        A bad photo never raises; its prediction carries the status. Neither does a failing network: ``model_error``.

        Args:
            x: One photo (path, bytes, file object, PIL image, numpy array, torch tensor); a list or tuple of
                photos, or another collection that is no photo itself (a set, a column of a data frame, an array of
                paths); or an iterator over photos, which is read ``batch_size`` photos at a time as predictions are
                asked for.
            batch_size: Photos that go through the network together; halved on the spot where the device's
                memory is short.
            hashes: Also compute ``sha256`` and ``phash``.

        Returns:
            One prediction for one photo, a list for a collection, a lazy iterator for an iterator.

        Raises:
            ArgumentError: ``batch_size`` is below 1.
        """
        at_least_one("batch_size", batch_size)
        predictions = (
            prediction
            for prepared, rows in self._batches(many(x), batch_size, hashes)
            for prediction in self._predictions(prepared, rows)
        )
        if is_list(x):
            return list(predictions)
        return predictions if is_iterator(x) else next(predictions)

    def embed(self, x: Any, *, batch_size: int = 32) -> npt.NDArray[np.float32]:
        """Features of the layer before the head, for heads of your own.

        Args:
            x: As for :meth:`predict`; an iterator is read to its end.
            batch_size: As for :meth:`predict`.

        Returns:
            ``(n, d)`` float32, one row a photo in input order, ``n = 1`` for one photo. The row of a photo that
            could not be read or run is NaN.

        Raises:
            ArgumentError: ``batch_size`` is below 1.
        """
        at_least_one("batch_size", batch_size)
        rows = [row.features for _, batch in self._batches(many(x), batch_size, hashes=False) for row in batch]
        size = next((len(row) for row in rows if row is not None), None) or self.embedding_size
        features = np.full((len(rows), size), np.nan, np.float32)
        for out, row in zip(features, rows, strict=True):
            if row is not None:
                out[:] = row
        return features

    def explain(self, source: Source, group: str, *, method: str = "activation") -> Explanation:
        """Where in a photo the score of a group comes from.

        Args:
            source: One photo, as for :meth:`predict`.
            group: Name of a product group.
            method: ``activation`` for class activation, one run of the network; ``occlusion`` for how far the score
                falls where a place is hidden, 65 runs.

        Raises:
            ArgumentError: An unknown group or method, a photo that cannot be read or run, or ``activation`` of a
                backend that gives no gradients or of a network without feature maps.
        """
        from wildvision.models.explaining import METHODS, Explanation, class_activation, occlusion

        if method not in METHODS:
            raise ArgumentError(f"method must be one of {', '.join(METHODS)}; received {method!r}")
        decoded = decode(source, limits=self.preparer.limits)
        if decoded.image is None:
            raise ArgumentError(f"the photo cannot be explained: {decoded.status.value}, {decoded.error}")
        if method == "occlusion":
            return Explanation(group, occlusion(self, decoded.image, group), decoded.image)
        network = getattr(self._backend, "module", None)
        if network is None:
            raise ArgumentError("this backend gives no gradients; explain with method='occlusion'")
        return Explanation(group, class_activation(network, self.card.input, decoded.image, group), decoded.image)

    def prepare(self, source: Source, *, hashes: bool = True) -> Prepared:
        """Decode and preprocess one photo: CPU only, thread-safe. ``preparer`` is the same for process pools."""
        return self.preparer(source, hashes=hashes)

    def infer(self, prepared: Sequence[Prepared]) -> list[Prediction]:
        """Predictions of prepared photos as one batch; same order and length, failures pass through.

        Raises:
            DeviceMemoryError: The batch does not fit on the device. Nothing else raises.
        """
        return self._predictions(prepared, self._run(prepared))

    def logits(self, prepared: Sequence[Prepared]) -> npt.NDArray[np.float32]:
        """Raw outputs of prepared photos as one batch, for measuring and calibrating; no policy is applied.

        Returns:
            ``(n, groups + leaves)``, one row a photo in input order; NaN for a photo that could not be read or run.
        """
        out = np.full((len(prepared), self._rollup.outputs), np.nan, np.float32)
        for target, row in zip(out, self._run_fitting(prepared), strict=True):
            if row.logits is not None:
                target[:] = row.logits
        return out

    def _batches(
        self, sources: Iterable[Any], batch_size: int, hashes: bool
    ) -> Iterator[tuple[list[Prepared], list[_Row]]]:
        sources = iter(sources)
        while batch := [self.prepare(source, hashes=hashes) for source in islice(sources, batch_size)]:
            yield batch, self._run_fitting(batch)

    def _run_fitting(self, prepared: Sequence[Prepared]) -> list[_Row]:
        """As :meth:`_run`, in halves where the device's memory is short."""
        return run_fitting(self._run, prepared, lambda error: _Row(error=error))

    def _run(self, prepared: Sequence[Prepared]) -> list[_Row]:
        pixels = [p.pixels for p in prepared if p.pixels is not None]
        rows = iter(self._forward(np.stack(pixels)) if pixels else [])
        return [_Row() if p.pixels is None else next(rows) for p in prepared]

    def _forward(self, batch: npt.NDArray[np.uint8]) -> list[_Row]:
        try:
            logits, features = self._backend(batch)
            if self.tta != "none":
                again = self._backend(batch[:, :, ::-1] if self.tta == "flip" else self._middle(batch))
                logits, features = 0.5 * (logits + again[0]), 0.5 * (features + again[1])
        except DeviceMemoryError:
            raise
        except Exception as error:  # whatever a network or its runtime throws costs the photo, never the batch
            if len(batch) == 1:
                return [_Row(error=f"the model failed: {type(error).__name__}: {error}".splitlines()[0])]
            return [row for photo in batch for row in self._forward(photo[None])]
        finite = np.all(np.isfinite(logits), axis=1)
        return [
            _Row(logits=row, features=f) if ok else _Row(error="the model's outputs are not finite")
            for row, f, ok in zip(logits, features, finite, strict=True)
        ]

    def _middle(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The middle of photos ``(n, S, S, 3)``, enlarged to their size."""
        side = batch.shape[1]
        kept = round(ZOOM * side)
        start = (side - kept) // 2
        parts = np.ascontiguousarray(batch[:, start : start + kept, start : start + kept])
        return np.stack([resize(part, side, side, self.card.input.interpolation) for part in parts])

    def _predictions(self, prepared: Sequence[Prepared], rows: Sequence[_Row]) -> list[Prediction]:
        logits = [row.logits for row in rows if row.logits is not None]
        scored = iter(self._scores(np.stack(logits)) if logits else [])
        return [
            self._prediction(p, row, {} if row.logits is None else next(scored))
            for p, row in zip(prepared, rows, strict=True)
        ]

    def _prediction(self, prepared: Prepared, row: _Row, scored: dict[str, Any]) -> Prediction:
        failed = row.error is not None
        return Prediction(
            status=Status.MODEL_ERROR if failed else prepared.status,
            error=row.error if failed else prepared.error,
            path=prepared.path,
            width=prepared.width,
            height=prepared.height,
            sha256=prepared.sha256,
            phash=prepared.phash,
            model=self.model_id,
            **scored,
        )

    def _scores(self, logits: npt.NDArray[np.float32]) -> list[dict[str, Any]]:
        """The fields of :class:`Prediction` that come from the network, one mapping a row."""
        raw = self._rollup.group_logits(logits)
        groups = self._rollup.groups
        scores = np.stack([self.card.calibration[g].apply(raw[:, k]) for k, g in enumerate(groups)], axis=1)
        leaves = self._rollup.leaf_probabilities(logits)
        return [
            self._judgement(dict(zip(groups, s, strict=True)), dict(zip(self._rollup.leaves, p, strict=True)))
            for s, p in zip(scores.tolist(), leaves.tolist(), strict=True)
        ]

    def _judgement(self, scores: dict[str, float], leaves: dict[str, float]) -> dict[str, Any]:
        decision = decide(scores, self.card.operating_points)
        top = deciding_group(scores, self.card.operating_points)
        products = [leaf for leaf, group in self._group_of.items() if group == top]
        lookalike = max(self._lookalikes, key=lambda leaf: leaves[leaf])
        return {
            "scores": scores,
            "leaves": leaves,
            "group": top,
            "leaf": None if decision is Decision.PASS else max(products, key=lambda leaf: leaves[leaf]),
            "lookalike": Lookalike(lookalike, leaves[lookalike], scores[top] - leaves[lookalike]),
            "decision": decision,
        }
