"""A long run: memory and open files must not grow with the number of rows."""

from __future__ import annotations

import statistics
import sys
from itertools import cycle, islice

from benchmarks.common import Watch, arguments, small_photos, table, timed, tiny_model, write_report
from wildvision.models import load_classifier
from wildvision.scoring import Counters, ScoreSettings, score, validate


def main() -> int:
    """Run the benchmark."""
    args = arguments(main.__doc__ or "", 200_000, files=2_000, workers=2)
    work = args.work / "soak"
    small_photos(work / "photos", args.files, bad_share=0.02)
    manifest = work / "manifest.txt"
    names = sorted(p.relative_to(work).as_posix() for p in (work / "photos").rglob("*.jpg"))
    with manifest.open("w") as f:
        f.writelines(f"{name}\n" for name in islice(cycle(names), args.rows))
    classifier = load_classifier(tiny_model(work), device="cpu")
    samples: list[tuple[int, float, int]] = []
    step = max(1, args.rows // 200)
    with Watch(every=10.0) as watch:

        def look(counters: Counters) -> None:
            if not samples or counters.rows >= samples[-1][0] + step:
                samples.append((counters.rows, *watch.sample()))

        settings = ScoreSettings(workers=args.workers, dedupe="off", progress="none", on_progress=look)
        seconds, report = timed(
            lambda: score(manifest, work / "out", classifier=classifier, overwrite=True, settings=settings)
        )

    def around(share: float, column: int) -> float:
        window = [s[column] for s in samples if abs(s[0] / args.rows - share) <= 0.03]
        return statistics.median(window or [s[column] for s in samples])

    early, late = around(0.1, 1), around(0.9, 1)
    files = around(0.1, 2), around(0.9, 2)
    growth = late / early - 1.0
    passed = report.rows == args.rows and growth <= 0.05 and files[0] == files[1] and validate(work / "out").ok
    summary = table(
        {
            "rows": report.rows,
            "memory of all processes at 10 % of the run": f"{early:.1f} MiB",
            "at 90 %": f"{late:.1f} MiB ({growth:+.1%})",
            "peak": f"{watch.peak:.1f} MiB",
            "open files at 10 % and 90 %": f"{files[0]:.0f} and {files[1]:.0f}",
            "time": f"{seconds:.0f} s, {report.rows_per_second:.0f} rows a second",
        }
    )
    note = (
        f"{args.files} small files repeated, cache and duplicate search off, so that every row is decoded and scored. "
        "The model is a tiny network with random weights: the test is about the runner."
    )
    data = {"rows": report.rows, "samples": samples, "growth": growth, "seconds": seconds, "peak_mib": watch.peak}
    return write_report(args.report, "soak", "Soak test", f"{summary}\n\n{note}", data, passed=passed)


if __name__ == "__main__":
    sys.exit(main())
