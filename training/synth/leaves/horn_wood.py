"""What rhino horn is confused with: the hollow horn of cattle and buffalo, and carved wood, lacquer and bamboo root."""

from __future__ import annotations

import math
import random

import numpy as np

from training.synth import shapes
from training.synth.forms import worked
from training.synth.leaves import BuildContext, Builder, Built
from training.synth.leaves.horns import HORN_FORMS, Horn, drape_horn, horn, mount, skin_of
from training.synth.leaves.panels import Object, cushion, rounded_rect, tube
from training.synth.leaves.rhino import libation_cup
from training.synth.materials import keratin
from training.synth.materials.skin import hardware
from training.synth.materials.wood import bamboo, lacquer, wood


def _cattle(rng: random.Random, ridges: float) -> Horn:
    path = drape_horn(1.0, rng.uniform(0.5, 2.6), rng.uniform(-0.3, 0.3))
    t = np.linspace(0, 1, len(path))
    thick = rng.uniform(0.07, 0.14)
    radius = thick * (1 - t) ** rng.uniform(0.6, 1.0) * np.sqrt(np.clip(1 - t**24, 0, 1)) + 0.004
    count, phase = rng.uniform(12, 26), rng.uniform(0, 6)

    def bumps(a: np.ndarray, along: np.ndarray) -> np.ndarray:
        rings = np.abs(np.sin(along * count * math.pi + 0.3 * np.sin(a + phase))) ** 0.6
        return 1 + 0.09 * ridges * (rings - 0.5) * np.clip(1 - along * 1.5, 0, 1) + 0.02 * np.cos(2 * a + phase)

    return horn(path, radius, oval=rng.uniform(0.6, 1.0), bumps=bumps)


def _hollow_horn(rng: random.Random, material: object, ridges: float, metal: object = None) -> list[Object]:
    """One horn standing on its open end, hollow to half its length; ``metal`` makes a rim."""
    body = _cattle(rng, ridges)
    hollow = 40
    middle, shrink = body.centres[:hollow, None], np.linspace(0.88, 0.05, hollow)[:, None, None]
    inner = Horn(middle + (body.rings[:hollow] - middle) * shrink, body.centres[:hollow], body.along[:hollow])
    lip = Horn(np.stack([inner.rings[0], body.rings[0]]), body.centres[:2], np.zeros(2))
    inside = Horn(inner.rings[:, ::-1], inner.centres, inner.along)
    parts = [shapes.paint(skin_of(part), material) for part in (body, inside, lip)]
    if metal:
        ring = body.centres[1] + (body.rings[1] - body.centres[1]) * 1.02
        parts.append(shapes.paint(tube(ring, 0.014, closed=True), metal))
    return parts


def _whole_horns(rng: random.Random, context: BuildContext) -> Built:
    """One or more horns, hollow to half their length; raw with ridges or polished, some with a metal rim (drinking
    horns).
    """
    polished = rng.random() < 0.5
    ridges = 0.0 if polished else rng.choice((0.2, 0.6, 1.0))
    material = keratin.cattle_raw(rng, context.holdout, ridges)
    metal = hardware(rng) if polished and rng.random() < 0.4 else None
    count = rng.choice((1, 1, 1, 1, 2, 2, 3, 4, 8))
    stand = rng.random() < 0.25
    instances: list[list[Object]] = []
    for k in range(count):
        one = _hollow_horn(rng, material, ridges, metal)
        heading, pose = rng.uniform(0, 6.28), (math.pi / 2 if not stand else 0.0)
        for obj in one:
            shapes.turn(shapes.turn(obj, x=pose), z=heading)
        low = shapes.bounds(one)[0]
        x, y = k % 3 * 0.35 + rng.gauss(0, 0.1), k // 3 * 0.4 + rng.gauss(0, 0.2)
        for obj in one:
            shapes.move(obj, x, y, -float(low[2]))
        instances.append(one)
    objects = [obj for one in instances for obj in one]
    shapes.fit(objects)
    facts = {"form": "horn", "polished": polished, "count": count}
    return Built(objects, facts, instances if count > 1 else [], crowd=count > 6)


def _mount(rng: random.Random, context: BuildContext) -> Built:
    """Two horns on a wooden shield, as a trophy."""
    ridges = rng.choice((0.0, 0.6, 1.0))
    material = keratin.cattle_raw(rng, context.holdout, ridges)
    return mount(rng, context, *(_hollow_horn(rng, material, ridges) for _ in range(2)))


def _plates(rng: random.Random, context: BuildContext) -> Built:
    """Boxes, frames, trays, discs and bowls veneered with or turned from horn."""
    kind = rng.choice(("box", "discs", "bowl", "scales", "comb"))
    material = keratin.cattle_polished(rng, context.holdout)
    parts: list[Object] = []
    if kind == "box":
        w, d, h = rng.uniform(0.6, 1.0), rng.uniform(0.4, 0.8), rng.uniform(0.15, 0.4)
        other = material if rng.random() < 0.4 else keratin.cattle_polished(rng, context.holdout)
        parts = [
            shapes.paint(shapes.box((w, d, h), 0.01), material),
            shapes.paint(shapes.move(shapes.box((w * 1.01, d * 1.01, 0.06), 0.01), z=h), other),
        ]
        knob = shapes.move(shapes.box((0.14, 0.03, 0.04), 0.004), z=h + 0.06)
        parts.append(shapes.paint(knob, hardware(rng)))
    elif kind == "discs":
        r = rng.uniform(0.06, 0.12)
        for _ in range(rng.randint(4, 30)):
            disc = shapes.lathe([(0, 0), (r, 0), (r, 0.025), (0, 0.025)], 28)
            shapes.shade_by_angle(disc)
            shapes.turn(disc, x=rng.gauss(0, 0.15), y=rng.gauss(0, 0.15))
            parts.append(shapes.rest(disc, rng.gauss(0, 0.25), rng.gauss(0, 0.25), rng.choice((0.0, 0.02, 0.04))))
        for disc in parts:
            shapes.paint(disc, material)
    elif kind == "bowl":
        d, h = rng.uniform(0.3, 0.5), rng.uniform(0.12, 0.35)
        profile = [
            (0, 0),
            (d * 0.4, 0),
            (d * 0.85, h * 0.5),
            (d, h),
            (d * 0.97, h),
            (d * 0.8, h * 0.52),
            (d * 0.35, 0.03),
            (0, 0.03),
        ]
        parts = [shapes.paint(shapes.modify(shapes.lathe(profile, 64), "SUBSURF", levels=2, render_levels=2), material)]
    elif kind == "scales":  # blanks for knife handles
        for k in range(rng.randint(2, 7)):
            plate = shapes.turn(shapes.box((0.16, 0.5, 0.03), 0.004), z=rng.gauss(0, 0.12))
            parts.append(shapes.paint(shapes.move(plate, x=k * 0.19, y=rng.gauss(0, 0.05)), material))
    else:
        parts = list(cushion(rounded_rect(1.0, 0.12, 0.04), 0.03, 0.01, 12))
        for k in range(30):
            parts.append(shapes.move(shapes.box((0.018, 0.2, 0.03), 0.004), x=-0.45 + k * 0.031, y=-0.15, z=-0.015))
        for obj in parts:
            shapes.paint(obj, material)
    shapes.fit(parts)
    return Built(parts, {"form": kind}, crowd=kind == "discs")


def bovine_horn(rng: random.Random, context: BuildContext) -> Built:
    """Whole and drinking horns; polished plates, boxes, bowls; bangles, beads, handles and carvings of buffalo horn."""
    kind = rng.choices(("whole", "mount", "plates", "worked", "cup"), weights=(5, 0.8, 3, 4, 2))[0]
    if kind == "whole":
        return _whole_horns(rng, context)
    if kind == "mount":
        return _mount(rng, context)
    if kind == "plates":
        return _plates(rng, context)
    if kind == "cup":
        return libation_cup(rng, context, keratin.cattle_polished(rng, context.holdout))
    return worked(rng, context, keratin.cattle_polished, (rng.choice(HORN_FORMS),))


def wood_carving(rng: random.Random, context: BuildContext) -> Built:
    """Figurines, cups, bangles, beads, boxes of wood, lacquer or bamboo root."""
    substance = rng.choices((wood, lacquer, bamboo), weights=(7, 2, 2))[0]
    if rng.random() < 0.18:
        built = libation_cup(rng, context, substance(rng, context.holdout))
    else:
        built = worked(rng, context, substance)
    return Built(
        built.objects, {**built.params, "substance": substance.__name__}, built.instances, built.props, built.crowd
    )


BUILDERS: dict[str, Builder] = {"bovine_horn": bovine_horn, "wood_carving": wood_carving}
