"""The stages between the decode pool and the sink, each a generator: find copies, score in batches, restore the order.

All of them pass ``None`` on, which means "nothing new for a while": a stage that waits for more uses what it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from wildvision.contract import Status
from wildvision.errors import WildvisionError
from wildvision.imaging import Prepared
from wildvision.scoring.items import Item
from wildvision.scoring.scorer import Scorer, Verdict, failed_prediction, verdict_of, with_facts_of
from wildvision.scoring.store import Originals, ScoreCache

T = TypeVar("T")


class Photo(NamedTuple):
    """A loaded photo on its way to the model."""

    loaded: tuple[Prepared, ...]
    key: str
    """What equal photos share: their scores are those of the first with this key."""
    copy_of: str | None = None


class Scored(NamedTuple):
    """A photo with its verdict, on its way to the sink."""

    verdict: Verdict
    copy_of: str | None = None


def in_order(pairs: Iterable[tuple[int, T] | None], start: int) -> Iterator[tuple[int, T] | None]:
    """The pairs by number, from ``start`` on without gaps. Holds back what came too early."""
    early: dict[int, T] = {}
    for pair in pairs:
        if pair is None:
            yield None
            continue
        early[pair[0]] = pair[1]
        while start in early:
            yield start, early.pop(start)
            start += 1


def keyed(
    arrivals: Iterable[tuple[int, tuple[Prepared, ...]] | None], *, share: bool
) -> Iterator[tuple[int, Photo] | None]:
    """Photos with their keys; without ``share`` no two are equal."""
    for arrival in arrivals:
        if arrival is None:
            yield None
            continue
        number, loaded = arrival
        yield number, Photo(loaded, (share and loaded[0].sha256) or f"#{number}")


def marked(
    photos: Iterable[tuple[int, Photo] | None], originals: Originals, items: Mapping[int, Item]
) -> Iterator[tuple[int, Photo] | None]:
    """Photos, in order, that know the near duplicate before them: they take its key, and so its scores."""
    for pair in photos:
        if pair is not None and pair[1].loaded[0].status is Status.OK:
            number, photo = pair
            facts = photo.loaded[0]
            first = originals.find_or_add(photo.key, facts.phash, number, items[number].id)
            if first is not None:
                pair = number, photo._replace(copy_of=first[0], key=first[1])
        yield pair


def scored(
    photos: Iterable[tuple[int, Photo] | None], scorer: Scorer, cache: ScoreCache | None
) -> Iterator[tuple[int, Scored] | None]:
    """Photos with their verdicts, each as soon as it is known.

    Batches are made of whatever arrives; each key is scored once. Failures and known photos do not wait for a batch.
    """
    batch: dict[str, list[tuple[int, Photo]]] = {}
    for pair in photos:
        if pair is not None:
            number, photo = pair
            facts = photo.loaded[0]
            if facts.status is not Status.OK:
                failed = failed_prediction(facts, facts.status, facts.error, scorer.model_id)
                yield number, Scored(verdict_of(failed))
            elif photo.key in batch:
                batch[photo.key].append(pair)
            elif cache is not None and not photo.key.startswith("#") and (known := cache.get(photo.key)):
                yield number, Scored(with_facts_of(known, facts), photo.copy_of)
            elif facts.pixels is None:
                raise WildvisionError(
                    "the score cache lost an entry during the run; resume it, or run without the cache"
                )
            else:
                batch[photo.key] = [pair]
        if batch and (pair is None or len(batch) >= scorer.batch_size):
            yield from _score(batch, scorer, cache)
            batch = {}
        if pair is None:
            yield None
    yield from _score(batch, scorer, cache)


def _score(
    batch: Mapping[str, list[tuple[int, Photo]]], scorer: Scorer, cache: ScoreCache | None
) -> Iterator[tuple[int, Scored]]:
    firsts = [pairs[0][1] for pairs in batch.values()]
    verdicts = scorer.score([photo.loaded for photo in firsts])
    if cache is not None:
        cache.put(
            {
                photo.key: verdict
                for photo, verdict in zip(firsts, verdicts, strict=True)
                # of a near duplicate, as when the first failed in the model, the key is another photo's
                if verdict["status"] == Status.OK.value and photo.loaded[0].sha256 == photo.key
            }
        )
    for pairs, verdict in zip(batch.values(), verdicts, strict=True):
        for number, photo in pairs:
            yield number, Scored(with_facts_of(verdict, photo.loaded[0]), photo.copy_of)


def without_payload(item: Item) -> Item:
    """The item as rows need it, so that photos in memory are let go once they are decoded."""
    return dataclasses.replace(item, payload=None)
