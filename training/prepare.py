"""One command from raw photos and seeds to everything that training reads: ``python -m training.prepare``.

Merges the annotations, checks the manifest, splits it, renders, makes masks, and fills the composer's bank. Every step
skips what is already there, so it can be stopped and started again. Equal photos and seeds give equal bytes for
everything but the renders, which get equal parameters and boxes.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.command import run_script
from training.composer.backgrounds import BackgroundBank, build_backgrounds
from training.composer.cutouts import CutoutBank, build_cutouts
from training.composer.rendered import rendered_cutouts
from training.data.annotations import merge, read_annotations
from training.data.dedup import fingerprints, near_clusters
from training.data.manifest import NEGATIVE, Record, read_manifest, write_manifest
from training.data.masks import U2NETP, make_masks
from training.data.split import assign_folds
from training.data.validate import Issue, leaf_groups, validate
from training.settings import checked, read_yaml
from wildvision.errors import ArgumentError
from wildvision.taxonomy import EVERYDAY

log = logging.getLogger(__name__)

FATAL = frozenset({"missing", "unreadable", "unknown_group", "unknown_leaf", "wrong_group", "box_empty", "box_outside"})


@dataclass(frozen=True)
class DataConfig:
    """The typed form of ``configs/data.yaml``.

    Attributes:
        photos: Manifest of the photos, in their folder.
        annotations: Box annotation file.
        seed: Of the split and of the choice of photos to mask.
        folds: Number of folds.
        masked: Look-alike leaf to the most photos of one source that get a mask.
        renders: Runs of the renderer, each with its options: ``out``, ``count``, ``seed`` and others it knows.
    """

    photos: str
    annotations: str
    seed: int
    folds: int
    masked: dict[str, int]
    renders: list[dict[str, Any]]


def load_config(path: Path) -> DataConfig:
    """Read a configuration; unknown, missing and ill-typed keys are errors."""
    data = checked(read_yaml(path), DataConfig, path.name)
    for run in data["renders"]:
        if missing := sorted({"out", "count", "seed"} - set(run)):
            raise ArgumentError(f"{path.name}: a run of the renderer lacks {missing}; it has {sorted(run)}")
    if unknown := sorted(set(data["masked"]) - set(leaf_groups())):
        raise ArgumentError(f"{path.name}: masked names unknown leaves {unknown}")
    return DataConfig(**data)


def prepare_manifest(config: DataConfig, out: Path) -> list[Record]:
    """Merge the boxes, refuse a broken manifest, assign folds by source and write ``out/manifest.csv``.

    Raises:
        ArgumentError: When the manifest has faults that training would trip over.
    """
    root = Path(config.photos).parent
    records = merge(read_manifest(config.photos), read_annotations(Path(config.annotations)))
    faults: list[Issue] = [i for i in validate(records, root, leaf_groups()) if i.kind in FATAL]
    if faults:
        shown = "; ".join(f"{i.path}: {i.kind} ({i.detail})" for i in faults[:5])
        raise ArgumentError(f"{len(faults)} faults in {config.photos}, first: {shown}")
    clusters = near_clusters(fingerprints(records, root))
    records = assign_folds(records, clusters, folds=config.folds, by="source", seed=config.seed)
    write_manifest(out / "manifest.csv", records)
    return records


def to_mask(records: Sequence[Record], most: Mapping[str, int], seed: int) -> list[Record]:
    """Products, and look-alikes up to ``most`` of a leaf and source, in an order that depends on the seed alone."""
    taken = Counter[tuple[str, str]]()
    chosen = [record for record in records if record.positive]
    for record in sorted(records, key=lambda r: hashlib.sha256(f"{seed}:{r.path}".encode()).digest()):
        key = (record.leaf, record.source)
        if record.group == NEGATIVE and taken[key] < most.get(record.leaf, 0):
            taken[key] += 1
            chosen.append(record)
    return chosen


def render(run: Mapping[str, Any], *, python: str, workers: int) -> None:
    """Do one run of the renderer in an interpreter that has ``bpy``; an option with a list is given once an item."""
    command = [python, "-m", "training.synth.render", "--workers", str(workers)]
    for name, value in run.items():
        for item in value if isinstance(value, list) else [value]:
            command += [f"--{name}", str(item)]
    subprocess.run(command, check=True)


def prepare_bank(config: DataConfig, records: Sequence[Record], out: Path) -> None:
    """Make the masks that are missing and fill ``out/composer``."""
    root = Path(config.photos).parent
    chosen = to_mask(records, config.masked, config.seed)
    made = make_masks(root, [record.path for record in chosen], out / "masks", U2NETP)
    log.info("%d masks made", made)
    everyday = [r for r in records if r.leaf == EVERYDAY]
    backdrops = {r.path: r for r in (*chosen, *everyday)}
    folders = sorted({str(run["out"]) for run in config.renders if run.get("split") != "test"})
    rendered = [cutout for folder in folders for cutout in rendered_cutouts(Path(folder))]
    CutoutBank([*build_cutouts(chosen, root, out / "masks"), *rendered]).save(out / "composer")
    BackgroundBank(build_backgrounds(list(backdrops.values()), root, out / "masks")).save(out / "composer")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m training.prepare", description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", default=Path("configs/data.yaml"))
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--out", type=Path, default=Path("cache"), help="folder to fill (default: cache)")
    parser.add_argument("--no-renders", action="store_true", help="use the renders that are there, make none")
    parser.add_argument("--python", default=sys.executable, help="interpreter with bpy, for the renders")
    parser.add_argument("--workers", type=int, default=1, help="pictures rendered at once")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = load_config(args.config)
        if args.data:
            config = replace(config, photos=str(args.data / "manifest.csv"))
        records = prepare_manifest(config, args.out)
        for run in () if args.no_renders else config.renders:
            render(run, python=args.python, workers=args.workers)
        prepare_bank(config, records, args.out)
    except ArgumentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"error: the renderer ended with status {error.returncode}; it needs bpy (extra synth)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    run_script(main)
