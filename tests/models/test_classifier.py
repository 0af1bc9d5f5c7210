from __future__ import annotations

import dataclasses
import io
import itertools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wildvision.backends import DeviceMemoryError
from wildvision.contract import Decision, Prediction, Status
from wildvision.errors import ArgumentError
from wildvision.models import Classifier, ModelCard, load_classifier
from wildvision.policy import NEVER, OperatingPoint


def photo(seed: int) -> np.ndarray:
    """A smooth random picture of its own size, with a plain left edge so that its mirror image differs."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    pixels = np.array(small.resize((60 + seed % 17, 80 + seed % 13), Image.Resampling.BICUBIC))
    pixels[:, :10] = seed % 256
    return pixels


PHOTOS = [photo(seed) for seed in range(40)]


def numbers(predictions: list[Prediction]) -> np.ndarray:
    """``(n, 4 + 18)``: group scores and leaf probabilities."""
    return np.array([[*p.scores.values(), *p.leaves.values()] for p in predictions])


class StubBackend:
    """Logits from a function of the batch; counts the batches."""

    device = "stub"
    precision = "fp32"

    def __init__(self, logits: Callable[[np.ndarray], np.ndarray]) -> None:
        self.logits = logits
        self.batches: list[int] = []

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(batch))
        logits = self.logits(batch).astype(np.float32)
        return logits, np.repeat(batch.mean(axis=(1, 2, 3))[:, None], 3, axis=1).astype(np.float32)


def zeros(batch: np.ndarray) -> np.ndarray:
    return np.zeros((len(batch), 22))


@pytest.fixture
def card(classifier: Classifier) -> ModelCard:
    return classifier.card


# --- the same photo gives the same answer -----------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_scores_do_not_depend_on_the_batch_size(classifier: Classifier, batch_size: int) -> None:
    expected = numbers(classifier.predict(PHOTOS, batch_size=40))
    assert expected.std(axis=0).max() > 0.05  # photos do differ
    np.testing.assert_allclose(numbers(classifier.predict(PHOTOS, batch_size=batch_size)), expected, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_do_not_depend_on_the_order(classifier: Classifier, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(PHOTOS))
    shuffled = classifier.predict([PHOTOS[i] for i in order], batch_size=7)
    np.testing.assert_allclose(numbers(shuffled), numbers(classifier.predict(PHOTOS))[order], atol=1e-4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_scores_do_not_depend_on_how_the_photo_is_handed_over(
    classifier: Classifier, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"photo.{kind.lower()}"
    Image.fromarray(np.array(Image.fromarray(PHOTOS[3]).resize((900, 700)))).save(path, kind)
    with Image.open(path) as image:
        image.load()
    with path.open("rb") as file:
        forms = [path, str(path), path.read_bytes(), bytearray(path.read_bytes()), file, image, np.array(image)]
        predictions = classifier.predict(forms)
    assert [p.status for p in predictions] == [Status.OK] * len(forms)
    np.testing.assert_allclose(numbers(predictions), np.tile(numbers(predictions[:1]), (len(forms), 1)), atol=1e-4)


def test_prepared_and_inferred_equals_predicted(classifier: Classifier) -> None:
    prepared = [classifier.prepare(p) for p in PHOTOS]
    assert classifier.infer(prepared) == classifier.predict(PHOTOS, batch_size=len(PHOTOS))


def test_a_preparer_from_another_process_gives_the_same_pixels(classifier: Classifier) -> None:
    elsewhere = pickle.loads(pickle.dumps(classifier.preparer))
    np.testing.assert_array_equal(elsewhere(PHOTOS[0]).pixels, classifier.prepare(PHOTOS[0]).pixels)


# --- one in, one out --------------------------------------------------------------------------------------------------


def test_one_photo_gives_one_prediction(classifier: Classifier) -> None:
    prediction = classifier.predict(PHOTOS[0])
    assert isinstance(prediction, Prediction)
    assert prediction == classifier.predict([PHOTOS[0]])[0]


def test_an_open_file_is_one_photo(classifier: Classifier) -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTOS[0]).save(file, "PNG")
    file.seek(0)
    assert classifier.predict(file).ok


@pytest.mark.parametrize("make", [list, tuple])
def test_many_photos_give_a_list_in_order(classifier: Classifier, make: Callable[[Any], Any]) -> None:
    predictions = classifier.predict(make(PHOTOS[:9]), batch_size=4)
    assert isinstance(predictions, list)
    assert [(p.width, p.height) for p in predictions] == [(p.shape[1], p.shape[0]) for p in PHOTOS[:9]]


def test_no_photos_give_no_predictions(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert list(classifier.predict(iter([]))) == []


def test_a_generator_is_read_a_batch_at_a_time(classifier: Classifier) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield PHOTOS[taken % len(PHOTOS)]

    predictions = classifier.predict(endless(), batch_size=4)
    assert taken == 0
    first = list(itertools.islice(predictions, 5))
    assert len(first) == 5
    assert taken == 8


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8"])
def test_a_bad_batch_size_raises_at_once(classifier: Classifier, batch_size: Any) -> None:
    with pytest.raises(ArgumentError, match="batch_size"):
        classifier.predict(iter(PHOTOS), batch_size=batch_size)
    with pytest.raises(ArgumentError, match="batch_size"):
        classifier.embed(PHOTOS, batch_size=batch_size)


# --- failures carry a status ------------------------------------------------------------------------------------------


def test_bad_photos_keep_their_place_and_cost_the_others_nothing(classifier: Classifier, tmp_path: Path) -> None:
    mixed = [PHOTOS[0], b"", PHOTOS[1], tmp_path / "absent.jpg", b"<html>", PHOTOS[2]]
    predictions = classifier.predict(mixed, batch_size=4)
    statuses = [p.status for p in predictions]
    assert [s is Status.OK for s in statuses] == [True, False, True, False, False, True]
    assert statuses[1] is Status.EMPTY
    assert statuses[3] is Status.NOT_FOUND
    assert all(p.error and not p.scores and p.decision is None for p in predictions if not p.ok)
    scored = numbers([p for p in predictions if p.ok])
    np.testing.assert_allclose(scored, numbers(classifier.predict(PHOTOS[:3])), atol=1e-4)


def test_a_batch_of_nothing_but_bad_photos_never_reaches_the_network(card: ModelCard) -> None:
    backend = StubBackend(zeros)
    assert [p.status for p in Classifier(card, backend).predict([b"", b""])] == [Status.EMPTY] * 2
    assert backend.batches == []


def brightness(batch: np.ndarray) -> np.ndarray:
    return batch.mean(axis=(1, 2, 3))


def fails_on_black(batch: np.ndarray) -> np.ndarray:
    if (brightness(batch) == 0).any():
        raise ValueError("black photo\nsecond line")
    return zeros(batch)


def nan_on_black(batch: np.ndarray) -> np.ndarray:
    return np.where((brightness(batch) == 0)[:, None], np.nan, zeros(batch))


def infinite_on_black(batch: np.ndarray) -> np.ndarray:
    return np.where((brightness(batch) == 0)[:, None], np.inf, zeros(batch))


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (fails_on_black, "the model failed: ValueError: black photo"),
        (nan_on_black, "the model's outputs are not finite"),
        (infinite_on_black, "the model's outputs are not finite"),
    ],
)
def test_a_failing_network_costs_only_the_photo_that_it_fails_on(
    card: ModelCard, logits: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    black = np.zeros((20, 30, 3), np.uint8)
    classifier = Classifier(card, StubBackend(logits))
    predictions = classifier.predict([PHOTOS[0], black, PHOTOS[1]])
    assert [p.status for p in predictions] == [Status.OK, Status.MODEL_ERROR, Status.OK]
    failed = predictions[1]
    assert failed.error == message
    assert (failed.width, failed.height) == (30, 20)
    assert failed.sha256 is not None
    assert not failed.scores
    assert failed.decision is None
    assert np.isnan(classifier.embed([PHOTOS[0], black])[1]).all()


def at_most(n: int) -> Callable[[np.ndarray], np.ndarray]:
    def logits(batch: np.ndarray) -> np.ndarray:
        if len(batch) > n:
            raise DeviceMemoryError("no room")
        return zeros(batch)

    return logits


def test_short_memory_halves_the_batch_in_predict_and_reaches_the_caller_of_infer(card: ModelCard) -> None:
    backend = StubBackend(at_most(3))
    classifier = Classifier(card, backend)
    assert all(p.ok for p in classifier.predict(PHOTOS[:8]))
    assert backend.batches == [8, 4, 2, 2, 4, 2, 2]
    with pytest.raises(DeviceMemoryError):
        classifier.infer([classifier.prepare(p) for p in PHOTOS[:8]])


def test_one_photo_that_does_not_fit_is_a_model_error(card: ModelCard) -> None:
    predictions = Classifier(card, StubBackend(at_most(0))).predict(PHOTOS[:3])
    assert [(p.status, p.error) for p in predictions] == [(Status.MODEL_ERROR, "no room")] * 3


# --- what a prediction says -------------------------------------------------------------------------------------------


def logits_for(card: ModelCard, **values: float) -> Callable[[np.ndarray], np.ndarray]:
    names = [*card.groups, *card.leaves]
    row = np.array([values.get(name, 0.0) for name in names])
    return lambda batch: np.tile(row, (len(batch), 1))


def test_scores_leaf_lookalike_and_decision_follow_from_the_outputs(card: ModelCard) -> None:
    backend = StubBackend(logits_for(card, ivory=8.0, ivory_worked=6.0, rhino_horn_raw=5.0, bone_antler=4.0))
    p = Classifier(card, backend).predict(PHOTOS[0])
    assert list(p.scores) == list(card.groups)
    assert p.group == "ivory"
    assert p.leaf == "ivory_worked"
    assert sum(p.leaves.values()) == pytest.approx(1.0)
    assert p.lookalike is not None
    assert p.lookalike.leaf == "bone_antler"
    assert p.lookalike.score == p.leaves["bone_antler"]
    assert p.lookalike.margin == p.scores["ivory"] - p.leaves["bone_antler"]
    assert p.decision is Decision.BLOCK
    assert p.model == card.model_id


@pytest.mark.parametrize(
    ("review", "block", "decision", "leaf"),
    [
        (0.0, 0.0, Decision.BLOCK, "ivory_worked"),
        (0.0, NEVER, Decision.REVIEW, "ivory_worked"),
        (NEVER, NEVER, Decision.PASS, None),
    ],
)
def test_the_decision_comes_from_the_cards_operating_points(
    card: ModelCard, review: float, block: float, decision: Decision, leaf: str | None
) -> None:
    points = {group: OperatingPoint(review, block) for group in card.groups}
    changed = dataclasses.replace(card, operating_points=points)
    prediction = Classifier(changed, StubBackend(logits_for(card, ivory=2.0, ivory_worked=2.0))).predict(PHOTOS[0])
    assert prediction.decision is decision
    assert prediction.leaf == leaf


def test_each_groups_score_is_calibrated_by_its_own_entry(card: ModelCard) -> None:
    platt = type(card.calibration["ivory"])
    changed = dataclasses.replace(card, calibration={**card.calibration, "rhino_horn": platt(2.0, 1.0)})
    backend = StubBackend(logits_for(card, rhino_horn=1.0))
    raw = 0.5 * (1.0 + np.log(2 / 16))
    scores = Classifier(changed, backend).predict(PHOTOS[0]).scores
    assert scores["rhino_horn"] == pytest.approx(1 / (1 + np.exp(-(2.0 * raw + 1.0))))
    assert scores["ivory"] == Classifier(card, backend).predict(PHOTOS[0]).scores["ivory"]


def test_hashes_are_left_out_when_not_wanted(classifier: Classifier) -> None:
    with_hashes, without = classifier.predict(PHOTOS[0]), classifier.predict(PHOTOS[0], hashes=False)
    assert with_hashes.sha256
    assert with_hashes.phash
    assert (without.sha256, without.phash) == (None, None)
    assert with_hashes.scores == without.scores


# --- embeddings -------------------------------------------------------------------------------------------------------


def test_embeddings_are_one_row_a_photo_whatever_the_batches(classifier: Classifier) -> None:
    features = classifier.embed(PHOTOS)
    assert features.shape == (len(PHOTOS), classifier.embedding_size)
    assert features.dtype == np.float32
    np.testing.assert_allclose(classifier.embed(iter(PHOTOS), batch_size=7), features, atol=1e-4)
    np.testing.assert_allclose(classifier.embed(PHOTOS[5]), features[5:6], atol=1e-4)


def test_the_row_of_an_unreadable_photo_is_nan(classifier: Classifier) -> None:
    features = classifier.embed([PHOTOS[0], b"", PHOTOS[1]])
    assert np.isnan(features).all(axis=1).tolist() == [False, True, False]


def test_no_photos_give_an_empty_matrix(classifier: Classifier) -> None:
    assert classifier.embed([]).shape == (0, classifier.embedding_size)


def test_raw_outputs_are_one_row_a_photo_and_nan_where_there_is_none(classifier: Classifier, card: ModelCard) -> None:
    prepared = [classifier.prepare(p) for p in (PHOTOS[0], b"", PHOTOS[1])]
    logits = classifier.logits(prepared)
    assert logits.shape == (3, 22)
    assert np.isnan(logits).all(axis=1).tolist() == [False, True, False]
    again = Classifier(card, StubBackend(lambda batch: logits[[0, 2]])).infer(prepared)
    np.testing.assert_array_equal(numbers([again[0], again[2]]), numbers(classifier.predict([PHOTOS[0], PHOTOS[1]])))


# --- loading ----------------------------------------------------------------------------------------------------------


def test_flip_averages_a_photo_and_its_mirror_image(tiny: Path, classifier: Classifier) -> None:
    flipping = load_classifier(tiny, device="cpu", tta="flip")
    mirrored = [p[:, ::-1].copy() for p in PHOTOS]
    plain = numbers(classifier.predict(PHOTOS))
    assert np.abs(numbers(classifier.predict(mirrored)) - plain).max() > 1e-2
    np.testing.assert_allclose(numbers(flipping.predict(mirrored)), numbers(flipping.predict(PHOTOS)), atol=1e-3)
    both = 0.5 * (classifier.embed(PHOTOS) + classifier.embed(mirrored))
    np.testing.assert_allclose(flipping.embed(PHOTOS), both, atol=1e-2)


def test_zoom_averages_a_photo_and_its_middle(tiny: Path, classifier: Classifier) -> None:
    zooming = load_classifier(tiny, device="cpu", tta="zoom")
    side = classifier.card.input.size
    photo = np.random.default_rng(5).integers(0, 256, (side, side, 3), dtype=np.uint8)
    start = (side - round(0.625 * side)) // 2
    middle = photo[start : start + round(0.625 * side), start : start + round(0.625 * side)]
    both = 0.5 * (classifier.embed([photo]) + classifier.embed([middle]))
    assert np.abs(both - classifier.embed([photo])).max() > 1e-2
    np.testing.assert_allclose(zooming.embed([photo]), both, atol=1e-2)
    framed = photo.copy()
    framed[:4] = 0
    moved = [np.abs(c.embed([framed]) - c.embed([photo])).max() for c in (zooming, classifier)]
    assert 0 < moved[0] < moved[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tta": "rotate"}, "tta must be one of none, flip, zoom; received 'rotate'"),
        ({"backend": "tflite"}, "backend must be one of .*torch.*; received 'tflite'"),
        ({"device": "tpu"}, "device 'tpu' cannot be used"),
        ({"precision": "int4"}, "precision must be auto, .*; received 'int4'"),
    ],
)
def test_bad_options_raise_at_once(tiny: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        load_classifier(tiny, **options)  # type: ignore[arg-type]


def test_a_classifier_shows_what_it_is(classifier: Classifier) -> None:
    assert classifier.model_id in repr(classifier)
    assert (classifier.device, classifier.precision) == ("cpu", "fp32")


@pytest.mark.parametrize("bad", [True, 0, 1.5, "4", None])
def test_a_batch_size_is_a_whole_number(classifier: Classifier, bad: Any) -> None:
    with pytest.raises(ArgumentError, match="batch_size must be a whole number"):
        classifier.predict([PHOTOS[0]], batch_size=bad)
    assert classifier.predict([PHOTOS[0]], batch_size=np.int64(4))[0].ok  # type: ignore[call-overload]


@pytest.mark.parametrize("limits", [5, None])
def test_limits_are_checked_when_a_model_is_loaded(limits: Any) -> None:
    with pytest.raises(ArgumentError, match="limits must be"):
        load_classifier("fast", device="cpu", limits=limits)
