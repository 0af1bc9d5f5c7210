from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data_helpers import GROUPS, record
from training.data import Record
from training.data.split import assign_folds, hold_out, inseparable, leave_one_source_out
from wildvision.errors import ArgumentError


@st.composite
def manifests(draw: st.DrawFn) -> tuple[list[Record], list[int]]:
    n = draw(st.integers(8, 40))
    rows = [
        record(
            f"{i}.jpg",
            leaf=draw(st.sampled_from(sorted(GROUPS))),
            source=draw(st.sampled_from("abcd")),
            object_id=draw(st.sampled_from(["", "o1", "o2", "o3"])),
        )
        for i in range(n)
    ]
    clusters = [draw(st.integers(0, n // 3)) if draw(st.integers(0, 4)) == 0 else 100 + i for i in range(n)]
    return rows, clusters


@settings(max_examples=60, deadline=None)
@given(manifests(), st.sampled_from(["object", "source"]), st.integers(0, 3))
def test_no_fold_divides_an_object_a_near_duplicate_or_on_request_a_source(
    manifest: tuple[list[Record], list[int]], by: str, seed: int
) -> None:
    records, clusters = manifest
    try:
        folded = assign_folds(records, clusters, folds=2, by=by, seed=seed)
    except ArgumentError as error:
        assert "inseparable" in str(error)
        return
    assert folded == assign_folds(records, clusters, folds=2, by=by, seed=seed)
    where: dict[object, set[str]] = {}
    for r, cluster in zip(folded, clusters, strict=True):
        where.setdefault(("cluster", cluster), set()).add(r.split)
        if r.object_id:
            where.setdefault(("object", r.source, r.object_id), set()).add(r.split)
        if by == "source":
            where.setdefault(("source", r.source), set()).add(r.split)
    assert all(len(folds) == 1 for folds in where.values())


def test_folds_are_alike_in_leaves() -> None:
    records = [record(f"{i}.jpg", leaf=leaf, object_id=str(i // 2)) for i, leaf in enumerate(["ivory_raw"] * 20)]
    records += [record(f"n{i}.jpg", leaf="everyday") for i in range(40)]
    folded = assign_folds(records, range(60), folds=5)
    assert set(Counter((r.split, r.leaf) for r in folded).values()) == {4, 8}


def test_another_seed_gives_another_split() -> None:
    records = [record(f"{i}.jpg") for i in range(40)]
    assert assign_folds(records, range(40), folds=4) != assign_folds(records, range(40), folds=4, seed=1)


@settings(max_examples=60, deadline=None)
@given(manifests())
def test_leave_one_source_out_never_trains_on_what_it_tests(manifest: tuple[list[Record], list[int]]) -> None:
    records, clusters = manifest
    folds = list(leave_one_source_out(records, clusters))
    assert [f.name for f in folds] == sorted({r.source for r in records})
    for f in folds:
        assert {records[i].source for i in f.test} == {f.name}
        assert f.name not in {records[i].source for i in f.train}
        assert not {clusters[i] for i in f.train} & {clusters[i] for i in f.test}
        assert sorted(f.train + f.test + f.dropped) == list(range(len(records)))


def test_a_near_duplicate_in_another_source_is_dropped_from_training() -> None:
    records = [record("a.jpg", source="a"), record("b.jpg", source="b"), record("b2.jpg", source="b")]
    first, second = leave_one_source_out(records, [0, 0, 1])
    assert (first.train, first.dropped) == ((2,), (1,))
    assert (second.train, second.dropped) == ((), (0,))


def test_small_sources_are_pooled() -> None:
    records = [record(f"{s}{i}.jpg", source=s) for s, n in (("a", 5), ("b", 1), ("c", 2)) for i in range(n)]
    assert [f.name for f in leave_one_source_out(records, range(8), pool_below=3)] == ["a", "b+c"]


def test_hold_out_names_train_test_and_dropped() -> None:
    records = [record("a.jpg", source="a"), record("b.jpg", source="b"), record("c.jpg", source="c")]
    assert [r.split for r in hold_out(records, [0, 0, 1], ["a"])] == ["test", "dropped", "train"]
    with pytest.raises(ArgumentError, match=r"unknown sources \['z'\]"):
        hold_out(records, [0, 1, 2], ["z"])


def test_chains_hold_together() -> None:
    records = [record("a.jpg", object_id="1"), record("b.jpg", object_id="1"), record("c.jpg", source="shop")]
    assert inseparable(records, [0, 1, 1], by="object") == [0, 0, 0]
    assert inseparable(records, [0, 1, 2], by="object") == [0, 0, 1]


@pytest.mark.parametrize("folds", [1, 4])
def test_an_impossible_number_of_folds_is_refused(folds: int) -> None:
    with pytest.raises(ArgumentError, match=f"folds = {folds}"):
        assign_folds([record(f"{i}.jpg") for i in range(3)], range(3), folds=folds)
