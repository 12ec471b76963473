"""The head put together in the FLAME layout."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import JOINT_NAMES, FlameModel, validated
from flame_rig.head import landmarks as lm
from flame_rig.head.colours import MATERIAL_INDEX, MATERIALS, skin_colors
from flame_rig.head.ears import ears
from flame_rig.head.expressions import jaw_weight
from flame_rig.head.grid import SkinGrid, SkinPoints, skin_grid
from flame_rig.head.hair import hair
from flame_rig.head.identity import identity_basis
from flame_rig.head.jaw import CORRECTIVE_ENTRIES, jaw_correctives, lip_seal, lips_parted_by_tongue
from flame_rig.head.loft import BOTTOM, TOP
from flame_rig.head.numerics import Array, smoothstep
from flame_rig.head.on_skin import SkinStates, brows, lashes, lid_rims, mouth_lining
from flame_rig.head.part import Part, joined
from flame_rig.head.skin import skin_positions
from flame_rig.head.solids import EYE_EQUATOR, eyeball, teeth, tongue
from flame_rig.spaces import CTEG_HEAD_1, RESERVED_NAME

METRES_PER_UNIT: Final = 0.01
_SEAL, _TONGUE = "mouthClose", "tongueOut"
_SKIN_SHAPES: Final = tuple(name for name in CTEG_HEAD_1.names if name not in (_SEAL, _TONGUE, RESERVED_NAME))


@cache
def build_head() -> FlameModel:
    """Return the project's own head: metres, FLAME axes, space ``cteg-head-1`` (the same object every time).

    Symmetric to the last bits in everything but the hair. ``jawOpen`` is no expression: it is the
    jaw joint's pitch of ``spaces.JAW_OPEN_RADIANS``, with what the lips do then in ``posedirs`` (``head.jaw``).
    Identity: ``head.identity.IDENTITY_NAMES``.
    """
    parts = _parts()
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    vertices = np.concatenate([part.vertices for part in parts])
    template = vertices * METRES_PER_UNIT
    polygons = tuple(
        tuple(int(start) + corner for corner in polygon)
        for start, part in zip(starts, parts, strict=False)
        for polygon in part.polygons
    )
    return validated(
        FlameModel(
            name="CTEG head",
            space=CTEG_HEAD_1.id,
            v_template=template,
            faces=_triangles(polygons),
            shapedirs=identity_basis(vertices) * METRES_PER_UNIT,
            exprdirs=_stacked(parts, CTEG_HEAD_1.names) * METRES_PER_UNIT,
            posedirs=_pose_basis(parts) * METRES_PER_UNIT,
            joint_regressor=_joint_regressor(parts, starts),
            weights=np.concatenate([part.weights for part in parts]),
            parents=np.array([-1, 0, 1, 1, 1], dtype=np.int64),
            expr_names=CTEG_HEAD_1.names,
            polygons=polygons,
            uvs=_corner_uvs(parts),
            materials=MATERIALS,
            polygon_materials=np.array(
                [MATERIAL_INDEX[part.material] for part in parts for _ in part.polygons], dtype=np.int64
            ),
            vertex_colors=np.concatenate([part.colors for part in parts]),
            part_names=tuple(part.name for part in parts),
            vertex_parts=np.repeat(np.arange(len(parts)), [len(part.vertices) for part in parts]),
        )
    )


def _parts() -> list[Part]:
    grid = skin_grid()
    rest = skin_positions(grid.points)
    correctives = jaw_correctives(grid)
    states: SkinStates = {None: rest}
    states |= {name: skin_positions(grid.points, name) for name in _SKIN_SHAPES}
    states |= {name: rest + delta for name, delta in correctives.items()}
    states[_TONGUE] = lips_parted_by_tongue(grid)
    states[_SEAL] = rest + lip_seal(grid, correctives)
    weights = _skin_weights(grid.points)
    skin = Part(
        name="skin",
        material="skin",
        vertices=rest,
        polygons=grid.polygons,
        uv=np.stack([grid.points.theta / (2 * np.pi) + 0.5, (grid.points.height - BOTTOM) / (TOP - BOTTOM)], axis=-1),
        colors=skin_colors(grid.points, rest),
        weights=weights,
        deltas={name: positions - rest for name, positions in states.items() if name is not None},
    )
    return [
        skin,
        joined("lid rims", lid_rims(grid, states, weights)),
        joined("lashes", lashes(grid, states, weights)),
        joined("brows", brows(_SKIN_SHAPES)),
        joined("mouth", mouth_lining(grid, states, weights)),
        teeth(upper=True),
        teeth(upper=False),
        tongue(),
        eyeball(1),
        eyeball(-1),
        ears(),
        hair(),
    ]


def _skin_weights(points: SkinPoints) -> Array:
    """Return ``[N, 5]``: the jaw's field, the head, and the root taking over down the neck."""
    jaw = jaw_weight(points)
    head = smoothstep(-17.5, -11.5, points.height)
    zero = np.zeros_like(jaw)
    return np.stack([(1 - jaw) * (1 - head), (1 - jaw) * head, jaw, zero, zero], axis=-1)


def _stacked(parts: list[Part], names: tuple[str, ...]) -> Array:
    """Return the parts' deltas ``[V, 3, len(names)]`` in centimetres; a name that no part knows moves nothing."""
    basis = np.zeros((sum(len(part.vertices) for part in parts), 3, len(names)))
    start = 0
    for part in parts:
        end = start + len(part.vertices)
        for column, name in enumerate(names):
            if name in part.deltas:
                basis[start:end, :, column] = part.deltas[name]
        start = end
    return basis


def _pose_basis(parts: list[Part]) -> Array:
    """Return ``[V, 3, 36]``: the jaw's correctives on the entries of its R - I."""
    correctives = _stacked(parts, tuple(CORRECTIVE_ENTRIES))
    basis = np.zeros((len(correctives), 3, 9 * (len(JOINT_NAMES) - 1)))
    jaw = 9 * (JOINT_NAMES.index("jaw") - 1)
    for number, entries in enumerate(CORRECTIVE_ENTRIES.values()):
        for row, column, full in entries:
            basis[:, :, jaw + 3 * row + column] += correctives[:, :, number] / full
    return basis


def _joint_regressor(parts: list[Part], starts: NDArray[np.int64]) -> Array:
    """Return ``[5, V]`` convex weights over vertices that no expression moves.

    The eyes are their equators' means; the others lie in triangles of points in the midplane.
    """
    names = [part.name for part in parts]
    vertices = np.concatenate([part.vertices for part in parts])
    regressor = np.zeros((len(JOINT_NAMES), len(vertices)))
    equators = {}
    for joint, name in (("left_eye", "left eye"), ("right_eye", "right eye")):
        first = int(starts[names.index(name)])
        equators[joint] = np.arange(len(vertices))[first:][EYE_EQUATOR]
        regressor[JOINT_NAMES.index(joint), equators[joint]] = 1.0 / len(equators[joint])
    ring = skin_grid().bottom_row
    skull = _back_of_skull(skin_grid(), vertices)
    anchors = (
        np.concatenate([equators["left_eye"], equators["right_eye"]]),
        np.array([skull]),
        ring[np.argsort(vertices[ring, 2])[-1:]],
        ring[np.argsort(vertices[ring, 2])[:1]],
    )
    eyes, back, front_foot, back_foot = anchors
    for joint, target, corners in (
        ("jaw", lm.JAW_HINGE, (eyes, back, back_foot)),
        ("neck", lm.NECK_JOINT, (back, front_foot, back_foot)),
        ("root", lm.ROOT_JOINT, (back, front_foot, back_foot)),
    ):
        system = np.array([[*vertices[corner].mean(axis=0)[1:], 1.0] for corner in corners]).T
        for corner, share in zip(corners, np.linalg.solve(system, [*target[1:], 1.0]), strict=True):
            regressor[JOINT_NAMES.index(joint), corner] += share / len(corner)
    return regressor


def _back_of_skull(grid: SkinGrid, vertices: Array) -> int:
    behind = np.flatnonzero(np.isclose(np.abs(grid.points.theta), np.pi))
    return int(behind[np.argmin(vertices[behind, 2])])


def _triangles(polygons: tuple[tuple[int, ...], ...]) -> NDArray[np.int64]:
    triangles = [
        (polygon[0], polygon[corner], polygon[corner + 1])
        for polygon in polygons
        for corner in range(1, len(polygon) - 1)
    ]
    return np.array(triangles, dtype=np.int64)


def _corner_uvs(parts: list[Part]) -> Array:
    """Return one UV per polygon corner; a polygon across the seam goes on past 1."""
    corners = []
    for part in parts:
        for polygon in part.polygons:
            uv = part.uv[list(polygon)]
            if np.ptp(uv[:, 0]) > 0.5:
                uv = uv + np.stack([uv[:, 0] < 0.5, np.zeros(len(uv), dtype=bool)], axis=-1)
            corners.append(uv)
    return np.concatenate(corners)
