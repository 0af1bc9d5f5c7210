from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildvision.errors import ArgumentError, WildvisionError
from wildvision.scoring.store import NEAR, CacheKey, Originals, ScoreCache, _flat

A, B, C = (letter * 64 for letter in "abc")


def test_scores_are_kept_by_content_and_model(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "cache.sqlite")
    first = ScoreCache(CacheKey(path, "model-1"))
    first.put({A: {"scores": {"ivory": 0.5}}})
    first.close()
    again, other = ScoreCache(CacheKey(path, "model-1")), ScoreCache(CacheKey(path, "model-2"))
    assert again.get(A) == {"scores": {"ivory": 0.5}}
    assert again.get(B) is None
    assert other.get(A) is None
    reader = ScoreCache(CacheKey(path, "model-1"), readonly=True)
    assert reader.knows(A) and not reader.knows(B)


def test_equal_files_are_copies_of_the_first(tmp_path: Path) -> None:
    with Originals(tmp_path / "o.sqlite", since=0, near=False) as originals:
        assert originals.find_or_add(A, None, 0, "zero") is None
        assert originals.find_or_add(B, None, 1, "one") is None
        assert originals.find_or_add(A, None, 2, "two") == ("zero", A)


def test_what_came_after_the_last_finished_part_is_forgotten(tmp_path: Path) -> None:
    with Originals(tmp_path / "o.sqlite", since=0, near=True) as originals:
        originals.find_or_add(A, "0123456789abcdef", 0, "zero")
        originals.find_or_add(B, "fedcba9876543210", 5, "five")
        originals.commit(1)
    with Originals(tmp_path / "o.sqlite", since=5, near=True) as originals:
        assert originals.find_or_add(B, "fedcba9876543210", 5, "five again") is None
        assert originals.find_or_add(C, "0123456789abcdee", 6, "six") == ("zero", A)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(0, 2**64 - 1),
    flips=st.sets(st.integers(0, 63), max_size=6),
)
def test_near_duplicates_are_found_exactly_up_to_three_bits(
    tmp_path_factory: pytest.TempPathFactory, bits: int, flips: set[int]
) -> None:
    other = bits
    for flip in flips:
        other ^= 1 << flip
    with Originals(tmp_path_factory.mktemp("near") / "o.sqlite", since=0, near=True) as originals:
        originals.find_or_add(A, f"{bits:016x}", 0, "zero")
        found = originals.find_or_add(B, f"{other:016x}", 1, "one")
    expected = len(flips) <= NEAR and not _flat(bits) and not _flat(other)
    assert (found == ("zero", A)) is expected


def test_the_nearest_original_wins_and_copies_are_not_originals(tmp_path: Path) -> None:
    with Originals(tmp_path / "o.sqlite", since=0, near=True) as originals:
        base = 0x0123456789ABCDEF
        originals.find_or_add(A, f"{base:016x}", 0, "zero")
        originals.find_or_add(B, f"{base ^ 0b111111:016x}", 1, "one")
        assert originals.find_or_add(C, f"{base ^ 0b1111:016x}", 2, "two") == ("one", B)
        # five bits from "zero" and one from the copy "two", which does not count
        assert originals.find_or_add("d" * 64, f"{base ^ 0b11111 << 20:016x}", 3, "three") is None


def test_empty_pictures_are_no_near_duplicates(tmp_path: Path) -> None:
    with Originals(tmp_path / "o.sqlite", since=0, near=True) as originals:
        assert originals.find_or_add(A, "0" * 16, 0, "black") is None
        assert originals.find_or_add(B, "0" * 16, 1, "white") is None


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("not a database, and longer than the header of one " * 9)
    with pytest.raises(ArgumentError, match="cannot be used as a score cache"):
        ScoreCache(CacheKey(str(other), "model"))
    assert other.read_text().startswith("not a database")


def test_originals_that_a_full_disk_took_back_are_not_passed_over(tmp_path: Path) -> None:
    with Originals(tmp_path / "o.sqlite", since=0, near=False) as originals:
        originals.find_or_add(A, None, 0, "zero")
        originals.commit(1)
        originals.commit(1)
        originals.find_or_add(B, None, 1, "one")
        originals._db.rollback()  # what SQLite does by itself when the disk is full
        with pytest.raises(WildvisionError, match="free some space"):
            originals.commit(1)


def test_a_cache_that_breaks_says_which_file(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cache = ScoreCache(CacheKey(str(path), "model"))
    cache.put({A: {"status": "ok"}})
    cache._db.execute("DROP TABLE scores")
    for use in (lambda: cache.get(A), lambda: cache.knows(A), lambda: cache.put({A: {}})):
        with pytest.raises(WildvisionError, match=r"c\.sqlite failed"):
            use()
    cache.close()
