"""The arithmetic between a classifier's raw outputs and its scores, in numpy. No torch, no thresholds.

Raw outputs are one row of logits a photo: the groups first, then the leaves, both in the order of the taxonomy.
:meth:`wildvision.models.network.Network.group_logits` is the same roll-up in torch, for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wildvision.taxonomy import Taxonomy

Array = npt.NDArray[np.float64]
OTHERS = "others"
"""In shares: the outputs of groups that are not named, and those of look-alikes."""


@dataclass(frozen=True, eq=False)
class Rollup:
    """Which outputs belong to what.

    Attributes:
        groups: Group names, in output order.
        leaves: Leaf names (products, then look-alikes), in output order.
        members: ``(groups, leaves)`` bool; whether the leaf is a product of the group.
    """

    groups: tuple[str, ...]
    leaves: tuple[str, ...]
    members: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> Rollup:
        """The roll-up of a taxonomy."""
        groups, leaves = tuple(taxonomy.group_names), tuple(taxonomy.class_names)
        members = np.array([[taxonomy.group_of(leaf) == group for leaf in leaves] for group in groups])
        return cls(groups, leaves, members)

    @property
    def outputs(self) -> int:
        """Length of one row of logits."""
        return len(self.groups) + len(self.leaves)

    def group_logits(self, logits: npt.NDArray[np.floating]) -> Array:
        """Raw group logits ``(n, groups)`` from logits ``(n, outputs)``.

        The mean of two opinions: the group's own output, and the log-odds of its leaves under the leaves' softmax.
        """
        own, leaf = self._split(logits)
        inside = _logsumexp(np.where(self.members, leaf[:, None, :], -np.inf))
        outside = _logsumexp(np.where(self.members, -np.inf, leaf[:, None, :]))
        return 0.5 * (own + inside - outside)

    def leaf_probabilities(self, logits: npt.NDArray[np.floating]) -> Array:
        """Softmax over the leaves, ``(n, leaves)``; each row sums to 1."""
        _, leaf = self._split(logits)
        return np.exp(leaf - _logsumexp(leaf)[:, None])

    def _split(self, logits: npt.NDArray[np.floating]) -> tuple[Array, Array]:
        if logits.ndim != 2 or logits.shape[1] != self.outputs:
            raise ValueError(f"logits must be (n, {self.outputs}); received {logits.shape}")
        wide = logits.astype(np.float64)
        return wide[:, : len(self.groups)], wide[:, len(self.groups) :]


def check_shares(shares: Mapping[str, Sequence[float]], groups: Sequence[str], members: int) -> None:
    """Make sure that each group named, or :data:`OTHERS`, has a share for every one of so many averaged networks.

    Raises:
        ValueError: An unknown group, or shares that are not one of each member, none below 0, 1 in all.
    """
    for group, given in shares.items():
        if group not in (*groups, OTHERS):
            raise ValueError(f"shares name the unknown group {group!r}")
        if len(given) != members or min(given) < 0 or not abs(sum(given) - 1) < 1e-6:
            raise ValueError(f"the shares of {group!r} must be {members} numbers, none below 0, 1 in all: {given}")


def _logsumexp(x: Array) -> Array:
    # Subtracting the maximum keeps exp() in range; every row holds at least one finite value.
    top = x.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0])
