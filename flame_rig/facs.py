"""The Facial Action Coding System as tables: action units as ARKit shapes, emotions as action units.

A unit is named by its FACS number, with ``L`` or ``R`` behind it where it acts on the subject's left or right
side alone (``"12"`` both corners, ``"12R"`` the right one). Strengths are fractions of the unit's full movement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.arkit import ARKIT_SHAPES

UNIT_SHAPES: Final[dict[str, dict[str, float]]] = {
    "1": {"browInnerUp": 1.0},
    "2": {"browOuterUp": 1.0},
    "4": {"browDown": 1.0},
    "5": {"eyeWide": 1.0},
    "6": {"cheekSquint": 1.0},
    "7": {"eyeSquint": 1.0},
    "9": {"noseSneer": 1.0},
    "10": {"mouthUpperUp": 1.0},
    "11": {"mouthUpperUp": 0.4, "cheekSquint": 0.3},
    "12": {"mouthSmile": 1.0},
    "13": {"mouthSmile": 0.5, "mouthDimple": 0.3},
    "14": {"mouthDimple": 1.0},
    "15": {"mouthFrown": 1.0},
    "16": {"mouthLowerDown": 1.0},
    "17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.3},
    "18": {"mouthPucker": 1.0},
    "19": {"tongueOut": 1.0},
    "20": {"mouthStretch": 1.0},
    "22": {"mouthFunnel": 1.0},
    "23": {"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    "24": {"mouthPress": 1.0},
    "25": {"mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
    "26": {"jawOpen": 0.4},
    "27": {"jawOpen": 1.0},
    "28": {"mouthRollLower": 1.0, "mouthRollUpper": 1.0},
    "29": {"jawForward": 1.0},
    "30L": {"jawLeft": 1.0},
    "30R": {"jawRight": 1.0},
    "32": {"mouthRollLower": 0.85, "mouthUpperUp": 0.10},
    "34": {"cheekPuff": 1.0},
    "43": {"eyeBlink": 1.0},
    "61": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "62": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
    "63": {"eyeLookUp": 1.0},
    "64": {"eyeLookDown": 1.0},
}
"""Action unit -> ARKit shapes at full strength; a name without a side stands for both.

Source: the consensus of melindaozel.com's ARKit-to-FACS sheet and docs.vrcft.io. ARKit has no exact shape for 11, 13,
23, 25 and 61-64: those rows are approximations. 26 and 27 are the upper ends of their published ranges. 32 (lip
bite) is our judgement.
"""

UNITS: Final[tuple[str, ...]] = tuple(UNIT_SHAPES)
"""The units in the order of the matrices below."""

SIDES: Final[tuple[str, str]] = ("Left", "Right")


@dataclass(frozen=True)
class Prototype:
    """One way an emotion looks: action units at the apex of a full, not exaggerated expression.

    Attributes:
        units: strength of each unit in [0, 1].
        source: ``emfacs`` (FACS Investigator's Guide and EMFACS prototypes), ``du2014`` (consistent units and
            variants of Du, Tao and Martinez, PNAS 111(15) E1454, recalled, not re-read), ``compound`` (a union of
            such rows), or ``judgement`` (ours, on the project's head; a study is named where one guided it).
        weight: how often it is chosen relative to the emotion's other ways.
    """

    units: Mapping[str, float]
    source: str
    weight: float = 1.0


_P = Prototype

EMOTION_PROTOTYPES: Final[dict[str, tuple[Prototype, ...]]] = {
    "admiration": (
        _P({"1": 0.60, "2": 0.55, "5": 0.30, "12": 0.70, "6": 0.40, "25": 0.40}, "compound: happiness and awed"),
        _P({"1": 0.35, "2": 0.40, "12": 0.75, "6": 0.50}, "compound: happiness with raised brows"),
    ),
    "amusement": (
        _P({"6": 0.90, "12": 1.00, "25": 0.80, "26": 0.55, "7": 0.25}, "emfacs: 6+12+25, laughing", 1.4),
        _P({"6": 0.75, "12": 0.85, "24": 0.45, "7": 0.25, "2": 0.20}, "judgement: a laugh held back"),
        _P({"6": 0.65, "12R": 0.95, "12L": 0.55, "14R": 0.30, "2L": 0.55, "7": 0.20}, "judgement: a wry grin", 0.7),
    ),
    "anger": (
        _P({"4": 1.00, "5": 0.55, "7": 0.55, "23": 0.85, "9": 0.30, "15": 0.35}, "emfacs: 4+5+7+23, traces of 9, 15"),
        _P({"4": 1.00, "7": 0.60, "24": 0.85, "17": 0.50, "15": 0.50, "9": 0.25}, "du2014: 4+7+24 [17]"),
        _P({"4": 1.00, "7": 0.50, "5": 0.35, "10": 0.35, "16": 0.60, "25": 0.50, "26": 0.40, "9": 0.15},
           "du2014: 4+7 [10], shouting", 0.7),
    ),
    "annoyance": (
        _P({"4": 0.65, "7": 0.50, "24": 0.60, "14R": 0.35}, "compound: weak anger"),
        _P({"4": 0.35, "7": 0.35, "14R": 0.85, "12R": 0.25, "2L": 0.55, "10R": 0.25}, "emfacs: contempt R12+R14"),
        _P({"4": 0.45, "15": 0.50, "17": 0.35, "43": 0.18, "63": 0.55}, "judgement: rolled eyes", 0.7),
    ),
    "approval": (
        _P({"12": 0.65, "6": 0.35, "1": 0.25, "2": 0.30}, "compound: weak happiness with raised brows"),
        _P({"12": 0.60, "6": 0.30, "24": 0.30, "7": 0.15}, "judgement: a firm closed smile"),
    ),
    "caring": (
        _P({"1": 0.60, "4": 0.12, "12": 0.60, "6": 0.40}, "compound: sadness's brow, happiness's mouth"),
        _P({"1": 0.50, "12": 0.50, "6": 0.35, "43": 0.14}, "judgement: soft lids"),
    ),
    "confusion": (
        _P({"1": 0.75, "2": 0.85, "5": 0.45, "25": 0.30, "26": 0.25}, "judgement: what was that?, weak surprise", 1.2),
        _P({"2L": 1.00, "1L": 0.70, "5L": 0.50, "2R": 0.55, "1R": 0.45, "5R": 0.30, "17": 0.20},
           "judgement: both brows up, one more", 1.2),
        _P({"2L": 0.85, "1L": 0.30, "4R": 0.60, "7R": 0.45, "17": 0.25},
           "judgement: one brow up, one down, 4+7 as in learners (Craig et al. 2008)", 0.4),
    ),
    "curiosity": (
        _P({"1": 0.75, "2": 1.00, "5": 0.50, "12": 0.15, "25": 0.30}, "judgement: weak surprise, a trace of a smile"),
        _P({"2L": 1.00, "1L": 0.60, "5": 0.45, "2R": 0.60, "1R": 0.35, "12": 0.12}, "judgement: one brow leads"),
    ),
    "desire": (
        _P({"12": 0.50, "6": 0.35, "7": 0.40, "25": 0.50, "43": 0.16, "26": 0.20}, "judgement: parted lips"),
        _P({"32": 0.75, "12": 0.50, "7": 0.35, "2": 0.25}, "judgement: a bitten lip", 0.7),
    ),
    "disappointment": (
        _P({"1": 0.55, "4": 0.25, "15": 0.65, "17": 0.40, "64": 0.35}, "compound: weak sadness, looking down"),
        _P({"1": 0.45, "4": 0.22, "14": 0.55, "15": 0.50, "24": 0.30, "43": 0.16}, "judgement: tightened corners"),
    ),
    "disapproval": (
        _P({"4": 0.70, "7": 0.40, "15": 0.65, "17": 0.50}, "compound: anger's brow, sadness's mouth"),
        _P({"14R": 0.90, "12R": 0.30, "10R": 0.30, "2L": 0.60, "4R": 0.45, "7": 0.35}, "emfacs: contempt R12+R14"),
        _P({"4": 0.60, "24": 0.65, "9": 0.35, "10": 0.25, "7": 0.30}, "du2014: hatred 4+10 [7], weak", 0.8),
    ),
    "disgust": (
        _P({"9": 1.00, "15": 0.45, "16": 0.40, "4": 0.30, "7": 0.45, "10": 0.35}, "emfacs: 9+15+16"),
        _P({"10": 1.00, "17": 0.50, "4": 0.25, "9": 0.75, "7": 0.40}, "emfacs: 10+17+4"),
        _P({"9": 0.95, "10": 0.85, "25": 0.40, "7": 0.55, "4": 0.35}, "du2014: 9+10"),
    ),
    "embarrassment": (
        _P({"1": 0.75, "4": 0.22, "15": 0.50, "14": 0.45, "64": 0.60, "24": 0.30},
           "judgement: looking down, lips tightened (Keltner 1995 without the smile)", 1.3),
        _P({"1": 0.70, "4": 0.22, "15": 0.45, "17": 0.40, "62": 0.45, "64": 0.35, "43": 0.12},
           "judgement: looking aside and down", 1.0),
        _P({"12": 0.45, "24": 0.55, "64": 0.65, "1": 0.55, "15": 0.30},
           "judgement: a controlled smile (Keltner 1995)", 0.4),
    ),
    "excitement": (
        _P({"12": 0.95, "6": 0.55, "1": 0.75, "2": 0.75, "5": 0.65, "25": 0.80, "26": 0.60},
           "du2014: happily surprised 1+2+12+25 [5, 26]"),
        _P({"12": 1.00, "6": 0.80, "25": 0.85, "26": 0.70, "2": 0.45, "5": 0.25}, "compound: happiness, mouth open"),
    ),
    "fear": (
        _P({"1": 0.95, "2": 0.45, "4": 0.35, "5": 1.00, "20": 0.80, "25": 0.70, "26": 0.75}, "emfacs: 1+2+4+5+20+26"),
        _P({"1": 0.95, "4": 0.40, "5": 0.90, "20": 0.90, "25": 0.85, "16": 0.45}, "du2014: 1+4+20+25 [5]"),
    ),
    "gratitude": (
        _P({"12": 0.75, "6": 0.55, "1": 0.50, "4": 0.10}, "compound: happiness with sadness's inner brow"),
        _P({"12": 0.70, "6": 0.50, "43": 0.22, "17": 0.20, "1": 0.25}, "judgement: soft lids"),
    ),
    "grief": (
        _P({"1": 1.00, "4": 0.35, "15": 0.95, "17": 0.75, "7": 0.40, "64": 0.20}, "emfacs: 1+4+15 [17], strong"),
        _P({"1": 0.95, "4": 0.40, "6": 0.50, "11": 0.50, "15": 0.75, "20": 0.45, "25": 0.60, "43": 0.12},
           "du2014: 4+15 [1, 6, 11], weeping"),
    ),
    "joy": (
        _P({"6": 0.75, "12": 0.95, "25": 0.60, "26": 0.25}, "emfacs: 6+12+25", 1.3),
        _P({"6": 0.70, "12": 0.90}, "emfacs: 6+12"),
        _P({"6": 0.60, "12": 0.95, "25": 0.75, "26": 0.50, "1": 0.30, "2": 0.35}, "du2014: 12+25 [6], brows up"),
    ),
    "love": (
        _P({"12": 0.75, "6": 0.60, "1": 0.55, "43": 0.20}, "judgement: soft lids, tender inner brow"),
        _P({"12": 0.65, "6": 0.55, "1": 0.40, "25": 0.35, "43": 0.16}, "judgement: parted lips"),
    ),
    "nervousness": (
        _P({"1": 0.70, "2": 0.20, "4": 0.30, "5": 0.45, "20": 0.60, "25": 0.25}, "compound: weak fear"),
        _P({"1": 0.65, "4": 0.30, "32": 0.80, "5": 0.30, "14": 0.30}, "judgement: a bitten lip"),
        _P({"1": 0.60, "4": 0.25, "24": 0.60, "20": 0.35, "12": 0.25, "5": 0.35}, "judgement: a tense smile", 0.6),
    ),
    "optimism": (
        _P({"12": 0.75, "6": 0.40, "1": 0.45, "2": 0.45}, "compound: happiness with raised brows"),
        _P({"12": 0.70, "6": 0.40, "5": 0.20, "25": 0.35, "63": 0.22}, "judgement: looking up"),
    ),
    "pride": (
        _P({"12": 0.65, "6": 0.30, "17": 0.40, "24": 0.30, "7": 0.15}, "judgement: a small smile (Tracy, Robins 2004)"),
        _P({"12R": 0.80, "12L": 0.55, "6": 0.30, "43": 0.16, "2": 0.35}, "judgement: a self-assured smile"),
    ),
    "realization": (
        _P({"1": 0.80, "2": 0.90, "5": 0.50, "25": 0.25, "26": 0.65, "22": 0.25}, "emfacs: surprise 1+2+5+26, weaker"),
        _P({"1": 0.70, "2": 0.90, "5": 0.40, "12": 0.12, "26": 0.40, "63": 0.25}, "du2014: awed, weak, looking up"),
    ),
    "relief": (
        _P({"1": 0.45, "12": 0.60, "6": 0.35, "43": 0.40, "25": 0.40, "26": 0.25}, "judgement: a breath let go"),
        _P({"1": 0.50, "4": 0.10, "12": 0.55, "6": 0.40, "22": 0.25, "26": 0.30, "43": 0.22}, "judgement: exhaling"),
    ),
    "remorse": (
        _P({"1": 0.80, "4": 0.30, "15": 0.70, "17": 0.45, "64": 0.50}, "compound: sadness, looking down"),
        _P({"1": 0.75, "4": 0.30, "24": 0.55, "15": 0.55, "43": 0.22}, "judgement: pressed lips"),
    ),
    "sadness": (
        _P({"1": 1.00, "4": 0.28, "15": 0.95, "7": 0.15, "43": 0.10}, "emfacs: 1+4+15"),
        _P({"1": 0.95, "4": 0.30, "15": 0.90, "17": 0.60, "64": 0.30}, "du2014: 4+15 [1, 17]"),
        _P({"1": 0.95, "4": 0.32, "15": 0.85, "6": 0.30, "11": 0.25, "17": 0.35}, "du2014: 4+15 [1, 6, 11, 17]", 0.7),
    ),
    "surprise": (
        _P({"1": 1.00, "2": 1.00, "5": 0.80, "25": 0.20, "26": 1.00, "22": 0.30}, "emfacs: 1+2+5B+26", 1.3),
        _P({"1": 1.00, "2": 1.00, "5": 1.00, "27": 0.65, "22": 0.15}, "emfacs: 1+2+5+27"),
        _P({"1": 0.95, "2": 0.95, "5": 0.90, "22": 0.55, "26": 0.70}, "judgement: rounded lips", 0.7),
    ),
    "neutral": (_P({}, "emfacs: none"),),
}  # fmt: skip
"""The 28 GoEmotions labels (plain strings here: faces know no text) -> the ways each looks.

One-sided rows are written for the subject's right; an actor may mirror them. Strengths of "4" beside "1" stay low on
purpose: together they make the oblique brow, and a full corrugator would flatten it on a linear rig.
"""

ANTAGONISTS: Final[tuple[tuple[str, str, float], ...]] = (
    ("12", "15", 0.75), ("12", "20", 0.40), ("12", "17", 0.50), ("12", "9", 0.30), ("12", "10", 0.35),
    ("24", "25", 0.85), ("24", "26", 0.85), ("24", "27", 0.95), ("24", "16", 0.80), ("23", "25", 0.70),
    ("23", "26", 0.60), ("32", "26", 0.50), ("5", "43", 0.90), ("63", "64", 1.00), ("61", "62", 1.00),
    ("2", "4", 0.45), ("5", "7", 0.35),
)  # fmt: skip
"""Pairs of units that pull against each other, and how much of the weaker the stronger takes away when both come from
different emotions. Anatomy (12 against 15, lips pressed against lips apart) and judgement for the shares."""


def _split_unit(unit: str) -> tuple[str, tuple[int, ...]]:
    """Return a unit's row name and the sides it acts on (0 left, 1 right)."""
    if unit in UNIT_SHAPES:
        return unit, (0, 1)
    if unit[:-1] in UNIT_SHAPES and unit[-1:] in ("L", "R"):
        return unit[:-1], (0,) if unit.endswith("L") else (1,)
    raise ValueError(f"There is no action unit {unit!r} in the table; it has {', '.join(UNITS)} (with L or R behind).")


def unit_activation(units: Mapping[str, float]) -> NDArray[np.float64]:
    """Return ``[2, U]`` strengths (left, right; units as in ``UNITS``) of a table row.

    Raises:
        ValueError: if a unit is unknown.
    """
    activation = np.zeros((2, len(UNITS)))
    for name, strength in units.items():
        unit, sides = _split_unit(name)
        for side in sides:
            column = UNITS.index(unit)
            activation[side, column] = max(activation[side, column], strength)
    return activation


def _shape_rows() -> NDArray[np.float64]:
    matrix = np.zeros((2, len(UNITS), len(ARKIT_SHAPES)))
    for column, shapes in enumerate(UNIT_SHAPES.values()):
        for shape, amount in shapes.items():
            for side, suffix in enumerate(SIDES):
                if shape in ARKIT_SHAPES:
                    # A shape of the middle, or one already named by side, takes half from each side's strength.
                    matrix[side, column, ARKIT_SHAPES.index(shape)] += 0.5 * amount
                else:
                    matrix[side, column, ARKIT_SHAPES.index(shape + suffix)] += amount
    return matrix


UNIT_SHAPE_MATRIX: Final[NDArray[np.float64]] = _shape_rows()
"""``[2, U, 52]``: ARKit weights of each unit's left and right half at full strength."""


def arkit_from_units(activation: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return ARKit weights ``float32 [..., 52]`` in [0, 1] of unit strengths ``[..., 2, U]``.

    Units that share a shape add up and are clamped at 1.
    """
    if activation.shape[-2:] != (2, len(UNITS)):
        raise ValueError(f"Unit strengths are [..., 2, {len(UNITS)}]; got an array of shape {activation.shape}.")
    weights = np.einsum("...su,sua->...a", activation, UNIT_SHAPE_MATRIX)
    return np.asarray(np.clip(weights, 0.0, 1.0), dtype=np.float32)


def mirrored_activation(activation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same face seen in a mirror: sides swapped, and looks or jaw shifts to the other side."""
    swapped = activation[..., ::-1, :].copy()
    for one, other in (("61", "62"), ("30L", "30R")):
        pair = [UNITS.index(one), UNITS.index(other)]
        swapped[..., pair] = swapped[..., pair[::-1]]
    return swapped
