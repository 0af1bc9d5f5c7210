"""What is in a manifest: counts by group, leaf and source, and a contact sheet for each leaf on one HTML page."""

from __future__ import annotations

import hashlib
import html
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from training.data.manifest import Record
from training.data.masks import read_rgb
from training.data.progress import track
from training.data.sheets import Tile, contact_sheet


@dataclass(frozen=True)
class LeafStats:
    """Counts for one leaf of one group.

    Attributes:
        photos: Rows.
        objects: Distinct ``object_id`` within a source; photos without one count singly.
        sources: Distinct sources.
        boxed: Photos that somebody has boxed, empty ones included.
        boxes: Boxes in them, crowds not counted.
        low_trust: Photos whose label is doubtful.
        greyscale: Black-and-white photos.
        synthetic: Rendered or composed pictures.
        redistributable: Photos that may be passed on.
    """

    group: str
    leaf: str
    photos: int
    objects: int
    sources: int
    boxed: int
    boxes: int
    low_trust: int
    greyscale: int
    synthetic: int
    redistributable: int


def leaf_stats(records: Sequence[Record]) -> list[LeafStats]:
    """Counts for every leaf, sorted by group and leaf."""
    by_leaf: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_leaf[record.group, record.leaf].append(record)
    return [
        LeafStats(
            group=group,
            leaf=leaf,
            photos=len(rows),
            objects=len({(r.source, r.object_id or r.path) for r in rows}),
            sources=len({r.source for r in rows}),
            boxed=sum(r.boxes is not None for r in rows),
            boxes=sum(not box.crowd for r in rows for box in r.boxes or ()),
            low_trust=sum(r.trust == "low" for r in rows),
            greyscale=sum(r.greyscale for r in rows),
            synthetic=sum(r.synthetic for r in rows),
            redistributable=sum(r.redistributable for r in rows),
        )
        for (group, leaf), rows in sorted(by_leaf.items())
    ]


def sample(records: Sequence[Record], n: int, *, seed: int = 0) -> list[Record]:
    """At most ``n`` records, the same ones for the same seed, sources taking turns so that none crowds others out."""
    queues: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: hashlib.sha256(f"{seed}:{r.path}".encode()).digest()):
        queues[record.source].append(record)
    turns = sorted((i, source) for source, queue in queues.items() for i in range(len(queue)))
    return [queues[source][i] for i, source in turns[:n]]


def write_report(records: Sequence[Record], root: Path, out: Path, *, per_leaf: int = 48, seed: int = 0) -> Path:
    """Write ``stats.html`` and ``sheet-GROUP-LEAF.png`` into ``out``; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    stats = leaf_stats(records)
    names = list(asdict(stats[0])) if stats else []
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(str(v))}</td>' for v in asdict(s).values())}</tr>" for s in stats)
    sections = []
    for s in track(stats, "contact sheets"):
        rows = sample([r for r in records if (r.group, r.leaf) == (s.group, s.leaf)], per_leaf, seed=seed)
        sheet = contact_sheet(Tile(read_rgb(root / r.path), r.boxes or (), f"{r.source} {r.trust}") for r in rows)
        name = f"sheet-{s.group}-{s.leaf}.png"
        cv2.imwrite(str(out / name), sheet[..., ::-1])
        title = f"{html.escape(s.group)} / {html.escape(s.leaf)}: {len(rows)} of {s.photos}"
        sections.append(f"<h2>{title}</h2><img src='{html.escape(name)}' alt='{title}'>")
    page = out / "stats.html"
    page.write_text(
        "<!doctype html><meta charset='utf-8'><title>Manifest statistics</title>"
        "<style>body{font:14px sans-serif;margin:2em}td,th{padding:.2em .7em;text-align:right}"
        "td:nth-child(-n+2){text-align:left}img{max-width:100%}</style>"
        f"<h1>{len(records)} photos</h1><table><tr>{head}</tr>{body}</table>{''.join(sections)}\n",
        encoding="utf-8",
    )
    return page
