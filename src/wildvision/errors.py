"""Exceptions for bad arguments and unusable models; bad photos never raise, they carry a status."""

from __future__ import annotations

from numbers import Integral
from typing import Any


class WildvisionError(Exception):
    """Base of every exception that wildvision raises on purpose."""


class ArgumentError(WildvisionError, ValueError):
    """An argument is unusable; the message gives the value received and the way out."""


class TaxonomyError(WildvisionError, ValueError):
    """A taxonomy file is inconsistent (unknown key, missing translation, dangling reference)."""


class ModelError(WildvisionError):
    """A model cannot be found, verified or loaded."""


class MissingExtraError(WildvisionError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package!r} is needed for this and is not installed. Install it with: pip install 'wildvision[{extra}]'"
        )


def at_least_one(name: str, value: Any) -> None:
    """Refuse what is no count of something that there must be.

    Args:
        name: Of the argument.
        value: Received for it.

    Raises:
        ArgumentError: The value is no whole number, or below 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1; received {value!r}")
