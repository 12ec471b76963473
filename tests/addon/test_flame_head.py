"""Heads from FLAME files: the operator, what is stored with them, and what is said of files that are none."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

import addon
from addon import api
from addon.rig import find_rig
from flame_rig.fingerprint import model_fingerprint
from flame_rig.flame_file import read_flame
from tests.addon.parity import random_poses, worst_error
from tests.fakes.flame_files import VERTICES, flame_arrays, write_npz


@pytest.fixture(scope="module")
def flame_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flame") / "generic_model.npz"
    write_npz(path, flame_arrays(seed=5))
    return path


def test_a_head_from_a_file_is_the_files_model(flame_file: Path) -> None:
    model = read_flame(flame_file, "2020").model
    rig = api.add_head(model_file=flame_file, edition="2020", expressions=100, identities=3)
    names = [key.name for key in rig.keys.key_blocks]
    assert [name for name in names if name.startswith("Exp")] == [f"Exp{index:03}" for index in range(100)]
    assert [name for name in names if name.startswith("Shape")] == ["Shape000", "Shape001", "Shape002"]
    assert len(rig.mesh.data.vertices) == VERTICES
    assert rig.space == "flame-2020"
    assert rig.fingerprint == model_fingerprint(model)
    assert rig.rig_map.key_names == model.expr_names[:50]
    assert rig.rig_map.bone_names == ("jaw",)
    assert worst_error(rig, model, random_poses(model, 10)) < 1e-5


def test_edition_and_licence_stay_with_the_head(flame_file: Path) -> None:
    rig = api.add_head(model_file=flame_file, edition="2020")
    assert "generic_model.npz: FLAME 2020" in rig.mesh["cteg_read_from"]
    assert "non-commercial" in rig.mesh["cteg_licence"]
    assert "cteg_licence" not in api.add_head().mesh


def test_a_file_that_is_no_model_adds_nothing_and_is_a_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pkl"
    wrong.write_bytes(b"no model at all")
    for path, sentence in [(wrong, "wrong.pkl"), (tmp_path / "missing.npz", "missing.npz cannot be read")]:
        with pytest.raises(api.CtegError, match=sentence) as raised:
            api.add_head(model_file=path)
        assert str(raised.value).endswith(".")
    assert not bpy.data.objects
    assert not bpy.data.meshes


def test_the_operator_adds_it_and_says_what_is_wrong(flame_file: Path, tmp_path: Path) -> None:
    addon.register()
    try:
        assert bpy.ops.cteg.add_flame_head(filepath=str(flame_file), edition="2020", expressions=60) == {"FINISHED"}
        rig = find_rig(bpy.context.view_layer.objects.active)
        assert rig is not None
        assert rig.name == "generic_model Head"
        assert len([key for key in rig.keys.key_blocks if key.name.startswith("Exp")]) == 60
        (tmp_path / "empty.npz").touch()
        with pytest.raises(RuntimeError, match=r"empty\.npz"):
            bpy.ops.cteg.add_flame_head(filepath=str(tmp_path / "empty.npz"))
        assert np.array_equal([thing.name for thing in bpy.data.objects if thing.type == "MESH"], [rig.name])
    finally:
        addon.unregister()
