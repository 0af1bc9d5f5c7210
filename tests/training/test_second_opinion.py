"""What a large classifier still finds when it sees only what a small one ranks highest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training import second_opinion
from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import ScoreTable, score_table, write_scores

ROOT = Path(second_opinion.__file__).parent.parent
N = 400


def table(raw: np.ndarray) -> ScoreTable:
    """A tenth of 400 photos of two shops show ivory; one of a third shop is a render, one has a doubtful label."""
    rows = [
        {
            "path": f"{n:03}.jpg",
            "group": "ivory" if n % 10 == 0 else "none",
            "leaf": "ivory_worked" if n % 10 == 0 else "everyday" if n % 2 else "bone_antler",
            "source": f"shop-{n % 2}",
            "object_id": f"o{n}",
        }
        for n in range(N)
    ]
    rows += [
        {"path": "r.jpg", "group": "none", "leaf": "everyday", "source": "shop-2", "object_id": "r", "synthetic": "1"},
        {
            "path": "d.jpg",
            "group": "ivory",
            "leaf": "ivory_worked",
            "source": "shop-2",
            "object_id": "d",
            "trust": "low",
        },
    ]
    raw = np.concatenate([raw, [9.0, -9.0]])[:, None]
    return score_table(
        rows, raw, np.ones((N + 2, 1)), groups=("ivory",), leaves=("ivory_worked",), fold=np.zeros(N + 2, dtype=int)
    )


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Reports of a small classifier that misses every other ivory, and of a large one that is always right."""
    is_ivory = np.arange(N) % 10 == 0
    noise = np.random.default_rng(0).normal(size=N)
    missed = np.arange(N) % 20 == 10
    for name, raw in (("small", np.where(missed, -5.0, 3.0 * is_ivory + noise)), ("big", 9.0 * is_ivory + noise)):
        (tmp_path / name).mkdir()
        write_scores(table(raw), tmp_path / name / "scores.parquet")
    return tmp_path


def test_what_the_first_misses_is_lost_and_the_rest_is_ranked_by_the_second(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["second_opinion", reports / "small", "--then", reports / "big", "--report", reports / "out"]
    monkeypatch.setattr("sys.argv", [str(a) for a in argv])
    second_opinion.main()
    text = (reports / "out" / "second_opinion.md").read_text(encoding="utf-8")
    assert "400 photographs" in text
    assert "## `ivory`: 40 photos of 1 source" in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    alone, *shares, all_seen = rows[1:]
    assert all_seen[4].startswith("1.000")
    assert alone[4] < "0.5"
    assert [row[1] for row in shares] == ["2 %", "5 %", "10 %", "20 %"]
    assert [row[4][:5] for row in shares] == [row[3] for row in shares]  # the second takes all that it is shown
    assert shares[-1][3] == "0.500"


def test_reports_of_other_photos_are_refused(reports: Path) -> None:
    small, big = (second_opinion.judged_photographs(reports / name) for name in ("small", "big"))
    fewer = small.where(np.arange(len(small.path)) > 0)
    with pytest.raises(ArgumentError, match="other photos"):
        second_opinion.page([("small", fewer)], ("big", big))


def test_the_report_follows_from_the_committed_scores() -> None:
    firsts = [(name, second_opinion.judged_photographs(ROOT / "reports" / name)) for name in ("fast", "default")]
    again = second_opinion.page(
        firsts, ("large", second_opinion.judged_photographs(ROOT / "reports" / "large")), resamples=50
    )
    written = (ROOT / "reports" / "large" / "second_opinion.md").read_text(encoding="utf-8")
    bare = [[line.split(" [")[0] for line in text.splitlines()] for text in (again, written)]
    assert bare[0] == bare[1]
