"""Hides are pictures: repeatable by seed; pressed leather repeats exactly, real skin never does."""

import random

import numpy as np
import pytest

pytest.importorskip("cv2")
from training.synth.materials import hides, leathers
from training.synth.materials.scales import noise, snake_lattice

SHAPE = (320, 480)


def _snake(seed, **options):
    return hides.snake(random.Random(seed), SHAPE, 20.0, **{"view": "back", "holdout": False, **options})


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: hides.snake(rng, SHAPE, 20.0, view="belly", holdout=False),
        lambda rng: leathers.other_reptile(rng, SHAPE, 20.0, animal=rng.choice(leathers.ANIMALS), holdout=False),
        lambda rng: leathers.plain(rng, SHAPE, 20.0, holdout=False),
        lambda rng: leathers.embossed(rng, SHAPE, 20.0, holdout=False),
        lambda rng: leathers.animal_print(rng, SHAPE, 20.0, holdout=False),
    ],
)
def test_maps_have_the_asked_shape_and_repeat_by_seed(make):
    for seed in range(6):
        a, b = make(random.Random(seed)), make(random.Random(seed))
        assert a.colour.shape == (*SHAPE, 3) and a.height.shape == a.rough.shape == SHAPE
        assert np.isfinite(a.colour).all() and np.isfinite(a.height).all() and np.isfinite(a.rough).all()
        assert np.array_equal(a.colour, b.colour) and np.array_equal(a.height, b.height) and a.params == b.params


def test_embossed_leather_repeats_exactly_and_python_does_not():
    for seed in range(8):
        pressed = leathers.embossed(random.Random(seed), SHAPE, 20.0, holdout=False)
        rows = int(pressed.params["tile"][0] * pressed.px)
        rest = SHAPE[0] - rows
        if rest > 0:
            assert np.array_equal(pressed.height[:rest], pressed.height[rows:])
        skin = _snake(seed)
        assert not np.allclose(skin.height[:80], skin.height[160:240], atol=1e-3)


def test_scales_widen_from_the_spine_to_the_belly_scutes():
    lattice = snake_lattice(
        np.random.default_rng(0), SHAPE, 20.0, centre=12.0, half_width=15.0, belly_in_centre=True, wobble=0.0
    )
    assert lattice.belly[:, 240].all() and not lattice.belly[:, 5].any()
    steps = np.abs(np.diff(lattice.x_of_column))
    near_belly, near_edge = steps[len(steps) // 2 - 8 : len(steps) // 2 - 4].mean(), steps[:4].mean()
    assert near_belly > 1.2 * near_edge


def test_colour_is_one_per_scale_before_shading():
    lattice = snake_lattice(np.random.default_rng(1), SHAPE, 20.0, centre=12.0, half_width=15.0, belly_in_centre=False)
    one = (lattice.column == lattice.column[160, 240]) & (lattice.half == lattice.half[160, 240])
    assert 40 < one.sum() < 600  # a scale is a compact patch of about one unit
    ys, xs = np.nonzero(one)
    assert np.ptp(ys) < 40 and np.ptp(xs) < 40


def test_the_test_set_has_dyes_and_palettes_of_its_own():
    def seen(holdout):
        rng = random.Random(5)
        return {hides.pick(rng, hides.DYES, holdout) for _ in range(400)}

    assert seen(True).isdisjoint(seen(False)) and len(seen(True)) > 3


def test_no_dye_is_near_black_and_training_pythons_are_traded_species():
    assert min(max(hides.rgb(code)) for code in hides.DYES) > 0.18
    animals = [_snake(seed).params["animal"] for seed in range(40)]
    assert animals.count("reticulated") >= 12 and "ball" not in animals


def test_pythons_and_other_snakes_are_tanned_alike():
    def finishes(python):
        facts = (hides.snake(random.Random(s), (64, 96), 12.0, view="back", holdout=False, python=python).params
                 for s in range(150))  # fmt: skip
        return [f["finish"] for f in facts]

    pythons, others = finishes(True), finishes(False)
    assert {*pythons} == {*others}
    assert abs(pythons.count("natural") - others.count("natural")) < 40


@pytest.mark.parametrize("animal", sorted({*leathers.ANIMALS} - {"snake"}))
def test_other_reptiles_are_the_animal_asked_for(animal):
    drawn = leathers.other_reptile(random.Random(1), (64, 96), 12.0, animal=animal, holdout=False)
    assert drawn.params["animal"] == animal


@pytest.mark.parametrize("wavelength", [2, 30, 200])
def test_noise_is_standardised_and_joins_at_the_borders(wavelength):
    field = noise(np.random.default_rng(2), (256, 384), wavelength)
    assert abs(field.mean()) < 0.35 and 0.7 < field.std() < 1.3
    inner = np.abs(np.diff(field, axis=0)).mean()
    assert np.abs(field[0] - field[-1]).mean() < 3 * inner + 0.02
