"""Regions of the face: by the shapes' names on the project's head, by anatomy on the same head without names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flame_rig.flame_model import FlameModel, joints_at_rest
from flame_rig.head import build_head
from flame_rig.regions import MIDDLE_REGIONS, REGION_NAMES, SIDED_REGIONS, FaceRegions, face_regions
from tests.fakes.surrogate import make_surrogate, reshaped

HEAD = build_head()


def without_names(model: FlameModel) -> tuple[FlameModel, np.ndarray]:
    """Skin and eyes alone, triangles, with expressions that are mixtures under meaningless names; and what was kept."""
    keep = np.isin(model.vertex_parts, [model.part_names.index(name) for name in ("skin", "left eye", "right eye")])
    position = np.cumsum(keep) - 1
    mixing = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 50)))[0]
    regressor = model.joint_regressor[:, keep]
    return dataclasses.replace(
        model,
        space="flame-2020",
        v_template=model.v_template[keep],
        faces=position[model.faces[keep[model.faces].all(axis=1)]],
        shapedirs=model.shapedirs[keep],
        exprdirs=model.exprdirs[keep] @ mixing,
        posedirs=model.posedirs[keep],
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        weights=model.weights[keep],
        expr_names=tuple(f"Exp{component:03}" for component in range(50)),
        polygons=None, uvs=None, materials=(), polygon_materials=None, vertex_colors=None,
        part_names=(), vertex_parts=None,
    ), keep  # fmt: skip


BARE, KEPT = without_names(HEAD)
REGIONS = {"named": (HEAD, face_regions(HEAD)), "measured": (BARE, face_regions(BARE))}
BOTH = pytest.mark.parametrize("way", REGIONS)


def centre(model: FlameModel, regions: FaceRegions, name: str) -> np.ndarray:
    mask = regions.mask(name)
    return mask @ model.v_template / mask.sum()


@BOTH
def test_masks_are_shares_of_a_vertex(way: str) -> None:
    model, regions = REGIONS[way]
    assert regions.names == REGION_NAMES
    assert regions.masks.shape == (len(REGION_NAMES), len(model.v_template))
    assert regions.masks.min() >= 0.0
    assert regions.masks.sum(axis=0).max() <= 1.0 + 1e-12


@BOTH
def test_every_region_has_a_core_and_a_soft_edge(way: str) -> None:
    regions = REGIONS[way][1]
    for name, mask in zip(regions.names, regions.masks, strict=True):
        assert (mask > 0.9).sum() >= 20, name
        assert ((mask > 0.05) & (mask < 0.9)).sum() >= 10, name


@BOTH
@pytest.mark.parametrize("region", SIDED_REGIONS)
def test_left_and_right_are_mirror_images(way: str, region: str) -> None:
    model, regions = REGIONS[way]
    left, right = regions.mask(f"{region}.L"), regions.mask(f"{region}.R")
    assert right.sum() == pytest.approx(left.sum(), rel=0.03)
    mirrored = centre(model, regions, f"{region}.R") * (-1, 1, 1)
    assert centre(model, regions, f"{region}.L") == pytest.approx(mirrored, abs=5e-4)
    assert left[model.v_template[:, 0] < -0.01].max() == 0.0
    assert right[model.v_template[:, 0] > 0.01].max() == 0.0


@BOTH
@pytest.mark.parametrize("region", MIDDLE_REGIONS)
def test_middle_regions_lie_in_the_middle(way: str, region: str) -> None:
    model, regions = REGIONS[way]
    assert centre(model, regions, region)[0] == pytest.approx(0.0, abs=5e-4)


@BOTH
def test_upper_and_lower_do_not_overlap(way: str) -> None:
    model, regions = REGIONS[way]
    for side in "LR":
        upper, lower = regions.mask(f"upper_lid.{side}"), regions.mask(f"lower_lid.{side}")
        assert np.minimum(upper, lower).sum() < 0.05 * min(upper.sum(), lower.sum())
        eye = joints_at_rest(model)[model.joint_names.index("left_eye" if side == "L" else "right_eye")]
        assert centre(model, regions, f"upper_lid.{side}")[1] > eye[1] > centre(model, regions, f"lower_lid.{side}")[1]
    upper, lower = regions.mask("upper_lip"), regions.mask("lower_lip")
    assert np.minimum(upper, lower).sum() < 0.08 * min(upper.sum(), lower.sum())


@BOTH
def test_the_face_is_in_order_from_brow_to_jaw(way: str) -> None:
    model, regions = REGIONS[way]
    order = ("brow.L", "upper_lid.L", "lower_lid.L", "nose", "upper_lip", "lower_lip", "jaw")
    heights = [centre(model, regions, name)[1] for name in order]
    assert heights == sorted(heights, reverse=True)
    assert centre(model, regions, "lower_lid.L")[1] > centre(model, regions, "cheek.L")[1] > heights[-2]


@BOTH
def test_eyes_and_the_back_of_the_head_belong_to_no_region_but_the_jaws(way: str) -> None:
    model, regions = REGIONS[way]
    eyes = model.weights[:, [model.joint_names.index(name) for name in ("left_eye", "right_eye")]].max(axis=1) > 0.99
    assert regions.masks[:, eyes].max() == 0.0
    behind = model.v_template[:, 2] < 0.0
    others = [index for index, name in enumerate(REGION_NAMES) if name != "jaw"]
    assert regions.masks[others][:, behind].max() < 0.35


@pytest.mark.parametrize("name", REGION_NAMES)
def test_anatomy_finds_what_the_names_say(name: str) -> None:
    named, measured = REGIONS["named"][1].mask(name)[KEPT], REGIONS["measured"][1].mask(name)
    shared = np.minimum(named, measured).sum() / np.maximum(named, measured).sum()
    assert shared > 0.4
    centres = [mask @ BARE.v_template / mask.sum() for mask in (named, measured)]
    assert centres[0] == pytest.approx(centres[1], abs=0.01)


def test_a_head_elsewhere_keeps_its_regions() -> None:
    moved = dataclasses.replace(HEAD, v_template=HEAD.v_template + np.array([0.3, -1.0, 2.0]))
    assert face_regions(moved).masks == pytest.approx(REGIONS["named"][1].masks, abs=1e-9)


def test_another_topology_and_face_has_its_regions_too() -> None:
    model = make_surrogate(reshaped, seed=2).model
    regions = face_regions(model)
    centres = {name: centre(model, regions, name) for name in REGION_NAMES}
    for region in SIDED_REGIONS:
        assert centres[f"{region}.L"] == pytest.approx(centres[f"{region}.R"] * (-1, 1, 1), abs=0.004)
    order = ("brow.R", "upper_lid.R", "lower_lid.R", "nose", "upper_lip", "lower_lip", "jaw")
    assert np.all(np.diff([centres[name][1] for name in order]) < -0.001)
    assert all((mask > 0.9).sum() >= 10 for mask in regions.masks)


def test_an_unknown_region_is_a_sentence() -> None:
    with pytest.raises(KeyError, match=r"no region 'chin'; the regions are brow\.L"):
        REGIONS["named"][1].mask("chin")


def test_a_face_without_features_is_refused() -> None:
    flat = dataclasses.replace(BARE, exprdirs=np.zeros_like(BARE.exprdirs))
    with pytest.raises(ValueError, match="No brows were found"):
        face_regions(flat)
