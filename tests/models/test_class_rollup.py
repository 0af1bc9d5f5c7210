from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models.tiny import ARCHITECTURE
from wildvision.models import Network, Rollup
from wildvision.taxonomy import load_taxonomy

ROLLUP = Rollup.of(load_taxonomy())


def logits(n: int = 5, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(1).normal(scale=spread, size=(n, ROLLUP.outputs)).astype(np.float32)


def test_outputs_are_groups_then_product_leaves_then_lookalikes() -> None:
    taxonomy = load_taxonomy()
    assert ROLLUP.outputs == 22
    assert ROLLUP.groups == taxonomy.group_names
    assert ROLLUP.leaves == taxonomy.leaf_names + taxonomy.lookalike_names


def test_group_logit_is_the_mean_of_own_output_and_log_odds_of_its_leaves() -> None:
    x = logits()
    p = ROLLUP.leaf_probabilities(x)
    ivory = p[:, ROLLUP.leaves.index("ivory_raw")] + p[:, ROLLUP.leaves.index("ivory_worked")]
    expected = 0.5 * (x[:, 0] + np.log(ivory / (1.0 - ivory)))
    np.testing.assert_allclose(ROLLUP.group_logits(x)[:, 0], expected, rtol=1e-6)


def test_more_of_a_groups_own_leaf_raises_that_group_and_lowers_the_others() -> None:
    x = logits(1)
    y = x.copy()
    y[0, len(ROLLUP.groups) + ROLLUP.leaves.index("rhino_horn_worked")] += 1.0
    change = (ROLLUP.group_logits(y) - ROLLUP.group_logits(x))[0]
    rhino = ROLLUP.groups.index("rhino_horn")
    assert change[rhino] > 0
    assert all(change[k] < 0 for k in range(len(ROLLUP.groups)) if k != rhino)


def test_torch_and_numpy_agree_and_gradients_are_finite() -> None:
    x = torch.from_numpy(logits()).requires_grad_()
    rolled = Network(ARCHITECTURE, ROLLUP).group_logits(x)
    np.testing.assert_allclose(rolled.detach().numpy(), ROLLUP.group_logits(logits()), atol=1e-5)
    rolled.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_leaf_probabilities_sum_to_one() -> None:
    np.testing.assert_allclose(ROLLUP.leaf_probabilities(logits()).sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
def test_extreme_logits_stay_finite(value: float) -> None:
    x = np.full((1, ROLLUP.outputs), value, np.float32)
    x[0, -1] = -value
    assert np.isfinite(ROLLUP.group_logits(x)).all()
    assert np.isfinite(ROLLUP.leaf_probabilities(x)).all()


@pytest.mark.parametrize("shape", [(22,), (2, 21), (2, 23)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(n, 22\)"):
        ROLLUP.group_logits(np.zeros(shape, np.float32))


def test_unknown_architecture_is_refused_without_a_download() -> None:
    with pytest.raises(ValueError, match="no architecture"):
        Network("hf-hub:timm/resnet18", ROLLUP)
