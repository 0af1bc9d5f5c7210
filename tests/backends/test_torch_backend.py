from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wildvision.backends import DeviceMemoryError
from wildvision.backends.torch_backend import TorchBackend
from wildvision.errors import ArgumentError

MEAN, STD = (0.5, 0.25, 0.1), (0.5, 0.2, 1.0)
BATCH = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)


class Echo(nn.Module):
    """Gives back what it is fed."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x.mean(dim=(2, 3))


class Raise(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> tuple[Tensor]:
        raise self.error


def backend(module: nn.Module, **options: str) -> TorchBackend:
    return TorchBackend(module, mean=MEAN, std=STD, **{"device": "cpu", **options})  # type: ignore[arg-type]


def test_pixels_arrive_channels_first_and_normalised() -> None:
    pixels, _ = backend(Echo())(BATCH)
    expected = (BATCH / 255.0 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(pixels, expected.transpose(0, 3, 1, 2), atol=1e-5)


def test_outputs_are_float32_arrays_without_gradients() -> None:
    outputs = backend(nn.Sequential(nn.Conv2d(3, 4, 3), Echo()))(BATCH)
    assert [(o.dtype, o.shape) for o in outputs] == [(np.float32, (3, 4, 6, 6)), (np.float32, (3, 4))]


@pytest.mark.parametrize("view", [lambda b: b[:, :, ::-1], lambda b: b[:, ::2], np.asfortranarray])
def test_any_memory_layout_is_taken(view: Callable[[np.ndarray], np.ndarray]) -> None:
    batch = view(BATCH)
    np.testing.assert_array_equal(backend(Echo())(batch)[0], backend(Echo())(np.ascontiguousarray(batch))[0])


def test_large_batches_go_through_a_cpu_in_parts() -> None:
    seen: list[int] = []
    module = Echo()
    module.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    batch = np.random.default_rng(1).integers(0, 256, (9, 256, 256, 3), dtype=np.uint8)
    means = backend(module)(batch)[1]
    assert sorted(seen) == [1, 4, 4]
    np.testing.assert_array_equal(means, np.concatenate([backend(Echo())(batch[i : i + 1])[1] for i in range(9)]))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_core_takes_parts_of_its_own_and_torch_keeps_its_threads(threads: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), Echo())
    seen: set[tuple[int, int]] = set()
    module.register_forward_pre_hook(lambda *_: seen.add((threading.get_ident(), torch.get_num_threads())))
    batch = np.random.default_rng(1).integers(0, 256, (16, 256, 256, 3), dtype=np.uint8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        means = backend(module)(batch)[1]
        assert torch.get_num_threads() == threads
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == threads
    finally:
        torch.set_num_threads(before)
    assert len(seen) <= min(threads, 4)
    assert {number for _, number in seen} == {1}
    expected = np.concatenate([backend(module)(batch[i : i + 4])[1] for i in range(0, 16, 4)])
    np.testing.assert_allclose(means, expected, atol=1e-6)


def test_a_failure_in_one_part_comes_through_from_several_cores() -> None:
    batch = np.zeros((16, 256, 256, 3), np.uint8)
    with pytest.raises(DeviceMemoryError, match="batch of 16 photos"):
        backend(Raise(MemoryError()))(batch)


def test_the_module_is_put_into_evaluation_mode() -> None:
    module = nn.Sequential(nn.Dropout(0.9), Echo())
    np.testing.assert_array_equal(backend(module)(BATCH)[0], backend(Echo())(BATCH)[0])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_short_memory_is_told_apart(error: Exception) -> None:
    with pytest.raises(DeviceMemoryError, match="batch of 3 photos; use a smaller batch_size"):
        backend(Raise(error))(BATCH)


def test_other_failures_come_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        backend(Raise(RuntimeError("shapes cannot be multiplied")))(BATCH)


@pytest.mark.parametrize("device", ["cpuu", "cuda:99", "meta:x", "meta", ""])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ArgumentError, match=rf"device '{device}' cannot be used.*choose auto, cpu"):
        backend(Echo(), device=device)


def test_auto_takes_what_there_is() -> None:
    assert backend(Echo(), device="auto").device.split(":")[0] in {"cpu", "cuda", "mps"}


@pytest.mark.parametrize(("precision", "expected"), [("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")])
def test_a_cpu_computes_in_fp32_unless_asked(precision: str, expected: str) -> None:
    assert backend(Echo(), precision=precision).precision == expected


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(ArgumentError, match="choose fp32 or bf16"):
        backend(Echo(), precision="fp16")


def test_bf16_stays_close_to_fp32_and_returns_float32() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), Echo())
    exact, close = backend(module)(BATCH)[1], backend(module, precision="bf16")(BATCH)[1]
    assert close.dtype == np.float32
    assert 0 < np.abs(exact - close).max() < 1e-2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 2e-2), ("bf16", 5e-2)])
def test_cuda_agrees_with_the_cpu(precision: str, tolerance: float) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), Echo())
    exact = backend(module)(BATCH)[1]
    np.testing.assert_allclose(backend(module, device="cuda", precision=precision)(BATCH)[1], exact, atol=tolerance)
