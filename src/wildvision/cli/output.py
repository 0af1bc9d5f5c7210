"""Tables and sections: aligned, wrapped and coloured on a terminal, plain when piped. Knows no photos and no models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column: its heading and its width in terminal cells; the column without a width takes what is left."""

    title: str
    width: int | None = None


class Table:
    """Rows that appear one by one, so that a million of them need no memory.

    Args:
        columns: At most one of them without a width.
        console: Where to print; standard output by default.
    """

    def __init__(self, columns: Sequence[Column], *, console: Console | None = None) -> None:
        self._columns = columns
        self._console = console or Console(highlight=False, soft_wrap=True)
        fixed = sum(c.width + len(GAP) for c in columns if c.width is not None)
        self._rest = max(20, self._console.width - fixed)
        self.row([c.title for c in columns], style="bold")

    def row(self, cells: Sequence[str], *, style: str = "") -> None:
        """Print one row."""
        cells = [printable(cell) for cell in cells]
        if not self._console.is_terminal:
            print("\t".join(cells))
            return
        fitted = [self._fit(cell, column) for cell, column in zip(cells, self._columns, strict=True)]
        self._console.print(Text(GAP.join(fitted).rstrip(), style=style), soft_wrap=True)

    def _fit(self, cell: str, column: Column) -> str:
        if column.width is None:
            return _keep_end(cell, self._rest)
        last = column is self._columns[-1]  # nothing follows it that could be pushed out of line
        return cell if last else cell + " " * (column.width - cell_len(cell))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows that are all known, each column as wide as its widest cell."""
    rows = [list(row) for row in rows]
    widths = [max(cell_len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    table = Table([Column(title, width) for title, width in zip(titles, widths, strict=True)])
    for row in rows:
        table.row(row)


def print_section(title: str, lines: Iterable[str]) -> None:
    """Print a title and indented lines under it."""
    console = Console(highlight=False)
    for indent, text in ((0, title), *((2, text) for text in lines)):
        if console.is_terminal:
            console.print(Padding(Text(printable(text), style="" if indent else "bold"), (0, 0, 0, indent)))
        else:
            print(" " * indent + printable(text))


def probability(value: float) -> str:
    """Three digits, also of small ones: where products are rare, high probabilities are small."""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else f"{value:.1e}"


def printable(text: str) -> str:
    """``text`` with control characters and lone surrogates escaped, so that a file's name cannot drive a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _keep_end(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells; the end of a path tells more than its beginning."""
    if cell_len(text) > width:
        while cell_len(text) > width - 1:
            text = text[1:]
        text = "…" + text
    return text + " " * (width - cell_len(text))
