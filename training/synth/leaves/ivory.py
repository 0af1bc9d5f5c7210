"""Ivory: raw tusks, cut sections and heaps of them; worked pieces in every form."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from training.synth import shapes
from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.tusks import mounted_tusk, single_tusk, tusk, tusk_pair
from training.synth.materials.ivory import bark, cavity, cut_face, polished


def _skins(rng: random.Random, clean: float, number: bool) -> list[Any]:
    """Skin, face and cavity of one tusk, more or less smooth."""
    return [bark(rng, clean=clean, number=number, smooth=rng.uniform(0.2, 0.85)), cut_face(rng), cavity(rng)]


def _whole(rng: random.Random, context: BuildContext) -> Built:
    return single_tusk(rng, _skins(rng, rng.choice((0.0, 0.2, 0.5, 0.95)), rng.random() < 0.35))


def _pair(rng: random.Random, context: BuildContext) -> Built:
    return tusk_pair(rng, _skins(rng, rng.choice((0.1, 0.6, 1.0)), False))


def _mounted(rng: random.Random, context: BuildContext) -> Built:
    return mounted_tusk(rng, _skins(rng, rng.uniform(0.6, 1.0), False))


def _section(rng: random.Random, context: BuildContext) -> Built:
    """One to five sawn pieces: cylinders, slices, tips."""
    pieces = []
    for k in range(rng.choices((1, 2, 3, 5), (4, 3, 2, 1))[0]):
        start = rng.uniform(0.55, 0.93)
        obj = tusk(
            rng,
            _skins(rng, rng.choice((0.0, 0.3, 0.8)), rng.random() < 0.25),
            end=rng.choice(("cut", "cut", "hollow")),
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
        rng.choice(skins),
        end=rng.choice(("hollow", "hollow", "hollow", "cut")),
        start=0.35 if rng.random() < sawn else 0.0,
        arc=rng.uniform(0.5, 1.4),
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
    """Carvings and small goods."""
    return worked(rng, context, polished)


BUILDERS = {"ivory_raw": ivory_raw, "ivory_worked": ivory_worked}
