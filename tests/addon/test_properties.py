"""Lines of a scene: their bars, what they ask for, their place in the list, and who performs them."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import pytest

import addon
from addon import history, lines
from addon.errors import CtegError
from cteg_core.emotion import EMOTION_LABELS, EmotionRead
from tests.addon.heads import make_clip
from tests.addon.stage import add_line, box


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    addon.register()
    yield
    addon.unregister()


def shares(line: object) -> dict[str, float]:
    values = zip(EMOTION_LABELS, line.emotion, strict=True)  # type: ignore[attr-defined]
    return {label: round(value, 4) for label, value in values if value}


def test_a_bar_moves_its_family_in_proportion() -> None:
    line = add_line("Well.")
    line.happiness = 0.6
    assert shares(line) == {"joy": 0.6}
    lines.set_emotion(line, EmotionRead.of(joy=0.4, love=0.2, fear=0.3))
    assert (line.happiness, line.fear) == pytest.approx((0.6, 0.3))
    line.happiness = 0.3
    assert shares(line) == {"joy": 0.2, "love": 0.1, "fear": 0.3}
    line.happiness = 0.0
    assert shares(line) == {"fear": 0.3}
    line.happiness = 1.0
    assert line.happiness == pytest.approx(1.0)


def test_the_tone_follows_the_emotion_until_it_is_set() -> None:
    line = add_line("Well.")
    line.anger = 1.0
    assert lines.emotion_of(line).valence == pytest.approx(-0.65)
    line.affect_override, line.valence = True, 0.25
    assert lines.emotion_of(line).valence == pytest.approx(0.25)


def test_a_line_asks_for_what_it_shows() -> None:
    scene = bpy.context.scene
    line = add_line("Well, hello!", "ANNA", start=25, intensity=1.5, expressiveness=2.0, variety=0.5, gaze=False)
    line.blinks = False
    line.duration, line.seed = 2.5, 7
    scene.render.fps = 24
    asked = lines.request_of(scene, line)
    assert (asked.text, asked.character, asked.seed) == ("Well, hello!", "ANNA", 7)
    assert asked.start == pytest.approx(25 / 24)
    controls = asked.controls
    assert (controls.intensity, controls.guidance, controls.variety, controls.duration) == (1.5, 2.0, 0.5, 2.5)
    assert (controls.speech, controls.blinks, controls.gaze, controls.emotion) == (True, False, False, None)
    line.emotion_override, line.sadness = True, 0.5
    emotion = lines.request_of(scene, line).controls.emotion
    assert emotion is not None
    assert emotion.strongest(1) == (("sadness", pytest.approx(0.5)),)


def test_what_cannot_be_performed_is_named_by_its_number() -> None:
    add_line("Fine.")
    line = add_line("a\x07b")
    with pytest.raises(CtegError, match="Line 2: The text holds a control character"):
        lines.request_of(bpy.context.scene, line)


def test_the_line_before_is_read_along_where_it_ends_shortly_before() -> None:
    scene = bpy.context.scene
    first = add_line("They are all dead.", start=0)
    first.duration = 2.0
    second = add_line("No!", start=2 * 24 + 5 * 24)
    assert lines.context_of(scene, scene.cteg.lines[0]) == ""
    assert lines.context_of(scene, second) == "They are all dead."
    second.start = 2 * 24 + 7 * 24
    assert lines.context_of(scene, second) == ""
    second.start = 60
    second.with_context = False
    assert lines.context_of(scene, second) == ""


def test_a_new_line_starts_after_the_one_before() -> None:
    scene = bpy.context.scene
    scene.frame_current = 40
    first = add_line("One.")
    assert first.start == 40
    first.duration = 2.0
    second = add_line("Two.")
    assert second.start == 40 + 48 + round(0.3 * 24)


def test_the_list_is_reordered_and_the_active_line_stays_active() -> None:
    scene = bpy.context.scene
    for text in "abc":
        add_line(text)
    last = scene.cteg.lines[2].line_id
    lines.move(scene, last, -2)
    assert [line.text for line in scene.cteg.lines] == ["c", "a", "b"]
    assert lines.active_line(scene).line_id == last
    lines.move(scene, last, 99)
    assert [line.text for line in scene.cteg.lines] == ["a", "b", "c"]
    lines.remove(scene, last)
    assert lines.active_line(scene).text == "b"


def test_a_duplicate_has_the_settings_and_an_id_of_its_own() -> None:
    scene = bpy.context.scene
    line = add_line("One.", "ANNA", intensity=1.7, seed=9)
    line.happiness, line.emotion_override = 0.5, True
    add_line("Two.")
    copy = lines.duplicate(scene, scene.cteg.lines[0].line_id)
    assert [each.text for each in scene.cteg.lines] == ["One.", "One.", "Two."]
    assert (copy.character, copy.seed, copy.emotion_override) == ("ANNA", 9, True)
    assert (copy.intensity, copy.happiness) == pytest.approx((1.7, 0.5))
    assert copy.line_id != scene.cteg.lines[0].line_id
    assert not lines.takes_of(copy)


def test_lines_that_a_script_adds_get_ids() -> None:
    scene = bpy.context.scene
    scene.cteg.lines.add().text = "Hello"
    (line,) = lines.lines_of(scene)
    assert len(line.line_id) == 32


def test_seeds_go_on_where_takes_are_and_stay_where_they_are_kept() -> None:
    line = add_line("One.", seed=3)
    for seed in (3, 4, 6):
        history.add(line.line_id, make_clip(seed=seed))
    assert lines.next_seed(line, 1) == 5
    assert lines.next_seed(line, 2) == 7
    line.seed_locked = True
    assert lines.next_seed(line, 2) == 3


def test_who_performs_a_line() -> None:
    scene = bpy.context.scene
    line = add_line("One.", "ANNA")
    with pytest.raises(CtegError, match="“ANNA” has no head: choose one in the Character panel"):
        lines.rig_of(scene, line)
    anna = box("Anna")
    assert lines.rig_of(scene, line).mesh == anna.mesh
    bert = box("Bert")
    with pytest.raises(CtegError, match="“ANNA” has no head"):
        lines.rig_of(scene, line)
    scene.cteg.characters["ANNA"].head = anna.armature
    assert lines.rig_of(scene, line).mesh == anna.mesh
    line.character = "Bert"
    assert lines.rig_of(scene, line).mesh == bert.mesh
    line.character = ""
    bpy.context.view_layer.objects.active = anna.mesh
    assert lines.rig_of(scene, line).mesh == anna.mesh
    scene.cteg.bake.target = bert.mesh
    assert lines.rig_of(scene, line).mesh == bert.mesh


def test_a_line_is_stale_once_it_asks_for_something_else() -> None:
    scene = bpy.context.scene
    line = add_line("Well, hello there!")
    history.add(line.line_id, make_clip())
    assert not lines.is_stale(scene, line)
    line.upper = 0.5
    assert not lines.is_stale(scene, line)
    line.intensity = 1.4
    assert lines.is_stale(scene, line)
    line.intensity, line.text = 1.0, "Well, hello!"
    assert lines.is_stale(scene, line)
