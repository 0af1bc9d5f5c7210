from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wildvision as wv
from wildvision.errors import ArgumentError
from wildvision.models import Classifier
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
