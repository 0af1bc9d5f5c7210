"""A predictor for other people's frameworks: a plain dict of columns in, a plain dict of columns out. It pickles."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, get_args

from wildvision.errors import ArgumentError, at_least_one
from wildvision.scoring.items import Item
from wildvision.scoring.manifests import BY_NAME, Columns, item_of
from wildvision.scoring.pipeline import Scored, in_order, keyed, scored, without_payload
from wildvision.scoring.pool import DecodePool, Isolation
from wildvision.scoring.remote import PUBLIC_ONLY, RemotePolicy
from wildvision.scoring.rows import ROW_FIELDS
from wildvision.scoring.scorer import Scorer, row_of


class BatchPredictor:
    """Scores batches given as columns. Loads its models at the first batch and keeps them.

    Several threads may share one: their batches take turns. A process forked off starts decode workers of its own, and
    runs a network that the parent ran on the CPU on one thread; a model on a GPU does not survive a fork.

    Args:
        classifier: Name, folder, card or Hub reference of a classifier, as for ``load_classifier``. A loaded classifier
            works too, but such a predictor does not pickle.
        detector: The same for a detector; ``None`` runs none.
        columns: Which column holds what; found by name where not given.
        batch_size: Photos that go through the model together.
        workers: Decode workers of this predictor.
        isolation: ``process`` or ``thread``, see :class:`~wildvision.scoring.pool.DecodePool`.
        remote: What may be fetched from where.
        options: ``device``, ``backend``, ``precision`` and ``limits`` for models given by name.

    Raises:
        ArgumentError: ``batch_size`` or ``workers`` is no whole number above 0, or there is no such ``isolation``.
    """

    def __init__(
        self,
        classifier: Any = "default",
        *,
        detector: Any = None,
        columns: Columns = BY_NAME,
        batch_size: int = 32,
        workers: int = 1,
        isolation: Isolation = "process",
        remote: RemotePolicy = PUBLIC_ONLY,
        **options: Any,
    ) -> None:
        at_least_one("batch_size", batch_size)
        at_least_one("workers", workers)
        if isolation not in get_args(Isolation):
            raise ArgumentError(f"isolation must be one of {', '.join(get_args(Isolation))}; received {isolation!r}")
        self._models = (classifier, detector)
        self._columns, self._remote, self._options = columns, remote, options
        self._batch_size, self._workers, self._isolation = batch_size, workers, isolation
        self._scorer: Scorer | None = None
        self._places: dict[int, _Place] = {}

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Score one batch.

        Args:
            columns: Equally long columns. One holds the photos: paths, URLs, bytes, arrays or PIL images. ``id`` and
                ``listing_id`` are used as such.

        Returns:
            The columns of the row contract, in the order of the batch, and further columns of the input unchanged.

        Raises:
            ArgumentError: No column can hold the photos, columns differ in length, or a further column has a name of
                the row contract.
        """
        found = self._columns.resolve(columns)
        used = {found.path, found.bytes, found.id, found.listing}
        further = {name: list(values) for name, values in columns.items() if name not in used}
        if taken := sorted(set(further) & set(ROW_FIELDS)):
            raise ArgumentError(f"columns {', '.join(taken)} would collide with columns of the result; rename them")
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ArgumentError(f"columns must be equally long; received {lengths}")
        kept = {name: columns[name] for name in columns if name in used}
        records = (dict(zip(kept, values, strict=True)) for values in zip(*kept.values(), strict=True))
        items = (item_of(record, number, found, base=None) for number, record in enumerate(records))
        rows = [row_of(item, done.verdict, None) for item, done in self.stream(items)]
        return {field: [row[field] for row in rows] for field in ROW_FIELDS} | further

    def stream(self, items: Iterable[Item]) -> Iterator[tuple[Item, Scored]]:
        """Score items lazily, in order; what Spark tasks run. Other threads wait until the last item is through.

        Raises:
            ArgumentError: This thread has another stream of the predictor open, for which it would wait forever.
        """
        place = self._place()
        if place.holder == threading.get_ident():
            raise ArgumentError("this thread has a stream of the predictor open; finish or close that first")
        with place.turn:
            place.holder = threading.get_ident()
            try:
                yield from self._score(items, *self._load(place))
            finally:
                place.holder = None

    def _score(self, items: Iterable[Item], scorer: Scorer, pool: DecodePool) -> Iterator[tuple[Item, Scored]]:
        flying: dict[int, Item] = {}

        def feed() -> Iterator[tuple[int, Any]]:
            for number, item in enumerate(items):
                flying[number] = without_payload(item)
                yield number, item.payload

        for pair in in_order(scored(keyed(pool.run(feed()), share=True), scorer, None), 0):
            if pair is not None:
                yield flying.pop(pair[0]), pair[1]
                pool.release()

    def close(self) -> None:
        """End the decode workers, once no other thread has a batch under way; the next batch starts them again."""
        place = self._place()
        own = place.holder == threading.get_ident()  # a stream that was broken off
        with contextlib.nullcontext() if own else place.turn:
            if place.pool is not None:
                place.pool.close()

    def __enter__(self) -> BatchPredictor:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        for model in self._models:
            if model is not None and not isinstance(model, str | os.PathLike):
                raise ArgumentError(
                    "a BatchPredictor with a loaded model does not pickle; construct it with the model's name or folder"
                )
        return {**self.__dict__, "_scorer": None, "_places": {}}

    def _place(self) -> _Place:
        """What belongs to this process; a fork's copy of the parent's is dropped, its workers and locks among it."""
        here = os.getpid()
        for pid in [pid for pid in list(self._places) if pid != here]:
            self._places.pop(pid, None)
            if self._scorer is not None:
                _survive_fork()
        return self._places.setdefault(here, _Place())

    def _load(self, place: _Place) -> tuple[Scorer, DecodePool]:
        if self._scorer is None:
            self._scorer = Scorer(*self._models, batch_size=self._batch_size, **self._options)
        if place.pool is None:
            window = max(4 * self._batch_size, 8 * self._workers)
            loader = self._scorer.loader(self._remote)
            place.pool = DecodePool(loader, workers=self._workers, window=window, isolation=self._isolation)
        return self._scorer, place.pool


class _Place:
    """What a predictor has in one process.

    Attributes:
        turn: Held while a batch is under way.
        holder: The thread that holds it.
        pool: The decode workers.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.holder: int | None = None
        self.pool: DecodePool | None = None


def _survive_fork() -> None:
    """The threads of a network did not come along, and OpenMP would wait for them."""
    import torch

    torch.set_num_threads(1)
