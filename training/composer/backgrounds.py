"""Backgrounds: everyday photos, bare grounds cropped from studio photos, and plain graded paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.composer.store import Pixels, read_store, write_store
from training.data.boxes import propose
from training.data.manifest import NEGATIVE, Record
from training.data.masks import U2NETP, Image, read_mask, read_rgb
from training.data.progress import track
from wildvision.errors import ArgumentError
from wildvision.taxonomy import EVERYDAY

SHORT_SIDE = 256
"""Shorter side of a kept background in pixels."""

PAPER_SHARE = 0.08
"""Share of plain graded paper among the backgrounds drawn."""

GROUND_LEAST = 64
"""Least side in pixels of the bare rectangle that a ground is cropped from."""


LEAST_QUALITY = 0.7
"""Least quality of the mask beside which a ground is cropped; busy scenes have worse ones and hide more objects."""


@dataclass(frozen=True)
class Background:
    """A picture without products.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB.
        kind: ``photo`` of everyday goods or bare ``ground``.
        source: As in the manifest.
        path: Photo that it comes from.
    """

    pixels: Pixels
    kind: str
    source: str
    path: str


class BackgroundBank:
    """Backgrounds, drawn so that large sources count more than small ones, but only by the root of their size."""

    def __init__(self, backgrounds: Iterable[Background]) -> None:
        self.backgrounds: tuple[Background, ...] = tuple(backgrounds)
        counts = Counter((b.kind, b.source) for b in self.backgrounds)
        weights = np.array([counts[b.kind, b.source] ** -0.5 for b in self.backgrounds], np.float64)
        self._cumulative = np.cumsum(weights) / max(weights.sum(), 1e-12)

    def __len__(self) -> int:
        return len(self.backgrounds)

    def draw(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """A writable ``(height, width, 3)`` crop: at random zoom, maybe mirrored or turned a quarter.

        Raises:
            ArgumentError: When the bank is empty.
        """
        if not self.backgrounds:
            raise ArgumentError("the bank has no backgrounds")
        if rng.random() < PAPER_SHARE:
            return paper(rng, height, width)
        picture = self.backgrounds[int(np.searchsorted(self._cumulative, rng.random()))].pixels
        if rng.random() < 0.25:
            picture = np.rot90(picture, int(rng.integers(1, 4)))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        zoom = rng.uniform(0.5, 1.0)
        h, w = picture.shape[:2]
        if h * width > w * height:
            crop_w, crop_h = zoom * w, zoom * w * height / width
        else:
            crop_w, crop_h = zoom * h * width / height, zoom * h
        ch, cw = max(round(crop_h), 1), max(round(crop_w), 1)
        y, x = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
        crop = np.ascontiguousarray(picture[y : y + ch, x : x + cw])
        how = cv2.INTER_AREA if ch >= height else cv2.INTER_LINEAR
        out: Image = cv2.resize(crop, (width, height), interpolation=how).astype(np.uint8, copy=False)
        return out

    def without_sources(self, sources: Collection[str]) -> BackgroundBank:
        """The bank for a fold in which ``sources`` are held out."""
        return BackgroundBank(b for b in self.backgrounds if b.source not in sources)

    def without_photos(self, photos: Collection[tuple[str, str]]) -> BackgroundBank:
        """The bank without what comes from ``photos``, pairs of a source and a path as in the manifest."""
        return BackgroundBank(b for b in self.backgrounds if (b.source, b.path) not in photos)

    def save(self, folder: Path) -> None:
        """Write ``backgrounds.npy`` and ``backgrounds.json`` into ``folder``."""
        facts = ("kind", "source", "path")
        write_store(folder, "backgrounds", ((b.pixels, {n: getattr(b, n) for n in facts}) for b in self.backgrounds))

    @classmethod
    def load(cls, folder: Path) -> BackgroundBank:
        """Read what :meth:`save` wrote, without copying the pixels."""
        return cls(Background(pixels, **facts) for pixels, facts in read_store(folder, "backgrounds"))


def build_backgrounds(
    records: Sequence[Record], root: Path, masks: Path, *, grounds_per_source: int = 100
) -> list[Background]:
    """Whole photos of everyday goods, and the bare ground beside the object of every masked photo.

    Grounds come from products and look-alikes alike: the grey paper of a museum must appear under both. Product photos
    whose boxes are not known give none, since a mask can miss a product; what boxes cover is no ground.
    """
    found = []
    grounds = Counter[str]()
    for record in track(records, "backgrounds"):
        everyday = record.group == NEGATIVE and record.leaf == EVERYDAY
        mask = read_mask(masks, U2NETP, record.path)
        if not everyday and mask is None:
            continue
        image = read_rgb(root / record.path)
        if image is None:
            continue
        if everyday:
            found.append(Background(_shrink(image), "photo", record.source, record.path))
        if mask is None or mask.shape != image.shape[:2] or grounds[record.source] >= grounds_per_source:
            continue
        known = record.boxes is not None if record.positive else record.group == NEGATIVE
        if not known or propose(mask).quality < LEAST_QUALITY:
            continue
        for box in record.boxes or ():
            mask[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 255
        ground = bare_ground(image, mask)
        if ground is not None:
            grounds[record.source] += 1
            found.append(Background(ground, "ground", record.source, record.path))
    return found


def bare_ground(image: Image, mask: Pixels) -> Image | None:
    """The largest strip along one side of the photo that the mask leaves free, mirrored to twice its size.

    ``None`` when no strip is at least :data:`GROUND_LEAST` pixels thick.
    """
    ys, xs = np.nonzero(cv2.dilate(mask, np.ones((9, 9), np.uint8)) >= 32)
    if not len(ys):
        return None
    strips = [
        image[: ys.min()],
        image[ys.max() + 1 :],
        image[:, : xs.min()],
        image[:, xs.max() + 1 :],
    ]
    best = max(strips, key=lambda s: min(s.shape[:2]))
    if min(best.shape[:2]) < GROUND_LEAST:
        return None
    long = 2 * min(best.shape[:2])
    best = best[:long, :long]
    tiled = np.vstack([best, best[::-1]]) if best.shape[0] < best.shape[1] else np.hstack([best, best[:, ::-1]])
    return _shrink(np.ascontiguousarray(tiled))


def paper(rng: np.random.Generator, height: int, width: int) -> Image:
    """Plain graded paper: white, grey, black or tinted, lighter towards one side."""
    base = rng.choice([20.0, 90.0, 150.0, 200.0, 240.0, 250.0]) + rng.normal(0, 8, 3) * rng.choice([0.3, 1.0, 3.0])
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    grade = 1 + rng.uniform(0, 0.25) * (np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y)
    out: Image = np.clip(base.astype(np.float32) * grade, 0, 255).astype(np.uint8)
    return out


def _shrink(image: Image) -> Image:
    """Cropped to at most 2 : 1 and scaled so that the shorter side is :data:`SHORT_SIDE`."""
    most = 2 * min(image.shape[:2])
    image = image[:most, :most]
    scale = SHORT_SIDE / min(image.shape[:2])
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out: Image = cv2.resize(image, size, interpolation=how).astype(np.uint8, copy=False)
    return out
