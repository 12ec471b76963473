"""A scene's dialogue from a script: the whole work without a panel."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

import addon
from addon import presets
from addon.jobs import JobProgress
from tests.addon.stage import box

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import cteg


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("CTEG_SIDECAR", shlex.join([sys.executable, str(Path(__file__).with_name("fake_sidecar.py"))]))
    monkeypatch.setattr(presets, "_folder", lambda create: tmp_path)
    addon.register()
    yield
    addon.unregister()


def test_lines_are_performed_chosen_and_baked_again() -> None:
    anna = box("Anna")
    cteg.add_character("ANNA", anna)
    line = cteg.add_line("Hello", "ANNA", start_frame=10)
    line.takes, line.seed = 2, 4
    told: list[JobProgress] = []
    assert cteg.perform_lines(on_progress=told.append) == ("1 line performed, 2 takes, and baked.",)
    assert told
    (line,) = cteg.lines_of()
    first, second = cteg.takes_of(line)
    assert [take.clip.seed for take in (first, second)] == [4, 5]
    assert cteg.starts_of_lines(bpy.context.scene) == {line.line_id: 10.0}
    cteg.choose_take(second)
    assert cteg.bake_line(line).frame_start == 10
    near = cteg.more_like(second)
    assert [take.clip.seed for take in near] == [6, 7]
    cteg.keep_take(second)
    cteg.discard_take(first)
    assert [take.take_id for take in cteg.takes_of(line)] == [second.take_id, *(take.take_id for take in near)]
    cteg.apply_preset(line, "Anger")
    assert cteg.save_preset(line, "Mine").emotion["anger"] == pytest.approx(0.9)
    assert cteg.face_presets()[-1].name == "Mine"


def test_a_line_that_fails_does_not_cost_the_others() -> None:
    box()
    cteg.add_line("fail")
    cteg.add_line("Hello", start_frame=50)
    with pytest.raises(cteg.CtegError, match="cannot be performed; write another"):
        cteg.perform_lines()
    assert [len(cteg.takes_of(line)) for line in cteg.lines_of()] == [0, 1]
    assert len(cteg.starts_of_lines(bpy.context.scene)) == 1


def test_what_cannot_be_done_is_a_sentence() -> None:
    line = cteg.add_line("Hello")
    with pytest.raises(cteg.CtegError, match="There is no head to perform"):
        cteg.perform_lines()
    with pytest.raises(cteg.CtegError, match="no take yet"):
        cteg.bake_line(line)
    with pytest.raises(cteg.CtegError, match="There is no line to perform"):
        cteg.perform_lines([])
    with pytest.raises(cteg.CtegError, match="no preset called"):
        cteg.apply_preset(line, "Glee")
