"""CSV files with a header, as spreadsheets and scripts write them: UTF-8 with or without a byte-order mark."""

from __future__ import annotations

import csv
from pathlib import Path

from wildvision.errors import ArgumentError


def read_csv(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The column names and the rows, in file order.

    Raises:
        ArgumentError: The file is empty or not UTF-8, or a row has more or fewer fields than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), tuple(reader.fieldnames or ())
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path.name} is not UTF-8 ({error}); save it as 'CSV UTF-8'") from error
    if not columns:
        raise ArgumentError(f"{path.name} is empty; write a line with the names of the columns first")
    for n, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise ArgumentError(f"{path.name} row {n} does not have the {len(columns)} fields of the header: {row}")
    return columns, rows
