import numpy as np
import pytest

from tests.evaluation.tables import make_table
from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import concatenate, read_scores, score_table, write_scores

ROW = {"path": "a.jpg", "group": "ivory", "leaf": "ivory_raw", "source": "s", "object_id": "1"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_survives_its_file(tmp_path, suffix):
    table = make_table(50, synthetic=0.3)
    write_scores(table, tmp_path / f"scores{suffix}")
    back = read_scores(tmp_path / f"scores{suffix}")
    assert back.groups == table.groups
    assert back.leaves == table.leaves
    for name in ("path", "source", "object_id", "group", "leaf", "trust", "synthetic", "fold"):
        assert (getattr(back, name) == getattr(table, name)).all(), name
    np.testing.assert_array_equal(back.raw, table.raw)
    np.testing.assert_array_equal(back.leaf_probabilities, table.leaf_probabilities)


def test_optional_columns_default_to_sure_labels_and_photographs():
    table = score_table([ROW], [[1.0]], [[1.0]], groups=["ivory"], leaves=["ivory_raw"])
    assert (table.trust[0], bool(table.synthetic[0]), int(table.fold[0])) == ("high", False, -1)


def test_ambiguous_photos_and_doubtful_labels_are_not_judged():
    rows = [ROW, {**ROW, "group": "ambiguous"}, {**ROW, "trust": "low"}, {**ROW, "trust": "medium"}]
    table = score_table(rows, [[0.0]] * 4, [[1.0]] * 4, groups=["ivory"], leaves=["ivory_raw"])
    assert table.judged.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("row", "raw", "message"),
    [
        ({**ROW, "group": "pangolin"}, [[0.0]], "pangolin"),
        ({k: v for k, v in ROW.items() if k != "source"}, [[0.0]], "source"),
        (ROW, [[np.nan]], "finite"),
        ({**ROW, "synthetic": "1.0"}, [[0.0]], "synthetic must be one of"),  # it would be measured as a photograph
        ({**ROW, "synthetic": np.nan}, [[0.0]], "synthetic must be one of"),
        ({**ROW, "trust": "Low"}, [[0.0]], "trust must be one of"),
    ],
)
def test_unusable_rows_are_refused(row, raw, message):
    with pytest.raises(ArgumentError, match=message):
        score_table([row], raw, [[1.0]], groups=["ivory"], leaves=["ivory_raw"])


def test_other_suffixes_and_other_files_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="parquet"):
        write_scores(make_table(5), tmp_path / "scores.json")
    (tmp_path / "scores.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ArgumentError, match="no columns raw_GROUP"):
        read_scores(tmp_path / "scores.csv")
    (tmp_path / "scores.parquet").write_text("no parquet")
    with pytest.raises(ArgumentError, match="not a score table"):
        read_scores(tmp_path / "scores.parquet")
    write_scores(make_table(1), tmp_path / "far.csv")
    far = (tmp_path / "far.csv").read_text().splitlines()
    far[1] = ",".join(
        "9" * 23 if name == "fold" else v for name, v in zip(far[0].split(","), far[1].split(","), strict=True)
    )
    (tmp_path / "far.csv").write_text("\n".join(far) + "\n")
    with pytest.raises(ArgumentError, match="not a score table"):
        read_scores(tmp_path / "far.csv")
    with pytest.raises(ArgumentError, match="no score table at"):
        read_scores(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize(
    ("encoding", "before", "after", "message"),
    [("latin-1", "0.jpg", "é.jpg", "not a score table in UTF-8"), ("utf-8", "\r\n", ",9\r\n", "more fields"),
     ("utf-8", "photos/0.jpg", '"' + "x" * 200_000, "not a score table in UTF-8")],
)  # fmt: skip
def test_a_csv_of_scores_that_was_damaged_is_refused(tmp_path, encoding, before, after, message):
    write_scores(make_table(5), tmp_path / "scores.csv")
    head, _, rows = (tmp_path / "scores.csv").read_bytes().decode().partition("\r\n")
    (tmp_path / "scores.csv").write_bytes(f"{head}\r\n{rows.replace(before, after)}".encode(encoding))
    with pytest.raises(ArgumentError, match=message):
        read_scores(tmp_path / "scores.csv")


def test_a_csv_of_scores_may_begin_with_a_byte_order_mark(tmp_path):
    write_scores(make_table(5), tmp_path / "scores.csv")
    (tmp_path / "scores.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "scores.csv").read_bytes())
    assert len(read_scores(tmp_path / "scores.csv")) == 5


def test_photos_without_an_object_id_are_objects_of_their_own():
    rows = [{**ROW, "object_id": "", "path": p} for p in ("a.jpg", "b.jpg")]
    table = score_table(rows, [[0.0]] * 2, [[1.0]] * 2, groups=["ivory"], leaves=["ivory_raw"])
    assert table.object_id[0] != table.object_id[1]


def test_folds_are_put_together_but_no_photo_twice():
    table = make_table(30)
    whole = concatenate([table.where(np.arange(30) < 10), table.where(np.arange(30) >= 10)])
    assert (whole.path == table.path).all()
    assert (whole.raw == table.raw).all()
    with pytest.raises(ArgumentError, match="twice"):
        concatenate([table, table])
