"""``wildvision validate``: whether a folder written by ``wildvision score`` is whole and keeps the row contract."""

from __future__ import annotations

import argparse
import json

NAME = "validate"
HELP = "check a folder written by `wildvision score`: every row, every part, nothing missing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("out", nargs="?", metavar="DIR", help="folder to check")
    what.add_argument("--print-schema", action="store_true", help="print the JSON Schema of a row and do nothing else")


def run(args: argparse.Namespace) -> int:
    """Check the folder, print what is wrong, and return 0 only for a complete and faultless run."""
    from wildvision.scoring import validate
    from wildvision.scoring.validation import row_schema

    if args.print_schema:
        print(json.dumps(row_schema(), indent=2))
        return 0
    report = validate(args.out)
    for problem in report.problems:
        print(problem)
    state = "complete" if report.complete else "not complete; go on with: wildvision score ... --resume"
    print(f"{report.rows} rows in {report.parts} parts, {len(report.problems)} problems, {state}")
    return 0 if report.ok else 1
