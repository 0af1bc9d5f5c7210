"""Tables: tab-separated when piped, aligned to the terminal otherwise, and never driven by a file's name."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from wildvision.cli.output import Column, Table, print_section, print_table, printable, probability

COLUMNS = (Column("file"), Column("group", 15), Column("note", 6))


def terminal(width: int) -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, force_terminal=True, width=width, color_system=None, highlight=False), screen


def test_piped_rows_are_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [("1", "two words"), ("3", "")])
    assert capsys.readouterr().out == "a\tb\n1\ttwo words\n3\t\n"


def test_terminal_columns_line_up_and_the_end_of_a_long_path_stays() -> None:
    console, screen = terminal(60)
    table = Table(COLUMNS, console=console)
    table.row(("a.jpg", "ivory", "x"))
    table.row(("/a/very/long/folder/name/with/many/parts/photo.jpg", "ivory", "x"))
    table.row(("象牙" * 20 + ".jpg", "ivory", "x"))
    lines = screen.getvalue().splitlines()
    starts = {cell_len(line[: line.index("ivory")]) for line in lines[1:]}
    assert len(starts) == 1
    assert "…" in lines[2] and "parts/photo.jpg" in lines[2]
    assert all(cell_len(line) <= 60 for line in lines)


def test_an_overlong_last_cell_is_not_cut() -> None:
    console, screen = terminal(60)
    Table(COLUMNS, console=console).row(("a.jpg", "-", "image file is truncated at byte 12"))
    assert "truncated at byte 12" in screen.getvalue()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\tb\n.jpg", "a\\tb\\n.jpg"),
        ("\x1b[2J.jpg", "\\x1b[2J.jpg"),
        ("\udcff.jpg", "\\udcff.jpg"),
        ("象 牙", "象 牙"),
    ],
)
def test_a_name_cannot_drive_the_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    console, screen = terminal(80)
    Table(COLUMNS, console=console).row(("[red]a.jpg[/red]", "ivory", "x"))
    assert "[red]a.jpg[/red]" in screen.getvalue()


def test_sections_wrap_on_a_terminal_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = "word " * 30
    print_section("title", [text])
    assert capsys.readouterr().out == f"title\n  {text}\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    print_section("title", [text])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 4 and all(line.startswith("  word") for line in lines[1:])


@pytest.mark.parametrize(
    ("value", "shown"), [(0.91234, "0.912"), (0.0005, "0.001"), (0.00012, "1.2e-04"), (0.0, "0.000")]
)
def test_small_probabilities_keep_their_digits(value: float, shown: str) -> None:
    assert probability(value) == shown
