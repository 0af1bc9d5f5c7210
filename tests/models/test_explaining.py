import dataclasses
from copy import copy

import numpy as np
import pytest
import torch

from tests.models.tiny import make_tiny_model
from wildvision.errors import ArgumentError
from wildvision.imaging import Limits, Preprocess
from wildvision.models import Classifier, Explanation, Network, Rollup, find_model, load_classifier, load_network
from wildvision.models.explaining import class_activation, draw, occlusion
from wildvision.policy import Isotonic
from wildvision.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def network(tiny_original):
    return load_network(find_model(tiny_original))


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, size=(60, 90, 3), dtype=np.uint8)


def patchy(network, group):
    """The network with a head that answers to bright places only: its maps must lie there."""

    class Bright(torch.nn.Module):
        def forward_features(self, x):
            return torch.nn.functional.avg_pool2d(x.mean(dim=1, keepdim=True), 4) + 1.0

        def forward_head(self, x):
            return x.mean(dim=(2, 3))

    fake = torch.nn.Module()
    fake.rollup, fake.group_logits, fake.backbone = network.rollup, network.group_logits, Bright()
    fake.head = torch.nn.Linear(1, network.rollup.outputs)
    with torch.no_grad():
        fake.head.weight.zero_()
        fake.head.weight[network.rollup.groups.index(group)] = 1.0
    fake.members = lambda x: [(fake, x, 1.0)]
    fake.maps = lambda x: [fake.backbone.forward_features(x)]
    fake.places = lambda maps: maps.sum(dim=1)
    fake.judged = lambda maps: (fake.head(fake.backbone.forward_head(maps[0])), None)
    return fake


@pytest.mark.parametrize("resize", ["squash", "center", "letterbox"])
def test_the_map_lies_where_the_evidence_is_whatever_the_resize(network, resize):
    how = Preprocess(size=64, resize=resize, mean=(0.5,) * 3, std=(0.5,) * 3)
    image = np.zeros((60, 120, 3), np.uint8)
    image[20:40, 70:85] = 255
    evidence = class_activation(patchy(network, "ivory"), how, image, "ivory")
    y, x = np.unravel_index(evidence.argmax(), evidence.shape)
    assert 14 <= y <= 46
    assert 64 <= x <= 91
    around = evidence[12:48, 62:93]
    assert around.sum() / evidence.sum() > 4 * around.size / evidence.size


def test_a_map_has_the_photo_s_size_and_range(network, classifier, photo):
    for group in network.rollup.groups:
        evidence = class_activation(network, classifier.card.input, photo, group)
        assert evidence.shape == (60, 90)
        assert evidence.dtype == np.float32
        assert evidence.min() >= 0
        assert evidence.max() in (0.0, 1.0)


def test_activations_times_gradients_add_up_to_half_of_what_the_head_makes_of_them(network):
    features = (3 * torch.rand(1, network.features, 4, 4)).requires_grad_(True)
    weight = network.head.weight[0].detach()
    logit = network.backbone.forward_head(features)[0] @ weight
    (gradient,) = torch.autograd.grad(logit, features)
    assert (gradient * features).sum().item() == pytest.approx(logit.item() / 2, rel=1e-4)


def test_partners_add_their_evidence_by_their_share_of_the_logit(network):
    """One network answers to the left of the photo, its partner to the right, with the same slope."""
    sides = [patchy(network, "ivory") for _ in range(2)]
    for fake, keep in zip(sides, (slice(0, 4), slice(4, 8)), strict=True):
        whole = fake.backbone.forward_features

        def half(x, whole=whole, keep=keep):
            features = whole(x).clone()
            mask = torch.zeros_like(features)
            mask[..., keep] = 1.0
            return features * mask

        fake.backbone.forward_features = half
    how = Preprocess(size=32, resize="squash", mean=(0.5,) * 3, std=(0.5,) * 3)
    grey = np.full((32, 32, 3), 128, np.uint8)
    sides[0].members = lambda x: [(sides[0], x, 0.25), (sides[1], x, 0.75)]
    evidence = class_activation(sides[0], how, grey, "ivory")
    assert evidence[:, 24:].min() == pytest.approx(1.0)
    assert evidence[:, :8].max() == pytest.approx(1 / 3, rel=1e-3)


def test_a_classifier_explains_a_photo_file(classifier, photo, tmp_path):
    import cv2

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photo[..., ::-1])
    found = classifier.explain(path, "ivory")
    assert isinstance(found, Explanation)
    assert (found.image == photo).all()
    assert found.evidence.shape == (60, 90)
    assert found.draw().shape == (60, 90, 3)
    hidden = classifier.explain(photo, "ivory", method="occlusion")
    assert hidden.evidence.shape == (60, 90)


def test_what_cannot_be_explained_is_said(classifier, photo, tmp_path):
    with pytest.raises(ArgumentError, match="not_found"):
        classifier.explain(tmp_path / "none.jpg", "ivory")
    with pytest.raises(ArgumentError, match="method"):
        classifier.explain(photo, "ivory", method="magic")

    class Plain:
        device, precision = "npu", "fp32"

        def __call__(self, batch):
            raise NotImplementedError

    with pytest.raises(ArgumentError, match="occlusion"):
        Classifier(classifier.card, Plain()).explain(photo, "ivory")


def test_occlusion_gives_a_map_of_the_same_shape_with_any_backend(classifier, photo):
    evidence = occlusion(classifier, photo, "ivory", cells=4)
    assert evidence.shape == (60, 90)
    assert 0 <= evidence.min() <= evidence.max() <= 1


def test_drawing_leaves_the_photo_where_the_map_is_zero(photo):
    evidence = np.zeros(photo.shape[:2], np.float32)
    evidence[10:20, 10:20] = 1.0
    drawn = draw(photo, evidence)
    assert (drawn[30:] == photo[30:]).all()
    assert (drawn[10:20, 10:20] != photo[10:20, 10:20]).any()
    with pytest.raises(ArgumentError):
        draw(photo, evidence[:10])
    with pytest.raises(ArgumentError, match="opacity"):
        draw(photo, evidence, opacity=2)


def test_an_unknown_group_is_refused(network, classifier, photo):
    with pytest.raises(ArgumentError, match="pangolin"):
        class_activation(network, classifier.card.input, photo, "pangolin")
    with pytest.raises(ArgumentError, match="pangolin"):
        occlusion(classifier, photo, "pangolin")
    with pytest.raises(ArgumentError, match="pangolin"):
        classifier.explain(photo, "pangolin")


@pytest.mark.parametrize("image", ["photo.jpg", np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_only_photos_are_explained(network, classifier, image):
    with pytest.raises(ArgumentError, match="uint8 RGB"):
        class_activation(network, classifier.card.input, image, "ivory")
    with pytest.raises(ArgumentError, match="uint8 RGB"):
        occlusion(classifier, image, "ivory")


def test_unusable_cells_are_refused(classifier, photo):
    with pytest.raises(ArgumentError, match="cells"):
        occlusion(classifier, photo, "ivory", cells=0)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_caller_who_has_switched_gradients_off_gets_the_same_map(network, photo, mode):
    how = Preprocess(size=64, mean=(0.5,) * 3, std=(0.5,) * 3)
    expected = class_activation(network, how, photo, "ivory")
    with mode():
        np.testing.assert_array_equal(class_activation(network, how, photo, "ivory"), expected)


def test_a_network_that_fails_on_the_photo_explains_nothing(tiny_original, photo):
    broken = load_network(find_model(tiny_original))
    torch.nn.init.constant_(broken.head.bias, torch.nan)
    with pytest.raises(ArgumentError, match="not finite"):
        class_activation(broken, Preprocess(size=64, mean=(0.5,) * 3, std=(0.5,) * 3), photo, "ivory")


def test_photos_as_small_as_the_limits_allow_are_explained_by_a_model_that_sees_them_larger(classifier):
    small = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    strict = Classifier(classifier.card, classifier._backend, limits=Limits(max_pixels=400))
    assert strict.predict(small).ok
    assert np.array_equal(occlusion(strict, small, "ivory", cells=2), occlusion(classifier, small, "ivory", cells=2))
    assert strict.preparer.limits.max_pixels == 400


def test_a_classifier_loaded_where_gradients_are_off_explains_all_the_same(tmp_path, photo):
    folder = make_tiny_model(tmp_path)
    with torch.inference_mode():
        found = load_classifier(folder, device="cpu").explain(photo, "ivory")
    assert np.array_equal(found.evidence, load_classifier(folder, device="cpu").explain(photo, "ivory").evidence)


def test_occlusion_does_not_depend_on_the_calibration(classifier, photo):
    flat = copy(classifier)
    calibration = dict.fromkeys(classifier.card.groups, Isotonic(x=(-50.0, 50.0), y=(0.5, 0.5)))
    flat.card = dataclasses.replace(classifier.card, calibration=calibration)
    expected = occlusion(classifier, photo, "ivory", cells=4)
    assert expected.max() == 1.0
    assert (occlusion(flat, photo, "ivory", cells=4) == expected).all()


@pytest.mark.parametrize("architecture", ["swin_tiny_patch4_window7_224", "mambaout_femto"])
def test_networks_without_feature_maps_are_not_explained_by_activation(architecture, photo):
    with torch.random.fork_rng(devices=[]):
        network = Network(architecture, Rollup.of(load_taxonomy())).eval()
    size = network.backbone.pretrained_cfg["input_size"][-1]
    with pytest.raises(ArgumentError, match=f"{architecture}' has no feature maps .* method='occlusion'"):
        class_activation(network, Preprocess(size=size), photo, "ivory")


def test_a_vision_transformer_is_explained_by_its_tokens(photo):
    torch.manual_seed(0)
    network = Network("test_vit", Rollup.of(load_taxonomy()), size=64).eval()
    evidence = class_activation(network, Preprocess(size=64), photo, "ivory")
    assert evidence.shape == photo.shape[:2]
    assert evidence.min() >= 0 and evidence.max() == 1.0
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        attended, before = network.maps(x)
        logits, features = network.judged([attended, before])
        torch.testing.assert_close(features, network.backbone(x))
        # In front of a normalisation a token's size says nothing, and gradients times activations add up to 0.
        assert not torch.allclose(network.judged([2 * attended, before])[0], logits, atol=1e-3)
    tokens = torch.zeros(1, 1 + 16, network.features)  # one token for the class, then 4 x 4 places, row by row
    tokens[0, 1 + 6] = 1.0
    assert network.places(tokens).nonzero().tolist() == [[0, 1, 2]]
