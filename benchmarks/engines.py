"""The same photos through the local engine, Ray with one and two model actors, and Spark local[2]."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments, differences, listing_photo, table, write_report

CONFIGURATIONS = {
    "local": {"engine": "local", "actors": 1},
    "ray, 1 model actor": {"engine": "ray", "actors": 1},
    "ray, 2 model actors": {"engine": "ray", "actors": 2},
    "spark local[2]": {"engine": "spark", "actors": 2},
}

CHILD = """
import json, os, sys, time
os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from wildvision.scoring import ScoreSettings, Shard, score
source, out, model, options = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
settings = ScoreSettings(progress="none", device="cpu", dedupe="off", **options)
start = time.perf_counter()
report = score(source, out, classifier=model, overwrite=True, settings=settings)
print(json.dumps({"seconds": time.perf_counter() - start, "rows": report.rows}), file=sys.stderr)
"""


def run(source: Path, out: Path, model: str, options: dict[str, Any]) -> float:
    """Seconds of one run, in a process of its own."""
    arguments = [sys.executable, "-c", CHILD, str(source), str(out), model, json.dumps(options)]
    done = subprocess.run(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, check=False)
    try:
        return float(json.loads(done.stderr.strip().splitlines()[-1])["seconds"])
    except (ValueError, IndexError, KeyError):
        raise RuntimeError(f"the run failed:\n{done.stderr[-3000:]}") from None


def main() -> int:
    """Run the benchmark."""
    args = arguments(main.__doc__ or "", 3_000, model="default", workers=2, repeats=3)
    work = args.work / "engines"
    few, many = max(32, args.rows // 5), args.rows
    for count in (few, many):
        folder = work / f"photos-{count}"
        for n in range(count):
            path = folder / f"{n:05d}.jpg"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                listing_photo(np.random.default_rng(n)).save(path, quality=85)
    seconds: dict[str, dict[str, list[float]]] = {name: {"few": [], "many": []} for name in CONFIGURATIONS}
    for _ in range(args.repeats):  # in turn, so that a busy minute hits all alike
        for name, options in CONFIGURATIONS.items():
            for size, count in (("few", few), ("many", many)):
                out = work / name.replace(" ", "-").replace(",", "")
                shutil.rmtree(out, ignore_errors=True)
                settings = {**options, "workers": args.workers}
                seconds[name][size].append(run(work / f"photos-{count}", out, args.model, settings))
    results: dict[str, dict[str, float]] = {}
    for name, taken in seconds.items():
        least_few, least_many = min(taken["few"]), min(taken["many"])
        rate = (many - few) / (least_many - least_few)
        results[name] = {"rows_per_second": rate, "start_seconds": least_few - few / rate, "seconds": least_many}
    local = results["local"]["rows_per_second"]
    compared = {}
    for name in CONFIGURATIONS:
        results[name]["overhead"] = local / results[name]["rows_per_second"] - 1.0
        if name != "local":
            compared[name] = differences(work / "local", work / name.replace(" ", "-").replace(",", ""))
    worst = max(r["overhead"] for r in results.values())
    equal = all(c["unequal_rows"] == 0 and c["largest_float_difference"] <= 1e-5 for c in compared.values())
    head = (
        f"| engine | rows a second | overhead | start | whole run of {many} rows | largest difference of a score |\n"
        "|---|---|---|---|---|---|\n"
    )
    lines = [
        f"| {name} | {r['rows_per_second']:.1f} | {r['overhead']:+.1%} | {r['start_seconds']:.1f} s | "
        f"{r['seconds']:.0f} s | "
        f"{compared[name]['largest_float_difference'] if name in compared else ''} |"
        for name, r in results.items()
    ]
    note = (
        f"Photos of 800 by 600 pixels, about 100 kB. Rows a second are those of a further row: {many} against {few} "
        f"photos, least time of {args.repeats} runs each, all engines in turn. What an engine needs before its first "
        "row is the column 'start' (model loading and decode workers included); it is paid once a run. All rows were "
        "compared with the local engine's."
    )
    data = {"rows": many, "results": results, "seconds": seconds, "compared": compared, "model": args.model}
    summary = head + "\n".join(lines) + "\n\n" + table({"rows equal to the local engine's": equal}) + "\n\n" + note
    return write_report(args.report, "engines", "Engines", summary, data, passed=worst <= 0.15 and equal)


if __name__ == "__main__":
    sys.exit(main())
