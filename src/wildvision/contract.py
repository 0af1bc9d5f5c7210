"""What crosses every border of the library: statuses, predictions, detections and the row they become.

Holds no image code and no model code; imports nothing heavier than numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from wildvision.errors import ArgumentError, MissingExtraError

SCHEMA = "wildvision/1"
PHOTO_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
"""Lower-case endings of the names that are taken for photos where a folder or an archive holds other files too."""


class Status(StrEnum):
    """What became of one input. Everything but ``OK`` is a failure, and none of them means "no product"."""

    OK = "ok"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    MODEL_ERROR = "model_error"


class Decision(StrEnum):
    """Triage of one photo by the operating points in the model card."""

    BLOCK = "block"
    REVIEW = "review"
    PASS = "pass"


@dataclass(frozen=True)
class Lookalike:
    """The nearest innocent explanation of a photo.

    Attributes:
        leaf: Name of the look-alike leaf with the highest probability.
        score: Its probability in [0, 1].
        margin: Score of the top group minus ``score``, in [-1, 1]; near 0 means that a reviewer should decide.
    """

    leaf: str
    score: float
    margin: float


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes found in one photo; ``detections[mask]`` and :meth:`filter` choose among them.

    Attributes:
        boxes: ``(n, 4)`` float32, ``[x0, y0, x1, y1]`` in pixels of the upright original photo.
        scores: ``(n,)`` float32 probabilities in [0, 1], highest first; calibrated without tiles and second look.
        groups: ``n`` product groups.
        leaves: ``n`` product leaves, ``None`` where undetermined.
        size: ``(width, height)`` in pixels of the upright original photo.
        status: What became of the input; anything but ``ok`` comes with no boxes.
        error: One line about the failure, ``None`` for ``ok``.
        crop_scores: ``(n,)`` float32 probabilities in [0, 1] that a classifier gave the boxes' crops, ``None`` without
            a second look; ``scores`` then are those of both models together.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    groups: tuple[str, ...]
    leaves: tuple[str | None, ...]
    size: tuple[int, int] | None
    status: Status = Status.OK
    error: str | None = None
    crop_scores: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.groups)
        if self.crop_scores is not None and self.crop_scores.shape != (n,):
            raise ValueError(f"crop_scores must be (n,) for {n} boxes; received {self.crop_scores.shape}")
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,) or len(self.leaves) != n:
            raise ValueError(
                f"Detections need boxes (n, 4), scores (n,), n groups and n leaves; received boxes {self.boxes.shape}, "
                f"scores {self.scores.shape}, {n} groups, {len(self.leaves)} leaves"
            )

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, rows: Any) -> Detections:
        """Some of the boxes, as numpy chooses rows: by number, slice, numbers or ``(n,)`` bool.

        Raises:
            IndexError: There are no such rows, or they are not in a row.
        """
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        if chosen.ndim != 1:
            raise IndexError(f"boxes are chosen by one index; received {rows!r}")
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            groups=tuple(self.groups[i] for i in chosen),
            leaves=tuple(self.leaves[i] for i in chosen),
            crop_scores=None if self.crop_scores is None else self.crop_scores[chosen],
        )

    @property
    def ok(self) -> bool:
        """Whether the photo was looked at; without boxes it then shows none."""
        return self.status is Status.OK

    def filter(
        self, keep: npt.NDArray[np.bool_] | None = None, *, score: float = 0.0, groups: Collection[str] | None = None
    ) -> Detections:
        """The boxes that meet every condition, in the same order.

        Args:
            keep: ``(n,)`` bool, true for boxes to keep.
            score: Least score in [0, 1].
            groups: Groups to keep.

        Raises:
            ArgumentError: ``keep`` has another length or kind, ``score`` is no number, or ``groups`` are not groups.
        """
        if not _is_number(score) or not 0 <= score <= 1:
            raise ArgumentError(f"score must be a number in [0, 1]; received {score!r}")
        try:
            wanted = None if groups is None or isinstance(groups, str) else frozenset(groups)
        except TypeError:  # no collection, or one of something else than names
            wanted = None
        if groups is not None and (wanted is None or wanted - set(_group_numbers())):
            raise ArgumentError(f"groups must be some of {sorted(_group_numbers())}; received {groups!r}")
        chosen = self.scores >= score
        if keep is not None:
            mask = np.asarray(keep)
            if mask.shape != chosen.shape or (mask.dtype != bool and len(mask)):
                raise ArgumentError(f"keep must be ({len(self)},) bool; received {mask.shape} {mask.dtype}")
            chosen &= mask.astype(bool)
        if wanted is not None:
            chosen &= np.array([g in wanted for g in self.groups], dtype=bool)
        return self[chosen]

    def joint_scores(self, scores: Mapping[str, float], *, crop_share: float = 0.25) -> dict[str, float]:
        """A classifier's scores of the whole photo, each joined with that of its group's best crop.

        What it does for the ranking of photos is in the detector's report, which looks at the crops of a photo's three
        best boxes alone, of those with 0.05 and more before calibration. ``predict(photo, score=…)`` finds boxes below
        the review point too, and the best of more crops scores higher. Thresholds on the whole photo's scores are not
        made for joint ones.

        Args:
            scores: Group to calibrated probability in [0, 1], as :attr:`Prediction.scores` of the same photo.
            crop_share: Share in [0, 1] of the crop in the joint log-odds.

        Returns:
            Group to probability in [0, 1]; as in ``scores`` for groups without a crop that was looked at, and for all
            where the detector failed.

        Raises:
            ArgumentError: The crops were not looked at, because the detector has no second look; a share out of range;
                or ``scores`` is no mapping.
        """
        if not _is_number(crop_share) or not 0 <= crop_share <= 1:
            raise ArgumentError(f"crop_share must lie in [0, 1]; received {crop_share!r}")
        if not isinstance(scores, Mapping):
            raise ArgumentError(
                f"scores are those of a prediction, group to probability; received {type(scores).__name__}"
            )
        if not self.ok:
            return dict(scores)
        if self.crop_scores is None:
            raise ArgumentError("joint scores need crop scores; load the detector with second_look=")
        joint = dict(scores)
        for group, whole in scores.items():
            seen = [s for s, g in zip(self.crop_scores.tolist(), self.groups, strict=True) if g == group]
            if known := [s for s in seen if np.isfinite(s)]:
                p = np.clip([whole, max(known)], 1e-6, 1 - 1e-6)
                log_odds = np.average(np.log(p / (1 - p)), weights=[1 - crop_share, crop_share])
                joint[group] = float(1 / (1 + np.exp(-log_odds)))
        return joint

    def crops(self, image: npt.NDArray[np.uint8], *, margin: float = 0.0) -> list[npt.NDArray[np.uint8]]:
        """Views of ``image`` in its boxes, one each, never empty.

        Args:
            image: ``(height, width, 3)`` uint8, the upright photo; at a smaller size boxes are scaled along.
            margin: Grow each box on every side by this share of its width and height; 0 or more.

        Raises:
            ArgumentError: ``image`` is no such array, or of another shape than the photo, as one is that was not turned
                upright; or a negative margin.
        """
        if not _is_number(margin) or not margin >= 0:
            raise ArgumentError(f"margin must be 0 or more; received {margin!r}")
        self.check_image(image)
        if self.size is None:
            return []
        height, width = image.shape[:2]
        scale = np.array([width / self.size[0], height / self.size[1]] * 2)
        found = []
        for x0, y0, x1, y1 in (self.boxes * scale).tolist():
            dx, dy = margin * (x1 - x0), margin * (y1 - y0)
            left, top = (int(np.clip(v, 0, end - 1)) for v, end in ((x0 - dx, width), (y0 - dy, height)))
            right, bottom = int(np.ceil(min(x1 + dx, width))), int(np.ceil(min(y1 + dy, height)))
            found.append(image[top : max(bottom, top + 1), left : max(right, left + 1)])
        return found

    def check_image(self, image: npt.NDArray[np.uint8]) -> None:
        """Make sure that ``image`` is the photo, at whatever size.

        Raises:
            ArgumentError: It is no ``(height, width, 3)`` uint8 array, or its sides are not in the photo's proportion.
        """
        if (
            not isinstance(image, np.ndarray)
            or image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] != 3
            or not image.size
        ):
            what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise ArgumentError(f"an image is (height, width, 3) uint8, as imaging.decode gives it; received {what}")
        if self.size is None:
            return
        scales = [
            (side - slack) / own for side, own in zip(image.shape[1::-1], self.size, strict=True) for slack in (1, -1)
        ]
        if scales[0] > scales[3] or scales[2] > scales[1]:  # no scale fits both sides to one pixel
            raise ArgumentError(
                f"the image has {image.shape[1]} by {image.shape[0]} pixels, the photo {self.size[0]} by "
                f"{self.size[1]}; give the upright photo, turned as its EXIF says"
            )

    def to_supervision(self) -> Any:
        """As ``supervision.Detections``; ``class_id`` counts the taxonomy's groups from 0, ``data`` holds the names.

        ``metadata`` holds ``status`` and ``error``: without boxes, they tell a photo that shows nothing from one that
        could not be searched.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        try:
            import supervision
        except ImportError as e:
            raise MissingExtraError("supervision", "supervision") from e
        numbers = _group_numbers()
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            confidence=self.scores.copy(),
            class_id=np.array([numbers[g] for g in self.groups], dtype=int),
            data={
                "class_name": np.array(self.groups, dtype=str),
                "leaf": np.array([v or "" for v in self.leaves], dtype=str),
                **({} if self.crop_scores is None else {"crop_score": self.crop_scores.copy()}),
            },
            metadata={"status": self.status.value, "error": self.error},
        )

    def to_coco(self, image_id: int | str) -> list[dict[str, Any]]:
        """As COCO results: one ``{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`` a box.

        ``category_id`` counts the taxonomy's groups from 1; :func:`wildvision.coco_categories` lists them. ``leaf``
        and, after a second look, ``crop_score`` are ours; readers of COCO files ignore them. Empty too for a photo that
        could not be searched.
        """
        numbers = _group_numbers()
        crops = [None] * len(self) if self.crop_scores is None else self.crop_scores.tolist()
        return [
            {
                "image_id": image_id,
                "category_id": numbers[g] + 1,
                "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
                "score": float(s),
                "leaf": leaf,
                **({} if crop is None else {"crop_score": crop}),
            }
            for g, s, (x0, y0, x1, y1), leaf, crop in zip(
                self.groups, self.scores, self.boxes, self.leaves, crops, strict=True
            )
        ]

    def to_row(self) -> list[dict[str, Any]]:
        """The ``detections`` field of the row contract: one ``{"group", "score", "box"}`` a box."""
        return [
            {"group": g, "score": float(s), "box": [float(v) for v in b]}
            for g, s, b in zip(self.groups, self.scores, self.boxes, strict=True)
        ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def coco_categories() -> list[dict[str, Any]]:
    """The ``categories`` that :meth:`Detections.to_coco` counts by."""
    return [{"id": n + 1, "name": group, "supercategory": "wildlife product"} for group, n in _group_numbers().items()]


def _group_numbers() -> dict[str, int]:
    from wildvision.taxonomy import load_taxonomy  # reads a file, which most users of the contract do not need

    return {group: n for n, group in enumerate(load_taxonomy().group_names)}


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one input. One of these comes back for every input, in input order.

    Attributes:
        status: What became of the input. Every field below ``error`` is meaningful only for ``ok``.
        error: One line about the failure, ``None`` for ``ok``.
        path: The path or URL given as input, ``None`` for in-memory inputs.
        width: Width in pixels of the upright original photo.
        height: Height in pixels of the upright original photo.
        sha256: Hex digest of the encoded bytes (of the pixels for arrays), ``None`` when not computed.
        phash: 64-bit perceptual hash as 16 hex digits, ``None`` when not computed.
        scores: Group name to calibrated probability in [0, 1] that the photo shows at least one product
            of that group; the values need not sum to 1. Empty unless ``ok``.
        leaves: Leaf name (products and look-alikes) to probability in [0, 1]; sums to 1. Empty unless ``ok``.
        group: The group that the decision is about: the likeliest of those that ask for the strictest decision, so
            the likeliest of all when the decision is ``pass``. ``None`` unless ``ok``.
        leaf: Best product leaf of ``group``, ``None`` when the decision is ``pass``.
        lookalike: The nearest innocent explanation.
        decision: Triage by the operating points of the model card.
        detections: Boxes as in :meth:`Detections.to_row`, when a detector ran.
        model: ``wildvision-classifier-NAME@sha256:…`` of the weights, followed by ``+`` and that of each partner, by
            ``+shares:…`` where they are averaged in shares of its own, and by that of a detector that ran.
    """

    status: Status
    error: str | None = None
    path: str | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    phash: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    leaves: Mapping[str, float] = field(default_factory=dict)
    group: str | None = None
    leaf: str | None = None
    lookalike: Lookalike | None = None
    decision: Decision | None = None
    detections: tuple[Mapping[str, Any], ...] = ()
    model: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the photo was scored."""
        return self.status is Status.OK

    def to_row(self, *, id: str, listing_id: str | None = None) -> dict[str, Any]:
        """One row of the row contract, ready for JSON.

        Args:
            id: Identifier of the input, unique in its run.
            listing_id: Identifier of the advert that the photo belongs to.
        """
        look = self.lookalike
        return {
            "schema": SCHEMA,
            "id": id,
            "path": self.path,
            "listing_id": listing_id,
            "status": self.status.value,
            "error": self.error,
            "width": self.width,
            "height": self.height,
            "sha256": self.sha256,
            "phash": self.phash,
            "scores": dict(self.scores) if self.ok else None,
            "leaf": self.leaf,
            "lookalike": {"leaf": look.leaf, "score": look.score, "margin": look.margin} if look else None,
            "decision": self.decision.value if self.decision else None,
            "detections": [dict(d) for d in self.detections],
            "model": self.model,
        }
