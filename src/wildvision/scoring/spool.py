"""How a run's items travel to Ray and Spark and their verdicts back: Parquet files in the folder of the run.

Items go as pickles, between processes of one user only. On a cluster the output folder must lie where all machines see
it. Knows neither Ray nor Spark.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from wildvision.errors import ArgumentError
from wildvision.models.hub import PREFIX
from wildvision.models.registry import is_known
from wildvision.scoring.items import Item, Slice
from wildvision.scoring.manifests import Columns, item_of
from wildvision.scoring.pipeline import Scored
from wildvision.scoring.remote import is_url
from wildvision.scoring.scorer import Scorer

FILE_ROWS = 256


def spool(items: Iterable[Item], folder: Path, stop: threading.Event) -> Iterator[Path]:
    """Write items into files of :data:`FILE_ROWS`, in order, as they are asked for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = iter(items)
    number = 0
    while not stop.is_set() and (chunk := list(islice(items, FILE_ROWS))):
        path = folder / f"items-{number:08d}.parquet"
        cells = [pickle.dumps(_absolute(item), protocol=5) for item in chunk]
        pq.write_table(pa.table({"item": pa.array(cells, pa.binary())}), path)
        yield path
        number += 1


def items_in(table: Any) -> list[Item]:
    """The items of a table with a column ``item``."""
    return [pickle.loads(cell) for cell in table.column("item").to_pylist()]


def items_of_rows(table: Any, columns: Columns) -> list[Item]:
    """The items that the rows of somebody's table name; without an ``id`` column the path is the identifier.

    Raises:
        ArgumentError: No column can hold the photos, or a photo would have no identifier.
    """
    found = columns.resolve(table.column_names)
    items = [item_of(record, number, found, base=None) for number, record in enumerate(table.to_pylist())]
    if found.id is None:
        if any(item.path is None for item in items):
            raise ArgumentError("the dataset needs an id column, because not every photo has a path to be known by")
        items = [dataclasses.replace(item, id=str(item.path)) for item in items]
    return items


def verdict_table(done: Iterable[tuple[Item, Scored]]) -> Any:
    """Items with their verdicts as a table."""
    import pyarrow as pa

    pairs = [(pickle.dumps(item, protocol=5), json.dumps(result.verdict)) for item, result in done]
    items, verdicts = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"item": pa.array(items, pa.binary()), "verdict": pa.array(verdicts, pa.string())})


def verdicts_in(table: Any) -> Iterator[tuple[Item, Scored]]:
    """The reverse of :func:`verdict_table`."""
    for item, verdict in zip(items_in(table), table.column("verdict").to_pylist(), strict=True):
        yield item, Scored(json.loads(verdict))


def names_of(scorer: Scorer, engine: str) -> tuple[str, str | None]:
    """Names of the models, for the engine's workers to load them by.

    Raises:
        ArgumentError: The models were handed over loaded.
    """

    def name(model: Any) -> str:
        if not isinstance(model, str | os.PathLike):
            raise ArgumentError(
                f"engine={engine!r} loads models in its workers: pass the model's name or folder, not a loaded model"
            )
        if isinstance(model, str) and (model.startswith(PREFIX) or is_known(model)):
            return model  # as find_model takes it, whatever lies in the working folder
        return str(Path(model).absolute()) if Path(model).exists() else os.fspath(model)

    classifier, detector = scorer.named
    return name(classifier), None if detector is None else name(detector)


def _absolute(item: Item) -> Item:
    """The item with paths that hold in another process's working folder; what its row shows stays."""
    payload = item.payload
    if isinstance(payload, str) and not is_url(payload):
        return dataclasses.replace(item, payload=os.path.abspath(payload))  # noqa: PTH100  (keeps ".." over links)
    if isinstance(payload, Slice):
        archive = str(Path(payload.archive).absolute())
        return dataclasses.replace(item, payload=dataclasses.replace(payload, archive=archive))
    return item
