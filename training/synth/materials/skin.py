"""A Hide as a Blender material: picture maps by UV, a tangent-space normal map, coat for glazed skins."""

from __future__ import annotations

import random
from typing import Any

import bpy
import numpy as np

from training.synth.materials.hides import Hide
from training.synth.nodes import Graph


def normal_map(hide: Hide, strength: float = 1.0) -> np.ndarray:
    """(h, w, 3) tangent-space normals coded to [0, 1]; slopes are pure numbers, so scaling the object changes
    nothing.
    """
    height = hide.height.astype(np.float32) * hide.px * strength
    dv, du = np.gradient(height)
    normal = np.stack([-du, -dv, np.ones_like(du)], axis=-1)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True) * 0.5 + 0.5


def _image(name: str, rgb: np.ndarray, alpha: np.ndarray, colour: bool) -> Any:
    rows, cols = alpha.shape
    image = bpy.data.images.new(name, cols, rows, alpha=True, is_data=not colour)
    image.alpha_mode = "CHANNEL_PACKED"
    pixels = np.concatenate([rgb, alpha[..., None]], axis=-1)
    image.pixels.foreach_set(np.ascontiguousarray(np.clip(pixels, 0, 1), np.float32).ravel())
    image.update()
    return image


def skin(hide: Hide, *, units: float, offset: tuple[float, float] = (0.0, 0.0), turned: bool = False,
         strength: float = 1.0, name: str = "skin") -> Any:  # fmt: skip
    """The hide as a material.

    units: how many UV units one unit of the hide measures (a scale length as the mesh's UVs see it). offset: UV of
    the hide's
    lower left corner. turned: the spine runs along u in place of v. Beyond its border the hide is mirrored.
    """
    g = Graph(name)
    rows, cols = hide.rough.shape
    span = (cols / hide.px * units, rows / hide.px * units)
    if turned:
        uv = g.coords("UV", scale=(1 / span[1], 1 / span[0], 1), offset=(-offset[0] / span[1], -offset[1] / span[0], 0))
        x, y = g.split(uv, "X"), g.split(uv, "Y")
        uv = g.join(y, x)
    else:
        uv = g.coords("UV", scale=(1 / span[0], 1 / span[1], 1), offset=(-offset[0] / span[0], -offset[1] / span[1], 0))
    colour = g.node(
        "TexImage",
        Vector=uv,
        extension="MIRROR",
        image=_image(f"{name}-colour", hide.colour, np.ones_like(hide.rough), True),
    )
    packed = g.node(
        "TexImage",
        Vector=uv,
        extension="MIRROR",
        image=_image(f"{name}-normal", normal_map(hide, strength), hide.rough, False),
    )
    if turned:  # The picture's axes are swapped, so the slopes must be as well.
        parts = g.node("SeparateColor", Color=packed.outputs["Color"])
        swapped = g.node("CombineColor", Red=parts.outputs[1], Green=parts.outputs[0], Blue=parts.outputs[2])
        normal = swapped.outputs[0]
    else:
        normal = packed.outputs["Color"]
    bent = g.node("NormalMap", Color=normal, Strength=1.0).outputs[0]
    g.set(Base_Color=colour.outputs["Color"], Roughness=packed.outputs["Alpha"], Metallic=hide.metallic)
    g.set(Coat_Weight=hide.coat, Coat_Roughness=0.12, Normal=bent, Coat_Normal=bent)
    return g.material


def lining(rng: random.Random) -> Any:
    """The flesh side of a skin or the lining of a bag: matt, plain."""
    g = Graph("lining")
    colour = rng.choice(
        [(0.62, 0.55, 0.46), (0.45, 0.38, 0.3), (0.03, 0.03, 0.035), (0.75, 0.7, 0.62), (0.2, 0.1, 0.06)]
    )
    tone = g.noise(g.coords(), 14, 5)
    g.set(Base_Color=g.mix(g.remap(tone, 0.3, 0.7), colour, tuple(c * 0.8 for c in colour)), Roughness=0.9)
    return g.material


def plain_colour(colour: tuple[float, float, float], rough: float, metallic: float = 0.0, coat: float = 0.0) -> Any:
    """One even colour (linear RGB): rubber soles, thread, buckles, glass of a watch."""
    g = Graph("plain")
    g.set(Base_Color=colour, Roughness=rough, Metallic=metallic, Coat_Weight=coat)
    return g.material


def hardware(rng: random.Random) -> Any:
    """Brass, steel or black metal of buckles and rings."""
    colour = rng.choice([(0.8, 0.58, 0.25), (0.7, 0.7, 0.7), (0.86, 0.72, 0.45), (0.05, 0.05, 0.055)])
    return plain_colour(colour, rng.uniform(0.12, 0.35), 1.0)
