"""Kill a run with SIGKILL at random moments, resume it each time, and compare with a run that nobody killed."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.common import arguments, command, differences, run_to_end, small_photos, table, tiny_model, write_report
from wildvision.scoring import validate
from wildvision.scoring.sinks import read_parts


def done(out: Path) -> int:
    """Rows in finished parts."""
    parts = read_parts(out, mend=False) if out.exists() else []
    return parts[-1].first + parts[-1].rows if parts else 0


def main() -> int:
    """Run the benchmark."""
    args = arguments(main.__doc__ or "", 20_000, kills=30, seed=1, rows_per_part=250)
    work = args.work / "kill"
    bad = small_photos(work / f"photos-{args.rows}", args.rows, bad_share=0.03)
    model = tiny_model(work)
    shared = [str(work / f"photos-{args.rows}"), "--model", str(model), "--device", "cpu", "--quiet"]
    shared += ["--rows-per-part", str(args.rows_per_part)]
    whole, killed = work / "whole", work / "killed"
    shutil.rmtree(killed, ignore_errors=True)
    seconds, peak, _ = run_to_end(command("score", *shared, "--out", str(whole), "--overwrite"))

    rng = random.Random(args.seed)
    # four in five die while they score, at a random row; one in five within seconds of its start, resume included
    targets = sorted(rng.randrange(args.rows) for _ in range(args.kills))
    moments = []
    orphans = 0
    for target in targets:
        early = rng.random() < 0.2
        process = subprocess.Popen(command("score", *shared, "--out", str(killed), "--resume"))
        if early:
            time.sleep(rng.uniform(0.0, 6.0))
        else:
            while process.poll() is None and done(killed) < target - args.rows_per_part:
                time.sleep(0.02)
            time.sleep(rng.uniform(0.0, 1.0))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
        moments.append({"target_row": target, "rows_in_finished_parts": done(killed), "early": early})
        _, alive = psutil.wait_procs(children, timeout=30)
        orphans += len(alive)
    last, _, code = run_to_end(command("score", *shared, "--out", str(killed), "--resume"))

    compared = differences(whole, killed)
    report = validate(killed)
    passed = (
        report.ok
        and report.rows == args.rows
        and compared["unequal_rows"] == 0
        and compared["largest_float_difference"] <= 1e-6
        and orphans == 0
    )
    summary = table(
        {
            "rows": args.rows,
            "of them bad files": bad,
            "kills (SIGKILL)": len(moments),
            "rows in the killed and resumed run": compared["rows"][1],
            "rows that differ from the undisturbed run": compared["unequal_rows"],
            "largest difference of a score": compared["largest_float_difference"],
            "worker processes left behind": orphans,
            "validation": "ok" if report.ok else "; ".join(report.problems),
            "undisturbed run": f"{seconds:.0f} s, peak {peak:.0f} MiB",
        }
    )
    note = (
        "The model is a tiny network with random weights: the test is about the runner. Rows are compared in order, "
        "field by field; floats may differ by 1e-6."
    )
    data = {
        "rows": args.rows,
        "bad": bad,
        "moments": moments,
        "comparison": compared,
        "orphans": orphans,
        "undisturbed_seconds": seconds,
        "last_resume_seconds": last,
        "last_exit_code": code,
    }
    return write_report(args.report, "kill", "Kill test", f"{summary}\n\n{note}", data, passed=passed)


if __name__ == "__main__":
    sys.exit(main())
