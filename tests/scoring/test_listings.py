from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildvision.contract import Decision
from wildvision.errors import ArgumentError
from wildvision.models import Classifier
from wildvision.policy import OperatingPoint
from wildvision.scoring import ScoreSettings, combine, score
from wildvision.scoring.listings import combine_scores, write_listings

GROUPS = ("ivory", "python_skin", "rhino_horn", "hornbill_casque")
POINTS = {group: OperatingPoint(review=0.5, block=0.9) for group in GROUPS}
PROBABILITY = st.floats(0, 1)


def row(
    id: str, ivory: float | None, *, other: float = 0.0, look: float = 0.0, sha: str | None = None
) -> dict[str, Any]:
    """A row of listing ``L``; ``ivory`` None is a photo that failed."""
    if ivory is None:
        return {"id": id, "listing_id": "L", "status": "truncated", "sha256": None, "scores": None, "decision": None}
    scores = {"ivory": ivory, "python_skin": other, "rhino_horn": 0.0, "hornbill_casque": 0.0}
    top = max(ivory, other)
    return {
        "id": id,
        "listing_id": "L",
        "status": "ok",
        "sha256": sha or id,
        "scores": scores,
        "decision": "block" if top >= 0.9 else "review" if top >= 0.5 else "pass",
        "lookalike": {"leaf": "bone_antler", "score": look, "margin": top - look},
    }


@given(st.lists(PROBABILITY, min_size=1, max_size=12), PROBABILITY)
def test_a_listing_scores_between_its_strongest_photo_and_the_noisy_or(scores: list[float], discount: float) -> None:
    missed = 1.0
    for p in scores:
        missed *= 1.0 - p
    assert max(scores) - 1e-9 <= combine_scores(scores, discount=discount) <= 1.0 - missed + 1e-9


@given(st.lists(PROBABILITY, min_size=1, max_size=8), PROBABILITY)
def test_a_further_photo_never_lowers_a_listing_and_order_does_not_matter(scores: list[float], further: float) -> None:
    assert combine_scores([*scores, further]) >= combine_scores(scores) - 1e-9
    assert combine_scores(scores[::-1]) == pytest.approx(combine_scores(scores), abs=1e-12)


def test_the_ends_of_the_discount_are_maximum_and_noisy_or() -> None:
    assert combine_scores([0.5, 0.5, 0.2], discount=0.0) == 0.5
    assert combine_scores([0.5, 0.5, 0.2], discount=1.0) == pytest.approx(1 - 0.5 * 0.5 * 0.8)


def test_the_verdict_names_the_photo_that_decided() -> None:
    verdict = combine([row("a", 0.2), row("b", 0.95), row("c", 0.3)], POINTS)
    assert (verdict.group, verdict.decision, verdict.decided_by) == ("ivory", Decision.BLOCK, "b")
    assert (verdict.photos, verdict.scored, verdict.failed) == (3, 3, {})


def test_copies_of_one_photo_count_once() -> None:
    once = combine([row("a", 0.6), row("b", 0.1)], POINTS)
    often = combine([row("a", 0.6, sha="s"), row("a2", 0.6, sha="s"), row("a3", 0.6, sha="s"), row("b", 0.1)], POINTS)
    assert often.scores == once.scores
    assert (often.photos, often.scored) == (4, 2)


def test_failed_photos_are_counted_and_no_verdict_is_not_a_pass() -> None:
    partly = combine([row("a", 0.2), row("b", None)], POINTS)
    assert (partly.decision, partly.failed) == (Decision.PASS, {"truncated": 1})
    nothing = combine([row("a", None), row("b", None)], POINTS)
    assert (nothing.decision, nothing.decided_by, nothing.scores) == (None, None, {})


def test_conflicts_are_shown() -> None:
    rows = [row("a", 0.95), row("b", 0.1, other=0.7), row("c", 0.1, look=0.8), row("d", 0.2)]
    conflicts = combine(rows, POINTS).conflicts
    assert [(c.id, c.reason, c.group, c.lookalike) for c in conflicts] == [
        ("b", "other_group", "python_skin", None),
        ("c", "lookalike", "ivory", "bone_antler"),
    ]
    assert combine([row("a", 0.1), row("b", 0.1, look=0.8)], POINTS).conflicts == ()


@pytest.mark.parametrize(
    "rows", [[], [row("a", 0.5), {**row("b", 0.5), "listing_id": "M"}], [{**row("a", 0.5), "listing_id": None}]]
)
def test_rows_of_other_listings_are_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ArgumentError, match="one listing"):
        combine(rows, POINTS)


@pytest.mark.parametrize(("scores", "discount"), [([], 0.5), ([0.5], 1.5), ([0.5], -0.1)])
def test_bad_arguments_are_refused(scores: list[float], discount: float) -> None:
    with pytest.raises(ArgumentError, match="received"):
        combine_scores(scores, discount=discount)


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_photos_of_a_listing_need_not_lie_together(shop: Path, tiny: Classifier, tmp_path: Path, format: Any) -> None:
    names = sorted(p for p in shop.rglob("*.jpg") if p.stem.isdigit())[:12]
    photos = [{"path": str(p), "listing_id": f"L{n % 5}" if n else None} for n, p in enumerate(names)]
    settings = ScoreSettings(isolation="thread", rows_per_part=5, format=format, progress="none")
    report = score(photos, tmp_path, classifier=tiny, settings=settings)
    verdicts = [json.loads(line) for line in (tmp_path / "listings.jsonl").read_text().splitlines()]
    assert report.listings == len(verdicts) == 5
    assert [v["listing_id"] for v in verdicts] == ["L1", "L2", "L3", "L4", "L0"]
    assert [v["photos"] for v in verdicts] == [3, 2, 2, 2, 2]
    assert all(v["schema"] == "wildvision-listing/1" and v["decided_by"] for v in verdicts)


def test_listings_need_no_temporary_folder_of_the_system(
    shop: Path, tiny: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    photos = [{"path": str(shop / "a" / "000.jpg"), "listing_id": "L"}]
    out = tmp_path / "out"
    settings = ScoreSettings(isolation="thread", workers=1, progress="none")
    assert score(photos, out, classifier=tiny, settings=settings).listings == 1
    assert write_listings(out, tiny.card.operating_points) == 1
    assert sorted(p.name for p in out.iterdir()) == [
        "listings.jsonl",
        "manifest.json",
        "part-00000.jsonl",
        "parts.jsonl",
    ]
