"""The channels' page: the curves that it draws, and the clauses' times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cteg_core.clip import ExpressionClip, Word
from cteg_core.emotion import EmotionRead
from cteg_core.evaluation.channel_plot import (
    JAW,
    PANELS,
    curve_of,
    draw_plot,
    main,
    spans_of,
    whole_span,
)
from flame_rig.spaces import CTEG_HEAD_1

JOY, FEAR = EmotionRead.of(joy=1.0), EmotionRead.of(fear=1.0)


def clip_of(space: str = CTEG_HEAD_1.id) -> ExpressionClip:
    frames = np.zeros((90, 53), dtype=np.float32)
    frames[:, CTEG_HEAD_1.names.index("mouthSmileLeft")] = np.linspace(0.0, 0.8, 90)
    frames[:, CTEG_HEAD_1.names.index("mouthSmileRight")] = np.linspace(0.0, 0.4, 90)
    frames[30, 50] = np.radians(10.0)
    words = tuple(
        Word(text, start, start + 0.3) for text, start in (("Oh", 0.2), ("good", 0.6), ("Run", 1.5), ("now", 2.1))
    )
    return ExpressionClip(frames, 30.0, space, "Oh, good! Run now.", words, JOY)


def test_a_curve_is_the_mean_of_both_sides_and_knows_how_far_they_part() -> None:
    low, mean, high = curve_of(clip_of().frames, "mouthSmile")
    assert (low[-1], mean[-1], high[-1]) == pytest.approx((0.4, 0.6, 0.8))
    assert max(curve_of(clip_of().frames, JAW)[1]) == pytest.approx(10.0, abs=1e-4)


def test_every_channel_that_is_drawn_exists() -> None:
    for shapes in PANELS.values():
        for shape in shapes:
            assert len(curve_of(clip_of().frames, shape)[1]) == 90


def test_a_clause_begins_halfway_between_its_words() -> None:
    spans = spans_of(clip_of(), ("Oh, good! ", "Run now."), (JOY, FEAR))
    assert [(span.start, span.end) for span in spans] == [(0.0, pytest.approx(1.2)), (pytest.approx(1.2), 3.0)]
    assert [span.emotion.basic for span in spans] == ["happiness", "fear"]
    assert whole_span(clip_of())[0].end == 3.0


def test_the_page_has_a_block_for_each_clip(tmp_path: Path) -> None:
    figure = draw_plot([clip_of()] * 2, [whole_span(clip_of())] * 2)
    assert len(figure.axes) == 2 * (1 + len(PANELS))
    said = {text.get_text() for text in figure.axes[0].texts}
    assert {"Oh", "good", "Run", "now", "joy 100 %"} <= said
    path = tmp_path / "clip.json"
    path.write_text(clip_of().to_json(), encoding="utf-8")
    assert main([str(path), "--out", str(tmp_path / "page.png")]) == 0
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_a_clip_of_another_space_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clip.json"
    path.write_text(clip_of("flame-2020").to_json(), encoding="utf-8")
    assert main([str(path), "--out", str(tmp_path / "page.png")]) == 1
    assert "flame-2020" in capsys.readouterr().err
    assert not (tmp_path / "page.png").exists()
