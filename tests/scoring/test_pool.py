from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.scoring.crashers import prepare
from wildvision.contract import Status
from wildvision.errors import ArgumentError, WildvisionError
from wildvision.imaging import Limits
from wildvision.scoring.loading import Loader
from wildvision.scoring.pool import DecodePool

LOADER = Loader((prepare,), Limits(seconds=0.5), grace=1.0)


def load(payloads: list[Any], *, workers: int = 1, isolation: Any = "process") -> list[tuple[int, Status, str | None]]:
    with DecodePool(LOADER, workers=workers, window=100, isolation=isolation) as pool:
        arrivals = [pair for pair in pool.run(enumerate(payloads)) if pair is not None]
    return sorted((number, loaded[0].status, loaded[0].error) for number, loaded in arrivals)


def test_a_worker_that_dies_or_hangs_costs_only_its_own_photo(tmp_path: Path) -> None:
    payloads = [
        b"a",
        b"segfault",
        b"b",
        b"oom",
        b"exit",
        b"c",
        b"hang",
        b"slow",
        f"once:{tmp_path / 'm'}".encode(),
        b"d",
    ]
    rows = load(payloads)
    statuses = [status.value for _, status, _ in rows]
    assert statuses == ["ok", "unreadable", "ok", "unreadable", "unreadable", "ok", "timeout", "timeout", "ok", "ok"]
    assert "exit code -11" in str(rows[1][2])
    assert "exit code -9" in str(rows[3][2])
    assert "exit code 3" in str(rows[4][2])
    assert "hung" in str(rows[6][2])


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_every_payload_arrives_once(workers: int, isolation: str) -> None:
    rows = load([f"p{n}".encode() for n in range(50)], workers=workers, isolation=isolation)
    assert [number for number, _, _ in rows] == list(range(50))
    assert {status for _, status, _ in rows} == {Status.OK}


def test_intake_waits_for_release() -> None:
    taken: list[int] = []

    def payloads() -> Iterator[tuple[int, Any]]:
        for n in range(100):
            taken.append(n)
            yield n, b"x"

    pool = DecodePool(LOADER, workers=2, window=5, isolation="thread")
    arrivals = list(itertools.takewhile(lambda pair: pair is not None, pool.run(payloads(), linger=0.3)))
    assert len(arrivals) == 5
    assert len(taken) <= 6
    pool.close()


def test_a_lull_is_reported_so_that_a_started_batch_need_not_wait() -> None:
    pool = DecodePool(LOADER, workers=1, window=5, isolation="thread")
    assert [pair is None for pair in pool.run(enumerate([b"sleep:0.5"]), linger=0.1)].count(True) >= 2


def test_an_error_of_the_source_is_raised_by_the_run() -> None:
    def payloads() -> Iterator[tuple[int, Any]]:
        yield 0, b"x"
        raise RuntimeError("the source broke")

    pool = DecodePool(LOADER, workers=1, window=5, isolation="thread")
    with pytest.raises(RuntimeError, match="the source broke"):
        list(pool.run(payloads()))


def test_what_cannot_be_pickled_gets_a_status() -> None:
    assert load([threading.Lock(), b"x"])[0][1] is Status.UNSUPPORTED


@pytest.mark.parametrize(("isolation", "error"), [("process", WildvisionError), ("thread", RuntimeError)])
def test_a_fault_of_the_loader_is_no_photo_s(isolation: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="a fault of the loader's own"):
        load([b"a", b"bug", b"b"], isolation=isolation)


class Unreadable:
    """Pickles, and cannot be unpickled where its class is not known."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_what_cannot_be_unpickled_in_the_worker_gets_a_status() -> None:
    rows = load([Unreadable(), b"x"])
    assert [status for _, status, _ in rows] == [Status.UNSUPPORTED, Status.OK]


def test_a_worker_killed_while_it_starts_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    start, killed = subprocess.Popen, []

    def popen(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = start(*args, **options)
        if not killed:
            killed.append(child.pid)
            child.kill()
        return child

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert [status for _, status, _ in load([b"a"])] == [Status.OK]
    assert killed


def test_an_interrupt_at_the_terminal_does_not_reach_workers() -> None:
    with DecodePool(LOADER, workers=1, window=5) as pool:
        assert next(p for p in pool.run(enumerate([b"a"])) if p is not None)
        (child,) = (p for p in psutil.Process().children() if "wildvision.scoring._worker" in p.cmdline())
        assert os.getpgid(child.pid) != os.getpgid(0)


def test_workers_serve_several_runs_and_end_with_the_pool() -> None:
    pool = DecodePool(LOADER, workers=1, window=5)
    before = {p.pid for p in psutil.Process().children()}
    for _ in range(2):
        assert len([p for p in pool.run(enumerate([b"a", b"b"])) if p is not None]) == 2
    new = {p.pid for p in psutil.Process().children()} - before
    assert len(new) == 1
    pool.close()
    assert not new & {p.pid for p in psutil.Process().children()}


def test_workers_end_when_their_parent_is_killed() -> None:
    code = textwrap.dedent("""
        import sys
        from tests.scoring.test_pool import LOADER
        from wildvision.scoring.pool import DecodePool
        pool = DecodePool(LOADER, workers=1, window=5)
        for pair in pool.run(enumerate([b"a", b"sleep:1"])):
            if pair is not None:
                print("ready", flush=True)
    """)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
        children = psutil.Process(parent.pid).children()
        assert children
        parent.kill()
    deadline = time.monotonic() + 30
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(child.is_running() for child in children)


def test_workers_that_cannot_start_are_nobody_s_photo_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WildvisionError, match="did not start"):
        load([b"a"])


@pytest.mark.parametrize("bad", [{"workers": 0}, {"window": 0}, {"isolation": "fork"}])
def test_bad_arguments_raise(bad: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="received"):
        DecodePool(LOADER, **{"workers": 1, "window": 1, **bad})


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_second_run_at_once_is_refused_and_spoils_nothing(isolation: Any) -> None:
    with DecodePool(LOADER, workers=1, window=5, isolation=isolation) as pool:
        first = pool.run(enumerate([b"a", b"b", b"c"]))
        arrived = [next(p for p in first if p is not None)]
        with pytest.raises(WildvisionError, match="under way"):
            next(pool.run(enumerate([b"x"])))
        arrived += [p for p in first if p is not None]
        assert [number for number, _ in arrived] == [0, 1, 2]
        assert len([p for p in pool.run(enumerate([b"x"])) if p is not None]) == 1
