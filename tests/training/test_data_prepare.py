from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.training.data_helpers import picture, record, save
from training import prepare
from training.composer import BackgroundBank, CutoutBank
from training.data import Box, Record, masks, read_manifest, write_manifest
from training.data.annotations import Annotation, write_annotations
from wildvision.errors import ArgumentError


class WholeDisc:
    """Stands in for the mask network: the bright disc of the test photos."""

    def __init__(self, model: object) -> None: ...

    def __call__(self, image: np.ndarray) -> np.ndarray:
        mask = np.zeros(image.shape[:2], np.uint8)
        cv2.circle(mask, (120, 100), 51, 255, -1)
        return mask


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(masks, "Masker", WholeDisc)
    records = []
    for n, leaf in enumerate(["ivory_worked", "ivory_worked", "bone_antler", "bone_antler", "everyday", "everyday"]):
        image = picture(n, 200, 240) // 3
        cv2.circle(image, (120, 100), 50, (200, 30 * n, 90), -1)
        save(tmp_path / "photos" / f"{n}.jpg", image)
        records.append(record(f"{n}.jpg", leaf=leaf, source=f"source{n % 3}"))
    write_manifest(tmp_path / "photos" / "manifest.csv", records)
    found = [Annotation(f"{n}.jpg", "ivory", "ivory_worked", (Box(69, 49, 172, 152),), 1.0, "auto") for n in (0, 1)]
    write_annotations(tmp_path / "boxes.csv", found)
    text = {
        "photos": str(tmp_path / "photos" / "manifest.csv"),
        "annotations": str(tmp_path / "boxes.csv"),
        "seed": 1,
        "folds": 2,
        "masked": {"bone_antler": 1},
        "renders": [{"out": str(tmp_path / "renders"), "count": 4, "seed": 2, "leaf": ["ivory_raw", "bone_antler"]}],
    }
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(text))
    return tmp_path / "data.yaml"


def test_one_command_makes_manifest_masks_and_banks_and_repeats_to_the_byte(config: Path, tmp_path: Path) -> None:
    written = []
    for out in (tmp_path / "one", tmp_path / "two"):
        assert prepare.main([str(config), "--out", str(out), "--no-renders"]) == 0
        written.append({p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()})
    assert written[0] == written[1]
    records = read_manifest(tmp_path / "one" / "manifest.csv")
    assert [bool(r.boxes) for r in records] == [True, True, False, False, False, False]
    splits = {r.source: r.split for r in records}
    assert all(splits[r.source] == r.split for r in records), "no source is divided"
    bank = CutoutBank.load(tmp_path / "one" / "composer")
    assert sorted(c.leaf for c in bank.cutouts) == ["bone_antler", "bone_antler", "ivory_worked", "ivory_worked"]
    backgrounds = BackgroundBank.load(tmp_path / "one" / "composer").backgrounds
    assert {b.path for b in backgrounds if b.kind == "photo"} == {"4.jpg", "5.jpg"}


def test_masks_are_capped_for_each_leaf_and_source_and_never_for_products() -> None:
    records = [record(f"i{n}.jpg") for n in range(5)]
    records += [record(f"b{n}.jpg", leaf="bone_antler", source=f"s{n % 2}") for n in range(10)]
    records += [record(f"e{n}.jpg", leaf="everyday") for n in range(5)]
    records.append(Record("walrus.jpg", "ambiguous", "marine_ivory", "m"))
    chosen = prepare.to_mask(records, {"bone_antler": 3}, seed=1)
    assert [r.leaf for r in chosen] == ["ivory_worked"] * 5 + ["bone_antler"] * 6
    assert chosen == prepare.to_mask(records[:5] + records[5:][::-1], {"bone_antler": 3}, seed=1)
    assert chosen != prepare.to_mask(records, {"bone_antler": 3}, seed=2)


def test_a_broken_manifest_stops_everything_and_is_named(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "3.jpg").write_bytes(b"no photo")
    assert prepare.main([str(config), "--out", str(tmp_path / "out"), "--no-renders"]) == 2
    assert "3.jpg: unreadable" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_renderer_is_called_with_the_configuration_and_its_failure_is_said(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    seen: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> None:
        seen.append(command)
        raise subprocess.CalledProcessError(3, command)

    monkeypatch.setattr(prepare.subprocess, "run", run)
    assert prepare.main([str(config), "--out", str(tmp_path / "out"), "--workers", "2"]) == 1
    assert "status 3" in capsys.readouterr().err
    assert seen[0][:3] == [sys.executable, "-m", "training.synth.render"]
    expected = f"--workers 2 --count 4 --leaf ivory_raw --leaf bone_antler --out {tmp_path / 'renders'} --seed 2"
    assert seen[0][3:] == expected.split()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown keys"),
        ({"masked": {"tusk": 3}}, r"unknown leaves \['tusk'\]"),
        ({"renders": [{"count": 1, "seed": 1}]}, r"lacks \['out'\]"),
    ],
)
def test_a_wrong_configuration_is_refused(config: Path, change: dict[str, object], message: str) -> None:
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **change}))
    with pytest.raises(ArgumentError, match=message):
        prepare.load_config(config)


def test_the_configuration_of_the_project_is_valid() -> None:
    root = Path(__file__).parents[2]
    loaded = prepare.load_config(root / "configs" / "data.yaml")
    assert (root / loaded.annotations).is_file()
    assert all(run["out"].startswith("renders/") for run in loaded.renders), "kept out of version control"
