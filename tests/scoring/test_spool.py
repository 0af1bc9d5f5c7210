"""The pieces that Ray and Spark run, without either of them; the real engines are in ``test_engines``."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.scoring.test_runner import QUICK, same
from wildvision.errors import ArgumentError
from wildvision.imaging import DEFAULT_LIMITS
from wildvision.models import Classifier
from wildvision.scoring import BatchPredictor, Columns, open_source, read_rows, score, spark, spool
from wildvision.scoring.loading import Loader
from wildvision.scoring.ray import DecodeStage, ScoreStage
from wildvision.scoring.remote import PUBLIC_ONLY
from wildvision.scoring.scorer import Scorer, row_of


@pytest.fixture(scope="module")
def expected(shop: Path, tiny: Classifier, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    out = tmp_path_factory.mktemp("expected")
    score(shop, out, classifier=tiny, settings=QUICK)
    return [{**row, "copy_of": None} for row in read_rows(out)]


@pytest.fixture
def spooled(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(spool, "FILE_ROWS", 15)
    return list(spool.spool(open_source(shop), tmp_path, threading.Event()))


def test_items_are_spooled_in_order_with_paths_that_hold_elsewhere(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    files = list(spool.spool(open_source("a"), tmp_path, threading.Event()))
    items = [item for path in files for item in spool.items_in(pq.read_table(path))]
    assert [item.path for item in items][:2] == ["a/000.jpg", "a/003.jpg"]
    assert items[0].payload == str(shop / "a" / "000.jpg")


def test_a_stopped_run_spools_no_more(shop: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert list(spool.spool(open_source(shop), tmp_path, stop)) == []


def test_the_stages_of_ray_give_the_rows_of_the_local_engine(
    expected: list[dict[str, Any]], spooled: list[Path], tiny: Classifier, tiny_folder: Path
) -> None:
    loader = Scorer(tiny, batch_size=8).loader(PUBLIC_ONLY)
    decode, judge = DecodeStage(loader, None), ScoreStage((str(tiny_folder), None), 8, {"device": "cpu"}, rows=False)
    tables = [judge(decode(pq.read_table(path))) for path in spooled]
    rows = [row_of(item, done.verdict, None) for table in tables for item, done in spool.verdicts_in(table)]
    same(rows, expected)


def test_the_stages_of_ray_take_and_give_plain_tables(shop: Path, tiny: Classifier, tiny_folder: Path) -> None:
    decode = DecodeStage(Scorer(tiny, batch_size=8).loader(PUBLIC_ONLY), Columns())
    judge = ScoreStage((str(tiny_folder), None), 8, {"device": "cpu"}, rows=True)
    table = judge(decode(pa.table({"url": [str(shop / "a" / "000.jpg"), "nowhere.jpg"], "price": [1, 2]})))
    assert table.column("status").to_pylist() == ["ok", "not_found"]
    assert table.column("id").to_pylist()[1] == "nowhere.jpg"
    assert table.column("extra").to_pylist() == ['{"price": 1}', '{"price": 2}']


def test_photos_in_memory_need_an_id_in_a_table() -> None:
    decode = DecodeStage(Loader((), DEFAULT_LIMITS), Columns())
    with pytest.raises(ArgumentError, match="needs an id column"):
        decode(pa.table({"bytes": [b"x"]}))


@pytest.fixture
def predictor(tiny: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Python worker of Spark keeps."""
    kept = BatchPredictor(tiny, isolation="thread")
    monkeypatch.setattr(spark, "_predictor", lambda config: kept)


@pytest.mark.usefixtures("predictor")
def test_spark_scores_files_in_place(expected: list[dict[str, Any]], spooled: list[Path]) -> None:
    numbers = pa.record_batch({"id": [0, 1, 2]})
    assert list(spark._score_files(None, [str(path) for path in spooled], iter([numbers]))) == [numbers]
    rows = [
        row_of(item, done.verdict, None)
        for path in spooled
        for item, done in spool.verdicts_in(pq.read_table(spark._verdicts_of(path)))
    ]
    same(rows, expected)


@pytest.mark.usefixtures("predictor")
def test_spark_scores_batches_of_rows(shop: Path) -> None:
    batch = pa.record_batch({"path": [str(shop / "a" / "000.jpg"), str(shop / "a" / "empty.jpg")], "id": ["x", "y"]})
    (scored,) = spark._score_batches(None, Columns(), iter([batch]))
    assert scored.column("id").to_pylist() == ["x", "y"]
    assert scored.column("status").to_pylist() == ["ok", "empty"]


@pytest.mark.usefixtures("predictor")
def test_the_predict_function_of_spark_gives_typed_columns(shop: Path) -> None:
    predict = spark.make_predict_fn()
    found = predict([(shop / "a" / "000.jpg").read_bytes(), str(shop / "a" / "empty.jpg")])
    assert list(found["status"]) == ["ok", "empty"]
    assert 0 <= found["ivory"][0] <= 1 and math.isnan(found["ivory"][1])


def test_models_are_named_for_other_processes(tiny: Classifier, tiny_folder: Path) -> None:
    named = Scorer(tiny_folder, batch_size=1, device="cpu")
    assert spool.names_of(named, "ray") == (str(tiny_folder), None)
    with pytest.raises(ArgumentError, match="name or folder"):
        spool.names_of(Scorer(tiny, batch_size=1), "ray")


def test_a_bundled_name_is_no_folder_that_lies_about(tiny: Classifier, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "mine"):
        (tmp_path / name).mkdir()
    scorer = Scorer(tiny, batch_size=1)
    for given, named in (
        ("default", "default"),
        (Path("default"), str(tmp_path / "default")),
        ("mine", str(tmp_path / "mine")),
        ("hf://org/repo@main", "hf://org/repo@main"),
    ):
        scorer.named = (given, None)
        assert spool.names_of(scorer, "ray") == (named, None)
