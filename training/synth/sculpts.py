"""Figures sculpted from simple parts, raw: the caller fuses, smooths and chisels them. No scans, no materials."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from training.synth import shapes


def ball(x: float, y: float, z: float, rx: float, ry: float | None = None, rz: float | None = None) -> Any:
    ball = shapes.lathe([(math.sin(t), -math.cos(t)) for t in np.linspace(0, math.pi, 14)], 20)
    shapes.scale(ball, rx, rx if ry is None else ry, rx if rz is None else rz)
    return shapes.move(ball, x, y, z)


def limb(points: list[tuple[float, float, float]], start: float, end: float) -> Any:
    radii = np.linspace(start, end, len(points))
    return shapes.join([shapes.sweep(points, radii, segments=14), ball(*points[-1], end), ball(*points[0], start)])


def _head(rng: random.Random, x: float, y: float, z: float, size: float) -> list[Any]:
    """A head facing -y: skull, hair or hat, nose, brows, cheeks, lips, ears, sometimes a beard."""
    k = size / 0.095
    parts = [
        ball(x, y, z, 0.075 * k, 0.08 * k, 0.095 * k),
        ball(x, y - 0.083 * k, z - 0.008 * k, 0.013 * k, 0.018 * k, 0.028 * k),
        ball(x, y - 0.07 * k, z - 0.05 * k, 0.026 * k, 0.014 * k, 0.008 * k),
        ball(x, y - 0.055 * k, z - 0.078 * k, 0.028 * k),
    ]
    for side in (-1, 1):
        parts.append(ball(x + side * 0.032 * k, y - 0.068 * k, z + 0.026 * k, 0.026 * k, 0.014 * k, 0.009 * k))
        parts.append(ball(x + side * 0.042 * k, y - 0.055 * k, z - 0.028 * k, 0.026 * k))
        parts.append(ball(x + side * 0.078 * k, y, z - 0.005 * k, 0.012 * k, 0.02 * k, 0.036 * k))
    top = rng.choice(("bun", "hat", "hood", "bald", "hair"))
    if top == "bun":
        parts += [
            ball(x, y + 0.02 * k, z + 0.05 * k, 0.08 * k, 0.08 * k, 0.06 * k),
            ball(x, y + 0.02 * k, z + 0.13 * k, 0.04 * k),
        ]
    elif top == "hat":
        parts += [
            ball(x, y, z + 0.08 * k, 0.085 * k, 0.09 * k, 0.035 * k),
            ball(x, y, z + 0.12 * k, 0.055 * k, 0.055 * k, 0.06 * k),
        ]
    elif top == "hood":
        parts.append(ball(x, y + 0.03 * k, z + 0.02 * k, 0.1 * k, 0.09 * k, 0.12 * k))
    elif top == "hair":
        parts += [
            ball(x, y + 0.025 * k, z + 0.035 * k, 0.088 * k, 0.085 * k, 0.08 * k),
            ball(x, y + 0.07 * k, z - 0.06 * k, 0.06 * k, 0.03 * k, 0.1 * k),
        ]
    if rng.random() < 0.4:
        parts.append(
            limb(
                [(x, y - 0.06 * k, z - 0.07 * k), (x, y - 0.1 * k, z - 0.16 * k), (x, y - 0.1 * k, z - 0.27 * k)],
                0.035 * k,
                0.01 * k,
            )
        )
    return parts


def _robed(rng: random.Random) -> Any:
    """A standing sage, goddess or scholar: robe with folds, sleeves, head, hair or hat, sometimes a staff."""
    folds, sway = rng.randint(5, 11), rng.gauss(0, 0.05)
    flare = rng.uniform(0.18, 0.26)
    profile = [
        (flare, 0),
        (flare * 0.92, 0.08),
        (flare * 0.72, 0.35),
        (flare * 0.66, 0.55),
        (flare * 0.78, 0.68),
        (flare * 0.62, 0.78),
        (0.06, 0.84),
    ]
    robe = shapes.lathe(profile, 72)
    shapes.modify(robe, "SUBSURF", levels=2, render_levels=2)
    points = shapes.vertices(robe)
    angle = np.arctan2(points[:, 1], points[:, 0])
    twist = folds * angle + rng.uniform(1, 6) * points[:, 2]
    wave = 1 + (0.1 * np.sqrt(np.abs(np.sin(twist / 2))) - 0.07 + 0.03 * np.sin(2.3 * twist)) * np.clip(
        1.15 - points[:, 2], 0, 1
    )
    points[:, 0] = points[:, 0] * wave + sway * np.sin(points[:, 2] * 3.5)
    points[:, 1] *= wave * 0.8
    shapes.set_vertices(robe, points)
    x = sway * math.sin(0.9 * 3.5)
    parts = [robe, *_head(rng, x, -0.01, 0.93, 0.095)]
    if rng.random() < 0.6:  # a sash and the lapels of the robe
        parts.append(
            shapes.sweep(
                [(0.155 * math.cos(t), -0.005 + 0.125 * math.sin(t), 0.53) for t in np.linspace(0, 6.28, 25)[:-1]],
                [0.022] * 24,
                segments=8,
                closed=True,
            )
        )
        for side in (-1, 1):
            parts.append(
                limb(
                    [(side * 0.07, -0.09, 0.83), (side * 0.01, -0.155, 0.7), (-side * 0.03, -0.15, 0.56)], 0.016, 0.016
                )
            )
    for side in (-1, 1):
        elbow = (side * 0.19, -0.05, 0.62 + rng.gauss(0, 0.03))
        wrist = (side * rng.uniform(0.02, 0.14), -0.19, 0.66 + rng.gauss(0, 0.06))
        parts.append(limb([(side * 0.12, 0, 0.77), elbow, wrist], 0.07, 0.05))
        parts.append(limb([wrist, (wrist[0], -0.19, wrist[2] - rng.uniform(0.1, 0.25))], 0.05, 0.03))  # hanging sleeve
        parts.append(ball(wrist[0], -0.22, wrist[2] + 0.02, 0.035))
    if rng.random() < 0.5:
        parts.append(limb([(0.2, -0.2, 0.02), (0.19, -0.21, 1.05)], 0.014, 0.012))
        parts.append(ball(0.19, -0.21, 1.06, rng.uniform(0.03, 0.05)))
    if rng.random() < 0.5:
        parts.append(shapes.scale(shapes.lathe([(0, 0), (0.28, 0), (0.3, 0.04), (0.24, 0.08), (0, 0.08)]), 1, 0.85, 1))
    return shapes.join(parts)


def _seated(rng: random.Random) -> Any:
    """A seated, often laughing, big-bellied figure, or a cross-legged Buddha."""
    belly = rng.uniform(0.2, 0.3)
    parts = [
        ball(0, 0, 0.32, belly * 1.1, belly, 0.28),
        ball(0, 0, 0.56, 0.21, 0.16, 0.14),
        ball(0, -0.03, 0.79, 0.13, 0.13, 0.15),
    ]
    parts += [ball(0, -0.16, 0.78, 0.022), ball(0, 0.0, 0.9, 0.06, 0.06, 0.05)]
    for side in (-1, 1):
        parts.append(limb([(side * 0.12, 0, 0.14), (side * 0.36, -0.1, 0.1), (side * 0.05, -0.28, 0.08)], 0.13, 0.07))
        parts.append(
            limb(
                [(side * 0.2, 0, 0.56), (side * 0.31, -0.05, 0.4), (side * rng.uniform(0.02, 0.2), -0.25, 0.27)],
                0.075,
                0.05,
            )
        )
    if rng.random() < 0.6:
        petals = [
            ball(0.4 * math.cos(a), 0.33 * math.sin(a), 0.03, 0.1, 0.1, 0.07)
            for a in np.linspace(0, 2 * math.pi, 13)[:-1]
        ]
        parts += [shapes.scale(shapes.lathe([(0, -0.06), (0.4, -0.06), (0.42, 0.05), (0, 0.05)]), 1, 0.82, 1), *petals]
    return shapes.join(parts)


def _animal(rng: random.Random) -> Any:
    """A crouching or standing animal: rat, hare, ox, elephant, dog, by chance of its ears, trunk, horns and tail."""
    length, fat, leg = rng.uniform(0.3, 0.45), rng.uniform(0.17, 0.27), rng.uniform(0.08, 0.3)
    body = leg + fat * 0.8
    parts = [
        ball(0, 0, body, length, fat, fat),
        ball(length * 0.55, 0, body + 0.03, fat * 0.95),
        ball(-length * 0.55, 0, body, fat),
    ]
    hx, hz, hr = length + 0.1, body + rng.uniform(0.05, 0.22), rng.uniform(0.12, 0.18)
    parts += [
        ball(hx, 0, hz, hr, hr * 0.85, hr * 0.9),
        ball(hx + hr * 0.9, 0, hz - 0.04, hr * 0.55, hr * 0.45, hr * 0.45),
    ]
    parts.append(limb([(length * 0.6, 0, body + 0.05), (hx, 0, hz)], fat * 0.8, hr * 0.8))
    ear = rng.choice(((0.04, 0.02, 0.15), (0.03, 0.1, 0.12), (0.05, 0.03, 0.06)))
    for side in (-1, 1):
        parts.append(ball(hx - 0.04, side * hr * 0.75, hz + hr * 0.8, *ear))
        parts.append(ball(hx + hr * 0.6, side * hr * 0.55, hz + hr * 0.35, 0.022))
        for x in (-0.6, 0.6):
            foot = x * length + rng.gauss(0, 0.05)
            parts.append(
                limb([(x * length, side * fat * 0.6, body), (foot, side * fat * 0.65, 0.04)], fat * 0.42, fat * 0.3)
            )
    if rng.random() < 0.35:
        parts.append(
            limb(
                [
                    (hx + hr, 0, hz - 0.03),
                    (hx + hr + 0.1, 0, hz - 0.2),
                    (hx + hr + 0.06, 0, hz - 0.38),
                    (hx + hr + 0.13, 0, hz - 0.42),
                ],
                0.06,
                0.03,
            )
        )
    if rng.random() < 0.3:
        for side in (-1, 1):
            parts.append(
                limb(
                    [
                        (hx, side * 0.08, hz + 0.1),
                        (hx - 0.05, side * 0.2, hz + 0.17),
                        (hx + 0.02, side * 0.22, hz + 0.28),
                    ],
                    0.03,
                    0.01,
                )
            )
    wag = rng.uniform(-0.2, 0.2)
    parts.append(
        limb([(-length, 0, body), (-length - 0.12, wag, body - 0.05), (-length - 0.1, wag, body - 0.2)], 0.04, 0.02)
    )
    return shapes.join(parts)


def _bridge(rng: random.Random) -> Any:
    """A row of elephants, large to small, on an arched base: the souvenir carved from one tusk."""
    count, arch = rng.randint(3, 6), rng.uniform(0.05, 0.25)
    parts, x = [], -1.0
    for k in range(count):
        animal = _animal(rng)
        shapes.fit([animal], 0.52 * (1 - 0.09 * k))
        low, high = shapes.bounds([animal])
        width = float(high[0] - low[0])
        middle = x + width / 2
        parts.append(shapes.move(animal, middle, 0, arch * (1 - middle * middle) + 0.06))
        x += width * 0.92
    path = [(t, 0, arch * (1 - t * t)) for t in np.linspace(-1.1, max(x, 0.4) + 0.1, 24)]
    parts.append(shapes.sweep(path, [0.11 - 0.04 * k / 24 for k in range(24)], segments=16))
    return shapes.join(parts)


def _coil(rng: random.Random) -> Any:
    """A dragon, snake or carp: a coiled, tapering body with head, crest and scales (from the chisel)."""
    turns, rise = rng.uniform(1.2, 2.4), rng.uniform(0.25, 0.7)
    steps = np.linspace(0, 1, 70)
    path = [
        (
            0.35 * (1 - 0.5 * t) * math.cos(turns * 6.28 * t),
            0.3 * (1 - 0.5 * t) * math.sin(turns * 6.28 * t),
            0.1 + rise * t,
        )
        for t in steps
    ]
    body = shapes.sweep(path, [0.03 + 0.1 * math.sin(min(t * 1.4 + 0.05, 1) * 1.57) for t in steps], segments=18)
    x, y, z = path[-1]
    parts = [body, ball(x, y, z + 0.03, 0.15, 0.12, 0.11), ball(x + 0.12, y - 0.03, z + 0.02, 0.08, 0.07, 0.06)]
    for k in range(4, 66, 4):
        px, py, pz = path[k]
        parts.append(ball(px, py, pz + 0.12, 0.03, 0.03, 0.05))
    for side in (-1, 1):
        parts.append(limb([(x, y + side * 0.06, z + 0.1), (x - 0.1, y + side * 0.1, z + 0.25)], 0.03, 0.012))
        parts.append(ball(x + 0.07, y + side * 0.07, z + 0.1, 0.025))
    return shapes.join(parts)


def _mask_face(rng: random.Random) -> Any:
    """A head: bust, mask or skull."""
    parts = [
        ball(0, 0, 0.5, 0.33, 0.36, 0.45),
        ball(0, -0.36, 0.47, 0.06, 0.08, 0.12),
        ball(0, -0.28, 0.24, 0.12, 0.08, 0.05),
    ]
    for side in (-1, 1):
        parts += [
            ball(side * 0.13, -0.31, 0.58, 0.06, 0.04, 0.035),
            ball(side * 0.33, 0, 0.48, 0.05, 0.08, 0.13),
            ball(side * 0.17, -0.27, 0.4, 0.09),
        ]
        parts.append(ball(side * 0.13, -0.29, 0.66, 0.1, 0.06, 0.025))
    parts.append(limb([(0, 0.02, 0.2), (0, 0.04, -0.1)], 0.18, 0.24))
    if rng.random() < 0.6:
        parts += [ball(0, 0.05, 0.85, 0.3, 0.33, 0.18), ball(0, 0.1, 1.05, 0.14, 0.14, 0.12)]
    return shapes.join(parts)


def _group(rng: random.Random) -> Any:
    """Two or three figures pressed together on one base, as netsuke and okimono groups are."""
    parts, x = [ball(0.3, 0, 0.03, 0.55, 0.3, 0.08)], 0.0
    for _ in range(rng.randint(2, 3)):
        one = rng.choice((_robed, _seated, _seated, _animal))(rng)
        shapes.fit([one], rng.uniform(0.55, 0.9))
        shapes.turn(one, z=rng.gauss(0, 0.5))
        parts.append(shapes.move(one, x, rng.gauss(0, 0.08), 0.04))
        x += rng.uniform(0.2, 0.4)
    return shapes.join(parts)


SCULPTED: dict[str, Callable[[random.Random], Any]] = {
    "robed": _robed, "seated": _seated, "animal": _animal, "bridge": _bridge, "coil": _coil, "head": _mask_face,
    "group": _group,
}  # fmt: skip
