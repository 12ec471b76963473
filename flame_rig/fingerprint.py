"""A model's fingerprint: tells two face models apart by their content, never by their name."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from flame_rig.flame_model import FlameModel

_ARRAYS: Final[tuple[str, ...]] = (
    "v_template", "faces", "shapedirs", "exprdirs", "posedirs", "joint_regressor", "weights", "parents",
)  # fmt: skip


def model_fingerprint(model: FlameModel) -> str:
    """Return the SHA-256 (hexadecimal) of everything in ``model`` that decides how it moves.

    Space, names and the eight arrays of the FLAME layout count; the look (materials, UVs, colours) does not.
    """
    digest = hashlib.sha256()
    for text in (model.space, *model.expr_names, *model.joint_names):
        digest.update(text.encode("utf-8") + b"\0")
    for name in _ARRAYS:
        array = np.asarray(getattr(model, name))
        kind = "<i8" if np.issubdtype(array.dtype, np.integer) else "<f8"
        digest.update(f"{name}{list(array.shape)}".encode())
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()
