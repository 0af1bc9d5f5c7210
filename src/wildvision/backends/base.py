"""What every backend offers. No backend lives here."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from wildvision.errors import ModelError


class DeviceMemoryError(ModelError):
    """The device ran out of memory over a batch; a smaller batch may still fit."""


class Backend(Protocol):
    """A network on a device."""

    @property
    def device(self) -> str:
        """Where it runs, such as ``cpu`` or ``cuda:0``."""
        ...

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``bf16``."""
        ...

    def __call__(self, batch: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], ...]:
        """Outputs of the network for a batch, one array ``(n, …)`` float32 for each of them.

        Args:
            batch: ``(n, size, size, 3)`` RGB photos, neither normalised nor reordered.

        Raises:
            DeviceMemoryError: The batch does not fit; nothing else is wrong.
        """
        ...
