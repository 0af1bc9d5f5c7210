"""How a run scores, apart from what it scores with which model. Values and their checks only."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from wildvision.errors import ArgumentError, at_least_one
from wildvision.imaging import DEFAULT_LIMITS, Limits
from wildvision.scoring.items import WHOLE, Shard
from wildvision.scoring.manifests import BY_NAME, Columns
from wildvision.scoring.pool import Isolation
from wildvision.scoring.progress import Counters, ProgressMode
from wildvision.scoring.remote import PUBLIC_ONLY, RemotePolicy
from wildvision.scoring.sinks import Format

Dedupe = Literal["exact", "near", "off"]
Engine = Literal["local", "ray", "spark"]


@dataclass(frozen=True)
class ScoreSettings:
    """How a run scores. The defaults suit one machine.

    Attributes:
        format: Of the parts: ``jsonl`` or ``parquet``.
        rows_per_part: Rows in a part; the most work that a kill can cost.
        shard: Which part of the source this run scores.
        columns: Which columns of a manifest mean what.
        dedupe: ``exact`` scores equal files once; ``near`` also gives photos whose perceptual hash differs in at most
            three bits the scores of the first of them; ``off`` scores everything. Copies say so in ``copy_of``.
        cache: SQLite file that keeps scores for later runs, by content and model.
        workers: Decode workers; one for each core by default.
        isolation: ``process`` or ``thread``, see :class:`~wildvision.scoring.pool.DecodePool`.
        batch_size: Photos that go through the model together.
        remote: What may be fetched from where.
        device: For models given by name, as in ``load_classifier``.
        backend: For models given by name, as in ``load_classifier``.
        precision: For models given by name, as in ``load_classifier``. Rows of different precision differ slightly.
        limits: For models given by name: what one photo may cost. A worker needs up to 15 bytes for each pixel that
            ``max_pixels`` allows.
        engine: ``local``, ``ray`` or ``spark``; the rows are the same.
        actors: Model actors or tasks of the engines other than ``local``.
        progress: ``auto`` (a bar on a terminal), ``bar``, ``json`` (lines on stderr) or ``none``.
        on_progress: Called twice a second and at the end with the counters of the run.
    """

    format: Format = "jsonl"
    rows_per_part: int = 5000
    shard: Shard = WHOLE
    columns: Columns = BY_NAME
    dedupe: Dedupe = "exact"
    cache: str | os.PathLike[str] | None = None
    workers: int | None = None
    isolation: Isolation = "process"
    batch_size: int = 32
    remote: RemotePolicy = PUBLIC_ONLY
    device: str = "auto"
    backend: str = "torch"
    precision: str = "auto"
    limits: Limits = DEFAULT_LIMITS
    engine: Engine = "local"
    actors: int = 1
    progress: ProgressMode = "auto"
    on_progress: Callable[[Counters], None] | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in get_args(allowed):
                raise ArgumentError(
                    f"{name} must be one of {', '.join(get_args(allowed))}; received {getattr(self, name)!r}"
                )
        for name in ("rows_per_part", "batch_size", "actors"):
            at_least_one(name, getattr(self, name))
        if self.workers is not None:
            at_least_one("workers", self.workers)
        for name, kind in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise ArgumentError(f"{name} must be a {kind.__name__}; received {getattr(self, name)!r}")
        if self.engine != "local" and self.dedupe == "near":
            raise ArgumentError("dedupe='near' needs the rows in order before they are scored: use engine='local'")

    @property
    def decode_workers(self) -> int:
        """Workers to start."""
        return self.workers or usable_cores()

    @property
    def window(self) -> int:
        """Most photos in the pipeline at once."""
        return max(4 * self.batch_size, 8 * self.decode_workers)

    @property
    def model_options(self) -> dict[str, Any]:
        """Arguments of the loading functions for models given by name."""
        return {"device": self.device, "backend": self.backend, "precision": self.precision, "limits": self.limits}

    def recorded(self) -> dict[str, Any]:
        """The settings that change rows, as JSON; a run is not resumed with others."""
        return {
            "format": self.format,
            "shard": str(self.shard),
            "columns": asdict(self.columns),
            "dedupe": self.dedupe,
            "allow_private_addresses": self.remote.allow_private,
            "max_bytes": self.remote.max_bytes,
        }

    def cache_path(self, private: Path) -> Path | None:
        """Where scores are kept during the run: in the file named, else in ``private`` if copies are to be found."""
        if self.cache is not None:
            return Path(self.cache)
        return None if self.dedupe == "off" else private

    @property
    def cache_files(self) -> tuple[Path, ...]:
        """The file that ``cache`` names, and those that SQLite puts beside it."""
        ends = ("", "-wal", "-shm", "-journal")
        return () if self.cache is None else tuple(Path(f"{os.fspath(self.cache)}{end}") for end in ends)


_CHOICES: dict[str, Any] = {
    "format": Format,
    "dedupe": Dedupe,
    "isolation": Isolation,
    "engine": Engine,
    "progress": ProgressMode,
}

_KINDS: dict[str, type] = {"shard": Shard, "columns": Columns, "remote": RemotePolicy, "limits": Limits}


DEFAULTS = ScoreSettings()


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
