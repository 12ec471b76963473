"""Measures of the face against what the shapes are known to do, and against turning the head."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.measures import MEASURES, measure_face
from flame_rig.spaces import frames_from_arkit


def faces(*rows: dict[str, float], turn: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Posed vertices of ARKit weights; a name without a side stands for both; ``turn`` rotates the head."""
    weights = np.zeros((len(rows), len(ARKIT_SHAPES)))
    for row, shapes in zip(weights, rows, strict=True):
        for name, weight in shapes.items():
            for shape in (name,) if name in ARKIT_SHAPES else (f"{name}Left", f"{name}Right"):
                row[ARKIT_SHAPES.index(shape)] = weight
    frames = frames_from_arkit(weights).astype(np.float64)
    pose = pose_of_frames(build_head(), frames)
    pose[:, 1] = turn
    return posed_vertices(build_head(), frames[:, :50], pose, joints="identity")


def test_a_face_at_rest_measures_zero() -> None:
    assert np.abs(measure_face(faces({})).values).max() < 1e-12


@pytest.mark.parametrize(
    ("shape", "measure", "sign"),
    [
        ("browInnerUp", "brow_inner_left", 1),
        ("browOuterUp", "brow_outer_right", 1),
        ("browDown", "brow_inner_right", -1),
        ("browDown", "brow_distance", -1),
        ("eyeWide", "lid_upper_left", 1),
        ("eyeBlink", "lid_upper_right", -1),
        ("cheekSquint", "cheek_left", 1),
        ("cheekSquint", "lid_lower_left", 1),
        ("noseSneer", "nose_wing_right", 1),
        ("mouthSmile", "corner_height_left", 1),
        ("mouthSmile", "mouth_width", 1),
        ("mouthFrown", "corner_height_right", -1),
        ("mouthPucker", "mouth_width", -1),
        ("mouthUpperUp", "lip_upper", 1),
        ("mouthPress", "lip_thickness", -1),
        ("jawOpen", "lip_gap", 1),
        ("jawOpen", "jaw_drop", 1),
    ],
)
def test_a_shape_moves_its_measure_the_way_its_name_says(shape: str, measure: str, sign: int) -> None:
    value = measure_face(faces({shape: 1.0})).of(measure)[0]
    assert sign * value > 0.005


def test_opening_the_jaw_is_no_frown() -> None:
    both = ("corner_height_left", "corner_height_right")
    opened, frown = measure_face(faces({"jawOpen": 1.0}, {"mouthFrown": 1.0})).of(*both)
    assert abs(opened) < abs(frown) / 3


def test_a_wink_shows_on_its_own_side_only() -> None:
    measured = measure_face(faces({"eyeBlinkLeft": 1.0}))
    assert measured.of("lid_upper_left")[0] < -0.05
    assert measured.of("lid_upper_right")[0] == pytest.approx(0, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.tuples(st.floats(-0.6, 0.6), st.floats(-0.9, 0.9), st.floats(-0.5, 0.5)))
def test_turning_the_head_changes_nothing(turn: tuple[float, float, float]) -> None:
    shapes = {"mouthSmile": 0.8, "browInnerUp": 0.5, "jawOpen": 0.3}
    still, turned = measure_face(faces(shapes)), measure_face(faces(shapes, turn=turn))
    assert turned.values == pytest.approx(still.values, abs=1e-9)


def test_names_fit_the_columns() -> None:
    measured = measure_face(faces({}, {"jawOpen": 0.5}))
    assert measured.values.shape == (2, len(MEASURES))
    assert measured.of("jaw_drop").tolist() == measured.values[:, MEASURES.index("jaw_drop")].tolist()


def test_other_vertices_are_refused() -> None:
    with pytest.raises(ValueError, match="project's head"):
        measure_face(np.zeros((2, 5023, 3)))
    broken = faces({})
    broken[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        measure_face(broken)
