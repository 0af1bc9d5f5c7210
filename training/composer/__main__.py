"""``python -m training.composer bank`` cuts out objects and grounds; ``sheet`` shows what would be composed."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from training.command import run_script


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = _parser().parse_args(argv)
    args.run(args)
    return 0


def _bank(args: argparse.Namespace) -> None:
    from training.composer.backgrounds import BackgroundBank, build_backgrounds
    from training.composer.cutouts import CutoutBank, build_cutouts
    from training.composer.rendered import rendered_cutouts
    from training.data.annotations import merge, read_annotations
    from training.data.manifest import read_manifest

    records = read_manifest(args.manifest)
    if args.boxes:
        records = merge(records, read_annotations(args.boxes))
    root = args.root or args.manifest.parent
    rendered = [cutout for folder in args.renders for cutout in rendered_cutouts(folder)]
    cutouts = CutoutBank([*build_cutouts(records, root, args.masks), *rendered])
    backgrounds = BackgroundBank(build_backgrounds(records, root, args.masks))
    cutouts.save(args.out)
    backgrounds.save(args.out)
    for leaf, n in sorted(Counter(c.leaf for c in cutouts.cutouts).items()):
        print(f"{leaf}\t{n}")
    print(f"backgrounds\t{len(backgrounds)}")


def _sheet(args: argparse.Namespace) -> None:
    import cv2
    import numpy as np

    from training.composer import BackgroundBank, CutoutBank, Recipe, compose, pile
    from training.data.manifest import Box
    from training.data.sheets import Tile, contact_sheet

    rng = np.random.default_rng(args.seed)
    cutouts, backgrounds = CutoutBank.load(args.bank), BackgroundBank.load(args.bank)
    tiles = []
    for _ in range(args.count):
        if args.pile is not None:
            image, boxes, _ = pile(rng, cutouts, backgrounds, args.pile, size=args.size)
            labels: tuple[str, ...] = (args.pile,)
        else:
            image, boxes, labels = compose(rng, cutouts, backgrounds, Recipe(size=args.size))
        shown = [Box(*box) for box in boxes.tolist()] if args.draw_boxes else []
        tiles.append(Tile(image, shown, " ".join(sorted(set(labels)))))
    cv2.imwrite(str(args.out), contact_sheet(tiles, columns=args.columns, side=args.size)[..., ::-1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.composer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    c = commands.add_parser("bank", help="cut objects and grounds out of the photos of a manifest")
    c.set_defaults(run=_bank)
    c.add_argument("manifest", type=Path)
    c.add_argument("--root", type=Path, help="folder of the photos (default: the manifest's)")
    c.add_argument("--masks", type=Path, required=True, help="folder of masks, as `training.data boxes` keeps them")
    c.add_argument("--boxes", type=Path, help="annotation file with accepted boxes")
    c.add_argument("--renders", type=Path, action="append", default=[], help="folder of training.synth; repeatable")
    c.add_argument("--out", type=Path, required=True, help="folder for the banks; keep it out of version control")

    c = commands.add_parser("sheet", help="a contact sheet of composed pictures")
    c.set_defaults(run=_sheet)
    c.add_argument("bank", type=Path)
    c.add_argument("--out", type=Path, required=True)
    c.add_argument("--count", type=int, default=40)
    c.add_argument("--columns", type=int, default=8)
    c.add_argument("--size", type=int, default=256)
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--draw-boxes", action="store_true")
    c.add_argument("--pile", metavar="LEAF", help="piles of a leaf, as classifiers and detectors learn from")
    return parser


if __name__ == "__main__":
    run_script(main)
