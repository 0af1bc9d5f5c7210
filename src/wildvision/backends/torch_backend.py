"""Run a torch module on CPU, CUDA or MPS. Knows neither files nor classes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wildvision.backends.base import DeviceMemoryError
from wildvision.errors import ArgumentError

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# Pixels that go through a CPU at once. glibc takes every block over 32 MiB from the kernel anew, page fault by page
# fault; with so few, the largest activations of an EfficientNet-Lite stay below that.
CPU_PIXELS = 4 * 256 * 256


class TorchBackend:
    """A torch module on one device.

    Args:
        module: Takes ``(n, 3, size, size)`` normalised float32, returns a tuple of tensors ``(n, …)``. It is moved
            to the device and put into evaluation mode.
        mean: Of the training photos, three values for pixels in [0, 1].
        std: Likewise.
        device: ``auto`` (CUDA, else MPS, else CPU) or the name of a torch device.
        precision: ``auto`` (``fp16`` on CUDA, else ``fp32``), ``fp32``, ``fp16`` or ``bf16``. Half precisions run
            under autocast. Only ``fp32`` gives the same outputs, to about 1e-6, however photos are batched.

    Attributes:
        module: The module on its device, in evaluation mode.

    Raises:
        ArgumentError: The device is not there, or cannot compute in that precision.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self._device = _pick_device(device)
        self.precision = _pick_precision(precision, self._device)
        self.module = module.eval().to(self._device).to(memory_format=torch.channels_last)
        # (x / 255 - mean) / std as one multiplication and one addition.
        scale = 1.0 / (255.0 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self._scale = scale.float().view(1, 3, 1, 1).to(self._device)
        self._shift = shift.float().view(1, 3, 1, 1).to(self._device)

    @property
    def device(self) -> str:
        """Where the module runs, such as ``cpu`` or ``cuda:0``."""
        return str(self._device)

    def __call__(self, batch: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], ...]:
        """As :meth:`wildvision.backends.Backend.__call__`."""
        try:
            parts = self._all_of(self._parts(batch))
            return tuple(torch.cat(outputs).cpu().numpy() for outputs in zip(*parts, strict=True))
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            raise DeviceMemoryError(
                f"{self.device} ran out of memory over a batch of {len(batch)} photos; use a smaller batch_size"
            ) from error

    def _parts(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
        if self._device.type != "cpu":
            return [batch]
        step = max(1, CPU_PIXELS // (batch.shape[1] * batch.shape[2]))
        return [batch[start : start + step] for start in range(0, len(batch), step)] or [batch]

    def _all_of(self, parts: list[npt.NDArray[np.uint8]]) -> list[tuple[Tensor, ...]]:
        """Outputs of every part. Each core of a CPU takes parts of its own: sharing one, cores wait for each other.

        The number of cores is torch's number of threads, which stays as it is for everybody else.
        """
        threads = torch.get_num_threads()
        lanes = min(len(parts), threads) if self._device.type == "cpu" else 1
        if lanes == 1:
            return [self._outputs(part) for part in parts]
        ready = threading.Barrier(lanes + 1, timeout=60.0)  # a system without threads to spare fails, not hangs
        with ThreadPoolExecutor(lanes, initializer=_take_one_core, initargs=(ready,)) as pool:
            outputs = [pool.submit(self._outputs, part) for part in parts]
            ready.wait()
            torch.set_num_threads(threads)
            return [output.result() for output in outputs]

    def _outputs(self, part: npt.NDArray[np.uint8]) -> tuple[Tensor, ...]:
        with torch.inference_mode(), self._arithmetic():
            return tuple(output.float() for output in self.module(self._normalised(part)))

    def _normalised(self, batch: npt.NDArray[np.uint8]) -> Tensor:
        # NHWC bytes seen as NCHW are channels_last already: no copy on the CPU, and a quarter of the transfer.
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device).permute(0, 3, 1, 2)
        return torch.addcmul(self._shift, pixels.float(), self._scale)

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        half = self.precision != "fp32"
        autocast = torch.autocast(self._device.type, PRECISIONS[self.precision]) if half else nullcontext()
        # TF32 keeps 10 bits of mantissa, which is not what fp32 promises.
        exact = (
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
            if self._device.type == "cuda" and not half
            else nullcontext()
        )
        with autocast, exact:
            yield


def _take_one_core(ready: threading.Barrier) -> None:
    torch.get_num_threads()  # takes the process's number, which would else overwrite this thread's own at first use
    torch.set_num_threads(1)
    ready.wait()


def _out_of_memory(error: Exception) -> bool:
    # CPU and MPS have no exception of their own for it.
    says_so = "can't allocate memory" in str(error) or "out of memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or says_so


def _pick_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).tolist()  # a device that holds no numbers, such as meta, is of no use
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).strip().splitlines()[0].partition(". ")[0]
        raise ArgumentError(
            f"device {name!r} cannot be used ({reason}); choose auto, cpu, cuda, cuda:N or mps"
        ) from error
    return device


def _pick_precision(name: str, device: torch.device) -> str:
    if name == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if name not in PRECISIONS:
        raise ArgumentError(f"precision must be auto, {', '.join(PRECISIONS)}; received {name!r}")
    if name == "fp16" and device.type == "cpu":
        raise ArgumentError("precision 'fp16' is slower than 'fp32' on a CPU; choose fp32 or bf16")
    return name
