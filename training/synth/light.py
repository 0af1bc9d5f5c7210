"""Light: an HDRI world, sometimes an area lamp or window, sometimes the phone's own flash."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector


def find_hdris(assets: Path, holdout: Sequence[str], *, test: bool) -> dict[str, Path]:
    """Name -> EXR file among the assets and Blender's own; the held-out ones if ``test``, the others if not."""
    own = Path(bpy.utils.resource_path("LOCAL")) / "datafiles" / "studiolights" / "world"
    found = {f"{folder.name}-{p.stem}": p for folder in (own, assets / "hdri") for p in sorted(folder.glob("*.exr"))}
    return {name: p for name, p in found.items() if (p.stem in holdout) == test and p.stem != "night"}


def set_light(params: Mapping[str, Any], hdri: Path, camera: Any) -> None:
    """Build world and lamps and set exposure and view transform."""
    scene = bpy.context.scene
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    scene.world = world
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256  # the default map doubles the time
    tree = world.node_tree
    image = tree.nodes.new("ShaderNodeTexEnvironment")
    image.image = bpy.data.images.load(str(hdri), check_existing=True)
    coordinates, mapping = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value = (0, 0, params["turn"])
    background = next(n for n in tree.nodes if n.type == "BACKGROUND")
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs[0])
    tree.links.new(mapping.outputs[0], image.inputs[0])
    tree.links.new(image.outputs[0], background.inputs[0])
    background.inputs[1].default_value = params["world"]
    rng = random.Random(params["area_seed"])
    if params["area"]:
        spot = Vector((rng.uniform(-3, 3), rng.uniform(-3, 3), rng.uniform(1.5, 4)))
        warm = rng.uniform(-1, 1)
        _lamp(
            "AREA",
            spot,
            rng.uniform(15, 90),
            size=rng.choice((0.3, 0.8, 2.0)),
            colour=(1, 0.92 - 0.08 * warm, 0.85 - 0.25 * warm),
        )
    if params["flash"]:
        place = camera.location + Vector((rng.uniform(-0.1, 0.1), 0, 0.12))
        _lamp("AREA", place, 12 * max(0.6, place.length) ** 2, size=0.06, colour=(1, 0.98, 0.95))
    scene.view_settings.view_transform = params["view"]
    scene.view_settings.exposure = params["exposure"] - (0.4 if params["area"] and params["world"] > 0.9 else 0.0)


def _lamp(kind: str, place: Vector, energy: float, *, size: float, colour: tuple[float, float, float]) -> None:
    lamp = bpy.data.lights.new("lamp", kind)
    lamp.energy, lamp.size, lamp.color = energy, size, [max(0.0, min(1.0, c)) for c in colour]
    obj = bpy.data.objects.new("lamp", lamp)
    bpy.context.scene.collection.objects.link(obj)
    obj.location = place
    obj.rotation_euler = (Vector((0, 0, 0.2)) - place).to_track_quat("-Z", "Y").to_euler()
