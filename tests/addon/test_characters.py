"""Characters of others: registering, finding, baking over several meshes, bones, linking and overrides."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Vector

from addon import api, characters, compat
from addon.actions import BakeError
from addon.rig import Rig, RigError, active_rig, build_rig, find_rig, rigs_of
from cteg_core.clip import ExpressionClip
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.character import empty_map, with_key, without_key
from flame_rig.spaces import CTEG_HEAD_1, arkit_from_frames, frames_from_arkit
from tests.addon.arkit_character import (
    LASH_KEYS,
    armature_with,
    keyed_mesh,
    linked_collection,
    override,
    saved_character,
    shown,
    three_meshes,
)
from tests.addon.heads import make_clip, talking_box


def character() -> Rig:
    return characters.register_character(three_meshes())


def part(rig: Rig, label: str) -> bpy.types.Object:
    return dict(rig.meshes)[label]


def held(**weights: float) -> ExpressionClip:
    """Three frames that hold some shapes."""
    row = np.zeros((3, len(ARKIT_SHAPES)))
    for shape, weight in weights.items():
        row[:, ARKIT_SHAPES.index(shape)] = weight
    return ExpressionClip(frames=frames_from_arkit(row), fps=24, space=CTEG_HEAD_1.id, text="Ah.")


def assert_plays(rig: Rig, clip: ExpressionClip, start: int) -> None:
    """Every frame shows the clip on every mesh (equal rates only)."""
    for index, weights in enumerate(arkit_from_frames(clip.frames)[0]):
        bpy.context.scene.frame_set(start + index)
        arkit = dict(zip(ARKIT_SHAPES, weights.tolist(), strict=True))
        head, teeth, lashes = (shown(part(rig, label)) for label in ("Head", "Teeth", "Lashes"))
        assert {shape: head[shape] for shape in ARKIT_SHAPES} == pytest.approx(arkit, abs=1e-6)
        assert head["smirk"] == 0
        assert (teeth["Jaw_Open"], teeth["Jaw_L"], teeth["Jaw_R"]) == pytest.approx(
            (arkit["jawOpen"], arkit["jawLeft"], arkit["jawRight"]), abs=1e-6
        )
        assert lashes["lashes.eyeBlink_R"] == pytest.approx(arkit["eyeBlinkRight"], abs=1e-6)


class TestRegistering:
    def test_linked_duplicates_share_their_keys_and_count_once(self) -> None:
        head = keyed_mesh("Head", ("jawOpen", "mouthClose"))
        twin = bpy.data.objects.new("Twin", head.data)
        bpy.context.scene.collection.objects.link(twin)
        rig = characters.register_character([head, twin])
        assert [label for label, _ in rig.meshes] == ["Head"]
        assert find_rig(twin) is None

    def test_the_mesh_with_most_keys_is_the_rig(self) -> None:
        rig = character()
        assert (rig.name, rig.space, rig.bones) == ("Head", CTEG_HEAD_1.id, None)
        assert sorted(label for label, _ in rig.meshes) == ["Head", "Lashes", "Teeth"]
        assert len(rig.rig_map.key_names) == 60

    def test_it_is_found_from_each_mesh_and_from_the_armature_above(self) -> None:
        rig = character()
        skeleton = armature_with("jaw")
        for _, mesh in rig.meshes:
            assert find_rig(mesh) == rig
            mesh.parent = skeleton
        assert find_rig(skeleton) == rig
        assert list(rigs_of(bpy.context.scene.objects)) == [rig]
        bpy.context.view_layer.objects.active = part(rig, "Teeth")
        assert active_rig(bpy.context) == rig

    def test_the_report_lists_what_is_left(self) -> None:
        report = characters.report_of(character())
        assert (report.unmatched_shapes, report.unmatched_keys) == ((), (("Head", "smirk"),))
        assert ("Teeth", "Jaw_L", "jawLeft") in report.matched

    def test_the_report_tells_keys_that_have_drivers_or_are_gone(self) -> None:
        rig = character()
        shown_keys = part(rig, "Head").data.shape_keys.key_blocks
        shown_keys["jawOpen"].driver_add("value")
        shown_keys["cheekPuff"].name = "puff"
        bpy.data.objects.remove(part(rig, "Lashes"))
        again = find_rig(rig.mesh)
        assert again is not None
        report = characters.report_of(again)
        assert report.driven_keys == (("Head", "jawOpen"),)
        assert set(report.missing_keys) == {("Head", "cheekPuff"), *(("Lashes", key) for key in LASH_KEYS)}
        assert report.unmatched_shapes == ("cheekPuff",)
        said = " ".join(report.sentences())
        assert "51 of the 52 ARKit shapes drive 55 keys." in said
        assert "Keys that have drivers, and would be left alone: Head: jawOpen." in said

    def test_no_key_is_made_or_renamed(self) -> None:
        rig = character()
        before = {label: list(shown(mesh)) for label, mesh in rig.meshes}
        api.bake(make_clip(), rig)
        assert {label: list(shown(mesh)) for label, mesh in rig.meshes} == before

    def test_a_copy_of_a_character_is_a_character_of_its_own(self) -> None:
        rig = character()
        for _, mesh in rig.meshes:
            mesh.select_set(True)
        bpy.context.view_layer.objects.active = rig.mesh
        bpy.ops.object.duplicate()
        copy = find_rig(bpy.data.objects["Teeth.001"])
        assert copy is not None
        assert {mesh.name for _, mesh in copy.meshes} == {"Head.001", "Teeth.001", "Lashes.001"}
        assert set(dict(copy.meshes)) == {"Head", "Teeth", "Lashes"}
        clip = make_clip()
        api.bake(clip, copy, start_frame=1)
        assert_plays(copy, clip, 1)

    def test_renamed_meshes_stay_what_they_are(self) -> None:
        rig = character()
        part(rig, "Teeth").name = "Gebiss"
        clip = make_clip(3)
        api.bake(clip, rig, start_frame=1)
        assert_plays(rig, clip, 1)

    def test_registering_anew_and_unregistering(self) -> None:
        rig = character()
        head, teeth = part(rig, "Head"), part(rig, "Teeth")
        alone = characters.register_character([head])
        assert (alone.others, find_rig(teeth)) == ((), None)
        characters.unregister(head)
        assert find_rig(head) is None
        assert not [name for name in head.keys() if name.startswith("cteg")]  # noqa: SIM118 - no dictionary

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: [], "None of the objects is a mesh with shape keys"),
            (lambda: [armature_with("jaw")], "None of the objects is a mesh with shape keys"),
            (lambda: [keyed_mesh("Head", ("smile", "frown"))], "None of the shape keys of “Head” is an ARKit shape"),
            (lambda: [build_rig(talking_box()).mesh], "is a head that CTEG built"),
        ],
    )
    def test_what_cannot_be_registered_says_why(self, make: object, said: str) -> None:
        with pytest.raises(RigError, match=said):
            characters.register_character(make())  # type: ignore[operator]

    def test_absolute_keys_are_refused(self) -> None:
        head = keyed_mesh("Head", ("jawOpen",))
        head.data.shape_keys.use_relative = False
        with pytest.raises(RigError, match="are absolute"):
            characters.register_character([head])

    def test_keys_of_the_users_own_take_a_map(self) -> None:
        head = keyed_mesh("Head", ("Mund auf",))
        rig = characters.register_character([head], with_key(empty_map(), "Mund auf", "jawOpen", mesh="Head", gain=0.5))
        api.bake(held(jawOpen=1), rig, start_frame=1)
        bpy.context.scene.frame_set(1)
        assert shown(head)["Mund auf"] == pytest.approx(0.5)
        with pytest.raises(RigError, match="for meshes called “Kopf”, and the character has “Head”"):
            characters.register_character([head], with_key(empty_map(), "Mund auf", "jawOpen", mesh="Kopf"))


class TestBaking:
    def test_every_mesh_plays_every_frame(self) -> None:
        rig, clip = character(), make_clip()
        take = api.bake(clip, rig, start_frame=5)
        assert take.notes == ()
        assert_plays(rig, clip, 5)

    def test_one_action_with_a_slot_for_each_mesh(self) -> None:
        rig = character()
        take = api.bake(make_clip(), rig)
        assert len(take.actions) == (1 if compat.HAS_SLOTS else 3)
        if compat.HAS_SLOTS:
            names = {slot.name_display for slot in take.actions[0].slots}
            assert names == {mesh.data.shape_keys.name for _, mesh in rig.meshes}

    def test_two_takes_in_the_nla(self) -> None:
        rig, first, second = character(), make_clip(5, seed=1), make_clip(5, seed=2)
        api.bake(first, rig, start_frame=1, to_nla=True)
        api.bake(second, rig, start_frame=20, to_nla=True)
        assert_plays(rig, first, 1)
        assert_plays(rig, second, 20)

    def test_driven_and_muted_keys_are_said_by_name(self) -> None:
        rig = character()
        teeth = part(rig, "Teeth").data.shape_keys
        teeth.key_blocks["Jaw_Open"].driver_add("value")
        part(rig, "Head").data.shape_keys.key_blocks["cheekPuff"].mute = True
        take = api.bake(make_clip(), rig)
        assert "These shape keys have drivers and were left alone: Teeth/Jaw_Open." in take.notes
        assert "These shape keys are muted, so their motion does not show: Head/cheekPuff." in take.notes
        assert 'key_blocks["Jaw_Open"].value' not in compat.animated_paths(teeth)

    def test_a_pinned_key_is_said(self) -> None:
        rig = character()
        part(rig, "Lashes").show_only_shape_key = True
        assert "“Lashes” shows one shape key alone" in api.bake(make_clip(), rig).notes[0]

    def test_what_was_deleted_since_is_said_and_the_rest_plays(self) -> None:
        rig = character()
        bpy.data.objects.remove(part(rig, "Teeth"))
        part(rig, "Lashes").shape_key_clear()
        rig = find_rig(bpy.data.objects["Head"])
        assert rig is not None
        clip = held(jawOpen=0.5)
        notes = api.bake(clip, rig, start_frame=1).notes
        assert "These meshes of the character are gone, so their motion is lost: Teeth." in notes
        assert any("Lashes/lashes.eyeBlink_L" in note and "missing" in note for note in notes)
        bpy.context.scene.frame_set(1)
        assert shown(rig.mesh)["jawOpen"] == pytest.approx(0.5)

    def test_an_artists_action_on_one_mesh_stops_all(self) -> None:
        rig = character()
        teeth = part(rig, "Teeth").data.shape_keys
        (other,) = compat.new_action_parts("Artist", [teeth])
        compat.assign(other)
        with pytest.raises(BakeError, match="already plays the action “Artist"):
            api.bake(make_clip(), rig)
        assert rig.keys.animation_data is None


class TestMaps:
    def test_edits_are_kept_and_play(self) -> None:
        rig = character()
        rig_map = without_key(rig.rig_map, "Jaw_Open", mesh="Teeth")
        characters.set_rig_map(
            rig, with_key(rig_map, "smirk", "mouthSmileLeft", mesh="Head", offset=0.2, limits=(0, 0.6))
        )
        api.bake(held(jawOpen=1, mouthSmileLeft=1), rig, start_frame=1)
        bpy.context.scene.frame_set(2)
        assert shown(part(rig, "Teeth"))["Jaw_Open"] == 0
        assert shown(rig.mesh)["smirk"] == pytest.approx(0.6)
        assert characters.report_of(rig).unmatched_keys == (("Teeth", "Jaw_Open"),)

    def test_maps_are_saved_and_loaded(self, tmp_path: Path) -> None:
        rig = character()
        api.save_rig_map(rig, tmp_path / "map.json")
        characters.set_rig_map(rig, without_key(rig.rig_map, "jawOpen", mesh="Head"))
        api.load_rig_map(rig, tmp_path / "map.json")
        assert len(rig.rig_map.key_names) == 60

    @pytest.mark.parametrize(
        ("text", "said"), [(None, "cannot be read"), ("{", "not JSON"), ('{"format": 9}', "update CTEG")]
    )
    def test_a_file_that_is_no_map_is_one_sentence(self, text: str | None, said: str, tmp_path: Path) -> None:
        rig = character()
        if text is not None:
            (tmp_path / "map.json").write_text(text)
        with pytest.raises(api.CtegError, match=said):
            api.load_rig_map(rig, tmp_path / "map.json")

    def test_the_map_of_a_head_of_ours_stays(self) -> None:
        with pytest.raises(RigError, match="is a head that CTEG built"):
            characters.set_rig_map(build_rig(talking_box()), empty_map())


class TestBones:
    def pose(self, skeleton: bpy.types.Object, bone: str, vector: tuple[float, float, float]) -> Vector:
        """Where a direction of the rest pose points to in the world once the bone has moved."""
        evaluated = skeleton.evaluated_get(bpy.context.evaluated_depsgraph_get())
        posed = evaluated.pose.bones[bone]
        turn = posed.matrix.to_3x3() @ posed.bone.matrix_local.to_3x3().inverted()
        return turn @ Vector(vector)

    def test_a_jaw_bone_opens_downwards_and_moves_to_the_characters_left(self) -> None:
        rig, skeleton = character(), armature_with("Kiefer")
        characters.set_bones(rig, skeleton, jaw="Kiefer", open_degrees=30)
        rig = find_rig(rig.mesh)
        assert rig is not None
        api.bake(held(jawOpen=1), rig, start_frame=1)
        api.bake(held(jawLeft=1), rig, start_frame=11, to_nla=True)
        bpy.context.scene.frame_set(2)
        down = self.pose(skeleton, "Kiefer", (0, -1, 0))
        assert tuple(down) == pytest.approx((0, -math.cos(math.radians(30)), -0.5), abs=1e-5)
        bpy.context.scene.frame_set(12)
        assert self.pose(skeleton, "Kiefer", (0, -1, 0)).x == pytest.approx(math.sin(0.10), abs=1e-5)
        assert not [path for path in compat.animated_paths(rig.keys) if '"jawOpen"' in path]

    def test_eye_bones_look_where_the_shapes_say(self) -> None:
        rig, skeleton = character(), armature_with("eye.L", "eye.R")
        skeleton.rotation_euler = (0.3, 0, 0)
        bpy.context.view_layer.update()
        characters.set_bones(rig, skeleton, eyes=("eye.L", "eye.R"))
        rig = find_rig(rig.mesh)
        assert rig is not None
        api.bake(held(eyeLookOutLeft=1, eyeLookInRight=1, eyeLookUpLeft=0), rig, start_frame=1)
        bpy.context.scene.frame_set(1)
        forward = skeleton.matrix_world.to_3x3().inverted() @ Vector((0, -1, 0))
        for bone in ("eye.L", "eye.R"):
            looks = skeleton.matrix_world.to_3x3() @ self.pose(skeleton, bone, tuple(forward))
            assert looks.x == pytest.approx(math.sin(math.radians(28)), abs=1e-5)
        assert shown(rig.mesh)["eyeLookOutLeft"] == pytest.approx(1.0)

    def test_a_bone_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(RigError, match="“Skeleton” has no bone called “Jaw”"):
            characters.set_bones(character(), armature_with("jaw"), jaw="Jaw")


class TestLinked:
    def test_a_linked_character_says_what_to_do(self, tmp_path: Path) -> None:
        saved_character(tmp_path / "char.blend")
        linked = linked_collection(tmp_path / "char.blend")
        bpy.context.scene.collection.children.link(linked)
        rig = find_rig(linked.objects["Head"])
        assert rig is not None
        with pytest.raises(BakeError, match=r"is linked from .* make a library override of it first"):
            api.bake(make_clip(), rig)
        for refused in (lambda: api.make_animatable(rig), lambda: characters.register_character(linked.objects)):
            with pytest.raises(RigError, match="is linked from"):
                refused()

    def test_an_overridden_character_is_made_animatable_and_plays_after_opening(self, tmp_path: Path) -> None:
        saved_character(tmp_path / "char.blend")
        rig = override(linked_collection(tmp_path / "char.blend"))
        assert all(mesh.library is None for _, mesh in rig.meshes)
        with pytest.raises(BakeError, match=r"The shape keys of “Head” are still those of .*Make Animatable"):
            api.bake(make_clip(), rig)
        assert characters.needs_override(rig)
        assert api.make_animatable(rig) == 3
        assert not characters.needs_override(rig)
        clip = make_clip()
        api.bake(clip, rig, start_frame=1)
        assert_plays(rig, clip, 1)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
        again = find_rig(next(thing for thing in bpy.data.objects if thing.name == "Head" and thing.library is None))
        assert again is not None
        assert all(mesh.library is None for _, mesh in again.meshes)
        assert_plays(again, clip, 1)
        later = make_clip(seed=9)
        api.bake(later, again, start_frame=40, to_nla=True)
        assert_plays(again, later, 40)

    def test_two_overrides_of_one_character_do_not_share_keys(self, tmp_path: Path) -> None:
        saved_character(tmp_path / "char.blend")
        linked = linked_collection(tmp_path / "char.blend")
        one, two = override(linked), override(linked)
        for rig in (one, two):
            api.make_animatable(rig)
        assert one.mesh != two.mesh
        first, second = make_clip(seed=1), make_clip(seed=2)
        api.bake(first, one, start_frame=1)
        api.bake(second, two, start_frame=1)
        assert_plays(one, first, 1)
        assert_plays(two, second, 1)

    def test_edits_of_an_overrides_map_are_kept(self, tmp_path: Path) -> None:
        saved_character(tmp_path / "char.blend")
        rig = override(linked_collection(tmp_path / "char.blend"))
        with pytest.raises(RigError, match=r"is linked from .*; register the character there"):
            characters.register_character([rig.mesh])
        with pytest.raises(RigError, match=r"is linked from .*; choose the character's bones there"):
            characters.set_bones(rig, armature_with("jaw"), jaw="jaw")
        characters.set_rig_map(rig, without_key(rig.rig_map, "jawOpen", mesh="Head"))
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
        again = find_rig(next(thing for thing in bpy.data.objects if thing.name == "Head" and thing.library is None))
        assert again is not None
        assert len(again.rig_map.key_names) == 59
