"""Text into lines: rows that were pasted, and the list's buttons."""

from __future__ import annotations

from collections.abc import Iterator

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
    rows = "Once.\n\nANNA: Well, hello: you!\r\n  And you? \nZOË 2:  Hm.\nNote: not a name\n"
    added = dialogue_text.add_rows(scene, rows)
    assert added == 5
    assert shown() == [
        ("", "Once."), ("ANNA", "Well, hello: you!"), ("ANNA", "And you?"), ("ZOË 2", "Hm."),
        ("ZOË 2", "Note: not a name"),
    ]  # fmt: skip
    assert [character.name for character in scene.cteg.characters] == ["ANNA", "ZOË 2"]
    starts = [line.start for line in scene.cteg.lines]
    assert starts == sorted(starts)
    assert len(set(starts)) == 5


def test_a_known_character_is_named_in_any_case() -> None:
    scene = bpy.context.scene
    add_line("First.", "Anna")
    dialogue_text.add_rows(scene, "anna: Again.")
    assert shown() == [("Anna", "First."), ("Anna", "Again.")]


@pytest.mark.parametrize("row", ["12:30 is the time", ": nobody", "http://a.b", "A:b", "Wait: what?", ""])
def test_rows_that_name_nobody(row: str) -> None:
    assert dialogue_text.spoken(row, {}) is None


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
