"""The four panels in every state: what they show, what they offer, and why something is off."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import bpy
import pytest

import addon
from addon import api, corrective_bake, history, lines, panels, performance, presets, preview
from addon.panels import drawing
from addon.panels.bake import CTEG_PT_bake
from addon.panels.character import CTEG_PT_character, CTEG_PT_livelink, CTEG_PT_rig
from addon.panels.dialogue import CTEG_MT_lines, CTEG_PT_dialogue
from addon.panels.performance import CTEG_MT_presets, CTEG_PT_emotion, CTEG_PT_face, CTEG_PT_performance
from cteg_core.emotion import EmotionRead
from tests.addon.arkit_character import three_meshes
from tests.addon.drawn import draw, texts
from tests.addon.heads import make_clip
from tests.addon.stage import add_line, box, order, tick_to_end

FAKES = Path(__file__).parents[1] / "fakes" / "fake_sidecar.py"
ALL = (
    CTEG_PT_character, CTEG_PT_rig, CTEG_PT_livelink, CTEG_PT_dialogue, CTEG_MT_lines, CTEG_PT_performance,
    CTEG_PT_emotion, CTEG_PT_face, CTEG_MT_presets, CTEG_PT_bake,
)  # fmt: skip


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CTEG_SIDECAR", shlex.join([sys.executable, str(FAKES)]))
    addon.register()
    yield
    addon.unregister()


def operators(drawn: list[tuple[str, str]]) -> set[str]:
    return {name for kind, name in drawn if kind == "operator"}


def everything() -> list[tuple[str, str]]:
    return [each for panel in ALL for each in draw(panel)]


def test_four_panels_stand_in_the_order_of_the_work() -> None:
    top = [panel for panel in panels.CLASSES if hasattr(panel, "bl_order")]
    assert [panel.bl_label for panel in top] == ["Character", "Dialogue", "Performance", "Bake"]
    assert [panel.bl_order for panel in top] == [0, 1, 2, 3]
    assert {panel.bl_category for panel in panels.CLASSES if hasattr(panel, "bl_category")} == {"CTEG"}


def test_all_that_the_panels_before_offered_is_still_there() -> None:
    box()
    line = add_line("Well.")
    history.add(line.line_id, make_clip())
    before = (
        "add_head", "generate", "add_flame_head", "use_flame_file", "fit_bones", "bake_correctives",
        "restore_correctives", "register_character", "import_livelink", "export_livelink",
    )  # fmt: skip
    assert {f"cteg.{name}" for name in before} <= operators(everything())


@pytest.mark.parametrize("state", ["nothing", "a head", "a character", "a line", "takes", "set by hand", "a failure"])
def test_every_state_is_drawn_and_changes_nothing(state: str) -> None:
    scene = bpy.context.scene
    if state != "nothing":
        box() if state != "a character" else api.register_character(three_meshes())
    if state not in ("nothing", "a head", "a character"):
        line = add_line("refuse this" if state == "a failure" else "Well, hello there!", "ANNA")
        line.notes = "(softly)"
    if state in ("takes", "set by hand"):
        for seed in range(3):
            history.add(line.line_id, make_clip(seed=seed))
    if state == "set by hand":
        line.emotion_override = line.affect_override = scene.cteg.show_all_emotions = True
    if state == "a failure":
        order(line)
        tick_to_end()
    before = [tuple(line.items()) for line in scene.cteg.lines]
    drawn = everything()
    assert [tuple(line.items()) for line in scene.cteg.lines] == before
    assert "cteg.line_add" in operators(drawn)
    if state == "a failure":
        assert "cheer it up" in texts(draw(CTEG_PT_dialogue))


def test_a_greyed_sentence_says_why_generate_is_off() -> None:
    assert "Add a line of dialogue first." in texts(draw(CTEG_PT_performance))
    add_line("Hello")
    assert "There is no head to perform: select" in texts(draw(CTEG_PT_performance))
    box()
    assert "first" not in texts(draw(CTEG_PT_performance))


def test_progress_tells_lines_and_frames_and_offers_cancel() -> None:
    box()
    add_line("wait for a while")
    assert "cteg.cancel" not in operators(draw(CTEG_PT_performance))
    order(lines.active_line(bpy.context.scene))
    drawn = draw(CTEG_PT_performance)
    assert "cteg.cancel" in operators(drawn)
    assert "0 of 1 lines" in texts(drawn)
    while performance.progress().frames == 0:
        performance.tick()
    drawn = draw(CTEG_PT_performance)
    assert "Performing the line" in texts(drawn)
    assert "frames" in texts(drawn)
    assert "%" in texts(draw(CTEG_PT_dialogue))
    performance.cancel()
    assert "Cancelled." in texts(draw(CTEG_PT_performance))


def test_the_emotion_is_shown_as_read_and_can_be_set_by_hand() -> None:
    line = add_line("Well, hello there!")
    assert "Not read yet." in texts(draw(CTEG_PT_emotion))
    clip = make_clip()
    object.__setattr__(clip, "emotion", EmotionRead.of(joy=0.4, love=0.3, fear=0.1))
    history.add(line.line_id, clip)
    drawn = draw(CTEG_PT_emotion)
    assert "Joy 70 %" in " ".join(texts(drawn).split())
    assert not [name for kind, name in drawn if kind == "prop" and name == "happiness"]
    bpy.ops.cteg.emotion_override()
    drawn = draw(CTEG_PT_emotion)
    assert ("prop", "happiness") in drawn
    assert line.happiness == pytest.approx(0.7)


def test_takes_stand_side_by_side_with_what_can_be_done_to_each() -> None:
    box()
    line = add_line("Well, hello there!")
    for seed in (3, 8):
        history.add(line.line_id, make_clip(seed=seed))
    drawn = draw(CTEG_PT_performance)
    assert "1: seed 3" in texts(drawn)
    assert "2: seed 8" in texts(drawn)
    for verb in ("preview", "choose", "keep", "discard", "more_like"):
        assert [name for kind, name in drawn].count(f"cteg.take_{verb}") == 2


def test_operators_on_takes() -> None:
    line = add_line("Well.")
    assert not bpy.ops.cteg.take_choose.poll()
    first, second = (history.add(line.line_id, make_clip(seed=seed)) for seed in (1, 2))
    assert bpy.ops.cteg.take_choose(take_id=first.take_id) == {"FINISHED"}
    assert lines.chosen_take(line).take_id == first.take_id
    bpy.ops.cteg.take_keep(take_id=second.take_id)
    assert history.find(second.take_id).kept
    bpy.ops.cteg.take_keep(take_id=second.take_id)
    assert not history.find(second.take_id).kept
    with pytest.raises(RuntimeError, match="no longer in the line's history"):
        bpy.ops.cteg.take_choose(take_id="gone")


def test_choosing_another_take_replaces_the_one_on_the_timeline() -> None:
    box()
    line = add_line("Well, hello there!", start=5)
    first, second = (history.add(line.line_id, make_clip(seed=seed)) for seed in (1, 2))
    bpy.ops.cteg.take_choose(take_id=first.take_id)
    assert not bpy.data.actions
    api.bake_line(line)
    assert playing(line) == {1}
    bpy.ops.cteg.take_choose(take_id=second.take_id)
    assert playing(line) == {2}
    bpy.context.scene.cteg.bake_when_done = False
    bpy.ops.cteg.take_choose(take_id=first.take_id)
    assert playing(line) == {2}


def playing(line: object) -> set[int]:
    """The seeds of the takes that play on the timeline."""
    tracks = [track for key in bpy.data.shape_keys if key.animation_data for track in key.animation_data.nla_tracks]
    actions = [strip.action for track in tracks for strip in track.strips]
    return {clip.seed for action in actions if action is not None and (clip := api.clip_of(action)) is not None}


def test_a_preview_is_toggled_and_ends_with_its_take() -> None:
    box()
    line = add_line("Well, hello there!", start=40)
    take = history.add(line.line_id, make_clip())
    bpy.ops.cteg.take_preview(take_id=take.take_id)
    assert preview.is_shown(take.take_id)
    assert bpy.context.scene.frame_current == 40
    bpy.ops.cteg.take_preview(take_id=take.take_id)
    assert not preview.is_shown(take.take_id)
    bpy.ops.cteg.take_preview(take_id=take.take_id)
    bpy.ops.cteg.take_discard(take_id=take.take_id)
    assert not preview.is_shown(take.take_id)


def test_moving_a_lines_start_moves_its_strips() -> None:
    box()
    line = add_line("Well, hello there!", start=5)
    history.add(line.line_id, make_clip())
    api.bake_line(line)
    line.start = 33
    assert api.starts_of_lines(bpy.context.scene) == {line.line_id: 33.0}


def test_restore_is_off_with_a_reason_where_nothing_is_baked() -> None:
    rig = box()
    assert not corrective_bake.is_baked(rig)
    assert not bpy.ops.cteg.restore_correctives.poll()
    with pytest.raises(RuntimeError, match="the bones drive them"):
        bpy.ops.cteg.restore_correctives()
    bpy.ops.cteg.bake_correctives()
    assert bpy.ops.cteg.restore_correctives.poll()
    assert "Restore drives them again" in texts(draw(CTEG_PT_rig))
    bpy.ops.cteg.restore_correctives()
    assert not bpy.ops.cteg.restore_correctives.poll()


def test_the_character_panel_says_which_model_the_active_head_is() -> None:
    assert "No head is active" in texts(draw(CTEG_PT_character))
    box()
    assert ("label", "Anna: box") in draw(CTEG_PT_character)


def test_what_is_for_heads_of_ours_is_not_offered_for_characters() -> None:
    api.register_character(three_meshes())
    for operator in (bpy.ops.cteg.fit_bones, bpy.ops.cteg.bake_correctives, bpy.ops.cteg.restore_correctives):
        assert not operator.poll()
    assert bpy.ops.cteg.use_flame_file.poll()
    assert ("label", "Head") in draw(CTEG_PT_character)


def test_characters_get_the_head_that_is_selected() -> None:
    rig = box()
    assert bpy.ops.cteg.character_add() == {"FINISHED"}
    (character,) = bpy.context.scene.cteg.characters
    assert (character.name, character.head) == ("Anna", rig.mesh)
    bpy.ops.cteg.character_add(name="Bert")
    bpy.ops.cteg.character_add(name="Bert")
    assert [each.name for each in bpy.context.scene.cteg.characters] == ["Anna", "Bert", "Bert 2"]
    assert bpy.context.scene.cteg.characters[1].head is None
    for _ in range(3):
        bpy.ops.cteg.character_remove()
    assert not bpy.ops.cteg.character_remove.poll()


def test_a_narrow_list_leaves_the_room_to_the_text() -> None:
    add_line("You came back!", "ANNA", start=25)
    drawn = draw(CTEG_PT_dialogue)
    assert ("label", "25") in drawn
    assert ("label", "ANNA") not in drawn, "it says nothing where one character says everything"
    add_line("Did you think I would not?", "BERT", start=90)
    drawn = draw(CTEG_PT_dialogue)
    assert ("label", "ANNA") in drawn
    assert ("label", "BERT") in drawn
    assert ("label", "25") not in drawn, "it stands below the list"


def test_a_long_sentence_does_not_push_the_rest_of_the_panel_away() -> None:
    column = MagicMock()
    context = MagicMock()
    context.region.width, context.preferences.system.ui_scale = 300, 1.0
    drawing.draw_sentences(column, context, ["word " * 500, "The end."], "INFO")
    shown = [call.kwargs["text"] for call in column.label.call_args_list]
    assert len(shown) == 7
    assert shown[-2].endswith(" …")
    assert shown[-1] == "The end."


def test_a_path_is_broken_between_its_folders() -> None:
    column = MagicMock()
    context = MagicMock()
    context.region.width, context.preferences.system.ui_scale = 300, 1.0
    path = "/home/anna/.config/blender/extensions/.user/user_default/cteg/runtime"
    for said in (f"It will be made in {path}.", path.replace("/", "\\")):
        column.reset_mock()
        drawing.draw_sentences(column, context, [said], "INFO")
        shown = [call.kwargs["text"] for call in column.label.call_args_list]
        assert len(shown) > 1
        assert all(line[-1] in "/\\" or line.endswith(" in") for line in shown[:-1])
        assert "".join(shown).replace(" ", "") == said.replace(" ", "")


def test_own_faces_are_in_the_menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "_folder", lambda create: tmp_path)
    assert "None yet" in texts(draw(CTEG_MT_presets))
    add_line("Well.")
    bpy.ops.cteg.preset_save(name="Smug")
    drawn = draw(CTEG_MT_presets)
    assert ("button", "Smug") in drawn
    assert "cteg.preset_remove" in operators(drawn)
