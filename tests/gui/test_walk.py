"""The whole work of an artist, by clicks in a real Blender: from Add Head to a saved file that opens with its takes.

``CTEG_BLENDER=/path/to/blender pytest tests/gui`` does it; ``CTEG_PICTURES=docs/images`` keeps the pictures. The lines
are performed by the sidecar that ``CTEG_SIDECAR`` names, else by one without a network.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from tests.gui.window import SCREEN, Blender, blender, in_background, missing_tools

FAKE = shlex.join([sys.executable, str(Path(__file__).with_name("paced_sidecar.py"))])
MANY = 64
CHARACTER, DIALOGUE, PERFORMANCE, BAKE = range(4)
FIRST = "You came back! I thought I had lost you."
PASTED = "ANNA: Do not ever do that to me again.\nANNA: wait for me, I am coming with you."
LAST = "Never mind. I am coming with you."
BUTTONS = (0.67, 0.745, 0.82)
"""Shares of the width at which the buttons of a take are."""

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason=missing_tools())


def test_an_artist_walks_through_the_whole_work_by_clicks(tmp_path: Path, user_folder: Path, pictures: Path) -> None:
    program, user, scene = os.environ["CTEG_BLENDER"], user_folder, tmp_path / "scene.blend"
    save = (
        "import bpy; [bpy.data.objects.remove(each) for each in list(bpy.data.objects)]; "
        f"bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r})"
    )
    in_background(program, user, "--background", "--factory-startup", "--python-expr", save)
    sidecar, seen = {"CTEG_SIDECAR": os.environ.get("CTEG_SIDECAR", FAKE)}, pictures
    with blender(program, user, tmp_path / "blender.log", sidecar, scene) as shown:
        add_a_head(shown, seen)
        write_the_lines(shown, seen)
        set_the_emotion(shown)
        generate_and_cancel(shown, seen)
        generate(shown)
        sort_the_takes(shown, seen)
        bake(shown, seen)
        move_lines(shown)
        kept = shown.see("[[takes(0), takes(1), takes(2)], strips(), line(0).chosen_take]")
        point_at_the_view(shown)
        shown.hands.press("ctrl+s")
        shown.wait_for("not bpy.data.is_dirty")
        picture_of_it_all(shown, seen)
    with blender(program, user, tmp_path / "blender.log", sidecar, scene) as shown:
        assert shown.see("[[takes(0), takes(1), takes(2)], strips(), line(0).chosen_take]") == kept
        shown.open = BAKE  # as it was saved
        shown.open_only(PERFORMANCE)
        shown.click("cteg.take_preview", columns=(0.08, 0.1))
        shown.wait_for("module('preview').current() is not None")
    assert "Traceback" not in (tmp_path / "blender.log").read_text()


def point_at_the_view(shown: Blender) -> None:
    shown.hands.point(*shown.see("view()"))
    shown.settle()


def add_a_head(shown: Blender, seen: Path) -> None:
    shown.open_only(CHARACTER)
    shown.click("cteg.add_head")
    shown.wait_for("[thing for thing in bpy.data.objects if thing.type == 'MESH']")
    shown.click("cteg.character_add", columns=(0.86,))
    shown.wait_for("bpy.context.scene.cteg.characters")
    shown.click(".active_character[", columns=(0.2,), times=2)
    shown.hands.press("ctrl+a")
    shown.hands.type("ANNA")
    shown.hands.press("Return")
    shown.settle()
    characters = shown.see("[(each.name, each.head is not None) for each in bpy.context.scene.cteg.characters]")
    assert characters == [["ANNA", True]]
    point_at_the_view(shown)
    shown.hands.press("KP_1", "KP_Decimal")
    shown.settle()
    shown.picture(seen / "panel-character.png")


def write_the_lines(shown: Blender, seen: Path) -> None:
    shown.open_only(DIALOGUE)
    shown.find("cteg.lines_paste")
    shown.see(f"setattr(bpy.context.window_manager, 'clipboard', {PASTED!r})")
    shown.hands.click()
    shown.wait_for("len(bpy.context.scene.cteg.lines) == 2")
    shown.click("cteg.line_add", columns=(0.92, 0.86))
    shown.wait_for("len(bpy.context.scene.cteg.lines) == 3")
    shown.enter(".text[", FIRST)
    for place in (1, 0):
        shown.click("cteg.line_move(steps=-1)", columns=(0.92, 0.86))
        shown.wait_for(f"bpy.context.scene.cteg.active_line == {place}")
    assert shown.see("[line(index).text for index in range(3)]")[0] == FIRST
    assert shown.see("line(0).character") == "ANNA"
    shown.enter(".start[", 1)
    for index, start in ((1, 100), (2, 190)):
        choose_line(shown, index)
        shown.enter(".start[", start)
    assert shown.see("[line(index).start for index in range(3)]") == [1, 100, 190]
    choose_line(shown, 0)
    shown.picture(seen / "panel-dialogue.png")


def choose_line(shown: Blender, index: int) -> None:
    x, y = shown.find(".active_line[", columns=(0.3,))
    shown.hands.point(x, y + 20 * index)
    shown.settle()
    shown.hands.click()
    shown.wait_for(f"bpy.context.scene.cteg.active_line == {index}", 60.0)


def set_the_emotion(shown: Blender) -> None:
    shown.open_only(PERFORMANCE)
    shown.click("cteg.emotion_override")
    shown.wait_for("line(0).emotion_override")
    shown.enter(".happiness", 0.7)
    shown.enter(".sadness", 0.25)
    shown.enter(".intensity", 1.2)
    asked = shown.see("[line(0).happiness, line(0).sadness, line(0).intensity]")
    assert asked == pytest.approx([0.7, 0.25, 1.2])


def generate_and_cancel(shown: Blender, seen: Path) -> None:
    # Many takes, so that a sidecar with a network is still at it when Cancel is pressed.
    shown.enter(".takes", MANY)
    shown.click("cteg.generate_all")
    shown.wait_for("module('performance').is_running()")
    place = shown.find("cteg.cancel", columns=(0.6,))
    shown.wait_for("module('performance').progress().frames > 0")
    shown.picture(seen / "panel-progress.png", pointer=place)
    shown.hands.click()
    shown.wait_for("not module('performance').is_running()", 10.0)
    there = shown.see("[takes(0), takes(1), takes(2)]")
    assert there[2] == 0, shown.see("said()")
    time.sleep(3.0)
    assert shown.see("[takes(0), takes(1), takes(2)]") == there, "a late result came through"
    shown.open_only(DIALOGUE)
    choose_line(shown, 2)
    shown.enter(".text[", LAST)
    choose_line(shown, 0)


def generate(shown: Blender) -> None:
    shown.open_only(PERFORMANCE)
    shown.enter(".takes", 3)
    shown.click("cteg.generate_all")
    shown.wait_for("min(takes(0), takes(1), takes(2)) > 0 and not module('performance').is_running()")
    assert "broke" not in shown.see("said()")
    if shown.see("takes(0)") != 3:
        shown.click("cteg.generate(")
        shown.wait_for("takes(0) >= 3 and not module('performance').is_running()")


def sort_the_takes(shown: Blender, seen: Path) -> None:
    first, second = shown.see("take_ids(0)")[:2]
    shown.click("cteg.take_preview", nth=1, columns=(0.08, 0.1))
    shown.wait_for(f"module('preview').is_shown({second!r})")
    shown.click("cteg.take_preview", nth=1, columns=(0.08, 0.1))
    shown.wait_for("module('preview').current() is None")
    shown.click("cteg.take_choose", nth=1, columns=(0.45,))
    shown.wait_for(f"line(0).chosen_take == {second!r}")
    shown.click("cteg.take_keep", nth=1, columns=BUTTONS)
    shown.wait_for(f"module('history').find({second!r}).kept")
    shown.click("cteg.take_discard", columns=BUTTONS)
    shown.wait_for(f"{first!r} not in take_ids(0)")
    left = shown.see("take_ids(0)")
    assert left[0] == second
    shown.click("cteg.take_more_like", columns=BUTTONS)
    # A line keeps only so many takes, so how many there are then says nothing.
    shown.wait_for(f"len(set(take_ids(0)) - set({left!r})) == 3 and not module('performance').is_running()")
    shown.picture(seen / "panel-performance.png")


def bake(shown: Blender, seen: Path) -> None:
    shown.open_only(BAKE)
    shown.enter(".blend_in", 4)
    shown.enter(".blend_out", 6)
    shown.click("cteg.bake()")
    shown.wait_for("not module('bake_queue').is_running() and None not in strips()")
    assert shown.see("strips()") == [1, 100, 190]
    shown.settle()
    shown.picture(seen / "panel-bake.png")


def move_lines(shown: Blender) -> None:
    shown.open_only(DIALOGUE)
    choose_line(shown, 2)
    shown.enter(".start[", 210)
    shown.wait_for("strips() == [1, 100, 210]")
    # The window's preparation; what is done in the NLA editor is done by keys.
    shown.hands.point(*shown.see("nla()"))
    shown.settle()
    shown.hands.press("a", "g", "1", "2", "Return")
    shown.wait_for("strips() == [13, 112, 222]")
    shown.open_only(BAKE)
    shown.click("cteg.update_from_strips")
    shown.wait_for("[line(index).start for index in range(3)] == [13, 112, 222]")


def picture_of_it_all(shown: Blender, seen: Path) -> None:
    shown.open_only(DIALOGUE)
    choose_line(shown, 0)
    shown.open_only(PERFORMANCE)
    # In the middle of the first line, with the colours that the eyes have.
    shown.see("bpy.context.scene.frame_set(48)")
    shown.see("setattr(sidebar()[1].spaces[0].shading, 'color_type', 'VERTEX')")
    point_at_the_view(shown)
    shown.hands.press("KP_6", "KP_6")
    time.sleep(2.0)
    shown.settle()
    left, _top, width, _height = shown.sidebar()
    shown.hands.picture(seen / "panel.png", (0, 0, left + width + 4, SCREEN[1]))
