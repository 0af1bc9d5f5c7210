"""The local engine: items in, items with their verdicts out, in order, on this machine's cores and device."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from wildvision.scoring.items import Item
from wildvision.scoring.loading import Loader
from wildvision.scoring.pipeline import Scored, in_order, keyed, marked, scored, without_payload
from wildvision.scoring.pool import DecodePool
from wildvision.scoring.scorer import Scorer
from wildvision.scoring.settings import ScoreSettings
from wildvision.scoring.store import Originals, ScoreCache


def run_local(
    items: Iterable[Item],
    *,
    start: int,
    scorer: Scorer,
    loader: Loader,
    settings: ScoreSettings,
    cache: ScoreCache | None,
    originals: Originals,
    stop: threading.Event,
) -> Iterator[tuple[Item, Scored]]:
    """Score items in order.

    Args:
        items: What to score; iterated on another thread.
        start: Number of the first item in the run.
        scorer: The models.
        loader: What decode workers do.
        settings: Of the run.
        cache: Scores that are known, and where new ones go.
        originals: Where near duplicates are looked up.
        stop: Once set, no further items are taken in; those under way still come out.

    Yields:
        Each item, without its payload, and its verdict.
    """
    pool = DecodePool(loader, workers=settings.decode_workers, window=settings.window, isolation=settings.isolation)
    flying: dict[int, Item] = {}

    def feed() -> Iterator[tuple[int, Any]]:
        for number, item in enumerate(items, start):
            if stop.is_set():
                return
            flying[number] = without_payload(item)
            yield number, item.payload

    arrivals = pool.run(feed())
    with closing(pool):
        photos = keyed(arrivals, share=cache is not None)
        if settings.dedupe == "near":
            photos = marked(in_order(photos, start), originals, flying)
        for pair in in_order(scored(photos, scorer, cache), start):
            if pair is not None:
                yield flying.pop(pair[0]), pair[1]
                pool.release()
