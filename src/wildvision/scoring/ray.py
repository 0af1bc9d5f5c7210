"""Ray Data: decoding on CPU actors, models on (GPU) actors of their own, in one stream. Needs the extra ``ray``."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wildvision.errors import MissingExtraError
from wildvision.scoring.items import Item
from wildvision.scoring.loading import Loader
from wildvision.scoring.manifests import BY_NAME, Columns
from wildvision.scoring.pipeline import Scored, in_order, keyed, scored, without_payload
from wildvision.scoring.pool import DecodePool
from wildvision.scoring.remote import PUBLIC_ONLY, RemotePolicy
from wildvision.scoring.rows import arrow_rows, arrow_schema
from wildvision.scoring.scorer import Scorer, row_of
from wildvision.scoring.settings import ScoreSettings, usable_cores
from wildvision.scoring.spool import items_in, items_of_rows, names_of, spool, verdict_table, verdicts_in

Models = tuple[str, str | None]

logger = logging.getLogger(__name__)


def score_dataset(
    dataset: Any,
    *,
    classifier: str = "default",
    detector: str | None = None,
    columns: Columns = BY_NAME,
    decoders: int = 1,
    actors: int = 1,
    num_gpus: float = 0.0,
    num_cpus: float = 1.0,
    batch_size: int = 32,
    remote: RemotePolicy = PUBLIC_ONLY,
    **options: Any,
) -> Any:
    """Score a Ray dataset, lazily.

    Args:
        dataset: A ``ray.data.Dataset`` with a column of paths, URLs or bytes.
        classifier: Name, folder, card or Hub reference, which every actor loads.
        detector: The same for a detector.
        columns: Which column holds what. Without an ``id`` column the path is the identifier.
        decoders: Decode actors, one CPU each.
        actors: Model actors.
        num_gpus: GPUs of each model actor; 0 runs it on the CPU.
        num_cpus: CPUs of each model actor, which is also how many threads Ray lets torch use there.
        batch_size: Photos that go through the model together.
        remote: What may be fetched from where.
        options: ``device``, ``backend``, ``precision`` and ``limits``.

    Returns:
        A ``ray.data.Dataset`` with the columns of the row contract; write it with ``write_parquet``. Rows keep the
        order of the dataset if ``DataContext.execution_options.preserve_order`` is set.
    """
    ray = import_ray()
    have, need = ray.cluster_resources().get("CPU", 0.0), decoders + actors * num_cpus + 1
    if have < need:
        logger.warning(
            "Ray has %g CPUs and these stages hold %g at once, one of them for reading: on a cluster that does not "
            "grow, the run waits forever. Lower num_cpus, or give Ray more: ray.init(num_cpus=%d) may exceed the cores",
            have, need, math.ceil(need),
        )  # fmt: skip
    loader = Scorer(classifier, detector, batch_size=batch_size, **{**options, "device": "cpu"}).loader(remote)
    return _pipeline(
        dataset,
        (classifier, detector),
        loader,
        columns=columns,
        decoders=decoders,
        actors=actors,
        num_gpus=num_gpus,
        num_cpus=num_cpus,
        batch_size=batch_size,
        options=options,
    )


def run_ray(
    items: Iterator[Item], *, scorer: Scorer, settings: ScoreSettings, folder: Path, stop: threading.Event
) -> Iterator[tuple[Item, Scored]]:
    """The engine of ``score(..., settings=ScoreSettings(engine="ray"))``: items in, verdicts out in order.

    Connects to the cluster that ``RAY_ADDRESS`` names, or starts Ray on this machine.
    """
    ray = import_ray()
    models = names_of(scorer, "ray")
    place = folder / "ray"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    files = [str(path) for path in spool(items, place, stop)]
    if not files:
        return
    threads = 1
    if not ray.is_initialized():
        if "RAY_ADDRESS" in os.environ:
            ray.init(log_to_driver=False, logging_level="ERROR")
        else:
            threads = max(1, usable_cores() // settings.actors)
            slots = settings.decode_workers + settings.actors * threads + 1  # no stage may wait for another's core
            ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with _in_order(ray):
        dataset = _pipeline(
            ray.data.read_parquet(files),
            models,
            scorer.loader(settings.remote),
            columns=None,
            decoders=settings.decode_workers,
            actors=settings.actors,
            num_gpus=1.0 if scorer.classifier.device.startswith("cuda") else 0.0,
            num_cpus=threads,
            batch_size=settings.batch_size,
            options=settings.model_options,
        )
        for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
            if stop.is_set():
                break
            yield from verdicts_in(table)
    shutil.rmtree(place, ignore_errors=True)


class DecodeStage:
    """Actor of the first stage: items or rows in, loaded photos out. Needs no torch."""

    def __init__(self, loader: Loader, columns: Columns | None) -> None:
        self._pool = DecodePool(loader, workers=1, window=1024)
        self._columns = columns

    def __call__(self, table: Any) -> Any:
        """Decode one batch."""
        import pyarrow as pa

        items = items_in(table) if self._columns is None else items_of_rows(table, self._columns)
        photos: list[bytes] = []
        for pair in in_order(self._pool.run(enumerate(item.payload for item in items)), 0):
            if pair is not None:
                photos.append(pickle.dumps(pair[1], protocol=5))
                self._pool.release()
        light = [pickle.dumps(without_payload(item), protocol=5) for item in items]
        return pa.table({"item": pa.array(light, pa.binary()), "loaded": pa.array(photos, pa.binary())})


class ScoreStage:
    """Actor of the second stage: loaded photos in, verdicts or rows out."""

    def __init__(self, models: Models, batch_size: int, options: dict[str, Any], *, rows: bool) -> None:
        self._scorer = Scorer(*models, batch_size=batch_size, **options)
        self._rows = rows

    def __call__(self, table: Any) -> Any:
        """Score one batch."""
        items = items_in(table)
        loaded = enumerate(pickle.loads(cell) for cell in table.column("loaded").to_pylist())
        results = in_order(scored(keyed(loaded, share=True), self._scorer, None), 0)
        done = [(items[pair[0]], pair[1]) for pair in results if pair is not None]
        if not self._rows:
            return verdict_table(done)
        rows = [row_of(item, result.verdict, None) for item, result in done]
        return arrow_rows(rows, arrow_schema(self._scorer.groups))


def _pipeline(
    dataset: Any,
    models: Models,
    loader: Loader,
    *,
    columns: Columns | None,
    decoders: int,
    actors: int,
    num_gpus: float,
    num_cpus: float,
    batch_size: int,
    options: dict[str, Any],
) -> Any:
    from ray.data import ActorPoolStrategy

    # Ray's readers make blocks of up to 128 MiB, and a block goes through a stage as one: of small rows such as paths
    # that would be a whole dataset, decoded by one actor while the models wait.
    decoded = dataset.repartition(target_num_rows_per_block=2 * batch_size).map_batches(
        DecodeStage,
        fn_constructor_args=(loader, columns),
        batch_size=batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=decoders),
        num_cpus=1,
    )
    return decoded.map_batches(
        ScoreStage,
        fn_constructor_args=(models, batch_size, options),
        fn_constructor_kwargs={"rows": columns is not None},
        batch_size=batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=actors),
        num_cpus=num_cpus,
        num_gpus=num_gpus or None,
    )


@contextlib.contextmanager
def _in_order(ray: Any) -> Iterator[None]:
    """Rows out in the order of the rows in, for the datasets made inside."""
    options = ray.data.DataContext.get_current().execution_options
    before = options.preserve_order
    options.preserve_order = True
    try:
        yield
    finally:
        options.preserve_order = before


def import_ray() -> Any:
    """Ray, or the error that says how to get it."""
    try:
        import ray
        import ray.data
    except ImportError as e:
        raise MissingExtraError("ray", "ray") from e
    return ray
