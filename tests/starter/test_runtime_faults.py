"""What goes wrong while an environment is set up: what the user reads, what is left, and that the next time works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from addon import runtime_job
from addon.runtime import marker, ownership, setting_up, sizes, worker
from addon.runtime.errors import SetupError
from addon.runtime.locks import is_held
from addon.runtime.place import Place, too_long
from addon.runtime.progress import Progress
from addon.runtime.recipe import Recipe
from addon.runtime.states import State, status_of
from addon.runtime.wish import Wish
from addon.runtime_job import SetupJob, SetupState
from tests.addon.sidecars import HAS_PROC, is_running, nothing_left, until
from tests.fakes.runtime_wheels import VERSION, StandIn, own_wheel, recipe_from

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")

SLOW = "echo '  Downloading torch-2.13.0-cp311-cp311-any.whl (190.5 MB)'; echo $$ > '{pid}'; exec sleep 600"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Hold every test to leave no descriptor, thread or process."""
    with nothing_left():
        yield


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "Zoë's runtime")


@pytest.fixture
def python(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "python")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return recipe_from(own_wheel(tmp_path / "own"), "3.99")


def started(place: Place, recipe: Recipe, python: StandIn) -> SetupJob:
    return SetupJob(worker.order(worker.SET_UP, place, recipe, Wish(python=python.path)))


def ended(job: SetupJob) -> SetupJob:
    until(lambda: job.state is not SetupState.RUNNING, lambda: job.tick(0.05), seconds=120)
    job.close()
    return job


def in_pip(job: SetupJob, pid: Path) -> int:
    """Wait until pip is at work, and return its process."""
    until(lambda: pid.is_file() and pid.read_text().strip() != "", lambda: job.tick(0.05), seconds=120)
    return int(pid.read_text())


def set_up(place: Place, recipe: Recipe, python: StandIn) -> marker.Marker:
    return setting_up.set_up(place, recipe, Wish(python=python.path), lambda _progress: None)


def works(place: Place, recipe: Recipe, python: StandIn) -> None:
    """Assert that the next time does it."""
    python.does("true")
    job = ended(started(place, recipe, python))
    assert (job.state, job.error) == (SetupState.DONE, "")
    status = status_of(place, recipe)
    assert status.state is State.READY, status.sentence
    assert status.marker is not None
    assert status.marker.found is not None
    assert status.marker.found.packages["cteg"] == VERSION


def test_cancelled_while_pip_works(place: Place, recipe: Recipe, python: StandIn, tmp_path: Path) -> None:
    python.does(SLOW.format(pid=tmp_path / "pid"))
    job = started(place, recipe, python)
    pip = in_pip(job, tmp_path / "pid")
    until(lambda: "Fetching torch" in job.progress.message, lambda: job.tick(0.05))
    assert 0.0 < job.progress.fraction < 1.0
    assert status_of(place, recipe).state is State.INSTALLING
    job.cancel()
    assert ended(job).state is SetupState.CANCELLED
    assert job.error == ""
    assert not is_running(pip)
    status = status_of(place, recipe)
    assert (status.state, status.sentence) == (State.BROKEN, "The set-up was cut off before it was done.")
    works(place, recipe, python)


@pytest.mark.parametrize("victim", ["all of it", "pip"])
def test_killed_while_pip_works(victim: str, place: Place, recipe: Recipe, python: StandIn, tmp_path: Path) -> None:
    python.does(SLOW.format(pid=tmp_path / "pid"))
    job = started(place, recipe, python)
    pip = in_pip(job, tmp_path / "pid")
    if victim == "pip":
        os.kill(pip, signal.SIGKILL)
    else:
        os.killpg(job.pid, signal.SIGKILL)
    assert ended(job).state is SetupState.FAILED
    said = "pip was ended by signal 9" if victim == "pip" else "The set-up ended by itself. Try again"
    assert said in job.error
    assert not is_running(pip)
    assert not is_held(place)
    assert status_of(place, recipe).state is State.BROKEN
    works(place, recipe, python)


@pytest.mark.skipif(not HAS_PROC, reason="looks for the child's child")
def test_it_ends_with_the_program_that_started_it(
    place: Place, recipe: Recipe, python: StandIn, tmp_path: Path
) -> None:
    python.does(SLOW.format(pid=tmp_path / "pid"))
    command = [sys.executable, "-I", "-B", str(Path(runtime_job.__file__).parent / "runtime")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(worker.order(worker.SET_UP, place, recipe, Wish(python=python.path)))
        child.stdin.flush()
        pid = tmp_path / "pid"
        until(lambda: pid.is_file() and pid.read_text().strip() != "", lambda: None, seconds=120)
        child.stdin.close()
        last = child.stdout.read().decode().strip().splitlines()[-1]
        assert json.loads(last) == {"cancelled": ""}
        assert child.wait(20) == 130
    assert not is_running(int(pid.read_text()))
    works(place, recipe, python)


@pytest.mark.parametrize(
    ("pip", "said"),
    [
        ("echo 'WARNING: Retrying after NewConnectionError(...)'; exit 1", "the package index cannot be reached"),
        ("echo 'ERROR: [Errno 28] No space left on device'; exit 1", "the disk is full: free about 4 GB"),
        ("echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES'; exit 1", "a package is damaged: fetch it anew"),
        ("echo 'ERROR: No matching distribution found for torch==2.13.0'; exit 1", "there is no torch==2.13.0 for"),
        ("echo 'No module named pip'; exit 1", "this Python has no pip"),
        ("echo 'ERROR: a new kind of trouble'; exit 2", "a new kind of trouble"),
    ],
)
def test_a_failure_of_pip_is_told_and_kept(pip: str, said: str, place: Place, recipe: Recipe, python: StandIn) -> None:
    python.does(pip)
    job = ended(started(place, recipe, python))
    assert job.state is SetupState.FAILED
    assert said in job.error
    assert str(place.log) in job.error
    # The reason is there still after a restart.
    assert status_of(place, recipe).sentence == job.error
    works(place, recipe, python)


def test_the_log_of_the_time_before_is_kept(place: Place, recipe: Recipe, python: StandIn) -> None:
    python.does("echo 'ERROR: the first'; exit 1")
    ended(started(place, recipe, python))
    works(place, recipe, python)
    assert "the first" in (place.folder / "setup.log.1").read_text(encoding="utf-8")
    assert "the first" not in place.log.read_text(encoding="utf-8")


def test_an_encoder_that_is_another_is_refused(place: Place, recipe: Recipe, python: StandIn) -> None:
    other = replace(recipe.encoder, sha256=dict(recipe.encoder.sha256) | {"vocab.txt": "0" * 64})
    with pytest.raises(SetupError, match=r"vocab\.txt is not the file this project was made with"):
        set_up(place, replace(recipe, encoder=other), python)
    works(place, recipe, python)


def test_a_part_that_is_missing_afterwards_is_missed(place: Place, recipe: Recipe, python: StandIn) -> None:
    works(place, recipe, python)
    next(place.venv.glob("share/**/vocab.txt")).unlink()
    with pytest.raises(SetupError, match=r"The text encoder's vocab\.txt is missing"):
        setting_up.check(place, recipe)
    works(place, recipe, python)
    place.python.unlink()
    assert f"A part of it is gone: {place.python}" in status_of(place, recipe).sentence
    works(place, recipe, python)
    known = marker.read(place)
    assert known is not None
    marker.write(place, replace(known, base="/gone/python3.99"))
    assert status_of(place, recipe).sentence == "The Python that it was made with is gone: /gone/python3.99."
    works(place, recipe, python)


def test_a_device_that_is_not_there_is_told(place: Place, recipe: Recipe, python: StandIn) -> None:
    with pytest.raises(SetupError, match=r"torch 2\.13\.0 finds no device “mps” here"):
        setting_up.set_up(place, recipe, Wish("mps", python=python.path), lambda _progress: None)
    assert status_of(place, recipe).state is State.BROKEN
    # What is there serves another device, and none of it is made anew.
    before = place.python.stat().st_ino
    assert setting_up.set_up(place, recipe, Wish("cpu"), lambda _progress: None).device == "cpu"
    assert place.python.stat().st_ino == before


class TestNothingIsMade:
    """What is known before anything is made leaves nothing behind."""

    @pytest.fixture(autouse=True)
    def stays_unmade(self, place: Place, recipe: Recipe) -> Iterator[None]:
        yield
        assert not place.folder.exists()
        assert status_of(place, recipe).state is State.NOT_INSTALLED

    def test_with_a_python_of_another_version(self, place: Place, recipe: Recipe, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"that you chose, .*, is a 3\.98: choose a Python 3\.99"):
            set_up(place, recipe, StandIn(tmp_path / "other", "3.98"))

    def test_with_a_python_that_is_none(self, place: Place, recipe: Recipe, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no program")
        with pytest.raises(SetupError, match="does not run or has no venv module"):
            setting_up.set_up(place, recipe, Wish(python=tmp_path / "text"), lambda _progress: None)

    def test_where_no_python_is_found(self, place: Place, recipe: Recipe) -> None:
        with pytest.raises(SetupError, match=r"No working Python 3\.99 .* was found, which the network needs"):
            setting_up.set_up(place, recipe, Wish(), lambda _progress: None)

    def test_on_a_disk_that_is_full(
        self, place: Place, recipe: Recipe, python: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(sizes.shutil, "disk_usage", lambda _path: usage(100, 100, 90_000_000))
        with pytest.raises(SetupError, match=r"90 MB are free on the disk of .*, and about .* are needed"):
            set_up(place, recipe, python)

    def test_from_a_folder_that_is_not_there(self, place: Place, recipe: Recipe, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"There is no folder .* to take wheels from"):
            setting_up.set_up(place, recipe, Wish(wheels=tmp_path / "none"), lambda _progress: None)


class TestWhatIsNotOurs:
    def test_a_folder_with_other_things_is_refused(self, place: Place, recipe: Recipe, python: StandIn) -> None:
        place.folder.mkdir()
        (place.folder / "venv").mkdir()
        with pytest.raises(SetupError, match=r"holds other files \(venv"):
            set_up(place, recipe, python)
        assert [path.name for path in place.folder.iterdir()] == ["venv"]

    def test_a_folder_in_the_place_of_ours_is_left(self, place: Place, recipe: Recipe, python: StandIn) -> None:
        works(place, recipe, python)
        shutil.rmtree(place.venv)
        place.venv.mkdir()
        (place.venv / "mine").touch()
        with pytest.raises(SetupError, match="was not made by this set-up, so it is left as it is"):
            set_up(place, recipe, python)
        assert len(setting_up.remove(place, lambda _progress: None)) == 1
        assert [path.name for path in place.venv.iterdir()] == ["mine"]

    def test_a_link_in_the_place_of_ours_is_not_followed(
        self, place: Place, recipe: Recipe, python: StandIn, tmp_path: Path
    ) -> None:
        works(place, recipe, python)
        place.venv.rename(tmp_path / "elsewhere")
        place.venv.symlink_to(tmp_path / "elsewhere")
        assert status_of(place, recipe).state is State.READY
        assert "was not made by this set-up" in setting_up.remove(place, lambda _progress: None)[0]
        assert (tmp_path / "elsewhere" / ownership.IDENTITY).is_file()
        assert place.venv.is_symlink()

    def test_a_folder_that_was_there_before_stays(self, place: Place, recipe: Recipe, python: StandIn) -> None:
        place.folder.mkdir()
        works(place, recipe, python)
        setting_up.remove(place, lambda _progress: None)
        assert list(place.folder.iterdir()) == []

    def test_a_folder_of_its_own_goes(self, place: Place, recipe: Recipe, python: StandIn) -> None:
        works(place, recipe, python)
        job = ended(SetupJob(worker.order(worker.REMOVE, place)))
        assert (job.state, job.left) == (SetupState.DONE, ())
        assert not place.folder.exists()

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "other"}', '{"kind": "cteg-runtime"}'])
    def test_a_marker_that_cannot_be_believed_stops_everything(
        self, text: str, place: Place, recipe: Recipe, python: StandIn
    ) -> None:
        place.folder.mkdir()
        place.marker.write_text(text)
        status = status_of(place, recipe)
        assert (status.state, status.is_writable) == (State.BROKEN, False)
        with pytest.raises(SetupError, match="is damaged, so nothing tells what in that folder is whose"):
            set_up(place, recipe, python)
        with pytest.raises(SetupError, match="is damaged"):
            setting_up.remove(place, lambda _progress: None)
        assert place.marker.read_text() == text


def test_a_removal_that_was_cut_off_can_be_done_again(place: Place, recipe: Recipe, python: StandIn) -> None:
    works(place, recipe, python)
    known = marker.read(place)
    assert known is not None
    # As a kill in the middle leaves it.
    marker.write(place, replace(known, steps={}, found=None, problem="It was not removed to its end."))
    place.python.unlink()
    assert status_of(place, recipe).state is State.BROKEN
    assert setting_up.remove(place, lambda _progress: None) == ()
    assert not place.folder.exists()


def test_windows_is_told_what_is_too_long() -> None:
    folder = Path("C:/Users/somebody/AppData/Roaming/Blender Foundation/Blender/5.2/extensions/.user/cteg/runtime")
    sentence = too_long(folder, windows=True, long_paths=False)
    assert "choose a folder of at most 54 letters" in sentence
    assert too_long(folder, windows=True, long_paths=True) == ""
    assert too_long(folder, windows=False, long_paths=False) == ""
    assert too_long(Path("C:/cteg"), windows=True, long_paths=False) == ""


def test_what_pip_says_becomes_progress(tmp_path: Path) -> None:
    from addon.runtime.progress import PipProgress

    downloads, packages = tmp_path / "downloads", tmp_path / "packages"
    (downloads / "pip-unpack-x").mkdir(parents=True)
    packages.mkdir()
    follower = PipProgress(downloads, packages, 200_000_000)
    assert follower.measure() == ("Asking for packages", 0.0, 0, 200_000_000)
    follower.line("  Downloading torch-2.13.0-cp311-cp311-win_amd64.whl (190.5 MB)")
    (downloads / "pip-unpack-x" / "torch.whl").write_bytes(b"0" * 1_000_000)
    message, share, fetched, expected = follower.measure()
    assert str(Progress(message, share, fetched, expected)) == "Fetching torch-2.13.0: 1 MB of about 200 MB"
    assert share == pytest.approx(0.7 / 200)
    follower.line("  Using cached numpy-2.4.6-cp311-cp311-win_amd64.whl (15.5 MB)")
    assert follower.measure()[::3] == ("Fetching numpy-2.4.6", 206_000_000)
    follower.line("Installing collected packages: mpmath, numpy, torch")
    (packages / "mpmath-1.3.0.dist-info").mkdir()
    assert follower.measure() == ("Unpacking, 1 of 3 packages", pytest.approx(0.8), 0, 0)
