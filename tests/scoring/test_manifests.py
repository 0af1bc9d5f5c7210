from __future__ import annotations

import csv
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring import Columns, open_source
from wildvision.scoring.items import Failure, Item


def read(path: Path, **options: Any) -> list[Item]:
    return list(open_source(str(path), **options))


def test_a_text_file_names_one_photo_a_line(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_bytes(b"a.jpg\r\n\nsub/b c.jpg\nhttps://x/y.jpg\n/abs/z.jpg\n")
    items = read(manifest)
    assert [item.path for item in items] == ["a.jpg", "sub/b c.jpg", "https://x/y.jpg", "/abs/z.jpg"]
    assert [item.payload for item in items] == [
        f"{tmp_path}/a.jpg",
        f"{tmp_path}/sub/b c.jpg",
        "https://x/y.jpg",
        "/abs/z.jpg",
    ]
    assert [item.id for item in items] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t")])
def test_tables_carry_ids_listings_and_further_columns(tmp_path: Path, suffix: str, separator: str) -> None:
    manifest = tmp_path / f"list.{suffix}"
    header, row = ["id", "image_url", "listing_id", "title", "价格"], ["7", "a.jpg", "L1", "carved box", "3"]
    manifest.write_text("\ufeff" + separator.join(header) + "\n" + separator.join(row) + "\n", encoding="utf-8")
    (item,) = read(manifest)
    assert (item.id, item.path, item.listing_id) == ("7", "a.jpg", "L1")
    assert item.extra == {"title": "carved box", "价格": "3"}


def test_rows_that_make_no_sense_become_failures_and_none_is_lost(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    lines = [
        '{"path": "a.jpg"}',
        "{broken",
        '["a list"]',
        '{"other": 1}',
        '{"path": null}',
        '{"path": "b.jpg", "x": NaN}',
    ]
    manifest.write_text("\n".join(lines) + "\n")
    items = read(manifest)
    assert [isinstance(item.payload, Failure) for item in items] == [False, True, True, True, True, False]
    assert [item.payload.status for item in items[1:5]] == [Status.UNREADABLE] * 3 + [Status.NOT_FOUND]
    assert all(f"row {n}" in items[n].payload.message for n in range(1, 5))
    assert items[5].extra == {"x": None}


def test_short_and_long_csv_rows(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text('id,path,title\n1\n2,b.jpg,t,surplus\n3,"quoted\nname.jpg",t\n')
    items = read(manifest)
    assert isinstance(items[0].payload, Failure)
    assert items[1].extra == {"title": "t", "_rest": ["surplus"]}
    assert items[2].path == "quoted\nname.jpg"


def test_a_long_description_stays_one_row(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    text = "fine ivory,\n/etc/passwd,999,injected\n" * 5_000
    manifest.write_text(f'path,title\na.jpg,"{text}"\nb.jpg,t\n', newline="")
    items = read(manifest)
    assert [item.path for item in items] == ["a.jpg", "b.jpg"]
    assert items[0].extra["title"] == text


def test_a_quotation_mark_that_never_closes_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wildvision.scoring.manifests._LONGEST_FIELD", 200_000)
    manifest = tmp_path / "list.csv"
    manifest.write_text('path,title\na.jpg,t\nb.jpg,"never closed\n' + "c.jpg,t\n" * 50_000)
    items = iter(open_source(str(manifest)))
    before = csv.field_size_limit()
    assert next(items).path == "a.jpg"
    assert csv.field_size_limit() == before
    with pytest.raises(ArgumentError, match=r"line \d+ of the manifest .* quotation mark"):
        next(items)
    assert csv.field_size_limit() == before


def test_parquet_with_paths_and_typed_columns(tmp_path: Path) -> None:
    manifest = tmp_path / "list.parquet"
    when = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    pq.write_table(pa.table({"path": ["a.jpg", None], "price": [1.5, 2.0], "when": [when, None]}), manifest)
    items = read(manifest)
    assert items[0].extra == {"price": 1.5, "when": "2026-01-02T00:00:00+00:00"}
    assert isinstance(items[1].payload, Failure)
    assert open_source(str(manifest)).count() == 2


@pytest.mark.parametrize("nested", [False, True])
def test_parquet_with_bytes(tmp_path: Path, nested: bool) -> None:
    manifest = tmp_path / "list.parquet"
    column = [{"bytes": b"abc", "path": "x.jpg"}] if nested else [b"abc"]
    pq.write_table(pa.table({"image" if nested else "bytes": column}), manifest)
    (item,) = read(manifest)
    assert item.payload == b"abc"
    assert item.path == ("x.jpg" if nested else None)
    assert item.stamp.startswith("3:")


@pytest.mark.parametrize(
    ("columns", "message"),
    [(Columns(), "no column holds the photo"), (Columns(path="foto"), "has no column 'foto'")],
)
def test_a_manifest_without_a_photo_column_is_refused(tmp_path: Path, columns: Columns, message: str) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text("name,price\nx,1\n")
    with pytest.raises(ArgumentError, match=message):
        read(manifest, columns=columns)


def test_extra_columns_survive_json(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(json.dumps({"path": "a.jpg", "tags": ["x", {"y": 1}], "ok": True, "deep": {"a": None}}) + "\n")
    (item,) = read(manifest)
    assert item.extra == {"tags": ["x", {"y": 1}], "ok": True, "deep": {"a": None}}


def test_the_description_holds_the_digest_of_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_text("a.jpg\n")
    before = open_source(str(manifest)).describe()
    manifest.write_text("b.jpg\n")
    assert open_source(str(manifest)).describe() != before


HALF_AN_EMOJI = "\\ud83d"  # as JSON writes it


@pytest.mark.parametrize(
    "row",
    [
        f'{{"path": "a.jpg", "id": "{HALF_AN_EMOJI}"}}',
        f'{{"path": "a.jpg", "listing_id": "{HALF_AN_EMOJI}"}}',
        f'{{"path": "{HALF_AN_EMOJI}.jpg"}}',
        f'{{"path": "a.jpg", "title": "{HALF_AN_EMOJI}"}}',
        f'{{"path": "a.jpg", "deep": [{{"{HALF_AN_EMOJI}": ["{HALF_AN_EMOJI}"]}}]}}',
    ],
)
def test_half_characters_are_shown_escaped(tmp_path: Path, row: str) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(row + "\n")
    (item,) = read(manifest)
    shown = json.dumps([item.id, item.path, item.listing_id, item.extra], ensure_ascii=False)
    assert "\\ud83d" in shown.encode().decode()


def test_numbers_and_nesting_beyond_measure_lose_no_row(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    deep = "[" * 600 + "]" * 600
    lines = [f'{{"path": "a.jpg", "n": 1{"0" * 5000}}}', f'{{"path": "b.jpg", "n": {deep}}}', '{"path": "c.jpg"}']
    manifest.write_text("\n".join(lines) + "\n")
    too_long, nested, good = read(manifest)
    assert isinstance(too_long.payload, Failure) and "5001 digits" in too_long.payload.message
    assert nested.path == "b.jpg" and "nested more than 100 deep" in json.dumps(nested.extra)
    assert good.path == "c.jpg"


def test_huge_numbers_of_an_iterable_are_written_in_hex() -> None:
    (item,) = open_source([{"path": "a.jpg", "n": 10**5000}])
    assert json.dumps(item.extra).startswith('{"n": "0x')


def test_a_first_row_of_jsonl_without_a_photo_is_one_bad_row(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"title": "no photo"}\n{"path": "a.jpg"}\n')
    first, second = read(manifest)
    assert isinstance(first.payload, Failure) and "no column holds the photo" in first.payload.message
    assert second.path == "a.jpg"


def test_jsonl_of_which_no_row_names_a_photo_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("[1]\n" + '{"title": "no photo"}\n' * 300)
    with pytest.raises(ArgumentError, match="no column holds the photo"):
        read(manifest)


def test_nan_in_jsonl_is_missing(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"path": "a.jpg", "id": NaN, "listing_id": NaN}\n{"path": NaN, "id": "b"}\n')
    first, second = read(manifest)
    assert (first.id, first.listing_id) == ("0", None)
    assert isinstance(second.payload, Failure) and second.payload.status is Status.NOT_FOUND
    assert second.path is None


def test_what_pandas_writes_for_missing_values_is_missing() -> None:
    pd = pytest.importorskip("pandas")
    for nothing in (None, float("nan"), np.float32("nan"), pd.NA, pd.NaT):
        row = {"path": nothing, "id": nothing, "listing_id": nothing, "note": nothing}
        first, second = open_source([{"path": "a.jpg"}, row])
        assert isinstance(second.payload, Failure) and second.payload.status is Status.NOT_FOUND
        assert (second.id, second.path, second.listing_id, second.extra) == ("1", None, None, {"note": None})
        assert first.path == "a.jpg"


def test_whole_floats_are_written_as_they_are() -> None:
    (item,) = open_source([{"path": "a.jpg", "listing_id": 1.0}])
    assert item.listing_id == "1.0"


@pytest.mark.parametrize("content", [b"no Parquet", b"PAR1" + bytes(100) + b"PAR1", b""])
def test_a_damaged_parquet_manifest_is_one_line(tmp_path: Path, content: bytes) -> None:
    manifest = tmp_path / "list.parquet"
    manifest.write_bytes(content)
    with pytest.raises(ArgumentError, match=r"list\.parquet' cannot be read as Parquet") as caught:
        read(manifest)
    assert "\n" not in str(caught.value)


def test_a_folder_of_parquet_files_is_one_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "list.parquet"
    for n, name in ((1, "part-1.parquet"), (0, "part-0.parquet"), (9, "_temporary/part-0.parquet")):
        (manifest / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"path": [f"{n}.jpg"], "id": [f"p{n}"]}), manifest / name)
    (manifest / "_SUCCESS").touch()
    items = read(manifest)
    assert [(item.id, item.payload) for item in items] == [(f"p{n}", f"{tmp_path}/{n}.jpg") for n in (0, 1)]
    source = open_source(str(manifest))
    assert source.count() == 2
    before = source.describe()
    pq.write_table(pa.table({"path": ["2.jpg"], "id": ["p2"]}), manifest / "part-2.parquet")
    assert open_source(str(manifest)).describe() != before
    (tmp_path / "photos.parquet").mkdir()
    (tmp_path / "photos.parquet" / "a.jpg").touch()
    assert [item.id for item in read(tmp_path / "photos.parquet")] == ["a.jpg"]
