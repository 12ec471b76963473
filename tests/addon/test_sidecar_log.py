"""The sidecar's log: where it lies, what it holds, that it stays small, and that the user is told of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from addon import sidecar_log
from addon.jobs import JobState
from addon.log_file import RotatingLog, extended_path
from addon.sidecar import SidecarClient
from tests.addon.sidecars import GOOD, PATIENCE, bad_once, nothing_left, performed, script


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Hold every test to leave no descriptor, thread or process."""
    with nothing_left():
        yield


def deep(folder: Path) -> Path:
    """A place with blanks, letters of many scripts, and more of them than Windows takes without being asked."""
    for part in ("Zoë's files", "видео 日本語 😀", "x" * 100, "y" * 100):
        folder /= part
    return folder / "sidecar.log"


def test_what_the_sidecar_says_is_kept_and_its_user_told_where(tmp_path: Path) -> None:
    log = deep(tmp_path)
    with closing(SidecarClient(GOOD, PATIENCE, log)) as client:
        assert performed(client, "secret confession").state is JobState.DONE
        for job in (performed(client, "bug in here"), performed(client, "bug in here", "and more")):
            assert str(job.errors[0]).endswith(f"Its log: “{log}”.")
        died = performed(client, "die in mid stream")
        assert f"(exit status 7). Its log: “{log}”. Try again" in str(died.errors[0])
    text = log.read_text(encoding="utf-8")
    assert f"starting {sys.executable}" in text
    assert "request 3 generate: done" in text
    assert "ZeroDivisionError" in text
    assert "secret" not in text


def test_a_refused_line_needs_no_log(tmp_path: Path) -> None:
    with closing(SidecarClient(GOOD, PATIENCE, tmp_path / "sidecar.log")) as client:
        assert "log" not in str(performed(client, "refuse this").errors[0])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.stderr.write('ssh: no route to host'); sys.exit(255)", "“ssh: no route to host”"),
        ("raise OSError('no space left on device')", "“OSError: no space left on device”"),
        ("sys.stderr.write('bad byte \\udcff, ' + 'long ' * 1000 + '\\n'); sys.exit(3)", "“bad byte ?, long"),
        ("os.abort()", "(signal 6)" if sys.platform != "win32" else "exit status"),
    ],
)
def test_the_last_words_of_a_child_that_dies_early_are_quoted(body: str, said: str, tmp_path: Path) -> None:
    log = tmp_path / "sidecar.log"
    prelude = "import faulthandler; faulthandler.disable(); sys.stderr.reconfigure(errors='replace'); "
    with closing(SidecarClient(bad_once(prelude + body, tmp_path / "was here"), PATIENCE, log)) as client:
        job = performed(client, "a line")
        assert job.state is JobState.FAILED
        assert said in str(job.errors[0])
        assert f"Its log: “{log}”. Check the sidecar's command: " in str(job.errors[0])
        assert len(str(job.errors[0])) < 1500
        assert performed(client, "next").state is JobState.DONE
    if "no route" in said:
        assert "ssh: no route to host" in log.read_text(encoding="utf-8")


def test_a_program_that_is_not_there_is_told_with_the_log_closed(tmp_path: Path) -> None:
    with closing(SidecarClient(["/nowhere/python"], PATIENCE, tmp_path / "sidecar.log")) as client:
        assert "cannot be started: No such file or directory." in str(performed(client, "a line").errors[0])


def test_a_flood_keeps_the_log_small(tmp_path: Path) -> None:
    log = tmp_path / "sidecar.log"
    with closing(SidecarClient(GOOD, PATIENCE, log)) as client:
        assert performed(client, "flood the log").state is JobState.DONE
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["sidecar.log", "sidecar.log.1", "sidecar.log.2"]
    assert all(path.stat().st_size <= 1_000_000 for path in tmp_path.iterdir())


def test_a_place_that_cannot_be_written_costs_the_log_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with closing(SidecarClient(GOOD, PATIENCE, tmp_path / "file" / "sidecar.log")) as client:
        job = performed(client, "fine", "die in mid stream")
        assert len(job.clips_of(0)) == 1
        assert "log" not in str(job.errors[0])


def test_lines_are_appended_and_old_files_move_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for text in (b"one", b"two", b"three", b"four"):
        log = RotatingLog(path, limit=9, old_files=2)
        log.write(text)
        log.close()
        log.write(b"never")
    # 4 + 4 bytes fit 9; with “three” and its newline they do not.
    assert path.read_bytes() == b"four\n"
    assert path.with_name("a.log.1").read_bytes() == b"three\n"
    assert path.with_name("a.log.2").read_bytes() == b"one\ntwo\n"


def test_a_log_that_cannot_be_renamed_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1" / "in the way").touch()
    log = RotatingLog(path, limit=9, old_files=1)
    for text in (b"one", b"two", b"three"):
        log.write(text)
    log.close()
    assert path.read_bytes() == b"three\n"


@pytest.mark.parametrize(
    ("path", "windows", "wanted"),
    [
        ("C:\\short", True, "C:\\short"),
        ("C:\\" + "x" * 250, True, "\\\\?\\C:\\" + "x" * 250),
        ("\\\\server\\" + "x" * 250, True, "\\\\?\\UNC\\server\\" + "x" * 250),
        ("\\\\?\\C:\\" + "x" * 250, True, "\\\\?\\C:\\" + "x" * 250),
        ("/" + "x" * 250, False, "/" + "x" * 250),
    ],
)
def test_windows_is_told_that_a_path_is_long(path: str, windows: bool, wanted: str) -> None:
    assert extended_path(path, windows) == wanted


def test_a_checkout_keeps_no_log() -> None:
    sidecar_log.choose()
    assert sidecar_log.chosen() is None


def test_the_extension_keeps_its_log_in_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar_log, "__package__", "bl_ext.user_default.cteg")
    try:
        sidecar_log.choose()
        place = sidecar_log.chosen()
    finally:
        monkeypatch.undo()
        sidecar_log.choose()
    assert place is not None
    assert place.parts[-2:] == ("logs", "sidecar.log")
    assert "cteg" in place.parts


def test_a_child_without_a_log_is_quoted_all_the_same(tmp_path: Path) -> None:
    with closing(SidecarClient(script("raise SystemExit('no such device')"), PATIENCE)) as client:
        assert "Its last words: “no such device”." in str(performed(client, "a line").errors[0])
