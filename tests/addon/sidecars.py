"""Sidecars for the client's tests, good ones and bad, and what they may leave behind: nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from addon.jobs import Job, JobError, run_to_end, start_generate
from addon.sidecar import Deadlines, SidecarClient
from cteg_core.dialogue import DialogueLine
from tests.fakes.fake_sidecar import CHUNK

ROOT = Path(__file__).resolve().parents[2]
FAKE_SIDECAR = ROOT / "tests" / "fakes" / "fake_sidecar.py"
GOOD = [sys.executable, str(FAKE_SIDECAR)]
FRAMES_BEFORE_THE_ACT = 2 * CHUNK
PATIENCE = Deadlines(hello=60, load=60, generate=60, cancel=60)
HAS_PROC = Path("/proc/self/fd").is_dir()
SECONDS_TO_VANISH = 6.0
"""How long a child may take that must be killed."""


def script(body: str) -> list[str]:
    """Return the command of a child that runs ``body``."""
    return [sys.executable, "-c", body]


_ONCE = """
import os, sys
flag = sys.argv[1]
if os.path.exists(flag):
    os.execv(sys.executable, [sys.executable, sys.argv[2]])
open(flag, "w").close()
"""


def bad_once(body: str, flag: Path) -> list[str]:
    """Return the command of a child that runs ``body`` the first time, and is a good sidecar from the second on."""
    return [*script(_ONCE + body), str(flag), str(FAKE_SIDECAR)]


def fake_with(fault: str) -> str:
    """Return the body of a child that becomes the fake sidecar with a fault."""
    return f"os.execv(sys.executable, [sys.executable, sys.argv[2], {fault!r}])"


def until(condition: Callable[[], bool], step: Callable[[], object], seconds: float = 60.0) -> None:
    """Take steps until a condition holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain"
        step()


def until_under_way(job: Job) -> None:
    """Tick until a line's performer is where the line's first word sent it."""
    until(lambda: job.progress.frames >= FRAMES_BEFORE_THE_ACT, lambda: job.tick(0.05))


def performed(client: SidecarClient, *texts: str, takes: int = 1) -> Job:
    """Run a job to its end, whatever that is."""
    job = start_generate(client, [DialogueLine(text) for text in texts], takes)
    with contextlib.suppress(JobError):
        run_to_end(job)
    return job


def is_running(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def held() -> tuple[int, int, str]:
    """Return this process's descriptors, threads and children."""
    children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children")
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), children.read_text()


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Fail where descriptors, threads or processes are left that were not there before."""
    if not HAS_PROC:
        yield
        return
    gc.collect()
    before = held()
    yield
    gc.collect()
    deadline = time.monotonic() + SECONDS_TO_VANISH
    while held() != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert held() == before
