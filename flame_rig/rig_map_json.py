"""Rig maps as JSON: written in the newest format, read in every format there was.

Format 1 knew the keys of one mesh by their names. Format 2 lists keys with their mesh, and names inputs that are
ARKit weights as Apple does, so that a person can read and change the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.rig_map import Inputs, RigMap

RIG_MAP_FORMAT: Final = 2
MAX_CHARACTERS: Final = 4_000_000
"""A map of 1,000 keys has about 100,000; more is not a map."""
MAX_CHANNELS: Final = 10_000
MAX_NAME: Final = 256
LARGEST_NUMBER: Final = 1e6

_Channels = TypeVar("_Channels", list[Any], dict[str, Any])


def dumps(rig_map: RigMap) -> str:
    """Return a map as JSON."""
    names = _input_names(rig_map.inputs)
    keys = []
    for row, (mesh, key) in enumerate(zip(rig_map.key_meshes, rig_map.key_names, strict=True)):
        record: dict[str, Any] = {"mesh": mesh, "key": key, "weights": _sparse(rig_map.key_weights[row], names)}
        if rig_map.key_offsets[row]:
            record["offset"] = float(rig_map.key_offsets[row])
        for side, limit in zip(("lower", "upper"), rig_map.key_limits[row], strict=True):
            if np.isfinite(limit):
                record[side] = float(limit)
        keys.append(record)
    bones = [
        {"bone": bone, "weights": [_sparse(axis, names) for axis in axes]}
        for bone, axes in zip(rig_map.bone_names, rig_map.bone_weights, strict=True)
    ]
    record = {"format": RIG_MAP_FORMAT, "space": rig_map.space, "inputs": rig_map.inputs.value}
    return json.dumps(record | {"keys": keys, "bones": bones}, ensure_ascii=False)


def loads(text: str) -> RigMap:
    """Read a map of any format; raises ValueError with a sentence on anything else."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"This is not a rig map: it has {len(text)} characters, a map has {MAX_CHARACTERS} at most.")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not a rig map: it is not JSON ({error}).") from None
    number = record.get("format") if isinstance(record, dict) else None
    if type(number) is int and number > RIG_MAP_FORMAT:
        raise ValueError(
            f"This is not a rig map that this version can read: its format is {number}, the newest known here is "
            f"{RIG_MAP_FORMAT}; update CTEG."
        )
    reader = _READERS.get(number) if type(number) is int else None
    if reader is None:
        raise ValueError(f"This is not a rig map of a format from 1 to {RIG_MAP_FORMAT}.")
    try:
        return reader(record)
    except KeyError as error:
        raise ValueError(f"This rig map is incomplete or damaged: it has no {error}.") from None
    except (TypeError, AttributeError, IndexError, OverflowError, ValueError) as error:
        raise ValueError(f"This rig map is incomplete or damaged: {str(error).rstrip('.')}.") from None


def _read_1(record: dict[str, Any]) -> RigMap:
    inputs, names = Inputs.FRAME, _input_names(Inputs.FRAME)
    keys, bones = _counted(dict(record["keys"])), _counted(dict(record["bones"]))
    return RigMap(
        space=_name(record["space"]),
        key_names=tuple(_name(key) for key in keys),
        key_weights=_rows([_dense(row, names[: inputs.key_width]) for row in keys.values()], inputs.key_width),
        bone_names=tuple(_name(bone) for bone in bones),
        bone_weights=_axes([[_dense(row, names) for row in rows] for rows in bones.values()], inputs.bone_width),
    )


def _read_2(record: dict[str, Any]) -> RigMap:
    inputs = Inputs(record["inputs"])
    names = _input_names(inputs)
    keys, bones = _counted(list(record["keys"])), _counted(list(record["bones"]))
    limits = [(_number(key.get("lower", -np.inf)), _number(key.get("upper", np.inf))) for key in keys]
    return RigMap(
        space=_name(record["space"]),
        key_names=tuple(_name(key["key"]) for key in keys),
        key_weights=_rows([_dense(key["weights"], names[: inputs.key_width]) for key in keys], inputs.key_width),
        bone_names=tuple(_name(bone["bone"]) for bone in bones),
        bone_weights=_axes([[_dense(row, names) for row in bone["weights"]] for bone in bones], inputs.bone_width),
        inputs=inputs,
        key_meshes=tuple(_name(key["mesh"]) for key in keys),
        key_offsets=np.array([_number(key.get("offset", 0.0)) for key in keys]),
        key_limits=np.array(limits).reshape(len(keys), 2),
    )


_READERS: Final[dict[int, Callable[[dict[str, Any]], RigMap]]] = {1: _read_1, 2: _read_2}


def _input_names(inputs: Inputs) -> tuple[str, ...]:
    return ARKIT_SHAPES if inputs is Inputs.ARKIT else tuple(str(number) for number in range(inputs.bone_width))


def _sparse(row: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, float]:
    return {names[column]: float(row[column]) for column in np.flatnonzero(row)}


def _dense(row: Mapping[str, Any], names: tuple[str, ...]) -> NDArray[np.float64]:
    weights = np.zeros(len(names))
    for name, weight in row.items():
        if name not in names:
            raise IndexError(f"there is no input {name!r}")
        weights[names.index(name)] = _number(weight)
    return weights


def _rows(rows: list[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    return np.array(rows).reshape(len(rows), width)


def _axes(axes: list[list[NDArray[np.float64]]], width: int) -> NDArray[np.float64]:
    return np.array(axes).reshape(len(axes), 3, width)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    number = float(value)
    if np.isfinite(number) and abs(number) > LARGEST_NUMBER:
        raise ValueError(f"{number:g} is beyond ±{LARGEST_NUMBER:g}")
    return number


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise TypeError(f"{str(value)[:40]!r} is not a name of at most {MAX_NAME} characters")
    return value


def _counted(channels: _Channels) -> _Channels:
    if len(channels) > MAX_CHANNELS:
        raise ValueError(f"{len(channels)} channels are more than {MAX_CHANNELS}")
    return channels
