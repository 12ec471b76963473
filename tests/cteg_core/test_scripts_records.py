"""Tables and JSON: columns, values, rows that are refused, and files that are none."""

from __future__ import annotations

import json

import pytest

from cteg_core.emotion import EmotionRead
from cteg_core.scripts import Script, ScriptError, script_of


def table(text: str, fps: float | None = None) -> Script:
    return script_of(text, fps, "csv")


def only(script: Script):  # type: ignore[no-untyped-def]
    (line,) = script.lines
    return line


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_stand_in_any_order_under_their_usual_names(delimiter: str) -> None:
    rows = [["Start Time (s)", "SPEAKER", "Dialogue", "end"], ["1.5", "Anna", "Well!", "0:04"], ["", "", "And?", ""]]
    script = table("\n".join(delimiter.join(row) for row in rows))
    assert [(line.character, line.text, line.start, line.duration) for line in script.lines] == [
        ("Anna", "Well!", 1.5, 2.5),
        ("", "And?", None, None),
    ]
    assert [line.row for line in script.lines] == [2, 3]
    assert script.notes == ()


def test_every_field_of_a_row_is_read() -> None:
    line = only(table(
        "name,text,start,duration,seed,emotion,intensity,direction,context\n"
        'Anna,"No, never.",2,1.5,7,joy 0.6 sadness 0.4,0.5,"quietly; to him",The door slams.\n'
    ))  # fmt: skip
    assert (line.start, line.duration, line.seed, line.intensity) == (2.0, 1.5, 7, 0.5)
    assert line.hints == ("quietly", "to him")
    assert line.context == "The door slams."
    assert line.emotion.strongest(2) == (("joy", 0.6), ("sadness", 0.4))
    asked = line.dialogue_line(seed=3)
    assert (asked.seed, asked.controls.intensity, asked.controls.duration, asked.start) == (7, 0.5, 1.5, 2.0)


def test_what_a_script_leaves_out_is_asked_for_otherwise() -> None:
    assert only(table("text,start\nWell!,\n")).dialogue_line(seed=3).seed == 3


@pytest.mark.parametrize(
    ("names", "cells", "fps", "start", "duration"),
    [
        ("start,end", "00:00:01:12,00:00:02:00", 24, 1.5, 0.5),
        ("start frame,end frame", "48,72", 24, 2.0, 1.0),
        ("start (frames),duration (frames)", "48,12", 24, 2.0, 0.5),
        ("start,duration", "48 f,1s", 24, 2.0, 1.0),
        # 60 s of 29.97 minus the two numbers that are dropped: frame 1798.
        ("start", "00:01:00;02", 29.97, 1800 / 29.97, None),
        ("start", "00:10:00;00", 29.97, 17982 / 29.97, None),
        ("start", "00:00:01:00", 23.976, 24 / 23.976, None),
        ("start", '"01:02:03,5"', None, 3723.5, None),
        ("start", "75:00", None, 4500.0, None),
    ],
)
def test_times_are_clock_times_timecodes_or_frames(
    names: str, cells: str, fps: float | None, start: float, duration: float | None
) -> None:
    script = table(f"text,{names}\nWell!,{cells}\n", fps)
    assert script.notes == ()
    assert only(script).start == pytest.approx(start)
    assert only(script).duration == (None if duration is None else pytest.approx(duration))


@pytest.mark.parametrize(
    ("names", "cells", "said"),
    [
        ("start", "-3", "the start was not read: “-3” is no time"),
        ("start", "nan", "“nan” is no time"),
        ("start", "1e400", "“1e400” is no time"),
        ("start", "9" * 5000, "is no time"),
        ("start", "00:61:00", "“00:61:00” is no time"),
        ("start", "٣", "is no time"),
        ("start", "00:00:01:12", "counts frames and the frame rate is not known"),
        ("start frame", "48", "counts frames and the frame rate is not known"),
        ("start,end", "5,4", "the line ends at 4 s and starts at 5 s"),
        ("duration", "4000", "a line lasts 0.04 to 3600 seconds, not 4000"),
        ("duration", "0", "a line lasts 0.04 to 3600 seconds, not 0"),
        ("seed", "-1", "a seed is a whole number from 0 to 2147483647, not -1"),
        ("seed", "1.5", "a seed is a whole number"),
        ("seed", "=1+1", "“=1+1” is no number"),
        ("intensity", "3", "it lies between 0 and 2, not 3"),
        ("emotion", "joy 7", "the joy lies between 0 and 1; got 7"),
        ("emotion", "joy 1 2", "“2” belongs to no emotion"),
    ],
)
def test_a_value_that_cannot_be_read_costs_itself(names: str, cells: str, said: str) -> None:
    script = table(f"text,{names}\nWell!,{cells}\n")
    assert only(script).text == "Well!"
    (note,) = script.notes
    assert note.startswith("Row 2: the ")
    assert said in note
    assert script.left_out == 0


@pytest.mark.parametrize(
    ("timecode", "fps"), [("00:00:01:24", 24), ("00:01:00;00", 29.97), ("00:00:01;00", 25), ("00:00:01;00", 30)]
)
def test_timecodes_that_do_not_exist_are_refused(timecode: str, fps: float) -> None:
    script = table(f"text,start\nWell!,{timecode}\n", fps)
    assert only(script).start is None
    assert timecode in script.notes[0]


def test_words_that_are_no_emotion_are_kept_as_directions() -> None:
    script = table("text,emotion,hint\nWell!,grumpy,quietly\nNo!,angry,\n")
    assert script.lines[0].emotion is None
    assert script.lines[0].hints == ("quietly", "grumpy")
    assert "“grumpy” is none of the 28 emotions" in script.notes[0]
    assert script.lines[1].emotion.probabilities == EmotionRead.of(anger=1.0).probabilities
    assert script.lines[1].emotion.valence < 0 < script.lines[1].emotion.arousal


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Anna,Well,hello,1", "Row 3 was left out: it has 4 cells and the first row names 3"),
        ('Anna,"Well" you,1', "Row 3 was left out: a cell in quotation marks goes on after the closing one"),
        ('Anna,"Well', "Row 3 was left out: a quotation mark opens a cell and none closes it"),
        ("Anna,We\x1bll,1", "Row 3 was left out: The text holds a control character (ESC, U+001B) at character 3"),
        ("An\x07na,Well,1", "Row 3 was left out: The name of the character holds a control character (BEL, U+0007)"),
        ("Anna,,1", "Row 3 was left out: The line is empty"),
        (f"{'A' * 201},Well,1", "at most 200 letters"),
        (f"Anna,{'a ' * 10_001},1", "Row 3 was left out: The line has 20001 characters"),
        (f"Anna,{'a ' * 20_000},1", "Row 3 was left out: it has more than 30000 characters"),
    ],
)
def test_a_row_that_cannot_be_read_costs_itself(row: str, said: str) -> None:
    script = table(f"character,text,start\nBen,One,0\n{row}\nBen,Two,1\n")
    assert [line.text for line in script.lines] == ["One", "Two"]
    assert script.left_out == 1
    assert said in script.notes[0]


def test_quotation_marks_hold_separators_marks_and_rows() -> None:
    script = table('text,character\n"Well, ""hello"",\nyou",Anna\n"Two", Ben\n')
    assert [(line.text, line.row) for line in script.lines] == [('Well, "hello", you', 2), ("Two", 4)]


def test_tab_separated_text_needs_no_quotation_marks() -> None:
    assert [line.text for line in table('name\ttext\nAnna\t"Well," she said.\n').lines] == ['"Well," she said.']


def test_spreadsheet_oddities_are_read_over() -> None:
    script = table("sep=;\r\n# made by hand\r\nTEXT;Shot;;\r\nWell!;12;;\r\n;;;\r\n\r\n")
    assert only(script).text == "Well!"
    assert script.notes == ("Columns that are not read: Shot.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it holds no row of names"),
        ("Anna,Well!\n", "Row 1: the first row names no column of texts"),
        (",".join(["text", *"x" * 200]) + "\n", "Row 1: a table has at most 200 columns"),
        ("text\n" + "a\n" * 10_001, "Row 10002: a script holds at most 10000 lines"),
        ("text\n" + "\n" * 100_000, "a script has at most 100000 rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScriptError) as refusal:
        table(text)
    assert said.casefold() in str(refusal.value).casefold()


def test_many_open_quotation_marks_cost_their_rows_only() -> None:
    script = table("text,name\n" + '"open,\n' * 500 + "Well!,Anna\n")
    assert only(script).text == "Well!"
    assert script.left_out == 500
    assert script.notes[-1] == "There are 450 more notes like these."


def test_json_is_a_list_of_objects_or_holds_one() -> None:
    items = [
        {"speaker": "Anna", "line": "Well!", "start": 1, "end": "0:03.5", "emotion": {"joy": 0.5, "arousal": 0.25}},
        {"text": "And?", "character": None, "hints": ["quietly"], "seed": 7, "camera": {"lens": 50}},
    ]
    for content in (items, {"version": 2, "lines": items}):
        script = script_of(json.dumps(content), kind="json")
        first, second = script.lines
        assert (first.character, first.text, first.start, first.duration) == ("Anna", "Well!", 1.0, 2.5)
        assert first.emotion is not None
        assert (first.emotion.strongest(1), first.emotion.arousal) == ((("joy", 0.5),), 0.25)
        assert (second.character, second.hints, second.seed, second.row) == ("", ("quietly",), 7, 2)
        assert script.notes == ("Names that are not read: camera.",)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("3", "Item 1 was left out: it is no object"),
        ('{"name": "Anna"}', "Item 1 was left out: it has no “text”."),
        ('{"text": 3}', "its text is a number; write it in quotation marks"),
        ('{"text": ["a"]}', "its text is a list"),
        ('{"text": "a", "name": {"b": 1}}', "its character is an object"),
        ('{"text": "\\u0000"}', "a control character (NUL, U+0000)"),
        ('{"text": "\\ud83d"}', "half of a broken character (U+D83D)"),
    ],
)
def test_an_item_that_is_no_line_costs_itself(item: str, said: str) -> None:
    script = script_of(f'[{item}, {{"text": "Well!"}}]', kind="json")
    assert only(script).text == "Well!"
    assert script.left_out == 1
    assert said in script.notes[0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", "1e999", "9" * 5000, "true", "[1]", "{}", '"soon"'])
@pytest.mark.parametrize("name", ["start", "duration", "seed", "intensity"])
def test_numbers_of_json_that_are_none_cost_themselves(name: str, value: str) -> None:
    script = script_of(f'[{{"text": "Well!", "{name}": {value}}}]', kind="json")
    assert (only(script).start, only(script).duration, only(script).seed, only(script).intensity) == (None,) * 4
    assert len(script.notes) == (value != "{}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is not JSON"),
        ('[{"text": "a"},]', "Row 1: this is not JSON"),
        ('[\n{"text": "a"}\n{"text": "b"}]', "Row 3: this is not JSON"),
        ('{"text": "a"}', "it holds no list of lines"),
        ('{"lines": {"text": "a"}}', "it holds no list of lines"),
        ("[" * 100_000, "more than 16 deep"),
        ('{"lines":' * 100_000, "more than 16 deep"),
        ('"' + '\\"' * 100_000, "this is not JSON"),
        ('[{"text": "a"}] trailing', "this is not JSON"),
        ("[" + "{}," * 10_001 + "{}]", "more than 10000 lines of it cannot be read"),
    ],
)
def test_what_is_no_json_script_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScriptError) as refusal:
        script_of(text, kind="json")
    assert said.casefold() in str(refusal.value).casefold()
