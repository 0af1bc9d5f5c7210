"""Pictures with boxes: from manifests, annotations and the composer. Knows no augmentation and no batches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.composer import BackgroundBank, CutoutBank, Recipe, compose, pile
from training.data.annotations import read_annotated
from training.data.manifest import Record
from training.detector.config import PhotoSet
from training.folds import PhotoName
from wildvision.errors import ArgumentError
from wildvision.imaging import decode

UInt8Image = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A picture and what it shows.

    Attributes:
        image: ``(h, w, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32 ``[x0, y0, x1, y1]`` in pixels, of products only: look-alikes are background.
        labels: ``(n,)`` int64, numbers of the product leaves.
        ignore: ``(m, 4)`` float32, areas of heaps and of cut-off products: finding something there is no error.
    """

    image: UInt8Image
    boxes: Boxes
    labels: npt.NDArray[np.int64]
    ignore: Boxes


def read_records(sets: Sequence[PhotoSet]) -> list[Record]:
    """Rows of all manifests with their annotated boxes; ``path`` is absolute or relative to the working folder."""
    found: list[Record] = []
    for part in sets:
        manifest = Path(part.manifest)
        rows = read_annotated(manifest, Path(part.boxes) if part.boxes else None)
        found += [replace(row, path=str(manifest.parent / row.path)) for row in rows]
    return found


def teaches(record: Record) -> bool:
    """Whether a detector can learn from a photo: a sure negative, or a product whose places are known."""
    return record.sure and (bool(record.boxes) or not record.positive)


def scene_of(record: Record, leaves: Sequence[str]) -> Scene:
    """Read a photo with its boxes.

    Args:
        record: Row of a manifest.
        leaves: Product leaves, in the order of the labels.

    Raises:
        ArgumentError: The photo cannot be read.
    """
    decoded = decode(record.path)
    if decoded.image is None:
        raise ArgumentError(f"{record.path} cannot be read: {decoded.status} {decoded.error}")
    products = [(b, b.leaf or record.leaf) for b in record.boxes or () if (b.leaf or record.leaf) in leaves]
    return make_scene(
        decoded.image,
        [b.corners for b, _ in products if not b.crowd],
        [leaves.index(leaf) for b, leaf in products if not b.crowd],
        [b.corners for b, _ in products if b.crowd],
    )


def make_scene(
    image: UInt8Image, boxes: Sequence[object], labels: Sequence[int], ignore: Sequence[object] = ()
) -> Scene:
    """A scene from lists; empty ones get their shapes."""
    return Scene(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64).reshape(-1),
        np.array(ignore, np.float32).reshape(-1, 4),
    )


class Composer:
    """Draws composed scenes, without the sources in ``unseen`` and the photos in ``without``."""

    def __init__(
        self,
        bank: Path,
        unseen: Collection[str],
        without: Collection[PhotoName],
        leaves: Sequence[str],
        *,
        size: int,
        positives: float,
        piles: float,
        photo_weight: float,
    ) -> None:
        cutouts, backgrounds = CutoutBank.load(bank, photo_weight=photo_weight), BackgroundBank.load(bank)
        self.cutouts = cutouts.without_sources(unseen).without_photos(without)
        self.backgrounds = backgrounds.without_sources(unseen).without_photos(without)
        self.leaves, self.recipe, self.piles = tuple(leaves), Recipe(size=size, positive_share=positives), piles

    def __call__(self, rng: np.random.Generator) -> Scene:
        """Compose one picture, or a pile."""
        if rng.random() < self.piles:
            return self._pile(rng)
        image, boxes, labels = compose(rng, self.cutouts, self.backgrounds, self.recipe)
        rows = [i for i, leaf in enumerate(labels) if leaf in self.leaves]
        return make_scene(image, [boxes[i] for i in rows], [self.leaves.index(labels[i]) for i in rows])

    def _pile(self, rng: np.random.Generator) -> Scene:
        positive = bool(rng.random() < self.recipe.positive_share)
        leaf = self.cutouts.draw(rng, positive=positive).leaf
        image, boxes, hidden = pile(rng, self.cutouts, self.backgrounds, leaf, size=self.recipe.size)
        if leaf not in self.leaves:
            return make_scene(image, [], [])
        return make_scene(image, boxes, [self.leaves.index(leaf)] * len(boxes), hidden)
