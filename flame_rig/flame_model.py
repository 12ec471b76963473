"""The FLAME layout and its forward model.

Equations follow Li et al. 2017 ("Learning a model of facial shape and expression from 4D scans"),
section 3, with joints regressed from the shaped template.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

JOINT_NAMES: Final[tuple[str, ...]] = ("root", "neck", "jaw", "left_eye", "right_eye")
"""FLAME's joints in file order; jaw and eyes are children of the neck."""


@dataclass(frozen=True)
class Material:
    """How a part of the face looks: what a renderer needs, nothing of Blender's.

    Attributes:
        name: shown to the artist.
        base_color: linear RGB in [0, 1]; ignored where ``vertex_color`` is True.
        roughness, subsurface, specular, coat: as the Principled BSDF means them.
        vertex_color: take the base colour from the model's ``vertex_colors``.
    """

    name: str
    base_color: tuple[float, float, float]
    roughness: float = 0.5
    subsurface: float = 0.0
    specular: float = 0.5
    coat: float = 0.0
    vertex_color: bool = False


@dataclass(frozen=True)
class FlameModel:
    """A face in the FLAME layout: metres, y up, z out of the face, +x the subject's left.

    V vertices, F triangles, I identity components, E expression components, J joints.

    Attributes:
        name: shown to the user.
        space: id of the expression space that ``exprdirs`` spans.
        v_template: ``float64 [V, 3]`` the face at rest.
        faces: ``int64 [F, 3]`` triangles, counter-clockwise from outside.
        shapedirs: ``float64 [V, 3, I]`` identity basis.
        exprdirs: ``float64 [V, 3, E]`` expression basis.
        posedirs: ``float64 [V, 3, 9 * (J - 1)]`` pose correctives for the row-major entries of
            R - I of every joint but the root.
        joint_regressor: ``float64 [J, V]``, rows sum to 1.
        weights: ``float64 [V, J]`` skinning weights, rows sum to 1.
        parents: ``int64 [J]``, -1 for the root; a parent comes before its children.
        expr_names: E names, used as shape-key names.
        joint_names: J names, used as bone names.
        polygons: quads and triangles to show instead of ``faces`` (tuples of vertex indices).
        uvs: ``float64 [L, 2]`` one per corner of ``polygons`` in order.
        materials: what ``polygon_materials`` (``int64``, one per polygon) indexes.
        vertex_colors: ``float64 [V, 3]`` linear RGB.
        part_names: what ``vertex_parts`` (``int64 [V]``) indexes.
    """

    name: str
    space: str
    v_template: NDArray[np.float64]
    faces: NDArray[np.int64]
    shapedirs: NDArray[np.float64]
    exprdirs: NDArray[np.float64]
    posedirs: NDArray[np.float64]
    joint_regressor: NDArray[np.float64]
    weights: NDArray[np.float64]
    parents: NDArray[np.int64]
    expr_names: tuple[str, ...]
    joint_names: tuple[str, ...] = JOINT_NAMES
    polygons: tuple[tuple[int, ...], ...] | None = None
    uvs: NDArray[np.float64] | None = None
    materials: tuple[Material, ...] = ()
    polygon_materials: NDArray[np.int64] | None = None
    vertex_colors: NDArray[np.float64] | None = None
    part_names: tuple[str, ...] = ()
    vertex_parts: NDArray[np.int64] | None = field(default=None)
