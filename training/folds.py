"""What each fold learns from and what it is tested on, the same for classifiers and detectors. Knows no model."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from training.data.dedup import Fingerprint, fingerprint, near_clusters
from training.data.manifest import AMBIGUOUS, DROPPED, NEGATIVE, Record
from training.data.progress import track
from training.data.split import inseparable
from training.data.stamp import stamp
from wildvision.errors import ArgumentError
from wildvision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)
TEST = "test"

PhotoName = tuple[str, str]
"""Source and path, relative to its manifest's folder, of a photo: how the composer's banks know it."""


def check_labels(records: Sequence[Record]) -> None:
    """Make sure that every photo but ambiguous ones has a class of the library and the group of its class.

    Raises:
        ArgumentError: One has not.
    """
    taxonomy = load_taxonomy()
    for record in records:
        if record.group == AMBIGUOUS:
            continue
        if record.leaf not in taxonomy.class_names:
            raise ArgumentError(f"{record.path}: the leaf {record.leaf!r} is unknown; see 'wildvision taxonomy'")
        if record.group != (group := taxonomy.group_of(record.leaf) or NEGATIVE):
            raise ArgumentError(f"{record.path}: group {record.group!r}, but its leaf {record.leaf!r} is of {group!r}")


def check_sources(
    folds: Sequence[Sequence[str]], not_trained_on: Collection[str], records: Sequence[Record], wanted: Collection[int]
) -> None:
    """Make sure that what a recipe holds out is there to be held out, before hours go into it.

    Sources of photographs that are trained on and never measured, or neither, are named in a warning.

    Args:
        folds: Held-out sources of each fold.
        not_trained_on: Sources that teach nothing.
        records: Rows of all manifests.
        wanted: Numbers of the folds that are to be run.

    Raises:
        ArgumentError: A source is unknown or in two folds, there is no such fold, or a source that no fold holds out
            has rows to learn from and rows to be tested on: no model would be tested on a source it has not seen.
    """
    photos = [r for r in records if not r.synthetic]
    known = {r.source for r in photos}
    if outside := sorted(k for k in wanted if not 0 <= k < len(folds)):
        raise ArgumentError(f"there is no fold {outside}; the recipe has folds 0 to {len(folds) - 1}")
    named = Counter(source for fold in folds for source in fold)
    if twice := sorted(source for source, n in named.items() if n > 1):
        raise ArgumentError(f"these sources are in more than one fold: {twice}")
    if unknown := sorted({*named, *not_trained_on} - set(known)):
        raise ArgumentError(f"no photo is of the sources {unknown}, which the recipe holds out; known: {sorted(known)}")
    tested = {r.source for r in photos if r.split == TEST} - set(named)
    teaching = {r.source for r in photos if r.split not in (TEST, DROPPED)} - set(named) - set(not_trained_on)
    if both := sorted(tested & teaching):
        raise ArgumentError(f"these sources teach and are tested on; hold each out in a fold: {both}")
    if teaching:
        log.warning("in no fold, so trained on and never measured: %s", ", ".join(sorted(teaching)))
    if idle := sorted(set(not_trained_on) - set(named) - tested):
        log.warning("in no fold and not trained on, so of no use: %s", ", ".join(idle))


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
    """Near-duplicate cluster of each row, over all sources and manifests.

    Renders stand alone, and so do photos that cannot be read: their numbers are negative.

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
        clusters = near_clusters(prints)
        for i in photos:
            if prints[i] is None:
                clusters[i] = -1 - i
        np.save(part, clusters)
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


def photo_names(records: Sequence[Record], rows: Collection[int], folders: Collection[Path] = ()) -> set[PhotoName]:
    """Names of the photos among ``rows``, whose paths may start with one of ``folders``, those of their manifests."""
    return {(records[i].source, inside(records[i].path, folders)) for i in rows if not records[i].synthetic}


def inside(path: str, folders: Collection[Path]) -> str:
    """A path without the longest of ``folders`` that it starts with."""
    starts = [folder for folder in folders if Path(path).is_relative_to(folder)]
    return Path(path).relative_to(max(starts, key=lambda f: len(f.parts))).as_posix() if starts else path


def held_out_rows(records: Sequence[Record], folds: Sequence[Collection[str]], fold: int) -> list[int]:
    """Rows that a fold is tested on: its sources', and its share of the test rows that no fold holds out.

    Renders kept from training belong to no fold's sources, so each fold looks at its share of them. Dropped rows, which
    show what other rows show, are tested by none.
    """
    held_out = {source for sources in folds for source in sources}
    return [
        i
        for i, r in enumerate(records)
        if (r.source in folds[fold] and r.split != DROPPED)
        or (r.split == TEST and r.source not in held_out and i % len(folds) == fold)
    ]
