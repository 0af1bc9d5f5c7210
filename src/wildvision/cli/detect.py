"""``wildvision detect``: where in the photos products are, as annotated pictures and COCO JSON."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from wildvision.cli.inputs import first_free, positive
from wildvision.contract import Detections, coco_categories
from wildvision.errors import ArgumentError

NAME = "detect"
HELP = "find the products in photos: annotated pictures and COCO JSON"

COCO_FILE = "detections.json"
PICTURES = "pictures"
LONGEST = 255
"""Bytes of a file's name that common file systems take."""

LONGEST_SIDE = 65_500
"""Pixels of a side that libjpeg writes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``detect``."""
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="files, folders, or '-' for a list on standard input"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results; must be new or empty")
    parser.add_argument("--model", default="default", metavar="MODEL", help="name, folder or hf://org/repo@revision")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument(
        "--precision", default="auto", help="auto, fp32, fp16 or bf16 (default: auto, fp16 on CUDA and else fp32)"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=16, metavar="N", help="photos read and searched together (default: 16)"
    )
    parser.add_argument(
        "--score", type=float, metavar="P", help="least score of a box; its group's operating point when left out"
    )
    parser.add_argument(
        "--tiles", action="store_true", help="also search large photos tile by tile; more false boxes, see README"
    )
    parser.add_argument(
        "--second-look", metavar="MODEL", help="a classifier that scores the crop of each box again, such as default"
    )
    parser.add_argument("-0", "--null", action="store_true", help="the list on standard input is separated by NUL")


def run(args: argparse.Namespace) -> int:
    """Find the products; 1 when some photos could not be searched."""
    from wildvision.cli.inputs import expand
    from wildvision.models import load_classifier, load_detector

    paths = expand(args.photos, null=args.null)
    first = next(paths, None)
    if first is None:
        raise ArgumentError(f"no photos in {' '.join(args.photos)!r}")
    out = _free_folder(args.out)
    where = {"device": args.device, "precision": args.precision}
    look = None if args.second_look is None else load_classifier(args.second_look, **where)
    detector = load_detector(args.model, **where, tiles=args.tiles, second_look=look)
    others = (path for path in paths if not _lies_in(path, out))  # folders are walked as the run goes on
    names, inputs = itertools.tee(itertools.chain([first], others))
    found = detector.predict(inputs, batch_size=args.batch_size, score=args.score)
    (out / PICTURES).mkdir(parents=True, exist_ok=True)  # only now: wrong arguments must not leave a folder behind
    with _terminable():
        failed = _write(out, zip(names, found, strict=True), detector.model_id)
    return 1 if failed else 0


def _lies_in(path: str, folder: Path) -> bool:
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a name that no file can have
        return False


def _free_folder(name: str) -> Path:
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArgumentError(f"--out must name a new or empty folder, so that nothing is overwritten; received {name!r}")
    return folder


def _write(out: Path, found: Iterable[tuple[str, Detections]], model: str) -> int:
    """Write pictures and COCO file, print a row a photo, and return the number of failures.

    A run that is broken off, by SIGINT, SIGTERM or a fault, leaves a file of the photos that it came to, which says
    so.
    """
    from wildvision.cli.output import Column, Table, probability
    from wildvision.scoring.items import printable

    table = Table((Column("file"), Column("boxes", 6), Column("best", 30)))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    info: dict[str, Any] = {"description": "wildvision detections", "model": model, "complete": False}
    taken: dict[str, int] = {}
    try:
        for number, (path, d) in enumerate(found, start=1):
            width, height = d.size or (None, None)
            image: dict[str, Any] = {
                "id": number,
                "file_name": printable(path),
                "width": width,
                "height": height,
                "status": d.status.value,
            }
            images.append(image)
            if not d.ok:
                table.row((path, "-", f"{d.status} {d.error or ''}"), style="magenta")
                continue
            for row in d.to_coco(number):
                area = row["bbox"][2] * row["bbox"][3]
                annotations.append({"id": len(annotations) + 1, **row, "area": area, "iscrowd": 0})
            picture = f"{PICTURES}/{_free_name(printable(path), taken)}"
            if _draw(path, d, out / picture):
                image["picture"] = picture
            best = f"{d.groups[0]} {probability(d.scores[0])}" if len(d) else ""
            table.row((path, str(len(d)), best), style="bold" if len(d) else "dim")
        info["complete"] = True
    finally:
        coco = {"info": info, "images": images, "annotations": annotations, "categories": coco_categories()}
        (out / COCO_FILE).write_text(json.dumps(coco, indent=1) + "\n", encoding="utf-8")
    failed = sum(bool(image["status"] != "ok") for image in images)
    print(f"{len(images)} photos, {len(annotations)} boxes, {failed} failed: {out / COCO_FILE}", file=sys.stderr)
    return failed


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Within, SIGTERM is a KeyboardInterrupt; as it is outside the main thread, which alone may handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_name(path: str, taken: dict[str, int]) -> str:
    """``STEM.jpg``, with the first number that makes it free where it is taken; cut where names may not be longer.

    Names are told apart in small letters, for some file systems know no capitals.
    """
    known = sys.getfilesystemencoding()  # of the names of files, which may have come by it as bytes of another
    stem = Path(path).stem.encode(known, "backslashreplace").decode(known)

    def ending(end: str) -> str:
        return _cut(stem, LONGEST - len(end)) + end

    return first_free(ending(".jpg"), taken, lambda number: ending(f"~{number}.jpg"), key=str.lower)


def _cut(text: str, most: int) -> str:
    """As much of the text as a file system takes in ``most`` bytes."""
    encoded = os.fsencode(text)
    return text if len(encoded) <= most else encoded[:most].decode(sys.getfilesystemencoding(), "ignore")


def _draw(path: str, detections: Detections, target: Path) -> bool:
    """Write the annotated picture; whether there still was a photo to draw on, no longer than a JPEG may be."""
    from PIL import Image

    from wildvision.imaging import decode
    from wildvision.models.detector_drawing import draw_detections

    image = decode(path).image
    if image is None or image.shape[1::-1] != detections.size:  # gone or changed since it was searched
        return False
    if max(image.shape) > LONGEST_SIDE:
        return False
    Image.fromarray(draw_detections(image, detections)).save(target, format="JPEG", quality=90)
    return True
