"""Geometry helpers: meshes from curves and files, and transforms that are baked into the mesh. No materials, no leaves.

Every change is baked into the vertices, so 'Object' texture coordinates are scene units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

Object = Any
Points = Sequence[Sequence[float]]


def mesh_object(
    name: str, vertices: Any, faces: Sequence[Sequence[int]], uvs: Any = None, smooth: bool = True
) -> Object:
    """A mesh object in the scene. uvs: one (u, v) per loop, in face order."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(map(float, v)) for v in vertices], [], [tuple(map(int, f)) for f in faces])
    if uvs is not None:
        mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", np.asarray(uvs, np.float32).ravel())
    mesh.validate()
    mesh.update()
    if smooth:
        mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def _grid_faces(rows: int, cols: int, wrap: bool) -> tuple[list[tuple[int, ...]], list[tuple[float, float]]]:
    faces, uvs = [], []
    for i in range(rows - 1):
        for j in range(cols if wrap else cols - 1):
            k = (j + 1) % cols
            faces.append((i * cols + j, i * cols + k, (i + 1) * cols + k, (i + 1) * cols + j))
            u0, u1 = j / cols, (j + 1) / cols
            v0, v1 = i / (rows - 1), (i + 1) / (rows - 1)
            uvs += [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
    return faces, uvs


def sheet(fn: Callable[[float, float], Sequence[float]], rows: int, cols: int, name: str = "sheet") -> Object:
    """An open surface: fn(u, v) -> (x, y, z) for u, v in [0, 1]; UVs are (u, v), u along columns."""
    vertices = [fn(j / (cols - 1), i / (rows - 1)) for i in range(rows) for j in range(cols)]
    faces, uvs = _grid_faces(rows, cols, wrap=False)
    uvs = [(u * cols / (cols - 1), v) for u, v in uvs]
    return mesh_object(name, vertices, faces, uvs)


def rings(
    path: Points, radii: Sequence[float], *, section: Points | None = None, segments: int = 40, closed: bool = False
) -> np.ndarray:
    """(n, m, 3) points: one ring of m around each of n path points, without twist.

    section: outline of the cross-section at radius 1 (counter-clockwise), a circle of ``segments`` by default.
    """
    points = [Vector(p) for p in path]
    n = len(points)
    circle = [(math.cos(2 * math.pi * j / segments), math.sin(2 * math.pi * j / segments)) for j in range(segments)]
    outline = np.asarray(section or circle, np.float32)
    out = np.empty((n, len(outline), 3), np.float32)
    side = Vector((0, 0, 0))
    for i, (point, radius) in enumerate(zip(points, radii, strict=True)):
        ahead = points[(i + 1) % n] if closed else points[min(i + 1, n - 1)]
        behind = points[i - 1] if closed else points[max(i - 1, 0)]
        tangent = (ahead - behind).normalized()
        side = side - tangent * side.dot(tangent)
        side = side.normalized() if side.length > 1e-6 else tangent.orthogonal().normalized()
        frame = np.asarray([side, tangent.cross(side)], np.float32)
        out[i] = np.asarray(point, np.float32) + radius * outline @ frame
    return out


def loft(layers: np.ndarray, *, caps: bool = True, closed: bool = False, name: str = "loft") -> Object:
    """A skin over (n, m, 3) rings. UV: u around, v along; caps map their ring's outline into the unit square."""
    n, m = layers.shape[:2]
    faces, uvs = _grid_faces(n, m, wrap=True)
    if closed:
        faces += [((n - 1) * m + j, (n - 1) * m + (j + 1) % m, (j + 1) % m, j) for j in range(m)]
        uvs += [uv for j in range(m) for uv in ((j / m, 1), ((j + 1) / m, 1), ((j + 1) / m, 1), (j / m, 1))]
    elif caps:
        disc = [
            (0.5 + 0.5 * math.cos(2 * math.pi * j / m), 0.5 + 0.5 * math.sin(2 * math.pi * j / m)) for j in range(m)
        ]
        faces += [tuple(range(m))[::-1], tuple(range((n - 1) * m, n * m))]
        uvs += [*disc[::-1], *disc]
    return mesh_object(name, layers.reshape(-1, 3), faces, uvs)


def sweep(
    path: Points,
    radii: Sequence[float],
    *,
    section: Points | None = None,
    segments: int = 40,
    caps: bool = True,
    closed: bool = False,
    name: str = "sweep",
) -> Object:
    """A tube along a path: :func:`rings` and :func:`loft` in one. ``closed`` joins the last point to the first."""
    layers = rings(path, radii, section=section, segments=segments, closed=closed)
    return loft(layers, caps=caps, closed=closed, name=name)


def lathe(profile: Points, segments: int = 48, name: str = "lathe") -> Object:
    """A surface of revolution about z from (radius, z) points, bottom up, closed where r = 0. UV: u around, v along."""
    vertices = [
        (max(r, 1e-5) * math.cos(2 * math.pi * j / segments), max(r, 1e-5) * math.sin(2 * math.pi * j / segments), z)
        for r, z in profile
        for j in range(segments)
    ]
    faces, uvs = _grid_faces(len(profile), segments, wrap=True)
    return mesh_object(name, vertices, faces, uvs)


def load_off(path: Path, name: str | None = None) -> Object:
    """A mesh from an OFF file (ASCII, optional comments and colours)."""
    lines = (line.split("#")[0].split() for line in path.read_text().splitlines())
    tokens = [t for t in lines if t]
    head, rest = tokens[0], tokens[1:]
    if "OFF" not in head[0].upper():
        raise ValueError(f"{path.name} is not an OFF mesh: it starts with {head[0]!r}")
    counts = head[1:] or rest.pop(0)
    n_vertices, n_faces = int(counts[0]), int(counts[1])
    vertices = [tuple(map(float, t[:3])) for t in rest[:n_vertices]]
    faces = [tuple(map(int, t[1 : 1 + int(t[0])])) for t in rest[n_vertices : n_vertices + n_faces]]
    return mesh_object(name or path.stem, vertices, faces)


def box(size: Sequence[float], bevel: float = 0.0, segments: int = 3, name: str = "box") -> Object:
    """A box of the given size standing on z = 0, with rounded edges and box-projected UVs in scene units."""
    x, y, z = (s / 2 for s in size)
    corners = [(sx * x, sy * y, sz * z + z) for sx in (-1, 1) for sy in (-1, 1) for sz in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    obj = mesh_object(name, corners, faces, smooth=False)
    if bevel:
        modify(obj, "BEVEL", width=bevel, segments=segments)
        shade_by_angle(obj)
    project_uv(obj)
    return obj


def project_uv(obj: Object) -> None:
    """Box-projected UVs in scene units, replacing what was there."""
    mesh = obj.data
    layer = mesh.uv_layers.get("UVMap") or mesh.uv_layers.new(name="UVMap")
    for polygon in mesh.polygons:
        axis = max(range(3), key=lambda k: abs(polygon.normal[k]))
        a, b = [k for k in range(3) if k != axis]
        for loop in polygon.loop_indices:
            co = mesh.vertices[mesh.loops[loop].vertex_index].co
            layer.data[loop].uv = (co[a], co[b])


def transform(obj: Object, matrix: Matrix) -> Object:
    """Bake a 4 x 4 matrix into the mesh."""
    obj.data.transform(matrix)
    obj.data.update()
    return obj


def move(obj: Object, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Object:
    """Bake a shift."""
    return transform(obj, Matrix.Translation((x, y, z)))


def turn(obj: Object, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Object:
    """Bake a rotation about the origin (radians, XYZ order)."""
    return transform(obj, Euler((x, y, z)).to_matrix().to_4x4())


def scale(obj: Object, x: float, y: float | None = None, z: float | None = None) -> Object:
    """Bake a scale; one value scales all axes."""
    return transform(obj, Matrix.Diagonal((x, x if y is None else y, x if z is None else z, 1)))


def vertices(obj: Object) -> np.ndarray:
    """(n, 3) float32 vertex positions."""
    out = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertices.foreach_get("co", out)
    return out.reshape(-1, 3)


def set_vertices(obj: Object, points: np.ndarray) -> Object:
    """Write (n, 3) vertex positions back."""
    obj.data.vertices.foreach_set("co", np.ascontiguousarray(points, np.float32).ravel())
    obj.data.update()
    return obj


def normals(obj: Object) -> np.ndarray:
    """(n, 3) float32 vertex normals."""
    out = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertex_normals.foreach_get("vector", out)
    return out.reshape(-1, 3)


def bounds(objects: Sequence[Object]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of all vertices together."""
    points = np.concatenate([vertices(o) for o in objects])
    return points.min(0), points.max(0)


def fit(objects: Sequence[Object], size: float = 1.0) -> list[Object]:
    """Scale objects together so that the largest dimension is ``size``, centre them on x, y and rest them on z = 0."""
    low, high = bounds(objects)
    k = size / float(max(high - low))
    centre = (low + high) / 2
    matrix = Matrix.Scale(k, 4) @ Matrix.Translation((-float(centre[0]), -float(centre[1]), -float(low[2])))
    for obj in objects:
        transform(obj, matrix)
    return list(objects)


def rest(obj: Object, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Object:
    """Centre one object at (x, y) with its lowest point at z."""
    low, high = bounds([obj])
    return move(obj, x - float(low[0] + high[0]) / 2, y - float(low[1] + high[1]) / 2, z - float(low[2]))


def modify(obj: Object, kind: str, **settings: Any) -> Object:
    """Apply one modifier (BEVEL, SUBSURF, REMESH, DECIMATE, SMOOTH, SOLIDIFY, BOOLEAN, …) and bake the result."""
    modifier = obj.modifiers.new(kind, kind)
    for key, value in settings.items():
        setattr(modifier, key, value)
    graph = bpy.context.evaluated_depsgraph_get()
    graph.update()
    mesh = bpy.data.meshes.new_from_object(obj.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph)
    obj.modifiers.clear()
    old, obj.data = obj.data, mesh
    bpy.data.meshes.remove(old)
    return obj


def remesh(obj: Object, voxel: float) -> Object:
    """Fuse and even out by voxel remeshing; loses UVs and materials."""
    modify(obj, "REMESH", mode="VOXEL", voxel_size=voxel, use_smooth_shade=True)
    return obj


def join(objects: Sequence[Object], name: str | None = None) -> Object:
    """One object from several; material slots are kept."""
    first = objects[0]
    if len(objects) == 1:
        return first
    with bpy.context.temp_override(
        active_object=first, object=first, selected_editable_objects=list(objects), selected_objects=list(objects)
    ):
        bpy.ops.object.join()
    if name:
        first.name = name
    return first


def discard(obj: Object) -> None:
    """Delete an object and its mesh."""
    mesh = obj.data
    bpy.data.objects.remove(obj)
    if mesh.users == 0:
        bpy.data.meshes.remove(mesh)


def set_attribute(obj: Object, name: str, values: Any) -> None:
    """A float per vertex that materials read with Graph.attribute(name)."""
    attribute = obj.data.attributes.get(name) or obj.data.attributes.new(name, "FLOAT", "POINT")
    attribute.data.foreach_set("value", np.asarray(values, np.float32))


def attribute(obj: Object, name: str) -> np.ndarray:
    """(n,) float32 values of a vertex attribute."""
    out = np.empty(len(obj.data.vertices), np.float32)
    obj.data.attributes[name].data.foreach_get("value", out)
    return out


def shade_by_angle(obj: Object, degrees: float = 40.0) -> Object:
    """Smooth shading with sharp edges above an angle."""
    mesh = obj.data
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.set_sharp_from_angle(angle=math.radians(degrees))
    return obj


def paint(obj: Object, material: Any) -> Object:
    """Put one material on the whole object."""
    obj.data.materials.clear()
    obj.data.materials.append(material)
    return obj
