"""Bags, wallets, belts, straps and cases, modelled in centimetres and dressed in any hide: the texture decides,
not the shape.
"""

from __future__ import annotations

import math
import random

import numpy as np

from training.synth import carve, shapes
from training.synth.leaves.panels import (
    Dress,
    Object,
    buckle,
    cushion,
    pad,
    rounded_rect,
    seam_on,
    stitches,
    strip,
    surface,
    thicken,
    tube,
)  # fmt: skip


def _stand(objects: list[Object], height: float) -> list[Object]:
    """From lying in x, y to standing on its lower edge."""
    return [shapes.move(shapes.turn(obj, x=math.pi / 2), z=height / 2) for obj in objects]


def _arc(width: float, height: float, n: int = 24, power: float = 2.0) -> np.ndarray:
    t = np.linspace(0, math.pi, n)
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / power)
    return np.column_stack([-width / 2 * x, height * np.sin(t) ** (2 / power)])


def _flap(rng: random.Random, width: float, height: float, depth: float, reach: float) -> Object:
    """A flap in bag space (x, y lying, z forward): from the back edge over the top and down the front."""
    r = depth / 2 + 0.6
    drop = np.linspace(0, 1, 26)
    y = np.where(
        drop < 0.3, height / 2 + r * 0.35 * np.sin(drop / 0.3 * math.pi) + 0.2, height / 2 - (drop - 0.3) / 0.7 * reach
    )
    z = np.where(drop < 0.3, -r * np.cos(np.minimum(drop / 0.3, 1) * math.pi), r + 0.35)
    s = np.linspace(-1, 1, 25)
    curve = rng.uniform(0.0, 0.35)
    corner = np.abs(s) ** rng.uniform(3, 9)
    points = np.zeros((len(drop), len(s), 3))
    for i in range(len(drop)):
        tail = max(0.0, drop[i] - 0.3) / 0.7
        points[i, :, 0] = s * width / 2
        points[i, :, 1] = y[i] + tail**3 * reach * (curve * s**2 + 0.25 * corner)
        points[i, :, 2] = z[i]
    return surface(points[:, ::-1], name="flap")


def handbag(rng: random.Random, dress: Dress) -> list[Object]:
    w, h = rng.uniform(20, 34), rng.uniform(14, 26)
    d, top = rng.uniform(5, 11), rng.uniform(0.72, 1.08)
    outline = rounded_rect(w, h, rng.uniform(1.0, min(w, h) * 0.3), top)
    front, back, side = cushion(outline, d, rng.uniform(0.5, 2.0), rng.uniform(6, 16))
    skin = dress.skin(w, h, turned=rng.random() < 0.25)
    for obj in (front, back):
        shapes.paint(obj, skin)
    shapes.paint(side, rng.choice([skin, dress.trim]))
    parts = [front, back, side]
    rim = np.column_stack([outline, np.full(len(outline), d / 2)])
    for z in (d / 2, -d / 2):
        rim[:, 2] = z
        parts.append(shapes.paint(tube(rim, 0.22, closed=True), dress.trim))
    parts.append(seam_on(outline, 0.95, d / 2 + 0.62, dress.thread))
    style = rng.choice(["flap", "flap", "open", "zip"])
    if style == "flap":
        reach = h * rng.uniform(0.4, 0.75)
        flap = shapes.paint(_flap(rng, w * min(1.0, top) * 0.98, h, d + 2.2, reach), skin)
        parts.append(thicken(flap, 0.25, dress.lining))
        lock = shapes.box((rng.uniform(1.5, 4), 0.6, rng.uniform(1.2, 3)), 0.15)
        lock = shapes.move(shapes.turn(lock, x=-math.pi / 2), y=h / 2 - reach + 0.6, z=d / 2 + 2.0)
        parts.append(shapes.paint(lock, dress.metal))
    elif style == "zip":
        zipper = np.column_stack([np.linspace(-0.4, 0.4, 20) * w * top, np.full(20, h / 2 + 0.25), np.zeros(20)])
        parts.append(stitches(zipper, dress.metal, 0.35, 0.5))
    handles = rng.choice(["top", "two", "strap", "chain"])
    span = w * top * rng.uniform(0.35, 0.6)
    if handles in ("top", "two"):
        tall = rng.uniform(6, 14)
        for z in (0,) if handles == "top" else (d / 2 - 0.4, -d / 2 + 0.4):
            arc = _arc(span, tall, power=rng.choice([2.0, 3.0]))
            lean = rng.uniform(-0.25, 0.25) * arc[:, 1]
            path = np.column_stack([arc[:, 0], arc[:, 1] + h / 2 - 0.5, z + lean])
            parts.append(shapes.paint(tube(path, rng.uniform(0.45, 0.8)), rng.choice([dress.trim, skin])))
            for end in (path[0], path[-1]):
                ring = [
                    (end[0] + 0.9 * math.cos(a), end[1] + 0.9 * math.sin(a), end[2])
                    for a in np.linspace(0, 6.28, 16, False)
                ]
                parts.append(shapes.paint(tube(ring, 0.16, closed=True), dress.metal))
    else:  # a long strap that falls over the front and lies on the table
        t = np.linspace(0, 1, 40)
        sag = rng.uniform(0.25, 0.8) * h
        x = (t - 0.5) * w * 1.02 * top
        y = h / 2 - sag * np.sin(math.pi * t) ** 0.7
        path = np.column_stack([x, y, d / 2 + 1.2 + 2.4 * np.sin(math.pi * t)])
        if handles == "strap":
            across = np.column_stack([0.0 * t, np.full(40, 0.9), np.full(40, 0.43)])
            parts.append(shapes.paint(strip(path, across, rng.uniform(1.2, 2.6)), rng.choice([dress.trim, skin])))
        else:
            parts.append(stitches(path, dress.metal, 1.1, 0.75))
    if rng.random() < 0.4:
        tag = pad(rounded_rect(3, 5, 1.2), 0.3, base=0.1)
        parts.append(shapes.paint(shapes.move(tag, x=rng.uniform(-0.3, 0.3) * w, y=h * 0.1, z=d / 2 + 2.4), dress.trim))
    return _stand(parts, h)


def tote(rng: random.Random, dress: Dress) -> list[Object]:
    """A round or boxy open bag lofted upwards: bucket, tote, doctor's bag."""
    w, h, d = rng.uniform(22, 36), rng.uniform(20, 30), rng.uniform(10, 18)
    flare = rng.uniform(0.75, 1.25)
    power = rng.uniform(2.2, 7)
    angle = np.linspace(-1.5 * math.pi, 0.5 * math.pi, 72, endpoint=False)
    sections = []
    for v in np.concatenate([[0.0, 0.01, 0.03], np.linspace(0.07, 1, 16)]):
        k = (1 + (flare - 1) * v) * (1 if v > 0.05 else 0.93 + v * 1.4) * (0.05 if v == 0 else 1)
        pinch = 1 - 0.35 * v**3
        c, s = np.cos(angle), np.sin(angle)
        x, y = (
            np.sign(c) * np.abs(c) ** (2 / power) * w / 2 * k,
            np.sign(s) * np.abs(s) ** (2 / power) * d / 2 * k * pinch,
        )
        sections.append(np.column_stack([x, y, np.full_like(x, v * h)]))
    skin = dress.skin(w * 1.6, h)
    body = shapes.paint(surface(np.stack(sections), wrap=True), skin)
    carve.roughen(body, rng, 0.5, 0.12, 2)
    parts = [thicken(body, 0.4, dress.lining)]
    for side in (-1, 1):
        arc = _arc(w * 0.4, rng.uniform(8, 16))
        path = np.column_stack(
            [arc[:, 0], np.full(len(arc), side * d / 2 * flare * 0.62) + side * 0.08 * arc[:, 1], arc[:, 1] + h - 3]
        )
        parts.append(shapes.paint(tube(path, 0.5), dress.trim))
    rim = np.concatenate([sections[-1], sections[-1][:1]]) - [0, 0, 1.0]
    parts.append(stitches(rim * [1.012, 1.012, 1], dress.thread))
    return parts


def clutch(rng: random.Random, dress: Dress) -> list[Object]:
    w, h = rng.uniform(20, 30), rng.uniform(10, 16)
    outline = rounded_rect(w, h, rng.uniform(0.8, 3))
    front, back, side = cushion(outline, 1.2, rng.uniform(1.0, 2.2), rng.uniform(2.5, 6))
    skin = dress.skin(w, h, turned=rng.random() < 0.5)
    parts = [shapes.paint(obj, skin) for obj in (front, back, side)]
    rim = np.column_stack([outline, np.zeros(len(outline))])
    half = rim[rim[:, 1] > h * 0.2]
    parts.append(shapes.paint(tube(half[np.argsort(half[:, 0])], 0.35), dress.metal))
    if rng.random() < 0.5:
        loop = _arc(2.5, 14)
        path = np.column_stack([w / 2 + loop[:, 1] * 0.5, loop[:, 0] * 1.2, np.full(len(loop), -1.2)])
        parts.append(shapes.paint(tube(path, 0.4), dress.trim))
    return parts if rng.random() < 0.6 else _stand(parts, h)


def wallet(rng: random.Random, dress: Dress) -> list[Object]:
    w, h = rng.choice([(11.5, 9.2), (19.5, 10.0), (10.2, 7.4), (14.0, 10.4)])
    outline = rounded_rect(w, h, rng.uniform(0.3, 0.9))
    skin = dress.skin(w * 2.1, h, turned=rng.random() < 0.5)
    parts: list[Object] = []
    thick = rng.uniform(0.35, 0.8)
    if rng.random() < 0.3:  # open, face down: both covers show
        for k in (-1, 1):
            cover = shapes.turn(pad(outline, thick, sharp=24, base=0.1), y=k * rng.uniform(0.02, 0.3))
            parts.append(shapes.paint(shapes.move(cover, x=k * (w / 2 + 0.1)), skin))
    else:
        for z in (0.0, thick + 0.25):
            front, back, side = cushion(outline, thick * 0.7, 0.12, 24)
            tilt = rng.uniform(0.0, 0.05) * (z > 0)
            for obj in (front, back, side):
                shapes.paint(shapes.turn(shapes.move(obj, z=z), y=tilt), skin if obj is not side else dress.trim)
            parts += [front, back, side]
        parts.append(seam_on(outline, 0.94, 1.5 * thick + 0.4, dress.thread))
        spine = np.column_stack([np.full(12, -w / 2), np.linspace(-0.47, 0.47, 12) * h, np.full(12, thick * 0.55)])
        parts.append(shapes.paint(tube(spine, thick * 0.9), skin))
        if w > 15:
            edge = np.column_stack([outline * 1.01, np.full(len(outline), thick * 0.55)])
            parts.append(stitches(edge, dress.metal, 0.3, 0.3))
    return parts


def belt(rng: random.Random, dress: Dress) -> list[Object]:
    width = rng.uniform(2.6, 4.2)
    n, turns = 260, rng.uniform(2.2, 3.6)
    t = np.linspace(0, 1, n)
    radius = rng.uniform(3.2, 4.2) + rng.uniform(0.55, 1.2) * turns * t
    angle = 2 * math.pi * turns * t
    squash = rng.uniform(0.7, 1.0)
    path = np.column_stack([radius * np.cos(angle), squash * radius * np.sin(angle), np.full(n, width / 2)])
    band = strip(path, np.tile([0.0, 0.0, 1.0], (n, 1)), width, 0.35)
    parts = [shapes.paint(band, dress.skin(width, 100.0))]
    for edge in (0.12, 0.88):
        parts.append(stitches(path * [1.03, 1.03, 0] + [0, 0, width * edge], dress.thread, 0.5, 0.09))
    frame = buckle(4.6, width * 1.25, 0.3, dress.metal)
    end, ahead = path[-1], path[-1] - path[-3]
    turn = math.atan2(ahead[1], ahead[0])
    for obj in frame:
        shapes.move(shapes.turn(shapes.turn(obj, x=math.pi / 2), z=turn), *(end + ahead / np.linalg.norm(ahead) * 2.4))
    if rng.random() < 0.4:
        return [shapes.turn(obj, x=math.pi / 2) for obj in parts + frame]
    return parts + frame


def watch_strap(rng: random.Random, dress: Dress) -> list[Object]:
    w = rng.uniform(1.8, 2.4)
    skin = dress.skin(w * 1.2, 26.0)
    parts: list[Object] = []
    watch = rng.random() < 0.6
    gap = 2.1 if watch else rng.uniform(0.2, 1.5)
    for k, length in ((1, 7.5), (-1, 12.0)):
        outline = rounded_rect(w, length, 0.5 if k > 0 else w * 0.45, 0.82)
        piece = pad(outline, 0.42, sharp=9, base=0.05)
        trim = seam_on(outline, 0.88, 0.36, dress.thread)
        for obj in (piece, trim):
            shapes.turn(shapes.move(obj, y=length / 2 + gap), z=0.0 if k > 0 else math.pi)
            shapes.move(obj, x=0.0 if watch else k * w * 0.6)
        parts += [shapes.paint(piece, skin), trim]
    for obj in buckle(2.6, w * 1.15, 0.14, dress.metal):
        parts.append(shapes.move(shapes.turn(obj, z=math.pi / 2), x=0 if watch else w * 0.6, y=gap + 8.2, z=0.3))
    if watch:
        r = rng.uniform(1.7, 2.2)
        case = shapes.lathe([(0, 0.05), (r, 0.1), (r * 1.05, 0.5), (r * 0.98, 0.95), (r * 0.86, 1.0)])
        dial = shapes.lathe([(r * 0.88, 0.92), (0, 0.92)])
        hand = shapes.move(shapes.box((0.12, r * 0.7, 0.05)), y=r * 0.3, z=0.93)
        parts += [
            shapes.paint(case, dress.metal),
            shapes.paint(dial, dress.dark if rng.random() < 0.5 else dress.lining),
        ]
        parts.append(shapes.paint(shapes.turn(hand, z=rng.uniform(0, 6.28)), dress.metal))
    return parts


def phone_case(rng: random.Random, dress: Dress) -> list[Object]:
    outline = rounded_rect(7.6, 15.4, 1.1)
    front, back, side = cushion(outline, 0.8, 0.1, 30)
    parts = [shapes.paint(front, dress.skin(7.6, 15.4)), shapes.paint(back, dress.dark), shapes.paint(side, dress.dark)]
    camera = shapes.move(pad(rounded_rect(3.2, 3.4, 0.8), 0.25, sharp=30, base=0.05), x=-1.7, y=5.4, z=0.5)
    lens = [
        shapes.move(shapes.lathe([(0.55, 0), (0.55, 0.15), (0, 0.15)]), x=-1.7 + a, y=5.4 + b, z=0.7)
        for a, b in ((-0.7, 0.7), (-0.7, -0.7), (0.7, 0))
    ]
    return (
        parts + [shapes.paint(obj, dress.dark) for obj in (camera,)] + [shapes.paint(obj, dress.metal) for obj in lens]
    )


def case(rng: random.Random, dress: Dress) -> list[Object]:
    """Key fob, spectacles case, notebook or pouch: one stitched cushion."""
    w, h, d, r = rng.choice([(16.5, 7, 3.2, 3.2), (4.2, 7.5, 0.8, 1.8), (15, 21, 1.8, 0.5), (12, 16, 1.5, 2.0)])
    outline = rounded_rect(w, h, r)
    front, back, side = cushion(outline, d * 0.5, d * 0.3, rng.uniform(4, 14))
    skin = dress.skin(w, h, turned=w > h)
    parts = [shapes.paint(obj, skin) for obj in (front, back, side)]
    parts.append(seam_on(outline, 0.93, d * 0.25 + d * 0.3 * 0.75, dress.thread))
    if w < 5:
        ring = [(1.4 * math.cos(a), h / 2 + 1.2 + 1.4 * math.sin(a), 0) for a in np.linspace(0, 6.28, 24, False)]
        parts.append(shapes.paint(tube(ring, 0.16, closed=True), dress.metal))
    return parts
