"""Photos of several manifests, decoded and resized once into a memory-mapped array. No sampling, no augmentation."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.annotations import read_annotated
from training.data.manifest import Record
from training.data.stamp import stamp
from training.folds import photo_clusters
from wildvision.imaging import Preparer, Preprocess

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """``n`` labelled photos.

    Attributes:
        records: ``n`` rows of the manifests, in their order; ``path`` is relative to the manifest's folder.
        files: ``n`` places of the photo files.
        pixels: ``(n, S, S, 3)`` uint8 RGB, squashed to a square.
        clusters: ``n`` near-duplicate clusters, over all manifests.
    """

    records: tuple[Record, ...]
    files: tuple[Path, ...]
    pixels: npt.NDArray[np.uint8]
    clusters: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.records)


def load_photos(manifests: Sequence[Path], *, annotations: Path | None, size: int, cache: Path) -> Photos:
    """Read manifests and their photos; unreadable photos are left out with a warning.

    Args:
        manifests: CSV or Parquet manifests.
        annotations: Boxes of photos of the first manifest, where there are any.
        size: Side of the cached squares in pixels.
        cache: Folder for the arrays; one file a manifest, made anew when the manifest changes.
    """
    records: list[Record] = []
    files: list[Path] = []
    arrays: list[npt.NDArray[np.uint8]] = []
    for k, manifest in enumerate(manifests):
        rows = read_annotated(manifest, None if k else annotations)
        pixels, good = _cached(manifest, rows, size, cache)
        records += [row for row, ok in zip(rows, good, strict=True) if ok]
        files += [manifest.parent / row.path for row, ok in zip(rows, good, strict=True) if ok]
        arrays.append(pixels if good.all() else pixels[good])
    pixels = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return Photos(tuple(records), tuple(files), pixels, tuple(photo_clusters(records, files, cache)))


def _cached(
    manifest: Path, rows: Sequence[Record], size: int, cache: Path
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    cache.mkdir(parents=True, exist_ok=True)
    place = str(manifest.resolve().parent).encode()
    key = stamp(manifest.read_bytes() + place, [manifest.parent / row.path for row in rows])
    file = cache / f"photos-{manifest.parent.name}-{size}-{key}.npy"
    known = cache / f"{file.stem}-good.npy"
    if not known.exists():
        prepare = Preparer(Preprocess(size=size, resize="squash"))
        part = cache / f"{file.stem}-{os.getpid()}.part"  # two runs may fill the same cache
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(len(rows), size, size, 3))
        good = np.zeros(len(rows), dtype=bool)
        for i, row in enumerate(rows):
            prepared = prepare(manifest.parent / row.path, hashes=False)
            if prepared.pixels is None:
                log.warning("left out %s: %s %s", row.path, prepared.status, prepared.error)
                continue
            pixels[i], good[i] = prepared.pixels, True
        pixels.flush()
        part.replace(file)
        part = part.with_suffix(".npy")
        np.save(part, good)
        part.replace(known)  # last: what is there is whole
    kept: npt.NDArray[np.bool_] = np.load(known)
    if not kept.all():
        log.warning("%s: %d of %d photos cannot be read and are left out", manifest, int((~kept).sum()), len(kept))
    return np.load(file, mmap_mode="r"), kept
