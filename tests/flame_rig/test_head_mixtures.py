"""Nothing of the face passes through anything, and no skin folds over, in any shape at 1 and in committed mixtures.

``tests/data/head_mixtures.npz`` holds frames ``[100, 53]`` of ``cteg-head-1``: ``action_units``, draws of one to five
units of ``facs.UNITS`` at U(0, 1) (numpy's ``default_rng(2025)``); ``corpus``, the frames with the largest norm of the
24,000 performances that the default checkpoint was trained on; ``performances``, the same with at most one frame of
each performance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.flame_model import joints_at_rest, pose_of_frames, posed_vertices, rotation_matrices
from flame_rig.head import build_head, landmarks
from flame_rig.head.grid import skin_grid
from flame_rig.spaces import frames_from_arkit
from tests.flame_rig.surfaces import ball_through, crossing_depth, turned_over

HEAD = build_head()
GRID = skin_grid()
POINTS = GRID.points
SKIN = HEAD.faces[(HEAD.faces < len(POINTS.theta)).all(axis=1)]
MIXTURES = np.load(Path(__file__).resolve().parents[1] / "data" / "head_mixtures.npz")
FRONT = np.cos(POINTS.theta) > 0.3
TOUCH = 0.1
"""Millimetres on a head 29 cm high; surfaces that rest on each other cross by rounding and by the chords of curves."""

# what linear shapes cannot avoid, measured, millimetres: (mixture, row, what) -> depth
KNOWN: dict[tuple[str, int, str], float] = {
    ("action_units", 12, "lips"): 0.3,  # a jaw to the side under a pucker and a frown
    ("action_units", 35, "tongue"): 0.6,  # a tongue put out a third of the way over a half open jaw
}


def region(mask: np.ndarray) -> np.ndarray:
    """The skin's triangles all of whose corners lie in a mask of the skin's points."""
    return SKIN[mask[SKIN].all(axis=1)]


def part(name: str) -> np.ndarray:
    inside = HEAD.vertex_parts == HEAD.part_names.index(name)
    return HEAD.faces[inside[HEAD.faces].all(axis=1)]


def around_eye(side: int) -> np.ndarray:
    return (side * POINTS.x > 0.9) & (side * POINTS.x < 5.8) & FRONT


NEAR_MOUTH = (np.abs(POINTS.x) < 3.3) & FRONT
UPPER_LIDS = [region(around_eye(side) & (POINTS.eye_side >= 0) & (POINTS.height < 1.9)) for side in (1, -1)]
LOWER_LIDS = [region(around_eye(side) & (POINTS.eye_side <= 0) & (POINTS.height > -1.8)) for side in (1, -1)]
UPPER_LIP = region(NEAR_MOUTH & (POINTS.mouth_side >= 0) & (POINTS.height < landmarks.LIP_LINE + 1.0))
LOWER_LIP = region(NEAR_MOUTH & (POINTS.mouth_side <= 0) & (POINTS.height > landmarks.LIP_LINE - 1.3))
LIPS = np.concatenate([UPPER_LIP, LOWER_LIP])
INSIDE = {name: part(name) for name in ("upper teeth", "lower teeth", "tongue")}


def frame_of(**weights: float) -> np.ndarray:
    row = np.zeros((1, len(ARKIT_SHAPES)))
    for name, weight in weights.items():
        for shape in (name,) if name in ARKIT_SHAPES else (f"{name}Left", f"{name}Right"):
            row[0, ARKIT_SHAPES.index(shape)] = weight
    return frames_from_arkit(row)[0]


def posed(frame: np.ndarray) -> np.ndarray:
    frames = frame[None].astype(np.float64)
    return posed_vertices(HEAD, frames[:, :50], pose_of_frames(HEAD, frames), joints="identity")[0]


def skinning(frame: np.ndarray) -> np.ndarray:
    """What the joints alone do to directions at each vertex, ``[V, 3, 3]``: only the neck's children turn here."""
    turns = rotation_matrices(pose_of_frames(HEAD, frame[None].astype(np.float64))[0])
    return np.einsum("vj,jab->vab", HEAD.weights, turns)


def faults(frame: np.ndarray) -> dict[str, float]:
    """What is wrong with a face: millimetres of what passes through, and the count of flipped triangles."""
    points = posed(frame)
    found = {"flipped": float(len(turned_over(HEAD.v_template, points, SKIN, skinning(frame))))}
    for eye, side in enumerate((1, -1)):
        centre, radius = landmarks.eye_centre(side) / 100, landmarks.EYE_RADIUS / 100
        lids = np.concatenate([UPPER_LIDS[eye], LOWER_LIDS[eye]])
        found["eyeball"] = max(found.get("eyeball", 0.0), ball_through(points, lids, centre, radius))
        depth = crossing_depth(points, UPPER_LIDS[eye], LOWER_LIDS[eye])
        found["lids"] = max(found.get("lids", 0.0), depth)
    found["lips"] = crossing_depth(points, UPPER_LIP, LOWER_LIP)
    for name, triangles in INSIDE.items():
        found[name] = crossing_depth(points, LIPS, triangles)
    return {what: depth for what, depth in found.items() if depth > TOUCH}


@pytest.mark.parametrize("shape", [name for name in ARKIT_SHAPES if name != "mouthClose"])
def test_a_shape_at_1_folds_nothing_and_passes_through_nothing(shape: str) -> None:
    assert faults(frame_of(**{shape: 1.0})) == {}


@pytest.mark.parametrize("jaw", [0.25, 0.5, 0.75, 1.0])
def test_mouth_close_passes_through_nothing_at_the_jaw_that_it_is_meant_for(jaw: float) -> None:
    """Alone it has nothing to close: it is the way of the lips relative to the open jaw (Apple's definition)."""
    assert faults(frame_of(jawOpen=jaw, mouthClose=jaw)) == {}


@pytest.mark.parametrize("jaw", [0.25, 0.5, 0.75, 1.0])
def test_the_lips_stay_together_all_the_way_of_an_opening_jaw(jaw: float) -> None:
    points = posed(frame_of(jawOpen=jaw, mouthClose=jaw))
    gap = np.linalg.norm(points[GRID.upper_lip] - points[GRID.lower_lip], axis=1)
    assert gap.max() < 0.0005


@pytest.mark.parametrize("row", range(100))
@pytest.mark.parametrize("mixture", ["action_units", "corpus", "performances"])
def test_a_mixture_folds_nothing_and_passes_through_nothing(mixture: str, row: int) -> None:
    for what, depth in faults(MIXTURES[mixture][row].astype(np.float32)).items():
        assert depth <= KNOWN.get((mixture, row, what), 0.0), f"{what}: {depth:.2f}"


@pytest.mark.parametrize("with_blink", ["eyeSquint", "cheekSquint", "eyeLookDown", "browDown", "mouthSmile", "eyeWide"])
@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_a_lid_that_comes_down_on_a_raised_one_slides_over_it(with_blink: str, weight: float) -> None:
    assert faults(frame_of(eyeBlink=1.0, **{with_blink: weight})) == {}


def test_the_measures_find_what_is_wrong() -> None:
    """A jaw that closes further than shut drives the lips into each other; a shape at 3 folds the skin."""
    assert "lips" in faults(frame_of(mouthClose=1.0))
    assert "flipped" in faults(frame_of(browDown=3.0, noseSneer=3.0))
    assert "eyeball" in faults(frame_of(eyeBlink=1.0, eyeWide=3.0))


def test_joints_stand_where_the_eyes_are_measured() -> None:
    joints = joints_at_rest(HEAD)
    for name, side in (("left_eye", 1), ("right_eye", -1)):
        at = joints[HEAD.joint_names.index(name)]
        assert at == pytest.approx(landmarks.eye_centre(side) / 100)
