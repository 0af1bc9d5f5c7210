"""Contact sheets: many photos on one picture, with their boxes and captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.data.manifest import Box
from training.data.masks import Image

_COLOURS = ((230, 25, 75), (0, 200, 90), (0, 130, 255), (255, 160, 0), (190, 60, 220), (0, 200, 200))
_CROWD = (255, 255, 0)


@dataclass(frozen=True)
class Tile:
    """One photo of a sheet: ``(H, W, 3)`` RGB (``None`` leaves the place grey), its boxes and lines of caption."""

    image: Image | None
    boxes: Sequence[Box] = ()
    caption: str = ""


def contact_sheet(tiles: Iterable[Tile], *, columns: int = 8, side: int = 180, grid: bool = False) -> Image:
    """Lay tiles out row by row.

    Args:
        tiles: What to show.
        columns: Tiles a row.
        side: Longest side of a photo on the sheet in pixels.
        grid: Draw ticks every tenth of each side, for reading off coordinates.

    Returns:
        ``(H, W, 3)`` RGB; crowd boxes are yellow.
    """
    cells = [_cell(tile, side, grid) for tile in tiles]
    if not cells:
        return np.full((side, side, 3), 255, np.uint8)
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.vstack(rows)


def _cell(tile: Tile, side: int, grid: bool) -> Image:
    cell = np.full((side + 18, side + 6, 3), 255, np.uint8)
    if tile.image is None:
        cell[:side, :side] = 200
    else:
        height, width = tile.image.shape[:2]
        scale = side / max(height, width)
        h, w = max(round(height * scale), 1), max(round(width * scale), 1)
        small = cv2.resize(tile.image, (w, h), interpolation=cv2.INTER_AREA)
        for n, box in enumerate(tile.boxes):
            x0, y0, x1, y1 = (round(v * scale) for v in box.corners)
            colour = _CROWD if box.crowd else _COLOURS[n % len(_COLOURS)]
            cv2.rectangle(small, (x0, y0), (min(x1, w) - 1, min(y1, h) - 1), colour, 1)
        cell[:h, :w] = small
        if grid:
            for tenth in range(1, 10):
                length = 6 if tenth == 5 else 3
                cv2.line(cell, (w * tenth // 10, 0), (w * tenth // 10, length), (255, 0, 0), 1)
                cv2.line(cell, (0, h * tenth // 10), (length, h * tenth // 10), (255, 0, 0), 1)
    cv2.putText(cell, tile.caption[:40], (1, side + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return cell
