"""What each expression shape does to the skin, as data: Gaussian pushes and lid openings.

Named by the ARKit shape without its side; lengths in centimetres at weight 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flame_rig.head import landmarks as lm


@dataclass(frozen=True)
class Push:
    """A Gaussian push of the skin around (|x|, y) = ``at``.

    Attributes:
        at, size: centre and widths.
        out, up, forward: the push; ``out`` is away from the midline.
        lips: +1 acts above the lip line only, -1 below it only, 0 on both sides.
        beyond, below: the widths on the far side of the centre (away from the midline; downwards) where they differ:
            skin that is pushed together needs room, or shapes that push the same way would fold it.
    """

    at: tuple[float, float]
    size: tuple[float, float]
    out: float = 0.0
    up: float = 0.0
    forward: float = 0.0
    lips: int = 0
    beyond: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class LidMove:
    """What a shape does to the lids.

    Attributes:
        upper, lower: added to the openings.
        blink: 1 closes them.
        upper_out, lower_out: how far the lid's edge leaves the eyeball. A lower lid that is raised lies closer to the
            eyeball, so that an upper lid which comes down as well slides over it instead of through it.
    """

    upper: float = 0.0
    lower: float = 0.0
    blink: float = 0.0
    upper_out: float = 0.0
    lower_out: float = 0.0


_CORNER: Final = (lm.MOUTH_CORNER_X, lm.LIP_LINE)
JAW_OPEN_CORRECTIVE: Final = "jawOpen"
"""The narrowing of the mouth that goes with the jaw's pitch; not an expression but a pose corrective."""

PUSHES: Final[dict[str, tuple[Push, ...]]] = {
    "browInnerUp": (
        Push((1.1, 3.1), (1.6, 1.5), up=1.05),
        Push((4.9, 3.0), (1.3, 1.3), up=-0.15),
        Push((0.0, 4.6), (2.2, 0.25), forward=0.10),
        Push((0.0, 4.2), (2.2, 0.25), forward=-0.08),
    ),
    "browOuterUp": (Push((4.4, 3.1), (1.9, 1.5), up=0.95),),
    "browDown": (
        Push((1.9, 2.9), (2.0, 1.25), up=-0.78, below=1.7),
        Push((1.5, 2.9), (1.5, 1.1), out=-0.38, below=1.5),
        Push((1.2, 2.3), (1.0, 0.6), forward=0.16),
        Push((4.0, 3.0), (1.8, 1.2), up=-0.28, below=1.7),
        Push((0.30, 2.8), (0.16, 0.8), forward=-0.14),
    ),
    "eyeBlink": (Push((lm.EYE_X, 1.6), (2.2, 1.2), up=-0.10),),
    "eyeSquint": (
        Push((lm.EYE_X, -1.6), (2.0, 1.0), up=0.10),
        Push((lm.EYE_X, -1.5), (1.7, 0.5), forward=0.12),
    ),
    "eyeLookIn": (Push((lm.EYE_X, 0.0), (1.6, 0.9), out=-0.08),),
    "eyeLookOut": (Push((lm.EYE_X, 0.0), (1.6, 0.9), out=0.08),),
    "cheekSquint": (
        Push((3.9, -2.3), (1.9, 1.3), up=0.50),
        Push((3.8, -2.0), (1.7, 0.9), forward=0.34),
    ),
    "cheekPuff": (
        Push((4.4, -5.9), (2.1, 1.9), out=0.85, below=2.4),
        Push((4.2, -5.9), (2.1, 1.9), forward=1.70, below=2.4),
        Push((0.0, -7.9), (2.5, 0.8), forward=0.35),
        Push((0.0, -5.7), (2.2, 0.7), forward=0.35),
        Push(_CORNER, (0.9, 1.0), out=-0.25),
    ),
    "noseSneer": (
        Push((1.1, -3.7), (0.85, 1.3), up=0.52),
        Push((0.8, -0.6), (0.8, 1.4), up=0.26),
        Push((1.3, -3.9), (0.5, 0.5), out=0.10, forward=0.12),
        Push((1.3, -6.2), (1.2, 1.0), up=0.40, lips=1),
        Push((1.3, -6.8), (1.0, 1.3), up=0.16, lips=-1),
        Push((2.4, -3.4), (1.0, 0.9), up=0.25, forward=0.15),
        Push((1.5, 2.6), (1.3, 1.0), up=-0.18, below=1.8),
        Push((0.75, 0.3), (0.35, 0.14), forward=-0.16),
        Push((0.75, -0.35), (0.35, 0.14), forward=-0.16),
    ),
    JAW_OPEN_CORRECTIVE: (Push(_CORNER, (1.3, 2.2), out=-0.38, up=0.10),),
    "mouthSmile": (
        Push(_CORNER, (1.75, 1.8), out=1.0, beyond=2.5),
        Push(_CORNER, (1.2, 1.1), forward=-0.30),
        Push((3.9, -3.6), (1.9, 1.7), up=0.42),
        Push((3.9, -3.4), (1.6, 1.2), forward=0.42),
    ),
    "mouthFrown": (
        Push((lm.MOUTH_CORNER_X, lm.LIP_LINE - 0.2), (1.2, 1.35), out=0.10, up=-0.85, forward=-0.12),
        Push((1.9, -8.3), (0.9, 0.6), forward=0.14),
        Push((2.75, -7.7), (0.40, 0.8), forward=-0.12),
    ),
    "mouthDimple": (
        Push(_CORNER, (0.9, 0.9), out=0.40, up=0.06, beyond=1.6),
        Push(_CORNER, (0.55, 0.6), forward=-0.45),
    ),
    "mouthStretch": (Push(_CORNER, (1.5, 1.5), out=0.85, up=-0.30, forward=-0.20, beyond=2.5),),
    "mouthPress": (Push(_CORNER, (0.9, 0.7), out=0.10),),
    "mouthShrugLower": (
        Push((0.0, -9.6), (1.7, 1.3), up=0.45),
        Push((0.0, -9.3), (1.3, 0.7), forward=0.22),
        Push((0.0, lm.LIP_LINE), (2.1, 1.0), up=0.40, below=1.5),
        Push((0.0, lm.LIP_LINE), (2.2, 1.5), forward=0.25, lips=-1),
    ),
    "mouthShrugUpper": (
        Push((0.0, lm.LIP_LINE), (2.0, 1.0), up=0.30, below=0.7),
        Push((0.0, lm.LIP_LINE), (2.0, 1.0), forward=0.20, lips=1),
    ),
    "mouthUpperUp": (Push((1.4, -4.6), (0.9, 0.9), up=0.20),),
    "mouthFunnel": (
        Push(_CORNER, (1.5, 1.6), out=-0.95, forward=0.35),
        Push((0.0, lm.LIP_LINE), (1.5, 1.2), up=0.42, lips=1),
        Push((0.0, lm.LIP_LINE), (1.5, 1.2), up=-0.48, lips=-1),
    ),
    "mouthPucker": (Push(_CORNER, (1.6, 1.5), out=-1.30, forward=0.45),),
}

LID_MOVES: Final[dict[str, LidMove]] = {
    "browDown": LidMove(upper=-0.10, upper_out=0.02),
    "eyeBlink": LidMove(blink=1.0),
    "eyeWide": LidMove(upper=0.50, lower=0.08, upper_out=0.05),
    "eyeSquint": LidMove(upper=-0.16, lower=-0.40, upper_out=0.03, lower_out=-0.11),
    "eyeLookDown": LidMove(upper=-0.52, lower=0.14, upper_out=0.02),
    "eyeLookUp": LidMove(upper=0.24, lower=-0.05, upper_out=0.02),
    "cheekSquint": LidMove(upper=-0.05, lower=-0.26, lower_out=-0.08),
    "mouthSmile": LidMove(lower=-0.07, lower_out=-0.02),
}
