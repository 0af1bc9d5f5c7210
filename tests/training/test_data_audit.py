from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.data_helpers import record
from training.data.audit import audit, read_scores
from wildvision.errors import ArgumentError

CLASSES = ["ivory_worked", "bone_antler", "everyday", "ivory_raw"]


def example(n: int = 60) -> tuple[list, list[str], np.ndarray]:
    rng = np.random.default_rng(0)
    labels = [CLASSES[i % 3] for i in range(n)]
    scores = rng.dirichlet([1, 1, 1, 0.1], n) * 0.3
    scores[np.arange(n), [CLASSES.index(x) for x in labels]] += 0.7
    return [record(f"{i}.jpg", leaf=x) for i, x in enumerate(labels)], [f"{i}.jpg" for i in range(n)], scores


def test_a_planted_wrong_label_is_found_by_name_with_the_right_one() -> None:
    records, paths, scores = example()
    assert audit(records, paths, CLASSES, scores) == []
    records[7] = replace(records[7], leaf="ivory_worked", group="ivory")  # truly bone_antler
    (suspect,) = audit(records, paths, CLASSES, scores)
    assert (suspect.record.path, suspect.suggested) == ("7.jpg", "bone_antler")
    assert suspect.quality < 0.3


def test_order_of_the_scores_and_photos_without_scores_do_not_matter() -> None:
    records, paths, scores = example()
    records[7] = replace(records[7], leaf="ivory_worked", group="ivory")
    records.append(record("unscored.jpg"))
    records[8] = replace(records[8], leaf="ivory_minor", group="ambiguous")
    (suspect,) = audit(records, paths[::-1], CLASSES, scores[::-1])
    assert suspect.record.path == "7.jpg"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_scores_are_read_from_a_table(tmp_path: Path, suffix: str) -> None:
    import pandas as pd

    table = pd.DataFrame({"path": ["a.jpg"], "ivory_worked": [0.25], "everyday": [0.75]})
    path = tmp_path / f"scores{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    paths, classes, scores = read_scores(path)
    assert (paths, classes, scores.tolist()) == (["a.jpg"], ["ivory_worked", "everyday"], [[0.25, 0.75]])


def test_unusable_scores_are_refused() -> None:
    records, paths, scores = example()
    with pytest.raises(ArgumentError, match=r"shape \(60, 4\), expected \(60, 3\)"):
        audit(records, paths, CLASSES[:3], scores)
    with pytest.raises(ArgumentError, match=r"no column of scores for the leaves \['everyday'\]"):
        audit(records, paths, CLASSES[:2], scores[:, :2])


def test_our_own_score_tables_are_read_by_their_leaves(tmp_path: Path) -> None:
    import pandas as pd

    facts = {"path": ["a.jpg"], "group": ["ivory"], "raw_ivory": [3.0], "fold": [0]}
    pd.DataFrame(facts | {"leaf_ivory_worked": [0.25], "leaf_everyday": [0.75]}).to_parquet(tmp_path / "s.parquet")
    paths, classes, scores = read_scores(tmp_path / "s.parquet")
    assert (paths, classes, scores.tolist()) == (["a.jpg"], ["ivory_worked", "everyday"], [[0.25, 0.75]])
    pd.DataFrame(facts).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(ArgumentError, match=r"the columns \['group'\] hold no numbers"):
        read_scores(tmp_path / "s.csv")
