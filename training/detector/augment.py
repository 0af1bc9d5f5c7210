"""Places in a training picture: zoom, crop, mirror, mosaic; boxes go along. Light and colour are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from training.detector.scenes import Boxes, Scene

LEAST_VISIBLE = 0.4
"""Share of a box that must stay inside for it to count as the object; with less of it the rest is ignored."""

LEAST_SIDE = 4.0
"""Smaller boxes, in pixels, are ignored."""

_FILL = 127  # the grey of the letterbox's rim


def place(
    scene: Scene, width: int, height: int, rng: np.random.Generator, *, zoom: tuple[float, float] = (0.5, 1.6)
) -> Scene:
    """The scene on a canvas of ``width`` by ``height``, maybe mirrored, at a random zoom, shape and place.

    Args:
        scene: What to place.
        width: Of the canvas in pixels.
        height: Of the canvas in pixels.
        rng: Source of all chance.
        zoom: Range of the size relative to the letterbox, which just fits.
    """
    if rng.random() < 0.5:
        scene = mirror(scene)
    h, w = scene.image.shape[:2]
    fit = min(width / w, height / h) * float(np.exp(rng.uniform(*np.log(zoom))))
    stretch = float(np.exp(rng.normal(0, 0.08)))
    new_w, new_h = max(round(w * fit * stretch), 8), max(round(h * fit / stretch), 8)
    how = cv2.INTER_AREA if new_w < w else cv2.INTER_LINEAR
    image = cv2.resize(np.ascontiguousarray(scene.image), (new_w, new_h), interpolation=how)
    x, y = _offset(new_w, width, rng), _offset(new_h, height, rng)
    canvas = np.full((height, width, 3), _FILL, np.uint8)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + new_w, width), min(y + new_h, height)
    canvas[y0:y1, x0:x1] = image[y0 - y : y1 - y, x0 - x : x1 - x]
    scale, shift = np.array([new_w / w, new_h / h] * 2, np.float32), np.array([x, y] * 2, np.float32)
    return clip(Scene(canvas, scene.boxes * scale + shift, scene.labels, scene.ignore * scale + shift))


def _offset(length: int, room: int, rng: np.random.Generator) -> int:
    """Anywhere that leaves no needless rim: inside when it fits, else covering the canvas."""
    low, high = sorted((0, room - length))
    return int(rng.integers(low, high + 1))


def mirror(scene: Scene) -> Scene:
    """Left and right exchanged."""
    width = scene.image.shape[1]

    def turned(boxes: Boxes) -> Boxes:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)

    return Scene(scene.image[:, ::-1], turned(scene.boxes), scene.labels, turned(scene.ignore))


def clip(scene: Scene) -> Scene:
    """Boxes cut at the picture's edges; those with too little left are ignored, those outside are gone."""
    height, width = scene.image.shape[:2]
    inside = np.clip(scene.boxes, 0, [width, height, width, height]).astype(np.float32)
    areas, left = _areas(scene.boxes), _areas(inside)
    good = (left >= LEAST_VISIBLE * areas) & ((inside[:, 2:] - inside[:, :2]).min(axis=1, initial=1e9) >= LEAST_SIDE)
    ignore = np.clip(scene.ignore, 0, [width, height, width, height]).astype(np.float32)
    ignore = np.concatenate([ignore, inside[~good]])
    return Scene(scene.image, inside[good], scene.labels[good], ignore[_areas(ignore) > 0])


def mosaic(scenes: Sequence[Scene], size: int, rng: np.random.Generator) -> Scene:
    """Four scenes around a random centre of a ``size`` by ``size`` picture."""
    cx, cy = (int(size * rng.uniform(0.3, 0.7)) for _ in range(2))
    corners = ((0, 0, cx, cy), (cx, 0, size, cy), (0, cy, cx, size), (cx, cy, size, size))
    image = np.empty((size, size, 3), np.uint8)
    parts = []
    for scene, (x0, y0, x1, y1) in zip(scenes, corners, strict=True):
        part = place(scene, x1 - x0, y1 - y0, rng, zoom=(0.8, 2.0))
        image[y0:y1, x0:x1] = part.image
        shift = np.array([x0, y0] * 2, np.float32)
        parts.append((part.boxes + shift, part.labels, part.ignore + shift))
    boxes, labels, ignore = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    return Scene(image, boxes, labels, ignore)


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    areas: npt.NDArray[np.float32] = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    return areas
