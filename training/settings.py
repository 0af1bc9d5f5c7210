"""Strict reading of settings: unknown and missing keys, and sources that are not there, are errors."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from wildvision.errors import ArgumentError

log = logging.getLogger(__name__)


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


def check_sources(
    folds: Sequence[Sequence[str]], not_trained_on: Collection[str], known: Collection[str], wanted: Collection[int]
) -> None:
    """Make sure that what a recipe holds out is there to be held out, before hours go into it.

    Sources of photographs that no fold holds out are trained on and never measured; they are named in a warning.

    Args:
        folds: Held-out sources of each fold.
        not_trained_on: Sources that teach nothing.
        known: Sources of the photographs.
        wanted: Numbers of the folds that are to be run.

    Raises:
        ArgumentError: A source is unknown or in two folds, or there is no such fold.
    """
    if outside := sorted(k for k in wanted if not 0 <= k < len(folds)):
        raise ArgumentError(f"there is no fold {outside}; the recipe has folds 0 to {len(folds) - 1}")
    named = Counter(source for fold in folds for source in fold)
    if twice := sorted(source for source, n in named.items() if n > 1):
        raise ArgumentError(f"these sources are in more than one fold: {twice}")
    if unknown := sorted({*named, *not_trained_on} - set(known)):
        raise ArgumentError(f"no photo is of the sources {unknown}, which the recipe holds out; known: {sorted(known)}")
    if free := sorted(set(known) - set(named)):
        log.warning("in no fold, so trained on and never measured: %s", ", ".join(free))
