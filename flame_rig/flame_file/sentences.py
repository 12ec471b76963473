"""What to tell a user whose file is not a FLAME model: which file it is, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

WANTED: Final = "choose the model file of a FLAME download (generic_model.pkl, flame2023_Open.pkl or its .npz)"


class FlameFileError(ValueError):
    """A file is not a FLAME model that can be read; the message is one sentence with what to do."""


def refusal(path: Path, what: str, remedy: str = WANTED) -> FlameFileError:
    """Return the error whose sentence says what ``path`` is and what to do."""
    return FlameFileError(f"{path} is no FLAME model that can be read: {what}; {remedy}.")


_SIGN_IN: Final = "the download needs you to be signed in: download it again with a browser"
_UNPACK: Final = "unpack it and choose the .pkl inside"

_FIRST_BYTES: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"<!doctype html", "it is a web page", _SIGN_IN),
    (b"<html", "it is a web page", _SIGN_IN),
    (b"<?xml", "it is an XML page", _SIGN_IN),
    (b"version https://git-lfs", "it is Git LFS's note about the file", "run “git lfs pull”, or download the file"),
    (b"%pdf", "it is a PDF (the licence or the read-me)", WANTED),
    (b"\x93numpy", "it is a single .npy array (such as a landmark embedding)", WANTED),
    (b"\x1f\x8b", "it is a gzip archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive", _UNPACK),
    (b"rar!", "it is a RAR archive", _UNPACK),
    (b"\x89hdf", "it is an HDF5 file", WANTED),
    (b"blender", "it is a .blend file", WANTED),
    (b"ply\n", "it is a mesh without a model", WANTED),
    (b"v ", "it is a mesh without a model", WANTED),
    (b"mtllib ", "it is a mesh without a model", WANTED),
    (
        b"\x80\x02\x8a\x0al\xfc\x9cf\xf9 j\xa8p\x19",
        "it is a checkpoint that an old PyTorch saved",
        "import an EmoAva checkpoint with “python -m cteg_core import-emoava”",
    ),
)
"""First bytes in lower case, what they give away, and what to do."""

CHECKPOINT: Final = (
    "it is a PyTorch checkpoint",
    "import an EmoAva checkpoint with “python -m cteg_core import-emoava”",
)

_OTHER_CONTENTS: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (frozenset({"lmk_face_idx"}), "it is a landmark embedding"),
    (frozenset({"static_lmk_faces_idx"}), "it is a landmark embedding"),
    (frozenset({"dynamic_lmk_faces_idx"}), "it is a landmark embedding"),
    (frozenset({"landmark_indices"}), "it is a landmark embedding"),
    (frozenset({"tex_dir"}), "it is a texture space"),
    (frozenset({"MU", "PC"}), "it is a texture space"),
    (frozenset({"left_eyeball", "right_eyeball"}), "it is FLAME's vertex masks"),
    (frozenset({"eye_region", "lips"}), "it is FLAME's vertex masks"),
    (frozenset({"state_dict"}), "it is a network's checkpoint"),
    (frozenset({"betas", "poses"}), "it is recorded motion"),
)
_OTHER_MODELS: Final[Mapping[tuple[int, int], str]] = {
    # vertices and joints
    (6890, 24): "SMPL, a body",
    (6890, 52): "SMPL+H, a body",
    (10475, 55): "SMPL-X, a body",
    (10475, 54): "SMPL-X or SUPR, a body",
    (10475, 75): "SUPR, a body",
    (778, 16): "MANO, a hand",
    (3889, 33): "SMAL, an animal",
    (3889, 35): "SMAL, an animal",
}


def told_by_first_bytes(head: bytes) -> tuple[str, str] | None:
    """Return what a file is and what to do, told by its first bytes; None where they look like a model's."""
    if not head:
        return "it is empty", "download it again"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower() or head.lower()
    for mark, what, remedy in _FIRST_BYTES:
        if start.startswith(mark):
            return what, remedy
    return None


def told_by_names(names: Collection[str]) -> str | None:
    """Return what a file with entries of these names is, where it is known not to be a model."""
    present = frozenset(names)
    return next((what for marks, what in _OTHER_CONTENTS if marks <= present), None)


def told_by_sizes(vertices: int, joints: int) -> str:
    """Return what a model with so many vertices and joints is."""
    family = _OTHER_MODELS.get((vertices, joints))
    if family is not None:
        return f"it is {family}"
    return f"it is another kind of model, with {vertices} vertices and {joints} joints where FLAME has 5023 and 5"
