"""Ways to run a network: one small module each, all with the call of :class:`Backend`.

A backend knows uint8 batches and float arrays; what the outputs mean is for :mod:`wildvision.models`.
"""

from wildvision.backends.base import Backend, DeviceMemoryError

__all__ = ["Backend", "DeviceMemoryError"]
