"""Cut-outs: single objects with an alpha channel, and the bank they are drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.composer.store import Pixels, read_store, write_store
from training.data.boxes import iou, propose
from training.data.manifest import NEGATIVE, Box, Record
from training.data.masks import U2NETP, Image, Mask, read_mask, read_rgb
from training.data.progress import track
from training.folds import inside
from wildvision.errors import ArgumentError
from wildvision.taxonomy import load_taxonomy

SIDE = 256
"""Longest side of a kept cut-out in pixels."""

RENDERED = "render-"
"""What the sources of renders start with."""

LEAST_AGREEMENT = 0.8
"""Least intersection over union of a part of the mask and an accepted box."""


@dataclass(frozen=True)
class Cutout:
    """One object.

    Attributes:
        pixels: ``(h, w, 4)`` uint8 RGBA, tight around the object; colour is not premultiplied.
        leaf: Leaf or look-alike leaf.
        group: Product group, ``none`` for a look-alike.
        source: As in the manifest.
        object_id: As in the manifest.
        path: Photo that it was cut from.
    """

    pixels: Pixels
    leaf: str
    group: str
    source: str
    object_id: str
    path: str

    @property
    def positive(self) -> bool:
        """Whether it shows a product."""
        return self.group != NEGATIVE

    @property
    def rendered(self) -> bool:
        """Whether it comes from a render and not from a photo."""
        return self.source.startswith(RENDERED)


class CutoutBank:
    """Cut-outs, drawn so that no leaf, source or much-photographed object crowds out the others.

    Args:
        cutouts: What it holds.
        photo_weight: So many rendered objects of a leaf weigh as much as one from a photo.
    """

    def __init__(self, cutouts: Iterable[Cutout], *, photo_weight: float = 1.0) -> None:
        self.cutouts: tuple[Cutout, ...] = tuple(cutouts)
        self.photo_weight = photo_weight
        tree: dict[bool, dict[str, dict[bool, dict[tuple[str, str], list[Cutout]]]]] = {True: {}, False: {}}
        for cutout in self.cutouts:
            kinds = tree[cutout.positive].setdefault(cutout.leaf, defaultdict(lambda: defaultdict(list)))
            kinds[cutout.rendered][cutout.source, cutout.object_id or cutout.path].append(cutout)
        self._tree = {
            positive: {
                leaf: {kind: [views for _, views in sorted(objects.items())] for kind, objects in kinds.items()}
                for leaf, kinds in sorted(leaves.items())
            }
            for positive, leaves in tree.items()
        }

    def __len__(self) -> int:
        return len(self.cutouts)

    def leaves(self, *, positive: bool) -> tuple[str, ...]:
        """Leaves that can be drawn, sorted."""
        return tuple(self._tree[positive])

    def draw(self, rng: np.random.Generator, *, positive: bool, leaf: str | None = None) -> Cutout:
        """Draw a leaf (evenly, unless given), then photos or renders, then an object, then a view.

        Raises:
            ArgumentError: When the bank holds nothing of the kind.
        """
        leaves = self._tree[positive]
        if leaf is None:
            if not leaves:
                raise ArgumentError(f"the bank has no {'product' if positive else 'look-alike'} cut-outs")
            leaf = self.leaves(positive=positive)[rng.integers(len(leaves))]
        elif leaf not in leaves:
            raise ArgumentError(f"no cut-outs of {leaf!r}; the bank has {', '.join(leaves) or 'none of the kind'}")
        kinds = leaves[leaf]
        if len(kinds) == 1:
            (objects,) = kinds.values()
        else:
            photos, renders = self.photo_weight * len(kinds[False]), len(kinds[True])
            objects = kinds[bool(rng.random() * (photos + renders) >= photos)]
        views = objects[rng.integers(len(objects))]
        return views[rng.integers(len(views))]

    def without_sources(self, sources: Collection[str]) -> CutoutBank:
        """The bank for a fold in which ``sources`` are held out."""
        return CutoutBank((c for c in self.cutouts if c.source not in sources), photo_weight=self.photo_weight)

    def without_photos(self, photos: Collection[tuple[str, str]]) -> CutoutBank:
        """The bank without what was cut from ``photos``, pairs of a source and a path as in the manifest."""
        kept = (c for c in self.cutouts if (c.source, c.path) not in photos)
        return CutoutBank(kept, photo_weight=self.photo_weight)

    def save(self, folder: Path) -> None:
        """Write ``cutouts.npy`` and ``cutouts.json`` into ``folder``."""
        names = [name for name in Cutout.__dataclass_fields__ if name != "pixels"]
        write_store(folder, "cutouts", ((c.pixels, {n: getattr(c, n) for n in names}) for c in self.cutouts))

    @classmethod
    def load(cls, folder: Path, *, photo_weight: float = 1.0) -> CutoutBank:
        """Read what :meth:`save` wrote, without copying the pixels."""
        return cls(
            (Cutout(pixels, **facts) for pixels, facts in read_store(folder, "cutouts")), photo_weight=photo_weight
        )


def check_bank(bank: CutoutBank, records: Iterable[Record], folders: Collection[Path] = ()) -> None:
    """Make sure that what is pasted comes from photos that are still there, and is still called what they are.

    Args:
        bank: Cut-outs.
        records: All rows of the manifests. Renders hold objects that their rows do not name.
        folders: Those of the manifests, where paths of rows start with them.

    Raises:
        ArgumentError: Some cut-outs are of photos that no manifest has any more, or that another leaf was given.
    """
    leaves = {(r.source, inside(r.path, folders)): {r.leaf, *(box.leaf for box in r.boxes or ())} for r in records}
    stale = [
        c
        for c in bank.cutouts
        if (c.source, c.path) not in leaves or (not c.rendered and c.leaf not in leaves[c.source, c.path])
    ]
    if stale:
        raise ArgumentError(
            f"{len(stale)} cut-outs of the bank are of photos that the manifests lack or call otherwise now, "
            f"{stale[0].path!r} ({stale[0].leaf}) for one; build it anew with 'python -m training.composer bank'"
        )


def cut_out(image: Image, alpha: Mask, *, side: int = SIDE) -> Pixels | None:
    """Crop ``(H, W, 3)`` to the object of ``(H, W)`` alpha and shrink it to ``side``; ``None`` when nothing is left.

    The rim is drawn in by a pixel, because it carries the colour of the old background, and the colour of what
    remains is spread outwards under the transparent pixels, so that resampling cannot bring the old one back.
    """
    core: Mask = cv2.erode(alpha, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)
    ys, xs = np.nonzero(core >= 128)
    if len(ys) < 64:
        return None
    area = slice(int(ys.min()), int(ys.max()) + 1), slice(int(xs.min()), int(xs.max()) + 1)
    colour, core = image[area], core[area]
    scale = min(side / max(core.shape), 1.0)
    size = max(round(core.shape[1] * scale), 1), max(round(core.shape[0] * scale), 1)
    colour = _spread(colour, core)
    rgba = np.dstack([colour, core])
    out: Pixels = cv2.resize(rgba, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return out


def build_cutouts(
    records: Sequence[Record], root: Path, masks: Path, *, min_quality: float = 0.9, min_inside: float = 0.97
) -> list[Cutout]:
    """Cut the objects out of photos whose masks can be trusted.

    Each separate part of a mask gives one cut-out; in a record with boxes only the parts that agree with one of them,
    since a mask may show something else than the product. One network cuts out products and look-alikes alike: two
    would leave two kinds of edges.

    Args:
        records: Products and look-alikes; ambiguous ones and those without a mask are skipped.
        root: Folder of the photos.
        masks: Folder of kept masks.
        min_quality: Least quality of the proposal, as in :class:`training.data.boxes.Proposal`; of the development
            photos 89 % pass both limits, and in 97 % of those every box is right.
        min_inside: Least ``inside`` of the proposal: an object cut by the photo's edge has a flat side.
    """
    found = []
    for record in track(records, "cut-outs"):
        mask = read_mask(masks, U2NETP, record.path)
        if mask is None or not (record.positive or record.group == NEGATIVE):
            continue
        proposal = propose(mask)
        if proposal.quality < min_quality or proposal.inside < min_inside:
            continue
        image = read_rgb(root / record.path)
        if image is None or image.shape[:2] != mask.shape:
            continue
        alpha = sharpen_alpha(image, mask)
        for part in proposal.boxes:
            leaf = record.leaf
            if record.boxes is not None:
                best = max((b for b in record.boxes if not b.crowd), key=lambda b: iou(part, b), default=None)
                if best is None or iou(part, best) < LEAST_AGREEMENT:
                    continue
                leaf = best.leaf or leaf
            pixels = cut_out(image, _only(alpha, part))
            if pixels is not None:
                group = load_taxonomy().group_of(leaf) or NEGATIVE  # a look-alike may lie beside a product
                found.append(Cutout(pixels, leaf, group, record.source, record.object_id, record.path))
    return found


def sharpen_alpha(image: Image, alpha: Mask, *, radius: int = 6, epsilon: float = 1e-3) -> Mask:
    """Snap a soft mask to the edges of the photo: the guided filter of He, Sun and Tang (ECCV 2010) on grey values."""
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    soft = alpha.astype(np.float32) / 255
    window = (2 * radius + 1, 2 * radius + 1)
    mean_g, mean_a = cv2.blur(guide, window), cv2.blur(soft, window)
    variance = cv2.blur(guide * guide, window) - mean_g * mean_g
    slope = (cv2.blur(guide * soft, window) - mean_g * mean_a) / (variance + epsilon)
    offset = mean_a - slope * mean_g
    refined = cv2.blur(slope, window) * guide + cv2.blur(offset, window)
    out: Mask = np.clip((refined - 0.35) / 0.4 * 255, 0, 255).astype(np.uint8)
    return out


def _only(alpha: Mask, box: Box) -> Mask:
    """Alpha within the box (and a pixel around it), nothing elsewhere."""
    y0, y1 = max(int(box.y0) - 1, 0), int(box.y1) + 1
    x0, x1 = max(int(box.x0) - 1, 0), int(box.x1) + 1
    out = np.zeros_like(alpha)
    out[y0:y1, x0:x1] = alpha[y0:y1, x0:x1]
    return out


def _spread(colour: Image, core: Mask) -> Image:
    """Colours of the core carried outwards: far ones from a coarse blur, near ones from a fine one."""
    weight = (core >= 200).astype(np.float32)
    out = colour.astype(np.float32)
    solid = weight[..., None].copy()
    for sigma in (2.0, 8.0):
        blurred = cv2.GaussianBlur(out * solid, (0, 0), sigma)
        mass = cv2.GaussianBlur(solid[..., 0], (0, 0), sigma)[..., None]
        reached = (mass > 1e-3) & (solid < 1)
        out = np.where(reached, blurred / np.maximum(mass, 1e-6), out)
        solid = np.maximum(solid, (mass > 1e-3).astype(np.float32))
    spread: Image = np.clip(out, 0, 255).astype(np.uint8)
    return spread
