"""Characters of others: what names mean, what is matched, and what edits do."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.arkit_spellings import OTHER_NAMES, spelling_of
from flame_rig.channels import channels_of_clip
from flame_rig.character import (
    empty_map,
    for_meshes,
    match_keys,
    with_eye_bone,
    with_jaw_bone,
    with_key,
    without_bone,
    without_key,
)
from flame_rig.flame_model import FlameModel
from flame_rig.gaze import eye_vectors
from flame_rig.rig_map import RigMap
from flame_rig.spaces import CTEG_HEAD_1, JAW_SLICE, frames_from_arkit
from tests.flame_rig.test_channels import make_model


def pascal(shape: str) -> str:
    return shape[0].upper() + shape[1:]


def sided(shape: str, left: str, right: str) -> str:
    for side, short in (("Left", left), ("Right", right)):
        if shape.endswith(side):
            return shape.removesuffix(side) + short
    return shape


def snake(shape: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in shape)


CONVENTIONS = {
    "camelCase": lambda shape: shape,
    "PascalCase": pascal,
    "_L": lambda shape: sided(shape, "_L", "_R"),
    ".L": lambda shape: sided(pascal(shape), ".L", ".R"),
    "snake_case": snake,
    "CAPITALS": lambda shape: snake(shape).upper(),
    "lower case": str.lower,
    "Maya": lambda shape: "blendShape1." + sided(shape, "_L", "_R"),
    "prefix": lambda shape: "Head_" + shape,
    "numbered": lambda shape: f"A{ARKIT_SHAPES.index(shape) + 1:02}_" + snake(shape).title(),
    "namespace": lambda shape: "anna:rig." + shape,
}


def frames_of(**weights: float) -> np.ndarray:
    row = np.zeros((1, len(ARKIT_SHAPES)))
    for shape, weight in weights.items():
        row[0, ARKIT_SHAPES.index(shape)] = weight
    return frames_from_arkit(row)


def values_of(rig_map: RigMap, **weights: float) -> dict[str, float]:
    values, _ = rig_map.evaluate(frames_of(**weights))
    return dict(zip(rig_map.key_names, values[0], strict=True))


class TestSpellings:
    @pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
    def test_every_shape_in_every_usual_spelling(self, convention: object) -> None:
        keys = [convention(shape) for shape in ARKIT_SHAPES]  # type: ignore[operator]
        _, report = match_keys({"Head": keys})
        assert [(key, shape) for _, key, shape in report.matched] == list(zip(keys, ARKIT_SHAPES, strict=True))
        assert (report.unmatched_shapes, report.unmatched_keys, report.ambiguous, report.passed_over) == ((),) * 4

    def test_a_character_creator_head_is_matched_whole(self) -> None:
        own = {
            shape: [name for name in names if re.match("(Brow|Cheek|Eye|Mouth)_", name)]
            for shape, names in OTHER_NAMES.items()
        }
        keys = [key for shape in ARKIT_SHAPES for key in own.get(shape) or [snake(sided(shape, "L", "R")).title()]]
        _, report = match_keys({"CC": keys})
        assert (report.unmatched_shapes, report.unmatched_keys, report.ambiguous) == ((),) * 3
        assert [shape for _, key, shape in report.matched if key in ("Eye_R_Look_R", "Jaw_L")] == [
            "eyeLookOutRight",
            "jawLeft",
        ]

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "Basis",
            "jaw",
            "viseme_aa",
            "Fcl_MTH_A",
            "jawOpen.001",
            "jawOpen2",
            "open jaw",
            "eyeBlink",
            "ü",
            "_neutral",
        ],
    )
    def test_other_names_mean_nothing(self, name: str) -> None:
        assert match_keys({"Head": [name]})[1].unmatched_keys == (("Head", name),)

    @given(st.text(max_size=40))
    def test_any_text_is_read_without_an_error(self, name: str) -> None:
        spelling = spelling_of(name)
        assert spelling is None or spelling.shape in ARKIT_SHAPES


class TestMatching:
    def test_meshes_with_different_spellings_move_together(self) -> None:
        rig_map, report = match_keys({"Head": ["jawOpen", "smirk"], "Teeth": ["Jaw_Open"], "Lashes": ["eyeBlink_L"]})
        assert rig_map.key_meshes == ("Head", "Teeth", "Lashes")
        assert values_of(rig_map, jawOpen=0.5, eyeBlinkLeft=1) == pytest.approx(
            {"jawOpen": 0.5, "Jaw_Open": 0.5, "eyeBlink_L": 1.0}
        )
        assert report.unmatched_keys == (("Head", "smirk"),)
        assert len(report.unmatched_shapes) == 50
        assert report.sentences()[0] == "2 of the 52 ARKit shapes drive 3 keys."
        assert "Not driven, because they mean no ARKit shape: Head: smirk." in report.sentences()

    def test_two_equally_near_keys_are_not_guessed_between(self) -> None:
        rig_map, report = match_keys({"Head": ["JawOpen", "jaw_open", "mouthClose"]})
        assert report.ambiguous == (("Head", "jawOpen", ("JawOpen", "jaw_open")),)
        assert rig_map.key_names == ("mouthClose",)
        assert "jawOpen on Head: JawOpen, jaw_open" in " ".join(report.sentences())

    def test_apples_own_spelling_stands_before_others_and_that_is_said(self) -> None:
        rig_map, report = match_keys({"Head": ["Jaw_Open", "jawOpen"]})
        assert rig_map.key_names == ("jawOpen",)
        assert report.passed_over == (("Head", "Jaw_Open", "jawOpen"),)

    def test_halves_of_a_shape_are_both_driven_unless_the_whole_is_there(self) -> None:
        halves = ["Brow_Raise_Inner_L", "Brow_Raise_Inner_R"]
        assert match_keys({"Head": halves})[0].key_names == tuple(halves)
        rig_map, report = match_keys({"Head": [*halves, "browInnerUp"]})
        assert rig_map.key_names == ("browInnerUp",)
        assert [key for _, key, _ in report.passed_over] == halves

    def test_correctives_of_two_shapes_are_not_shapes(self) -> None:
        keys = [f"jawOpen_{shape}" for shape in ARKIT_SHAPES[:20]]
        assert match_keys({"Head": keys})[1].matched == ()

    def test_an_unknown_prefix_counts_only_where_many_keys_share_it(self) -> None:
        assert match_keys({"Head": [f"zoe_{shape}" for shape in ARKIT_SHAPES[:8]]})[1].unmatched_keys == ()
        assert match_keys({"Head": [f"zoe_{shape}" for shape in ARKIT_SHAPES[:7]]})[1].matched == ()


class TestOtherMeshes:
    rig_map = match_keys({"Head": ["jawOpen"], "Teeth": ["jawOpen"], "Teeth.002": ["jawLeft"]})[0]

    @pytest.mark.parametrize(
        ("meshes", "labels"),
        [
            (("Head", "Teeth", "Teeth.002"), ("Head", "Teeth", "Teeth.002")),
            (("Head.001", "Teeth", "Teeth.002"), ("Head.001", "Teeth", "Teeth.002")),
            (("Head.001", "Head.002"), ("Head", "Teeth", "Teeth.002")),
            (("Kopf", "Teeth.003"), ("Head", "Teeth", "Teeth.002")),
            (("Head", "Teeth", "Teeth.003"), ("Head", "Teeth", "Teeth.003")),
        ],
    )
    def test_only_blenders_endings_are_seen_through_and_nothing_is_guessed(
        self, meshes: tuple[str, ...], labels: tuple[str, ...]
    ) -> None:
        assert for_meshes(self.rig_map, meshes).key_meshes == labels


class TestJaw:
    keys = match_keys({"Head": ["jawOpen", "jawLeft", "jawRight", "mouthClose"]})[0]

    @given(st.floats(0, 1), st.floats(-1, 1))
    def test_the_jaw_joint_becomes_keys_again(self, opened: float, side: float) -> None:
        frames = np.zeros((1, 53))
        frames[0, JAW_SLICE] = 0.34 * opened, 0.10 * side, 0.0
        values, _ = self.keys.evaluate(frames)
        assert values[0] == pytest.approx([opened, max(side, 0), max(-side, 0), 0], abs=1e-6)

    def test_what_no_shape_can_show_is_held_to_the_shapes_range(self) -> None:
        frames = np.zeros((1, 53))
        frames[0, JAW_SLICE] = 0.68, -0.2, 0.3
        assert self.keys.evaluate(frames)[0][0].tolist() == [1, 0, 1, 0]

    def test_a_bone_takes_the_place_of_the_keys(self) -> None:
        rig_map = with_jaw_bone(
            self.keys, "Jaw", pitch_axis=(0, 0, 2), yaw_axis=(-1, 0, 0), open_radians=0.5, side_radians=0.2
        )
        assert rig_map.key_names == ("mouthClose",)
        _, vectors = rig_map.evaluate(frames_of(jawOpen=0.5, jawRight=1.0))
        assert vectors[0] == pytest.approx(np.array([[0.2, 0.0, 0.25]]))
        assert without_bone(rig_map, "Jaw").bone_names == ()

    def test_keys_that_the_jaw_only_shares_stay(self) -> None:
        rig_map = with_key(self.keys, "wide", {"jawOpen": 1, "mouthFunnel": -0.5})
        assert set(with_jaw_bone(rig_map, "Jaw").key_names) == {"mouthClose", "wide"}

    @pytest.mark.parametrize("axis", [(0, 0, 0), (1, 2), (math.nan, 0, 1)])
    def test_an_axis_that_is_none_is_refused(self, axis: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="turns around an axis"):
            with_jaw_bone(self.keys, "Jaw", pitch_axis=axis)  # type: ignore[arg-type]


class TestGaze:
    @given(st.integers(0, 1000))
    def test_eye_bones_in_the_heads_axes_turn_as_our_own(self, seed: int) -> None:
        weights = np.random.default_rng(seed).random((3, len(ARKIT_SHAPES)))
        frames = frames_from_arkit(weights)
        rig_map = with_eye_bone(with_eye_bone(empty_map(), "eyeL", "Left"), "eyeR", "Right")
        _, vectors = rig_map.evaluate(frames)
        np.testing.assert_allclose(vectors, eye_vectors(frames), atol=1e-6)

    def test_the_lids_keys_stay(self) -> None:
        rig_map = match_keys({"": ["eyeLookUpLeft"]})[0]
        assert with_eye_bone(rig_map, "eyeL", "Left").key_names == ("eyeLookUpLeft",)

    def test_an_eye_has_a_side(self) -> None:
        with pytest.raises(ValueError, match="“Left” or “Right”"):
            with_eye_bone(empty_map(), "eye", "Middle")


class TestEditing:
    def test_gain_offset_and_limits(self) -> None:
        rig_map = with_key(empty_map(), "grin", {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}, gain=2, offset=-0.1)
        assert values_of(rig_map, mouthSmileLeft=1)["grin"] == pytest.approx(0.9)
        rig_map = with_key(rig_map, "grin", "mouthSmileLeft", gain=2, limits=(0.2, 1.5))
        assert values_of(rig_map, mouthSmileLeft=1)["grin"] == pytest.approx(1.5)
        assert values_of(rig_map)["grin"] == pytest.approx(0.2)

    def test_a_key_is_taken_from_one_mesh_only(self) -> None:
        rig_map, _ = match_keys({"Head": ["jawOpen"], "Teeth": ["jawOpen"]})
        assert without_key(rig_map, "jawOpen", mesh="Teeth").key_meshes == ("Head",)
        assert without_key(rig_map, "jawOpen").key_meshes == ("Head", "Teeth")

    def test_unknown_shapes_and_limits_the_wrong_way_round_are_refused(self) -> None:
        with pytest.raises(ValueError, match="“smile” is no ARKit shape"):
            with_key(empty_map(), "grin", "smile")
        with pytest.raises(ValueError, match="lower limit lies above"):
            with_key(empty_map(), "grin", "jawOpen", limits=(1, 0))

    def test_the_map_of_a_head_of_ours_is_not_edited(self) -> None:
        model: FlameModel = make_model(CTEG_HEAD_1.names, CTEG_HEAD_1.id)
        with pytest.raises(ValueError, match="drives a head that CTEG built"):
            with_key(RigMap.of_model(model), "a", "jawOpen")

    def test_json_round_trip(self) -> None:
        rig_map, _ = match_keys({"Head": ["jawOpen", "eyeBlink_L"], "Zähne": ["Jaw_Open"]})
        rig_map = with_key(rig_map, "grin", {"mouthSmileLeft": 0.5}, mesh="Head", offset=0.1, limits=(-1, math.inf))
        rig_map = with_eye_bone(rig_map, "eye.L", "Left", pitch_axis=(0.1, 0.2, 0.3))
        again = RigMap.from_json(rig_map.to_json())
        weights = np.random.default_rng(0).random((5, len(ARKIT_SHAPES)))
        for ours, theirs in zip(
            rig_map.evaluate(frames_from_arkit(weights)), again.evaluate(frames_from_arkit(weights)), strict=True
        ):
            assert np.array_equal(ours, theirs)
        assert (again.key_meshes, again.key_names, again.bone_names) == (
            rig_map.key_meshes,
            rig_map.key_names,
            rig_map.bone_names,
        )
        assert '"weights": {"jawOpen": 1.0}' in rig_map.to_json()

    def test_channels_know_their_mesh(self) -> None:
        rig_map, _ = match_keys({"Head": ["jawOpen"], "Teeth": ["jawOpen"]})
        channels = channels_of_clip(rig_map, np.repeat(frames_of(jawOpen=1), 3, axis=0), 30, 60)
        assert (channels.key_meshes, channels.key_values.shape) == (("Head", "Teeth"), (5, 2))
        assert channels.key_values == pytest.approx(1.0)
