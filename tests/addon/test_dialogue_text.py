"""Text into lines: rows that were pasted, and the list's buttons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

import addon
from addon import dialogue_text
from tests.addon.stage import add_line


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    addon.register()
    yield
    addon.unregister()


def shown() -> list[tuple[str, str]]:
    return [(line.character, line.text) for line in bpy.context.scene.cteg.lines]


def test_rows_become_lines_said_by_whoever_is_named() -> None:
    scene = bpy.context.scene
    rows = "Once.\n\nANNA: (softly) Well, hello: you!\r\n  And you? \nZOË 2:  Hm.\nIn short: not a name\n"
    added, _ = dialogue_text.add_rows(scene, rows)
    assert added == 5
    assert shown() == [
        ("", "Once."), ("ANNA", "Well, hello: you!"), ("ANNA", "And you?"), ("ZOË 2", "Hm."),
        ("ZOË 2", "In short: not a name"),
    ]  # fmt: skip
    assert scene.cteg.lines[1].notes == "softly"
    assert [character.name for character in scene.cteg.characters] == ["ANNA", "ZOË 2"]
    starts = [line.start for line in scene.cteg.lines]
    assert starts == sorted(starts)
    assert len(set(starts)) == 5


def test_a_known_character_is_named_in_any_case() -> None:
    scene = bpy.context.scene
    add_line("First.", "Anna")
    dialogue_text.add_rows(scene, "anna: Again.\nANNA: And again.")
    assert shown() == [("Anna", "First."), ("Anna", "Again."), ("Anna", "And again.")]


def test_a_script_keeps_its_times_directions_and_settings(tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.frame_start = 101
    path = tmp_path / "two.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,500\nANNA: Well!\n\n2\n00:00:04,000 --> 00:00:05,000\nWho is there?\n"
    )
    added, _ = dialogue_text.import_script(scene, path)
    assert added == 2
    first, second = scene.cteg.lines
    assert (first.character, first.text, first.start, first.duration) == ("ANNA", "Well!", 101 + 24, 1.5)
    assert second.start == 101 + 4 * 24
    assert bpy.ops.cteg.lines_import(filepath=str(path)) == {"FINISHED"}
    assert len(scene.cteg.lines) == 4


def test_a_script_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="nothing"):
        bpy.ops.cteg.lines_import(filepath=str(tmp_path / "nothing.txt"))
    assert not bpy.context.scene.cteg.lines


def test_pasted_lines_follow_the_active_one() -> None:
    scene = bpy.context.scene
    for text in ("a", "d"):
        add_line(text)
    scene.cteg.active_line = 0
    dialogue_text.add_rows(scene, "b\nc")
    assert [text for _, text in shown()] == ["a", "b", "c", "d"]


def test_the_buttons_of_the_list() -> None:
    scene = bpy.context.scene
    assert not bpy.ops.cteg.line_remove.poll()
    assert bpy.ops.cteg.line_add() == {"FINISHED"}
    scene.cteg.lines[0].text = "One"
    assert not bpy.ops.cteg.line_move.poll()
    bpy.ops.cteg.line_duplicate()
    scene.cteg.lines[1].text = "Two"
    bpy.ops.cteg.line_move(steps=-1)
    assert [text for _, text in shown()] == ["Two", "One"]
    scene.frame_current = 99
    bpy.ops.cteg.line_start_here()
    assert scene.cteg.lines[0].start == 99
    bpy.ops.cteg.line_remove()
    assert [text for _, text in shown()] == ["One"]


def test_an_empty_clipboard_is_said() -> None:
    bpy.context.window_manager.clipboard = ""
    with pytest.raises(RuntimeError, match="holds no text"):
        bpy.ops.cteg.lines_paste()
