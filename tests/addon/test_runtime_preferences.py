"""The preferences page, its buttons, the command line, and which command the sidecar gets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

import addon
from addon import command, jobs, preferences, runtime_job, runtime_panel, runtime_place, runtime_trial
from addon.operators import runtime as buttons
from addon.panels.performance import CTEG_PT_performance
from addon.runtime.builds import uv_command, wanted_build
from addon.runtime.place import Place
from addon.runtime.recipe import Recipe, recipe_of
from addon.runtime.sizes import Sizes, in_words
from addon.runtime.states import State
from addon.runtime.wish import Wish
from addon.sidecar import SidecarError, sidecar_command
from cteg_core import __version__
from tests.addon.drawn import Layout, draw, self_context, texts
from tests.addon.stage import add_line, box
from tests.fakes.runtime_wheels import CARRIER, VERSION, StandIn, own_wheel, wheel_folder

FAKE_SIDECAR = Path(__file__).resolve().parents[1] / "fakes" / "fake_sidecar.py"

needs_a_shell = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


class Page:
    """The add-on with an environment to set up: what it carries, where, and with which Python."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.python = StandIn(folder / "python", "3.11")
        self.place = Place(folder / "runtime")
        self.addon_folder = folder / "addon"
        self.wheels = wheel_folder(folder / "wheels")
        self.wish = Wish(wheels=self.wheels, python=self.python.path)
        self.carry(VERSION)
        monkeypatch.setattr(preferences, "wish", lambda: self.wish)
        monkeypatch.setattr(runtime_place, "recipe_of", self._recipe)
        monkeypatch.setattr(preferences, "choose_folder", self.choose)
        self.choose()

    def _recipe(self, wheel: Path) -> Recipe:
        read = recipe_of(wheel)
        return Recipe(read.wheel, read.version, read.requirements, CARRIER)

    def carry(self, version: str) -> None:
        """Let the add-on carry a wheel of another version."""
        for old in self.addon_folder.glob("wheels/*"):
            old.unlink()
        own_wheel(self.addon_folder / "wheels", version)

    def choose(self) -> None:
        """Choose folder and recipe, as registration does."""
        runtime_place.choose_folder(self.place.folder, self.addon_folder)

    @property
    def state(self) -> State:
        runtime_place.look_anew()
        status = runtime_place.status()
        assert status is not None
        return status.state

    def drawn(self) -> list[tuple[str, str]]:
        """What the page shows."""
        runtime_place.look_anew()
        drawn: list[tuple[str, str]] = []
        context = self_context()
        context.region.width = 10_000  # No sentence is broken into lines.
        runtime_panel.draw(Layout(drawn), context, SimpleNamespace(bl_rna=preferences.CTEG_preferences.bl_rna))
        return drawn


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.delenv("CTEG_SIDECAR", raising=False)
    page = Page(tmp_path, monkeypatch)
    addon.register()
    yield page
    addon.unregister()
    runtime_place.choose_folder(None, tmp_path)


def button(drawn: list[tuple[str, str]]) -> str:
    """What the one button is called."""
    return drawn[drawn.index(("operator", "cteg.runtime_set_up")) + 1][1]


@needs_a_shell
def test_each_state_has_its_one_button(page: Page) -> None:
    assert page.state is State.NOT_INSTALLED
    drawn = page.drawn()
    assert button(drawn) == "Set Up"
    assert f"Not set up. It will be made in {page.place.folder}." in texts(drawn)
    assert "Nothing to fetch" in texts(drawn)
    page.python.does("echo 'ERROR: [Errno 28] No space left on device'; exit 1")
    with pytest.raises(RuntimeError, match="the disk is full"):
        bpy.ops.cteg.runtime_set_up()
    assert page.state is State.BROKEN
    drawn = page.drawn()
    assert button(drawn) == "Repair"
    assert texts(drawn).count("the disk is full") == 1
    page.python.does("true")
    assert bpy.ops.cteg.runtime_set_up() == {"FINISHED"}
    assert page.state is State.READY
    drawn = page.drawn()
    assert button(drawn) == "Check"
    for said in ("Ready. The network can run.", f"CTEG {VERSION}", "Python 3.11.1, torch 2.13.0", "Devices: CPU"):
        assert said in texts(drawn)
    page.carry("0.1.0+hnewer")
    page.choose()
    assert page.state is State.UPDATE
    drawn = page.drawn()
    assert button(drawn) == "Update"
    assert "Nothing is fetched for it" in texts(drawn)
    # What is needed came with the add-on, so that Blender may be offline.
    page.wish = Wish(python=page.python.path)
    assert bpy.ops.cteg.runtime_set_up() == {"FINISHED"}
    assert page.state is State.READY
    page.wish = Wish("cpu", python=page.python.path)
    assert button(page.drawn()) == "Apply"
    assert bpy.ops.cteg.runtime_set_up() == {"FINISHED"}
    assert sidecar_command("", {})[-2:] == ["--device", "cpu"]
    assert bpy.ops.cteg.runtime_remove() == {"FINISHED"}
    assert page.state is State.NOT_INSTALLED
    assert not page.place.folder.exists()


@needs_a_shell
def test_the_sidebar_leads_to_the_page_until_the_network_can_run(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def led_to() -> str:
        runtime_place.look_anew()
        drawn = draw(CTEG_PT_performance)
        asked = ("operator", "preferences.addon_show")
        return drawn[drawn.index(asked) + 1][1] if asked in drawn else ""

    assert led_to() == "", "a checkout has no page"
    monkeypatch.setattr(preferences, "of_addon", lambda: SimpleNamespace(sidecar="", runtime_folder=""))
    assert led_to() == "Set Up…"
    assert "not set up yet" in texts(draw(CTEG_PT_performance))
    box()
    add_line("Hello there")
    with pytest.raises(RuntimeError, match="press Set Up"):
        bpy.ops.cteg.generate()
    assert led_to() == "Set Up…"
    assert "not set up yet" not in texts(draw(CTEG_PT_performance)), "the failure says it"
    page.python.does("exit 1")
    with pytest.raises(RuntimeError):
        bpy.ops.cteg.runtime_set_up()
    assert led_to() == "Repair…"
    monkeypatch.setenv("CTEG_SIDECAR", "a command of mine")
    assert led_to() == ""
    monkeypatch.delenv("CTEG_SIDECAR")
    page.python.does("true")
    bpy.ops.cteg.runtime_set_up()
    assert led_to() == ""


@needs_a_shell
def test_progress_and_the_log_are_shown_while_it_runs(page: Page) -> None:
    page.python.does("echo 'Downloading torch-2.13.0-cp311-cp311-any.whl (190.5 MB)'; exec sleep 600")
    job = runtime_job.start(page.place, runtime_place.recipe(), page.wish)
    while "Fetching" not in job.progress.message:
        assert runtime_job.tick(0.1)
    drawn = page.drawn()
    assert ("operator", "cteg.runtime_cancel") in drawn
    assert ("operator", "cteg.runtime_set_up") not in drawn
    assert "Fetching torch-2.13.0: 0 MB of about 190 MB" in texts(drawn)
    assert "Downloading torch-2.13.0-cp311-cp311-any.whl (190.5 MB)" in texts(drawn)
    assert buttons.why_not_set_up() == "A set-up is running"
    with pytest.raises(SidecarError, match="is being set up: wait until"):
        jobs.shared_client()
    assert bpy.ops.cteg.runtime_cancel() == {"FINISHED"}
    assert runtime_job.running() is None
    assert page.state is State.BROKEN
    assert "cut off before it was done" in texts(page.drawn())


@needs_a_shell
def test_switching_the_add_on_off_ends_a_set_up(page: Page) -> None:
    page.python.does("exec sleep 600")
    job = runtime_job.start(page.place, runtime_place.recipe(), page.wish)
    while not page.place.venv.exists():
        runtime_job.tick(0.1)
    addon.unregister()
    assert job.state is runtime_job.SetupState.CANCELLED
    assert page.state is State.BROKEN
    addon.register()


def test_offline_says_so_and_wheels_need_no_network(page: Page) -> None:
    assert not bpy.app.online_access
    assert buttons.why_not_set_up() is None
    page.wish = Wish()
    assert "Blender is set to work offline: allow online access" in (buttons.why_not_set_up() or "")
    assert not bpy.ops.cteg.runtime_set_up.poll()
    assert "Blender is set to work offline" in texts(page.drawn())


def test_a_checkout_says_what_to_do(page: Page, tmp_path: Path) -> None:
    runtime_place.choose_folder(page.place.folder, tmp_path / "no wheels here")
    assert "set it up with `python3 run.py setup`" in (buttons.why_not_set_up() or "")
    runtime_place.choose_folder(None, tmp_path)
    assert "runs from a checkout" in texts(page.drawn())


def test_the_studio_s_variable_wins(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_place.choose("/preferred", {"CTEG_RUNTIME": str(tmp_path / "shared")})
    assert runtime_place.folder() == tmp_path / "shared"
    runtime_place.choose("/preferred", {})
    assert runtime_place.folder() == Path("/preferred").absolute()
    runtime_place.choose("", {})
    assert runtime_place.folder() is None
    monkeypatch.setenv("CTEG_RUNTIME", str(tmp_path / "shared"))
    page.choose()
    assert "CTEG_RUNTIME is set" in texts(page.drawn())


class TestCommand:
    """CTEG_SIDECAR, then the user's own, then the environment that is ready."""

    @needs_a_shell
    def test_the_first_that_is_set_wins(self, page: Page) -> None:
        assert command.main(["setup", "--from", str(page.wheels), "--python", str(page.python.path)]) == 0
        ready = [str(page.place.python), "-I", "-m", "cteg_core", "serve"]
        assert sidecar_command("", {}) == ready
        assert sidecar_command("mine serve", {}) == ["mine", "serve"]
        assert sidecar_command("mine serve", {"CTEG_SIDECAR": "theirs serve"}) == ["theirs", "serve"]

    def test_without_any_the_button_is_named(self, page: Page) -> None:
        with pytest.raises(SidecarError, match="The network is not set up: press Set Up in the CTEG add-on"):
            jobs.shared_client()
        page.place.folder.mkdir()
        page.place.marker.write_text("{")
        runtime_place.look_anew()
        with pytest.raises(SidecarError, match="is broken: press Repair in the CTEG add-on's preferences"):
            jobs.shared_client()

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("/opt/py/bin/python3.11", ["/opt/py/bin/python3.11", "-I", "-m", "cteg_core", "serve"]),
            ("'/a b/python'", ["/a b/python", "-I", "-m", "cteg_core", "serve"]),
            ("ssh gpu-box python -m cteg_core serve", ["ssh", "gpu-box", "python", "-m", "cteg_core", "serve"]),
            ("/studio/bin/sidecar", ["/studio/bin/sidecar"]),
        ],
    )
    def test_an_interpreter_is_told_to_serve(self, text: str, expected: list[str]) -> None:
        assert sidecar_command(text, {}) == expected

    def test_a_path_with_blanks_needs_no_quotes(self, tmp_path: Path) -> None:
        python = tmp_path / "my own python" / "python3"
        python.parent.mkdir()
        python.touch()
        assert sidecar_command(str(python), {}) == [str(python), "-I", "-m", "cteg_core", "serve"]


class TestTrial:
    def test_a_command_that_works_says_what_it_is(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            preferences, "sidecar_command_line", lambda: shlex.join([sys.executable, str(FAKE_SIDECAR)])
        )
        assert bpy.ops.cteg.runtime_try() == {"FINISHED"}
        said = texts(page.drawn())
        assert f"It works: CTEG {__version__}" in said
        assert "It computes on" in said
        assert not runtime_trial.is_running()

    def test_a_command_that_does_not_is_explained(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preferences, "sidecar_command_line", lambda: "/nowhere/ssh gpu-box")
        assert bpy.ops.cteg.runtime_try() == {"CANCELLED"}
        assert "/nowhere/ssh cannot be started" in texts(page.drawn())


class TestCommandLine:
    @needs_a_shell
    def test_set_up_check_and_remove(self, page: Page, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["setup", "--from", str(page.wheels), "--python", str(page.python.path)]
        assert command.main(["setup", "--check"]) == 1
        assert "cteg: Not set up" in capsys.readouterr().err
        assert command.main(arguments) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[0] == str(page.place.folder)
        assert f"CTEG {VERSION}" in said.out
        assert "Making an environment" in said.err
        assert command.main(arguments) == 0
        assert "Making" not in capsys.readouterr().err
        assert command.main(["setup", "--check"]) == 0
        assert "torch 2.13.0" in capsys.readouterr().out
        page.place.python.unlink()
        assert command.main(["setup", "--check"]) == 1
        assert "A part of it is gone" in capsys.readouterr().err
        assert command.main(["setup", "--remove"]) == 0
        assert not page.place.folder.exists()
        assert command.main(["setup", "--remove"]) == 1

    @needs_a_shell
    def test_an_environment_elsewhere(self, page: Page, tmp_path: Path) -> None:
        shared = tmp_path / "für alle"
        arguments = ["setup", "--env", str(shared), "--from", str(page.wheels), "--python", str(page.python.path)]
        assert command.main(arguments) == 0
        assert page.state is State.NOT_INSTALLED
        page.place = Place(shared)
        page.choose()
        assert page.state is State.READY

    def test_nothing_is_fetched_offline(self, page: Page, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["setup"]) == 1
        said = capsys.readouterr().err
        assert "start Blender with --online-mode), or name a folder of wheels with --from." in said
        assert not page.place.folder.exists()

    @pytest.mark.parametrize(
        "arguments",
        [["--check", "--from", "x"], ["--remove", "--python", "x"], ["--check", "--remove"], ["--device", "x"], ["x"]],
    )
    def test_a_misuse_ends_with_2(self, arguments: list[str], page: Page) -> None:
        assert command.main(["setup", *arguments]) == 2

    def test_what_is_needed_can_be_printed_for_pip(self, page: Page, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["setup", "--requirements"]) == 0
        assert capsys.readouterr().out.split() == [*recipe_requirements(page), CARRIER.requirement]


def recipe_requirements(page: Page) -> tuple[str, ...]:
    return runtime_place.recipe().requirements


def test_sizes_read_well() -> None:
    assert in_words(85_400_000) == "85 MB"
    assert str(Sizes(3_300_000_000, 7_000_000_000)) == "3.3 GB to fetch; 7.0 GB on disk"
    assert str(Sizes(0, 900_000_000)) == "Nothing to fetch; 900 MB on disk"
    either = str(Sizes(3_300_000_000, 7_000_000_000, 345_000_000))
    assert either.startswith("345 MB to fetch where pip's index has a torch for processors alone, else 3.3 GB;")


def test_another_build_of_torch_is_asked_of_uv_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert wanted_build("cuda", None) == ""
    (tmp_path / "uv").write_text("")
    (tmp_path / "uv").chmod(0o755)
    assert (wanted_build("cuda", None), wanted_build("cpu", None)) == ("cuda", "cpu")
    assert (wanted_build("auto", None), wanted_build("cpu", tmp_path)) == ("", "")
    assert uv_command(Path("uv"), Path("py"), "cpu", ["torch==2.13.0"]) == [
        Path("uv"), "pip", "install", "--python", Path("py"), "--torch-backend", "cpu", "torch==2.13.0",
    ]  # fmt: skip
