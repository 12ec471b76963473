"""A line on stage: what its clauses are asked to show, timed by its speech plan, and performed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cteg_core.clauses import Arc, arc_of
from cteg_core.speech import SpeechPlan
from cteg_core.training.affect import condition_vector, draw_targets, target_of
from cteg_core.training.performance import synthesise
from cteg_core.training.text_data import LabelledLine


def direct(line: LabelledLine, plan: SpeechPlan, rng: np.random.Generator) -> Arc:
    """Draw what a line is asked to show: an arc of condition vectors ``[K, 32]`` over the plan's frames."""
    clauses, targets = draw_targets(line, rng)
    return arc_of(plan, clauses, np.stack([condition_vector(target) for target in targets]))


def perform_arc(
    arc: Arc,
    plan: SpeechPlan,
    rng: np.random.Generator,
    *,
    start_pose: NDArray[np.floating] | None = None,
    settle: bool = True,
) -> NDArray[np.float32]:
    """Perform an arc of condition vectors; arguments and result as of :func:`.performance.synthesise`."""
    first, *later = (target_of(emotion) for emotion in arc.emotions)
    turns = list(zip(arc.starts[1:].tolist(), later, strict=True))
    return synthesise(first, plan, rng, turns=turns, start_pose=start_pose, settle=settle)
