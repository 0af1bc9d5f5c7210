"""numpy arrays and torch tensors to 8-bit RGB, with one written rule for every shape and dtype.

torch is never imported: a tensor can only come from a program that did so itself.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from wildvision.contract import Status
from wildvision.imaging.types import InputError, Limits, UInt8Image, check_pixels


def is_tensor(source: object) -> bool:
    """Whether ``source`` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def rgb_from_tensor(tensor: Any, limits: Limits) -> UInt8Image:
    """RGB of a torch tensor on any device: ``(C, H, W)`` or ``(H, W)``, or ``(H, W, C)`` where C can only be last."""
    values = tensor.detach().cpu()
    if values.is_floating_point():
        values = values.float()  # numpy has no bfloat16
    array = values.numpy()
    if array.ndim == 3 and array.shape[0] in (1, 2, 3, 4):
        array = array.transpose(1, 2, 0)
    check_array(array, limits)
    return rgb_from_array(array)


def check_array(array: npt.NDArray[Any], limits: Limits) -> None:
    """Refuse shapes that are not one image, and sizes beyond the limits."""
    shape = array.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 2, 3, 4) and array.size):
        hint = ""
        if len(shape) == 3 and shape[0] in (1, 3, 4):
            hint = "; it looks like (C, H, W), so pass array.transpose(1, 2, 0)"
        elif len(shape) == 4:
            hint = "; pass a batch as a list of images"
        raise InputError(
            Status.UNSUPPORTED, f"an array must be (H, W) or (H, W, C) with 1 to 4 channels; received {shape}{hint}"
        )
    if array.size == 0 and min(shape[:2]) > 0:
        raise InputError(Status.EMPTY, f"the array has no channels; received {shape}")
    check_pixels(shape[1], shape[0], limits)


def rgb_from_array(array: npt.NDArray[Any]) -> UInt8Image:
    """``(H, W, 3)`` uint8 of an array that :func:`check_array` let through.

    Channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; alpha is laid on white. Values: uint8 as it is, uint16
    from 0 to 65535, floats from 0 to 1, bool as black and white. Other dtypes say nothing about their range
    and are refused.
    """
    pixels = _to_uint8(array)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    channels = pixels.shape[2]
    if channels in (2, 4):
        alpha = pixels[..., -1:].astype(np.uint32)
        colour = pixels[..., :-1].astype(np.uint32)
        pixels = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    return pixels.copy() if np.may_share_memory(pixels, array) else pixels  # never the caller's own memory


def _to_uint8(array: npt.NDArray[Any]) -> UInt8Image:
    if array.dtype == np.uint8:
        return cast(UInt8Image, array)
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # either byte order
        return np.asarray((array.astype(np.uint32) + 128) // 257, dtype=np.uint8)
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= -1e-6 and high <= 1 + 1e-6):  # false for NaN too
            raise InputError(
                Status.UNSUPPORTED,
                f"float pixels must lie in [0, 1]; received {low:g} to {high:g} (for 0 to 255 pass uint8)",
            )
        return np.asarray(np.rint(np.clip(array, 0, 1).astype(np.float32) * 255), dtype=np.uint8)
    raise InputError(
        Status.UNSUPPORTED, f"pixels must be uint8, uint16, bool or float in [0, 1]; received {array.dtype}"
    )
