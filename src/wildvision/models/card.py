"""Model cards: what a weights file is, how to feed it and what its outputs mean. Reads and writes JSON, strictly.

Where cards lie and how weights are checked against them is in :mod:`wildvision.models.registry`.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wildvision._version import __version__
from wildvision.errors import ArgumentError, ModelError
from wildvision.imaging import Preprocess
from wildvision.policy import NEVER, OperatingPoint
from wildvision.policy.calibration import Calibrator, Platt, calibrator_from_json
from wildvision.taxonomy import Taxonomy

SCHEMA = "wildvision-card/1"
KINDS = ("classifier", "detector")


@dataclass(frozen=True)
class Weights:
    """The weights file beside a card.

    Attributes:
        file: Its plain file name, ending in ``.safetensors``.
        sha256: Hex digest of its bytes.
        bytes: Its size.
        dtype: Type of the tensors in the file, such as ``float16``; they are computed with as ``float32``.
    """

    file: str
    sha256: str
    bytes: int
    dtype: str

    def __post_init__(self) -> None:
        if Path(self.file).name != self.file or "\\" in self.file or not self.file.endswith(".safetensors"):
            raise ModelError(
                f"weights must be a .safetensors file beside the card; received {self.file!r}. Pickle files "
                "(.pt, .pth, .bin, .ckpt) can run code when loaded and are never read"
            )
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ModelError(f"weights need a sha256 of 64 lower-case hex digits; received {self.sha256!r}")
        if self.bytes <= 0:
            raise ModelError(f"weights need a size above 0 bytes; received {self.bytes}")


UNWRITTEN = Weights(file="unwritten.safetensors", sha256="0" * 64, bytes=1, dtype="float32")
"""Stands in a card until :func:`wildvision.models.export_weights` has written the file."""


@dataclass(frozen=True)
class ModelCard:
    """Everything a weights file needs beside it, and what is known of how well it works.

    Attributes:
        name: Short name, as in ``load_classifier(name)``.
        kind: ``classifier`` or ``detector``.
        architecture: Name of the timm architecture of the backbone.
        input: How a photo becomes the network's input.
        groups: Group names, in output order.
        leaves: Leaf names (products, then look-alikes), in output order.
        taxonomy_version: Version of the taxonomy that the classes come from.
        calibration: Group to the map from its raw logit to a probability.
        operating_points: Group to its thresholds.
        provenance: Group to what its thresholds were chosen on; as much or as little as the author wrote.
        weights: The weights file beside the card.
        licence: SPDX identifier of the weights' licence.
        created: ISO date.
        wildvision: Version of the library that wrote the card.
        metrics: Measured numbers, free-form JSON.
        training: Summary of data and recipe, free-form JSON.
    """

    name: str
    kind: str
    architecture: str
    input: Preprocess
    groups: tuple[str, ...]
    leaves: tuple[str, ...]
    taxonomy_version: str
    calibration: Mapping[str, Calibrator]
    operating_points: Mapping[str, OperatingPoint]
    weights: Weights
    licence: str
    created: str
    wildvision: str
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise ModelError(f"a model's name is lower-case letters, digits, '.', '_' and '-'; received {self.name!r}")
        if self.kind not in KINDS:
            raise ModelError(f"kind must be one of {', '.join(KINDS)}; received {self.kind!r}")
        for what, groups in (("calibration", self.calibration), ("operating_points", self.operating_points)):
            if set(groups) != set(self.groups):
                raise ModelError(f"{what} must name the groups {list(self.groups)}; received {sorted(groups)}")

    @property
    def model_id(self) -> str:
        """``wildvision-KIND-NAME@sha256:…``, as written into every output row."""
        return f"wildvision-{self.kind}-{self.name}@sha256:{self.weights.sha256}"

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Make sure that the model's outputs are the classes of ``taxonomy``, in its order.

        Raises:
            ModelError: They are not. A version that differs over the same classes is no error.
        """
        if (self.groups, self.leaves) == (taxonomy.group_names, taxonomy.class_names):
            return
        ours, theirs = {*taxonomy.group_names, *taxonomy.class_names}, {*self.groups, *self.leaves}
        difference = f"only in the model: {sorted(theirs - ours)}; only in the library: {sorted(ours - theirs)}"
        raise ModelError(
            f"model {self.name!r} was trained on taxonomy {self.taxonomy_version}, this library has "
            f"{taxonomy.version} ({difference if ours != theirs else 'same classes in another order'}). "
            f"Use a model for this taxonomy, or the library version that wrote the card (wildvision {self.wildvision})"
        )

    def to_json(self) -> dict[str, Any]:
        """The card as JSON values; :func:`parse_card` reads them back."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "kind": self.kind,
            "architecture": self.architecture,
            "input": _plain(dataclasses.asdict(self.input)),
            "classes": {"groups": list(self.groups), "leaves": list(self.leaves)},
            "taxonomy_version": self.taxonomy_version,
            "calibration": {group: c.to_json() for group, c in self.calibration.items()},
            "operating_points": {
                group: {"review": p.review, "block": p.block, **self.provenance.get(group, {})}
                for group, p in self.operating_points.items()
            },
            "metrics": dict(self.metrics),
            "training": dict(self.training),
            "licence": self.licence,
            "weights": dataclasses.asdict(self.weights),
            "created": self.created,
            "wildvision": self.wildvision,
        }


def draft_card(
    *,
    name: str,
    architecture: str,
    input: Preprocess,
    taxonomy: Taxonomy,
    licence: str = "Apache-2.0",
    metrics: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> ModelCard:
    """The card of a classifier that was trained but not yet exported, calibrated or given operating points.

    Scores are uncalibrated and every photo passes, until ``calibration`` and ``operating_points`` are replaced.
    """
    return ModelCard(
        name=name,
        kind="classifier",
        architecture=architecture,
        input=input,
        groups=taxonomy.group_names,
        leaves=taxonomy.class_names,
        taxonomy_version=taxonomy.version,
        calibration={group: Platt() for group in taxonomy.group_names},
        operating_points={group: OperatingPoint(review=NEVER, block=NEVER) for group in taxonomy.group_names},
        weights=UNWRITTEN,
        licence=licence,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        wildvision=__version__,
        metrics=metrics or {},
        training=training or {},
    )


def read_card(path: Path) -> ModelCard:
    """Read a card file.

    Raises:
        ModelError: No such file, not JSON, a newer schema, unknown or missing keys, values out of range.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise ModelError(f"cannot read the model card {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelError(f"{path} is no model card: {error}") from error
    try:
        return parse_card(value)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card file that :func:`read_card` accepts.

    Raises:
        ModelError: The metrics or the training summary hold something that is not JSON, such as NaN.
    """
    try:
        text = json.dumps(card.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the card of {card.name!r} is not JSON: {error}") from error
    path.write_text(text + "\n", encoding="utf-8")


def parse_card(value: object) -> ModelCard:
    """A card from JSON values.

    Raises:
        ModelError: As :func:`read_card`.
    """
    if not isinstance(value, dict):
        raise ModelError(f"a model card is a JSON object; received {type(value).__name__}")
    _check_schema(value.get("schema"))
    card = _fields(
        value,
        "the card",
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


def _calibrator(group: str, value: Any) -> Calibrator:
    calibrator = calibrator_from_json(value)
    if unknown := sorted(value.keys() - calibrator.to_json().keys()):
        raise ModelError(f"the calibration of {group!r} has unknown keys {unknown}")
    return calibrator


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with tuples as lists, which is how JSON gives them back."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in value.items()}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
