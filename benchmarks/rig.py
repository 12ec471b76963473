"""How fast the forward model is, how fast and exact a rig: `python -m benchmarks.rig [PART …] [--model FILE]`.

The forward model is measured wherever numpy is. Under a Python that has Blender's module, building a rig, playing
it and its distance from the float64 forward model are measured too. Without a FLAME file the second head is a surrogate
of FLAME's size filled with seeded noise; for the retarget it is the project's head in another topology.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.retarget import speed as retarget_speed
from benchmarks.timing import seconds
from flame_rig.flame_file import read_flame
from flame_rig.flame_model import FlameModel, ForwardModel, joints_at_rest, posed_vertices
from flame_rig.head import build_head
from flame_rig.retarget import solve_space_map
from flame_rig.retarget.surface import skin_of
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT
from tests.fakes.flame_sized import flame_sized_head
from tests.fakes.surrogate import make_surrogate, unbent

FRAMES: Final = 512
POSES: Final = 200
MODES: Final = ("QUATERNION", "XYZ", "ZYX", "AXIS_ANGLE")
PLAYED: Final = 100
PARTS: Final = ("forward", "joints", "build", "parity", "retarget")
GEMM: Final = 1024

_TYPES: Final[tuple[type[np.float64] | type[np.float32], ...]] = (np.float64, np.float32)
Table = dict[str, float]


def calibration() -> Table:
    """Return what numpy's matrix product reaches here, in 1e9 floating point operations a second."""
    table: Table = {}
    for dtype in _TYPES:
        square = np.ones((GEMM, GEMM), dtype=dtype)
        table[f"GEMM {np.dtype(dtype).name}, GFLOP/s"] = 2 * GEMM**3 / seconds(partial(np.matmul, square, square)) / 1e9
    return table


def forward_speed(model: FlameModel, components: int) -> Table:
    """Return frames a second of a clip, and what share of the matrix product's speed its arithmetic reaches."""
    rng = np.random.default_rng(0)
    expression = rng.uniform(0.0, 1.0, (FRAMES, components))
    pose = rng.normal(scale=0.2, size=(FRAMES, len(model.parents), 3))
    table: Table = {}
    for dtype in _TYPES:
        prepared = ForwardModel(model, components, joints="identity", dtype=dtype)
        table[f"{np.dtype(dtype).name}, frames/s"] = FRAMES / seconds(partial(prepared.vertices, expression, pose))
    few = slice(0, 8)
    single = seconds(lambda: [posed_vertices(model, expression[i : i + 1], pose[i : i + 1]) for i in range(8)]) / 8
    table["one frame a call, frames/s"] = 1.0 / single
    exact = posed_vertices(model, expression[few], pose[few], joints="identity")
    quick = ForwardModel(model, components, joints="identity", dtype=np.float32).vertices(expression[few], pose[few])
    table["float32 off by at most, m"] = float(np.abs(quick - exact).max())
    return table


def joint_shift(model: FlameModel, components: int) -> Table:
    """Return what bones that expressions do not move lose against joints that are regressed from the expression.

    Expressions are eight of the project's shapes at a time, or a standard deviation of every component.
    """
    rng = np.random.default_rng(1)
    if model.space == CTEG_HEAD_1.id:
        expression = np.zeros((POSES, components))
        for row in expression:
            row[rng.choice(EXPRESSION_COUNT - 1, 8, replace=False)] = rng.uniform(0.0, 1.0, 8)
    else:
        expression = rng.normal(size=(POSES, components))
    pose = np.zeros((POSES, len(model.parents), 3))
    pose[:, model.joint_names.index("jaw"), 0] = rng.uniform(0.0, 0.34, POSES)
    pose[:, model.joint_names.index("neck")] = rng.normal(scale=0.1, size=(POSES, 3))
    moved = np.tensordot(expression, model.joint_regressor @ model.exprdirs[:, :, :components].transpose(2, 0, 1), 1)
    off = posed_vertices(model, expression, pose) - posed_vertices(model, expression, pose, joints="identity")
    lengths = np.linalg.norm(off, axis=-1)
    return {
        "a joint moves by at most, mm": 1e3 * float(np.linalg.norm(moved, axis=-1).max()),
        "a vertex is off by at most, mm": 1e3 * float(lengths.max()),
        "root mean square, mm": 1e3 * float(np.sqrt((lengths**2).mean())),
    }


def with_joints_from_skin(model: FlameModel) -> FlameModel:
    """Return the head with neck and jaw regressed from the skin nearest to them, eight vertices a side.

    So it is in FLAME, whose expressions move those vertices; the project's head takes vertices that none moves.
    """
    joints, regressor = joints_at_rest(model), model.joint_regressor.copy()
    skin = skin_of(model).vertices
    points = model.v_template[skin]
    for joint in (model.joint_names.index(name) for name in ("neck", "jaw")):
        near = np.argsort(np.linalg.norm(points - joints[joint], axis=1))
        sides = [near[points[near, 0] * sign > 0.0][:8] for sign in (-1.0, 1.0)]
        chosen = np.concatenate(sides)
        system = np.vstack([points[chosen].T, np.ones(len(chosen))])
        regressor[joint] = 0.0
        regressor[joint, skin[chosen]] = np.linalg.lstsq(system, np.append(joints[joint], 1.0), rcond=None)[0]
    return replace(model, name="project's head, joints from the skin", joint_regressor=regressor)


def rig_speed(model: FlameModel) -> Table:
    """Return how long building a rig takes in this Blender, and playing it."""
    import bpy

    from addon.rig import build_rig

    _empty_file()
    table: Table = {
        "build with 100 expression keys, s": seconds(lambda: build_rig(model, expressions=100), 3),
        "the same without regions, s": seconds(lambda: build_rig(model, expressions=100, regions=False), 3),
        "the same with 100 identity keys more, s": seconds(
            lambda: build_rig(model, expressions=100, identities=100, regions=False), 3
        ),
    }
    _empty_file()
    rig = build_rig(model, expressions=100)
    scene: Any = bpy.context.scene
    pose: Any = rig.armature.pose
    bone: Any = pose.bones["jaw"]
    for frame in (1, PLAYED):
        bone.rotation_quaternion = (1.0, 0.003 * frame, 0.0, 0.0)
        bone.keyframe_insert("rotation_quaternion", frame=frame)
    played = seconds(lambda: [scene.frame_set(frame) for frame in range(1, 1 + PLAYED)], 3)
    table["playing a moving jaw, ms a frame"] = 1e3 * played / PLAYED
    return table


def rig_errors(model: FlameModel) -> Table:
    """Return how far a rig in this Blender is from the float64 forward model at worst, in metres."""
    from addon.rig import build_rig
    from tests.addon.parity import random_poses, worst_error

    table: Table = {}
    poses = random_poses(model, POSES)
    _empty_file()
    rig = build_rig(model, expressions=100, regions=False)
    for mode in MODES:
        table[f"worst error, {mode}, m"] = worst_error(rig, model, poses, mode)
    _empty_file()
    rig = build_rig(model, expressions=100, regions=False, units_per_metre=100.0)
    table["worst error, unit scale 0.01, m"] = worst_error(rig, model, poses)
    if model.shapedirs.shape[2]:
        _empty_file()
        table["worst error, bones fitted to an identity, m"] = _fitted_error(model)
    return table


def _empty_file() -> None:
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)


def _fitted_error(model: FlameModel) -> float:
    from addon import api
    from addon.rig import build_rig
    from tests.addon.parity import random_poses, worst_error

    identity = np.random.default_rng(2).normal(size=min(20, model.shapedirs.shape[2]))
    rig = build_rig(model, expressions=100, identities=len(identity))
    for component, value in enumerate(identity.tolist()):
        rig.keys.key_blocks[f"Shape{component:03}"].value = value
    api.fit_bones(rig)
    error: float = worst_error(rig, model, random_poses(model, POSES), identity=identity)
    return error


def measure(parts: Sequence[str], model_file: Path | None) -> dict[str, Table]:
    """Return the tables of some of ``PARTS``; those of Blender are left out where there is none."""
    heads = {"project's head": build_head()}
    if model_file is None:
        heads["surrogate of FLAME's size"] = flame_sized_head(expressions=100)
    else:
        heads[model_file.name] = read_flame(model_file).model
    tables: dict[str, Table] = {"calibration": calibration()} if "forward" in parts or "build" in parts else {}
    version = _blender_version()
    for name, model in heads.items():
        known = model.exprdirs.shape[2]
        head = f"{name}, {len(model.v_template)} vertices"
        if "forward" in parts:
            for components in sorted({50, known}):
                tables[f"forward model: {head}, {components} components"] = forward_speed(model, components)
        if "joints" in parts:
            tables[f"joints that expressions would move: {head}"] = joint_shift(model, known)
            if model.space == CTEG_HEAD_1.id:
                other = with_joints_from_skin(model)
                tables[f"joints that expressions would move: {other.name}"] = joint_shift(other, known)
        if "build" in parts and version:
            tables[f"rig in Blender {version}: {head}"] = rig_speed(model)
        if "parity" in parts and version:
            tables[f"{POSES} random poses in Blender {version}: {head}"] = rig_errors(model)
    if "retarget" in parts:
        face = make_surrogate(unbent).model if model_file is None else heads[model_file.name]
        tables[f"retarget, {len(face.v_template)} vertices, frames/s"] = retarget_speed(solve_space_map(face))
    return tables


def _blender_version() -> str:
    if importlib.util.find_spec("bpy") is None:
        return ""
    import bpy

    return str(bpy.app.version_string)


def main() -> None:
    """Measure, print, and write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; all")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a FLAME file of yours, in the surrogate's place")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    tables = measure(arguments.parts or PARTS, arguments.model)
    for title, table in tables.items():
        print(title)
        for what, value in table.items():
            print(f"    {what:<46} {value:.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=2))
    sys.stdout.flush()
    # Blender 4 crashes in its own clean-up while Python classes exist.
    os._exit(0)


if __name__ == "__main__":
    main()
