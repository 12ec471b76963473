"""Small heads, and how to look at what Blender makes of them."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from addon.rig import Rig
from cteg_core.clip import ExpressionClip
from flame_rig.flame_model import FlameModel, Material
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH


def box_head(space: str = "test", names: tuple[str, ...] = ("a", "b", "c"), seed: int = 0) -> FlameModel:
    """A box of six quads, 20 cm high, with three joints, a look, and seeded shapes, weights and correctives.

    The last expression component moves nothing, and so does the fifth corrective of the jaw.
    """
    rng = np.random.default_rng(seed)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    exprdirs = rng.normal(scale=0.02, size=(8, 3, len(names)))
    exprdirs[:, :, -1] = 0.0
    posedirs = rng.normal(scale=0.01, size=(8, 3, 18))
    posedirs[:, :, 9 + 4] = 1e-8
    weights, regressor = rng.random((8, 3)), rng.random((3, 8))
    weights[0] = 0, 0, 1
    return FlameModel(
        name="box",
        space=space,
        v_template=0.1 * corners,
        faces=np.array([[q[i], q[i + 1], q[i + 2]] for q in quads for i in (0, 1)]),
        shapedirs=np.zeros((8, 3, 0)),
        exprdirs=exprdirs,
        posedirs=posedirs,
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        weights=weights / weights.sum(axis=1, keepdims=True),
        parents=np.array([-1, 0, 1]),
        expr_names=names,
        joint_names=("root", "neck", "jaw"),
        polygons=quads,
        uvs=rng.random((24, 2)),
        materials=(Material("Skin", (0.8, 0.5, 0.4), vertex_color=True), Material("Eye", (1, 1, 1), coat=0.3)),
        polygon_materials=np.array([0, 0, 1, 0, 0, 1]),
        vertex_colors=rng.random((8, 3)),
    )


def talking_box() -> FlameModel:
    """The box with the 50 components of ``cteg-head-1``."""
    return box_head(CTEG_HEAD_1.id, CTEG_HEAD_1.names)


def make_clip(count: int = 20, fps: float = 24.0, seed: int = 0, space: str = CTEG_HEAD_1.id) -> ExpressionClip:
    """A clip of seeded noise within the lawful range of ``cteg-head-1``, at rest at both ends."""
    frames = np.random.default_rng(seed).uniform(CTEG_HEAD_1.lower, CTEG_HEAD_1.upper, (count, FRAME_WIDTH))
    frames[[0, -1]] = 0.0
    return ExpressionClip(frames=frames.astype(np.float32), fps=fps, space=space, text="Well, hello there!", seed=seed)


def evaluated_vertices(rig: Rig) -> NDArray[np.float64]:
    """The mesh's vertices as Blender shows them, ``[V, 3]``, in the mesh's own axes (FLAME's)."""
    mesh = rig.mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    flat = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def key_values(rig: Rig) -> dict[str, float]:
    """The evaluated value of every shape key."""
    keys = rig.keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {key.name: key.value for key in keys.key_blocks}


def bone_matrix(rig: Rig, name: str) -> NDArray[np.float64]:
    """A bone's evaluated rotation relative to its parent, ``[3, 3]``, whatever its rotation mode."""
    armature = rig.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return np.array(armature.pose.bones[name].matrix_basis.to_3x3())
