"""Lines of dialogue: what is refused and said, and how long text is cut."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cteg_core.clip import Controls, Word
from cteg_core.dialogue import (
    MAX_TEXT_CHARACTERS,
    DialogueLine,
    LineError,
    checked_text,
    sentences,
    take_seed,
    word_count,
)
from cteg_core.emotion import EmotionRead
from cteg_core.performer import takes_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", "Hello."),
        ("  two\nlines\r\n and\ta tab ", "two lines and a tab"),
        ("no\u00a0break\u2028line", "no break line"),
        ("Café — naïve", "Café — naïve"),
    ],
)
def test_blanks_become_single_spaces_and_nothing_else_changes(text: str, expected: str) -> None:
    assert checked_text(text).text == expected
    assert checked_text(text).notes == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The line is empty; write what the character says."),
        (" \n\t ", "The line is empty; write what the character says."),
        ("\u200b\u200d", "The line is empty; write what the character says."),
        (
            "hello\0world",
            "The text holds a control character (NUL, U+0000) at character 6, after “hello”; delete it.",
        ),
        ("\x1b[31m", "The text holds a control character (ESC, U+001B) at character 1; delete it."),
        ("x\x9f", "The text holds a control character (U+009F) at character 2, after “x”; delete it."),
        ("Hm \ud83d", "The text holds half of a broken character (U+D83D) at character 4, after “Hm”; delete it."),
        (
            "a" * (MAX_TEXT_CHARACTERS + 1),
            "The line has 20001 characters, more than the 20000 of one line; split it into several lines.",
        ),
    ],
)
def test_what_cannot_be_performed_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(LineError) as refusal:
        checked_text(text)
    assert str(refusal.value) == said


def test_two_thousand_words_are_a_line() -> None:
    text = "Whatever happens now, remember me. " * 400
    assert word_count(checked_text(text).text) >= 2000


@pytest.mark.parametrize("text", ["😀", "👩‍👩‍👧 !", "...", "?!"])
def test_text_without_words_says_that_nobody_speaks(text: str) -> None:
    assert checked_text(text).notes == ("The line has no words, so it is performed without speech.",)


@pytest.mark.parametrize(("text", "letter"), [("你好，世界。", "你"), ("I said привет", "п"), ("नमस्ते", "न")])
def test_letters_that_are_not_latin_are_noted(text: str, letter: str) -> None:
    (note,) = checked_text(text).notes
    assert f"first: {letter}" in note
    assert "English" in note


def test_numbers_are_words() -> None:
    assert checked_text("1984!").notes == ()


@given(st.text(max_size=200))
def test_checking_twice_changes_nothing(text: str) -> None:
    try:
        once = checked_text(text)
    except LineError:
        return
    assert checked_text(once.text) == once


@given(st.text(max_size=400), st.integers(1, 30))
def test_parts_of_a_text_join_to_the_text_and_keep_to_the_limit(text: str, max_words: int) -> None:
    parts = sentences(text, max_words)
    assert "".join(parts) == text
    assert all(word_count(part) <= max_words for part in parts)
    assert all(parts) or text == ""


@given(st.text(alphabet="ab,.;!? '。，字\U0001f600", max_size=300), st.integers(1, 9))
@example("b'字", 1)
@example("字'b", 1)
@example("a" * 18 + "'b", 1)
def test_parts_of_a_text_with_many_marks(text: str, max_words: int) -> None:
    parts = sentences(text, max_words)
    assert "".join(parts) == text
    assert all(word_count(part) <= max_words for part in parts)


@pytest.mark.parametrize(
    ("text", "max_words", "parts"),
    [
        ("One. Two.", 4, ("One. Two.",)),
        ("One here. Two here.", 3, ("One here. ", "Two here.")),
        ("Mr. Smith left. I stayed.", 6, ("Mr. Smith left. ", "I stayed.")),
        ("He said “no.” Then he went.", 7, ("He said “no.” ", "Then he went.")),
        ("If you go, I will stay", 5, ("If you go, ", "I will stay")),
        ("one two three four five", 2, ("one two ", "three four ", "five")),
        ("我走了。你呢？", 4, ("我走了。", "你呢？")),
        ("a" * 60, 2, ("a" * 36, "a" * 24)),
        ("!" * 40, 2, ("!" * 36, "!" * 4)),
        ("", 3, ("",)),
    ],
)
def test_text_is_cut_at_sentences_then_clauses_then_words(text: str, max_words: int, parts: tuple[str, ...]) -> None:
    assert sentences(text, max_words) == parts


@pytest.mark.parametrize(
    ("text", "count"),
    [("Don't go.", 3), ("你好", 2), ("", 0), ("x" * 37, 3), ("!!!", 1), ("?!?", 3), ("!" * 19, 2), ("😂😂 ha", 2)],
)
def test_word_count(text: str, count: int) -> None:
    assert word_count(text) == count


def test_a_part_holds_at_least_a_word() -> None:
    with pytest.raises(ValueError, match="at least one word"):
        sentences("text", 0)


def test_a_line_stores_its_text_tidied() -> None:
    assert DialogueLine("a\nb").text == "a b"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": -1}, "A seed is a whole number from 0 to 2147483647"),
        ({"seed": 2**31}, "A seed is a whole number"),
        ({"seed": True}, "A seed is a whole number"),
        ({"seed": 1.5}, "A seed is a whole number"),
        ({"start": math.nan}, "A line starts at a time in seconds"),
        ({"character": "x\0"}, "The name of the character holds a control character"),
        ({"character": "x" * 201}, "at most 200 letters"),
        ({"controls": Controls(intensity=2.1)}, "The intensity of a line lies between 0 and 2; got 2.1."),
        ({"controls": Controls(intensity=math.nan)}, "The intensity of a line"),
        ({"controls": Controls(variety=-0.1)}, "The variety of a line"),
        ({"controls": Controls(duration=0.0)}, "The duration of a line"),
        ({"controls": Controls(guidance=3.1)}, "The guidance of a line lies between 0 and 3; got 3.1."),
        ({"controls": Controls(words=(Word("Hello", 0.5, 0.2),))}, "a word ends later"),
        ({"controls": Controls(words=(Word("Hello", -0.5, 0.2),))}, "seconds from the line's start"),
        ({"controls": Controls(words=(Word("Hello", 0.5, 4000.0),))}, "a line lasts at most 3600 s"),
        ({"controls": Controls(words=(Word("Hel\0lo", 0.5, 0.7),))}, "The text of a timed word holds a control"),
        ({"controls": Controls(words=(Word("Hello" * 4001, 0.5, 0.7),))}, "longer than any line"),
        (
            {"controls": Controls(words=(Word("Hel", 0.1, 0.2), Word("lo", 0.2, 0.3)))},
            "The line has 1 words, and times of 2 are given",
        ),
        ({"controls": Controls(words=(Word("Hello", 0.1, 0.2),) * 4001)}, "at most 4000 words"),
        ({"controls": Controls(emotion=EmotionRead.of(joy=1.5))}, "probabilities of an emotion"),
        ({"controls": Controls(emotion=EmotionRead((0.0,) * 28, valence=2.0))}, "Valence"),
    ],
)
def test_a_line_that_cannot_be_performed_is_not_made(changes: dict[str, object], said: str) -> None:
    with pytest.raises(LineError) as refusal:
        DialogueLine("Hello.", **changes)  # type: ignore[arg-type]
    assert said in str(refusal.value)


def test_takes_differ_by_their_seed_only() -> None:
    line = DialogueLine("Hello.", seed=2**31 - 2)
    assert [(take.line, take.take, take.seed) for take in takes_of(line, 3)] == [
        (line, 0, 2**31 - 2),
        (line, 1, 2**31 - 1),
        (line, 2, 0),
    ]
    assert take_seed(5, 2) == 7
