"""Rows out: ordered part files, each complete under its final name or not there at all, and the log of finished parts.

A part is written under a temporary name, flushed to the disk and renamed; only then it is entered into ``parts.jsonl``,
one line a part. Whatever is not in that log does not count. No file is ever rewritten, whatever the number of rows.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from wildvision.errors import ArgumentError, WildvisionError
from wildvision.scoring.items import file_sha256
from wildvision.scoring.rows import arrow_rows, arrow_schema

Format = Literal["jsonl", "parquet"]
LOG = "parts.jsonl"
MANIFEST = "manifest.json"

_GROUP_ROWS = 1000  # Parquet rows held in memory


@dataclass(frozen=True)
class Part:
    """One finished part.

    Attributes:
        part: File name.
        first: Number of its first row in the run, 0-based.
        rows: Number of its rows.
        sha256: Hex digest of the file.
        input: Fingerprint of all inputs of the run up to its last row.
        first_id: Identifier in its first row.
        last_id: Identifier in its last row.
        statuses: Status to number of rows.
        decisions: Decision to number of rows.
        listings: Number of rows that belong to a listing.
        copies: Number of rows that are a copy of an earlier photo.
    """

    part: str
    first: int
    rows: int
    sha256: str
    input: str
    first_id: str
    last_id: str
    statuses: dict[str, int]
    decisions: dict[str, int]
    listings: int = 0
    copies: int = 0


@dataclass
class _Tally:
    """What a part's entry in the log says of its rows."""

    rows: int = 0
    first_id: str = ""
    last_id: str = ""
    statuses: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    listings: int = 0
    copies: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        if self.rows == 0:
            self.first_id = row["id"]
        self.rows += 1
        self.last_id = row["id"]
        for counts, value in ((self.statuses, row["status"]), (self.decisions, row["decision"])):
            if value is not None:
                counts[value] = counts.get(value, 0) + 1
        self.listings += row["listing_id"] is not None
        self.copies += row["copy_of"] is not None


class _Encoder(Protocol):
    def write(self, row: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class PartWriter:
    """Writes rows of one run into its folder.

    Args:
        folder: The output folder.
        format: ``jsonl`` or ``parquet``.
        groups: Product groups, for the Parquet schema.
        parts: The parts that are there already.
    """

    def __init__(self, folder: Path, format: Format, groups: Sequence[str], parts: Sequence[Part] = ()) -> None:
        self._folder, self._format, self._groups = folder, format, groups
        self._next = len(parts)
        self.rows = parts[-1].first + parts[-1].rows if parts else 0
        self._file: BinaryIO | None = None
        self._tally = _Tally()
        self._broken = False

    @property
    def open_rows(self) -> int:
        """Rows in the part that is being written."""
        return self._tally.rows

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row to the open part. Once this or :meth:`finish` fails, the part can only be abandoned."""
        with self._breaking():
            self._write(row)

    def _write(self, row: Mapping[str, Any]) -> None:
        if self._file is None:
            file = self._temporary.open("wb")
            parquet = self._format == "parquet"
            self._encoder = _Parquet(file, arrow_schema(self._groups)) if parquet else _Jsonl(file)
            self._file = file
        self._encoder.write(row)
        self._tally.add(row)

    def finish(self, fingerprint: str) -> Part | None:
        """Put the open part under its final name and into the log; ``None`` when it has no rows.

        Raises:
            WildvisionError: Writing it has failed before: it lacks rows, or their end.
        """
        if self._broken:
            raise WildvisionError(f"{self._temporary} could not be written; free some space and resume the run")
        if self._file is None:
            return None
        with self._breaking():
            return self._finish(self._file, fingerprint)

    def _finish(self, file: BinaryIO, fingerprint: str) -> Part:
        self._encoder.close()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        digest = file_sha256(self._temporary)
        final = self._folder / f"part-{self._next:05d}.{self._format}"
        self._temporary.replace(final)
        sync_folder(self._folder)
        part = Part(part=final.name, first=self.rows, sha256=digest, input=fingerprint, **asdict(self._tally))
        with (self._folder / LOG).open("ab") as log:
            log.write(json.dumps(asdict(part), ensure_ascii=False).encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())
        self.rows += part.rows
        self._next += 1
        self._file, self._tally = None, _Tally()
        return part

    def abandon(self) -> None:
        """Drop the open part; a resumed run makes it again."""
        if self._file is not None:
            for close in (self._encoder.close, self._file.close):
                with contextlib.suppress(Exception):  # what cannot be written now is dropped anyway
                    close()
            self._temporary.unlink(missing_ok=True)
            self._file, self._tally, self._broken = None, _Tally(), False

    @contextlib.contextmanager
    def _breaking(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._broken = True
            raise

    @property
    def _temporary(self) -> Path:
        return self._folder / f".part-{self._next:05d}.{self._format}.tmp"


def read_parts(folder: Path, *, mend: bool = True) -> list[Part]:
    """The finished parts of a run, in order. A last line that a crash cut off does not count.

    Args:
        folder: The output folder.
        mend: Remove such a line from the log.

    Raises:
        WildvisionError: A line in the middle is damaged, or a part that the log names is gone.
    """
    log = folder / LOG
    if not log.exists():
        return []
    data = log.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    try:
        parts = [_part(json.loads(line)) for line in whole.splitlines()]
    except (ValueError, TypeError) as e:
        raise WildvisionError(f"{log} is damaged ({e}); score into a new folder") from e
    for part in parts:
        if not (folder / part.part).exists():
            raise WildvisionError(
                f"{folder / part.part} is gone, but {LOG} says it was finished; score into a new folder"
            )
    if mend and len(whole) < len(data):
        os.truncate(log, len(whole))
    return parts


def _part(entry: Any) -> Part:
    """An entry of the log; names that this version does not know are left out."""
    if not isinstance(entry, dict):
        raise TypeError(f"{entry!r} is no entry")
    kinds = {"str": str, "int": int}
    known = {f.name: kinds.get(str(f.type), dict) for f in fields(Part)}
    for name, value in entry.items():
        if name in known and not isinstance(value, known[name]):
            raise TypeError(f"{name} is {value!r}")
    return Part(**{name: value for name, value in entry.items() if name in known})


def sweep(folder: Path, parts: Sequence[Part]) -> None:
    """Remove what a killed run left behind: temporary files and a part that did not get into the log."""
    known = {part.part for part in parts}
    for path in [*folder.glob(".part-*.tmp"), *folder.glob("part-*.jsonl"), *folder.glob("part-*.parquet")]:
        if path.name not in known:
            path.unlink()


def read_rows(folder: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """All rows of a run, in order, one part at a time; Parquet and JSONL rows come out alike.

    Raises:
        ArgumentError: At once: there is no run in the folder.
    """
    root = Path(folder)
    if not (root / MANIFEST).exists() and not (root / LOG).exists():
        raise ArgumentError(f"{root} holds no run: it has no {MANIFEST}")
    return (row for part in read_parts(root, mend=False) for row in read_part(root / part.part))


def read_part(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one part."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches(batch_size=_GROUP_ROWS):
            for row in batch.to_pylist():
                row["extra"] = json.loads(row["extra"]) if row["extra"] is not None else None
                yield row
        return
    with path.open("rb") as f:
        for line in f:
            yield json.loads(line)


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class _Jsonl:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        pass


class _Parquet:
    def __init__(self, file: BinaryIO, schema: Any) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(arrow_rows(self._rows, self._schema))
            self._rows = []
