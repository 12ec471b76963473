"""SRT: cues, their times, speakers and tags, in files as players accept them."""

from __future__ import annotations

import pytest

from cteg_core.scripts import Script, ScriptError, script_of


def srt(text: str) -> Script:
    return script_of(text, kind="srt")


def cues(script: Script) -> list[tuple[str, str, float | None, float | None]]:
    def tidy(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds, 6)

    return [(line.character, line.text, tidy(line.start), tidy(line.duration)) for line in script.lines]


def test_cues_become_lines() -> None:
    script = srt(
        "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Well,</i>\r\nhello &amp; <b>you</b> <3\r\n\r\n"
        "7\r\n00:00:02.000-->00:00:04.000 X1:40 X2:600\r\n{\\an8}- ANNA: Overlapping.\r\n\r\n"
        "\r\n01:00:00,5 --> 01:00:01\r\n1984\r\n"
    )
    assert cues(script) == [
        ("", "Well, hello & you <3", 1.0, 1.5), ("ANNA", "Overlapping.", 2.0, 2.0), ("", "1984", 3600.5, 0.5),
    ]  # fmt: skip
    assert script.notes == ()
    assert [line.row for line in script.lines] == [2, 7, 11]


def test_two_speakers_of_a_cue_share_its_time_by_their_letters() -> None:
    script = srt("1\n00:00:10,000 --> 00:00:14,000\n- ANNA: abc\n- BEN: abcde\nfgh\n")
    assert cues(script) == [("ANNA", "abc", 10.0, 1.0), ("BEN", "abcde fgh", 11.0, 3.0)]
    script = srt("1\n00:00:10,000 --> 00:00:14,000\n- ab\n- ab\n\n2\n00:00:20,000 --> 00:00:21,000\n- ab\nc\n")
    assert cues(script) == [("", "ab", 10.0, 2.0), ("", "ab", 12.0, 2.0), ("", "- ab c", 20.0, 1.0)]


def test_directions_are_hints_and_sounds_are_passed_over() -> None:
    script = srt(
        "1\n00:00:01,000 --> 00:00:02,000\nANNA: (whispering) Hi.\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n[door slams]\n\n3\n00:00:05,000 --> 00:00:06,000\n♪ ♪\n"
    )
    assert cues(script) == [("ANNA", "Hi.", 1.0, 1.0)]
    assert script.lines[0].hints == ("whispering",)
    assert script.notes == ("Cues that only name sounds in brackets are no dialogue and were passed over: 2.",)
    assert script.left_out == 0


def test_every_row_followed_by_a_blank_one_is_read_alike() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nOne\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nThree\n"
    assert cues(srt(text.replace("\n", "\n\n"))) == cues(srt(text))


@pytest.mark.parametrize(
    ("times", "start", "said"),
    [
        ("00:00:99,000 --> 00:01:00,000", None, "read without its time: “00:00:99,000” is no time"),
        ("-00:00:01,000 --> 00:00:02,000", None, "“-00:00:01,000” is no time"),
        ("00:00:01,000 -->", None, "read without its time"),
        ("00:00:02,000 --> 00:00:01,000", 2.0, "lasts -1 seconds, so its length is left open"),
        ("00:00:02,000 --> 99:00:01,000", 2.0, "so its length is left open"),
    ],
)
def test_a_time_that_cannot_be_costs_itself(times: str, start: float | None, said: str) -> None:
    script = srt(f"1\n{times}\nWell!\n\n2\n00:00:05,000 --> 00:00:06,000\nNext\n")
    assert cues(script) == [("", "Well!", start, None), ("", "Next", 5.0, 1.0)]
    assert script.notes[0].startswith("Row 2: ")
    assert said in script.notes[0]


def test_what_belongs_to_no_time_is_said() -> None:
    script = srt("0\nlost\n\n1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\nstray\n\n3\n00:00:03,000 --> 00:00:04,000\n\n")
    assert cues(script) == [("", "One", 1.0, 1.0)]
    assert [note.split(":")[0] for note in script.notes] == [f"Row {row} was left out" for row in (2, 8, 12)]
    assert script.left_out == 3


def test_cues_out_of_order_stay_where_they_are() -> None:
    script = srt("00:00:05,000 --> 00:00:06,000\nB\n\n00:00:01,000 --> 00:00:02,000\nA\n")
    assert [line.text for line in script.lines] == ["B", "A"]
    assert script.notes == ("Row 4: the cue starts before the one above it; the order of the file is kept.",)


def test_subtitles_of_the_web_are_read_too() -> None:
    assert cues(srt("WEBVTT\n\n00:01.000 --> 00:02.000 align:start\nHi.\n")) == [("", "Hi.", 1.0, 1.0)]


def test_a_file_without_times_is_no_srt() -> None:
    with pytest.raises(ScriptError, match="holds no times"):
        srt("1\nHi.\n")
