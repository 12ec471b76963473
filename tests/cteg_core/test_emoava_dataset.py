"""Training on EmoAva: its files read and judged, its layout the official one, a run from folder to checkpoint."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from cteg_core.__main__ import main
from cteg_core.emoava.dataset import DatasetError, EmoavaSplit, read_split
from cteg_core.emoava.loading import load_emoava
from cteg_core.emoava.teacher_forcing import POSITIONS, EmoavaTraining, official_batch
from cteg_core.emoava.text_encoder import BertEncoder
from cteg_core.model.network import END, PAD, START, CtegNetwork
from cteg_core.model.text_encoder import TextEncoderError
from cteg_core.training.batches import NO_DROPOUT
from cteg_core.training.configurations import CONFIGURATIONS
from cteg_core.training.loop import loss_of, train
from cteg_core.training.losses import OFFICIAL_LOSS
from cteg_core.training.text_states import TextStateCache
from flame_rig.untrusted.limits import UntrustedFileError
from tests.fakes.emoava_folder import TEXTS, performances, write_bert, write_dataset, write_pickle
from tests.fakes.pickle_code import STOP, call, text

DATA = Path(__file__).parent.parent / "data"
MARKER_OF_WORD = {101: START, 102: END, 0: PAD}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    write_bert(folder)
    return folder


# The files.


@pytest.mark.parametrize("protocol", range(6))
def test_a_split_is_read_whatever_the_pickles_protocol(tmp_path: Path, protocol: int) -> None:
    frames = performances(5, seed=1)
    write_pickle(tmp_path / "dev_stage1_text.pkl", [*TEXTS, "naïve — 😀"], protocol)
    write_pickle(tmp_path / "dev_stage1_exps.pkl", [item.astype(np.float64) for item in frames], protocol)
    split = read_split(tmp_path, "dev")
    assert split.texts == (*TEXTS, "naïve — 😀")
    assert all(item.dtype == np.float32 for item in split.frames)
    assert all(np.array_equal(one, other) for one, other in zip(split.frames, frames, strict=True))


def test_an_array_of_arrays_is_a_list_too(tmp_path: Path) -> None:
    frames = np.empty(2, dtype=object)
    frames[:] = performances(2, seed=3)
    write_pickle(tmp_path / "test_stage1_text.pkl", np.array(["Good", "day"], dtype=object))
    write_pickle(tmp_path / "test_stage1_exps.pkl", frames)
    assert len(read_split(tmp_path, "test")) == 2


def broken(index: int, item: object) -> Any:
    """A change of the list of items: another item at ``index``."""
    return lambda items: [item if i == index else old for i, old in enumerate(items)]


def with_number(value: float) -> np.ndarray:
    frames = np.zeros((4, 53), np.float64)
    frames[2, 7] = value
    return frames


@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("exps", broken(3, np.zeros((9, 56), np.float32)), r"item 3: an array of shape \[9, 56\], where frames are"),
        ("exps", broken(2, np.zeros(53, np.float32)), r"item 2: an array of shape \[53\]"),
        ("exps", broken(5, with_number(np.nan)), r"item 5: frame 2 has a number \(7\) that is not finite"),
        ("exps", broken(5, with_number(1e300)), r"item 5: frame 2 has a number \(7\) that is not finite"),
        ("exps", broken(0, [[0.0] * 53]), "item 0: a list where an array of frames should be"),
        ("exps", broken(11, None), "item 11: a NoneType where an array"),
        ("exps", broken(1, np.zeros((0, 53), np.float32)), "item 1: no frames"),
        ("exps", broken(1, np.zeros((3, 53), np.int64)), "item 1: numbers of type int64"),
        ("exps", lambda items: items[:9], "exps.pkl ends before item 9, and train_stage1_text.pkl has 12 items"),
        ("exps", lambda items: {"frames": 1}, "holds a dict, not a list of performances"),
        ("text", broken(4, ""), "item 4: the text is missing"),
        ("text", broken(4, " \n"), "item 4: the text is missing"),
        ("text", broken(7, None), "item 7: a NoneType where a text should be"),
        ("text", broken(7, 3.5), "item 7: a float where a text should be"),
        ("text", lambda items: items[:-1], "text.pkl ends before item 11, and train_stage1_exps.pkl has 12 items"),
        ("text", lambda items: "Good day", "holds a str, not a list of texts"),
    ],
)
def test_bad_items_are_named_by_file_and_index(tmp_path: Path, kind: str, change: Any, sentence: str) -> None:
    write_dataset(tmp_path)
    path = tmp_path / f"train_stage1_{kind}.pkl"
    items = [*TEXTS * 3] if kind == "text" else performances(12, seed=0)
    write_pickle(path, change(items))
    with pytest.raises(DatasetError, match=sentence) as caught:
        read_split(tmp_path, "train")
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_the_other_bad_items_are_counted_and_the_first_ones_named(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    bad = {2, 3, 5, 6, 7, 8, 10}
    write_pickle(tmp_path / "train_stage1_text.pkl", ["" if i in bad else "Good" for i in range(12)])
    with pytest.raises(DatasetError, match=r"item 2: .*; 6 more of its 12 items are bad: 3, 5, 6, 7, 8, …\.$"):
        read_split(tmp_path, "train")


def test_a_missing_file_and_an_empty_list_are_said(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"no test_stage1_text\.pkl in .* a list of texts there"):
        read_split(tmp_path, "test")
    for kind in ("text", "exps"):
        write_pickle(tmp_path / f"dev_stage1_{kind}.pkl", [])
    with pytest.raises(DatasetError, match="holds no lines"):
        read_split(tmp_path, "dev")


def test_a_payload_does_not_run(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    victim = tmp_path / "victim"
    (tmp_path / "train_stage1_exps.pkl").write_bytes(b"\x80\x02" + call("os.mkdir", text(str(victim))) + STOP)
    with pytest.raises(UntrustedFileError, match=r"names os\.mkdir"):
        read_split(tmp_path, "train")
    assert not victim.exists()


# The layout.


def test_a_batch_is_laid_out_as_the_official_code_lays_it_out() -> None:
    """The golden vectors hold a batch of that layout, 12 positions wide, each row with a mean frame of its own."""
    vectors = load_file(DATA / "cteg_vectors.safetensors")
    mask = vectors["gold_mask"]
    for row in range(2):
        length = int(mask[row].sum()) - 2  # the mean frame in front, the end behind
        gold = vectors["gold"][row]
        text = vectors["encoder_out"][row : row + 1], vectors["src_mask"][row : row + 1]
        batch = official_batch([gold[1 : length + 1].numpy()], gold[0].numpy(), *text, positions=12)
        shown = vectors["tgt_exp_mask"][row]
        assert torch.equal(batch.markers[0] < 0, shown)
        assert torch.equal(batch.frames[0], vectors["tgt_exp"][row])
        assert torch.equal(batch.gold[0], gold)
        assert torch.equal(batch.frame_mask[0], vectors["tgt_attn_mask"][row])
        for word, marker in MARKER_OF_WORD.items():
            assert torch.equal(batch.markers[0] == marker, vectors["tgt_ids"][row] == word)
        assert batch.mask[0].tolist() == [False, *mask[row, 1:].tolist()]


@pytest.mark.parametrize(
    ("length", "counted", "ends", "marked"),
    [(1, 2, True, True), (252, 253, True, True), (253, 254, True, False), (254, 254, False, False),
     (551, 254, False, False)],
)  # fmt: skip
def test_long_lines_are_cut_and_lose_their_end(length: int, counted: int, ends: bool, marked: bool) -> None:
    """254 of the 255 outputs may be frames; the end needs one of them, and its marker a position of its own."""
    frames = np.arange(1, length + 1, dtype=np.float32)[:, None] * np.ones(53, np.float32)
    batch = official_batch([frames], np.zeros(53, np.float32), torch.zeros(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))
    assert batch.frames.shape == (1, POSITIONS, 53)
    assert int(batch.mask.sum()) == counted
    assert batch.mask[0].nonzero().flatten().tolist() == list(range(1, counted + 1))
    last = batch.gold[0, counted, 0]
    assert float(last) == (0.0 if ends else counted)
    assert bool((batch.markers == END).any()) == marked
    assert float(batch.gold[0, :, 0].max()) == min(length, 254)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(8, 20))
def test_each_output_is_the_next_input(lengths: list[int], positions: int) -> None:
    frames = [np.random.default_rng(i).normal(size=(length, 53)).astype(np.float32) for i, length in enumerate(lengths)]
    mask = torch.ones(len(lengths), 2, dtype=torch.bool)
    batch = official_batch(frames, np.ones(53, np.float32), torch.zeros(len(lengths), 2, 4), mask, positions)
    assert torch.equal(batch.frames[:, 1:], batch.gold[:, :-1])
    assert not batch.mask[:, 0].any()
    assert torch.equal(batch.frames[:, 0], torch.zeros(len(lengths), 53))


# The text encoder.


def test_the_encoder_gives_last_states_and_cuts_long_texts(bert: Path) -> None:
    encoder = BertEncoder.load(bert)
    assert [encoder.token_count(text) for text in TEXTS] == [4, 5, 3, 6]
    assert encoder.token_count("day " * 500) == 128
    states = encoder.encode(["Good day", "good"])
    assert states.layers.shape == (2, 1, 4, encoder.width)
    assert states.mask.tolist() == [[True] * 4, [True] * 3 + [False]]
    assert states.unknown == (0, 1)  # cased


def test_a_folder_without_weights_or_words_is_refused(tmp_path: Path, bert: Path) -> None:
    with pytest.raises(TextEncoderError, match=r"has no model\.safetensors: training on EmoAva needs"):
        BertEncoder.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
    with pytest.raises(TextEncoderError, match=r"has no vocab\.txt"):
        BertEncoder.load(tmp_path)
    (tmp_path / "vocab.txt").write_bytes((bert / "vocab.txt").read_bytes())
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TextEncoderError, match="could not be read"):
        BertEncoder.load(tmp_path)


def test_states_of_another_encoder_are_not_taken(bert: Path, tmp_path: Path) -> None:
    encoder = BertEncoder.load(bert)
    first = TextStateCache.of(TEXTS, tmp_path, lambda: encoder, identity="one").batch([0])[0]
    assert first.shape == (1, 1, 4, 32)

    def fail() -> BertEncoder:
        raise AssertionError("they are there already")

    TextStateCache.of(TEXTS, tmp_path, fail, identity="one")
    with pytest.raises(AssertionError):
        TextStateCache.of(TEXTS, tmp_path, fail, identity="two")


# Training.


@pytest.fixture(scope="module")
def data(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> EmoavaTraining:
    folder = tmp_path_factory.mktemp("states")
    splits = [EmoavaSplit(TEXTS * (n // 4), tuple(performances(n, seed))) for seed, n in ((0, 12), (1, 4))]
    states = TextStateCache.of((*splits[0].texts, *splits[1].texts), folder, lambda: BertEncoder.load(bert))
    return EmoavaTraining(splits[0], splits[1], states, np.full(53, 2.0, np.float32))


def test_dev_is_held_out_and_train_is_not(data: EmoavaTraining) -> None:
    assert data.held_out(0.01).tolist() == [12, 13, 14, 15]
    assert data.held_out(0.0).tolist() == []
    assert data.lengths.tolist() == [len(item) for item in (*data.train.frames, *data.dev.frames)]
    batch = data.batch([3, 12], NO_DROPOUT, torch.Generator())
    assert torch.equal(batch.gold[1, 1 : len(data.dev.frames[0]) + 1], torch.from_numpy(data.dev.frames[0]))


def test_the_official_recipe_lowers_the_official_loss(data: EmoavaTraining, tmp_path: Path) -> None:
    tiny = CONFIGURATIONS["emoava-tiny"].config
    config = replace(tiny, model=replace(tiny.model, d_text=32), steps=40, warmup=10, batch=6, save_every=40)
    everything = data.batch(range(12), NO_DROPOUT, torch.Generator())
    assert config.loss == OFFICIAL_LOSS

    def loss(network: CtegNetwork) -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            return float(loss_of(network, everything, config.loss).total)

    torch.manual_seed(config.seed)
    before = loss(CtegNetwork(config.model).eval())
    assert loss(train(data, config, tmp_path, device="cpu")) < 0.8 * before


def test_the_command_trains_on_a_folder_and_leaves_a_checkpoint_that_loads(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "EmoAva" / "dataset")
    out = tmp_path / "run"
    arguments = [
        "train", "--config", "emoava-tiny", "--data", str(tmp_path / "EmoAva"), "--out", str(out),
        "--text-encoder", str(bert), "--steps", "6", "--batch", "4", "--device", "cpu", "--threads", "1",
    ]  # fmt: skip
    assert main(arguments) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "EmoAva: 12 lines to train on, 4 held out" in said
    assert "held out" in said
    model = load_emoava(out / "checkpoint")
    assert torch.equal(model.start_frame, torch.full((53,), 2.0))
    assert model.tokenizer is not None
    ids = model.tokenizer(["Good day"], return_tensors="pt")
    expected = BertEncoder.load(bert).encode(["Good day"]).last
    torch.testing.assert_close(model.encode(ids["input_ids"], ids["attention_mask"].bool()), expected)
    best = load_file(out / "network" / "best.safetensors")
    assert all(torch.equal(best[name], value) for name, value in model.network.state_dict().items())
    record = json.loads((out / "checkpoint" / "config.json").read_text("utf-8"))
    assert record["training"]["weights_of"]["step"] == 6
    assert record["training"]["schedule"] == "noam"
    with (out / "network" / "held-out.csv").open(encoding="utf-8") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["6"]
    assert main(arguments) == 0  # nothing is left to do, and it says where the checkpoint is
    assert load_emoava(out / "checkpoint").network.config == model.network.config


@pytest.mark.parametrize(
    ("config", "encoder", "sentence"),
    [("emoava-tiny", False, "name a folder of it with --text-encoder"),
     ("default", True, "looks like the EmoAva data set, and the configuration default is for a corpus")],
)  # fmt: skip
def test_the_command_says_what_does_not_fit(
    config: str, encoder: bool, sentence: str, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "data")
    arguments = ["train", "--config", config, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert main([*arguments, *(["--text-encoder", str(bert)] if encoder else [])]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bad_item_ends_the_command_with_its_sentence(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "data")
    write_pickle(tmp_path / "data" / "dev_stage1_exps.pkl", [np.zeros((3, 52), np.float32)] * 4)
    arguments = ["--config", "emoava", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert main(["train", *arguments, "--text-encoder", str(bert)]) == 1
    assert "dev_stage1_exps.pkl, item 0: an array of shape [3, 52]" in capsys.readouterr().err
