"""A stand-in for a user's FLAME file, named as one: the project's head in another topology, with the truth known.

Edges of the head's skin and eyeballs are collapsed at random until about 5,000 vertices are left, the vertices are
shuffled, the face is scaled, moved and bent, its shapes are mixed into 100 principal components of unit variance, and
1 % noise is added. FLAME's own file cannot be shipped; ``python -m flame_rig report`` prints what a real one gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flame_rig.flame_model import FlameModel, joints_at_rest, validated
from flame_rig.head import build_head
from flame_rig.spaces import CTEG_HEAD_1

FOLD = 0.007
"""How far skin goes on behind the lids and lips of a folded surrogate, metres."""
Bending = Callable[[np.ndarray], np.ndarray]


def unbent(points: np.ndarray) -> np.ndarray:
    """Only scaled and moved, as FLAME's size and origin differ from the head's."""
    return 0.93 * points + np.array([0.0, -0.021, 0.013])


def reshaped(points: np.ndarray) -> np.ndarray:
    """Another person: a wider jaw, a longer and flatter face, smoothly up to about a centimetre away."""
    x, y, z = np.moveaxis(unbent(points), -1, 0)
    wide = 1.0 + 0.10 * np.tanh((-0.03 - y) / 0.03)
    return np.stack(
        [x * wide, y * 1.06 - 0.004 * np.cos(x / 0.03), z - 0.10 * (z - 0.05) * (z > 0.05) + 0.05 * y], axis=-1
    )


def small_eyed(points: np.ndarray) -> np.ndarray:
    """As ``reshaped``, with eyes that are a third smaller in a face of the same width, as a real one's are."""
    moved = reshaped(points)
    head = build_head()
    for name in ("left_eye", "right_eye"):
        centre = reshaped(joints_at_rest(head)[[head.joint_names.index(name)]])[0]
        away = moved - centre
        moved = moved - 0.35 * away * np.exp(-(((away**2).sum(axis=-1, keepdims=True) / 0.033**2) ** 2))
    return moved


@dataclass(frozen=True, eq=False)
class Surrogate:
    """The stand-in and its truth.

    Attributes:
        model: 100 expression components, ``Exp000`` and on.
        kept: ``[V, C]`` every vertex as a mixture of those of the head's that were ``chosen`` (``[C]``).
        bending: what the head's space went through.
        true_coefficients: ``[100, 49]`` those of each of the space's shapes.
        true_shapes: ``[V, 3, 49]`` displacements before noise, metres.
    """

    model: FlameModel
    kept: np.ndarray
    chosen: np.ndarray
    bending: Bending
    true_coefficients: np.ndarray
    true_shapes: np.ndarray


def make_surrogate(
    bending: Bending = unbent,
    seed: int = 0,
    noise: float = 0.01,
    without: tuple[str, ...] = (),
    vertices: int = 5000,
    folded: bool = False,
) -> Surrogate:
    """Build the stand-in.

    Args:
        bending: what happens to the head's space.
        seed: of the topology and the noise.
        noise: of each component, relative to its size.
        without: shapes that the components cannot make.
        vertices: how many are left, before folding.
        folded: skin goes on behind the lids and the lips, as FLAME's does.
    """
    rng = np.random.default_rng(seed)
    head = build_head()
    names = head.part_names
    wanted = [names.index(part) for part in ("skin", "left eye", "right eye")]
    assert head.vertex_parts is not None
    chosen = np.flatnonzero(np.isin(head.vertex_parts, wanted))
    lookup = np.full(len(head.v_template), -1)
    lookup[chosen] = np.arange(len(chosen))
    faces = lookup[head.faces]
    mixture, faces = collapsed(head.v_template[chosen], faces[(faces >= 0).all(axis=1)], vertices, rng)
    order = rng.permutation(len(mixture))
    kept = mixture[order]
    faces = np.argsort(order)[faces][rng.permutation(len(faces))]

    rest = kept @ head.v_template[chosen]
    template = bending(rest)
    if folded:
        rims, fold = _fold(faces, rest)
        faces = np.concatenate([faces, fold])
        kept, rest = np.concatenate([kept, kept[rims]]), np.concatenate([rest, rest[rims]])
        template = np.concatenate([template, template[rims] - np.array([0.0, 0.0, FOLD])])
    step = 1e-6
    slopes = np.stack([(bending(rest + step * axis) - bending(rest)) / step for axis in np.eye(3)], axis=-1)
    shapes = np.einsum("vij,vjk->vik", slopes, np.tensordot(kept, head.exprdirs[chosen][:, :, :49], 1))
    for name in without:
        shapes[:, :, CTEG_HEAD_1.index(name)] = 0.0
    components, coefficients = _principal(shapes.reshape(-1, 49), rng)
    spread = np.sqrt((components**2).mean(axis=0))
    components = components + noise * rng.normal(size=components.shape) * np.where(spread > 0, spread, spread[0] / 100)
    joints = bending(joints_at_rest(head))
    still = ~head.exprdirs.any(axis=(1, 2)) & ~head.posedirs.any(axis=(1, 2))
    anchors = np.flatnonzero(kept @ ~still[chosen] == 0)
    model = FlameModel(
        name="surrogate (the project's head remeshed, not FLAME)",
        space="flame-surrogate",
        v_template=template,
        faces=faces,
        shapedirs=np.zeros((len(kept), 3, 0)),
        exprdirs=components.reshape(len(kept), 3, 100),
        posedirs=np.einsum("vij,vjk->vik", slopes, np.tensordot(kept, head.posedirs[chosen], 1)),
        joint_regressor=np.array([_regressed(template, anchors, joint, rng) for joint in joints]),
        weights=kept @ head.weights[chosen],
        parents=head.parents,
        expr_names=tuple(f"Exp{index:03}" for index in range(100)),
    )
    return Surrogate(validated(model), kept, chosen, bending, coefficients, shapes)


def _fold(faces: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertices around the skin's openings but for the neck's, and triangles to copies of them behind."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    known = set(map(tuple, directed))
    border = np.array([edge for edge in directed if (edge[1], edge[0]) not in known])
    border = border[rest[border].mean(axis=1)[:, 1] > rest[:, 1].min() + 0.02]
    rims = np.unique(border)
    copy = {int(vertex): len(rest) + place for place, vertex in enumerate(rims)}
    behind = [((b, a, copy[a]), (b, copy[a], copy[b])) for a, b in border.tolist()]
    return rims, np.array(behind).reshape(-1, 3)


def _principal(shapes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Components ``[3V, 100]`` with unit variance over random faces, and each shape's coefficients ``[100, 49]``."""
    activity = rng.random((4000, shapes.shape[1])) * (rng.random((4000, shapes.shape[1])) < 0.25)
    left, sizes, _ = np.linalg.svd(shapes @ np.linalg.cholesky(activity.T @ activity / len(activity)), False)
    moving = sizes > 1e-9 * sizes[0]
    components = np.zeros((len(shapes), 100))
    components[:, : moving.sum()] = (left * sizes)[:, moving]
    coefficients = np.zeros((100, shapes.shape[1]))
    coefficients[: moving.sum()] = (left[:, moving] / sizes[moving]).T @ shapes
    return components, coefficients


def _regressed(template: np.ndarray, anchors: np.ndarray, joint: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A row of weights over vertices at rest under every expression, summing to 1, that finds the joint."""
    picked = rng.choice(anchors, 20, replace=False)
    system = np.concatenate([template[picked].T, np.ones((1, len(picked)))])
    row = np.zeros(len(template))
    row[picked] = np.linalg.lstsq(system, np.append(joint, 1.0), rcond=None)[0]
    return row


def collapsed(
    points: np.ndarray, faces: np.ndarray, target: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Collapse random inner edges to their middles until ``target`` vertices are left.

    Returns each vertex as a mixture ``[target, N]`` of the old ones, and the triangles that are left.
    """
    triangles = {number: tuple(map(int, face)) for number, face in enumerate(faces)}
    around: list[set[int]] = [set() for _ in points]
    for number, face in triangles.items():
        for corner in face:
            around[corner].add(number)
    mixture: list[dict[int, float]] = [{index: 1.0} for index in range(len(points))]
    place = points.copy()
    alive = len(points)
    edge_faces: dict[tuple[int, int], int] = {}
    for face in triangles.values():
        for a, b in ((face[0], face[1]), (face[1], face[2]), (face[2], face[0])):
            key = (min(a, b), max(a, b))
            edge_faces[key] = edge_faces.get(key, 0) + 1
    border = {corner for edge, count in edge_faces.items() if count == 1 for corner in edge}
    edges = list(edge_faces)
    for index in rng.permutation(len(edges)):
        if alive <= target:
            break
        a, b = edges[index]
        if a in border or b in border or not around[a] or not around[b]:
            continue
        shared = around[a] & around[b]
        ring_a = {corner for number in around[a] for corner in triangles[number]}
        ring_b = {corner for number in around[b] for corner in triangles[number]}
        if len(shared) != 2 or len((ring_a & ring_b) - {a, b}) != 2:
            continue
        middle = (place[a] + place[b]) / 2.0
        if any(_flips(place, triangles[number], vertex, middle)
               for vertex in (a, b) for number in around[vertex] - shared):  # fmt: skip
            continue
        for number in shared:
            for corner in triangles.pop(number):
                around[corner].discard(number)
        for number in around[b]:
            triangles[number] = tuple(a if corner == b else corner for corner in triangles[number])
        around[a] |= around[b]
        around[b] = set()
        place[a] = middle
        both = mixture[a].keys() | mixture[b].keys()
        mixture[a] = {old: 0.5 * mixture[a].get(old, 0.0) + 0.5 * mixture[b].get(old, 0.0) for old in both}
        alive -= 1
    left = [index for index in range(len(points)) if around[index]]
    rows = np.zeros((len(left), len(points)))
    for row, index in enumerate(left):
        for old, share in mixture[index].items():
            rows[row, old] = share
    number_of = {index: row for row, index in enumerate(left)}
    return rows, np.array([[number_of[corner] for corner in face] for face in triangles.values()])


def _flips(place: np.ndarray, face: tuple[int, ...], vertex: int, middle: np.ndarray) -> bool:
    """Whether moving one corner of a triangle turns it over or makes a sliver of it."""
    before = [place[corner] for corner in face]
    after = [middle if corner == vertex else place[corner] for corner in face]
    one, other = (np.cross(c[1] - c[0], c[2] - c[0]) for c in (before, after))
    return float(one @ other) < 0.3 * float(one @ one)
