"""Exact and near duplicates: fingerprints of photos, clusters of look-alike fingerprints, what they cross.

Never deletes a file; a manifest without the spare copies is the strongest thing that comes out of here.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.manifest import TRUST, UNUSED, Record
from training.data.progress import track
from wildvision.imaging import decode

MAX_BITS = 6
MAX_TONE = 6.0


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a photo.

    Attributes:
        sha256: Of the file's bytes.
        phash: 64-bit perceptual hash.
        mirrored: The same of the mirrored photo.
        thumb: ``(8, 8, 3)`` int16, the photo shrunk to 8 × 8 pixels; tells photos apart that share a composition.
    """

    sha256: str
    phash: int
    mirrored: int
    thumb: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Duplicate:
    """A set of photos that show the same picture.

    Attributes:
        kind: ``exact`` (same bytes) or ``near``.
        members: Their rows in the manifest, the one worth keeping first.
        across_sources: Whether they come from several sources.
        across_splits: Whether they sit in several splits: a leak.
        conflict: Whether their groups differ: at least one label is wrong.
    """

    kind: str
    members: tuple[Record, ...]
    across_sources: bool
    across_splits: bool
    conflict: bool


def fingerprint(path: Path) -> Fingerprint | None:
    """Fingerprint of one photo as models see it (upright, alpha on white), ``None`` when it cannot be read."""
    import imagehash
    from PIL import Image, ImageOps

    pixels = decode(path, target=256).image
    if pixels is None:
        return None
    image = Image.fromarray(pixels)
    return Fingerprint(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        phash=int(str(imagehash.phash(image)), 16),
        mirrored=int(str(imagehash.phash(ImageOps.mirror(image))), 16),
        thumb=np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.int16),
    )


def fingerprints(records: Sequence[Record], root: Path) -> list[Fingerprint | None]:
    """Fingerprints in manifest order."""
    return [fingerprint(root / record.path) for record in track(records, "fingerprints")]


def near_clusters(
    prints: Sequence[Fingerprint | None], *, max_bits: int = MAX_BITS, max_tone: float = MAX_TONE
) -> list[int]:
    """Cluster photos that show the same picture, mirrored copies included.

    Two photos are linked when their perceptual hashes differ in at most ``max_bits`` of 64 bits and their 8 × 8
    thumbnails in at most ``max_tone`` of 255 on average; links chain.

    Returns:
        One cluster number a photo, in order of first appearance. Unreadable photos stand alone.
    """
    links = DisjointSets(len(prints))
    known = [(i, p) for i, p in enumerate(prints) if p is not None]
    if not known:
        return links.labels()
    codes = np.array([p.phash for _, p in known], np.uint64)
    flips = np.array([p.mirrored for _, p in known], np.uint64)
    thumbs = np.stack([p.thumb for _, p in known])
    for n, (i, _) in enumerate(known):
        for others, thumb in ((codes, thumbs[n]), (flips, thumbs[n][:, ::-1])):
            close = np.flatnonzero(np.bitwise_count(others[n + 1 :] ^ codes[n]) <= max_bits) + n + 1
            tone = np.abs(thumbs[close] - thumb).mean(axis=(1, 2, 3))
            for m in close[tone <= max_tone]:
                links.join(i, known[int(m)][0])
    return links.labels()


def find_duplicates(
    records: Sequence[Record],
    prints: Sequence[Fingerprint | None],
    *,
    max_bits: int = MAX_BITS,
    max_tone: float = MAX_TONE,
) -> list[Duplicate]:
    """Every set of exact and of near duplicates, worst first: label conflicts, then leaks, then across sources."""
    exact = _groups([p.sha256 if p else f"#{i}" for i, p in enumerate(prints)])
    near = _groups(near_clusters(prints, max_bits=max_bits, max_tone=max_tone))
    same = {tuple(rows) for rows in exact}
    found = [_describe("exact", [records[i] for i in rows]) for rows in exact]
    found += [_describe("near", [records[i] for i in rows]) for rows in near if tuple(rows) not in same]
    return sorted(
        found, key=lambda d: (not d.conflict, not d.across_splits, not d.across_sources, d.kind, d.members[0].path)
    )


def without_spares(records: Sequence[Record], duplicates: Sequence[Duplicate]) -> list[Record]:
    """The manifest with only the first member of every duplicate set.

    Sets whose labels conflict are dropped whole: which label is right cannot be known here.
    """
    # by identity and not by path, for one row may be there twice
    spare = {id(r) for d in duplicates for r in (d.members if d.conflict else d.members[1:])}
    return [record for record in records if id(record) not in spare]


class DisjointSets:
    """Union-find over ``n`` items."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, i: int) -> int:
        """The item that stands for the set of ``i``."""
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Merge the sets of ``i`` and ``j``."""
        a, b = self.find(i), self.find(j)
        self._parent[max(a, b)] = min(a, b)

    def labels(self) -> list[int]:
        """Set number of each item, counted in order of first appearance."""
        seen: dict[int, int] = {}
        return [seen.setdefault(self.find(i), len(seen)) for i in range(len(self._parent))]


def _groups(labels: Sequence[object]) -> list[list[int]]:
    rows: dict[object, list[int]] = defaultdict(list)
    for i, label in enumerate(labels):
        rows[label].append(i)
    return [members for members in rows.values() if len(members) > 1]


def _describe(kind: str, members: list[Record]) -> Duplicate:
    members = sorted(members, key=lambda r: (-TRUST.index(r.trust), -(r.width or 0) * (r.height or 0), r.path))
    return Duplicate(
        kind=kind,
        members=tuple(members),
        across_sources=len({r.source for r in members}) > 1,
        across_splits=len({r.split for r in members} - UNUSED) > 1,
        conflict=len({r.group for r in members}) > 1,
    )
