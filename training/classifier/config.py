"""The typed form of `configs/classifier-*.yaml`; unknown or missing keys are errors. No training here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.optim import Optimiser
from training.settings import checked, read_yaml
from wildvision.errors import ArgumentError
from wildvision.imaging import Preprocess
from wildvision.models.card import NAME
from wildvision.models.rollup import check_shares
from wildvision.taxonomy import load_taxonomy


@dataclass(frozen=True)
class Sampling:
    """What a batch is made of.

    Attributes:
        positives: Share of each product group in a batch; the rest are negatives.
        photo_weight: So many rendered objects of a leaf weigh as much as one in photos. Leaves with many photos are
            learned from photos; a handful of photos is not learned by heart.
        composed: Share of the samples that the composer pastes together.
        zoomed: Share of the samples cropped around one of their boxes (around nothing in particular without boxes).
        tiny: Share of the samples shrunk into another (negative) photo.
        renders: Whether the backbone learns from renders too; the head does in any case.
    """

    positives: dict[str, float]
    photo_weight: float
    composed: float
    tiny: float
    zoomed: float
    renders: bool


@dataclass(frozen=True)
class Loss:
    """Weight of the leaf cross-entropy beside the groups' binary cross-entropy, and its label smoothing."""

    leaf_weight: float
    label_smoothing: float


@dataclass(frozen=True)
class Refit:
    """What is done after training (:mod:`training.classifier.refit`).

    Attributes:
        pretrained_share: Share in [0, 1] of the ImageNet weights in the backbone's; 0 keeps what was trained.
        l2: Weight of the penalty on the head's weights, for features of unit variance.
        renders: Weight of a render in what a group and its leaves learn, for groups that should listen to their photos;
            1 for groups not named. Everyday things are no look-alikes of any group and teach all in full.
        everyday: Weight of a render without product or look-alike against other renders.
        piles: Weight of composed piles of a group's things, or of look-alikes (``none``), in what the head learns of
            the groups named and of leaves; photos and renders weigh 1 together. Other groups learn nothing from them.
        textures: For groups that are told by their material too, how often the logit of a linear layer over textures
            (:class:`wildvision.models.network.Spread`) is added to the group's own output.
    """

    pretrained_share: float
    l2: float
    renders: dict[str, float]
    everyday: float
    piles: dict[str, float]
    textures: dict[str, float]


@dataclass(frozen=True)
class ClassifierConfig:
    """One trained classifier.

    Attributes:
        frozen_stages: So many first stages (with the stem) keep their ImageNet weights.
        train_size: Side in pixels of training pictures. Random crops show objects larger than whole photos do, so a
            model is used at a somewhat larger ``input`` (Touvron et al. 2019, https://arxiv.org/abs/1906.06423).
        cache_size: Side in pixels at which photos are cached; crops are cut from it.
        manifests: Photo manifests; paths of their rows are relative to the manifest's folder.
        annotations: Box annotations of the first manifest's photos; empty where there are none.
        composer_bank: Folder of cut-outs and backgrounds as ``python -m training.composer bank`` writes it.
        not_trained_on: Sources that are measured but teach nothing (the product is a tiny part of the photo).
        partners: Configurations of classifiers with the same folds with whose logits this one's are averaged, one after
            the other, wherever it is used and measured. They are trained apart.
        shares: Groups in which they are averaged otherwise, to the share of this classifier and of each partner.
        folds: Held-out sources of each leave-one-source-out fold.
    """

    name: str
    architecture: str
    partners: tuple[str, ...]
    shares: Mapping[str, tuple[float, ...]]
    pretrained: str
    input: Preprocess
    train_size: int
    cache_size: int
    frozen_stages: int
    drop_rate: float
    batch_size: int
    samples: int
    seed: int
    manifests: tuple[str, ...]
    annotations: str
    composer_bank: str
    not_trained_on: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    optimiser: Optimiser
    sampling: Sampling
    loss: Loss
    refit: Refit

    def __post_init__(self) -> None:
        check_name(self.name)
        try:
            check_shares(self.shares, load_taxonomy().group_names, 1 + len(self.partners))
        except ValueError as error:
            raise ArgumentError(f"{self.name}: {error}") from error

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return self.samples // self.batch_size

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides how the backbone is trained; a checkpoint made with anything else is not gone on from."""
        elsewhere = ("manifests", "annotations", "composer_bank", "partners", "shares", "refit")
        return {key: value for key, value in asdict(self).items() if key not in elsewhere}

    @property
    def boxes(self) -> Path | None:
        """The annotation file, ``None`` where there is none."""
        return Path(self.annotations) if self.annotations else None

    @property
    def alone(self) -> ClassifierConfig:
        """The same without partners."""
        return replace(self, partners=(), shares={})

    def partner_configs(self) -> tuple[ClassifierConfig, ...]:
        """The configurations of the partners, each by itself: a partner does not bring its own.

        Raises:
            ArgumentError: One was trained on sources that this classifier holds out.
        """
        found = tuple(read_config(Path(path)).alone for path in self.partners)
        for path, config in zip(self.partners, found, strict=True):
            if config.folds != self.folds:
                raise ArgumentError(f"{path} cannot be a partner of {self.name}: other folds")
        return found


def averaged(config: ClassifierConfig) -> dict[str, Any]:
    """Whose logits make the scores of a recipe, beside its own, as JSON: names of partners, and shares."""
    shares = {group: list(given) for group, given in sorted(config.shares.items())}
    return {"partners": [partner.name for partner in config.partner_configs()], "shares": shares}


def check_name(name: str) -> None:
    """Make sure that a model can ship under its name, before hours go into it; raises :class:`ArgumentError`."""
    if not re.fullmatch(NAME, name):
        raise ArgumentError(f"a model's name is lower-case letters, digits, '.', '_' and '-'; received {name!r}")


def read_config(path: Path, *, data: Path | None = None) -> ClassifierConfig:
    """Read and check one YAML.

    Args:
        path: The YAML.
        data: Folder to read the first manifest from, in place of the one that the YAML names.

    Raises:
        ArgumentError: A key is unknown, missing or of the wrong kind.
    """
    raw = read_yaml(path)
    try:
        values = checked(raw, ClassifierConfig, str(path))
        return ClassifierConfig(
            **values
            | {
                "input": Preprocess(**checked(raw["input"], Preprocess, f"{path}: input")),
                "optimiser": Optimiser(**checked(raw["optimiser"], Optimiser, f"{path}: optimiser")),
                "sampling": Sampling(**checked(raw["sampling"], Sampling, f"{path}: sampling")),
                "loss": Loss(**checked(raw["loss"], Loss, f"{path}: loss")),
                "refit": Refit(**checked(raw["refit"], Refit, f"{path}: refit")),
                "manifests": (*([str(data / "manifest.csv")] if data else raw["manifests"][:1]), *raw["manifests"][1:]),
                "partners": tuple(raw["partners"]),
                "shares": {group: tuple(given) for group, given in raw["shares"].items()},
                "not_trained_on": tuple(raw["not_trained_on"]),
                "folds": tuple(tuple(fold) for fold in raw["folds"]),
            }
        )
    except TypeError as e:
        raise ArgumentError(f"{path}: {e}") from e
