"""``python -m cteg_core train`` on the project's own corpus: stages, what they need, and what is said."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cteg_core.__main__ import main
from cteg_core.model.checkpoint import DEFAULT_FOLDER, load_checkpoint
from cteg_core.model.text_encoder import TextEncoderError, find_folder
from cteg_core.training.configurations import CONFIGURATIONS
from tests.fakes.tiny_bert import random_adapters
from tests.fakes.tiny_training import write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


def arguments(corpus: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--config", "tiny", "--data", str(corpus), "--out", str(out), "--device", "cpu", *more]


def test_a_corpus_and_a_given_emotion_head_make_a_checkpoint(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        find_folder(None)
    except TextEncoderError as error:
        pytest.skip(str(error))
    given = arguments(corpus, tmp_path, "--emotion-head", str(DEFAULT_FOLDER), "--steps", "20", "--seed", "3")
    assert main(given) == 0, capsys.readouterr().err
    assert f"The checkpoint is in {tmp_path / 'checkpoint'}." in capsys.readouterr().out
    checkpoint, shipped = load_checkpoint(tmp_path / "checkpoint"), load_checkpoint()
    for name, value in shipped.emotion_head.state_dict().items():
        assert torch.equal(checkpoint.emotion_head.state_dict()[name], value.half().float())
    assert set(checkpoint.adapters) == set(shipped.adapters)
    assert torch.equal(checkpoint.thresholds, shipped.thresholds)
    assert checkpoint.info.name == "cteg-tiny"
    assert checkpoint.info.training["seed"] == 3
    assert checkpoint.network.config == CONFIGURATIONS["tiny"].config.model
    assert (tmp_path / "network" / "log.csv").read_text("utf-8").splitlines()[1].startswith("20,")


def test_without_text_or_a_head_the_command_says_what_is_missing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(corpus, tmp_path)) == 1
    assert "The emotion head has to be trained: name the folder of labelled text with --text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--config", "emoava"], "is for the EmoAva data set: choose default, tiny with --config"),
     (["--data", "nowhere"], "There is no folder nowhere"),
     (["--data", "."], "holds no finished corpus")],
)  # fmt: skip
def test_data_that_does_not_fit_is_said(
    options: list[str], sentence: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(corpus, tmp_path), *options]) == 1
    assert sentence in capsys.readouterr().err


def test_a_missing_requirement_is_named(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    users = ("cteg_core.training.recipe", "cteg_core.emoava.recipe", "cteg_core.training.devices", "accelerate")
    for name in [name for name in sys.modules if name.startswith(users)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert main(arguments(corpus, tmp_path)) == 1
    assert "which this Python" in (said := capsys.readouterr().err)
    assert "Training needs accelerate" in said


def test_a_trained_emotion_head_is_kept_with_its_thresholds_and_scores(tmp_path: Path) -> None:
    from cteg_core.training import recipe

    shipped = load_checkpoint()
    adapters = random_adapters()
    trained = recipe.TrainedEmotionHead(shipped.emotion_head, shipped.thresholds, {"macro_f1": 0.5}, adapters)
    trained = replace(trained, rater=shipped.rater)
    path = tmp_path / "emotion-head.safetensors"
    recipe.keep_head(path, trained)
    kept = recipe.kept_head(path)
    assert kept is not None
    assert kept.scores == {"macro_f1": 0.5}
    assert torch.equal(kept.thresholds, shipped.thresholds)
    for name, value in kept.head.state_dict().items():
        assert torch.equal(value, shipped.emotion_head.state_dict()[name])
    assert kept.rater is not None
    assert shipped.rater is not None
    assert torch.equal(kept.rater.lift.weight, shipped.rater.lift.weight)
    assert set(kept.adapters) == set(adapters)
    for name, value in kept.adapters.items():
        assert torch.equal(value, adapters[name])
    path.write_bytes(b"not a head")
    with pytest.raises(ValueError, match="is not an emotion head of this version"):
        recipe.kept_head(path)
    assert recipe.kept_head(tmp_path / "nothing") is None
