"""Writes files in the layout of FLAME's models, of their true sizes and with seeded noise for content.

The pickles of 2019 to 2023 are Python 2's with chumpy and scipy objects inside; they are written opcode by opcode,
with neither installed. FLAME 2023 Open's is a pickle of protocol 5.
"""

from __future__ import annotations

import pickle
import struct
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes.pickle_code import STOP, group, named, number, numbers

VERTICES, FACES, JOINTS, IDENTITIES, EXPRESSIONS = 5023, 9976, 5, 300, 100
PARENTS = (4294967295, 0, 1, 1, 1)
Arrays = dict[str, np.ndarray]


def flame_arrays(
    seed: int = 0, identities: int = IDENTITIES, expressions: int = EXPRESSIONS, vertices: int = VERTICES
) -> Arrays:
    """Every array of a FLAME file, dense, by the names that the files use."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((vertices, JOINTS))
    weights[np.arange(vertices), rng.integers(1, JOINTS, vertices)] = 0.75
    weights[:, 0] = 0.25
    regressor = np.zeros((JOINTS, vertices))
    for row, count in zip(regressor, (7, 15, 9, 6, 6), strict=True):
        chosen = rng.choice(vertices, count, replace=False)
        row[chosen] = 1.0 / count
    return {
        "v_template": rng.uniform(-0.1, 0.1, (vertices, 3)),
        "f": rng.integers(0, vertices, (FACES, 3)).astype(np.uint32),
        "shapedirs": rng.normal(0.0, 1e-3, (vertices, 3, identities + expressions)),
        "posedirs": rng.normal(0.0, 1e-3, (vertices, 3, 9 * (JOINTS - 1))),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([PARENTS, range(JOINTS)], dtype=np.uint32),
        "J": rng.normal(size=(JOINTS, 3)),
    }


def like_2019(arrays: Arrays) -> Arrays:
    """The same with expressions that leave the back half of the head at rest."""
    shapedirs = arrays["shapedirs"].copy()
    shapedirs[arrays["v_template"][:, 2] < 0.0, :, IDENTITIES:] = 0.0
    return {**arrays, "shapedirs": shapedirs}


def csc_parts(dense: np.ndarray) -> dict[str, Any]:
    """The attributes that scipy keeps of a csc matrix."""
    columns, rows = np.nonzero(dense.T)
    return {
        "format": "csc",
        "_shape": dense.shape,
        "data": dense[rows, columns],
        "indices": rows.astype(np.int32),
        "indptr": np.searchsorted(columns, np.arange(dense.shape[1] + 1)).astype(np.int32),
    }


# Python 2, opcode by opcode


def byte_string(data: bytes) -> bytes:
    """SHORT_BINSTRING or BINSTRING: Python 2's ``str``."""
    return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data


def old_dictionary(items: Mapping[str, bytes]) -> bytes:
    """A dict whose keys are Python 2's strings."""
    return b"}(" + b"".join(byte_string(key.encode()) + value for key, value in items.items()) + b"u"


def old_array(array: np.ndarray) -> bytes:
    """An array as numpy pickled it under Python 2."""
    kind = array.dtype.newbyteorder("<").str
    element = (
        named("numpy.dtype") + group(byte_string(kind[1:].encode()), number(0), number(1)) + b"R"
        + group(number(3), byte_string(b"<"), b"N", b"N", b"N", number(-1), number(-1), number(0)) + b"b"
    )  # fmt: skip
    empty = named("numpy.core.multiarray._reconstruct") + group(named("numpy.ndarray"), numbers(0), byte_string(b"b"))
    content = byte_string(np.ascontiguousarray(array, kind).tobytes())
    return empty + b"R" + group(number(1), numbers(*array.shape), element, b"\x89", content) + b"b"


def old_object(path: str, state: Mapping[str, bytes]) -> bytes:
    """An object of a class with its attributes, by NEWOBJ and BUILD."""
    return named(path) + b")\x81" + old_dictionary(state) + b"b"


def chumpy_array(array: np.ndarray) -> bytes:
    """``chumpy.ch.Ch``."""
    return old_object("chumpy.ch.Ch", {"x": old_array(array), "dterms": group(byte_string(b"x"))})


def chumpy_selection(array: np.ndarray) -> bytes:
    """``chumpy.reordering.Select`` of all elements of the array, stored backwards."""
    backwards = array.ravel()[::-1]
    state = {
        "a": chumpy_array(backwards),
        "idxs": old_array(np.arange(array.size)[::-1].astype(np.int64)),
        "preferred_shape": numbers(*array.shape),
    }
    return old_object("chumpy.reordering.Select", state)


def old_sparse(dense: np.ndarray) -> bytes:
    """``scipy.sparse.csc.csc_matrix``."""
    parts = csc_parts(dense)
    state = {name: old_array(parts[name]) for name in ("data", "indices", "indptr")}
    shape = numbers(*dense.shape)
    return old_object("scipy.sparse.csc.csc_matrix", state | {"_shape": shape, "format": byte_string(b"csc")})


def old_pickle(arrays: Arrays, **replaced: bytes) -> bytes:
    """The whole program of a 2019 to 2023 file; ``replaced`` puts other code under a name."""
    code = {name: old_array(array) for name, array in arrays.items()}
    code |= {"shapedirs": chumpy_array(arrays["shapedirs"]), "J_regressor": old_sparse(arrays["J_regressor"])}
    code |= {"bs_style": byte_string(b"lbs"), "bs_type": byte_string(b"lrotmin")} | replaced
    return b"\x80\x02" + old_dictionary(code) + STOP


def write_old_pickle(path: Path, arrays: Arrays, **replaced: bytes) -> Path:
    """Write a file as FLAME 2019, 2020 and 2023 are; return its path."""
    path.write_bytes(old_pickle(arrays, **replaced))
    return path


# Python 3


@contextmanager
def importable(module: str, name: str) -> Iterator[type]:
    """A class that pickles under ``module.name`` although that package is not installed."""
    kind = type(name, (), {"__module__": module})
    parts = module.split(".")
    # Importing a module imports the packages around it first.
    added = [path for path in (".".join(parts[: n + 1]) for n in range(len(parts))) if path not in sys.modules]
    for path in added:
        sys.modules[path] = types.ModuleType(path)
    absent = object()
    before = getattr(sys.modules[module], name, absent)
    setattr(sys.modules[module], name, kind)
    try:
        yield kind
    finally:
        if before is not absent:
            setattr(sys.modules[module], name, before)
        for path in added:
            del sys.modules[path]


def write_open_pickle(path: Path, arrays: Arrays, metadata: bool = True, protocol: int = 5) -> Path:
    """Write a file as FLAME 2023 Open is; return its path."""
    with importable("scipy.sparse._csc", "csc_matrix") as csc_matrix:
        sparse = csc_matrix()
        sparse.__dict__.update(csc_parts(arrays["J_regressor"]))
        content: dict[str, Any] = {**arrays, "J_regressor": sparse, "bs_style": "lbs", "bs_type": "lrotmin"}
        if metadata:
            content["supr_expression_metadata"] = {"expr_source": "SUPR_head", "supr_gender": "male", "n_expr": 100}
        path.write_bytes(pickle.dumps(content, protocol))
    return path


def write_npz(path: Path, arrays: Mapping[str, Any], sparse_inside: bool = False, compressed: bool = False) -> Path:
    """Write an ``.npz``; ``sparse_inside`` keeps the regressor as a pickled scipy object, as smplx's tools do."""
    save = np.savez_compressed if compressed else np.savez
    if not sparse_inside:
        save(path, **arrays)
        return path
    with importable("scipy.sparse._csc", "csc_matrix") as csc_matrix:
        sparse = csc_matrix()
        sparse.__dict__.update(csc_parts(arrays["J_regressor"]))
        boxed = np.empty((), dtype=object)
        boxed[()] = sparse
        save(path, **{**arrays, "J_regressor": boxed})
    return path
