"""Cluster bootstrap: sources are drawn first, then objects within each drawn source. Computes no metric.

Photos of one museum share its camera, its grounds and its objects; resampling photos one by one would call the
numbers far surer than they are (Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.int32]
FEW_POSITIVES = 30
FEW_SOURCES = 3
FEW_NEGATIVES = 1000


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval.

    Attributes:
        value: Of the data as they are; ``None`` where it is not defined (no positives, say).
        low: 2.5th percentile of the resamples.
        high: 97.5th percentile.
    """

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def of(
        cls, value: npt.NDArray[np.float64], resampled: npt.NDArray[np.float64], *, centred: bool = False
    ) -> Estimate:
        """From the point estimate ``(1,)`` and the resamples ``(b,)``; resamples where it is undefined are left out.

        ``centred`` moves the resamples so that their median is the value, but not below 0. A sum of absolute gaps,
        as calibration error is, grows with every resampling, and its interval would lie above it.
        """
        defined = resampled[np.isfinite(resampled)]
        if not np.isfinite(value[0]) or not len(defined):
            return cls(None, None, None)
        if centred:
            defined = np.maximum(defined - np.median(defined) + value[0], 0.0)
        low, high = np.percentile(defined, [2.5, 97.5])
        return cls(float(value[0]), float(low), float(high))


def cluster_weights(
    sources: Sequence[str],
    objects: Sequence[str],
    labels: npt.NDArray[np.bool_],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> Weights:
    """How often each photo is drawn in each resample, ``(resamples, n)``.

    Sources with positives and sources without are drawn apart, each as many times as there are of them, so that
    a group found in two of eighty sources is not absent from every tenth resample.

    Args:
        sources: ``n`` names.
        objects: ``n`` identifiers, unique within their source; photos of one object are drawn together.
        labels: ``(n,)`` true for positives.
        resamples: Number of resamples.
        rng: Source of chance.
    """
    source = np.unique(np.asarray(sources, dtype=str), return_inverse=True)[1]
    pairs = [f"{s}\0{o}" for s, o in zip(source, objects, strict=True)]
    _, first, member = np.unique(np.asarray(pairs, dtype=str), return_index=True, return_inverse=True)
    object_source = source[first]
    n_sources = int(source.max()) + 1
    has_positives = np.bincount(source, weights=labels, minlength=n_sources) > 0

    draws = np.zeros((resamples, n_sources), dtype=np.int64)
    for stratum in (np.flatnonzero(has_positives), np.flatnonzero(~has_positives)):
        if len(stratum):
            draws[:, stratum] = rng.multinomial(len(stratum), np.full(len(stratum), 1 / len(stratum)), size=resamples)

    drawn = np.zeros((resamples, len(first)), dtype=np.int32)
    for s in range(n_sources):
        inside = np.flatnonzero(object_source == s)
        # Drawn c times, a source of m objects gives c independent samples of m: one multinomial of c * m.
        drawn[:, inside] = rng.multinomial(draws[:, s] * len(inside), np.full(len(inside), 1 / len(inside)))
    return np.asarray(drawn[:, member])


def caveat(n_positives: int, n_objects: int, n_sources: int, n_negatives: int | None = None) -> str | None:
    """What to say beside numbers that rest on little; ``None`` where there is enough.

    ``n_negatives`` counts where false-positive rates are among the numbers.
    """
    if n_positives == 0:
        return "no positives: nothing was measured"
    said = []
    if n_sources == 1:
        said.append(f"{n_objects} objects of one source: the interval says nothing of other sources")
    elif n_sources < FEW_SOURCES or n_objects < FEW_POSITIVES:
        said.append(f"only {n_objects} objects of {n_sources} sources: the interval is too narrow")
    if n_negatives is not None and n_negatives < FEW_NEGATIVES:
        said.append(f"only {n_negatives} negatives: a false-positive rate of 0.1 % cannot be told from 0")
    return "; ".join(said) or None
