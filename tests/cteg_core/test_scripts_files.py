"""Script files: bytes, kinds and names; round trips through what is written; and whatever else may come."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cteg_core.dialogue import LineError
from cteg_core.emotion import EMOTION_LABELS, EmotionRead
from cteg_core.scripts import (
    KINDS,
    ScriptError,
    ScriptLine,
    read_script,
    script_of,
    write_csv,
    write_json,
    write_srt,
)

TABLE = "name,text,start\nZoë,Café?,1\n"
SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nHi.\n"
SCREENPLAY = "INT. ROOM - DAY\n\nANNA\nHi.\n"


@pytest.fixture
def script(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_a_file_is_read_in_its_encoding(encoding: str, script) -> None:  # type: ignore[no-untyped-def]
    read = read_script(script("a.csv", TABLE.encode(encoding)))
    assert [(line.character, line.text, line.start) for line in read.lines] == [("Zoë", "Café?", 1.0)]
    assert len(read.notes) == (encoding == "cp1252")
    if read.notes:
        assert "Row 2 is not UTF-8, so the file was read as Windows-1252" in read.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name,text\nAnna,a\nBen,\0b\n", "a.csv, row 3: a NUL character stands here"),
        (TABLE.encode("utf-16-le"), "a.csv, row 1: a NUL character stands here"),
        (b"\xff\xfe\x00\xd8", "a.csv: it is marked as UTF-16-LE and is not: save it as UTF-8."),
        (b"name,text\nAnna,\x81\n", "a.csv, row 2: this is no text in UTF-8: save the script as UTF-8."),
        (b"text\n" + b"a" * (4 << 20), "a.csv: a script has at most 4 MiB: split it."),
        (b"", "a.csv: the file is empty"),
    ],
)
def test_a_file_that_is_no_text_is_refused(content: bytes, said: str, script) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScriptError) as refusal:
        read_script(script("a.csv", content))
    assert said in str(refusal.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt", Path("a\0b.txt"), tmp_path / ("x" * 5000)):
        with pytest.raises(ScriptError):
            read_script(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes among its files")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ScriptError, match="this is no file"):
        read_script(tmp_path / "pipe.txt")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", "Hi.\n", None),
        ("a.TXT", "[sighs] Hi.\n", None),
        ("a.csv", TABLE, None),
        ("a.tsv", TABLE.replace(",", "\t"), None),
        ("a.json", '["text"]', None),
        ("a.srt", SUBTITLES, None),
        ("a.fountain", "ANNA\nHi.\n", None),
        ("a.txt", SUBTITLES, "SRT"),
        ("a.csv", SUBTITLES, "SRT"),
        ("a.json", "\n" + SUBTITLES, "SRT"),
        ("a.csv", '[{"text": "Hi."}]', "JSON"),
        ("a.txt", SCREENPLAY, "Fountain"),
        ("a.srt", TABLE, "a table"),
        ("a.txt", TABLE, "a table"),
    ],
)
def test_the_content_says_what_a_lying_suffix_does_not(  # type: ignore[no-untyped-def]
    name: str, content: str, kind: str | None, script
) -> None:
    read = read_script(script(name, content))
    told = [note for note in read.notes if note.startswith("Its name says")]
    assert len(told) == (kind is not None)
    assert kind is None or f"read as {kind}" in told[0]


@pytest.mark.parametrize("content", [SUBTITLES, SCREENPLAY, TABLE, '[{"text": "Hi."}]', "Hi.\n"])
def test_a_file_without_a_known_suffix_goes_by_its_content(content: str, script) -> None:  # type: ignore[no-untyped-def]
    read = read_script(script("script", content))
    assert len(read.lines) == 1
    assert read.notes == ()


def test_the_kind_can_be_said(script) -> None:  # type: ignore[no-untyped-def]
    assert read_script(script("a.srt", "Hi.\n"), kind="text").lines[0].text == "Hi."
    with pytest.raises(ScriptError, match="“docx” is no kind of script: choose one of text, csv, json"):
        script_of("Hi.", kind="docx")


@pytest.mark.parametrize("fps", [0.0, -24.0, float("nan"), float("inf")])
def test_a_frame_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(ScriptError, match="A frame rate is 1 to 1000"):
        script_of("Hi.", fps)


@pytest.mark.parametrize(
    "changes",
    [{"text": ""}, {"start": -1.0}, {"start": float("nan")}, {"duration": 0.0}, {"seed": -1}, {"hints": ("a",) * 17}],
)
def test_a_line_that_cannot_be_performed_is_not_made(changes: dict[str, object]) -> None:
    with pytest.raises(LineError):
        ScriptLine(**({"character": "Anna", "text": "Hi."} | changes))  # type: ignore[arg-type]


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Z", "M")), min_size=1, max_size=12)
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
NUMBERS = st.floats(0.0, 1.0).map(lambda value: round(value, 6))
EMOTIONS = st.builds(
    lambda shares, tone: EmotionRead(tuple(shares.get(label, 0.0) for label in EMOTION_LABELS), *tone),
    st.dictionaries(st.sampled_from(EMOTION_LABELS), NUMBERS, max_size=4),
    st.tuples(NUMBERS, NUMBERS.map(lambda value: -value), NUMBERS),
)
LINES = st.builds(
    ScriptLine,
    character=st.just("") | TEXTS,
    text=TEXTS,
    start=st.none() | st.floats(0.0, 1e5).map(lambda value: round(value, 6)),
    duration=st.none() | st.floats(0.05, 3600.0).map(lambda value: round(value, 6)),
    hints=st.lists(TEXTS.filter(lambda text: ";" not in text), max_size=3).map(tuple),
    context=st.just("") | TEXTS,
    emotion=st.none() | EMOTIONS,
    intensity=st.none() | NUMBERS,
    seed=st.none() | st.integers(0, 2**31 - 1),
)


def same(line: ScriptLine, other: ScriptLine) -> bool:
    def facts(of: ScriptLine) -> tuple[object, ...]:
        return of.character, of.text, of.start, of.duration, of.hints, of.context, of.intensity, of.seed

    if (line.emotion is None) != (other.emotion is None):
        return False
    if line.emotion is not None and other.emotion is not None:
        tones = [(read.valence, read.arousal, read.dominance) for read in (line.emotion, other.emotion)]
        if line.emotion.probabilities != other.emotion.probabilities or tones[0] != tones[1]:
            return False
    return facts(line) == facts(other)


@settings(max_examples=40)
@given(st.lists(LINES, max_size=3))
@example([ScriptLine("", '"a", b;c\td|', hints=("x",))])
@example([ScriptLine("=A1", "#1 [x]")])
def test_tables_and_json_keep_every_line(lines: list[ScriptLine]) -> None:
    for text, kind in ((write_csv(lines), "csv"), (write_json(lines), "json")):
        read = script_of(text, kind=kind)
        assert read.left_out == 0
        assert len(read.lines) == len(lines)
        assert all(same(line, other) for line, other in zip(read.lines, lines, strict=True))


PLAIN_LINES = st.builds(
    ScriptLine,
    character=st.sampled_from(["", "ANNA", "BEN 2"]),
    text=st.text("abc <>&i/{}\\0", min_size=1).map(str.strip).filter(lambda text: any(c.isalpha() for c in text)),
    start=st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000),
    duration=st.integers(40, 60_000).map(lambda milliseconds: milliseconds / 1000),
)


@settings(max_examples=40)
@given(st.lists(PLAIN_LINES, min_size=1, max_size=4))
@example([ScriptLine("", "<i>a</i> &amp; b", 1.0, 1.0)])
def test_subtitles_keep_speakers_texts_and_times(lines: list[ScriptLine]) -> None:
    read = script_of(write_srt(lines), kind="srt")
    ordered = sorted(lines, key=lambda line: line.start or 0.0)
    assert [(line.character, line.text) for line in read.lines] == [(line.character, line.text) for line in ordered]
    for line, other in zip(read.lines, ordered, strict=True):
        assert line.start == pytest.approx(other.start, abs=1e-3)
        assert line.duration == pytest.approx(other.duration, abs=2e-3)


def test_subtitles_need_starts_and_plan_lengths() -> None:
    with pytest.raises(ScriptError, match=r"“Hi\.” has no start: set it, or write CSV"):
        write_srt([ScriptLine("", "Hi.")])
    (line,) = script_of(write_srt([ScriptLine("", "Hello there, you.", 1.0)]), kind="srt").lines
    assert 0.5 < line.duration < 5.0


SHREDS = st.sampled_from(
    [
        "\n", "\r\n", "\r", "\n\n", "  \n", ",", ";", "\t", "|", '"', '""', "text", "name,text,start\n", "[", "]", "{",
        "}", ":", '{"text":"a"}', '{"lines":[', "1\n", "00:00:01,000 --> 00:00:02,000\n", "-->", "<i>", "{\\an8}",
        "&amp;", "- ", "ANNA", "ANNA: ", "Anna: ", "(V.O.)", "(", ")", "INT. ROOM - DAY\n", "@", "!", ".", ">", "<",
        "~", "^", "#", "=", "===", "[[", "]]", "/*", "*/", "*", "_", "\\", "Title: x\n", "TO:", "joy 0.5", "NaN", "-1",
        "9" * 400, "\ufeff", "\x00", "\x1b", "\x85", "\u2028", "\ud83d", "é", "你好", "\U0001f600",
    ]
)  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, None])
@settings(max_examples=60)
@given(text=st.lists(SHREDS | st.text(max_size=5), max_size=40).map("".join), fps=st.sampled_from([None, 24.0, 29.97]))
def test_whatever_comes_is_read_or_refused_with_a_sentence(kind: str | None, text: str, fps: float | None) -> None:
    try:
        script = script_of(text, fps, kind)
    except ScriptError as error:
        sentence = str(error)
        assert sentence.endswith(".")
        return
    assert script.left_out <= len(script.notes)
    for line in script.lines:
        assert line.dialogue_line().text == line.text
        assert line.start is None or 0.0 <= line.start <= 360_000.0
    assert all(note.endswith((".", "!", "?", "”")) or note[-1].isdigit() for note in script.notes), script.notes


@settings(max_examples=50)
@given(st.binary(max_size=200) | st.lists(SHREDS, max_size=20).map(lambda each: "".join(each).encode(errors="replace")))
def test_whatever_bytes_come_are_read_or_refused(data: bytes) -> None:
    from cteg_core.scripts.decoding import text_of
    from cteg_core.scripts.lines import Broken, Findings

    try:
        text = text_of(data, Findings())
    except Broken:
        return
    assert "\0" not in text
    text.encode("utf-8")
