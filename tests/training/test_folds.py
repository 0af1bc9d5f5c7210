from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.data_helpers import picture, record, save
from training.composer import BackgroundBank, CutoutBank
from training.composer.backgrounds import Background
from training.composer.cutouts import Cutout
from training.data import Record
from training.folds import barred, check_labels, check_paths, check_sources, held_out_rows, photo_clusters, photo_names
from wildvision.errors import ArgumentError


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Five photos of two sources; 3.jpg of one is 0.jpg of the other saved again, 4.jpg another view of its object."""
    for n, seed in enumerate((0, 1, 2, 0, 3)):
        save(tmp_path / f"{n}.jpg", picture(seed), quality=95 - 20 * (n == 3))
    sources = ("a", "a", "b", "b", "b")
    objects = ("", "", "", "x", "x")
    return [record(f"{n}.jpg", source=s, object_id=o) for n, (s, o) in enumerate(zip(sources, objects, strict=True))]


def files(folder: Path, records: Sequence[Record]) -> list[Path]:
    return [folder / r.path for r in records]


def test_nothing_is_learnt_from_what_shows_a_picture_or_an_object_held_out_elsewhere(
    tmp_path: Path, records: list[Record], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clusters = photo_clusters(records, files(tmp_path, records), tmp_path / "cache")
    assert clusters == [0, 1, 2, 0, 3]
    assert barred(records, clusters, {"a"}) == {0, 1, 3, 4}
    assert "2 photos are left out" in caplog.text
    assert barred(records, clusters, {"b"}) == {0, 2, 3, 4}
    assert barred(records, clusters, ()) == frozenset()
    split = [replace(r, split="test" if n == 0 else "dropped" if n == 2 else "train") for n, r in enumerate(records)]
    assert barred(split, clusters, ()) == {0, 2, 3, 4}  # what is dropped bars nothing else


def test_renders_are_nobody_s_near_duplicates(tmp_path: Path, records: list[Record]) -> None:
    rendered = [replace(r, synthetic=r.source == "b", split="test" if r.source == "b" else "") for r in records]
    clusters = photo_clusters(rendered, files(tmp_path, records), tmp_path / "cache")
    assert len(set(clusters)) == 5
    assert barred(rendered, clusters, {"a"}) == {0, 1, 2, 3, 4}
    assert barred(rendered, clusters, ()) == {2, 3, 4}


def test_clusters_are_kept_until_a_photo_changes(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = photo_clusters(records, files(tmp_path, records), tmp_path / "cache")
    monkeypatch.setattr("training.folds.fingerprint", None)  # reads nothing anew
    assert photo_clusters(records, files(tmp_path, records), tmp_path / "cache") == first
    monkeypatch.undo()
    save(tmp_path / "3.jpg", picture(7))
    assert photo_clusters(records, files(tmp_path, records), tmp_path / "cache") == [0, 1, 2, 3, 4]
    (tmp_path / "0.jpg").unlink()
    assert photo_clusters(records, files(tmp_path, records), tmp_path / "cache") == [-1, 1, 2, 3, 4]


def test_the_composer_pastes_nothing_of_barred_photos(records: list[Record]) -> None:
    names = photo_names(records, {0, 3})
    assert names == {("a", "0.jpg"), ("b", "3.jpg")}
    patch = np.zeros((4, 4, 4), np.uint8)
    cutouts = CutoutBank(
        [Cutout(patch, r.leaf, r.group, r.source, r.object_id, r.path) for r in records], photo_weight=3.0
    ).without_photos(names)
    assert [c.path for c in cutouts.cutouts] == ["1.jpg", "2.jpg", "4.jpg"]
    assert cutouts.photo_weight == 3.0
    grounds = BackgroundBank([Background(patch[..., :3], "photo", r.source, r.path) for r in records])
    assert [b.path for b in grounds.without_photos(names).backgrounds] == ["1.jpg", "2.jpg", "4.jpg"]


def test_photos_are_named_by_their_place_in_their_manifest_s_folder(records: list[Record]) -> None:
    placed = [replace(r, path=f"data/more/{r.path}") for r in records]
    assert photo_names(placed, {0}, [Path("data"), Path("data/more")]) == {("a", "0.jpg")}
    assert photo_names(placed, {0}, [Path("data")]) == {("a", "more/0.jpg")}
    assert photo_names(placed, {0}, [Path("da")]) == {("a", "data/more/0.jpg")}


def test_every_test_row_is_tested_once(records: list[Record]) -> None:
    renders = [record(f"r{n}.jpg", source="render", split="test", synthetic=True) for n in range(4)]
    rows = [*(replace(r, split="test") for r in records), *renders, record("t.jpg", source="c", split="train")]
    folds = [["a"], ["b"]]
    assert [held_out_rows(rows, folds, k) for k in (0, 1)] == [[0, 1, 6, 8], [2, 3, 4, 5, 7]]
    rows[0] = replace(rows[0], split="dropped")
    assert held_out_rows(rows, folds, 0) == [1, 6, 8]


def test_a_path_of_two_tested_photos_is_refused(records: list[Record]) -> None:
    check_paths([*records, record("0.jpg", source="c")], [["a"], ["b"]])  # the third is not tested on
    with pytest.raises(ArgumentError, match=r"1 paths stand for two photos each, '0\.jpg'"):
        check_paths([*records, record("0.jpg", source="c")], [["a", "c"], ["b"]])


def test_sources_that_are_held_out_must_be_there(caplog: pytest.LogCaptureFixture) -> None:
    photos = [record(f"{source}.jpg", source=source) for source in ("a", "b", "c", "d")]
    photos.append(record("e.jpg", source="e", split="test"))
    check_sources([["a"], ["b"]], ["b", "d"], photos, [1])
    assert "never measured: c\n" in caplog.text
    assert "of no use: d\n" in caplog.text
    mixed = [*photos, record("e2.jpg", source="e", split="train"), record("b2.jpg", source="b", split="test")]
    with pytest.raises(ArgumentError, match=r"teach and are tested on; .*: \['e'\]"):
        check_sources([["a"], ["b"]], [], mixed, [])
    for folds, without, wanted, message in (
        ([["a"], ["a", "b"]], [], [], "more than one fold"),
        ([["a"], ["bee"]], [], [], "bee"),
        ([["a"]], ["sea"], [], "sea"),
        ([["a"]], [], [1], "no fold"),
        ([["a"]], [], [-1], "no fold"),
    ):
        with pytest.raises(ArgumentError, match=message):
            check_sources(folds, without, photos[:2], wanted)


@pytest.mark.parametrize(
    ("leaf", "group"), [("ivory_wroked", "ivory"), ("ivory_worked", "none"), ("everyday", "ivory")]
)
def test_labels_that_make_no_sense_are_refused_before_anything_is_trained(
    records: list[Record], leaf: str, group: str
) -> None:
    check_labels(records)
    check_labels([replace(records[0], leaf="whatever", group="ambiguous")])
    with pytest.raises(ArgumentError, match=leaf):
        check_labels([*records, replace(records[0], leaf=leaf, group=group)])
