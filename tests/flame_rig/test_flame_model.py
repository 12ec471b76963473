"""The forward model against hand-worked rotations, a naive reference and its own invariants."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_rig.flame_model import (
    FlameModel,
    ForwardModel,
    joints_at_rest,
    pose_of_frames,
    posed_vertices,
    rotation_matrices,
    validated,
)
from flame_rig.gaze import eye_vectors
from flame_rig.head import build_head
from flame_rig.spaces import CTEG_HEAD_1

RANDOM_MODEL_SIZES = (11, 3, 4)  # vertices, identity components, expression components


def random_model(seed: int = 0, space: str = "test") -> FlameModel:
    """A small model whose every array is filled with seeded noise."""
    vertices, identities, expressions = RANDOM_MODEL_SIZES
    rng = np.random.default_rng(seed)
    regressor = rng.random((5, vertices))
    weights = rng.random((vertices, 5))
    return FlameModel(
        name="noise",
        space=space,
        v_template=rng.normal(size=(vertices, 3)),
        faces=np.array([[0, 1, 2], [2, 1, 3]]),
        shapedirs=rng.normal(size=(vertices, 3, identities)),
        exprdirs=rng.normal(size=(vertices, 3, expressions)),
        posedirs=rng.normal(size=(vertices, 3, 36)),
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        weights=weights / weights.sum(axis=1, keepdims=True),
        parents=np.array([-1, 0, 1, 1, 1]),
        expr_names=tuple(f"Exp{i:03}" for i in range(expressions)),
    )


def naive_vertices(
    model: FlameModel, expression: np.ndarray, pose: np.ndarray, shape: np.ndarray, joints_follow: bool
) -> np.ndarray:
    """Li et al. 2017 one vertex at a time with 4x4 matrices, for one expression."""
    rest = [t + s @ shape for t, s in zip(model.v_template, model.shapedirs, strict=True)]
    shaped = [r + e @ expression for r, e in zip(rest, model.exprdirs, strict=True)]
    source = shaped if joints_follow else rest
    joints = [sum(row[v] * source[v] for v in range(len(source))) for row in model.joint_regressor]
    rotations = [np.linalg.multi_dot([np.eye(3), _exponential(vector)]) for vector in pose]
    feature = np.concatenate([(r - np.eye(3)).ravel() for r in rotations[1:]])
    world: list[np.ndarray] = []
    for joint, parent in enumerate(model.parents):
        matrix = np.eye(4)
        matrix[:3, :3] = rotations[joint]
        matrix[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(world[parent] @ matrix if parent >= 0 else matrix)
    result = []
    for v, point in enumerate(shaped):
        corrected = np.append(point + model.posedirs[v] @ feature, 1.0)
        total = np.zeros(4)
        for joint, matrix in enumerate(world):
            to_joint = np.eye(4)
            to_joint[:3, 3] = -joints[joint]
            total += model.weights[v, joint] * (matrix @ to_joint @ corrected)
        result.append(total[:3])
    return np.array(result)


def _exponential(vector: np.ndarray) -> np.ndarray:
    """The matrix exponential of the cross-product matrix by its power series."""
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    total, term = np.eye(3), np.eye(3)
    for order in range(1, 70):
        term = term @ cross / order
        total = total + term
    return total


@pytest.mark.parametrize(
    ("vector", "moved", "expected"),
    [
        ((math.pi / 2, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((0, math.pi / 2, 0), (0, 0, 1), (1, 0, 0)),
        ((0, 0, math.pi / 2), (1, 0, 0), (0, 1, 0)),
        ((math.pi / 6, 0, 0), (0, 0, 1), (0, -0.5, math.sqrt(3) / 2)),
        ((0, 0, 0), (1, 2, 3), (1, 2, 3)),
        ((2 * math.pi / 3 / math.sqrt(3),) * 3, (1, 0, 0), (0, 1, 0)),
    ],
)
def test_rotations_worked_by_hand(vector: tuple, moved: tuple, expected: tuple) -> None:
    assert rotation_matrices(vector) @ np.array(moved) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(-9, 0))
def test_rotations_match_the_power_series_at_every_scale(direction: list[float], exponent: float) -> None:
    vector = np.array(direction) * 10.0**exponent
    assert rotation_matrices(vector) == pytest.approx(_exponential(vector), abs=1e-12)


def test_rotation_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="3"):
        rotation_matrices(np.zeros((2, 4)))


@pytest.mark.parametrize("joints", ["shaped", "identity"])
def test_equals_a_naive_vertex_by_vertex_reference(joints: str) -> None:
    rng = np.random.default_rng(7)
    model = random_model()
    expression, pose, shape = rng.normal(size=(2, 4)), rng.normal(size=(2, 5, 3)), rng.normal(size=3)
    got = posed_vertices(model, expression, pose, shape, joints=joints)  # type: ignore[arg-type]
    for one in range(2):
        expected = naive_vertices(model, expression[one], pose[one], shape, joints == "shaped")
        assert got[one] == pytest.approx(expected, abs=1e-11)


def test_no_expression_and_no_pose_give_the_template() -> None:
    model = random_model()
    assert posed_vertices(model, np.zeros((1, 4)), np.zeros((1, 5, 3)))[0] == pytest.approx(model.v_template, abs=1e-14)


def test_root_rotation_turns_the_face_about_the_root_joint() -> None:
    model = dataclasses.replace(random_model(), posedirs=np.zeros((11, 3, 36)))
    pose = np.zeros((1, 5, 3))
    pose[0, 0] = (0, math.pi, 0)
    root = joints_at_rest(model)[0]
    expected = root + (model.v_template - root) * (-1, 1, -1)
    assert posed_vertices(model, np.zeros((1, 4)), pose)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("frames", [1, 40])
def test_no_coefficients_at_all_are_the_face_without_expression(frames: int) -> None:
    model = random_model()
    pose = np.random.default_rng(0).normal(0.0, 0.3, (frames, 5, 3))
    without = posed_vertices(model, np.zeros((frames, 0)), pose)
    np.testing.assert_allclose(without, posed_vertices(model, np.zeros((frames, 4)), pose), atol=1e-12)


def test_fewer_coefficients_leave_the_rest_at_zero() -> None:
    model, pose = random_model(), np.zeros((1, 5, 3))
    short = posed_vertices(model, [[0.3, -0.2]], pose, [0.5])
    full = posed_vertices(model, [[0.3, -0.2, 0, 0]], pose, [0.5, 0, 0])
    assert short == pytest.approx(full, abs=1e-14)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_batch_equals_its_items(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model()
    expression, pose = rng.normal(size=(count, 4)), rng.normal(size=(count, 5, 3))
    batch = posed_vertices(model, expression, pose)
    singles = [posed_vertices(model, e[None], p[None])[0] for e, p in zip(expression, pose, strict=True)]
    assert batch == pytest.approx(np.array(singles), abs=1e-11)


@pytest.mark.parametrize("joints", ["shaped", "identity"])
def test_a_clip_longer_than_a_group_equals_its_frames_in_either_precision(joints: str) -> None:
    rng = np.random.default_rng(3)
    model = random_model()
    expression, pose, shape = rng.normal(size=(75, 4)), rng.normal(size=(75, 5, 3)), rng.normal(size=3)
    wanted = np.array(
        [naive_vertices(model, e, p, shape, joints == "shaped") for e, p in zip(expression, pose, strict=True)]
    )
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 1e-4)):
        prepared = ForwardModel(model, 4, shape, joints, dtype)  # type: ignore[arg-type]
        got = prepared.vertices(expression, pose)
        assert got.dtype == dtype
        assert got == pytest.approx(wanted, abs=tolerance)
        assert np.array_equal(prepared.vertices(expression, pose), got)


def test_no_frames_give_no_vertices() -> None:
    assert posed_vertices(random_model(), np.zeros((0, 4)), np.zeros((0, 5, 3))).shape == (0, 11, 3)


def test_single_precision_keeps_a_head_to_a_thousandth_of_a_millimetre() -> None:
    head = build_head()
    rng = np.random.default_rng(4)
    frames = rng.uniform(CTEG_HEAD_1.lower, CTEG_HEAD_1.upper, (40, 53))
    pose = pose_of_frames(head, frames)
    exact = posed_vertices(head, frames[:, :50], pose)
    quick = ForwardModel(head, 50, dtype=np.float32).vertices(frames[:, :50], pose)
    assert 0.0 < np.abs(quick - exact).max() < 1e-6


def test_frames_pose_the_jaw_always_and_the_eyes_only_in_our_space() -> None:
    frame = np.zeros((1, 53))
    frame[0, 50:] = (0.1, 0.02, -0.03)
    frame[0, CTEG_HEAD_1.index("eyeLookOutLeft")] = 1.0
    foreign = pose_of_frames(random_model(), frame)
    own = pose_of_frames(random_model(space="cteg-head-1"), frame)
    assert foreign[0, 2].tolist() == own[0, 2].tolist() == [0.1, 0.02, -0.03]
    assert not foreign[0, 3:].any()
    assert own[0, 3] == pytest.approx([0, math.radians(28), 0])
    assert not own[0, (0, 1, 4)].any()


@pytest.mark.parametrize(
    ("shape", "eye", "expected"),
    [
        ("eyeLookUpLeft", 0, (0, math.sin(math.radians(20)))),
        ("eyeLookDownRight", 1, (0, -math.sin(math.radians(25)))),
        ("eyeLookOutLeft", 0, (math.sin(math.radians(28)), 0)),
        ("eyeLookInLeft", 0, (-math.sin(math.radians(28)), 0)),
        ("eyeLookOutRight", 1, (-math.sin(math.radians(28)), 0)),
        ("eyeLookInRight", 1, (math.sin(math.radians(28)), 0)),
    ],
)
def test_gaze_turns_the_line_of_sight_the_named_way(shape: str, eye: int, expected: tuple) -> None:
    frame = np.zeros((1, 53))
    frame[0, CTEG_HEAD_1.index(shape)] = 1.0
    vectors = eye_vectors(frame)[0]
    assert rotation_matrices(vectors[eye]) @ [0, 0, 1] == pytest.approx(
        (*expected, math.sqrt(1 - expected[0] ** 2 - expected[1] ** 2))
    )
    assert not vectors[1 - eye].any()


def test_a_sound_model_passes_validation_unchanged() -> None:
    model = random_model()
    assert validated(model) is model


BROKEN = {
    "v_template": ("NaN", lambda a: np.where(np.arange(a.size).reshape(a.shape) == 4, np.nan, a)),
    "exprdirs": ("exprdirs of shape", lambda a: a[:, :, :3]),
    "posedirs": ("posedirs of shape", lambda a: a[:, :, :27]),
    "faces": ("faces from 0 to 11", lambda a: np.where(a == 3, 11, a)),
    "weights": ("weights .* sum to 1", lambda a: a * 1.01),
    "joint_regressor": ("joint_regressor .* sum to 1", lambda a: a * 0.9),
    "parents": ("parent 2", lambda a: np.array([-1, 0, 2, 1, 1])),
    "expr_names": ("name twice", lambda a: (a[0], *a[:-1])),
    "vertex_colors": ("vertex_colors of shape", lambda a: np.zeros((3, 3))),
    "vertex_parts": ("vertex_parts from", lambda a: np.zeros(11, dtype=np.int64)),
    "polygons": ("polygons from", lambda a: ((0, 1, -2),)),
}


@pytest.mark.parametrize("field", BROKEN)
def test_a_broken_model_is_refused_by_the_name_of_its_fault(field: str) -> None:
    message, damage = BROKEN[field]
    model = random_model()
    with pytest.raises(ValueError, match=message):
        validated(dataclasses.replace(model, **{field: damage(getattr(model, field))}))


def test_shapes_that_do_not_fit_are_refused() -> None:
    model = random_model()
    with pytest.raises(ValueError, match="at most 4"):
        posed_vertices(model, np.zeros((1, 5)), np.zeros((1, 5, 3)))
    with pytest.raises(ValueError, match="pose"):
        posed_vertices(model, np.zeros((2, 4)), np.zeros((1, 5, 3)))
    with pytest.raises(ValueError, match=r"are \[B, 3\] here"):
        ForwardModel(random_model(), 3).vertices(np.zeros((1, 4)), np.zeros((1, 5, 3)))
    with pytest.raises(ValueError, match="identity"):
        posed_vertices(model, np.zeros((1, 4)), np.zeros((1, 5, 3)), np.zeros(9))
    with pytest.raises(ValueError, match="53"):
        pose_of_frames(model, np.zeros((1, 50)))
