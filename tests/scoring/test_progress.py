from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from wildvision.scoring import Counters, open_source
from wildvision.scoring.folders import Folder
from wildvision.scoring.progress import Progress

OK = {"status": "ok", "decision": "pass", "copy_of": None}
BAD = {"status": "empty", "decision": None, "copy_of": None}


def test_counters_speak_prometheus() -> None:
    counters = Counters(3, 10, 2.0, Counter(ok=8, empty=2), Counter(**{"pass": 8}), 1, 20)
    lines = counters.prometheus().splitlines()
    assert 'wildvision_rows_total{status="empty"} 2' in lines
    assert 'wildvision_rows_total{status="ok"} 8' in lines
    assert 'wildvision_decisions_total{decision="pass"} 8' in lines
    assert "# TYPE wildvision_rows_total counter" in lines
    assert "wildvision_rows_expected 20" in lines
    assert all(line.startswith("#") or len(line.split(" ")) == 2 for line in lines)
    assert counters.failures == {"empty": 2} and counters.rate == 5.0


def test_nothing_is_shown_when_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("auto") as progress:
        progress.row(OK)
    assert capsys.readouterr() == ("", "")


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("json", resumed=7) as progress:
        for row in (OK, BAD, OK):
            progress.row(row)
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (last["rows"], last["resumed"], last["statuses"]) == (3, 7, {"ok": 2, "empty": 1})


def test_the_bar_shows_rate_and_errors_by_kind(capsys: pytest.CaptureFixture[str], shop: Path) -> None:
    with Progress("bar", source=open_source(shop)) as progress:
        for row in (OK, BAD):
            progress.row(row)
    assert "empty 1" in capsys.readouterr().err
    assert progress.counters.total in (None, 40)  # counted in the background


def test_a_source_that_cannot_be_counted_harms_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def describe(self) -> dict[str, Any]:
            return {}

        def __iter__(self) -> Any:
            return iter(())

        def count(self) -> int | None:
            raise OSError("gone")

    with Progress("bar", source=Broken()) as progress:
        progress.row(OK)
    assert progress.counters.rows == 1


def test_counters_speak_prometheus_to_the_last_digit() -> None:
    counters = Counters(12_345_679, 0, 1_234_567.5, Counter(ok=123_456_789), total=98_765_432)
    lines = counters.prometheus().splitlines()
    assert 'wildvision_rows_total{status="ok"} 123456789' in lines
    assert "wildvision_rows_resumed 12345679" in lines
    assert "wildvision_rows_expected 98765432" in lines
    assert "wildvision_run_seconds 1234567.5" in lines


@pytest.mark.parametrize("mode", ["json", "none", "auto"])
def test_whoever_is_told_hears_of_the_total(mode: Any, shop: Path) -> None:
    with Progress(mode, source=open_source(shop), callback=lambda counters: None) as progress:
        deadline = time.monotonic() + 20
        while progress.counters.total is None and time.monotonic() < deadline:
            time.sleep(0.01)
    assert progress.counters.total == 40


def test_nothing_is_counted_for_nobody(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "count", lambda self: pytest.fail("counted"))
    with Progress("none", source=open_source(shop)) as progress:
        progress.row(OK)
    assert progress.counters.total is None
