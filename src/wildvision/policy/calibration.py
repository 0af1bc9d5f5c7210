"""Calibrators: raw group logits in, probabilities out. Applying and storing them; fitting is in :mod:`.fitting`.

All of them keep the order of the logits, need numpy alone and round-trip through JSON as they stand in a model card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError

Floats = npt.NDArray[np.float64]


def sigmoid(x: npt.ArrayLike) -> Floats:
    """``1 / (1 + exp(-x))`` in float64, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


@dataclass(frozen=True)
class Platt:
    """``sigmoid(a * logit + b)`` (Platt 1999).

    Attributes:
        a: Slope, positive.
        b: Offset.
    """

    a: float = 1.0
    b: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 < self.a < np.inf and np.isfinite(self.b)):
            raise ArgumentError(
                f"Platt needs a positive slope and a finite offset; received a={self.a!r}, b={self.b!r}"
            )

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities in [0, 1], in the shape of ``logits``."""
        return sigmoid(self.a * np.asarray(logits, dtype=np.float64) + self.b)

    def to_json(self) -> dict[str, Any]:
        """As stored in a model card."""
        return {"method": "platt", "a": self.a, "b": self.b}


@dataclass(frozen=True)
class Temperature:
    """``sigmoid(logit / t)`` (Guo et al. 2017, for one binary output).

    Attributes:
        t: Temperature, positive; above 1 softens.
    """

    t: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.t < np.inf:
            raise ArgumentError(f"a temperature must be positive and finite; received {self.t!r}")

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities in [0, 1], in the shape of ``logits``."""
        return sigmoid(np.asarray(logits, dtype=np.float64) / self.t)

    def to_json(self) -> dict[str, Any]:
        """As stored in a model card."""
        return {"method": "temperature", "t": self.t}


@dataclass(frozen=True)
class Isotonic:
    """A non-decreasing piecewise linear map (Zadrozny & Elkan 2002), constant beyond its ends.

    Attributes:
        x: Knots on the logit axis, strictly increasing.
        y: Probabilities in [0, 1] at the knots, non-decreasing.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        if not (len(x) == len(y) > 0 and np.all(np.isfinite(x)) and np.all(np.diff(x) > 0)):
            raise ArgumentError(f"isotonic knots need finite, increasing x, as many as y; received {self.x!r}")
        if not (np.all(np.diff(y) >= 0) and y[0] >= 0.0 and y[-1] <= 1.0):
            raise ArgumentError("isotonic knots need y non-decreasing within [0, 1]")

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities in [0, 1], in the shape of ``logits``."""
        return np.asarray(np.interp(np.asarray(logits, dtype=np.float64), self.x, self.y), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """As stored in a model card."""
        return {"method": "isotonic", "x": list(self.x), "y": list(self.y)}


Calibrator = Platt | Temperature | Isotonic


def calibrator_from_json(value: Mapping[str, Any]) -> Calibrator:
    """Read what ``to_json`` wrote; keys beside the parameters (provenance) are ignored.

    Raises:
        ArgumentError: Unknown method, a missing parameter or one that is no number.
    """
    try:
        match value["method"]:
            case "platt":
                return Platt(a=float(value["a"]), b=float(value["b"]))
            case "temperature":
                return Temperature(t=float(value["t"]))
            case "isotonic":
                return Isotonic(x=tuple(map(float, value["x"])), y=tuple(map(float, value["y"])))
            case other:
                raise ArgumentError(f"calibration method must be platt, temperature or isotonic; received {other!r}")
    except KeyError as e:
        raise ArgumentError(f"calibration lacks {e.args[0]!r}; received {sorted(value)}") from e
    except ArgumentError:
        raise
    except (TypeError, ValueError) as e:
        raise ArgumentError(f"calibration holds something else than numbers: {value!r}") from e
