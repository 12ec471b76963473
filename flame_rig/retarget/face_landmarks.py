"""Where the features of any face in the FLAME layout lie, found from its geometry and the way its jaw moves.

No vertex number is built in: eyes come from the joints, lids from the directions in which skin hides an eye,
the lip line from the gap that an opening jaw tears, and the profile from the midplane. So the same code reads
FLAME's mesh, the project's head, and either of them remeshed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel, joints_at_rest, posed_vertices
from flame_rig.retarget.surface import Array, Indices, Skin, edges_of, nearest_on_surface, rings_around

LID_POINTS: Final = 13
"""Points on each lid's edge, from the inner canthus to the outer one, both included."""
LIP_POINTS: Final = 13
"""Points on the lip line, from the right corner to the left one."""

_PROBE_RADIANS: Final = 0.3
_VIEW_DEGREES: Final = 60.0
_VIEW_STEPS: Final = 41
_POLAR_STEPS: Final = 192
_BISECTIONS: Final = 12
_LEAST_CELLS: Final = 4
_DIRECTIONS_AT_ONCE: Final = 40
# of the distance between the eyes
_TOUCHING: Final = 0.055
_TORN_SHARE: Final = 0.12
_TORN_RINGS: Final = 4
_BEHIND_LIPS: Final = 0.55
_AROUND_MOUTH: Final = 1.5
_AROUND_EYE: Final = 4.0  # of the ball's radius
_SHARP: Final = ("nose tip", "between the eyes", "nose base", "chin")
_MIDDLE_COLUMN: Final = 0.1
_OUTSIDE: Final = 0.02
_BALL_RATIOS: Final = (0.0, 0.45, 0.8)


@dataclass(frozen=True, eq=False)
class EyeLandmarks:
    """One eye; arrays in metres.

    Attributes:
        centre: ``[3]``; the joint.
        radius: of the ball.
        upper, lower: ``[LID_POINTS, 3]`` the lids' edges, from the inner canthus to the outer one.
        ball: ``[K, 3]`` points on the ball inside the opening, in the same places of every face's opening.
    """

    centre: Array
    radius: float
    upper: Array
    lower: Array
    ball: Array


@dataclass(frozen=True, eq=False)
class FaceLandmarks:
    """The features of one face.

    Attributes:
        eyes: left and right.
        lips: ``[LIP_POINTS, 3]`` the lip line from the right corner to the left one.
        profile: points of the midplane by name.
        jaw_share: ``[N]`` how far each skin vertex follows the jaw, 0 to 1.
        between_eyes: the distance between the eyes' centres, metres: the face's unit of length.
    """

    eyes: tuple[EyeLandmarks, EyeLandmarks]
    lips: Array
    profile: dict[str, Array]
    jaw_share: Array
    between_eyes: float

    def anchors(self) -> Array:
        """Return a few points ``[K, 3]`` that a similarity between two faces can be fitted to."""
        return np.array(
            [
                *(eye.centre for eye in self.eyes),
                *(eye.upper[end] for eye in self.eyes for end in (0, -1)),
                self.lips[0], self.lips[LIP_POINTS // 2], self.lips[-1],
                self.profile["nose tip"], self.profile["chin"],
            ]
        )  # fmt: skip

    def points(self) -> Array:
        """Return every landmark that is sharp enough to be met ``[K, 3]``, in the same order for every face."""
        parts = [self.lips, np.array([self.profile[name] for name in _SHARP])]
        for eye in self.eyes:
            parts += [eye.upper, eye.lower[1:-1], eye.ball]
        return np.concatenate(parts)


def find_landmarks(model: FlameModel, skin: Skin) -> FaceLandmarks:
    """Return the landmarks of a face at rest.

    Raises:
        ValueError: a feature could not be found; the sentence names it.
    """
    points = model.v_template[skin.vertices]
    joints = joints_at_rest(model)
    centres = [joints[model.joint_names.index(name)] for name in ("left_eye", "right_eye")]
    between = float(np.linalg.norm(centres[0] - centres[1]))
    pose = np.zeros((1, len(model.joint_names), 3))
    pose[0, model.joint_names.index("jaw"), 0] = _PROBE_RADIANS
    opened = posed_vertices(model, np.zeros((1, 1)), pose)[0, skin.vertices]
    share = _jaw_share(points, opened, joints[model.joint_names.index("jaw")])
    eyes = tuple(
        _eye(model, points, skin, centre, side, ball)
        for centre, side, ball in zip(centres, (1.0, -1.0), skin.eyeballs, strict=True)
    )
    lips = _lip_line(points, opened, skin.faces, _torn_pair(points, skin.faces, share, centres, between), between)
    profile = _profile(points, skin.faces, (centres[0] + centres[1]) / 2.0, lips[LIP_POINTS // 2], between)
    return FaceLandmarks((eyes[0], eyes[1]), lips, profile, share, between)


def _jaw_share(points: Array, opened: Array, jaw: Array) -> Array:
    """Return how far each skin vertex follows an opening jaw, relative to one that is rigid with it."""
    moved = np.linalg.norm(opened - points, axis=1)
    rigid = 2.0 * np.sin(_PROBE_RADIANS / 2.0) * np.linalg.norm((points - jaw)[:, 1:], axis=1)
    share: Array = np.clip(moved / np.where(rigid > 0.0, rigid, 1.0), 0.0, 1.0)
    return share


def _torn_pair(points: Array, faces: Indices, share: Array, centres: list[Array], between: float) -> tuple[int, int]:
    """Return a vertex of the lower lip and one of the upper that touch in the middle of the mouth."""
    middle = (centres[0] + centres[1]) / 2.0
    column = np.abs(points[:, 0] - middle[0]) < _MIDDLE_COLUMN * between
    front = np.flatnonzero(column & (points[:, 1] < middle[1]) & (points[:, 2] > middle[2] - 0.5 * between))
    distance = np.linalg.norm(points[front, None] - points[None, front], axis=-1)
    lower, upper = np.nonzero((distance < _TOUCHING * between) & (share[front][:, None] - share[front] > _TORN_SHARE))
    edges = edges_of(faces)
    apart = {int(first): rings_around(int(front[first]), edges, len(points), _TORN_RINGS) for first in np.unique(lower)}
    pairs = [
        (int(front[first]), int(front[second]))
        for first, second in zip(lower, upper, strict=True)
        if not apart[int(first)][front[second]]
    ]
    if not pairs:
        raise ValueError("No lip line was found: opening the jaw tears no skin apart that touches at rest.")
    return max(pairs, key=lambda pair: float(points[pair[0], 2] + points[pair[1], 2]))


def _lip_line(points: Array, opened: Array, faces: Indices, pair: tuple[int, int], between: float) -> Array:
    """Return the lip line at rest: the contour of the gap in the opened face, each point put back to rest."""
    gap = opened[list(pair)].mean(axis=0)
    centre = gap - np.array([0.0, 0.0, _BEHIND_LIPS * between])
    view = _View.of(opened, faces, centre, _AROUND_MOUTH * between)
    _, contour = _opening(view, directions_of(gap - centre))
    right, left = int(contour[:, 0].argmin()), int(contour[:, 0].argmax())
    at_rest = nearest_on_surface(view.points(contour), opened, faces).of(points, faces)
    one, other = (resampled(arc, LIP_POINTS) for arc in _arcs(at_rest, right, left))
    line: Array = (one + other) / 2.0
    return line


def _arcs(loop: Array, start: int, end: int) -> tuple[Array, Array]:
    """Return the two ways ``[K, 3]`` along a loop ``[N, 3]`` from one of its points to another."""
    turned = np.roll(loop, -start, axis=0)
    last = (end - start) % len(loop)
    return turned[: last + 1], np.concatenate([turned[last:], turned[:1]])[::-1]


def resampled(line: Array, count: int) -> Array:
    """Return ``count`` points at equal distances along a line ``[K, 3]``, ends included."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, lengths[-1], count)
    return np.stack([np.interp(at, lengths, line[:, axis]) for axis in range(3)], axis=-1)


@dataclass(frozen=True, eq=False)
class _View:
    """Skin around an opening, seen from behind it: triangles by azimuth and elevation (radians)."""

    centre: Array
    corners: Array
    flat: Array

    @classmethod
    def of(cls, points: Array, faces: Indices, centre: Array, reach: float) -> _View:
        away = points - centre
        near = (np.linalg.norm(away, axis=1) < reach)[faces].all(axis=1)
        flat = directions_of(away)[faces[near]]
        # straight behind, azimuth jumps from one side to the other
        whole = np.ptp(flat[:, :, 0], axis=1) < np.pi / 2.0
        return cls(centre, away[faces[near][whole]], flat[whole])

    def covered(self, directions: Array) -> NDArray[np.bool_]:
        """Return whether skin lies in each direction ``[Q, 2]``."""
        covered = np.zeros(len(directions), dtype=bool)
        lowest, highest = self.flat.min(axis=1), self.flat.max(axis=1)
        for start in range(0, len(directions), _DIRECTIONS_AT_ONCE):
            group = slice(start, start + _DIRECTIONS_AT_ONCE)
            q = directions[group, None]
            # neighbours in the list look nearly the same way, so few triangles can hide any of them
            near = ((lowest <= q.max(axis=(0, 1))) & (highest >= q.min(axis=(0, 1)))).all(axis=1)
            a, b, c = (self.flat[near, corner] for corner in range(3))
            signs = np.stack([_side(q, a, b), _side(q, b, c), _side(q, c, a)])
            inside = (signs >= 0.0).all(axis=0) | (signs <= 0.0).all(axis=0)
            covered[group] = np.any(inside, axis=1)
        return covered

    def points(self, contour: Array) -> Array:
        """Return the skin ``[Q, 3]`` just outside a contour ``[Q, 2]``, where the skin begins."""
        far = self._distance(contour + (contour - contour.mean(axis=0)) * _OUTSIDE)
        seen = np.isfinite(far)
        if not seen.any():
            raise ValueError("An opening of the face has no edge: its skin has other holes there.")
        return self.centre + vectors_of(contour) * np.where(seen, far, np.median(far[seen]))[:, None]

    def _distance(self, directions: Array) -> Array:
        """Return how far away the nearest skin is in each direction ``[Q, 2]``; infinite where there is none."""
        rays = vectors_of(directions)
        a, b, c = (self.corners[:, corner] for corner in range(3))
        normal = np.cross(b - a, c - a)
        slope = rays @ normal.T
        distance = (normal * a).sum(axis=1) / np.where(np.abs(slope) > 0.0, slope, np.inf)
        q = directions[:, None]
        flat = [self.flat[:, corner] for corner in range(3)]
        signs = np.stack([_side(q, flat[first], flat[(first + 1) % 3]) for first in range(3)])
        hit = ((signs >= 0.0).all(axis=0) | (signs <= 0.0).all(axis=0)) & (distance > 0.0)
        nearest: Array = np.where(hit, distance, np.inf).min(axis=1)
        return nearest


def directions_of(away: Array) -> Array:
    """Return azimuth (to +x) and elevation (to +y), ``[..., 2]``, of vectors ``[..., 3]``; z is straight ahead."""
    return np.stack(
        [np.arctan2(away[..., 0], away[..., 2]), np.arctan2(away[..., 1], np.hypot(*away[..., [0, 2]].T).T)], -1
    )


def vectors_of(directions: Array) -> Array:
    """Return unit vectors ``[..., 3]`` of azimuths and elevations ``[..., 2]``."""
    azimuth, elevation = directions[..., 0], directions[..., 1]
    flat = np.cos(elevation)
    return np.stack([np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat], axis=-1)


def _side(q: Array, a: Array, b: Array) -> Array:
    side: Array = (b[..., 0] - a[..., 0]) * (q[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (q[..., 0] - a[..., 0])
    return side


def _eye(model: FlameModel, points: Array, skin: Skin, centre: Array, side: float, ball: Indices) -> EyeLandmarks:
    radius = float(np.median(np.linalg.norm(model.v_template[ball] - centre, axis=1)))
    view = _View.of(points, skin.faces, centre, _AROUND_EYE * radius)
    middle, contour = _opening(view)
    rim = view.points(contour)
    inner, outer = int((contour[:, 0] * side).argmin()), int((contour[:, 0] * side).argmax())
    arcs = _arcs(rim, inner, outer)
    upper, lower = sorted(arcs, key=lambda arc: float(arc[:, 1].mean()), reverse=True)
    edges = [resampled(arc, LID_POINTS) for arc in (upper, lower)]
    rim = np.concatenate([edges[0], edges[1][-2:0:-1]])
    towards = directions_of(rim - centre)
    ball_points = [vectors_of(middle + ratio * (towards[::3] - middle)) for ratio in _BALL_RATIOS[1:]]
    inside = np.concatenate([vectors_of(middle)[None], *ball_points])
    return EyeLandmarks(centre, radius, edges[0], edges[1], centre + radius * inside)


def _opening(view: _View, middle: Array | None = None) -> tuple[Array, Array]:
    """Return the middle of the directions that no skin hides, and their contour ``[192, 2]``."""
    limit = np.radians(_VIEW_DEGREES)
    if middle is None:
        middle = _middle_of_gap(view, limit)
    turn = np.linspace(-np.pi, np.pi, _POLAR_STEPS, endpoint=False)
    rays = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    reach = np.linspace(0.0, limit, _VIEW_STEPS)[1:]
    hidden = view.covered((middle + rays[:, None] * reach[:, None]).reshape(-1, 2)).reshape(len(rays), -1)
    first = np.where(hidden.any(axis=1), hidden.argmax(axis=1), len(reach) - 1)
    low, high = np.where(first > 0, reach[first - 1], 0.0), reach[first]
    for _ in range(_BISECTIONS):
        half = (low + high) / 2.0
        inside = view.covered(middle + rays * half[:, None])
        low, high = np.where(inside, low, half), np.where(inside, half, high)
    return middle, middle + rays * high[:, None]


def _middle_of_gap(view: _View, limit: float) -> Array:
    """Return the middle of the directions ahead that no skin hides and that skin surrounds."""
    steps = np.linspace(-limit, limit, _VIEW_STEPS)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    seen = ~view.covered(grid.reshape(-1, 2)).reshape(len(steps), len(steps))
    cells = np.argwhere(seen)
    gap = np.zeros_like(seen)
    if len(cells):
        first = cells[np.abs(cells - len(steps) // 2).sum(axis=1).argmin()]
        gap[tuple(first)] = True
    grown = -1
    while grown != (grown := int(gap.sum())):
        for axis in (0, 1):
            for step in (1, -1):
                gap |= np.roll(gap, step, axis=axis) & seen
    border = gap[[0, -1]].any() or gap[:, [0, -1]].any()
    if border or grown < _LEAST_CELLS:
        raise ValueError("No opening between the lids was found: the eyes must be open at rest.")
    middle: Array = np.median(grid[gap], axis=0)
    return middle


def _profile(points: Array, faces: Indices, eyes: Array, stomion: Array, between: float) -> dict[str, Array]:
    """Return landmarks of the midplane's outline, from between the eyes to the chin."""
    offset = points[:, 0] - eyes[0]
    crossed = faces[np.ptp(np.sign(offset[faces]), axis=1) > 0]
    ends = []
    for first, second in ((0, 1), (1, 2), (2, 0)):
        a, b = crossed[:, first], crossed[:, second]
        through = (np.sign(offset[a]) != np.sign(offset[b]))[:, None]
        share = (offset[a] / np.where(through[:, 0], offset[a] - offset[b], 1.0))[:, None]
        ends.append(np.where(through, points[a] + share * (points[b] - points[a]), np.nan)[:, 1:])
    cuts = np.stack(ends, axis=1)
    lowest, highest = np.nanargmin(cuts[:, :, 0], axis=1), np.nanargmax(cuts[:, :, 0], axis=1)
    rows = np.arange(len(cuts))
    low, high = cuts[rows, lowest], cuts[rows, highest]
    heights = np.linspace(eyes[1] + 0.5 * between, stomion[1] - 1.3 * between, 360)
    along = (heights[:, None] - low[:, 0]) / np.maximum(high[:, 0] - low[:, 0], 1e-12)
    depth = low[:, 1] + along * (high[:, 1] - low[:, 1])
    front = np.where((along >= 0.0) & (along <= 1.0), depth, -np.inf).max(axis=1)
    if not np.isfinite(front).all():
        known = np.isfinite(front)
        front = np.interp(-heights, -heights[known], front[known])
    found: dict[str, Array] = {}

    def keep(name: str, at: int) -> int:
        found[name] = np.array([eyes[0], heights[at], front[at]])
        return at

    eye_row = int(np.abs(heights - eyes[1]).argmin())
    lip_row = int(np.abs(heights - stomion[1]).argmin())
    tip = keep("nose tip", eye_row + int(front[eye_row:lip_row].argmax()))
    keep("between the eyes", eye_row)
    keep("nose base", _most_hollow(front, heights, tip, lip_row))
    reach = lip_row - tip
    below = slice(lip_row + reach // 2, min(len(heights), lip_row + 2 * reach))
    chin = keep("chin", below.start + int((front[below] - 0.35 * heights[below]).argmax()))
    keep("lip fold", _most_hollow(front, heights, lip_row + max(1, (chin - lip_row) // 5), chin))
    under = slice(chin, min(len(heights), chin + reach))
    keep("under the chin", under.start + int((front[under] - 1.6 * heights[under]).argmax()))
    return found


def _most_hollow(front: Array, heights: Array, start: int, end: int) -> int:
    """Return the row between two whose outline lies furthest behind the chord between them."""
    rows = np.arange(start, end + 1)
    chord = np.interp(-heights[rows], -heights[[start, end]], front[[start, end]])
    return int(rows[(front[rows] - chord).argmin()])
