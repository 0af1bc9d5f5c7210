from __future__ import annotations

from pathlib import Path

import pytest

from wildvision.errors import ArgumentError
from wildvision.evaluation.manifest import boxes_of, read_manifest

HEAD = "path,group,leaf,source,object_id,trust,boxes\n"
GOOD = "a.jpg,ivory,ivory_raw,s,1,high,\n"


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_rows_are_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (row,) = read_manifest(written(tmp_path, HEAD + GOOD, encoding))
    assert row["path"] == "a.jpg"
    assert row["object_id"] == "1"


def test_optional_columns_may_be_missing_and_a_negative_may_have_a_leaf_of_its_own(tmp_path: Path) -> None:
    text = "path,group,leaf,source,object_id\na.jpg,none,umbrellas,s,\nb.jpg,ivory,,s,\n"
    assert len(read_manifest(written(tmp_path, text))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "no rows"),
        ("path,group\na.jpg,ivory\n", "lacks the columns .*source"),
        (HEAD + GOOD + "b.jpg,ivory\n", "line 3: the row is cut off before 'leaf'"),
        (HEAD + "b.jpg,tusks,ivory_raw,s,1,high,\n", "line 2: group must be one of"),
        (HEAD + "b.jpg,ivory,bone_antler,s,1,high,\n", "line 2: a photo of ivory has a leaf of"),
        (HEAD + "b.jpg,none,ivory_raw,s,1,high,\n", "line 2: a photo of no group"),
        (HEAD + "b.jpg,ivory,ivory_raw,s,1,HIGH!,\n", "line 2: trust must be one of"),
        (HEAD + 'b.jpg,ivory,ivory_raw,s,1,high,"[[1, 2, 3, 4]]"\n', "line 2: boxes are"),
        (HEAD + "b.jpg,ivory,ivory_raw,s,1,high,not json\n", "line 2: boxes are"),
        (HEAD + GOOD + GOOD, "line 3: a.jpg is in line 2 already"),
        (HEAD + GOOD + "./x/../" + GOOD, "line 3: ./x/../a.jpg is in line 2 already"),
        (HEAD + " ,ivory,ivory_raw,s,1,high,\n", "line 2: 'path' is empty"),
        (HEAD + "b.jpg,ivory,ivory_raw,,1,high,\n", "line 2: 'source' is empty"),
        (HEAD + "b.jpg,ivory,ivory_raw,s,1,high,,9\n", "line 2: the row has more fields"),
        (HEAD + 'b.jpg,ivory,ivory_raw,s,1,high,"[{""box"": [5, 1, 2, 3]}]"\n', "line 2: boxes are"),
        (HEAD + 'b.jpg,ivory,ivory_raw,s,1,high,"[{""box"": [NaN, 1, 2, 3]}]"\n', "line 2: boxes are"),
        ("path,group,leaf,source,object_id,synthetic\nb.jpg,ivory,ivory_raw,s,1,1.0\n", "synthetic must be one of"),
        (HEAD + GOOD + '"b.jpg' + "x" * 200_000 + "\n", "is a quote left open"),
    ],
)
def test_a_manifest_that_is_not_one_is_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_manifest(written(tmp_path, text))


def test_other_encodings_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no manifest"):
        read_manifest(tmp_path / "nowhere.csv")
    with pytest.raises(ArgumentError, match="not UTF-8"):
        read_manifest(written(tmp_path, HEAD + "café.jpg,none,everyday,s,1,high,\n", "latin-1"))


def test_boxes_are_read_as_numbers() -> None:
    assert boxes_of({"boxes": '[{"box": [1, 2, 3, 4.5]}]'}) == [[1.0, 2.0, 3.0, 4.5]]
    assert boxes_of({}) == []
    with pytest.raises(ArgumentError, match="boxes are"):
        boxes_of({"boxes": '[{"box": [1, 2, 3]}]'})
    for endless in ('[{"box": [1, 2, 3, ' + "9" * 400 + "]}]", "[" * 100_000):
        with pytest.raises(ArgumentError, match="boxes are"):
            boxes_of({"boxes": endless})
    with pytest.raises(ArgumentError, match="in pixels of the photo, not in shares"):
        boxes_of({"boxes": '[{"box": [0.1, 0.2, 0.7, 1.0]}]'})
