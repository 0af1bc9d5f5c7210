from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

from wildvision.models import Classifier
from wildvision.scoring import validate

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_upload_hook_answers_good_and_bad_uploads(shop: Path, tiny: Classifier) -> None:
    hook = load("upload_hook")
    with hook.serve(hook.Batcher(tiny), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        photo = (shop / "a" / "000.jpg").read_bytes()
        for data, status in ((photo, "ok"), (photo[:300], "truncated"), (b"text", "unreadable")):
            with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=60) as answer:
                assert json.load(answer)["status"] == status
        server.shutdown()


def test_the_queue_consumer_gives_one_verdict_a_listing(
    shop: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", str(shop), "--model", str(tiny_folder)])
    load("queue_consumer").main()
    verdicts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(v["listing_id"], v["photos"]) for v in verdicts] == [("a", 12), ("b", 12), ("c", 15)]


def test_the_nightly_job_resumes_reports_and_counts(
    shop: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["x", str(shop), str(tmp_path / "out"), "--model", str(tiny_folder), "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", [*argv, "--metrics", str(tmp_path / "wildvision.prom")])
    nightly = load("nightly")
    assert nightly.main() == 0
    assert 'wildvision_rows_total{status="ok"} 34' in (tmp_path / "wildvision.prom").read_text()
    assert nightly.main() == 0
    assert validate(tmp_path / "out").ok


def test_a_pandas_frame_keeps_its_rows_and_columns(shop: Path, tiny_folder: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"path": [str(shop / "a" / n) for n in ("000.jpg", "empty.jpg")], "price": [3, 4]}, index=[7, 9]
    )
    scored = load("pandas_frame").score_frame(frame, str(tiny_folder))
    assert scored.index.tolist() == [7, 9]
    assert scored["price"].tolist() == [3, 4]
    assert scored["status"].tolist() == ["ok", "empty"]
    assert 0 <= scored["score_ivory"].iloc[0] <= 1


def test_the_queries_run_on_an_output(
    shop: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb")
    from wildvision.scoring import ScoreSettings, score

    monkeypatch.chdir(tmp_path)
    photos = [
        {"id": str(n), "path": str(p), "listing_id": "L", "seller": "S"} for n, p in enumerate(shop.rglob("*.jpg"))
    ]
    settings = ScoreSettings(format="parquet", isolation="thread", progress="none")
    score(photos, "out", classifier=tiny_folder, settings=settings)
    for query in (EXAMPLES / "duckdb_queries.sql").read_text().split(";"):
        if query.strip():
            duckdb.sql(query)
    shutil.rmtree("out")


def test_the_queue_consumer_takes_any_message_once(shop: Path, tiny_folder: Path) -> None:
    photos = [str(shop / "a" / name) for name in ("000.jpg", "003.jpg")]
    messages = [
        {"listing_id": 7, "photos": photos},
        {"listing_id": "none", "photos": []},
        {"listing_id": 7, "photos": photos},
        {"listing_id": "b", "photos": photos[:1]},
    ]
    first, empty, again, last = load("queue_consumer").verdicts(messages, str(tiny_folder))
    assert (first.listing_id, first.photos, first.scored) == ("7", 2, 2)
    assert again == first
    assert (empty.listing_id, empty.photos, empty.decision) == ("none", 0, None)
    assert (last.listing_id, last.photos, last.decided_by) == ("b", 1, "b/0")
