"""Tight boxes and visible sizes from an instance mask. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def boxes_from_mask(
    mask: np.ndarray, instances: Mapping[int, str], *, least: int = 24
) -> dict[int, tuple[int, int, int, int]]:
    """Instance number -> (x0, y0, x1, y1), x1 and y1 exclusive; fewer than ``least`` visible pixels give no box.

    mask: (H, W) integers, 0 where no product is.
    """
    found = {}
    for number in instances:
        rows, columns = np.nonzero(mask == number)
        if len(rows) >= least:
            found[number] = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    return found


def enclosing(boxes: Mapping[int, tuple[int, int, int, int]]) -> tuple[int, int, int, int] | None:
    """The box around all boxes, for a heap."""
    if not boxes:
        return None
    corners = np.array(list(boxes.values()))
    return (*map(int, corners[:, :2].min(0)), *map(int, corners[:, 2:].max(0)))  # type: ignore[return-value]
