"""Action units as ARKit shapes, and the emotion prototypes."""

from __future__ import annotations

import numpy as np
import pytest

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.facs import (
    ANTAGONISTS,
    EMOTION_PROTOTYPES,
    UNIT_SHAPE_MATRIX,
    UNIT_SHAPES,
    UNITS,
    arkit_from_units,
    mirrored_activation,
    unit_activation,
)


def weights(**units: float) -> dict[str, float]:
    activation = unit_activation({name.removeprefix("au"): strength for name, strength in units.items()})
    values = arkit_from_units(activation)
    return {ARKIT_SHAPES[i]: round(float(values[i]), 4) for i in np.flatnonzero(values)}


def test_a_two_sided_unit_moves_both_sides() -> None:
    assert weights(au12=0.8) == {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}


def test_a_one_sided_unit_moves_its_side() -> None:
    assert weights(au14R=0.5) == {"mouthDimpleRight": 0.5}


def test_a_shape_of_the_middle_takes_half_from_each_side() -> None:
    assert weights(au1=1.0) == {"browInnerUp": 1.0}
    assert weights(au1L=1.0) == {"browInnerUp": 0.5}


def test_upper_lid_raiser_is_not_a_blink() -> None:
    assert weights(au5=1.0) == {"eyeWideLeft": 1.0, "eyeWideRight": 1.0}


def test_looking_left_turns_the_left_eye_out_and_the_right_eye_in() -> None:
    assert weights(au61=1.0) == {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}


def test_units_that_share_a_shape_add_up_and_stop_at_one() -> None:
    assert weights(au23=1.0, au24=0.3) == {
        "mouthRollLower": 0.3, "mouthRollUpper": 0.3, "mouthPressLeft": 0.8, "mouthPressRight": 0.8,
    }  # fmt: skip
    assert weights(au12=0.9, au13=0.8)["mouthSmileLeft"] == 1.0


def test_an_unknown_unit_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'99'"):
        unit_activation({"99": 1.0})
    with pytest.raises(ValueError, match="shape"):
        arkit_from_units(np.zeros((3, 5)))


def test_every_unit_moves_something_and_nothing_beyond_full() -> None:
    totals = UNIT_SHAPE_MATRIX.sum(axis=0)
    assert (totals.max(axis=1) >= 0.3).all()
    assert totals.max() <= 1.0
    assert totals.sum() == pytest.approx(
        sum(
            amount * (1 if shape in ARKIT_SHAPES else 2)
            for shapes in UNIT_SHAPES.values()
            for shape, amount in shapes.items()
        )
    )


def test_mirroring_twice_gives_the_face_back() -> None:
    face = unit_activation({"12R": 0.7, "2L": 0.4, "61": 0.3, "30L": 0.2, "1": 0.5})
    mirror = mirrored_activation(face)
    np.testing.assert_array_equal(mirror, unit_activation({"12L": 0.7, "2R": 0.4, "62": 0.3, "30R": 0.2, "1": 0.5}))
    np.testing.assert_array_equal(mirrored_activation(mirror), face)


def test_prototypes_name_their_source_and_lawful_strengths() -> None:
    assert len(EMOTION_PROTOTYPES) == 28
    for label, prototypes in EMOTION_PROTOTYPES.items():
        for prototype in prototypes:
            assert prototype.source.split(":")[0] in {"emfacs", "du2014", "compound", "judgement"}, label
            assert prototype.weight > 0
            assert all(0 < strength <= 1 for strength in prototype.units.values()), label
            unit_activation(prototype.units)


@pytest.mark.parametrize(
    ("label", "required"),
    [
        ("joy", {"6", "12"}),
        ("sadness", {"1", "4", "15"}),
        ("anger", {"4", "7"}),
        ("fear", {"1", "4", "5", "20"}),
        ("disgust", {"4", "7"}),
        ("surprise", {"1", "2", "5"}),
    ],
)
def test_basic_emotions_hold_the_units_of_the_published_prototypes(label: str, required: set[str]) -> None:
    for prototype in EMOTION_PROTOTYPES[label]:
        assert required <= set(prototype.units)


def test_antagonists_are_units_and_shares() -> None:
    for one, other, share in ANTAGONISTS:
        assert {one, other} <= set(UNITS)
        assert 0 < share <= 1
