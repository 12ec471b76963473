"""Rig map, channels and resampling: hand-computed cases, properties, round trips, faults."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_rig.channels import KEY_LIMIT, channels_of_clip, quaternions, sign_continuous
from flame_rig.flame_model import FlameModel, pose_of_frames, rotation_matrices
from flame_rig.resample import resample_rotations, resample_values, sample_positions
from flame_rig.rig_map import RigMap
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH, JAW_SLICE

SCENE_RATES = (24.0, 25.0, 30000 / 1001, 60.0)
BLINK = np.array([0, 0.1, 0.6, 1, 1, 0.8, 0.5, 0.3, 0.15, 0.05, 0])


def make_model(names: tuple[str, ...], space: str = "test", empty: tuple[str, ...] = ()) -> FlameModel:
    """Three vertices and five joints; the components in ``empty`` move nothing."""
    rng = np.random.default_rng(1)
    exprdirs = rng.normal(size=(3, 3, len(names)))
    exprdirs[:, :, [names.index(name) for name in empty]] = 0.0
    return FlameModel(
        name="three points",
        space=space,
        v_template=rng.normal(size=(3, 3)),
        faces=np.array([[0, 1, 2]]),
        shapedirs=np.zeros((3, 3, 0)),
        exprdirs=exprdirs,
        posedirs=np.zeros((3, 3, 36)),
        joint_regressor=np.full((5, 3), 1 / 3),
        weights=np.full((3, 5), 0.2),
        parents=np.array([-1, 0, 1, 1, 1]),
        expr_names=names,
    )


def matrix_of(quaternion: np.ndarray) -> np.ndarray:
    """The rotation matrix of one unit quaternion, from its definition."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


class TestRigMap:
    def test_a_key_for_every_component_that_moves_a_vertex(self) -> None:
        rig_map = RigMap.of_model(make_model(("a", "b", "c"), empty=("b",)))
        assert rig_map.key_names == ("a", "c")
        frame = np.zeros(50)
        frame[:3] = 0.1, 0.2, 0.3
        assert (rig_map.key_weights @ frame).tolist() == [0.1, 0.3]

    def test_bones_take_the_pose_of_the_forward_model(self) -> None:
        model = make_model(CTEG_HEAD_1.names, CTEG_HEAD_1.id)
        rig_map = RigMap.of_model(model)
        frames = np.random.default_rng(2).uniform(0, 1, (4, FRAME_WIDTH))
        wanted = pose_of_frames(model, frames)
        assert rig_map.bone_names == ("jaw", "left_eye", "right_eye")
        for bone, name in enumerate(rig_map.bone_names):
            np.testing.assert_allclose(
                frames @ rig_map.bone_weights[bone].T, wanted[:, model.joint_names.index(name)], atol=1e-15
            )

    def test_other_spaces_have_no_gaze(self) -> None:
        assert RigMap.of_model(make_model(("a",), "flame-2020")).bone_names == ("jaw",)

    def test_a_model_without_a_jaw_has_no_bones(self) -> None:
        model = dataclasses.replace(make_model(("a",)), joint_names=("p", "q", "r", "s", "t"))
        assert RigMap.of_model(model).bone_names == ()

    def test_components_beyond_the_fiftieth_are_not_driven(self) -> None:
        names = tuple(f"Exp{i:03}" for i in range(100))
        assert RigMap.of_model(make_model(names)).key_names == names[:50]

    @pytest.mark.parametrize("names", [(), ("a", "b"), CTEG_HEAD_1.names])
    def test_json_round_trip(self, names: tuple[str, ...]) -> None:
        before = RigMap.of_model(make_model(names, CTEG_HEAD_1.id))
        after = RigMap.from_json(before.to_json())
        assert (after.space, after.key_names, after.bone_names) == (before.space, before.key_names, before.bone_names)
        assert np.array_equal(after.key_weights, before.key_weights)
        assert np.array_equal(after.bone_weights, before.bone_weights)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            '{"format": 2}',
            '{"format": 1}',
            '{"format": 1, "space": "s", "keys": {"a": {"50": 1}}, "bones": {}}',
            '{"format": 1, "space": "s", "keys": {"a": {"-1": 1}}, "bones": {}}',
            '{"format": 1, "space": "s", "keys": {"a": {"0": NaN}}, "bones": {}}',
            '{"format": 1, "space": "s", "keys": {"a": 3}, "bones": {}}',
            '{"format": 1, "space": "s", "keys": {}, "bones": {"jaw": [{}, {}]}}',
            '{"format": 1, "space": "s", "keys": {"a": {"0": "many"}}, "bones": {}}',
            '{"format": true}',
            '{"format": 2, "space": "s", "inputs": "frame", "keys": {}}',
            '{"format": 2, "space": "s", "inputs": "thoughts", "keys": [], "bones": []}',
            '{"format": 2, "space": "s", "inputs": "arkit", "keys": [], "bones": []}',
            '{"format": 2, "space": "cteg-head-1", "inputs": "arkit", "bones": [], '
            '"keys": [{"mesh": "", "key": 7, "weights": {}}]}',
            '{"format": 2, "space": "s", "inputs": "frame", "bones": [], '
            '"keys": [{"mesh": "", "key": "a", "weights": {}, "lower": 1, "upper": 0}]}',
            '{"format": 2, "space": "s", "inputs": "frame", "bones": [], '
            '"keys": [{"mesh": "", "key": "a", "weights": {"0": 1e300}}]}',
            "[" * 100_000,
            '{"format": 1, "space": "' + "s" * 4_000_000 + '", "keys": {}, "bones": {}}',
        ],
    )
    def test_damaged_json_is_refused_with_a_sentence(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^This (is not a rig map|rig map is)"):
            RigMap.from_json(text)

    def test_more_channels_than_a_rig_has_are_refused(self) -> None:
        keys = [{"mesh": "", "key": str(number), "weights": {}} for number in range(10_001)]
        record = {"format": 2, "space": "s", "inputs": "frame", "keys": keys, "bones": []}
        with pytest.raises(ValueError, match="10001 channels are more than 10000"):
            RigMap.from_json(json.dumps(record))
        assert len(RigMap.from_json(json.dumps(record | {"keys": keys[:-1]})).key_names) == 10_000

    def test_json_is_small(self) -> None:
        record = json.loads(RigMap.of_model(make_model(("a", "b"))).to_json())
        assert record["keys"] == [
            {"mesh": "", "key": "a", "weights": {"0": 1.0}},
            {"mesh": "", "key": "b", "weights": {"1": 1.0}},
        ]

    def test_maps_of_format_1_are_still_read(self) -> None:
        stored = {
            "format": 1,
            "space": "s",
            "keys": {"a": {"0": 1.0}, "b": {"3": -2}},
            "bones": {"jaw": [{}, {"51": 1}, {}]},
        }
        rig_map = RigMap.from_json(json.dumps(stored))
        values, vectors = rig_map.evaluate(np.arange(FRAME_WIDTH, dtype=float)[None])
        assert (rig_map.key_names, values.tolist()) == (("a", "b"), [[0.0, -6.0]])
        assert vectors.tolist() == [[[0.0, 51.0, 0.0]]]
        assert json.loads(rig_map.to_json())["format"] == 2

    def test_a_map_of_a_newer_version_says_so(self) -> None:
        with pytest.raises(ValueError, match="format is 3, the newest known here is 2; update CTEG"):
            RigMap.from_json('{"format": 3}')


class TestResampling:
    def test_halved_rate_by_hand(self) -> None:
        values = np.array([0.0, 1, 2, 3, 4])[:, None]
        assert resample_values(values, 30, 15)[:, 0].tolist() == [0, 2, 4]

    def test_doubled_rate_by_hand(self) -> None:
        values = np.array([0.0, 1, 0])[:, None]
        assert resample_values(values, 30, 60)[:, 0].tolist() == [0, 0.5, 1, 0.5, 0]

    def test_a_peak_between_two_samples_moves_to_the_nearer_one(self) -> None:
        values = np.array([0.0, 0, 0, 1, 0, 0, 0])[:, None]
        # Targets lie at source samples 0, 2.5, 5, 6 (the end); the peak at 3 is nearest to 2.5.
        assert resample_values(values, 60, 24)[:, 0].tolist() == [0, 1, 0, 0]

    def test_of_two_extrema_on_one_sample_the_one_farther_from_rest_stays(self) -> None:
        values = np.array([0.5, 0.5, 0.5, 0.2, 0.9, 0.5, 0.5, 0.5, 0.5])[:, None]
        assert 0.9 in resample_values(values, 40, 10)[:, 0]

    def test_the_end_is_kept_between_two_samples(self) -> None:
        assert sample_positions(4, 30, 24).tolist() == [0, 1.25, 2.5, 3]

    def test_an_end_on_a_sample_adds_none(self) -> None:
        assert len(sample_positions(31, 30, 24)) == 25
        assert len(sample_positions(1002, 30, 30000 / 1001)) == 1001

    @given(st.floats(0.1, 500), st.integers(1, 20))
    def test_equal_rates_change_nothing(self, fps: float, count: int) -> None:
        values = np.random.default_rng(count).normal(size=(count, 2))
        assert np.array_equal(resample_values(values, fps, fps), values)

    @given(
        st.lists(st.floats(-1, 1), min_size=1, max_size=60),
        st.sampled_from((24.0, 30.0, 60.0)),
        st.sampled_from(SCENE_RATES),
    )
    def test_ends_and_range_are_kept(self, signal: list[float], source: float, target: float) -> None:
        result = resample_values(np.array(signal)[:, None], source, target)[:, 0]
        assert (result[0], result[-1]) == (signal[0], signal[-1])
        assert min(signal) <= result.min() <= result.max() <= max(signal)
        assert abs((len(result) - 1) / target - (len(signal) - 1) / source) < 1 / target + 1e-6

    @pytest.mark.parametrize("target", SCENE_RATES)
    @pytest.mark.parametrize("source", [30.0, 60.0])
    @given(offset=st.integers(0, 40), gap=st.integers(1, 30), stretch=st.sampled_from((1, 2)))
    def test_peaks_of_blinks_survive(self, source: float, target: float, offset: int, gap: int, stretch: int) -> None:
        blink = np.repeat(BLINK, stretch)
        signal = np.concatenate([np.zeros(offset + 1), blink, np.zeros(gap), 0.7 * blink, np.zeros(5)])
        result = resample_values(signal[:, None], source, target)[:, 0]
        middle = (offset + 1 + len(blink) + gap / 2) / source * target
        first, second = result[: int(middle) + 1], result[int(middle) :]
        assert first.max() == pytest.approx(1.0, rel=0.02)
        assert second.max() == pytest.approx(0.7, rel=0.02)

    def test_both_eyes_close_on_the_same_frame(self) -> None:
        signal = np.concatenate([np.zeros(8), BLINK, np.zeros(8)])
        result = resample_values(np.stack([signal, 0.5 * signal], axis=1), 60, 24)
        np.testing.assert_allclose(result[:, 0], 2 * result[:, 1], atol=1e-15)

    @pytest.mark.parametrize("target", SCENE_RATES)
    def test_a_turning_jaw_turns_evenly(self, target: float) -> None:
        vectors = np.linspace(0, 0.3, 31)[:, None, None] * np.array([0.8, 0.6, 0.0])
        result = resample_rotations(quaternions(vectors), 30, target)
        times = np.minimum(np.arange(len(result)) / target, 1.0)
        expected = quaternions(times[:, None, None] * 0.3 * np.array([0.8, 0.6, 0.0]))
        np.testing.assert_allclose(result, expected, atol=1e-9)

    def test_the_widest_opening_of_the_jaw_survives(self) -> None:
        vectors = np.zeros((13, 1, 3))
        vectors[6, 0, 0] = 0.3
        result = resample_rotations(quaternions(vectors), 60, 24)
        assert 2 * np.arcsin(result[:, 0, 1]).max() == pytest.approx(0.3)

    @pytest.mark.parametrize("rates", [(0, 24), (30, -1), (30, math.nan), (math.inf, 24)])
    def test_a_rate_that_is_none_is_refused(self, rates: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="frame rate is a positive number"):
            sample_positions(3, *rates)

    def test_nothing_and_too_much_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no frames"):
            sample_positions(0, 30, 24)
        with pytest.raises(ValueError, match="check the scene's frame rate"):
            sample_positions(200_000, 1, 1000)


class TestChannels:
    model = make_model(CTEG_HEAD_1.names, CTEG_HEAD_1.id)

    @given(st.integers(0, 1000), st.integers(1, 12))
    def test_at_equal_rates_the_channels_are_the_frames(self, seed: int, count: int) -> None:
        frames = np.random.default_rng(seed).uniform(-1, 1, (count, FRAME_WIDTH))
        channels = channels_of_clip(RigMap.of_model(self.model), frames, 30, 30)
        assert channels.sample_count == count
        np.testing.assert_allclose(channels.key_values, frames[:, :50], atol=1e-15)
        matrices = np.array([matrix_of(q) for q in channels.bone_quaternions[:, 0]])
        np.testing.assert_allclose(matrices, rotation_matrices(frames[:, JAW_SLICE]), atol=1e-14)
        assert channels.clamped.sum() == 0

    def test_values_beyond_the_limit_are_clamped_and_counted(self) -> None:
        frames = np.zeros((3, FRAME_WIDTH))
        frames[:, 0] = 9.9, 10.1, -25
        channels = channels_of_clip(RigMap.of_model(self.model), frames, 30, 30)
        assert channels.key_values[:, 0].tolist() == [9.9, KEY_LIMIT, -KEY_LIMIT]
        assert channels.clamped[:2].tolist() == [2, 0]

    def test_a_wrong_shape_and_a_nan_are_refused(self) -> None:
        rig_map = RigMap.of_model(self.model)
        with pytest.raises(ValueError, match=r"\[T, 53\]"):
            channels_of_clip(rig_map, np.zeros((2, 52)), 30, 30)
        with pytest.raises(ValueError, match="finite"):
            channels_of_clip(rig_map, np.full((2, FRAME_WIDTH), math.nan), 30, 30)

    def test_a_quarter_turn_by_hand(self) -> None:
        half = math.sqrt(0.5)
        assert quaternions([0, math.pi / 2, 0]) == pytest.approx([half, 0, half, 0])
        assert quaternions([0.0, 0, 0]).tolist() == [1, 0, 0, 0]

    @given(st.lists(st.booleans(), min_size=2, max_size=20))
    def test_signs_never_jump(self, flipped: list[bool]) -> None:
        smooth = quaternions(np.linspace(0, 3, len(flipped))[:, None] * [0.0, 0.0, 1.0])
        signs = np.where(flipped, -1.0, 1.0)[:, None]
        result = sign_continuous(smooth * signs)
        np.testing.assert_array_equal(result, smooth * signs[0])
