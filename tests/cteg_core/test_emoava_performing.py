"""An imported official checkpoint performs lines: clips of official frames, with an end, a length and a rest face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cteg_core.clip import Controls, ExpressionClip
from cteg_core.dialogue import DialogueLine, LineError, sentences
from cteg_core.emoava.importing import import_emoava
from cteg_core.emoava.loading import EmoavaModel, load_emoava
from cteg_core.emoava.performing import END_NORM, FPS, LEAST_FRAMES, MOST_FRAMES, SPACE, EmoavaPerformer
from cteg_core.emotion import EmotionRead
from cteg_core.model.checkpoint import CheckpointError
from cteg_core.model.decoding import draws_for
from cteg_core.model.official_decoding import decode_official
from cteg_core.model.parts import MAX_PART_WORDS, part_seed
from cteg_core.model_loading import load_performer
from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, TakeRequest

DATA = Path(__file__).parent.parent / "data"
WORDS = 211


def vocabulary() -> str:
    words = [f"[unused{i}]" for i in range(WORDS)]
    known = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 150: "Good", 151: "day", 152: "."}
    for index, word in known.items():
        words[index] = word
    return "\n".join(words) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny official checkpoint, imported with a made-up vocabulary."""
    root = tmp_path_factory.mktemp("emoava")
    (root / "tokenizer").mkdir()
    (root / "tokenizer" / "vocab.txt").write_text(vocabulary(), encoding="utf-8")
    np.save(root / "stage1_mean.npy", load_file(DATA / "cteg_vectors.safetensors")["start_frame"].numpy())
    import_emoava(DATA / "emoava_tiny.chkpt", root, root / "tokenizer", root / "imported")
    return root / "imported"


@pytest.fixture(scope="module")
def model(folder: Path) -> EmoavaModel:
    return load_emoava(folder)


@pytest.fixture(scope="module")
def performer(model: EmoavaModel) -> EmoavaPerformer:
    return EmoavaPerformer(model, "emoava@tiny", "cpu")


def perform(performer: EmoavaPerformer, lines: Sequence[DialogueLine]) -> list[ExpressionClip]:
    requests = [TakeRequest(line, 0, line.seed) for line in lines]
    done = [event for event in performer.perform(requests, lambda: False) if isinstance(event, FinishedTake)]
    assert sorted(event.request_index for event in done) == list(range(len(lines)))
    return [event.clip for event in sorted(done, key=lambda event: event.request_index)]


def line(text: str = "Good day.", seed: int = 3, **controls: object) -> DialogueLine:
    return DialogueLine(text, seed=seed, controls=replace(Controls(duration=0.5), **controls))  # type: ignore[arg-type]


def test_the_middle_of_a_clip_is_what_the_official_decoding_makes_of_the_same_noise(
    performer: EmoavaPerformer, model: EmoavaModel
) -> None:
    (clip,) = perform(performer, [line(seed=3, duration=1.0)])
    assert model.tokenizer is not None
    ids = model.tokenizer(["Good day."], return_tensors="pt")
    mask = ids["attention_mask"].bool()
    noise = draws_for(part_seed(3, 0), 25, model.network.config.d_latent, 0).latent[None]
    states = model.encode(ids["input_ids"], mask)
    frames = decode_official(model.network, model.start_frame[None], states, mask[:, None], 24, latent_noise=noise)
    expected = torch.cat(list(frames)).numpy()
    # Outside of the rise from rest (4 frames) and the return to it (8).
    np.testing.assert_allclose(clip.frames[5:15], expected[5:15], atol=1e-5)
    assert (clip.space, clip.fps, clip.checkpoint) == (SPACE, FPS, "emoava@tiny")


def test_a_clip_starts_and_ends_at_rest_and_lasts_what_was_asked_for(performer: EmoavaPerformer) -> None:
    (clip,) = perform(performer, [line(duration=0.75)])
    assert len(clip.frames) == 18
    assert clip.stop_reason == "duration"
    np.testing.assert_allclose(clip.frames[[0, -1]], 0.0, atol=0.02)


def test_the_same_request_gives_the_same_frames_alone_or_in_a_batch_and_another_seed_others(
    performer: EmoavaPerformer,
) -> None:
    (alone,) = perform(performer, [line(seed=3)])
    (again,) = perform(performer, [line(seed=3)])
    assert np.array_equal(alone.frames, again.frames)
    batched = perform(performer, [line("day", seed=9, duration=0.75), line(seed=3), line(seed=4)])
    np.testing.assert_allclose(batched[1].frames, alone.frames, atol=1e-3)
    assert np.abs(batched[2].frames - alone.frames).max() > 1e-2


def test_without_a_length_it_ends_where_the_network_says_so(model: EmoavaModel) -> None:
    """A readout of zeros makes nothing but end frames; without one the decoding's own length is the limit."""
    network = model.network
    kept = network.readout.weight.detach().clone()
    try:
        network.readout.weight.data.zero_()
        (silent,) = perform(EmoavaPerformer(model, "x", "cpu"), [line(duration=None)])
        network.readout.weight.data.copy_(100.0 * kept)
        (endless,) = perform(EmoavaPerformer(model, "x", "cpu"), [line(duration=None)])
    finally:
        network.readout.weight.data.copy_(kept)
    assert (len(silent.frames), silent.stop_reason) == (LEAST_FRAMES, "end-frame")
    assert np.linalg.norm(endless.frames[12]) > END_NORM
    assert endless.stop_reason == "limit"
    assert len(endless.frames) == min(MOST_FRAMES, network.config.max_frames - 2)


def test_chunks_come_in_order_and_cover_the_take(performer: EmoavaPerformer) -> None:
    request = TakeRequest(line("Good day. " * 30, duration=3.0), 0, 3)
    chunks = [e for e in performer.perform([request], lambda: False) if isinstance(e, FrameChunk)]
    firsts = np.cumsum([0, *(len(chunk.frames) for chunk in chunks)])
    assert [chunk.first_frame for chunk in chunks] == firsts[:-1].tolist()
    assert firsts[-1] == 72


def test_a_long_text_goes_on_where_its_part_before_ended(performer: EmoavaPerformer) -> None:
    text = "Good day. " * 28
    (clip,) = perform(performer, [line(text, duration=3.0)])
    steps = np.abs(np.diff(clip.frames, axis=0)).max(axis=1)
    # A part's first frame is the last one of the part before; nowhere else does this network stand still.
    assert (steps[8:-10] < 1e-6).sum() == len(sentences(text, MAX_PART_WORDS)) - 1 > 0


def test_intensity_moves_away_from_the_mean_frame_and_variety_off_leaves_one_performance(
    performer: EmoavaPerformer, model: EmoavaModel
) -> None:
    full, none = perform(performer, [line(intensity=1.0), line(intensity=0.0)])
    mean = model.start_frame.numpy()
    np.testing.assert_allclose(none.frames[5], mean, atol=1e-6)
    half = perform(performer, [line(intensity=0.5)])[0]
    np.testing.assert_allclose(half.frames[5], 0.5 * (full.frames[5] + mean), atol=1e-5)
    one, other = perform(performer, [line(seed=1, variety=0.0), line(seed=2, variety=0.0)])
    np.testing.assert_allclose(one.frames, other.frames, atol=1e-5)


def test_what_the_network_cannot_do_is_said(performer: EmoavaPerformer) -> None:
    asked = line(emotion=EmotionRead.of(joy=0.9), speech=False, guidance=2.0)
    (clip,) = perform(performer, [asked])
    assert any("the emotion asked for, guidance, speech off" in note for note in clip.notes)
    assert perform(performer, [line()])[0].notes == ()
    long_word = "y" * 40
    (unread,) = perform(performer, [line(" ".join([long_word, "Good"] * 60), duration=4.0)])
    assert unread.frames.shape == (96, 53)


def test_a_length_that_cannot_be_is_refused(performer: EmoavaPerformer) -> None:
    with pytest.raises(LineError, match="too long for this line: ask for at most"):
        perform(performer, [line(duration=60.0)])
    with pytest.raises(LineError, match="too short"):
        perform(performer, [line("Good day. " * 60, duration=0.05)])


def test_it_is_cancelled_between_frames(performer: EmoavaPerformer) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(Cancelled):
        list(performer.perform([TakeRequest(line(duration=1.0), 0, 1)], cancelled))
    assert len(asked) == 6


def test_an_imported_folder_is_loaded_by_the_door_that_the_sidecar_uses(folder: Path) -> None:
    performer = load_performer(folder, None, "cpu", threads=1)
    assert isinstance(performer, EmoavaPerformer)
    assert performer.checkpoint_id.startswith("emoava@")
    assert performer.device == "cpu"


def test_without_a_vocabulary_it_says_what_is_missing(model: EmoavaModel) -> None:
    with pytest.raises(CheckpointError, match=r"cannot read text: import it again with --tokenizer"):
        EmoavaPerformer(replace(model, tokenizer=None), "x", "cpu")
