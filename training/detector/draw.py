"""Contact sheets of held-out photos with true boxes and found ones, for people to count kinds of failure.

python -m training.detector.draw configs/detector-default.yaml --folds 1 2 --to runs/detector-sheets

White boxes are true (grey: a heap), coloured ones with a score were found at the review operating point. `photos.csv`
beside the sheets says which photo has which number. Photos may not be published, so the folder should be one that git
ignores.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from training.command import run_script
from training.data.masks import Image
from training.data.sheets import Tile, contact_sheet
from training.detector.config import read_config
from training.detector.fitting import calibrated, fit_policy
from training.detector.held_out import Looked, read_folds
from training.detector.measures import usable
from wildvision.imaging import decode
from wildvision.models import draw_detections

SIDE = 320
COLUMNS, ROWS = 5, 4


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", help="folds to draw from (default: all)")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--count", type=int, default=100, help="photos")
    parser.add_argument("--seed", type=int, default=0, help="another draw of photos")
    parser.add_argument("--to", type=Path, required=True, help="folder for the sheets")
    args = parser.parse_args()
    config = read_config(args.config)
    folds = args.folds or range(len(config.folds))
    looked = read_folds(config, folds, args.runs)
    policy = fit_policy(looked)
    calibration = {group: p.calibrator for group, p in policy.items()}
    chosen = [calibrated(item, calibration) for item in choose_photos(looked, args.count, seed=args.seed)]
    for path in draw_sheets(chosen, {group: p.review for group, p in policy.items()}, args.to):
        print(path)


def choose_photos(looked: Sequence[Looked], count: int, *, seed: int) -> list[Looked]:
    """Photographs, half of them of products; every group and every kind of negative gets an even share, as it can."""
    rng = np.random.default_rng(seed)
    real = [item for item in usable(looked) if not item.record.synthetic]
    found: list[Looked] = []
    for positive, share in ((True, count // 2), (False, count - count // 2)):
        kinds: dict[str, list[Looked]] = {}
        for n in rng.permutation(len(real)):
            record = real[n].record
            if record.positive == positive:
                kinds.setdefault(record.group if positive else record.leaf, []).append(real[n])
        turns = sorted((turn, kind) for kind, items in kinds.items() for turn in range(len(items)))
        found += [kinds[kind][turn] for turn, kind in turns[:share]]
    return found


def draw_sheets(looked: Sequence[Looked], review: dict[str, float], folder: Path) -> list[Path]:
    """Write the sheets and ``photos.csv``; returns the paths of the sheets."""
    folder.mkdir(parents=True, exist_ok=True)
    each, written = COLUMNS * ROWS, []
    for start in range(0, len(looked), each):
        tiles = [
            Tile(_drawn(item, review), caption=f"{n} {item.record.leaf} {item.record.source}")
            for n, item in enumerate(looked[start : start + each], start=start + 1)
        ]
        path = folder / f"sheet-{start // each + 1:02d}.jpg"
        cv2.imwrite(str(path), contact_sheet(tiles, columns=COLUMNS, side=SIDE)[..., ::-1])
        written.append(path)
    with (folder / "photos.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "path", "leaf", "source"])
        writer.writerows([n, i.record.path, i.record.leaf, i.record.source] for n, i in enumerate(looked, start=1))
    return written


def _drawn(item: Looked, review: dict[str, float]) -> Image | None:
    image = decode(item.record.path).image
    if image is None or item.found.size is None:
        return None
    scale = SIDE / max(image.shape[:2])
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    out: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for box in item.record.boxes or ():
        x0, y0, x1, y1 = (round(v * scale) for v in box.corners)
        for colour, thick in (((0, 0, 0), 5), ((160, 160, 160) if box.crowd else (255, 255, 255), 3)):
            cv2.rectangle(out, (x0, y0), (x1 - 1, y1 - 1), colour, thick)
    least = np.array([review.get(g, np.inf) for g in item.found.groups])
    return draw_detections(out, item.found.filter(item.found.scores >= least))


if __name__ == "__main__":
    run_script(main)
