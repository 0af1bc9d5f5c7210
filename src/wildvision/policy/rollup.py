"""What may be said of one photo: the leaf where it is clear, the group where it is not, "undetermined" where a
look-alike is about as likely. Decides nothing; triage does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from wildvision.errors import ArgumentError
from wildvision.taxonomy import Taxonomy, Text

_ROUNDING = 1e-6


class Certainty(StrEnum):
    """How far down the taxonomy a claim can go."""

    LEAF = "leaf"
    GROUP = "group"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Finding:
    """A claim about one photo.

    Attributes:
        group: The group that the claim is about.
        leaf: Its best leaf, ``None`` unless ``certainty`` is ``leaf``.
        certainty: How far the claim goes.
        lookalike: The likeliest look-alike leaf.
        margin: Probability of the group's leaves together minus that of ``lookalike``, in [-1, 1].
        text: The claim in words: "suspected …" or "… -like, source undetermined". Never a species, never an offence.
    """

    group: str
    leaf: str | None
    certainty: Certainty
    lookalike: str
    margin: float
    text: Text


def roll_up(
    scores: Mapping[str, float],
    leaves: Mapping[str, float],
    taxonomy: Taxonomy,
    *,
    group: str | None = None,
    lookalike_margin: float = 0.25,
    leaf_margin: float = 0.25,
) -> Finding:
    """Roll leaf probabilities up as far as their closeness asks, for a photo that triage does not pass.

    Of a photo that passes it would say "…-like" too, however unlike: that nothing is suspected is for triage to say.

    Args:
        scores: Group to calibrated probability.
        leaves: Leaf to probability; sums to 1.
        taxonomy: The classes.
        group: What the claim is about, such as :attr:`Prediction.group`; the highest score's unless given.
        lookalike_margin: In [0, 1]; a look-alike closer than this to the group makes the source undetermined.
        leaf_margin: In [0, 1]; two leaves of the group closer than this leave the leaf open.

    Raises:
        ArgumentError: ``scores`` or ``leaves`` miss a class of the taxonomy, as those of an unscored photo do, or hold
            anything but probabilities, a margin is outside [0, 1], or ``group`` is not one of the taxonomy.
    """
    missing = [n for n in taxonomy.group_names if n not in scores] + [
        n for n in taxonomy.class_names if n not in leaves
    ]
    if missing:
        raise ArgumentError(f"a finding needs scores of every group and leaf; missing {', '.join(missing)}")
    if not all(-_ROUNDING <= v <= 1 + _ROUNDING for v in (*scores.values(), *leaves.values())):  # nor is NaN
        raise ArgumentError("scores and leaves must be probabilities in [0, 1]")
    for name, value in (("lookalike_margin", lookalike_margin), ("leaf_margin", leaf_margin)):
        if not 0 <= value <= 1:
            raise ArgumentError(f"{name} must be in [0, 1]; received {value}")
    group = group or max(taxonomy.group_names, key=lambda name: scores[name])
    if group not in taxonomy.groups:
        raise ArgumentError(f"unknown group {group!r}; the taxonomy has {', '.join(taxonomy.group_names)}")
    products = sorted(taxonomy.groups[group].leaves, key=lambda name: -leaves[name])
    lookalike = max(taxonomy.lookalike_names, key=lambda name: leaves[name])
    margin = sum(leaves[name] for name in products) - leaves[lookalike]
    title = taxonomy.groups[group].title
    if margin < lookalike_margin:
        text = Text(f"{title.en}-like, source undetermined", f"类似{title.zh}，来源未定")
        return Finding(group, None, Certainty.UNDETERMINED, lookalike, margin, text)
    if len(products) > 1 and leaves[products[0]] - leaves[products[1]] < leaf_margin:
        return Finding(
            group, None, Certainty.GROUP, lookalike, margin, Text(f"suspected {title.en}", f"疑似{title.zh}")
        )
    leaf = taxonomy.classes[products[0]].title
    text = Text(f"suspected {leaf.en}", f"疑似{leaf.zh}")
    return Finding(group, products[0], Certainty.LEAF, lookalike, margin, text)
