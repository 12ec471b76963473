"""Does the face show what it should: emotion read back from the posed mesh, against controls that must fail.

The reader (``emotion_reader``) works on vertices and shares no table with the synthesiser. Figures are balanced over
the Ekman six and neutral; chance is 1/7. Speech, blinks and shifts of the eyes are off: they would move what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.affect import expected_affect
from cteg_core.clip import Controls, ExpressionClip
from cteg_core.dialogue import DialogueLine
from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS, EmotionRead
from cteg_core.metrics.emotion_reader import apex_frame, read_emotion
from cteg_core.model.emotion_acting import acted
from cteg_core.performer import FinishedTake, Performer, TakeRequest
from cteg_core.speech import plan_speech
from cteg_core.training.dialogue_lines import WrittenLine
from cteg_core.training.performance import EmotionTarget, synthesise
from cteg_core.training.text_data import word_count
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.spaces import EXPRESSION_COUNT

BATCH: Final = 32
LONGEST_SPOKEN: Final = 22
"""Words: what the network performs in one go."""
FRAME_STEP: Final = 2
"""Every second frame is posed: at 30 frames a second an apex of 0.3 s still has four."""


@dataclass(frozen=True)
class TestLine:
    """A line whose basic emotion is known, with its label's full-strength read."""

    __test__ = False

    text: str
    basic: str
    label: EmotionRead


@dataclass(frozen=True)
class Agreement:
    """How often what was read is what it should be.

    Attributes:
        balanced: mean recall over the seven classes.
        confusion: ``[7][7]`` counts, rows the truth and columns the read, in ``BASIC_EMOTIONS``' order.
    """

    balanced: float
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class MotionSummary:
    """How much a set of performances moves, in the space's units.

    Attributes:
        speed: mean length of the change from frame to frame.
        acceleration: mean length of the change of that change: jitter shows here.
        reach: mean over performances of the largest distance from the rest face.
    """

    speed: float
    acceleration: float
    reach: float


def balanced_lines(texts: Sequence[str], labels: NDArray[np.floating], count_each: int, seed: int) -> list[TestLine]:
    """Choose ``count_each`` lines of each basic emotion among those that carry only one (``labels [N, 28]``)."""
    rng = np.random.default_rng(seed)
    chosen: list[TestLine] = []
    for basic in BASIC_EMOTIONS:
        columns = [i for i, label in enumerate(EMOTION_LABELS) if BASIC_OF_LABEL[label] == basic]
        others = [i for i in range(len(EMOTION_LABELS)) if i not in columns]
        only = np.flatnonzero((labels[:, columns].sum(1) > 0) & (labels[:, others].sum(1) == 0))
        for index in rng.permutation(only)[:count_each]:
            read = EmotionRead(tuple(0.9 * float(value) for value in labels[index]))
            chosen.append(TestLine(texts[index], basic, read))
    return chosen


def balanced_dialogue(
    lines: Sequence[WrittenLine], named: Sequence[str | None], count_each: int, seed: int
) -> list[TestLine]:
    """Choose ``count_each`` written lines of each basic emotion, among those that need no context to be understood.

    Args:
        lines: test lines.
        named: what two of three people name each (``dialogue_readings.agreed``); only lines on which they agree with
            the author are chosen, so that what is measured is the face and not a quarrel about the label.
        count_each, seed: as for :func:`balanced_lines`.
    """
    rng = np.random.default_rng(seed)
    chosen: list[TestLine] = []
    for basic in BASIC_EMOTIONS:
        fit = [
            line
            for line, name in zip(lines, named, strict=True)
            if line.basic == name == basic and not line.context and word_count(line.text) <= LONGEST_SPOKEN
        ]
        for index in rng.permutation(len(fit))[:count_each]:
            chosen.append(TestLine(fit[index].text, basic, EmotionRead(fit[index].emotions)))
    return chosen


def perform_lines(
    performer: Performer,
    lines: Sequence[TestLine],
    emotions: Sequence[EmotionRead | None],
    seed: int,
    report: Callable[[str], None] = lambda line: None,
) -> list[ExpressionClip]:
    """Perform each line once, without layers, with the given emotion or (None) the one read from its text."""
    clips: list[ExpressionClip] = []
    for start in range(0, len(lines), BATCH):
        requests = [
            TakeRequest(
                DialogueLine(
                    line.text,
                    seed=seed + start + i,
                    controls=Controls(emotion=emotion, speech=False, blinks=False, gaze=False),
                ),
                0,
                seed + start + i,
            )
            for i, (line, emotion) in enumerate(
                zip(lines[start : start + BATCH], emotions[start : start + BATCH], strict=True)
            )
        ]
        done = {
            e.request_index: e.clip for e in performer.perform(requests, lambda: False) if isinstance(e, FinishedTake)
        }
        clips += [done[i] for i in range(len(requests))]
        report(f"performed {len(clips)}/{len(lines)}")
    return clips


def synthesised(lines: Sequence[TestLine], seed: int) -> list[NDArray[np.float32]]:
    """Return the corpus's own performance of each line, to compare with: frames ``[T, 53]`` each."""
    rng = np.random.default_rng(seed)
    frames = []
    for index, line in enumerate(lines):
        plan = plan_speech(line.text, seed=seed + index, speech=False)
        strengths = acted(line.label)
        affect = expected_affect(strengths)
        valence, arousal, dominance = (float(value) for value in affect)
        target = EmotionTarget(tuple(float(p) for p in strengths), valence, arousal, dominance, 1.0)
        frames.append(synthesise(target, plan, rng))
    return frames


def read_back(frames: Sequence[NDArray[np.float32]]) -> list[str]:
    """Return the basic emotion that the reader sees in each performance ``[T, 53]`` on the project's head."""
    return [read_emotion(posed(performance[::FRAME_STEP]), 30.0 / FRAME_STEP).strongest for performance in frames]


def apex_of(frames: NDArray[np.float32], fps: float) -> int:
    """Return the frame of a performance ``[T, 53]`` that shows most, as the reader finds its apex."""
    step = max(1, round(fps * FRAME_STEP / 30.0))
    return apex_frame(posed(frames[::step]), fps / step) * step


def posed(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the vertices ``[T, V, 3]`` of the project's head in frames ``[T, 53]``."""
    head = build_head()
    vertices: NDArray[np.float64] = posed_vertices(
        head, frames[:, :EXPRESSION_COUNT], pose_of_frames(head, frames), joints="identity"
    )
    return vertices


def agreement(read: Sequence[str], truth: Sequence[str]) -> Agreement:
    """Compare reads with truths, each one of ``BASIC_EMOTIONS``."""
    confusion = np.zeros((len(BASIC_EMOTIONS),) * 2, dtype=int)
    for one, other in zip(truth, read, strict=True):
        confusion[BASIC_EMOTIONS.index(one), BASIC_EMOTIONS.index(other)] += 1
    rows = confusion.sum(1)
    recalls = np.diag(confusion)[rows > 0] / rows[rows > 0]
    return Agreement(float(recalls.mean()), tuple(tuple(int(x) for x in row) for row in confusion))


def motion(frames: Sequence[NDArray[np.float32]]) -> MotionSummary:
    """Summarise how performances ``[T, 53]`` move."""
    steps = [np.linalg.norm(np.diff(f, axis=0), axis=1) for f in frames if len(f) > 2]
    changes = [np.linalg.norm(np.diff(f, n=2, axis=0), axis=1) for f in frames if len(f) > 2]
    reach = [float(np.linalg.norm(f, axis=1).max()) for f in frames]
    return MotionSummary(
        float(np.concatenate(steps).mean()), float(np.concatenate(changes).mean()), float(np.mean(reach))
    )


def basic_of(read: EmotionRead) -> str:
    """Return the basic emotion with a read's largest share."""
    return read.basic
