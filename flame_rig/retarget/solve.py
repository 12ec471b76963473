"""Solves the map between the project's space and a FLAME model's from the two faces' geometry alone.

Each ARKit shape of the project's head is carried onto the FLAME mesh, and FLAME's coefficients (and, for
the jaw's shapes, its jaw) are fitted to it by bounded least squares. A shape that FLAME explains too
little of (``LEAST_EXPLAINED``) is marked and its column left zero: it is never faked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flame_rig.arkit import ARKIT_SHAPES, JAW_ROTATION_SHAPES
from flame_rig.fingerprint import model_fingerprint
from flame_rig.flame_model import FlameModel, joints_at_rest, posed_vertices, rotation_matrices
from flame_rig.head import build_head
from flame_rig.retarget.bounded import bounded_least_squares
from flame_rig.retarget.space_map import MOST_SIGMA, By, ShapeFit, SpaceMap
from flame_rig.retarget.surface import Array
from flame_rig.retarget.surface_fit import Correspondence, correspond, distance_to_line, front_of, read_face
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, JAW_OPEN_RADIANS, JAW_SIDE_RADIANS

LEAST_EXPLAINED: Final = 0.6
"""A shape is made only if the fit explains so much of its motion (1 - squared misses / squared motion)."""
_LEAST_SIZE_MM: Final = 0.03
_GAZE: Final = "eyeLook"
_WITHOUT_SKIN: Final = frozenset({"tongueOut"})
"""Shapes whose meaning is no skin's: FLAME has no tongue, and moving the lips alone would fake it."""
# how much each region counts, and how far it reaches in distances between the eyes
_LIPS, _LIP_REACH = 4.0, 0.22
_LIDS, _LID_REACH = 3.0, 0.16
_BROWS, _BROW_BAND = 2.0, (0.22, 0.65)
_BACK: Final = 0.05
_GAP_REACH: Final = 0.12
_PRIOR_MM2: Final = 0.0005
"""Weight of the squared coefficients against the mean squared miss: one standard deviation costs as much as
0.02 mm everywhere, so that components which change next to nothing stay near 0."""
_JAW_PRIOR_MM2: Final = 0.02
"""The same beside a jaw, which is to do the jaw's work before expressions that look like it."""
_READING_MM2: Final = 0.0005
_JAW_SEARCH: Final = 0.6
_GOLDEN_STEPS: Final = 24
_MM: Final = 1e3


@dataclass(frozen=True, eq=False)
class _Problem:
    """The target's skin in millimetres, weighted.

    Attributes:
        weights: ``[N]``, summing to 1.
        basis: ``[3N, 50]`` FLAME's expression directions.
        gram: ``[50, 50]`` weighted products of the basis.
    """

    weights: Array
    basis: Array
    gram: Array

    @classmethod
    def of(cls, found: Correspondence) -> _Problem:
        weights = region_weights(found)
        known = found.target.model.exprdirs[found.target.skin.vertices][:, :, :EXPRESSION_COUNT]
        basis = np.zeros((known.shape[0] * 3, EXPRESSION_COUNT))
        basis[:, : known.shape[2]] = known.reshape(len(basis), -1) * _MM
        gram = basis.T @ (basis * np.repeat(weights, 3)[:, None])
        return cls(weights, basis, gram)

    def moments(self, displacements: Array) -> Array:
        """Return ``[S, 50]`` weighted products of the basis with fields ``[S, N, 3]`` in millimetres."""
        weighted = displacements * self.weights[:, None]
        products: Array = weighted.reshape(len(displacements), -1) @ self.basis
        return products

    def coefficients(self, displacements: Array, prior: float = _PRIOR_MM2) -> Array:
        """Return the best coefficients ``[S, 50]`` for fields ``[S, N, 3]`` in millimetres."""
        most = np.full(EXPRESSION_COUNT, MOST_SIGMA)
        gram = self.gram + prior * np.eye(EXPRESSION_COUNT)
        return bounded_least_squares(gram, self.moments(displacements), -most, most)

    def made(self, coefficients: Array) -> Array:
        """Return the fields ``[S, N, 3]`` in millimetres that coefficients ``[S, 50]`` make."""
        return (coefficients @ self.basis.T).reshape(len(coefficients), -1, 3)

    def mean_square(self, displacements: Array) -> Array:
        """Return the weighted mean square ``[...]`` of fields ``[..., N, 3]``."""
        mean: Array = ((displacements**2).sum(axis=-1) * self.weights).sum(axis=-1)
        return mean


def region_weights(found: Correspondence) -> Array:
    """Return how much each skin vertex of the target counts, ``[N]``, summing to 1.

    Lips 4, lids 3, brows 2, the rest of the face 1, the back of the head and the neck next to nothing; skin
    that the head has no counterpart of (ears) counts less the further it is from it.
    """
    face = found.target
    unit, marks = face.unit, face.landmarks
    weights = np.where(front_of(face), 1.0, _BACK)
    for eye in marks.eyes:
        away = (face.points - eye.centre) / unit
        brow = (away[:, 1] > _BROW_BAND[0]) & (away[:, 1] < _BROW_BAND[1]) & (np.abs(away[:, 0]) < 0.5)
        weights[brow & (weights >= 1.0)] = _BROWS
        rim = np.concatenate([eye.upper, eye.lower[::-1]])
        weights[distance_to_line(face.points, rim) < _LID_REACH * unit] = _LIDS
    weights[distance_to_line(face.points, marks.lips) < _LIP_REACH * unit] = _LIPS
    weights = weights * np.exp(-((found.gaps / (_GAP_REACH * unit)) ** 2))
    scaled: Array = weights / weights.sum()
    return scaled


def solve_space_map(model: FlameModel) -> SpaceMap:
    """Solve the map for a FLAME model; some seconds.

    Raises:
        ValueError: a feature of the face could not be found (an eye closed at rest, no lips that part), so that
            the two faces cannot be brought into correspondence.
    """
    return solve_from(correspond(read_face(build_head()), read_face(model)))


def solve_from(found: Correspondence) -> SpaceMap:
    """Solve the map for two faces in correspondence; the source is the project's head."""
    problem = _Problem.of(found)
    head, model = found.source.model, found.target.model
    source_basis = head.exprdirs[found.source.skin.vertices]
    names = CTEG_HEAD_1.names
    moving = [k for k in range(EXPRESSION_COUNT) if source_basis[:, :, k].any()]
    shapes = np.zeros((EXPRESSION_COUNT, len(found.target.points), 3))
    for k in moving:
        shapes[k] = found.carried(source_basis[:, :, k]) * _MM
    coefficients = problem.coefficients(shapes)
    misses = problem.made(coefficients) - shapes
    explained = _explained(problem, misses, shapes)
    made = (explained >= LEAST_EXPLAINED) & (np.sqrt(problem.mean_square(shapes)) >= _LEAST_SIZE_MM)
    made &= np.array([name not in _WITHOUT_SKIN for name in names])
    gaze = np.array([name.startswith(_GAZE) for name in names])
    coefficients[~made] = 0.0
    misses[~made] = -shapes[~made]

    fits: dict[str, ShapeFit] = {}
    for k, name in enumerate(names):
        by: By = _maker(bool(made[k]), bool(gaze[k]))
        fits[name] = _fit(found, problem, name, by, shapes[k], misses[k], float(explained[k]), coefficients[k])
    open_gain, open_extra = _jaw_fit(found, problem, 0, JAW_OPEN_RADIANS)
    side_gain, side_extra = _jaw_fit(found, problem, 1, JAW_SIDE_RADIANS)
    for name, turn in _JAW_TURNS.items():
        gain = np.array([open_gain, side_gain, 1.0])
        extra = np.stack([open_extra, side_extra, np.zeros(EXPRESSION_COUNT)]).T @ turn
        target = _jaw_shape(found, turn) * _MM
        missed = _flame_jaw(found, turn * gain, extra) * _MM - target
        share = float(_explained(problem, missed[None], target[None])[0])
        fits[name] = _fit(found, problem, name, "jaw", target, missed, share, extra)

    readable = made & ~gaze
    flat = shapes.reshape(EXPRESSION_COUNT, -1)
    weighted = flat * np.repeat(problem.weights, 3)
    gram = weighted @ flat.T + _READING_MM2 * np.eye(EXPRESSION_COUNT)
    return SpaceMap(
        flame_space=model.space,
        fingerprint=model_fingerprint(model),
        expression=coefficients.T,
        jaw_expression=np.stack([open_extra, side_extra, np.zeros(EXPRESSION_COUNT)], axis=1),
        jaw_gain=np.array([open_gain, side_gain, 1.0]),
        gram=gram,
        cross=weighted @ problem.basis,
        readable=readable,
        fits=tuple(fits[name] for name in ARKIT_SHAPES),
    )


_JAW_TURNS: Final = dict(
    zip(
        JAW_ROTATION_SHAPES,
        np.array([(JAW_OPEN_RADIANS, 0.0, 0.0), (0.0, JAW_SIDE_RADIANS, 0.0), (0.0, -JAW_SIDE_RADIANS, 0.0)]),
        strict=True,
    )
)


def _maker(made: bool, gaze: bool) -> By:
    if gaze:
        return "expression and eye joints" if made else "eye joints"
    return "expression" if made else "nothing"


def _explained(problem: _Problem, misses: Array, shapes: Array) -> Array:
    motion = problem.mean_square(shapes)
    share: Array = np.where(motion > 0.0, 1.0 - problem.mean_square(misses) / np.where(motion > 0.0, motion, 1.0), 0.0)
    return share


def _fit(
    found: Correspondence,
    problem: _Problem,
    name: str,
    by: By,
    shape: Array,
    missed: Array,
    explained: float,
    coefficients: Array,
) -> ShapeFit:
    front = front_of(found.target)
    away = np.linalg.norm(missed[front], axis=1)
    return ShapeFit(
        name=name,
        by=by,
        size_mm=float(np.sqrt(problem.mean_square(shape))),
        mean_mm=float(away.mean()),
        max_mm=float(away.max()),
        explained=explained,
        largest=float(np.abs(coefficients).max()),
    )


def _jaw_shape(found: Correspondence, turn: Array) -> Array:
    """Return what the head's jaw, turned by ``turn`` (radians), does to the target's skin, ``[N, 3]`` metres."""
    head = found.source.model
    pose = np.zeros((1, len(head.joint_names), 3))
    pose[0, head.joint_names.index("jaw")] = turn
    posed = posed_vertices(head, np.zeros((1, EXPRESSION_COUNT)), pose)[0]
    return found.carried((posed - head.v_template)[found.source.skin.vertices])


def _flame_jaw(found: Correspondence, turn: Array, coefficients: Array) -> Array:
    """Return what FLAME's jaw and expression do to its own skin, ``[N, 3]`` metres."""
    model = found.target.model
    pose = np.zeros((1, len(model.joint_names), 3))
    pose[0, model.joint_names.index("jaw")] = turn
    known = min(EXPRESSION_COUNT, model.exprdirs.shape[2])
    posed = posed_vertices(model, coefficients[None, :known], pose)[0]
    displaced: Array = (posed - model.v_template)[found.target.skin.vertices]
    return displaced


def _jaw_fit(found: Correspondence, problem: _Problem, axis: int, angle: float) -> tuple[float, Array]:
    """Return FLAME's radians per radian of the head's jaw about an axis, and coefficients ``[50]`` per radian.

    The angle is found by golden-section search; for each angle the shape is taken back through FLAME's
    skinning to its rest, where expressions are linear.
    """
    turn = np.zeros(3)
    turn[axis] = angle
    goal = found.target.points + _jaw_shape(found, turn)

    def solved(flame_angle: float) -> tuple[float, Array]:
        vector = np.zeros(3)
        vector[axis] = flame_angle
        shape = (_unposed(found, goal, vector) - found.target.points) * _MM
        coefficients = problem.coefficients(shape[None], _JAW_PRIOR_MM2)
        missed = problem.mean_square(problem.made(coefficients) - shape[None])
        return float(missed[0] + _JAW_PRIOR_MM2 * (coefficients**2).sum()), coefficients[0]

    low, high = 0.02, _JAW_SEARCH
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(_GOLDEN_STEPS):
        first, second = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, second) if solved(first)[0] < solved(second)[0] else (first, high)
    best = (low + high) / 2.0
    return best / angle, solved(best)[1] / angle


def _unposed(found: Correspondence, posed: Array, turn: Array) -> Array:
    """Return where skin at ``posed`` ``[N, 3]`` lies before FLAME's jaw turns and its corrective is added."""
    model, vertices = found.target.model, found.target.skin.vertices
    jaw = model.joint_names.index("jaw")
    rotation = rotation_matrices(turn)
    joint = joints_at_rest(model)[jaw]
    share = model.weights[vertices, jaw][:, None, None]
    blended = (1.0 - share) * np.eye(3) + share * rotation
    back = np.linalg.solve(blended, (posed - share[:, :, 0] * (joint - rotation @ joint))[:, :, None])[:, :, 0]
    feature = (rotation - np.eye(3)).ravel()
    corrective = model.posedirs[vertices][:, :, 9 * (jaw - 1) : 9 * jaw] @ feature
    unposed: Array = back - corrective
    return unposed
