from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.data_helpers import picture, record, save
from training.data import Box, read_manifest, write_manifest
from training.data.annotations import Annotation, write_annotations
from training.data.cli import main


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for n in range(8):
        save(tmp_path / f"{n}.jpg", picture(n))
    write_manifest(tmp_path / "m.csv", [record(f"{n}.jpg", source="ab"[n % 2]) for n in range(8)])
    return tmp_path / "m.csv"


def test_validate_says_nothing_of_a_clean_manifest_and_names_a_fault(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(manifest)]) == 0
    assert capsys.readouterr().out == ""
    (manifest.parent / "3.jpg").unlink()
    assert main(["validate", str(manifest), "--fast"]) == 1
    assert capsys.readouterr().out.startswith("missing\t3.jpg")


def test_dedup_names_copies_and_writes_a_manifest_without_them(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dedup", str(manifest)]) == 0
    save(manifest.parent / "5.jpg", picture(2), quality=50)
    out = manifest.parent / "out.csv"
    assert main(["dedup", str(manifest), "--out", str(out)]) == 1
    assert capsys.readouterr().out == "near\tacross_sources\t2.jpg\t5.jpg\n"
    assert [r.path for r in read_manifest(out)] == [f"{n}.jpg" for n in range(8) if n != 5]


def test_split_is_repeatable_and_writes_every_kind(manifest: Path, tmp_path: Path) -> None:
    folds, again = tmp_path / "folds.parquet", tmp_path / "again.parquet"
    for out in (folds, again):
        assert main(["split", str(manifest), "--folds", "4", "--out", str(out)]) == 0
    assert folds.read_bytes() == again.read_bytes()
    assert {r.split for r in read_manifest(folds)} == {f"fold-{n}" for n in range(4)}
    assert main(["split", str(manifest), "--hold-out", "a", "--out", str(folds)]) == 0
    assert {(r.source, r.split) for r in read_manifest(folds)} == {("a", "test"), ("b", "train")}
    loso = tmp_path / "loso.json"
    assert main(["split", str(manifest), "--leave-one-source-out", "--out", str(loso)]) == 0
    assert [fold["name"] for fold in json.loads(loso.read_text())] == ["a", "b"]


def test_stats_prints_a_table_and_writes_a_page(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(manifest), "--out", str(tmp_path / "page")]) == 0
    assert "ivory_worked" in capsys.readouterr().out
    assert (tmp_path / "page" / "stats.html").exists()


def test_audit_names_the_suspect(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaves = ["ivory_worked", "everyday"]
    write_manifest(manifest, [record(f"{n}.jpg", leaf=leaves[n % 2]) for n in range(8)])
    rows = [f"{n}.jpg,{p},{1 - p}" for n, p in enumerate([0.9, 0.1, 0.9, 0.1, 0.02, 0.1, 0.9, 0.1])]
    (tmp_path / "scores.csv").write_text("\n".join(["path,ivory_worked,everyday", *rows]))
    sheet = tmp_path / "sheet.png"
    assert main(["audit", str(manifest), "--scores", str(tmp_path / "scores.csv"), "--sheet", str(sheet)]) == 1
    assert capsys.readouterr().out == "4.jpg\tivory_worked\teveryday\t0.0200\n"
    assert sheet.exists()


def test_an_audit_of_one_leaf_says_that_it_finds_nothing_out(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(manifest, [record(f"{n}.jpg", leaf="ivory_worked") for n in range(8)])
    rows = [f"{n}.jpg,0.1,0.9" for n in range(8)]
    (tmp_path / "scores.csv").write_text("\n".join(["path,ivory_worked,everyday", *rows]))
    assert main(["audit", str(manifest), "--scores", str(tmp_path / "scores.csv")]) == 2
    assert "two leaves" in capsys.readouterr().err


def test_scrub_copies_every_photo(manifest: Path, tmp_path: Path) -> None:
    assert main(["scrub", str(manifest), "--out", str(tmp_path / "clean")]) == 0
    assert len(list((tmp_path / "clean").glob("*.jpg"))) == 8


def test_merge_fills_in_boxes(manifest: Path, tmp_path: Path) -> None:
    write_annotations(
        tmp_path / "b.csv", [Annotation("1.jpg", "ivory", "ivory_worked", (Box(1, 2, 3, 4),), 1.0, "auto")]
    )
    out = tmp_path / "merged.csv"
    assert main(["merge", str(manifest), "--boxes", str(tmp_path / "b.csv"), "--out", str(out)]) == 0
    assert read_manifest(out)[1].boxes == (Box(1, 2, 3, 4),)


def test_import_maps_classes(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "tusk" / "a.jpg", picture(1))
    (tmp_path / "map.yaml").write_text("tusk: ivory_raw\n")
    out = tmp_path / "m.csv"
    command = ["import", "folder", str(tmp_path / "photos"), "--source", "customs", "--out", str(out)]
    assert main(command) == 2, "an unmapped class is an error"
    assert main([*command, "--class-map", str(tmp_path / "map.yaml")]) == 0
    (found,) = read_manifest(out)
    assert (found.path, found.group, found.leaf, found.source) == ("tusk/a.jpg", "ivory", "ivory_raw", "customs")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["validate", "none.csv"], "none.csv"),
        (["import", "coco", ".", "--source", "s", "--out", "o.csv"], "needs --labels"),
        (["import", "folder", ".", "--labels", "x", "--source", "s", "--out", "o.csv"], "no meaning"),
    ],
)
def test_unusable_arguments_are_one_line_and_status_two(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_import_that_finds_nothing_or_loses_photos_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "root", tmp_path / "out.csv"
    root.mkdir()
    wanted = ["import", "folder", str(root), "--source", "shop", "--out", str(out)]
    assert main(wanted) == 2
    assert "no photos found in" in capsys.readouterr().err
    save(root / "ivory_worked" / "a.jpg", picture(0))
    save(root / "b.jpg", picture(1))
    assert main(wanted) == 2
    assert "1 photos lie in no class folder, 'b.jpg' for one" in capsys.readouterr().err
    assert not out.exists()
    (root / "b.jpg").unlink()
    assert main(wanted) == 0
    assert [r.path for r in read_manifest(out)] == ["ivory_worked/a.jpg"]


def test_a_class_map_that_is_no_yaml_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "ivory_worked" / "a.jpg", picture(0))
    (tmp_path / "map.yaml").write_text("a: [", encoding="utf-8")
    wanted = ["import", "folder", str(tmp_path), "--source", "shop", "--out", str(tmp_path / "out.csv")]
    assert main([*wanted, "--class-map", str(tmp_path / "map.yaml")]) == 2
    assert main([*wanted, "--class-map", str(tmp_path)]) == 2  # a folder
    assert "is no YAML" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("coco", "{"),
        ("coco", '{"images": [], "annotations": []}'),
        ("coco", '{"categories": [], "images": [{"id": 1, "file_name": "0.jpg"}], "annotations": []}'),
        ("label-studio", '[{"data": {}, "annotations": [{"result": []}]}]'),
        ("csv", ""),
        ("csv", "file\n0.jpg\n"),
    ],
)
def test_labels_that_cannot_be_read_are_one_line(
    manifest: Path, capsys: pytest.CaptureFixture[str], kind: str, text: str
) -> None:
    labels = manifest.with_name("labels.file")
    labels.write_text(text)
    arguments = ["import", kind, str(manifest.parent), "--source", "s", "--out", str(manifest.with_name("o.csv"))]
    assert main([*arguments, "--labels", str(labels)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([*arguments, "--labels", str(labels), "--column", "path"]) == 2
    assert "OURS=THEIRS" in capsys.readouterr().err
