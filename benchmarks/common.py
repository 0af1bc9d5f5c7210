"""What the benchmarks share: made-up photos, a tiny model, a watch on memory, and reports."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from wildvision import __version__
from wildvision.scoring import read_rows

REPORTS = Path(__file__).parent / "reports"
MIB = 2**20


def arguments(description: str, rows: int, **more: Any) -> argparse.Namespace:
    """The command line of a benchmark: ``--rows``, ``--work``, ``--report``, and options given as ``name=default``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=rows, help="default: %(default)s")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/benchmarks"), help="scratch folder, default: %(default)s"
    )
    parser.add_argument("--report", type=Path, default=REPORTS, help="folder for the report, default: %(default)s")
    for name, default in more.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help="default: %(default)s"
        )
    return parser.parse_args()


def picture(rng: np.random.Generator, size: tuple[int, int], *, detail: int = 6) -> Image.Image:
    """A smooth random picture with ``detail`` blobs a side; more detail makes a larger file."""
    coarse = rng.integers(0, 256, (detail, detail, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def listing_photo(rng: np.random.Generator, size: tuple[int, int] = (800, 600)) -> Image.Image:
    """A picture that compresses like a photo: about 100 kB at 800 by 600, quality 85."""
    layers = [np.asarray(picture(rng, size, detail=d), np.float32) for d in (5, 20, 80)]
    grain = rng.normal(0, 6, (size[1], size[0], 1)).astype(np.float32)
    mixed = 0.6 * layers[0] + 0.25 * layers[1] + 0.15 * layers[2] + grain
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def small_photos(folder: Path, count: int, *, bad_share: float = 0.0, seed: int = 0) -> int:
    """Make ``count`` small files in subfolders of 1000, some of them bad; returns how many. Existing ones are kept."""
    rng = np.random.default_rng(seed)
    bad = set(rng.choice(count, round(bad_share * count), replace=False).tolist()) if bad_share else set()
    for n in range(count):
        path = folder / f"{n // 1000:03d}" / f"{n:06d}.jpg"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(np.random.default_rng((seed, n)), (96, 80)).save(path, quality=85)
        if n in bad:
            data = path.read_bytes()
            kinds = (b"", data[: len(data) // 2], rng.bytes(700), b"<html>not a photo</html>", data[:20])
            path.write_bytes(kinds[n % len(kinds)])
    return len(bad)


def tiny_model(folder: Path) -> Path:
    """A model with random weights: these runs test the machinery around the network, not the network."""
    from tests.models.tiny import make_tiny_model

    return make_tiny_model(folder / "tiny-model")


def command(*arguments: str) -> list[str]:
    """A ``wildvision`` command of this interpreter."""
    return [sys.executable, "-m", "wildvision.cli", *arguments]


def differences(left: Path, right: Path) -> dict[str, Any]:
    """Compare two runs row by row.

    Returns:
        Rows on both sides, rows that differ in anything but floats, and the largest difference of a float.
    """
    rows = [0, 0]
    unequal, worst = 0, 0.0
    first: list[str] = []
    for a, b in _zip_longest(read_rows(left), read_rows(right), rows):
        if a is None or b is None:
            unequal += 1
            continue
        x, y = _floats(a), _floats(b)
        if a != b or x.keys() != y.keys():
            unequal += 1
            first = first or [str(a)[:300], str(b)[:300]]
        else:
            worst = max([worst, *(abs(x[k] - y[k]) for k in x)])
    return {"rows": rows, "unequal_rows": unequal, "largest_float_difference": worst, "first_unequal": first}


def _floats(row: dict[str, Any]) -> dict[str, float]:
    """Take the floats out of a row."""
    scores, look = row.pop("scores"), row.pop("lookalike")
    found = dict(scores or {})
    if look:
        row["lookalike_leaf"] = look["leaf"]
        found |= {"score": look["score"], "margin": look["margin"]}
    return found


def _zip_longest(left: Iterator[Any], right: Iterator[Any], rows: list[int]) -> Iterator[tuple[Any, Any]]:
    while True:
        a, b = next(left, None), next(right, None)
        if a is None and b is None:
            return
        rows[0] += a is not None
        rows[1] += b is not None
        yield a, b


class Watch:
    """Samples memory and open files of a process and its children, in the background. A context manager.

    Memory is the proportional set size (shared pages counted once over the processes), in MiB.
    """

    def __init__(self, pid: int | None = None, *, every: float = 0.25) -> None:
        self._root = psutil.Process(pid)
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak = 0.0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def sample(self) -> tuple[float, int]:
        """``(MiB, open files)`` now."""
        memory, files = 0.0, 0
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                memory += process.memory_full_info().pss / MIB
                files += process.num_fds()
            except psutil.Error:
                continue
        self.peak = max(self.peak, memory)
        return memory, files

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.sample()
            except psutil.Error:
                return


@contextmanager
def quiet_environment() -> Iterator[None]:
    """Nothing from outside: no progress bars, no telemetry."""
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    yield


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    import torch

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        name = next((x.partition(":")[2].strip() for x in cpuinfo.read_text().splitlines() if "model name" in x), name)
    return {
        "processor": name,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "wildvision": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def table(rows: Mapping[str, Any]) -> str:
    """Two columns of Markdown."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def write_report(folder: Path, name: str, title: str, summary: str, data: Mapping[str, Any], *, passed: bool) -> int:
    """Write ``name.json`` and ``name.md``, print the latter, and return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    about = machine()
    full = {"name": name, "passed": passed, **data, "machine": about}
    (folder / f"{name}.json").write_text(json.dumps(full, indent=2, default=str) + "\n")
    where = ", ".join(f"{key} {value}" for key, value in about.items())
    text = f"# {title}\n\n{'Passed' if passed else '**Not passed**'}.\n\n{summary}\n\nTaken on: {where}.\n"
    (folder / f"{name}.md").write_text(text)
    print(text)
    return 0 if passed else 1


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of a call."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def run_to_end(arguments: list[str]) -> tuple[float, float, int]:
    """Run a command to its end: seconds, peak MiB, exit code."""
    start = time.perf_counter()
    with subprocess.Popen(arguments) as process, Watch(process.pid) as watch:
        code = process.wait()
    return time.perf_counter() - start, watch.peak, code
