"""Many small pictures in one memory-mapped file, so that the workers of a data loader share one copy.

A store is ``NAME.npy`` (all pixels, one after the other) beside ``NAME.json`` (a row of facts each).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def write_store(folder: Path, name: str, items: Iterable[tuple[Pixels, Mapping[str, Any]]]) -> int:
    """Write pictures ``(H, W, C)`` uint8 with their facts; returns how many. Equal input, equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    flat: list[Pixels] = []
    for pixels, facts in items:
        rows.append({**facts, "shape": list(pixels.shape)})
        flat.append(pixels.reshape(-1))
    np.save(folder / f"{name}.npy", np.concatenate(flat) if flat else np.zeros(0, np.uint8))
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(rows)


def read_store(folder: Path, name: str) -> list[tuple[Pixels, dict[str, Any]]]:
    """Read a store; the pictures are read-only views of the mapped file."""
    rows = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    flat: Pixels = np.load(folder / f"{name}.npy", mmap_mode="r") if rows else np.zeros(0, np.uint8)
    found, start = [], 0
    for row in rows:
        shape = tuple(row.pop("shape"))
        stop = start + int(np.prod(shape))
        found.append((flat[start:stop].reshape(shape), row))
        start = stop
    return found
