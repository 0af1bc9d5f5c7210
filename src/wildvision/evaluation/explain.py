"""Where in a photo a group's score comes from: class-activation and occlusion maps, drawn and checked against boxes.

A map that lies beside the object says that the model has learnt the background of its sources.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.evaluation.manifest import boxes_of
from wildvision.evaluation.scores import truth
from wildvision.imaging import Preprocess, decode, preprocess

if TYPE_CHECKING:
    from wildvision.models import Classifier, Network

Map = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
MAX_CHANCE = 0.5


def class_activation(network: Network, how: Preprocess, image: Image, group: str) -> Map:
    """HiRes-CAM of a group's raw logit: gradient times activation of the last feature map (Draelos & Carin 2020).

    With average pooling and a linear head this is the classic class-activation map: what each place adds to the logit.
    As features are pooled here, a place counts by the cube of its activations, and the places add up to half of what
    the head makes of the photo (Euler's theorem on homogeneous functions). Places that speak against the group count
    as 0. Of a network with partners it shows that network's own part, and so do the numbers of the card on
    explanations.

    Args:
        network: In evaluation mode.
        how: The model's preprocessing, from its card.
        image: ``(H, W, 3)`` uint8 RGB upright photo.
        group: Name of a group.

    Returns:
        ``(H, W)`` float32 in [0, 1], the greatest value 1; all 0 where nothing speaks for the group.

    Raises:
        ArgumentError: The network has no such group, or ``image`` is something else.
    """
    import torch

    _check(image)
    column = _column(network.rollup.groups, group)
    pixels = torch.from_numpy(preprocess(image, how)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1) for v in (how.mean, how.std))
    backbone: Any = network.backbone
    with torch.no_grad():
        features = backbone.forward_features((pixels - mean) / std)
    features.requires_grad_(True)
    raw = network.group_logits(network.head(backbone.forward_head(features)))[0, column]
    (gradient,) = torch.autograd.grad(raw, features)
    evidence = (gradient * features).sum(dim=1)[0].detach().numpy()
    return _finish(evidence.clip(min=0), how, image)


def occlusion(classifier: Classifier, image: Image, group: str, *, cells: int = 8, batch_size: int = 32) -> Map:
    """How far a group's log-odds fall when a grey square hides a place; for any backend, ``cells ** 2 + 1`` runs.

    Args:
        classifier: The model.
        image: ``(H, W, 3)`` uint8 RGB upright photo.
        group: Name of a group.
        cells: Places along each side, 1 or more; the square is two places wide.
        batch_size: Photos that go through the network together.

    Returns:
        As :func:`class_activation`.

    Raises:
        ArgumentError: The model has no such group, ``image`` or ``cells`` is something else, or the network failed on
            the photo.
    """
    _check(image)
    if cells < 1:
        raise ArgumentError(f"cells must be 1 or more; received {cells}")
    _column(classifier.card.groups, group)
    how = classifier.card.input
    small = preprocess(image, how)
    step = how.size / cells
    hidden = []
    for i in range(cells):
        for j in range(cells):
            top, left = round((i - 0.5) * step), round((j - 0.5) * step)
            copy = small.copy()
            copy[max(0, top) : top + round(2 * step), max(0, left) : left + round(2 * step)] = 128
            hidden.append(copy)
    odds = []
    for p in classifier.predict([small, *hidden], batch_size=batch_size, hashes=False):
        if not p.ok:
            raise ArgumentError(f"the photo cannot be explained: {p.error}")
        score = np.clip(p.scores[group], 1e-12, 1 - 1e-12)
        odds.append(np.log(score / (1 - score)))
    fall = np.clip(odds[0] - np.array(odds[1:]), 0, None).reshape(cells, cells)
    return _finish(fall, how, image)


def draw(image: Image, evidence: Map, *, opacity: float = 0.5) -> Image:
    """The map as warm colours over the photo, ``(H, W, 3)`` uint8 RGB; where the map is 0 the photo stays as it is."""
    if evidence.shape != image.shape[:2]:
        raise ArgumentError(f"map and photo must agree in size; received {evidence.shape} and {image.shape[:2]}")
    colours = cv2.applyColorMap(np.rint(255 * evidence).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    alpha = opacity * np.sqrt(evidence)[..., None]
    return np.asarray(np.rint(image * (1 - alpha) + colours * alpha), dtype=np.uint8)


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
) -> dict[str, dict[str, Any]]:
    """Energy inside the annotated boxes against chance, of each group, over the photographs with boxes.

    Renders are left out: their numbers are never mixed with those of photographs.

    Photos whose boxes cover more than half of them are left out: an object that fills its photo cannot hold twice
    what chance would give it.

    Args:
        network: In evaluation mode.
        how: The model's preprocessing, from its card.
        rows: Rows of a manifest with a column ``boxes`` (:func:`wildvision.evaluation.manifest.boxes_of`).
        root: Folder that their paths are relative to.

    Returns:
        Group to ``n`` (photos), ``energy`` and ``chance`` (means), ``ratio`` of the two and ``n_filled`` (photos left
        out because the object fills them). Groups without usable boxes are absent.
    """
    found: dict[str, list[Energy]] = defaultdict(list)
    filled: dict[str, int] = defaultdict(int)
    for row in rows:
        boxes = boxes_of(row)
        if not boxes or row["group"] not in network.rollup.groups or truth(row.get("synthetic")):
            continue
        image = decode(root / row["path"]).image
        if image is None:
            continue
        energy = energy_in_boxes(class_activation(network, how, image, row["group"]), boxes)
        if energy.chance > MAX_CHANCE:
            filled[row["group"]] += 1
        else:
            found[row["group"]].append(energy)
    summary = {}
    for group in (g for g in network.rollup.groups if found[g]):
        inside, chance = (float(np.mean([getattr(e, name) for e in found[group]])) for name in ("inside", "chance"))
        summary[group] = {
            "n": len(found[group]),
            "energy": inside,
            "chance": chance,
            "ratio": inside / chance,
            "n_filled": filled[group],
        }
    return summary


def _finish(evidence: npt.NDArray[Any], how: Preprocess, image: Image) -> Map:
    """A coarse map over the model's square input, back to the photo's own pixels and scaled to a maximum of 1."""
    height, width = image.shape[:2]
    square = cv2.resize(evidence.astype(np.float32), (how.size, how.size), interpolation=cv2.INTER_LINEAR)
    out = np.zeros((height, width), np.float32)
    if how.resize == "center":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        out[top : top + side, left : left + side] = cv2.resize(square, (side, side), interpolation=cv2.INTER_LINEAR)
    else:
        if how.resize == "letterbox":
            ratio = how.size / max(height, width)
            h, w = max(1, round(height * ratio)), max(1, round(width * ratio))
            top, left = (how.size - h) // 2, (how.size - w) // 2
            square = square[top : top + h, left : left + w]
        out[:] = cv2.resize(square, (width, height), interpolation=cv2.INTER_LINEAR)
    peak = float(out.max())
    return out / peak if peak > 0 else out


def _check(image: Image) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ArgumentError(f"a photo to explain is (H, W, 3) uint8 RGB, as imaging.decode gives it; received {what}")


def _column(groups: Sequence[str], group: str) -> int:
    if group not in groups:
        raise ArgumentError(f"group must be one of {', '.join(groups)}; received {group!r}")
    return list(groups).index(group)
