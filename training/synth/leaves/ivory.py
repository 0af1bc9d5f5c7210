"""Ivory: raw tusks, cut sections and heaps of them; worked pieces in every form."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from training.synth import shapes
from training.synth.forms import make_figurine, steel, worked
from training.synth.ground import plain_material, wood_material
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.tusks import tusk
from training.synth.materials.ivory import bark, cavity, cut_face, polished
from training.synth.relief import carving


def _skins(rng: random.Random, clean: float, number: bool) -> list[Any]:
    """Skin, face and cavity of one tusk, more or less smooth."""
    return [bark(rng, clean=clean, number=number, smooth=rng.uniform(0.2, 0.85)), cut_face(rng), cavity(rng)]


def _whole(rng: random.Random, context: BuildContext) -> Built:
    clean = rng.choice((0.0, 0.2, 0.5, 0.95))
    skins = _skins(rng, clean, rng.random() < 0.35)
    obj = tusk(rng, end=rng.choice(("hollow", "hollow", "cut")), skins=skins, thick=rng.uniform(0.9, 1.25))
    if rng.random() < 0.5:
        shapes.rest(shapes.turn(obj, x=math.pi))
    if rng.random() < 0.15:
        shapes.rest(shapes.turn(obj, x=rng.uniform(0.3, 1.4)))
    shapes.fit([obj])
    return Built([obj], {"form": "tusk", "clean": clean})


def _pair(rng: random.Random, context: BuildContext) -> Built:
    clean, seed = rng.choice((0.1, 0.6, 1.0)), rng.getrandbits(32)
    skins, thick = _skins(rng, clean, False), rng.uniform(0.9, 1.25)
    pair = [tusk(random.Random(seed), end="hollow", skins=skins, thick=thick) for _ in range(2)]
    shapes.scale(pair[1], 1, -1, 1)
    pair[1].data.flip_normals()
    low, high = shapes.bounds([pair[0]])
    gap = float(high[1] - low[1]) + rng.uniform(0.03, 0.2)
    shapes.rest(pair[0])
    shapes.rest(pair[1], rng.gauss(0, 0.04), gap * rng.choice((-1, 1)))
    shapes.turn(pair[1], z=rng.gauss(0, 0.1))
    shapes.fit(pair)
    return Built(pair, {"form": "pair of tusks", "clean": clean}, instances=[[p] for p in pair])


def _mounted(rng: random.Random, context: BuildContext) -> Built:
    """A polished tusk upright on a wooden foot."""
    obj = tusk(rng, end="cut", skins=_skins(rng, rng.uniform(0.6, 1.0), False), arc=rng.uniform(0.5, 1.1))
    shapes.turn(obj, y=math.pi / 2)  # tip towards +z
    low, high = shapes.bounds([obj])
    if float(shapes.vertices(obj)[:44].mean(0)[2]) < float(low[2] + high[2]) / 2:
        shapes.turn(obj, x=math.pi)
    shapes.rest(obj)
    shapes.turn(obj, z=rng.uniform(0, 6.28))
    foot_at = shapes.vertices(obj)
    foot_at = foot_at[foot_at[:, 2] < foot_at[:, 2].min() + 0.05].mean(0)
    shapes.move(obj, -float(foot_at[0]), -float(foot_at[1]), 0.07)
    r = rng.uniform(0.1, 0.16)
    foot = shapes.lathe([(0, 0), (r, 0), (r, 0.03), (r * 0.8, 0.07), (r * 0.7, 0.1), (0, 0.1)])
    shapes.paint(foot, wood_material(rng, False) if rng.random() < 0.6 else steel(rng))
    both = shapes.fit([obj, foot])
    return Built([both[0]], {"form": "mounted tusk"}, props=[foot])


def _section(rng: random.Random, context: BuildContext) -> Built:
    """One to five sawn pieces: cylinders, slices, tips."""
    pieces = []
    for k in range(rng.choices((1, 2, 3, 5), (4, 3, 2, 1))[0]):
        start = rng.uniform(0.55, 0.93)
        obj = tusk(
            rng,
            end=rng.choice(("cut", "cut", "hollow")),
            skins=_skins(rng, rng.choice((0.0, 0.3, 0.8)), rng.random() < 0.25),
            start=start if rng.random() < 0.8 else 0.0,
            arc=rng.uniform(0.2, 0.7),
        )
        if rng.random() < 0.5:  # stand it on its end so that the sawn face shows
            shapes.rest(shapes.turn(obj, y=math.pi / 2 * rng.choice((-1, 1))))
        shapes.turn(obj, z=rng.uniform(0, 6.28))
        shapes.fit([obj], rng.uniform(0.55, 0.75))
        low, high = shapes.bounds([obj])
        across = pieces and float(shapes.bounds(pieces)[1][0]) + float(high[0] - low[0]) / 2 + rng.uniform(0.01, 0.1)
        pieces.append(shapes.rest(obj, across or 0.0, rng.gauss(0, 0.08) if k else 0.0))
    shapes.fit(pieces)
    return Built(pieces, {"form": "cut pieces", "pieces": len(pieces)}, instances=[[p] for p in pieces])


def _stock_skins(rng: random.Random, numbered: float) -> list[list[Any]]:
    """Skin, face and cavity of the tusks of one stockpile: most smooth and cream, some stained brown."""
    sets = []
    for k in range(5):
        brown = k == 0 or rng.random() < 0.25
        clean = rng.uniform(0.1, 0.4) if brown else rng.uniform(0.75, 1.0)
        smooth = rng.uniform(0.3, 0.7) if brown else rng.uniform(0.65, 0.95)
        skin = bark(rng, clean=clean, number=rng.random() < numbered, smooth=smooth)
        sets.append([skin, cut_face(rng), cavity(rng)])
    return sets


def _stock_tusk(rng: random.Random, skins: list[list[Any]], sawn: float = 0.0) -> Any:
    """A thick tusk of a stockpile; ``sawn`` is the chance that its tip is gone."""
    return tusk(
        rng,
        end=rng.choice(("hollow", "hollow", "hollow", "cut")),
        start=0.35 if rng.random() < sawn else 0.0,
        arc=rng.uniform(0.5, 1.4),
        skins=rng.choice(skins),
        thick=rng.uniform(1.25, 1.75),
    )


def _heap(rng: random.Random, context: BuildContext) -> Built:
    """A seizure: rows or a heap of tusks, numbered or not."""
    count, neat = rng.randint(5, 12), rng.random() < 0.5
    skins = _stock_skins(rng, rng.choice((0.0, 0.8)))
    tusks: list[Any] = []
    for k in range(count):
        obj = _stock_tusk(rng, skins, sawn=0.1)
        shapes.scale(obj, rng.uniform(0.6, 1.0))
        if rng.random() < 0.3:
            shapes.turn(obj, x=math.pi)
        shapes.rest(obj)
        if neat:
            shapes.turn(obj, z=rng.gauss(0, 0.06))
            shapes.rest(obj, rng.gauss(0, 0.03), 0.16 * k)
        else:
            shapes.turn(
                obj,
                x=rng.gauss(0, 0.15),
                y=rng.gauss(0, 0.08),
                z=rng.uniform(0, 6.28) if rng.random() < 0.4 else rng.gauss(0, 0.35),
            )
            shapes.rest(obj, rng.gauss(0, 0.12), rng.gauss(0, 0.2), k // 4 * 0.11)
        tusks.append(obj)
    shapes.fit(tusks)
    return Built(
        tusks,
        {"form": "heap of tusks" if not neat else "row of tusks", "count": count},
        instances=[[t] for t in tusks],
        crowd=not neat,
    )


def _mound(rng: random.Random, context: BuildContext) -> Built:
    """A stockpile: thick tusks crowded in layers, bases towards the camera or across, cream and stained mixed."""
    skins = _stock_skins(rng, rng.choice((0.0, 0.5)))
    facing = rng.choice((math.pi / 2, 0.0, 0.0)) + rng.gauss(0, 0.3)
    one_way = rng.random() < 0.5
    columns, tusks = rng.randint(4, 6), []
    for row in range(rng.randint(3, 4)):
        for column in range(columns - row // 2):
            obj = _stock_tusk(rng, skins)
            shapes.scale(obj, rng.uniform(0.8, 1.2))
            shapes.rest(obj)
            shapes.turn(
                obj,
                x=rng.uniform(-0.6, 0.6) + rng.choice((0, math.pi)),
                y=rng.gauss(0, 0.09),
                z=(0 if one_way else rng.choice((0, 0, math.pi))) + rng.gauss(0, 0.2),
            )
            spot = (column - columns / 2 + 0.5 * (row % 2)) * 0.145 + rng.gauss(0, 0.02)
            shapes.rest(obj, rng.gauss(0, 0.12), spot, row * 0.105)
            tusks.append(shapes.turn(obj, z=facing - math.pi / 2))
    shapes.fit(tusks)
    return Built(tusks, {"form": "stockpile", "count": len(tusks)}, instances=[[t] for t in tusks], crowd=True)


_RAW: tuple[tuple[Callable[[random.Random, BuildContext], Built], float], ...] = (
    (_whole, 5), (_pair, 1.5), (_mounted, 1.5), (_section, 3), (_heap, 2), (_mound, 2.5),
)  # fmt: skip


def ivory_raw(rng: random.Random, context: BuildContext) -> Built:
    """Tusks: whole, paired, mounted, sawn, heaped."""
    return rng.choices([f for f, _ in _RAW], [w for _, w in _RAW])[0](rng, context)


def ivory_worked(rng: random.Random, context: BuildContext) -> Built:
    """Carvings and small goods; sometimes a tusk carved all along, or a set of figurines."""
    context = replace(context, scans=0.25)
    chance = rng.random()
    if chance < 0.08:
        return _carved_tusk(rng, context)
    if chance < 0.16:
        return _figurine_row(rng, context)
    return worked(rng, context, partial(polished, holdout=context.holdout))


def _figurine_row(rng: random.Random, context: BuildContext) -> Built:
    """A market stall's row of small figures."""
    figures, x = [], 0.0
    for _ in range(rng.randint(2, 5)):
        built = make_figurine(rng, context)
        for prop in built.props:
            shapes.discard(prop)
        obj = built.objects[0]
        shapes.paint(obj, polished(rng, context.holdout))
        shapes.turn(obj, z=rng.gauss(0, 0.4))
        shapes.fit([obj], rng.uniform(0.3, 0.5))
        low, high = shapes.bounds([obj])
        x += float(high[0] - low[0]) / 2
        figures.append(shapes.rest(obj, x, rng.gauss(0, 0.05)))
        x += float(high[0] - low[0]) / 2 + rng.uniform(0.02, 0.12)
    shapes.fit(figures)
    return Built(figures, {"form": "row of figurines"}, instances=[[f] for f in figures])


def _carved_tusk(rng: random.Random, context: BuildContext) -> Built:
    """A tusk carved in relief along its length."""
    obj = tusk(rng, end="cut", clean=1.0, number=False, arc=rng.uniform(0.4, 1.0))
    count = len(obj.data.vertices)
    around = 2 * math.pi * (np.arange(count) % 44) / 44
    for name, values in (("cos", np.cos(around)), ("sin", np.sin(around)), ("along", np.arange(count) / count)):
        shapes.set_attribute(obj, name, values)  # survive the subdivision, unlike vertex order
    shapes.modify(obj, "SUBSURF", levels=2, render_levels=2)
    cos, sin, along = (shapes.attribute(obj, name) for name in ("cos", "sin", "along"))
    field, repeats = carving(rng, context, 96), rng.randint(4, 8)
    u = (np.arctan2(sin, cos) / (2 * math.pi) * rng.choice((1, 2))) % 1.0
    height = field[(u * 95).astype(int), ((along * repeats) % 1.0 * 95).astype(int)]
    radius = np.interp(along, (0, 0.5, 1), (0.008, 0.016, 0.02))
    cut = (1 - height) * np.clip((along - 0.12) / 0.05, 0, 1) * np.clip((0.93 - along) / 0.02, 0, 1)
    shapes.set_vertices(obj, shapes.vertices(obj) - shapes.normals(obj) * (cut * radius)[:, None])
    shapes.paint(obj, polished(rng, context.holdout))
    for polygon in obj.data.polygons:
        polygon.material_index = 0
    shapes.fit([obj])
    props = []
    if rng.random() < 0.4:
        props = [shapes.paint(shapes.box((0.5, 0.2, 0.05), 0.01), plain_material(rng, (0.03, 0.015, 0.01), 0.3))]
        shapes.move(obj, z=0.045)
    return Built([obj], {"form": "carved tusk"}, props=props)


BUILDERS = {"ivory_raw": ivory_raw, "ivory_worked": ivory_worked}
