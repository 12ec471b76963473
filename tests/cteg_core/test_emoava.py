"""Importing an official checkpoint: what comes out is the official network, what goes in is never believed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cteg_core.__main__ import main
from cteg_core.clip import ExpressionClip
from cteg_core.emoava.architecture import ImportRefused
from cteg_core.emoava.conversion import OFFICIAL_CHECKPOINT, convert
from cteg_core.emoava.importing import check_sizes, import_emoava
from cteg_core.emoava.loading import EmoavaModel, load_emoava
from cteg_core.emoava.names import network_names
from cteg_core.model.checkpoint import CheckpointError, load_checkpoint
from cteg_core.model.official_decoding import decode_whole_prefix
from flame_rig.untrusted.limits import UntrustedFileError
from flame_rig.untrusted.stand_ins import GlobalName, StandIn
from flame_rig.untrusted.torch_zip import TorchCheckpoint

DATA = Path(__file__).parent.parent / "data"
TINY = DATA / "emoava_tiny.chkpt"
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
WORDS = 211


@pytest.fixture(scope="module")
def vectors() -> dict[str, torch.Tensor]:
    return load_file(DATA / "cteg_vectors.safetensors")


@pytest.fixture(scope="module")
def dataset(vectors: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "numbers").mkdir()
    np.save(folder / "numbers" / "stage1_mean.npy", vectors["start_frame"].numpy())
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [f"[unused{i}]" for i in range(WORDS)]
    for index, word in {
        0: "[PAD]",
        100: "[UNK]",
        101: "[CLS]",
        102: "[SEP]",
        103: "[MASK]",
        150: "Good",
        151: "day",
    }.items():
        words[index] = word
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(dataset: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("imported") / "new" / "tiny"
    import_emoava(TINY, dataset, tokenizer, out)
    return out


@pytest.fixture(scope="module")
def model(folder: Path) -> EmoavaModel:
    return load_emoava(folder)


# What comes out.


def test_the_text_encoder_gives_the_official_states(model: EmoavaModel, vectors: dict[str, torch.Tensor]) -> None:
    states = model.encode(vectors["src_ids"], vectors["src_mask"])
    torch.testing.assert_close(states, vectors["encoder_out"], **TOLERANCE)


def test_the_weights_are_those_of_the_reference(model: EmoavaModel) -> None:
    """With these weights test_parity.py holds the network to every golden vector."""
    expected = load_file(DATA / "emoava_tiny.safetensors")
    weights = model.network.state_dict()
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        assert torch.equal(weight, expected[name]), name


def test_decoding_from_tokens_gives_the_official_frames(model: EmoavaModel, vectors: dict[str, torch.Tensor]) -> None:
    states = model.encode(vectors["src_ids"], vectors["src_mask"])
    start = model.start_frame.expand(2, 53)
    frames = decode_whole_prefix(model.network, start, states, vectors["src_mask"][:, None], frame_count=12)
    torch.testing.assert_close(frames, vectors["serial_frames"], **TOLERANCE)


def test_the_folder_holds_each_weight_once_and_no_dead_ones(folder: Path) -> None:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == [
        "config.json", "model.safetensors", "text-encoder/config.json", "text-encoder/model.safetensors",
        "text-encoder/tokenizer_config.json", "text-encoder/vocab.txt",
    ]  # fmt: skip
    network = load_file(folder / "model.safetensors")
    assert network["network.markers.weight"].shape == (3, 32)
    assert not [name for name in network if not name.startswith("network.") and name != "start_frame"]
    encoder = load_file(folder / "text-encoder" / "model.safetensors")
    assert len(encoder) == 5 + 2 * 16
    assert not [name for name in encoder if name.startswith(("encoder_pretrained", "pooler"))]


def test_the_vocabulary_comes_along_cased(model: EmoavaModel) -> None:
    assert model.tokenizer is not None
    assert model.tokenizer("Good day")["input_ids"] == [101, 150, 151, 102]
    assert model.tokenizer("good day")["input_ids"] == [101, 100, 151, 102]


def test_the_config_says_where_it_came_from(folder: Path) -> None:
    record = json.loads((folder / "config.json").read_text("utf-8"))
    assert (record["format"], record["source"], record["epoch"]) == ("emoava-1", "emoava_tiny.chkpt", 3)
    assert "non-commercial" in record["licence"]


def test_every_name_of_the_official_checkpoint_is_known() -> None:
    """facts: 460 entries at the official size; BERT twice with 199 each, the word table and the position table."""
    names = list(network_names(1))
    assert len(names) + 2 * 199 + 2 == 460
    assert len({official for official, _ in names}) == len({ours for _, ours in names}) == len(names)


# The command.


def test_without_a_vocabulary_the_import_succeeds_and_says_what_is_missing(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["import-emoava", "--checkpoint", str(TINY), "--dataset", str(dataset), "--out", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "still needs the vocabulary of bert-base-cased" in said
    assert "vocab.txt" in said
    assert load_emoava(out).tokenizer is None
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


def test_an_imported_checkpoint_is_performed_and_is_not_taken_for_one_of_ours(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"was imported from EmoAva: generate and serve perform it"):
        load_checkpoint(folder)
    out = tmp_path / "clip.json"
    assert main(["generate", "Good day", "--checkpoint", str(folder), "--out", str(out)]) == 0
    assert ExpressionClip.from_json(out.read_text(encoding="utf-8")).space == "flame-2020"


def test_a_payload_in_a_checkpoint_does_not_run(dataset: Path, tmp_path: Path) -> None:
    """The real checkpoint with a call in front: its first value becomes what `os.mkdir` gives."""
    victim = tmp_path / "victim"
    path_text = str(victim).encode()
    payload = b"cos\nmkdir\n(X" + len(path_text).to_bytes(4, "little") + path_text + b"tR0"
    path = rewritten(tmp_path / "model.chkpt", lambda code: code[:2] + payload + code[2:])
    with pytest.raises(UntrustedFileError, match=r"names os\.mkdir"):
        import_emoava(path, dataset, None, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_failed_import_leaves_nothing_behind(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "parent" / "out"
    out.parent.mkdir()
    with pytest.raises(ImportRefused, match=r"no vocab\.txt in .*nowhere"):
        import_emoava(TINY, dataset, tmp_path / "nowhere", out)
    with pytest.raises(ImportRefused, match=r"no file .*absent\.chkpt"):
        import_emoava(tmp_path / "absent.chkpt", dataset, None, out)
    assert list(out.parent.iterdir()) == []


# What is refused.


def rewritten(path: Path, change: Any, name: str = "data.pkl") -> Path:
    """The tiny checkpoint with one of its entries changed."""
    with zipfile.ZipFile(TINY) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, change(data) if entry.filename.endswith("/" + name) else data)
    return path


@pytest.fixture
def value() -> Iterator[Any]:
    with TorchCheckpoint(TINY, OFFICIAL_CHECKPOINT) as checkpoint:
        yield checkpoint.value


@pytest.mark.parametrize(
    ("name", "setting"),
    [("scale_emb", False), ("flat_method", "mean"), ("second_sample", "two"), ("cvae", False), ("one_step_loss", 1),
     ("exp_only_dim", 100), ("second_sample", None), ("scale_emb", np.ones(3)), ("proj_share_weight", True)],
    ids=str,
)  # fmt: skip
def test_another_model_than_the_papers_is_refused(value: Any, name: str, setting: object) -> None:
    value["settings"].state[name] = setting
    with pytest.raises(ImportRefused, match=f"trained with {name} = "):
        convert(value)


def test_missing_switches_are_refused(value: Any) -> None:
    del value["settings"].state["flat_method"]
    with pytest.raises(ImportRefused, match="trained with flat_method = None"):
        convert(value)


@pytest.mark.parametrize("heads", [None, 0, -4, 5, True, "4", 1 << 40])
def test_heads_that_do_not_fit_are_refused(value: Any, heads: object) -> None:
    value["settings"].state["n_head"] = heads
    with pytest.raises(ImportRefused, match=r"n_head|heads cannot share"):
        convert(value)


@pytest.mark.parametrize(
    ("name", "setting"),
    [("hidden_size", 0), ("num_hidden_layers", 1 << 30), ("hidden_act", "__import__"), ("layer_norm_eps", 2.0),
     ("is_decoder", True), ("position_embedding_type", "relative_key"), ("vocab_size", "211")],
)  # fmt: skip
def test_another_text_encoder_than_bert_is_refused(value: Any, name: str, setting: object) -> None:
    value["settings"].state["encoder_pretrained"].attribute("config").state[name] = setting
    with pytest.raises(ImportRefused, match="The checkpoint's"):
        convert(value)


def test_settings_without_a_bert_are_refused(value: Any) -> None:
    value["settings"].state["encoder_pretrained"] = StandIn(GlobalName("transformers", "AnotherModel"))
    with pytest.raises(ImportRefused, match="no BertModel"):
        convert(value)


@pytest.mark.parametrize("name", ["decoder.exp_emb.bias", "decoder.trg_word_emb.weight", "trg_exp_prj.weight",
                                  "decoder.position_enc.pos_table", "decoder.layer_stack.1.down_mu.bias"])  # fmt: skip
def test_a_missing_weight_is_refused(value: Any, name: str) -> None:
    del value["model"][name]
    with pytest.raises(ImportRefused, match=name):
        convert(value)


def test_an_unknown_weight_is_refused(value: Any) -> None:
    value["model"]["decoder.extra.weight"] = value["model"]["decoder.exp_emb.bias"]
    with pytest.raises(ImportRefused, match=r"1 weights that the official network does not: decoder\.extra\.weight"):
        convert(value)


def test_text_encoders_that_differ_are_refused(value: Any) -> None:
    model = value["model"]
    model["encoder_pretrained.embeddings.LayerNorm.weight"] = model["encoder.embeddings.LayerNorm.bias"]
    with pytest.raises(ImportRefused, match=r"differ in embeddings\.LayerNorm\.weight"):
        convert(value)


@pytest.mark.parametrize(
    ("name", "other"),
    [("decoder.layer_stack.0.pos_ffn.w_1.bias", "decoder.exp_emb.bias"),
     ("encoder.embeddings.position_embeddings.weight", "encoder.embeddings.LayerNorm.bias")],
)  # fmt: skip
def test_a_weight_of_another_shape_is_refused(value: Any, name: str, other: str) -> None:
    for key in [key for key in value["model"] if key.startswith("encoder_pretrained.")]:
        del value["model"][key]
    value["model"][name] = value["model"][other]
    with pytest.raises(ImportRefused, match="has shape"):
        check_sizes(convert(value))


def test_an_import_checks_sizes(value: Any, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = convert(value)
    fewer = {name: weight for name, weight in converted.network.items() if name != "readout.weight"}
    monkeypatch.setattr("cteg_core.emoava.importing.convert", lambda _: replace(converted, network=fewer))
    with pytest.raises(ImportRefused, match=r"too few weights for its settings: 'readout\.weight'"):
        import_emoava(TINY, dataset, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_whole_numbers_in_a_weights_place_are_refused(value: Any) -> None:
    buffers = value["settings"].state["encoder_pretrained"].attribute("_modules")["embeddings"].attribute("_buffers")
    value["model"]["decoder.exp_emb.bias"] = buffers["position_ids"]
    with pytest.raises(ImportRefused, match="does not hold floating-point numbers"):
        convert(value)


def test_numbers_that_are_not_finite_are_refused(dataset: Path, tmp_path: Path) -> None:
    path = rewritten(tmp_path / "model.chkpt", lambda data: b"\0\0\xc0\x7f" + data[4:], name="data/43")
    with pytest.raises(ImportRefused, match=r"decoder\.exp_emb\.bias holds numbers that are not finite"):
        import_emoava(path, dataset, None, tmp_path / "out")


def test_another_position_table_is_refused(dataset: Path, tmp_path: Path) -> None:
    path = rewritten(tmp_path / "model.chkpt", lambda data: bytes(len(data)), name="data/44")
    with pytest.raises(ImportRefused, match="not the sinusoidal table"):
        import_emoava(path, dataset, None, tmp_path / "out")


@pytest.mark.parametrize("contents", [[], {}, {"settings": 1}, {"settings": {}}, {"settings": {}, "model": [1]},
                                      {"settings": {}, "model": {"a": 1}}])  # fmt: skip
def test_other_checkpoints_are_refused(contents: object) -> None:
    with pytest.raises(ImportRefused, match="The checkpoint"):
        convert(contents)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [([], "no stage1_mean.npy"), ([np.zeros(52, np.float32)], "53 finite numbers"),
     ([np.full(53, np.nan, np.float32)], "53 finite numbers"), ([np.zeros(53, np.int64)], "53 finite numbers"),
     ([np.zeros(53, np.float32), np.ones(53, np.float32)], "different frames")],
    ids=["none", "width", "not finite", "whole numbers", "two"],
)  # fmt: skip
def test_mean_frames_that_cannot_be_used_are_refused(frames: list[np.ndarray], reason: str, tmp_path: Path) -> None:
    for index, frame in enumerate(frames):
        (tmp_path / str(index)).mkdir()
        np.save(tmp_path / str(index) / "stage1_mean.npy", frame)
    with pytest.raises(ImportRefused, match=reason):
        import_emoava(TINY, tmp_path, None, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [("[CLS]", "CLS", "as word 101"), ("Good\n", "", "has 210 words"), ("[PAD]", "\udcff", "not UTF-8")],
)
def test_another_vocabulary_is_refused(
    old: str, new: str, reason: str, dataset: Path, tokenizer: Path, tmp_path: Path
) -> None:
    words = (tokenizer / "vocab.txt").read_text("utf-8").replace(old, new)
    (tmp_path / "vocab.txt").write_bytes(words.encode("utf-8", "surrogateescape"))
    with pytest.raises(ImportRefused, match=reason):
        import_emoava(TINY, dataset, tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "text-encoder/model.safetensors", "text-encoder/config.json", "text-encoder/vocab.txt"],
)
def test_an_imported_folder_that_was_damaged_is_refused(
    name: str, dataset: Path, tokenizer: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    import_emoava(TINY, dataset, tokenizer, out)
    data = bytearray((out / name).read_bytes())
    data[-2] ^= 1
    (out / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} is not the file that was written"):
        load_emoava(out)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no imported checkpoint"):
        load_emoava(tmp_path)
    (tmp_path / "config.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="not a checkpoint that import-emoava wrote"):
        load_emoava(tmp_path)
