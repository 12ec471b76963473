"""Live Link Face CSV: the exact file, the variants that phones write, and files that are none."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.livelink import (
    ANGLES,
    HEADER,
    MAX_ROWS,
    LiveLinkError,
    LiveLinkTake,
    livelink_take,
    read_livelink,
    write_livelink,
)
from flame_rig.spaces import CTEG_HEAD_1, frames_from_arkit

JAW_OPEN = ARKIT_SHAPES.index("jawOpen")


def take_of(count: int, fps: float = 60.0, seed: int = 0) -> LiveLinkTake:
    rng = np.random.default_rng(seed)
    return LiveLinkTake(rng.random((count, 52)), rng.uniform(-1, 1, (count, 9)), fps)


def recording(*rows: str, names: tuple[str, ...] = ("JawOpen",)) -> str:
    return "\n".join((",".join(("Timecode", "BlendShapeCount", *names)), *rows, ""))


class TestWriting:
    def test_the_header_is_the_apps(self) -> None:
        assert write_livelink(take_of(1)).splitlines()[0] == (
            "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,"
            "EyeSquintLeft,EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,"
            "EyeSquintRight,EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,"
            "MouthRight,MouthLeft,MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,"
            "MouthDimpleRight,MouthStretchLeft,MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,"
            "MouthShrugUpper,MouthPressLeft,MouthPressRight,MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,"
            "MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,"
            "CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,TongueOut,HeadYaw,HeadPitch,HeadRoll,"
            "LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
        )

    def test_values_stand_under_their_names(self) -> None:
        weights, angles = np.zeros((1, 52)), np.zeros((1, 9))
        weights[0, ARKIT_SHAPES.index("jawLeft")] = 0.25
        angles[0, ANGLES.index("RightEyePitch")] = -0.125
        row = write_livelink(LiveLinkTake(weights, angles, 60)).splitlines()[1].split(",")
        by_name = dict(zip(HEADER, row, strict=True))
        assert (row[0], row[1], len(row)) == ("00:00:00:00.000", "61", 63)
        assert (by_name["JawLeft"], by_name["JawRight"]) == ("0.25000000", "0.00000000")
        assert by_name["RightEyePitch"] == "-0.12500000"

    @pytest.mark.parametrize(
        ("fps", "frame", "timecode"),
        [
            (60, 59, "00:00:00:59.000"),
            (60, 3725, "00:01:02:05.000"),
            (24, 25, "00:00:01:01.000"),
            (29.97, 30, "00:00:01:00.000"),
        ],
    )
    def test_timecodes_count_whole_frames(self, fps: float, frame: int, timecode: str) -> None:
        assert write_livelink(take_of(frame + 1, fps)).splitlines()[-1].startswith(timecode + ",61,")

    @given(st.integers(1, 40), st.sampled_from((24.0, 30.0, 60.0)), st.integers(0, 99))
    def test_round_trip(self, count: int, fps: float, seed: int) -> None:
        take = take_of(count, fps, seed)
        again = read_livelink(write_livelink(take), fps)
        np.testing.assert_allclose(again.weights, take.weights, atol=1e-8)
        np.testing.assert_allclose(again.angles, take.angles, atol=1e-8)
        assert (again.fps, again.notes) == (fps, ())

    @pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 60.0])
    def test_a_whole_second_tells_the_rate(self, fps: float) -> None:
        again = read_livelink(write_livelink(take_of(int(fps) + 1, fps)))
        assert (again.fps, len(again.weights), again.notes) == (fps, int(fps) + 1, ())


class TestClips:
    def test_a_clip_becomes_curves_at_60(self) -> None:
        weights = np.zeros((31, 52))
        weights[:, JAW_OPEN] = np.linspace(0, 1, 31)
        take = livelink_take(frames_from_arkit(weights), 30)
        assert (take.fps, len(take.weights)) == (60, 61)
        np.testing.assert_allclose(take.weights[:, JAW_OPEN], np.linspace(0, 1, 61), atol=1e-6)

    def test_the_jaw_is_never_on_both_sides_at_once(self) -> None:
        weights = np.zeros((2, 52))
        weights[[0, 1], [ARKIT_SHAPES.index("jawLeft"), ARKIT_SHAPES.index("jawRight")]] = 0.4, 0.8
        take = livelink_take(frames_from_arkit(weights), 30)
        left, right = (take.weights[:, ARKIT_SHAPES.index(shape)] for shape in ("jawLeft", "jawRight"))
        np.testing.assert_allclose(left - right, [0.4, -0.2, -0.8], atol=1e-6)
        assert not np.minimum(left, right).any()

    def test_eyes_turn_with_the_gaze(self) -> None:
        weights = np.zeros((1, 52))
        weights[0, [ARKIT_SHAPES.index("eyeLookDownLeft"), ARKIT_SHAPES.index("eyeLookInRight")]] = 1.0
        angles = dict(zip(ANGLES, livelink_take(frames_from_arkit(weights), 30).angles[0], strict=True))
        assert angles["LeftEyePitch"] == pytest.approx(np.radians(25))
        assert angles["RightEyeYaw"] == pytest.approx(np.radians(28))
        assert {name for name, angle in angles.items() if angle} == {"LeftEyePitch", "RightEyeYaw"}

    @given(st.integers(0, 99))
    def test_frames_come_back_through_a_file(self, seed: int) -> None:
        frames = np.random.default_rng(seed).uniform(CTEG_HEAD_1.lower, CTEG_HEAD_1.upper, (7, 53))
        take = read_livelink(write_livelink(livelink_take(frames, 30, 30)), 30)
        np.testing.assert_allclose(frames_from_arkit(take.weights), frames, atol=1e-6)


class TestVariants:
    def test_other_orders_spellings_and_line_ends(self) -> None:
        lines = (
            "Timecode,BlendshapeCount,jawOpen,eyeBlink_L",
            "10:00:00:05.123,2,0.5,1",
            "",
            "10:00:00:06.123,2,0.6,0",
        )
        text = "\ufeff" + "\r\n".join(lines)
        take = read_livelink(text, 60)
        assert take.weights[:, JAW_OPEN].tolist() == [0.5, 0.6]
        assert take.weights[:, 0].tolist() == [1, 0]
        assert take.notes[0].startswith("No column for eyeLookDownLeft,")

    def test_a_recording_of_51_shapes_without_eyes(self) -> None:
        lines = [line.split(",") for line in write_livelink(take_of(3)).splitlines()]
        text = "\n".join(",".join(line[:53]) for line in lines)
        take = read_livelink(text, 60)
        assert take.notes == ("No column for tongueOut: taken as 0.",)
        assert not take.angles.any()

    def test_dropped_frames_and_rows_without_a_face_are_filled_in(self) -> None:
        text = recording("00:00:01:58,61,0", "00:00:01:59,0,", "00:00:02:00,61,0.2", "00:00:02:04,61,0.6")
        take = read_livelink(text)
        assert take.fps == 60
        np.testing.assert_allclose(take.weights[:, JAW_OPEN], np.arange(7) / 10)
        assert "1 rows have no face; they were filled in from their neighbours." in take.notes
        assert any("gaps" in note for note in take.notes)

    def test_frames_between_frames_stay_where_they_are_in_time(self) -> None:
        text = recording("0:00:00:00.5,1,0", "0:00:00:02.0,1,0.3", "0:00:00:03.5,1,0.6")
        np.testing.assert_allclose(read_livelink(text, 30).weights[:, JAW_OPEN], [0, 0.2, 0.4, 0.6], atol=1e-9)

    def test_a_take_may_pass_midnight(self) -> None:
        take = read_livelink(recording("23:59:59:59,1,0", "00:00:00:00,1,1"), 60)
        assert take.weights[:, JAW_OPEN].tolist() == [0, 1]

    def test_a_row_that_is_not_later_is_left_out(self) -> None:
        take = read_livelink(recording("0:0:0:1,1,0", "0:0:0:1,1,0.9", "0:0:0:2,1,1"), 60)
        assert take.weights[:, JAW_OPEN].tolist() == [0, 1]
        assert any("1 rows are not later" in note for note in take.notes)

    def test_plain_frame_numbers_are_read(self) -> None:
        take = read_livelink(recording("1,1,0", "2,1,0.5"), 30)
        assert take.weights[:, JAW_OPEN].tolist() == [0, 0.5]

    def test_weights_beyond_their_range_are_held_and_counted(self) -> None:
        take = read_livelink(recording("0:0:0:0,1,1.5", "0:0:0:1,1,-0.1"), 60)
        assert take.weights[:, JAW_OPEN].tolist() == [1, 0]
        assert "2 weights lie outside 0 to 1 and were held to it." in take.notes

    def test_a_short_file_without_a_rate_says_what_was_assumed(self) -> None:
        take = read_livelink(recording("0:0:0:0,1,1"))
        assert take.fps == 60
        assert "60 frames a second were assumed" in take.notes[-1]


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "Row 1 is not the header"),
            ("frame,jawOpen\n1,0\n", "Row 1 is not the header"),
            ("Timecode,BlendShapeCount,smile\n", "Row 1 names no ARKit shape"),
            ("Timecode,BlendShapeCount,jawOpen,JawOpen\n", "Row 1 has two columns for JawOpen"),
            (recording(), "no row with a face"),
            (recording("0:0:0:0,0,"), "no row with a face"),
            (recording("0:0:0:0,1,0", "0:0:0:1,1"), None),
            (recording("0:0:0:0,1,0", "0:0:0:1,1,0,0"), "Row 3 has 4 values and the header 3"),
            (recording("0:0:0:0,1,0", "0:0:0:1,1,zero"), "Row 3 has “zero” where a number belongs"),
            (recording("0:0:0:0,1,nan"), "Row 2 has a value beyond ±100, or none"),
            (recording("0:0:0:0,1,-1e9"), "Row 2 has a value beyond ±100"),
            (recording("noon,1,0"), "Row 2 has no timecode"),
            (recording("0:99:0:0,1,0"), "Row 2 has no timecode"),
            (recording("0:0:0:0,1,0", "20:0:0:0,1,0"), "span 72000 seconds"),
            (recording('0:0:0:0,1,"0'), "Row 2 is not CSV"),
            (recording("0:0:0:0,1," + "9" * 200_000), "not CSV"),
            (recording(*["0:0:0:0,1,0"] * (MAX_ROWS + 1)), "more than 200000 rows"),
        ],
    )
    def test_one_sentence_names_the_row(self, text: str, said: str | None) -> None:
        if said is None:
            assert len(read_livelink(text, 60).weights) == 1
            return
        with pytest.raises(LiveLinkError, match=said) as error:
            read_livelink(text, 60)
        assert "\n" not in str(error.value)

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        for whole in (text, recording(text), recording("0:0:0:0,1,0", text)):
            with contextlib.suppress(LiveLinkError):
                assert len(read_livelink(whole).weights) >= 1

    @pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 1000.0])
    def test_a_rate_that_is_none_is_refused(self, fps: float) -> None:
        with pytest.raises(LiveLinkError, match="frame rate is 1 to 240"):
            read_livelink(recording("0:0:0:0,1,0"), fps)
        with pytest.raises(ValueError, match="frame rate"):
            livelink_take(np.zeros((2, 53)), 30, fps)
