"""Identity keys, and bones that are fitted to them."""

from __future__ import annotations

import dataclasses
import json

import bpy
import numpy as np
import pytest

import addon
from addon import api
from addon.rig import Rig, build_rig
from addon.rig_identity import IdentityError
from flame_rig.flame_model import FlameModel, joints_at_rest
from tests.addon.heads import box_head, make_clip, talking_box


def box_with_identities(model: FlameModel | None = None) -> FlameModel:
    model = model or box_head()
    return dataclasses.replace(model, shapedirs=np.random.default_rng(9).normal(scale=0.02, size=(8, 3, 4)))


def heads_of_bones(rig: Rig) -> np.ndarray:
    return np.array([bone.head_local for bone in rig.armature.data.bones])


def test_identity_keys_are_made_on_request_and_named_as_elsewhere() -> None:
    model = box_with_identities()
    assert not any(key.name.startswith("Shape") for key in build_rig(model).keys.key_blocks)
    rig = build_rig(model, identities=3)
    assert [key.name for key in rig.keys.key_blocks if key.name.startswith("Shape")] == [
        "Shape000",
        "Shape001",
        "Shape002",
    ]
    assert len([key for key in build_rig(model, identities=300).keys.key_blocks if key.name.startswith("Shape")]) == 4


@pytest.mark.parametrize("units", [1.0, 100.0])
def test_bones_go_to_the_joints_of_the_identity(units: float) -> None:
    model = box_with_identities()
    rig = build_rig(model, identities=4, units_per_metre=units)
    before = heads_of_bones(rig)
    identity = np.array([1.5, -2.0, 0.25, 3.0])
    for component, value in enumerate(identity):
        rig.keys.key_blocks[f"Shape{component:03}"].value = value
    rig.keys.key_blocks["a"].value = 1.0
    moved = api.fit_bones(rig)
    wanted = joints_at_rest(model, identity)
    assert heads_of_bones(rig) / units == pytest.approx(wanted, abs=1e-6)
    assert moved == pytest.approx(np.linalg.norm(heads_of_bones(rig) - before, axis=1).max() / units, abs=1e-6)
    for bone in rig.armature.data.bones:
        assert np.array(bone.matrix_local.to_3x3()) == pytest.approx(np.eye(3), abs=1e-6)
        assert rig.armature.pose.bones[bone.name].parent == (
            rig.armature.pose.bones[bone.parent.name] if bone.parent else None
        )


def test_fitting_twice_changes_nothing_and_fitting_at_zero_leads_back() -> None:
    rig = build_rig(box_with_identities(), identities=4)
    rest = heads_of_bones(rig)
    rig.keys.key_blocks["Shape002"].value = 2.0
    assert api.fit_bones(rig) > 1e-3
    assert api.fit_bones(rig) < 1e-7
    rig.keys.key_blocks["Shape002"].value = 0.0
    api.fit_bones(rig)
    assert heads_of_bones(rig) == pytest.approx(rest, abs=1e-7)


def test_animation_modes_and_selection_survive_fitting() -> None:
    rig = build_rig(box_with_identities(talking_box()), identities=4)
    take = api.bake(make_clip(5, seed=2), rig, start_frame=1)
    bpy.context.scene.frame_set(3)
    turned = rig.armature.pose.bones["jaw"].matrix_basis.copy()
    other = bpy.data.objects.new("other", None)
    bpy.context.scene.collection.objects.link(other)
    other.select_set(True)
    bpy.context.view_layer.objects.active = rig.armature
    bpy.ops.object.mode_set(mode="POSE")
    rig.keys.key_blocks["Shape000"].value = 1.0
    api.fit_bones(rig)
    assert rig.armature.mode == "POSE"
    assert bpy.context.view_layer.objects.active == rig.armature
    assert other.select_get()
    assert rig.armature.animation_data.action == take.actions[-1]
    bpy.context.scene.frame_set(3)
    assert np.abs(np.array(rig.armature.pose.bones["jaw"].matrix_basis) - np.array(turned)).max() < 1e-6
    assert len(bpy.data.objects) == 3


def test_hidden_heads_can_be_fitted_too() -> None:
    rig = build_rig(box_with_identities(), identities=4)
    rig.armature.hide_set(True)
    bpy.context.view_layer.objects.active = None
    rig.keys.key_blocks["Shape000"].value = 1.0
    assert api.fit_bones(rig) > 1e-3
    assert rig.armature.hide_get()


def test_muted_identities_do_not_count() -> None:
    rig = build_rig(box_with_identities(), identities=4)
    rig.keys.key_blocks["Shape000"].value = 1.0
    rig.keys.key_blocks["Shape000"].mute = True
    assert api.fit_bones(rig) < 1e-7


def test_what_cannot_be_fitted_is_a_sentence() -> None:
    rig = build_rig(box_head())
    before = heads_of_bones(rig)
    record = rig.mesh["cteg_joints"]
    with_foreign_bone = json.dumps({**json.loads(record), "tail": {"vertices": [0], "weights": [1.0]}})
    for spoiled, sentence in [
        ("{", "does not say where its joints belong"),
        (json.dumps({"root": {"vertices": [99], "weights": [1.0]}}), "Vertices were removed"),
        (json.dumps({"root": {"vertices": [0], "weights": [0.5, 0.5]}}), "does not say where its joints belong"),
        (with_foreign_bone, "bones tail are missing"),
    ]:
        rig.mesh["cteg_joints"] = spoiled
        with pytest.raises(IdentityError, match=sentence):
            api.fit_bones(rig)
    assert heads_of_bones(rig) == pytest.approx(before, abs=0)


def test_the_operator_fits_and_says_how_far() -> None:
    addon.register()
    try:
        assert not bpy.ops.cteg.fit_bones.poll()
        rig = build_rig(box_with_identities(), identities=4)
        rig.keys.key_blocks["Shape001"].value = 1.0
        before = heads_of_bones(rig)
        assert bpy.ops.cteg.fit_bones() == {"FINISHED"}
        assert np.abs(heads_of_bones(rig) - before).max() > 1e-3
        rig.mesh["cteg_joints"] = ""
        with pytest.raises(RuntimeError, match="does not say where its joints belong"):
            bpy.ops.cteg.fit_bones()
    finally:
        addon.unregister()
