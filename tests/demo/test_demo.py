"""The demo: what it writes, and that what it writes plays."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon import api
from cteg_core.clip import ExpressionClip
from demo import sheet
from demo.caption import width, wrapped
from demo.moments import MOMENT_COUNT, moments
from demo.pixels import load_pixels, save_pixels
from demo.takes import empty_scene, staged_head, take_of
from flame_rig.spaces import CTEG_HEAD_1

CHECKOUT = Path(__file__).resolve().parents[2]
FAKE = shlex.join([sys.executable, str(CHECKOUT / "tests" / "addon" / "fake_sidecar.py")])
BLINKS = [CTEG_HEAD_1.names.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", "--out", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=CHECKOUT,
        env=os.environ | {"CTEG_SIDECAR": FAKE},
        check=False,
    )


class TestMoments:
    @given(st.integers(1, 300))
    def test_they_begin_and_end_with_the_performance_and_keep_its_order(self, count: int) -> None:
        frames = np.random.default_rng(count).random((count, 53)).astype(np.float32)
        chosen = moments(frames)
        assert len(chosen) == MOMENT_COUNT
        assert chosen[0] == 0
        assert chosen[-1] == count - 1
        assert list(chosen) == sorted(chosen)

    def test_the_strongest_frame_is_shown_and_a_blink_is_not(self) -> None:
        frames = np.zeros((61, 53), dtype=np.float32)
        frames[:, 10] = 0.1
        frames[24, 10] = 0.9
        frames[36, BLINKS] = 1.0
        frames[36, 10] = 0.5
        assert 24 in moments(frames)
        assert 36 not in moments(frames)


class TestCaption:
    @given(st.text(max_size=400), st.integers(2, 40), st.integers(1, 4))
    def test_nothing_is_lost_in_silence(self, text: str, columns: int, lines: int) -> None:
        rows = wrapped(text, columns, lines).split("\n")
        assert len(rows) <= lines
        if "more words)" not in rows[-1]:
            assert all(width(row) <= columns for row in rows)

    def test_words_stay_whole(self) -> None:
        assert wrapped("to be or\nnot  to be", 6, 4) == "to be\nor not\nto be"

    def test_what_does_not_fit_is_counted(self) -> None:
        assert wrapped("one two three four five", 7, 2) == "one two\nthree … (2 more words)"

    def test_chinese_is_broken_without_blanks(self) -> None:
        assert wrapped("你好世界", 4, 2) == "你好\n世界"

    def test_control_characters_are_left_out(self) -> None:
        assert wrapped("a\0b\x1bc", 10, 1) == "abc"


def test_pixels_survive_a_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.float32) / 255
    pixels[..., 3] = 1.0
    save_pixels(pixels, tmp_path / "picture.png")
    np.testing.assert_allclose(load_pixels(tmp_path / "picture.png"), pixels, atol=1e-6)


def test_the_sheet_shows_every_moment_of_every_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = sheet.Layout(columns=4, tile=64)
    monkeypatch.setattr(sheet, "ONE_TAKE", layout)
    monkeypatch.setattr(sheet, "SAMPLES", 1)
    scene = empty_scene()
    rig = staged_head(scene)
    frames = np.zeros((20, 53), dtype=np.float32)
    frames[:, 50] = 0.3 * np.sin(np.linspace(0, np.pi, 20))
    # At another rate than the scene's, so that moments are found by time and not by number.
    clip = ExpressionClip(frames=frames, fps=10.0, space=rig.space, text="Ah.")
    told: list[int] = []
    sheet.write_sheet(
        scene, [take_of(clip, rig)], "Ah.", tmp_path / "sheet.png", lambda done, total: told.append(total - done)
    )
    assert told == [7, 6, 5, 4, 3, 2, 1, 0]
    pixels = load_pixels(tmp_path / "sheet.png")
    assert pixels.shape[1] == 4 * (layout.tile + sheet.GUTTER) - sheet.GUTTER
    # Above lies the label with the time; below, the mouth.
    mouth = slice(40, layout.tile)
    next_row = layout.tile + sheet.GUTTER
    first = pixels[mouth, : layout.tile, :3]
    fourth = pixels[mouth, -layout.tile :, :3]
    last = pixels[next_row:, -layout.tile :, :3][mouth]
    assert np.abs(first - fourth).max() > 0.1
    assert np.abs(first - last).max() < 0.05
    assert bpy.data.scenes.get("Labels") is None


def test_it_leaves_a_file_that_plays_and_the_clips(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--seed", "3", "--takes", "2", "--no-render", "--", "--a line with dashes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo-2.clip.json", "demo.blend", "demo.clip.json"]
    clips = [ExpressionClip.from_json((tmp_path / name).read_text()) for name in ("demo.clip.json", "demo-2.clip.json")]
    assert [clip.seed for clip in clips] == [3, 4]
    assert clips[0].text == "--a line with dashes"
    assert "seed 3" in done.stdout
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "demo.blend"))
    scene = bpy.context.scene
    assert scene.camera is not None
    assert (scene.render.fps, scene.frame_start) == (30, 1)
    rig = next(rig for thing in scene.objects if (rig := api.find_rig(thing)))
    action = rig.keys.animation_data.action
    stored = api.clip_of(action)
    assert stored is not None
    assert stored.seed == 3
    assert scene.frame_end == 1 + round((len(stored.frames) - 1) * 30 / stored.fps)
    middle = (1 + scene.frame_end) // 2
    angles = []
    for frame in (1, middle, scene.frame_end):
        scene.frame_set(frame)
        angles.append(rig.armature.pose.bones["jaw"].matrix_basis.to_quaternion().angle)
    assert angles[1] > 0.05
    assert angles[0] == pytest.approx(0.0, abs=1e-6)
    assert angles[2] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("text", ["", "   "])
def test_a_line_that_cannot_be_performed_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    done = run_demo(tmp_path, "--seed", "0", "--no-render", "--", text)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.strip().endswith(".")
    assert not (tmp_path / "demo.blend").exists()
