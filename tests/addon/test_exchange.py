"""Live Link files in and out of Blender, and the operators for characters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import bpy
import numpy as np
import pytest

import addon
from addon import api
from addon.panels.character import CTEG_PT_character
from addon.rig import build_rig, find_rig
from cteg_core.clip import ExpressionClip
from flame_rig.character import with_key
from flame_rig.livelink import read_livelink
from flame_rig.spaces import CTEG_HEAD_1, arkit_from_frames
from tests.addon.arkit_character import linked_collection, override, saved_character, shown, three_meshes
from tests.addon.heads import make_clip, talking_box


@pytest.fixture
def registered() -> Iterator[None]:
    addon.register()
    yield
    addon.unregister()


class TestLiveLink:
    def test_what_is_exported_is_imported_onto_a_character_and_a_head(self, tmp_path: Path) -> None:
        character = api.register_character(three_meshes())
        head, clip, path = build_rig(talking_box()), make_clip(30, fps=30), tmp_path / "take.csv"
        api.export_livelink(clip, path, fps=30)
        bpy.context.scene.render.fps = 30
        for rig in (character, head):
            take = api.import_livelink(path, rig, fps=30, start_frame=1)
            assert (take.frame_end, take.actions[0].name[:4]) == (30, "take")
        weights, _ = arkit_from_frames(clip.frames)
        for index in (0, 7, 29):
            bpy.context.scene.frame_set(1 + index)
            assert shown(character.mesh)["eyeBlinkLeft"] == pytest.approx(weights[index, 0], abs=1e-6)
            assert shown(head.mesh)["eyeBlinkLeft"] == pytest.approx(weights[index, 0], abs=1e-6)

    def test_a_file_has_60_frames_a_second_unless_told(self, tmp_path: Path) -> None:
        api.export_livelink(make_clip(31, fps=30), tmp_path / "take.csv")
        assert len(read_livelink((tmp_path / "take.csv").read_text()).weights) == 61

    def test_notes_say_what_a_recording_loses(self, tmp_path: Path) -> None:
        path = tmp_path / "phone.csv"
        path.write_text("Timecode,BlendShapeCount,JawLeft,JawRight,HeadYaw\n0:0:0:0,3,0.5,0.2,0.4\n")
        clip = api.clip_of_livelink(path, 60)
        assert clip.frames[0, 51] == pytest.approx(0.03)
        assert "1 frames have jawLeft and jawRight at once; their difference was taken." in clip.notes
        assert "The recording turns the head; that was left out." in clip.notes
        take = api.import_livelink(path, build_rig(talking_box()), fps=60)
        assert set(clip.notes) <= set(take.notes)

    def test_what_is_no_recording_is_one_sentence(self, tmp_path: Path) -> None:
        rig, path = build_rig(talking_box()), tmp_path / "x.csv"
        for content, said in (
            (None, "cannot be read: No such file"),
            (b"\xff\xfe", "not text in UTF-8"),
            (b"Timecode,BlendShapeCount,JawOpen\n0:0:0:0,1,wide\n", "Row 2 has “wide” where a number belongs"),
        ):
            if content is not None:
                path.write_bytes(content)
            with pytest.raises(api.CtegError, match=said):
                api.import_livelink(path, rig)
        assert not bpy.data.actions

    def test_clips_of_other_spaces_and_folders_that_are_missing_are_refused(self, tmp_path: Path) -> None:
        clip = ExpressionClip(frames=np.zeros((2, 53), dtype=np.float32), fps=30, space="flame-2020", text="")
        with pytest.raises(api.CtegError, match="holds ARKit curves"):
            api.export_livelink(clip, tmp_path / "take.csv")
        with pytest.raises(api.CtegError, match="cannot be written"):
            api.export_livelink(make_clip(), tmp_path / "none" / "take.csv")

    def test_values_beyond_arkit_are_said(self) -> None:
        frames = np.zeros((2, 53), dtype=np.float32)
        frames[:, 0] = 1.5
        clip = ExpressionClip(frames=frames, fps=24, space=CTEG_HEAD_1.id, text="")
        take = api.bake(clip, api.register_character(three_meshes()))
        assert take.notes == ("2 values are beyond what ARKit shapes can show, and were cut.",)


def test_a_saved_map_fits_the_next_character_of_the_kind(tmp_path: Path) -> None:
    first = api.register_character(three_meshes())
    api.set_rig_map(first, with_key(first.rig_map, "smirk", "mouthSmileLeft", mesh="Head"))
    api.save_rig_map(first, tmp_path / "kind.json")
    second = api.register_character(three_meshes())
    assert {label for label, _ in second.meshes} == {"Head.001", "Teeth.001", "Lashes.001"}
    assert "smirk" not in second.rig_map.key_names
    api.load_rig_map(second, tmp_path / "kind.json")
    assert set(second.rig_map.key_meshes) == {"Head.001", "Teeth.001", "Lashes.001"}
    api.bake(make_clip(), second, start_frame=1)
    assert "smirk" in second.rig_map.key_names


@pytest.mark.usefixtures("registered")
class TestOperators:
    def test_register_import_and_export(self, tmp_path: Path) -> None:
        assert not bpy.ops.cteg.register_character.poll()
        for mesh in three_meshes():
            mesh.select_set(True)
            bpy.context.view_layer.objects.active = mesh
        assert bpy.ops.cteg.register_character() == {"FINISHED"}
        api.export_livelink(make_clip(30, fps=30), tmp_path / "in.csv", fps=60)
        assert not bpy.ops.cteg.export_livelink.poll()
        assert bpy.ops.cteg.import_livelink(filepath=str(tmp_path / "in.csv")) == {"FINISHED"}
        assert bpy.ops.cteg.export_livelink(filepath=str(tmp_path / "out.csv"), fps=60) == {"FINISHED"}
        written, read = ((tmp_path / name).read_text() for name in ("in.csv", "out.csv"))
        np.testing.assert_allclose(read_livelink(read, 60).weights, read_livelink(written, 60).weights, atol=2e-8)

    def test_errors_are_reported(self, tmp_path: Path) -> None:
        head = build_rig(talking_box()).mesh
        with pytest.raises(RuntimeError, match="is a head that CTEG built"):
            bpy.ops.cteg.register_character()
        bpy.context.view_layer.objects.active = head
        with pytest.raises(RuntimeError, match="cannot be read"):
            bpy.ops.cteg.import_livelink(filepath=str(tmp_path / "none.csv"))

    def test_the_panel_shows_what_is_driven_and_what_is_not(self) -> None:
        api.register_character(three_meshes())
        layout = MagicMock()
        context = MagicMock(view_layer=bpy.context.view_layer, scene=bpy.context.scene)
        context.region.width, context.preferences.system.ui_scale = 800, 1.0
        CTEG_PT_character.draw(MagicMock(layout=layout), context)
        box = layout.box().column()
        texts = [call.kwargs["text"] for call in box.label.call_args_list]
        assert "52 of the 52 ARKit shapes drive 60 keys." in texts
        assert "Not driven, because they mean no ARKit shape: Head: smirk." in texts
        assert "cteg.make_animatable" not in [call.args[0] for call in box.operator.call_args_list]

    def test_make_animatable(self, tmp_path: Path) -> None:
        saved_character(tmp_path / "char.blend")
        rig = override(linked_collection(tmp_path / "char.blend"))
        bpy.context.view_layer.objects.active = rig.mesh
        assert bpy.ops.cteg.make_animatable() == {"FINISHED"}
        assert not bpy.ops.cteg.make_animatable.poll()
        assert find_rig(rig.mesh) == rig
