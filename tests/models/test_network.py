from collections.abc import Iterator

import pytest
import torch
from torch import nn

from wildvision.models.network import TEXTURES, GeneralisedMean, Network, Spread
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


def test_spread_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 3.0], [5.0, 5.0]], [[2.0, 2.0], [2.0, 2.0]]]])
    last = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])  # something was found in the upper half
    plain = (1.0 + 3.0**2 + 2 * 5.0**2) / 4 - (14.0 / 4) ** 2
    assert Spread()(last, [maps])[0].tolist() == pytest.approx([plain**0.5, 0.0, 1.0, 0.0], abs=1e-4)


def test_spread_sees_texture_and_not_brightness_and_says_the_same_of_any_size() -> None:
    checks = torch.arange(16).view(-1, 1).add(torch.arange(16)).remainder(2).float()[None, None]
    last = torch.ones(1, 4, 2, 2)
    texture = Spread()(last, [checks])
    torch.testing.assert_close(Spread()(last, [checks + 5]), texture)
    torch.testing.assert_close(Spread()(last, [checks.tile(1, 1, 3, 3)]), texture)
    assert Spread()(last, [torch.full_like(checks, 5.0)]).max() < 1e-4 < texture.min()


def test_textures_change_nothing_before_they_are_taught_and_what_they_are_taught_after() -> None:
    network = Network("test_efficientnet", Rollup.of(load_taxonomy())).eval()
    photos = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        before, _ = network(photos)
        network.add_textures()
        assert network.pooling == TEXTURES
        untaught, features = network(photos)
        torch.testing.assert_close(untaught, before)
        assert features.shape == (3, network.features)
        assert network.texture_head is not None
        network.texture_head.weight[0] = 1.0
        taught, _ = network(photos)
        textures = network.textures(network.maps(photos))
    assert textures.shape == (3, network.texture_head.in_features)
    torch.testing.assert_close(taught[:, 0], before[:, 0] + textures.sum(dim=1))
    torch.testing.assert_close(taught[:, 1:], before[:, 1:])


@pytest.mark.parametrize("architecture", ["mobilenetv3_small_050", "test_vit"])
def test_textures_need_middle_maps_and_our_pooling(architecture: str) -> None:
    with pytest.raises(ValueError, match="leave out textures"):
        Network(architecture, Rollup.of(load_taxonomy()), pooling=TEXTURES)


def _pair(differing: str, textures: bool) -> Network:
    """A network and its partner of one architecture; weights whose names begin so differ, all others are the same."""
    torch.manual_seed(0)
    first, second = (Network("test_efficientnet", Rollup.of(load_taxonomy())).eval() for _ in range(2))
    for network in (first, second):
        if textures:
            network.add_textures()
            assert network.texture_head is not None
            nn.init.normal_(network.texture_head.weight)
    state = first.backbone.state_dict()
    state |= {k: v + 0.1 for k, v in state.items() if k.startswith(differing) and v.is_floating_point()}
    second.backbone.load_state_dict(state)
    first.join(second, 64)
    return first


@pytest.fixture
def stem_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Sides of the pictures that went through a stem."""
    sides: list[int] = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, args, _: sides.append(args[0].shape[-1]) if getattr(module, "in_channels", 0) == 3 else None
    )
    yield sides
    handle.remove()


@pytest.mark.parametrize("textures", [False, True])
@pytest.mark.parametrize(
    ("differing", "side", "runs"),
    [
        ("blocks.4.", 64, [64]),
        ("blocks.1.", 64, [64]),
        ("bn1.", 64, [64, 64]),
        ("blocks.4.", 96, [96, 64]),  # the partner looks at a smaller picture
    ],
)
def test_what_partners_have_in_common_is_run_once_and_changes_nothing(
    stem_runs: list[int], differing: str, side: int, runs: list[int], textures: bool
) -> None:
    network = _pair(differing, textures)
    x = torch.rand(2, 3, side, side)
    with torch.inference_mode():
        logits, features = network(x)
        assert stem_runs == runs
        apart = [member.judged(member.maps(picture)) for member, picture, _ in network.members(x)]
    assert torch.equal(logits, 0.5 * apart[0][0] + 0.5 * apart[1][0])
    assert torch.equal(features, apart[0][1])
    assert not torch.allclose(apart[0][0], apart[1][0])


def test_partners_of_another_kind_have_nothing_in_common(stem_runs: list[int]) -> None:
    torch.manual_seed(0)
    first, second = (Network("test_resnet", Rollup.of(load_taxonomy())).eval() for _ in range(2))
    second.load_state_dict(first.state_dict())
    first.join(second, 64)
    with torch.inference_mode():
        first(torch.rand(1, 3, 64, 64))
    assert stem_runs == [64, 64]


def test_a_group_is_shared_out_as_asked_and_all_others_as_usual() -> None:
    network = _pair("blocks.4.", textures=False)
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        usual, _ = network(x)
        (own, _), (other, _) = (member.judged(member.maps(picture)) for member, picture, _ in network.members(x))
        network.share({"python_skin": (0.75, 0.25)})
        asked, _ = network(x)
    rollup = network.rollup
    group = rollup.groups.index("python_skin")
    columns = [group, *(len(rollup.groups) + rollup.members[group].nonzero()[0])]
    assert len(columns) == 3  # the group, raw and goods
    torch.testing.assert_close(asked[:, columns], 0.75 * own[:, columns] + 0.25 * other[:, columns])
    rest = [k for k in range(rollup.outputs) if k not in columns]
    assert torch.equal(asked[:, rest], usual[:, rest])
    assert not any("shares" in name for name in network.state_dict())


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"ebony": (0.5, 0.5)}, "unknown group 'ebony'"),
        ({"ivory": (0.5, 0.25, 0.25)}, "must be 2 numbers"),
        ({"ivory": (1.5, -0.5)}, "none below 0"),
        ({"ivory": (0.5, 0.4)}, "1 in all"),
        ({"ivory": ()}, "must be 2 numbers"),
    ],
)
def test_shares_that_do_not_add_up_are_refused(shares: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _pair("blocks.4.", textures=False).share(shares)
