"""``wildvision score``: every photo of a source into ordered parts in a folder."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

from wildvision.cli.inputs import positive_number

if TYPE_CHECKING:
    from wildvision.scoring import ScoreReport, ScoreSettings

NAME = "score"
HELP = "score a folder, manifest, archive or URL, however large, into a folder of result files"

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="folder, glob in quotes, manifest (.txt .csv .tsv .jsonl .parquet), archive (.tar .zip; WebDataset shards "
        "by a glob), or a URL of one of these (s3://, gs://, hf://, https://)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the parts, the log and the manifest")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with the run in DIR, if there is one")
    existing.add_argument("--overwrite", action="store_true", help="remove the run in DIR, if there is one")
    _add_model_arguments(parser.add_argument_group("models"))
    _add_input_arguments(parser.add_argument_group("input"))
    _add_run_arguments(parser.add_argument_group("run"))
    output = parser.add_argument_group("output")
    output.add_argument("--format", choices=("jsonl", "parquet"), default="jsonl", help="format of the parts")
    output.add_argument(
        "--rows-per-part", type=int, default=5000, metavar="N", help="rows in a part (default: %(default)s)"
    )
    shown = output.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="show nothing but errors")
    shown.add_argument("--log-json", action="store_true", help="progress as JSON lines on stderr, one in ten seconds")


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", default="default", metavar="MODEL", help="classifier: name, folder, card or hf://org/repo@revision"
    )
    group.add_argument("--detector", metavar="MODEL", help="also find boxes, with this detector")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    group.add_argument("--backend", default="torch", help="what runs the network (default: %(default)s)")
    group.add_argument("--precision", default="auto", help="auto, fp32, fp16 or bf16")


def _add_input_arguments(group: argparse._ArgumentGroup) -> None:
    for name, what in (
        ("path", "path or URL of the photo"),
        ("bytes", "encoded photo"),
        ("id", "identifier of the photo"),
        ("listing", "identifier of the advert"),
    ):
        group.add_argument(f"--{name}-column", metavar="NAME", help=f"column of the manifest with the {what}")
    group.add_argument("--shard", default="0/1", metavar="I/N", help="score only part I (0 to N-1) of N of the source")
    group.add_argument(
        "--max-megapixels",
        type=positive_number,
        default=100.0,
        metavar="N",
        help="refuse larger photos unread; a worker needs up to 15 MB for each megapixel (default: 100)",
    )
    group.add_argument(
        "--allow-private-addresses",
        action="store_true",
        help="also fetch from loopback, private and link-local addresses",
    )
    group.add_argument(
        "--fetch-seconds",
        type=positive_number,
        default=20.0,
        metavar="S",
        help="time limit of one download (default: 20)",
    )


def _add_run_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--engine", choices=("local", "ray", "spark"), default="local", help="who does the work")
    group.add_argument("--workers", type=int, metavar="N", help="decode workers (default: one for each core)")
    group.add_argument("--actors", type=int, default=1, metavar="N", help="model actors or tasks of ray and spark")
    group.add_argument("--batch-size", type=int, default=32, metavar="N", help="photos a batch (default: %(default)s)")
    group.add_argument(
        "--dedupe",
        choices=("exact", "near", "off"),
        default="exact",
        help="score equal files once (exact, the default), near duplicates too (near), or everything (off)",
    )
    group.add_argument("--cache", metavar="FILE", help="keep scores in this file, for later runs over the same photos")


def run(args: argparse.Namespace) -> int:
    """Score, print the summary and return the exit code."""
    from wildvision.scoring import score

    report = score(
        args.source,
        args.out,
        classifier=args.model,
        detector=args.detector,
        resume=args.resume,
        overwrite=args.overwrite,
        settings=_settings(args),
    )
    if not args.quiet and not args.log_json:
        _print_summary(report)
    if not report.complete:
        print(f"wildvision: interrupted after {report.rows} rows; go on with:\n  {_resume_command()}", file=sys.stderr)
        return INTERRUPTED
    return 1 if report.failed else 0


def _settings(args: argparse.Namespace) -> ScoreSettings:
    from wildvision.imaging import Limits
    from wildvision.scoring import Columns, RemotePolicy, ScoreSettings, Shard

    return ScoreSettings(
        format=args.format,
        rows_per_part=args.rows_per_part,
        shard=Shard.parse(args.shard),
        columns=Columns(args.path_column, args.bytes_column, args.id_column, args.listing_column),
        dedupe=args.dedupe,
        cache=args.cache,
        workers=args.workers,
        batch_size=args.batch_size,
        remote=RemotePolicy(allow_private=args.allow_private_addresses, seconds=args.fetch_seconds),
        device=args.device,
        backend=args.backend,
        precision=args.precision,
        limits=Limits(max_pixels=round(args.max_megapixels * 1e6)),
        engine=args.engine,
        actors=args.actors,
        progress="none" if args.quiet else "json" if args.log_json else "auto",
    )


def _print_summary(report: ScoreReport) -> None:
    from wildvision.cli.output import print_table

    rows = [("rows", str(report.rows)), ("of an earlier run", str(report.resumed))]
    rows += [(f"decision: {name}", str(n)) for name, n in sorted(report.decisions.items())]
    rows += [(f"status: {name}", str(n)) for name, n in sorted(report.statuses.items())]
    rows += [("copies", str(report.copies)), ("listings", str(report.listings))]
    rows += [("seconds", f"{report.seconds:.1f}"), ("rows a second", f"{report.rows_per_second:.1f}")]
    rows += [("output", str(report.out))]
    print_table(("", "run"), rows)


def _resume_command() -> str:
    argv = [arg for arg in sys.argv[1:] if arg not in ("--resume", "--overwrite")]
    return shlex.join(["wildvision", *argv, "--resume"])
