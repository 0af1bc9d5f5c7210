"""Boxes drawn onto a photo, for people."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from wildvision.contract import Detections
from wildvision.taxonomy import load_taxonomy

# Okabe & Ito's palette, told apart by colour-blind readers too; groups take its colours in the taxonomy's order.
COLOURS = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167))


def draw_detections(image: npt.NDArray[np.uint8], detections: Detections) -> npt.NDArray[np.uint8]:
    """A copy of the photo with each box, its group and its score.

    Args:
        image: ``(height, width, 3)`` uint8 RGB, the upright photo, at any size.
        detections: Its boxes.
    """
    out = np.ascontiguousarray(image).copy()
    if detections.size is None:
        return out
    colours = dict(zip(load_taxonomy().group_names, COLOURS, strict=False))
    height, width = out.shape[:2]
    thick = max(1, round(max(height, width) / 300))
    scale = np.array([width / detections.size[0], height / detections.size[1]] * 2)
    # The best box comes last and lies on top.
    for n in reversed(range(len(detections))):
        group = detections.groups[n]
        colour = colours.get(group, (0, 0, 0))
        x0, y0, x1, y1 = (int(v) for v in np.round(detections.boxes[n] * scale))
        cv2.rectangle(out, (x0, y0), (x1 - 1, y1 - 1), colour, thick)
        _label(out, f"{group} {detections.scores[n]:.2f}", x0, y0, colour, thick)
    return out


def _label(out: npt.NDArray[np.uint8], text: str, x: int, y: int, colour: tuple[int, int, int], thick: int) -> None:
    """White text on a bar above the corner, or below it where there is no room above."""
    size, weight = 0.4 + 0.1 * thick, max(1, thick // 2)
    (wide, high), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, weight)
    top = y - high - base if y >= high + base else y
    left = max(0, min(x, out.shape[1] - wide))
    cv2.rectangle(out, (left, top), (left + wide, top + high + base), colour, -1)
    cv2.putText(out, text, (left, top + high), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), weight, cv2.LINE_AA)
