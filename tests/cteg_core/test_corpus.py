"""Labelled text, and the corpus of performances made from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from cteg_core.__main__ import main
from cteg_core.affect import LABEL_AFFECT, expected_affect
from cteg_core.commands.synthesize import LONGEST_DIALOGUE, STATISTICS_NAME
from cteg_core.emotion import BASIC_EMOTIONS, EMOTION_LABELS
from cteg_core.training.affect import draw_target
from cteg_core.training.corpus import CORPUS_FORMAT, CorpusReader, choose_lines, synthesise_corpus
from cteg_core.training.corpus_statistics import PRESENT, statistics_of
from cteg_core.training.text_data import LabelledLine, clean_text, read_emobank, read_goemotions, word_count

JOY, ANGER, NEUTRAL = (EMOTION_LABELS.index(label) for label in ("joy", "anger", "neutral"))


def line(text: str, *labels: int) -> LabelledLine:
    emotions = tuple(1.0 if index in labels else 0.0 for index in range(len(EMOTION_LABELS)))
    return LabelledLine(text, emotions, None, "train")


LINES = [
    line("What a day!", JOY),
    line("Leave. Now.", ANGER),
    line("The bus is at nine.", NEUTRAL),
    line("Well, well.", JOY, ANGER),
]

TURNING = LabelledLine(
    "You kept it all this time. Now get out of my house.",
    tuple(0.5 * np.eye(28)[JOY] + 0.5 * np.eye(28)[ANGER]),
    (0.0, 0.4, 0.1),
    "train",
    ("You kept it all this time. ", "Now get out of my house."),
    (tuple(np.eye(28)[JOY]), tuple(np.eye(28)[ANGER])),
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Look at [this](https://a.example/b) **now**", "Look at this now"),
        ("so &amp; so &gt; that", "so & so > that"),
        ("see https://a.example/x?y=1 ok", "see ok"),
        ("great idea /s", "great idea"),
        ("ask r/pics or u/someone", "ask pics or someone"),
        ("She is a [RELIGION], they are [RELIGION]s", "She is a religion, they are believers"),
        ("a\tb\x00c\u200b d", "a b c d"),
        ("> quoted", "quoted"),
        ("", ""),
    ],
)
def test_markup_is_cleaned_away(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_masked_names_get_different_stand_ins_the_same_each_time() -> None:
    text = clean_text("[NAME] told [NAME] about [NAME].")
    words = text.rstrip(".").split()
    assert "[" not in text
    assert len({words[0], words[2], words[4]}) == 3
    assert text == clean_text("[NAME] told [NAME] about [NAME].")


def test_goemotions_is_read_with_several_labels(tmp_path: Path) -> None:
    rows = f"What a day!\t{JOY}\tx1\nLeave **now**\t{ANGER},{JOY}\tx2\n{'word ' * 31}\t0\tx3\n...\t1\tx4\n"
    (tmp_path / "dev.tsv").write_text(rows, encoding="utf-8")
    lines = read_goemotions(tmp_path, "dev")
    assert [(entry.text, entry.labels, entry.split) for entry in lines] == [
        ("What a day!", (JOY,), "dev"),
        ("Leave now", tuple(sorted((ANGER, JOY))), "dev"),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b"text only\n", "3 columns"),
        (b"a\t28\tid\n", "from 0 to 27"),
        (b"a\tjoy\tid\n", "from 0 to 27"),
        (b"a\t\tid\n", "from 0 to 27"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\n\n", "no usable line"),
    ],
)
def test_a_damaged_goemotions_file_is_refused_with_a_sentence(tmp_path: Path, rows: bytes, message: str) -> None:
    (tmp_path / "train.tsv").write_bytes(rows)
    with pytest.raises(ValueError, match=message):
        read_goemotions(tmp_path, "train")


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.\./secret"):
        read_goemotions(tmp_path, "../secret")


def test_emobank_is_read_and_moved_to_minus_one_to_one(tmp_path: Path) -> None:
    path = tmp_path / "emobank.csv"
    path.write_text(
        'id,split,V,A,D,text\n1,train,5.0,3.0,1.0,"Hello, you"\n2,test,2.0,4.0,3.5,"Two\nrows"\n', encoding="utf-8"
    )
    first, second = read_emobank(path)
    assert (first.text, first.vad, first.split, first.labels) == ("Hello, you", (1.0, 0.0, -1.0), "train", ())
    assert (second.text, second.vad) == ("Two rows", (-0.5, 0.5, 0.25))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column"),
        ("id,split,V,A,D,text\n1,train,9,3,3,x\n", "from 1 to 5"),
        ("id,split,V,A,D,text\n1,train,nan,3,3,x\n", "from 1 to 5"),
        ("id,split,V,A,D,text\n1,other,3,3,3,x\n", "split"),
        ("id,split,V,A,D,text\n1,train,3\n", "columns"),
        ("id,split,V,A,D,text\n1,train,3,3,3,x,y,z\n", "columns"),
        ('id,split,V,A,D,text\n1,train,3,3,3,"open\n', "comma-separated"),
        ("id,split,V,A,D,text\n", "no usable line"),
    ],
)
def test_a_damaged_emobank_file_is_refused_with_a_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "emobank.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_emobank(path)


def test_words_are_counted_as_people_count_them() -> None:
    assert word_count("I can't - won't - do well-made 3 things...") == 7


def test_every_label_has_an_affect() -> None:
    assert tuple(LABEL_AFFECT) == EMOTION_LABELS
    assert all(-1.0 <= value <= 1.0 for affect in LABEL_AFFECT.values() for value in affect)
    only_joy = np.zeros(28)
    only_joy[JOY] = 1.0
    np.testing.assert_allclose(expected_affect(only_joy), LABEL_AFFECT["joy"])
    assert not expected_affect(np.zeros(28)).any()


def test_targets_are_soft_and_use_ratings_where_there_are_some() -> None:
    rng = np.random.default_rng(0)
    rated = LabelledLine("Hello", LINES[0].emotions, (-0.9, 0.8, 0.0), "train")
    targets = [draw_target(rated, rng) for _ in range(600)]
    probabilities = np.array([target.probabilities for target in targets])
    as_labelled = (probabilities[:, JOY] >= 0.6) & (np.delete(probabilities, JOY, axis=1).max(axis=1) <= 0.05)
    assert 0.65 < as_labelled.mean() < 0.85
    valence = np.array([target.valence for target in targets])
    assert np.median(valence[as_labelled]) == pytest.approx(-0.9, abs=0.05)
    intensity = np.array([target.intensity for target in targets])
    assert 0.04 < (intensity == 0.0).mean() < 0.2
    assert 0.3 <= intensity[intensity > 0].min() <= intensity.max() <= 1.3


def test_directed_targets_meet_every_emotion() -> None:
    rng = np.random.default_rng(0)
    asked = np.array([draw_target(LINES[2], rng).probabilities for _ in range(3000)]) > 0.5
    assert asked[:, NEUTRAL].mean() > 0.7
    assert np.delete(asked.sum(axis=0), NEUTRAL).min() >= 10


def test_chosen_lines_favour_rare_emotions() -> None:
    lines = [line(f"Common {i}", NEUTRAL) for i in range(900)] + [line(f"Rare {i}", JOY) for i in range(100)]
    chosen = choose_lines(lines, 200, seed=3)
    assert len({entry.text for entry in chosen}) == 200
    assert sum(JOY in entry.labels for entry in chosen) > 35
    assert choose_lines(lines, 200, seed=3) == chosen
    assert choose_lines(lines[:5], 9, seed=3) == lines[:5]


def test_a_corpus_reads_back_as_it_was_made(tmp_path: Path) -> None:
    synthesise_corpus(LINES, tmp_path, 6, seed=1, shard_items=10)
    corpus = CorpusReader(tmp_path)
    assert len(corpus) == 24
    assert corpus.texts == [entry.text for entry in LINES]
    assert np.bincount(corpus.line_indices).tolist() == [6, 6, 6, 6]
    items = [corpus[i] for i in range(24)]
    for i, item in enumerate(items):
        assert item.frames.shape == (corpus.lengths[i], 53)
        assert item.speech.shape == (corpus.lengths[i], 8)
        assert item.emotion.shape == (32,)
        np.testing.assert_array_equal(item.start_frame, item.frames[0])
        assert item.start_frame.any() == item.chained
        assert item.settles != item.frames[-1].any()
        assert 0.6 <= item.emotion[:28].max() <= 1.0
    same = [item.frames for item in items if item.line_index == 0]
    assert len({frames.shape for frames in same}) > 1


def test_a_corpus_keeps_the_arcs_of_its_lines(tmp_path: Path) -> None:
    synthesise_corpus([*LINES, TURNING], tmp_path, 12, seed=1, shard_items=25)
    corpus = CorpusReader(tmp_path)
    turns, in_order = 0, 0
    for index in range(len(corpus)):
        item = corpus[index]
        assert corpus.arc_length(index) == len(item.arc.starts)
        assert item.arc.emotions.shape == (len(item.arc.starts), 32)
        assert item.arc.starts[-1] < len(item.frames)
        np.testing.assert_allclose(item.emotion, item.arc.mean(len(item.frames)), atol=1e-6)
        if item.line_index < len(LINES):
            continue
        if len(item.arc.starts) > 1:
            turns += 1
            in_order += [int(row.argmax()) for row in item.arc.emotions[:, :28]] == [JOY, ANGER]
    # Three quarters as written, and of those that are directed otherwise some.
    assert 7 <= turns <= 12
    assert 5 <= in_order <= turns


def test_another_arc_is_another_corpus(tmp_path: Path) -> None:
    synthesise_corpus([TURNING], tmp_path, 1, seed=1)
    with pytest.raises(ValueError, match="other lines or settings"):
        synthesise_corpus([replace(TURNING, arc=TURNING.arc[::-1])], tmp_path, 1, seed=1)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", -1), ("b", -1), ("c", 2)):
        synthesise_corpus(LINES, tmp_path / name, 2, seed, shard_items=8)
    first, again, other = ((tmp_path / name / "shard-00000.safetensors").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_an_interrupted_corpus_goes_on(tmp_path: Path) -> None:
    def stop(sentence: str) -> None:
        raise KeyboardInterrupt

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    synthesise_corpus(LINES, whole, 6, seed=1, shard_items=10)
    with pytest.raises(KeyboardInterrupt):
        synthesise_corpus(LINES, broken, 6, seed=1, shard_items=10, report=stop)
    with pytest.raises(ValueError, match="no finished corpus"):
        CorpusReader(broken)
    (broken / "shard-00001.safetensors").write_bytes(b"half")
    kept = (broken / "shard-00000.safetensors").stat().st_mtime_ns
    synthesise_corpus(LINES, broken, 6, seed=1, shard_items=10)
    assert (broken / "shard-00000.safetensors").stat().st_mtime_ns == kept
    for path in whole.iterdir():
        assert (broken / path.name).read_bytes() == path.read_bytes()


def test_a_folder_with_another_corpus_is_refused(tmp_path: Path) -> None:
    synthesise_corpus(LINES, tmp_path, 1, seed=1)
    with pytest.raises(ValueError, match="other lines or settings"):
        synthesise_corpus(LINES, tmp_path, 1, seed=2)


def test_no_lines_and_no_performances_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one line"):
        synthesise_corpus([], tmp_path, 1, seed=1)
    with pytest.raises(ValueError, match="at least one performance"):
        synthesise_corpus(LINES, tmp_path, 0, seed=1)


def test_a_damaged_corpus_is_refused_with_a_sentence(tmp_path: Path) -> None:
    good = tmp_path / "good"
    synthesise_corpus(LINES, good, 2, seed=1)

    def damaged(name: str, content: bytes | None) -> Path:
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        return folder

    shard = (good / "shard-00000.safetensors").read_bytes()
    manifest = json.loads((good / "corpus.json").read_text(encoding="utf-8"))
    for name, content, message in (
        ("corpus.json", b"{", "not the description"),
        ("corpus.json", json.dumps({**manifest, "space": "flame-2020"}).encode(), "not the description"),
        ("corpus.json", json.dumps({**manifest, "shards": 2}).encode(), "missing"),
        ("corpus.json", json.dumps({**manifest, "format": CORPUS_FORMAT - 1}).encode(), "not the description"),
        ("lines.jsonl", b"[1]\n", "list of a corpus's lines"),
        ("lines.jsonl", b'{"text": "one"}\n', "does not hold"),
        ("shard-00000.safetensors", shard[: len(shard) // 2], "damaged"),
        ("shard-00000.safetensors", None, "missing"),
    ):
        with pytest.raises(ValueError, match=message):
            CorpusReader(damaged(name, content))


def with_number(name: str, index: int, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    """A change of a shard: another number at ``index`` of an array."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name][index] = value

    return change


def without_last(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    """A change of a shard: an array that is one short."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name][:-1].copy()

    return change


def without(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    """A change of a shard: an array less."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        del arrays[name]

    return change


def read_whole(folder: Path) -> None:
    """Read every performance of a corpus."""
    reader = CorpusReader(folder)
    for index in range(len(reader)):
        reader[index]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (with_number("lines", 1, 99), "is damaged: its item 1 names a line that lines.jsonl does not hold"),
        (with_number("lines", 0, -1), "is damaged: its item 0 names a line"),
        (with_number("emotions", 2, np.nan), "is damaged: its item 2 has an emotion that is not finite"),
        (with_number("frames", -1, np.nan), "is damaged: its item 2 has a frame that is not finite"),
        (with_number("speech", 0, np.inf), "is damaged: its item 0 has a speech plan that is not finite"),
        (with_number("offsets", 1, 0), "is damaged: its item 0 has no frames"),
        (with_number("offsets", 3, 1 << 40), "its offsets do not divide its frames"),
        (without_last("settles"), "its settles end before or behind its item 2"),
        (with_number("arc_emotions", 1, np.nan), "is damaged: its item 1 has an arc that is not finite"),
        (with_number("arc_starts", 2, 7), "is damaged: its item 2: .*increase from frame 0. Synthesise the sh"),
        (with_number("arc_offsets", 1, 0), "is damaged: an item has no arc"),
        (with_number("arc_offsets", 3, 4), "its arcs are not as many as its items"),
        (with_number("arc_offsets", 0, 1), "its arcs are not as many as its items"),
        (without_last("arc_offsets"), "its arcs are not as many as its items"),
        (without_last("arc_starts"), "its arcs are not as many as its items"),
        (without_last("arc_emotions"), "its arcs are not as many as its items"),
        (without("arc_starts"), "its array 'arc_starts' is missing"),
    ],
)
def test_a_bad_item_is_named_with_its_shard(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], sentence: str
) -> None:
    synthesise_corpus(LINES, tmp_path, 2, seed=1, shard_items=3)
    path = tmp_path / "shard-00001.safetensors"
    with safe_open(path, framework="numpy") as shard:
        metadata = shard.metadata()
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path, metadata=metadata)
    with pytest.raises(ValueError, match=f"{path}.*{sentence}"):
        read_whole(tmp_path)


def test_the_command_writes_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = tmp_path / "text", tmp_path / "corpus"
    (text / "goemotions").mkdir(parents=True)
    rows = "".join(f"This is line number {i}\t{i % 28}\tx{i}\n" for i in range(40))
    (text / "goemotions" / "train.tsv").write_text(rows, encoding="utf-8")
    assert main(["synthesize", "--text", str(text), "--out", str(out), "--pairs", "30", "--seed", "4"]) == 0
    assert len(CorpusReader(out)) == 30
    assert "15 lines, 2 performances of each" in capsys.readouterr().out


# What a corpus amounts to.


def test_figures_are_those_of_the_performances(tmp_path: Path) -> None:
    lines = [*LINES, TURNING, replace(LINES[0], emotions=LINES[1].emotions)]
    synthesise_corpus(lines, tmp_path, 4, seed=6, shard_items=9)
    corpus = CorpusReader(tmp_path)
    found = statistics_of(corpus)
    items = [corpus[index] for index in range(len(corpus))]
    lengths = np.array([len(item.frames) for item in items])
    assert (found.pairs, found.texts, found.frames) == (24, 5, lengths.sum())
    assert found.hours == pytest.approx(lengths.sum() / 30 / 3600)
    assert (found.length_min, found.length_max) == (lengths.min(), lengths.max())
    assert found.length_mean == pytest.approx(lengths.mean())
    assert found.length_p25 <= found.length_median <= found.length_p75
    # "What a day!" (of two lines), "Leave. Now.", "The bus is at nine.", "Well, well.", and the one that turns.
    assert found.words_mean == pytest.approx((3 + 2 + 5 + 2 + 12) / 5)
    assert (found.texts_performed_more_than_once, found.most_performances_of_a_text) == (5, 8)
    steps = np.concatenate([np.linalg.norm(np.diff(item.frames, axis=0), axis=1) for item in items])
    assert found.speed == pytest.approx(steps.mean(), rel=1e-5)
    felt = np.array([item.emotion[:28] for item in items])
    strongest = felt.argmax(1)
    felt[:, NEUTRAL] = 0.0
    assert found.two_or_more_emotions == pytest.approx(((felt > PRESENT).sum(1) > 1).mean())
    assert found.turning == pytest.approx(np.mean([len(item.arc.starts) > 1 for item in items]))
    assert tuple(found.basics) == BASIC_EMOTIONS
    assert sum(found.basics.values()) == pytest.approx(1.0)
    assert found.basics["neutral"] == pytest.approx((strongest == NEUTRAL).mean())


def test_the_command_takes_dialogue_first_and_fills_up_with_comments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, dialogue, out = tmp_path / "text", tmp_path / "dialogue", tmp_path / "corpus"
    (text / "goemotions").mkdir(parents=True)
    rows = "".join(f"This is line number {i}\t{i % 28}\tx{i}\n" for i in range(40))
    (text / "goemotions" / "train.tsv").write_text(rows, encoding="utf-8")
    (dialogue / "train").mkdir(parents=True)
    written = (
        "a\t\tYou kept it all this time. / Now get out of my house.\tjoy / anger\t.6\t0 .4 .1\n"
        "a\t\tThe kettle is on.\tneutral\t.2\t0 0 0\n"
        f"a\t\t{'word ' * (LONGEST_DIALOGUE + 1)}\tjoy\t.6\t.5 .4 .1\n"
    )
    (dialogue / "train" / "a.tsv").write_text(written, encoding="utf-8")
    asked = ["synthesize", "--text", str(text), "--dialogue", str(dialogue), "--out", str(out), "--pairs", "16"]
    assert main([*asked, "--seed", "2"]) == 0, capsys.readouterr().err
    corpus = CorpusReader(out)
    assert corpus.texts[:2] == ["You kept it all this time. Now get out of my house.", "The kettle is on."]
    assert len(corpus.texts) == 8
    assert all(entry.startswith("This is line number") for entry in corpus.texts[2:])
    figures = json.loads((out / STATISTICS_NAME).read_text("utf-8"))
    assert figures["pairs"] == 16
    assert set(figures["basics"]) == set(BASIC_EMOTIONS)
    assert main([*asked[:-1], "2", "--out", str(tmp_path / "small")]) == 0
    assert CorpusReader(tmp_path / "small").texts == corpus.texts[:1]


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesize", "--text", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "train.tsv" in capsys.readouterr().err
    no_dialogue = ["--text", str(tmp_path), "--dialogue", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(["synthesize", *no_dialogue]) == 1
    assert "holds no line of dialogue" in capsys.readouterr().err
