"""Rigs: heads in Blender that a clip can drive. Building one from a face model, and finding it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import bpy
import numpy as np

from flame_rig.fingerprint import model_fingerprint
from flame_rig.flame_model import FlameModel, validated
from flame_rig.rig_map import RigMap

from . import linked, rig_armature, rig_correctives, rig_identity, rig_mesh
from .errors import CtegError

PART: Final = "cteg_part"
"""Custom property that marks an object as a part of a rig.

``mesh`` or ``armature`` of a head that was built here; ``character`` or ``character mesh`` of someone else's.
"""
MESH_LABEL: Final = "cteg_mesh"
"""What a character's rig map calls a mesh."""
MESHES: Final = "cteg_meshes"
"""On the first mesh of a character: its other meshes, under their labels."""
CHARACTER: Final = "cteg_character"
"""On the other meshes: the first."""
BONES: Final = "cteg_bones"
"""On the first mesh: the armature, if the map has bones."""
SPACE: Final = "cteg_space"
MODEL: Final = "cteg_model"
FINGERPRINT: Final = "cteg_fingerprint"
RIG_MAP: Final = "cteg_rig_map"
UNITS: Final = "cteg_units_per_metre"
READ_FROM: Final = "cteg_read_from"
"""On a head from a model file: the file's name, its edition and how that was told."""
LICENCE: Final = "cteg_licence"
"""On a head from a model file: what its licence allows and asks for."""
NOTES: Final = "cteg_model_notes"
"""On a head from a model file that was not complete: what was made of it."""


class RigError(CtegError):
    """A rig cannot be built or used; the message is a sentence for the user."""


@dataclass(frozen=True)
class Rig:
    """A head that can be driven.

    Holds references into the open file: find it again (``find_rig``) after undo or loading.

    Attributes:
        mesh: the object that carries the shape keys and, as custom properties, the rig map.
        bones: the armature whose bones turn the joints; None on a character that moves by shape keys alone.
        others: further meshes of a character (teeth, lashes) under the labels that its rig map knows them by.
    """

    mesh: bpy.types.Object
    bones: bpy.types.Object | None = None
    others: tuple[tuple[str, bpy.types.Object], ...] = ()

    @property
    def armature(self) -> bpy.types.Object:
        """The armature; raises RigError if the rig has none."""
        if self.bones is None:
            raise RigError(f"“{self.name}” has no armature that CTEG moves.")
        return self.bones

    @property
    def meshes(self) -> tuple[tuple[str, bpy.types.Object], ...]:
        """Every mesh with the label that the rig map knows it by; “” on a head that was built here."""
        return ((str(self.mesh.get(MESH_LABEL, "")), self.mesh), *self.others)

    @property
    def name(self) -> str:
        """The name that the user knows the head by."""
        return self.mesh.name

    @property
    def space(self) -> str:
        """Id of the expression space that drives it."""
        return self.rig_map.space

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the face model that it was built from."""
        return str(self.mesh.get(FINGERPRINT, ""))

    @property
    def units_per_metre(self) -> float:
        """Blender units that a metre of the face model is long on this rig."""
        return float(self.mesh.get(UNITS, 1.0))

    @property
    def keys(self) -> bpy.types.Key:
        """The shape keys' data-block; raises RigError if they were deleted."""
        keys = self.mesh.data.shape_keys
        if keys is None:
            raise RigError(f"The head “{self.name}” has lost its shape keys; add a new head.")
        return keys

    @property
    def rig_map(self) -> RigMap:
        """The stored map; raises RigError if someone changed it beyond reading."""
        try:
            return _map_of_text(str(self.mesh.get(RIG_MAP, "")))
        except ValueError as error:
            raise RigError(f"The rig map stored with the head “{self.name}” cannot be read. {error}") from None


@lru_cache(maxsize=32)
def _map_of_text(text: str) -> RigMap:
    # Asked for at every step of a bake, and whenever a panel is drawn.
    return RigMap.from_json(text)


def build_rig(
    model: FlameModel,
    name: str = "CTEG Head",
    collection: bpy.types.Collection | None = None,
    *,
    expressions: int | None = None,
    identities: int = 0,
    regions: bool = True,
    units_per_metre: float | None = None,
) -> Rig:
    """Build a head from a face model, and make it the active object.

    The mesh has a shape key per expression component, on request one per identity component (``Shape###``),
    correctives driven by the bones (``Pose###``), and the model's look. Evaluated by Blender it equals
    ``posed_vertices(model, ..., joints="identity")``; after a change of identity the bones want to be fitted.

    Args:
        model: any face in the FLAME layout; no size is assumed.
        name: the mesh's name; the armature's is ``name`` and “Rig”.
        collection: where to put both; None is the active collection.
        expressions: how many components get a key, at most; None takes those that clips drive.
        identities: how many identity components get a key, at most.
        regions: add a vertex group per region of the face.
        units_per_metre: size of the head; None takes the scene's (:func:`units_per_metre_of`).

    Raises:
        RigError: the model's arrays contradict one another, or Blender is in a state that forbids it.
    """
    try:
        validated(model)
    except ValueError as error:
        raise RigError(str(error)) from None
    target = collection or _usable_collection()
    scale = units_per_metre or units_per_metre_of(bpy.context.scene)
    rig_map = RigMap.of_model(model)
    components = _components(model, rig_map, expressions)
    columns = rig_mesh.corrective_columns_of(model)
    identities = min(identities, model.shapedirs.shape[2])
    _refuse_equal_names(model, components, identities, columns)
    _leave_edit_mode()
    mesh = rig_mesh.build_mesh(model, name, scale)
    target.objects.link(mesh)
    rig_mesh.add_vertex_groups(mesh, model)
    if regions:
        rig_mesh.add_region_groups(mesh, model)
    rig_mesh.add_expression_keys(mesh, model, components, scale)
    rig_mesh.add_identity_keys(mesh, model, identities, scale)
    rig_mesh.add_corrective_keys(mesh, model, columns, scale)
    armature = rig_armature.build_armature(model, f"{mesh.name} Rig", target, scale)
    rig_armature.bind(mesh, armature)
    for thing, part in ((mesh, "mesh"), (armature, "armature")):
        thing[PART] = part
        thing[MODEL] = model.name
    mesh[SPACE] = model.space
    mesh[FINGERPRINT] = model_fingerprint(model)
    mesh[RIG_MAP] = _map_of_components(rig_map, model, components).to_json()
    mesh[UNITS] = scale
    rig_identity.store_joints(mesh, model)
    rig = Rig(mesh, armature)
    rig_correctives.drive_correctives(rig.keys, armature, model.joint_names, columns)
    _make_active(mesh)
    return rig


def units_per_metre_of(scene: bpy.types.Scene | None) -> float:
    """Return how many Blender units a metre is in a scene: 1 / Unit Scale, or 1 where it has no units."""
    if scene is None:
        return 1.0
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else 1.0 / float(units.scale_length)


def find_rig(thing: bpy.types.Object | None) -> Rig | None:
    """Return the rig that an object belongs to: one of its meshes, its armature, or anything parented to them."""
    while thing is not None:
        rig = _rig_of_part(thing)
        if rig is not None:
            return rig
        thing = thing.parent
    return None


def rigs_of(objects: Iterable[bpy.types.Object]) -> Iterator[Rig]:
    """Yield every rig whose mesh is among ``objects``."""
    for thing in objects:
        if thing.get(PART) in ("mesh", "character"):
            rig = _rig_of_part(thing)
            if rig is not None:
                yield rig


def active_rig(context: bpy.types.Context) -> Rig | None:
    """Return the rig of the active object, or else the scene's only rig."""
    rig = find_rig(context.view_layer.objects.active)
    if rig is None:
        all_rigs = list(rigs_of(context.scene.objects))
        rig = all_rigs[0] if len(all_rigs) == 1 else None
    return rig


def _rig_of_part(thing: bpy.types.Object) -> Rig | None:
    part = thing.get(PART)
    if part == "mesh":
        armature = thing.find_armature()
        return Rig(thing, armature) if armature is not None else None
    if part == "armature":
        meshes = (child for child in thing.children if child.get(PART) == "mesh")
        return next((Rig(mesh, thing) for mesh in meshes if mesh.find_armature() == thing), None)
    if part == "character":
        others = tuple(linked.referred_all(thing, MESHES))
        return Rig(thing, linked.referred(thing, BONES), others)
    if part == "character mesh":
        first = linked.referred(thing, CHARACTER)
        return _rig_of_part(first) if first is not None and first.get(PART) == "character" else None
    if thing.type == "ARMATURE":
        # An artist's armature bears no mark: a character is found below it.
        below = (child for child in thing.children if child.get(PART) in ("character", "character mesh"))
        return next((rig for child in below if (rig := _rig_of_part(child)) is not None), None)
    return None


def _components(model: FlameModel, rig_map: RigMap, expressions: int | None) -> list[int]:
    """Return the expression components that get a key: those that move a vertex, from the first on."""
    if expressions is None:
        return [model.expr_names.index(name) for name in rig_map.key_names]
    moving = np.abs(model.exprdirs[:, :, :expressions]).max(axis=(0, 1), initial=0.0) > 0.0
    return [int(component) for component in np.flatnonzero(moving)]


def _map_of_components(rig_map: RigMap, model: FlameModel, components: list[int]) -> RigMap:
    """Return the map without the keys that the rig has been built without."""
    names = {model.expr_names[component] for component in components}
    kept = [row for row, name in enumerate(rig_map.key_names) if name in names]
    return replace(
        rig_map,
        key_names=tuple(rig_map.key_names[row] for row in kept),
        key_weights=rig_map.key_weights[kept],
        key_meshes=tuple(rig_map.key_meshes[row] for row in kept),
        key_offsets=rig_map.key_offsets[kept],
        key_limits=rig_map.key_limits[kept],
    )


def _refuse_equal_names(model: FlameModel, components: list[int], identities: int, columns: tuple[int, ...]) -> None:
    names = [
        rig_mesh.BASIS,
        *(model.expr_names[component] for component in components),
        *(rig_identity.identity_name(component) for component in range(identities)),
        *(rig_correctives.corrective_name(column) for column in columns),
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RigError(
            f"The face model {model.name!r} would need two shape keys of the name {twice[0]!r}; "
            "rename that expression component."
        )


def _usable_collection() -> bpy.types.Collection:
    # Edit mode, which bones need, refuses objects that the view layer does not show.
    layer = bpy.context.view_layer.active_layer_collection
    return layer.collection if layer.is_visible and not layer.exclude else bpy.context.scene.collection


def _leave_edit_mode() -> None:
    active = bpy.context.view_layer.objects.active
    if active is not None and active.mode != "OBJECT":
        if not bpy.ops.object.mode_set.poll():  # type: ignore[call-arg]
            raise RigError("A head can only be added in Object Mode; leave the current mode first.")
        bpy.ops.object.mode_set(mode="OBJECT")


def _make_active(mesh: bpy.types.Object) -> None:
    layer = bpy.context.view_layer
    for other in layer.objects.selected:
        other.select_set(False)
    mesh.select_set(True)
    layer.objects.active = mesh
