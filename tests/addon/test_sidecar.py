"""The sidecar's client and jobs against real child processes, well-behaved and not. Needs no bpy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon import jobs
from addon.child_process import ChildProcess, isolated_environment
from addon.jobs import JobError, JobProgress, JobState, run_to_end, start_generate
from addon.sidecar import Deadlines, SidecarClient, SidecarError, SidecarState, sidecar_command, split_command
from cteg_core import __version__
from cteg_core.clip import Controls
from cteg_core.dialogue import DialogueLine
from cteg_core.emotion import EmotionRead
from tests.addon.sidecars import (
    GOOD,
    PATIENCE,
    ROOT,
    bad_once,
    nothing_left,
    performed,
    script,
    until,
    until_under_way,
)
from tests.fakes.fake_sidecar import fake_frames


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Hold every test to leave no descriptor, thread or process."""
    with nothing_left():
        yield


@pytest.fixture
def faulty_once(tmp_path: Path) -> Iterator[object]:
    """A client of a child that runs ``body`` first and is good afterwards; nothing of it is left behind."""
    clients = []

    def make(body: str, deadlines: Deadlines = PATIENCE) -> SidecarClient:
        clients.append(SidecarClient(bad_once(body, tmp_path / "was here"), deadlines))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def until_a_line(child: ChildProcess) -> None:
    """Wait for a child's first line."""
    assert child.next_line(20) is not None


@pytest.fixture
def client() -> Iterator[SidecarClient]:
    client = SidecarClient(GOOD, PATIENCE)
    yield client
    client.close()


def test_lines_become_clips(client: SidecarClient) -> None:
    controls = Controls(EmotionRead.of(joy=0.8), 1.5, 2.0, speech=False, blinks=False, variety=0.5)
    lines = [DialogueLine("one two three", seed=4), DialogueLine("你好 😀", "Zoë", 2.5, controls, 2**31 - 1)]
    job = start_generate(client, lines, takes=2)
    seen: list[JobProgress] = []
    clips = run_to_end(job, seen.append)
    assert [(clip.text, clip.seed) for clip in clips] == [
        ("one two three", 4), ("one two three", 5), ("你好 😀", 2**31 - 1), ("你好 😀", 0),
    ]  # fmt: skip
    for clip in clips:
        wanted = fake_frames(clip.text, clip.seed)
        wanted[-3:] *= 0.5
        assert clip.frames.tobytes() == wanted.tobytes()
    assert clips[2].controls == controls
    assert clips[2].emotion == controls.emotion
    assert len(clips[0].words) == 3
    assert "English" in clips[2].notes[0]
    assert (job.state, job.progress.fraction, job.progress.frames) == (JobState.DONE, 1.0, 100)
    assert [progress.frames for progress in seen] == sorted(progress.frames for progress in seen)
    assert seen[0].message == "Starting the network"
    # How many of the others are seen is the machine's speed.
    assert {progress.message for progress in seen} <= {
        "Starting the network", "Loading the model", "Performing line 1 of 2", "Performing line 2 of 2", "Done",
    }  # fmt: skip
    assert seen[-1].message == "Done"


def test_nothing_is_started_before_the_first_line(client: SidecarClient) -> None:
    client.poll()
    assert (client.state, client.pid) == (SidecarState.STOPPED, None)


def test_the_sidecar_stays_warm(client: SidecarClient) -> None:
    performed(client, "first line")
    pid = client.pid
    performed(client, "second line")
    assert pid is not None
    assert client.pid == pid


def test_a_tick_returns_while_there_is_nothing_to_do(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("wait here for good")])
    assert job.tick() is JobState.RUNNING
    until_under_way(job)
    assert [job.tick() for _ in range(100)] == [JobState.RUNNING] * 100
    job.cancel()


def test_a_refused_line_costs_only_itself(client: SidecarClient) -> None:
    job = performed(client, "fine one", "refuse this", "fine two", takes=2)
    assert [len(job.clips_of(index)) for index in range(3)] == [2, 0, 2]
    (error,) = job.errors
    assert str(error) == "Line 2 “refuse this”: The line is too sad; cheer it up."
    assert error.line_index == 1
    assert job.state is JobState.FAILED


def test_long_text_is_quoted_in_short(client: SidecarClient) -> None:
    job = performed(client, "refuse " + "very " * 300 + "long line")
    assert str(job.errors[0]).startswith("The line “refuse very very very very very very ver…”: The line is too sad")


CRASHES = {
    "before hello": (
        "sys.exit('No module named cteg_core')",
        "The sidecar ended by itself (exit status 1). Its last words: “No module named cteg_core”. Check the sidecar's",
    ),
    "at hello": (
        "sys.stdin.readline(); os._exit(3)",
        "The sidecar ended by itself (exit status 3). Check the sidecar's",
    ),
    "junk": (
        "print('Welcome to gpu-box!', flush=True); sys.stdin.read()",
        "(A line was not a JSON object in UTF-8.): “Welcome to gpu-box!”. Check the sidecar's command: ",
    ),
    "overlong": (
        "sys.stdout.write('x' * (3 << 20) + '\\n'); sys.stdout.flush(); sys.stdin.read()",
        "(A line was longer than the 1048576 bytes of a message.): “xxx",
    ),
    "endless": (
        "while True: sys.stdout.write('x' * 65536)",
        "(A line was longer than the 1048576 bytes of a message.): “xxx",
    ),
    "silent": ("sys.stdin.read()", "The sidecar did not answer within 1 s of its start. Check the sidecar's command: "),
    "wrong version": (
        'print(\'{"jsonrpc":"2.0","id":1,"result":{"protocol":1,"version":"9.9.9"}}\', flush=True); sys.stdin.read()',
        f"The sidecar is CTEG 9.9.9, but this is {__version__}: restart Blender, and if that does not help",
    ),
    "wrong protocol": (
        'print(\'{"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"Install the same."}}\', flush=True)',
        "Install the same.",
    ),
    "no object": (
        'print(\'{"jsonrpc":"2.0","id":1,"result":{"protocol":"x"}}\', flush=True); sys.stdin.read()',
        "The parameter 'protocol' of a message is a whole number",
    ),
}


@pytest.mark.parametrize("fault", CRASHES)
def test_a_sidecar_that_does_not_start_says_why_and_the_next_line_is_performed(fault: str, faulty_once) -> None:  # type: ignore[no-untyped-def]
    body, said = CRASHES[fault]
    client = faulty_once(body, Deadlines(hello=1) if fault == "silent" else PATIENCE)
    job = performed(client, "any line", "not tried")
    assert job.state is JobState.FAILED
    assert len(job.errors) == 1
    assert said in str(job.errors[0])
    assert str(job.errors[0]).startswith("Line 1 “any line”: ")
    assert (client.state, client.pid) == (SidecarState.STOPPED, None)
    client.deadlines = PATIENCE
    assert performed(client, "next").state is JobState.DONE


@pytest.mark.parametrize(
    ("text", "deadlines", "said"),
    [
        ("die in mid stream", PATIENCE, "The sidecar ended by itself (exit status 7). Try again: the sidecar is"),
        ("hang in mid stream", Deadlines(generate=5), "The sidecar was silent for 5 s, and was stopped. Try again"),
    ],
)
def test_a_sidecar_lost_in_mid_stream_is_started_anew(text: str, deadlines: Deadlines, said: str) -> None:
    client = SidecarClient(GOOD, deadlines)
    job = performed(client, "kept line", text, "not tried")
    assert said in str(job.errors[0])
    assert str(job.errors[0]).startswith("Line 2 ")
    assert [len(job.clips_of(index)) for index in range(3)] == [1, 0, 0]
    assert performed(client, "next").state is JobState.DONE
    client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_a_sidecar_killed_from_outside_is_started_anew(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("wait for the end")])
    until_under_way(job)
    assert client.pid is not None
    os.kill(client.pid, 9)
    with pytest.raises(JobError, match="killed, as happens when memory runs out"):
        run_to_end(job)
    assert performed(client, "next").state is JobState.DONE


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no-torch", "cannot import torch: install torch, transformers and safetensors there"),
        ("no-checkpoint", "There is no checkpoint in /nowhere: give --checkpoint a folder with one."),
        ("load-bug", "The sidecar's log on standard error says more."),
    ],
)
def test_a_model_that_cannot_be_loaded_fails_the_job_once(fault: str, said: str) -> None:
    client = SidecarClient([*GOOD, fault], PATIENCE)
    job = performed(client, "a line", "another")
    assert len(job.errors) == 1
    assert said in str(job.errors[0])
    assert (client.state, client.pid) == (SidecarState.STOPPED, None)


def test_a_load_that_hangs_is_ended() -> None:
    client = SidecarClient([*GOOD, "hang-at-load"], Deadlines(load=0.5))
    job = performed(client, "a line")
    assert "did not load its model within 0.5 s. Try again" in str(job.errors[0])
    assert client.pid is None


def test_a_program_that_is_not_there_is_named() -> None:
    client = SidecarClient(["/nowhere/python", "-m", "cteg_core"])
    job = performed(client, "a line")
    assert str(job.errors[0]) == (
        "The line “a line”: The sidecar's program /nowhere/python cannot be started: No such file or directory. "
        "Check the sidecar's command: /nowhere/python -m cteg_core"
    )


def test_a_flood_on_standard_error_neither_blocks_nor_grows(client: SidecarClient) -> None:
    assert performed(client, "flood the log").state is JobState.DONE
    assert client._child is not None
    tail = client._child.stderr_tail()
    assert len(tail) <= 60
    assert all(len(line) <= 501 for line in tail)


def test_a_cancelled_job_leaves_nothing_for_the_next(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("wait for the cancel"), DialogueLine("never")], takes=3)
    until_under_way(job)
    pid = client.pid
    job.cancel()
    assert job.tick() is JobState.CANCELLED
    with pytest.raises(JobError, match="cancelled"):
        job.result()
    (clip,) = run_to_end(start_generate(client, [DialogueLine("next line here")]))
    assert clip.text == "next line here"
    assert client.pid == pid


def test_a_job_cancelled_before_the_sidecar_is_up(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("never sent")])
    job.cancel()
    assert performed(client, "next").state is JobState.DONE


def test_a_cancel_that_is_not_heard_ends_the_sidecar() -> None:
    client = SidecarClient(GOOD, Deadlines(cancel=0.3))
    job = start_generate(client, [DialogueLine("hang and do not listen")])
    until_under_way(job)
    pid = client.pid
    job.cancel()
    until(lambda: client.pid is None, lambda: client.poll(0.05))
    assert performed(client, "next").state is JobState.DONE
    assert client.pid != pid
    client.close()


def test_an_interrupt_cancels_the_job(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("wait for the interrupt")])

    def interrupt(_: JobProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_to_end(job, interrupt)
    assert job.state is JobState.CANCELLED
    assert performed(client, "next").state is JobState.DONE


def test_closing_ends_the_process_and_the_job(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("wait for the end")])
    until_under_way(job)
    child = client._child
    assert child is not None
    client.close()
    assert child.exit_status is not None
    assert job.tick() is JobState.CANCELLED


def test_a_child_that_ignores_every_request_to_end_is_killed() -> None:
    body = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)"
    )
    child = ChildProcess(script(body))
    until_a_line(child)
    child.close(polite=b"please\n")
    assert child.exit_status not in (None, 0)


def test_a_child_that_never_reads_does_not_block_the_caller() -> None:
    child = ChildProcess(script("import time; print('up', flush=True); time.sleep(3600)"))
    until_a_line(child)

    def send_too_much() -> None:
        for _ in range(2000):
            child.send(b"x" * 65536)

    with pytest.raises(BrokenPipeError):
        send_too_much()
    child.close()
    assert child.exit_status is not None


def test_fifty_starts_leave_no_descriptors_threads_or_processes() -> None:
    with nothing_left():
        for _ in range(50):
            child = ChildProcess(script("import sys; sys.stdin.read()"))
            child.close(polite=b"bye\n")


@pytest.mark.parametrize(
    ("lines", "takes", "said"),
    [([], 1, "no line to perform"), (["a"], 0, "1 to 64 times at once; 0"), (["a"], 65, "1 to 64 times at once; 65")],
)
def test_a_job_without_work_is_refused(client: SidecarClient, lines: list[str], takes: int, said: str) -> None:
    with pytest.raises(JobError, match=said):
        start_generate(client, [DialogueLine(text) for text in lines], takes)
    assert client.pid is None


@pytest.mark.parametrize(
    ("preference", "environment", "command"),
    [
        ("python3 -m cteg_core serve", {}, ["python3", "-m", "cteg_core", "serve"]),
        ("mine serve", {"CTEG_SIDECAR": " theirs serve "}, ["theirs", "serve"]),
        ("'/a b/python' -m x", {"CTEG_SIDECAR": ""}, ["/a b/python", "-m", "x"]),
        ("x; rm -rf $HOME | cat > `y` #z", {}, ["x;", "rm", "-rf", "$HOME", "|", "cat", ">", "`y`", "#z"]),
    ],
)
def test_the_command_comes_from_the_environment_or_the_preferences(
    preference: str, environment: dict[str, str], command: list[str]
) -> None:
    assert sidecar_command(preference, environment) == command


@pytest.mark.parametrize(
    ("preference", "said"),
    [
        ("  ", "The network is not set up: press Set Up in the CTEG add-on's preferences."),
        ("python 'x", "a quote without its partner: python 'x"),
    ],
)
def test_a_command_that_cannot_be_one_is_explained(preference: str, said: str) -> None:
    with pytest.raises(SidecarError) as refusal:
        sidecar_command(preference, {})
    assert said in str(refusal.value)


def test_paths_of_windows_keep_their_backslashes() -> None:
    text = r'"C:\Program Files\Python\python.exe" -m cteg_core serve --log C:\logs\a.log'
    assert split_command(text, windows=True) == [
        r"C:\Program Files\Python\python.exe", "-m", "cteg_core", "serve", "--log", r"C:\logs\a.log",
    ]  # fmt: skip


def test_the_child_does_not_see_this_pythons_settings() -> None:
    mine = {"PYTHONPATH": "/x", "PYTHONHOME": "/y", "PYTHONSTARTUP": "/z", "PATH": "/bin", "HOME": "/home/me"}
    theirs = isolated_environment(mine)
    assert {name: theirs[name] for name in ("PATH", "HOME")} == {"PATH": "/bin", "HOME": "/home/me"}
    assert not {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"} & set(theirs)
    assert (theirs["PYTHONNOUSERSITE"], theirs["PYTHONSAFEPATH"], theirs["PYTHONUTF8"]) == ("1", "1", "1")


def test_the_shared_client_lasts_until_its_command_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTEG_SIDECAR", raising=False)
    first = jobs.shared_client("python3 a")
    assert jobs.shared_client("python3 a") is first
    second = jobs.shared_client("python3 b")
    assert second is not first
    assert list(second.command) == ["python3", "b"]
    jobs.close_shared_client()
    assert jobs.shared_client("python3 b") is not second
    jobs.close_shared_client()


def test_the_running_job_is_known_while_it_runs(client: SidecarClient) -> None:
    job = start_generate(client, [DialogueLine("wait for the cancel")])
    assert jobs.running_job() is job
    job.cancel()
    assert jobs.running_job() is None


def test_the_client_needs_no_bpy() -> None:
    program = (
        f"import sys, types; sys.path.insert(0, {str(ROOT)!r})\n"
        "sys.modules['bpy'] = None\n"
        "package = types.ModuleType('addon')\n"
        f"package.__path__ = [{str(ROOT / 'addon')!r}]\n"
        "sys.modules['addon'] = package\n"
        "import addon.jobs\n"
    )
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
