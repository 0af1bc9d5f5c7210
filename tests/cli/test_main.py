"""The entry point: one line for each error, documented exit codes, and commands that all obey the same form."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

import pytest

import wildvision
from wildvision import cli
from wildvision.errors import ModelError


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_keeps_the_form(name: str) -> None:
    module = importlib.import_module(f"wildvision.cli.{name}")
    assert name == module.NAME
    assert module.HELP and not module.HELP.endswith(".")
    module.add_arguments(argparse.ArgumentParser())
    assert callable(module.run)


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert leaving.value.code == 0
    assert all(f"\n    {name} " in shown for name in cli.COMMANDS)
    codes = (cli.OK, cli.SOME_FAILED, cli.ERROR, cli.INTERRUPTED, cli.PIPE_CLOSED)
    assert all(f"\n  {code} " in shown for code in codes)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"wildvision {wildvision.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "wildvision: error: the following arguments are required: COMMAND"),
        (["predikt"], "invalid choice: 'predikt'"),
        (["predict"], "wildvision predict: error: the following arguments are required: PHOTO"),
        (["predict", "a.jpg", "--batch-size", "0"], "must be a whole number above 0, received '0'"),
        (["detect", "a.jpg", "--out", "x", "--batch-size", "0"], "must be a whole number above 0, received '0'"),
        (["calibrate", "m.csv", "--out", "x", "--batch-size", "x"], "must be a whole number above 0, received 'x'"),
        (["score", "a", "--out", "x", "--max-megapixels", "nan"], "must be a number above 0, received 'nan'"),
        (["score", "a", "--out", "x", "--fetch-seconds", "-1"], "must be a number above 0, received '-1'"),
        (["predict", "a.jpg", "--batchsize", "4"], "unrecognized arguments: --batchsize"),
        (["taxonomy", "--lang", "fr"], "invalid choice: 'fr'"),
        (["models"], "wildvision models: error: the following arguments are required: ACTION"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(argv)
    captured = capsys.readouterr()
    assert leaving.value.code == 2
    assert message in captured.err and captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ModelError("no model 'x'"), 2, "wildvision: error: no model 'x'\n"),
        (KeyboardInterrupt(), 130, "wildvision: interrupted\n"),
        (NotADirectoryError(20, "Not a directory", "out"), 2, "wildvision: error: [Errno 20] Not a directory: 'out'\n"),
    ],
)
def test_what_ends_a_command_early_is_one_line(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("wildvision.cli.taxonomy.run", fail)
    assert cli.main(["taxonomy"]) == code
    assert capsys.readouterr().err == message


def test_a_fault_of_its_own_does_not_pass_for_photos_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("wildvision.cli.taxonomy.run", fail)
    assert cli.main(["taxonomy"]) == cli.ERROR
    assert "Traceback" in (shown := capsys.readouterr().err) and shown.endswith("ZeroDivisionError: a bug\n")


ENDLESS = """
import sys
from wildvision.cli import main, taxonomy
from wildvision.cli.output import print_table
taxonomy.run = lambda args: print_table(["line"], [["x" * 999]] * 9999)
sys.exit(main(["taxonomy"]))
"""


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    process = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == cli.PIPE_CLOSED
    assert errors == b""


def test_the_module_runs_without_the_script() -> None:
    command = [sys.executable, "-m", "wildvision.cli", "taxonomy", "tiger"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("wildvision: error: unknown group 'tiger'; choose from ivory")


def test_without_a_standard_output_a_command_still_ends_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["taxonomy"]) == 0
