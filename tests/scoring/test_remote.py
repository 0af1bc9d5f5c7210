from __future__ import annotations

import io
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.web import Web, serve
from wildvision.contract import Status
from wildvision.errors import ArgumentError, MissingExtraError
from wildvision.models import Classifier
from wildvision.scoring import RemotePolicy, ScoreSettings, open_source, read_rows, score
from wildvision.scoring.items import Failure
from wildvision.scoring.remote import FetchError, _refuse_private, _walk, fetch, is_url

POLICY = RemotePolicy(allow_private=True, seconds=1.0, max_bytes=500_000, attempts=2, backoff=0.05)


@pytest.fixture(scope="module")
def web(shop: Path) -> Iterator[Web]:
    with serve((shop / "a" / "000.jpg").read_bytes()) as server:
        yield server


def failure(url: str, policy: RemotePolicy = POLICY) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, policy)
    return caught.value


def test_a_photo_is_fetched(web: Web) -> None:
    assert fetch(web.url("ok"), POLICY) == web.photo


@pytest.mark.parametrize(
    ("name", "status", "attempts"),
    [
        ("status/404", Status.NOT_FOUND, 1),
        ("status/410", Status.NOT_FOUND, 1),
        ("status/401", Status.UNREADABLE, 1),
        ("status/403", Status.UNREADABLE, 1),
        ("status/500", Status.UNREADABLE, 2),
        ("status/503", Status.UNREADABLE, 2),
        ("later", Status.UNREADABLE, 2),
        ("cut", Status.TRUNCATED, 2),
        ("drip", Status.TIMEOUT, 2),
        ("silent", Status.TIMEOUT, 2),
        ("endless", Status.TOO_LARGE, 1),
        ("loop", Status.UNREADABLE, 1),
        ("garbage", Status.UNREADABLE, None),
        ("reset", Status.UNREADABLE, None),
    ],
)
def test_a_misbehaving_server_gives_a_typed_failure_in_time(
    web: Web, name: str, status: Status, attempts: int | None
) -> None:
    before, start = web.hits[name], time.monotonic()
    assert failure(web.url(name)).status is status
    assert time.monotonic() - start < 30
    if attempts is not None and name != "loop":
        assert web.hits[name] - before == attempts


@pytest.mark.parametrize("name", ["flaky/1", "busy", "cut-once"])
def test_what_may_pass_is_tried_again(web: Web, name: str) -> None:
    web.hits.clear()
    assert fetch(web.url(name), POLICY) == web.photo
    assert web.hits[name] == 2


def test_retry_after_is_obeyed(web: Web) -> None:
    web.hits.clear()
    start = time.monotonic()
    fetch(web.url("busy"), POLICY)
    assert time.monotonic() - start >= 1.0


def test_private_addresses_are_refused_unless_allowed(web: Web) -> None:
    web.hits.clear()
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "169.254.169.254", "10.0.0.1"):
        error = failure(f"http://{host}:{web.server_port}/ok", RemotePolicy(seconds=2.0, attempts=1))
        assert error.status is Status.UNREADABLE, host
    assert not web.hits


def test_a_redirect_into_the_network_is_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    from wildvision.scoring import remote

    own = remote._refuse_private
    monkeypatch.setattr(remote, "_refuse_private", lambda a: None if a == "127.0.0.1" else own(a))
    policy = RemotePolicy(seconds=2.0, attempts=1)
    assert fetch(web.url(f"to/{web.url('ok')}"), policy) == web.photo
    assert "169.254.169.254 is not a public address" in str(failure(web.url("to/http://169.254.169.254/x"), policy))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "::", "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "2002:7f00:1::"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "::7f00:1", "::ffff:0:7f00:1", "fec0::1"),
    ],
)
def test_every_kind_of_inner_address_is_refused(address: str) -> None:
    with pytest.raises(OSError, match="not a public address"):
        _refuse_private(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_not(address: str) -> None:
    _refuse_private(address)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "http://[bad", "zip://a::http://x/y.zip"])
def test_urls_that_are_not_fetched(url: str) -> None:
    assert failure(url).status in (Status.UNSUPPORTED, Status.UNREADABLE)


def test_an_unknown_scheme_is_unsupported() -> None:
    assert failure("gopher://x/y").status is Status.UNSUPPORTED


@pytest.mark.parametrize("scheme", ["ftp", "sftp", "smb", "webhdfs"])
def test_schemes_that_could_lead_inside_unseen_are_refused(scheme: str) -> None:
    error = failure(f"{scheme}://10.0.0.1/x.jpg", RemotePolicy())
    assert error.status is Status.UNSUPPORTED and "private addresses" in str(error)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(MissingExtraError, match=r"wildvision\[remote\]"):
        fetch("s3://bucket/key.jpg", POLICY)


@pytest.mark.parametrize(("text", "url"), [("s3://b/k", True), ("http://x", True), ("C:/x", False), ("a/b", False)])
def test_what_a_url_is(text: str, url: bool) -> None:
    assert is_url(text) is url


def test_a_bucket_is_walked_in_sorted_order_and_fetched() -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    for name in ("/shop/b.jpg", "/shop/a/2.jpg", "/shop/a/1.jpg", "/shop/.hidden"):
        fs.pipe(name, name.encode())
    items = list(open_source("memory://shop"))
    assert [item.id for item in items] == ["a/1.jpg", "a/2.jpg", "b.jpg"]
    assert fetch(items[0].payload, POLICY) == b"/shop/a/1.jpg"


def test_a_bucket_may_be_nested_deeper_than_python_recurses() -> None:
    depth = sys.getrecursionlimit() + 100

    class Nested:
        def ls(self, folder: str, *, detail: bool) -> list[dict[str, str]]:
            last = folder.count("/") == depth
            return [{"name": f"{folder}/{'x.jpg' if last else 'd'}", "type": "file" if last else "directory"}]

    assert [entry["name"] for entry in _walk(Nested(), "shop")] == ["shop/" + "d/" * depth + "x.jpg"]


@pytest.mark.parametrize(
    "bad",
    [{"seconds": -1.0}, {"seconds": float("nan")}, {"seconds": float("inf")}, {"attempts": 0}, {"max_bytes": 0}],
)
def test_a_policy_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        RemotePolicy(**bad)


def test_a_manifest_behind_a_url(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/lists/m.csv", b"id,path\n7,x/y.jpg\n8,https://z/w.jpg\n")
    items = list(open_source("memory://lists/m.csv"))
    assert [item.payload for item in items] == ["memory://lists/x/y.jpg", "https://z/w.jpg"]
    with pytest.raises(ArgumentError, match="cannot open"):
        list(open_source("memory://lists/nothing.csv"))


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "shard.tar", "shard.tar.gz"])
def test_lists_and_tars_are_read_from_servers_that_send_files_only_whole(web: Web, name: str) -> None:
    policy = RemotePolicy(allow_private=True, seconds=0.5, attempts=1)  # less than the file takes
    rows = 300
    if ".tar" in name:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz" if name.endswith("gz") else "w") as tar:
            for n in range(rows):
                tar.addfile(header := tarfile.TarInfo(f"{n}.jpg"), io.BytesIO())
                assert header.size == 0
        web.files[name] = buffer.getvalue()
    elif name.endswith("csv"):
        web.files[name] = ("id,path\n" + "".join(f"{n},https://z/{n}.jpg\n" for n in range(rows))).encode()
    else:
        web.files[name] = "".join(f'{{"path": "https://z/{n}.jpg"}}\n' for n in range(rows)).encode()
    items = list(open_source(web.url(f"sip/{name}"), policy=policy))
    assert len(items) == rows
    assert not any(isinstance(item.payload, Failure) for item in items)


def test_a_list_that_breaks_off_is_an_error_and_a_tar_says_so(web: Web) -> None:
    web.files["list.txt"] = b"https://z/w.jpg\n" * 100_000
    web.files["shard.tar"] = b"\0" * 300 + b"no tar" * 1000
    with pytest.raises(OSError, match="broke off"):
        list(open_source(web.url("tear/list.txt"), policy=POLICY))
    (item,) = open_source(web.url("tear/shard.tar"), policy=POLICY)
    assert isinstance(item.payload, Failure) and item.payload.status is Status.TRUNCATED


def test_a_run_over_urls_gives_every_url_its_row(web: Web, tiny: Classifier, tmp_path: Path) -> None:
    names = ["ok", "status/404", "html", "empty", "cut", "endless", "silent", "ok"]
    manifest = tmp_path / "urls.txt"
    manifest.write_text("\n".join(web.url(name) for name in names))
    settings = ScoreSettings(remote=POLICY, workers=2, progress="none")
    score(manifest, tmp_path / "out", classifier=tiny, settings=settings)
    rows = list(read_rows(tmp_path / "out"))
    assert [row["path"] for row in rows] == [web.url(name) for name in names]
    assert [row["status"] for row in rows] == [
        "ok",
        "not_found",
        "unreadable",
        "empty",
        "truncated",
        "too_large",
        "timeout",
        "ok",
    ]
    assert rows[7]["copy_of"] == rows[0]["id"]
