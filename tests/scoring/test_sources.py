from __future__ import annotations

import inspect
import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring import Columns, Shard, open_source
from wildvision.scoring.items import Failure, Fingerprint, Item
from wildvision.scoring.sources import Folder


def ids(source: Any, **options: Any) -> list[str]:
    return [item.id for item in open_source(source, **options)]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_a_folder_is_walked_in_sorted_order_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.jpg", "b/10.jpg", "a.jpg", "c/d/1.jpg", ".hidden.jpg", ".git/x.jpg", "b.txt")
    assert ids(tmp_path) == ["a.jpg", "b/10.jpg", "b/2.jpg", "b.txt", "c/d/1.jpg"]


def test_a_folder_walk_is_lazy(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    walk = iter(open_source(tmp_path))
    assert next(walk).id == "a/1.jpg"
    touch(tmp_path, "b/0.jpg")
    assert [item.id for item in walk] == ["b/0.jpg", "b/1.jpg"]


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "shop/a/1.jpg", "outside/2.jpg")
    (tmp_path / "shop" / "a" / "loop").symlink_to(tmp_path / "shop")
    (tmp_path / "shop" / "b").symlink_to(tmp_path / "outside")
    (tmp_path / "shop" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    assert ids(tmp_path / "shop") == ["a/1.jpg", "b/2.jpg", "gone.jpg"]


def test_the_output_folder_inside_the_source_is_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "out/part-00000.jsonl")
    assert ids(tmp_path, exclude=(tmp_path / "out",)) == ["1.jpg"]


def test_pipes_and_unreadable_folders_get_their_rows(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (item,) = open_source(tmp_path)
    assert isinstance(item.payload, Failure) and item.payload.status is Status.UNSUPPORTED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_cannot_be_listed_gets_a_row(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    (item,) = open_source(tmp_path)
    assert isinstance(item.payload, Failure) and item.payload.status is Status.UNREADABLE


def test_names_that_are_not_utf8_are_shown_escaped_and_opened_as_they_are(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(raw, "wb") as f:  # noqa: PTH123  (bytes paths)
        f.write(b"x")
    (item,) = open_source(tmp_path)
    assert item.id == r"caf\xe9.jpg"
    assert os.fsencode(item.payload) == raw


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["1.jpg"]),
        ("**/*.jpg", ["1.jpg", "a/2.jpg", "a/b/3.jpg"]),
        ("a/**/*.jpg", ["2.jpg", "b/3.jpg"]),
        ("a/?.jpg", ["2.jpg"]),
        ("[!0-9].png", ["x.png"]),
        ("a/b/[0-4].jpg", ["3.jpg"]),
    ],
)
def test_globs(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "1.jpg", "a/2.jpg", "a/b/3.jpg", "x.png", "1.png")
    assert ids(f"{tmp_path}/{pattern}") == expected


def test_a_pattern_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no pattern of file names"):
        ids(str(tmp_path / "[z-a]*.jpg"))


def test_folders_may_be_nested_deeper_than_python_recurses(tmp_path: Path) -> None:
    touch(tmp_path, "d/" * 150 + "x.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        found = ids(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert found == ["d/" * 150 + "x.jpg"]


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/*.jpg", "*.tar"])
def test_a_source_that_is_not_there_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ArgumentError, match=r"no (file|folder|archive)"):
        list(open_source(str(tmp_path / missing)))


@pytest.mark.parametrize("bad", [3, b"bytes", {"path": "x"}, None])
def test_what_cannot_be_a_source_is_refused(bad: Any) -> None:
    with pytest.raises(ArgumentError, match="received"):
        open_source(bad)


def test_an_iterable_of_everything() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    values = ["a.jpg", Path("b.jpg"), b"bytes", pixels, io.BytesIO(b"file"), {"url": "https://x/y", "id": "u", "n": 1}]
    items = list(open_source(values))
    assert [item.id for item in items] == ["0", "1", "2", "3", "4", "u"]
    assert [item.path for item in items] == ["a.jpg", "b.jpg", None, None, None, "https://x/y"]
    assert items[4].payload == b"file"
    assert items[5].extra == {"n": 1}


def test_shards_share_out_a_source_completely(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{n:02d}.jpg" for n in range(11)))
    shards = [[item.id for item in Shard(i, 3).of(open_source(tmp_path))] for i in range(3)]
    assert [len(s) for s in shards] == [4, 4, 3]
    assert sorted(name for shard in shards for name in shard) == ids(tmp_path)


@pytest.mark.parametrize("text", ["3/3", "-1/2", "0/0", "1", "a/b", ""])
def test_impossible_shards_are_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="shard"):
        Shard.parse(text)


def test_the_fingerprint_sees_every_change_of_an_input() -> None:
    item = Item("1", "a.jpg", "a.jpg", "L", {"price": 3}, stamp="10:5")
    variants = [
        item,
        Item("2", "a.jpg", "a.jpg", "L", {"price": 3}, stamp="10:5"),
        Item("1", "b.jpg", "a.jpg", "L", {"price": 3}, stamp="10:5"),
        Item("1", "a.jpg", "a.jpg", None, {"price": 3}, stamp="10:5"),
        Item("1", "a.jpg", "a.jpg", "L", {"price": 4}, stamp="10:5"),
        Item("1", "a.jpg", "a.jpg", "L", {"price": 3}, stamp="10:6"),
    ]
    digests = set()
    for variant in variants:
        fingerprint = Fingerprint()
        fingerprint.add(variant)
        digests.add(fingerprint.hexdigest())
    assert len(digests) == len(variants)


def test_counting_agrees_with_walking(shop: Path) -> None:
    assert Folder(shop).count() == len(ids(shop)) == 40


def test_columns_may_be_named(tmp_path: Path) -> None:
    rows = [{"picture": "a.jpg", "sku": 7, "advert": "A"}]
    (item,) = open_source(rows, columns=Columns(path="picture", id="sku", listing="advert"))
    assert (item.id, item.path, item.listing_id, item.extra) == ("7", "a.jpg", "A", None)
