"""The shipped head: what its users rely on, checked on the arrays it hands out."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from flame_rig.arkit import ARKIT_SHAPES, mirrored
from flame_rig.flame_model import JOINT_NAMES, joints_at_rest, pose_of_frames, posed_vertices
from flame_rig.head import build_head, landmarks
from flame_rig.head.grid import skin_grid
from flame_rig.spaces import CTEG_HEAD_1, frames_from_arkit

HEAD = build_head()
PARTS = np.array(HEAD.part_names)[HEAD.vertex_parts]
SYMMETRIC = np.flatnonzero(PARTS != "hair")
GRID = skin_grid()
TOPOLOGY_SHA256 = "e4abf75e4eec4cb19e539b5dff25afc89e93a51739d245e0a4f93a7c9b741bb1"
"""Changes only with the vertex order: then every saved key, weight and clip of a rig is void."""


def face(**weights: float) -> np.ndarray:
    """The head's vertices in metres under ARKit weights; a name without a side stands for both."""
    row = np.zeros((1, len(ARKIT_SHAPES)))
    for name, weight in weights.items():
        for shape in (name,) if name in ARKIT_SHAPES else (f"{name}Left", f"{name}Right"):
            row[0, ARKIT_SHAPES.index(shape)] = weight
    frames = frames_from_arkit(row).astype(np.float64)
    return posed_vertices(HEAD, frames[:, :50], pose_of_frames(HEAD, frames), joints="identity")[0]


def part_vertices(part: str) -> np.ndarray:
    """The indices of a part's vertices."""
    return np.flatnonzero(HEAD.vertex_parts == HEAD.part_names.index(part))


def mirror_partners() -> np.ndarray:
    """For each symmetric vertex, the one that lies at its mirror image and in the mirrored part."""
    swap = {"left eye": "right eye", "right eye": "left eye"}
    # copies along a slit share a place at their ends only, so where they go in a blink and an open jaw tells them apart
    faces = (HEAD.v_template, *(face(**{name: 1.0}) for name in ("eyeBlink", "eyeWide", "jawOpen")))
    # an irrational grid: a round number never lies on a rounding edge
    marks = np.rint(np.concatenate(faces, axis=1)[SYMMETRIC] * np.pi * 1e7).astype(np.int64)
    mirror_marks = marks * np.tile((-1, 1, 1), len(faces))
    names = PARTS[SYMMETRIC]
    at = {(name, *mark): index for index, (name, mark) in enumerate(zip(names, marks.tolist(), strict=True))}
    partners = [at[swap.get(name, name), *mark] for name, mark in zip(names, mirror_marks.tolist(), strict=True)]
    return np.array(partners)


@pytest.fixture(scope="module")
def partners() -> np.ndarray:
    return mirror_partners()


def test_layout_is_flames_and_the_space_is_ours() -> None:
    assert HEAD.joint_names == JOINT_NAMES
    assert HEAD.expr_names == CTEG_HEAD_1.names
    assert HEAD.space == "cteg-head-1"
    assert HEAD.posedirs.shape == (len(HEAD.v_template), 3, 36)
    assert HEAD.parents.tolist() == [-1, 0, 1, 1, 1]
    assert build_head() is HEAD


def test_vertex_order_is_the_one_that_rigs_were_built_with() -> None:
    corners = np.array([corner for polygon in HEAD.polygons or () for corner in (*polygon, -1)], dtype="<i4")
    assert hashlib.sha256(corners.tobytes()).hexdigest() == TOPOLOGY_SHA256


def test_size_is_a_heads_in_metres() -> None:
    low, high = HEAD.v_template.min(axis=0), HEAD.v_template.max(axis=0)
    assert (high - low) == pytest.approx([0.18, 0.31, 0.22], rel=0.15)


def test_joints_come_out_of_the_regressor_where_the_head_turns() -> None:
    joints = dict(zip(HEAD.joint_names, joints_at_rest(HEAD), strict=True))
    assert joints["jaw"] == pytest.approx(np.array(landmarks.JAW_HINGE) / 100)
    assert joints["left_eye"] == pytest.approx(landmarks.eye_centre(1) / 100)
    assert joints["right_eye"] == pytest.approx(landmarks.eye_centre(-1) / 100)
    assert joints["root"][1] < joints["neck"][1] < joints["jaw"][1]
    assert (HEAD.joint_regressor >= 0).all()


def test_no_expression_moves_a_joint() -> None:
    moved = np.einsum("jv,vce->jce", HEAD.joint_regressor, HEAD.exprdirs)
    assert np.abs(moved).max() < 1e-9


def test_every_shape_but_the_reserved_one_moves_the_face_and_none_tears_it() -> None:
    reach = np.linalg.norm(HEAD.exprdirs, axis=1).max(axis=0)
    small = {name: size for name, size in zip(HEAD.expr_names, reach, strict=True) if size < 0.0005}
    assert set(small) == {"reserved49"}
    assert not HEAD.exprdirs[:, :, 49].any()
    assert reach.max() < 0.04


def test_both_halves_mirror_each_other_at_rest(partners: np.ndarray) -> None:
    points = HEAD.v_template[SYMMETRIC]
    assert np.abs(points[partners] * (-1, 1, 1) - points).max() < 1e-9


@pytest.mark.parametrize("shape", CTEG_HEAD_1.names)
def test_a_shape_mirrors_into_the_shape_of_the_other_side(shape: str, partners: np.ndarray) -> None:
    here = HEAD.exprdirs[SYMMETRIC][:, :, CTEG_HEAD_1.index(shape)]
    there = HEAD.exprdirs[SYMMETRIC][:, :, CTEG_HEAD_1.index(mirrored(shape))]
    assert np.abs(there[partners] * (-1, 1, 1) - here).max() < 1e-9


def test_weights_mirror_and_parts_follow_the_joint_they_should(partners: np.ndarray) -> None:
    swapped = HEAD.weights[SYMMETRIC][partners][:, [0, 1, 2, 4, 3]]
    assert np.abs(swapped - HEAD.weights[SYMMETRIC]).max() < 1e-9
    for part, joint in {
        "upper teeth": "neck", "ears": "neck", "hair": "neck", "lower teeth": "jaw", "tongue": "jaw",
        "left eye": "left_eye", "right eye": "right_eye",
    }.items():  # fmt: skip
        assert (HEAD.weights[part_vertices(part)][:, JOINT_NAMES.index(joint)] == 1).all(), part
    assert HEAD.weights[GRID.bottom_row, 0] == pytest.approx(1.0)


def test_upper_lid_covers_the_top_of_the_iris_at_rest_and_clears_it_when_wide() -> None:
    iris_top = landmarks.EYE_RADIUS * np.sin(np.radians(24.5)) / 100
    at_rest, wide = face()[GRID.upper_lid[0], 1].max(), face(eyeWide=1.0)[GRID.upper_lid[0], 1].max()
    assert at_rest < iris_top - 0.0003
    assert wide > iris_top + 0.0005


@pytest.mark.parametrize("eye", [0, 1])
def test_a_blink_closes_the_lids_exactly(eye: int) -> None:
    closed = face(eyeBlink=1.0)
    assert np.abs(closed[GRID.upper_lid[eye]] - closed[GRID.lower_lid[eye]]).max() < 1e-9


@pytest.mark.parametrize("shape", ["eyeBlink", "eyeSquint", "eyeWide", "eyeLookDown", "eyeLookUp", "cheekSquint"])
@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_eyeball_never_pokes_through_the_lids(shape: str, weight: float) -> None:
    posed = face(**{shape: weight})
    for side, ids in ((1, GRID.upper_lid[0]), (-1, GRID.upper_lid[1]), (1, GRID.lower_lid[0]), (-1, GRID.lower_lid[1])):
        distance = np.linalg.norm(posed[ids] - landmarks.eye_centre(side) / 100, axis=1)
        assert distance.min() > landmarks.EYE_RADIUS / 100


def test_the_lips_seal_at_an_open_jaw_with_mouth_close() -> None:
    opened, closed = face(jawOpen=1.0), face(jawOpen=1.0, mouthClose=1.0)
    gap = np.linalg.norm(closed[GRID.upper_lip] - closed[GRID.lower_lip], axis=1)
    assert gap.max() < 1e-9
    assert np.linalg.norm(opened[GRID.upper_lip] - opened[GRID.lower_lip], axis=1).max() > 0.02


def test_the_jaw_corrective_is_linear_in_the_sine_and_narrows_the_mouth() -> None:
    def corner_reach(jaw: float) -> float:
        return float(face(jawOpen=jaw)[GRID.upper_lip[-1], 0])

    assert corner_reach(1.0) < corner_reach(0.5) < corner_reach(0.0)
    assert corner_reach(0.0) - corner_reach(1.0) == pytest.approx(0.0038, abs=0.0012)


def test_looks_are_complete() -> None:
    assert HEAD.uvs is not None
    assert HEAD.vertex_colors is not None
    assert len(HEAD.uvs) == sum(len(polygon) for polygon in HEAD.polygons or ())
    assert 0 <= HEAD.vertex_colors.min() <= HEAD.vertex_colors.max() <= 1
    used = {HEAD.materials[index].name for index in HEAD.polygon_materials}
    assert used == {material.name for material in HEAD.materials}


@pytest.mark.parametrize("part", ["left eye", "right eye", "tongue"])
def test_closed_parts_face_outwards(part: str) -> None:
    ids = part_vertices(part)
    triangles = HEAD.v_template[HEAD.faces[np.isin(HEAD.faces, ids).all(axis=1)]]
    volume = np.einsum("ij,ij->i", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6
    assert volume > 0


@pytest.mark.parametrize("part", ["skin", "brows", "upper teeth", "hair", "ears"])
def test_open_parts_face_away_from_the_head(part: str) -> None:
    ids = part_vertices(part)
    triangles = HEAD.v_template[HEAD.faces[np.isin(HEAD.faces, ids).all(axis=1)]]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    outward = triangles.mean(axis=1) - (0.0, -0.02, 0.0)
    assert ((normal * outward).sum(axis=1) > 0).mean() > 0.8


@pytest.mark.parametrize("shape", [None, "mouthRollUpper", "mouthPress", "mouthSmile", "mouthFrown", "mouthStretch"])
def test_teeth_stay_behind_closed_lips(shape: str | None) -> None:
    posed = face(**({shape: 1.0} if shape else {}))
    teeth = HEAD.v_template[part_vertices("upper teeth")]
    columns = np.unique(teeth[:, 0].round(5))
    front = [teeth[np.abs(teeth[:, 0] - column) < 1e-5, 2].max() for column in columns]
    lips = posed[GRID.upper_lip]
    over_teeth = np.abs(lips[:, 0]) < columns.max()
    assert (lips[over_teeth, 2] > np.interp(lips[over_teeth, 0], columns, front)).all()
