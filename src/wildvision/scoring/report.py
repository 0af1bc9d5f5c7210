"""What a run did, as its caller sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ScoreReport:
    """What a run did.

    Attributes:
        out: The output folder.
        complete: Whether every input has its row; ``False`` after an interruption.
        rows: Rows in the folder.
        resumed: How many of them an earlier run had written.
        seconds: How long this run took.
        statuses: Status to number of rows in the folder.
        decisions: Decision to number of rows in the folder.
        copies: Rows that are a copy of an earlier photo.
        listings: Listings with a verdict in ``listings.jsonl``.
    """

    out: Path
    complete: bool
    rows: int
    resumed: int
    seconds: float
    statuses: dict[str, int]
    decisions: dict[str, int]
    copies: int
    listings: int

    @property
    def failed(self) -> int:
        """Rows without scores."""
        return self.rows - self.statuses.get("ok", 0)

    @property
    def rows_per_second(self) -> float:
        """Speed of this run."""
        return (self.rows - self.resumed) / self.seconds if self.seconds else 0.0
