import numpy as np
import pytest
import torch

from wildvision.errors import ArgumentError
from wildvision.evaluation.explain import check_explanations, class_activation, draw, energy_in_boxes, occlusion
from wildvision.evaluation.manifest import read_manifest
from wildvision.imaging import Preprocess
from wildvision.models import find_model, load_network


@pytest.fixture(scope="module")
def network(model):
    return load_network(find_model(model))


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
    energy = energy_in_boxes(evidence, [[62, 12, 93, 48]])
    assert energy.inside > 4 * energy.chance


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


def test_energy_in_boxes_by_hand():
    evidence = np.zeros((10, 10), np.float32)
    evidence[2, 2], evidence[8, 8] = 3.0, 1.0
    energy = energy_in_boxes(evidence, [[0, 0, 5, 5], [1, 1, 4, 4]])  # the second adds nothing
    assert (energy.inside, energy.chance) == (0.75, 0.25)
    even = energy_in_boxes(np.ones((10, 10), np.float32), [[0, 0, 5, 4]])
    assert even.inside == pytest.approx(even.chance)
    assert energy_in_boxes(np.zeros((4, 4), np.float32), [[0, 0, 2, 2]]).inside == 0.0
    with pytest.raises(ArgumentError):
        energy_in_boxes(evidence, [])


def test_explanations_are_checked_on_rows_with_boxes_only(network, classifier, manifest):
    rows = read_manifest(manifest)
    found = check_explanations(network, classifier.card.input, rows, manifest.parent)
    assert set(found) == {"ivory", "python_skin"}
    assert found["ivory"]["n"] == sum(r["group"] == "ivory" and r["synthetic"] != "1" for r in rows)
    assert found["ivory"]["chance"] == pytest.approx(0.5 * 0.5 * 0.75 * 0.8, abs=0.02)
    filled = [{**r, "boxes": '[{"box": [0, 0, 100, 80]}]'} for r in rows]
    assert check_explanations(network, classifier.card.input, filled, manifest.parent) == {}


def test_an_unknown_group_is_refused(network, classifier, photo):
    with pytest.raises(ArgumentError, match="pangolin"):
        class_activation(network, classifier.card.input, photo, "pangolin")
    with pytest.raises(ArgumentError, match="pangolin"):
        occlusion(classifier, photo, "pangolin")


@pytest.mark.parametrize("image", ["photo.jpg", np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_only_photos_are_explained(network, classifier, image):
    with pytest.raises(ArgumentError, match="uint8 RGB"):
        class_activation(network, classifier.card.input, image, "ivory")
    with pytest.raises(ArgumentError, match="uint8 RGB"):
        occlusion(classifier, image, "ivory")


def test_unusable_cells_and_boxes_are_refused(classifier, photo):
    with pytest.raises(ArgumentError, match="cells"):
        occlusion(classifier, photo, "ivory", cells=0)
    for boxes in ([[0, 0, 10]], [], [[0, 0, np.nan, 5]]):
        with pytest.raises(ArgumentError, match="finite boxes"):
            energy_in_boxes(np.ones((9, 9), np.float32), boxes)
