"""Setting up for real: real environments, a real pip, and tiny wheels in the place of the big ones."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from addon.runtime import marker, setting_up, states, worker
from addon.runtime.errors import SetupError
from addon.runtime.locks import held, is_held
from addon.runtime.pip import Pip
from addon.runtime.place import Place
from addon.runtime.processes import run_command
from addon.runtime.progress import Progress
from addon.runtime.recipe import Recipe
from addon.runtime.states import State, sidecar_command, status_of
from addon.runtime.wish import Wish
from addon.runtime_job import SetupJob, SetupState
from tests.addon.sidecars import nothing_left, until
from tests.fakes.runtime_wheels import VERSION, own_wheel, recipe_from, wheel_folder

LONG = "a long name " * 10


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_folder(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return recipe_from(own_wheel(tmp_path_factory.mktemp("own")))


def made(place: Place, recipe: Recipe, wish: Wish) -> SetupJob:
    """Set up in a process of its own, as the preferences do, to the end."""
    with nothing_left():
        job = SetupJob(worker.order(worker.SET_UP, place, recipe, wish))
        until(lambda: job.state is not SetupState.RUNNING, lambda: job.tick(0.1), seconds=900)
        job.close()
    return job


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, wheels: Path, recipe: Recipe) -> Iterator[Place]:
    """An environment in a folder with blanks, letters of other scripts and a long name."""
    place = Place(tmp_path_factory.mktemp("Zoë's 視頻") / LONG / "runtime")
    job = made(place, recipe, Wish(wheels=wheels))
    assert job.error == ""
    assert job.state is SetupState.DONE
    yield place
    shutil.rmtree(place.folder, ignore_errors=True)


def quietly(_progress: Progress) -> None:
    pass


def test_it_is_ready_and_says_what_it_found(ready: Place, recipe: Recipe) -> None:
    status = status_of(ready, recipe)
    assert status.state is State.READY, status.sentence
    assert status.marker is not None
    found = status.marker.found
    assert found is not None
    assert found.packages == {
        "torch": "2.13.0+fake", "transformers": "5.23.0", "safetensors": "0.9.0", "numpy": "2.0.0", "cteg": VERSION,
    }  # fmt: skip
    assert set(found.devices) == {"cpu"}
    assert sidecar_command(ready, status.marker) == [str(ready.python), "-I", "-m", "cteg_core", "serve"]
    assert not ready.downloads.exists()
    assert "Successfully installed" in ready.log.read_text(encoding="utf-8")


def test_a_second_time_changes_nothing_and_asks_pip_nothing(ready: Place, recipe: Recipe) -> None:
    before = ready.marker.read_bytes(), ready.marker.stat().st_mtime_ns
    # With no folder of wheels pip would have to ask an index.
    setting_up.set_up(ready, recipe, Wish(), quietly)
    assert (ready.marker.read_bytes(), ready.marker.stat().st_mtime_ns) == before
    assert "pip" not in ready.log.read_text(encoding="utf-8")


def test_who_may_not_write_uses_it_all_the_same(ready: Place, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states.os, "access", lambda _path, mode: mode != os.W_OK)
    status = status_of(ready, recipe)
    assert (status.state, status.is_writable) == (State.READY, False)
    monkeypatch.setattr(marker, "write", lambda *_: pytest.fail("written"))
    assert setting_up.set_up(ready, recipe, Wish(), quietly).found == status.marker.found  # type: ignore[union-attr]
    newer = replace(recipe, version="0.2.0")
    assert "It is shared, and you may not change" in status_of(ready, newer).sentence


def test_another_set_up_is_waited_for(ready: Place, recipe: Recipe) -> None:
    with held(ready):
        assert is_held(ready)
        assert status_of(ready, recipe).state is State.INSTALLING
        with pytest.raises(SetupError, match="Another set-up is at work"):
            setting_up.set_up(ready, recipe, Wish(), quietly)
    assert status_of(ready, recipe).state is State.READY


def test_a_newer_add_on_brings_its_own_wheel_and_fetches_nothing(ready: Place, recipe: Recipe, tmp_path: Path) -> None:
    newer = recipe_from(own_wheel(tmp_path, "0.1.0+hnewer"))
    status = status_of(ready, newer)
    assert status.state is State.UPDATE
    assert status.sentence == f"It holds CTEG {VERSION}, and this is 0.1.0+hnewer."
    found = setting_up.set_up(ready, newer, Wish(), quietly).found
    assert found is not None
    assert found.packages["cteg"] == "0.1.0+hnewer"
    assert status_of(ready, newer).state is State.READY
    setting_up.set_up(ready, recipe, Wish(), quietly)
    assert status_of(ready, recipe).state is State.READY


def test_a_wheel_cut_off_half_way_is_installed_anew(ready: Place, recipe: Recipe) -> None:
    known = marker.read(ready)
    assert known is not None
    inside = ready.python.parent.parent.glob("**/site-packages/cteg-*.dist-info/RECORD")
    next(inside).unlink()
    marker.write(ready, replace(known, steps=dict(known.steps) | {"wheel": marker.UNFINISHED}))
    assert status_of(ready, recipe).state is State.BROKEN
    setting_up.set_up(ready, recipe, Wish(), quietly)
    assert status_of(ready, recipe).state is State.READY


def test_damage_is_found_by_a_check_and_repaired(ready: Place, recipe: Recipe, wheels: Path) -> None:
    shutil.rmtree(next(ready.venv.glob("**/site-packages/torch")))
    with pytest.raises(SetupError, match="The packages do not load: ModuleNotFoundError: No module named 'torch'"):
        setting_up.check(ready, recipe)
    told: list[Progress] = []
    setting_up.set_up(ready, recipe, Wish(wheels=wheels), told.append)
    assert "Removing what was there before" in [progress.message for progress in told]
    assert [progress.fraction for progress in told[-1:]] == [1.0]
    assert setting_up.check(ready, recipe).found is not None


def test_a_wheel_that_is_damaged_is_named(ready: Place, tmp_path: Path) -> None:
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"PK\3\4 cut off")
    pip = Pip(
        ready.python,
        ready.log,
        lambda command, title, environment: run_command(
            command, title, seconds=120, show=lambda _line: None, environment=environment
        ),
        wheels=tmp_path,
    )
    with pytest.raises(SetupError, match=r"broken.* is damaged: fetch it anew"):
        pip.install(["broken==1.0"])
    with pytest.raises(SetupError, match=r"there is no absent==1\.0 for this Python and this system"):
        pip.install(["absent==1.0"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets only some make links")
def test_removing_takes_what_was_made_and_nothing_else(ready: Place, recipe: Recipe, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "film.blend").write_text("years of work")
    (ready.venv / "link out").symlink_to(precious)
    (ready.folder / "notes.txt").write_text("mine")
    assert setting_up.remove(ready, quietly) == ()
    assert (precious / "film.blend").read_text() == "years of work"
    assert [path.name for path in ready.folder.iterdir()] == ["notes.txt"]
    assert status_of(ready, recipe).state is State.NOT_INSTALLED
    with pytest.raises(SetupError, match="There is no environment of CTEG"):
        setting_up.remove(ready, quietly)
    with pytest.raises(SetupError, match=r"holds other files \(notes\.txt"):
        setting_up.set_up(ready, recipe, Wish(), quietly)
