"""Characters of others: rig maps for meshes that have ARKit keys under any spelling, matched and then edited.

Every function returns a new map. Nothing is matched on a guess: what could mean two things is listed and left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.arkit import ARKIT_SHAPES, JAW_ROTATION_SHAPES
from flame_rig.arkit_spellings import Spelling, names_a_shape, spelling_of, without_copy_ending
from flame_rig.gaze import LOOK_RADIANS
from flame_rig.rig_map import Inputs, RigMap
from flame_rig.spaces import CTEG_HEAD_1, JAW_OPEN_RADIANS, JAW_SIDE_RADIANS

SHARED_PREFIX_KEYS: Final = 8
"""An unknown prefix counts as a namespace once this many different shapes of one mesh carry it."""

KEY_LIMITS: Final = (-10.0, 10.0)
"""Values of a key that nothing narrower is asked for: the hard limits of Blender's sliders."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class MatchReport:
    """What became of every key and every shape.

    Attributes:
        matched: (mesh, key, shape) of each key that the map drives.
        unmatched_shapes: ARKit shapes that no mesh has, in Apple's order.
        unmatched_keys: (mesh, key) of keys that mean no shape.
        ambiguous: (mesh, shape, keys) where several keys could be the shape; none of them is driven.
        passed_over: (mesh, key, shape) of keys that another key of the mesh, nearer to Apple's name, stands before.
        missing_keys: (mesh, key) of keys that the map drives and that are not there.
        driven_keys: (mesh, key) of matched keys that a driver moves already, so that a performance leaves them alone.
    """

    matched: tuple[tuple[str, str, str], ...]
    unmatched_shapes: tuple[str, ...]
    unmatched_keys: tuple[tuple[str, str], ...]
    ambiguous: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    passed_over: tuple[tuple[str, str, str], ...] = ()
    missing_keys: tuple[tuple[str, str], ...] = ()
    driven_keys: tuple[tuple[str, str], ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """Return the report as sentences for the user."""
        shapes = len(ARKIT_SHAPES) - len(self.unmatched_shapes)
        keys = f"{len(self.matched)} key{'s' if len(self.matched) != 1 else ''}"
        sentences = [f"{shapes} of the {len(ARKIT_SHAPES)} ARKit shapes drive {keys}."]
        if self.ambiguous:
            cases = "; ".join(f"{shape} on {mesh}: {', '.join(keys)}" for mesh, shape, keys in self.ambiguous)
            sentences.append(f"Several keys could be one shape, so none is driven; choose one: {cases}.")
        if self.passed_over:
            cases = "; ".join(f"{key} on {mesh} ({shape})" for mesh, key, shape in self.passed_over)
            sentences.append(f"Another key with a nearer name is driven in place of these: {cases}.")
        if self.unmatched_shapes:
            sentences.append(f"No key for: {', '.join(self.unmatched_shapes)}.")
        for sentence, pairs in (
            ("Keys that have drivers, and would be left alone", self.driven_keys),
            ("Keys of the map that are missing", self.missing_keys),
            ("Not driven, because they mean no ARKit shape", self.unmatched_keys),
        ):
            if pairs:
                sentences.append(f"{sentence}: {_by_mesh(pairs)}.")
        return tuple(sentences)


def _by_mesh(pairs: Sequence[tuple[str, str]]) -> str:
    groups = groupby(pairs, key=lambda pair: pair[0])
    return "; ".join(f"{mesh}: {', '.join(key for _, key in keys)}" for mesh, keys in groups)


def empty_map() -> RigMap:
    """Return a map of ``cteg-head-1`` that drives nothing yet, to be filled with :func:`with_key`."""
    width = Inputs.ARKIT.key_width
    return RigMap(CTEG_HEAD_1.id, (), np.zeros((0, width)), (), np.zeros((0, 3, width)), Inputs.ARKIT)


def match_keys(meshes: Mapping[str, Sequence[str]]) -> tuple[RigMap, MatchReport]:
    """Find the ARKit shapes among the keys of a character's meshes.

    Args:
        meshes: the names of each mesh's shape keys, without its rest shape, under the mesh's label.

    Returns:
        A map that drives each matched key 1 : 1 within [0, 1], and what became of the rest.
    """
    rig_map = empty_map()
    matched: list[tuple[str, str, str]] = []
    unmatched: list[tuple[str, str]] = []
    ambiguous: list[tuple[str, str, tuple[str, ...]]] = []
    passed_over: list[tuple[str, str, str]] = []
    for mesh, keys in meshes.items():
        readings = _readings(keys)
        unmatched += [(mesh, key) for key in keys if key not in readings]
        candidates: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for key, reading in readings.items():
            candidates[reading.shape, reading.side].append(key)
        for (shape, side), rivals in candidates.items():
            nearest = min(readings[key].likeness for key in rivals)
            chosen = [key for key in rivals if readings[key].likeness == nearest]
            whole = candidates.get((shape, "")) if side else None
            if whole:
                # A mesh with the whole shape and its halves: driving both would move it twice.
                passed_over += [(mesh, key, shape) for key in rivals]
            elif len(chosen) > 1:
                ambiguous.append((mesh, shape, tuple(chosen)))
            else:
                matched.append((mesh, chosen[0], shape))
                passed_over += [(mesh, key, shape) for key in rivals if key != chosen[0]]
    for mesh, key, shape in matched:
        rig_map = with_key(rig_map, key, shape, mesh=mesh, limits=(0.0, 1.0))
    found = {shape for _, _, shape in matched}
    missing = tuple(shape for shape in ARKIT_SHAPES if shape not in found)
    return rig_map, MatchReport(tuple(matched), missing, tuple(unmatched), tuple(ambiguous), tuple(passed_over))


def with_key(
    rig_map: RigMap,
    key: str,
    shapes: str | Mapping[str, float],
    *,
    mesh: str = "",
    gain: float = 1.0,
    offset: float = 0.0,
    limits: tuple[float, float] = KEY_LIMITS,
) -> RigMap:
    """Return the map with one key set: value = gain * (sum of weighted shapes) + offset, held to ``limits``.

    Args:
        key: name of the shape key; what the map said of it before is replaced.
        shapes: one ARKit shape, or weights of several.
        mesh: label of the mesh that has the key.
    """
    _check_arkit(rig_map)
    row = np.zeros(len(ARKIT_SHAPES))
    for shape, weight in ({shapes: 1.0} if isinstance(shapes, str) else shapes).items():
        if shape not in ARKIT_SHAPES:
            raise ValueError(f"“{shape}” is no ARKit shape; their names are written as in jawOpen or eyeBlinkLeft.")
        row[ARKIT_SHAPES.index(shape)] = gain * weight
    without = without_key(rig_map, key, mesh=mesh)
    return replace(
        without,
        key_names=(*without.key_names, key),
        key_meshes=(*without.key_meshes, mesh),
        key_weights=np.vstack([without.key_weights, row]),
        key_offsets=np.append(without.key_offsets, offset),
        key_limits=np.vstack([without.key_limits, limits]),
    )


def without_key(rig_map: RigMap, key: str, *, mesh: str = "") -> RigMap:
    """Return the map without one key; the same map if it does not drive it."""
    pairs = zip(rig_map.key_meshes, rig_map.key_names, strict=True)
    return _with_rows(rig_map, [pair != (mesh, key) for pair in pairs])


def for_meshes(rig_map: RigMap, meshes: Sequence[str]) -> RigMap:
    """Return the map for a character whose meshes are called otherwise only by Blender's endings (``Head.001``).

    Meshes that are called as in the map stay; those that no mesh, or more than one, could be are left as they are.
    """
    labels = set(rig_map.key_meshes)
    strange, free = _by_stem(labels - set(meshes)), _by_stem(set(meshes) - labels)
    names = {
        likely[0]: free[stem][0]
        for stem, likely in strange.items()
        if len(likely) == 1 and len(free.get(stem, ())) == 1
    }
    return replace(rig_map, key_meshes=tuple(names.get(mesh, mesh) for mesh in rig_map.key_meshes))


def with_jaw_bone(
    rig_map: RigMap,
    bone: str,
    *,
    pitch_axis: Vector = (1.0, 0.0, 0.0),
    yaw_axis: Vector = (0.0, 1.0, 0.0),
    open_radians: float = JAW_OPEN_RADIANS,
    side_radians: float = JAW_SIDE_RADIANS,
) -> RigMap:
    """Return the map with a bone for the jaw, in place of all keys that only jawOpen, jawLeft and jawRight drive.

    Args:
        bone: name of the bone.
        pitch_axis: the axis, in the bone's own axes, that opens the mouth when turned by a positive angle.
        yaw_axis: the axis that moves the chin to the character's left.
        open_radians, side_radians: angles at ``jawOpen`` = 1 and at ``jawLeft`` = 1.
    """
    _check_arkit(rig_map)
    jaw = [shape in JAW_ROTATION_SHAPES for shape in ARKIT_SHAPES]
    only_jaw = (rig_map.key_weights != 0.0).any(axis=1) & ~(rig_map.key_weights[:, np.logical_not(jaw)] != 0.0).any(
        axis=1
    )
    side = side_radians * _unit(yaw_axis)
    turns = {"jawOpen": open_radians * _unit(pitch_axis), "jawLeft": side, "jawRight": -side}
    return _with_bone(_with_rows(rig_map, (~only_jaw).tolist()), bone, turns)


def with_eye_bone(
    rig_map: RigMap,
    bone: str,
    side: str,
    *,
    pitch_axis: Vector = (1.0, 0.0, 0.0),
    yaw_axis: Vector = (0.0, 1.0, 0.0),
) -> RigMap:
    """Return the map with a bone for an eye; keys that the eyeLook shapes drive stay, since they move the lids.

    Args:
        bone: name of the bone.
        side: ``Left`` or ``Right``, the character's.
        pitch_axis: the axis, in the bone's own axes, that turns the gaze down by a positive angle.
        yaw_axis: the axis that turns the gaze to the character's left.
    """
    _check_arkit(rig_map)
    if side not in ("Left", "Right"):
        raise ValueError(f"An eye is “Left” or “Right”; got “{side}”.")
    outwards = 1.0 if side == "Left" else -1.0
    pitch, yaw = _unit(pitch_axis), _unit(yaw_axis)
    turns = {"Up": -pitch, "Down": pitch, "In": -outwards * yaw, "Out": outwards * yaw}
    return _with_bone(
        rig_map, bone, {f"eyeLook{way}{side}": LOOK_RADIANS[way] * vector for way, vector in turns.items()}
    )


def without_bone(rig_map: RigMap, bone: str) -> RigMap:
    """Return the map without one bone; the same map if it does not drive it."""
    keep = [name != bone for name in rig_map.bone_names]
    return replace(
        rig_map,
        bone_names=tuple(name for name in rig_map.bone_names if name != bone),
        bone_weights=rig_map.bone_weights[keep],
    )


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    stems: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        stems[without_copy_ending(name)].append(name)
    return stems


def _readings(keys: Sequence[str]) -> dict[str, Spelling]:
    """Return what those keys mean that mean anything: unknown prefixes count only where many keys share them."""
    spelled = {key: spelling_of(key) for key in keys}
    found = {key: spelling for key, spelling in spelled.items() if spelling is not None}
    prefixes = Counter(prefix for prefix, _ in {(one.prefix, one.shape) for one in found.values()})
    namespaces = {
        prefix for prefix, count in prefixes.items() if count >= SHARED_PREFIX_KEYS and not names_a_shape(prefix)
    }
    return {key: one for key, one in found.items() if not one.prefix or one.prefix in namespaces}


def _with_rows(rig_map: RigMap, keep: list[bool]) -> RigMap:
    if all(keep):
        return rig_map
    kept = np.array(keep, dtype=bool)
    return replace(
        rig_map,
        key_names=tuple(np.array(rig_map.key_names, dtype=object)[kept]),
        key_meshes=tuple(np.array(rig_map.key_meshes, dtype=object)[kept]),
        key_weights=rig_map.key_weights[kept],
        key_offsets=rig_map.key_offsets[kept],
        key_limits=rig_map.key_limits[kept],
    )


def _with_bone(rig_map: RigMap, bone: str, turns: Mapping[str, NDArray[np.float64]]) -> RigMap:
    weights = np.zeros((3, len(ARKIT_SHAPES)))
    for shape, vector in turns.items():
        weights[:, ARKIT_SHAPES.index(shape)] = vector
    without = without_bone(rig_map, bone)
    return replace(
        without,
        bone_names=(*without.bone_names, bone),
        bone_weights=np.concatenate([without.bone_weights, weights[None]]),
    )


def _unit(axis: ArrayLike) -> NDArray[np.float64]:
    vector = np.asarray(axis, dtype=np.float64)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else 0.0
    if not (np.isfinite(length) and length > 0.0):
        raise ValueError(f"A bone turns around an axis of three numbers that are not all 0; got {axis!r}.")
    return vector / length


def _check_arkit(rig_map: RigMap) -> None:
    if rig_map.inputs is not Inputs.ARKIT:
        raise ValueError("This map drives a head that CTEG built; only maps of other characters can be edited.")
