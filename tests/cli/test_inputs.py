"""Operands become photos: in order, folders walked, standard input read, nothing dropped without a word."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from wildvision.cli.inputs import expand, first_free
from wildvision.scoring import open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "c/d.webp", "c/e.txt", "notes.csv", "Z.heic"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_folder_is_walked_in_sorted_order_for_photos_only(folder: Path) -> None:
    found = [os.path.relpath(path, folder) for path in expand([str(folder)])]
    assert found == ["Z.heic", "a.PNG", "b.jpg", "c/d.webp"]


def test_operands_keep_their_order_and_their_spelling(folder: Path) -> None:
    operands = ["./no-such.jpg", str(folder / "notes.csv"), "https://example.org/x", str(folder / "c")]
    assert list(expand(operands)) == [*operands[:3], str(folder / "c" / "d.webp")]


def test_a_link_in_a_circle_ends(folder: Path) -> None:
    (folder / "c" / "up").symlink_to(folder, target_is_directory=True)
    assert len(list(expand([str(folder)]))) == 4


def test_a_folder_that_cannot_be_read_stands_for_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("c"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert str(folder / "c") in list(expand([str(folder)]))


@pytest.mark.parametrize(
    ("content", "null", "expected"),
    [
        (b"a.jpg\nb c.jpg\r\n\nd.jpg", False, ["a.jpg", "b c.jpg", "d.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", True, ["a\nb.jpg", "c.jpg"]),
        ("象牙.jpg\n".encode(), False, ["象牙.jpg"]),
        (b"\xff.jpg\n", False, [os.fsdecode(b"\xff.jpg")]),
        (b"", False, []),
    ],
)
def test_a_list_on_standard_input(
    content: bytes, null: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, content)
    assert list(expand(["-"], null=null)) == expected


def test_a_folder_on_standard_input_is_walked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, os.fsencode(folder / "c") + b"\n")
    assert list(expand(["x.jpg", "-"])) == ["x.jpg", str(folder / "c" / "d.webp")]


def test_without_a_standard_input_nothing_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert list(expand(["a.jpg", "-"])) == ["a.jpg"]


def test_the_walk_is_that_of_score(folder: Path, tmp_path: Path) -> None:
    for name in (".hidden.jpg", ".git/x.jpg", "__MACOSX/y.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f.jpg").touch()
    (folder / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    scored = [item.payload for item in open_source(folder) if not str(item.payload).endswith((".txt", ".csv"))]
    assert list(expand([str(folder)])) == scored
    assert str(folder / "linked" / "f.jpg") in scored and len(scored) == 5


def test_equal_names_are_numbered_without_counting_from_the_start() -> None:
    taken: dict[str, int] = {}
    tried: list[int] = []

    def numbered(number: int) -> str:
        tried.append(number)
        return f"a#{number}"

    given = [first_free("a#7", taken, str), *(first_free("a", taken, numbered) for _ in range(1000))]
    assert len(set(given)) == 1001 and given[1:4] == ["a", "a#2", "a#3"] and given[-1] == "a#1001"
    assert tried == list(range(2, 1002))
    assert first_free("A#8", taken, lambda n: f"A#8~{n}", key=str.lower) == "A#8~2"
