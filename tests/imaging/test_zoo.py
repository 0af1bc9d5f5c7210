"""Every input of the zoo gets its right status, and nothing in the zoo's folder changes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.zoo import ZooCase, build_zoo, snapshot
from wildvision.imaging import Preparer, Preprocess, decode

pytestmark = pytest.mark.filterwarnings("ignore:Image size", "ignore:Corrupt EXIF data", "ignore:Truncated File Read")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ZooCase]]:
    folder = tmp_path_factory.mktemp("zoo")
    return folder, build_zoo(folder)


def test_the_zoo_is_as_large_as_promised_and_has_every_input_status(zoo):
    _, cases = zoo
    assert len(cases) >= 60
    assert sum(case.name.startswith("cut-at-") for case in cases) == 20
    wanted = {"ok", "empty", "unreadable", "unsupported", "too_large", "truncated", "not_found"}
    assert set().union(*(case.expected for case in cases)) == wanted


def test_every_input_gets_its_status_and_nothing_is_written(zoo):
    folder, cases = zoo
    before = snapshot(folder)
    wrong = []
    for case in cases:
        decoded = decode(case.source, hashes=True)
        if decoded.status.value not in case.expected:
            wrong.append((case.name, sorted(case.expected), decoded.status.value, decoded.error))
        assert decoded.ok == (decoded.image is not None) == (decoded.error is None), case.name
        if decoded.ok:
            assert (decoded.height, decoded.width) == decoded.image.shape[:2], case.name
            assert len(decoded.sha256) == 64 and len(decoded.phash) == 16, case.name
        else:
            assert decoded.error and "\n" not in decoded.error, case.name
            assert decoded.phash is None
        if case.shape:
            assert (decoded.height, decoded.width) == case.shape, case.name
        json.dumps([decoded.path, decoded.error], ensure_ascii=False).encode("utf-8")
    assert wrong == []
    assert snapshot(folder) == before


def test_threads_share_a_preparer_and_agree_with_one_thread(zoo):
    _, cases = zoo
    prepare = Preparer(Preprocess(32))
    sources = [case.source for case in cases]
    alone = [prepare(source) for source in sources]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(prepare, sources))
    for one, other in zip(alone, together, strict=True):
        assert (one.status, one.sha256, one.phash, one.path) == (other.status, other.sha256, other.phash, other.path)
        assert one.pixels is None or (one.pixels == other.pixels).all()
