"""Preset faces: the six, the user's own, and files that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

import addon
from addon import lines, presets
from addon.errors import CtegError
from addon.presets import FacePreset
from tests.addon.stage import add_line

SIX = ("Joy", "Sadness", "Anger", "Fear", "Disgust", "Surprise")


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(presets, "_folder", lambda create: tmp_path)
    addon.register()
    yield
    addon.unregister()


def test_the_six_each_lead_to_their_emotion() -> None:
    assert tuple(preset.name for preset in presets.BUILT_IN) == SIX
    line = add_line("Well.", seed=7)
    for name in SIX:
        assert bpy.ops.cteg.preset_apply(name=name) == {"FINISHED"}
        assert line.emotion_override
        asked = lines.request_of(bpy.context.scene, line)
        assert asked.controls.emotion is not None
        assert asked.controls.emotion.strongest(1)[0][0] == name.lower()
        assert asked.seed == 7


def test_a_face_is_saved_and_put_on_another_line(tmp_path: Path) -> None:
    line = add_line("Well.", intensity=1.5, upper=0.5, smoothing=0.2)
    line.emotion_override, line.happiness = True, 0.5
    line.affect_override, line.valence = True, -0.5
    assert bpy.ops.cteg.preset_save(name="  Bitter   smile ") == {"FINISHED"}
    assert [preset.name for preset in presets.own()] == ["Bitter smile"]
    other = add_line("Hm.")
    bpy.ops.cteg.preset_apply(name="Bitter smile")
    for name in ("intensity", "upper", "smoothing", "happiness", "valence"):
        assert getattr(other, name) == pytest.approx(getattr(bpy.context.scene.cteg.lines[0], name))
    bpy.ops.cteg.preset_remove(name="Bitter smile")
    assert not presets.own()
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="those that come with CTEG stay"):
        bpy.ops.cteg.preset_remove(name="Joy")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "Zoë 你好", "CON", "...", "a:b", "x" * 60])
def test_no_name_leaves_the_folder_or_meets_another(name: str, tmp_path: Path) -> None:
    path = presets.save(FacePreset(name, {"joy": 0.5}))
    assert path.parent == tmp_path
    assert path.is_file()
    presets.save(FacePreset(name.replace("/", "_").replace(":", "_") + "!", {"joy": 0.1}))
    assert presets.find(name) == FacePreset(name, {"joy": 0.5})


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x07b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    add_line("Well.")
    with pytest.raises(CtegError, match="1 to 60 letters"):
        presets.of_line(name, bpy.context.scene, lines.active_line(bpy.context.scene))


GOOD = {"cteg": "face", "format": 1, "name": "A", "emotion": {"joy": 0.5}, "tone": None, "intensity": 1.0}


@pytest.mark.parametrize(
    "change",
    [
        {"cteg": "x"}, {"format": 2}, {"name": 3}, {"name": ""}, {"emotion": []}, {"emotion": {"glee": 0.5}},
        {"emotion": {"joy": 1.5}}, {"emotion": {"joy": "1"}}, {"emotion": {"joy": float("nan")}}, {"intensity": 3.0},
        {"intensity": True}, {"tone": [0.0, 0.0]}, {"tone": [2.0, 0.0, 0.0]}, {"upper": None},
    ],
)  # fmt: skip
def test_files_that_are_no_presets_are_passed_over(change: dict[str, object], tmp_path: Path) -> None:
    assert presets.preset_of_json(json.dumps(GOOD)).name == "A"
    with pytest.raises(ValueError, match="This is not a preset"):
        presets.preset_of_json(json.dumps(GOOD | change))
    (tmp_path / "bad.json").write_text(json.dumps(GOOD | change))
    (tmp_path / "junk.json").write_bytes(b"\xff\xfe")
    (tmp_path / "huge.json").write_text(" " * 200_000)
    presets.save(FacePreset("Good"))
    assert [preset.name for preset in presets.own()] == ["Good"]


def test_the_users_own_face_wins_over_one_of_the_same_name() -> None:
    presets.save(FacePreset("Joy", {"joy": 0.2}))
    assert presets.find("Joy").emotion == {"joy": 0.2}
    with pytest.raises(CtegError, match="no preset called “Glee”"):
        presets.find("Glee")
