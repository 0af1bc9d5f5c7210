"""One picture's scene from its parameters: products, ground, clutter, occluder, camera, light, and the mask's key."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from training.synth import shapes
from training.synth.camera import set_camera
from training.synth.clutter import place_clutter
from training.synth.config import EMPTY, label_of, stream
from training.synth.ground import build_ground
from training.synth.hands import occlude, palm_ground
from training.synth.leaves import BuildContext, Built, builder_for
from training.synth.light import set_light


@dataclass
class Staged:
    """A scene ready to render. instances: mask value (1, 2, …) -> leaf; built: replay facts of the products."""

    instances: dict[int, str]
    built: list[dict[str, Any]]
    crowd: bool


def reset() -> None:
    """An empty Blender file with nothing left over from the last picture."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def stage(
    leaf: str,
    companion: str | None,
    params: Mapping[str, Any],
    context: BuildContext,
    hdri: Path,
    *,
    seed: int,
    index: int,
    size: int,
) -> Staged:
    """Build the scene of one picture in the (empty) current file."""
    layout = params["layout"]
    made: list[tuple[str, Built]] = []
    if leaf != EMPTY:
        for copy in range(layout["copies"]):
            made.append((leaf, builder_for(leaf)(stream(seed, index, f"product{copy}"), context)))
            if made[0][1].crowd or len(made[0][1].instances) > 1:
                break
    if companion:
        made.append((companion, builder_for(companion)(stream(seed, index, "companion"), context)))
    _arrange(made, layout)
    subject = [o for _, built in made for o in built.objects]
    everything = subject + [o for _, built in made for o in built.props]
    instances: dict[int, str] = {}
    for name, built in made:
        for group in built.instances or [built.objects]:
            number = len(instances) + 1
            instances[number] = label_of(name)
            for obj in group:
                obj.pass_index = number
    ground = params["ground"]
    if ground["kind"] == "palm":
        palm_ground(random.Random(ground["seed"]))
    else:
        build_ground(ground, params["wall"], context.holdout)
    target = everything or [shapes.move(shapes.box((0.9, 0.6, 0.3)), z=0.0)]
    place_clutter(params["clutter"]["items"], params["clutter"]["seed"], [_circle(target)])
    occlude(params["occluder"], params["occluder_seed"], target)
    main = made[0][1].objects if leaf != EMPTY else []
    camera = set_camera(params["camera"], main or target, size)
    if not everything:
        shapes.discard(target[0])
    set_light(params["light"], hdri, camera)
    return Staged(instances, [{"leaf": name, **built.params} for name, built in made], any(b.crowd for _, b in made))


def _circle(objects: list[Any]) -> tuple[float, float, float]:
    low, high = shapes.bounds(objects)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), 0.5 * math.hypot(*(float(v) for v in (high - low)[:2])) * 0.85


def _arrange(made: list[tuple[str, Built]], layout: Mapping[str, Any]) -> None:
    """Turn every product and set several side by side."""
    rng = random.Random(layout["seed"])
    right = 0.0
    for number, (_, built) in enumerate(made):
        parts = built.objects + built.props
        if number:
            shrink = rng.uniform(0.5, 1.05)
            for part in parts:
                shapes.scale(part, shrink)
        angle = layout["turn"] + (rng.gauss(0, 0.5) if number else 0.0)
        for part in parts:
            shapes.turn(part, z=angle)
        low, high = shapes.bounds(parts)
        x = right + rng.uniform(0.02, 0.2) - float(low[0]) if number else 0.0
        y = rng.gauss(0, 0.15) if number else 0.0
        for part in parts:
            shapes.move(part, x, y)
        right = float(shapes.bounds(parts)[1][0])
    if len(made) > 1:
        parts = [p for _, built in made for p in (*built.objects, *built.props)]
        low, high = shapes.bounds(parts)
        for part in parts:
            shapes.move(part, -float(low[0] + high[0]) / 2)
