"""The mesh of a rig: polygons, look and shape keys, from a face model's arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel, Material
from flame_rig.regions import face_regions
from flame_rig.spaces import CTEG_HEAD_1, ExpressionSpace

from . import compat
from .rig_correctives import corrective_name
from .rig_identity import identity_name

BASIS: Final = "Basis"
COLOR_ATTRIBUTE: Final = "Color"
REGION_PREFIX: Final = "region_"
_REGION_STEPS: Final = 255
CORRECTIVE_THRESHOLD: Final = 1e-6
"""Metres; a pose corrective that moves every vertex less is left out."""

SUBSURFACE_SCALE: Final = 0.006
"""Metres that light travels in skin before it leaves again, for the red of ``SUBSURFACE_RADIUS``."""
SUBSURFACE_RADIUS: Final = (1.0, 0.35, 0.2)

_KNOWN_SPACES: Final[dict[str, ExpressionSpace]] = {CTEG_HEAD_1.id: CTEG_HEAD_1}
_WIDEST_SLIDER: Final = 10.0
_CORRECTIVE_SLIDER: Final = 2.0
"""The entries of R - I lie within ±2."""


def build_mesh(model: FlameModel, name: str, units_per_metre: float) -> bpy.types.Object:
    """Make an unlinked mesh object of ``model`` at rest, in FLAME's axes, with its look and its Basis key."""
    polygons = model.polygons or tuple(tuple(face) for face in model.faces.tolist())
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata((units_per_metre * model.v_template).tolist(), [], polygons)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(polygons), dtype=bool))
    if model.uvs is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", np.ascontiguousarray(model.uvs, dtype=np.float32).ravel())
    if model.vertex_colors is not None:
        opaque = np.ones((len(model.vertex_colors), 4), dtype=np.float32)
        opaque[:, :3] = model.vertex_colors
        colors: Any = mesh.color_attributes.new(COLOR_ATTRIBUTE, "FLOAT_COLOR", "POINT")
        colors.data.foreach_set("color", opaque.ravel())
    for material in model.materials:
        mesh.materials.append(_blender_material(material, units_per_metre))
    if model.polygon_materials is not None:
        mesh.polygons.foreach_set("material_index", np.ascontiguousarray(model.polygon_materials, dtype=np.int32))
    mesh.update()
    head = bpy.data.objects.new(name, mesh)
    # Blender 5 makes keys at 1.
    head.shape_key_add(name=BASIS).value = 0.0
    mesh.shape_keys.name = name
    return head


def add_expression_keys(
    mesh: bpy.types.Object, model: FlameModel, components: Iterable[int], units_per_metre: float
) -> None:
    """Add a key at 0 for each expression component.

    A key's slider spans the lawful range of its component where the space is known, ±10 otherwise: Blender
    holds animated values to the slider's range too.
    """
    space = _KNOWN_SPACES.get(model.space)
    for component in components:
        limits = (-_WIDEST_SLIDER, _WIDEST_SLIDER)
        if space is not None:
            limits = (float(space.lower[component]), float(space.upper[component]))
        shape = model.v_template + model.exprdirs[:, :, component]
        _add_key(mesh, model.expr_names[component], units_per_metre * shape, limits)


def add_identity_keys(mesh: bpy.types.Object, model: FlameModel, count: int, units_per_metre: float) -> None:
    """Add a key ``Shape###`` at 0 for each of the first ``count`` identity components, in standard deviations."""
    for component in range(count):
        shape = model.v_template + model.shapedirs[:, :, component]
        _add_key(mesh, identity_name(component), units_per_metre * shape, (-_WIDEST_SLIDER, _WIDEST_SLIDER))


def corrective_columns_of(model: FlameModel) -> tuple[int, ...]:
    """Return the columns of ``posedirs`` that move a vertex."""
    moved = np.linalg.norm(model.posedirs, axis=1).max(axis=0, initial=0.0)
    return tuple(int(column) for column in np.flatnonzero(moved > CORRECTIVE_THRESHOLD))


def add_corrective_keys(
    mesh: bpy.types.Object, model: FlameModel, columns: Iterable[int], units_per_metre: float
) -> None:
    """Add a key ``Pose###`` at 0 for each of ``columns`` of ``posedirs``."""
    for column in columns:
        shape = model.v_template + model.posedirs[:, :, column]
        limits = (-_CORRECTIVE_SLIDER, _CORRECTIVE_SLIDER)
        _add_key(mesh, corrective_name(column), units_per_metre * shape, limits)


def _add_key(mesh: bpy.types.Object, name: str, shape: NDArray[np.float64], limits: tuple[float, float]) -> None:
    """Add a shape key at 0 whose vertices lie at ``shape`` ``[V, 3]``, in Blender units."""
    key = mesh.shape_key_add(name=name, from_mix=False)
    key.data.foreach_set("co", np.ascontiguousarray(shape, dtype=np.float32).ravel())
    key.slider_min, key.slider_max = limits
    key.value = 0.0


def add_vertex_groups(mesh: bpy.types.Object, model: FlameModel) -> None:
    """Add a vertex group per joint, with the model's skinning weights."""
    for joint, name in enumerate(model.joint_names):
        _add_group(mesh, name, model.weights[:, joint])


def add_region_groups(mesh: bpy.types.Object, model: FlameModel) -> None:
    """Add a vertex group per region of the face (``region_brow.L``); none on a model that has no face to find them on.

    The armature takes no notice of them: they are for selecting, sculpting and masking.
    """
    try:
        regions = face_regions(model)
    except ValueError:
        return
    for name, mask in zip(regions.names, regions.masks, strict=True):
        # In steps that no eye can tell, since vertices of one weight go in together.
        _add_group(mesh, REGION_PREFIX + name, np.round(mask * _REGION_STEPS) / _REGION_STEPS)


def _add_group(mesh: bpy.types.Object, name: str, weights: NDArray[np.float64]) -> None:
    group = mesh.vertex_groups.new(name=name)
    order = np.argsort(weights, kind="stable")
    values, starts = np.unique(weights[order], return_index=True)
    # Vertices of one weight go in by one call.
    for value, vertices in zip(values.tolist(), np.split(order, starts[1:]), strict=True):
        if value > 0.0:
            group.add(vertices.tolist(), value, "REPLACE")


def _blender_material(look: Material, units_per_metre: float) -> bpy.types.Material:
    material = bpy.data.materials.new(look.name)
    tree = compat.node_tree_of(material)
    shader: Any = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    settings = {
        "Base Color": (*look.base_color, 1.0),
        "Roughness": look.roughness,
        "Subsurface Weight": look.subsurface,
        "Subsurface Radius": SUBSURFACE_RADIUS,
        "Subsurface Scale": SUBSURFACE_SCALE * units_per_metre,
        "Specular IOR Level": look.specular,
        "Coat Weight": look.coat,
        "Emission Color": (*look.base_color, 1.0),
        "Emission Strength": look.emission,
    }
    for socket, value in settings.items():
        shader.inputs[socket].default_value = value
    if look.vertex_color:
        colors: Any = tree.nodes.new("ShaderNodeVertexColor")
        colors.layer_name = COLOR_ATTRIBUTE
        colors.location = (shader.location.x - 240.0, shader.location.y)
        tree.links.new(colors.outputs["Color"], shader.inputs["Base Color"])
    material.diffuse_color = (*look.base_color, 1.0)  # type: ignore[assignment]  # a setter converts it
    return material
