from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildvision.errors import ArgumentError
from wildvision.models import Classifier
from wildvision.scoring import ScoreSettings, score, validate
from wildvision.scoring.sinks import LOG
from wildvision.scoring.validation import row_problem, row_schema

OK: dict[str, Any] = {
    "schema": "wildvision/1",
    "id": "1",
    "path": "a.jpg",
    "listing_id": None,
    "status": "ok",
    "error": None,
    "width": 800,
    "height": 600,
    "sha256": "ab" * 32,
    "phash": "0123456789abcdef",
    "scores": {"ivory": 0.93, "python_skin": 0.01, "rhino_horn": 0.02, "hornbill_casque": 0.0},
    "leaf": "ivory_worked",
    "lookalike": {"leaf": "bone_antler", "score": 0.05, "margin": 0.88},
    "decision": "block",
    "detections": [{"group": "ivory", "score": 0.91, "box": [10.0, 22.0, 310.5, 402.0]}],
    "model": "wildvision-classifier-x@sha256:0",
    "copy_of": None,
    "extra": {"price": 3},
}
FAILED: dict[str, Any] = {
    **OK,
    "status": "truncated",
    "error": "cut",
    "scores": None,
    "leaf": None,
    "lookalike": None,
    "decision": None,
    "detections": [],
}
VALIDATOR = jsonschema.Draft202012Validator(row_schema())
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(-2, 2),
    st.sampled_from(["", "ok", "ivory", "pass", "bone_antler", "ivory_raw", "ab" * 32, "x"]),
    st.just([]),
    st.just({}),
    st.just({"ivory": 2}),
    st.just([{"group": "ivory", "score": 0.5, "box": [1, 2, 3]}]),
    st.just({"leaf": "everyday", "score": 0.5, "margin": -3}),
)


def test_the_published_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(row_schema())


@pytest.mark.parametrize("row", [OK, FAILED, {k: v for k, v in OK.items() if k not in ("copy_of", "extra")}])
def test_good_rows_pass_both(row: dict[str, Any]) -> None:
    assert row_problem(row) is None
    assert VALIDATOR.is_valid(row)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([OK, FAILED]), st.sampled_from([*sorted(OK), "surplus"]), ODD, st.booleans())
def test_the_schema_and_the_quick_check_agree(row: dict[str, Any], field: str, value: Any, remove: bool) -> None:
    changed = copy.deepcopy(row)
    if remove:
        changed.pop(field, None)
    else:
        changed[field] = value
    assert (row_problem(changed) is None) == VALIDATOR.is_valid(changed), row_problem(changed)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["scores", "lookalike", "detections"]), st.data())
def test_they_agree_inside_fields_too(field: str, data: st.DataObject) -> None:
    changed = copy.deepcopy(OK)
    inner = changed[field][0] if field == "detections" else changed[field]
    inner[data.draw(st.sampled_from([*sorted(inner), "surplus"]))] = data.draw(ODD)
    assert (row_problem(changed) is None) == VALIDATOR.is_valid(changed), row_problem(changed)


@pytest.mark.parametrize("row", [None, [], "x", 3])
def test_what_is_no_object_is_no_row(row: Any) -> None:
    assert row_problem(row) is not None and not VALIDATOR.is_valid(row)


@pytest.fixture
def run(shop: Path, tiny: Classifier, tmp_path: Path) -> Path:
    settings = ScoreSettings(isolation="thread", rows_per_part=15, progress="none")
    score(shop, tmp_path / "run", classifier=tiny, settings=settings)
    return tmp_path / "run"


def test_a_faultless_run_validates(run: Path) -> None:
    report = validate(run)
    assert report.ok and (report.rows, report.parts) == (40, 3)


def _edit(run: Path) -> None:
    path = run / "part-00001.jsonl"
    path.write_text(path.read_text().replace('"status":"ok"', '"status":"fine"', 1))


def _drop_row(run: Path) -> None:
    path = run / "part-00000.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def _cut(run: Path) -> None:
    path = run / "part-00002.jsonl"
    path.write_bytes(path.read_bytes()[:-30])


def _lose_part(run: Path) -> None:
    (run / "part-00001.jsonl").unlink()


def _surplus_part(run: Path) -> None:
    (run / "part-00009.jsonl").write_text("")


def _forget_part(run: Path) -> None:
    log = run / LOG
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))


def _swap_log(run: Path) -> None:
    log = run / LOG
    log.write_text("".join(reversed(log.read_text().splitlines(keepends=True))))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_edit, "unknown status 'fine'"),
        (_edit, "changed after it was finished"),
        (_drop_row, "has 14 rows"),
        (_cut, "cannot be read after row 9"),
        (_lose_part, "is gone"),
        (_surplus_part, "does not name"),
        (_forget_part, "the parts have 30"),
        (_swap_log, "begins at row 30, expected 0"),
    ],
)
def test_damage_is_found(run: Path, damage: Any, message: str) -> None:
    damage(run)
    report = validate(run)
    assert not report.ok
    assert any(message in problem for problem in report.problems), report.problems


def test_lost_listings_are_found(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    photos = [{"listing_id": f"L{n}", "path": str(shop / "a" / "000.jpg")} for n in range(3)]
    score(photos, tmp_path, classifier=tiny, settings=ScoreSettings(isolation="thread", progress="none"))
    assert validate(tmp_path).ok
    listings = tmp_path / "listings.jsonl"
    whole = listings.read_bytes()
    listings.write_bytes(whole.replace(b'"photos": 1', b'"photos": 9', 1))
    assert validate(tmp_path).problems == (
        "listings.jsonl: changed after the run was finished (its sha256 is not that in the manifest)",
    )
    listings.write_bytes(whole)
    listings.write_bytes(b"".join(listings.read_bytes().splitlines(keepends=True)[:2]))
    assert validate(tmp_path).problems == ("the manifest counts 3 listings, listings.jsonl has 2",)
    listings.unlink()
    assert not validate(tmp_path).ok


def test_doubled_identifiers_are_found(shop: Path, tiny: Classifier, tmp_path: Path) -> None:
    photos = [{"id": str(n % 3), "path": str(shop / "a" / "000.jpg")} for n in range(5)]
    score(photos, tmp_path, classifier=tiny, settings=ScoreSettings(isolation="thread", progress="none"))
    assert "2 identifiers occur more than once" in " ".join(validate(tmp_path).problems)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="holds no run"):
        validate(tmp_path)


def test_problems_are_listed_up_to_a_limit(run: Path) -> None:
    path = run / "part-00000.jsonl"
    rows = [{**json.loads(line), "status": "?"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows * 3))
    assert len(validate(run).problems) == 20
