"""Exceptions for bad arguments and unusable models; bad photos never raise, they carry a status."""

from __future__ import annotations


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
