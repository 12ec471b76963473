"""A sidecar without a network: it speaks the real protocol and nods along to any line.

Run as a program. The line “fail” fails, and “elsewhere” is of another expression space.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from cteg_core.clip import ExpressionClip
from cteg_core.dialogue import LineError
from cteg_core.emotion import EmotionRead
from cteg_core.performer import FinishedTake, FrameChunk, TakeRequest
from cteg_core.serving import serve

FRAMES = 12
FPS = 24.0


def clip_for(text: str, seed: int) -> ExpressionClip:
    """The clip that the fake performs: the jaw opens and closes, as wide as the seed says."""
    frames = np.zeros((FRAMES, 53), dtype=np.float32)
    frames[:, 50] = 0.02 * (1 + seed) * np.sin(np.linspace(0.0, np.pi, FRAMES))
    space = "elsewhere-1" if text == "elsewhere" else "cteg-head-1"
    return ExpressionClip(frames=frames, fps=FPS, space=space, text=text, seed=seed, checkpoint="fake")


def fake_read(text: str) -> EmotionRead:
    """What the fake reads: the more exclamation marks, the more joy."""
    return EmotionRead.of(joy=min(1.0, text.count("!") / 4), neutral=0.25)


class NoddingPerformer:
    """See ``cteg_core.performer.Performer``."""

    checkpoint_id = "fake"
    device = "cpu"

    def read_emotion(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[EmotionRead, ...]:
        contexts = before or [""] * len(texts)
        return tuple(fake_read(text + context) for text, context in zip(texts, contexts, strict=True))

    def perform(
        self, requests: Sequence[TakeRequest], cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk | FinishedTake]:
        for index, request in enumerate(requests):
            if request.line.text == "fail":
                raise LineError("This line cannot be performed; write another.")
            yield FinishedTake(index, clip_for(request.line.text, request.seed))


if __name__ == "__main__":
    serve(NoddingPerformer)
