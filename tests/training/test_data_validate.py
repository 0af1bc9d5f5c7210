from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.training.data_helpers import GROUPS, picture, record, save
from training.data import Box, Record
from training.data.dedup import fingerprints, near_clusters
from training.data.split import hold_out
from training.data.validate import KINDS, leaf_groups, validate


@pytest.fixture
def clean(tmp_path: Path) -> list[Record]:
    for n in range(6):
        save(tmp_path / f"ok{n}.jpg", picture(n))
    size = {"width": 160, "height": 120}
    return [
        record(f"ok{n}.jpg", split=f"fold-{n % 2}", object_id=str(n), boxes=(Box(0, 0, 160, 120),), **size)
        for n in range(6)
    ]


def faults(records: list[Record], root: Path) -> list[tuple[str, str]]:
    return [(i.kind, i.path) for i in validate(records, root, GROUPS, fingerprints(records, root))]


def test_a_clean_manifest_has_no_faults(clean: list[Record], tmp_path: Path) -> None:
    assert faults(clean, tmp_path) == []


def test_every_planted_fault_is_found_by_name_and_nothing_else(clean: list[Record], tmp_path: Path) -> None:
    save(tmp_path / "planted.jpg", picture(90))
    (tmp_path / "corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    whole = save(tmp_path / "whole.jpg", picture(91)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(picture(92)).save(tmp_path / "gps.jpg", exif=exif)
    save(tmp_path / "leak.jpg", picture(0), quality=40)
    save(tmp_path / "twin.jpg", picture(1), quality=40)
    save(tmp_path / "relabelled.jpg", picture(2), quality=40)
    planted = [
        record("absent.jpg"),
        record("corrupt.jpg"),
        record("cut.jpg"),
        record("gps.jpg"),
        record("leak.jpg", split="fold-1"),
        record("twin.jpg", split="fold-1"),
        record("relabelled.jpg", leaf="bone_antler", split="fold-0"),
        Record("planted.jpg", "tigers", "ivory_raw", "m", width=161, height=120),
        Record("planted.jpg", "ivory", "ivory_rough", "m"),
        Record("planted.jpg", "none", "ivory_raw", "m", boxes=(Box(5, 5, 5, 9),)),
        record("planted.jpg", boxes=(Box(0, 0, 161, 10), Box(0, 0, 9, 9, "tusk")), split="fold-0", object_id="3"),
    ]
    found = faults(clean + planted, tmp_path)
    assert found == [
        ("missing", "absent.jpg"),
        ("unreadable", "corrupt.jpg"),
        ("unreadable", "cut.jpg"),
        ("size_mismatch", "planted.jpg"),
        ("gps", "gps.jpg"),
        ("unknown_group", "planted.jpg"),
        ("unknown_leaf", "planted.jpg"),
        ("wrong_group", "planted.jpg"),
        ("box_empty", "planted.jpg"),
        ("box_outside", "planted.jpg"),
        ("box_unknown_leaf", "planted.jpg"),
        ("duplicate_path", "planted.jpg"),
        ("duplicate", "ok1.jpg"),
        ("label_conflict", "ok2.jpg"),
        ("leak", "ok0.jpg"),
        ("object_across_splits", "ok3.jpg"),
    ]
    assert {kind for kind, _ in found} == set(KINDS), "every kind of fault is planted here"


def test_what_a_split_dropped_so_as_not_to_leak_is_no_leak(clean: list[Record], tmp_path: Path) -> None:
    save(tmp_path / "copy.jpg", picture(0), quality=40)
    other = record("copy.jpg", source="shop", object_id="9")
    view = record("ok5.jpg", source="shop", object_id="9")
    records = [*clean[:5], other, view]
    split = hold_out(records, near_clusters(fingerprints(records, tmp_path)), ["museum"])
    assert [r.split for r in split[5:]] == ["dropped", "dropped"]
    assert {kind for kind, _ in faults(split, tmp_path)} == {"duplicate"}


def test_ambiguous_photos_keep_leaves_of_their_own(tmp_path: Path) -> None:
    save(tmp_path / "walrus.jpg", picture(1))
    assert faults([Record("walrus.jpg", "ambiguous", "marine_ivory", "m")], tmp_path) == []


def test_boxes_are_checked_in_the_upright_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(1)).save(tmp_path / "turned.jpg", exif=exif)  # upright: 120 wide, 160 high
    assert faults([record("turned.jpg", boxes=(Box(0, 0, 120, 160),), width=120, height=160)], tmp_path) == []


def test_the_taxonomy_gives_every_leaf_a_group() -> None:
    groups = leaf_groups()
    assert groups["ivory_raw"] == "ivory"
    assert groups["bone_antler"] == "none"
    assert len(groups) == 18
