"""What an operating point is chosen for, and the arithmetic of prevalence. Chooses nothing itself.

A target is written ``precision:0.9@0.001`` (at that prevalence), ``flags:50@0.0001`` (per 10,000 listings at that
prevalence) or ``recall:0.95``.
"""

from __future__ import annotations

from dataclasses import dataclass

from wildvision.errors import ArgumentError

FLAGS_UNIT = 10_000
_ROUNDING = 1e-12  # a target that is met to the letter is met


def ppv(recall: float, false_positive_rate: float, prevalence: float) -> float:
    """Share of flagged photos that show a product, by Bayes' rule; 0 when nothing is flagged."""
    hits, flags = prevalence * recall, flag_rate(recall, false_positive_rate, prevalence)
    return hits / flags if flags > 0 else 0.0


def flag_rate(recall: float, false_positive_rate: float, prevalence: float) -> float:
    """Share of all photos that are flagged, in [0, 1]."""
    return prevalence * recall + (1 - prevalence) * false_positive_rate


@dataclass(frozen=True)
class Precision:
    """At least this share of flags must be products where ``prevalence`` of the photos are."""

    at_least: float
    prevalence: float

    def __post_init__(self) -> None:
        _inside("precision", self.at_least)
        _inside("prevalence", self.prevalence)

    def met(self, recall: float, false_positive_rate: float) -> bool:
        """Whether a threshold with these rates meets the target."""
        return ppv(recall, false_positive_rate, self.prevalence) >= self.at_least * (1 - _ROUNDING)

    def __str__(self) -> str:
        return f"precision:{self.at_least:g}@{self.prevalence:g}"


@dataclass(frozen=True)
class Flags:
    """At most this many flags of one group per 10,000 photos where ``prevalence`` of them show its products.

    Groups that flag different photos add up: four groups flag up to four times as many.
    """

    at_most: float
    prevalence: float

    def __post_init__(self) -> None:
        if not 0.0 < self.at_most < FLAGS_UNIT:
            raise ArgumentError(
                f"flags per {FLAGS_UNIT} must lie between 0 and {FLAGS_UNIT}; received {self.at_most!r}"
            )
        _inside("prevalence", self.prevalence)

    def met(self, recall: float, false_positive_rate: float) -> bool:
        """Whether a threshold with these rates meets the target."""
        return FLAGS_UNIT * flag_rate(recall, false_positive_rate, self.prevalence) <= self.at_most * (1 + _ROUNDING)

    def __str__(self) -> str:
        return f"flags:{self.at_most:g}@{self.prevalence:g}"


@dataclass(frozen=True)
class Recall:
    """At least this share of new products must be flagged, whatever else is: a conformal threshold."""

    at_least: float

    def __post_init__(self) -> None:
        _inside("recall", self.at_least)

    def __str__(self) -> str:
        return f"recall:{self.at_least:g}"


Target = Precision | Flags | Recall


def parse_target(text: str) -> Target:
    """Read ``precision:P@PREVALENCE``, ``flags:N@PREVALENCE`` or ``recall:R``.

    Raises:
        ArgumentError: The text has another form, or a number lies outside its range.
    """
    kind, _, numbers = text.partition(":")
    try:
        values = [float(v) for v in numbers.split("@")]
        match kind, values:
            case "precision", [p, prevalence]:
                return Precision(p, prevalence)
            case "flags", [n, prevalence]:
                return Flags(n, prevalence)
            case "recall", [r]:
                return Recall(r)
    except ArgumentError:
        raise
    except ValueError:
        pass
    raise ArgumentError(f"a target reads precision:0.9@0.001, flags:50@0.0001 or recall:0.95; received {text!r}")


def _inside(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ArgumentError(f"{name} must lie strictly between 0 and 1; received {value!r}")
