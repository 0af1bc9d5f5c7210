from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F  # noqa: N812

import wildvision.models
from tests.models.tiny import make_tiny_model
from wildvision.errors import ModelError
from wildvision.imaging import Preprocess
from wildvision.models import ModelCard, Network, export_weights, find_model, load_card, load_classifier, load_network
from wildvision.models.card_file import read_card, write_card
from wildvision.models.registry import find_classifier, verify


@pytest.fixture
def network(tiny: Path) -> Network:
    return load_network(find_model(tiny))


@pytest.fixture
def card(tiny: Path) -> ModelCard:
    return load_card(tiny)


def test_an_exported_network_loads_and_scores_as_before(
    network: Network, card: ModelCard, tiny: Path, tmp_path: Path
) -> None:
    written = export_weights(network, card, tmp_path / "new" / "folder")
    assert written == load_card(tmp_path / "new" / "folder")
    photo = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    again = load_classifier(tmp_path / "new" / "folder", device="cpu").predict(photo)
    assert again.scores == load_classifier(tiny, device="cpu").predict(photo).scores


def test_folders_and_cards_are_named_by_text_too(network: Network, card: ModelCard, tmp_path: Path) -> None:
    written = export_weights(network, card, str(tmp_path / "new"))
    assert read_card(str(tmp_path / "new" / f"{card.name}.json")) == written
    write_card(written, str(tmp_path / "copy.json"))
    assert read_card(tmp_path / "copy.json") == written


def test_textures_are_part_of_the_weights(network: Network, card: ModelCard, tmp_path: Path) -> None:
    sees = Network(network.architecture, network.rollup).eval()
    sees.load_state_dict(network.state_dict())
    sees.add_textures()
    assert sees.texture_head is not None
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        sees.texture_head.weight[0] = torch.rand(sees.texture_head.in_features)
        plain, told = network(x)[0], sees(x)[0]
    assert not torch.allclose(plain, told, atol=0.01)
    assert export_weights(sees, card, tmp_path).pooling == "root_cubic_mean_and_textures"
    with torch.inference_mode():
        torch.testing.assert_close(load_network(find_model(tmp_path))(x)[0], told, atol=0.02, rtol=0.02)


def test_a_model_is_pooled_as_its_card_says(network: Network, card: ModelCard, tmp_path: Path) -> None:
    own = Network(network.architecture, network.rollup, pooling="backbone").eval()
    own.load_state_dict(network.state_dict())
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        ours, theirs = network(x)[1], own(x)[1]
        assert not torch.allclose(ours, theirs, atol=0.01)
        for named, features in ((network, ours), (own, theirs)):
            written = export_weights(named, card, tmp_path)
            assert written.pooling == named.pooling
            again = load_network(find_model(tmp_path))
            torch.testing.assert_close(again(x)[1], features, atol=0.02, rtol=0.02)
    path = tmp_path / f"{card.name}.json"
    content = json.loads(path.read_text())
    del content["pooling"]  # a card that says nothing of it means the backbone's own
    path.write_text(json.dumps(content))
    assert load_network(find_model(tmp_path)).pooling == "backbone"
    path.write_text(json.dumps({**content, "pooling": "max"}))
    with pytest.raises(ModelError, match="pooling must be one of"):
        load_network(find_model(tmp_path))


def joined(network: Network, card: ModelCard, folder: Path) -> ModelCard:
    """Export ``network`` as ``main`` whose partner ``other``, of another size, lies beside it."""
    make_tiny_model(folder, name="other", seed=5)
    other = find_model(folder / "other.json")
    how = dataclasses.replace(card.input, size=96)
    network.join(load_network(other), other.card.input.size)
    named = dataclasses.replace(card, name="main", partners=(other.card.model_id,), input=how)
    return export_weights(network, named, folder)


def test_the_logits_of_partners_are_averaged(network: Network, card: ModelCard, tmp_path: Path) -> None:
    x = torch.rand(3, 3, 96, 96)
    with torch.inference_mode():
        alone, features = network(x)
        written = joined(network, card, tmp_path)
        other, _ = network.partners[0](F.interpolate(x, (64, 64), mode="bilinear", antialias=True))
        both, same = network(x)
        torch.testing.assert_close(both, (alone + other) / 2)
        assert torch.equal(features, same)
        again = load_network(find_model(tmp_path / "main.json"))
        torch.testing.assert_close(again(x)[0], both, atol=0.01, rtol=0.01)
    assert written == load_card(tmp_path / "main.json")
    assert written.model_id.endswith(f"+{load_card(tmp_path / 'other.json').model_id}")
    assert not any(name.startswith("partners.") for name in load_file(tmp_path / "main.safetensors"))


def test_the_last_of_several_partners_counts_for_half(network: Network, card: ModelCard, tmp_path: Path) -> None:
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = network(x)[0]
        ids = []
        for seed in (5, 6):
            make_tiny_model(tmp_path, name=f"other-{seed}", seed=seed)
            other = find_model(tmp_path / f"other-{seed}.json")
            network.join(load_network(other), other.card.input.size)
            expected = (expected + load_network(other)(x)[0]) / 2
            ids.append(other.card.model_id)
        torch.testing.assert_close(network(x)[0], expected)
    written = export_weights(network, dataclasses.replace(card, name="main", partners=tuple(ids)), tmp_path)
    assert written.model_id.split("+")[1:] == ids
    again = load_network(find_model(tmp_path / "main.json"))
    torch.testing.assert_close(again(x)[0], expected, atol=0.01, rtol=0.01)


def test_what_was_measured_with_some_partners_keeps_them(network: Network, card: ModelCard, tmp_path: Path) -> None:
    before = joined(network, card, tmp_path)
    make_tiny_model(tmp_path, name="third", seed=6)
    third = load_card(tmp_path / "third.json").model_id
    write_card(dataclasses.replace(before, partners=(*before.partners, third)), tmp_path / "main.json")
    assert find_classifier(before.model_id, tmp_path).card.partners == before.partners
    assert len(load_network(find_classifier(before.model_id, tmp_path)).partners) == 1
    assert len(load_network(find_model(tmp_path / "main.json")).partners) == 2


def test_shares_are_part_of_the_card_and_belong_to_its_partners(
    network: Network, card: ModelCard, tmp_path: Path
) -> None:
    written = joined(network, card, tmp_path)
    assert "shares" not in written.to_json()
    x = torch.rand(2, 3, 96, 96)
    network.share({"ivory": (1.0, 0.0)})
    export_weights(network, written, tmp_path)
    again = load_network(find_model(tmp_path / "main.json"))
    with torch.inference_mode():
        torch.testing.assert_close(again(x)[0], network(x)[0], atol=0.01, rtol=0.01)
    path = tmp_path / "main.json"
    content = json.loads(path.read_text())
    assert content["shares"] == {"ivory": [1.0, 0.0]}
    mixed = read_card(path).model_id
    assert mixed.startswith(f"{written.model_id}+shares:")  # another model than the one measured without
    assert find_classifier(mixed, tmp_path).card == read_card(path)
    usual = find_classifier(written.model_id, tmp_path).card
    assert (usual.partners, usual.shares) == (written.partners, {})
    alone = find_classifier(mixed.partition("+")[0], tmp_path)
    assert (alone.card.partners, alone.card.shares) == ((), {})
    assert load_network(alone).shares == {}
    path.write_text(json.dumps(content | {"shares": {"ivory": [0.5, 0.5]}}))
    with pytest.raises(ModelError, match="nor bundled"):
        find_classifier(mixed, tmp_path)
    for wrong in (
        {"ivory": [1.0]},
        {"ebony": [0.5, 0.5]},
        {"ivory": 1.0},
        {"ivory": "10"},
        {"ivory": [True, 0]},
        {"ivory": []},
    ):
        path.write_text(json.dumps(content | {"shares": wrong}))
        with pytest.raises(ModelError, match="shares"):
            read_card(path)


def test_a_model_with_a_partner_does_not_depend_on_the_batch(network: Network, card: ModelCard, tmp_path: Path) -> None:
    joined(network, card, tmp_path)
    classifier = load_classifier(tmp_path / "main.json", device="cpu", precision="fp32")
    photos = list(np.random.default_rng(1).integers(0, 256, (5, 50, 40, 3), dtype=np.uint8))
    one, many = classifier.predict(photos, batch_size=1), classifier.predict(photos, batch_size=5)
    for a, b in zip(one, many, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-4)


def test_verify_reads_the_partner_too(network: Network, card: ModelCard, tmp_path: Path) -> None:
    joined(network, card, tmp_path)
    assert verify(tmp_path / "main.json").name == "main"
    weights = tmp_path / "other.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="sha256"):
        verify(tmp_path / "main.json")


def test_a_partner_that_is_not_there_or_another_one_is_refused(
    network: Network, card: ModelCard, tmp_path: Path
) -> None:
    joined(network, card, tmp_path)
    make_tiny_model(tmp_path, name="other", seed=6)
    with pytest.raises(ModelError, match="nor bundled"):
        load_network(find_model(tmp_path / "main.json"))


def test_a_partner_is_fed_the_same_way_and_has_none_itself(
    network: Network, card: ModelCard, tiny: Path, tmp_path: Path
) -> None:
    written = joined(network, card, tmp_path)
    first = find_model(tmp_path / "main.json")
    alone = load_network(find_model(tmp_path / "other.json"))
    with pytest.raises(ValueError, match="no partners itself"):
        alone.join(load_network(first), 96)
    third = dataclasses.replace(card, name="third", partners=(written.model_id,))
    write_card(third, tmp_path / "third.json")
    (tmp_path / third.weights.file).write_bytes(find_model(tiny).read_weights())
    with pytest.raises(ModelError, match="partners of its own"):
        load_network(find_model(tmp_path / "third.json"))
    # Named by its own weights alone, it comes without them, whatever its card says.
    third = dataclasses.replace(third, partners=(written.model_id.partition("+")[0],))
    write_card(third, tmp_path / "third.json")
    assert not load_network(find_model(tmp_path / "third.json")).partners[0].partners
    how = dataclasses.replace(card.input, resize="letterbox")
    write_card(dataclasses.replace(written, input=how), first.card_path)
    with pytest.raises(ModelError, match="resize differently"):
        load_network(find_model(tmp_path / "main.json"))


def test_a_partner_gets_pixels_normalised_as_it_wants_them(network: Network, card: ModelCard, tmp_path: Path) -> None:
    make_tiny_model(tmp_path, name="other", seed=5)
    other = find_model(tmp_path / "other.json")
    how = dataclasses.replace(card.input, mean=(0.48, 0.46, 0.41), std=(0.27, 0.26, 0.28))
    named = dataclasses.replace(card, name="main", partners=(other.card.model_id,), input=how)
    pixels = torch.rand(2, 3, card.input.size, card.input.size)

    def fed(wanted: Preprocess) -> torch.Tensor:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (wanted.mean, wanted.std))
        return (pixels - mean) / std

    with torch.inference_mode():
        alone, expected = network(fed(how))[0], load_network(other)(fed(other.card.input))[0]
        network.join(load_network(other), other.card.input.size, *how.renormalised(other.card.input))
        export_weights(network, named, tmp_path)
        for both in (network, load_network(find_model(tmp_path / "main.json"))):
            torch.testing.assert_close(both(fed(how))[0], (alone + expected) / 2, atol=0.01, rtol=0.01)


def test_outputs_of_no_group_named_have_the_shares_of_others(network: Network, card: ModelCard, tmp_path: Path) -> None:
    x = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        alone = network(x)[0]
        joined(network, card, tmp_path)
        half = network(x)[0]
        network.share({"others": (1.0, 0.0), "ivory": (0.5, 0.5)})
        shared = network(x)[0]
    ivory = [network.rollup.groups.index("ivory")]
    ivory += [len(network.rollup.groups) + k for k in network.rollup.members[ivory[0]].nonzero()[0]]
    torch.testing.assert_close(shared[:, ivory], half[:, ivory])
    rest = [k for k in range(network.rollup.outputs) if k not in ivory]
    torch.testing.assert_close(shared[:, rest], alone[:, rest])


def test_a_card_and_its_network_agree_on_the_partner(network: Network, card: ModelCard, tmp_path: Path) -> None:
    named = dataclasses.replace(card, partners=("wildvision-classifier-other@sha256:" + "0" * 64,))
    with pytest.raises(ModelError, match="disagree on partners"):
        export_weights(network, named, tmp_path)


def test_exporting_twice_gives_the_same_bytes(network: Network, card: ModelCard, tmp_path: Path) -> None:
    first, second = (export_weights(network, card, tmp_path / name) for name in ("a", "b"))
    assert first.weights.sha256 == second.weights.sha256


def test_matrices_are_half_and_vectors_single_precision(network: Network, card: ModelCard, tmp_path: Path) -> None:
    export_weights(network, card, tmp_path, stem="model")
    tensors = load_file(tmp_path / "model.safetensors")
    assert {t.dtype for t in tensors.values() if t.ndim > 1} == {torch.float16}
    assert {t.dtype for name, t in tensors.items() if t.ndim == 1} == {torch.float32}


def test_a_variance_too_small_for_half_precision_survives(network: Network, card: ModelCard, tmp_path: Path) -> None:
    name = "backbone.bn1.running_var"
    network.get_buffer(name).fill_(1e-9)
    export_weights(network, card, tmp_path)
    assert load_network(find_model(tmp_path)).get_buffer(name)[0].item() == pytest.approx(1e-9)


def test_loading_leaves_the_callers_random_numbers_alone(tiny: Path) -> None:
    model = find_model(tiny)
    before = torch.random.get_rng_state()
    load_network(model)
    assert torch.equal(before, torch.random.get_rng_state())


def test_loaded_networks_compute_in_float32_and_evaluate(network: Network) -> None:
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert not network.training


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_that_half_precision_cannot_hold_are_not_written(
    network: Network, card: ModelCard, tmp_path: Path, value: float
) -> None:
    with torch.no_grad():
        network.head.weight[0, 0] = value
    with pytest.raises(ModelError, match=r"'head\.weight' is not finite as torch\.float16"):
        export_weights(network, card, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_card_that_cannot_be_written_leaves_an_older_model_whole(
    network: Network, card: ModelCard, tmp_path: Path
) -> None:
    export_weights(network, card, tmp_path)
    torch.nn.init.zeros_(network.head.bias)
    with pytest.raises(ModelError, match="is not JSON"):
        export_weights(network, dataclasses.replace(card, metrics={"auroc": float("nan")}), tmp_path)
    assert verify(tmp_path) == load_card(tmp_path)


def test_a_card_of_another_network_is_refused(card: ModelCard, tmp_path: Path, network: Network) -> None:
    other = Network("test_resnet", network.rollup)
    with pytest.raises(ModelError, match="describes a 'test_efficientnet', the network is a 'test_resnet'"):
        export_weights(other, card, tmp_path / "out")


def test_the_door_knows_its_names_and_no_others() -> None:
    for name in wildvision.models.__all__:
        assert getattr(wildvision.models, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'load_pickle'"):
        wildvision.models.load_pickle  # noqa: B018
