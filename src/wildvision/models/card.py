"""Model cards: what a weights file is, how to feed it and what its outputs mean.

Reading and writing card files lives in :mod:`wildvision.models.card_file`; where they lie, in
:mod:`wildvision.models.registry`.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wildvision._version import __version__
from wildvision.errors import ModelError
from wildvision.imaging import Preprocess
from wildvision.models.detector_settings import DetectorSettings
from wildvision.models.rollup import check_shares
from wildvision.policy import NEVER, OperatingPoint
from wildvision.policy.calibration import Calibrator, Platt
from wildvision.taxonomy import Taxonomy

SCHEMA = "wildvision-card/1"
KINDS = ("classifier", "detector")
NAME = r"[a-z0-9][a-z0-9._-]*"
SHARES = "shares:"
"""What the part of a ``model_id`` starts with that stands for :attr:`ModelCard.shares`."""


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
        pooling: How a classifier pools its features, as :class:`wildvision.models.Network` names it. A card that says
            nothing of it was written when all were pooled by the architecture's own means.
        partners: ``model_id`` of each classifier with whose logits this one's are averaged, in this order, bundled or
            beside the card.
        shares: Group to the shares of this classifier and of each partner in it, as
            :meth:`wildvision.models.Network.share` takes them; groups that are not named have the usual ones.
        detector: Shape of the network and treatment of its boxes; there exactly for a detector. Its network has one
            output for each product leaf, look-alikes being background.
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
    pooling: str = "backbone"
    partners: tuple[str, ...] = ()
    shares: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    detector: DetectorSettings | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise ModelError(f"a model's name is lower-case letters, digits, '.', '_' and '-'; received {self.name!r}")
        if self.kind not in KINDS:
            raise ModelError(f"kind must be one of {', '.join(KINDS)}; received {self.kind!r}")
        if self.partners and self.kind != "classifier":
            raise ModelError(f"only a classifier has partners; {self.name!r} is a {self.kind}")
        if self.shares and self.kind != "classifier":
            raise ModelError(f"only a classifier has shares; {self.name!r} is a {self.kind}")
        try:
            check_shares(self.shares, self.groups, 1 + len(self.partners))
        except ValueError as error:
            raise ModelError(str(error)) from error
        if (self.kind == "detector") != (self.detector is not None):
            raise ModelError(f"a card holds 'detector' settings exactly when its kind is detector; it is {self.kind!r}")
        for what, groups in (("calibration", self.calibration), ("operating_points", self.operating_points)):
            if set(groups) != set(self.groups):
                raise ModelError(f"{what} must name the groups {list(self.groups)}; received {sorted(groups)}")

    @property
    def model_id(self) -> str:
        """``wildvision-KIND-NAME@sha256:…``, as written into every output row.

        Followed by ``+`` and that of every other classifier that takes part in every score, and by ``+shares:…``, a
        digest, where ``shares`` names groups.
        """
        own = f"wildvision-{self.kind}-{self.name}@sha256:{self.weights.sha256}"
        mixed = json.dumps({group: list(given) for group, given in sorted(self.shares.items())}).encode()
        return "+".join(
            (own, *self.helpers, *([f"{SHARES}{hashlib.sha256(mixed).hexdigest()[:12]}"] if self.shares else []))
        )

    def named(self, model_id: str) -> ModelCard | None:
        """The card of what ``model_id`` names: these weights, with the partners and shares in it or by themselves.

        ``None`` where it names something else.
        """
        parts = model_id.split("+")[1:]
        partners = tuple(part for part in parts if not part.startswith(SHARES))
        same = partners == self.partners and len(partners) < len(parts)
        card = self if self.detector or same else dataclasses.replace(self, partners=partners, shares={})
        return card if card.model_id == model_id else None

    @property
    def helpers(self) -> tuple[str, ...]:
        """``model_id`` of what takes part in every score: partners, or the classifier of a detector."""
        if self.detector:
            return (self.detector.classifier,) if self.detector.classifier else ()
        return self.partners

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
        settings: dict[str, Any] = {"partners": list(self.partners)} if self.partners else {}
        if self.shares:
            settings["shares"] = _plain(self.shares)
        if self.kind == "classifier":
            settings = {"pooling": self.pooling, **settings}
        if self.detector:
            settings["detector"] = self.detector.to_json()
        return {
            "schema": SCHEMA,
            "name": self.name,
            "kind": self.kind,
            "architecture": self.architecture,
            **settings,
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
    detector: DetectorSettings | None = None,
) -> ModelCard:
    """The card of a model that was trained but not yet exported, calibrated or given operating points.

    It is a detector's where ``detector`` is given. Scores are uncalibrated and every photo passes, until
    ``calibration`` and ``operating_points`` are replaced.
    """
    return ModelCard(
        name=name,
        kind="detector" if detector else "classifier",
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
        detector=detector,
    )


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with tuples as lists, which is how JSON gives them back."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in value.items()}
