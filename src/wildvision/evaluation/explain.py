"""Whether explanations lie on the object. One that lies beside it says that the model has learnt the background."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.evaluation.manifest import boxes_of
from wildvision.evaluation.scores import truth
from wildvision.imaging import Preprocess, decode
from wildvision.models.explaining import Map, class_activation

if TYPE_CHECKING:
    from wildvision.models import Network

MAX_CHANCE = 0.5


@dataclass(frozen=True)
class Energy:
    """Where the energy of a map lies.

    Attributes:
        inside: Share in [0, 1] of the map's sum that lies in the boxes.
        chance: Share of the photo's area that the boxes cover: what an even map would have inside.
    """

    inside: float
    chance: float


def energy_in_boxes(evidence: Map, boxes: npt.ArrayLike) -> Energy:
    """Share of a map inside boxes, against chance (the energy-based pointing game of Wang et al. 2020).

    Args:
        evidence: ``(H, W)`` map.
        boxes: ``(n, 4)`` ``[x0, y0, x1, y1]`` in its pixels; overlaps count once.

    Raises:
        ArgumentError: No box, or one that is not four finite numbers.
    """
    corners = np.asarray(boxes, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 4 or not len(corners) or not np.isfinite(corners).all():
        raise ArgumentError(f"the energy of a map needs finite boxes (n, 4), at least one; received {corners.shape}")
    inside = np.zeros(evidence.shape, dtype=bool)
    for x0, y0, x1, y1 in np.rint(corners).astype(int):
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    total = float(evidence.sum())
    return Energy(float(evidence[inside].sum()) / total if total > 0 else 0.0, float(inside.mean()))


def check_explanations(
    network: Network, how: Preprocess, rows: Sequence[Mapping[str, Any]], root: Path
) -> tuple[dict[str, Any], ...]:
    """Energy inside the annotated boxes against chance, of each group, over the photos with boxes.

    Photos whose boxes cover more than half of them are left out: an object that fills its photo cannot hold twice
    what chance would give it.

    Args:
        network: In evaluation mode.
        how: The model's preprocessing, from its card.
        rows: Rows of a manifest with a column ``boxes`` (:func:`wildvision.evaluation.manifest.boxes_of`).
        root: Folder that their paths are relative to.

    Returns:
        A row for each part (``real`` or ``synthetic``) and group with usable boxes: ``part``, ``group``, ``n``
        (photos), ``energy`` and ``chance`` (means), ``ratio`` of the two and ``n_filled`` (photos left out because
        the object fills them).
    """
    found: dict[tuple[str, str], list[Energy]] = defaultdict(list)
    for row in rows:
        boxes = boxes_of(row)
        if not boxes or row["group"] not in network.rollup.groups:
            continue
        image = decode(root / row["path"]).image
        if image is not None:
            part = "synthetic" if truth(row.get("synthetic")) else "real"
            evidence = class_activation(network, how, image, row["group"])
            found[part, row["group"]].append(energy_in_boxes(evidence, boxes))
    keys = [(part, group) for part in ("real", "synthetic") for group in network.rollup.groups]
    return tuple(summary for key in keys if (summary := _summary(*key, found[key])))


def _summary(part: str, group: str, energies: Sequence[Energy]) -> dict[str, Any]:
    used = [e for e in energies if e.chance <= MAX_CHANCE]
    if not used:
        return {}
    inside, chance = (float(np.mean([getattr(e, name) for e in used])) for name in ("inside", "chance"))
    return {
        "part": part,
        "group": group,
        "n": len(used),
        "energy": inside,
        "chance": chance,
        "ratio": inside / chance,
        "n_filled": len(energies) - len(used),
    }
