"""Whether explanations lie on the object. One that lies beside it says that the model has learnt the background."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.evaluation.bootstrap import Estimate, cluster_weights
from wildvision.evaluation.manifest import boxes_of
from wildvision.evaluation.results import Pointing
from wildvision.evaluation.scores import truth
from wildvision.imaging import Preprocess, decode
from wildvision.models.explaining import Map, class_activation

if TYPE_CHECKING:
    from wildvision.models import Network

log = logging.getLogger(__name__)
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


@dataclass(frozen=True)
class Explained:
    """The energy of one photo's explanation, and what the photo is."""

    part: str
    group: str
    source: str
    object_id: str
    energy: Energy


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


def explain_rows(network: Network, how: Preprocess, rows: Sequence[Mapping[str, Any]], root: Path) -> list[Explained]:
    """Where the explanations of photos with boxes lie, for :func:`pointing`.

    Labels of low trust count too: they doubt what an object is made of and not where it is.

    Args:
        network: In evaluation mode.
        how: The model's preprocessing, from its card.
        rows: Rows of a manifest with a column ``boxes`` (:func:`wildvision.evaluation.manifest.boxes_of`).
        root: Folder that their paths are relative to.
    """
    found = []
    for row in rows:
        boxes, group = boxes_of(row), str(row["group"])
        if not boxes or group not in network.rollup.groups:
            continue
        image = decode(root / row["path"]).image
        if image is None:
            log.warning("%s cannot be read: its explanation is not measured", row["path"])
        else:
            part = "synthetic" if truth(row.get("synthetic")) else "real"
            energy = energy_in_boxes(class_activation(network, how, image, group), boxes)
            if energy.chance == 0.0:
                log.warning("no box of %s covers a pixel of it: its explanation is not measured", row["path"])
                continue
            found.append(Explained(part, group, str(row["source"]), str(row["object_id"] or row["path"]), energy))
    return found


def pointing(explained: Sequence[Explained], *, resamples: int = 1000, seed: int = 0) -> tuple[Pointing, ...]:
    """Energy inside the annotated boxes against chance, of each part and group with usable boxes.

    Photos whose boxes cover more than half of them are left out: an object that fills its photo cannot hold twice
    what chance would give it.

    Args:
        explained: From :func:`explain_rows`, of one model or of one a fold.
        resamples: Bootstrap resamples behind each interval.
        seed: Of the bootstrap.
    """
    keys = sorted({(e.part, e.group) for e in explained})
    found = (_pointing([e for e in explained if (e.part, e.group) == key], resamples, seed) for key in keys)
    return tuple(p for p in found if p is not None)


def _pointing(explained: Sequence[Explained], resamples: int, seed: int) -> Pointing | None:
    used = [e for e in explained if e.energy.chance <= MAX_CHANCE]
    if not used:
        return None
    inside, chance = (np.array([getattr(e.energy, name) for e in used]) for name in ("inside", "chance"))
    sources = [e.source for e in used]
    weights = cluster_weights(
        sources,
        [e.object_id for e in used],
        np.ones(len(used), dtype=bool),
        resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    ratio = np.array([inside.sum() / chance.sum()])
    return Pointing(
        part=used[0].part,
        group=used[0].group,
        n=len(used),
        n_sources=len(set(sources)),
        energy=float(inside.mean()),
        chance=float(chance.mean()),
        ratio=Estimate.of(ratio, (weights @ inside) / (weights @ chance)),
        n_filled=len(explained) - len(used),
    )
