"""Blender's vertices against the float64 forward model: the project's head and one of FLAME's size."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
import pytest

from addon import api
from addon.rig import build_rig
from flame_rig.flame_model import FlameModel
from flame_rig.head import build_head
from tests.addon.heads import box_head
from tests.addon.parity import ROTATION_MODES, random_poses, worst_error
from tests.fakes.flame_sized import flame_sized_head

EXACT = 1e-5
POSES = 200


@pytest.mark.parametrize("make", [build_head, flame_sized_head])
def test_two_hundred_random_poses_are_within_a_hundredth_of_a_millimetre(make: Callable[[], FlameModel]) -> None:
    model = make()
    rig = build_rig(model, expressions=100)
    assert worst_error(rig, model, random_poses(model, POSES)) < EXACT


@pytest.mark.parametrize("mode", ROTATION_MODES)
def test_every_rotation_mode_of_the_bones_gives_the_same_face(mode: str) -> None:
    model = flame_sized_head(seed=1)
    assert worst_error(build_rig(model), model, random_poses(model, 12, seed=2), mode) < EXACT


def test_another_identity_with_its_bones_fitted() -> None:
    model = flame_sized_head(seed=3)
    rig = build_rig(model, identities=20)
    identity = np.random.default_rng(4).normal(size=20)
    for component, value in enumerate(identity):
        rig.keys.key_blocks[f"Shape{component:03}"].value = value
    poses = random_poses(model, 30, seed=5)
    assert worst_error(rig, model, poses, identity=identity) > 10 * EXACT
    api.fit_bones(rig)
    assert worst_error(rig, model, poses, identity=identity) < EXACT


@pytest.mark.parametrize(
    ("system", "scale_length", "expected"), [("METRIC", 0.01, 100), ("METRIC", 1, 1), ("NONE", 0.01, 1)]
)
def test_a_head_is_life_sized_at_every_unit_scale(system: str, scale_length: float, expected: float) -> None:
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = system, scale_length
    model = box_head()
    rig = build_rig(model)
    assert rig.units_per_metre == pytest.approx(expected)
    assert max(rig.mesh.dimensions) == pytest.approx(0.2 * expected)
    assert worst_error(rig, model, random_poses(model, 20)) < EXACT


def test_a_head_of_flames_size_in_centimetres() -> None:
    model = flame_sized_head(seed=6)
    rig = build_rig(model, units_per_metre=100.0)
    assert worst_error(rig, model, random_poses(model, 20)) < EXACT
