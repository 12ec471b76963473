"""From lines to clips: seeds, lengths, parts, edges; with a small untrained network and stand-in text states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cteg_core.clip import Controls, ExpressionClip, Likeness, Word
from cteg_core.dialogue import DialogueLine, LineError, take_seed
from cteg_core.emotion import EmotionRead
from cteg_core.model.checkpoint import (
    Checkpoint,
    CheckpointError,
    CheckpointInfo,
    Scaling,
    load_checkpoint,
    save_checkpoint,
)
from cteg_core.model.config import DEFAULT
from cteg_core.model.decoding import Lines, Step, decode
from cteg_core.model.easing import joined
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.generator import Generator
from cteg_core.model.network import CtegNetwork
from cteg_core.model.parts import MAX_PART_WORDS
from cteg_core.model.text_encoder import READ_LAYERS, TextStates
from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, TakeRequest
from cteg_core.speech import features_of_words
from cteg_core.visemes import SPEECH_CHANNELS
from flame_rig.spaces import CTEG_HEAD_1, JAW_OPEN_RADIANS
from tests.fakes.encoders import Unadapted

WIDTH = 12


class WordEncoder(Unadapted):
    """States that depend on each word alone."""

    def encode(self, texts: Sequence[str]) -> TextStates:
        longest = max(len(text.split()) for text in texts) + 1
        layers = torch.zeros(len(texts), len(READ_LAYERS), longest, WIDTH)
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        for row, text in enumerate(texts):
            for place, word in enumerate(["", *text.split()]):
                mask[row, place] = True
                layers[row, :, place] = torch.randn(WIDTH, generator=torch.Generator().manual_seed(len(word)))
        return TextStates(layers, mask, (0,) * len(texts))


def tiny_checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    model = replace(DEFAULT, d_text=WIDTH, d_model=16, d_inner=32, heads=2, d_head=8, d_latent=4, utterance_latent=3)
    head = EmotionHeadConfig(d_text=WIDTH, d_model=8, heads=2, d_inner=8)
    info = CheckpointInfo("tiny", CTEG_HEAD_1.id, 30.0, {}, {}, {}, "CC0-1.0")
    return Checkpoint(
        info,
        CtegNetwork(model).eval(),
        EmotionHead(head).eval(),
        torch.full((28,), 0.5),
        Scaling(torch.zeros(53), torch.full((53,), 0.2)),
    )


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(tiny_checkpoint(), WordEncoder(), "cpu")  # type: ignore[arg-type]


def takes_of(generator: Generator, line: DialogueLine, count: int = 1) -> list[ExpressionClip]:
    requests = [TakeRequest(line, take, take_seed(line.seed, take)) for take in range(count)]
    finished = [e for e in generator.perform(requests, lambda: False) if isinstance(e, FinishedTake)]
    assert sorted(e.request_index for e in finished) == list(range(count))
    return [e.clip for e in sorted(finished, key=lambda e: e.request_index)]


def test_the_same_request_gives_the_same_bits_and_another_seed_another_take(generator: Generator) -> None:
    line = DialogueLine("You came back. I can't believe it.", seed=5)
    first, second = takes_of(generator, line, 2)
    again, _ = takes_of(generator, line, 2)
    assert first.frames.tobytes() == again.frames.tobytes()
    assert first.frames.shape != second.frames.shape or not np.allclose(first.frames, second.frames)
    assert (first.seed, second.seed) == (5, 6)


def test_a_take_does_not_depend_on_its_batch(generator: Generator) -> None:
    together = takes_of(generator, DialogueLine("Well, look who is here.", seed=3), 4)
    alone = takes_of(generator, DialogueLine("Well, look who is here.", seed=5), 1)[0]
    assert alone.frames.shape == together[2].frames.shape
    np.testing.assert_allclose(alone.frames, together[2].frames, atol=1e-3)


def test_a_clip_starts_and_ends_at_rest_and_stays_in_its_space(generator: Generator) -> None:
    for text in ("Oh!", "Nobody told me that you would be here tonight, of all nights."):
        clip = takes_of(generator, DialogueLine(text, seed=1))[0]
        assert np.abs(clip.frames[[0, -1]]).max() == 0.0
        assert (clip.frames >= CTEG_HEAD_1.lower - 1e-6).all()
        assert (clip.frames <= CTEG_HEAD_1.upper + 1e-6).all()


@pytest.mark.parametrize("seconds", [1.0, 2.5, 7.0])
def test_a_requested_duration_is_met_to_the_frame(generator: Generator, seconds: float) -> None:
    text = " ".join(["word"] * 40) + "."  # two parts
    for line in ("Come in.", text):
        if seconds < 2 and line is text:
            continue
        clip = takes_of(generator, DialogueLine(line, controls=Controls(duration=seconds)))[0]
        assert len(clip.frames) == round(seconds * 30)
        assert clip.stop_reason == "duration"


def test_too_little_time_is_refused_with_a_sentence(generator: Generator) -> None:
    line = DialogueLine(" ".join(["word"] * 400), controls=Controls(duration=0.5))
    with pytest.raises(LineError, match="give it more time or less text"):
        takes_of(generator, line)


def test_too_much_time_is_refused_with_the_limit(generator: Generator) -> None:
    with pytest.raises(LineError, match=r"ask for at most [0-9]+ s"):
        takes_of(generator, DialogueLine("Hi.", controls=Controls(duration=600.0)))


def test_a_word_without_end_is_performed(generator: Generator) -> None:
    clip = takes_of(generator, DialogueLine("My number is " + "1234567890" * 70))[0]
    assert clip.words[-1].text.endswith("0")
    assert len(clip.frames) > 300


def test_every_word_of_a_long_text_is_performed_in_order(generator: Generator) -> None:
    words = [f"w{i}" for i in range(3 * MAX_PART_WORDS + 5)]
    clip = takes_of(generator, DialogueLine(" ".join(words)))[0]
    assert [word.text for word in clip.words] == words
    starts = [word.start for word in clip.words]
    assert starts == sorted(starts)
    assert clip.words[-1].end <= clip.seconds + 1e-6


def test_chunks_and_cancelling(generator: Generator) -> None:
    request = TakeRequest(DialogueLine("This line is long enough for more than one chunk of frames."), 0, 0)
    chunks = [e for e in generator.perform([request], lambda: False) if isinstance(e, FrameChunk)]
    assert [chunk.first_frame for chunk in chunks] == [32 * i for i in range(len(chunks))]
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 5

    with pytest.raises(Cancelled):
        list(generator.perform([request], cancelled))


def test_asked_for_emotion_is_what_the_clip_says(generator: Generator) -> None:
    wish = EmotionRead.of(joy=0.9)
    clip = takes_of(generator, DialogueLine("It is raining.", controls=Controls(emotion=wish)))[0]
    assert clip.emotion is not None
    np.testing.assert_allclose(clip.emotion.probabilities, wish.probabilities)


def test_a_checkpoint_survives_its_folder(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint()
    sha256 = save_checkpoint(checkpoint, tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert loaded.sha256 == sha256
    assert loaded.id == f"tiny@{sha256[:12]}"
    for (name, one), other in zip(
        checkpoint.network.state_dict().items(), loaded.network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, other, msg=name)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("model.safetensors", b"\x00" * 40, "damaged"),
        ("model.safetensors", None, "could not be read"),
        ("config.json", b"[]", "not a checkpoint of format"),
        ("config.json", b"{", "not JSON"),
        ("config.json", None, "no checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_a_sentence(
    tmp_path: Path, file: str, content: bytes | None, sentence: str
) -> None:
    save_checkpoint(tiny_checkpoint(), tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(tmp_path)


# Variety, and what the parts of a take share.


def test_without_variety_every_seed_performs_alike(generator: Generator) -> None:
    """Without speech and layers, over a given time, only the latents' draws tell seeds apart."""

    def takes(variety: float) -> list[ExpressionClip]:
        controls = Controls(variety=variety, speech=False, blinks=False, gaze=False, duration=2.0)
        return takes_of(generator, DialogueLine("Well.", controls=controls), 2)

    first, second = takes(0.0)
    np.testing.assert_allclose(first.frames, second.frames, atol=1e-6)
    lively, other = takes(1.0)
    assert np.abs(lively.frames - other.frames).max() > 1e-3


def test_gaze_moves_the_eyes_and_nothing_else_and_can_be_off(generator: Generator) -> None:
    def take(gaze: bool) -> ExpressionClip:
        controls = Controls(blinks=False, gaze=gaze, duration=6.0)
        return takes_of(generator, DialogueLine("Well.", controls=controls), 1)[0]

    looking, staring = take(True).frames, take(False).frames
    moved = {CTEG_HEAD_1.names[i] for i in np.flatnonzero(np.abs(looking - staring).max(axis=0) > 0)}
    assert moved
    assert all(name.startswith("eyeLook") for name in moved)


def test_the_parts_of_a_take_share_the_utterance_latent_and_no_other_noise(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Lines] = []

    def watched(network: CtegNetwork, lines: Lines, cancelled: Callable[[], bool]) -> Iterator[Step]:
        decoded.append(lines)
        return decode(network, lines, cancelled)

    monkeypatch.setattr("cteg_core.model.generator.decode", watched)
    takes_of(generator, DialogueLine(" ".join(["word"] * (2 * MAX_PART_WORDS)), seed=4), 2)
    first, second = decoded
    for take in range(2):
        assert torch.equal(first.draws[take].utterance, second.draws[take].utterance)
        shared = min(len(first.draws[take].latent), len(second.draws[take].latent))
        assert not torch.equal(first.draws[take].latent[:shared], second.draws[take].latent[:shared])
    assert not torch.equal(first.draws[0].utterance, first.draws[1].utterance)


def test_a_take_near_another_mixes_its_manner_and_keeps_its_own_noise(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Lines] = []

    def watched(network: CtegNetwork, lines: Lines, cancelled: Callable[[], bool]) -> Iterator[Step]:
        decoded.append(lines)
        return decode(network, lines, cancelled)

    monkeypatch.setattr("cteg_core.model.generator.decode", watched)
    like = (Likeness(7, 0.8),)
    for controls, seed in ((Controls(), 7), (Controls(), 9), (Controls(like=like), 9)):
        takes_of(generator, DialogueLine("Well, well.", controls=controls, seed=seed))
    model, own, near = (lines.draws[0] for lines in decoded)
    assert torch.allclose(near.utterance, 0.8 * model.utterance + 0.6 * own.utterance)
    assert torch.equal(near.latent, own.latent)
    assert near.stop_threshold == own.stop_threshold


def test_a_part_goes_on_from_the_frame_where_the_last_one_ended(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[np.ndarray] = []

    def watched(last: np.ndarray, frames: np.ndarray, fps: float) -> np.ndarray:
        begun.append(last)
        return joined(last, frames, fps)

    monkeypatch.setattr("cteg_core.model.generator.joined", watched)
    controls = Controls(blinks=False, gaze=False, duration=20.0)
    line = DialogueLine(" ".join(["word"] * (3 * MAX_PART_WORDS)), controls=controls)
    clip = takes_of(generator, line)[0]
    ends = [np.clip(last, CTEG_HEAD_1.lower, CTEG_HEAD_1.upper) for last in begun]
    held = [np.flatnonzero((np.abs(clip.frames - end) < 1e-6).all(1)).tolist() for end in ends]
    # Each part's first frame is the one before it again.
    assert [len(places) >= 2 and places[-1] == places[-2] + 1 for places in held] == [True, True]


# Lips.


@pytest.mark.parametrize("times", [1, 12])
def test_lips_are_shut_where_words_press_them_together_in_every_part(generator: Generator, times: int) -> None:
    text = " ".join(["My mama bumped up."] * times)
    clip = takes_of(generator, DialogueLine(text, controls=Controls(blinks=False, gaze=False), seed=3))[0]
    length = len(clip.frames)
    press = features_of_words(clip.words, length=length, fps=clip.fps)[:, SPEECH_CHANNELS.index("press")]
    # How far the jaw is open is the network's; the first and last frames ease, and a part's edges are quiet.
    said = np.flatnonzero((press > 0.5) & (np.arange(length) > 5) & (np.arange(length) < length - 13))
    needed = press * clip.frames[:, 50] / JAW_OPEN_RADIANS
    open_jaws = said[needed[said] > 0.02]
    assert len(open_jaws) >= 8 * times
    short = open_jaws[clip.frames[open_jaws, CTEG_HEAD_1.index("mouthClose")] < needed[open_jaws] - 1e-5]
    assert len(short) <= 6 * (times > 5)


def test_lips_without_words_are_the_networks_own(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    line = DialogueLine("My mama.", controls=Controls(speech=False), seed=3)
    whole = takes_of(generator, line)[0]
    monkeypatch.setattr("cteg_core.model.generator.seal_lips", lambda frames, speech: frames)
    assert takes_of(generator, line)[0].frames.tobytes() == whole.frames.tobytes()


# Guidance.


def test_guidance_of_one_changes_no_bit_and_another_changes_the_performance(generator: Generator) -> None:
    def take(guidance: float) -> ExpressionClip:
        controls = Controls(emotion=EmotionRead.of(anger=0.9), guidance=guidance, duration=2.0)
        return takes_of(generator, DialogueLine("Get out of here.", controls=controls, seed=2))[0]

    plain = takes_of(
        generator,
        DialogueLine("Get out of here.", controls=Controls(emotion=EmotionRead.of(anger=0.9), duration=2.0), seed=2),
    )[0]
    assert take(1.0).frames.tobytes() == plain.frames.tobytes()
    stronger = take(2.5)
    assert not np.array_equal(stronger.frames, plain.frames)
    assert stronger.controls.guidance == 2.5


def test_guidance_of_zero_acts_every_emotion_alike(generator: Generator) -> None:
    clips = [
        takes_of(generator, DialogueLine("Well.", controls=Controls(emotion=wish, guidance=0.0, duration=2.0)))[0]
        for wish in (EmotionRead.of(anger=0.9), EmotionRead.of(joy=0.9))
    ]
    np.testing.assert_allclose(clips[0].frames, clips[1].frames, atol=1e-5)


# Word times that are given.


def timed(text: str, gap: float = 0.4) -> tuple[Word, ...]:
    return tuple(Word(word, 0.5 + gap * i, 0.7 + gap * i) for i, word in enumerate(text.split()))


def test_a_clip_says_its_words_when_they_are_given(generator: Generator) -> None:
    text = "I never said that"
    clip = takes_of(generator, DialogueLine(text, controls=Controls(words=timed(text))))[0]
    assert clip.words == timed(text)
    assert clip.seconds > timed(text)[-1].end


def test_given_times_run_through_the_parts_of_a_long_line(generator: Generator) -> None:
    text = " ".join(f"w{i}" for i in range(3 * MAX_PART_WORDS + 5))
    wanted = timed(text)
    clip = takes_of(generator, DialogueLine(text, controls=Controls(words=wanted, duration=40.0)))[0]
    assert len(clip.frames) == 1200
    assert [word.text for word in clip.words] == [word.text for word in wanted]
    for said, word in zip(clip.words, wanted, strict=True):
        assert said.start == pytest.approx(word.start, abs=1e-6)
        assert said.end == pytest.approx(word.end, abs=1e-6)


def test_words_without_room_for_a_part_are_refused(generator: Generator) -> None:
    text = " ".join(["word"] * 50)
    words = tuple(Word("word", 0.001 * i, 0.001 * (i + 1)) for i in range(50))
    with pytest.raises(LineError, match="no time of its own"):
        takes_of(generator, DialogueLine(text, controls=Controls(words=words)))


def test_a_part_that_lasts_too_long_is_refused(generator: Generator) -> None:
    words = (Word("Hi", 0.0, 0.2), Word("there", 300.0, 300.5))
    with pytest.raises(LineError, match="lasts longer than"):
        takes_of(generator, DialogueLine("Hi there", controls=Controls(words=words)))
