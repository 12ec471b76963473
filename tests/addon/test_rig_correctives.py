"""Correctives: driven by the bones whatever turns those, without scripts; baked for export and driven again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Euler

import addon
from addon import actions, api, compat
from addon.actions import BakeError
from addon.rig import Rig, build_rig
from flame_rig.channels import quaternions
from flame_rig.flame_model import posed_vertices, rotation_matrices
from tests.addon.heads import box_head, evaluated_vertices, key_values, make_clip, talking_box

CORRECTIVES = [f"Pose{column:03}" for column in range(18) if column != 13]
FRAMES = range(1, 13)
ROOT = Path(__file__).parents[2]


def correctives_of(rotation: np.ndarray) -> np.ndarray:
    """The jaw's correctives of a rotation matrix, without the fifth, which the box does not have."""
    return np.delete((rotation - np.eye(3)).ravel(), 4)


def jaw_correctives(rig: Rig) -> np.ndarray:
    values = key_values(rig)
    return np.array([values[name] for name in CORRECTIVES[9:]])


def played(rig: Rig) -> np.ndarray:
    """Every key's value at every frame."""
    rows = []
    for frame in FRAMES:
        bpy.context.scene.frame_set(frame)
        rows.append(list(key_values(rig).values()))
    return np.array(rows)


def performing(to_nla: bool = False) -> Rig:
    """A head with a take at the scene's frames 1 to 12."""
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = FRAMES[0], FRAMES[-1]
    rig = build_rig(talking_box())
    api.bake(make_clip(len(FRAMES), seed=4), rig, start_frame=FRAMES[0], to_nla=to_nla)
    return rig


def drivers(rig: Rig) -> set[str]:
    return {driver.data_path for driver in rig.keys.animation_data.drivers}


class TestDriven:
    def test_term_by_term(self) -> None:
        rig = build_rig(box_head())
        vector = np.array([0.3, -0.2, 0.1])
        rig.armature.pose.bones["jaw"].rotation_quaternion = quaternions(vector)
        assert jaw_correctives(rig) == pytest.approx(correctives_of(rotation_matrices(vector)), abs=1e-6)
        assert [key_values(rig)[name] for name in CORRECTIVES[:9]] == pytest.approx([0] * 9, abs=1e-6)

    @pytest.mark.parametrize("factor", [-1.0, 2.5, -0.3])
    def test_a_quaternions_sign_and_length_are_nothing(self, factor: float) -> None:
        rig = build_rig(box_head())
        vector = np.array([0.5, 0.2, -0.4])
        rig.armature.pose.bones["jaw"].rotation_quaternion = factor * quaternions(vector)
        assert jaw_correctives(rig) == pytest.approx(correctives_of(rotation_matrices(vector)), abs=1e-6)

    def test_beyond_half_a_turn_and_in_gimbal_lock(self) -> None:
        rig = build_rig(box_head())
        bone = rig.armature.pose.bones["jaw"]
        bone.rotation_mode = "XYZ"
        for angles in [(0.4, np.pi / 2, 0.3), (3.5, 0.0, 0.0), (0.1, 0.2, -7.0)]:
            bone.rotation_euler = angles
            wanted = correctives_of(np.array(Euler(angles).to_matrix()))
            assert jaw_correctives(rig) == pytest.approx(wanted, abs=2e-6)

    def test_constraints_count_like_keyframes(self) -> None:
        rig = build_rig(box_head())
        limit = rig.armature.pose.bones["jaw"].constraints.new("LIMIT_ROTATION")
        limit.owner_space, limit.use_limit_x, limit.min_x, limit.max_x = "LOCAL", True, 0.3, 0.3
        assert jaw_correctives(rig) == pytest.approx(correctives_of(rotation_matrices([0.3, 0.0, 0.0])), abs=1e-6)

    def test_the_parents_rotation_does_not(self) -> None:
        rig = build_rig(box_head())
        rig.armature.rotation_euler = (1.0, 2.0, 3.0)
        rig.armature.pose.bones["neck"].rotation_quaternion = quaternions([0.5, 0.4, 0.3])
        assert jaw_correctives(rig) == pytest.approx(np.zeros(8), abs=1e-6)

    def test_a_saved_head_follows_its_bones_where_scripts_may_not_run(self, tmp_path: Path) -> None:
        model = box_head()
        rig = build_rig(model)
        keys, needs_python = rig.keys, bpy.data.objects.new("needs python", None)
        bpy.context.scene.collection.objects.link(needs_python)
        # A driver that does need permission shows that there was none.
        needs_python.driver_add("location", 0).driver.expression = "len(bpy.data.objects) + 40"
        assert all(driver.driver.is_simple_expression for driver in keys.animation_data.drivers)
        path = tmp_path / "head.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path))
        vectors = np.array([[0.1, 0.0, 0.2], [0.2, -0.3, 0.0], [0.4, 0.1, -0.2]])
        found = subprocess.run(
            [sys.executable, "-c", _OPEN_WITHOUT_SCRIPTS, str(path), json.dumps(quaternions(vectors).tolist())],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        seen = json.loads(found.stdout.splitlines()[-1])
        assert seen["needs_python"] == 0.0
        wanted = posed_vertices(model, np.zeros((1, 3)), vectors[None], joints="identity")[0]
        assert np.array(seen["vertices"]) == pytest.approx(wanted, abs=1e-6)


_OPEN_WITHOUT_SCRIPTS = """
import json, os, sys, tempfile
os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp()
import bpy
bpy.context.preferences.filepaths.use_scripts_auto_execute = False
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], use_scripts=False)
from addon.rig import rigs_of
from tests.addon.heads import evaluated_vertices
rig, = rigs_of(bpy.data.objects)
for bone, rotation in zip(rig.armature.pose.bones, json.loads(sys.argv[2]), strict=True):
    bone.rotation_quaternion = rotation
print(json.dumps({
    "vertices": evaluated_vertices(rig).tolist(),
    "needs_python": bpy.data.objects["needs python"].evaluated_get(bpy.context.evaluated_depsgraph_get()).location[0],
}), flush=True)
os._exit(0)
"""


class TestBaked:
    @pytest.mark.parametrize("to_nla", [False, True])
    def test_keyframes_play_what_the_drivers_did(self, to_nla: bool) -> None:
        rig = performing(to_nla)
        live = played(rig)
        vertices = evaluated_vertices(rig)
        take = api.bake_correctives(rig)
        assert (take.frame_start, take.frame_end) == (1, 12)
        assert not drivers(rig)
        assert all(actions.is_ours(action) for action in take.actions)
        assert np.ptp(live, axis=0).max() > 0.3
        assert played(rig) == pytest.approx(live, abs=1e-6)
        assert evaluated_vertices(rig) == pytest.approx(vertices, abs=1e-6)

    def test_the_take_is_in_the_baked_action_too_and_unchanged_in_its_own(self) -> None:
        rig = performing()
        before = rig.keys.animation_data.action
        curves = compat.animated_paths(rig.keys)
        jaw = [bpy.context.scene.frame_set(f) or rig.armature.pose.bones["jaw"].matrix_basis.copy() for f in FRAMES]
        take = api.bake_correctives(rig)
        assert rig.keys.animation_data.action in take.actions
        assert rig.armature.animation_data.action in take.actions
        assert compat.animated_paths(rig.keys) == curves | {actions.key_path(name) for name in CORRECTIVES}
        for frame, matrix in zip(FRAMES, jaw, strict=True):
            bpy.context.scene.frame_set(frame)
            assert np.abs(np.array(rig.armature.pose.bones["jaw"].matrix_basis) - np.array(matrix)).max() < 1e-6
        api.restore_correctives(rig)
        assert rig.keys.animation_data.action == before
        assert compat.animated_paths(rig.keys) == curves

    def test_restoring_drives_them_again(self) -> None:
        rig = performing()
        driven, live = drivers(rig), played(rig)
        api.bake_correctives(rig)
        assert api.restore_correctives(rig) == len(CORRECTIVES)
        assert drivers(rig) == driven
        assert played(rig) == pytest.approx(live, abs=1e-6)
        rig.armature.animation_data.action = None
        rig.armature.pose.bones["jaw"].rotation_quaternion = quaternions([0.2, 0.1, 0.0])
        wanted = correctives_of(rotation_matrices([0.2, 0.1, 0.0]))
        assert jaw_correctives(rig) == pytest.approx(wanted, abs=1e-6)
        assert api.restore_correctives(rig) == 0

    def test_bones_that_an_artist_keyed_keep_their_action(self) -> None:
        rig = build_rig(talking_box())
        bone = rig.armature.pose.bones["jaw"]
        bone.rotation_mode = "XYZ"
        for frame, angle in ((1, 0.0), (12, 0.5)):
            bone.rotation_euler = (angle, 0.0, 0.0)
            bone.keyframe_insert("rotation_euler", frame=frame)
        theirs = rig.armature.animation_data.action
        live = played(rig)
        api.bake_correctives(rig, frame_start=1, frame_end=12)
        assert rig.armature.animation_data.action == theirs
        assert compat.animated_paths(rig.armature) == {'pose.bones["jaw"].rotation_euler'}
        assert played(rig) == pytest.approx(live, abs=1e-6)
        api.restore_correctives(rig)
        assert rig.keys.animation_data.action is None
        assert played(rig) == pytest.approx(live, abs=1e-6)

    def test_keys_that_an_artist_keyed_are_refused_and_left_as_they_were(self) -> None:
        rig = build_rig(talking_box())
        rig.keys.key_blocks["jawForward"].keyframe_insert("value", frame=1)
        theirs, driven = rig.keys.animation_data.action, drivers(rig)
        with pytest.raises(BakeError, match="not one of CTEG's takes"):
            api.bake_correctives(rig)
        assert rig.keys.animation_data.action == theirs
        assert drivers(rig) == driven
        assert compat.animated_paths(rig.keys) == {actions.key_path("jawForward")}

    def test_nothing_to_bake_is_a_sentence(self) -> None:
        rig = performing()
        with pytest.raises(BakeError, match="end comes before the start"):
            api.bake_correctives(rig, frame_start=5, frame_end=4)
        api.bake_correctives(rig)
        with pytest.raises(BakeError, match="nothing to bake"):
            api.bake_correctives(rig)

    def test_the_current_frame_stays(self) -> None:
        rig = performing()
        bpy.context.scene.frame_set(7, subframe=0.25)
        api.bake_correctives(rig)
        assert bpy.context.scene.frame_current_final == pytest.approx(7.25)

    def test_the_operators_bake_the_scenes_frames_and_undo_it(self) -> None:
        addon.register()
        try:
            assert not bpy.ops.cteg.bake_correctives.poll()
            rig = performing()
            live = played(rig)
            assert bpy.ops.cteg.bake_correctives() == {"FINISHED"}
            assert not drivers(rig)
            assert played(rig) == pytest.approx(live, abs=1e-6)
            with pytest.raises(RuntimeError, match="nothing to bake"):
                bpy.ops.cteg.bake_correctives()
            assert bpy.ops.cteg.restore_correctives() == {"FINISHED"}
            assert len(drivers(rig)) == len(CORRECTIVES)
        finally:
            addon.unregister()


def test_baked_correctives_reach_an_exported_file(tmp_path: Path) -> None:
    rig = performing()
    live = played(rig)
    api.bake_correctives(rig)
    bpy.ops.preferences.addon_enable(module="io_scene_gltf2")
    path = tmp_path / "head.gltf"
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLTF_SEPARATE")
    names, weights = exported_weights(path)
    assert len(weights) == len(FRAMES)
    for name in CORRECTIVES:
        column = list(key_values(rig)).index(name)
        assert weights[:, names.index(name)] == pytest.approx(live[:, column], abs=1e-5)


def exported_weights(path: Path) -> tuple[list[str], np.ndarray]:
    """The morph targets' names and their animated weights ``[N, K]`` in a glTF file."""
    document = json.loads(path.read_text())
    names = document["meshes"][0]["extras"]["targetNames"]
    samplers = [
        animation["samplers"][channel["sampler"]]
        for animation in document["animations"]
        for channel in animation["channels"]
        if channel["target"]["path"] == "weights"
    ]
    accessor = document["accessors"][samplers[0]["output"]]
    view = document["bufferViews"][accessor["bufferView"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    data = path.with_suffix(".bin").read_bytes()
    return names, np.frombuffer(data, "<f4", accessor["count"], start).reshape(-1, len(names))
