import pytest
import torch

from wildvision.models.network import GeneralisedMean, Network
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy


def test_pooling_by_hand() -> None:
    x = torch.tensor([[[[2.0, 0.0], [0.0, 0.0]], [[-1.0, 1.0], [1.0, 1.0]]]])
    pooled = GeneralisedMean()(x)
    assert pooled[0].tolist() == pytest.approx([(8 / 4) ** (1 / 6), (3 / 4) ** (1 / 6)])


def test_pooling_of_nothing_is_near_zero_and_teaches_nothing() -> None:
    x = torch.zeros(1, 3, 4, 4, requires_grad=True)
    pooled = GeneralisedMean()(x)
    pooled.sum().backward()
    assert pooled.detach()[0].tolist() == pytest.approx([0.01] * 3)
    assert x.grad is not None
    assert x.grad.abs().max().item() == 0.0


def test_pooling_counts_in_single_precision_whatever_it_is_given() -> None:
    x = 20 * torch.rand(2, 5, 6, 6)
    half = GeneralisedMean()(x.to(torch.bfloat16))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, GeneralisedMean()(x), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("architecture", "ours"), [("test_efficientnet", True), ("test_resnet", True), ("mobilenetv3_small_050", False)]
)
def test_an_architecture_that_pools_before_its_last_layer_keeps_its_pooling(architecture: str, ours: bool) -> None:
    network = Network(architecture, Rollup.of(load_taxonomy())).eval()
    assert isinstance(network.backbone.global_pool, GeneralisedMean) == ours
    assert network.pooling == ("root_cubic_mean" if ours else "backbone")
    with torch.inference_mode():
        logits, features = network(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, network.rollup.outputs)
    assert features.shape == (2, network.features)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="pooling must be one of"):
        Network("test_resnet", Rollup.of(load_taxonomy()), pooling="max")
