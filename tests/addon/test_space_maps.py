"""Clips of one expression space on heads of another, through the map that is stored with the head.

The FLAME model is a stand-in made of the project's head; its map is solved as a real file's would be.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

import addon
from addon import api, space_maps
from addon.rig import RigError, find_rig
from cteg_core.clip import ExpressionClip
from flame_rig.channels import quaternions
from flame_rig.flame_model import FlameModel
from flame_rig.gaze import eye_vectors
from flame_rig.retarget import SpaceMap, solve_space_map
from flame_rig.spaces import CTEG_HEAD_1
from tests.addon.heads import bone_matrix, box_head, key_values, talking_box
from tests.fakes.surrogate import make_surrogate, unbent


@pytest.fixture(scope="module")
def model() -> FlameModel:
    return make_surrogate(unbent).model


@pytest.fixture(scope="module")
def space_map(model: FlameModel) -> SpaceMap:
    return solve_space_map(model)


def clip_of(space: str, **values: float) -> ExpressionClip:
    """One second of a face that does not move."""
    frames = np.zeros((24, 53), dtype=np.float32)
    for name, value in values.items():
        frames[:, int(name[1:]) if name.startswith("_") else CTEG_HEAD_1.index(name)] = value
    return ExpressionClip(frames=frames, fps=24.0, space=space, text="still")


def test_a_flame_head_performs_what_the_projects_checkpoint_makes(model: FlameModel, space_map: SpaceMap) -> None:
    rig = api.add_head(model)
    rig.mesh[space_maps.SPACE_MAP] = space_map.to_json()
    clip = clip_of(CTEG_HEAD_1.id, mouthSmileLeft=0.8, mouthSmileRight=0.8, eyeLookDownLeft=1.0, _50=0.2)
    take = api.bake(clip, rig, start_frame=1)
    bpy.context.scene.frame_set(take.frame_start + 5)
    expected = space_map.to_flame(clip.frames)[5]
    keys = key_values(rig)
    np.testing.assert_allclose([keys[name] for name in model.expr_names[:50]], expected[:50], atol=1e-5)
    jaw = bone_matrix(rig, "jaw")
    assert np.arccos((np.trace(jaw) - 1) / 2) == pytest.approx(np.linalg.norm(expected[50:]), abs=1e-5)
    # The gaze, which no FLAME frame holds, comes from the head's own frame.
    turn = eye_vectors(clip.frames)[5]
    w = quaternions(turn)[0, 0]
    assert np.trace(bone_matrix(rig, "left_eye")) == pytest.approx(4 * w**2 - 1, abs=1e-5)
    assert np.trace(bone_matrix(rig, "right_eye")) == pytest.approx(3.0, abs=1e-6)
    assert np.linalg.norm(turn[0]) > 0.1


def test_a_head_reads_clips_of_flame_through_a_flame_file(model: FlameModel, space_map: SpaceMap) -> None:
    rig = api.add_head()
    smile = clip_of(CTEG_HEAD_1.id, mouthSmileLeft=0.8, mouthSmileRight=0.8, _50=0.15)
    flame = ExpressionClip(frames=space_map.to_flame(smile.frames), fps=24.0, space=model.space, text="from elsewhere")
    with pytest.raises(api.CtegError, match=r"of the expression space .* give the head the FLAME file"):
        api.bake(flame, rig)
    assert len(bpy.data.actions) == 0
    rig.mesh[space_maps.SPACE_MAP] = space_map.to_json()
    take = api.bake(flame, rig, start_frame=1)
    bpy.context.scene.frame_set(take.frame_start + 5)
    keys = key_values(rig)
    assert keys["mouthSmileLeft"] == pytest.approx(0.8, abs=0.1)
    assert max(value for name, value in keys.items() if "Smile" not in name and "Dimple" not in name) < 0.2


def test_solving_stores_the_map_and_says_how_well_it_fits(model: FlameModel) -> None:
    rig = api.add_head(talking_box())
    assert space_maps.space_map_of(rig) is None
    assert space_maps.sentences_of(rig) == ()
    space_maps.solve_for(rig, model)
    again = find_rig(rig.mesh)
    assert again is not None
    stored = space_maps.space_map_of(again)
    assert stored is not None
    assert stored.flame_space == model.space
    said = " ".join(space_maps.sentences_of(again))
    assert "of the 52 ARKit shapes" in said
    assert "tongueOut" in said


def test_what_cannot_be_mapped_or_read_is_a_sentence(model: FlameModel) -> None:
    rig = api.add_head(model)
    with pytest.raises(RigError, match="cannot be mapped to and from the project's space"):
        space_maps.solve_for(rig, box_head("flame-2020", tuple(f"Exp{i:03}" for i in range(50))))
    with pytest.raises(RigError, match="needs no map"):
        space_maps.solve_for(rig, talking_box())
    with pytest.raises(RigError, match="is a FLAME head itself"):
        api.use_flame_file(rig, "any.pkl")
    rig.mesh[space_maps.SPACE_MAP] = "{"
    with pytest.raises(RigError, match="cannot be read"):
        api.bake(clip_of(CTEG_HEAD_1.id, mouthSmileLeft=0.8), rig)


def test_the_operator_is_for_heads_of_the_projects_space_and_says_what_is_wrong(
    model: FlameModel, tmp_path: Path
) -> None:
    addon.register()
    try:
        api.add_head(model)
        assert not bpy.ops.cteg.use_flame_file.poll()
        api.add_head(talking_box())
        (tmp_path / "empty.npz").touch()
        with pytest.raises(RuntimeError, match=r"empty\.npz"):
            bpy.ops.cteg.use_flame_file(filepath=str(tmp_path / "empty.npz"))
    finally:
        addon.unregister()
