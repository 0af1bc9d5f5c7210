"""Card files: JSON, read strictly (a key too many or too few is an error) and written so that it reads back equal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wildvision.errors import ArgumentError, ModelError
from wildvision.imaging import Preprocess
from wildvision.models.card import SCHEMA, ModelCard, Weights
from wildvision.models.detector_settings import DetectorSettings
from wildvision.policy import OperatingPoint
from wildvision.policy.calibration import Calibrator, calibrator_from_json


def read_card(path: str | os.PathLike[str]) -> ModelCard:
    """Read a card file.

    Raises:
        ModelError: No such file, not JSON, a newer schema, unknown or missing keys, values out of range.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise ModelError(f"cannot read the model card {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(f"{path} is no model card: {error}") from error
    try:
        return parse_card(value)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def write_card(card: ModelCard, path: str | os.PathLike[str]) -> None:
    """Write a card file that :func:`read_card` accepts; what cannot be written leaves an older card whole.

    Raises:
        ModelError: The metrics or the training summary hold something that is not JSON, such as NaN.
    """
    try:
        text = json.dumps(card.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the card of {card.name!r} is not JSON: {error}") from error
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def parse_card(value: object) -> ModelCard:
    """A card from JSON values.

    Raises:
        ModelError: As :func:`read_card`.
    """
    if not isinstance(value, dict):
        raise ModelError(f"a model card is a JSON object; received {type(value).__name__}")
    _check_schema(value.get("schema"))
    detector = {"detector": dict} if value.get("kind") == "detector" else {}
    optional = {key: kind for key, kind in (("pooling", str), ("partners", list), ("shares", dict)) if key in value}
    card = _fields(
        value,
        "the card",
        **detector,
        **optional,
        schema=str,
        name=str,
        kind=str,
        architecture=str,
        input=dict,
        classes=dict,
        taxonomy_version=str,
        calibration=dict,
        operating_points=dict,
        metrics=dict,
        training=dict,
        licence=str,
        weights=dict,
        created=str,
        wildvision=str,
    )
    classes = _fields(card["classes"], "classes", groups=list, leaves=list)
    weights = _fields(card["weights"], "weights", file=str, sha256=str, bytes=int, dtype=str)
    size = _fields(card["input"], "input", size=int, resize=str, interpolation=str, mean=list, std=list)
    same = ("name", "kind", "architecture", "taxonomy_version", "metrics", "training", "licence", "created")
    try:
        return ModelCard(
            **{key: card[key] for key in same},
            wildvision=card["wildvision"],
            input=Preprocess(**size),
            groups=_names(classes["groups"], "classes.groups"),
            leaves=_names(classes["leaves"], "classes.leaves"),
            calibration={group: _calibrator(group, v) for group, v in card["calibration"].items()},
            operating_points={g: OperatingPoint.from_json(v) for g, v in card["operating_points"].items()},
            provenance={
                group: {key: v for key, v in point.items() if key not in ("review", "block")}
                for group, point in card["operating_points"].items()
            },
            weights=Weights(**weights),
            **({"pooling": card["pooling"]} if "pooling" in optional else {}),
            partners=_names(card["partners"], "partners") if "partners" in optional else (),
            shares={
                group: _numbers(given, f"the shares of {group!r}") for group, given in card.get("shares", {}).items()
            },
            detector=DetectorSettings.from_json(card["detector"]) if detector else None,
        )
    except (ArgumentError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"the card holds an unusable value: {error}") from error


def _check_schema(schema: object) -> None:
    family, ours = SCHEMA.split("/")
    match = re.fullmatch(rf"{family}/(\d+)", schema) if isinstance(schema, str) else None
    if match is None:
        raise ModelError(f"a model card has schema {SCHEMA!r}; received {schema!r}")
    if int(match[1]) > int(ours):
        raise ModelError(
            f"the card has schema {schema!r}, newer than {SCHEMA!r} which this library reads. "
            "Upgrade with: pip install --upgrade wildvision"
        )
    if schema != SCHEMA:
        raise ModelError(f"this library reads cards of schema {SCHEMA!r}; received {schema!r}")


def _fields(value: Mapping[str, Any], where: str, **types: type) -> Mapping[str, Any]:
    """``value`` once it has exactly the keys of ``types``, each of its type."""
    if unknown := sorted(value.keys() - types.keys()):
        raise ModelError(f"{where} has unknown keys {unknown}")
    if missing := sorted(types.keys() - value.keys()):
        raise ModelError(f"{where} lacks {missing}")
    for key, wanted in types.items():
        # bool is an int in Python, but not in a card.
        if not isinstance(value[key], wanted) or isinstance(value[key], bool):
            raise ModelError(f"{key!r} of {where} must be {wanted.__name__}; received {value[key]!r}")
    return value


def _names(values: list[Any], where: str) -> tuple[str, ...]:
    if not values or len(set(map(str, values))) != len(values) or not all(isinstance(v, str) for v in values):
        raise ModelError(f"{where} must be distinct names; received {values!r}")
    return tuple(values)


def _numbers(values: Any, what: str) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise ModelError(f"{what} must be a list of numbers; received {values!r}")
    return tuple(map(float, values))


def _calibrator(group: str, value: Any) -> Calibrator:
    calibrator = calibrator_from_json(value)
    if unknown := sorted(value.keys() - calibrator.to_json().keys()):
        raise ModelError(f"the calibration of {group!r} has unknown keys {unknown}")
    return calibrator


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
