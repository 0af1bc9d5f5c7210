"""What both models share in taking photos: one, many or a stream of them, in batches that fit the device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from wildvision.backends import DeviceMemoryError
from wildvision.imaging.arrays import is_tensor

Input = TypeVar("Input")
Output = TypeVar("Output")


def is_iterator(x: Any) -> bool:
    """Whether ``x`` is a stream of photos. An open file is an iterator over its lines, and yet one photo."""
    return isinstance(x, Iterator) and not hasattr(x, "read")


def is_list(x: Any) -> bool:
    """Whether ``x`` holds photos: a list or tuple, a set, a column of a data frame, an array of paths."""
    if isinstance(x, list | tuple):
        return True
    if isinstance(x, np.ndarray):
        return x.ndim == 1 and x.dtype.kind in "OUS"
    one = isinstance(x, str | bytes | bytearray | memoryview | os.PathLike | Mapping) or hasattr(x, "read")
    return isinstance(x, Iterable) and not (one or is_iterator(x) or is_tensor(x) or isinstance(x, Image.Image))


def many(x: Any) -> Iterable[Any]:
    """``x`` as photos: itself, or the one photo that it is."""
    return x if is_list(x) or is_iterator(x) else [x]


def run_fitting(
    run: Callable[[Sequence[Input]], list[Output]], batch: Sequence[Input], failed: Callable[[str], Output]
) -> list[Output]:
    """``run(batch)``, in halves where the device's memory is short; ``failed(error)`` for one that never fits."""
    try:
        return run(batch)
    except DeviceMemoryError as error:
        if len(batch) == 1:
            return [failed(str(error))]
    half = len(batch) // 2
    return [*run_fitting(run, batch[:half], failed), *run_fitting(run, batch[half:], failed)]
