"""Cycles on one CPU thread: the beauty pass and the instance mask. Knows nothing of leaves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np

SAMPLES = 4  # with the denoiser, 8 look the same and take twice as long


def settle_engine(seed: int, samples: int = SAMPLES) -> None:
    """Few samples, fast denoiser, one thread."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.use_persistent_data = True
    cycles = scene.cycles
    cycles.device, cycles.seed, cycles.samples = "CPU", seed % 2**31, samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_prefilter, cycles.denoising_input_passes = "FAST", "RGB_ALBEDO_NORMAL"
    cycles.denoising_quality = "BALANCED"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 5, 2, 2
    cycles.transmission_bounces, cycles.transparent_max_bounces = 5, 6
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0


def _render(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.png"
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def render_picture() -> np.ndarray:
    """(H, W, 3) uint8 RGB of the current scene."""
    with tempfile.TemporaryDirectory() as folder:
        return _render(Path(folder), "picture")


def render_mask() -> np.ndarray:
    """(H, W) uint8: ``pass_index`` of the object at each pixel; panes count as air. Call it last: the scene changes."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    layer.material_override = _index_material()
    for obj in scene.objects:
        obj.hide_render = obj.hide_render or bool(obj.get("see_through"))
    scene.world = bpy.data.worlds.new("black")
    scene.world.use_nodes = True
    next(n for n in scene.world.node_tree.nodes if n.type == "BACKGROUND").inputs[1].default_value = 0.0
    scene.camera.data.dof.use_dof = False
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.cycles.max_bounces = 0
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    scene.view_settings.view_transform, scene.view_settings.exposure = "Raw", 0.0
    scene.render.dither_intensity = 0.0
    with tempfile.TemporaryDirectory() as folder:
        return _render(Path(folder), "mask")[..., 0]


def _index_material() -> Any:
    material = bpy.data.materials.new("index")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    info, scale = tree.nodes.new("ShaderNodeObjectInfo"), tree.nodes.new("ShaderNodeMath")
    emission, output = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
    scale.operation = "DIVIDE"
    scale.inputs[1].default_value = 255.0
    tree.links.new(info.outputs["Object Index"], scale.inputs[0])
    tree.links.new(scale.outputs[0], emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    return material
