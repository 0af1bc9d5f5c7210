from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.training.data_helpers import picture, record, save
from training.data import Box
from training.data.sheets import Tile, contact_sheet
from training.data.stats import leaf_stats, sample, write_report


def test_counts_by_leaf() -> None:
    records = [
        record("a.jpg", object_id="1", boxes=(Box(0, 0, 1, 1), Box(0, 0, 9, 9, crowd=True)), trust="low"),
        record("b.jpg", object_id="1", boxes=(), greyscale=True),
        record("c.jpg", source="shop", redistributable=True, synthetic=True),
        record("d.jpg", leaf="everyday"),
    ]
    ivory, everyday = leaf_stats(records)
    assert (ivory.group, ivory.leaf, everyday.leaf) == ("ivory", "ivory_worked", "everyday")
    assert (ivory.photos, ivory.objects, ivory.sources, ivory.boxed, ivory.boxes) == (3, 2, 2, 2, 1)
    assert (ivory.low_trust, ivory.greyscale, ivory.synthetic, ivory.redistributable) == (1, 1, 1, 1)


def test_a_sample_takes_turns_among_sources_and_repeats_by_seed() -> None:
    records = [record(f"{s}{i}.jpg", source=s) for s, n in (("big", 50), ("small", 3)) for i in range(n)]
    chosen = sample(records, 6)
    assert sorted(r.source for r in chosen) == ["big"] * 3 + ["small"] * 3
    assert sample(records[::-1], 6) == chosen
    assert sample(records, 6, seed=1) != chosen


def test_the_report_has_a_table_and_a_sheet_for_each_leaf(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.jpg", picture(1))
    records = [record("a.jpg"), record("gone.jpg", leaf="everyday", source="<shop>")]
    page = write_report(records, tmp_path / "in", tmp_path / "out")
    text = page.read_text()
    assert "<td>ivory_worked</td>" in text
    for name in ("sheet-ivory-ivory_worked.png", "sheet-none-everyday.png"):
        assert name in text
        assert cv2.imread(str(tmp_path / "out" / name)) is not None
    first = (tmp_path / "out" / "sheet-ivory-ivory_worked.png").read_bytes()
    write_report(records, tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "sheet-ivory-ivory_worked.png").read_bytes() == first


def test_a_sheet_shows_boxes_where_they_are() -> None:
    white = np.full((100, 200, 3), 255, np.uint8)
    plain = contact_sheet([Tile(white)], columns=1, side=100)
    boxed = contact_sheet([Tile(white, (Box(20, 40, 120, 80),))], columns=1, side=100)
    ys, xs = np.nonzero((plain != boxed).any(axis=-1))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (10, 20, 59, 39)
