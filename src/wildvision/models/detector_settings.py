"""What a detector's card says beyond a classifier's: the shape of its network and how its boxes are judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ModelError
from wildvision.policy.calibration import sigmoid

HEADS = ("fcos", "retinanet")

LATER = frozenset({"peak", "contrast"})
"""Settings that cards did not always have; their defaults are what was done before."""


@dataclass(frozen=True)
class DetectorSettings:
    """The ``detector`` field of a card.

    Attributes:
        head: torchvision's framework: ``fcos`` or ``retinanet``.
        channels: Channels of the feature pyramid and the head, a multiple of 32.
        convs: Convolutions in each of the head's two towers, 1 to 4.
        context: Power to which the classifier's probability of the whole photo enters a box's score; at least 0, and 0
            for a detector without a classifier.
        peak: Power to which the highest probability of the group's boxes in the photo (or tile) enters the scores of
            them all; at least 0.
        contrast: Power to which a box's probability, as a share of that highest one, enters its own score; positive.
            With 1 for both a box is judged for itself.
        classifier: ``model_id`` of the classifier that judges the whole photo, bundled or beside the detector's card;
            empty when its weights are in the detector's own file, with the detector's architecture.
        nms_iou: Boxes of one group that overlap more than this are one object, in (0, 1].
        nested: Factor in (0, 1] on the probability of a box for each better box of its group that it lies in or holds:
            mostly parts of one object, or several taken for one.
        floor: Boxes with a smaller calibrated score are never reported, in [0, 1).
        max_boxes: Most boxes reported for a photo.
        fusion_detector: Weight of the box's log-odds when a classifier looks again; positive.
        fusion_classifier: Weight of the log-odds that the classifier gives the crop; at least 0.
        fusion_offset: Added to the weighted log-odds.
    """

    head: str = "fcos"
    channels: int = 96
    convs: int = 2
    context: float = 0.5
    peak: float = 1.0
    contrast: float = 1.0
    classifier: str = ""
    nms_iou: float = 0.5
    nested: float = 0.7
    floor: float = 0.01
    max_boxes: int = 100
    fusion_detector: float = 0.5
    fusion_classifier: float = 0.5
    fusion_offset: float = 0.0

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ModelError(f"a detector's head is one of {', '.join(HEADS)}; received {self.head!r}")
        if self.channels < 32 or self.channels % 32:
            raise ModelError(f"a detector's channels must be a multiple of 32; received {self.channels!r}")
        for name, good, wanted in (
            ("convs", 1 <= self.convs <= 4, "1 to 4"),
            ("context", self.context >= 0, "at least 0"),
            ("peak", self.peak >= 0, "at least 0"),
            ("contrast", self.contrast > 0, "positive"),
            ("nms_iou", 0 < self.nms_iou <= 1, "in (0, 1]"),
            ("nested", 0 < self.nested <= 1, "in (0, 1]"),
            ("floor", 0 <= self.floor < 1, "in [0, 1)"),
            ("max_boxes", self.max_boxes >= 1, "at least 1"),
            ("fusion_detector", self.fusion_detector > 0, "positive"),
            ("fusion_classifier", self.fusion_classifier >= 0, "at least 0"),
        ):
            if not good:
                raise ModelError(f"a detector's {name} must be {wanted}; received {getattr(self, name)!r}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DetectorSettings:
        """Read the ``detector`` field of a card.

        Raises:
            ModelError: Keys are unknown or missing (but for those of :data:`LATER`), or a value is of the wrong type or
                out of range.
        """
        known = {f.name: f for f in fields(cls)}
        unknown, missing = sorted(set(value) - set(known)), sorted(set(known) - set(value) - LATER)
        if unknown or missing:
            raise ModelError(f"the card's 'detector' has the unknown keys {unknown} and lacks {missing}")
        for name, given in value.items():
            kind = known[name].type
            if type(given).__name__ not in (kind, "int" if kind == "float" else kind):
                raise ModelError(f"{name!r} of 'detector' must be {kind}; received {given!r}")
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """As stored in a model card."""
        return dataclasses.asdict(self)

    def fuse(self, detector: npt.NDArray[np.floating], classifier: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """One probability from two, each ``(n,)`` in [0, 1]: a weighted sum of log-odds."""
        return sigmoid(
            self.fusion_detector * _log_odds(detector)
            + self.fusion_classifier * _log_odds(classifier)
            + self.fusion_offset
        )


def _log_odds(p: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    # Beyond a millionth a score is no evidence, only saturation.
    safe = np.clip(p.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(safe / (1 - safe)))
