"""References between objects that survive linking and library overrides.

An object can hold another in a custom property, and Blender keeps such a reference through renaming, duplicating and
appending. Not through a library override: read from its file again, the property points at the linked object once more.
"""

from __future__ import annotations

from collections.abc import Iterator

import bpy


def referred(holder: bpy.types.Object, name: str) -> bpy.types.Object | None:
    """Return the object that ``holder`` refers to under ``name``: of an override, the overridden one; None if gone."""
    return _beside(holder, holder.get(name))


def referred_all(holder: bpy.types.Object, name: str) -> Iterator[tuple[str, bpy.types.Object]]:
    """Yield the labels and objects that ``holder`` refers to under ``name``, without those that were deleted."""
    group = holder.get(name)
    for label, thing in group.items() if group is not None else ():
        found = _beside(holder, thing)
        if found is not None:
            yield str(label), found


def _beside(holder: bpy.types.Object, thing: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return ``thing``, or where ``holder`` is an override and ``thing`` still linked, its override beside it."""
    override = holder.override_library
    if thing is None or thing.library is None or override is None:
        return thing
    for other in bpy.data.objects:
        twin = other.override_library
        if twin is not None and twin.reference == thing and twin.hierarchy_root == override.hierarchy_root:
            return other
    return thing
