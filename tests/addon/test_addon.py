"""The add-on as a whole: registration, operators, panel, settings, API and command, with a fake network."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest

import addon
import cteg_core
from addon import api, command, jobs, restart
from addon.rig import build_rig, find_rig
from flame_rig.flame_model import rotation_matrices
from tests.addon.fake_sidecar import clip_for
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
            assert not bpy.context.scene.cteg.lines
            addon.unregister()
            assert not hasattr(bpy.types.Scene, "cteg")
            assert not hasattr(bpy.types, "CTEG_PT_dialogue")

    def test_a_core_of_another_version_asks_for_a_restart_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "wheels").mkdir()
        (tmp_path / "wheels" / "cteg-9.9.9+hfeed-py3-none-any.whl").touch()
        monkeypatch.setattr(addon, "__file__", str(tmp_path / "__init__.py"))
        addon.register()
        assert "version 9.9.9+hfeed of its core" in capsys.readouterr().err
        assert hasattr(bpy.types, "CTEG_PT_restart")
        assert not hasattr(bpy.types, "CTEG_PT_dialogue")
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
        with pytest.raises(api.CtegError, match="The network is not set up"):
            api.generate("Hello")


@pytest.mark.usefixtures("registered")
class TestOperators:
    def test_add_head_adds_the_projects_own_head(self) -> None:
        assert bpy.ops.cteg.add_head() == {"FINISHED"}
        rig = find_rig(bpy.context.view_layer.objects.active)
        assert rig is not None
        assert rig.space == "cteg-head-1"
        assert {"left_eye", "right_eye"} <= set(rig.armature.pose.bones.keys())


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
