"""From a file to a validated face model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_file.containers import RawModel, read_raw, unwrapped
from flame_rig.flame_file.editions import (
    EDITIONS,
    OPEN_METADATA_KEY,
    EditionEvidence,
    FlameEdition,
    tell_edition,
    unknown_edition,
)
from flame_rig.flame_file.sentences import FlameFileError, refusal, told_by_sizes
from flame_rig.flame_model import JOINT_NAMES, FlameModel, validated

_ARRAYS: Final = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_SIZES_FIRST: Final = ("v_template", "kintree_table")
_PARENTS: Final = (-1, 0, 1, 1, 1)
_VERTICES: Final = 5023
_IDENTITY_COMPONENTS: Final = 300
_SPLITS: Final[Mapping[int, int]] = {20: 10, 150: 100, 200: 100}
"""How many of a cut-down file's components are identity: smplx's 10 + 10, DECA's 100 + 50, and 100 + 100."""
_ROUNDING: Final = 1e-3
"""How far rows of weights may miss 1 before it is no longer rounding."""
_EXACT: Final = 1e-6
_HASH_CHUNK: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class FlameFile:
    """A FLAME model as it was read.

    Attributes:
        model: validated, ``float64``; its ``space`` is the edition's; expressions are ``Exp000`` and on.
        edition: which FLAME it is.
        told_by: how the edition was told, a phrase.
        notes: sentences for the user; empty for a complete file of a known edition.
        sha256: of the file, hexadecimal.
    """

    model: FlameModel
    edition: FlameEdition
    told_by: str
    notes: tuple[str, ...]
    sha256: str


def read_flame(path: str | Path, edition: str | None = None, identity_components: int | None = None) -> FlameFile:
    """Read a FLAME model from ``.pkl`` (Python 2's with chumpy, or newer) or ``.npz``, told apart by content.

    Args:
        path: the file.
        edition: an id of ``EDITIONS``, for a file whose content does not tell; a content that tells otherwise wins
            by refusing.
        identity_components: how many of ``shapedirs``' components are identity, the rest being expressions; None
            takes 300 of more than 300, and the customary splits of 20, 150 and 200.

    Raises:
        FlameFileError: the file is not a FLAME model; one sentence says what it is and what to do.
        OSError: the file cannot be read.
    """
    path = Path(path)
    if edition is not None and edition not in EDITIONS:
        raise FlameFileError(f"There is no FLAME edition {edition!r}; the editions are {', '.join(EDITIONS)}.")
    raw = read_raw(path, _ARRAYS if not _is_npz(path) else _SIZES_FIRST)
    _check_is_flame(path, raw)
    if _is_npz(path):
        raw = read_raw(path, _ARRAYS)
    arrays = {name: _array(path, raw, name) for name in _ARRAYS}
    notes: list[str] = []
    shapedirs = _shaped(path, arrays, "shapedirs", (len(arrays["v_template"]), 3, None))
    split = _identity_count(path, shapedirs.shape[2], identity_components, notes)
    sha256 = _sha256(path)
    exprdirs = np.ascontiguousarray(shapedirs[:, :, split:])
    chosen, told_by = _edition(
        path, EditionEvidence(sha256, raw.names, arrays["v_template"].astype(np.float64), exprdirs), edition, notes
    )
    model = FlameModel(
        name=chosen.name,
        space=chosen.space,
        v_template=_shaped(path, arrays, "v_template", (None, 3)),
        faces=_faces(path, arrays),
        shapedirs=np.ascontiguousarray(shapedirs[:, :, :split]),
        exprdirs=exprdirs,
        posedirs=_shaped(path, arrays, "posedirs", (len(shapedirs), 3, 9 * (len(JOINT_NAMES) - 1))),
        joint_regressor=_normalised(path, arrays, "J_regressor", (len(JOINT_NAMES), len(shapedirs)), notes),
        weights=_normalised(path, arrays, "weights", (len(shapedirs), len(JOINT_NAMES)), notes),
        parents=np.array(_PARENTS, dtype=np.int64),
        expr_names=tuple(f"Exp{index:03}" for index in range(exprdirs.shape[2])),
    )
    try:
        return FlameFile(validated(model), chosen, told_by, tuple(notes), sha256)
    except ValueError as error:
        raise refusal(path, str(error).rstrip("."), "download it again") from error


def _is_npz(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _check_is_flame(path: Path, raw: RawModel) -> None:
    """Raise FlameFileError for the other models of FLAME's family, told by their sizes before their bulk is read."""
    missing = [name for name in _ARRAYS if name not in raw.names]
    if {"v_template", "kintree_table"} & set(missing):
        raise refusal(path, f"it has no {' and no '.join(missing)}")
    tree, template = _array(path, raw, "kintree_table"), _array(path, raw, "v_template")
    if tree.ndim != 2 or len(tree) != 2 or template.ndim != 2:
        raise refusal(path, "its kintree_table or v_template is no table", "download it again")
    if tree.shape[1] != len(JOINT_NAMES):
        raise refusal(path, told_by_sizes(len(template), tree.shape[1]))
    if missing:
        raise refusal(path, f"it has no {' and no '.join(missing)}", "download it again")
    parents = tuple(int(parent) for parent in tree[0].astype(np.int64).astype(np.int32))
    if parents != _PARENTS:
        raise refusal(path, f"its joints have the parents {list(parents)} where FLAME has {list(_PARENTS)}")


def _array(path: Path, raw: RawModel, name: str) -> NDArray[Any]:
    try:
        array = unwrapped(raw.values[name])
    except ValueError as error:
        raise refusal(path, f"its {name} {error}", "download it again") from error
    return array


def _shaped(
    path: Path, arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int | None, ...]
) -> NDArray[np.float64]:
    """Return an array as ``float64``, its shape checked (None stands for any length) and its numbers finite."""
    array = arrays[name]
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=False)):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise refusal(path, f"its {name} has shape {list(array.shape)} instead of [{wanted}]", "download it again")
    if not np.isfinite(array).all():
        raise refusal(path, f"its {name} has a NaN or an infinity", "download it again")
    return np.ascontiguousarray(array, dtype=np.float64)


def _faces(path: Path, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    faces = _shaped(path, arrays, "f", (None, 3))
    if not len(faces) or (faces != np.floor(faces)).any() or not 0 <= faces.min() <= faces.max() < 1 << 31:
        raise refusal(path, "its f holds no vertex numbers", "download it again")
    return faces.astype(np.int64)


def _normalised(
    path: Path, arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], notes: list[str]
) -> NDArray[np.float64]:
    """Return rows that sum to 1, which those of a single-precision file only nearly do."""
    rows = _shaped(path, arrays, name, shape)
    sums = rows.sum(axis=1, keepdims=True)
    worst = float(np.abs(sums - 1.0).max())
    if worst > _ROUNDING:
        raise refusal(path, f"a row of its {name} sums to 1 ± {worst:.2g}", "download it again")
    if worst <= _EXACT:
        return rows
    notes.append(f"Rows of {name} sum to 1 only to {worst:.1g}; they were scaled.")
    scaled: NDArray[np.float64] = rows / sums
    return scaled


def _identity_count(path: Path, components: int, stated: int | None, notes: list[str]) -> int:
    """Return how many of ``shapedirs``' components are identity."""
    if stated is not None:
        if not 0 <= stated < components:
            raise refusal(path, f"it has {components} components, so not {stated} of identity", "state fewer")
        return stated
    if components > _IDENTITY_COMPONENTS:
        count = _IDENTITY_COMPONENTS
    elif components in _SPLITS:
        count = _SPLITS[components]
    else:
        raise refusal(
            path,
            f"its shapedirs have {components} components, and nothing says how many are identity",
            "say so with identity_components",
        )
    if components != _IDENTITY_COMPONENTS + 100:
        notes.append(
            f"The file has {components} components where FLAME has 400; {count} were taken for identity and "
            f"{components - count} for expressions."
        )
    return count


def _edition(path: Path, evidence: EditionEvidence, stated: str | None, notes: list[str]) -> tuple[FlameEdition, str]:
    told, reason = tell_edition(evidence)
    if len(evidence.v_template) != _VERTICES:
        notes.append(f"The mesh has {len(evidence.v_template)} vertices where FLAME has {_VERTICES}.")
    if told is not None:
        if stated is not None and stated != told.id:
            raise refusal(path, f"it is {told.name} ({reason}), not {EDITIONS[stated].name}", "state no edition")
        return told, reason
    if stated is not None:
        if stated == "2023-open":
            notes.append(f"FLAME 2023 Open was stated, although the file has no {OPEN_METADATA_KEY}.")
        return EDITIONS[stated], "the user said so"
    notes.append(
        f"The edition is not known: {reason}. Its expressions have a space of their own; say which edition it is "
        "(2020 or 2023) to play clips made for that edition."
    )
    return unknown_edition(evidence.exprdirs), reason


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
