"""Triage of one photo: calibrated group scores and operating points in, block, review or pass out.

Chooses no threshold; that is the work of :mod:`wildvision.policy.operating_points`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wildvision.contract import Decision
from wildvision.errors import ArgumentError

NEVER = 2.0
"""A threshold that no probability reaches: written where no threshold meets the target."""


@dataclass(frozen=True)
class OperatingPoint:
    """The two thresholds of one group, on calibrated scores. A score equal to a threshold reaches it.

    Attributes:
        review: A person looks at photos that reach this; in [0, 1], or :data:`NEVER`.
        block: Photos that reach this are held back at once; at least ``review``; in [0, 1], or :data:`NEVER`.
    """

    review: float
    block: float

    def __post_init__(self) -> None:
        for name, value in (("review", self.review), ("block", self.block)):
            if not (0.0 <= value <= 1.0 or value == NEVER):
                raise ArgumentError(f"{name} threshold must lie in [0, 1] or be {NEVER} (never); received {value!r}")
        if self.review > self.block:
            raise ArgumentError(
                f"the review threshold must not exceed the block threshold; received {self.review!r} > {self.block!r}"
            )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OperatingPoint:
        """Read one entry of a model card's ``operating_points``; provenance beside the thresholds is ignored."""
        try:
            review, block = float(value["review"]), float(value["block"])
        except KeyError as e:
            raise ArgumentError(f"an operating point needs 'review' and 'block'; received {sorted(value)}") from e
        except (TypeError, ValueError) as e:
            raise ArgumentError(f"the thresholds of an operating point are numbers; received {value!r}") from e
        return cls(review=review, block=block)


def threshold_in_words(threshold: float) -> str:
    """``from 0.1720``, ``from 3.1e-05``, ``always`` for 0 and ``never`` for :data:`NEVER`."""
    if threshold in (0.0, NEVER):
        return "always" if threshold == 0.0 else "never"
    return f"from {threshold:.4f}" if threshold >= 0.001 else f"from {threshold:.2g}"


def decide(scores: Mapping[str, float], operating_points: Mapping[str, OperatingPoint]) -> Decision:
    """The strictest decision that any group asks for.

    Args:
        scores: Group to calibrated probability in [0, 1].
        operating_points: Group to its thresholds; must hold every group of ``scores``.

    Raises:
        ArgumentError: No score, one that is not a probability, or one whose group has no operating point. Never a
            silent pass.
    """
    if not scores:
        raise ArgumentError("a decision needs the scores of a photo; received none")
    asked = (_ask(group, score, operating_points) for group, score in scores.items())
    return max(asked, key=_STRICTNESS.index)


def deciding_group(scores: Mapping[str, float], operating_points: Mapping[str, OperatingPoint]) -> str:
    """The group that the decision is about: the likeliest of those that ask for the strictest decision.

    Thresholds differ between groups, so it need not be the likeliest of all.

    Args:
        scores: As for :func:`decide`.
        operating_points: As for :func:`decide`.

    Raises:
        ArgumentError: As for :func:`decide`.
    """
    if not scores:
        raise ArgumentError("a decision needs the scores of a photo; received none")
    return max(scores, key=lambda g: (_STRICTNESS.index(_ask(g, scores[g], operating_points)), scores[g]))


_STRICTNESS = (Decision.PASS, Decision.REVIEW, Decision.BLOCK)


def _ask(group: str, score: float, operating_points: Mapping[str, OperatingPoint]) -> Decision:
    try:
        probable = 0.0 <= score <= 1.0
    except TypeError:
        probable = False
    if not probable:
        raise ArgumentError(f"the score of {group!r} must be a probability in [0, 1]; received {score!r}")
    if group not in operating_points:
        raise ArgumentError(f"no operating point for {group!r}; the model card has {sorted(operating_points)}")
    point = operating_points[group]
    if score >= point.block:
        return Decision.BLOCK
    return Decision.REVIEW if score >= point.review else Decision.PASS
