"""Python objects as sources: iterables of photos and data frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring.items import Failure, Item, is_missing
from wildvision.scoring.manifests import BY_NAME, HEAD, Columns, bad_row, in_memory, item_of


@dataclass(frozen=True)
class Objects:
    """A Python iterable of photos: paths, URLs, bytes, arrays, PIL images, or mappings with the columns of a manifest.

    Attributes:
        values: The iterable. To resume a run, hand over an iterable that gives the same photos again.
        columns: Which keys of a mapping mean what.
        max_bytes: How much of a file object is read, plus one.
    """

    values: Iterable[Any]
    columns: Columns = BY_NAME
    max_bytes: int = 64 << 20

    def describe(self) -> dict[str, Any]:
        """Kind only; the items themselves are fingerprinted as they come."""
        return {"kind": "iterable"}

    def count(self) -> int | None:
        """Length, where the iterable has one."""
        return len(self.values) if isinstance(self.values, Sized) else None

    def __iter__(self) -> Iterator[Item]:
        held: list[Item] | None = []  # rows without a photo, until one has shown that the columns are not at fault
        refusal: ArgumentError | None = None
        for number, value in enumerate(self.values):
            try:
                item = self._item(number, value)
            except ArgumentError as e:
                item = bad_row(number, str(e), str(e))
                if held is not None:
                    refusal = refusal or e
                    held.append(item)
                    if len(held) == HEAD:
                        break
                    continue
            if held is not None:
                yield from held
                held = None
            yield item
        if held and refusal:
            raise refusal

    def _item(self, number: int, value: Any) -> Item:
        if isinstance(value, Item):
            return value
        if isinstance(value, Mapping):
            return item_of(value, number, self.columns.resolve(value), base=None)
        if isinstance(value, str | os.PathLike):
            path = os.fspath(value)
            return Item(str(number), path, path)
        if is_missing(value):
            return Item(str(number), None, Failure(Status.NOT_FOUND, f"element {number} is missing"), stamp="missing")
        if hasattr(value, "read") and hasattr(value, "tell"):  # a file object does not reach a worker process
            try:
                value = value.read(self.max_bytes + 1)
            except Exception as e:  # a caller's object may raise anything
                value = Failure(Status.UNREADABLE, f"reading the file object failed: {e!r}")
            if isinstance(value, str):
                value = Failure(Status.UNREADABLE, "the file object gives text; open it in binary mode ('rb')")
        payload, stamp = in_memory(value)
        return Item(str(number), None, payload, stamp=stamp)


@dataclass(frozen=True)
class Table:
    """A data frame (of pandas or polars) as records, row by row.

    Attributes:
        frame: The data frame.
        names: Its columns.
    """

    frame: Any
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        polars = hasattr(self.frame, "iter_rows")
        rows = self.frame.iter_rows() if polars else self.frame.itertuples(index=False, name=None)
        return (dict(zip(self.names, row, strict=True)) for row in rows)


def table_of(frame: Any, columns: Columns) -> Table:
    """A data frame whose columns make sense.

    Raises:
        ArgumentError: It is of a kind that cannot be read row by row, or no column can hold the photos.
    """
    if not hasattr(frame, "iter_rows") and not hasattr(frame, "itertuples"):
        raise ArgumentError(
            f"a data frame is read row by row, which a {type(frame).__name__} does not offer; write it as Parquet and "
            "score that"
        )
    names = tuple(map(str, frame.columns))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(f"columns {', '.join(twice)} occur more than once; rename them")
    columns.resolve(list(names))
    return Table(frame, names)


def is_photo(source: Any) -> bool:
    """Whether it is a photo itself, of which an iteration would give bytes, rows of pixels or lines of its file."""
    if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read") or hasattr(source, "getpixel"):
        return True
    pixels = hasattr(source, "dtype") and not hasattr(source, "describe")  # an array or tensor, not a Series
    return pixels and getattr(source, "ndim", 4) < 4 and getattr(source.dtype, "kind", "u") not in "OSU"
