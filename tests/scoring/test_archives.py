from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from wildvision.contract import Status
from wildvision.imaging import Limits, Prepared
from wildvision.scoring import RemotePolicy, open_source
from wildvision.scoring.archives import Archives
from wildvision.scoring.items import Failure, Item, Slice
from wildvision.scoring.loading import Loader


def echo(source: object, *, hashes: bool = True) -> Prepared:
    """The bytes that reach the decoder, to be compared."""
    assert isinstance(source, bytes)
    return Prepared(Status.OK, source.decode())


LOADER = Loader((echo,), Limits(max_bytes=1000))


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def contents(items: list[Item]) -> list[tuple[str, str | None]]:
    return [(item.id.partition("::")[2], LOADER(item.payload)[0].error) for item in items]


PLAIN = {"a/1.jpg": b"one", "a/2.jpg": b"two" * 100, "b/3.png": b"three"}


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tar.bz2", "w:bz2")])
def test_tar_members_reach_the_decoder_whole_and_in_order(tmp_path: Path, name: str, mode: str) -> None:
    path = make_tar(tmp_path / name, PLAIN, mode)
    items = list(open_source(str(path)))
    assert contents(items) == [(member, data.decode()) for member, data in PLAIN.items()]
    assert isinstance(items[0].payload, Slice) == (name == "x.tar")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_members_reach_the_decoder_whole_and_in_order(tmp_path: Path, method: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("a")
        for name, data in PLAIN.items():
            archive.writestr(name, data)
    items = list(open_source(str(path)))
    assert contents(items) == [(member, data.decode()) for member, data in PLAIN.items()]
    assert all(isinstance(item.payload, Slice) for item in items)


def test_webdataset_samples_carry_their_sidecars(tmp_path: Path) -> None:
    facts = {"id": "p1", "listing_id": 7, "price": 3}
    members = {
        "s/001.jpg": b"one",
        "s/001.json": json.dumps(facts).encode(),
        "s/001.txt": b"carved box\n",
        "s/002.front.jpg": b"two",
        "s/002.back.jpg": b"three",
        "s/002.cls": b"4",
        "s/003.json": b"{}",
    }
    items = list(open_source(str(make_tar(tmp_path / "x.tar", members))))
    assert [item.id.rpartition("/")[2] for item in items] == ["p1", "002.front.jpg", "002.back.jpg", "003.json"]
    assert (items[0].listing_id, items[0].extra) == ("7", {"price": 3, "txt": "carved box"})
    assert items[1].extra == items[2].extra == {"cls": "4"}


def test_several_shards_by_a_glob_and_their_sharding(tmp_path: Path) -> None:
    for n in range(4):
        make_tar(tmp_path / f"shard-{n}.tar", {f"{n}.jpg": b"x"})
    source = open_source(f"{tmp_path}/shard-*.tar")
    assert isinstance(source, Archives)
    assert [item.id[-5:] for item in source] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    half = source.shard(1, 2)
    assert half is not None and [item.id[-5:] for item in half] == ["1.jpg", "3.jpg"]
    assert source.shard(0, 5) is None


def test_an_archive_that_breaks_off_says_so_in_a_last_row(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x.tar.gz", {f"{n}.jpg": bytes(range(256)) * 40 for n in range(9)}, "w:gz")
    path.write_bytes(path.read_bytes()[:-20])
    *_, last = open_source(str(path))
    assert isinstance(last.payload, Failure) and last.payload.status is Status.TRUNCATED
    (tmp_path / "y.zip").write_bytes(b"PK\x03\x04 nothing")
    (only,) = open_source(str(tmp_path / "y.zip"))
    assert isinstance(only.payload, Failure)


def test_members_that_cannot_be_read_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        big = tarfile.TarInfo("big.jpg")
        big.size = 2000
        archive.addfile(big, io.BytesIO(b"x" * 2000))
    items = list(open_source(str(path), policy=RemotePolicy(max_bytes=1000)))
    assert [item.payload.status for item in items] == [Status.UNSUPPORTED, Status.TOO_LARGE]


def test_a_zip_bomb_is_stopped_whatever_its_directory_says(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", b"\0" * 10_000_000)
    (honest,) = open_source(str(path), policy=RemotePolicy(max_bytes=1000))
    assert isinstance(honest.payload, Failure) and honest.payload.status is Status.TOO_LARGE
    (lying,) = open_source(str(path))
    assert LOADER(lying.payload)[0].status is Status.TOO_LARGE


def test_a_damaged_or_shortened_member_is_typed(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(range(200)))
    (item,) = open_source(str(path))
    data = bytearray(path.read_bytes())
    data[40:60] = b"\xff" * 20
    path.write_bytes(data)
    assert LOADER(item.payload)[0].status is Status.UNREADABLE
    path.write_bytes(data[:50])
    assert LOADER(item.payload)[0].status is Status.TRUNCATED
    path.unlink()
    assert LOADER(item.payload)[0].status is Status.UNREADABLE


def test_an_encrypted_member_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"x")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    (item,) = open_source(str(path))
    assert isinstance(item.payload, Failure) and item.payload.status is Status.UNSUPPORTED


@pytest.mark.parametrize(
    ("sidecar", "shown"),
    [
        (b'{"id": "", "listing_id": "", "a": 1}', ("x.tar::1.jpg", None, {"a": 1})),
        (b'{"id": "\\ud83d", "listing_id": "\\ud83d"}', ("\\ud83d", "\\ud83d", None)),
        (b"[" * 100_000, ("x.tar::1.jpg", None, {"json": "[" * 100_000})),
    ],
)
def test_odd_sidecars_spoil_no_photo(tmp_path: Path, sidecar: bytes, shown: object) -> None:
    path = make_tar(tmp_path / "x.tar", {"1.jpg": b"one", "1.json": sidecar, "2.jpg": b"two"})
    first, second = open_source(str(path))
    assert (first.id.removeprefix(f"{tmp_path}/"), first.listing_id, first.extra) == shown
    assert contents([first, second])[1] == ("2.jpg", "two")


@pytest.mark.parametrize("remote", [True, False])
@pytest.mark.parametrize(
    ("damage", "status"),
    [
        ("content", (Status.UNREADABLE,)),
        ("header", (Status.UNREADABLE, Status.TRUNCATED)),
        ("method", (Status.UNSUPPORTED,)),
    ],
)
def test_a_damaged_member_of_a_zip_costs_no_other(
    tmp_path: Path, remote: bool, damage: str, status: tuple[Status, ...]
) -> None:
    import fsspec

    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("1.jpg", "2.jpg", "3.jpg"):
            archive.writestr(name, f"photo {name}")
    data = bytearray(path.read_bytes())
    header, directory = data.index(b"2.jpg") - 30, data.rindex(b"2.jpg") - 46
    if damage == "content":
        data[data.index(b"photo 2.jpg")] ^= 0xFF
    elif damage == "header":
        data[header + 14 : header + 46] = b"\xff" * 32
    else:
        data[header + 8] = data[directory + 10] = 99
    path.write_bytes(data)
    fsspec.filesystem("memory").pipe("/x.zip", bytes(data))
    items = list(open_source("memory://x.zip" if remote else str(path)))
    assert [item.id[-5:] for item in items] == ["1.jpg", "2.jpg", "3.jpg"]
    first, second, third = (LOADER(item.payload)[0] for item in items)
    assert (first.error, third.error) == ("photo 1.jpg", "photo 3.jpg")
    assert second.status in status


def test_a_zip_of_a_future_version_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.jpg", b"one")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 99
    path.write_bytes(data)
    (only,) = open_source(str(path))
    assert isinstance(only.payload, Failure) and "version 9.9" in only.payload.message


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_header_that_would_fill_the_memory_ends_the_archive(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tar" if mode == "w" else "x.tar.gz")
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())
        header = tarfile.TarInfo("b.jpg")
        header.pax_headers = {"comment": "x" * (2 << 20)}
        tar.addfile(header, io.BytesIO())
    first, last = Archives((str(path),))
    assert first.id.endswith("::a.jpg")
    assert isinstance(last.payload, Failure) and last.payload.status is Status.TRUNCATED
    assert "2097" in last.payload.message


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_hidden_members_are_left_out_whatever_the_archive(tmp_path: Path, name: str) -> None:
    hidden = [".a.jpg", "b/._c.jpg", ".git/d.jpg", "e/.cache/f.jpg", "__MACOSX/g.jpg", "e/__MACOSX/h.jpg"]
    members = dict.fromkeys([*hidden, "./1.jpg", "e/2..jpg"], b"x")
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
    else:
        make_tar(tmp_path / name, members, "w:gz" if name.endswith("gz") else "w")
    found = [item.id.partition("::")[2] for item in open_source(str(tmp_path / name))]
    assert found == ["./1.jpg", "e/2..jpg"]
