"""How others spell the 52 ARKit shapes, and what a name of theirs means.

A name is cut into words (at capitals, digits and anything that is no letter) and compared as one lower-case string,
so ``eyeBlinkLeft``, ``EyeBlinkLeft``, ``eye_blink_left``, ``EyeBlink.L``, ``L_EyeBlink`` and ``blendShape1.eyeBlink_L``
are one spelling. Names with other words than Apple's are listed in ``OTHER_NAMES``. Anything else has no meaning here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from flame_rig.arkit import ARKIT_SHAPES

PREFIX_WORDS: Final = frozenset({
    "arkit", "blend", "blendshape", "blendshapes", "body", "bs", "ctrl", "exp", "expression", "eyelash", "eyelashes",
    "eyes", "face", "facial", "facs", "fcl", "head", "key", "lashes", "mesh", "morph", "ps", "shape", "shapes",
    "target", "teeth",
})  # fmt: skip
"""Words that may stand before a shape's name and change nothing; so may numbers, and numbers behind a letter (A14)."""

OTHER_NAMES: Final[dict[str, tuple[str, ...]]] = {
    # Character Creator's extended profile; two keys of one shape are its halves.
    "browDownLeft": ("Brow_Drop_L",),
    "browDownRight": ("Brow_Drop_R",),
    "browInnerUp": ("Brow_Raise_Inner_L", "Brow_Raise_Inner_R", "browInnerUpLeft", "browInnerUpRight"),
    "browOuterUpLeft": ("Brow_Raise_Outer_L",),
    "browOuterUpRight": ("Brow_Raise_Outer_R",),
    "cheekPuff": ("cheekPuffLeft", "cheekPuffRight"),
    "cheekSquintLeft": ("Cheek_Raise_L",),
    "cheekSquintRight": ("Cheek_Raise_R",),
    "eyeBlinkLeft": ("Fcl_EYE_Close_L",),  # VRoid, as is the right one
    "eyeBlinkRight": ("Fcl_EYE_Close_R",),
    "eyeLookUpLeft": ("Eye_L_Look_Up",),
    "eyeLookUpRight": ("Eye_R_Look_Up",),
    "eyeLookDownLeft": ("Eye_L_Look_Down",),
    "eyeLookDownRight": ("Eye_R_Look_Down",),
    "eyeLookInLeft": ("Eye_L_Look_R",),
    "eyeLookInRight": ("Eye_R_Look_L",),
    "eyeLookOutLeft": ("Eye_L_Look_L",),
    "eyeLookOutRight": ("Eye_R_Look_R",),
    "mouthLowerDownLeft": ("Mouth_Down_Lower_L",),
    "mouthLowerDownRight": ("Mouth_Down_Lower_R",),
    "mouthUpperUpLeft": ("Mouth_Up_Upper_L",),
    "mouthUpperUpRight": ("Mouth_Up_Upper_R",),
    "mouthRollLower": ("Mouth_Roll_In_Lower",),
    "mouthRollUpper": ("Mouth_Roll_In_Upper",),
}  # fmt: skip
"""Names with other words for the same shape, or for a left and a right half of it."""

HALVES: Final = frozenset({"browInnerUp", "cheekPuff"})
"""Shapes that some characters split into two keys, both of which it drives."""

_SIDES: Final = {"l": "left", "left": "left", "lft": "left", "r": "right", "right": "right", "rgt": "right"}
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_COPY: Final = re.compile(r"\.[0-9]{3,}$")


class Likeness(IntEnum):
    """How near a name is to Apple's; lower is nearer."""

    SAME = 0
    SAME_WORDS = 1
    OTHER_WORDS = 2


@dataclass(frozen=True)
class Spelling:
    """What a name says.

    Attributes:
        shape: the ARKit shape.
        likeness: how near the name is to Apple's.
        prefix: the words before the shape's own that ``PREFIX_WORDS`` does not know, as one string; mostly empty.
        side: ``left`` or ``right`` for one half of a shape in ``HALVES``, otherwise empty.
    """

    shape: str
    likeness: Likeness
    prefix: str = ""
    side: str = ""


def spelling_of(name: str) -> Spelling | None:
    """Return what ``name`` means, or None if it is no spelling of an ARKit shape."""
    if name in ARKIT_SHAPES:
        return Spelling(name, Likeness.SAME)
    words = _words(name)
    for start in range(len(words)):
        rest, prefix = words[start:], words[:start]
        for candidate in (rest, [*rest[1:], rest[0]] if rest[0] in ("left", "right") else rest):
            meaning = _MEANINGS.get("".join(candidate))
            if meaning is not None:
                unknown = "".join(prefix) if not _is_known(prefix) else ""
                return Spelling(meaning.shape, meaning.likeness, unknown, meaning.side)
    return None


def names_a_shape(prefix: str) -> bool:
    """Return whether a prefix contains a shape itself, as in a corrective called ``jawOpen_mouthClose``."""
    return any(joined in prefix for joined in _MEANINGS)


def without_copy_ending(name: str) -> str:
    """Return a name without the ending of Blender's copies."""
    return _COPY.sub("", name)


def _words(name: str) -> list[str]:
    words = [word.lower() for word in _WORDS.findall(name)]
    # A side is a word of its own only at the ends and in the middle of a few names; everywhere "l" means left.
    return [_SIDES.get(word, word) for word in words]


def _is_known(prefix: list[str]) -> bool:
    return all(
        word in PREFIX_WORDS
        or word.isdigit()
        or (len(word) == 1 and index + 1 < len(prefix) and prefix[index + 1].isdigit())
        for index, word in enumerate(prefix)
    )


def _meanings() -> dict[str, Spelling]:
    table = {"".join(_words(shape)): Spelling(shape, Likeness.SAME_WORDS) for shape in ARKIT_SHAPES}
    for shape, names in OTHER_NAMES.items():
        for name in names:
            words = _words(name)
            side = words[-1] if shape in HALVES else ""
            table["".join(words)] = Spelling(shape, Likeness.OTHER_WORDS, side=side)
    return table


_MEANINGS: Final = _meanings()
