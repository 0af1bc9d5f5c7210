"""Other people's label formats to manifest records: ImageFolder, COCO, YOLO, Label Studio, Pascal VOC, CSV.

Reads labels and image headers only; copies no photo. Every class must map to a leaf, so that none is lost silently.
"""

from __future__ import annotations

import json
import math
import posixpath
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from training.data.manifest import NEGATIVE, Box, Record, record_from_row
from training.data.tables import read_csv
from training.settings import read_yaml
from wildvision.errors import ArgumentError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".avif"})


@dataclass(frozen=True)
class Import:
    """What an import needs to know beside the files.

    Attributes:
        source: Name of the data set, for splits.
        groups: Leaf to group, as :func:`training.data.validate.leaf_groups` gives it.
        class_map: Their class to our leaf; a class that already has a leaf's name may be left out.
        empty_leaf: Leaf of photos that were labelled and found empty.
        licence: As the data set states it.
    """

    source: str
    groups: Mapping[str, str]
    class_map: Mapping[str, str] = field(default_factory=dict)
    empty_leaf: str = "everyday"
    licence: str = ""

    def leaf(self, name: str) -> str:
        """Our leaf for one of their classes; raises :class:`ArgumentError` when there is none."""
        leaf = self.class_map.get(name, name)
        if leaf not in self.groups:
            via = f" (mapped to {leaf!r})" if leaf != name else ""
            raise ArgumentError(
                f"class {name!r}{via} is no leaf; add it to the class map as one of {', '.join(self.groups)}"
            )
        return leaf

    def record(self, path: str, boxes: Sequence[Box] | None, size: tuple[int, int] | None, leaf: str = "") -> Record:
        """A record whose leaf, unless given, is that of its boxes: products before look-alikes, then by area."""
        if not leaf:
            area: dict[str, float] = defaultdict(float)
            for box in boxes or ():
                area[box.leaf or ""] += box.area
            leaf = max(area, key=lambda k: (self.groups[k] != NEGATIVE, area[k], k), default=self.empty_leaf)
        width, height = size or (None, None)
        return Record(
            path=path,
            group=self.groups[leaf],
            leaf=leaf,
            source=self.source,
            boxes=None if boxes is None else tuple(boxes),
            licence=self.licence,
            width=width,
            height=height,
        )


def from_image_folder(root: Path, spec: Import) -> list[Record]:
    """One folder a class: ``root/CLASS/**/photo``; sorted by path, no boxes. Photos beside the folders are refused."""
    photos = list(_photos(root))
    if loose := [path for path in photos if "/" not in path]:
        raise ArgumentError(f"{len(loose)} photos lie in no class folder, {loose[0]!r} for one; move them into one")
    return [spec.record(path, None, _size(root / path), spec.leaf(path.split("/")[0])) for path in photos]


def from_coco(root: Path, spec: Import, labels: Path) -> list[Record]:
    """A COCO detection file; ``file_name`` is relative to ``root``. Photos without annotations become empty ones."""
    data = json.loads(labels.read_text(encoding="utf-8"))
    names = {c["id"]: c["name"] for c in data["categories"]}
    boxes: dict[Any, list[Box]] = defaultdict(list)
    listed = {image["id"] for image in data["images"]}
    for a in data["annotations"]:
        if a["image_id"] not in listed:
            raise ArgumentError(f"{labels.name}: an annotation is of the image {a['image_id']!r}, which is not listed")
        x, y, w, h = a["bbox"]
        leaf = spec.leaf(names[a["category_id"]])
        boxes[a["image_id"]].append(Box(x, y, x + w, y + h, leaf, bool(a.get("iscrowd", 0))))
    return [
        spec.record(posixpath.normpath(image["file_name"]), boxes[image["id"]], (image["width"], image["height"]))
        for image in data["images"]
    ]


def from_yolo(root: Path, spec: Import, labels: Path) -> list[Record]:
    """A YOLO data set: ``labels`` is its ``data.yaml`` (``names``), ``labels/**.txt`` mirror ``images/**``.

    Lines hold ``class cx cy w h`` or a polygon ``class x1 y1 x2 y2 x3 y3 …``, in fractions of the photo. A photo
    without a label file is an empty one.
    """
    settings = read_yaml(labels)
    if not isinstance(settings, dict) or not isinstance(names := settings.get("names"), (list, dict)):
        raise ArgumentError(f"{labels.name} has no 'names', the list of classes")
    lookup = dict(enumerate(names)) if isinstance(names, list) else {int(k): v for k, v in names.items()}
    records, labelled = [], False
    for path in _photos(root):
        parts = path.split("/")
        if "images" not in parts:
            continue
        at = len(parts) - 1 - parts[::-1].index("images")
        file = root.joinpath(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")
        labelled = labelled or file.exists()
        size = _size(root / path)
        boxes = []
        for n, line in enumerate(file.read_text().splitlines() if file.exists() else (), start=1):
            if not line.strip():
                continue
            number, *values = (float(v) for v in line.split())
            if int(number) not in lookup or len(values) < 4 or len(values) % 2:
                raise ArgumentError(f"{file.name} line {n} is no YOLO label: {line!r}")
            boxes.append(_yolo_box(values, size, spec.leaf(lookup[int(number)])))
        records.append(spec.record(path, boxes, size))
    if records and not labelled:
        raise ArgumentError(f"no photo has a label file in a folder 'labels' beside 'images' below {root}")
    return records


def from_label_studio(root: Path, spec: Import, labels: Path) -> list[Record]:
    """A Label Studio JSON export with rectangles (turned ones become upright boxes) or choices for the photo.

    The first annotation that was not cancelled counts. Photo names are those of ``data.image`` (uploads, local
    files and plain paths), relative to ``root``.
    """
    records = []
    for task in json.loads(labels.read_text(encoding="utf-8")):
        done = [a for a in task.get("annotations", ()) if not a.get("was_cancelled")]
        if not done:
            continue
        path = _label_studio_path(str(task["data"]["image"]), root)
        boxes, leaf, size = [], "", None
        for item in done[0]["result"]:
            if item["type"] == "choices":
                leaf = spec.leaf(item["value"]["choices"][0])
            elif item["type"] == "rectanglelabels":
                size = (int(item["original_width"]), int(item["original_height"]))
                boxes.append(_label_studio_box(item["value"], size, spec))
            elif item["type"].endswith("labels") or "labels" in item["value"]:
                raise ArgumentError(f"{path}: a label of the kind {item['type']!r} is not read; export rectanglelabels")
        records.append(spec.record(path, boxes if boxes or not leaf else None, size or _size(root / path), leaf))
    return records


def from_voc(root: Path, spec: Import, labels: Path) -> list[Record]:
    """A folder of Pascal VOC XML files; ``filename`` is relative to ``root``. Corners there count from 1, inclusive."""
    records = []
    for file in sorted(labels.rglob("*.xml")):
        tree = ET.parse(file).getroot()
        boxes = []
        for item in tree.iter("object"):
            x0, y0, x1, y1 = (float(item.findtext(f"bndbox/{k}", "nan")) for k in ("xmin", "ymin", "xmax", "ymax"))
            if math.isnan(x0 + y0 + x1 + y1):
                raise ArgumentError(f"{file.name}: an object without a complete bndbox")
            boxes.append(Box(x0 - 1, y0 - 1, x1, y1, spec.leaf(item.findtext("name", ""))))
        path = tree.findtext("filename", "")
        records.append(spec.record(path, boxes, _size(root / path)))
    return records


def from_csv(root: Path, spec: Import, labels: Path, columns: Mapping[str, str] | None = None) -> list[Record]:
    """A CSV file with a header.

    Args:
        root: Folder that the paths are relative to.
        spec: Source and classes.
        labels: The file.
        columns: Manifest column to the name it has in the file, e.g. ``{"path": "filename", "leaf": "label"}``;
            ``path`` and ``leaf`` are needed, others are taken where they have the manifest's name.
    """
    columns = dict(columns or {})
    records = []
    for n, row in enumerate(read_csv(labels)[1], start=1):
        flat = {**row, **{ours: row.get(theirs, "") for ours, theirs in columns.items()}}
        leaf = spec.leaf(flat.get("leaf") or "")
        given = {name: flat.get(name) for name in ("group", "source")}
        named = {"leaf": leaf, "group": given["group"] or spec.groups[leaf], "source": given["source"] or spec.source}
        record = record_from_row({**flat, **named}, where=f"{labels.name} row {n}")
        size = _size(root / record.path)
        width, height = size or (None, None)
        records.append(replace(record, width=width, height=height, licence=record.licence or spec.licence))
    return records


IMPORTERS: Mapping[str, Callable[..., list[Record]]] = {
    "folder": from_image_folder,
    "coco": from_coco,
    "yolo": from_yolo,
    "label-studio": from_label_studio,
    "voc": from_voc,
    "csv": from_csv,
}


def _photos(root: Path) -> Iterable[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)


def _size(path: Path) -> tuple[int, int] | None:
    """Upright size, ``None`` when the header cannot be read; ``validate`` reports such photos."""
    from PIL import Image

    try:
        with Image.open(path) as file:
            turned = file.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return file.size[::-1] if turned else file.size
    except (OSError, ValueError, SyntaxError):
        return None


def _yolo_box(values: Sequence[float], size: tuple[int, int] | None, leaf: str) -> Box:
    width, height = size or (1, 1)
    if len(values) == 4:
        cx, cy, w, h = values
        return Box((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height, leaf)
    xs, ys = values[::2], values[1::2]
    return Box(min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height, leaf)


def _label_studio_box(value: Mapping[str, Any], size: tuple[int, int], spec: Import) -> Box:
    x, y = value["x"] / 100 * size[0], value["y"] / 100 * size[1]
    w, h = value["width"] / 100 * size[0], value["height"] / 100 * size[1]
    angle = math.radians(value.get("rotation", 0.0))  # clockwise around the top left corner
    corners = [
        (x + dx * math.cos(angle) - dy * math.sin(angle), y + dx * math.sin(angle) + dy * math.cos(angle))
        for dx, dy in ((0, 0), (w, 0), (0, h), (w, h))
    ]
    xs, ys = [c[0] for c in corners], [c[1] for c in corners]
    return Box(
        max(min(xs), 0.0),
        max(min(ys), 0.0),
        min(max(xs), size[0]),
        min(max(ys), size[1]),
        spec.leaf(value["rectanglelabels"][0]),
    )


def _label_studio_path(image: str, root: Path) -> str:
    """``/data/local-files/?d=a/b.jpg`` is ``a/b.jpg``; ``/data/upload/1/0a1b2c3d-b.jpg``, if there, ``b.jpg``."""
    url = urlsplit(image)
    if "d" in (query := parse_qs(url.query)):
        return query["d"][0]
    if not image.startswith("/data/upload/"):
        return image
    name = unquote(url.path).rsplit("/", 1)[-1]
    plain = name.split("-", 1)[-1]
    return plain if (root / plain).exists() else name
