"""What the products stand on and what is behind them: tables, cloths, floors, shelves, paper. No products."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import bpy
import numpy as np
from mathutils import Vector, noise

from training.synth import shapes, textures
from training.synth.nodes import Colour, Graph, jitter, srgb

FAR = 7.0  # half the ground's extent in product lengths

_PLAIN: tuple[str, ...] = (
    "#f7f6f3", "#f4f3ef", "#ece9e2", "#e7e2d6", "#e4d8c4", "#d8c7a8", "#c9b391", "#d6d4cf", "#b4b2ad", "#8d8c8a",
    "#5b5b5c", "#232325", "#8a6242", "#6b4630", "#50301f", "#2b3f63", "#1d2a4a", "#141c33",
)  # fmt: skip
_BRIGHT: tuple[str, ...] = (
    "#7a3b2e", "#38543f", "#a33a3a", "#d9b44a", "#6d4a7d", "#c9788f", "#86a7bd", "#b8542c", "#2f6a6a",
)  # fmt: skip
# Only grounds of the synthetic test set.
_HELD_PLAIN: tuple[str, ...] = ("#5f7f78", "#b9b48a", "#9a6f5c", "#d3dbe2", "#3b2f3f", "#c2a2b0")


def any_colour(rng: random.Random, holdout: bool = False) -> Colour:
    """A colour of grounds, walls, cloths and boxes: mostly white, beige, grey, brown or navy, one in six bright."""
    palette = _BRIGHT if rng.random() < 1 / 6 else _PLAIN
    return jitter(rng, srgb(rng.choice(_HELD_PLAIN if holdout else palette)), 0.15)


def image_from_array(name: str, pixels: np.ndarray) -> Any:
    """A Blender image from (H, W, 3) uint8 sRGB."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = pixels[::-1] / 255.0
    image.pixels.foreach_set(rgba.ravel())
    image.update()
    return image


def picture_material(
    name: str, pixels: np.ndarray, *, scale: float = 1.0, roughness: float = 0.6, space: str = "UV"
) -> Any:
    """A material that shows a picture once a UV unit (times ``scale``)."""
    g = Graph(name)
    node = g.node("TexImage", Vector=g.coords(space, scale=(scale, scale, scale)))
    node.image = image_from_array(name, pixels)
    g.set(Base_Color=node.outputs["Color"], Roughness=roughness)
    return g.material


def plain_material(rng: random.Random, colour: Colour | None = None, roughness: float | None = None) -> Any:
    """Paper, paint, plastic or rubber: one colour with faint unevenness."""
    g = Graph("plain")
    base = colour or any_colour(rng)
    vector = g.coords("Object", offset=[rng.uniform(-9, 9) for _ in range(3)])
    shade = g.ramp(g.noise(vector, rng.uniform(0.5, 3), 4), [(0.3, tuple(0.9 * c for c in base)), (0.7, base)])
    rough = rng.uniform(0.25, 0.9) if roughness is None else roughness
    g.set(
        Base_Color=shade,
        Roughness=rough,
        Normal=g.bump(g.noise(vector, rng.choice((8, 60, 200)), 3), rng.uniform(0, 0.25), 0.004),
    )
    return g.material


def wood_material(rng: random.Random, planks: bool) -> Any:
    """Table or floor wood with grain along y, with or without planks."""
    g = Graph("wood")
    light, dark = rng.choice(
        [
            ("#c99b6a", "#8a5a30"),
            ("#e0c49a", "#b8935f"),
            ("#7a4a2a", "#43240f"),
            ("#4a2c1c", "#1f110a"),
            ("#b9b2a6", "#7f776b"),
            ("#a5462a", "#5e2010"),
        ]
    )
    vector = g.coords("Object", offset=(rng.uniform(-9, 9), rng.uniform(-9, 9), 0))
    stretched = g.mapping(g.warp(vector, 0.7, 0.15), scale=(rng.uniform(5, 12), rng.uniform(0.25, 0.7), 1))
    grain = g.noise(stretched, 2.0, 8, 0.65)
    fine = g.noise(g.mapping(vector, scale=(90, 2, 1)), 2.0, 3)
    colour = g.ramp(grain, [(0.3, jitter(rng, srgb(dark))), (0.7, jitter(rng, srgb(light)))])
    colour = g.mix(0.25, colour, g.ramp(fine, [(0.3, (0.3, 0.3, 0.3)), (0.7, (1, 1, 1))]), "MULTIPLY")
    normal = g.bump(fine, 0.15, 0.003)
    if planks:
        width, length = rng.uniform(0.4, 1.2), rng.uniform(3, 8)
        brick = g.node("TexBrick", Vector=g.mapping(vector, rotation=(0, 0, math.pi / 2)), Scale=1.0, Mortar_Size=0.006)
        brick.inputs["Brick Width"].default_value, brick.inputs["Row Height"].default_value = length, width
        for name, value in (("Color1", (0.75, 0.75, 0.75)), ("Color2", (1, 1, 1)), ("Mortar", (0.12, 0.1, 0.08))):
            g.feed(brick.inputs[name], value)
        colour = g.mix(1.0, colour, brick.outputs[0], "MULTIPLY")
    g.set(Base_Color=colour, Roughness=rng.uniform(0.2, 0.6), Normal=normal)
    return g.material


def weave_material(rng: random.Random, pile: float, print_on: bool = False) -> Any:
    """Cloth: ``pile`` 0 is a fine weave, 1 a carpet. With a print or plain, velvet sheen on pile."""
    g = Graph("cloth")
    vector = g.coords("UV", scale=(1, 1, 1))
    if print_on:
        node = g.node("TexImage", Vector=g.mapping(vector, scale=(s := rng.uniform(3, 12), s, s)))
        node.image = image_from_array("print", textures.print_cloth(rng))
        colour = node.outputs["Color"]
    else:
        base = any_colour(rng)
        other = any_colour(rng) if pile > 0.5 and rng.random() < 0.5 else tuple(c * 0.8 for c in base)
        colour = g.ramp(g.noise(vector, rng.choice((3, 20, 120)), 6, 0.7), [(0.4, base), (0.6, other)])
    scale = rng.uniform(250, 600) if pile < 0.5 else rng.uniform(120, 260)
    threads = g.math("ADD", g.wave(vector, scale / 6, 0.5), g.wave(vector, scale / 6, 0.5, axis="Y"))
    height = g.noise(vector, scale, 3, 0.8) if pile > 0.5 else g.math("ADD", threads, g.noise(vector, scale, 2))
    g.set(Base_Color=colour, Roughness=0.95, Normal=g.bump(height, 0.25 + 0.6 * pile, 0.006 + 0.02 * pile))
    g.set(Sheen_Weight=rng.uniform(0.0, 0.6), Sheen_Roughness=0.4)
    g.bsdf.inputs["Specular IOR Level"].default_value = 0.2
    return g.material


def stone_material(rng: random.Random, tiles: bool) -> Any:
    """Marble, granite, concrete or tiles: faint clouds and fine specks."""
    g = Graph("stone-ground")
    vector = g.coords("Object", offset=(rng.uniform(-9, 9), rng.uniform(-9, 9), 0))
    base, vein = rng.choice(
        [
            ("#ece9e3", "#9a958d"),
            ("#b7b2a8", "#8b857c"),
            ("#3a3b3d", "#77777a"),
            ("#d6c3a4", "#a98f6c"),
            ("#8f9a93", "#5d6963"),
        ]
    )
    light, contrast = jitter(rng, srgb(base)), rng.uniform(0.1, 0.45)
    dark = tuple(a + (b - a) * contrast for a, b in zip(light, srgb(vein), strict=True))
    colour = g.ramp(g.noise(g.warp(vector, 1.5, 0.3), rng.uniform(0.8, 3), 9, 0.6), [(0.3, dark), (0.7, light)])
    speck = rng.uniform(0.75, 1.0)
    specks = g.ramp(g.noise(vector, rng.uniform(40, 90), 2), [(0.35, (speck, speck, speck)), (0.55, (1, 1, 1))])
    colour = g.mix(1.0, colour, specks, "MULTIPLY")
    rough = rng.choice((0.08, 0.3, 0.8))
    if tiles:
        side = rng.uniform(0.8, 3)
        brick = g.node("TexBrick", offset=0.0, Vector=vector, Scale=1.0, Mortar_Size=0.012)
        brick.inputs["Brick Width"].default_value = brick.inputs["Row Height"].default_value = side
        for name, value in (("Color1", (0.93, 0.93, 0.93)), ("Color2", (1, 1, 1)), ("Mortar", (0.3, 0.28, 0.26))):
            g.feed(brick.inputs[name], value)
        colour = g.mix(1.0, colour, brick.outputs[0], "MULTIPLY")
    g.set(
        Base_Color=colour, Roughness=rough, Normal=g.bump(g.noise(vector, 60, 4), 0.25 if rough > 0.5 else 0.02, 0.01)
    )
    return g.material


def _material(kind: str, rng: random.Random, holdout: bool) -> Any:
    if holdout and kind in ("table_plain", "paper", "studio", "glass_case"):
        return plain_material(rng, any_colour(rng, holdout=True))
    pages = {"newspaper": textures.page}
    table: Mapping[str, Callable[[], Any]] = {
        "table_wood": lambda: wood_material(rng, planks=rng.random() < 0.3),
        "floor_wood": lambda: wood_material(rng, planks=True),
        "cloth": lambda: weave_material(rng, 0.1),
        "velvet": lambda: weave_material(rng, 0.3),
        "bed_sheet": lambda: weave_material(rng, 0.0, print_on=rng.random() < 0.5),
        "print_cloth": lambda: weave_material(rng, 0.1, print_on=True),
        "carpet": lambda: weave_material(rng, 1.0, print_on=rng.random() < 0.3),
        "floor_tile": lambda: stone_material(rng, tiles=True),
        "stone": lambda: stone_material(rng, tiles=False),
        "concrete": lambda: stone_material(rng, tiles=False),
        "cardboard": lambda: plain_material(rng, jitter(rng, srgb("#b58d60")), 0.85),
        "shelf": lambda: rng.choice((lambda: wood_material(rng, False), lambda: plain_material(rng)))(),
    }
    if kind in pages:
        return picture_material("page", pages[kind](rng), scale=rng.uniform(1.5, 4), roughness=0.8)
    return table.get(kind, lambda: plain_material(rng))()


def build_ground(params: Mapping[str, Any], wall: bool, holdout: bool = False) -> list[Any]:
    """Ground (top surface at z = 0 under the products) and what stands behind; returns its objects.

    ``holdout``: plain grounds take the colours of the synthetic test set.
    """
    kind, rng = params["kind"], random.Random(params["seed"])
    material = _material(kind, rng, holdout)
    if kind in ("studio", "paper") and rng.random() < 0.7:
        return [shapes.paint(_sweep_paper(rng), material)]
    if kind in ("shelf", "glass_case"):
        return _shelf(rng, material, glass=kind == "glass_case")
    soft = {"bed_sheet": 0.16, "cloth": 0.1, "print_cloth": 0.08, "velvet": 0.07, "newspaper": 0.02}.get(kind, 0.0)
    ground = _folded(rng, soft) if soft and rng.random() < 0.75 else _flat(rng)
    parts = [shapes.paint(ground, material)]
    if wall:
        back = shapes.box((2 * FAR, 0.1, 5))
        shapes.move(back, y=rng.uniform(1.0, 3.5))
        parts.append(
            shapes.paint(
                back,
                rng.choice((plain_material, lambda r: wood_material(r, True), lambda r: stone_material(r, True)))(rng),
            )
        )
    return parts


def _flat(rng: random.Random) -> Any:
    small = rng.random() < 0.2
    half = rng.uniform(1.2, 2.5) if small else FAR
    plane = shapes.sheet(lambda u, v: ((2 * u - 1) * half, (2 * v - 1) * half, 0), 2, 2, "ground")
    return shapes.turn(plane, z=rng.uniform(0, 6.28) if rng.random() < 0.5 else 0)


def _folded(rng: random.Random, height: float) -> Any:
    offset = Vector([rng.uniform(-50, 50) for _ in range(3)])
    frequency, stretch, half = rng.uniform(0.6, 1.6), rng.uniform(0.25, 0.8), 4.0

    def fold(u: float, v: float) -> tuple[float, float, float]:
        x, y = (2 * u - 1) * half, (2 * v - 1) * half
        calm = min(1.0, max(0.0, (math.hypot(x, y) - 0.35) / 0.9))
        lump = noise.fractal(Vector((x * frequency, y * frequency * stretch, 0)) + offset, 1.0, 2.0, 3)
        crease = 1 - abs(noise.noise(Vector((x * frequency * 1.7, y * frequency * stretch, 3)) + offset)) * 2
        return x, y, height * (0.15 + 0.85 * calm) * (0.6 * lump + 0.4 * crease * crease - 0.4) - 0.01

    return shapes.turn(shapes.sheet(fold, 90, 90, "ground"), z=rng.uniform(0, 6.28))


def _sweep_paper(rng: random.Random) -> Any:
    back, radius = rng.uniform(1.0, 2.5), rng.uniform(0.4, 1.2)

    def curve(u: float, v: float) -> tuple[float, float, float]:
        x, s = (2 * u - 1) * FAR, v * 14 - 8
        if s < back:
            return x, s, 0
        angle = min((s - back) / radius, math.pi / 2)
        return (
            x,
            back + radius * math.sin(angle),
            radius * (1 - math.cos(angle)) + max(0.0, s - back - radius * math.pi / 2),
        )

    return shapes.sheet(curve, 120, 2, "ground")


def _shelf(rng: random.Random, material: Any, glass: bool) -> list[Any]:
    depth, height, width = rng.uniform(0.9, 1.6), rng.uniform(1.3, 2.4), rng.uniform(2.5, 5)
    board = shapes.move(shapes.box((width, depth * 2, 0.06), 0.005), z=-0.06)
    back = shapes.move(shapes.box((width, 0.05, height)), y=depth)
    top = shapes.move(shapes.box((width, depth * 2, 0.06)), z=height)
    parts = [board, back, top] if rng.random() < 0.7 else [board, back]
    lower = shapes.move(shapes.box((width, depth * 2, 0.06)), z=-height)
    for part in (*parts, lower):
        shapes.paint(part, material)
    if rng.random() < 0.5:
        shapes.paint(back, plain_material(rng))
    if glass:
        g = Graph("pane")
        g.set(Base_Color=(1, 1, 1), Roughness=0.02, Alpha=0.06, Specular_IOR_Level=0.8)
        pane = shapes.move(shapes.box((width, 0.01, height)), y=-depth)
        pane["see_through"] = True  # left out of the mask
        parts.append(shapes.paint(pane, g.material))
    floor = shapes.move(shapes.sheet(lambda u, v: ((2 * u - 1) * FAR, (2 * v - 1) * FAR, 0), 2, 2), z=-height - 0.5)
    return [*parts, lower, shapes.paint(floor, plain_material(rng))]
