"""One run from source to parts: resume, score, write, and leave the folder so that the run can go on.

How photos are scored is the engine's business (:mod:`~wildvision.scoring.local`, ``ray``, ``spark``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring.items import Fingerprint, Item, file_sha256
from wildvision.scoring.listings import NAME as LISTINGS
from wildvision.scoring.listings import write_listings
from wildvision.scoring.local import run_local
from wildvision.scoring.pipeline import Scored
from wildvision.scoring.progress import Progress
from wildvision.scoring.report import ScoreReport
from wildvision.scoring.runmanifest import NAME, STATE, ResumeError, RunManifest, locked, skip_finished
from wildvision.scoring.scorer import Scorer, row_of, verdict_in
from wildvision.scoring.settings import DEFAULTS, Engine, ScoreSettings
from wildvision.scoring.sinks import LOG, Part, PartWriter, read_parts, read_rows, sweep
from wildvision.scoring.sources import Source, open_source, shard_of
from wildvision.scoring.spool import names_of
from wildvision.scoring.store import CacheKey, Originals, ScoreCache

if TYPE_CHECKING:
    from wildvision.models import Classifier


def score(
    source: Any,
    out: str | os.PathLike[str],
    *,
    classifier: Classifier | str | os.PathLike[str] = "default",
    detector: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    settings: ScoreSettings = DEFAULTS,
) -> ScoreReport:
    """Score every photo of a source into a folder: one row for each, in the order of the source.

    Photos are only read. A photo that cannot be scored gets a row that says why. The run can be stopped at any moment,
    even by force, and taken up again with ``resume=True``; SIGINT and SIGTERM end it in good order (a second one at
    once).

    Args:
        source: A folder, glob, manifest, archive, URL, iterable or :class:`~wildvision.scoring.sources.Source`; see
            :func:`~wildvision.scoring.sources.open_source`.
        out: Folder for ``part-00000.jsonl`` and so on, ``parts.jsonl``, ``manifest.json`` and ``listings.jsonl``.
        classifier: A classifier, or what :func:`~wildvision.models.load_classifier` takes.
        detector: A detector, or what ``load_detector`` takes; ``None`` runs none.
        resume: Go on with the run that the folder holds, if it holds one.
        overwrite: Remove the run that the folder holds, if it holds one, once model and source proved usable.
        settings: Everything else.

    Raises:
        ArgumentError: The source or a setting is unusable, or the folder holds a run and neither ``resume`` nor
            ``overwrite`` is given.
        ResumeError: The run in the folder was made with another model, configuration or input.
        ModelError: A model cannot be loaded, or fails whatever the photo.
    """
    folder = Path(out)
    kept = (folder, *settings.cache_files)
    inputs = shard_of(
        open_source(source, columns=settings.columns, policy=settings.remote, exclude=kept), settings.shard
    )
    if resume and overwrite:
        raise ArgumentError("resume and overwrite exclude each other: go on with the run, or remove it?")
    _import_engine(settings.engine)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        before = None if overwrite else RunManifest.read(folder)
        if before is not None and not resume:
            raise ArgumentError(
                f"{folder} holds a run already ({before.state}); go on with it by resume=True (--resume), remove it by "
                "overwrite=True (--overwrite), or choose another folder"
            )
        if not (folder / NAME).exists() and ((folder / LOG).exists() or any(folder.glob("part-*"))):
            raise ArgumentError(f"{folder} holds parts without a {NAME}; choose another folder")
        scorer = Scorer(classifier, detector, batch_size=settings.batch_size, **settings.model_options)
        if settings.engine != "local":
            names_of(scorer, settings.engine)  # refuses what its workers cannot load
        manifest = RunManifest("running", inputs.describe(), scorer.identity(), settings.recorded())
        parts: list[Part] = []
        if before is not None:
            before.refuse_changes(manifest, folder)
            parts = read_parts(folder)
            sweep(folder, parts)
            whole = before.totals is not None and before.totals["rows"] == sum(part.rows for part in parts)
            manifest = before if whole else dataclasses.replace(before, state="running", totals=None)
        items = iter(inputs)
        first = list(islice(items, 1))
        if overwrite:  # not before model and input have proved to be usable
            _clear(folder)
        return _Run(folder, inputs, chain(first, items), scorer, settings, manifest, parts).go()


class _Run:
    """The state of one run between its first and its last row."""

    def __init__(
        self,
        folder: Path,
        source: Source,
        items: Iterator[Item],
        scorer: Scorer,
        settings: ScoreSettings,
        manifest: RunManifest,
        parts: list[Part],
    ) -> None:
        self._folder, self._source, self._items = folder, source, items
        self._scorer, self._settings = scorer, settings
        self._manifest, self._parts = manifest, parts
        self._finished = manifest.totals is not None
        self._writer = PartWriter(folder, settings.format, scorer.groups, parts)
        self._fingerprint = Fingerprint()
        self._stop = threading.Event()

    def go(self) -> ScoreReport:
        settings, resumed = self._settings, self._writer.rows
        items = self._items
        skip_finished(items, self._parts, self._fingerprint, self._folder)
        if self._finished:
            if next(items, None) is not None:
                raise ResumeError(
                    f"the run in {self._folder} is complete with {resumed} rows, and the input has more photos now. "
                    "Score the new ones into a new folder"
                )
            shutil.rmtree(self._folder / STATE, ignore_errors=True)  # a kill may have come before that
            return self._report(resumed, 0.0, complete=True)
        self._manifest.write(self._folder)
        progress = Progress(
            settings.progress,
            resumed=resumed,
            source=self._source,
            callback=settings.on_progress,
        )
        state = self._folder / STATE
        near = settings.dedupe == "near"
        cache_path = settings.cache_path(state / "scores.sqlite")
        place = str(cache_path.absolute()) if near and cache_path else ""
        with (
            progress,
            Originals(state / "originals.sqlite", since=resumed, near=near, cache=place) as originals,
            contextlib.ExitStack() as stack,
            _signals(self._stop),
        ):
            key = CacheKey(str(cache_path), _model_key(self._scorer)) if cache_path else None
            cache = stack.enter_context(contextlib.closing(ScoreCache(key))) if key else None
            if originals.lacking:
                self._remember(originals, cache if near else None)
            rows = self._engine(items, resumed, key, cache, originals)
            stack.enter_context(contextlib.closing(rows))
            try:
                for item, done in rows:
                    self._write(item, done, originals, progress)
                self._finish_part(originals)
            except BaseException:
                self._keep_what_is_done(originals)
                raise
        return self._report(resumed, progress.counters.seconds, complete=not self._stop.is_set())

    def _remember(self, originals: Originals, cache: ScoreCache | None) -> None:
        """Learn from finished rows which are originals, and with a cache the scores that near copies take from them."""
        seen = (Status.OK, Status.MODEL_ERROR) if cache else (Status.OK,)
        originals.forget()
        rows = enumerate(read_rows(self._folder))
        while some := list(islice(rows, 1000)):
            firsts = [(n, r) for n, r in some if r["copy_of"] is None and r["sha256"] and r["status"] in seen]
            for number, row in firsts:
                originals.find_or_add(row["sha256"], row["phash"], number, row["id"])
            if cache is not None:
                cache.put({row["sha256"]: verdict_in(row) for _, row in firsts if row["status"] == Status.OK})
        originals.commit(self._writer.rows)

    def _engine(
        self,
        items: Iterator[Item],
        start: int,
        key: CacheKey | None,
        cache: ScoreCache | None,
        originals: Originals,
    ) -> Any:
        settings = self._settings
        if settings.engine == "ray":
            from wildvision.scoring.ray import run_ray

            return run_ray(items, scorer=self._scorer, settings=settings, folder=self._folder / STATE, stop=self._stop)
        if settings.engine == "spark":
            from wildvision.scoring.spark import run_spark

            return run_spark(
                items, scorer=self._scorer, settings=settings, folder=self._folder / STATE, stop=self._stop
            )
        return run_local(
            items,
            start=start,
            scorer=self._scorer,
            # a photo that is not decoded has no perceptual hash, which "near" needs
            loader=self._scorer.loader(settings.remote, None if settings.dedupe == "near" else key),
            settings=settings,
            cache=cache,
            originals=originals,
            stop=self._stop,
        )

    def _write(self, item: Item, done: Scored, originals: Originals, progress: Progress) -> None:
        verdict, copy_of = done
        number = self._writer.rows + self._writer.open_rows
        if self._settings.dedupe == "exact" and verdict["status"] == "ok" and verdict["sha256"]:
            first = originals.find_or_add(verdict["sha256"], None, number, item.id)
            copy_of = first[0] if first else None
        row = row_of(item, verdict, copy_of)
        self._writer.write(row)
        self._fingerprint.add(item)
        progress.row(row)
        if self._writer.open_rows >= self._settings.rows_per_part:
            self._finish_part(originals)

    def _keep_what_is_done(self, originals: Originals) -> None:
        """After an error: the rows of the open part are good, unless it was writing the last that broke off."""
        try:
            if self._fingerprint.items == self._writer.rows + self._writer.open_rows:
                self._finish_part(originals)
                return
        except Exception:
            pass
        self._writer.abandon()

    def _finish_part(self, originals: Originals) -> None:
        originals.commit(self._writer.rows + self._writer.open_rows)
        if part := self._writer.finish(self._fingerprint.hexdigest()):
            self._parts.append(part)

    def _report(self, resumed: int, seconds: float, *, complete: bool) -> ScoreReport:
        statuses: Counter[str] = Counter()
        decisions: Counter[str] = Counter()
        for part in self._parts:
            statuses.update(part.statuses)
            decisions.update(part.decisions)
        listings = (self._manifest.totals or {}).get("listings", 0)
        if complete and not self._finished and any(part.listings for part in self._parts):
            listings = write_listings(self._folder, self._scorer.classifier.card.operating_points)
        report = ScoreReport(
            self._folder,
            complete,
            self._writer.rows,
            resumed,
            seconds,
            dict(statuses),
            dict(decisions),
            sum(part.copies for part in self._parts),
            listings,
        )
        totals = {k: getattr(report, k) for k in ("rows", "statuses", "decisions", "copies", "listings")}
        if complete and not self._finished:
            totals["listings_sha256"] = file_sha256(self._folder / LISTINGS) if listings else None
            dataclasses.replace(self._manifest, state="complete", totals=totals).write(self._folder)
            shutil.rmtree(self._folder / STATE, ignore_errors=True)
        elif not complete:
            dataclasses.replace(self._manifest, state="interrupted").write(self._folder)
        return report


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into ``stop``; the second one is a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _import_engine(engine: Engine) -> None:
    """Fail where the engine is not installed, before there is a run to resume."""
    if engine == "ray":
        from wildvision.scoring.ray import import_ray

        import_ray()
    elif engine == "spark":
        from wildvision.scoring.spark import import_spark

        import_spark()


def _model_key(scorer: Scorer) -> str:
    """Scores are shared only where everything that changes them is the same."""
    identity = json.dumps(scorer.identity(), sort_keys=True).encode()
    return f"{scorer.classifier.model_id}#{hashlib.sha256(identity).hexdigest()[:16]}"


def _clear(folder: Path) -> None:
    """Remove a run, and nothing else. The manifest goes last: what a kill leaves is still known as a run."""
    if (folder / NAME).exists():
        (folder / LOG).unlink(missing_ok=True)
        sweep(folder, [])
        (folder / LISTINGS).unlink(missing_ok=True)
        for path in (folder / STATE).glob("*.sqlite*"):
            path.unlink()
        (folder / NAME).unlink()
