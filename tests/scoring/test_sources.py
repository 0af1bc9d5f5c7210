from __future__ import annotations

import inspect
import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.scoring import Columns, Shard, open_source
from wildvision.scoring.folders import Folder
from wildvision.scoring.items import Failure, Fingerprint, Item


def ids(source: Any, **options: Any) -> list[str]:
    return [item.id for item in open_source(source, **options)]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_a_folder_is_walked_in_sorted_order_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.jpg", "b/10.jpg", "a.jpg", "c/d/1.jpg", ".hidden.jpg", ".git/x.jpg", "__MACOSX/x.jpg", "b.txt")
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


def test_a_bad_mapping_among_good_ones_is_one_bad_row() -> None:
    items = list(open_source([{"nope": 1}, {"path": "a.jpg"}, {"nope": 1}, {}, {"path": "b.jpg"}, {3: 4}]))
    assert [item.id for item in items] == list("012345")
    bad = [item.payload for item in items if isinstance(item.payload, Failure)]
    assert len(bad) == 4 and all("no column holds the photo" in failure.message for failure in bad)


@pytest.mark.parametrize("rows", [1, 5000])
def test_mappings_of_which_none_names_a_photo_are_refused(rows: int) -> None:
    with pytest.raises(ArgumentError, match="no column holds the photo"):
        next(iter(open_source({"nope": n} for n in range(rows))))


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((4, 5, 3), np.uint8),
        np.zeros((4, 5), np.float32),
        np.frombuffer(b"encoded", np.uint8),
        memoryview(b"encoded"),
        Image.new("RGB", (4, 4)),
        io.BytesIO(b"encoded"),
        io.StringIO("a.jpg"),
    ],
    ids=lambda photo: type(photo).__name__,
)
def test_one_photo_is_no_list_of_photos(photo: Any) -> None:
    with pytest.raises(ArgumentError, match=r"score\(\[photo\], \.\.\.\); received"):
        open_source(photo)
    assert len(list(open_source([photo]))) == 1


def test_a_tensor_is_one_photo_and_four_dimensions_are_several() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ArgumentError, match="received Tensor"):
        open_source(torch.zeros(3, 4, 5))
    assert len(list(open_source(np.zeros((2, 4, 5, 3), np.uint8)))) == 2
    assert [item.path for item in open_source(np.array(["a.jpg", "b.jpg"]))] == ["a.jpg", "b.jpg"]


def test_a_file_object_that_cannot_be_read_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    closed = (tmp_path / "a.txt").open("rb")
    closed.close()
    with (tmp_path / "a.txt").open() as text:
        items = list(open_source([closed, text, b"x"]))
    statuses = [item.payload.status for item in items[:2]]
    assert statuses == [Status.UNREADABLE] * 2 and items[2].payload == b"x"


def test_a_pandas_series_is_an_iterable_of_photos() -> None:
    pd = pytest.importorskip("pandas")
    series = pd.Series(["a.jpg", None, "b.jpg"], index=[7, 8, 9])
    source = open_source(series)
    first, missing, last = source
    assert (first.path, last.path, source.count()) == ("a.jpg", "b.jpg", 3)
    assert isinstance(missing.payload, Failure) and missing.payload.status is Status.NOT_FOUND


def test_a_pandas_frame_is_read_row_by_row() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"path": ["a.jpg", None], "listing_id": ["L", None], "price": [3.5, float("nan")], 5: [1, 2]})
    first, second = open_source(frame)
    assert (first.id, first.path, first.listing_id, first.extra) == ("0", "a.jpg", "L", {"price": 3.5, "5": 1})
    assert (second.path, second.listing_id, second.extra) == (None, None, {"price": None, "5": 2})
    assert open_source(frame).count() == 2
    (item,) = open_source(frame[:1].rename(columns={"path": "foto"}), columns=Columns(path="foto"))
    assert item.path == "a.jpg"


@pytest.mark.parametrize("twice", [False, True])
def test_a_frame_without_a_photo_or_with_equal_names_is_refused(twice: bool) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([["a.jpg", "b.jpg"]], columns=["path", "path"] if twice else ["x", "y"])
    with pytest.raises(ArgumentError, match="more than once" if twice else "no column holds the photo"):
        open_source(frame)


def test_a_frame_that_cannot_be_read_row_by_row_is_refused() -> None:
    class Lazy:
        dtypes: tuple[()] = ()
        columns = ("path",)

    with pytest.raises(ArgumentError, match="write it as Parquet"):
        open_source(Lazy())


@pytest.mark.parametrize("pattern", ["*.gif", ".git/*", "**/*.gif"])
def test_a_glob_that_matches_nothing_is_refused(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "a.jpg", "b/c.jpg")
    with pytest.raises(ArgumentError, match=r"no (file matches|folder)"):
        open_source(f"{tmp_path}/{pattern}")


@pytest.mark.parametrize("name", [".", "a.jpg", "x.tar", "*.jpg", "https://example.org/a.jpg", "s3://bucket/photos"])
def test_columns_of_a_source_without_columns_are_refused(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.jpg", "x.tar")
    source = name if "://" in name else f"{tmp_path}/{name}"
    with pytest.raises(ArgumentError, match=r"leave out id='sku' \(--id-column\)"):
        open_source(source, columns=Columns(id="sku"))


def test_a_root_that_cannot_be_listed_is_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    (item,) = Folder(tmp_path)
    assert isinstance(item.payload, Failure) and str(item.path).startswith(str(tmp_path))


@pytest.mark.parametrize("text", ["8/8", "-1/2", "x"])
def test_what_is_said_of_a_shard_tells_that_it_counts_from_0(text: str) -> None:
    with pytest.raises(ArgumentError, match=rf"0 <= INDEX < COUNT.*'{text}'"):
        Shard.parse(text)
