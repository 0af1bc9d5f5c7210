"""A thin builder around a material's node tree: sockets in, sockets out. No substance is described here.

Colours are linear RGB triples in [0, 1]. Arguments ``a``, ``b``, ``fac`` and ``vector`` take a socket or a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy

Socket = Any
Colour = tuple[float, float, float]


def srgb(hex_code: str) -> Colour:
    """'#rrggbb' as linear RGB."""
    values = [int(hex_code.lstrip("#")[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return (r, g, b)


def jitter(rng: Any, colour: Colour, amount: float = 0.1) -> Colour:
    """A colour near the given one: brightness and each channel vary by up to ``amount`` of their value."""
    k = 1 + rng.uniform(-amount, amount)
    r, g, b = (min(1.0, max(0.0, c * k * (1 + rng.uniform(-amount, amount) / 2))) for c in colour)
    return (r, g, b)


class Graph:
    """A new material with a Principled BSDF: ``g.material`` goes on the object, ``g.set(...)`` feeds the BSDF."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.bsdf = next(n for n in self.tree.nodes if n.type == "BSDF_PRINCIPLED")

    # -- plumbing ---------------------------------------------------------------------------------------------------
    def node(self, kind: str, **values: Any) -> Any:
        """A ``ShaderNode<kind>``; keyword = input socket by name (spaces as underscores) or node property."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for key, value in values.items():
            socket = node.inputs.get(key.replace("_", " "))
            if socket is not None:
                self.feed(socket, value)
            else:
                setattr(node, key, value)
        return node

    def feed(self, socket: Socket, value: Any) -> None:
        """Link a socket or set a constant (a 3-tuple becomes RGBA where the socket needs it)."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, Sequence) and len(value) == 3 and socket.type == "RGBA":
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def set(self, **values: Any) -> None:
        """Feed the BSDF: ``g.set(Base_Color=..., Roughness=0.3, Normal=...)``."""
        for key, value in values.items():
            self.feed(self.bsdf.inputs[key.replace("_", " ")], value)

    def subsurface(self, weight: float, scale: float, radius: Colour = (1.0, 0.55, 0.3)) -> None:
        """Subsurface scattering; ``scale`` in scene units (the product is about 1.0 long)."""
        self.set(Subsurface_Weight=weight, Subsurface_Scale=scale, Subsurface_Radius=radius)

    # -- sources ----------------------------------------------------------------------------------------------------
    def coords(
        self,
        space: str = "Object",
        scale: Sequence[float] = (1, 1, 1),
        rotation: Sequence[float] = (0, 0, 0),
        offset: Sequence[float] = (0, 0, 0),
    ) -> Socket:
        """Texture coordinates ('Object', 'UV', 'Generated', 'Normal') through a mapping."""
        source = self.node("TexCoord").outputs[space]
        return self.mapping(source, scale=scale, rotation=rotation, offset=offset)

    def mapping(
        self,
        vector: Socket,
        scale: Sequence[float] = (1, 1, 1),
        rotation: Sequence[float] = (0, 0, 0),
        offset: Sequence[float] = (0, 0, 0),
    ) -> Socket:
        """Scale, turn and move a vector."""
        node = self.node("Mapping", Vector=vector, Scale=tuple(scale), Rotation=tuple(rotation), Location=tuple(offset))
        return node.outputs[0]

    def noise(
        self, vector: Socket, scale: float, detail: float = 4.0, roughness: float = 0.5, distortion: float = 0.0
    ) -> Socket:
        """Fractal noise, mean 0.5, mostly 0.3 to 0.7."""
        node = self.node(
            "TexNoise", Vector=vector, Scale=scale, Detail=detail, Roughness=roughness, Distortion=distortion
        )
        return node.outputs[0]

    def noise_vector(self, vector: Socket, scale: float, detail: float = 2.0) -> Socket:
        """Noise as a vector around (0.5, 0.5, 0.5), for warping coordinates."""
        return self.node("TexNoise", Vector=vector, Scale=scale, Detail=detail).outputs["Color"]

    def warp(self, vector: Socket, scale: float, amount: float, detail: float = 2.0) -> Socket:
        """Coordinates pushed around by noise of the given scale."""
        shifted = self.node("VectorMath", operation="SUBTRACT")
        self.feed(shifted.inputs[0], self.noise_vector(vector, scale, detail))
        shifted.inputs[1].default_value = (0.5, 0.5, 0.5)
        added = self.node("VectorMath", operation="MULTIPLY_ADD")
        self.feed(added.inputs[0], shifted.outputs[0])
        added.inputs[1].default_value = (amount, amount, amount)
        self.feed(added.inputs[2], vector)
        return added.outputs[0]

    def voronoi(
        self, vector: Socket, scale: float, feature: str = "F1", output: str = "Distance", randomness: float = 1.0
    ) -> Socket:
        """Cells: feature F1, F2, SMOOTH_F1, DISTANCE_TO_EDGE or N_SPHERE_RADIUS; output Distance, Color or Position."""
        node = self.node("TexVoronoi", feature=feature, Vector=vector, Scale=scale, Randomness=randomness)
        return node.outputs[output]

    def wave(
        self,
        vector: Socket,
        scale: float,
        distortion: float = 0.0,
        detail: float = 2.0,
        kind: str = "BANDS",
        axis: str = "X",
        detail_scale: float = 1.0,
    ) -> Socket:
        """Sine bands or rings in [0, 1]."""
        node = self.node(
            "TexWave",
            wave_type=kind,
            Vector=vector,
            Scale=scale,
            Distortion=distortion,
            Detail=detail,
            Detail_Scale=detail_scale,
        )
        setattr(node, "bands_direction" if kind == "BANDS" else "rings_direction", axis)
        return node.outputs["Fac"]

    def image(self, path: Any, vector: Socket, colour: bool = True) -> Socket:
        """A picture file as texture (Non-Color when ``colour`` is False)."""
        node = self.node("TexImage", Vector=vector)
        node.image = bpy.data.images.load(str(path), check_existing=True)
        if not colour:
            node.image.colorspace_settings.name = "Non-Color"
        return node.outputs["Color"]

    def attribute(self, name: str, output: str = "Fac") -> Socket:
        """A mesh attribute (see shapes.set_attribute): output Fac, Color or Vector."""
        return self.node("Attribute", attribute_name=name).outputs[output]

    def pointiness(self) -> Socket:
        """Curvature per vertex around 0.5: below in recesses, above on edges."""
        return self.node("NewGeometry").outputs["Pointiness"]

    def facing(self, blend: float = 0.5) -> Socket:
        """0 where the surface faces the camera, 1 at its outline."""
        return self.node("LayerWeight", Blend=blend).outputs["Facing"]

    # -- arithmetic -------------------------------------------------------------------------------------------------
    def split(self, vector: Socket, axis: str) -> Socket:
        """One component of a vector: axis X, Y or Z."""
        return self.node("SeparateXYZ", Vector=vector).outputs[axis]

    def join(self, x: Any, y: Any, z: Any = 0.0) -> Socket:
        """Three values as a vector."""
        return self.node("CombineXYZ", X=x, Y=y, Z=z).outputs[0]

    def math(self, operation: str, a: Any, b: Any = 0.0, c: Any = 0.0, clamp: bool = False) -> Socket:
        """Blender's math node by operation name: ADD, MULTIPLY, SINE, POWER, …"""
        node = self.node("Math", operation=operation, use_clamp=clamp)
        for socket, value in zip(node.inputs, (a, b, c), strict=False):
            self.feed(socket, value)
        return node.outputs[0]

    def remap(
        self, value: Socket, low: float, high: float, to_low: float = 0.0, to_high: float = 1.0, smooth: bool = False
    ) -> Socket:
        """Linear (or smoothstep) map of [low, high] to [to_low, to_high], clamped."""
        node = self.node("MapRange", interpolation_type="SMOOTHSTEP" if smooth else "LINEAR")
        for socket, item in zip(node.inputs, (value, low, high, to_low, to_high), strict=False):
            self.feed(socket, item)
        return node.outputs[0]

    def ramp(self, fac: Socket, stops: Sequence[tuple[float, Colour]], mode: str = "LINEAR") -> Socket:
        """Colour ramp; stops are (position, colour), position ascending."""
        node = self.node("ValToRGB")
        self.tree.links.new(fac, node.inputs[0])
        elements = node.color_ramp.elements
        node.color_ramp.interpolation = mode
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*colour, 1.0)
        return node.outputs[0]

    def mix(self, fac: Any, a: Any, b: Any, blend: str = "MIX") -> Socket:
        """Colour mix: ``fac`` 0 gives a, 1 gives b (blend MIX, MULTIPLY, ADD, OVERLAY, …)."""
        node = self.node("Mix", data_type="RGBA", blend_type=blend)
        for index, value in ((0, fac), (6, a), (7, b)):
            self.feed(node.inputs[index], value)
        return node.outputs[2]

    def bump(
        self, height: Socket, strength: float = 0.4, distance: float = 0.02, normal: Socket | None = None
    ) -> Socket:
        """A normal from a height field; ``distance`` in scene units; chain through ``normal``."""
        node = self.node("Bump", Height=height, Strength=strength, Distance=distance)
        if normal is not None:
            self.feed(node.inputs["Normal"], normal)
        return node.outputs[0]
