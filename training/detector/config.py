"""The typed form of `configs/detector-*.yaml`; unknown or missing keys are errors. No training here.

Of ``detector`` what is not named is as :class:`wildvision.models.DetectorSettings` has it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.classifier.config import ClassifierConfig, check_name
from training.classifier.config import read_config as read_classifier_config
from training.optim import Optimiser
from training.settings import checked, read_yaml
from wildvision.errors import ArgumentError, ModelError
from wildvision.imaging import Preprocess
from wildvision.models import DetectorSettings


@dataclass(frozen=True)
class PhotoSet:
    """A manifest, and an annotation file with the boxes of its photos; empty where the manifest has them itself."""

    manifest: str
    boxes: str


@dataclass(frozen=True)
class Sampling:
    """What a batch is made of.

    Attributes:
        positives: Share of each product group among the photos; the rest are negatives.
        photo_weight: So many rendered objects of a leaf weigh as much as one in photos.
        composed: Share of the pictures that the composer pastes together.
        composed_positives: Share of the composed pictures with a product; the others show look-alikes or nothing.
        piles: Share of the composed pictures that are piles of one leaf (:mod:`training.composer.piles`).
        mosaic: Share of the other pictures that are four photos side by side.
    """

    positives: dict[str, float]
    photo_weight: float
    composed: float
    composed_positives: float
    piles: float
    mosaic: float


@dataclass(frozen=True)
class Evaluation:
    """COCO mAP while training: every so many steps (0: only at the end), on so many photos."""

    every: int
    photos: int


@dataclass(frozen=True)
class DetectorConfig:
    """One trained detector.

    Attributes:
        pretrained: ImageNet weights of the backbone, for a run without ``start_from``; empty for random ones.
        start_from: Configuration of a classifier with the same backbone and folds. The backbone starts from its run of
            the same fold, so that it has seen none of the held-out sources; empty for ImageNet weights.
        context_from: Configuration of the classifier that judges whole photos inside the detector, of the same folds;
            the detector then ships without it and needs it. Empty for that of ``start_from``, which ships too.
        weights_from: Configuration of a detector whose runs this one's boxes come from, trained alike: then nothing is
            trained, for only another classifier judges whole photos. Empty to train.
        input: How a photo is fed when the detector runs; a letterbox.
        detector: Shape of the network and treatment of its boxes.
        sizes: Sides in pixels of the training pictures, one drawn for each batch; multiples of 32.
        frozen_stages: So many first stages (with the stem) keep their ImageNet weights.
        photos: Manifests; paths of their rows are relative to the manifest's folder.
        composer_bank: Folder of cut-outs and backgrounds as ``python -m training.composer bank`` writes it.
        not_trained_on: Sources that are measured but teach nothing.
        folds: Held-out sources of each leave-one-source-out fold.
    """

    name: str
    architecture: str
    pretrained: str
    start_from: str
    context_from: str
    weights_from: str
    input: Preprocess
    detector: DetectorSettings
    sizes: tuple[int, ...]
    frozen_stages: int
    batch_size: int
    samples: int
    seed: int
    photos: tuple[PhotoSet, ...]
    composer_bank: str
    not_trained_on: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    optimiser: Optimiser
    sampling: Sampling
    evaluation: Evaluation

    def __post_init__(self) -> None:
        check_name(self.name)
        if bad := [size for size in self.sizes if size % 32]:
            raise ArgumentError(f"sizes must be multiples of 32; received {bad}")

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders of the manifests, which the paths of their rows start with."""
        return tuple(Path(part.manifest).parent for part in self.photos)

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return self.samples // self.batch_size

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides how the network is trained; a checkpoint made with anything else is not gone on from."""
        elsewhere = ("photos", "composer_bank", "context_from", "weights_from", "evaluation", "detector")
        shape = {key: getattr(self.detector, key) for key in ("head", "channels", "convs")}
        return {key: value for key, value in asdict(self).items() if key not in elsewhere} | shape

    def classifier(self) -> ClassifierConfig | None:
        """The classifier that the backbone starts from.

        Raises:
            ArgumentError: Its backbone is another one, or it was trained on sources that this detector holds out.
        """
        if not self.start_from:
            return None
        found = read_classifier_config(Path(self.start_from))
        for name in ("architecture", "folds"):
            if getattr(found, name) != getattr(self, name):
                raise ArgumentError(f"{self.start_from} has other {name} than {self.name}: its runs cannot be built on")
        return found

    def trained(self) -> DetectorConfig:
        """The recipe whose runs hold the weights: this one, or that of ``weights_from``.

        Raises:
            ArgumentError: That one is trained otherwise, or takes its weights from yet another.
        """
        if not self.weights_from:
            return self
        found = read_config(Path(self.weights_from))
        other = sorted(k for k, v in found.decisive.items() if k != "name" and v != self.decisive[k])
        if other or found.weights_from:
            raise ArgumentError(f"{self.name} must be trained as {self.weights_from} is; they differ in {other}")
        return found

    def context_classifier(self) -> ClassifierConfig | None:
        """The classifier that judges whole photos inside the detector; none where its judgement has no weight.

        Raises:
            ArgumentError: There is none, or it was trained on sources that this detector holds out.
        """
        if not self.detector.context:
            return None
        path = self.context_from or self.start_from
        if not path:
            raise ArgumentError(
                f"{self.name}: a context of {self.detector.context} needs start_from or context_from; use 0 without"
            )
        found = read_classifier_config(Path(path))
        if found.folds != self.folds:
            raise ArgumentError(f"{path} has other folds than {self.name}: it may have seen the photos held out")
        if found.partners and not self.context_from:
            raise ArgumentError(f"{path} has partners, which a detector cannot carry; name it in context_from")
        if not self.context_from and (found.input.mean, found.input.std) != (self.input.mean, self.input.std):
            raise ArgumentError(f"{path} normalises otherwise than {self.name}; name it in context_from")
        return found


def run_name(config: str, fold: int | None) -> str:
    """Folder of a run under ``runs``, of a detector as of a classifier; no fold for the one that ships."""
    return f"{config}-final" if fold is None else f"{config}-fold{fold}"


def read_config(path: Path, *, data: Path | None = None) -> DetectorConfig:
    """Read and check one YAML.

    Args:
        path: The YAML.
        data: Folder of the development photos, in place of that of the first manifest.

    Raises:
        ArgumentError: A key is unknown, missing or of the wrong kind.
    """
    raw = read_yaml(path)
    try:
        values = checked(raw, DetectorConfig, str(path))
        parts = {"input": Preprocess, "optimiser": Optimiser, "sampling": Sampling, "evaluation": Evaluation}
        photos = [PhotoSet(**checked(p, PhotoSet, f"{path}: photos")) for p in raw["photos"]]
        if data is not None:
            photos[0] = replace(photos[0], manifest=str(data / "manifest.csv"))
        for name, kind in parts.items():
            values[name] = kind(**checked(raw[name], kind, f"{path}: {name}"))
        return DetectorConfig(
            **values
            | {
                "detector": DetectorSettings(
                    **checked(raw["detector"], DetectorSettings, f"{path}: detector", defaults=True)
                ),
                "sizes": tuple(raw["sizes"]),
                "photos": tuple(photos),
                "not_trained_on": tuple(raw["not_trained_on"]),
                "folds": tuple(tuple(fold) for fold in raw["folds"]),
            }
        )
    except (TypeError, ModelError) as e:
        raise ArgumentError(f"{path}: {e}") from e
