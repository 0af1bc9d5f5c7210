"""Text, CSV, TSV, JSONL and Parquet manifests: one row names one photo. Read lazily, row by row.

A row that makes no sense still becomes an item, with the reason: N rows in, N rows out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring.items import Failure, Item, checksum, file_sha256, is_hidden, is_missing, plain, printable
from wildvision.scoring.remote import PUBLIC_ONLY, RemotePolicy, is_url, open_remote

MANIFEST_SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

_PATHS = ("path", "image_path", "file", "filename", "file_name", "filepath", "url", "image_url", "image")
_BYTES = ("bytes", "image_bytes", "content")
_IDS = ("id", "image_id", "photo_id")
_LISTINGS = ("listing_id", "listing", "ad_id", "advert_id", "item_id")
_LONGEST_FIELD = 16 << 20  # characters of a CSV field; the module's own limit of 128 Ki is less than some adverts have
HEAD = 100
"""Rows with keys of their own of which one must name a photo, lest a wrong column name passes for their fault."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a manifest mean what; ``None`` is found by name.

    Attributes:
        path: Path (relative to the manifest) or URL of the photo.
        bytes: Encoded photo.
        id: Identifier of the photo; the row number without it.
        listing: Identifier of the advert that the photo belongs to.
    """

    path: str | None = None
    bytes: str | None = None
    id: str | None = None
    listing: str | None = None

    def resolve(self, names: Mapping[str, Any] | list[str]) -> Columns:
        """Fill in what was not given, from the columns that there are.

        Raises:
            ArgumentError: A named column is not there, or no column can hold the photo.
        """
        for wanted in (self.path, self.bytes, self.id, self.listing):
            if wanted is not None and wanted not in names:
                raise ArgumentError(f"the manifest has no column {wanted!r}; it has {', '.join(map(str, names))}")
        given = self.path or self.bytes
        found = Columns(
            self.path or (None if given else _first(_PATHS, names)),
            self.bytes or (None if given else _first(_BYTES, names)),
            self.id or _first(_IDS, names),
            self.listing or _first(_LISTINGS, names),
        )
        if not (found.path or found.bytes):
            raise ArgumentError(
                f"no column holds the photo: expected one of {', '.join(_PATHS + _BYTES)}; the manifest has "
                f"{', '.join(map(str, names)) or 'no columns'}. Name it with columns=Columns(path=...) or --path-column"
            )
        return found


BY_NAME = Columns()
"""Find every column by its name."""


@dataclass(frozen=True)
class Manifest:
    """A manifest file, on this machine or behind a URL, or a folder of Parquet files that are one table.

    Attributes:
        path: Path or URL of the manifest.
        columns: Which columns mean what.
        policy: What may be fetched from where.
    """

    path: str
    columns: Columns = BY_NAME
    policy: RemotePolicy = PUBLIC_ONLY

    def describe(self) -> dict[str, Any]:
        """Kind, place and, on this machine, digest."""
        known: dict[str, Any] = {"kind": "manifest", "path": printable(self.path)}
        if not is_url(self.path):
            digests = [file_sha256(path) for path in self._files()]
            one = not Path(self.path).is_dir()
            known["sha256"] = digests[0] if one else hashlib.sha256("".join(digests).encode()).hexdigest()
        return known

    def count(self) -> int | None:
        """Number of rows; unknown behind a URL."""
        if is_url(self.path):
            return None
        if self._suffix == ".parquet":
            import pyarrow.parquet as pq

            return sum(int(pq.read_metadata(path).num_rows) for path in self._files())
        return sum(1 for _ in self._records())

    def __iter__(self) -> Iterator[Item]:
        base = self.path.rpartition("/")[0] if is_url(self.path) else str(Path(self.path).parent)
        varied = self._suffix in (".jsonl", ".ndjson")  # whose rows may differ in their keys
        records = self._records()
        head = list(islice(records, HEAD)) if varied else []
        self._refuse_hopeless(head)
        columns: Columns | None = None
        for number, record in enumerate(chain(head, records)):
            if isinstance(record, str):
                yield bad_row(number, record, record)
                continue
            if columns is None or varied:
                try:
                    columns = self.columns.resolve(record)
                except ArgumentError as e:
                    if not varied:
                        raise
                    yield bad_row(number, str(e), json.dumps(plain(record)))
                    continue
            yield item_of(record, number, columns, base=base)

    def _refuse_hopeless(self, head: list[Mapping[str, Any] | str]) -> None:
        refusal: ArgumentError | None = None
        for record in head:
            if isinstance(record, str):
                continue
            try:
                self.columns.resolve(record)
                return
            except ArgumentError as e:
                refusal = refusal or e
        if refusal:
            raise refusal

    @property
    def _suffix(self) -> str:
        return Path(self.path.partition("?")[0] if is_url(self.path) else self.path).suffix.lower()

    def _files(self) -> list[Path]:
        path = Path(self.path)
        return part_files(path) if path.is_dir() else [path]

    def _open(self) -> Any:
        if is_url(self.path):
            return open_remote(self.path, self.policy, stream=self._suffix != ".parquet")
        return Path(self.path).open("rb")

    def _records(self) -> Iterator[Mapping[str, Any] | str]:
        """Rows as mappings; a row that cannot be read as the reason why."""
        if self._suffix == ".parquet":
            for file in [self.path] if is_url(self.path) else self._files():
                with self._open() if is_url(self.path) else Path(file).open("rb") as raw:
                    yield from _parquet(raw, str(file), self.columns)
            return
        with self._open() as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
            if self._suffix in (".csv", ".tsv"):
                yield from _table(text, "\t" if self._suffix == ".tsv" else ",")
            elif self._suffix == ".txt":
                yield from ({"path": line} for line in (raw.strip("\r\n") for raw in text) if line.strip())
            else:
                yield from (_parsed(line) for line in text if line.strip())


def part_files(folder: Path) -> list[Path]:
    """The Parquet files of a table that Spark, Dask and their like wrote as a folder, in sorted order."""
    found = (path for path in folder.rglob("*.parquet") if path.is_file())
    return sorted(p for p in found if not any(map(_is_private, p.relative_to(folder).parts)))


def _is_private(name: str) -> bool:
    return name.startswith("_") or is_hidden(name)  # of the writer: _SUCCESS, _temporary/, _metadata


def item_of(record: Mapping[str, Any], number: int, columns: Columns, *, base: str | None) -> Item:
    """The item that one row of a manifest names.

    Args:
        record: The row.
        number: Its 0-based number, its identifier where it has none.
        columns: Resolved columns.
        base: Folder or URL that relative paths are relative to; ``None`` leaves them alone.
    """
    used = {columns.path, columns.bytes, columns.id, columns.listing}
    id_, listing = text_of(record.get(columns.id or "")), text_of(record.get(columns.listing or ""))
    extra = {k: v for k, v in record.items() if k not in used}
    data = _cell(record, columns.bytes)
    path = _cell(record, columns.path)
    if path is not None and not isinstance(path, str | os.PathLike):
        data, path = path, None  # a column "image" may hold arrays, PIL images or bytes
    if isinstance(data, Mapping) and "bytes" in data:  # how Hugging Face datasets store a photo
        data, path = data["bytes"], data.get("path")
    shown, payload, stamp = None, data, ""
    if path:
        shown = os.fspath(path)
        if data is None:
            payload = shown if base is None or is_url(shown) else _join(base, shown)
    if data is not None:
        payload, stamp = in_memory(data)
    if payload is None:
        payload = Failure(Status.NOT_FOUND, f"row {number} of the manifest names no photo")
    return Item(id_ if id_ is not None else str(number), shown or None, payload, listing, extra, stamp)


def _cell(record: Mapping[str, Any], column: str | None) -> Any:
    value = record.get(column or "")
    return None if is_missing(value) else value


def bad_row(number: int, reason: str, stamp: str) -> Item:
    """The item of a row that names no photo."""
    failure = Failure(Status.UNREADABLE, f"row {number} of the manifest: {reason}")
    return Item(str(number), None, failure, stamp=stamp)


def in_memory(value: Any) -> tuple[Any, str]:
    """The payload of an in-memory photo, and what changes when it does.

    A PIL image whose file breaks off shows that only when it is read, and would not reach a decode process.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return value, checksum(bytes(value))
    if not hasattr(value, "tobytes"):
        return value, ""
    try:
        return value, checksum(value.tobytes())  # arrays and PIL images
    except Exception:
        from wildvision.imaging import decode

        found = decode(value)
        reason = found.error or "the photo cannot be read"
        return Failure(Status.UNREADABLE if found.status is Status.OK else found.status, reason), reason


def _parquet(raw: Any, name: str, columns: Columns) -> Iterator[Mapping[str, Any]]:
    """Rows of a Parquet file.

    Raises:
        ArgumentError: It is damaged, or no column can hold the photo.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(raw)
        names = file.schema_arrow.names
        heavy = columns.resolve(names).bytes or "image" in names
        for batch in file.iter_batches(batch_size=32 if heavy else 1024):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as e:
        reason = " ".join(str(e).split())
        raise ArgumentError(f"{name!r} cannot be read as Parquet ({reason}); write or copy it again") from e


def _join(base: str, path: str) -> str:
    return f"{base}/{path}" if is_url(base) else os.path.join(base, path)  # noqa: PTH118


def _table(text: Iterable[str], delimiter: str) -> Iterator[Mapping[str, Any]]:
    """Rows of a table, whose descriptions may be long.

    Raises:
        ArgumentError: A field is longer than any description. Where it ends cannot be told any more, so that reading on
            would take text of it for rows.
    """
    reader = csv.DictReader(text, delimiter=delimiter, restkey="_rest")
    while True:
        others = csv.field_size_limit(_LONGEST_FIELD)  # of all readers in the process, so only for the one row
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            raise ArgumentError(
                f"line {reader.line_num} of the manifest cannot be read ({e}); look for a quotation mark that "
                "opens before it and does not close"
            ) from e
        finally:
            csv.field_size_limit(others)
        yield row


def _parsed(line: str) -> Mapping[str, Any] | str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as e:  # ValueError also for an integer of more digits than Python reads
        return f"not JSON ({e})"
    return record if isinstance(record, dict) else f"expected a JSON object, received {type(record).__name__}"


def _first(candidates: tuple[str, ...], names: Mapping[str, Any] | list[str]) -> str | None:
    return next((c for c in candidates if c in names), None)


def text_of(value: Any) -> str | None:
    """An identifier as a source gives it; an empty or missing one is none."""
    return None if is_missing(value) or value == "" else str(value)
