"""What the walk does not come by: where the network is set up, and a character of someone else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.gui.window import Blender, blender, in_background, missing_tools

SOMEONES_HEAD = Path(__file__).with_name("someones_head.py")
NO_NETWORK = {"CTEG_SIDECAR": "", "CTEG_RUNTIME": ""}
PAGE = (900, 660)
"""Size of the preferences' window that shows all of the page."""
CHARACTER, DIALOGUE, PERFORMANCE = range(3)

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason=missing_tools())


def test_a_strangers_head_is_registered_and_the_network_set_up(
    tmp_path: Path, user_folder: Path, pictures: Path
) -> None:
    program, scene = os.environ["CTEG_BLENDER"], tmp_path / "scene.blend"
    in_background(program, user_folder, "--background", "--python", str(SOMEONES_HEAD), "--", str(scene))
    with blender(program, user_folder, tmp_path / "blender.log", NO_NETWORK, scene) as shown:
        register_the_head(shown, pictures)
        open_the_page(shown, pictures)
    assert "Traceback" not in (tmp_path / "blender.log").read_text()


def register_the_head(shown: Blender, pictures: Path) -> None:
    shown.open_only(CHARACTER)
    shown.hands.point(*shown.see("view()"))
    shown.settle()
    shown.hands.press("a")
    shown.settle()
    shown.click("cteg.register_character")
    shown.wait_for("bpy.data.objects['Bert'].get('cteg_rig_map')")
    shown.click("cteg.character_add", columns=(0.86,))
    shown.wait_for("[each.head is not None for each in bpy.context.scene.cteg.characters] == [True]")
    shown.settle()
    shown.picture(pictures / "panel-registered.png")


def open_the_page(shown: Blender, pictures: Path) -> None:
    shown.open_only(DIALOGUE)
    shown.click("cteg.line_add", columns=(0.92, 0.86))
    shown.wait_for("bpy.context.scene.cteg.lines")
    shown.enter(".text[", "Hello there.")
    # An artist who sets it up lets Blender go online; nothing is fetched before the button is pressed.
    shown.see("setattr(preferences.system, 'use_online_access', True)")
    shown.open_only(PERFORMANCE)
    shown.click("cteg.generate(")
    shown.wait_for("'press Set Up' in said()")
    # Blender shows the failure at the pointer too, until that goes elsewhere.
    shown.hands.point(*shown.see("view()"))
    shown.settle()
    shown.hands.press("Escape")
    shown.settle()
    shown.picture(pictures / "panel-not-set-up.png")
    shown.click("preferences.addon_show")
    shown.wait_for("page()")
    shown.hands.resize("Preferences", *PAGE)
    shown.wait_for(f"page() == {list(PAGE)}")
    shown.settle()
    shown.hands.picture(pictures / "panel-preferences.png", (0, 0, *PAGE))
