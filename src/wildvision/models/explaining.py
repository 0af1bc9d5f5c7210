"""Where in a photo a group's score comes from: class-activation and occlusion maps, and a map drawn over its photo."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError
from wildvision.imaging import Preparer, Preprocess, preprocess
from wildvision.policy import Platt

if TYPE_CHECKING:
    from wildvision.models.classifier import Classifier
    from wildvision.models.network import Network

Map = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
METHODS = ("activation", "occlusion")


@dataclass(frozen=True, eq=False)
class Explanation:
    """What in a photo speaks for a group.

    Attributes:
        group: Name of the group.
        evidence: ``(H, W)`` float32 in [0, 1], the greatest value 1; all 0 where nothing speaks for the group.
        image: The photo, ``(H, W, 3)`` uint8 RGB, upright.
    """

    group: str
    evidence: Map
    image: Image

    def draw(self, *, opacity: float = 0.5) -> Image:
        """The map as warm colours over the photo, as :func:`draw` makes it."""
        return draw(self.image, self.evidence, opacity=opacity)


def class_activation(network: Network, how: Preprocess, image: Image, group: str) -> Map:
    """HiRes-CAM of a group's raw logit: gradient times activation of the last feature map (Draelos & Carin 2020).

    With average pooling and a linear head this is the classic class-activation map: what each place adds to the logit.
    As features are pooled here, a place counts by the cube of its activations, and the places add up to half of what
    the head makes of the photo (Euler's theorem on homogeneous functions). Places that speak against the group count
    as 0. Of a vision transformer the map is that of the tokens that its last block attends to, which is spotted. Of a
    network with partners the maps of all are added up, each with its share of the logit, and so are the middle maps of
    a network with textures.

    Args:
        network: In evaluation mode.
        how: The model's preprocessing, from its card.
        image: ``(H, W, 3)`` uint8 RGB upright photo.
        group: Name of a group.

    Returns:
        ``(H, W)`` float32 in [0, 1], the greatest value 1; all 0 where nothing speaks for the group.

    Raises:
        ArgumentError: The network has no such group or no feature maps, ``image`` is something else, or the network
            failed on the photo.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    _check(image)
    column = _column(network.rollup.groups, group)
    device = next(network.parameters()).device
    pixels = torch.from_numpy(preprocess(image, how)).to(device).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device).view(1, 3, 1, 1) for v in (how.mean, how.std))
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has switched off
        logits: torch.Tensor = torch.zeros((), device=device)
        maps: list[tuple[Network, list[torch.Tensor]]] = []
        for member, picture, shares in network.members((pixels - mean).div(std).clone()):
            with torch.no_grad():
                found = member.maps(picture)
            try:
                member.places(found[0])
            except ValueError as error:
                raise ArgumentError(f"{error}; explain with method='occlusion'") from error
            maps.append((member, [features.requires_grad_(True) for features in found]))
            logits = logits + shares * member.judged(found)[0]
        if not torch.isfinite(logits).all():
            raise ArgumentError("the photo cannot be explained: the model's outputs are not finite")
        flat = [features for _, found in maps for features in found]
        gradients = iter(torch.autograd.grad(network.group_logits(logits)[0, column], flat))
    square = np.zeros((how.size, how.size), np.float32)
    for member, found in maps:
        parts = [member.places(next(gradients) * features).detach() for features in found]
        _, height, width = parts[0].shape  # of the last map; fine places of middle maps are added up in each
        coarse = [part.numel() / parts[0].numel() * adaptive_avg_pool2d(part, (height, width)) for part in parts]
        evidence = sum(coarse[1:], coarse[0])[0].cpu().numpy().clip(min=0)
        square += evidence.size * _resized(evidence, how.size, how.size)  # places of a coarse map are larger
    return _finish(square, how, image)


def occlusion(classifier: Classifier, image: Image, group: str, *, cells: int = 8, batch_size: int = 32) -> Map:
    """How far a group's raw logit falls when a grey square hides a place; for any backend, ``cells ** 2 + 1`` runs.

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
            covered = small.copy()
            covered[max(0, top) : top + round(2 * step), max(0, left) : left + round(2 * step)] = 128
            hidden.append(covered)
    odds = []
    looking = copy(classifier)  # limits are for photos, and this one was accepted
    looking.preparer = Preparer(how)
    # A calibrator may be flat where the photo's score lies, and then no place would count.
    looking.card = replace(classifier.card, calibration=dict.fromkeys(classifier.card.groups, Platt()))
    for p in looking.predict([small, *hidden], batch_size=batch_size, hashes=False):
        if not p.ok:
            raise ArgumentError(f"the photo cannot be explained: {p.error}")
        score = np.clip(p.scores[group], 1e-12, 1 - 1e-12)
        odds.append(np.log(score / (1 - score)))
    fall = np.clip(odds[0] - np.array(odds[1:]), 0, None).reshape(cells, cells)
    return _finish(_resized(fall.astype(np.float32), how.size, how.size), how, image)


def draw(image: Image, evidence: Map, *, opacity: float = 0.5) -> Image:
    """The map as warm colours over the photo, ``(H, W, 3)`` uint8 RGB; where the map is 0 the photo stays as it is.

    Raises:
        ArgumentError: Map and photo differ in size, or ``opacity`` is outside [0, 1].
    """
    if evidence.shape != image.shape[:2]:
        raise ArgumentError(f"map and photo must agree in size; received {evidence.shape} and {image.shape[:2]}")
    if not 0 <= opacity <= 1:
        raise ArgumentError(f"opacity must lie in [0, 1]; received {opacity!r}")
    colours = cv2.applyColorMap(np.rint(255 * evidence).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    alpha = opacity * np.sqrt(evidence)[..., None]
    return np.asarray(np.rint(image * (1 - alpha) + colours * alpha), dtype=np.uint8)


def _resized(evidence: npt.NDArray[Any], width: int, height: int) -> Map:
    return np.asarray(cv2.resize(evidence, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _finish(square: Map, how: Preprocess, image: Image) -> Map:
    """A map of the model's square input, back to the photo's own pixels and scaled to a maximum of 1."""
    height, width = image.shape[:2]
    out = np.zeros((height, width), np.float32)
    if how.resize == "center":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        out[top : top + side, left : left + side] = _resized(square, side, side)
    else:
        if how.resize == "letterbox":
            ratio = how.size / max(height, width)
            h, w = max(1, round(height * ratio)), max(1, round(width * ratio))
            top, left = (how.size - h) // 2, (how.size - w) // 2
            square = square[top : top + h, left : left + w]
        out[:] = _resized(square, width, height)
    peak = float(out.max())
    return out / peak if peak > 0 else out


def _check(image: Image) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ArgumentError(f"a photo to explain is (H, W, 3) uint8 RGB, as imaging.decode gives it; received {what}")


def _column(groups: tuple[str, ...], group: str) -> int:
    if group not in groups:
        raise ArgumentError(f"group must be one of {', '.join(groups)}; received {group!r}")
    return groups.index(group)
