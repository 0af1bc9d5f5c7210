"""Leak-free splits: by source, or by object and near-duplicate cluster; leave-one-source-out folds.

Depends on labels, identifiers and clusters only; the same manifest and seed give the same split.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from training.data.dedup import DisjointSets
from training.data.manifest import DROPPED, Record
from wildvision.errors import ArgumentError

BY = ("source", "object")


@dataclass(frozen=True)
class Fold:
    """One leave-one-source-out fold: rows of the manifest by number.

    Attributes:
        name: The source held out, ``+``-joined when small sources are held out together.
        train: Rows to learn from.
        test: Rows of the held-out sources.
        dropped: Rows of other sources that show a picture or an object of ``test``; they belong to neither.
    """

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    dropped: tuple[int, ...]


def inseparable(records: Sequence[Record], clusters: Sequence[int], *, by: str) -> list[int]:
    """Number the sets of photos that no split may divide.

    Args:
        records: The manifest.
        clusters: Near-duplicate cluster of each photo, as :func:`training.data.dedup.near_clusters` gives it.
        by: ``object`` keeps views of one object and near-duplicates together, ``source`` whole sources too.

    Returns:
        One set number a photo, in order of first appearance.
    """
    if by not in BY:
        raise ArgumentError(f"by = {by!r}; write one of {', '.join(BY)}")
    if len(clusters) != len(records):
        raise ArgumentError(f"{len(clusters)} clusters for {len(records)} records")
    sets = DisjointSets(len(records))
    first: dict[tuple[str, object], int] = {}
    for i, (record, cluster) in enumerate(zip(records, clusters, strict=True)):
        keys: list[tuple[str, object]] = [("cluster", cluster)]
        if record.object_id:
            keys.append(("object", (record.source, record.object_id)))
        if by == "source":
            keys.append(("source", record.source))
        for key in keys:
            sets.join(first.setdefault(key, i), i)
    return sets.labels()


def assign_folds(
    records: Sequence[Record], clusters: Sequence[int], *, folds: int, by: str = "object", seed: int = 0
) -> list[Record]:
    """Spread the manifest over ``folds`` folds of like composition and write ``fold-0``, ``fold-1``, … into ``split``.

    Inseparable sets are dealt out largest first, each to the fold that lacks its leaves most.

    Raises:
        ArgumentError: When there are fewer inseparable sets than folds.
    """
    sets: dict[int, list[int]] = defaultdict(list)
    for i, number in enumerate(inseparable(records, clusters, by=by)):
        sets[number].append(i)
    if folds < 2 or len(sets) < folds:
        raise ArgumentError(f"folds = {folds}: need at least 2 and at most the {len(sets)} inseparable sets (by {by})")
    total = Counter(record.leaf for record in records)
    held = [Counter[str]() for _ in range(folds)]
    names = [""] * len(records)
    for members in sorted(sets.values(), key=lambda m: (-len(m), _shuffle_key(records[m[0]], seed))):
        leaves = Counter(records[i].leaf for i in members)
        fullness = [sum(n * h[leaf] / total[leaf] for leaf, n in leaves.items()) for h in held]
        best = min(range(folds), key=lambda f: (fullness[f], held[f].total(), f))
        held[best].update(leaves)
        for i in members:
            names[i] = f"fold-{best}"
    return [replace(record, split=name) for record, name in zip(records, names, strict=True)]


def hold_out(records: Sequence[Record], clusters: Sequence[int], sources: Sequence[str]) -> list[Record]:
    """Write ``test`` for the photos of ``sources``, ``dropped`` for their near-duplicates elsewhere, else ``train``.

    Raises:
        ArgumentError: When a source is not in the manifest.
    """
    if unknown := sorted(set(sources) - {record.source for record in records}):
        raise ArgumentError(f"unknown sources {unknown}; the manifest has {sorted({r.source for r in records})}")
    fold = _fold("", records, inseparable(records, clusters, by="object"), set(sources))
    part = {i: name for name in ("train", "test", DROPPED) for i in getattr(fold, name)}
    return [replace(record, split=part[i]) for i, record in enumerate(records)]


def leave_one_source_out(
    records: Sequence[Record], clusters: Sequence[int], *, pool_below: int = 0, only: Sequence[str] = ()
) -> Iterator[Fold]:
    """Hold out each source in turn, sorted by name.

    Args:
        records: The manifest.
        clusters: Near-duplicate cluster of each photo.
        pool_below: Sources with fewer photos than this are held out together, as the last fold.
        only: Sources to hold out; all by default.
    """
    sets = inseparable(records, clusters, by="object")
    counts = Counter(record.source for record in records)
    chosen = sorted(source for source in counts if not only or source in only)
    small = [source for source in chosen if counts[source] < pool_below]
    for source in chosen:
        if source not in small:
            yield _fold(source, records, sets, {source})
    if small:
        yield _fold("+".join(small), records, sets, set(small))


def _fold(name: str, records: Sequence[Record], sets: Sequence[int], held_out: set[str]) -> Fold:
    test = [i for i, record in enumerate(records) if record.source in held_out]
    touched = {sets[i] for i in test}
    rest = [i for i, record in enumerate(records) if record.source not in held_out]
    return Fold(
        name=name,
        train=tuple(i for i in rest if sets[i] not in touched),
        test=tuple(test),
        dropped=tuple(i for i in rest if sets[i] in touched),
    )


def _shuffle_key(record: Record, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{record.source}:{record.object_id}:{record.path}".encode()).hexdigest()
