"""Plain text and Fountain: what becomes a line, and what does not."""

from __future__ import annotations

import pytest

from cteg_core.scripts import Script, script_of


def said(script: Script) -> list[tuple[str, str]]:
    return [(line.character, line.text) for line in script.lines]


def fountain(text: str) -> Script:
    return script_of(text, kind="fountain")


def test_a_text_is_a_line_a_row() -> None:
    text = "Once.\n\n# a remark\nANNA: Well, hello: you!\r\n  And you?\rZOË 2 (softly):  (sighs) Hm.\n"
    script = script_of(text, kind="text")
    assert said(script) == [
        ("", "Once."), ("ANNA", "Well, hello: you!"), ("ANNA", "And you?"), ("ZOË 2", "Hm."),
    ]  # fmt: skip
    assert script.lines[3].hints == ("softly", "sighs")
    assert [line.row for line in script.lines] == [1, 4, 5, 6]


@pytest.mark.parametrize("row", ["12:30 is the time", "http://a.b", "A:b", "Wait: what?", "He said it: go", ": nobody"])
def test_rows_that_name_nobody_are_text(row: str) -> None:
    assert said(script_of(f"ANNA: Well!\n{row}\n", kind="text"))[1] == ("ANNA", row)


def test_names_need_no_capitals_where_most_rows_have_one() -> None:
    assert said(script_of("Anna: Well!\nDr. Who: Yes?\nhm\n", kind="text")) == [
        ("Anna", "Well!"), ("Dr. Who", "Yes?"), ("Dr. Who", "hm"),
    ]  # fmt: skip
    assert said(script_of("安娜：你好。\n", kind="text")) == [("安娜", "你好。")]
    assert "not Latin" in script_of("安娜：你好。\n", kind="text").lines[0].notes[0]


@pytest.mark.parametrize("row", ["ANNA:", "(she leaves)", "ANNA: [waves]", "\u200b", "a\x1bb"])
def test_a_row_of_text_without_speech_costs_itself(row: str) -> None:
    script = script_of(f"One\n{row}\nTwo\n", kind="text")
    assert [text for _, text in said(script)] == ["One", "Two"]
    assert script.left_out == 1
    assert script.notes[0].startswith("Row 2 was left out: ")


SCREENPLAY = """Title: The Glass
    of Water
Author: Nobody

FADE IN:

INT. KITCHEN - NIGHT #1A#

The glass [[or a cup?]] breaks. *Everybody* looks.

ANNA (V.O.) (hoarse)
(quietly,
to herself)
I _never_ said /* cut
this */ **that**.
  
Not once.

BEN ^
~La la la
(beat)
Stop.

She stares.

Then laughs.

@McCoy (CONT'D)
He's dead.

!THE LIGHTS
go out.

> THE END <

> CUT TO:

.FLASHBACK

===

# Act two

= what happens

IRIS
Hello?
"""


def test_only_dialogue_of_a_screenplay_becomes_lines() -> None:
    script = fountain(SCREENPLAY)
    assert said(script) == [
        ("ANNA", "I never said that. Not once."), ("BEN", "La la la Stop."), ("McCoy", "He's dead."),
        ("IRIS", "Hello?"),
    ]  # fmt: skip
    assert [line.hints for line in script.lines] == [("hoarse", "quietly, to herself"), ("beat",), (), ()]
    assert [line.context for line in script.lines] == [
        "INT. KITCHEN - NIGHT. The glass breaks. Everybody looks.",
        "",
        "She stares. Then laughs.",
        "THE LIGHTS go out. FLASHBACK.",
    ]
    assert [SCREENPLAY.split("\n")[line.row - 1][:4] for line in script.lines] == ["ANNA", "BEN ", "@McC", "IRIS"]
    assert script.notes == ()
    assert {line.start for line in script.lines} == {None}


def test_rows_may_end_as_they_like() -> None:
    assert said(fountain(SCREENPLAY.replace("\n", "\r\n"))) == said(fountain(SCREENPLAY))
    assert said(fountain(SCREENPLAY.replace("\n", "\r"))) == said(fountain(SCREENPLAY))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\nANNA\nHi.", [("ANNA", "Hi.")]),
        ("ANNA:\nHi.", [("ANNA", "Hi.")]),
        ("R2-D2\nBeep.", [("R2-D2", "Beep.")]),
        ("23\nnot a name", []),
        ("ANNA\n\nHi.", []),
        ("He waits.\nANNA\nHi.", []),
        ("!ANNA\nHi.", []),
        (".ANNA\nHi.", []),
        ("CUT TO:\nHi.", []),
        ("INT. ROOM\nHi.", []),
        ("Anna\nHi.", []),
        ("@Anna\nHi.", [("Anna", "Hi.")]),
        ("@黒澤\nHi.", [("黒澤", "Hi.")]),
        ("ANNA\n...and?\n.Dot\n>Not centred", [("ANNA", "...and? .Dot >Not centred")]),
        ("ANNA\n(half a thought\nHi.", [("ANNA", "(half a thought Hi.")]),
        ("ANNA\n(one) two\nHi.", [("ANNA", "(one) two Hi.")]),
        ("ANNA\nI [[say\nit]] so.", [("ANNA", "I so.")]),
        ("ANNA\n[[a note]]\nHi.", [("ANNA", "Hi.")]),
        ("ANNA\nI /* never end.", [("ANNA", "I /* never end.")]),
        ("ANNA\n[[no\n\nnote]]", [("ANNA", "[[no")]),
        ("/*\nANNA\nHi.\n*/\nBEN\nHo.", [("BEN", "Ho.")]),
        (r"ANNA" + "\n" + r"2 * 3 * 4 \*x\* **b**", [("ANNA", "2 * 3 * 4 *x* b")]),
        ("Title: only this", []),
        ("", []),
    ],
)
def test_elements_of_fountain(text: str, lines: list[tuple[str, str]]) -> None:
    assert said(fountain(text)) == lines


def test_a_cue_without_speech_is_said() -> None:
    script = fountain("ANNA\n(waves)\n\nBEN\nHi.\n")
    assert said(script) == [("BEN", "Hi.")]
    assert script.notes == ("Row 1 was left out: nothing is said below “ANNA”.",)


def test_a_long_context_keeps_its_end() -> None:
    (line,) = fountain("\n\n".join(f"Sentence {n} of it." for n in range(100)) + "\n\nANNA\nHi.\n").lines
    assert len(line.context) <= 500
    assert line.context.endswith("Sentence 99 of it.")
    assert line.context.split()[0] in ("Sentence", "of", "it.") or line.context.split()[0].isdecimal()


def test_a_context_that_is_no_text_costs_itself() -> None:
    script = fountain("A bell \x07 rings.\n\nANNA\nHi.\n")
    assert said(script) == [("ANNA", "Hi.")]
    assert "Row 3: the line is read without its context." in script.notes[0]
