"""The FLAME layout and its forward model.

Equations follow Li et al. 2017 ("Learning a model of facial shape and expression from 4D scans"),
section 3, with joints regressed from the shaped template.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.gaze import eye_vectors
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH, JAW_SLICE

JOINT_NAMES: Final[tuple[str, ...]] = ("root", "neck", "jaw", "left_eye", "right_eye")
"""FLAME's joints in file order; jaw and eyes are children of the neck."""


@dataclass(frozen=True)
class Material:
    """How a part of the face looks: what a renderer needs, nothing of Blender's.

    Attributes:
        name: shown to the artist.
        base_color: linear RGB in [0, 1]; ignored where ``vertex_color`` is True.
        roughness, subsurface, specular, coat: as the Principled BSDF means them.
        emission: strength of light given off in ``base_color``.
        vertex_color: take the base colour from the model's ``vertex_colors``.
    """

    name: str
    base_color: tuple[float, float, float]
    roughness: float = 0.5
    subsurface: float = 0.0
    specular: float = 0.5
    coat: float = 0.0
    emission: float = 0.0
    vertex_color: bool = False


@dataclass(frozen=True)
class FlameModel:
    """A face in the FLAME layout: metres, y up, z out of the face, +x the subject's left.

    V vertices, F triangles, I identity components, E expression components, J joints.

    Attributes:
        name: shown to the user.
        space: id of the expression space that ``exprdirs`` spans.
        v_template: ``float64 [V, 3]`` the face at rest.
        faces: ``int64 [F, 3]`` triangles, counter-clockwise from outside.
        shapedirs: ``float64 [V, 3, I]`` identity basis.
        exprdirs: ``float64 [V, 3, E]`` expression basis.
        posedirs: ``float64 [V, 3, 9 * (J - 1)]`` pose correctives for the row-major entries of
            R - I of every joint but the root.
        joint_regressor: ``float64 [J, V]``, rows sum to 1.
        weights: ``float64 [V, J]`` skinning weights, rows sum to 1.
        parents: ``int64 [J]``, -1 for the root; a parent comes before its children.
        expr_names: E names, used as shape-key names.
        joint_names: J names, used as bone names.
        polygons: quads and triangles to show instead of ``faces`` (tuples of vertex indices).
        uvs: ``float64 [L, 2]`` one per corner of ``polygons`` in order.
        materials: what ``polygon_materials`` (``int64``, one per polygon) indexes.
        vertex_colors: ``float64 [V, 3]`` linear RGB.
        part_names: what ``vertex_parts`` (``int64 [V]``) indexes.
    """

    name: str
    space: str
    v_template: NDArray[np.float64]
    faces: NDArray[np.int64]
    shapedirs: NDArray[np.float64]
    exprdirs: NDArray[np.float64]
    posedirs: NDArray[np.float64]
    joint_regressor: NDArray[np.float64]
    weights: NDArray[np.float64]
    parents: NDArray[np.int64]
    expr_names: tuple[str, ...]
    joint_names: tuple[str, ...] = JOINT_NAMES
    polygons: tuple[tuple[int, ...], ...] | None = None
    uvs: NDArray[np.float64] | None = None
    materials: tuple[Material, ...] = ()
    polygon_materials: NDArray[np.int64] | None = None
    vertex_colors: NDArray[np.float64] | None = None
    part_names: tuple[str, ...] = ()
    vertex_parts: NDArray[np.int64] | None = field(default=None)


_SUM_TOLERANCE: Final = 1e-5
_SMALL_ANGLE: Final = 1e-4
_FEW_FRAMES: Final = 4
_FRAMES_AT_ONCE: Final = 32
"""As many as keep a FLAME head's planes in the processor's cache and its matrix products long."""


def validated(model: FlameModel) -> FlameModel:
    """Return ``model`` unchanged if its arrays agree with one another.

    Raises:
        ValueError: a sentence that names the first array whose shape, range or sum is wrong.
    """
    vertices, joints = len(model.v_template), len(model.joint_names)
    expected: dict[str, tuple[int | None, ...]] = {
        "v_template": (vertices, 3),
        "faces": (None, 3),
        "shapedirs": (vertices, 3, None),
        "exprdirs": (vertices, 3, len(model.expr_names)),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "joint_regressor": (joints, vertices),
        "weights": (vertices, joints),
        "parents": (joints,),
    }
    optional: dict[str, tuple[int | None, ...]] = {
        "vertex_colors": (vertices, 3),
        "vertex_parts": (vertices,),
        "polygon_materials": (len(model.polygons or ()),),
        "uvs": (sum(len(polygon) for polygon in model.polygons or ()), 2),
    }
    expected |= {name: shape for name, shape in optional.items() if getattr(model, name) is not None}
    for name, shape in expected.items():
        array: NDArray[np.float64 | np.int64] = getattr(model, name)
        sizes = zip(shape, array.shape, strict=False)
        if array.ndim != len(shape) or any(want not in (None, got) for want, got in sizes):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(
                f"The face model {model.name!r} needs {name} of shape [{wanted}]; it has {list(array.shape)}."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"The face model {model.name!r} has a NaN or an infinity in {name}.")
    _check_kinematics(model)
    _check_indices(model)
    return model


def _check_kinematics(model: FlameModel) -> None:
    for name, rows in (("weights", model.weights), ("joint_regressor", model.joint_regressor)):
        worst = float(np.abs(rows.sum(axis=1) - 1.0).max(initial=0.0))
        if worst > _SUM_TOLERANCE:
            raise ValueError(
                f"Each row of {name} in the face model {model.name!r} must sum to 1; one is off by {worst:.2g}."
            )
    if model.weights.min(initial=0.0) < -_SUM_TOLERANCE:
        raise ValueError(f"The face model {model.name!r} has negative skinning weights.")
    for joint, parent in enumerate(model.parents.tolist()):
        if (joint == 0) != (parent == -1) or parent >= joint or parent < -1:
            raise ValueError(
                f"Joint {joint} ({model.joint_names[joint]}) of the face model {model.name!r} has parent {parent}; "
                "the first joint's parent is -1 and every other joint comes after its parent."
            )
    for what, names in (("expression", model.expr_names), ("joint", model.joint_names)):
        if len(set(names)) != len(names):
            raise ValueError(f"The face model {model.name!r} uses an {what} name twice.")


def _check_indices(model: FlameModel) -> None:
    corners = np.array([corner for polygon in model.polygons or () for corner in polygon], dtype=np.int64)
    vertices = len(model.v_template)
    limits: tuple[tuple[str, NDArray[np.int64] | None, int], ...] = (
        ("faces", model.faces, vertices),
        ("polygons", corners, vertices),
        ("polygon_materials", model.polygon_materials, len(model.materials)),
        ("vertex_parts", model.vertex_parts, len(model.part_names)),
    )
    for name, indices, limit in limits:
        if indices is not None and indices.size and not 0 <= indices.min() <= indices.max() < limit:
            raise ValueError(
                f"The face model {model.name!r} has {name} from {indices.min()} to {indices.max()}; "
                f"they must lie in 0 to {limit - 1}."
            )


def rotation_matrices(axis_angle: ArrayLike) -> NDArray[np.float64]:
    """Turn axis-angle vectors ``[..., 3]`` (radians) into rotation matrices ``[..., 3, 3]``.

    Rodrigues' formula, with its Taylor series below 1e-4 rad so that a zero vector is the identity.
    """
    vector = np.asarray(axis_angle, dtype=np.float64)
    if vector.shape[-1:] != (3,):
        raise ValueError(f"Axis-angle vectors are [..., 3]; got an array of shape {vector.shape}.")
    squared = (vector**2).sum(axis=-1)[..., None, None]
    small = squared < _SMALL_ANGLE**2
    safe = np.where(small, 1.0, squared)
    angle = np.sqrt(safe)
    sine_part = np.where(small, 1.0 - squared / 6.0, np.sin(angle) / angle)
    # 2 sin^2(a/2) is 1 - cos(a) without its cancellation
    cosine_part = np.where(small, 0.5 - squared / 24.0, 2.0 * np.sin(angle / 2.0) ** 2 / safe)
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*vector.shape[:-1], 3, 3)
    matrices: NDArray[np.float64] = np.eye(3) + sine_part * cross + cosine_part * (cross @ cross)
    return matrices


def shaped_template(model: FlameModel, shape: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the face at rest, ``[V, 3]`` metres, of an identity.

    Args:
        shape: at most I identity coefficients; those left out are 0. None is the template.
    """
    if shape is None:
        return model.v_template.copy()
    coefficients = np.asarray(shape, dtype=np.float64)
    known = model.shapedirs.shape[2]
    if coefficients.ndim != 1 or len(coefficients) > known:
        raise ValueError(f"An identity is at most {known} numbers for {model.name!r}; got {list(coefficients.shape)}.")
    moved: NDArray[np.float64] = model.v_template + model.shapedirs[:, :, : len(coefficients)] @ coefficients
    return moved


def joints_at_rest(model: FlameModel, shape: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the joints' positions ``[J, 3]`` in metres, of an identity at rest (see ``shaped_template``)."""
    joints: NDArray[np.float64] = model.joint_regressor @ shaped_template(model, shape)
    return joints


def pose_of_frames(model: FlameModel, frames: ArrayLike) -> NDArray[np.float64]:
    """Return the joints' axis-angle vectors ``[T, J, 3]`` that frames ``[T, 53]`` ask for.

    The jaw takes the last three numbers of a frame; in ``cteg-head-1`` the eyes take the angles of
    the eyeLook shapes (``gaze.eye_vectors``); every other joint stays at rest.
    """
    frames = np.asarray(frames, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] != FRAME_WIDTH:
        raise ValueError(f"Frames are [T, {FRAME_WIDTH}]; got an array of shape {frames.shape}.")
    pose = np.zeros((len(frames), len(model.joint_names), 3))
    pose[:, model.joint_names.index("jaw")] = frames[:, JAW_SLICE]
    if model.space == CTEG_HEAD_1.id:
        eyes = eye_vectors(frames)
        pose[:, model.joint_names.index("left_eye")] = eyes[:, 0]
        pose[:, model.joint_names.index("right_eye")] = eyes[:, 1]
    return pose


def posed_vertices(
    model: FlameModel,
    expression: ArrayLike,
    pose: ArrayLike,
    shape: ArrayLike | None = None,
    joints: Literal["shaped", "identity"] = "shaped",
) -> NDArray[np.float64]:
    """Evaluate the model: blend shapes, pose correctives, linear blend skinning (Li et al. 2017, equations 1 to 5).

    Args:
        model: the face.
        expression: ``[B, E']`` coefficients with E' at most E; those left out are 0.
        pose: ``[B, J, 3]`` axis-angle of each joint relative to its parent, radians.
        shape: identity as in ``shaped_template``, the same for the whole batch.
        joints: ``"shaped"`` regresses the joints from the face with its expression, as the paper
            does; ``"identity"`` leaves them where the identity at rest has them, as a bone does.

    Returns:
        ``float64 [B, V, 3]`` metres.
    """
    coefficients = np.asarray(expression, dtype=np.float64)
    known = model.exprdirs.shape[2]
    if coefficients.ndim != 2 or coefficients.shape[1] > known:
        raise ValueError(f"Expressions for {model.name!r} are [B, at most {known}]; got {list(coefficients.shape)}.")
    return ForwardModel(model, coefficients.shape[1], shape, joints).vertices(coefficients, pose).astype(np.float64)


class ForwardModel:
    """A face model of one identity laid out for many frames: what ``posed_vertices`` evaluates, again and again.

    Frames go in groups through one matrix product for all displacements and one for all skinning matrices, with the
    coordinates of all vertices in three planes, so that nothing is done vertex by vertex.

    Args:
        model, shape, joints: as for ``posed_vertices``.
        expressions: E', how many components the expressions have.
        dtype: ``float64``, or ``float32`` for more than twice the speed at errors below 1e-6 m.
    """

    def __init__(
        self,
        model: FlameModel,
        expressions: int,
        shape: ArrayLike | None = None,
        joints: Literal["shaped", "identity"] = "shaped",
        dtype: type[np.float64] | type[np.float32] = np.float64,
    ) -> None:
        rest = shaped_template(model, shape)
        exprdirs = model.exprdirs[:, :, :expressions]
        self._name, self._parents = model.name, model.parents
        self._expressions, self._vertices, self._dtype = expressions, len(rest), dtype
        self._bases = exprdirs, model.posedirs
        self._rest: NDArray[Any] = rest.T.ravel().astype(dtype)
        self._weights: NDArray[Any] = np.ascontiguousarray(model.weights.T, dtype=dtype)
        self._joints = model.joint_regressor @ rest
        shifts = np.tensordot(model.joint_regressor, exprdirs, axes=1)
        self._joint_shifts = shifts if joints == "shaped" else np.zeros_like(shifts)

    def vertices(self, expression: ArrayLike, pose: ArrayLike) -> NDArray[np.floating[Any]]:
        """Return the vertices ``[B, V, 3]`` in metres.

        Args:
            expression: ``[B, E']``.
            pose: ``[B, J, 3]`` axis-angle of each joint relative to its parent, radians.
        """
        coefficients, vectors = np.asarray(expression, dtype=np.float64), np.asarray(pose, dtype=np.float64)
        if coefficients.ndim != 2 or coefficients.shape[1] != self._expressions:
            got = list(coefficients.shape)
            raise ValueError(f"Expressions for {self._name!r} are [B, {self._expressions}] here; got {got}.")
        wanted = [len(coefficients), len(self._parents), 3]
        if list(vectors.shape) != wanted:
            raise ValueError(f"The pose of {wanted[0]} expressions is {wanted}; got {list(vectors.shape)}.")
        posed: NDArray[np.floating[Any]] = np.empty((len(coefficients), self._vertices, 3), dtype=self._dtype)
        for start in range(0, len(posed), _FRAMES_AT_ONCE):
            group = slice(start, start + _FRAMES_AT_ONCE)
            self._evaluate(coefficients[group], vectors[group], posed[group])
        return posed

    @cached_property
    def _directions(self) -> NDArray[Any]:
        """``[E' + 9 * (J - 1), 3 * V]``: each displacement basis in planes."""
        planes = [basis.transpose(2, 1, 0).reshape(basis.shape[2], 3 * self._vertices) for basis in self._bases]
        return np.concatenate(planes).astype(self._dtype)

    def _displacements(self, amounts: NDArray[Any]) -> NDArray[Any]:
        """Return what expressions and correctives add, ``[B, 3 * V]`` in planes."""
        if len(amounts) >= _FEW_FRAMES:
            product: NDArray[Any] = amounts @ self._directions
            return product
        # Laying the bases out anew would take longer than the frames.
        split = (amounts[:, : self._expressions], amounts[:, self._expressions :])
        first, second = (
            basis.reshape(3 * self._vertices, basis.shape[2]) @ part.T
            for basis, part in zip(self._bases, split, strict=True)
        )
        moved: NDArray[Any] = (first + second).reshape(-1, 3, len(amounts))
        return moved.transpose(2, 1, 0).reshape(len(amounts), -1)

    def _evaluate(
        self, coefficients: NDArray[np.float64], vectors: NDArray[np.float64], posed: NDArray[np.floating[Any]]
    ) -> None:
        count = len(coefficients)
        local = rotation_matrices(vectors)
        feature = (local[:, 1:] - np.eye(3)).reshape(count, -1)
        amounts = np.concatenate([coefficients, feature], axis=1).astype(self._dtype)
        corrected = (self._displacements(amounts) + self._rest).reshape(count, 3, -1)
        positions = self._joints + np.tensordot(coefficients, self._joint_shifts, axes=([1], [2]))
        rotation, translation = _joint_transforms(local, positions, self._parents)
        # [B, 12, J]: the rows of each joint's rotation, each with its part of the translation
        joint_matrices = np.concatenate([rotation, translation[..., None]], axis=-1).reshape(count, -1, 12)
        rows = joint_matrices.swapaxes(1, 2).reshape(count * 12, -1).astype(self._dtype)
        skinning = (rows @ self._weights).reshape(count, 3, 4, -1)
        skinning[:, :, :3] *= corrected[:, None]
        np.add.reduce(skinning, axis=2, out=posed.swapaxes(1, 2))


def _joint_transforms(
    local: NDArray[np.float64], positions: NDArray[np.float64], parents: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotations ``[B, J, 3, 3]`` and translations ``[B, J, 3]`` that take rest points to posed ones."""
    rotation, origin = local.copy(), positions.copy()
    for joint, parent in enumerate(parents.tolist()):
        if parent < 0:
            continue
        rotation[:, joint] = rotation[:, parent] @ local[:, joint]
        offset = positions[:, joint] - positions[:, parent]
        origin[:, joint] = origin[:, parent] + np.einsum("brc,bc->br", rotation[:, parent], offset)
    translation = origin - np.einsum("bjrc,bjc->bjr", rotation, positions)
    return rotation, translation
