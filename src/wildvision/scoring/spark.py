"""Spark: score a DataFrame with mapInArrow or predict_batch_udf. Needs the extra ``spark`` and Java 17 or newer."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wildvision.errors import MissingExtraError
from wildvision.models.registry import find_model
from wildvision.scoring.batch import BatchPredictor
from wildvision.scoring.items import Item
from wildvision.scoring.manifests import BY_NAME, Columns
from wildvision.scoring.pipeline import Scored
from wildvision.scoring.remote import PUBLIC_ONLY, RemotePolicy
from wildvision.scoring.rows import arrow_rows, arrow_schema
from wildvision.scoring.scorer import Scorer, row_of
from wildvision.scoring.settings import ScoreSettings
from wildvision.scoring.spool import items_in, items_of_rows, names_of, spool, verdict_table, verdicts_in
from wildvision.taxonomy import load_taxonomy

_VERDICT = ("status", "error", "decision", "leaf")
_FILES_PER_JOB = 16  # for each task that runs at once; between jobs rows reach the parts


def score_dataframe(
    frame: Any,
    *,
    classifier: str = "default",
    detector: str | None = None,
    columns: Columns = BY_NAME,
    batch_size: int = 32,
    workers: int = 1,
    remote: RemotePolicy = PUBLIC_ONLY,
    **options: Any,
) -> Any:
    """Score a Spark DataFrame, lazily. Each Python worker of Spark loads the model once and keeps it.

    Args:
        frame: A ``pyspark.sql.DataFrame`` with a column of paths, URLs or bytes.
        classifier: Name, folder, card or Hub reference that exists on every executor.
        detector: The same for a detector.
        columns: Which column holds what. Without an ``id`` column the path is the identifier.
        batch_size: Photos that go through the model together.
        workers: Decode workers of each task.
        remote: What may be fetched from where.
        options: ``device``, ``backend``, ``precision`` and ``limits``.

    Returns:
        A DataFrame with the columns of the row contract; further columns of ``frame`` are in ``extra`` as JSON.
        Partitions and the order in them stay.
    """
    import_spark()
    from pyspark.sql.pandas.types import from_arrow_schema

    config = (classifier, detector, batch_size, workers, remote, tuple(sorted(options.items())))
    schema = arrow_schema(tuple(find_model(classifier).card.groups))
    return frame.mapInArrow(partial(_score_batches, config, columns), from_arrow_schema(schema))


def make_predict_fn(
    classifier: str = "default", *, detector: str | None = None, batch_size: int = 32, workers: int = 1, **options: Any
) -> Callable[[Any], dict[str, Any]]:
    """What ``pyspark.ml.functions.predict_batch_udf`` asks for; give options with :func:`functools.partial`.

    ``predict_batch_udf(make_predict_fn, return_type=predict_type(), batch_size=64)`` makes a function of one column
    of paths, URLs or bytes. It gives the verdict only; :func:`score_dataframe` gives whole rows.

    Returns:
        A function from ``n`` photos to the fields of :func:`predict_type`, each an array of length ``n``.
    """
    config = (classifier, detector, batch_size, workers, PUBLIC_ONLY, tuple(sorted(options.items())))

    def predict(photos: Any) -> dict[str, Any]:
        values = [photo if isinstance(photo, str) else bytes(photo) for photo in photos]
        found = _predictor(config)({"image": values})
        verdict = {field: np.array(found[field], object) for field in _VERDICT}
        scores = [[np.nan if s is None else s[group] for s in found["scores"]] for group in load_taxonomy().group_names]
        return verdict | dict(zip(load_taxonomy().group_names, np.array(scores), strict=True))

    return predict


def predict_type() -> Any:
    """Spark type of what :func:`make_predict_fn` gives: status, error, decision, leaf, and a score for each group."""
    import_spark()
    from pyspark.sql import types as t

    text = [t.StructField(name, t.StringType()) for name in _VERDICT]
    return t.StructType([*text, *(t.StructField(group, t.DoubleType()) for group in load_taxonomy().group_names)])


def run_spark(
    items: Iterator[Item], *, scorer: Scorer, settings: ScoreSettings, folder: Path, stop: threading.Event
) -> Iterator[tuple[Item, Scored]]:
    """The engine of ``score(..., settings=ScoreSettings(engine="spark"))``: items in, verdicts out in order.

    Uses the active Spark session or starts one, on ``local[actors]`` unless Spark is configured otherwise.
    """
    session = _session(settings.actors)
    classifier, detector = names_of(scorer, "spark")
    options = tuple(sorted(settings.model_options.items()))
    config = (classifier, detector, settings.batch_size, settings.decode_workers, settings.remote, options)
    place = folder / "spark"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    files = spool(items, place, stop)
    at_once = max(1, int(session.sparkContext.defaultParallelism))
    while chunk := list(islice(files, at_once * _FILES_PER_JOB)):
        names = [str(path) for path in chunk]
        # one partition a file: the range is only a way to number them
        work = session.range(0, len(names), 1, len(names)).mapInArrow(partial(_score_files, config, names), "id bigint")
        work.collect()
        for path in chunk:
            yield from verdicts_in(_read(_verdicts_of(path)))
            path.unlink()
            _verdicts_of(path).unlink()
    shutil.rmtree(place, ignore_errors=True)


@cache
def _predictor(config: Any) -> BatchPredictor:
    """One predictor for each Python worker of Spark, which outlives its tasks."""
    classifier, detector, batch_size, workers, remote, options = config
    return BatchPredictor(
        classifier, detector=detector, batch_size=batch_size, workers=workers, remote=remote, **dict(options)
    )


def _score_batches(config: Any, columns: Columns, batches: Iterator[Any]) -> Iterator[Any]:
    import pyarrow as pa

    groups = tuple(load_taxonomy().group_names)
    for batch in batches:
        items = items_of_rows(pa.Table.from_batches([batch]), columns)
        rows = [row_of(item, done.verdict, None) for item, done in _predictor(config).stream(items)]
        yield from arrow_rows(rows, arrow_schema(groups)).to_batches()


def _score_files(config: Any, names: list[str], batches: Iterator[Any]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    for batch in batches:
        for number in batch.column("id").to_pylist():
            path = Path(names[number])
            table = verdict_table(_predictor(config).stream(items_in(_read(path))))
            temporary = path.with_suffix(".tmp")
            pq.write_table(table, temporary)
            temporary.replace(_verdicts_of(path))
        yield batch


def _verdicts_of(path: Path) -> Path:
    return path.with_name(path.name.replace("items-", "verdicts-"))


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _session(tasks: int) -> Any:
    spark = import_spark()
    if active := spark.sql.SparkSession.getActiveSession():
        return active
    builder = spark.sql.SparkSession.builder.appName("wildvision").config("spark.ui.enabled", "false")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark would take the first python3 on PATH
    if "spark.master" not in dict(spark.SparkConf().getAll()):
        builder = builder.master(f"local[{tasks}]")
    return builder.getOrCreate()


def import_spark() -> Any:
    """Spark, or the error that says how to get it."""
    try:
        import pyspark
        import pyspark.sql
    except ImportError as e:
        raise MissingExtraError("pyspark", "spark") from e
    return pyspark
