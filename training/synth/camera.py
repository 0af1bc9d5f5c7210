"""Camera: a phone held by somebody, framed on what is for sale, sometimes cutting it off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from training.synth import shapes


def set_camera(params: Mapping[str, Any], subject: Sequence[Any], size: int) -> Any:
    """Aim at the subject so that it spans about ``params['fill']`` of the frame, whose long side is ``size`` pixels."""
    scene = bpy.context.scene
    aspect = params["aspect"]
    scene.render.resolution_x = size if aspect >= 1 else round(size * aspect)
    scene.render.resolution_y = round(size / aspect) if aspect >= 1 else size
    scene.render.resolution_percentage = 100
    camera = bpy.data.cameras.new("phone")
    obj = bpy.data.objects.new("phone", camera)
    scene.collection.objects.link(obj)
    scene.camera = obj
    camera.sensor_width, camera.sensor_fit = 36, "AUTO"
    camera.lens = params["lens"]
    points = np.concatenate([shapes.vertices(o)[:: max(1, len(o.data.vertices) // 400)] for o in subject])
    centre = Vector(((points.min(0) + points.max(0)) / 2).tolist())
    azimuth, elevation = params["azimuth"], max(params["elevation"], 0.1)
    back = Vector(
        (math.sin(azimuth) * math.cos(elevation), -math.cos(azimuth) * math.cos(elevation), math.sin(elevation))
    )
    turn = (-back).to_track_quat("-Z", "Y")
    right, up = turn @ Vector((1, 0, 0)), turn @ Vector((0, 1, 0))
    relative = points - np.asarray(centre)
    span = max(
        np.ptp(relative @ np.asarray(right)) * min(1.0, 1 / aspect),
        np.ptp(relative @ np.asarray(up)) * min(1.0, aspect),
    )
    half_view = 18 / camera.lens * min(aspect, 1 / aspect)  # tangent of half the short side's angle
    depth = float((relative @ np.asarray(back)).max())
    distance = float(span) / 2 / (half_view * params["fill"]) + 0.6 * depth
    distance = max(distance, depth + 0.15)
    reach = distance * half_view
    centre += right * params["shift"][0] * reach * 2 + up * params["shift"][1] * reach * 2
    obj.location = centre + back * distance
    obj.location.z = max(obj.location.z, 0.06)
    obj.rotation_euler = (centre - obj.location).to_track_quat("-Z", "Y").to_euler()
    obj.rotation_euler.rotate_axis("Z", params["roll"])
    camera.clip_start, camera.clip_end = 0.01, 200
    camera.dof.use_dof = params["dof"]
    camera.dof.focus_distance = distance - 0.3 * depth
    camera.dof.aperture_fstop = params["fstop"] / 8  # scene units are decimetres at most: deepen the blur to match
    return obj
