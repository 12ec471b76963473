"""The `emoava` configuration reproduces the official network's golden vectors to 1e-5."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cteg_core.model.config import EMOAVA
from cteg_core.model.network import END, PAD, START, CtegNetwork, TeacherForced
from cteg_core.model.official_decoding import decode_official, decode_whole_prefix
from cteg_core.training.losses import OFFICIAL_LOSS, frame_distance, kl_term

DATA = Path(__file__).parent.parent / "data"
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
MARKER_OF_WORD = {101: START, 102: END, 0: PAD}


@pytest.fixture(scope="module")
def vectors() -> dict[str, torch.Tensor]:
    return load_file(DATA / "cteg_vectors.safetensors")


@pytest.fixture(scope="module")
def network() -> CtegNetwork:
    tiny = replace(EMOAVA, d_text=32, d_model=32, d_inner=64, heads=4, d_head=8, layers=2, d_latent=32, max_frames=32)
    network = CtegNetwork(tiny).eval()
    network.load_state_dict(load_file(DATA / "emoava_tiny.safetensors"), strict=True)
    return network


def teacher_forced(network: CtegNetwork, vectors: dict[str, torch.Tensor], use_posterior: bool) -> TeacherForced:
    markers = torch.full_like(vectors["tgt_ids"], -1)
    for word, marker in MARKER_OF_WORD.items():
        markers[vectors["tgt_ids"] == word] = marker
    assert ((markers < 0) == vectors["tgt_exp_mask"]).all()
    with torch.no_grad():
        return network(
            vectors["tgt_exp"],
            markers,
            vectors["tgt_attn_mask"],
            vectors["encoder_out"],
            vectors["src_mask"][:, None],
            use_posterior=use_posterior,
            sample=False,
        )


@pytest.mark.parametrize(("use_posterior", "name"), [(True, "out_train"), (False, "out_infer")])
def test_teacher_forced_frames(
    network: CtegNetwork, vectors: dict[str, torch.Tensor], use_posterior: bool, name: str
) -> None:
    output = teacher_forced(network, vectors, use_posterior)
    torch.testing.assert_close(output.frames, vectors[name], **TOLERANCE)


def test_losses(network: CtegNetwork, vectors: dict[str, torch.Tensor]) -> None:
    output = teacher_forced(network, vectors, use_posterior=True)
    mask = vectors["gold_mask"].clone()
    mask[:, 0] = False
    reconstruction = frame_distance(output.frames, vectors["gold"], mask, OFFICIAL_LOSS)
    guided = frame_distance(output.guided, vectors["gold"][:, :-1], mask[:, :-1], OFFICIAL_LOSS)
    everywhere = torch.ones(output.kl.shape[:2], dtype=torch.bool)
    torch.testing.assert_close(output.guided, vectors["one_step_out"], **TOLERANCE)
    torch.testing.assert_close(reconstruction, vectors["loss_reconstruction"][0], **TOLERANCE)
    torch.testing.assert_close(guided, vectors["loss_target_guided"][0], **TOLERANCE)
    torch.testing.assert_close(kl_term(output.kl, everywhere, OFFICIAL_LOSS), vectors["kl"][0], **TOLERANCE)


def test_serial_decoding(network: CtegNetwork, vectors: dict[str, torch.Tensor]) -> None:
    frames = decode_whole_prefix(
        network,
        vectors["start_frame"].expand(2, 53),
        vectors["encoder_out"],
        vectors["src_mask"][:, None],
        frame_count=12,
    )
    torch.testing.assert_close(frames, vectors["serial_frames"], **TOLERANCE)


def test_serial_decoding_with_the_exact_mode(network: CtegNetwork, vectors: dict[str, torch.Tensor]) -> None:
    start, mask = vectors["start_frame"].expand(2, 53), vectors["src_mask"][:, None]
    frames = torch.stack(list(decode_official(network, start, vectors["encoder_out"], mask, 12)), dim=1)
    torch.testing.assert_close(frames, vectors["serial_frames"][:, 1:], **TOLERANCE)
