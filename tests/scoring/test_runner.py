from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.scoring.conftest import make_photo
from tests.zoo import build_zoo, snapshot
from wildvision.backends import DeviceMemoryError
from wildvision.contract import Status
from wildvision.errors import ArgumentError, MissingExtraError, ModelError, WildvisionError
from wildvision.models import Classifier, load_classifier
from wildvision.policy import OperatingPoint
from wildvision.scoring import (
    Columns,
    Counters,
    ResumeError,
    ScoreReport,
    ScoreSettings,
    Shard,
    read_rows,
    score,
    validate,
)
from wildvision.scoring.items import Fingerprint
from wildvision.scoring.scorer import SCORES, Scorer, failed_prediction
from wildvision.scoring.store import Originals

Rows = list[dict[str, Any]]
QUICK = ScoreSettings(isolation="thread", workers=2, rows_per_part=7, progress="none")


def quick(**changes: Any) -> ScoreSettings:
    return dataclasses.replace(QUICK, **changes)


def same(left: Rows, right: Rows) -> None:
    """Equal row by row, floats to 1e-6."""
    assert [row["id"] for row in left] == [row["id"] for row in right]
    for a, b in zip(left, right, strict=True):
        for key in a.keys() | b.keys():
            if key in ("scores", "lookalike") and a[key] is not None:
                assert a[key].keys() == b[key].keys()
                assert all(b[key][k] == (pytest.approx(v, abs=1e-6) if k != "leaf" else v) for k, v in a[key].items())
            else:
                assert a[key] == b[key], key


@pytest.fixture(scope="module")
def expected(shop: Path, tiny: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of an undisturbed run."""
    out = tmp_path_factory.mktemp("expected")
    score(shop, out, classifier=tiny, settings=QUICK)
    return list(read_rows(out))


def test_every_photo_gets_one_row_in_sorted_order(expected: Rows, shop: Path) -> None:
    files = sorted(path.relative_to(shop).as_posix() for path in shop.rglob("*.*"))
    assert [row["id"] for row in expected] == files
    failures = {row["id"]: row["status"] for row in expected if row["status"] != "ok"}
    assert failures == {
        "a/cut.jpg": "truncated",
        "a/empty.jpg": "empty",
        "b/gone.jpg": "not_found",
        "b/noise.jpg": "unreadable",
        "b/notes.txt": "unreadable",
        "c/header.png": failures["c/header.png"],
    }
    assert {row["id"]: row["copy_of"] for row in expected if row["copy_of"]} == {
        "c/copy-0.jpg": "a/000.jpg",
        "c/copy-1.jpg": "b/001.jpg",
        "c/copy-2.jpg": "c/002.jpg",
        "c/copy-3.jpg": "a/003.jpg",
    }


def test_rows_are_those_of_predict(expected: Rows, shop: Path, tiny: Classifier) -> None:
    predictions = tiny.predict([shop / row["id"] for row in expected])
    rows = [
        {**p.to_row(id=row["id"]), "copy_of": row["copy_of"], "extra": None}
        for p, row in zip(predictions, expected, strict=True)
    ]
    same(rows, expected)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_rows_do_not_depend_on_the_number_of_worker_processes(
    workers: int, expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path
) -> None:
    score(shop, tmp_path / "out", classifier=tiny, settings=quick(workers=workers, isolation="process"))
    same(list(read_rows(tmp_path / "out")), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 1},
        {"batch_size": 3},
        {"batch_size": 1000},
        {"rows_per_part": 1},
        {"rows_per_part": 10_000},
        {"format": "parquet"},
        {"isolation": "process", "batch_size": 5},
    ],
    ids=str,
)
def test_rows_do_not_depend_on_how_they_are_made(
    changes: dict[str, Any], expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path
) -> None:
    score(shop, tmp_path / "out", classifier=tiny, settings=quick(**changes))
    same(list(read_rows(tmp_path / "out")), expected)
    assert validate(tmp_path / "out").ok


def test_shards_together_are_the_whole(expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    shards = []
    for i in range(3):
        score(shop, tmp_path / str(i), classifier=tiny, settings=quick(shard=Shard(i, 3), dedupe="off"))
        shards.append(list(read_rows(tmp_path / str(i))))
    merged = [shards[n % 3][n // 3] for n in range(len(expected))]
    same(merged, [{**row, "copy_of": None} for row in expected])


def test_inputs_are_left_alone(tiny: Classifier, tmp_path: Path) -> None:
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    cases = {str(case.path): case for case in build_zoo(zoo) if case.path is not None}
    before = snapshot(zoo)
    report = score(zoo, tmp_path / "out", classifier=tiny, settings=quick(isolation="process"))
    assert snapshot(zoo) == before
    rows = {row["path"]: row for row in read_rows(tmp_path / "out")}
    assert len(rows) == report.rows
    checked = [path for path in cases.keys() & rows.keys() if "not a regular file" not in str(rows[path]["error"])]
    assert len(checked) > 100
    for path in checked:
        assert rows[path]["status"] in cases[path].expected, path
    assert validate(tmp_path / "out").ok


def test_exact_copies_are_scored_once(shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: Any) -> None:
    scored: list[int] = []
    infer = tiny.infer

    def counting(prepared: Any) -> Any:
        scored.append(sum(p.sha256 is not None for p in prepared))  # blank photos, which fill a batch up, have none
        return infer(prepared)

    monkeypatch.setattr(tiny, "infer", counting)
    score(shop, tmp_path / "a", classifier=tiny, settings=quick(batch_size=4))
    assert sum(scored) == 30
    scored.clear()
    score(shop, tmp_path / "b", classifier=tiny, settings=quick(dedupe="off"))
    assert sum(scored) == 34


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_cache_spares_later_runs_the_model_and_changes_no_row(
    isolation: str, expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: Any
) -> None:
    settings = quick(cache=tmp_path / "cache.sqlite", isolation=isolation)
    score(shop, tmp_path / "a", classifier=tiny, settings=settings)
    monkeypatch.setattr(tiny, "infer", lambda prepared: pytest.fail("the model ran"))
    score(shop, tmp_path / "b", classifier=tiny, settings=settings)
    for name in ("a", "b"):
        same(list(read_rows(tmp_path / name)), expected)


def test_a_cache_knows_the_model(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    settings = quick(cache=tmp_path / "cache.sqlite")
    score(shop, tmp_path / "a", classifier=tiny, settings=settings)
    card = dataclasses.replace(
        tiny.card, operating_points={g: OperatingPoint(0.0, 0.0) for g in tiny.card.operating_points}
    )
    strict = Classifier(card, tiny._backend)
    report = score(shop, tmp_path / "b", classifier=strict, settings=settings)
    assert report.decisions == {"block": 34}


def test_near_duplicates_take_the_scores_of_the_first(tiny: Classifier, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rng = np.random.default_rng(5)
    for n in range(6):
        picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((200, 160), 3)
        shop.mkdir(exist_ok=True)
        picture.save(shop / f"{n}-a.jpg", quality=92)
        picture.resize((150, 120), 3).save(shop / f"{n}-b.jpg", quality=60)
    score(shop, tmp_path / "exact", classifier=tiny, settings=quick())
    assert all(row["copy_of"] is None for row in read_rows(tmp_path / "exact"))
    for name, workers in (("near", 1), ("again", 4)):
        score(shop, tmp_path / name, classifier=tiny, settings=quick(dedupe="near", workers=workers, batch_size=5))
    rows = list(read_rows(tmp_path / "near"))
    same(rows, list(read_rows(tmp_path / "again")))
    firsts, copies = rows[::2], rows[1::2]
    assert [row["copy_of"] for row in copies] == [row["id"] for row in firsts]
    for first, copy in zip(firsts, copies, strict=True):
        assert copy["scores"] == first["scores"]
        assert (copy["width"], copy["sha256"] == first["sha256"]) == (150, False)


def test_a_near_duplicate_leaves_no_scores_of_its_own_under_the_first_s_content(
    tiny: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first failed in the model, the duplicate is scored by itself; later runs must not take that for it."""
    rng = np.random.default_rng(5)
    picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((200, 160), 3)
    first, second = tmp_path / "a.png", tmp_path / "b.jpg"
    picture.save(first)
    picture.resize((150, 120), 3).save(second, quality=40)
    infer, calls = tiny.infer, []

    def failing_once(prepared: Any) -> Any:
        calls.append(prepared)
        if len(calls) == 1:
            return [failed_prediction(p, Status.MODEL_ERROR, "a fault of the device", tiny.model_id) for p in prepared]
        return infer(prepared)

    monkeypatch.setattr(tiny, "infer", failing_once)
    settings = quick(dedupe="near", batch_size=1, cache=tmp_path / "c.sqlite")
    score([first, second], tmp_path / "one", classifier=tiny, settings=settings)
    rows = list(read_rows(tmp_path / "one"))
    assert [row["status"] for row in rows] == ["model_error", "ok"]
    assert rows[1]["copy_of"] == rows[0]["id"]
    monkeypatch.undo()
    score([first], tmp_path / "two", classifier=tiny, settings=quick(cache=tmp_path / "c.sqlite"))
    score([first], tmp_path / "plain", classifier=tiny, settings=quick())
    same(list(read_rows(tmp_path / "two")), list(read_rows(tmp_path / "plain")))


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_damaged_cache_ends_the_run_and_costs_no_photo(
    tiny: Classifier, shop: Path, tmp_path: Path, isolation: Any, expected: Rows
) -> None:
    path = tmp_path / "c.sqlite"
    settings = quick(cache=path, isolation=isolation)
    score(shop, tmp_path / "first", classifier=tiny, settings=settings)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    assert len(data) > 4 * 4096
    for page in range(3 * 4096, len(data), 4096):  # the scores; the tables and the model are in the pages before
        data[page : page + 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(data))
    with pytest.raises(WildvisionError, match=r"c\.sqlite"):
        score(shop, tmp_path / "second", classifier=tiny, settings=settings)
    settings = quick(isolation=isolation)
    score(shop, tmp_path / "second", classifier=tiny, resume=True, settings=settings)
    same(list(read_rows(tmp_path / "second")), expected)


def test_a_full_disk_forgets_no_original(
    tiny: Classifier, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: Rows
) -> None:
    """SQLite takes back what was not committed; the rows that it told apart must go with it."""
    commit, calls = Originals.commit, []

    def full(originals: Originals, rows: int) -> None:
        calls.append(originals)
        if len(calls) == 2:
            originals._db.rollback()
            raise sqlite3.OperationalError("database or disk is full")
        commit(originals, rows)

    monkeypatch.setattr(Originals, "commit", full)
    with pytest.raises(sqlite3.OperationalError):
        score(shop, tmp_path / "run", classifier=tiny, settings=QUICK)
    monkeypatch.undo()
    score(shop, tmp_path / "run", classifier=tiny, resume=True, settings=QUICK)
    same(list(read_rows(tmp_path / "run")), expected)


def test_overwriting_can_be_killed_at_any_moment(
    tiny: Classifier, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    settings = quick(rows_per_part=10)
    rows = score(shop, out, classifier=tiny, settings=settings).rows
    unlink = Path.unlink
    for left in range(12):
        done = []

        def dying(path: Path, missing_ok: bool = False, *, left: int = left, done: list[Path] = done) -> None:
            if len(done) == left:
                raise KeyboardInterrupt
            done.append(path)
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", dying)
        with contextlib.suppress(KeyboardInterrupt):
            score(shop, out, classifier=tiny, overwrite=True, settings=settings)
        monkeypatch.undo()
        shutil.copytree(out, tmp_path / f"copy-{left}", symlinks=True)
        assert score(shop, tmp_path / f"copy-{left}", classifier=tiny, resume=True, settings=settings).rows == rows
        assert score(shop, out, classifier=tiny, overwrite=True, settings=settings).rows == rows
        report = validate(out)
        assert report.ok, (left, report.problems)


class Breaking:
    """A source that breaks after some photos, as a dying machine would."""

    def __init__(self, folder: Path, after: int) -> None:
        self.folder, self.after = folder, after

    def describe(self) -> dict[str, Any]:
        return {"kind": "test"}

    def count(self) -> int | None:
        return None

    def __iter__(self) -> Iterator[Any]:
        from wildvision.scoring import open_source

        for number, item in enumerate(open_source(self.folder)):
            if number == self.after:
                raise RuntimeError("power cut")
            yield item


@pytest.mark.parametrize("dedupe", ["exact", "near", "off"])
@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_run_that_broke_goes_on_to_the_same_rows(
    dedupe: Any, format: Any, shop: Path, tiny: Classifier, tmp_path: Path
) -> None:
    settings = quick(dedupe=dedupe, format=format, batch_size=3)
    score(Breaking(shop, 10**9), tmp_path / "whole", classifier=tiny, settings=settings)
    for after in (1, 8, 20, 33):
        with pytest.raises(RuntimeError, match="power cut"):
            score(Breaking(shop, after), tmp_path / "out", classifier=tiny, settings=settings, resume=True)
    report = score(Breaking(shop, 10**9), tmp_path / "out", classifier=tiny, settings=settings, resume=True)
    assert report.complete and 0 < report.resumed < report.rows == 40
    same(list(read_rows(tmp_path / "out")), list(read_rows(tmp_path / "whole")))
    assert validate(tmp_path / "out").ok
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")) == []


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos, then a near duplicate of each."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(5)
    for n in range(6):
        picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((200, 160), 3)
        picture.save(folder / f"a-{n}.jpg", quality=92)
        picture.resize((150, 120), 3).save(folder / f"b-{n}.jpg", quality=40)
    return folder


@pytest.mark.parametrize("dedupe", ["exact", "near"])
@pytest.mark.parametrize("loss", ["state", "cache", "write-ahead log"])
def test_what_resume_needs_is_learnt_again_from_the_rows(
    dedupe: Any, loss: str, pairs: Path, tiny: Classifier, tmp_path: Path
) -> None:
    """A folder copied without what is hidden in it, another cache named, a power cut before the disk had it."""
    photos = tmp_path / "photos"
    shutil.copytree(pairs, photos)
    for n in range(6):
        shutil.copy(photos / f"a-{n}.jpg", photos / f"c-{n}.jpg")
    settings = quick(dedupe=dedupe, rows_per_part=2, batch_size=1, workers=1)
    score(Breaking(photos, 10**9), tmp_path / "whole", classifier=tiny, settings=settings)
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match="power cut"):
        score(Breaking(photos, 6), out, classifier=tiny, settings=settings)
    if loss == "state":
        shutil.rmtree(out / ".state")
    elif loss == "cache":
        settings = quick(dedupe=dedupe, rows_per_part=2, batch_size=1, workers=1, cache=tmp_path / "other.sqlite")
    else:
        (out / ".state" / "originals.sqlite").write_bytes(b"")
    score(Breaking(photos, 10**9), out, classifier=tiny, settings=settings, resume=True)
    rows, whole = list(read_rows(out)), list(read_rows(tmp_path / "whole"))
    assert any(row["copy_of"] for row in whole)
    assert rows == whole


def test_a_photo_s_scores_are_the_same_bits_in_batches_of_any_size(pairs: Path, tiny: Classifier) -> None:
    scorer = Scorer(tiny, batch_size=64)
    loader = scorer.loader(QUICK.remote)
    photos = [loader(str(path)) for path in sorted(pairs.iterdir())] * 3
    alone = [scorer.score([photo])[0]["scores"] for photo in photos[:12]]
    for size in (1, 2, 3, 5, 16, 17, 18, 19, 21, 34, 36):
        verdicts = scorer.score(photos[:size])
        assert [v["scores"] for v in verdicts] == [alone[i % 12] for i in range(size)], size


def test_a_cache_among_the_photos_is_none_of_them(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(shop, photos, symlinks=True)
    settings = quick(cache=photos / "a-cache.sqlite")
    first = score(photos, photos / "out", classifier=tiny, settings=settings)
    (photos / "a-cache.sqlite-wal").touch()
    again = score(photos, photos / "out", classifier=tiny, settings=settings, resume=True)
    assert first.rows == again.rows == 40


def test_a_log_without_its_run_is_not_added_to(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    (tmp_path / "parts.jsonl").write_text("{}")
    with pytest.raises(ArgumentError, match="parts without a manifest"):
        score(shop, tmp_path, classifier=tiny, settings=QUICK, overwrite=True)


def test_what_a_kill_left_behind_a_complete_run_goes(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    score(shop, tmp_path, classifier=tiny, settings=QUICK)
    (tmp_path / ".state").mkdir(exist_ok=True)
    (tmp_path / ".state" / "scores.sqlite").touch()
    score(shop, tmp_path, classifier=tiny, settings=QUICK, resume=True)
    assert not (tmp_path / ".state").exists()


def test_an_interrupt_between_a_row_and_its_fingerprint_is_resumed(
    expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Fingerprint.add

    def interrupted(self: Fingerprint, item: Any) -> None:
        if self.items == 7:
            raise KeyboardInterrupt
        add(self, item)

    monkeypatch.setattr(Fingerprint, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score(shop, tmp_path, classifier=tiny, settings=quick(rows_per_part=5))
    monkeypatch.setattr(Fingerprint, "add", add)
    score(shop, tmp_path, classifier=tiny, settings=quick(rows_per_part=5), resume=True)
    same(list(read_rows(tmp_path)), expected)
    assert validate(tmp_path).ok


def test_a_complete_run_resumes_to_nothing(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    first = score(shop, tmp_path, classifier=tiny, settings=QUICK)
    before = snapshot(tmp_path)
    again = score(shop, tmp_path, classifier=tiny, settings=QUICK, resume=True)
    assert (again.rows, again.resumed, again.statuses) == (40, 40, first.statuses)
    assert {k: v[3] for k, v in snapshot(tmp_path).items()} == {k: v[3] for k, v in before.items()}


def _interrupted(shop: Path, out: Path, tiny: Classifier, settings: ScoreSettings) -> ScoreReport:
    def stop(counters: Counters) -> None:
        if counters.rows == 10:
            os.kill(os.getpid(), 15)

    return score(shop, out, classifier=tiny, settings=dataclasses.replace(settings, on_progress=stop))


def test_sigterm_finishes_the_part_and_the_run_goes_on(
    expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("wildvision.scoring.progress._BAR_SECONDS", 0.0)
    settings = quick(workers=1, batch_size=2, rows_per_part=1000)
    report = _interrupted(shop, tmp_path, tiny, settings)
    assert not report.complete and 10 <= report.rows < 40
    assert json.loads((tmp_path / "manifest.json").read_text())["state"] == "interrupted"
    assert not validate(tmp_path).complete
    same(list(read_rows(tmp_path)), expected[: report.rows])
    done = score(shop, tmp_path, classifier=tiny, settings=settings, resume=True)
    assert done.complete and done.resumed == report.rows
    same(list(read_rows(tmp_path)), expected)


def test_a_run_is_neither_continued_nor_replaced_unasked(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    score(shop, tmp_path, classifier=tiny, settings=QUICK)
    with pytest.raises(ArgumentError, match="holds a run already"):
        score(shop, tmp_path, classifier=tiny, settings=QUICK)
    with pytest.raises(ArgumentError, match="exclude each other"):
        score(shop, tmp_path, classifier=tiny, settings=QUICK, resume=True, overwrite=True)


def test_overwriting_removes_the_run_and_nothing_else(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    score(shop, tmp_path, classifier=tiny, settings=quick(rows_per_part=5))
    (tmp_path / "notes.txt").write_text("mine")
    score(shop, tmp_path, classifier=tiny, settings=quick(format="parquet"), overwrite=True)
    assert not list(tmp_path.glob("*.jsonl.tmp")) and not list(tmp_path.glob("part-*.jsonl"))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert validate(tmp_path).ok


@pytest.mark.parametrize("fault", ["model", "source"])
def test_overwriting_removes_no_run_before_model_and_source_prove_usable(
    shop: Path, tiny: Classifier, tmp_path: Path, fault: str
) -> None:
    score(shop, tmp_path / "out", classifier=tiny, settings=QUICK)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    manifest = tmp_path / "list.csv"
    manifest.write_text("title\nno photo\n")
    source, model = (shop, "no-such-model") if fault == "model" else (manifest, tiny)
    with pytest.raises(WildvisionError):
        score(source, tmp_path / "out", classifier=model, settings=QUICK, overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()} == before


def test_parts_of_unknown_origin_are_not_touched(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    (tmp_path / "part-00000.jsonl").write_text("somebody's")
    with pytest.raises(ArgumentError, match="without a manifest"):
        score(shop, tmp_path, classifier=tiny, settings=QUICK, overwrite=True)
    assert (tmp_path / "part-00000.jsonl").read_text() == "somebody's"


def _other_model(shop: Path, tiny: Classifier) -> dict[str, Any]:
    card = dataclasses.replace(tiny.card, name="other")
    return {"classifier": Classifier(card, tiny._backend)}


def _other_thresholds(shop: Path, tiny: Classifier) -> dict[str, Any]:
    points = {**tiny.card.operating_points, "ivory": OperatingPoint(0.25, 0.75)}
    return {"classifier": Classifier(dataclasses.replace(tiny.card, operating_points=points), tiny._backend)}


def _removed(shop: Path, tiny: Classifier) -> dict[str, Any]:
    (shop / "a" / "003.jpg").unlink()
    return {}


def _added(shop: Path, tiny: Classifier) -> dict[str, Any]:
    make_photo(shop / "a" / "0000.jpg", 99)
    return {}


def _changed(shop: Path, tiny: Classifier) -> dict[str, Any]:
    make_photo(shop / "a" / "003.jpg", 99)
    return {}


def _renamed(shop: Path, tiny: Classifier) -> dict[str, Any]:
    (shop / "a" / "003.jpg").rename(shop / "a" / "004.jpg")
    return {}


def _emptied(shop: Path, tiny: Classifier) -> dict[str, Any]:
    shutil.rmtree(shop / "a")
    shutil.rmtree(shop / "b")
    shutil.rmtree(shop / "c")
    return {}


def _appended(shop: Path, tiny: Classifier) -> dict[str, Any]:
    make_photo(shop / "z.jpg", 99)
    return {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_other_model, r"model.classifier was .*tiny@sha256.* now .*other@sha256"),
        (_other_thresholds, r"model.operating_points.ivory.review was 0.5, now 0.25"),
        (lambda shop, tiny: {"settings": quick(format="parquet")}, r'config.format was "jsonl", now "parquet"'),
        (lambda shop, tiny: {"settings": quick(dedupe="off")}, r'config.dedupe was "exact", now "off"'),
        (lambda shop, tiny: {"settings": quick(shard=Shard(0, 2))}, r'config.shard was "0/1", now "0/2"'),
        (lambda shop, tiny: {"source": f"{shop}/**/*.jpg"}, r"source.pattern was null"),
        (_removed, r"part-00000.jsonl .*added, removed, renamed or changed"),
        (_added, r"part-00000.jsonl .*added, removed, renamed or changed"),
        (_changed, r"part-00000.jsonl .*added, removed, renamed or changed"),
        (_renamed, r"part-00000.jsonl .*added, removed, renamed or changed"),
        (_emptied, r"ends after 0 photos"),
        (_appended, r"complete with 40 rows, and the input has more"),
    ],
)
def test_a_changed_model_configuration_or_input_is_refused(
    change: Callable[[Path, Classifier], dict[str, Any]], message: str, shop: Path, tiny: Classifier, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(shop, tmp_path / "shop", symlinks=True))
    score(own, tmp_path / "out", classifier=tiny, settings=QUICK)
    before = snapshot(tmp_path / "out")
    arguments = {"source": own, "classifier": tiny, "settings": QUICK, **change(own, tiny)}
    with pytest.raises(ResumeError, match=message) as caught:
        score(arguments.pop("source"), tmp_path / "out", resume=True, **arguments)
    assert "folder" in str(caught.value)
    assert {k: v[3] for k, v in snapshot(tmp_path / "out").items()} == {k: v[3] for k, v in before.items()}


def test_workers_and_batches_may_change_between_a_stop_and_a_resume(
    expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError):
        score(Breaking(shop, 20), tmp_path, classifier=tiny, settings=quick(workers=1, batch_size=2))
    settings = quick(workers=4, batch_size=9, rows_per_part=3, isolation="process")
    score(Breaking(shop, 10**9), tmp_path, classifier=tiny, settings=settings, resume=True)
    same(list(read_rows(tmp_path)), expected)


def test_a_full_device_halves_the_batch_and_goes_on(
    expected: Rows, shop: Path, tiny_folder: Path, tmp_path: Path, caplog: Any
) -> None:
    small = load_classifier(tiny_folder, device="cpu")
    sizes: list[int] = []
    infer = small.infer

    def limited(prepared: Any) -> Any:
        sizes.append(len(prepared))
        if len(prepared) > 5:
            raise DeviceMemoryError("out of memory")
        return infer(prepared)

    small.infer = limited  # type: ignore[method-assign]
    score(shop, tmp_path, classifier=small, settings=quick(batch_size=16))
    same(list(read_rows(tmp_path)), expected)
    assert max(sizes[2:]) <= 5
    assert "batches of 4" in caplog.text


def test_a_device_too_small_for_one_photo_gives_model_errors(shop: Path, tiny_folder: Path, tmp_path: Path) -> None:
    none = load_classifier(tiny_folder, device="cpu")

    def full(prepared: Any) -> Any:
        raise DeviceMemoryError("out of memory")

    none.infer = full  # type: ignore[method-assign]
    report = score(shop, tmp_path, classifier=none, settings=QUICK)
    assert report.statuses["model_error"] == 34
    assert validate(tmp_path).ok


def test_a_model_that_fails_whatever_the_photo_stops_the_run(
    shop: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("wildvision.scoring.scorer._HOPELESS", 10)
    broken = load_classifier(tiny_folder, device="cpu")

    class Broken:
        device, precision = "cpu", "fp32"

        def __call__(self, batch: Any) -> Any:
            raise ZeroDivisionError("division by zero")

    broken._backend = Broken()
    with pytest.raises(ModelError, match=r"10 photos in a row.*division by zero.*resume"):
        score(shop, tmp_path, classifier=broken, settings=QUICK)
    assert not list(tmp_path.glob(".part-*"))


def test_progress_is_reported_as_counters(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    report = score(
        shop, tmp_path, classifier=tiny, settings=quick(on_progress=lambda counters: seen.append(counters.as_dict()))
    )
    assert seen[-1]["rows"] == report.rows == 40
    assert seen[-1]["statuses"] == report.statuses
    assert seen[-1]["copies"] == report.copies == 4


def test_arrays_bytes_and_mappings_score_from_memory(
    expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path
) -> None:
    ids = ["a/000.jpg", "b/001.jpg", "a/empty.jpg"]
    photos = [{"id": name, "bytes": (shop / name).read_bytes(), "listing_id": "L", "price": 5} for name in ids]
    photos.append({"id": "array", "bytes": np.zeros((9, 9, 3), np.uint8)})
    score(photos, tmp_path, classifier=tiny, settings=quick(isolation="process"))
    rows = list(read_rows(tmp_path))
    by_id = {row["id"]: row for row in expected}
    assert [row["status"] for row in rows] == ["ok", "ok", "empty", "ok"]
    assert rows[0]["scores"] == pytest.approx(by_id["a/000.jpg"]["scores"], abs=1e-6)
    assert (rows[0]["listing_id"], rows[0]["extra"], rows[3]["extra"]) == ("L", {"price": 5}, None)
    assert len((tmp_path / "listings.jsonl").read_text().splitlines()) == 1


def test_an_empty_source_is_a_complete_run_of_no_rows(tiny: Classifier, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = score(tmp_path / "empty", tmp_path / "out", classifier=tiny, settings=QUICK)
    assert report.complete and report.rows == 0
    assert validate(tmp_path / "out").ok


@pytest.mark.parametrize(
    "bad",
    [
        {"format": "csv"},
        {"dedupe": "yes"},
        {"engine": "dask"},
        {"isolation": "none"},
        {"progress": "loud"},
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"rows_per_part": True},
        {"workers": "2"},
        {"shard": "0/2"},
        {"columns": "path"},
        {"rows_per_part": 0},
        {"workers": 0},
        {"actors": 0},
        {"engine": "ray", "dedupe": "near"},
    ],
    ids=str,
)
def test_bad_settings_raise_at_once(bad: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        ScoreSettings(**bad)


def test_two_runs_into_one_folder_are_refused(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    def second(counters: Counters) -> None:
        with pytest.raises(WildvisionError, match="another run"):
            score(shop, tmp_path, classifier=tiny, settings=QUICK, resume=True)

    score(shop, tmp_path, classifier=tiny, settings=quick(on_progress=second))


def test_an_engine_that_is_not_installed_leaves_no_run_behind(
    shop: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for engine, package in (("ray", "ray"), ("spark", "pyspark")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=package):
            score(shop, tmp_path / "out", classifier=tiny_folder, settings=quick(engine=engine))
        assert not (tmp_path / "out").exists()
    assert score(shop, tmp_path / "out", classifier=tiny_folder, settings=quick(device="cpu")).complete


def test_a_loaded_model_that_an_engine_cannot_send_leaves_no_run_behind(
    shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wildvision.scoring.ray.import_ray", lambda: None)
    with pytest.raises(ArgumentError, match="not a loaded model"):
        score(shop, tmp_path / "out", classifier=tiny, settings=quick(engine="ray"))
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("bad", ["frame", "array", "glob", "columns"])
def test_a_source_that_is_refused_leaves_nothing_behind(bad: str, shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    source: Any = np.zeros((4, 4, 3), np.uint8)
    if bad == "frame":
        source = pytest.importorskip("pandas").DataFrame({"x": [1]})
    elif bad == "glob":
        source = f"{shop}/*.gif"
    settings = quick(columns=Columns(listing="ad")) if bad == "columns" else QUICK
    with pytest.raises(ArgumentError):
        score(shop if bad == "columns" else source, tmp_path / "out", classifier=tiny, settings=settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_pil_images_and_bad_mappings_end_no_run(isolation: Any, shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    path = shop / "a" / "000.jpg"
    data = path.read_bytes()
    cut, whole = (Image.open(io.BytesIO(d)) for d in (data[: len(data) // 2], data))
    photos = [cut, {"path": path}, {"nope": 1}, {"image": cut}, {"path": path, "listing_id": float("nan")}, whole]
    score(photos, tmp_path, classifier=tiny, settings=quick(isolation=isolation))
    rows = list(read_rows(tmp_path))
    assert [row["status"] for row in rows] == ["truncated", "ok", "unreadable", "truncated", "ok", "ok"]
    assert all(row["listing_id"] is None for row in rows)
    assert rows[0]["error"] == tiny.predict(cut).error


def test_pandas_columns_and_frames_are_scored(expected: Rows, shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    names = ["a/000.jpg", "b/001.jpg"]
    frame = pd.DataFrame({"path": [str(shop / name) for name in names], "listing_id": ["L", None], "price": [1, 2]})
    score(frame["path"], tmp_path / "series", classifier=tiny, settings=QUICK)
    score(frame, tmp_path / "frame", classifier=tiny, settings=QUICK)
    scores = [row["scores"] for row in expected if row["id"] in names]
    for name in ("series", "frame"):
        assert [row["scores"] for row in read_rows(tmp_path / name)] == [pytest.approx(s, abs=1e-6) for s in scores]
    rows = list(read_rows(tmp_path / "frame"))
    assert [(row["listing_id"], row["extra"]) for row in rows] == [("L", {"price": 1}), (None, {"price": 2})]


def test_numbers_of_another_version_are_neither_gone_on_with_nor_taken_from_a_cache(
    shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick(cache=tmp_path / "c.sqlite")
    score(shop, tmp_path / "old", classifier=tiny, settings=settings)
    manifest = tmp_path / "old" / "manifest.json"
    before = json.loads(manifest.read_text())
    assert before["model"].pop("scores") == SCORES
    manifest.write_text(json.dumps(before))  # of a version that did not say
    with pytest.raises(ResumeError, match=r"model.scores was null, now"):
        score(shop, tmp_path / "old", classifier=tiny, settings=settings, resume=True)
    infer, calls = tiny.infer, []
    monkeypatch.setattr(tiny, "infer", lambda photos: (calls.append(photos), infer(photos))[1])
    score(shop, tmp_path / "same", classifier=tiny, settings=settings)
    assert not calls
    monkeypatch.setattr("wildvision.scoring.scorer.SCORES", "another")
    score(shop, tmp_path / "new", classifier=tiny, settings=settings)
    assert calls
