"""FLAME's editions: how the content of a file tells them apart, and what each allows.

Coefficients of one edition mean nothing in another (their expression bases differ by centimetres at
3 sigma), so the edition decides the expression space. File names say nothing: every edition is
commonly renamed to ``generic_model.pkl`` or ``FLAME_NEUTRAL.pkl``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_CITATION: Final = (
    "T. Li, T. Bolkart, M. J. Black, H. Li, J. Romero: Learning a model of facial shape and expression from 4D scans. "
    "ACM Transactions on Graphics 36(6), 2017, doi 10.1145/3130800.3130813"
)
_NON_COMMERCIAL: Final = (
    "Licensed by the Max-Planck-Gesellschaft for non-commercial research only. The file and what contains it "
    "must not be passed on."
)
_OPEN: Final = (
    "CC BY 4.0: credit the Max Planck Institute for Intelligent Systems / Max-Planck-Gesellschaft, link the licence, "
    "say that changes were made, and cite the paper. Its makers exclude pornographic, defamatory and misleading use."
)
_UNKNOWN: Final = (
    "The edition is not known, so treat it as the strictest: non-commercial research only, and not to be passed on."
)


@dataclass(frozen=True)
class FlameEdition:
    """One published FLAME model.

    Attributes:
        id: what a user types to name it: ``2020``.
        name: shown to the user.
        space: id of the expression space that its expression basis spans.
        licence: what a user may do with it, in a sentence or two.
        citation: the paper that every edition asks to be cited.
    """

    id: str
    name: str
    space: str
    licence: str
    citation: str = _CITATION


EDITIONS: Final[Mapping[str, FlameEdition]] = {
    edition.id: edition
    for edition in (
        FlameEdition("2019", "FLAME 2019", "flame-2019", _NON_COMMERCIAL),
        FlameEdition("2020", "FLAME 2020", "flame-2020", _NON_COMMERCIAL),
        FlameEdition("2023", "FLAME 2023", "flame-2023", _NON_COMMERCIAL),
        FlameEdition("2023-no-jaw", "FLAME 2023 without jaw rotation", "flame-2023-no-jaw", _NON_COMMERCIAL),
        FlameEdition("2023-open", "FLAME 2023 Open", "flame-2023-open", _OPEN),
    )
}
"""The editions that have a name; by id."""

OPEN_METADATA_KEY: Final = "supr_expression_metadata"
"""Only FLAME 2023 Open has it: its expressions come from the SUPR head."""

_FILE_MARKS: Final[Mapping[str, str]] = {
    # SHA-256 of the published files, or its beginning
    "e75a0990728ba038c7da2a420ae4396f7ddd7781366c13026066c5b24f127623": "2023-open",
    "8fb1af0db1abb51053ead8fd1f2624a63d01c9602f4a4fb4ea23bd2c82017fa0": "2023",
    "b291fcd1": "2023-no-jaw",
    "efcd14cc4a69f3a3d9af8ded80146b5b6b50df3bd74cf69108213b144eba725b": "2020",
}
_OPEN_BOUNDS: Final = ((-0.1098, -0.1872, -0.1532), (0.1078, 0.1321, 0.0751))
"""Lowest and highest x, y and z of FLAME 2023 Open's template, metres to four places."""
_BOUNDS_TOLERANCE: Final = 1.5e-4
_STILL_SHARE_2019: Final = 0.2
"""FLAME 2019's expressions leave the back of the head alone; those of later editions move every vertex a little."""


@dataclass(frozen=True, eq=False)
class EditionEvidence:
    """What in a file may tell its edition.

    Attributes:
        sha256: of the file, hexadecimal.
        names: the names of everything in it.
        v_template: ``[V, 3]`` metres.
        exprdirs: ``[V, 3, E]``.
    """

    sha256: str
    names: frozenset[str]
    v_template: NDArray[np.float64]
    exprdirs: NDArray[np.float64]


def tell_edition(evidence: EditionEvidence) -> tuple[FlameEdition | None, str]:
    """Return the edition, or None where the content does not decide it, and how it was told (a phrase)."""
    for mark, edition in _FILE_MARKS.items():
        if evidence.sha256.startswith(mark):
            return EDITIONS[edition], "the file is byte for byte the published one"
    if OPEN_METADATA_KEY in evidence.names:
        return EDITIONS["2023-open"], f"it has the entry {OPEN_METADATA_KEY}"
    bounds = np.array([evidence.v_template.min(axis=0), evidence.v_template.max(axis=0)])
    if np.abs(bounds - np.array(_OPEN_BOUNDS)).max() < _BOUNDS_TOLERANCE:
        return EDITIONS["2023-open"], "its template has that edition's measures"
    still = ~evidence.exprdirs.any(axis=(1, 2))
    if evidence.exprdirs.shape[2] and float(still.mean()) >= _STILL_SHARE_2019:
        return EDITIONS["2019"], f"its expressions leave {still.mean():.0%} of the vertices at rest"
    return None, "its content fits FLAME 2020 and FLAME 2023, and it is neither's published file"


def unknown_edition(exprdirs: NDArray[np.float64]) -> FlameEdition:
    """Return an edition of its own for an expression basis ``[V, 3, E]`` that no other space may be mixed up with."""
    digest = hashlib.sha256(np.ascontiguousarray(exprdirs, dtype="<f4").tobytes()).hexdigest()
    return FlameEdition("unknown", "FLAME of an unknown edition", f"flame-unknown-{digest[:8]}", _UNKNOWN)
