"""Lines in the NLA: tracks, blends, neighbours, moving, taking off; and all that an artist has there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from addon import api, baking, characters, compat, line_strips
from addon.actions import LINE, BakeError
from addon.baking import Placement, bake_take, move_line, remove_line, starts_of_lines
from addon.rig import Rig, build_rig, rigs_of
from cteg_core.clip import ExpressionClip
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH
from tests.addon.arkit_character import three_meshes
from tests.addon.heads import bone_matrix, key_values, make_clip, talking_box
from tests.addon.test_actions import artists_action, assert_plays, coordinates

SMILE = "mouthSmileLeft"


def head() -> Rig:
    return build_rig(talking_box())


def held(value: float, count: int = 11, component: str = SMILE) -> ExpressionClip:
    """A clip that holds one component from first frame to last, and opens the jaw as far."""
    frames = np.zeros((count, FRAME_WIDTH), dtype=np.float32)
    frames[:, CTEG_HEAD_1.index(component)] = value
    frames[:, 50] = 0.3 * value
    return ExpressionClip(frames=frames, fps=24.0, space=CTEG_HEAD_1.id, text="Hello.")


def put(clip: ExpressionClip, rig: Rig, start: float, line: str = "a", **more: Any) -> api.BakedTake:
    return bake_take(clip, rig, bpy.context.scene, Placement(line, "Ann", start_frame=start, **more))


def tracks(owner: compat.Animated) -> list[tuple[str, list[tuple[str, float, float]]]]:
    """Every track that holds lines, with the line, start and end of its strips."""
    found: dict[int, tuple[str, list[tuple[str, float, float]]]] = {}
    for placed in line_strips.placed_on([owner]):
        _, strips = found.setdefault(placed.track.as_pointer(), (placed.track.name, []))
        strips.append((placed.action[LINE], placed.strip.frame_start, placed.strip.frame_end))
    return list(found.values())


def strip_of(owner: compat.Animated, line: str) -> bpy.types.NlaStrip:
    (placed,) = line_strips.placed_on([owner], line)
    return placed.strip


def smile_at(rig: Rig, frame: int) -> float:
    bpy.context.scene.frame_set(frame)
    return key_values(rig)[SMILE]


class TestPlacing:
    def test_a_line_plays_on_a_track_of_its_character_and_layer(self) -> None:
        rig, clip = head(), make_clip()
        take = put(clip, rig, 7)
        assert (take.frame_start, take.frame_end, take.notes) == (7, 26, ())
        for owner in (rig.keys, rig.armature):
            assert tracks(owner) == [("CTEG Ann acting", [("a", 7, 26)])]
            assert owner.animation_data.action is None
        assert_plays(rig, clip, 7)

    def test_lines_after_one_another_share_a_track(self) -> None:
        rig, first, second = head(), make_clip(seed=1), make_clip(seed=2)
        put(first, rig, 1)
        put(second, rig, 40, "b")
        assert tracks(rig.keys) == [("CTEG Ann acting", [("a", 1, 20), ("b", 40, 59)])]
        assert_plays(rig, first, 1)
        assert_plays(rig, second, 40)

    def test_the_face_is_at_rest_around_its_lines(self) -> None:
        rig = head()
        put(held(0.8), rig, 10)
        put(held(0.8), rig, 50, "b")
        for frame in (1, 9, 21, 49, 61, 200):
            assert smile_at(rig, frame) == pytest.approx(0.0, abs=1e-6)
            np.testing.assert_allclose(bone_matrix(rig, "jaw"), np.eye(3), atol=1e-6)

    def test_two_layers_and_two_characters_have_tracks_of_their_own(self) -> None:
        rig = head()
        put(make_clip(), rig, 1)
        put(make_clip(), rig, 1, layer="brows")
        bake_take(make_clip(), rig, bpy.context.scene, Placement("b", "Ben", start_frame=60))
        assert [name for name, _ in tracks(rig.keys)] == ["CTEG Ann acting", "CTEG Ann brows", "CTEG Ben acting"]

    def test_without_a_character_the_head_names_the_track(self) -> None:
        rig = head()
        bake_take(make_clip(), rig, bpy.context.scene, Placement("a", ""))
        assert [name for name, _ in tracks(rig.keys)] == ["CTEG CTEG Head acting"]

    @pytest.mark.parametrize("character", ["Dr. Who", "愛" * 60, "x" * 200, "a.001"])
    def test_any_name_makes_a_track_that_is_found_again(self, character: str) -> None:
        rig = head()
        for line, start in (("a", 1), ("b", 40)):
            bake_take(make_clip(), rig, bpy.context.scene, Placement(line, character, start_frame=start))
        ((name, strips),) = tracks(rig.keys)
        assert len(strips) == 2
        assert name == line_strips.track_name(character, "acting")

    def test_the_old_track_name_of_takes_without_a_line_stays(self) -> None:
        rig = head()
        api.bake(make_clip(), rig, start_frame=1, to_nla=True)
        put(make_clip(), rig, 40)
        assert [track.name for track in rig.armature.animation_data.nla_tracks] == ["CTEG", "CTEG Ann acting"]

    def test_baking_again_takes_the_place_of_the_strips_and_keeps_the_actions(self) -> None:
        rig, first, second = head(), make_clip(seed=1), make_clip(30, seed=2)
        before = put(first, rig, 5).actions
        put(second, rig, 8)
        assert tracks(rig.keys) == [("CTEG Ann acting", [("a", 8, 37)])]
        assert tracks(rig.armature) == [("CTEG Ann acting", [("a", 8, 37)])]
        assert all(action.name in bpy.data.actions and action.use_fake_user for action in before)
        assert_plays(rig, second, 8)

    def test_an_active_take_of_ours_becomes_a_strip_of_its_line(self) -> None:
        rig, first, second = head(), make_clip(seed=1), make_clip(seed=2)
        put(first, rig, 1, to_nla=False)
        assert rig.keys.animation_data.action is not None
        put(second, rig, 40, "b")
        assert tracks(rig.keys) == [("CTEG Ann acting", [("a", 1, 20), ("b", 40, 59)])]
        assert_plays(rig, first, 1)
        assert_plays(rig, second, 40)

    def test_from_active_to_strip_and_back_a_line_plays_once(self) -> None:
        rig, clip = head(), make_clip()
        put(clip, rig, 1, to_nla=False)
        put(clip, rig, 1)
        assert rig.keys.animation_data.action is None
        assert tracks(rig.keys) == [("CTEG Ann acting", [("a", 1, 20)])]
        put(clip, rig, 3, to_nla=False)
        assert tracks(rig.keys) == []
        assert_plays(rig, clip, 3)

    def test_every_mesh_of_a_character_gets_a_strip(self) -> None:
        rig = characters.register_character(three_meshes())
        put(make_clip(), rig, 5)
        for _, mesh in rig.meshes:
            assert tracks(mesh.data.shape_keys) == [("CTEG Ann acting", [("a", 5, 24)])]

    def test_a_line_of_one_frame_plays(self) -> None:
        rig = head()
        put(held(0.5, 1), rig, 5)
        assert smile_at(rig, 5) == pytest.approx(0.5)

    @pytest.mark.parametrize(("fps", "base", "end"), [(24, 1, 25), (25, 1, 26), (30, 1.001, 31), (60, 1, 61)])
    def test_the_last_frame_plays_at_every_frame_rate(self, fps: int, base: float, end: int) -> None:
        rig, render = head(), bpy.context.scene.render
        render.fps, render.fps_base = fps, base
        clip = held(0.6, 31)
        clip = ExpressionClip(frames=clip.frames, fps=30.0, space=clip.space, text="Hello.")
        assert put(clip, rig, 1).frame_end == end
        assert smile_at(rig, end) == pytest.approx(0.6, abs=1e-6)
        assert smile_at(rig, end + 1) == pytest.approx(0.0, abs=1e-6)

    def test_saved_and_opened_again_it_plays_and_is_found(self, tmp_path: Path) -> None:
        clip = make_clip()
        put(clip, head(), 4)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "line.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "line.blend"))
        (rig,) = rigs_of(bpy.data.objects)
        assert_plays(rig, clip, 4)
        assert move_line(bpy.context.scene, "a", 14) == 2
        assert_plays(rig, clip, 14)


class TestBlending:
    def test_a_line_fades_in_from_rest_and_out_to_it(self) -> None:
        rig = head()
        put(held(0.8, 21), rig, 1, blend_in=4, blend_out=4)
        assert [smile_at(rig, frame) for frame in (1, 3, 5, 17, 19, 21, 30)] == pytest.approx(
            [0, 0.4, 0.8, 0.8, 0.4, 0, 0], abs=1e-5
        )

    def test_neighbours_that_overlap_cross_over(self) -> None:
        rig = head()
        put(held(0.2, 21), rig, 1)
        put(held(0.8, 21), rig, 17, "b")
        assert [smile_at(rig, frame) for frame in (16, 17, 19, 21, 22, 37)] == pytest.approx(
            [0.2, 0.2, 0.5, 0.8, 0.8, 0.8], abs=1e-5
        )
        assert [len(strips) for _, strips in tracks(rig.keys)] == [1, 1]

    def test_the_earlier_one_baked_last_crosses_over_too(self) -> None:
        rig = head()
        put(held(0.8, 21), rig, 17, "b")
        put(held(0.2, 21), rig, 1)
        assert [smile_at(rig, frame) for frame in (16, 17, 19, 21, 22)] == pytest.approx(
            [0.2, 0.2, 0.5, 0.8, 0.8], abs=1e-5
        )

    def test_a_line_within_another_is_seen(self) -> None:
        rig = head()
        put(held(0.8, 9), rig, 21, "short")
        put(held(0.2, 61), rig, 1, "long")
        assert [smile_at(rig, frame) for frame in (10, 25, 50)] == pytest.approx([0.2, 0.8, 0.2], abs=1e-5)

    def test_no_step_is_larger_than_the_blend_makes_it(self) -> None:
        rig = head()
        put(held(0.1, 30), rig, 1)
        put(held(0.9, 30), rig, 21, "b")
        values = [smile_at(rig, frame) for frame in range(1, 51)]
        assert max(np.abs(np.diff(values))) < 0.8 / 9 + 1e-4

    def test_apart_again_they_blend_as_they_were_asked_to(self) -> None:
        rig = head()
        put(held(0.2, 21), rig, 1, blend_in=2, blend_out=3)
        put(held(0.8, 21), rig, 17, "b", blend_in=2, blend_out=3)
        assert strip_of(rig.keys, "b").blend_in == pytest.approx(4)
        move_line(bpy.context.scene, "b", 40)
        strip = strip_of(rig.keys, "b")
        assert (strip.blend_in, strip.blend_out) == (2, 3)

    def test_a_blend_that_an_artist_changed_stays(self) -> None:
        rig = head()
        put(held(0.2, 21), rig, 1, blend_in=2)
        strip_of(rig.keys, "a").blend_in = 7
        put(held(0.8, 21), rig, 60, "b")
        move_line(bpy.context.scene, "a", 5)
        assert strip_of(rig.keys, "a").blend_in == pytest.approx(7)
        assert strip_of(rig.armature, "a").blend_in == pytest.approx(2)

    def test_blends_longer_than_the_line_are_cut_in_proportion(self) -> None:
        rig = head()
        put(held(0.5, 11), rig, 1, blend_in=30, blend_out=10)
        strip = strip_of(rig.keys, "a")
        assert (strip.blend_in, strip.blend_out) == pytest.approx((7.5, 2.5))

    def test_a_line_fades_over_what_an_artist_has_below(self) -> None:
        rig = head()
        action = artists_action(rig.keys, f'key_blocks["{SMILE}"].value')
        part = compat.part_of(action, rig.keys)
        rig.keys.animation_data.action = None
        track = rig.keys.animation_data.nla_tracks.new()
        track.name = "Idle"
        strip = track.strips.new("idle", 1, action)
        compat.assign_to_strip(strip, part)
        strip.action_frame_start, strip.action_frame_end = 10, 11
        strip.frame_start, strip.frame_end, strip.extrapolation = 1, 100, "HOLD"
        strip.scale = 99.0
        put(held(0.25, 21), rig, 11, blend_in=4, blend_out=4)
        assert [smile_at(rig, frame) for frame in (5, 13, 20, 50)] == pytest.approx([0.75, 0.5, 0.25, 0.75], abs=1e-3)

    @pytest.mark.skipif(not compat.WRONG_REST_VALUE, reason="only Blender 5.0 has the fault")
    def test_what_does_not_combine_in_this_blender_is_named(self) -> None:
        rig = head()
        artists_action(rig.keys, 'key_blocks["jawForward"].value')
        rig.keys.animation_data.action_blend_type = "COMBINE"
        notes = put(make_clip(), rig, 1).notes
        assert [note for note in notes if "do not combine rightly" in note and "Artist" in note]

    @pytest.mark.skipif(compat.WRONG_REST_VALUE, reason="Blender 5.0 needs it")
    def test_no_track_is_added_for_faults_that_this_blender_does_not_have(self) -> None:
        rig = head()
        put(make_clip(), rig, 1)
        assert [track.name for track in rig.keys.animation_data.nla_tracks] == ["CTEG Ann acting"]


class TestMoving:
    def test_face_and_jaw_go_together(self) -> None:
        rig, clip = head(), make_clip()
        put(clip, rig, 5)
        assert move_line(bpy.context.scene, "a", 30) == 2
        assert tracks(rig.keys) == tracks(rig.armature) == [("CTEG Ann acting", [("a", 30, 49)])]
        assert_plays(rig, clip, 30)
        assert move_line(bpy.context.scene, "a", -12) == 2
        assert_plays(rig, clip, -12)

    def test_past_a_neighbour_and_into_one(self) -> None:
        rig, first, second = head(), make_clip(seed=1), make_clip(seed=2)
        put(first, rig, 1)
        put(second, rig, 40, "b")
        move_line(bpy.context.scene, "a", 80)
        assert_plays(rig, first, 80)
        assert_plays(rig, second, 40)
        move_line(bpy.context.scene, "a", 50)
        assert strip_of(rig.keys, "a").frame_start == 50
        assert strip_of(rig.armature, "a").frame_start == 50

    def test_there_already_nothing_changes(self) -> None:
        rig = head()
        put(make_clip(), rig, 10.4)
        before = tracks(rig.keys)
        assert before == [("CTEG Ann acting", [("a", 10, 29)])]
        assert move_line(bpy.context.scene, "a", 10.4) == 2
        assert tracks(rig.keys) == before
        assert starts_of_lines(bpy.context.scene)["a"] == pytest.approx(10.4)

    def test_what_was_set_on_a_strip_goes_along(self) -> None:
        rig = head()
        put(make_clip(seed=1), rig, 1)
        put(make_clip(seed=2), rig, 40, "b")
        strip = strip_of(rig.keys, "a")
        strip.use_animated_influence = True
        strip.influence = 0.5
        strip.fcurves[0].keyframe_points.insert(5, 0.25)
        strip.mute = True
        move_line(bpy.context.scene, "a", 80)
        strip = strip_of(rig.keys, "a")
        assert strip.mute
        assert [tuple(point.co) for point in strip.fcurves[0].keyframe_points][-1] == (84, 0.25)

    def test_starts_are_read_off_the_strips(self) -> None:
        rig = head()
        put(make_clip(), rig, 5)
        put(make_clip(), rig, 50, "b")
        assert starts_of_lines(bpy.context.scene) == {"a": 5, "b": 50}
        for owner in (rig.keys, rig.armature):
            strip = strip_of(owner, "a")
            strip.frame_end += 7
            strip.frame_start += 7
        assert starts_of_lines(bpy.context.scene) == {"a": 12, "b": 50}

    def test_a_face_moved_without_its_jaw_tells_where_the_line_is(self) -> None:
        rig, clip = head(), make_clip()
        put(clip, rig, 5)
        strip = strip_of(rig.keys, "a")
        strip.frame_end += 7
        strip.frame_start += 7
        assert starts_of_lines(bpy.context.scene) == {"a": 12}
        move_line(bpy.context.scene, "a", 12)
        assert_plays(rig, clip, 12)

    def test_a_strip_whose_beginning_was_cut_off_still_knows_its_line(self) -> None:
        rig, clip = head(), make_clip()
        put(clip, rig, 5)
        for owner in (rig.keys, rig.armature):
            strip = strip_of(owner, "a")
            strip.action_frame_start += 4
            strip.frame_start += 4
        assert starts_of_lines(bpy.context.scene) == {"a": 5}
        move_line(bpy.context.scene, "a", 25)
        assert strip_of(rig.keys, "a").frame_start == 29
        bpy.context.scene.frame_set(35)
        assert key_values(rig)[SMILE] == pytest.approx(clip.frames[10, CTEG_HEAD_1.index(SMILE)], abs=1e-5)

    def test_between_two_frames_where_an_artist_put_it_face_and_jaw_stay_together(self) -> None:
        rig = head()
        put(make_clip(), rig, 5)
        strip = strip_of(rig.keys, "a")
        strip.frame_end, strip.frame_start = 31.3, 12.3
        (start,) = starts_of_lines(bpy.context.scene).values()
        move_line(bpy.context.scene, "a", start)
        assert strip_of(rig.armature, "a").frame_start == pytest.approx(12.3)
        assert strip_of(rig.keys, "a").frame_start == pytest.approx(12.3)

    def test_an_active_take_is_moved_by_its_keys(self) -> None:
        rig, clip = head(), make_clip()
        put(clip, rig, 5, to_nla=False)
        assert move_line(bpy.context.scene, "a", 31) == 2
        assert_plays(rig, clip, 31)
        assert starts_of_lines(bpy.context.scene) == {"a": 31}

    def test_a_copy_that_an_artist_made_stays_where_it_is(self) -> None:
        rig = head()
        put(make_clip(), rig, 5)
        for owner in (rig.keys, rig.armature):
            strip = strip_of(owner, "a")
            copy = owner.animation_data.nla_tracks[-1].strips.new("copy", 100, strip.action)
            compat.assign_to_strip(copy, compat.part_of_strip(strip, owner))
            copy.action_frame_start, copy.action_frame_end = strip.action_frame_start, strip.action_frame_end
            copy.frame_start, copy.frame_end = 100, 119
        assert starts_of_lines(bpy.context.scene) == {"a": 5}
        assert move_line(bpy.context.scene, "a", 30) == 2
        assert [strips for _, strips in tracks(rig.keys)] == [[("a", 30, 49), ("a", 100, 119)]]
        put(make_clip(seed=4), rig, 40)
        assert [strips for _, strips in tracks(rig.armature)] == [[("a", 40, 59), ("a", 100, 119)]]
        assert remove_line(bpy.context.scene, "a") == 4

    def test_locked_tracks_are_named_and_nothing_moves(self) -> None:
        rig = head()
        put(make_clip(), rig, 5)
        rig.armature.animation_data.nla_tracks[-1].lock = True
        for change in (lambda: move_line(bpy.context.scene, "a", 9), lambda: remove_line(bpy.context.scene, "a")):
            with pytest.raises(BakeError, match="track “CTEG Ann acting” of “CTEG Head Rig” is locked"):
                change()
        with pytest.raises(BakeError, match="is locked"):
            put(make_clip(seed=3), rig, 9)
        assert tracks(rig.keys) == tracks(rig.armature) == [("CTEG Ann acting", [("a", 5, 24)])]
        assert len(bpy.data.actions) == len({action.name for action in bpy.data.actions if action.get(LINE) == "a"}) + (
            1 if compat.WRONG_REST_VALUE else 0
        )

    def test_a_new_line_goes_beside_a_locked_track(self) -> None:
        rig = head()
        put(make_clip(), rig, 5)
        rig.keys.animation_data.nla_tracks[-1].lock = True
        put(make_clip(), rig, 60, "b")
        assert [strips for _, strips in tracks(rig.keys)] == [[("a", 5, 24)], [("b", 60, 79)]]

    def test_unknown_lines_move_nothing(self) -> None:
        head()
        assert move_line(bpy.context.scene, "nobody", 5) == 0
        assert remove_line(bpy.context.scene, "nobody") == 0


class TestTakingOff:
    def test_the_face_goes_back_to_rest_and_the_action_stays(self) -> None:
        rig = head()
        take = put(held(0.7), rig, 1)
        assert smile_at(rig, 5) == pytest.approx(0.7)
        assert remove_line(bpy.context.scene, "a") == 2
        assert smile_at(rig, 5) == 0
        np.testing.assert_allclose(bone_matrix(rig, "jaw"), np.eye(3), atol=1e-6)
        assert all(action.name in bpy.data.actions for action in take.actions)
        assert not rig.keys.animation_data.nla_tracks

    def test_other_lines_and_the_artists_tracks_stay(self) -> None:
        rig = head()
        action = artists_action(rig.keys, 'key_blocks["jawForward"].value')
        before = coordinates(action, rig.keys)
        put(held(0.7), rig, 1)
        put(held(0.3), rig, 50, "b")
        remove_line(bpy.context.scene, "a")
        assert rig.keys.animation_data.action == action
        assert coordinates(action, rig.keys) == before
        assert tracks(rig.keys) == [("CTEG Ann acting", [("b", 50, 60)])]

    def test_several_at_once_without_those_that_are_closed(self) -> None:
        rig, other = head(), head()
        for line, start in (("a", 1), ("b", 8), ("c", 15)):
            put(held(0.7), rig, start, line)
        put(held(0.7), other, 1, "d")
        put(held(0.7), other, 30, "e", to_nla=False)
        crossing = strip_of(rig.keys, "b").blend_in
        for track in other.keys.animation_data.nla_tracks:
            track.lock = True
        taken = baking.remove_lines(bpy.context.scene, ["a", "c", "d", "e", "nobody"])
        assert taken.counts == {"a": 2, "c": 2, "e": 2, "nobody": 0}
        assert len(taken.failed) == 1
        assert "is locked" in taken.failed[0]
        assert starts_of_lines(bpy.context.scene) == {"b": 8, "d": 1}
        assert crossing > 0
        assert strip_of(rig.keys, "b").blend_in == 0, "nothing is left to cross over with"
        assert smile_at(rig, 3) == 0

    def test_an_active_take_is_taken_off_too(self) -> None:
        rig = head()
        put(held(0.7), rig, 1, to_nla=False)
        assert remove_line(bpy.context.scene, "a") == 2
        assert rig.keys.animation_data.action is None
        assert smile_at(rig, 5) == 0


def test_a_library_override_gets_lines_that_move_and_stay(tmp_path: Path) -> None:
    collection = bpy.data.collections.new("Character")
    bpy.context.scene.collection.children.link(collection)
    linked = build_rig(talking_box(), collection=collection)
    bake_take(make_clip(seed=9), linked, bpy.context.scene, Placement("theirs", "Ann", start_frame=200))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "character.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "character.blend"), link=True) as (_, wanted):
        wanted.collections = ["Character"]
    context, clip = bpy.context, make_clip()
    bpy.data.collections["Character"].override_hierarchy_create(
        context.scene, context.view_layer, do_fully_editable=True
    )
    rig = next(rig for rig in rigs_of(bpy.data.objects) if rig.mesh.library is None)
    put(clip, rig, 5)
    assert_plays(rig, clip, 5)
    move_line(context.scene, "a", 12)
    with pytest.raises(BakeError, match="is linked"):
        move_line(context.scene, "theirs", 150)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    rig = next(rig for rig in rigs_of(bpy.data.objects) if rig.mesh.library is None)
    assert_plays(rig, clip, 12)
    assert baking.starts_of_lines(bpy.context.scene)["a"] == 12
