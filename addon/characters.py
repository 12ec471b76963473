"""Characters of others: meshes with ARKit keys under any spelling, registered as a rig.

The map lies with the character's first mesh, as JSON; the other meshes are found through references. Nothing of the
character itself is changed: no key is made or renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import radians
from typing import Final

import bpy
from mathutils import Matrix, Vector

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.character import MatchReport, match_keys, with_eye_bone, with_jaw_bone
from flame_rig.rig_map import RigMap
from flame_rig.spaces import JAW_OPEN_RADIANS

from . import compat
from .actions import key_path
from .rig import BONES, CHARACTER, MESH_LABEL, MESHES, PART, RIG_MAP, Rig, RigError, find_rig

_MARKS: Final = (PART, RIG_MAP, MESH_LABEL, MESHES, CHARACTER, BONES)
_BUILT_PARTS: Final = ("mesh", "armature")

FLAME_TO_WORLD: Final = Matrix(((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)))
"""Left, up and forward of a face as Blender stands characters: forward is -Y, up is Z."""


def register_character(objects: Iterable[bpy.types.Object], rig_map: RigMap | None = None) -> Rig:
    """Make meshes with ARKit keys a rig that lines can be baked on.

    Args:
        objects: the character's meshes; those without shape keys, and other objects, are passed over. Meshes that
            were registered before are registered anew.
        rig_map: which keys move, under the meshes' names; None matches them by their spelling.

    Raises:
        RigError: there is no mesh with keys, none of its keys is an ARKit shape, or it cannot be registered here.
    """
    meshes = _meshes_with_keys(objects)
    names = {mesh.name: _key_names(mesh) for mesh in meshes}
    matched, report = match_keys(names)
    if rig_map is None and not report.matched:
        raise RigError(
            f"None of the shape keys of {_listed(names)} is an ARKit shape, such as jawOpen or eyeBlink_L; "
            "give a rig map that says what drives which key."
        )
    if rig_map is not None:
        _refuse_strange_labels(rig_map, names)
    chosen = matched if rig_map is None else rig_map
    first = max(meshes, key=lambda mesh: chosen.key_meshes.count(mesh.name))
    for mesh in meshes:
        unregister(mesh)
    for mesh in meshes:
        mesh[PART] = "character" if mesh == first else "character mesh"
        mesh[MESH_LABEL] = mesh.name
        if mesh != first:
            mesh[CHARACTER] = first
    first[MESHES] = {mesh.name: mesh for mesh in meshes if mesh != first}
    first[RIG_MAP] = chosen.to_json()
    # Or else a change of the map in a file that links and overrides the character is forgotten there.
    first.property_overridable_library_set(f'["{RIG_MAP}"]', True)
    rig = find_rig(first)
    assert rig is not None
    return rig


def unregister(mesh: bpy.types.Object) -> None:
    """Take the marks off every mesh of the character that ``mesh`` belongs to; what was baked stays."""
    if mesh.get(PART) not in ("character", "character mesh"):
        return
    rig = find_rig(mesh)
    for thing in {mesh, *(other for _, other in rig.meshes)} if rig is not None else {mesh}:
        for mark in _MARKS:
            if thing.get(mark) is not None:
                del thing[mark]


def is_character(rig: Rig) -> bool:
    """Return whether a rig is a registered character, rather than a head that was built here."""
    return bool(rig.mesh.get(PART) == "character")


def set_rig_map(rig: Rig, rig_map: RigMap) -> None:
    """Store another map with a character; raises RigError if it names meshes that the character does not have."""
    if not is_character(rig):
        raise RigError(f"“{rig.name}” is a head that CTEG built; only maps of other characters can be changed.")
    if rig.mesh.library is not None:
        raise RigError(f"“{rig.name}” is linked from {rig.mesh.library.filepath}; change its rig map there.")
    _refuse_strange_labels(rig_map, {label: () for label, _ in rig.meshes})
    _make_user_editable(rig.mesh)
    rig.mesh[RIG_MAP] = rig_map.to_json()


def set_bones(
    rig: Rig,
    armature: bpy.types.Object,
    *,
    jaw: str | None = None,
    eyes: tuple[str, str] | None = None,
    open_degrees: float | None = None,
) -> RigMap:
    """Let bones of the character's own armature turn the jaw, the eyes or both; return the new map.

    The bones' axes are read from the rest pose of a character that stands upright and faces -Y, as Blender's front
    view shows it. A jaw bone takes the place of the jaw's keys; the eyeLook keys stay, since they move the lids.

    Args:
        rig: a registered character.
        armature: the object that has the bones.
        jaw: name of the jaw's bone.
        eyes: names of the left and the right eye's bone.
        open_degrees: how far the jaw turns at ``jawOpen`` = 1; None is as far as on the head of ours.
    """
    _refuse_linked(rig.mesh, "choose the character's bones there")
    rig_map = rig.rig_map
    if jaw is not None:
        pitch, yaw = _face_axes(armature, jaw)
        turn = JAW_OPEN_RADIANS if open_degrees is None else radians(open_degrees)
        rig_map = with_jaw_bone(rig_map, jaw, pitch_axis=pitch, yaw_axis=yaw, open_radians=turn)
    for side, bone in zip(("Left", "Right"), eyes or (), strict=False):
        pitch, yaw = _face_axes(armature, bone)
        rig_map = with_eye_bone(rig_map, bone, side, pitch_axis=pitch, yaw_axis=yaw)
    set_rig_map(rig, rig_map)
    rig.mesh[BONES] = armature
    return rig_map


def report_of(rig: Rig) -> MatchReport:
    """Return what a character's map drives now, and what it leaves."""
    rig_map = rig.rig_map
    names = {label: _key_names(mesh) for label, mesh in rig.meshes}
    keys = {(label, key) for label, keys in names.items() for key in keys}
    with_drivers = {(label, key) for label, mesh in rig.meshes for key in _driven_keys(mesh)}
    mapped = tuple(zip(rig_map.key_meshes, rig_map.key_names, strict=True))
    matched = tuple(
        (*pair, ", ".join(shape for shape, weight in zip(ARKIT_SHAPES, row, strict=True) if weight))
        for pair, row in zip(mapped, rig_map.key_weights, strict=True)
        if pair in keys
    )
    weights = rig_map.key_weights[[pair in keys for pair in mapped]]
    moving = (weights != 0.0).any(axis=0) | (rig_map.bone_weights != 0.0).any(axis=(0, 1))
    rest = {label: [key for key in keys if (label, key) not in mapped] for label, keys in names.items()}
    spelled = match_keys(rest)[1]
    return MatchReport(
        matched=matched,
        unmatched_shapes=tuple(shape for shape, moves in zip(ARKIT_SHAPES, moving, strict=True) if not moves),
        unmatched_keys=tuple((label, key) for label, keys in rest.items() for key in keys),
        ambiguous=spelled.ambiguous,
        missing_keys=tuple(pair for pair in mapped if pair not in keys),
        driven_keys=tuple(pair for pair in mapped if pair in with_drivers),
    )


def needs_override(rig: Rig) -> bool:
    """Return whether some mesh of an overridden character still has the keys of the linked file."""
    return any(_is_system_override(thing) or _has_linked_keys(thing) for thing in _animated_objects(rig))


def make_animatable(rig: Rig) -> int:
    """Give a linked character that was overridden shape keys of its own that can be animated.

    Overriding a character leaves its meshes linked, and with them their shape keys. Each mesh gets an override of its
    own, so that two characters from one file do not share their keys.

    Returns:
        How many meshes were overridden.

    Raises:
        RigError: the character itself is linked, and wants to be overridden first.
    """
    made = 0
    for thing in _animated_objects(rig):
        if thing.library is not None:
            raise RigError(
                f"“{thing.name}” is linked from {thing.library.filepath}; make a library override of it first "
                "(Object, Library Override, Make)."
            )
        _make_user_editable(thing)
        if _has_linked_keys(thing):
            own = thing.data.override_create(remap_local_usages=False)
            if own is None:
                raise RigError(f"Blender cannot override the mesh of “{thing.name}”; append the character instead.")
            thing.data = own
            made += 1
    return made


def _meshes_with_keys(objects: Iterable[bpy.types.Object]) -> list[bpy.types.Object]:
    meshes: dict[bpy.types.Key, bpy.types.Object] = {}
    for thing in objects:
        keys = thing.data.shape_keys if thing.type == "MESH" else None
        if keys is None or len(keys.key_blocks) < 2:
            continue
        if thing.get(PART) in _BUILT_PARTS:
            raise RigError(f"“{thing.name}” is a head that CTEG built; it can perform as it is.")
        _refuse_linked(thing, "register the character there")
        if not keys.use_relative:
            raise RigError(
                f"The shape keys of “{thing.name}” are absolute; switch on Relative in their panel, so that each has a "
                "value."
            )
        # Linked duplicates share their keys: one of them is enough.
        meshes.setdefault(keys, thing)
    if not meshes:
        raise RigError("None of the objects is a mesh with shape keys; select the character's head, teeth and lashes.")
    return list(meshes.values())


def _refuse_linked(thing: bpy.types.Object, advice: str) -> None:
    override = thing.override_library
    reference = override.reference if override is not None else None
    library = thing.library or (reference.library if reference is not None else None)
    if library is not None:
        # Blender forgets new custom properties of an override when the file is opened again.
        raise RigError(f"“{thing.name}” is linked from {library.filepath}; {advice}.")


def _key_names(mesh: bpy.types.Object) -> list[str]:
    keys = mesh.data.shape_keys
    rest = keys.reference_key if keys is not None else None
    return [key.name for key in keys.key_blocks if key != rest] if keys is not None else []


def _driven_keys(mesh: bpy.types.Object) -> frozenset[str]:
    keys = mesh.data.shape_keys
    paths = compat.driven_paths(keys) if keys is not None else ()
    return frozenset(name for name in _key_names(mesh) if paths and key_path(name) in paths)


def _refuse_strange_labels(rig_map: RigMap, meshes: Mapping[str, object]) -> None:
    strange = sorted(set(rig_map.key_meshes) - set(meshes))
    if strange:
        raise RigError(
            f"The rig map is for meshes called {_listed(strange)}, and the character has {_listed(meshes)}; "
            "change the names of the meshes in the map."
        )


def _face_axes(armature: bpy.types.Object, name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return a bone's pitch and yaw axes (to the face's left, and up), in the bone's own axes."""
    bone = armature.data.bones.get(name) if armature.type == "ARMATURE" else None
    if bone is None:
        raise RigError(f"“{armature.name}” has no bone called “{name}”.")
    to_bone = (armature.matrix_world @ bone.matrix_local).to_3x3().normalized().inverted()
    left, up = (to_bone @ (FLAME_TO_WORLD @ Vector(axis)) for axis in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    return (left.x, left.y, left.z), (up.x, up.y, up.z)


def _animated_objects(rig: Rig) -> list[bpy.types.Object]:
    return [*(mesh for _, mesh in rig.meshes), *([rig.bones] if rig.bones is not None else [])]


def _has_linked_keys(thing: bpy.types.Object) -> bool:
    return thing.library is None and thing.type == "MESH" and thing.data.library is not None


def _is_system_override(thing: bpy.types.Object) -> bool:
    override = thing.override_library
    return override is not None and override.is_system_override


def _make_user_editable(thing: bpy.types.Object) -> None:
    # What is set on a system override is forgotten when the file is opened again.
    override = thing.override_library
    if override is not None and override.is_system_override:
        override.is_system_override = False


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
