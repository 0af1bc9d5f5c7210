from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.classifier import errors
from wildvision.evaluation.scores import ScoreTable, score_table, write_scores
from wildvision.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()


def table() -> ScoreTable:
    """Ivory of two museums and 200 bones; two of each are on the wrong side of where they should be, and a render."""
    rows, raw = [], []
    for i in range(200):
        rows.append(
            {"path": f"bone-{i}.png", "group": "none", "leaf": "bone_antler", "source": "shop", "object_id": ""}
        )
        raw.append(5.0 + i if i < 2 else -i / 100)
    for i, source in enumerate(["large", "large", "large", "small"]):
        rows.append(
            {"path": f"{source}-{i}.png", "group": "ivory", "leaf": "ivory_worked", "source": source, "object_id": ""}
        )
        raw.append(3.0 if i == 0 else -9.0)
    rows.append({**rows[-1], "path": "render.png", "source": "renders", "synthetic": True})
    raw.append(-9.0)
    logits = np.full((len(rows), len(TAXONOMY.group_names)), -9.0)
    logits[:, TAXONOMY.group_names.index("ivory")] = raw
    leaves = np.full((len(rows), len(TAXONOMY.class_names)), 1 / len(TAXONOMY.class_names))
    return score_table(rows, logits, leaves, groups=TAXONOMY.group_names, leaves=TAXONOMY.class_names)


def test_misses_come_in_turns_from_their_sources_and_false_alarms_from_the_top() -> None:
    found = errors.choose_errors(table(), 10, seed=0)
    missed = [e for e in found if e.kind == "missed"]
    assert {missed[0].source, missed[1].source} == {"large", "small"}
    assert sorted(e.path for e in missed) == ["large-1.png", "large-2.png", "small-3.png"]
    assert [e.path for e in found if e.kind == "false"] == ["bone-1.png", "bone-0.png"]
    assert {e.group for e in found} == {"ivory"}  # nothing can be missed of a group without photos
    assert len(errors.choose_errors(table(), 1, seed=0)) == 2


def test_sheets_and_list_carry_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = table()
    for path in scores.path.tolist():
        cv2.imwrite(str(tmp_path / path), np.full((20, 30, 3), 200, np.uint8))
    write_scores(scores, tmp_path / "scores.parquet")
    argv = ["errors", str(tmp_path), "--data", str(tmp_path), "--to", str(tmp_path / "sheets"), "--count", "3"]
    monkeypatch.setattr("sys.argv", argv)
    errors.main()
    assert "ivory missed: 3 of 3" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "sheets").iterdir()) == [
        "ivory-false-1.jpg",
        "ivory-missed-1.jpg",
        "photos.csv",
    ]
    with (tmp_path / "sheets" / "photos.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["kind"] for row in rows] == ["missed"] * 3 + ["false"] * 2


def test_a_fold_without_negatives_has_no_errors() -> None:
    scores = table()
    alone = scores.path == "small-3.png"
    split = replace(scores, fold=np.where(alone, 1, 0))
    missed = [e.path for e in errors.choose_errors(split, 10, seed=0) if e.kind == "missed"]
    assert sorted(missed) == ["large-1.png", "large-2.png"]
