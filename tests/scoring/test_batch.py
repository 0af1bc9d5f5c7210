from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wildvision as wv
from wildvision.errors import ArgumentError
from wildvision.models import Classifier
from wildvision.scoring import open_source
from wildvision.scoring.items import file_sha256
from wildvision.scoring.rows import ROW_FIELDS


@pytest.fixture
def predictor(tiny: Classifier) -> wv.BatchPredictor:
    return wv.BatchPredictor(tiny, isolation="thread")


def test_columns_in_columns_out(predictor: wv.BatchPredictor, shop: Path, tiny: Classifier) -> None:
    paths = [str(shop / "a" / "000.jpg"), str(shop / "a" / "empty.jpg"), str(shop / "b" / "001.jpg")]
    out = predictor({"path": paths, "id": ["x", "y", "z"], "listing_id": ["L", None, "M"], "price": np.arange(3)})
    assert list(out) == [*ROW_FIELDS, "price"]
    assert out["id"] == ["x", "y", "z"]
    assert out["status"] == ["ok", "empty", "ok"]
    assert out["price"] == [0, 1, 2]
    expected = [None if not p.ok else dict(p.scores) for p in tiny.predict(paths)]
    assert out["scores"][0] == pytest.approx(expected[0], abs=1e-6)
    assert out["scores"][1] is None


def test_photos_may_come_as_bytes_or_arrays(predictor: wv.BatchPredictor, shop: Path) -> None:
    data = (shop / "a" / "000.jpg").read_bytes()
    assert predictor({"bytes": [data, b""]})["status"] == ["ok", "empty"]
    images = np.empty(2, object)
    images[:] = [np.zeros((5, 6, 3), np.uint8), data]
    assert predictor({"image": images})["width"] == [6, 96]


def test_an_empty_batch_gives_empty_columns(predictor: wv.BatchPredictor) -> None:
    assert predictor({"path": []}) == {field: [] for field in ROW_FIELDS}


def test_a_predictor_pickles_by_name_and_scores_the_same(tiny_folder: Path, shop: Path) -> None:
    batch = {"path": [str(shop / "a" / "000.jpg")]}
    with wv.BatchPredictor(str(tiny_folder), device="cpu") as first:
        before = first(batch)
        second = pickle.loads(pickle.dumps(first))
    with second:
        assert second(batch) == before


def test_a_predictor_with_a_loaded_model_does_not_pickle(predictor: wv.BatchPredictor) -> None:
    with pytest.raises(ArgumentError, match="name or folder"):
        pickle.dumps(predictor)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"name": ["x"]}, "no column holds the photo"),
        ({"path": ["x"], "id": ["1", "2"]}, "equally long"),
        ({"path": ["x"], "scores": [1]}, "collide"),
    ],
)
def test_bad_batches_raise(predictor: wv.BatchPredictor, batch: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        predictor(batch)


def test_neither_ray_nor_spark_is_imported() -> None:
    code = "import sys, wildvision as wv; wv.BatchPredictor, wv.score; print({'ray', 'pyspark'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_threads_that_share_a_predictor_take_turns(tiny: Classifier, shop: Path) -> None:
    paths = [str(path) for path in sorted(shop.glob("a/0*.jpg"))]
    shares = [paths[n::3] for n in range(3)]
    found: dict[int, list[list[str]]] = {}
    with wv.BatchPredictor(tiny) as predictor:
        predictor({"path": paths[:1]})

        def work(n: int) -> None:
            found[n] = [predictor({"path": shares[n]})["sha256"] for _ in range(4)]

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    for n, share in enumerate(shares):
        assert found[n] == [[file_sha256(Path(path)) for path in share]] * 4


def test_a_predictor_that_was_used_before_a_fork_works_in_parent_and_children(tiny_folder: Path, shop: Path) -> None:
    code = textwrap.dedent("""
        import hashlib, os, sys
        from pathlib import Path
        import wildvision as wv

        def right(paths):
            want = [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in paths]
            found = predictor({"path": paths})
            return (found["sha256"], found["status"]) == (want, ["ok"] * len(paths))

        model, *paths = sys.argv[1:]
        predictor = wv.BatchPredictor(model, device="cpu")
        predictor({"path": paths[:1]})
        children = []
        for n in range(2):
            if (pid := os.fork()) == 0:
                os._exit(not right(paths[n::2]))
            children.append(pid)
        good = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in children]
        print(good, right(paths))
        os._exit(0)
    """)
    paths = [str(path) for path in sorted(shop.glob("a/0*.jpg"))]
    argv = [sys.executable, "-c", code, str(tiny_folder), *paths]
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120, env=env)
    assert done.stdout == "[True, True] True\n"


def test_a_thread_does_not_wait_for_itself(predictor: wv.BatchPredictor, shop: Path) -> None:
    stream = predictor.stream(iter(open_source([shop / "a" / "000.jpg"] * 3)))
    next(stream)
    with pytest.raises(ArgumentError, match="finish or close"):
        predictor({"path": ["x"]})
    predictor.close()
    stream.close()  # type: ignore[attr-defined]
    assert predictor({"path": [str(shop / "a" / "000.jpg")]})["status"] == ["ok"]


@pytest.mark.parametrize(
    "bad", [{"batch_size": 0}, {"batch_size": -1}, {"batch_size": 2.5}, {"workers": 0}, {"isolation": "fork"}], ids=str
)
def test_sizes_that_make_no_sense_are_refused_at_once(bad: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="received"):
        wv.BatchPredictor(**bad)


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_pil_image_that_breaks_off_is_one_truncated_row(tiny: Classifier, shop: Path, isolation: Any) -> None:
    data = (shop / "a" / "000.jpg").read_bytes()
    images = [Image.open(io.BytesIO(part)) for part in (data, data[: len(data) // 2], data)]
    with wv.BatchPredictor(tiny, isolation=isolation) as predictor:
        assert predictor({"image": images})["status"] == ["ok", "truncated", "ok"]


def test_missing_cells_are_none(predictor: wv.BatchPredictor, shop: Path) -> None:
    nan = float("nan")
    out = predictor({"path": [str(shop / "a" / "000.jpg"), nan], "listing_id": [nan, "L"], "id": ["x", nan]})
    assert out["status"] == ["ok", "not_found"]
    assert (out["listing_id"], out["id"], out["path"][1]) == ([None, "L"], ["x", "1"], None)
