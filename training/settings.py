"""Strict reading of settings: unknown and missing keys, and values of the wrong kind, are errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from wildvision.errors import ArgumentError

_SCALARS: Mapping[Any, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ArgumentError: It is no YAML in UTF-8.
        OSError: It cannot be read.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no YAML: {error}") from error


def checked(value: Any, kind: type, where: str, *, defaults: bool = False) -> dict[str, Any]:
    """``value`` once it is a mapping with fields of the dataclass ``kind``, all of them unless ``defaults`` will do.

    Raises:
        ArgumentError: It is no mapping, a key is unknown or missing, or a value of another kind than its field.
    """
    if not isinstance(value, dict):
        raise ArgumentError(f"{where}: expected a mapping; received {value!r}")
    known = {f.name for f in fields(kind)}
    if unknown := sorted(set(value) - known):
        raise ArgumentError(f"{where}: unknown keys {unknown}; known are {sorted(known)}")
    if (missing := sorted(known - set(value))) and not defaults:
        raise ArgumentError(f"{where}: missing keys {missing}")
    hints = get_type_hints(kind)
    for name, given in value.items():
        if not _fits(given, hints[name]):
            wanted = getattr(hints[name], "__name__", "") if hints[name] in _SCALARS else hints[name]
            raise ArgumentError(f"{where}: {name} = {given!r} is no {wanted}; {_advice(given)}")
    return dict(value)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from YAML, where tuples are lists, is of a field's kind; nested dataclasses pass."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return isinstance(value, _SCALARS[hint]) and (hint is bool or not isinstance(value, bool))
    if origin is tuple:
        kinds = [args[0]] * len(value) if args[-1] is ... and isinstance(value, list) else list(args)
        return isinstance(value, list) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if origin in (list, Sequence):
        return isinstance(value, list) and all(_fits(v, args[0]) for v in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(_fits(k, args[0]) and _fits(v, args[1]) for k, v in value.items())
    return True


def _advice(given: Any) -> str:
    try:
        number = isinstance(given, str) and math.isfinite(float(given))
    except ValueError:
        number = False
    return "YAML reads 1e-3 as text, so write 1.0e-3 or 1.0e+3" if number else "see the configurations that are there"
