"""The add-on as a whole: registration, operators, panel, settings, API and command, with a fake network."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import bpy
import numpy as np
import pytest

import addon
import cteg_core
from addon import api, command, jobs, panels, performance, restart
from addon.operators import CTEG_OT_cancel
from addon.operators.generate import why_not
from addon.rig import build_rig, find_rig
from flame_rig.flame_model import rotation_matrices
from tests.addon.arkit_character import three_meshes
from tests.addon.fake_sidecar import FRAMES, clip_for
from tests.addon.heads import bone_matrix, talking_box

FAKE = shlex.join([sys.executable, str(Path(__file__).with_name("fake_sidecar.py"))])


@pytest.fixture
def registered() -> Iterator[None]:
    addon.register()
    yield
    addon.unregister()


@pytest.fixture
def sidecar(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CTEG_SIDECAR", FAKE)
    yield
    jobs.close_shared_client()


def jaw_at(rig: api.Rig, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    return bone_matrix(rig, "jaw")


def jaw_of(text: str, seed: int, index: int) -> np.ndarray:
    return rotation_matrices(clip_for(text, seed).frames[index, 50:])


class TestRegistration:
    def test_twice_in_a_row(self) -> None:
        for _ in range(2):
            addon.register()
            assert bpy.ops.cteg.generate.get_rna_type().name == "Generate"
            assert bpy.context.scene.cteg.takes == 1
            addon.unregister()
            assert not hasattr(bpy.types.Scene, "cteg")
            assert not hasattr(bpy.types, "CTEG_PT_line")

    def test_a_core_of_another_version_asks_for_a_restart_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "wheels").mkdir()
        (tmp_path / "wheels" / "cteg-9.9.9+hfeed-py3-none-any.whl").touch()
        monkeypatch.setattr(addon, "__file__", str(tmp_path / "__init__.py"))
        addon.register()
        assert "version 9.9.9+hfeed of its core" in capsys.readouterr().err
        assert hasattr(bpy.types, "CTEG_PT_restart")
        assert not hasattr(bpy.types, "CTEG_PT_line")
        addon.unregister()
        assert not hasattr(bpy.types, "CTEG_PT_restart")

    def test_the_core_that_came_with_the_add_on_fits(self, tmp_path: Path) -> None:
        (tmp_path / "wheels").mkdir()
        (tmp_path / "wheels" / f"cteg-{cteg_core.__version__}-py3-none-any.whl").touch()
        assert restart.sentence_of(tmp_path) == ""
        assert restart.sentence_of(tmp_path / "a checkout") == ""


class TestApi:
    def test_a_line_becomes_takes_on_the_active_head(self, sidecar: None) -> None:
        rig = build_rig(talking_box())
        told: list[api.JobProgress] = []
        takes = api.perform("Hello", seed=3, takes=2, start_frame=5, on_progress=told.append)
        assert [take.actions[0].name.split(" #")[0] for take in takes] == ["Hello", "Hello"]
        assert rig.armature.animation_data.action == takes[0].actions[-1]
        assert np.abs(jaw_at(rig, 5 + 4) - jaw_of("Hello", 3, 4)).max() < 1e-6
        stored = [api.clip_of(take.actions[0]) for take in takes]
        assert [clip.seed for clip in stored if clip is not None] == [3, 4]
        assert told[-1].takes_done == 2

    def test_generate_changes_nothing_in_the_file(self, sidecar: None) -> None:
        (clip,) = api.generate("Hello", seed=1)
        assert np.array_equal(clip.frames, clip_for("Hello", 1).frames)
        assert not bpy.data.actions

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [("", "line is empty"), ("a\0b", "NUL"), ("fail", "cannot be performed"), ("elsewhere", "elsewhere-1")],
    )
    def test_a_line_that_cannot_be_performed_is_a_sentence(self, sidecar: None, text: str, sentence: str) -> None:
        build_rig(talking_box())
        with pytest.raises(api.CtegError, match=sentence):
            api.perform(text)
        assert not bpy.data.actions

    def test_no_sidecar_is_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CTEG_SIDECAR", raising=False)
        with pytest.raises(api.CtegError, match="No sidecar is set up"):
            api.generate("Hello")


@pytest.mark.usefixtures("registered")
class TestOperators:
    def test_add_head_adds_the_projects_own_head(self) -> None:
        assert bpy.ops.cteg.add_head() == {"FINISHED"}
        rig = find_rig(bpy.context.view_layer.objects.active)
        assert rig is not None
        assert rig.space == "cteg-head-1"
        assert {"left_eye", "right_eye"} <= set(rig.armature.pose.bones.keys())

    def test_generate_bakes_on_the_active_head_from_the_current_frame(self, sidecar: None) -> None:
        rig = build_rig(talking_box())
        scene = bpy.context.scene
        scene.cteg.text, scene.cteg.seed = "Hello", 7
        scene.frame_current = 30
        assert bpy.ops.cteg.generate() == {"FINISHED"}
        assert np.abs(jaw_at(rig, 30 + 5) - jaw_of("Hello", 7, 5)).max() < 1e-6
        said = performance.outcome()
        assert said is not None
        assert not said.failed
        assert f"Frames 30 to {30 + FRAMES - 1}" in said.sentences[0]

    def test_a_failure_is_said_and_kept_for_the_panel(self, sidecar: None) -> None:
        build_rig(talking_box())
        bpy.context.scene.cteg.text = "fail"
        with pytest.raises(RuntimeError, match="cannot be performed; write another"):
            bpy.ops.cteg.generate()
        said = performance.outcome()
        assert said is not None
        assert said.failed
        assert "cannot be performed; write another" in said.sentences[0]

    def test_generate_says_why_it_cannot_be_pressed(self) -> None:
        assert "There is no head" in str(why_not(bpy.context))
        assert not bpy.ops.cteg.generate.poll()
        build_rig(talking_box())
        assert "Write what the character says" in str(why_not(bpy.context))
        bpy.context.scene.cteg.text = "Hello"
        assert why_not(bpy.context) is None
        assert bpy.ops.cteg.generate.poll()
        assert not bpy.ops.cteg.cancel.poll()


@pytest.mark.usefixtures("registered", "sidecar")
class TestPerformanceInTheInterface:
    """What the timer does, ticked by hand: timers never fire here."""

    def start(self, text: str = "Hello") -> api.Rig:
        rig = build_rig(talking_box())
        performance.follow(
            performance.Performance(
                job=api.start_job(text, seed=2, takes=2),
                text=text,
                head_name=rig.name,
                scene_name=bpy.context.scene.name,
                start_frame=4,
                to_nla=False,
            )
        )
        return rig

    def run_to_end(self) -> performance.Outcome:
        while performance.tick() is not None:
            pass
        said = performance.outcome()
        assert said is not None
        return said

    def test_ticking_to_the_end_bakes(self) -> None:
        rig = self.start()
        assert "being performed" in str(why_not(bpy.context))
        assert CTEG_OT_cancel.poll(bpy.context)
        said = self.run_to_end()
        assert not said.failed
        assert "1 more takes are kept" in said.sentences[0]
        assert np.abs(jaw_at(rig, 4 + 5) - jaw_of("Hello", 2, 5)).max() < 1e-6
        assert performance.current() is None

    def test_the_head_is_found_again_after_everything_was_reloaded(self, tmp_path: Path) -> None:
        self.start()
        running = performance.current()
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
        # Opening a file gives the job up; undo brings back other data-blocks without asking.
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
        assert running is not None
        assert performance.current() is None
        performance.follow(
            performance.Performance(api.start_job("Hello"), "Hello", running.head_name, running.scene_name, 1, False)
        )
        assert not self.run_to_end().failed

    def test_a_head_that_went_away_is_a_sentence(self) -> None:
        rig = self.start()
        bpy.data.objects.remove(rig.mesh)
        said = self.run_to_end()
        assert said.failed
        assert "“CTEG Head” was renamed or deleted" in said.sentences[0]

    def test_a_line_that_fails_is_a_sentence(self) -> None:
        self.start("fail")
        said = self.run_to_end()
        assert said.failed
        assert "write another" in said.sentences[0]

    def test_cancel_leaves_no_trace(self) -> None:
        self.start()
        assert bpy.ops.cteg.cancel() == {"FINISHED"}
        assert performance.tick() is None
        assert not bpy.data.actions
        said = performance.outcome()
        assert said is not None
        assert said.sentences == ("Cancelled.",)

    def test_the_panel_draws_in_every_state(self) -> None:
        rig = self.start()
        drawn = draw()
        assert ("operator", "cteg.cancel") in drawn
        assert ("operator", "cteg.generate") not in drawn
        bpy.data.objects.remove(rig.mesh)
        self.run_to_end()
        drawn = draw()
        assert ("operator", "cteg.generate") in drawn
        said = " ".join(text for kind, text in drawn if kind == "label")
        assert "was renamed or deleted while its line was generated" in said


def draw(panel: Any = panels.CTEG_PT_line) -> list[tuple[str, str]]:
    """What a panel draws, on a layout that writes it down."""
    drawn: list[tuple[str, str]] = []

    class Layout:
        alert = False

        def row(self, **_: Any) -> Layout:
            return self

        column = row

        def prop(self, data: Any, name: str, **_: Any) -> None:
            assert hasattr(data, name)
            drawn.append(("prop", name))

        def operator(self, name: str, **_: Any) -> None:
            drawn.append(("operator", name))

        def label(self, text: str, icon: str) -> None:
            drawn.append(("label", text))

        def progress(self, factor: float, text: str) -> None:
            drawn.append(("progress", text))

    # Without a window the interface has no scale.
    preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
    context = SimpleNamespace(
        scene=bpy.context.scene,
        view_layer=bpy.context.view_layer,
        region=SimpleNamespace(width=300),
        preferences=preferences,
    )
    panel.draw(SimpleNamespace(layout=Layout()), context)
    return drawn


@pytest.mark.usefixtures("registered")
def test_the_head_panel_says_which_model_the_active_head_is() -> None:
    actions = {("operator", f"cteg.{name}") for name in ("add_flame_head", "fit_bones", "bake_correctives")}
    nothing = draw(panels.CTEG_PT_head)
    assert actions <= set(nothing)
    assert not [text for kind, text in nothing if kind == "label"]
    build_rig(talking_box(), "Anna")
    drawn = draw(panels.CTEG_PT_head)
    assert actions <= set(drawn)
    assert ("label", "Anna: box") in drawn


@pytest.mark.usefixtures("registered")
def test_what_is_for_heads_of_ours_is_not_offered_for_characters() -> None:
    api.register_character(three_meshes())
    for operator in (bpy.ops.cteg.fit_bones, bpy.ops.cteg.bake_correctives, bpy.ops.cteg.restore_correctives):
        assert not operator.poll()
    assert bpy.ops.cteg.use_flame_file.poll()
    assert ("label", "Head") in draw(panels.CTEG_PT_head)


def test_a_long_sentence_does_not_push_the_rest_of_the_panel_away() -> None:
    column = MagicMock()
    context = MagicMock()
    context.region.width, context.preferences.system.ui_scale = 300, 1.0
    panels.draw_sentences(column, context, ["word " * 500, "The end."], "INFO")
    lines = [call.kwargs["text"] for call in column.label.call_args_list]
    assert len(lines) == 7
    assert lines[-2].endswith(" …")
    assert lines[-1] == "The end."


class TestCommand:
    def run(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
        code = command.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    def test_bake_writes_a_file_that_plays(
        self, sidecar: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        build_rig(talking_box())
        bpy.context.scene.frame_start = 9
        out = tmp_path / "out.blend"
        code, said, _ = self.run(capsys, "bake", "--text", "Hello", "--out", str(out), "--seed", "5", "--takes", "2")
        assert (code, said.splitlines()[-1]) == (0, str(out))
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.wm.open_mainfile(filepath=str(out))
        rig = find_rig(bpy.data.objects["CTEG Head"])
        assert rig is not None
        assert np.abs(jaw_at(rig, 9 + 5) - jaw_of("Hello", 5, 5)).max() < 1e-6
        assert len(bpy.data.actions) == (2 if bpy.app.version >= (4, 4, 0) else 4)

    def test_what_fails_ends_with_1_and_a_sentence(
        self, sidecar: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out.blend"
        bake = ("bake", "--out", str(out), "--text")
        assert self.run(capsys, *bake, "Hello")[::2] == (1, "cteg: The file has no head; add one with --add-head.\n")
        build_rig(talking_box())
        code, _, said = self.run(capsys, *bake, "fail")
        assert (code, "write another" in said) == (1, True)
        code, _, said = self.run(capsys, *bake, "Hello", "--head", "Nobody")
        assert (code, said) == (1, "cteg: The file has no head called “Nobody”; it has “CTEG Head”.\n")
        code, _, said = self.run(capsys, "bake", "--text", "Hello", "--out", str(tmp_path / "no" / "out.blend"))
        assert (code, "does not exist" in said) == (1, True)
        build_rig(talking_box())
        bpy.context.view_layer.objects.active = None
        code, _, said = self.run(capsys, *bake, "Hello")
        assert (code, "choose one with --head" in said) == (1, True)
        assert not out.exists()

    def test_misuse_ends_with_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(capsys)[0] == 2
        assert self.run(capsys, "bake", "--text", "Hello")[0] == 2
        assert self.run(capsys, "bake", "--text", "x", "--out", "o", "--seed", "many")[0] == 2
        code, said, _ = self.run(capsys, "bake", "--help")
        assert (code, "--text" in said) == (0, True)

    def test_a_head_is_added_on_request(
        self, sidecar: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out.blend"
        assert self.run(capsys, "bake", "--add-head", "--text", "Hello", "--out", str(out))[0] == 0
        assert out.exists()
