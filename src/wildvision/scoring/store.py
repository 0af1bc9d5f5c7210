"""What must outlive a process or not fit in memory: scores by content, and the first photo of each kind in a run.

Both are SQLite files. Rows themselves are kept elsewhere (:mod:`~wildvision.scoring.sinks`).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from wildvision.errors import ArgumentError, WildvisionError

NEAR = 3
"""Most bits in which two perceptual hashes of near duplicates differ; see :class:`Originals`."""


@dataclass(frozen=True)
class CacheKey:
    """Where a score cache lies, and which scores of it are of use.

    Attributes:
        path: The SQLite file.
        model: Identity of the model and of every setting that changes its scores.
    """

    path: str
    model: str


class ScoreCache:
    """Scores by sha256 of the encoded photo, for one model. Several runs may share the file, even at once.

    Args:
        key: Which file, which model.
        readonly: For workers, which only ask whether a photo is known.

    Raises:
        ArgumentError: The file is no score cache, or cannot be opened.
        WildvisionError: From every method: the file is damaged, or cannot be read or written any more.
    """

    def __init__(self, key: CacheKey, *, readonly: bool = False) -> None:
        self._path = key.path
        try:
            self._open(key, readonly)
        except sqlite3.Error as e:
            raise ArgumentError(f"{key.path} cannot be used as a score cache: {e}; name another file") from e

    def _open(self, key: CacheKey, readonly: bool) -> None:
        self._db = _connect(Path(key.path), readonly=readonly)
        if readonly:
            found = self._db.execute("SELECT rowid FROM models WHERE name = ?", (key.model,)).fetchone()
        else:
            self._db.execute("CREATE TABLE IF NOT EXISTS models (name TEXT UNIQUE)")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS scores "
                "(sha256 BLOB, model INTEGER, verdict TEXT, PRIMARY KEY (sha256, model)) WITHOUT ROWID"
            )
            self._db.execute("INSERT OR IGNORE INTO models VALUES (?)", (key.model,))
            self._db.commit()
            found = self._db.execute("SELECT rowid FROM models WHERE name = ?", (key.model,)).fetchone()
        if found is None:
            raise ArgumentError(f"{key.path} cannot be used as a score cache: it holds no scores of this model")
        self._model = found[0]

    def knows(self, sha256: str) -> bool:
        """Whether there is a verdict for this photo."""
        query = "SELECT 1 FROM scores WHERE sha256 = ? AND model = ?"
        with self._working():
            return self._db.execute(query, (bytes.fromhex(sha256), self._model)).fetchone() is not None

    def get(self, sha256: str) -> dict[str, Any] | None:
        """The verdict on this photo, if there is one."""
        query = "SELECT verdict FROM scores WHERE sha256 = ? AND model = ?"
        with self._working():
            found = self._db.execute(query, (bytes.fromhex(sha256), self._model)).fetchone()
            return json.loads(found[0]) if found else None

    def put(self, verdicts: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep verdicts by sha256."""
        rows = [(bytes.fromhex(k), self._model, json.dumps(v, separators=(",", ":"))) for k, v in verdicts.items()]
        with self._working(), self._db:
            self._db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as e:
            raise WildvisionError(f"the score cache {self._path} failed: {e}; resume with another, or without") from e


class Originals:
    """The first photo of each kind in one run: by content, and by perceptual hash within :data:`NEAR` bits.

    Near duplicates are found exactly: two 64-bit hashes that differ in at most three bits agree in at least one of
    their four 16-bit quarters, and each quarter is indexed.

    Args:
        path: The SQLite file, which belongs to the run.
        since: Row at which the run goes on; what later rows left behind is forgotten.
        near: Whether perceptual hashes are kept and compared too.
        cache: Where the scores of originals are kept, if copies need them.

    Attributes:
        lacking: Whether originals before ``since``, or their scores, are not there: the file is not the one that the
            run wrote, or the cache is another. :meth:`forget` all, then add them anew.
    """

    def __init__(self, path: Path, *, since: int, near: bool, cache: str = "") -> None:
        self._db = _connect(path, durable=True)
        self._near, self._pending = near, False
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS originals (sha256 BLOB PRIMARY KEY, row INTEGER, id TEXT) WITHOUT ROWID"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS by_row ON originals (row)")
        self._db.execute("CREATE TABLE IF NOT EXISTS quarters (quarter INTEGER, row INTEGER, phash BLOB, sha256 BLOB)")
        self._db.execute("CREATE INDEX IF NOT EXISTS by_quarter ON quarters (quarter)")
        self._db.execute("CREATE TABLE IF NOT EXISTS known (rows INTEGER, cache TEXT)")
        rows, known_cache = self._db.execute("SELECT rows, cache FROM known").fetchone() or (0, cache)
        self.lacking = rows < since or (since > 0 and known_cache != cache)
        self._cache = cache
        with self._db:
            self._db.execute("DELETE FROM originals WHERE row >= ?", (since,))
            self._db.execute("DELETE FROM quarters WHERE row >= ?", (since,))

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._db.close()

    def find_or_add(self, sha256: str, phash: str | None, row: int, id: str) -> tuple[str, str] | None:
        """``(id, sha256)`` of the photo that this one copies; ``None`` makes it an original itself."""
        key = bytes.fromhex(sha256)
        found = self._db.execute("SELECT id, sha256 FROM originals WHERE sha256 = ?", (key,)).fetchone()
        if found is None and self._near and phash:
            found = self._nearest(int(phash, 16))
        if found is not None:
            return found[0], found[1].hex()
        self._pending = True
        self._db.execute("INSERT INTO originals VALUES (?, ?, ?)", (key, row, id))
        if self._near and phash:
            bits = int(phash, 16)
            if not _flat(bits):
                values = [(q, row, bits.to_bytes(8, "big"), key) for q in _quarters(bits)]
                self._db.executemany("INSERT INTO quarters VALUES (?, ?, ?, ?)", values)
        return None

    def forget(self) -> None:
        """Start from nothing."""
        self._db.execute("DELETE FROM originals")
        self._db.execute("DELETE FROM quarters")

    def commit(self, rows: int) -> None:
        """Make what was added survive a crash, even a power cut.

        Args:
            rows: Number of rows whose originals are known now.

        Raises:
            WildvisionError: It is lost: on a full disk, SQLite takes back all that was not committed.
        """
        if self._pending and not self._db.in_transaction:
            raise WildvisionError("the photos of the open part are no longer known; free some space and resume the run")
        self._db.execute("DELETE FROM known")
        self._db.execute("INSERT INTO known VALUES (?, ?)", (rows, self._cache))
        self._db.commit()
        self._pending = False

    def _nearest(self, bits: int) -> tuple[str, bytes] | None:
        """The nearest original within :data:`NEAR` bits, the earliest of several."""
        if _flat(bits):
            return None
        query = "SELECT phash, row, sha256 FROM quarters WHERE quarter IN (?, ?, ?, ?)"
        near = [
            (distance, row, sha256)
            for phash, row, sha256 in self._db.execute(query, _quarters(bits))
            if (distance := (int.from_bytes(phash, "big") ^ bits).bit_count()) <= NEAR
        ]
        if not near:
            return None
        found = self._db.execute("SELECT id, sha256 FROM originals WHERE sha256 = ?", (min(near)[2],)).fetchone()
        return (found[0], found[1]) if found else None


def _quarters(bits: int) -> tuple[int, ...]:
    """The four 16-bit quarters, each tagged with its place."""
    return tuple((i << 16) | ((bits >> (16 * i)) & 0xFFFF) for i in range(4))


def _flat(bits: int) -> bool:
    """Whether the hash is that of a (nearly) empty picture, which says nothing about what it shows."""
    return not 8 <= bits.bit_count() <= 56


def _connect(path: Path, *, readonly: bool = False, durable: bool = False) -> sqlite3.Connection:
    if readonly:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=60.0)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    return db
