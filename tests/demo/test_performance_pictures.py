"""The pictures of a checkpoint: what they show, what they weigh, and that a blind look stays blind."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import bpy
import numpy as np
import pytest

from addon import api
from cteg_core.clip import ExpressionClip
from cteg_core.emotion import BASIC_EMOTIONS, EmotionRead
from cteg_core.metrics.faithfulness import TestLine
from cteg_core.scripts import read_script
from demo import blind_look, performance_sheet, performance_video
from demo.console import Console
from demo.moments import MOMENT_COUNT, moments
from demo.palette import save_palette_png
from demo.performed import LINES, performances, reading_of
from demo.pixels import load_pixels
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.spaces import CTEG_HEAD_1, frames_from_arkit

SMILE = [ARKIT_SHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]


def smiling(frames: int, apex: int, text: str = "Ah.", fps: float = 30.0) -> ExpressionClip:
    """A clip that smiles most at one frame and rests at both ends."""
    weights = np.zeros((frames, len(ARKIT_SHAPES)))
    weights[:, SMILE] = np.interp(np.arange(frames), (0, apex, frames - 1), (0.0, 1.0, 0.0))[:, None]
    read = EmotionRead.of(joy=0.75, love=0.25)
    return ExpressionClip(frames_from_arkit(weights), fps, CTEG_HEAD_1.id, text, emotion=read, checkpoint="none")


class TestPalette:
    def test_few_colours_come_back_as_they_were(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        colours = rng.integers(0, 256, (200, 4)).astype(np.float32) / 255
        pixels = colours[rng.integers(0, 200, (30, 40))]
        pixels[..., 3] = 1.0
        save_palette_png(pixels, tmp_path / "picture.png")
        np.testing.assert_allclose(load_pixels(tmp_path / "picture.png"), pixels, atol=1e-6)

    def test_many_colours_come_back_as_near_ones(self, tmp_path: Path) -> None:
        across, down = np.meshgrid(np.linspace(0.2, 0.9, 96), np.linspace(0.0, 1.0, 64))
        pixels = np.stack((across, 0.6 * across + 0.1 * down, 0.4 * across), axis=-1).astype(np.float32)
        save_palette_png(pixels, tmp_path / "picture.png")
        gaps = np.abs(load_pixels(tmp_path / "picture.png")[..., :3] - pixels)
        assert gaps.mean() < 0.01
        assert gaps.max() < 0.05


class TestLines:
    def test_there_are_twelve_that_nobody_was_trained_or_tested_on(self) -> None:
        texts = [line.text for line in read_script(LINES).lines]
        assert len(texts) == performance_sheet.ROWS
        assert not read_script(LINES).notes
        known = "".join(path.read_text(encoding="utf-8") for path in blind_look.DIALOGUE.glob("*/*.tsv"))
        said = " ".join(known.replace(" / ", " ").split())
        assert not [text for text in texts if text in said]

    def test_clips_are_read_where_generate_put_them(self, tmp_path: Path) -> None:
        script, folder = tmp_path / "lines.txt", tmp_path / "clips"
        script.write_text("Hello there.\nGood night.\n", encoding="utf-8")
        folder.mkdir()
        for number, text in enumerate(("Hello there.", "Good night."), start=1):
            (folder / f"line-{number:04d}.json").write_text(smiling(9, 4, text).to_json(), encoding="utf-8")
        assert [clip.text for clip in performances(script, folder, 2, 0, Console())] == ["Hello there.", "Good night."]
        script.write_text("Hello there.\nGood day.\n", encoding="utf-8")
        with pytest.raises(api.CtegError, match="Good day"):
            performances(script, folder, 2, 0, Console())
        with pytest.raises(api.CtegError, match="line-0001"):
            performances(script, tmp_path, 2, 0, Console())

    def test_what_was_read_is_said_in_words(self) -> None:
        assert reading_of(smiling(9, 4)) == "happiness\njoy 0.75  love 0.25"


@pytest.mark.parametrize("apex", [1, 7, 29, 30, 58])
def test_the_apex_is_among_the_moments_and_their_order_stays(apex: int) -> None:
    frames = np.random.default_rng(apex).random((60, 53)).astype(np.float32)
    chosen = moments(frames, apex=apex)
    assert len(chosen) == MOMENT_COUNT
    assert apex in chosen
    assert list(chosen) == sorted(chosen)
    assert len(set(chosen) & set(moments(frames))) >= MOMENT_COUNT - 1


def test_the_sheet_has_a_row_for_each_line_with_its_apex(tmp_path: Path) -> None:
    clips = [smiling(40, 20, "First."), smiling(30, 12, "Second.")]
    form = performance_sheet.Format(tile=64, samples=1)
    performance_sheet.write_performance_sheet(clips, tmp_path / "sheet.png", form, lambda said: None)
    pixels = load_pixels(tmp_path / "sheet.png")
    step = 64 + performance_sheet.GUTTER
    assert pixels.shape[:2] == (2 * step - performance_sheet.GUTTER, performance_sheet.TEXT_WIDTH + 8 * step - 4)
    for row in range(2):
        mouths = [
            pixels[row * step + 36 : row * step + 60, left + 12 : left + 52, :3]
            for left in range(performance_sheet.TEXT_WIDTH, pixels.shape[1], step)
        ]
        gaps = [float(np.abs(mouth - mouths[0]).mean()) for mouth in mouths]
        assert max(gaps) > 3 * gaps[-1]
        assert pixels[row * step : row * step + 60, : performance_sheet.TEXT_WIDTH, :3].max() > 0.7


class TestReel:
    def test_the_face_rests_between_lines_and_each_has_its_time(self) -> None:
        clips = [smiling(30, 10), smiling(45, 20)]
        reel = performance_video.reel_of(clips, pause=0.5)
        assert reel.spans == ((0.5, 1.5), (2.0, 3.5))
        frames = reel.clip.frames
        assert len(frames) == 15 + 30 + 15 + 45 + 15
        np.testing.assert_array_equal(frames[15:45], clips[0].frames)
        np.testing.assert_array_equal(frames[60:105], clips[1].frames)
        assert np.abs(frames[52]).max() < 1e-6
        assert np.abs(np.diff(frames, axis=0)).max() <= max(
            np.abs(np.diff(clip.frames, axis=0)).max() for clip in clips
        )

    def test_lines_of_other_rates_are_refused(self) -> None:
        with pytest.raises(ValueError, match="frame rate"):
            performance_video.reel_of([smiling(9, 4), smiling(9, 4, fps=24.0)])

    def test_the_video_lasts_as_long_and_shows_the_words(self, tmp_path: Path) -> None:
        path = tmp_path / "reel.mp4"
        frames = performance_video.write_reel(
            [smiling(12, 6, "Up."), smiling(12, 6, "Down.")], path, 64, 5, workbench=False, console=Console()
        )
        assert frames == 1 + math.ceil((3 * 15 + 24 - 1) / 30 * 5)
        movie = bpy.data.movieclips.load(str(path))
        assert tuple(movie.size) == (64, 64)
        assert movie.frame_duration == frames
        shown = bpy.data.objects["Subtitle 1"].animation_data.action
        assert shown is not None
        scene = bpy.context.scene
        hidden = []
        for frame in (1, 4, 6, 9):
            scene.frame_set(frame)
            hidden.append((bpy.data.objects["Subtitle 1"].hide_render, bpy.data.objects["Subtitle 2"].hide_render))
        assert hidden == [(True, True), (False, True), (True, True), (True, False)]


class TestBlindLook:
    def test_lines_are_balanced_and_told_their_label(self) -> None:
        lines = blind_look.chosen_lines(blind_look.DIALOGUE, 2, seed=1)
        assert Counter(line.basic for line in lines) == dict.fromkeys(BASIC_EMOTIONS, 2)
        asked = blind_look.told(lines[0], 5)
        assert (asked.text, asked.seed, asked.controls.emotion) == (lines[0].text, 5, lines[0].label)
        assert not asked.controls.speech
        assert not asked.controls.blinks

    def test_pictures_have_numbers_for_names_and_nothing_else(self, tmp_path: Path) -> None:
        emotions = ("happiness", "anger", "neutral")
        texts = [f"Line {number}." for number in range(3)]
        clips = [smiling(20, 5 + number, text) for number, text in enumerate(texts)]
        lines = [TestLine(text, basic, EmotionRead.of()) for text, basic in zip(texts, emotions, strict=True)]
        key = blind_look.render_faces(clips, lines, tmp_path / "faces", 3, (32, 1), lambda said: None)
        assert sorted(path.name for path in (tmp_path / "faces").iterdir()) == ["01.png", "02.png", "03.png"]
        assert b"tEXt" not in b"".join(path.read_bytes() for path in (tmp_path / "faces").iterdir())
        told = {face["text"]: (face["emotion"], face["apex_seconds"]) for face in key["faces"].values()}
        assert {text: emotion for text, (emotion, _) in told.items()} == dict(zip(texts, emotions, strict=True))
        assert all(abs(told[text][1] - (5 + number) / 30) < 0.07 for number, text in enumerate(texts))

    def test_the_key_opens_for_whole_answers_only(self, tmp_path: Path) -> None:
        faces = {
            f"{number:02d}": {"emotion": emotion, "text": f"Line {number}."}
            for number, emotion in enumerate(("anger", "anger", "fear", "neutral"), start=1)
        }
        key = {"checkpoint": "some@1", "seed": 3, "faces": faces}
        answers = {"01": "anger", "02": "disgust", "03": "fear", "04": "neutral"}
        with pytest.raises(ValueError, match="04"):
            blind_look.judged({name: answers[name] for name in ("01", "02", "03")}, key)
        with pytest.raises(ValueError, match="02"):
            blind_look.judged(answers | {"02": "boredom"}, key)
        said = blind_look.judged(answers, key)
        assert "3 of 4 right (75%), balanced 0.833" in said
        assert "| anger | 0 | 0 | 1 | 0 | 1 | 0 | 0 |" in said
        assert said.endswith("02: anger, taken for disgust: “Line 2.”")

        for name, record in (("key", key), ("answers", answers)):
            (tmp_path / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
        opened = ["--judge", str(tmp_path / "answers.json"), "--key", str(tmp_path / "key.json")]
        assert blind_look.main(opened) == 0
        assert blind_look.main(opened[:2]) == 1
