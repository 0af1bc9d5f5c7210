from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wildvision.contract import Prediction, Status
from wildvision.errors import ArgumentError, WildvisionError
from wildvision.scoring.items import Item
from wildvision.scoring.runmanifest import RunManifest, locked
from wildvision.scoring.scorer import row_of, verdict_of
from wildvision.scoring.sinks import LOG, PartWriter, read_part, read_parts, read_rows, sweep

GROUPS = ("ivory", "python_skin", "rhino_horn", "hornbill_casque")


def make_row(number: int) -> dict[str, Any]:
    verdict = verdict_of(Prediction(Status.EMPTY, "there are no bytes", model="m"))
    return row_of(Item(f"id-{number}", f"象牙/{number}.jpg", None, extra={"price": number}), verdict, None)


def write(folder: Path, rows: int, *, format: Any = "jsonl", each: int = 3) -> None:
    writer = PartWriter(folder, format, GROUPS, read_parts(folder))
    for number in range(writer.rows, rows):
        writer.write(make_row(number))
        if writer.open_rows == each:
            writer.finish(f"digest-{number}")
    writer.finish("digest-end")


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_rows_come_back_as_they_went_in(tmp_path: Path, format: str) -> None:
    write(tmp_path, 8, format=format)
    assert list(read_rows(tmp_path)) == [make_row(n) for n in range(8)]
    parts = read_parts(tmp_path)
    assert [(p.part, p.first, p.rows) for p in parts] == [
        (f"part-00000.{format}", 0, 3),
        (f"part-00001.{format}", 3, 3),
        (f"part-00002.{format}", 6, 2),
    ]
    assert (parts[2].first_id, parts[2].last_id, parts[2].statuses) == ("id-6", "id-7", {"empty": 2})


def test_an_abandoned_part_leaves_nothing(tmp_path: Path) -> None:
    writer = PartWriter(tmp_path, "jsonl", GROUPS)
    writer.write(make_row(0))
    assert [p.name for p in tmp_path.iterdir()] == [".part-00000.jsonl.tmp"]
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
@pytest.mark.parametrize("step", ["write", "close"])
def test_a_part_that_could_not_be_written_is_never_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Any, step: str
) -> None:
    writer = PartWriter(tmp_path, format, GROUPS)
    writer.write(make_row(0))
    full, as_ever = [OSError(28, "No space left on device")], getattr(writer._encoder, step)

    def fail(*arguments: Any) -> None:
        if full:
            raise full.pop()
        as_ever(*arguments)

    monkeypatch.setattr(writer._encoder, step, fail)
    with pytest.raises(OSError, match="No space"):
        writer.write(make_row(1)) if step == "write" else writer.finish("digest")
    with pytest.raises(WildvisionError, match="could not be written"):  # though by now there may be space again
        writer.finish("digest")
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
    write(tmp_path, 2, format=format)
    assert list(read_rows(tmp_path)) == [make_row(n) for n in range(2)]


def test_writing_goes_on_behind_the_finished_parts(tmp_path: Path) -> None:
    write(tmp_path, 5)
    write(tmp_path, 9)
    assert list(read_rows(tmp_path)) == [make_row(n) for n in range(9)]


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_log_line_that_a_crash_cut_off_does_not_count(tmp_path: Path, cut: int) -> None:
    write(tmp_path, 9)
    log = tmp_path / LOG
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut])
    assert len(read_parts(tmp_path, mend=False)) == 2
    assert log.read_bytes() == whole[:-cut]
    parts = read_parts(tmp_path)
    sweep(tmp_path, parts)
    assert len(parts) == 2 and not (tmp_path / "part-00002.jsonl").exists()
    write(tmp_path, 9)
    assert list(read_rows(tmp_path)) == [make_row(n) for n in range(9)]


def test_a_part_renamed_but_not_logged_is_made_again(tmp_path: Path) -> None:
    write(tmp_path, 6)
    (tmp_path / "part-00002.jsonl").write_text("half a part")
    (tmp_path / ".part-00002.jsonl.tmp").write_text("")
    sweep(tmp_path, read_parts(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["part-00000.jsonl", "part-00001.jsonl", LOG]


def test_damage_in_the_middle_of_the_log_and_lost_parts_are_errors(tmp_path: Path) -> None:
    write(tmp_path, 6)
    (tmp_path / "part-00000.jsonl").unlink()
    with pytest.raises(WildvisionError, match="is gone"):
        read_parts(tmp_path)
    log = tmp_path / LOG
    log.write_bytes(b"{nonsense\n" + log.read_bytes())
    with pytest.raises(WildvisionError, match="damaged"):
        read_parts(tmp_path)


def test_parquet_columns_are_typed_for_queries(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write(tmp_path, 2, format="parquet")
    table = pq.read_table(tmp_path / "part-00000.parquet")
    assert str(table.schema.field("scores").type).startswith("struct<ivory: double")
    assert json.loads(table.column("extra")[1].as_py()) == {"price": 1}
    assert list(read_part(tmp_path / "part-00000.parquet"))[1]["path"] == "象牙/1.jpg"


def test_two_runs_cannot_hold_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(WildvisionError, match="another run"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("line", ["5", "[]", '{"part": 5}', '{"part": "part-00000.jsonl", "rows": "7"}'])
def test_a_log_with_other_things_in_it_is_damaged(tmp_path: Path, line: str) -> None:
    write(tmp_path, 6)
    log = tmp_path / LOG
    log.write_text(f"{line}\n{log.read_text()}")
    with pytest.raises(WildvisionError, match="damaged"):
        read_parts(tmp_path)


ODD_TOTALS = '{"state": "complete", "source": {}, "model": {}, "config": {}, "totals": {}}'
ODD_MODEL = '{"state": "complete", "source": {}, "model": "fast", "config": {}}'


@pytest.mark.parametrize("text", ["", "[]", '{"state": "running"}', "{", ODD_TOTALS, ODD_MODEL])
def test_a_damaged_manifest_is_an_error_and_a_missing_one_is_not(tmp_path: Path, text: str) -> None:
    assert RunManifest.read(tmp_path) is None
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(WildvisionError, match="not a run manifest"):
        RunManifest.read(tmp_path)


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    RunManifest("running", {}, {}, {}, schema="wildvision-run/9").write(tmp_path)
    with pytest.raises(WildvisionError, match="wildvision-run/9"):
        RunManifest.read(tmp_path)


def test_a_folder_without_a_run_has_no_rows_to_read(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ArgumentError, match="holds no run"):
            read_rows(folder)
