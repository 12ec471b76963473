"""The project's own dialogue: read, refused where a row is wrong, and as varied as its checks ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from cteg_core.emotion import EMOTION_LABELS
from cteg_core.training.dialogue_checks import (
    figures_of,
    main,
    names_an_emotion,
    near_duplicates,
    repeated_frames,
    unique_beginnings,
)
from cteg_core.training.dialogue_lines import WrittenLine, read_dialogue

GOOD = "kitchen\t\tI keep setting out / two cups.\tneutral .5 sadness .5 / grief\t.6\t-.7 -.3 -.5"


def written(folder: Path, *rows: str, split: str = "train") -> Path:
    (folder / split).mkdir(parents=True, exist_ok=True)
    (folder / split / "a.tsv").write_text("# a remark\n\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def share(line: WrittenLine, label: str) -> float:
    return line.emotions[EMOTION_LABELS.index(label)]


def test_a_row_becomes_a_line_whose_emotions_are_weighted_by_its_words(tmp_path: Path) -> None:
    (line,) = read_dialogue(written(tmp_path, GOOD), "train")
    assert line.text == "I keep setting out two cups."
    assert line.clauses == ("I keep setting out", "two cups.")
    # Four words carry half neutral and half sadness, two words carry grief.
    assert share(line, "grief") == pytest.approx(2 / 6)
    assert share(line, "sadness") == pytest.approx(2 / 6)
    assert share(line, "neutral") == pytest.approx(2 / 6)
    assert line.basic == "sadness"
    assert (line.intensity, line.valence, line.arousal, line.dominance) == (0.6, -0.7, -0.3, -0.5)


def test_shares_of_a_clause_add_up_to_one(tmp_path: Path) -> None:
    (line,) = read_dialogue(written(tmp_path, GOOD.replace("grief", "grief .2 love .2")), "train")
    assert sum(line.arc[1]) == pytest.approx(1.0)
    assert line.arc[1][EMOTION_LABELS.index("love")] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (GOOD.replace("\t.6", ""), "it has 5"),
        (GOOD.replace("grief", "grieving"), "'grieving' is not an emotion"),
        (GOOD.replace("neutral .5", "neutral .5 .5"), "'.5' is not an emotion"),
        (GOOD.replace("grief", "grief 0"), "write neutral"),
        (GOOD.replace("grief", "grief 7"), "share of grief lies between 0 and 1"),
        (GOOD.replace(" / grief", ""), "2 clauses and the arc 1"),
        (GOOD.replace("two cups.", "/ cups."), "a clause is empty"),
        (GOOD.replace("\t.6\t", "\t1.4\t"), "intensity lies between 0 and 1.3"),
        (GOOD.replace("\t.6\t", "\tnan\t"), "intensity lies between 0 and 1.3"),
        (GOOD.replace("\t.6\t", "\thigh\t"), "intensity is not a number: 'high'"),
        (GOOD.replace("-.7 -.3 -.5", "-.7 -.3"), "it has 2 numbers"),
        (GOOD.replace("-.7 -.3 -.5", "-.7 -.3 -5"), "affect lies between -1 and 1"),
        (GOOD.replace("kitchen", ""), "scene's id is missing"),
        (GOOD.replace("two cups", "two cups" * 300), "at most 2000 characters"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(tmp_path: Path, row: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        read_dialogue(written(tmp_path, GOOD, row), "train")
    assert "a.tsv, row 4" in str(refused.value)


def test_an_empty_split_and_an_unknown_one_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "")
    with pytest.raises(ValueError, match="holds no line of dialogue"):
        read_dialogue(tmp_path, "train")
    with pytest.raises(ValueError, match="no 'dev'"):
        read_dialogue(tmp_path, "dev")


def test_frames_of_four_words_count_once_a_line_and_from_the_fourth_line_on() -> None:
    three = [f"you owe me nothing, {name}" for name in ("Ann", "Bo", "Cy")]
    assert repeated_frames([*three, "you owe me that"]) == ()
    assert repeated_frames([*three, "now you owe me nothing"]) == (("you owe me nothing", 4),)
    assert repeated_frames(["on and on and on and on and on and on"]) == ()


def test_beginnings_are_three_words_and_short_lines_have_none() -> None:
    assert unique_beginnings(["One two three four", "one, two, three!", "No.", "A b c"]) == pytest.approx(2 / 3)


def test_near_duplicates_share_their_words_in_any_order() -> None:
    first, second = "Put the lamp down, Ezra.", "Ezra, put down the lamp."
    assert near_duplicates([first, "Where is the boat?", second]) == ((first, second),)


def test_an_emotion_word_is_found_by_its_stem() -> None:
    assert names_an_emotion("He was HORRIFIED.")
    assert not names_an_emotion("I keep setting out two cups.")


def test_figures_count_labels_turns_and_pairs(tmp_path: Path) -> None:
    pair = "a\t{}\tYou kept it.\t{}\t.5\t0 0 0"
    rows = [GOOD, pair.format("He opens his hand.", "joy"), pair.format("She shows the scar.", "remorse")]
    figures = figures_of(read_dialogue(written(tmp_path, *rows), "train"))
    assert (figures.lines, figures.scenes) == (3, 2)
    assert figures.near_duplicates == ()
    assert dict(figures.labels)["joy"] == dict(figures.labels)["remorse"] == 1
    assert dict(figures.basics)["sadness"] == 2
    assert figures.turning == pytest.approx(1 / 3)
    assert figures.without_emotion_word == 1.0


def test_the_command_prints_the_figures_or_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, GOOD)
    assert main([str(tmp_path)]) == 1
    assert "test" in capsys.readouterr().err
    written(tmp_path, GOOD, split="test")
    assert main([str(tmp_path)]) == 0
    assert "lines: 2" in capsys.readouterr().out
