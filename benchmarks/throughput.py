"""Photos a second of wildvision against a plain timm loop, the decode limit and the model limit, in one run."""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.common import arguments, listing_photo, timed, write_report
from wildvision.models import Classifier, load_classifier
from wildvision.scoring import RemotePolicy, ScoreSettings, score
from wildvision.scoring.pool import DecodePool, Isolation
from wildvision.scoring.scorer import Scorer


def plain_loop(paths: Sequence[Path], classifier: Classifier, batch_size: int) -> None:
    """What people write first: open, transform, stack, run, one after another, as in timm's examples."""
    module, transform = _timm(classifier)
    with torch.inference_mode():
        for start in range(0, len(paths), batch_size):
            batch = [transform(Image.open(path).convert("RGB")) for path in paths[start : start + batch_size]]
            module(torch.stack(batch))[0].numpy()


class _Photos(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, paths: Sequence[Path], transform: Any) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))  # type: ignore[no-any-return]


def data_loader_loop(paths: Sequence[Path], classifier: Classifier, batch_size: int, workers: int) -> None:
    """The same with torch's DataLoader."""
    module, transform = _timm(classifier)
    loader = torch.utils.data.DataLoader(_Photos(paths, transform), batch_size=batch_size, num_workers=workers)
    with torch.inference_mode():
        for batch in loader:
            module(batch)[0].numpy()


def decode_only(paths: Sequence[Path], classifier: Classifier, workers: int, isolation: Isolation) -> None:
    """The decode pool without a model: no run can be faster."""
    loader = Scorer(classifier, batch_size=32).loader(RemotePolicy())
    with DecodePool(loader, workers=workers, window=256, isolation=isolation) as pool:
        for pair in pool.run(enumerate(str(path) for path in paths)):
            if pair is not None:
                pool.release()


def model_only(count: int, classifier: Classifier, batch_size: int) -> None:
    """The network alone on pixels that are ready: no run can be faster."""
    size = classifier.card.input.size
    batch = np.random.default_rng(0).integers(0, 256, (batch_size, size, size, 3), dtype=np.uint8)
    for _ in range(0, count, batch_size):
        classifier._backend(batch)


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _timm(classifier: Classifier) -> tuple[Any, Any]:
    """The same weights and the transform that timm would build for them."""
    from timm.data import create_transform

    how = classifier.card.input
    transform = create_transform(
        how.size, interpolation="bicubic", mean=how.mean, std=how.std, crop_pct=1.0, crop_mode="squash"
    )
    return classifier._backend.module, transform  # type: ignore[attr-defined]


def main() -> int:
    """Run the benchmark."""
    args = arguments(main.__doc__ or "", 600, model="default", batch_size=32, workers=2, repeats=3)
    work = args.work / "throughput"
    paths = [work / "photos" / f"{n:05d}.jpg" for n in range(args.rows)]
    for n, path in enumerate(paths):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            listing_photo(np.random.default_rng(n)).save(path, quality=85)
    manifest = work / f"manifest-{args.rows}.txt"
    manifest.write_text("\n".join(f"photos/{path.name}" for path in paths))
    classifier = load_classifier(args.model, device="cpu")
    size, workers = args.batch_size, args.workers

    def wildvision(isolation: Isolation) -> None:
        shutil.rmtree(work / "out", ignore_errors=True)
        settings = ScoreSettings(batch_size=size, workers=workers, isolation=isolation, progress="none", dedupe="off")
        score(manifest, work / "out", classifier=classifier, settings=settings)

    contestants: dict[str, Callable[[], None]] = {
        "wildvision score, decode processes": lambda: wildvision("process"),
        "wildvision score, decode threads": lambda: wildvision("thread"),
        "plain timm loop": lambda: plain_loop(paths, classifier, size),
        f"timm with DataLoader, {workers} workers": lambda: data_loader_loop(paths, classifier, size, workers),
        f"decode limit, {workers} processes": lambda: decode_only(paths, classifier, workers, "process"),
        f"decode limit, {workers} threads": lambda: decode_only(paths, classifier, workers, "thread"),
        "model limit": lambda: model_only(len(paths), classifier, size),
    }
    model_only(2 * size, classifier, size)  # warm
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    processor: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(args.repeats):  # in turn, so that a busy minute hits all alike
        for name, work_ in contestants.items():
            before = processor_seconds()
            seconds[name].append(timed(work_)[0])
            processor[name].append(processor_seconds() - before)
    rates = {name: args.rows / statistics.median(taken) for name, taken in seconds.items()}
    ours = rates["wildvision score, decode processes"]
    cores = torch.get_num_threads()
    perfect = 1.0 / (1.0 / rates["model limit"] + 1.0 / rates[f"decode limit, {workers} processes"])
    cost = {name: 1000.0 * statistics.median(taken) / args.rows for name, taken in processor.items()}
    lines = [f"| {name} | {rate:.1f} | {ours / rate:.2f} | {cost[name]:.1f} |" for name, rate in rates.items()]
    lines.append(f"| both limits on the same cores | {perfect:.1f} | {ours / perfect:.2f} | |")
    head = "| | photos a second | wildvision / this | processor time a photo, ms |\n|---|---|---|---|\n"
    summary = head + "\n".join(lines)
    note = (
        f"{args.rows} photos of 800 by 600 pixels, about 100 kB, batches of {size}, {cores} torch threads; median of "
        f"{args.repeats} rounds in which all took turns. Starting the decode workers is included. The timm loops "
        "neither hash, nor type failures, nor write rows. Decoding and the network share the cores, so the sum of both "
        "limits' times, not the smaller limit, is what a perfect run would take. Processor time is that of all "
        "processes and, unlike photos a second, hardly depends on what else the machine was doing."
    )
    data = {
        "rows": args.rows,
        "seconds": seconds,
        "photos_per_second": rates,
        "both_limits": perfect,
        "processor_ms": cost,
        "model": args.model,
    }
    return write_report(args.report, "throughput", "Throughput", f"{summary}\n\n{note}", data, passed=True)


if __name__ == "__main__":
    sys.exit(main())
