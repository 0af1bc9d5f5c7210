"""Fitting calibrators on logits of photos that the model has not seen, and choosing between methods.

Sources (museums, shops) never straddle two folds, so that the choice rewards what carries over to new sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.policy.calibration import Calibrator, Floats, Isotonic, Platt, Temperature, sigmoid

METHODS = ("temperature", "platt", "isotonic")
PREVALENCE = 0.05  # that bundled probabilities are for; at another one, only the odds change, by a constant factor
_MIN_SLOPE = 1e-3  # a calibrator may flatten an uninformative logit, never reverse it
_RIDGE = 1e-6  # keeps the Newton step finite when the classes separate


@dataclass(frozen=True)
class Calibration:
    """A fitted calibrator with the evidence for its choice.

    Attributes:
        calibrator: Fitted on all rows.
        out_of_fold_nll: Method to mean negative log-likelihood (nats) on held-out sources; empty when one fold
            holds all positives or all negatives, where no method can be told from another and Platt is taken, if
            that is a candidate.
        n_positives: Number of positive photos.
        n_sources: Number of sources with positives.
        prevalence: Share of photos with a product that the probabilities are for.
    """

    calibrator: Calibrator
    out_of_fold_nll: dict[str, float]
    n_positives: int
    n_sources: int
    prevalence: float

    def to_json(self) -> dict[str, Any]:
        """One entry of a model card's ``calibration``: the parameters with their provenance."""
        return {
            **self.calibrator.to_json(),
            "out_of_fold_nll": self.out_of_fold_nll,
            "n_positives": self.n_positives,
            "n_sources": self.n_sources,
            "prevalence": self.prevalence,
        }


def source_folds(sources: Sequence[str], labels: npt.ArrayLike, n_folds: int = 5) -> npt.NDArray[np.int64]:
    """Fold of each row, ``(n,)`` in [0, n_folds): whole sources, positives spread as evenly as they allow.

    Raises:
        ArgumentError: Other numbers of sources than of labels, or no fold.
    """
    y = _labels(labels)
    if len(sources) != len(y) or n_folds < 1:
        raise ArgumentError(f"received {len(sources)} sources, {len(y)} labels and {n_folds} folds")
    names, index = np.unique(np.asarray(sources, dtype=str), return_inverse=True)
    positives = np.bincount(index, weights=y, minlength=len(names))
    sizes = np.bincount(index, minlength=len(names))
    load = np.zeros((n_folds, 2))
    fold_of = np.zeros(len(names), dtype=np.int64)
    for s in np.lexsort((-sizes, -positives)):
        # A source with positives goes where positives are fewest, any other where photos are fewest.
        fold = int(np.lexsort((load[:, 1], load[:, 0]))[0] if positives[s] else np.argmin(load[:, 1]))
        fold_of[s] = fold
        load[fold] += positives[s], sizes[s]
    return fold_of[index]


def fit(method: str, logits: npt.ArrayLike, labels: npt.ArrayLike, *, prevalence: float | None = None) -> Calibrator:
    """Fit one calibrator by maximum likelihood.

    Args:
        method: ``temperature``, ``platt`` or ``isotonic``.
        logits: ``(n,)`` raw group logits of photos the model was not trained on.
        labels: ``(n,)`` true where the photo shows a product of the group.
        prevalence: Weigh the rows as if this share were positive; ``None`` takes the share in the data.

    Raises:
        ArgumentError: Unknown method, logits that are not finite, or labels that lack one of the two classes.
    """
    g, y = np.asarray(logits, dtype=np.float64), _labels(labels)
    if g.shape != y.shape or g.ndim != 1 or not np.all(np.isfinite(g)):
        raise ArgumentError(f"logits must be finite and as long as labels; received shapes {g.shape} and {y.shape}")
    if not 0 < y.sum() < len(y):
        raise ArgumentError(f"calibration needs positives and negatives; received {int(y.sum())} of {len(y)} positive")
    w = _weights(y, prevalence)
    if method == "isotonic":
        return _fit_isotonic(g, y, w, *_bounds(y, w, len(y), len(y)))
    if method not in METHODS:
        raise ArgumentError(f"method must be one of {', '.join(METHODS)}; received {method!r}")
    target = np.where(y, *_bounds(y, w, int(y.sum()), int((~y).sum())))  # Platt's targets
    ones = np.ones_like(g)
    if method == "temperature":
        (slope,) = _newton(g[:, None], target, w)
        return Temperature(t=float(1 / max(slope, _MIN_SLOPE)))
    a, b = _newton(np.stack([g, ones], axis=1), target, w)
    if a < _MIN_SLOPE:
        a, (b,) = _MIN_SLOPE, _newton(ones[:, None], target, w, offset=_MIN_SLOPE * g)
    return Platt(a=float(a), b=float(b))


def choose(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    sources: Sequence[str],
    *,
    methods: Sequence[str] = METHODS,
    n_folds: int = 5,
    prevalence: float | None = None,
) -> Calibration:
    """The method with the best likelihood on held-out sources, refitted on all rows.

    Args:
        logits: ``(n,)`` raw group logits of photos the model was not trained on.
        labels: ``(n,)`` true where the photo shows a product of the group.
        sources: ``n`` names; a source never straddles two folds.
        methods: Candidates, of ``temperature``, ``platt``, ``isotonic``.
        n_folds: At most this many folds.
        prevalence: As in :func:`fit`.

    Raises:
        ArgumentError: As :func:`fit`; no method, an unknown one, or other numbers of rows or folds than there can be.
    """
    g, y = np.asarray(logits, dtype=np.float64), _labels(labels)
    if unknown := sorted(set(methods) - {*METHODS}):
        raise ArgumentError(f"method must be one of {', '.join(METHODS)}; received {unknown[0]!r}")
    if not methods:
        raise ArgumentError(f"name at least one method of {', '.join(METHODS)}")
    nll = {}
    for method in methods:
        held_out = cross_fit(g, y, sources, method=method, n_folds=n_folds, prevalence=prevalence)
        if held_out is not None:
            nll[method] = negative_log_likelihood(held_out, y, prevalence=prevalence)
    untold = "platt" if "platt" in methods else methods[0]
    best = min(nll, key=lambda m: nll[m]) if nll else untold
    return Calibration(
        calibrator=fit(best, g, y, prevalence=prevalence),
        out_of_fold_nll=nll,
        n_positives=int(y.sum()),
        n_sources=len(set(np.asarray(sources, dtype=str)[y])),
        prevalence=float(y.mean()) if prevalence is None else prevalence,
    )


def cross_fit(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    sources: Sequence[str],
    *,
    method: str = "platt",
    n_folds: int = 5,
    prevalence: float | None = None,
) -> Floats | None:
    """Probabilities ``(n,)``, each from a calibrator fitted without the photo's source.

    ``None`` when some fold holds all the positives (or all the negatives), which leaves nothing to fit on without it.
    """
    g, y = np.asarray(logits, dtype=np.float64), _labels(labels)
    folds = source_folds(sources, y, n_folds)
    if len(set(folds[y])) < 2 or len(set(folds[~y])) < 2:
        return None
    out = np.empty_like(g)
    for fold in np.unique(folds):
        held = folds == fold
        out[held] = fit(method, g[~held], y[~held], prevalence=prevalence).apply(g[held])
    return out


def negative_log_likelihood(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, prevalence: float | None = None
) -> float:
    """Mean negative log-likelihood in nats; probabilities are kept 1e-7 away from 0 and 1."""
    p, y = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-7, 1 - 1e-7), _labels(labels)
    return float(np.average(-np.where(y, np.log(p), np.log1p(-p)), weights=_weights(y, prevalence)))


def _labels(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    return np.asarray(labels).astype(bool)


def _weights(y: npt.NDArray[np.bool_], prevalence: float | None) -> Floats:
    """Row weights with mean 1 that make the positives' share ``prevalence``."""
    if prevalence is None:
        return np.ones(len(y))
    if not 0.0 < prevalence < 1.0:
        raise ArgumentError(f"prevalence must lie strictly between 0 and 1; received {prevalence!r}")
    share = y.mean()
    return np.asarray(np.where(y, prevalence / share, (1 - prevalence) / (1 - share)))


def _bounds(y: npt.NDArray[np.bool_], w: Floats, positives: int, negatives: int) -> tuple[float, float]:
    """Highest and lowest probability: no finite sample proves 1 or 0 (Platt 1999).

    As if one more of ``positives`` had been a negative, and one of ``negatives`` a positive, with the smaller of the
    two classes' weights: where a few positives stand for one photo in ten thousand, one of a negative's weight would
    outweigh them all.
    """
    least = w.min()
    high = 1 - least / w[y][0] / (positives + 2)
    return float(high), float(least / w[~y][0] / (negatives + 2))


def _newton(x: Floats, target: Floats, w: Floats, *, offset: Floats | float = 0.0) -> Floats:
    """Coefficients of a weighted logistic regression with soft targets, by Newton steps with halving."""

    def loss(beta: Floats) -> float:
        z = x @ beta + offset
        return float(w @ (np.logaddexp(0.0, z) - target * z)) + 0.5 * _RIDGE * float(beta @ beta)

    beta = np.zeros(x.shape[1])
    current = loss(beta)
    for _ in range(100):
        p = sigmoid(x @ beta + offset)
        gradient = x.T @ (w * (p - target)) + _RIDGE * beta
        hessian = (x.T * (w * p * (1 - p))) @ x + _RIDGE * np.eye(len(beta))
        step = np.linalg.solve(hessian, gradient)
        while (proposed := loss(beta - step)) > current and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta - step
        if current - proposed < 1e-12 * max(1.0, abs(current)):
            break
        current = proposed
    return beta


def _fit_isotonic(g: Floats, y: npt.NDArray[np.bool_], w: Floats, high: float, low: float) -> Isotonic:
    """Pool adjacent violators; kept between ``low`` and ``high``."""
    x, index = np.unique(g, return_inverse=True)
    weight = np.bincount(index, weights=w)
    mean = np.bincount(index, weights=w * y) / weight
    blocks: list[tuple[float, float, int]] = []  # mean, weight, number of knots
    for m, v in zip(mean, weight, strict=True):
        block = (float(m), float(v), 1)
        while blocks and blocks[-1][0] >= block[0]:
            m0, v0, n0 = blocks.pop()
            block = ((m0 * v0 + block[0] * block[1]) / (v0 + block[1]), v0 + block[1], n0 + block[2])
        blocks.append(block)
    counts = [n for _, _, n in blocks]
    fitted = np.clip(np.repeat([m for m, _, _ in blocks], counts), low, high)
    ends = np.cumsum(counts) - 1
    starts = ends - np.asarray(counts) + 1
    knots = np.union1d(starts, ends)
    return Isotonic(x=tuple(x[knots].tolist()), y=tuple(fitted[knots].tolist()))
