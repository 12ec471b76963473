"""Curves to be: the channels of a performance as values of a rig's properties, and what of them is lost, by name."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Euler, Quaternion
from numpy.typing import NDArray

from flame_rig.channels import Channels
from flame_rig.key_reduction import kept_keys_of

from . import compat
from .rig import Rig

_KEY_GROUP: Final = "Shape Keys"
_SLIDER_TOLERANCE: Final = 1e-6
_SAMPLES_A_STEP: Final = 20_000


@dataclass(frozen=True, eq=False)
class Curve:
    """One F-curve to be.

    Attributes:
        data_path, index, group: as Blender names them.
        values: ``float64 [N]``, one per sample.
        samples: ``int64 [K]``, which of them get a key; None is all.
    """

    data_path: str
    index: int
    group: str
    values: NDArray[np.float64]
    samples: NDArray[np.int64] | None = None


def key_path(name: str) -> str:
    """Return the data path of a shape key's value, from its ``Key`` data-block."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def curves_of(channels: Channels, rig: Rig) -> tuple[dict[compat.Animated, list[Curve]], list[str]]:
    """Return the curves of each data-block of a rig, and sentences about what of the motion is lost or will not show.

    Properties that are driven or locked are named and left out.
    """
    notes: list[str] = []
    curves = _curves_of_keys(channels, rig, notes)
    if rig.bones is not None:
        curves[rig.bones] = list(_bone_curves(channels, rig.bones, notes))
    elif channels.bone_names:
        notes += _listed("The armature is gone, so the motion of these bones is lost", channels.bone_names)
    return {owner: wanted for owner, wanted in curves.items() if wanted}, notes


def thinning(curves: Sequence[Curve], tolerance: float) -> Generator[None, None, list[Curve]]:
    """Return curves with keys only where they are needed for every value to be within ``tolerance``; some a step.

    The components of one property (a rotation's) keep their keys together. A tolerance of 0 keys every sample.
    """
    if tolerance <= 0.0:
        return list(curves)
    thin: list[Curve] = []
    properties = [list(components) for _, components in groupby(curves, key=lambda curve: curve.data_path)]
    while properties:
        most = max(1, _SAMPLES_A_STEP // len(curves[0].values))
        some, properties = properties[:most], properties[most:]
        values = np.stack([curve.values for components in some for curve in components], axis=1)
        kept = kept_keys_of(values, tolerance, [len(components) for components in some])
        for components, samples in zip(some, kept, strict=True):
            thin += [replace(curve, samples=samples) for curve in components]
        if properties:
            yield
    return thin


def _curves_of_keys(channels: Channels, rig: Rig, notes: list[str]) -> dict[compat.Animated, list[Curve]]:
    faults = _KeyFaults()
    curves: dict[compat.Animated, list[Curve]] = {}
    for label, mesh in rig.meshes:
        keys = rig.keys if mesh == rig.mesh else mesh.data.shape_keys
        columns = [column for column, owner in enumerate(channels.key_meshes) if owner == label]
        if keys is None:
            faults.missing += [f"{label}/{channels.key_names[column]}" for column in columns]
            continue
        prefix = f"{label}/" if rig.others else ""
        curves[keys] = list(_key_curves(channels, columns, keys, prefix, faults))
        if mesh.show_only_shape_key:
            notes.append(f"“{mesh.name}” shows one shape key alone (the pin beside its keys); the rest does not show.")
    gone = sorted(set(channels.key_meshes) - {label for label, _ in rig.meshes})
    notes += _listed("These meshes of the character are gone, so their motion is lost", gone)
    notes += faults.sentences()
    return curves


@dataclass
class _KeyFaults:
    """Names of the keys whose motion is lost or will not show, gathered over all meshes."""

    missing: list[str] = field(default_factory=list)
    driven: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    cut_off: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        return [
            *_listed("These shape keys are missing from the head, so their motion is lost", self.missing),
            *_listed("These shape keys have drivers and were left alone", self.driven),
            *_listed("These shape keys are muted, so their motion does not show", self.muted),
            *_listed("These shape keys leave the range of their sliders and are cut off there (frames)", self.cut_off),
        ]


def _key_curves(
    channels: Channels, columns: Sequence[int], keys: bpy.types.Key, prefix: str, faults: _KeyFaults
) -> Iterator[Curve]:
    driven = compat.driven_paths(keys)
    for column in columns:
        name = channels.key_names[column]
        key, path, shown = keys.key_blocks.get(name), key_path(name), prefix + name
        if key is None:
            faults.missing.append(shown)
        elif path in driven:
            faults.driven.append(shown)
        else:
            values = channels.key_values[:, column]
            beyond = (values < key.slider_min - _SLIDER_TOLERANCE) | (values > key.slider_max + _SLIDER_TOLERANCE)
            count = int(beyond.sum()) + int(channels.clamped[column])
            if count:
                faults.cut_off.append(f"{shown} ({count})")
            if key.mute:
                faults.muted.append(shown)
            yield Curve(path, 0, _KEY_GROUP, values)


def _bone_curves(channels: Channels, armature: bpy.types.Object, notes: list[str]) -> Iterator[Curve]:
    driven = compat.driven_paths(armature)
    missing: list[str] = []
    left_alone: list[str] = []
    locked: list[str] = []
    for column, name in enumerate(channels.bone_names):
        bone = armature.pose.bones.get(name)
        if bone is None:
            missing.append(name)
            continue
        property_name, values = _rotation_values(bone.rotation_mode, channels.bone_quaternions[:, column])
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].{property_name}'
        if path in driven:
            left_alone.append(name)
        elif any(bone.lock_rotation):
            locked.append(name)
        else:
            for index in range(values.shape[1]):
                yield Curve(path, index, name, values[:, index])
    notes += _listed("These bones are missing from the head, so their motion is lost", missing)
    notes += _listed("The rotations of these bones have drivers and were left alone", left_alone)
    notes += _listed("The rotations of these bones are locked and were left alone", locked)


def _rotation_values(mode: str, rotations: NDArray[np.float64]) -> tuple[str, NDArray[np.float64]]:
    """Return the property that a bone in rotation mode ``mode`` turns by, and its values ``[N, 3 or 4]``."""
    if mode == "QUATERNION":
        return "rotation_quaternion", rotations
    if mode == "AXIS_ANGLE":
        sine = np.linalg.norm(rotations[:, 1:], axis=1)
        turned = sine[:, None] > 0.0
        axis = np.where(turned, rotations[:, 1:] / np.where(turned, sine[:, None], 1.0), (0.0, 1.0, 0.0))
        return "rotation_axis_angle", np.column_stack([2.0 * np.arctan2(sine, rotations[:, 0]), axis])
    eulers: list[Euler] = []
    order: Any = mode
    for rotation in rotations:
        # Near the last angles rather than within ±180 degrees, so that curves do not jump.
        eulers.append(Quaternion(rotation).to_euler(order, *eulers[-1:]))
    return "rotation_euler", np.array(eulers, dtype=np.float64)


def _listed(sentence: str, names: Sequence[str]) -> list[str]:
    return [f"{sentence}: {', '.join(names)}."] if names else []
