from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data_helpers import record
from training.data import Box, Record, read_manifest, write_manifest
from training.data.manifest import COLUMNS, format_boxes, parse_boxes
from wildvision.errors import ArgumentError

FULL = Record(
    path='photos/a, "b"\n.jpg',
    group="ivory",
    leaf="ivory_raw",
    source="museum",
    boxes=(Box(1, 2, 30, 40.5), Box(0, 0, 9, 9, "ivory_worked", crowd=True)),
    object_id="museum:1",
    split="fold-1",
    licence="CC0",
    redistributable=True,
    synthetic=False,
    trust="low",
    greyscale=True,
    width=100,
    height=80,
    origin_class="tusk",
    note="象牙",
)
EMPTY = Record(path="b.jpg", group="none", leaf="everyday", source="shop", boxes=())
BARE = Record(path="c.jpg", group="none", leaf="everyday", source="shop")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read_back_and_bytes_repeat(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_manifest(path, [FULL, EMPTY, BARE])
    assert read_manifest(path) == [FULL, EMPTY, BARE]
    first = path.read_bytes()
    write_manifest(path, read_manifest(path))
    assert path.read_bytes() == first


def test_parquet_columns_are_typed(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_manifest(tmp_path / "m.parquet", [BARE])
    schema = pq.read_schema(tmp_path / "m.parquet")
    assert [str(schema.field(n).type) for n in ("path", "redistributable", "width")] == ["string", "bool", "int32"]


def test_no_boxes_and_not_looked_at_stay_apart(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [EMPTY, BARE])
    assert [r.boxes for r in read_manifest(tmp_path / "m.csv")] == [(), None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,group,leaf\na.jpg,ivory,ivory_raw\n", r"lacks the columns \['source'\]"),
        ("path,group,leaf,source,colour\na,b,c,d,e\n", r"unknown columns \['colour'\]"),
        ("path,group,leaf,source\na.jpg,ivory,,m\n", "row 1: column 'leaf' is empty"),
        ("path,group,leaf,source,width\na,b,c,d,1\na,b,c,d,wide\n", "row 2: width = 'wide'"),
        ("path,group,leaf,source,synthetic\na,b,c,d,maybe\n", "row 1: synthetic = 'maybe'"),
        ("path,group,leaf,source,trust\na,b,c,d,blind\n", "row 1: trust = 'blind'"),
        ("path,group,leaf,source,boxes\na,b,c,d,[[1]]\n", "row 1: boxes"),
        ('path,group,leaf,source,boxes\na,b,c,d,"[{""box"":[1,2,3,4],""x"":1}]"\n', "unknown keys"),
    ],
)
def test_a_bad_file_is_refused_with_its_row_and_value(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ArgumentError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.csv or \.parquet, received 'm.json'"):
        write_manifest(tmp_path / "m.json", [])


def test_the_columns_users_know_are_there() -> None:
    agreed = "path group leaf boxes source object_id split licence redistributable synthetic trust greyscale note"
    assert set(agreed.split()) <= set(COLUMNS)


coordinate = st.integers(0, 5000)
boxes = st.builds(
    Box,
    coordinate,
    coordinate,
    coordinate,
    coordinate,
    st.none() | st.text(string.ascii_lowercase, min_size=1),
    st.booleans(),
)


@given(st.none() | st.tuples() | st.tuples(boxes) | st.tuples(boxes, boxes))
def test_boxes_survive_their_text_form(value: tuple[Box, ...] | None) -> None:
    text = format_boxes(value)
    assert (parse_boxes(text) if text else None) == value


def test_a_csv_from_a_spreadsheet_is_read_and_one_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    write_manifest(path, [record("é.jpg", note="tusk")])
    text = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8-sig")
    assert read_manifest(path) == [record("é.jpg", note="tusk")]
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"m\.csv is not UTF-8"):
        read_manifest(path)
    for row in ("x.jpg,ivory,ivory_worked", "x.jpg,ivory,ivory_worked,museum,one,two"):
        path.write_text(f"path,group,leaf,source\na.jpg,ivory,ivory_worked,museum\n{row}\n", encoding="utf-8")
        with pytest.raises(ArgumentError, match=r"row 2 does not have the 4 fields"):
            read_manifest(path)


def test_one_photo_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,group,leaf,source\n./a//b.jpg,ivory,ivory_raw,s\n")
    assert [r.path for r in read_manifest(tmp_path / "m.csv")] == ["a/b.jpg"]
