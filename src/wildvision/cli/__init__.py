"""The ``wildvision`` command. Holds its entry point and the list of subcommands; each lives in a module of its own.

A subcommand is a module ``cli/<name>.py`` with ``NAME``, ``HELP``, ``add_arguments(parser)`` and ``run(args) -> int``,
named in :data:`COMMANDS`. Its top level imports nothing heavier than the standard library, so that ``--help`` answers
at once; whatever needs torch, cv2 or rich is imported inside ``run``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sqlite3
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from wildvision._version import __version__
from wildvision.errors import WildvisionError

COMMANDS = ("predict", "score", "detect", "validate", "evaluate", "calibrate", "models", "taxonomy")

OK = 0
SOME_FAILED = 1
ERROR = 2
INTERRUPTED = 130
PIPE_CLOSED = 141

_EPILOG = """\
exit codes:
  0    every input was scored, or the command did what it says
  1    some inputs could not be scored; each has a row with its status
  2    wrong arguments, a folder that cannot be written, a model that cannot be found, verified or loaded, or a
       fault of wildvision itself, with its traceback
  130  interrupted
  141  the reader of the output went away

A photo proves neither a species nor an offence: every finding is a suspicion for a person to judge.
"""


class Command(Protocol):
    """What a subcommand's module offers."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and operands."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return an exit code."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``args.run`` is the chosen subcommand's function."""
    parser = _Parser(
        prog="wildvision",
        description="Find photos that may show CITES-listed wildlife products in marketplaces.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Two spellings, which also keep the help in shape: argparse aligns commands by the longest option.
    parser.add_argument("-V", "--version", action="version", version=f"wildvision {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = cast(Command, importlib.import_module(f"{__name__}.{name}"))
        sub = subparsers.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; usage errors leave by ``SystemExit(2)`` as argparse does.

    Args:
        argv: Arguments without the program's name; those of the process by default.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a photo's name may hold what the terminal's encoding does not
            reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(argv)
    try:
        code = int(args.run(args))
        if sys.stdout is not None:  # as it is for a process that was started without one
            sys.stdout.flush()
        return code
    except WildvisionError as e:
        print(f"wildvision: error: {e}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print("wildvision: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more on its way out; give it a place to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (
        OSError,
        sqlite3.Error,
    ) as e:  # a folder that cannot be written, a full disk; what is wrong with photos is in their rows
        print(f"wildvision: error: {e}", file=sys.stderr)
        return ERROR
    except Exception:  # a fault of wildvision's own, which must not pass for SOME_FAILED, the interpreter's own code
        traceback.print_exc()
        return ERROR
