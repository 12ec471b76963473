"""The head's picture sheet: a rig shows the face that it is asked for, and the sheet has a place for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from addon import api
from demo.faces import FACES, arkit_weights, show_face
from demo.head_sheet import write_head_sheet
from demo.pixels import load_pixels
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.spaces import frames_from_arkit
from tests.addon.heads import evaluated_vertices


@pytest.mark.usefixtures("empty_file")
@pytest.mark.parametrize("face", ["neutral", "fear", "M"])
def test_a_rig_shows_the_face_of_the_forward_model(face: str) -> None:
    rig = api.add_head()
    show_face(rig, FACES["surprise"])
    show_face(rig, FACES[face])
    head = build_head()
    frames = frames_from_arkit(arkit_weights(FACES[face])[None]).astype(np.float64)
    wanted = posed_vertices(head, frames[:, :50], pose_of_frames(head, frames), joints="identity")[0]
    np.testing.assert_allclose(evaluated_vertices(rig), wanted, atol=1e-5, rtol=0)


def test_a_shape_that_arkit_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="mouthSmirk"):
        arkit_weights({"mouthSmirk": 1.0})


def test_the_sheet_has_a_tile_for_each_face_and_view(tmp_path: Path) -> None:
    write_head_sheet(tmp_path / "sheet.png", ["neutral", "blink", "A"], ["front", "side"], 16, samples=1, columns=2)
    pixels = load_pixels(tmp_path / "sheet.png")
    assert pixels.shape == (2 * 2 * 22 + 6 - 6, 2 * 22 - 6, 4)
    tiles = [pixels[4:12, left : left + 16, :3] for left in (0, 22)]
    assert all(tile.std() > 0.01 for tile in tiles)
