"""Ray and Spark for real, on this machine. Run by ``make test-engines``; skipped where they are not installed."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.test_runner import Breaking, same
from wildvision.errors import ArgumentError
from wildvision.models import Classifier
from wildvision.scoring import ScoreReport, ScoreSettings, read_rows, score, validate

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    module = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    module.init(num_cpus=5, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield module
    module.shutdown()


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    from wildvision.scoring.spark import _session

    session = _session(2)
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def run(source: Any, out: Path, model: Path, **options: Any) -> ScoreReport:
    settings = ScoreSettings(rows_per_part=9, workers=1, batch_size=8, device="cpu", progress="none", **options)
    return score(source, out, classifier=model, settings=settings, resume=True)


@pytest.fixture(scope="module")
def local(shop: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    out = tmp_path_factory.mktemp("local")
    run(shop, out, tiny_folder)
    return list(read_rows(out))


@pytest.mark.parametrize(("engine", "actors"), [("ray", 1), ("ray", 2), ("spark", 2)])
def test_the_rows_are_those_of_the_local_engine(
    engine: str,
    actors: int,
    local: list[dict[str, Any]],
    shop: Path,
    tiny_folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(engine)
    report = run(shop, tmp_path, tiny_folder, engine=engine, actors=actors)
    assert report.complete and report.copies == 4
    same(list(read_rows(tmp_path)), local)
    assert validate(tmp_path).ok
    assert not (tmp_path / ".state").exists()


@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_a_run_that_broke_goes_on(
    engine: str,
    local: list[dict[str, Any]],
    shop: Path,
    tiny_folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(engine)
    with pytest.raises(RuntimeError, match="power cut"):
        run(Breaking(shop, 20), tmp_path, tiny_folder)  # begun by the local engine, which is no change of rows
    report = run(Breaking(shop, 10**9), tmp_path, tiny_folder, engine=engine)
    assert 0 < report.resumed < 40
    same(list(read_rows(tmp_path)), local)


@pytest.mark.parametrize("engine", ["ray", "spark"])
def test_a_loaded_model_is_refused_because_workers_load_their_own(
    engine: str, shop: Path, tiny: Classifier, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(engine)
    with pytest.raises(ArgumentError, match="name or folder"):
        score(shop, tmp_path, classifier=tiny, settings=ScoreSettings(engine=engine, progress="none"))


def photos(shop: Path, local: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [row["id"] for row in local][:20]
    return [{"id": name, "path": str(shop / name), "listing_id": "L", "price": n} for n, name in enumerate(names)]


def check(rows: list[dict[str, Any]], local: list[dict[str, Any]]) -> None:
    expected = {row["id"]: row for row in local}
    assert len(rows) == 20
    for row in rows:
        same_as = expected[row["id"]]
        assert (row["status"], row["decision"], row["sha256"]) == tuple(
            same_as[k] for k in ("status", "decision", "sha256")
        )
        if row["scores"] is not None:
            assert dict(row["scores"]) == pytest.approx(same_as["scores"], abs=1e-6)
        assert row["listing_id"] == "L" and '"price"' in row["extra"]


def test_a_ray_dataset_is_scored_lazily(ray: Any, local: list[dict[str, Any]], shop: Path, tiny_folder: Path) -> None:
    from wildvision.scoring.ray import score_dataset

    dataset = ray.data.from_items(photos(shop, local))
    scored = score_dataset(dataset, classifier=str(tiny_folder), device="cpu")
    check(scored.take_all(), local)


def test_ray_decodes_a_dataset_of_one_block_in_several(
    ray: Any, local: list[dict[str, Any]], shop: Path, tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from wildvision.scoring.ray import score_dataset

    dataset = ray.data.from_items(photos(shop, local), override_num_blocks=1)
    scored = score_dataset(dataset, classifier=str(tiny_folder), device="cpu", batch_size=2).materialize()
    assert scored.num_blocks() > 1
    check(scored.take_all(), local)
    assert "these stages hold" not in caplog.text
    score_dataset(dataset, classifier=str(tiny_folder), device="cpu", decoders=4)
    assert "Ray has 5 CPUs and these stages hold 6 at once" in caplog.text


def test_a_spark_dataframe_is_scored_lazily(
    spark: Any, local: list[dict[str, Any]], shop: Path, tiny_folder: Path
) -> None:
    from wildvision.scoring.spark import score_dataframe

    frame = spark.createDataFrame(photos(shop, local)).repartition(2)
    scored = score_dataframe(frame, classifier=str(tiny_folder), device="cpu")
    check([row.asDict(recursive=True) for row in scored.collect()], local)
    assert "scores" in scored.columns


def test_predict_batch_udf(spark: Any, local: list[dict[str, Any]], shop: Path, tiny_folder: Path) -> None:
    from pyspark.ml.functions import predict_batch_udf

    from wildvision.scoring.spark import make_predict_fn, predict_type

    predict = predict_batch_udf(
        functools.partial(make_predict_fn, str(tiny_folder), device="cpu"), return_type=predict_type(), batch_size=8
    )
    frame = spark.createDataFrame(photos(shop, local))
    rows = frame.select("id", predict("path").alias("found")).collect()
    expected = {row["id"]: row for row in local}
    assert {row.id: row.found.status for row in rows} == {row.id: expected[row.id]["status"] for row in rows}
    good = next(row for row in rows if row.found.status == "ok")
    scores = {group: good.found[group] for group in expected[good.id]["scores"]}
    assert scores == pytest.approx(expected[good.id]["scores"], abs=1e-6)
    bad = next(row for row in rows if row.found.status != "ok")
    assert bad.found.error and not bad.found.decision
