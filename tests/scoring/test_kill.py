"""The run as its own process: killed at random moments, interrupted, and called by the command line."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.test_runner import same
from wildvision.cli import main
from wildvision.scoring import read_rows, validate

OPTIONS = ["--workers", "1", "--batch-size", "4", "--rows-per-part", "6", "--device", "cpu", "--quiet"]


def start(source: Path, out: Path, model: Path, *more: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "wildvision.cli", "score", str(source), "--out", str(out), "--model", str(model)]
    return subprocess.Popen([*command, *OPTIONS, *more], stderr=subprocess.PIPE, **options)


@pytest.fixture(scope="module")
def whole(shop: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(["score", str(shop), "--out", str(out), "--model", str(tiny_folder), *OPTIONS]) == 1
    return list(read_rows(out))


def test_killed_runs_resume_to_the_rows_of_an_undisturbed_one(
    whole: list[dict[str, Any]], shop: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    rng = random.Random(7)
    out = tmp_path / "out"
    for _ in range(3):
        with start(shop, out, tiny_folder, "--resume") as process:
            deadline = time.monotonic() + 120
            rows = sum(1 for _ in read_rows(out)) if (out / "manifest.json").exists() else 0
            while process.poll() is None and time.monotonic() < deadline:  # until it has made some progress
                if out.exists() and len(list(out.glob("part-*.jsonl"))) * 6 > rows:
                    break
                time.sleep(0.01)
            time.sleep(rng.random() * 0.05)
            process.kill()
    with start(shop, out, tiny_folder, "--resume") as process:
        assert process.wait(timeout=300) == 1
    same(list(read_rows(out)), whole)
    assert validate(out).ok


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_good_order_and_says_how_to_resume(
    number: int, whole: list[dict[str, Any]], shop: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    listing = tmp_path / "many.txt"
    listing.write_text("\n".join(str(shop / "a" / "000.jpg") for _ in range(200_000)))
    with start(listing, out, tiny_folder, "--dedupe", "off", start_new_session=True) as process:
        while not list(out.glob("part-*.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, number)  # as a terminal does: workers get it too
        assert process.wait(timeout=60) == 130
        assert process.stderr is not None
        message = process.stderr.read().decode()
    assert "--resume" in message and str(out) in message
    report = validate(out)
    assert not report.complete and not report.problems and 6 <= report.rows < 200_000
    assert not list(out.glob(".part-*"))


def test_the_command_line_reports_failures_by_its_exit_code(
    shop: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["score", str(shop / "c"), "--out", str(tmp_path / "a"), "--model", str(tiny_folder), *OPTIONS[:-1]]
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert "status: ok" in shown.out and shown.err == ""
    assert main([*arguments, "--resume"]) == 1
    assert main(arguments) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--quiet"]) == 1
    assert capsys.readouterr().out == ""
    assert main(["validate", str(tmp_path / "a")]) == 0
    assert "0 problems, complete" in capsys.readouterr().out


def test_photos_beyond_the_limit_get_a_row(shop: Path, tiny_folder: Path, tmp_path: Path) -> None:
    arguments = ["score", str(shop / "c"), "--out", str(tmp_path), "--model", str(tiny_folder), *OPTIONS]
    assert main([*arguments, "--max-megapixels", "0.001"]) == 1
    assert {row["status"] for row in read_rows(tmp_path)} >= {"too_large"}
    assert main([*arguments, "--resume"]) == 2  # another limit would give other rows


def test_validate_prints_the_schema_and_finds_damage(
    shop: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--print-schema"]) == 0
    assert '"wildvision/1"' in capsys.readouterr().out
    out = tmp_path / "out"
    main(["score", f"{shop}/c/0*.jpg", "--out", str(out), "--model", str(tiny_folder), *OPTIONS])
    (out / "part-00000.jsonl").write_text("{}\n")
    assert main(["validate", str(out)]) == 1
    assert "missing fields" in capsys.readouterr().out
