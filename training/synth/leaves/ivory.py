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
from training.synth.materials.ivory import bark, cavity, cut_face, polished
from training.synth.relief import carving


def _curve(rng: random.Random, n: int, arc: float) -> list[tuple[float, float, float]]:
    """Points of a tusk of length 1 from tip to base: an arc of ``arc`` radians with a slight corkscrew."""
    lift, points, x, y, heading = rng.gauss(0, 0.08), [], 0.0, 0.0, 0.0
    tightening = rng.uniform(-0.5, 0.8)
    for k in range(n):
        t = k / (n - 1)
        points.append((x, y, lift * math.sin(2.4 * t)))
        heading += arc / (n - 1) * (1 + tightening * (0.5 - t))
        x, y = x + math.cos(heading) / (n - 1), y + math.sin(heading) / (n - 1)
    return points


def tusk(
    rng: random.Random,
    *,
    end: str,
    clean: float = 1.0,
    number: bool = False,
    start: float = 0.0,
    arc: float | None = None,
    skins: list[Any] | None = None,
    thick: float = 1.0,
) -> Any:
    """A tusk lying on its side. end: ``hollow`` (pulp cavity) or ``cut`` (sawn face).

    ``start`` is the share of the tusk sawn off its tip; ``skins`` gives ready skin, face and cavity materials
    (``clean`` and ``number`` are for the default ones); ``thick`` multiplies the radius.
    """
    n, m = 56, 44
    base, power = rng.uniform(0.035, 0.075) * thick, rng.uniform(0.45, 0.75)
    arc = rng.uniform(0.35, 1.5) if arc is None else arc
    path = _curve(rng, n, arc)
    blunt = rng.uniform(0.1, 0.34)
    radii = [base * min(1.0, blunt + (1 - blunt) * (k / (n - 1)) ** power) for k in range(n)]
    for k, share in enumerate((0.3, 0.7, 0.9)):  # round off the tip
        radii[k] *= share
    oval = rng.uniform(0.82, 1.0)
    section = [(math.cos(a), oval * math.sin(a)) for a in np.linspace(0, 2 * math.pi, m + 1)[:-1]]
    layers = shapes.rings(path, radii, section=section)
    layers = layers[int(start * n) :]
    phase, count = rng.uniform(0, 6.28), rng.randint(5, 12)
    fluting = 1 + rng.uniform(0, 0.01) * np.sin(count * np.linspace(0, 2 * math.pi, m + 1)[:-1] + phase)
    centres = layers.mean(1, keepdims=True)
    layers = centres + (layers - centres) * fluting[None, :, None]
    outer = len(layers)
    if end == "hollow":
        deep = min(outer - 2, rng.randint(8, 20))
        wall = rng.uniform(0.06, 0.16)
        factors = np.concatenate([[1 - wall * 0.3, 1 - wall], (1 - wall) * (1 - np.linspace(0.05, 1, deep) ** 1.4)])
        inner = [outer - 1, outer - 1, *range(outer - 1, outer - 1 - deep, -1)]
        extra = [(layers[i] - centres[i]) * f + centres[i] for i, f in zip(inner, factors, strict=True)]
        ragged = 1 + 0.02 * np.sin(np.arange(m) * 0.9 + phase)
        layers[-1] = centres[-1] + (layers[-1] - centres[-1]) * ragged[:, None]
        layers = np.concatenate([layers, np.asarray(extra, np.float32)])
    obj = shapes.loft(layers, caps=True, name="tusk")
    uv = obj.data.uv_layers["UVMap"].data
    total = len(layers) - 1
    sides = total * m
    for loop in range(
        sides * 4
    ):  # outer skin: v = 0 at the tip, 1 at the rim; cavity: v = 0 at its rim, 1 in the depth
        v = uv[loop].uv[1] * total
        uv[loop].uv[1] = v / (outer - 1) if loop // (4 * m) < outer - 1 else (v - outer + 1) / max(1, total - outer + 1)
    skin, face, hole = skins or (bark(rng, clean=clean, number=number), cut_face(rng), cavity(rng))
    shapes.paint(obj, skin)
    obj.data.materials.append(face)
    obj.data.materials.append(hole)
    for index, polygon in enumerate(obj.data.polygons):
        if index >= sides:
            last = index == sides + 1
            polygon.material_index = (2 if end == "hollow" else 1) if last else (1 if start > 0 else 0)
            polygon.use_smooth = False
        elif index // m >= outer - 1:
            polygon.material_index = 2
    if end == "cut" or start > 0:
        shapes.shade_by_angle(obj, 55)
    shapes.roughen(obj, rng, 0.003, 5)
    return shapes.rest(shapes.turn(obj, z=rng.uniform(0, 0.3)))


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
