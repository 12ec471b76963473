"""The history of takes: through save and open, damage, newer and older files, bounds, undo and a change of version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import addon
from addon import history, lines, migration, take_records
from addon.errors import CtegError
from addon.line_bake import bake_line
from cteg_core.clip import Controls, ExpressionClip, Likeness, Word
from cteg_core.emotion import EmotionRead
from tests.addon.heads import make_clip
from tests.addon.stage import add_line, box

BEFORE_TAKES = Path(__file__).parents[1] / "data" / "before_takes.blend"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    addon.register()
    yield
    addon.unregister()


def full_clip(seed: int = 5) -> ExpressionClip:
    """A clip with something in every field."""
    controls = Controls(EmotionRead.of(joy=0.5), 1.5, 2.0, False, False, 0.5, 2.0, (), (Likeness(3, 0.8),), "Before.")
    return replace(
        make_clip(seed=seed), controls=controls, emotion=EmotionRead.of(joy=0.5), words=(Word("Well", 0.0, 0.4),),
        checkpoint="v1-abc", stop_reason="stop-head", notes=("A note.",),
    )  # fmt: skip


def save_and_open(path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(0, 99), st.booleans())
def test_a_take_is_read_back_bit_for_bit(count: int, seed: int, kept: bool) -> None:
    clip = replace(full_clip(), frames=make_clip(count, seed=seed).frames)
    take = take_records.Take("a" * 32, "b" * 32, clip, kept, 1234.5)
    line = take_records.take_line(take, take_records.packed_clip(clip))
    assert "\n" not in line
    back = take_records.take_of_line(line)
    assert (back.take_id, back.line_id, back.kept, back.made_at) == ("a" * 32, "b" * 32, kept, 1234.5)
    assert back.clip.frames.tobytes() == clip.frames.tobytes()
    assert replace(back.clip, frames=clip.frames).to_json() == clip.to_json()


def test_takes_are_there_after_save_and_open_and_bake_without_a_sidecar(tmp_path: Path) -> None:
    box()
    line = add_line("Well, hello there!", start=10)
    first = history.add(line.line_id, full_clip(1))
    second = history.add(line.line_id, full_clip(2))
    history.keep(first.take_id)
    lines.choose_take(line, second.take_id)
    save_and_open(tmp_path / "a.blend")
    scene = bpy.context.scene
    (line,) = scene.cteg.lines
    assert [take.take_id for take in lines.takes_of(line)] == [first.take_id, second.take_id]
    assert [take.kept for take in lines.takes_of(line)] == [True, False]
    chosen = lines.chosen_take(line)
    assert chosen is not None
    assert (chosen.take_id, chosen.clip.controls, chosen.clip.checkpoint) == (
        second.take_id, full_clip(2).controls, "v1-abc",
    )  # fmt: skip
    take = bake_line(scene, line)
    assert round(take.frame_start) == 10


def test_the_history_is_a_text_that_nothing_runs_and_lists_do_not_show(tmp_path: Path) -> None:
    line = add_line("Well.")
    history.add(line.line_id, make_clip())
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    (text,) = bpy.data.texts
    assert text.name.startswith(".")
    assert not text.use_module
    assert json.loads(text.lines[0].body) == {"cteg": "takes", "format": 1}
    history.discard(history.takes_of(line.line_id)[0].take_id)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    assert not bpy.data.texts


def test_another_file_does_not_see_the_takes(tmp_path: Path) -> None:
    line_id = add_line("Well.").line_id
    history.add(line_id, make_clip())
    bpy.ops.wm.read_factory_settings(use_empty=True)
    assert not history.takes_of(line_id)


def test_undo_never_loses_a_take() -> None:
    scene = bpy.context.scene
    bpy.ops.ed.undo_push(message="start")
    line_id = add_line("Well.").line_id
    bpy.ops.ed.undo_push(message="line")
    take = history.add(line_id, make_clip())
    lines.choose_take(scene.cteg.lines[0], take.take_id)
    bpy.ops.ed.undo_push(message="choose")
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    assert not bpy.context.scene.cteg.lines
    assert history.find(take.take_id) is not None
    bpy.ops.ed.redo()
    (line,) = bpy.context.scene.cteg.lines
    assert [each.take_id for each in lines.takes_of(line)] == [take.take_id]


def test_a_discarded_take_comes_back_by_undo_and_is_gone_from_the_file(tmp_path: Path) -> None:
    line = add_line("Well.")
    kept, other = (history.add(line.line_id, make_clip(seed=seed)) for seed in (1, 2))
    lines.choose_take(line, other.take_id)
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.cteg.take_discard(take_id=other.take_id) == {"FINISHED"}
    bpy.ops.ed.undo_push(message="discard")
    line = bpy.context.scene.cteg.lines[0]
    assert [take.take_id for take in lines.takes_of(line)] == [kept.take_id]
    assert line.chosen_take == kept.take_id
    bpy.ops.ed.undo()
    line = bpy.context.scene.cteg.lines[0]
    assert [take.take_id for take in lines.takes_of(line)] == [kept.take_id, other.take_id]
    lines.discard_take(line, other.take_id)
    save_and_open(tmp_path / "a.blend")
    assert history.find(other.take_id) is None
    assert history.find(kept.take_id) is not None


def test_the_oldest_take_that_nobody_kept_or_chose_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_TAKES_A_LINE", 3)
    line = add_line("Well.")
    takes = [history.add(line.line_id, make_clip(seed=seed)) for seed in range(3)]
    history.keep(takes[0].take_id)
    lines.choose_take(line, takes[1].take_id)
    fourth = history.add(line.line_id, make_clip(seed=3))
    left = [take.take_id for take in history.takes_of(line.line_id)]
    assert left == [takes[0].take_id, takes[1].take_id, fourth.take_id]
    history.keep(fourth.take_id)
    history.add(line.line_id, make_clip(seed=4))
    # All others are kept or chosen: nothing that is wanted goes.
    assert len(history.takes_of(line.line_id)) == 4


def test_all_frames_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    size = make_clip().frames.nbytes
    monkeypatch.setattr(history, "MAX_BYTES", 3 * size)
    ids = [add_line(text).line_id for text in "abcde"]
    for line_id in ids:
        history.add(line_id, make_clip())
    assert [len(history.takes_of(line_id)) for line_id in ids] == [0, 0, 1, 1, 1]


def test_keeping_a_take_that_is_gone_is_a_sentence() -> None:
    with pytest.raises(CtegError, match="no longer in the history"):
        history.keep("nothing")


def stored_text() -> bpy.types.Text:
    return bpy.data.texts[history.TEXT_NAME]


def test_damage_costs_the_damaged_take_alone(tmp_path: Path) -> None:
    line = add_line("Well.")
    takes = [history.add(line.line_id, make_clip(seed=seed)) for seed in range(3)]
    history.write()
    rows = stored_text().as_string().splitlines()
    rows[2] = rows[2][:200]
    stored_text().from_string("\n".join([*rows, "junk", '{"take": 3}', ""]))
    history.forget()
    assert [take.take_id for take in history.takes_of(line.line_id)] == [takes[0].take_id, takes[2].take_id]
    assert history.notes() == ("3 takes stored in this file are damaged and were left out.",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frame_count", 10**9), ("frame_count", True), ("frame_count", 3), ("frames", "!"), ("frames", "eJw="),
        ("fps", float("inf")), ("text", 3), ("words", [1]), ("controls", {"intensity": "x"}), ("emotion", {}),
    ],
)  # fmt: skip
def test_hostile_takes_are_refused(field: str, value: object) -> None:
    record = json.loads(take_records.packed_clip(make_clip(20)))
    record[field] = value
    line = json.dumps({"take": "a", "line": "b", "kept": False, "made": 0.0, "clip": record})
    with pytest.raises(ValueError, match="A stored take is damaged"):
        take_records.take_of_line(line)


def test_frames_that_unfold_without_end_are_cut_short() -> None:
    import base64
    import zlib

    record = json.loads(take_records.packed_clip(make_clip(20)))
    record["frames"] = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    line = json.dumps({"take": "a", "line": "b", "kept": False, "made": 0.0, "clip": record})
    with pytest.raises(ValueError, match="20 frames are 4240 bytes"):
        take_records.take_of_line(line)


@pytest.mark.parametrize("header", ['{"cteg": "takes", "format": 2}', "print('hello')", ""])
def test_what_another_wrote_is_left_in_the_file(header: str, tmp_path: Path) -> None:
    text = bpy.data.texts.new(history.TEXT_NAME)
    text.from_string(f"{header}\nsomething")
    history.forget()
    line = add_line("Well.")
    take = history.add(line.line_id, make_clip())
    assert "left in the file" in history.notes()[0]
    save_and_open(tmp_path / "a.blend")
    assert history.find(take.take_id) is not None
    others = [each for each in bpy.data.texts if each.name != history.TEXT_NAME]
    assert [each.as_string() for each in others] == [f"{header}\nsomething"]


def test_switching_the_add_on_off_and_on_keeps_the_takes() -> None:
    line = add_line("Well.")
    take = history.add(line.line_id, make_clip())
    addon.unregister()
    addon.register()
    assert history.find(take.take_id) is not None


def test_packing_ahead_of_saving_comes_to_an_end() -> None:
    line = add_line("Well.")
    for seed in range(3):
        history.add(line.line_id, make_clip(seed=seed))
    steps = 0
    while history.pack_some(0.0):
        steps += 1
        assert steps < 10
    assert not history.pack_some(0.0)


def test_a_file_of_the_version_before_gets_lines_and_takes(tmp_path: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(BEFORE_TAKES))
    scene = bpy.context.scene
    assert scene.cteg.version == migration.VERSION
    performed, asked = scene.cteg.lines
    assert (performed.text, performed.start, performed.seed) == ("Oh, thank God you are back!", 12.0, 3)
    assert [take.clip.seed for take in lines.takes_of(performed)] == [3, 4]
    assert all(take.kept for take in lines.takes_of(performed))
    chosen = lines.chosen_take(performed)
    assert chosen is not None
    assert chosen.clip.seed == 3
    assert np.abs(chosen.clip.frames).max() > 0.0
    assert (asked.text, asked.seed, asked.takes) == ("I thought that you were dead.", 7, 1)
    assert scene.cteg.bake.to_nla
    assert bake_line(scene, performed).frame_start == 12
    # Once is enough, and what was migrated is stored as any take is.
    save_and_open(tmp_path / "a.blend")
    assert len(bpy.context.scene.cteg.lines) == 2
    assert len(lines.takes_of(bpy.context.scene.cteg.lines[0])) == 2


def test_a_scene_that_was_added_is_not_taken_for_an_older_one(tmp_path: Path) -> None:
    box()
    scene = bpy.data.scenes.new("Second")
    scene.collection.objects.link(bpy.data.objects["Anna"])
    line = lines.add(scene, "Well, hello there!")
    history.add(line.line_id, make_clip())
    bake_line(scene, line)
    scene.cteg.lines.clear()
    bpy.data.scenes.new("Third")
    save_and_open(tmp_path / "a.blend")
    assert [len(each.cteg.lines) for each in bpy.data.scenes] == [0, 0, 0]
    assert {each.cteg.version for each in bpy.data.scenes} == {migration.VERSION}


def test_a_copied_scene_may_discard_what_the_first_one_keeps(tmp_path: Path) -> None:
    line = add_line("Well.")
    take = history.add(line.line_id, make_clip())
    bpy.ops.scene.new(type="FULL_COPY")
    copy = next(each for each in bpy.data.scenes if each.name.endswith(".001"))
    lines.discard_take(copy.cteg.lines[0], take.take_id)
    save_and_open(tmp_path / "a.blend")
    assert history.find(take.take_id) is not None


def test_every_version_has_a_step_to_the_next() -> None:
    assert len(migration._STEPS) == migration.VERSION
    assert set(history._MIGRATIONS) == set(range(1, history.FORMAT))
