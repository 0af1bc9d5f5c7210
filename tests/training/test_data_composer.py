from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.data_helpers import picture, record, save
from training.composer import BackgroundBank, Cutout, CutoutBank, Recipe, check_bank, compose, pile, piles
from training.composer.__main__ import main
from training.composer.backgrounds import Background, bare_ground, build_backgrounds
from training.composer.cutouts import RENDERED, build_cutouts, cut_out, sharpen_alpha
from training.composer.harmonise import Light, cast_shadow
from training.composer.rendered import rendered_cutouts
from training.data import Box, write_manifest
from training.data.masks import U2NETP, mask_path
from wildvision.errors import ArgumentError

RED, GREEN = (220, 20, 20), (20, 220, 20)


def disc(colour: tuple[int, int, int], leaf: str, group: str, n: int) -> Cutout:
    pixels = np.zeros((80, 80, 4), np.uint8)
    pixels[..., :3] = colour
    cv2.circle(pixels, (40, 40), 39, (*colour, 255), -1)
    return Cutout(pixels, leaf, group, f"source{n % 3}", f"object{n}", f"{n}.jpg")


@pytest.fixture(scope="module")
def cutouts() -> CutoutBank:
    products = [disc(RED, "ivory_worked", "ivory", n) for n in range(6)]
    return CutoutBank([*products, *(disc(GREEN, "bone_antler", "none", n) for n in range(6))])


@pytest.fixture(scope="module")
def backgrounds() -> BackgroundBank:
    grey = [np.full((256, 300, 3), 100 + 10 * n, np.uint8) for n in range(5)]
    return BackgroundBank(Background(p, "photo", f"source{n % 2}", f"{n}.jpg") for n, p in enumerate(grey))


def pictures(n: int, cutouts: CutoutBank, backgrounds: BackgroundBank, **recipe: object) -> list:
    rng = np.random.default_rng(0)
    return [compose(rng, cutouts, backgrounds, Recipe(size=128, **recipe)) for _ in range(n)]  # type: ignore[arg-type]


def test_a_picture_has_the_promised_shape_and_boxes_inside_it(cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    for image, boxes, labels in pictures(60, cutouts, backgrounds):
        assert (image.shape, image.dtype) == ((128, 128, 3), np.uint8)
        assert (boxes.shape, boxes.dtype) == ((len(labels), 4), np.float32)
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert boxes.size == 0 or (boxes.min() >= 0 and boxes.max() <= 128)
        assert set(labels) <= {"ivory_worked", "bone_antler"}


def test_the_same_seed_gives_the_same_bytes(cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    for a, b in zip(pictures(20, cutouts, backgrounds), pictures(20, cutouts, backgrounds), strict=True):
        assert a.image.tobytes() == b.image.tobytes()
        assert a.boxes.tobytes() == b.boxes.tobytes()
        assert a.labels == b.labels


@pytest.mark.parametrize("layout", ["one", "few", "heap", "collage"])
def test_boxes_are_tight_around_what_was_pasted(layout: str, cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    for image, boxes, labels in pictures(25, cutouts, backgrounds, layouts={layout: 1.0}, positive_share=1.0):
        reddish = image[..., 0].astype(int) - image[..., 1:].max(axis=-1) > 40
        for box, label in zip(boxes.astype(int), labels, strict=True):
            if label != "ivory_worked":
                continue
            inside = reddish[box[1] : box[3], box[0] : box[2]]
            assert inside.mean() > 0.25, "a box shows its object"
        if len(boxes) == 1 and labels[0] == "ivory_worked" and layout == "one":
            ys, xs = np.nonzero(reddish)
            assert np.abs(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) - boxes[0]).max() <= 4


def test_shares_of_products_and_of_empty_pictures_are_kept(cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    assert not any("ivory_worked" in p.labels for p in pictures(100, cutouts, backgrounds, positive_share=0.0))
    always = pictures(100, cutouts, backgrounds, positive_share=1.0)
    assert np.mean(["ivory_worked" in p.labels for p in always]) > 0.95
    empty = pictures(100, cutouts, backgrounds, positive_share=0.0, empty_share=1.0, layouts={"one": 1.0})
    assert all(len(p.boxes) == 0 for p in empty)


def test_pasting_is_no_cue_products_and_look_alikes_are_laid_out_alike(
    cutouts: CutoutBank, backgrounds: BackgroundBank
) -> None:
    facts = []
    for share in (0.0, 1.0):
        made = pictures(500, cutouts, backgrounds, positive_share=share, empty_share=0.0)
        sides = np.concatenate([(p.boxes[:, 2:] - p.boxes[:, :2]).max(axis=1) for p in made])
        facts.append((np.mean([len(p.boxes) for p in made]), sides.mean(), np.mean([p.image.mean() for p in made])))
    for look_alikes, products in zip(*facts, strict=True):
        assert products == pytest.approx(look_alikes, rel=0.15)


def test_a_pile_shows_much_of_one_leaf_and_is_the_same_for_the_same_seed(backgrounds: BackgroundBank) -> None:
    def bar(colour: tuple[int, int, int], leaf: str, group: str) -> Cutout:
        return Cutout(np.full((14, 90, 4), (*colour, 255), np.uint8), leaf, group, "source", leaf, f"{leaf}.jpg")

    bank = CutoutBank([bar(RED, "ivory_raw", "ivory"), bar(GREEN, "bone_antler", "none")])
    for leaf, channel in (("ivory_raw", 0), ("bone_antler", 1)):
        shares = []
        for seed in range(40):
            image, boxes, hidden = pile(np.random.default_rng(seed), bank, backgrounds, leaf, size=96)
            assert (image.shape, image.dtype) == ((96, 96, 3), np.uint8)
            again = pile(np.random.default_rng(seed), bank, backgrounds, leaf, size=96)
            assert [part.tobytes() for part in again] == [part.tobytes() for part in (image, boxes, hidden)]
            assert len(boxes) + len(hidden) > 4
            inside = np.zeros((96, 96), bool)
            for x0, y0, x1, y1 in np.concatenate([boxes, hidden]).astype(int):
                inside[y0:y1, x0:x1] = True
            others = np.delete(image.astype(int), channel, axis=-1).max(axis=-1)
            shares.append(float((image[..., channel] - others > 30).mean()))
            assert (others - image[..., channel] > 60).mean() < 0.01, "nothing of another leaf"
            assert (image[..., channel] - others > 60)[~inside].mean() < 0.02, "what lies there is in some box"
        assert min(shares) > 0.05
        assert 0.2 < np.mean(shares) < 0.9
    with pytest.raises(ArgumentError, match="no cut-outs of 'rhino_horn_raw'"):
        pile(np.random.default_rng(0), bank, backgrounds, "rhino_horn_raw", size=96)


def test_only_what_lies_clear_in_a_pile_has_a_box_of_its_own() -> None:
    owner = np.zeros((20, 20), np.int16)
    owner[0:10, 0:10] = 1
    owner[5:10, 0:10] = 2  # half of the first is covered
    owner[15:20, 4:8] = 4  # the third is out of sight, two thirds of the fourth are beyond the edge
    boxes, hidden = piles._boxes(owner, [100, 50, 30, 60])
    assert boxes.tolist() == [[0, 5, 10, 10]]
    assert hidden.tolist() == [[0, 0, 10, 5], [4, 15, 8, 20]]
    for found in piles._boxes(np.zeros((20, 20), np.int16), [9]):
        assert found.shape == (0, 4)


def test_leaves_objects_and_views_take_turns() -> None:
    rare = disc(RED, "ivory_raw", "ivory", 0)
    common = [replace(disc(RED, "ivory_worked", "ivory", 1), path=f"{n}.jpg") for n in range(98)]
    bank = CutoutBank([rare, *common, disc(RED, "ivory_worked", "ivory", 2)])
    rng = np.random.default_rng(0)
    drawn = [bank.draw(rng, positive=True) for _ in range(800)]
    assert np.mean([c.leaf == "ivory_raw" for c in drawn]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([c.object_id == "object2" for c in drawn]) == pytest.approx(0.25, abs=0.08)


def test_one_photographed_object_weighs_as_much_as_several_renders() -> None:
    photos = [disc(RED, "ivory_raw", "ivory", n) for n in range(2)]
    renders = [replace(disc(RED, "ivory_raw", "ivory", n), source=f"{RENDERED}train") for n in range(8)]
    rng = np.random.default_rng(0)
    for bank, share in (
        (CutoutBank([*photos, *renders]), 0.2),
        (CutoutBank([*photos, *renders], photo_weight=4.0), 0.5),
        (CutoutBank([*photos, *renders], photo_weight=4.0).without_sources({"source1"}), 1 / 3),
        (CutoutBank(renders, photo_weight=4.0), 0.0),
    ):
        drawn = [bank.draw(rng, positive=True) for _ in range(1000)]
        assert np.mean([not c.rendered for c in drawn]) == pytest.approx(share, abs=0.05)


def test_held_out_sources_leave_both_banks(cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    assert {c.source for c in cutouts.without_sources({"source0"}).cutouts} == {"source1", "source2"}
    assert {b.source for b in backgrounds.without_sources({"source0"}).backgrounds} == {"source1"}


def test_a_bank_of_photos_that_are_gone_or_called_otherwise_is_refused() -> None:
    bank = CutoutBank(disc(RED, "ivory_worked", "ivory", n) for n in range(3))
    rows = [record(c.path, leaf=c.leaf, source=c.source) for c in bank.cutouts]
    check_bank(bank, rows)
    check_bank(bank, [replace(r, path=f"/photos/{r.path}") for r in rows], [Path("/photos")])
    other = [replace(r, leaf="resin_plastic", group="none") for r in rows]
    check_bank(
        bank, [replace(r, boxes=(Box(0, 0, 9, 9, leaf="ivory_worked"),)) for r in other]
    )  # lies beside the resin
    with pytest.raises(ArgumentError, match=r"2 cut-outs .*'1\.jpg' \(ivory_worked\)"):
        check_bank(bank, rows[:1])
    with pytest.raises(ArgumentError, match=r"3 cut-outs .* call otherwise"):
        check_bank(bank, other)
    rendered = CutoutBank(replace(c, source=f"{RENDERED}train") for c in bank.cutouts)
    check_bank(
        rendered, [replace(r, source=f"{RENDERED}train") for r in other]
    )  # a render's row names one of its objects


def test_an_empty_bank_is_refused(cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ArgumentError, match="no product cut-outs"):
        CutoutBank([]).draw(rng, positive=True)
    with pytest.raises(ArgumentError, match="no cut-outs of 'ivory_raw'; the bank has ivory_worked"):
        cutouts.draw(rng, positive=True, leaf="ivory_raw")
    with pytest.raises(ArgumentError, match="no backgrounds"):
        BackgroundBank([]).draw(rng, 10, 10)


def test_banks_are_saved_and_loaded(tmp_path: Path, cutouts: CutoutBank, backgrounds: BackgroundBank) -> None:
    cutouts.save(tmp_path)
    backgrounds.save(tmp_path)
    loaded = CutoutBank.load(tmp_path)
    assert [(c.leaf, c.path, c.pixels.tobytes()) for c in loaded.cutouts] == [
        (c.leaf, c.path, c.pixels.tobytes()) for c in cutouts.cutouts
    ]
    again = compose(np.random.default_rng(3), loaded, BackgroundBank.load(tmp_path))
    assert again.image.tobytes() == compose(np.random.default_rng(3), cutouts, backgrounds).image.tobytes()
    before = (tmp_path / "cutouts.npy").read_bytes()
    loaded.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "cutouts.npy").read_bytes() == before


def scene_with_disc() -> tuple[np.ndarray, np.ndarray]:
    image = np.full((200, 240, 3), GREEN, np.uint8)
    mask = np.zeros((200, 240), np.uint8)
    cv2.circle(image, (120, 100), 50, RED, -1)
    cv2.circle(mask, (120, 100), 51, 255, -1)
    return image, mask


def test_a_cut_out_is_tight_and_keeps_nothing_of_its_old_background() -> None:
    image, mask = scene_with_disc()
    pixels = cut_out(image, mask, side=60)
    assert pixels is not None
    assert pixels.shape == (60, 60, 4)
    seen = pixels[..., 3] > 30
    assert (pixels[seen][:, 0] > 180).all(), "red wherever it shows"
    assert (pixels[seen][:, 1] < 80).all(), "no green rim"
    assert cut_out(image, np.zeros_like(mask)) is None


def test_a_soft_mask_is_snapped_to_the_edge_of_the_object() -> None:
    image, mask = scene_with_disc()
    image = np.where(image == RED, 230, 40).astype(np.uint8)
    soft = cv2.GaussianBlur(mask, (0, 0), 5)
    truth = mask > 0
    wrong = [np.abs((m > 128) ^ truth).sum() + ((m > 25) & (m < 230)).sum() for m in (soft, sharpen_alpha(image, soft))]
    assert wrong[1] < 0.6 * wrong[0]


def test_a_bare_ground_shows_nothing_of_the_object() -> None:
    image, mask = scene_with_disc()
    ground = bare_ground(image, mask)
    assert ground is not None
    assert (ground == GREEN).all()
    assert bare_ground(image, np.full_like(mask, 255)) is None


def test_a_shadow_falls_away_from_the_light_and_only_darkens() -> None:
    scene = np.full((100, 100, 3), 200, np.float32)
    alpha = np.ones((20, 20), np.float32)
    cast_shadow(scene, alpha, 40, 40, Light(angle=0.0, shading=0, shadow=0.5, softness=0.05, reach=0.5, tint=0))
    assert scene.max() <= 200
    assert scene[50, 32].mean() < 150 < 199 < scene[50, 68].mean(), "light from the right, shadow on the left"
    cast_shadow(scene, alpha, 500, 500, Light(0.0, 0, 0.5, 0.05, 0.5, 0))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three objects with masks (one that sees another thing than the box), one everyday photo."""
    image, mask = scene_with_disc()
    for name in ("good", "wrong-box", "bone"):
        save(tmp_path / f"{name}.jpg", image)
        path = mask_path(tmp_path / "masks", U2NETP, f"{name}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)
    save(tmp_path / "plain.jpg", picture(1, 300, 300))
    write_manifest(
        tmp_path / "m.csv",
        [
            record("good.jpg", boxes=(Box(69, 49, 172, 152), Box(0, 0, 240, 200, crowd=True))),
            record("wrong-box.jpg", boxes=(Box(69, 49, 110, 152),)),
            record("bone.jpg", leaf="bone_antler"),
            record("plain.jpg", leaf="everyday"),
        ],
    )
    return tmp_path


def test_only_masks_that_agree_with_accepted_boxes_become_cut_outs(photos: Path) -> None:
    from training.data import read_manifest

    records = read_manifest(photos / "m.csv")
    assert [c.path for c in build_cutouts(records, photos, photos / "masks")] == ["good.jpg", "bone.jpg"]
    assert build_cutouts(records, photos, photos / "masks", min_quality=1.01) == []
    found = build_backgrounds(records, photos, photos / "masks", grounds_per_source=1)
    assert [(b.path, b.kind, b.source) for b in found] == [
        ("wrong-box.jpg", "ground", "museum"),
        ("plain.jpg", "photo", "museum"),
    ]
    assert len(BackgroundBank(found).without_sources({"museum"})) == 0


def test_what_boxes_cover_is_no_ground_and_unboxed_products_give_none(photos: Path) -> None:
    def grounds(*boxes: Box, looked: bool = True) -> int:
        one = record("wrong-box.jpg", boxes=boxes if looked else None)
        return len(build_backgrounds([one], photos, photos / "masks"))

    assert grounds(Box(69, 49, 172, 152)) == 1
    assert grounds(Box(69, 49, 172, 152), Box(0, 0, 240, 200, crowd=True)) == 0, "a heap that the mask missed"
    assert grounds(looked=False) == 0


def render(folder: Path, name: str, instances: list[dict[str, object]], *, crowd: bool = False) -> None:
    """What training.synth.render leaves behind: two discs, one of them cut by the frame."""
    image = np.full((200, 240, 3), GREEN, np.uint8)
    mask = np.zeros((200, 240), np.uint8)
    for number, x in ((1, 90), (2, 230)):
        cv2.circle(image, (x, 100), 40, RED, -1)
        cv2.circle(mask, (x, 100), 40, number, -1)
    save(folder / "images" / f"{name}.jpg", image)
    for part in ("masks", "params"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    facts = {"name": name, "seed": 3, "index": 7, "split": "train", "crowd": crowd, "instances": instances}
    (folder / "params" / f"{name}.json").write_text(json.dumps(facts))


def test_renders_give_cut_outs_of_whole_objects_products_and_look_alikes(tmp_path: Path) -> None:
    whole = {"number": 1, "leaf": "rhino_horn_raw", "box": [50, 60, 131, 141]}
    cut = {"number": 2, "leaf": "rhino_horn_raw", "box": [190, 60, 240, 141]}
    render(tmp_path, "a", [whole, cut])
    render(tmp_path, "b", [{**whole, "leaf": "bovine_horn"}])
    render(tmp_path, "heap", [whole], crowd=True)
    found = rendered_cutouts(tmp_path)
    assert [(c.leaf, c.group, c.source, c.path) for c in found] == [
        ("rhino_horn_raw", "rhino_horn", "render-train", "images/a.jpg"),
        ("bovine_horn", "none", "render-train", "images/b.jpg"),
    ]
    seen = found[0].pixels[..., 3] > 30
    assert (found[0].pixels[seen][:, 0] > 150).all(), "red wherever it shows"


def test_the_commands_build_banks_and_a_sheet(photos: Path) -> None:
    bank = ["bank", str(photos / "m.csv"), "--masks", str(photos / "masks"), "--out", str(photos / "bank")]
    assert main(bank) == 0
    sheet = ["sheet", str(photos / "bank"), "--out", str(photos / "s.png"), "--count", "4", "--size", "96"]
    assert main([*sheet, "--draw-boxes"]) == 0
    first = (photos / "s.png").read_bytes()
    assert main([*sheet, "--draw-boxes"]) == 0
    assert (photos / "s.png").read_bytes() == first
    leaf = CutoutBank.load(photos / "bank").cutouts[0].leaf
    assert main([*sheet, "--pile", leaf]) == 0
    assert (photos / "s.png").read_bytes() != first


@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
def test_a_manifest_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["composer", "bank", str(tmp_path / "no.csv"), "--masks", "m", "--out", "o"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("training.composer", run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
