"""Strict reading of settings: unknown and missing keys are errors."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from wildvision.errors import ArgumentError


def checked(value: Any, kind: type, where: str) -> dict[str, Any]:
    """``value`` once it is a mapping with exactly the fields of the dataclass ``kind``.

    Raises:
        ArgumentError: It is no mapping, or a key is unknown or missing.
    """
    if not isinstance(value, dict):
        raise ArgumentError(f"{where}: expected a mapping; received {value!r}")
    known = {f.name for f in fields(kind)}
    if unknown := sorted(set(value) - known):
        raise ArgumentError(f"{where}: unknown keys {unknown}; known are {sorted(known)}")
    if missing := sorted(known - set(value)):
        raise ArgumentError(f"{where}: missing keys {missing}")
    return dict(value)
