"""The queue of lines, ticked by hand as the timer would: progress, takes, cancel, and whatever happens meanwhile."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest

import addon
from addon import api, history, jobs, lines, notices, performance
from addon.operators.generate import why_not, why_not_all
from addon.wishes import wish_for
from cteg_core.clip import Likeness
from tests.addon.fake_sidecar import clip_for
from tests.addon.heads import bone_matrix
from tests.addon.stage import add_line, box, order, tick_to_end

FAKES = Path(__file__).parents[1] / "fakes" / "fake_sidecar.py"


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CTEG_SIDECAR", shlex.join([sys.executable, str(Path(__file__).with_name("fake_sidecar.py"))]))
    addon.register()
    yield
    addon.unregister()


@pytest.fixture
def acting_sidecar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar that streams, and does what the first word of a line says."""
    monkeypatch.setenv("CTEG_SIDECAR", shlex.join([sys.executable, str(FAKES)]))


def line_at(index: int) -> object:
    return bpy.context.scene.cteg.lines[index]


def seeds(line: object) -> list[int]:
    return [take.clip.seed for take in lines.takes_of(line)]


def tick_until(state: performance.LineState, line_id: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        now = performance.state_of(line_id)
        if now is not None and now[0] is state:
            return
        assert time.monotonic() < deadline, f"{line_id} never was {state}: {now}"
        performance.tick()
        time.sleep(0.01)


class TestGenerate:
    def test_takes_arrive_the_first_is_chosen_and_baked(self) -> None:
        rig = box()
        line = add_line("Hello", start=30, takes=2, seed=7)
        assert bpy.ops.cteg.generate() == {"FINISHED"}
        line = line_at(0)
        assert seeds(line) == [7, 8]
        assert lines.chosen_take(line).clip.seed == 7
        bpy.context.scene.frame_set(35)
        assert np.abs(bone_matrix(rig, "jaw") - api_jaw("Hello", 7, 5)).max() < 1e-6
        assert notices.outcome() == notices.Outcome(("1 line performed, 2 takes, and baked.",))

    def test_several_lines_and_presses_queue(self) -> None:
        box()
        some = [add_line(text, start=100 * n) for n, text in enumerate(("One", "Two", "Three"))]
        ids = [line.line_id for line in some]
        order(*(line_at(index) for index in (0, 1)))
        assert why_not_all(bpy.context) is None
        order(line_at(2))
        assert "All lines are being performed" in str(why_not_all(bpy.context))
        assert [performance.state_of(line_id)[0] for line_id in ids] == [performance.LineState.WAITING] * 3
        assert performance.progress().lines == 3
        said = tick_to_end()
        assert said.sentences[0] == "3 lines performed, and baked."
        assert [len(lines.takes_of(line)) for line in bpy.context.scene.cteg.lines] == [1, 1, 1]
        assert performance.progress() is None
        assert [performance.state_of(line_id) for line_id in ids] == [None] * 3

    def test_generating_again_goes_on_to_new_seeds(self) -> None:
        box()
        add_line("Hello", seed=4)
        for _ in range(2):
            bpy.ops.cteg.generate()
        assert seeds(line_at(0)) == [4, 5]

    def test_generate_all_takes_what_is_due(self) -> None:
        box()
        for n, text in enumerate(("One", "Two")):
            add_line(text, start=100 * n)
        bpy.ops.cteg.generate_all()
        line_at(1).text = "Two and a half"
        bpy.ops.cteg.generate_all()
        assert [len(lines.takes_of(line)) for line in bpy.context.scene.cteg.lines] == [1, 2]
        bpy.ops.cteg.generate_all()
        assert [len(lines.takes_of(line)) for line in bpy.context.scene.cteg.lines] == [2, 3]

    def test_more_like_this_joins_the_others_and_changes_nothing_else(self) -> None:
        box()
        add_line("Hello", takes=2, seed=4)
        bpy.ops.cteg.generate()
        chosen = lines.chosen_take(line_at(0)).take_id
        bpy.context.scene.cteg.likeness = 0.6
        assert bpy.ops.cteg.take_more_like(take_id=chosen) == {"FINISHED"}
        assert seeds(line_at(0)) == [4, 5, 6, 7]
        assert lines.chosen_take(line_at(0)).take_id == chosen
        asked = wish_for(bpy.context.scene, line_at(0), near=history.find(chosen)).request
        assert asked.controls.like == (Likeness(4, pytest.approx(0.6)),)

    def test_without_bake_when_done_nothing_is_animated(self) -> None:
        box()
        add_line("Hello")
        bpy.context.scene.cteg.bake_when_done = False
        bpy.ops.cteg.generate()
        assert not bpy.data.actions
        assert len(lines.takes_of(line_at(0))) == 1

    def test_the_reasons_why_it_cannot_be_pressed(self) -> None:
        assert why_not(bpy.context) == "Add a line of dialogue first"
        line = add_line("")
        assert why_not(bpy.context) == "Write what the character says first"
        line.text = "Hello"
        assert "There is no head to perform" in str(why_not(bpy.context))
        line.character = "ANNA"
        assert "“ANNA” has no head" in str(why_not(bpy.context))
        box()
        assert why_not(bpy.context) is None
        assert bpy.ops.cteg.generate.poll()
        assert not bpy.ops.cteg.cancel.poll()
        order(line)
        assert "This line is being performed" in str(why_not(bpy.context))
        assert bpy.ops.cteg.cancel.poll()

    def test_no_sidecar_is_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CTEG_SIDECAR")
        box()
        add_line("Hello")
        with pytest.raises(RuntimeError, match="network is not set up"):
            bpy.ops.cteg.generate()
        said = notices.outcome()
        assert said is not None
        assert said.failed
        assert not performance.is_running()


def api_jaw(text: str, seed: int, index: int) -> np.ndarray:
    from flame_rig.flame_model import rotation_matrices

    return rotation_matrices(clip_for(text, seed).frames[index, 50:])


@pytest.mark.usefixtures("acting_sidecar")
class TestFailures:
    def test_a_line_that_fails_costs_only_itself_and_says_why(self) -> None:
        box()
        for n, text in enumerate(("fine one", "refuse this", "fine two")):
            add_line(text, start=100 * n)
        order(*bpy.context.scene.cteg.lines)
        said = tick_to_end()
        assert said.failed
        assert "Line 2 “refuse this”: The line is too sad; cheer it up." in said.sentences
        assert "2 lines performed, and baked." in said.sentences
        assert performance.failure_of(line_at(1).line_id) == "The line is too sad; cheer it up."
        assert performance.failure_of(line_at(0).line_id) is None
        line_at(1).text = "better"
        order(line_at(1))
        assert not tick_to_end().failed
        assert performance.failure_of(line_at(1).line_id) is None

    def test_a_sidecar_that_dies_is_said_once_and_the_next_try_works(self) -> None:
        box()
        add_line("die now and here")
        add_line("never tried")
        order(*bpy.context.scene.cteg.lines)
        said = tick_to_end()
        assert len(said.sentences) == 1
        assert "exit status 7" in said.sentences[0]
        assert all(performance.failure_of(line.line_id) for line in bpy.context.scene.cteg.lines)
        order(line_at(1))
        assert not tick_to_end().failed


@pytest.mark.usefixtures("acting_sidecar")
class TestCancel:
    def test_cancel_is_at_once_and_for_good(self) -> None:
        box()
        add_line("wait here for good")
        line_id = line_at(0).line_id
        order(line_at(0))
        tick_until(performance.LineState.RUNNING, line_id)
        progress = performance.progress()
        assert progress.frames > 0
        assert progress.frames_expected > 0
        assert bpy.ops.cteg.cancel() == {"FINISHED"}
        assert not performance.is_running()
        assert notices.outcome() == notices.Outcome(("Cancelled.",))
        # A late result is dropped, and the next line is performed by the same sidecar.
        line_at(0).text = "next"
        order(line_at(0))
        assert not tick_to_end().failed
        assert [take.clip.text for take in lines.takes_of(line_at(0))] == ["next"]

    def test_lines_that_are_done_stay(self) -> None:
        box()
        add_line("quick one")
        add_line("wait here for good", start=100)
        order(line_at(0))
        order(line_at(1))
        tick_until(performance.LineState.RUNNING, line_at(1).line_id)
        performance.cancel()
        assert notices.outcome().sentences == ("Cancelled. 1 line is done.",)
        assert len(lines.takes_of(line_at(0))) == 1
        assert not lines.takes_of(line_at(1))


class TestWhateverHappens:
    """What an artist does while lines are on their way: nothing sticks, nothing is lost."""

    def started(self, text: str = "Hello") -> api.Rig:
        rig = box()
        order(add_line(text, start=4))
        return rig

    def test_the_head_is_renamed(self) -> None:
        rig = self.started()
        rig.mesh.name = "Somebody"
        assert not tick_to_end().failed

    def test_the_head_is_deleted(self) -> None:
        rig = self.started()
        bpy.data.objects.remove(rig.mesh)
        said = tick_to_end()
        assert said.failed
        assert "There is no head to perform" in said.sentences[0]
        assert len(lines.takes_of(line_at(0))) == 1

    def test_the_line_is_removed_and_brought_back_with_its_takes(self) -> None:
        bpy.ops.ed.undo_push(message="start")
        self.started()
        line_id = line_at(0).line_id
        bpy.ops.ed.undo_push(message="line")
        lines.remove(bpy.context.scene, line_id)
        bpy.ops.ed.undo_push(message="remove")
        said = tick_to_end()
        assert "“Hello” was removed meanwhile" in said.sentences[-1]
        assert not said.failed
        bpy.ops.ed.undo()
        assert len(lines.takes_of(line_at(0))) == 1

    def test_undo_while_it_runs_loses_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # One line a tick, so that undo takes a piece of the queue's work back.
        monkeypatch.setattr(performance, "_PIECE_SECONDS", 0.0)
        bpy.ops.ed.undo_push(message="start")
        self.started()
        add_line("Second", start=60)
        order(line_at(1))
        bpy.ops.ed.undo_push(message="lines")
        bpy.context.scene.frame_current = 77
        bpy.ops.ed.undo_push(message="something else")
        deadline = time.monotonic() + 30
        while not line_at(0).chosen_take:
            assert time.monotonic() < deadline
            performance.tick()
        assert performance.is_running()
        bpy.ops.ed.undo()
        assert not line_at(0).chosen_take
        said = tick_to_end()
        assert not said.failed
        assert all(line.chosen_take for line in bpy.context.scene.cteg.lines)
        assert len(bpy.data.actions) >= 2

    def test_another_scene_is_shown(self) -> None:
        self.started()
        first = bpy.context.scene
        other = bpy.data.scenes.new("Other")
        if bpy.context.window is not None:
            bpy.context.window.scene = other
        assert not tick_to_end().failed
        assert first.cteg.lines[0].chosen_take
        assert not other.cteg.lines

    def test_the_scene_is_deleted(self) -> None:
        self.started()
        line_id = line_at(0).line_id
        keep = bpy.data.scenes.new("Other")
        bpy.data.scenes.remove(next(scene for scene in bpy.data.scenes if scene != keep))
        said = tick_to_end()
        assert "was removed meanwhile" in said.sentences[-1]
        assert len(history.takes_of(line_id)) == 1

    def test_another_file_is_opened(self, tmp_path: Path) -> None:
        self.started()
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
        assert not performance.is_running()
        assert performance.tick() is None
        assert bpy.ops.cteg.generate.poll()
        order(line_at(0))
        assert not tick_to_end().failed

    def test_scripts_are_reloaded(self) -> None:
        self.started()
        addon.unregister()
        addon.register()
        assert not performance.is_running()
        assert performance.tick() is None
        order(line_at(0))
        assert not tick_to_end().failed

    def test_the_sidecar_is_closed(self) -> None:
        self.started()
        jobs.close_shared_client()
        assert tick_to_end().sentences == ("The sidecar was stopped.",)

    def test_something_of_ours_breaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started()

        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(performance, "bake_line_steps", broken)
        with pytest.raises(ZeroDivisionError):
            tick_to_end()
        assert not performance.is_running()
        said = notices.outcome()
        assert said is not None
        assert said.failed
        assert "Something in CTEG broke" in said.sentences[0]
        assert len(lines.takes_of(line_at(0))) == 1


def test_a_reading_shows_the_emotion_of_a_text_before_it_is_performed() -> None:
    add_line("Great!!!!")
    assert lines.emotion_read(bpy.context.scene, line_at(0)) is None
    assert bpy.ops.cteg.emotion_read() == {"FINISHED"}
    read = lines.emotion_read(bpy.context.scene, line_at(0))
    assert read is not None
    assert bpy.ops.cteg.emotion_override() == {"FINISHED"}
    assert line_at(0).emotion_override
    assert tuple(line_at(0).emotion) == pytest.approx(read.probabilities)
