"""Previews: what shows while one is on, and that nothing is left of it, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from addon import api, baking, characters, compat, preview
from addon.actions import BakeError
from addon.rig import Rig, build_rig, find_rig
from flame_rig.shaping import Shaping
from flame_rig.spaces import CTEG_HEAD_1
from tests.addon.arkit_character import armature_with, three_meshes
from tests.addon.heads import bone_matrix, evaluated_vertices, key_values, make_clip, talking_box
from tests.addon.test_actions import artists_action, assert_plays, go_to
from tests.addon.test_nla_lines import held

PUFF, SMILE, FORWARD = "cheekPuff", "mouthSmileLeft", "jawForward"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    preview.register()
    yield
    preview.unregister()


def head() -> Rig:
    return build_rig(talking_box())


def show(rig: Rig, clip: api.ExpressionClip | None = None, start: float = 1, **more: Any) -> None:
    preview.show(clip or held(0.6, 21), rig, bpy.context.scene, start, **more)
    bpy.context.view_layer.update()


def state_of(owner: compat.Animated) -> Any:
    """All of a data-block's animation, and the values that it has."""
    animation = owner.animation_data
    values = (
        [(key.name, key.value, key.mute) for key in owner.key_blocks]
        if isinstance(owner, bpy.types.Key)
        else [(bone.name, tuple(bone.rotation_quaternion), bone.rotation_mode) for bone in owner.pose.bones]
    )
    if animation is None:
        return values
    tracks = [
        (t.name, t.is_solo, t.mute, t.lock, t.active, t.select, [(s.name, s.frame_start) for s in t.strips])
        for t in animation.nla_tracks
    ]
    slot = animation.action_slot.name_display if compat.HAS_SLOTS and animation.action_slot else ""
    action = animation.action.name if animation.action else ""
    return values, tracks, action, slot, animation.use_nla, animation.action_blend_type, len(animation.drivers)


def snapshot(rig: Rig) -> Any:
    bpy.context.view_layer.update()
    owners = [mesh.data.shape_keys for _, mesh in rig.meshes] + ([rig.bones] if rig.bones is not None else [])
    shown = evaluated_vertices(rig).round(6).tolist() if rig.bones is not None else None
    return [state_of(owner) for owner in owners], sorted(action.name for action in bpy.data.actions), shown


def assert_nothing_left() -> None:
    assert preview.current() is None
    assert not [action for action in bpy.data.actions if action.get(preview.MARK) is not None]
    for collection in (bpy.data.shape_keys, bpy.data.objects):
        for owner in collection:
            if owner.animation_data is not None:
                assert preview.TRACK_NAME not in [track.name for track in owner.animation_data.nla_tracks]


def busy_head() -> Rig:
    """A head with an artist's active Action, solo and plain tracks, a value by hand, and a driver."""
    rig = head()
    idle = artists_action(rig.keys, f'key_blocks["{FORWARD}"].value')
    part = compat.part_of(idle, rig.keys)
    rig.keys.animation_data.action = None
    for name in ("Idle", "Other"):
        track = rig.keys.animation_data.nla_tracks.new()
        track.name = name
        compat.assign_to_strip(track.strips.new(name, 1, idle), part)
    rig.keys.animation_data.nla_tracks[0].is_solo = True
    artists_action(rig.keys, f'key_blocks["{PUFF}"].value')
    artists_action(rig.armature, "location")
    rig.keys.key_blocks[SMILE].value = 0.3
    rig.armature.pose.bones["jaw"].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    rig.keys.key_blocks["mouthLeft"].driver_add("value").driver.expression = "0.125"
    go_to(5)
    return rig


class TestShowing:
    def test_the_take_plays_and_is_the_current_one(self) -> None:
        rig, clip = head(), make_clip()
        show(rig, clip, 11, take_id="t")
        assert_plays(rig, clip, 11)
        shown = preview.current()
        assert shown is not None
        assert (shown.take_id, shown.head, shown.frame_start, shown.frame_end) == ("t", rig.name, 11, 30)
        assert preview.is_shown("t")
        assert not preview.is_shown("u")

    def test_one_at_a_time(self) -> None:
        rig, other = head(), head()
        show(rig, take_id="t")
        show(other, take_id="u")
        assert preview.is_shown("u")
        assert not rig.keys.animation_data.nla_tracks
        assert rig.armature.animation_data is None
        preview.stop()
        assert_nothing_left()

    def test_it_plays_over_everything_an_artist_has(self) -> None:
        rig, clip = busy_head(), make_clip()
        show(rig, clip)
        go_to(8)
        values = key_values(rig)
        assert values["mouthLeft"] == 0.125
        for name in (SMILE, PUFF, FORWARD):
            assert values[name] == pytest.approx(clip.frames[7, CTEG_HEAD_1.index(name)], abs=1e-6)

    def test_the_body_goes_on_moving(self) -> None:
        rig = busy_head()
        show(rig)
        go_to(10)
        armature = rig.armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert armature.location.x == pytest.approx(0.75)
        assert np.abs(bone_matrix(rig, "jaw") - np.eye(3)).max() > 0.05

    def test_a_jaw_that_an_artist_animates_shows_the_take(self) -> None:
        rig = head()
        artists_action(rig.armature, 'pose.bones["jaw"].rotation_quaternion')
        clip = make_clip()
        show(rig, clip)
        assert_plays(rig, clip, 1)

    def test_keys_that_only_the_artist_moves_are_at_rest(self) -> None:
        rig = head()
        artists_action(rig.keys, f'key_blocks["{PUFF}"].value')
        show(rig, shaping=Shaping(lower=0.0))
        go_to(5)
        assert key_values(rig)[PUFF] == pytest.approx(0.0, abs=1e-6)

    def test_it_is_shaped(self) -> None:
        rig = head()
        show(rig, shaping=Shaping(lower=0.5))
        go_to(5)
        assert key_values(rig)[SMILE] == pytest.approx(0.3)

    def test_on_every_mesh_of_a_character(self) -> None:
        rig = characters.register_character(three_meshes())
        before = snapshot(rig)
        show(rig, make_clip())
        shown = [mesh.data.shape_keys.animation_data.nla_tracks[-1].name for _, mesh in rig.meshes]
        assert shown == [preview.TRACK_NAME] * 3
        preview.stop()
        assert snapshot(rig) == before

    def test_on_bones_of_a_character(self) -> None:
        rig = characters.register_character(three_meshes())
        skeleton = armature_with("jaw")
        characters.set_bones(rig, skeleton, jaw="jaw")
        again = find_rig(rig.mesh)
        assert again is not None
        show(again)
        assert skeleton.animation_data.nla_tracks[-1].name == preview.TRACK_NAME

    def test_what_cannot_be_shown_is_a_sentence_and_leaves_nothing(self) -> None:
        rig = head()
        with pytest.raises(BakeError, match="flame-2020"):
            show(rig, make_clip(space="flame-2020"))
        api.bake(make_clip(), rig, start_frame=1, to_nla=True)
        animation = rig.keys.animation_data
        animation.nla_tracks[0].strips[0].select = True
        animation.nla_tracks.active = animation.nla_tracks[0]
        animation.use_tweak_mode = True
        with pytest.raises(BakeError, match="tweak mode"):
            show(rig)
        assert_nothing_left()


class TestStopping:
    @pytest.mark.parametrize("make", [head, busy_head])
    @pytest.mark.parametrize("frame", [5, 9])
    def test_everything_is_as_it_was(self, make: Any, frame: int) -> None:
        rig = make()
        before = snapshot(rig)
        show(rig, make_clip())
        go_to(12)
        go_to(5)
        preview.stop()
        assert snapshot(rig) == before
        # And at another frame, what the artist has plays as it would have.
        go_to(frame)
        at_frame = snapshot(rig)
        show(rig, make_clip(seed=3))
        go_to(frame)
        preview.stop()
        assert snapshot(rig) == at_frame
        assert_nothing_left()

    def test_the_nla_that_was_off_is_off_again(self) -> None:
        rig = busy_head()
        rig.keys.animation_data.use_nla = False
        go_to(5)
        before = snapshot(rig)
        show(rig, make_clip())
        go_to(8)
        assert key_values(rig)[SMILE] == pytest.approx(make_clip().frames[7, CTEG_HEAD_1.index(SMILE)], abs=1e-6)
        go_to(5)
        preview.stop()
        assert snapshot(rig) == before

    def test_twice_and_without_any(self) -> None:
        rig = head()
        preview.stop()
        show(rig)
        preview.stop()
        preview.stop()
        assert_nothing_left()

    def test_the_api_shows_and_stops(self) -> None:
        rig, clip = head(), make_clip()
        assert api.show_preview(clip, rig, start_frame=7) == ()
        assert_plays(rig, clip, 7)
        api.stop_preview()
        assert_nothing_left()

    def test_a_plain_bake_ends_it_too(self) -> None:
        rig = head()
        show(rig)
        api.bake(make_clip(), rig, start_frame=1)
        assert_nothing_left()

    def test_a_bake_ends_it(self) -> None:
        rig = head()
        show(rig)
        baking.bake_take(make_clip(), rig, bpy.context.scene, baking.Placement("a", "Ann"))
        assert_nothing_left()

    def test_saving_ends_it_and_the_file_has_none(self, tmp_path: Path) -> None:
        rig = busy_head()
        before = snapshot(rig)
        show(rig, take_id="t")
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
        assert_nothing_left()
        assert snapshot(rig) == before
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
        assert_nothing_left()

    def test_loading_ends_it(self, tmp_path: Path) -> None:
        show(head(), take_id="t")
        bpy.ops.wm.read_factory_settings(use_empty=True)
        assert not preview.is_shown("t")
        assert_nothing_left()

    def test_unregistering_ends_it(self) -> None:
        rig = busy_head()
        before = snapshot(rig)
        show(rig)
        preview.unregister()
        assert_nothing_left()
        assert snapshot(rig) == before
        assert preview._stop not in bpy.app.handlers.save_pre

    def test_a_file_that_was_saved_with_one_opens_without(self, tmp_path: Path) -> None:
        rig = busy_head()
        before = snapshot(rig)
        bpy.app.handlers.save_pre.remove(preview._stop)
        show(rig)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "automatic.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "automatic.blend"))
        assert_nothing_left()
        again = find_rig(bpy.data.objects["CTEG Head"])
        assert again is not None
        assert snapshot(again)[0] == before[0]

    def test_undo_does_not_bring_it_back(self) -> None:
        rig = head()
        bpy.ops.ed.undo_push(message="before")
        show(rig, take_id="t")
        bpy.context.scene.frame_end = 111
        bpy.ops.ed.undo_push(message="during")
        bpy.context.scene.frame_end = 222
        bpy.ops.ed.undo_push(message="after")
        bpy.ops.ed.undo()
        assert bpy.context.scene.frame_end == 111
        assert_nothing_left()
        bpy.ops.ed.redo()
        assert_nothing_left()
        for _ in range(2):
            bpy.ops.ed.undo()
        assert_nothing_left()
        again = find_rig(bpy.data.objects["CTEG Head"])
        assert again is not None
        assert {key.value for key in again.keys.key_blocks} == {0.0}

    def test_a_deleted_head_takes_it_along(self) -> None:
        rig = head()
        show(rig, take_id="t")
        for thing in (rig.mesh, rig.armature):
            bpy.data.objects.remove(thing)
        assert not preview.is_shown("t")
        bpy.context.view_layer.update()
        assert_nothing_left()
        preview.stop()

    def test_an_armature_that_is_deleted_alone(self) -> None:
        rig = head()
        show(rig)
        bpy.data.objects.remove(rig.armature)
        preview.stop()
        assert_nothing_left()

    def test_a_renamed_head_is_put_back_too(self) -> None:
        rig = busy_head()
        before = snapshot(rig)
        show(rig)
        rig.keys.name, rig.armature.name = "Renamed", "Renamed Rig"
        preview.stop()
        assert_nothing_left()
        assert snapshot(rig)[0] == before[0]
