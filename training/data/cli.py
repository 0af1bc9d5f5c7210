"""One sub-command a task; parses arguments, calls the module of that name and prints what it found."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.data.dedup import MAX_BITS, MAX_TONE
from training.data.manifest import Record, read_manifest, write_manifest
from wildvision.errors import ArgumentError, WildvisionError

FAULTS_FOUND = 1
USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, 1 when faults were found, 2 for unusable arguments."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except (WildvisionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE


def _validate(args: argparse.Namespace) -> int:
    from training.data.dedup import fingerprints
    from training.data.validate import KINDS, leaf_groups, validate

    records, root = _load(args)
    prints = None if args.fast else fingerprints(records, root)
    issues = validate(records, root, leaf_groups(), prints)
    for issue in issues:
        print(f"{issue.kind}\t{issue.path}\t{issue.detail}")
    for kind, n in Counter(issue.kind for issue in issues).items():
        print(f"{n} × {kind}: {KINDS[kind]}", file=sys.stderr)
    return FAULTS_FOUND if issues else 0


def _dedup(args: argparse.Namespace) -> int:
    from training.data.dedup import find_duplicates, fingerprints, without_spares

    records, root = _load(args)
    found = find_duplicates(records, fingerprints(records, root), max_bits=args.max_bits, max_tone=args.max_tone)
    for d in found:
        notes = [name for name in ("conflict", "across_splits", "across_sources") if getattr(d, name)]
        print("\t".join([d.kind, ",".join(notes) or "-", *(r.path for r in d.members)]))
    if args.out:
        write_manifest(args.out, without_spares(records, found))
    return FAULTS_FOUND if found else 0


def _split(args: argparse.Namespace) -> None:
    from training.data.dedup import fingerprints, near_clusters
    from training.data.split import assign_folds, hold_out, leave_one_source_out

    records, root = _load(args)
    clusters = near_clusters(fingerprints(records, root))
    if args.leave_one_source_out:
        folds = leave_one_source_out(records, clusters, pool_below=args.pool_below)
        named = [
            {"name": f.name, **{part: [records[i].path for i in getattr(f, part)] for part in ("test", "dropped")}}
            for f in folds
        ]
        args.out.write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")
        return
    if args.hold_out:
        records = hold_out(records, clusters, args.hold_out)
    else:
        records = assign_folds(records, clusters, folds=args.folds, by=args.by, seed=args.seed)
    write_manifest(args.out, records)
    for (split, group), n in sorted(Counter((r.split, r.group) for r in records).items()):
        print(f"{split}\t{group}\t{n}")


def _stats(args: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from training.data.stats import leaf_stats, write_report

    records, root = _load(args)
    rows = [asdict(s) for s in leaf_stats(records)]
    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if args.out:
        print(write_report(records, root, args.out, per_leaf=args.per_leaf, seed=args.seed))


def _audit(args: argparse.Namespace) -> int:
    import cv2

    from training.data.audit import audit, read_scores
    from training.data.masks import read_rgb
    from training.data.sheets import Tile, contact_sheet

    records, root = _load(args)
    suspects = audit(records, *read_scores(args.scores))
    for s in suspects:
        print(f"{s.record.path}\t{s.record.leaf}\t{s.suggested}\t{s.quality:.4f}")
    if args.sheet:
        tiles = [Tile(read_rgb(root / s.record.path), (), f"{s.record.leaf}>{s.suggested}") for s in suspects[:96]]
        cv2.imwrite(str(args.sheet), contact_sheet(tiles)[..., ::-1])
    return FAULTS_FOUND if suspects else 0


def _scrub(args: argparse.Namespace) -> int:
    from training.data.faces import centerface
    from training.data.scrub import scrub_folder

    records, root = _load(args)
    faces = centerface() if args.blur_faces else None
    failed = list(scrub_folder(root, [r.path for r in records], args.out, faces=faces))
    for line in failed:
        print(line, file=sys.stderr)
    return FAULTS_FOUND if failed else 0


def _import(args: argparse.Namespace) -> None:
    from training.data.importers import IMPORTERS, Import
    from training.data.validate import leaf_groups
    from training.settings import read_yaml

    class_map = read_yaml(args.class_map) if args.class_map else {}
    if not isinstance(class_map, dict):
        raise ArgumentError(f"{args.class_map.name} holds a {type(class_map).__name__}; write `their class: our leaf`")
    spec = Import(args.source, leaf_groups(), class_map, args.empty_leaf, args.licence)
    extra: dict[str, Any] = {}
    if args.format == "folder":
        if args.labels:
            raise ArgumentError("--labels has no meaning for the format folder: sub-folders are the classes")
    elif args.labels is None:
        raise ArgumentError(f"the format {args.format} needs --labels")
    else:
        extra["labels"] = args.labels
    if args.column:
        if args.format != "csv" or not all("=" in pair for pair in args.column):
            raise ArgumentError(f"--column OURS=THEIRS names columns of the format csv; received {args.column}")
        extra["columns"] = dict(pair.split("=", 1) for pair in args.column)
    try:
        records = IMPORTERS[args.format](args.root, spec, **extra)
    except WildvisionError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, SyntaxError) as error:  # a parse error of XML is the last
        raise ArgumentError(
            f"the labels are not what {args.format} writes ({type(error).__name__}: {error}); export them again"
        ) from error
    if not records:
        raise ArgumentError(f"no photos found in {args.root}")
    write_manifest(args.out, records)
    print(f"{len(records)} photos", file=sys.stderr)


def _boxes(args: argparse.Namespace) -> None:
    from training.data.annotations import Annotation, write_annotations
    from training.data.boxes import propose
    from training.data.masks import FOCUS, U2NETP, make_masks, read_mask
    from training.data.progress import track

    records, root = _load(args)
    chosen = [r for r in records if r.positive or args.all]
    for model in (U2NETP, FOCUS):
        make_masks(root, [r.path for r in chosen], args.masks, model)
    found = []
    for r in track(chosen, "boxes"):
        first, second = (read_mask(args.masks, model, r.path) for model in (U2NETP, FOCUS))
        if first is None or second is None:
            continue
        p = propose(first, second)
        found.append(Annotation(r.path, r.group, r.leaf, p.boxes, p.quality, "auto"))
    write_annotations(args.out, found)


def _merge(args: argparse.Namespace) -> None:
    from training.data.annotations import merge, read_annotations

    records = merge(read_manifest(args.manifest), read_annotations(args.boxes))
    write_manifest(args.out, records)


def _load(args: argparse.Namespace) -> tuple[list[Record], Path]:
    return read_manifest(args.manifest), args.root or args.manifest.parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.data", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    def on_manifest(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = add(name, run, text)
        command.add_argument("manifest", type=Path, help="manifest, .csv or .parquet")
        command.add_argument("--root", type=Path, help="folder of the photos (default: the manifest's)")
        return command

    c = on_manifest("validate", _validate, "report every fault of a manifest; exit status 1 when there are any")
    c.add_argument("--fast", action="store_true", help="do not look for duplicates")

    c = on_manifest("dedup", _dedup, "report exact and near duplicates; exit status 1 when there are any")
    c.add_argument("--max-bits", type=int, default=MAX_BITS, help="differing bits of 64 up to which hashes match")
    c.add_argument("--max-tone", type=float, default=MAX_TONE, help="mean difference of 8x8 thumbnails, of 255")
    c.add_argument("--out", type=Path, help="write the manifest without the spare copies")

    c = on_manifest("split", _split, "assign splits that keep sources, objects and near-duplicates together")
    how = c.add_mutually_exclusive_group()
    how.add_argument("--folds", type=int, default=5, help="deal photos out into this many folds (default 5)")
    how.add_argument("--hold-out", nargs="+", metavar="SOURCE", help="write train and test; these sources are test")
    how.add_argument("--leave-one-source-out", action="store_true", help="write a JSON list of folds, one a source")
    c.add_argument("--by", choices=("source", "object"), default="object", help="what --folds keeps together")
    c.add_argument("--pool-below", type=int, default=0, help="sources with fewer photos share one fold")
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--out", type=Path, required=True)

    c = on_manifest("stats", _stats, "count photos by leaf; with --out, write a page with contact sheets")
    c.add_argument("--out", type=Path, help="folder for stats.html and its sheets")
    c.add_argument("--per-leaf", type=int, default=48, help="photos a contact sheet")
    c.add_argument("--seed", type=int, default=0)

    c = on_manifest("audit", _audit, "list suspected label errors; exit status 1 when there are any")
    c.add_argument("--scores", type=Path, required=True, help="out-of-fold scores: column path and one a leaf")
    c.add_argument("--sheet", type=Path, help="write a contact sheet of the 96 most suspicious")

    c = on_manifest("scrub", _scrub, "copy photos without EXIF, GPS, XMP and comments")
    c.add_argument("--out", type=Path, required=True, help="folder for the copies")
    c.add_argument("--blur-faces", action="store_true", help="also blur faces, those of carved figures included")

    c = on_manifest("boxes", _boxes, "propose boxes by salient-object masks, for a person to judge")
    c.add_argument("--masks", type=Path, required=True, help="folder where masks are kept")
    c.add_argument("--all", action="store_true", help="negatives too")
    c.add_argument("--out", type=Path, required=True, help="annotation file, .csv")

    c = on_manifest("merge", _merge, "fill the boxes of an annotation file into a manifest")
    c.add_argument("--boxes", type=Path, required=True, help="annotation file, .csv")
    c.add_argument("--out", type=Path, required=True)

    c = add("import", _import, "turn other label formats into a manifest")
    c.add_argument("format", choices=("folder", "coco", "yolo", "label-studio", "voc", "csv"))
    c.add_argument("root", type=Path, help="folder that photo paths are relative to")
    c.add_argument("--labels", type=Path, help="label file (coco, label-studio, csv, yolo's data.yaml) or folder (voc)")
    c.add_argument("--source", required=True, help="name of the data set")
    c.add_argument("--class-map", type=Path, help="YAML of `their class: our leaf`")
    c.add_argument("--column", action="append", metavar="OURS=THEIRS", help="csv: name of a column there")
    c.add_argument("--empty-leaf", default="everyday", help="leaf of photos labelled as empty")
    c.add_argument("--licence", default="")
    c.add_argument("--out", type=Path, required=True)
    return parser
