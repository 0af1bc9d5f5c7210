"""Boxes drawn onto a photo, for people."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from wildvision.contract import Detections
from wildvision.taxonomy import load_taxonomy

# Okabe & Ito's palette, told apart by colour-blind readers too; groups take its colours in the taxonomy's order.
COLOURS = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167))
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LEAST_SIZE = 0.3  # of a font that can be read

Colour = tuple[int, int, int]
Image = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]


def draw_detections(image: Image, detections: Detections) -> Image:
    """A copy of the photo with each box, its group and its score.

    No label covers another or leaves the photo. Where there is no room for a group's name only the score is written,
    and nothing where there is no room for that; better boxes come first.

    Args:
        image: ``(height, width, 3)`` uint8 RGB, the upright photo, at any size.
        detections: Its boxes.

    Raises:
        ArgumentError: ``image`` is something else, or of other proportions than the photo.
    """
    detections.check_image(image)
    out = np.ascontiguousarray(image).copy()
    if detections.size is None:
        return out
    colours = dict(zip(load_taxonomy().group_names, COLOURS, strict=False))
    height, width = out.shape[:2]
    thick = max(1, round(max(height, width) / 300))
    scale = np.array([width / detections.size[0], height / detections.size[1]] * 2)
    corners = np.round(detections.boxes * scale).astype(int).tolist()
    for n in reversed(range(len(detections))):  # the best box comes last and lies on top
        x0, y0, x1, y1 = corners[n]
        cv2.rectangle(out, (x0, y0), (x1 - 1, y1 - 1), colours.get(detections.groups[n], (0, 0, 0)), thick)
    taken: list[Rectangle] = []
    for n, group in enumerate(detections.groups):
        score = f"{detections.scores[n]:.2f}"
        for text in (f"{group} {score}", score):
            if _label(out, text, corners[n], colours.get(group, (0, 0, 0)), thick, taken):
                break
    return out


def _label(out: Image, text: str, box: list[int], colour: Colour, thick: int, taken: list[Rectangle]) -> bool:
    """Write on a bar at a free place at the box, in smaller letters on a narrow photo; whether there was one."""
    height, width = out.shape[:2]
    weight = max(1, thick // 2)
    size = 0.4 + 0.1 * thick
    (wide, high), base = cv2.getTextSize(text, _FONT, size, weight)
    if wide > width and size * width / wide >= _LEAST_SIZE:
        size, weight = size * width / wide * 0.98, 1
        (wide, high), base = cv2.getTextSize(text, _FONT, size, weight)
    bar = high + base
    if wide > width or bar > height:
        return False
    x0, y0, x1, y1 = box
    left, right = (max(0, min(x, width - wide)) for x in (x0, x1 - wide))
    for x, y in ((left, y0 - bar), (left, y0), (left, y1 - bar), (left, y1), (right, y0 - bar), (right, y1)):
        place = (x, y, x + wide, y + bar)
        if 0 <= y <= height - bar and not any(_overlap(place, other) for other in taken):
            taken.append(place)
            cv2.rectangle(out, (x, y), (x + wide, y + bar), colour, -1)
            cv2.putText(out, text, (x, y + high), _FONT, size, _ink(colour), weight, cv2.LINE_AA)
            return True
    return False


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ink(ground: Colour) -> Colour:
    """Black or white, whichever stands out more by the luminance of sRGB (WCAG 2.1)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in ground)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else (255, 255, 255)
