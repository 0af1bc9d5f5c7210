"""What each fold learns from and what it is tested on, the same for classifiers and detectors. Knows no model."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from training.data.dedup import Fingerprint, fingerprint, near_clusters
from training.data.manifest import DROPPED, Record
from training.data.progress import track
from training.data.split import inseparable
from training.data.stamp import stamp
from wildvision.errors import ArgumentError

log = logging.getLogger(__name__)
TEST = "test"


def check_sources(
    folds: Sequence[Sequence[str]], not_trained_on: Collection[str], known: Collection[str], wanted: Collection[int]
) -> None:
    """Make sure that what a recipe holds out is there to be held out, before hours go into it.

    Sources of photographs that no fold holds out are trained on and never measured; they are named in a warning.

    Args:
        folds: Held-out sources of each fold.
        not_trained_on: Sources that teach nothing.
        known: Sources of the photographs.
        wanted: Numbers of the folds that are to be run.

    Raises:
        ArgumentError: A source is unknown or in two folds, or there is no such fold.
    """
    if outside := sorted(k for k in wanted if not 0 <= k < len(folds)):
        raise ArgumentError(f"there is no fold {outside}; the recipe has folds 0 to {len(folds) - 1}")
    named = Counter(source for fold in folds for source in fold)
    if twice := sorted(source for source, n in named.items() if n > 1):
        raise ArgumentError(f"these sources are in more than one fold: {twice}")
    if unknown := sorted({*named, *not_trained_on} - set(known)):
        raise ArgumentError(f"no photo is of the sources {unknown}, which the recipe holds out; known: {sorted(known)}")
    if free := sorted(set(known) - set(named)):
        log.warning("in no fold, so trained on and never measured: %s", ", ".join(free))


def check_paths(records: Sequence[Record], folds: Sequence[Collection[str]]) -> None:
    """Make sure that no path stands for two photos that are tested on: scores name their photos by path.

    Raises:
        ArgumentError: One does.
    """
    paths = Counter(records[i].path for k in range(len(folds)) for i in held_out_rows(records, folds, k))
    if twice := sorted(path for path, n in paths.items() if n > 1):
        raise ArgumentError(
            f"{len(twice)} paths stand for two photos each, {twice[0]!r} for one; put the photos of each manifest into "
            "a folder of its own and name that in its paths"
        )


def photo_clusters(records: Sequence[Record], files: Sequence[Path], cache: Path) -> list[int]:
    """Near-duplicate cluster of each row, over all sources and manifests; renders stand alone.

    Args:
        records: ``n`` rows.
        files: Their ``n`` photos.
        cache: Folder for the answer, which is found anew when a photo changes.
    """
    photos = [i for i, record in enumerate(records) if not record.synthetic]
    about = f"{len(records)} {[(i, str(files[i].resolve())) for i in photos]}".encode()
    file = cache / f"clusters-{stamp(about, [files[i] for i in photos])}.npy"
    if not file.exists():
        prints: list[Fingerprint | None] = [None] * len(records)  # without one a row stands alone
        for i in track(photos, "near-duplicates"):
            prints[i] = fingerprint(files[i])
        cache.mkdir(parents=True, exist_ok=True)
        part = cache / f"{file.stem}-{os.getpid()}.part.npy"  # two runs may fill the same cache
        np.save(part, near_clusters(prints))
        part.replace(file)
    found: list[int] = np.load(file).tolist()
    return found


def barred(records: Sequence[Record], clusters: Sequence[int], unseen: Collection[str]) -> frozenset[int]:
    """Rows that must teach a model nothing.

    Those of ``unseen`` sources, those that a split keeps from training, and photos elsewhere that show a picture or an
    object of either.

    Args:
        records: ``n`` rows.
        clusters: Their near-duplicate clusters, as :func:`photo_clusters` gives them.
        unseen: Sources held out.
    """
    sets = inseparable(records, clusters, by="object")
    shown = {sets[i] for i, r in enumerate(records) if not r.synthetic and (r.source in unseen or r.split == TEST)}
    own = {i for i, r in enumerate(records) if r.source in unseen or r.split in (TEST, DROPPED)}
    copies = {i for i, r in enumerate(records) if i not in own and not r.synthetic and sets[i] in shown}
    if copies:
        log.info("%d photos are left out: they show what is held out from other sources", len(copies))
    return frozenset(own | copies)


def photo_names(records: Sequence[Record], rows: Collection[int]) -> set[tuple[str, str]]:
    """Source and file name, without folders, of the photos among ``rows``: how the composer's banks know them."""
    return {(records[i].source, PurePosixPath(records[i].path).name) for i in rows if not records[i].synthetic}


def held_out_rows(records: Sequence[Record], folds: Sequence[Collection[str]], fold: int) -> list[int]:
    """Rows that a fold is tested on: its sources', and its share of the test rows that no fold holds out.

    Renders kept from training belong to no fold's sources, so each fold looks at its share of them.
    """
    held_out = {source for sources in folds for source in sources}
    return [
        i
        for i, r in enumerate(records)
        if r.source in folds[fold] or (r.split == TEST and r.source not in held_out and i % len(folds) == fold)
    ]
