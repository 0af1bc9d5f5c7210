"""Surfaces that leather goods are sewn from: lofts, pads, strips and stitches, with UVs in centimetres. No
materials, no goods.

Everything here is modelled in centimetres, so that one scale of a hide has one size on a boot and on a watch strap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.synth import shapes

Object = Any
Array = np.ndarray


@dataclass
class Dress:
    """What goods are made of. skin(width, height, turned) gives a material for a panel of that size in centimetres (the
    middle of the hide falls on UV 0); trim, lining, metal, thread, dark are materials shared by the parts.
    """

    skin: Callable[..., Any]
    trim: Any
    lining: Any
    metal: Any
    thread: Any
    dark: Any
    params: dict[str, Any] = field(default_factory=dict)


def surface(points: Array, *, wrap: bool = False, uv: Array | None = None, name: str = "surface") -> Object:
    """A grid of points (rows, columns, 3). UVs in the points' unit: u runs along a row from its middle, v over the
    rows;
    wrap closes each row. uv: (rows, columns (+1 with wrap), 2) overrides.
    """
    rows, cols = points.shape[:2]
    if uv is None:
        ring = np.concatenate([points, points[:, :1]], axis=1) if wrap else points
        steps = np.linalg.norm(np.diff(ring, axis=1), axis=-1)
        u = np.concatenate([np.zeros((rows, 1)), np.cumsum(steps, axis=1)], axis=1)
        u -= u[:, -1:] / 2
        climb = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(1)
        v = np.concatenate([[0.0], np.cumsum(climb)])
        uv = np.stack([u, np.broadcast_to((v - v[-1] / 2)[:, None], u.shape)], axis=-1)
    i, j = np.mgrid[0 : rows - 1, 0 : cols if wrap else cols - 1]
    k = (j + 1) % cols
    faces = np.stack([i * cols + j, i * cols + k, (i + 1) * cols + k, (i + 1) * cols + j], axis=-1).reshape(-1, 4)
    loops = np.stack([uv[i, j], uv[i, j + 1], uv[i + 1, j + 1], uv[i + 1, j]], axis=-2).reshape(-1, 2)
    return shapes.mesh_object(name, points.reshape(-1, 3).tolist(), faces.tolist(), loops)


def thicken(obj: Object, thickness: float, lining: Any = None) -> Object:
    """Give a sheet a thickness (inwards); ``lining`` covers the inside and the rim keeps the outside's material."""
    if lining is not None:
        obj.data.materials.append(lining)
    return shapes.modify(
        obj, "SOLIDIFY", thickness=thickness, offset=-1.0, material_offset=1 if lining is not None else 0
    )


def rounded_rect(width: float, height: float, radius: float, top: float = 1.0, n: int = 20) -> Array:
    """(4 n, 2) outline of a rectangle with round corners, counter-clockwise; ``top`` scales the width at the upper
    edge.
    """
    out = []
    for cx, cy, start in ((1, -1, -90), (1, 1, 0), (-1, 1, 90), (-1, -1, 180)):
        for a in np.radians(np.linspace(start, start + 90, n // 2)):
            out.append(
                (cx * (width / 2 - radius) + radius * math.cos(a), cy * (height / 2 - radius) + radius * math.sin(a))
            )
    points = np.asarray(out)
    ends = np.concatenate([points, points[:1]])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ends, axis=0), axis=1))])
    even = np.linspace(0, lengths[-1], 4 * n, endpoint=False)
    points = np.stack([np.interp(even, lengths, ends[:, k]) for k in (0, 1)], axis=1)
    share = (points[:, 1] / height + 0.5)[:, None]
    points[:, :1] *= 1 + (top - 1) * share
    return points


def pad(outline: Array, height: float, *, sharp: float = 8.0, base: float = 0.0, name: str = "pad") -> Object:
    """A cushion over an outline lying in x, y: ``base`` at the rim, ``height`` in the middle; open below. UV = (x,
    y).
    """
    centre = outline.mean(0)
    rings = np.concatenate([[0.02], np.linspace(0.15, 0.8, 6), np.linspace(0.86, 1.0, 8)])
    flat = centre + (outline - centre)[None] * rings[:, None, None]
    z = base + (height - base) * np.sqrt(np.clip(1 - rings**sharp, 0, 1))
    points = np.concatenate([flat, np.broadcast_to(z[:, None, None], (*flat.shape[:2], 1))], axis=-1)[:, ::-1]
    closed = np.concatenate([points, points[:, :1]], axis=1)
    return surface(points, wrap=True, uv=closed[..., :2], name=name)


def wall(outline: Array, low: float, high: float, name: str = "wall") -> Object:
    """The side of a body: an outline lying in x, y extruded from z = low to z = high."""
    rows = [np.column_stack([outline, np.full(len(outline), z)]) for z in np.linspace(low, high, 4)]
    return surface(np.stack(rows), wrap=True, name=name)


def cushion(outline: Array, depth: float, puff: float, sharp: float = 8.0) -> tuple[Object, Object, Object]:
    """A closed body about z = 0: front pad, back pad and the wall between them, ``depth`` apart and puffed by
    ``puff``.
    """
    front = shapes.move(pad(outline, puff, sharp=sharp), z=depth / 2)
    back = shapes.turn(pad(outline * [-1, 1], puff, sharp=sharp), y=math.pi)
    return front, shapes.move(back, z=-depth / 2), wall(outline, -depth / 2, depth / 2)


def strip(path: Array, across: Array, width: float, thickness: float = 0.3, n: int = 5) -> Object:
    """A band along a path (n, 3): ``across`` (n, 3) are unit vectors over its width. The spine of its hide runs
    along v.
    """
    steps = np.linspace(-0.5, 0.5, n)[None, :, None] * width
    return shapes.modify(surface(path[:, None] + across[:, None] * steps), "SOLIDIFY", thickness=thickness, offset=0.0)


def tube(path: Sequence[Sequence[float]] | Array, radius: float, closed: bool = False, segments: int = 12) -> Object:
    """A round cord, handle or piping."""
    points = np.asarray(path, float).tolist()
    return shapes.sweep(points, [radius] * len(points), segments=segments, closed=closed)


def stitches(path: Array, material: Any, pitch: float = 0.45, size: float = 0.08) -> Object:
    """Thread along a path (n, 3): short dashes, all in one mesh."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.arange(pitch / 2, lengths[-1], pitch)
    ends = [
        np.stack([np.interp(at + d, lengths, path[:, k]) for k in range(3)], axis=1)
        for d in (-0.32 * pitch, 0.32 * pitch)
    ]
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0], axis=1, keepdims=True).clip(1e-6)
    side = np.cross(along, [0.31, 0.17, 0.93])
    side /= np.linalg.norm(side, axis=1, keepdims=True).clip(1e-6)
    up = np.cross(along, side)
    corners = [end + size / 2 * (a * side + b * up) for end in ends for a, b in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    verts = np.stack(corners, axis=1).reshape(-1, 3)
    quads = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (3, 2, 1, 0), (4, 5, 6, 7)]
    faces = [tuple(8 * i + c for c in q) for i in range(len(at)) for q in quads]
    return shapes.paint(shapes.mesh_object("stitches", verts, faces, smooth=False), material)


def seam_on(outline: Array, scale: float, z: float, material: Any) -> Object:
    """Stitches that follow an outline inside its edge at height z."""
    ring = outline.mean(0) + (outline - outline.mean(0)) * scale
    ring = np.concatenate([ring, ring[:1]])
    return stitches(np.column_stack([ring, np.full(len(ring), z)]), material)


def buckle(width: float, height: float, wire: float, material: Any) -> list[Object]:
    """A frame buckle with its prong, lying in x, y about the origin."""
    outline = rounded_rect(width, height, min(width, height) * 0.25, n=12)
    frame = tube(np.column_stack([outline, np.zeros(len(outline))]), wire, closed=True)
    prong = tube([(-width / 2, 0, wire), (0, 0, wire * 1.8), (width / 2, 0, wire)], wire * 0.7)
    return [shapes.paint(part, material) for part in (frame, prong)]
