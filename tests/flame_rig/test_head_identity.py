"""How heads differ: every identity keeps the promises of the shipped head."""

from __future__ import annotations

import numpy as np
import pytest

from flame_rig.flame_model import JOINT_NAMES, joints_at_rest, shaped_template
from flame_rig.head import build_head, landmarks
from flame_rig.head.grid import skin_grid
from flame_rig.head.identity import IDENTITY_NAMES
from flame_rig.spaces import CTEG_HEAD_1
from tests.flame_rig.surfaces import ball_through, turned_over

HEAD = build_head()
PARTS = np.array(HEAD.part_names)[HEAD.vertex_parts]
IDENTITIES = np.random.default_rng(7).uniform(-2.0, 2.0, (12, len(IDENTITY_NAMES)))


def eyeball(name: str) -> np.ndarray:
    return np.flatnonzero(HEAD.vertex_parts == HEAD.part_names.index(name))


def test_each_component_has_a_name_and_moves_the_face_by_millimetres() -> None:
    assert HEAD.shapedirs.shape == (len(HEAD.v_template), 3, len(IDENTITY_NAMES))
    reach = np.linalg.norm(HEAD.shapedirs, axis=1).max(axis=0)
    assert (reach > 0.001).all()
    assert (reach < 0.01).all()


@pytest.mark.parametrize("component", range(len(IDENTITY_NAMES)), ids=IDENTITY_NAMES)
def test_a_component_moves_both_halves_alike(component: int) -> None:
    """What moves a point of the left half moves its mirror image by the mirror image, wherever both are vertices."""
    move = HEAD.shapedirs[:, :, component]
    marks = {tuple(mark): i for i, mark in enumerate(np.rint(HEAD.v_template * np.pi * 1e8).astype(np.int64).tolist())}
    pairs = [
        (i, marks[-mark[0], mark[1], mark[2]]) for mark, i in marks.items() if (-mark[0], mark[1], mark[2]) in marks
    ]
    assert len(pairs) > 0.6 * len(move)
    here, there = np.array(pairs).T
    assert np.abs(move[there] * (-1, 1, 1) - move[here]).max() < 1e-9


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_joints_follow_and_eyes_stay_balls_under_their_lids(identity: np.ndarray) -> None:
    shaped, joints = shaped_template(HEAD, identity), joints_at_rest(HEAD, identity)
    grid = skin_grid()
    for eye, (name, joint) in enumerate((("left eye", "left_eye"), ("right eye", "right_eye"))):
        centre = joints[JOINT_NAMES.index(joint)]
        ball = shaped[eyeball(name)] - centre
        at_rest = HEAD.v_template[eyeball(name)] - landmarks.eye_centre(1 - 2 * eye) / 100
        assert ball == pytest.approx(at_rest, abs=1e-9)
        rim = HEAD.faces[np.isin(HEAD.faces, [*grid.upper_lid[eye], *grid.lower_lid[eye]]).any(axis=1)]
        skin = rim[(rim < len(grid.points.theta)).all(axis=1)]
        assert ball_through(shaped, skin, centre, landmarks.EYE_RADIUS / 100) == 0
        blink = shaped + HEAD.exprdirs[:, :, CTEG_HEAD_1.index("eyeBlinkLeft" if eye == 0 else "eyeBlinkRight")]
        assert np.abs(blink[grid.upper_lid[eye]] - blink[grid.lower_lid[eye]]).max() < 1e-9


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_no_triangle_of_the_skin_turns_over(identity: np.ndarray) -> None:
    shaped = shaped_template(HEAD, identity)
    still = np.broadcast_to(np.eye(3), (len(shaped), 3, 3))
    skin = HEAD.faces[(PARTS == "skin")[HEAD.faces].all(axis=1)]
    assert len(turned_over(HEAD.v_template, shaped, skin, still)) == 0
