"""Baking takes of lines: shaping, key reduction, notes, small steps; and the operators, queue and API around it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
import pytest

import addon
from addon import actions, api, bake_queue, baking, characters, compat, history, line_strips, lines, notices
from addon.actions import BakeError, clip_of
from addon.baking import Placement, bake_steps, bake_take
from addon.rig import Rig, build_rig, find_rig
from cteg_core.clip import ExpressionClip
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.shaping import Shaping
from flame_rig.spaces import CTEG_HEAD_1
from tests.addon.arkit_character import armature_with, shown, three_meshes
from tests.addon.heads import bone_matrix, box_head, key_values, make_clip, talking_box
from tests.addon.test_actions import artists_action, assert_plays, coordinates, go_to
from tests.addon.test_nla_lines import held, put, smile_at, tracks

SMILE, BROW = "mouthSmileLeft", "browInnerUp"


def head() -> Rig:
    return build_rig(talking_box())


def soft_clip(count: int = 120, fps: float = 24.0) -> ExpressionClip:
    """Slow motion on all components, and two blinks."""
    time = np.arange(count)[:, None] / fps
    waves = 0.5 - 0.5 * np.cos(2 * math.pi * time * np.linspace(0.2, 1.0, 53))
    frames = CTEG_HEAD_1.lower + waves * (CTEG_HEAD_1.upper - CTEG_HEAD_1.lower)
    for side in ("Left", "Right"):
        frames[:, CTEG_HEAD_1.index(f"eyeBlink{side}")] = 0.0
        frames[40:45, CTEG_HEAD_1.index(f"eyeBlink{side}")] = [0.4, 1.0, 1.0, 0.6, 0.2]
    frames[[0, -1]] = 0.0
    return ExpressionClip(frames=frames.astype(np.float32), fps=fps, space=CTEG_HEAD_1.id, text="Softly.")


def paths(owner: compat.Animated) -> set[str]:
    return compat.all_animated_paths(owner)


class TestShaping:
    def test_without_shaping_a_take_is_what_it_was(self) -> None:
        rig, clip = head(), make_clip()
        bake_take(clip, rig, bpy.context.scene, Placement("a", "Ann", start_frame=3), Shaping())
        assert_plays(rig, clip, 3)

    def test_halves_are_weighted(self) -> None:
        rig, clip = head(), held(0.4)
        clip.frames[:, CTEG_HEAD_1.index(BROW)] = 0.4
        bake_take(clip, rig, bpy.context.scene, Placement("a", "Ann"), Shaping(upper=2.0, lower=0.5))
        go_to(5)
        values = key_values(rig)
        assert (values[SMILE], values[BROW]) == pytest.approx((0.2, 0.8))

    def test_a_half_of_weight_0_has_no_curves_so_that_a_lip_sync_below_plays(self) -> None:
        rig = head()
        put(held(0.7), rig, 1, "lips", layer="lip sync")
        clip = held(0.2)
        clip.frames[:, CTEG_HEAD_1.index(BROW)] = 0.4
        bake_take(clip, rig, bpy.context.scene, Placement("a", "Ann"), Shaping(lower=0.0))
        go_to(5)
        values = key_values(rig)
        assert (values[SMILE], values[BROW]) == pytest.approx((0.7, 0.4))
        assert bone_matrix(rig, "jaw")[2, 1] == pytest.approx(math.sin(0.21), abs=1e-5)
        ((_, strips),) = [each for each in tracks(rig.keys) if each[0] == "CTEG Ann acting"]
        assert len(strips) == 1
        assert "CTEG Ann acting" not in [name for name, _ in tracks(rig.armature)]

    def test_baked_again_without_its_mouth_the_mouth_goes_back_to_rest(self) -> None:
        rig = head()
        put(held(0.7), rig, 1)
        assert smile_at(rig, 5) == pytest.approx(0.7)
        bake_take(held(0.7), rig, bpy.context.scene, Placement("a", "Ann"), Shaping(lower=0.0))
        assert smile_at(rig, 5) == 0.0
        np.testing.assert_allclose(bone_matrix(rig, "jaw"), np.eye(3), atol=1e-6)
        assert tracks(rig.armature) == []

    def test_a_character_of_arkit_keys_leaves_its_mouth_alone_too(self) -> None:
        rig = characters.register_character(three_meshes())
        bake_take(held(0.7), rig, bpy.context.scene, Placement("a", "Ann"), Shaping(lower=0.0))
        animated = paths(rig.keys)
        assert not [path for path in animated if "mouth" in path or "jaw" in path]
        assert len([path for path in animated if "brow" in path]) == 5
        assert len([path for path in animated if "eyeLook" in path]) == 8
        assert tracks(dict(rig.meshes)["Teeth"].data.shape_keys) == []

    def test_the_take_itself_is_stored_unshaped(self) -> None:
        rig, clip = head(), make_clip()
        take = bake_take(clip, rig, bpy.context.scene, Placement("a", "Ann", take_id="t"), Shaping(0.5, 1.5, 0.2))
        stored = clip_of(take.actions[0])
        assert stored is not None
        assert np.array_equal(stored.frames, clip.frames)
        assert (take.actions[0][actions.LINE], take.actions[0][actions.TAKE]) == ("a", "t")
        assert list(take.actions[0][baking.SHAPING]) == [0.5, 1.5, 0.2]

    def test_smoothing_keeps_blinks_closed(self) -> None:
        rig = head()
        bake_take(soft_clip(), rig, bpy.context.scene, Placement("a", "Ann"), Shaping(smoothing=0.5))
        closure = []
        for frame in range(38, 50):
            go_to(frame)
            closure.append(key_values(rig)["eyeBlinkLeft"])
        assert max(closure) == pytest.approx(1.0)

    def test_where_halves_cannot_be_told_apart_a_note_says_so(self) -> None:
        rig = build_rig(box_head("flame-2020", tuple(f"Exp{n:03}" for n in range(50))))
        clip = make_clip(space="flame-2020")
        take = bake_take(clip, rig, bpy.context.scene, Placement("a", "Ann"), Shaping(upper=0.5))
        assert [note for note in take.notes if "cannot be told apart" in note]
        go_to(5)
        assert key_values(rig)["Exp001"] == pytest.approx(clip.frames[4, 1], abs=1e-6)


class TestKeyReduction:
    @pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
    def test_every_frame_is_within_the_tolerance_with_far_fewer_keys(self, mode: str) -> None:
        rig, clip = head(), soft_clip()
        rig.armature.pose.bones["jaw"].rotation_mode = mode
        take = put(clip, rig, 1, tolerance=0.01)
        curves = [curve for action in take.actions for curve in compat.all_curves(action)]
        assert sum(len(curve.keyframe_points) for curve in curves) < 0.5 * len(curves) * len(clip.frames)
        for index, frame in enumerate(clip.frames):
            go_to(1 + index)
            values = key_values(rig)
            off = [abs(values[name] - value) for name, value in zip(CTEG_HEAD_1.names[:49], frame[:49], strict=True)]
            assert max(off) <= 0.01 + 1e-5

    def test_a_rotation_keeps_its_keys_together(self) -> None:
        rig = head()
        put(soft_clip(), rig, 1, tolerance=0.005)
        (placed,) = line_strips.placed_on([rig.armature], "a")
        keyed = [[point.co.x for point in curve.keyframe_points] for curve in compat.curves_of_strip(placed.strip)]
        assert len(keyed) == 4
        assert all(each == keyed[0] for each in keyed)
        assert keyed[0][0] == 1
        assert keyed[0][-1] == 120

    def test_blinks_stay_closed(self) -> None:
        rig = head()
        put(soft_clip(), rig, 1, tolerance=0.1)
        go_to(42)
        assert key_values(rig)["eyeBlinkLeft"] == 1.0

    def test_without_a_tolerance_every_frame_has_a_key(self) -> None:
        take = put(soft_clip(), head(), 1)
        curves = [curve for action in take.actions for curve in compat.all_curves(action)]
        assert {len(curve.keyframe_points) for curve in curves} == {120}


class TestWhatIsNotOurs:
    def test_an_artists_active_action_stays_and_the_note_names_it(self) -> None:
        rig = head()
        action = artists_action(rig.keys, 'key_blocks["jawForward"].value')
        before = coordinates(action, rig.keys)
        take = put(make_clip(), rig, 1)
        assert rig.keys.animation_data.action == action
        assert coordinates(action, rig.keys) == before
        assert [note for note in take.notes if f"“{action.name}” is active" in note and "plays over" in note]

    def test_as_the_active_action_it_is_refused(self) -> None:
        rig = head()
        action = artists_action(rig.armature, "location")
        with pytest.raises(BakeError, match="“Artist"):
            put(make_clip(), rig, 1, to_nla=False)
        assert rig.armature.animation_data.action == action
        assert len(bpy.data.actions) == 1

    def test_tweak_mode_is_refused_before_anything_changes(self) -> None:
        rig = head()
        put(make_clip(), rig, 1)
        animation = rig.keys.animation_data
        track = animation.nla_tracks[-1]
        track.strips[0].select = True
        animation.nla_tracks.active = track
        animation.use_tweak_mode = True
        count = len(bpy.data.actions)
        with pytest.raises(BakeError, match="tweak mode"):
            put(make_clip(seed=2), rig, 1)
        assert len(bpy.data.actions) == count
        animation.use_tweak_mode = False
        assert tracks(rig.keys) == [("CTEG Ann acting", [("a", 1, 20)])]

    def test_driven_locked_muted_and_missing_are_named(self) -> None:
        rig = head()
        rig.keys.key_blocks["mouthLeft"].driver_add("value").driver.expression = "0.125"
        rig.keys.key_blocks["cheekPuff"].mute = True
        rig.armature.pose.bones["jaw"].lock_rotation[0] = True
        rig.mesh.shape_key_remove(rig.keys.key_blocks["tongueOut"])
        said = " ".join(put(make_clip(), rig, 1).notes)
        for words in ("drivers and were left alone: mouthLeft", "muted", "cheekPuff", "locked", "jaw", "tongueOut"):
            assert words in said
        go_to(5)
        assert key_values(rig)["mouthLeft"] == 0.125

    def test_a_solo_track_and_a_switched_off_nla_are_named(self) -> None:
        rig = head()
        artists_action(rig.keys, 'key_blocks["jawForward"].value')
        part = compat.part_of(rig.keys.animation_data.action, rig.keys)
        rig.keys.animation_data.action = None
        track = rig.keys.animation_data.nla_tracks.new()
        track.name = "Idle"
        compat.assign_to_strip(track.strips.new("idle", 1, part.action), part)
        track.is_solo = True
        rig.armature.animation_data_create().use_nla = False
        said = " ".join(put(make_clip(), rig, 1).notes)
        assert "“Idle” of “CTEG Head” plays solo" in said
        assert "The NLA of “CTEG Head Rig” is switched off" in said
        assert track.is_solo

    def test_values_beyond_a_slider_are_counted(self) -> None:
        rig, clip = head(), make_clip(4)
        clip.frames[1:3, CTEG_HEAD_1.index("cheekPuff")] = 1.5
        assert [note for note in put(clip, rig, 1).notes if "cheekPuff (2)" in note]

    def test_values_beyond_blenders_limit_are_counted(self) -> None:
        rig = build_rig(box_head("flame-2020", tuple(f"Exp{n:03}" for n in range(50))))
        clip = make_clip(6, space="flame-2020")
        clip.frames[2:5, 3] = [11.0, -12.0, 9.0]
        assert [note for note in put(clip, rig, 1).notes if "Exp003 (4)" in note or "Exp003 (2)" in note]

    def test_gaze_and_jaw_are_bones_where_there_are_bones(self) -> None:
        rig = characters.register_character(three_meshes())
        characters.set_bones(rig, armature_with("jaw", "eye.L", "eye.R"), jaw="jaw", eyes=("eye.L", "eye.R"))
        again = find_rig(rig.mesh)
        assert again is not None
        clip = make_clip()
        put(clip, again, 1)
        animated = paths(again.armature)
        assert animated == {f'pose.bones["{bone}"].rotation_quaternion' for bone in ("jaw", "eye.L", "eye.R")}

    def test_a_clip_of_another_space_is_refused(self) -> None:
        rig = head()
        with pytest.raises(BakeError, match="flame-2020"):
            put(make_clip(space="flame-2020"), rig, 1)
        assert not bpy.data.actions


class TestSteps:
    def test_given_up_half_way_nothing_is_left(self) -> None:
        rig = head()
        put(make_clip(), rig, 1)
        count, before = len(bpy.data.actions), tracks(rig.keys)
        for steps_done in range(1, 5):
            work = bake_steps(soft_clip(4000), rig, bpy.context.scene, Placement("a", "Ann", start_frame=9))
            for _ in range(steps_done):
                next(work)
            work.close()
            assert len(bpy.data.actions) == count
            assert tracks(rig.keys) == before

    def test_undo_half_way_is_survived(self) -> None:
        rig = head()
        bpy.ops.ed.undo_push(message="before")
        bpy.context.scene.frame_end = 99
        bpy.ops.ed.undo_push(message="another")
        work = bake_steps(soft_clip(4000), rig, bpy.context.scene, Placement("a", "Ann"))
        for _ in range(4):
            next(work)
        work.close()
        bpy.ops.ed.undo()
        assert not bpy.data.actions


@pytest.fixture
def registered() -> Iterator[None]:
    addon.register()
    yield
    addon.unregister()


def scene_with_lines(*starts: float) -> tuple[Rig, list[Any]]:
    """A head, and lines with a take each."""
    rig, scene = head(), bpy.context.scene
    for number, start in enumerate(starts):
        line = lines.add(scene, f"Line {number}.", start=start)
        history.add(line.line_id, make_clip(seed=number))
    return rig, list(lines.lines_of(scene))


@pytest.mark.usefixtures("registered")
class TestOperators:
    def test_all_lines_go_to_their_strips(self) -> None:
        rig, made = scene_with_lines(1, 40, 80)
        assert bpy.ops.cteg.bake() == {"FINISHED"}
        for number, line in enumerate(made):
            assert_plays(rig, make_clip(seed=number), round(line.start))
        assert tracks(rig.keys)[0][1] == [(line.line_id, line.start, line.start + 19) for line in made]
        assert bpy.context.scene.frame_end >= 99
        said = notices.outcome()
        assert said is not None
        assert said.sentences[0] == "3 lines baked."

    @pytest.mark.parametrize(("which", "count"), [("ALL", 3), ("ACTIVE", 1), ("RANGE", 2)])
    def test_which_lines_are_meant(self, which: str, count: int) -> None:
        rig, _ = scene_with_lines(1, 40, 80)
        bpy.context.scene.frame_end = 60
        bpy.context.scene.cteg.bake.lines = which
        bpy.ops.cteg.bake()
        assert len(line_strips.placed_on([rig.keys])) == count

    def test_strips_moved_by_hand_move_the_list(self) -> None:
        rig, made = scene_with_lines(1, 40)
        bpy.ops.cteg.bake()
        (placed,) = line_strips.placed_on([rig.keys], made[1].line_id)
        placed.strip.frame_end += 12
        placed.strip.frame_start += 12
        assert bpy.ops.cteg.update_from_strips() == {"FINISHED"}
        assert [line.start for line in lines.lines_of(bpy.context.scene)] == [1, 52]
        assert_plays(rig, make_clip(seed=1), 52)

    def test_strips_go_back_to_where_the_list_says(self) -> None:
        rig, made = scene_with_lines(1, 40)
        bpy.ops.cteg.bake()
        for owner in (rig.keys, rig.armature):
            (placed,) = line_strips.placed_on([owner], made[1].line_id)
            placed.strip.frame_end += 12
            placed.strip.frame_start += 12
        assert bpy.ops.cteg.move_strips() == {"FINISHED"}
        assert_plays(rig, make_clip(seed=1), 40)

    def test_a_new_start_in_the_list_moves_the_strips(self) -> None:
        rig, _ = scene_with_lines(1, 40)
        bpy.ops.cteg.bake()
        lines.lines_of(bpy.context.scene)[0].start = 70
        assert_plays(rig, make_clip(seed=0), 70)

    def test_taken_off_the_timeline_takes_stay(self) -> None:
        rig, made = scene_with_lines(1, 40)
        bpy.ops.cteg.bake()
        assert bpy.ops.cteg.remove_baked() == {"FINISHED"}
        assert tracks(rig.keys) == []
        assert all(lines.chosen_take(line) is not None for line in made)

    def test_a_line_that_cannot_be_baked_does_not_cost_the_others(self) -> None:
        rig, made = scene_with_lines(1, 40, 80)
        history.add(made[1].line_id, make_clip(space="flame-2020"))
        bpy.ops.cteg.bake()
        said = notices.outcome()
        assert said is not None
        assert said.failed
        assert "Line 1." in said.sentences[0]
        assert "flame-2020" in said.sentences[0]
        assert "2 lines baked." in said.sentences
        assert len(line_strips.placed_on([rig.keys])) == 2

    def test_as_active_actions_only_the_last_can_play(self) -> None:
        _, _ = scene_with_lines(1, 40)
        bpy.context.scene.cteg.bake.to_nla = False
        bpy.ops.cteg.bake()
        said = notices.outcome()
        assert said is not None
        assert any("one active Action" in sentence for sentence in said.sentences)

    def test_locked_tracks_are_said(self) -> None:
        rig, _ = scene_with_lines(1, 40)
        bpy.ops.cteg.bake()
        rig.armature.animation_data.nla_tracks[-1].lock = True
        bpy.ops.cteg.remove_baked()
        said = notices.outcome()
        assert said is not None
        assert said.failed
        assert "is locked" in said.sentences[0]
        assert len(line_strips.placed_on([rig.keys])) == 2

    def test_each_button_says_why_it_is_off(self) -> None:
        from addon.operators.bake import CTEG_OT_bake, CTEG_OT_move_strips

        context = bpy.context
        assert CTEG_OT_bake.why_not(context) == "Add a line of dialogue first"
        line = lines.add(context.scene, "Hello.", "Ann")
        assert CTEG_OT_bake.why_not(context) == "None of these lines has a take yet: press Generate first"
        history.add(line.line_id, make_clip())
        assert CTEG_OT_bake.why_not(context) == "“Ann” has no head: choose one in the Character panel"
        head()
        assert CTEG_OT_bake.why_not(context) is None
        assert CTEG_OT_move_strips.why_not(context) == "No line is on the timeline yet: bake one first"
        with pytest.raises(RuntimeError, match="No line is on the timeline yet"):
            bpy.ops.cteg.move_strips()


@pytest.mark.usefixtures("registered")
class TestQueue:
    def test_step_by_step_it_is_the_same(self) -> None:
        rig, made = scene_with_lines(80, 1, 40)
        bake_queue.start(bpy.context.scene, [line.line_id for line in made])
        assert bake_queue.progress() == (0, 3)
        assert bake_queue.is_running()
        steps = 0
        while bake_queue.is_running():
            bake_queue.step()
            steps += 1
        assert steps > 6
        assert bake_queue.progress() is None
        for number, line in enumerate(made):
            assert_plays(rig, make_clip(seed=number), round(line.start))

    def test_ticked_by_hand_it_ends(self) -> None:
        _, made = scene_with_lines(1)
        bake_queue.start(bpy.context.scene, [made[0].line_id])
        for _ in range(100):
            if bake_queue.tick() is None:
                break
        assert not bake_queue.is_running()

    def test_one_at_a_time(self) -> None:
        _, made = scene_with_lines(1)
        bake_queue.start(bpy.context.scene, [made[0].line_id])
        with pytest.raises(api.CtegError, match="being baked"):
            bake_queue.start(bpy.context.scene, [made[0].line_id])
        bake_queue.forget()

    def test_cancelled_what_is_done_stays(self) -> None:
        rig, made = scene_with_lines(1, 40)
        bake_queue.start(bpy.context.scene, [line.line_id for line in made])
        while bake_queue.progress() != (1, 2):
            bake_queue.step()
        bake_queue.step()
        bake_queue.cancel()
        assert not bake_queue.is_running()
        assert len(line_strips.placed_on([rig.keys])) == 1
        said = notices.outcome()
        assert said is not None
        assert said.sentences[0] == "Cancelled. 1 line baked."

    def test_a_line_that_was_removed_meanwhile_is_said(self) -> None:
        rig, made = scene_with_lines(1, 40)
        bake_queue.start(bpy.context.scene, [line.line_id for line in made])
        lines.remove(bpy.context.scene, made[1].line_id)
        said = bake_queue.finish()
        assert said.done == 1
        assert "removed meanwhile" in said.failed[0]
        assert len(line_strips.placed_on([rig.keys])) == 1

    def test_undo_between_two_steps_is_survived(self) -> None:
        _, made = scene_with_lines(1, 40)
        ids = [line.line_id for line in made]
        bpy.ops.ed.undo_push(message="lines")
        bpy.context.scene.frame_end = 777
        bpy.ops.ed.undo_push(message="another")
        bake_queue.start(bpy.context.scene, ids)
        while bake_queue.progress() != (1, 2):
            bake_queue.step()
        bake_queue.step()
        bpy.ops.ed.undo()
        said = bake_queue.finish()
        assert said.sentences[0] == "2 lines baked."
        rig = find_rig(bpy.data.objects["CTEG Head"])
        assert rig is not None
        assert len(line_strips.placed_on([rig.keys])) == 2

    def test_another_file_ends_it(self) -> None:
        _, made = scene_with_lines(1)
        bake_queue.start(bpy.context.scene, [made[0].line_id])
        bake_queue.step()
        bpy.ops.wm.read_factory_settings(use_empty=True)
        assert not bake_queue.is_running()


def test_the_api_offers_it_all() -> None:
    rig = characters.register_character(three_meshes())
    scene = bpy.context.scene
    api.bake_take(held(0.5), rig, scene, api.Placement("a", "Ann", start_frame=5), api.Shaping(lower=0.5))
    go_to(8)
    assert shown(rig.mesh)[SMILE] == pytest.approx(0.25)
    assert api.starts_of_lines(scene) == {"a": 5}
    assert api.move_line(scene, "a", 9) == api.remove_line(scene, "a") == 3
    assert len(ARKIT_SHAPES) == 52
