"""What hangs in everybody's wardrobe: shirts, trousers, dresses, shoes and bags of cloth and dark leather.

Without them a model that learns python goods from renders takes any patterned shirt and any dark shoe for one.
"""

from __future__ import annotations

import math
import random
from functools import partial

import numpy as np

from training.synth import carve, shapes
from training.synth.leaves import BuildContext, Builder, Built, footwear, goods
from training.synth.leaves.panels import Array, Dress, Object, stitches, surface, thicken
from training.synth.leaves.pelts import limb
from training.synth.leaves.wardrobe import Form, make, single
from training.synth.materials.cloth import cloth, upper


def _body(rng: random.Random, half: Array, depth: float, high: float, skin: Object, dress: Dress) -> list[Object]:
    """A tube of cloth from hem (row 0) to neck: ``half`` widths over its height, with folds and a seam in front."""
    a = np.linspace(-1.5 * math.pi, 0.5 * math.pi, 120, endpoint=False)
    v = np.linspace(0, 1, 40)[:, None]
    wide = np.interp(v, np.linspace(0, 1, len(half)), half)
    fold = 1 + 0.05 * (1 - v) ** 0.7 * np.sin(rng.randint(3, 9) * a + rng.uniform(0, 6) + 2 * v)
    x, y = wide * fold * np.cos(a), depth * fold * (0.5 + 0.5 * wide / np.max(half)) * np.sin(a)
    body = shapes.paint(surface(np.stack([x, y, np.broadcast_to(v * high, x.shape)], -1), wrap=True), skin)
    carve.roughen(body, rng, 0.9, 0.09, 3)
    parts = [thicken(body, 0.2, dress.lining)]
    if rng.random() < 0.5:
        front = np.column_stack([np.zeros(40), y[:, np.argmin(np.abs(a + math.pi / 2))] * 1.05 - 0.4, v[:, 0] * high])
        parts.append(stitches(front, rng.choice([dress.metal, dress.dark, dress.thread]), rng.choice([0.5, 6.0]), 0.9))
    return parts


def _sleeves(rng: random.Random, chest: float, top: float, reach: float, skin: Object) -> list[Object]:
    """Both sleeves, from well inside the shoulder outwards and down."""
    out = []
    drop, cuff = rng.uniform(0.4, 1.6), rng.uniform(5.5, 8.5)
    for k in (-1, 1):
        t = np.linspace(0, 1, 30)
        path = np.column_stack([k * (0.5 * chest + (0.4 * chest + reach) * t), -0.5 * t, top - 10 - drop * reach * t])
        sleeve = shapes.paint(limb(path, np.interp(t, [0, 0.3, 1], [8.5, 9.0, cuff])), skin)
        out.append(carve.roughen(sleeve, rng, 0.9, 0.14, 3))
    return out


def _laid(rng: random.Random, parts: list[Object]) -> list[Object]:
    """Hanging as it is, or lying flat on its back."""
    if rng.random() < 0.85:
        return [shapes.scale(shapes.turn(obj, x=-math.pi / 2), 1, 1, 0.2) for obj in parts]
    return parts


def top(rng: random.Random, dress: Dress) -> list[Object]:
    """Shirt, pullover, jacket or sleeveless top."""
    high = rng.uniform(52, 72)
    skin = dress.skin(60.0, high)
    chest = rng.uniform(22, 29)
    half = np.array([chest * rng.uniform(0.85, 1.1), chest * 0.95, chest, chest, chest, 0.95 * chest, 8.0])
    parts = _body(rng, half, rng.uniform(7, 11), high, skin, dress)
    reach = rng.choice([0.0, rng.uniform(9, 14), rng.uniform(24, 36)])
    if reach:
        parts += _sleeves(rng, chest, high, reach, rng.choice([skin, skin, dress.trim]))
    return _laid(rng, parts)


def gown(rng: random.Random, dress: Dress) -> list[Object]:
    """Dress or skirt."""
    high, hem = rng.uniform(45, 105), rng.uniform(22, 42)
    skin = dress.skin(60.0, high)
    waist = rng.uniform(15, 19)
    whole = high > 70
    half = np.array(
        [hem, 0.6 * hem + 0.4 * waist, waist, waist + 4, waist + 4, 8.0] if whole else [hem, waist + 4, waist]
    )
    parts = _body(rng, half, 10.0, high, skin, dress)
    if whole and rng.random() < 0.5:
        parts += _sleeves(rng, waist + 4, high, rng.uniform(9, 30), skin)
    return _laid(rng, parts)


def trousers(rng: random.Random, dress: Dress) -> list[Object]:
    """Long or short trousers."""
    leg = rng.choice([rng.uniform(65, 80), rng.uniform(15, 30)])
    skin = dress.skin(40.0, leg + 22)
    parts = _body(rng, np.array([19.0, 18.0, 16.5]), 9.0, 22.0, skin, dress)
    for obj in parts:
        shapes.move(obj, z=leg - 2)
    spread = rng.uniform(0.02, 0.12)
    for k in (-1, 1):
        t = np.linspace(0, 1, 40)
        path = np.column_stack([k * (9.5 + spread * leg * t), 0 * t, leg * (1 - t)])
        tube = shapes.paint(limb(path, np.interp(t, [0, 0.5, 1], [9.8, rng.uniform(7, 10), rng.uniform(6, 12)])), skin)
        carve.roughen(tube, rng, 0.9, 0.12, 3)
        parts.append(tube)
    return _laid(rng, parts)


_CLOTHES: dict[str, tuple[int, Form]] = {
    "top": (6, single(top)),
    "gown": (3, single(gown)),
    "trousers": (4, single(trousers)),
    "tote": (1, single(goods.tote)),
    "handbag": (1, single(goods.handbag)),
}
_SHOES: dict[str, tuple[int, Form]] = {"footwear": (1, footwear.footwear)}


def everyday_goods(rng: random.Random, context: BuildContext) -> Built:
    """Clothes and bags of cloth, and everyday shoes."""
    if rng.random() < 0.3:
        return make(rng, context, partial(upper, holdout=context.holdout), _SHOES)
    return make(rng, context, partial(cloth, holdout=context.holdout), _CLOTHES)


BUILDERS: dict[str, Builder] = {"everyday_goods": everyday_goods}
