from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.training.data_helpers import picture, record, save
from training.data.dedup import find_duplicates, fingerprint, fingerprints, near_clusters, without_spares


def test_planted_copies_are_found_by_name_and_nothing_else(tmp_path: Path) -> None:
    for n in range(12):
        save(tmp_path / f"photo{n}.jpg", picture(n))
    (tmp_path / "same-bytes.jpg").write_bytes((tmp_path / "photo3.jpg").read_bytes())
    save(tmp_path / "recompressed.jpg", picture(4), quality=30)
    save(tmp_path / "small.jpg", cv2.resize(picture(5), (80, 60), interpolation=cv2.INTER_AREA))
    save(tmp_path / "mirrored.jpg", picture(6)[:, ::-1])
    records = [record(p.name, object_id=p.name) for p in sorted(tmp_path.iterdir())]
    found = find_duplicates(records, fingerprints(records, tmp_path))
    assert {(d.kind, frozenset(r.path for r in d.members)) for d in found} == {
        ("exact", frozenset({"photo3.jpg", "same-bytes.jpg"})),
        ("near", frozenset({"photo4.jpg", "recompressed.jpg"})),
        ("near", frozenset({"photo5.jpg", "small.jpg"})),
        ("near", frozenset({"photo6.jpg", "mirrored.jpg"})),
    }


def test_crossing_sources_splits_and_labels_is_said_and_comes_first(tmp_path: Path) -> None:
    for name, seed in (("a1", 1), ("a2", 1), ("b1", 2), ("b2", 2), ("c1", 3), ("c2", 3)):
        save(tmp_path / f"{name}.jpg", picture(seed))
    records = [
        record("a1.jpg"),
        record("a2.jpg", source="shop"),
        record("b1.jpg", split="train"),
        record("b2.jpg", split="test"),
        record("c1.jpg"),
        record("c2.jpg", leaf="bone_antler"),
    ]
    found = find_duplicates(records, fingerprints(records, tmp_path))
    assert [(d.members[0].path[0], d.conflict, d.across_splits, d.across_sources) for d in found] == [
        ("c", True, False, False),
        ("b", False, True, False),
        ("a", False, False, True),
    ]
    kept = {r.path for r in without_spares(records, found)}
    assert kept == {"a1.jpg", "b1.jpg"}, "a label conflict is dropped whole"


def test_the_copy_kept_is_the_most_trusted_then_the_largest(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(1))
    small = save(tmp_path / "b.jpg", cv2.resize(picture(1), (80, 60), interpolation=cv2.INTER_AREA))
    records = [record("b.jpg", width=80, height=60), record("a.jpg", width=160, height=120)]
    prints = fingerprints(records, tmp_path)
    assert [r.path for r in without_spares(records, find_duplicates(records, prints))] == ["a.jpg"]
    doubtful = [records[0], replace(records[1], trust="low")]
    assert [r.path for r in without_spares(doubtful, find_duplicates(doubtful, prints))] == [small.name]


def test_same_composition_in_other_colours_is_no_duplicate(tmp_path: Path) -> None:
    disc = np.full((120, 120, 3), 90, np.uint8)
    white, red = disc.copy(), disc.copy()
    cv2.circle(white, (60, 60), 40, (250, 250, 250), -1)
    cv2.circle(red, (60, 60), 40, (250, 130, 130), -1)
    records = [record("w.jpg"), record("r.jpg")]
    save(tmp_path / "w.jpg", white)
    save(tmp_path / "r.jpg", red)
    assert len(set(near_clusters(fingerprints(records, tmp_path)))) == 2


def test_an_unreadable_photo_has_no_fingerprint_and_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"not a photo")
    assert fingerprint(tmp_path / "x.jpg") is None
    assert near_clusters([None, None]) == [0, 1]


def test_a_copy_is_found_whatever_its_kind_of_file(tmp_path: Path) -> None:
    white = np.full((120, 160, 3), 255, np.uint8)
    cv2.circle(white, (90, 50), 40, (120, 60, 200), -1)
    cv2.rectangle(white, (20, 70), (60, 110), (10, 200, 90), -1)
    save(tmp_path / "white.jpg", white)
    Image.fromarray(
        np.dstack([np.where(white == 255, 0, white), 255 * (white < 255).any(axis=2)]).astype(np.uint8)
    ).save(tmp_path / "transparent.png")
    save(tmp_path / "photo.jpg", picture(1))
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes()[:-2])  # without its end marker
    records = [record(p.name) for p in sorted(tmp_path.iterdir())]
    found = {frozenset(r.path for r in d.members) for d in find_duplicates(records, fingerprints(records, tmp_path))}
    assert found == {frozenset({"white.jpg", "transparent.png"}), frozenset({"photo.jpg", "cut.jpg"})}


def test_of_a_row_that_is_there_twice_one_stays(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(1))
    records = [record("a.jpg"), record("a.jpg")]
    assert len(without_spares(records, find_duplicates(records, fingerprints(records, tmp_path)))) == 1
