r"""Score yesterday's photos every night, without an orchestrator.

    15 2 * * *  python nightly.py /data/photos/$(date -d yesterday +\%F) /data/scores/$(date -d yesterday +\%F)

``resume=True`` makes the job safe to start again at any moment, after a crash, a reboot or a deploy; a second start
while the first still runs is refused. The cache spares photos that were scored on any earlier night. The exit code is 0
only for a complete and faultless output.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import wildvision as wv
from wildvision.scoring import Counters, validate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--cache", type=Path, default=Path("wildvision-cache.sqlite"))
    parser.add_argument("--metrics", type=Path, help="a .prom file for node_exporter's textfile collector")
    args = parser.parse_args()

    def tell_prometheus(counters: Counters) -> None:
        if args.metrics is not None:
            temporary = args.metrics.with_suffix(".tmp")
            temporary.write_text(counters.prometheus())
            temporary.replace(args.metrics)

    settings = wv.ScoreSettings(format="parquet", cache=args.cache, progress="none", on_progress=tell_prometheus)
    report = wv.score(args.photos, args.out, classifier=args.model, resume=True, settings=settings)
    if not report.complete:
        return 1  # stopped by a signal: the next start goes on
    checked = validate(args.out)
    print(f"{report.rows} photos, {report.decisions}, {report.failed} not scored: {report.statuses}")
    return 0 if checked.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
