"""A sidecar that fails at every stage: what the user is told, what becomes of the line, and that the next one works.

Real child processes; each test is held to leave no descriptor, thread or process behind. Needs no bpy.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from addon.child_process import ChildProcess
from addon.jobs import JobState, start_generate
from addon.sidecar import Deadlines, SidecarClient, SidecarState
from cteg_core.dialogue import DialogueLine
from cteg_core.jsonrpc import ErrorCode
from tests.addon.sidecars import (
    FRAMES_BEFORE_THE_ACT,
    GOOD,
    HAS_PROC,
    PATIENCE,
    ROOT,
    bad_once,
    fake_with,
    held,
    is_running,
    nothing_left,
    performed,
    script,
    until,
    until_under_way,
)

needs_proc = pytest.mark.skipif(not HAS_PROC, reason="reads /proc")
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

AGAIN = "Try again: the sidecar is started anew."
FEWER = "Try again with fewer takes or shorter text: the sidecar is started anew."


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Hold every test to leave no descriptor, thread or process."""
    with nothing_left():
        yield


@pytest.fixture
def client() -> Iterator[SidecarClient]:
    with closing(SidecarClient(GOOD, PATIENCE)) as client:
        yield client


def assert_recovers(client: SidecarClient) -> None:
    """The next line is performed, by whatever sidecar is there by then."""
    job = performed(client, "next line")
    assert job.state is JobState.DONE, job.errors
    assert client.state is SidecarState.READY


KILLED_AT = {
    "before it says hello": ("import time; time.sleep(3600)", SidecarState.STARTING),
    "while it loads": (fake_with("hang-at-load"), SidecarState.LOADING),
}


@needs_posix
@pytest.mark.parametrize("stage", KILLED_AT)
def test_killed_before_it_is_ready(stage: str, tmp_path: Path) -> None:
    body, state = KILLED_AT[stage]
    with closing(SidecarClient(bad_once(body, tmp_path / "was here"), PATIENCE)) as client:
        job = start_generate(client, [DialogueLine("any line")])
        until(lambda: client.state is state and (tmp_path / "was here").exists(), lambda: job.tick(0.05))
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
        until(lambda: job.tick(0.05) is not JobState.RUNNING, lambda: None)
        assert job.state is JobState.FAILED
        assert str(job.errors[0]) == (
            f"The line “any line”: The sidecar ended by itself (killed, as happens when memory runs out). {FEWER}"
        )
        assert (client.state, client.pid, client.is_idle) == (SidecarState.STOPPED, None, True)
        assert_recovers(client)


DEATHS = {
    "die in mid stream": f"The sidecar ended by itself (exit status 7). {AGAIN}",
    "killed in mid stream": f"The sidecar ended by itself (killed, as happens when memory runs out). {FEWER}",
}


@needs_posix
@pytest.mark.parametrize("text", DEATHS)
def test_dead_in_mid_stream(client: SidecarClient, text: str) -> None:
    job = performed(client, text)
    assert job.state is JobState.FAILED
    assert str(job.errors[0]) == f"The line “{text}”: {DEATHS[text]}"
    assert job.clips_of(0) == ()
    assert_recovers(client)


def test_dead_after_the_last_frame_the_line_is_kept(client: SidecarClient) -> None:
    job = performed(client, "last words of mine")
    assert job.state is JobState.DONE
    assert [len(clip.frames) for clip in job.clips_of(0)] == [40]
    assert_recovers(client)


def test_dead_in_a_batch_the_lines_that_were_complete_are_kept(client: SidecarClient) -> None:
    job = performed(client, "one", "two", "die in mid stream", "four", takes=2)
    assert [len(job.clips_of(index)) for index in range(4)] == [2, 2, 0, 0]
    assert job.state is JobState.FAILED
    assert "exit status 7" in str(job.errors[0])
    assert_recovers(client)


STREAM_FAULTS = {
    "junk-in-stream": "(A line was not a JSON object in UTF-8.): “Grüße from a library”. Check the sidecar's command: ",
    "torn-message": f"The sidecar ended by itself (exit status 7). {AGAIN}",
    "huge-line": "(A line was longer than the 1048576 bytes of a message.): “xxx",
}


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_rubbish_in_mid_stream(fault: str, tmp_path: Path) -> None:
    with closing(SidecarClient(bad_once(fake_with(fault), tmp_path / "was here"), PATIENCE)) as client:
        if HAS_PROC:
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = peak_kilobytes()
        job = performed(client, "a line of six words here")
        assert peak_kilobytes() - before < 30_000, "a line was held in memory"
        assert job.state is JobState.FAILED
        assert STREAM_FAULTS[fault] in str(job.errors[0])
        assert len(str(job.errors[0])) < 1200
        assert_recovers(client)


def peak_kilobytes() -> int:
    """The most memory this process had; 0 where that is not told."""
    if not HAS_PROC:
        return 0
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_prints_of_a_library_are_no_part_of_the_protocol(client: SidecarClient) -> None:
    assert performed(client, "print much of it").state is JobState.DONE


def test_slow_is_not_hung() -> None:
    # Each pause is longer than half the deadline, all together longer than it.
    with closing(SidecarClient(GOOD, Deadlines(generate=2))) as client:
        assert performed(client, "slow here", "slow there").state is JobState.DONE


@needs_posix
def test_stopped_as_a_laptop_stops_it_counts_as_hung() -> None:
    with closing(SidecarClient(GOOD, PATIENCE)) as client:
        job = start_generate(client, [DialogueLine("wait for good")])
        until_under_way(job)
        assert client.pid is not None
        pid = client.pid
        client.deadlines = Deadlines(generate=1.0)
        os.kill(pid, signal.SIGSTOP)
        until(lambda: job.tick(0.05) is not JobState.RUNNING, lambda: None)
        assert job.state is JobState.FAILED
        assert str(job.errors[0]).endswith(f"The sidecar was silent for 1 s, and was stopped. {AGAIN}")
        client.deadlines = PATIENCE
        assert_recovers(client)
        until(lambda: not is_running(pid), lambda: time.sleep(0.05))


@needs_posix
def test_ending_a_child_that_clings_to_life_does_not_keep_the_caller_waiting() -> None:
    body = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    child = ChildProcess(script(body + "while True: time.sleep(60)"))
    until(lambda: child.next_line(0.1) is not None, lambda: None)
    child.end()
    assert child.exit_status is None
    child.close()
    assert child.exit_status == -signal.SIGKILL


@needs_posix
def test_what_a_wrapper_started_ends_with_it() -> None:
    # A wrapper such as a studio's launcher: the Python below it is nobody's child but its.
    body = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    child = ChildProcess(script(body))
    line = None
    while line is None:
        line = child.next_line(1)
    child.close()
    until(lambda: not is_running(int(line)), lambda: time.sleep(0.02))


@needs_proc
def test_out_of_memory_is_told_and_the_same_sidecar_goes_on(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("starve this one"), DialogueLine("fine one")])
    until(lambda: job.tick(0.05) is not JobState.RUNNING, lambda: None)
    pid = client.pid
    assert job.state is JobState.FAILED
    (error,) = job.errors
    assert "ran out of memory: ask for fewer takes, shorten the text or split the line" in str(error)
    assert len(job.clips_of(1)) == 1
    assert_recovers(client)
    assert client.pid == pid


def test_out_of_memory_has_a_code(client: SidecarClient) -> None:
    under_way = client.submit(DialogueLine("memory runs out"))
    until(lambda: under_way.is_over, lambda: client.poll(0.05))
    assert under_way.error is not None
    assert under_way.error.code == ErrorCode.OUT_OF_MEMORY


def test_a_flood_on_standard_error_is_no_obstacle(client: SidecarClient) -> None:
    assert performed(client, "flood the log", "and on").state is JobState.DONE


PARENT = """
import os, sys
sys.path.insert(0, {root!r})
from addon.sidecar import SidecarClient
from addon.jobs import start_generate
from cteg_core.dialogue import DialogueLine
client = SidecarClient({command!r})
job = start_generate(client, [DialogueLine({text!r})])
while {until}: job.tick(0.05)
print(client.pid, flush=True)
{end}
"""
ENDS = {"crash": "os._exit(1)", "kill": "os.kill(os.getpid(), 9)"}
STAGES = {
    "computing": (GOOD, "compute for many minutes", "job.progress.frames < 14"),
    "sleeping": (GOOD, "hang for good", "job.progress.frames < 14"),
    "loading": ([*GOOD, "hang-at-load"], "any", "client.state.name != 'LOADING'"),
}


@needs_posix
@pytest.mark.parametrize(
    ("stage", "end"), [("computing", "kill"), ("computing", "crash"), ("sleeping", "kill"), ("loading", "kill")]
)
def test_a_blender_that_dies_takes_the_sidecar_along(stage: str, end: str) -> None:
    command, text, condition = STAGES[stage]
    program = PARENT.format(root=str(ROOT), command=command, text=text, until=condition, end=ENDS[end])
    parent = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert parent.returncode in (1, -9), parent.stderr
    until(lambda: not is_running(int(parent.stdout)), lambda: time.sleep(0.05), seconds=5)


@needs_proc
def test_two_hundred_requests_in_a_row_grow_nothing(client: SidecarClient) -> None:
    def kilobytes(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)

    def counts(pid: int) -> tuple[int, int]:
        return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(list(Path(f"/proc/{pid}/task").iterdir()))

    def perform(count: int) -> None:
        for n in range(count):
            assert performed(client, f"line {n} has six words here", "refuse this").state is JobState.FAILED

    perform(30)
    pid = client.pid
    assert pid is not None
    before = counts(pid), held(), threading.active_count()
    memory = kilobytes(pid), kilobytes(os.getpid())
    perform(200)
    assert client.pid == pid
    assert (counts(pid), held(), threading.active_count()) == before
    # A list that kept every clip would be 200 x 60 frames x 212 bytes: 2.5 MB.
    assert kilobytes(pid) - memory[0] < 1500
    assert kilobytes(os.getpid()) - memory[1] < 1500


def test_a_pause_of_ours_is_no_silence_of_the_sidecars(client: SidecarClient) -> None:
    # Blender renders: nobody polls for longer than every deadline.
    cancelled = start_generate(client, [DialogueLine("hang and do not listen")])
    until_under_way(cancelled)
    pid = client.pid
    client.deadlines = Deadlines(cancel=1.0)
    cancelled.cancel()
    time.sleep(1.5)
    client.poll()
    assert client.pid == pid
    assert not client.is_idle
    until(lambda: client.is_idle, lambda: client.poll(0.05))
    assert client.state is SidecarState.STOPPED
    assert_recovers(client)


def test_a_cancelled_request_that_waits_for_its_turn_is_not_taken_for_deaf() -> None:
    with closing(SidecarClient(GOOD, Deadlines(cancel=0.4))) as client:
        first = client.submit(DialogueLine("wait for good"))
        until(lambda: first.frame_count > 0, lambda: client.poll(0.05))
        pid = client.pid
        second, read = client.submit(DialogueLine("never begun")), client.submit_read(["nor this"])
        client.cancel(second)
        client.cancel(read)
        for _ in range(10):
            client.poll(0.1)
            time.sleep(0.1)
        assert client.pid == pid
        assert not first.is_over
        client.cancel(first)
        until(lambda: client.is_idle, lambda: client.poll(0.05))
        assert client.pid == pid


def test_a_deaf_sidecar_costs_nothing_of_what_waits_behind_it() -> None:
    with closing(SidecarClient(GOOD, Deadlines(cancel=0.4))) as client:
        deaf = client.submit(DialogueLine("hang and do not listen"))
        until(lambda: deaf.frame_count >= FRAMES_BEFORE_THE_ACT, lambda: client.poll(0.05))
        pid = client.pid
        client.cancel(deaf)
        after = [client.submit(DialogueLine(f"line {n}")) for n in range(3)]
        until(lambda: all(line.is_over for line in after), lambda: client.poll(0.05))
        assert all(line.clips is not None for line in after)
        assert client.pid != pid


def test_cancelled_at_every_stage_nothing_arrives_any_more(client: SidecarClient) -> None:
    stages: list[Callable[[], bool]] = [
        lambda: client.state is SidecarState.STARTING,
        lambda: client.state is SidecarState.LOADING,
        lambda: client.state is SidecarState.READY,
        lambda: job.progress.frames > 0,
    ]
    for stage in stages:
        job = start_generate(client, [DialogueLine("wait " + "for it " * 30)] * 3, takes=2)
        until(lambda stage=stage: stage(), lambda job=job: job.tick(0.01))  # type: ignore[misc]
        job.cancel()
        frames = job.progress.frames
        for _ in range(5):
            client.poll(0.02)
        assert (job.state, job.progress.frames) == (JobState.CANCELLED, frames)
        if stage is not stages[-1]:
            client.close()
    assert_recovers(client)


@needs_posix
def test_an_interrupt_of_the_terminal_leaves_the_sidecar_alone(client: SidecarClient) -> None:
    assert performed(client, "first").state is JobState.DONE
    assert client.pid is not None
    assert os.getpgid(client.pid) != os.getpgid(0)
