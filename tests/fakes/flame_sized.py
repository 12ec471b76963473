"""A model of FLAME's size whose every array is noise: harder to skin exactly than any face."""

from __future__ import annotations

import numpy as np

from flame_rig.flame_model import FlameModel


def flame_sized_head(seed: int = 0, identities: int = 20, expressions: int = 100) -> FlameModel:
    """A surrogate of FLAME's size: 5,023 points on an ellipsoid with every array filled with seeded noise.

    Up to four joints a vertex and eyes that are rigid, as in FLAME; shapes and correctives of several millimetres.
    """
    rng = np.random.default_rng(seed)
    vertices = 5023
    directions = rng.normal(size=(vertices, 3))
    template = directions / np.linalg.norm(directions, axis=1, keepdims=True) * (0.09, 0.15, 0.11)
    weights = rng.random((vertices, 5)) ** 4
    weights[np.arange(vertices), rng.integers(0, 5, vertices)] = 0.0
    weights[-1092:] = np.repeat(np.eye(5)[3:], 546, axis=0)
    regressor = np.zeros((5, vertices))
    for row in regressor:
        row[rng.choice(vertices, 12, replace=False)] = rng.random(12)
    first = np.arange(9976) % vertices
    return FlameModel(
        name="surrogate of FLAME's size",
        space="flame-2020",
        v_template=template,
        faces=np.stack([first, (first + 1) % vertices, (first + 2 + np.arange(9976) // vertices) % vertices], axis=1),
        shapedirs=rng.normal(scale=0.003, size=(vertices, 3, identities)),
        exprdirs=rng.normal(scale=0.001, size=(vertices, 3, expressions)),
        posedirs=rng.normal(scale=0.004, size=(vertices, 3, 36)),
        joint_regressor=regressor / regressor.sum(axis=1, keepdims=True),
        weights=weights / weights.sum(axis=1, keepdims=True),
        parents=np.array([-1, 0, 1, 1, 1]),
        expr_names=tuple(f"Exp{component:03}" for component in range(expressions)),
    )
