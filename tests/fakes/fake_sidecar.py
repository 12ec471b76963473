"""A sidecar whose model is a sine wave: ``python fake_sidecar.py [FAULT]``.

The pipes, the protocol and the server are the product's own; only the performer is not. What it does is told by
the first word of a line, and by the fault on the command line.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from cteg_core import serving
from cteg_core.clip import ExpressionClip, Word
from cteg_core.dialogue import LineError, checked_text
from cteg_core.emotion import EmotionRead
from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, TakeRequest
from cteg_core.serving import serve

FRAMES_A_WORD = 10
CHUNK = 7
LOAD_FAULTS: dict[str, Exception] = {
    "no-torch": ModuleNotFoundError("No module named 'torch'", name="torch"),
    "no-checkpoint": FileNotFoundError("There is no checkpoint in /nowhere: give --checkpoint a folder with one."),
    "bad-checkpoint": ValueError("The checkpoint is damaged: its SHA-256 differs; download it again."),
    "load-bug": ZeroDivisionError("division by zero"),
    "no-memory": OSError(12, "Cannot allocate memory"),
}


def fake_frames(text: str, seed: int) -> np.ndarray:
    """``float32 [T, 53]`` that depend on the text's length and the seed alone."""
    count = FRAMES_A_WORD * len(text.split())
    phase = np.arange(count)[:, None] * 0.1 + np.arange(53) + seed
    return np.sin(phase).astype(np.float32)


def fake_read(text: str) -> EmotionRead:
    """What the fake reads: the more exclamation marks, the more joy."""
    return EmotionRead.of(joy=min(1.0, text.count("!") / 4), neutral=0.25)


class FakePerformer:
    """Performs at once, streaming frames that the finished clip changes a little at its end."""

    checkpoint_id = "fake-000000"
    device = "cpu"

    def read_emotion(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[EmotionRead, ...]:
        contexts = before or [""] * len(texts)
        return tuple(fake_read(text + context) for text, context in zip(texts, contexts, strict=True))

    def perform(
        self, requests: Sequence[TakeRequest], cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk | FinishedTake]:
        for index, request in enumerate(requests):
            text = request.line.text
            frames = fake_frames(text, request.seed)
            for first in range(0, len(frames), CHUNK):
                if cancelled():
                    raise Cancelled
                yield FrameChunk(index, first, frames[first : first + CHUNK])
                act(text.split()[0], first // CHUNK, cancelled)
            frames[-3:] *= np.float32(0.5)
            yield FinishedTake(index, fake_clip(request, frames))
            if text.startswith("last"):
                os._exit(7)


def fake_clip(request: TakeRequest, frames: np.ndarray) -> ExpressionClip:
    """Return a clip with something in every field."""
    text = request.line.text
    words = tuple(Word(word, n / 3, (n + 1) / 3) for n, word in enumerate(text.split()))
    return ExpressionClip(
        frames, 30.0, "cteg-head-1", text, words, request.line.controls.emotion, request.line.controls, request.seed,
        "fake-000000", "stop-head", checked_text(text).notes,
    )  # fmt: skip


def act(word: str, chunk: int, cancelled: Callable[[], bool]) -> None:
    """Do to the process what the first word of the line says, after the second chunk."""
    if chunk != 1:
        return
    match word:
        case "die":
            os._exit(7)
        case "hang":
            time.sleep(3600)
        case "wait":
            while not cancelled():
                time.sleep(0.01)
        case "print":
            print("a library prints this")
            os.write(1, b"and C code this\n")
        case "flood":
            for _ in range(20_000):
                sys.stderr.write("noise " * 20 + "\n")
        case "refuse":
            raise LineError("The line is too sad; cheer it up.")
        case "bug":
            raise ZeroDivisionError("division by zero")
        case "memory":
            raise MemoryError
        case "starve":
            exhaust_memory()
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "compute":
            # As torch's: one long call into C that lets other threads run and hears no signal handler.
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        case "slow":
            time.sleep(1.2)


def exhaust_memory() -> None:
    """Allocate more than the operating system gives this process."""
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    np.ones(1 << 30)


def interrupt_the_stream(rubbish: Callable[[Callable[[bytes], None]], None]) -> None:
    """Let ``rubbish`` write once into the protocol's own pipe, before the third message from now that is progress."""
    write_all, count = serving._write_all, 0

    def write(descriptor: int, data: bytes) -> None:
        nonlocal count
        count += b"$/progress" in data
        if count == 3 and b"$/progress" in data and b'"take":0' in data:
            rubbish(lambda junk: write_all(descriptor, junk))
        write_all(descriptor, data)

    serving._write_all = write


def tear(write: Callable[[bytes], None]) -> None:
    """Die within a message."""
    write(b'{"jsonrpc":"2.0","method":"$/progr')
    os._exit(7)


def write_a_huge_line(write: Callable[[bytes], None]) -> None:
    """Write a line of 100 MB."""
    for _ in range(100):
        write(b"x" * 1_000_000)
    write(b"\n")


STREAM_FAULTS: dict[str, Callable[[Callable[[bytes], None]], None]] = {
    "junk-in-stream": lambda write: write("Grüße from a library\n".encode()),
    "torn-message": tear,
    "huge-line": write_a_huge_line,
}


def load(fault: str) -> FakePerformer:
    """Make the performer, or fail as ``fault`` says."""
    if fault in LOAD_FAULTS:
        raise LOAD_FAULTS[fault]
    if fault == "hang-at-load":
        time.sleep(3600)
    return FakePerformer()


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    if chosen in STREAM_FAULTS:
        interrupt_the_stream(STREAM_FAULTS[chosen])
    serve(lambda: load(chosen), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
