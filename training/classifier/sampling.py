"""Which photos make up a batch: balanced over groups, leaves, sources and objects, so that no museum dominates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from training.classifier.config import Sampling
from training.data.manifest import Record
from wildvision.errors import ArgumentError
from wildvision.taxonomy import load_taxonomy

NONE = "none"
K = TypeVar("K")


class BatchSampler:
    """Draws record numbers for batch ``k``; a pure function of the seed and ``k``.

    Within a group: first the leaf (by the square root of its number of objects), then photo or render (by numbers of
    objects, those of photos weighted), then the source (square root again), then the object, then one of its views.
    """

    def __init__(self, records: Sequence[Record], rows: Sequence[int], how: Sampling, *, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        pools: dict[str, dict[str, dict[bool, dict[str, dict[str, list[int]]]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(list))))
        )
        for i in rows:
            r = records[i]
            pools[r.group][r.leaf][r.synthetic][r.source][r.object_id or str(i)].append(i)
        if without := sorted(set(pools) - {NONE, *how.positives}):
            raise ArgumentError(f"sampling.positives gives no share to {without}, of which there are photos")
        known = load_taxonomy().group_names
        if unknown := sorted(set(how.positives) - set(known)):
            raise ArgumentError(f"sampling.positives names unknown groups {unknown}; known: {', '.join(known)}")
        shares = {group: share for group, share in how.positives.items() if group in pools}
        if min(shares.values(), default=0.0) < 0 or sum(shares.values()) >= 1:
            raise ArgumentError(f"sampling.positives are shares that leave some to the rest; received {shares}")
        shares[NONE] = 1.0 - sum(shares.values())
        numbers: list[int] = []
        weights: list[float] = []
        for group, group_share in shares.items():
            for leaf, leaf_share in _root_shares(
                {k: sum(map(_objects, v.values())) for k, v in pools[group].items()}
            ).items():
                kinds = pools[group][leaf]
                counts = {
                    synthetic: _objects(sources) * (1.0 if synthetic else how.photo_weight)
                    for synthetic, sources in kinds.items()
                }
                for kind, count in counts.items():
                    kind_share = count / sum(counts.values())
                    for source, source_share in _root_shares({k: len(v) for k, v in kinds[kind].items()}).items():
                        objects = kinds[kind][source]
                        each = group_share * leaf_share * kind_share * source_share / len(objects)
                        for views in objects.values():
                            numbers += views
                            weights += [each / len(views)] * len(views)
        self.numbers = np.array(numbers)
        self.weights = np.array(weights) / np.sum(weights)

    def batch(self, k: int) -> np.ndarray:
        """``(size,)`` record numbers of batch ``k``."""
        rng = np.random.default_rng((self.seed, k))
        return self.numbers[rng.choice(len(self.numbers), size=self.size, p=self.weights)]

    def shares(self, records: Sequence[Record]) -> dict[str, float]:
        """Expected share of every leaf in a batch, for the log."""
        total: Counter[str] = Counter()
        for number, weight in zip(self.numbers, self.weights, strict=True):
            total[records[number].leaf] += weight
        return dict(total)


def _objects(sources: dict[str, dict[str, list[int]]]) -> int:
    return sum(len(objects) for objects in sources.values())


def _root_shares(counts: Mapping[K, int]) -> dict[K, float]:
    roots = {name: count**0.5 for name, count in counts.items()}
    total = sum(roots.values())
    return {name: root / total for name, root in roots.items()}
