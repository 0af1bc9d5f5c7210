"""Cluster bootstrap: sources are drawn first, then objects within each drawn source. Computes no metric.

Photos of one museum share its camera, its grounds and its objects; resampling photos one by one would call the
numbers far surer than they are (Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wildvision.evaluation.metrics import wilson

Weights = npt.NDArray[np.int32]
FEW_POSITIVES = 30
FEW_SOURCES = 3


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval.

    Attributes:
        value: Of the data as they are; ``None`` where it is not defined (no positives, say).
        low: 2.5th percentile of the resamples; ``None`` where they are all equal, which says that there is too little
            to resample and not that the number is certain.
        high: 97.5th percentile; ``None`` like ``low``.
    """

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.3f} [too few for an interval]"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def of(
        cls,
        value: npt.NDArray[np.float64],
        resampled: npt.NDArray[np.float64],
        *,
        centred: bool = False,
        share_of: int | None = None,
    ) -> Estimate:
        """From the point estimate ``(1,)`` and the resamples ``(b,)``; resamples where it is undefined are left out.

        Args:
            value: Of the data as they are.
            resampled: Of the resamples.
            centred: Move the resamples so that their median is the value, but not below 0. A sum of absolute gaps, as
                calibration error is, grows with every resampling, and its interval would lie above it. The value
                itself lies above the truth by as much, so the low end is no higher than the basic bootstrap's.
            share_of: Number of objects that the value is a share of. The interval is then no narrower than Wilson's:
                no resample of 100 objects without a false alarm has one, and the true rate may still be 3 %.
        """
        defined = resampled[np.isfinite(resampled)]
        if not np.isfinite(value[0]) or not len(defined):
            return cls(None, None, None)
        low, high = (float(end) for end in np.percentile(defined, [2.5, 97.5]))
        if centred and high > low:
            shift = float(value[0]) - float(np.median(defined))
            low, high = max(min(low + shift, 2 * float(value[0]) - high), 0.0), high + shift
        if share_of is not None:
            least, most = wilson(float(value[0]) * share_of, share_of)
            return cls(float(value[0]), min(low, least), max(high, most))
        return cls(float(value[0]), low, high) if high > low else cls(float(value[0]), None, None)


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


def caveat(n_objects: int, n_sources: int) -> str | None:
    """What to say beside numbers on so many objects of a group, of so many sources; ``None`` where they are enough."""
    if not n_objects:
        return "no positives"
    if n_sources == 1:
        noun = "object" if n_objects == 1 else "objects"
        return f"{n_objects} {noun} of one source: the interval says nothing of other sources"
    if n_sources < FEW_SOURCES or n_objects < FEW_POSITIVES:
        return f"only {n_objects} objects of {n_sources} sources: the interval is too narrow"
    return None


def rate_caveat(n_negatives: int, n_sources: int, *, a_fold: bool, rates: Sequence[float]) -> str | None:
    """What to say beside numbers at false-positive rates that too few negatives cannot show; ``None`` without.

    Args:
        n_negatives: Negatives that photos are ranked against: the fewest of any fold with positives.
        n_sources: Sources of the negatives.
        a_fold: Whether there are several folds.
        rates: The false-positive rates.
    """
    said = []
    if small := [f"{100 * rate:g} %" for rate in rates if n_negatives * rate < 1]:
        where = " in one fold" if a_fold else ""
        rare = " or ".join(small)
        said.append(f"only {n_negatives} negatives{where}: a false-positive rate of {rare} cannot be told from 0")
    if n_sources == 1:
        said.append("negatives of one source")
    return "; ".join(said) or None
