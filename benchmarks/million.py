"""A manifest of a million rows: killed on the way, resumed, validated; time and peak memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import (
    Watch,
    arguments,
    command,
    run_to_end,
    small_photos,
    table,
    timed,
    tiny_model,
    write_report,
)
from benchmarks.kill_test import done
from wildvision.scoring import validate


def make_manifest(path: Path, names: list[str], rows: int) -> None:
    """Write a manifest with listings of four photos."""
    schema = pa.schema([("id", pa.string()), ("path", pa.string()), ("listing_id", pa.string()), ("price", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, 100_000):
            numbers = range(first, min(first + 100_000, rows))
            columns = [
                [f"photo-{n:08d}" for n in numbers],
                [names[(n * 7919) % len(names)] for n in numbers],
                [f"advert-{n // 4:08d}" for n in numbers],
                list(numbers),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def main() -> int:
    """Run the benchmark."""
    args = arguments(main.__doc__ or "", 1_000_000, files=5_000, workers=2)
    work = args.work / "million"
    small_photos(work / "photos", args.files, bad_share=0.01)
    names = sorted(p.relative_to(work).as_posix() for p in (work / "photos").rglob("*.jpg"))
    make_manifest(work / "manifest.parquet", names, args.rows)
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    (work / "cache.sqlite").unlink(missing_ok=True)
    score = command("score", str(work / "manifest.parquet"), "--out", str(out), "--model", str(tiny_model(work)))
    score += ["--cache", str(work / "cache.sqlite"), "--format", "parquet", "--quiet", "--workers", str(args.workers)]
    score += ["--device", "cpu", "--resume", "--rows-per-part", str(max(100, min(20_000, args.rows // 50)))]

    start = time.perf_counter()
    with subprocess.Popen(score) as process, Watch(process.pid) as watch:
        while process.poll() is None and done(out) < args.rows * 0.4:
            time.sleep(0.5)
        process.kill()
    killed_after, killed_at, first_peak = time.perf_counter() - start, done(out), watch.peak
    seconds, peak, code = run_to_end(score)
    checking, report = timed(lambda: validate(out))
    listings = sum(1 for _ in (out / "listings.jsonl").open("rb"))
    total = killed_after + seconds
    passed = report.ok and report.rows == args.rows and code in (0, 1) and listings == -(-args.rows // 4)
    size = sum(p.stat().st_size for p in out.iterdir()) / 2**20
    summary = table(
        {
            "rows": report.rows,
            "different photos": args.files,
            "killed (SIGKILL)": f"after {killed_after:.0f} s, {killed_at} rows in finished parts",
            "resumed and finished": f"in {seconds:.0f} s, listings included",
            "rows a second, both runs": f"{args.rows / total:.0f}",
            "peak memory of all processes": f"{max(peak, first_peak):.0f} MiB",
            "validated": f"in {checking:.0f} s, {'ok' if report.ok else report.problems}",
            "listings": listings,
            "output": f"{size:.0f} MiB of Parquet",
        }
    )
    note = (
        "Photos repeat and their scores come from the cache, keyed by sha256: after the first few thousand rows this "
        "measures reading, hashing, looking up and writing. The model is a tiny network with random weights."
    )
    data = {
        "rows": report.rows,
        "killed_at_row": killed_at,
        "seconds": [killed_after, seconds],
        "peak_mib": [first_peak, peak],
        "validate_seconds": checking,
        "listings": listings,
        "output_mib": size,
    }
    return write_report(args.report, "million", "A million rows", f"{summary}\n\n{note}", data, passed=passed)


if __name__ == "__main__":
    sys.exit(main())
