"""The one seam through which a run tells how it is going: counters, to a bar, to JSON lines or to a callback."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from wildvision.scoring.sources import Source

ProgressMode = Literal["auto", "bar", "json", "none"]
Report = Callable[["Counters"], None]

_BAR_SECONDS = 0.5
_JSON_SECONDS = 10.0


@dataclass
class Counters:
    """Where a run stands.

    Attributes:
        resumed: Rows that an earlier run had finished.
        rows: Rows that this run has written.
        seconds: Time since this run began.
        statuses: Status to number of rows, of this run.
        decisions: Decision to number of rows, of this run.
        copies: Rows of this run that are a copy of an earlier photo.
        total: All rows of the source, once they are counted; never known of archives and of most URLs.
    """

    resumed: int = 0
    rows: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    total: int | None = None

    @property
    def rate(self) -> float:
        """Rows a second, of this run."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def failures(self) -> dict[str, int]:
        """Statuses other than ``ok``, the most frequent first."""
        return {status: n for status, n in self.statuses.most_common() if status != "ok"}

    def as_dict(self) -> dict[str, Any]:
        """The counters as JSON."""
        return {
            "rows": self.rows,
            "resumed": self.resumed,
            "total": self.total,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rate, 3),
            "statuses": dict(self.statuses),
            "decisions": dict(self.decisions),
            "copies": self.copies,
        }

    def prometheus(self, prefix: str = "wildvision") -> str:
        """The counters in Prometheus' text format, for a push gateway or a textfile collector."""
        families: list[tuple[str, str, dict[str, float]]] = [
            ("rows_total", "counter", {f'{{status="{s}"}}': n for s, n in sorted(self.statuses.items())}),
            ("decisions_total", "counter", {f'{{decision="{d}"}}': n for d, n in sorted(self.decisions.items())}),
            ("copies_total", "counter", {"": self.copies}),
            ("rows_resumed", "gauge", {"": self.resumed}),
            ("run_seconds", "gauge", {"": self.seconds}),
        ]
        if self.total is not None:
            families.append(("rows_expected", "gauge", {"": self.total}))
        lines = []
        for name, kind, samples in families:
            lines.append(f"# TYPE {prefix}_{name} {kind}")
            lines += [f"{prefix}_{name}{labels} {value}" for labels, value in samples.items()]
        return "\n".join(lines) + "\n"


class Progress:
    """Counts rows and reports them now and then. A context manager.

    Args:
        mode: How to show them.
        resumed: Rows that are there already.
        source: What is counted, in the background and only if somebody is told, for the time that is left.
        callback: Called beside.
    """

    def __init__(
        self,
        mode: ProgressMode,
        *,
        resumed: int = 0,
        source: Source | None = None,
        callback: Report | None = None,
    ) -> None:
        self.counters = Counters(resumed=resumed)
        self._started = time.monotonic()
        self._reports: list[tuple[float, Report]] = [(_BAR_SECONDS, callback)] if callback else []
        self._due = [0.0 for _ in self._reports]
        self._bar: _Bar | None = None
        if mode == "bar" or (mode == "auto" and sys.stderr.isatty()):
            self._bar = _Bar()
            self._add(_BAR_SECONDS, self._bar)
        elif mode == "json":
            self._add(_JSON_SECONDS, _log_json)
        if source is not None and self._reports:
            threading.Thread(target=self._count, args=(source,), daemon=True).start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._report(last=True)
        if self._bar is not None:
            self._bar.close()

    def row(self, row: Mapping[str, Any]) -> None:
        """Count one row."""
        counters = self.counters
        counters.rows += 1
        counters.statuses[row["status"]] += 1
        if row["decision"]:
            counters.decisions[row["decision"]] += 1
        counters.copies += row["copy_of"] is not None
        self._report()

    def _add(self, every: float, report: Report) -> None:
        self._reports.append((every, report))
        self._due.append(0.0)

    def _report(self, *, last: bool = False) -> None:
        self.counters.seconds = time.monotonic() - self._started
        for i, (every, report) in enumerate(self._reports):
            if last or self.counters.seconds >= self._due[i]:
                self._due[i] = self.counters.seconds + every
                report(self.counters)

    def _count(self, source: Source) -> None:
        try:
            self.counters.total = source.count()
        except Exception:  # an estimate of the time that is left is worth no failure
            return


class _Bar:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            TextColumn("scoring"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f}/s"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[errors]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=None, rate=0.0, errors="")
        self._progress.start()

    def __call__(self, counters: Counters) -> None:
        errors = " ".join(f"{status} {n}" for status, n in counters.failures.items())
        self._progress.update(
            self._task,
            completed=counters.resumed + counters.rows,
            total=counters.total,
            rate=counters.rate,
            errors=errors,
        )

    def close(self) -> None:
        self._progress.stop()


def _log_json(counters: Counters) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(json.dumps({"time": now, "event": "progress", **counters.as_dict()}), file=sys.stderr, flush=True)
