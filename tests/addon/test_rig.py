"""The rig equals the forward model, looks as the model says, and is found again."""

from __future__ import annotations

import dataclasses
import math

import bpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon import api
from addon.rig import RigError, active_rig, build_rig, find_rig, rigs_of
from flame_rig.fingerprint import model_fingerprint
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.regions import face_regions
from tests.addon.heads import box_head, evaluated_vertices, key_values, make_clip, talking_box
from tests.addon.parity import ROTATION_MODES, set_expression, set_pose

EXACT = 1e-5


@pytest.mark.parametrize("mode", ROTATION_MODES)
def test_vertices_equal_the_forward_model_in_every_pose(mode: str) -> None:
    model = box_head()
    rig = build_rig(model)

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 2**32 - 1))
    def agree(seed: int) -> None:
        rng = np.random.default_rng(seed)
        expression, vectors = rng.normal(size=3), rng.normal(scale=0.5, size=(3, 3))
        set_expression(rig, model.expr_names, expression)
        set_pose(rig, model.joint_names, vectors, mode)
        wanted = posed_vertices(model, expression[None], vectors[None], joints="identity")[0]
        assert np.abs(evaluated_vertices(rig) - wanted).max() < EXACT

    agree()


def test_the_projects_own_head_performs_as_the_forward_model_says() -> None:
    model = build_head()
    rig = api.add_head(model)
    clip = make_clip(6, seed=3)
    api.bake(clip, rig, start_frame=1)
    poses = pose_of_frames(model, clip.frames)
    assert np.abs(poses[:, model.joint_names.index("left_eye")]).max() > 0.1
    for index, frame in enumerate(clip.frames.astype(np.float64)):
        bpy.context.scene.frame_set(1 + index)
        wanted = posed_vertices(model, frame[None, :50], poses[index][None], joints="identity")[0]
        assert np.abs(evaluated_vertices(rig) - wanted).max() < EXACT


def test_only_shapes_that_move_something_become_keys() -> None:
    rig = build_rig(box_head())
    names = [key.name for key in rig.keys.key_blocks]
    assert names[:3] == ["Basis", "a", "b"]
    assert names[3:] == [f"Pose{column:03}" for column in range(18) if column != 13]


def test_more_or_fewer_expression_keys_than_clips_drive() -> None:
    many = tuple(f"Exp{component:03}" for component in range(60))
    assert len(build_rig(box_head(names=many)).keys.key_blocks) == 1 + 50 + 17
    assert len(build_rig(box_head(names=many), expressions=60).keys.key_blocks) == 1 + 59 + 17
    few = build_rig(box_head(names=many), expressions=8)
    assert few.rig_map.key_names == many[:8]
    assert [key.name for key in few.keys.key_blocks][1:9] == list(many[:8])


@pytest.mark.parametrize("name", ["Basis", "Pose003"])
def test_two_keys_of_one_name_are_refused_before_anything_is_built(name: str) -> None:
    with pytest.raises(RigError, match=f"two shape keys of the name '{name}'"):
        build_rig(box_head(names=(name, "b", "c")))
    assert len(bpy.data.objects) == len(bpy.data.meshes) == 0


def test_a_new_head_is_at_rest() -> None:
    model = box_head()
    rig = build_rig(model)
    assert set(key_values(rig).values()) == {0.0}
    assert np.abs(evaluated_vertices(rig) - model.v_template).max() < 1e-7


def test_sliders_span_the_lawful_range_where_the_space_is_known() -> None:
    known = build_rig(talking_box()).keys.key_blocks["jawForward"]
    unknown = build_rig(box_head()).keys.key_blocks["a"]
    assert (known.slider_min, known.slider_max) == (0, 1)
    assert (unknown.slider_min, unknown.slider_max) == (-10, 10)


def test_the_face_stands_upright_and_looks_at_the_viewer() -> None:
    rig = build_rig(box_head())
    bpy.context.view_layer.update()
    matrix = np.array(rig.mesh.matrix_world.to_3x3())
    np.testing.assert_allclose(matrix @ (0, 1, 0), (0, 0, 1), atol=1e-6)
    np.testing.assert_allclose(matrix @ (0, 0, 1), (0, -1, 0), atol=1e-6)


def test_bones_are_the_joints_in_the_axes_of_the_model() -> None:
    model = box_head()
    rig = build_rig(model)
    bones = rig.armature.data.bones
    assert [bone.name for bone in bones] == ["root", "neck", "jaw"]
    assert [bone.parent.name if bone.parent else None for bone in bones] == [None, "root", "neck"]
    for bone, joint in zip(bones, model.joint_regressor @ model.v_template, strict=True):
        np.testing.assert_allclose(bone.head_local, joint, atol=1e-7)
        np.testing.assert_allclose(bone.matrix_local.to_3x3(), np.eye(3), atol=1e-6)
        assert rig.armature.pose.bones[bone.name].rotation_mode == "QUATERNION"


def test_the_look_is_the_models() -> None:
    model = box_head()
    mesh = build_rig(model).mesh.data
    assert [tuple(polygon.vertices) for polygon in mesh.polygons] == list(model.polygons)
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    assert [polygon.material_index for polygon in mesh.polygons] == model.polygon_materials.tolist()
    np.testing.assert_allclose([corner.uv for corner in mesh.uv_layers[0].data], model.uvs, atol=1e-6)
    colors = [tuple(point.color) for point in mesh.color_attributes["Color"].data]
    np.testing.assert_allclose(colors, np.column_stack([model.vertex_colors, np.ones(8)]), atol=1e-6)
    skin, eye = (
        next(node for node in material.node_tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
        for material in mesh.materials
    )
    assert skin.inputs["Base Color"].links[0].from_node.layer_name == "Color"
    assert not eye.inputs["Base Color"].is_linked
    assert eye.inputs["Coat Weight"].default_value == pytest.approx(0.3)


def test_a_model_of_bare_triangles_will_do() -> None:
    model = dataclasses.replace(
        box_head(), polygons=None, uvs=None, materials=(), polygon_materials=None, vertex_colors=None
    )
    mesh = build_rig(model).mesh.data
    assert [tuple(polygon.vertices) for polygon in mesh.polygons] == [tuple(face) for face in model.faces.tolist()]


def test_a_head_is_found_from_every_part_of_it() -> None:
    rig = build_rig(box_head())
    hat = bpy.data.objects.new("hat", None)
    hat.parent = rig.mesh
    stranger = bpy.data.objects.new("stranger", None)
    assert find_rig(rig.mesh) == find_rig(rig.armature) == find_rig(hat) == rig
    assert find_rig(stranger) is None
    assert find_rig(None) is None


def test_the_active_head_wins_over_others_and_the_only_one_needs_no_selection() -> None:
    assert active_rig(bpy.context) is None
    first = build_rig(box_head())
    bpy.context.view_layer.objects.active = None
    assert active_rig(bpy.context) == first
    second = build_rig(box_head())
    assert active_rig(bpy.context) == second
    bpy.context.view_layer.objects.active = None
    assert active_rig(bpy.context) is None
    assert {rig.name for rig in rigs_of(bpy.data.objects)} == {first.name, second.name}


def test_a_head_says_what_it_was_made_from() -> None:
    model = talking_box()
    rig = build_rig(model)
    assert rig.space == model.space
    assert rig.fingerprint == model_fingerprint(model)
    assert rig.rig_map.key_names == model.expr_names[:-1]
    assert rig.fingerprint != build_rig(box_head()).fingerprint


def test_fingerprints_ignore_the_look_and_notice_everything_else() -> None:
    model = box_head()
    moved = model.v_template.copy()
    moved[0, 0] = math.nextafter(moved[0, 0], 1)
    assert model_fingerprint(dataclasses.replace(model, materials=(), name="x")) == model_fingerprint(model)
    assert model_fingerprint(dataclasses.replace(model, v_template=moved)) != model_fingerprint(model)
    assert model_fingerprint(dataclasses.replace(model, space="other")) != model_fingerprint(model)


def test_a_spoiled_rig_map_is_a_sentence() -> None:
    rig = build_rig(box_head())
    rig.mesh["cteg_rig_map"] = "{"
    with pytest.raises(RigError, match="rig map stored with the head “CTEG Head” cannot be read"):
        _ = rig.rig_map


def test_a_model_at_odds_with_itself_builds_nothing() -> None:
    broken = dataclasses.replace(box_head(), weights=np.ones((8, 3)))
    with pytest.raises(RigError, match="weights"):
        build_rig(broken)
    assert len(bpy.data.objects) == len(bpy.data.meshes) == 0


def test_building_leaves_edit_mode_and_hidden_collections_alone() -> None:
    build_rig(box_head())
    bpy.ops.object.mode_set(mode="EDIT")
    hidden = bpy.data.collections.new("hidden")
    bpy.context.scene.collection.children.link(hidden)
    layer = bpy.context.view_layer.layer_collection.children["hidden"]
    bpy.context.view_layer.active_layer_collection = layer
    layer.exclude = True
    rig = build_rig(box_head())
    assert rig.mesh.mode == "OBJECT"
    assert rig.mesh.name in bpy.context.scene.collection.objects


def test_regions_become_vertex_groups_that_deform_nothing() -> None:
    model = build_head()
    mesh = build_rig(model).mesh
    regions = face_regions(model)
    for name, mask in zip(regions.names, regions.masks, strict=True):
        group = mesh.vertex_groups[f"region_{name}"]
        vertices = np.flatnonzero(mask > 0.01)[::7].tolist()
        assert [group.weight(vertex) for vertex in vertices] == pytest.approx(mask[vertices].tolist(), abs=0.003)
    assert not {bone.name for bone in mesh.parent.data.bones} & {f"region_{name}" for name in regions.names}
    for rig in (build_rig(box_head()), build_rig(model, regions=False)):
        assert [group.name for group in rig.mesh.vertex_groups] == list(rig.armature.data.bones.keys())
