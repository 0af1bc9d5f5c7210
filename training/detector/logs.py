"""Numbers of a run as CSV, one file a kind; a resumed run goes on where its checkpoint was."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class CsvLog:
    """Appends rows ``step, …`` to a file; rows after ``step`` of an earlier attempt are dropped first."""

    def __init__(self, path: Path, *, step: int) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write one row; columns may come and go."""
        self.rows.append({"step": str(step), **{name: f"{value:.6g}" for name, value in values.items()}})
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
            writer.writeheader()
            writer.writerows(self.rows)
