"""Decoding speed against the official algorithm: `python -m benchmarks.decode [--json FILE]`.

Official size (d 768, 12 heads, one layer, random weights of a fixed seed), 254 frames, float32. Both sides get the same
text states, made outside the clock; ours makes its weights ready inside it. Times are medians of runs that alternate.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.calibration import calibrate
from benchmarks.official_algorithm import official_algorithm
from cteg_core.model.conditions import Conditions
from cteg_core.model.config import DEFAULT, EMOAVA, ModelConfig
from cteg_core.model.decoding import Lines, Mode, decode, draws_for
from cteg_core.model.expression_attention import EXPRESSION_COUNT
from cteg_core.model.network import FRAME_WIDTH, CtegNetwork
from cteg_core.model.official_decoding import decode_official
from cteg_core.model.prepared import Linear
from cteg_core.model.variational_layer import VariationalLayer

FRAMES: Final = 254
TOKENS: Final = 12
"""A line of EmoAva has about eight words; with word pieces and the two markers that makes about twelve tokens."""
ROUNDS: Final = 3
BATCH: Final = 32
OFFICIAL: Final = "official algorithm"
CACHED: Final = "causal, cached"
BATCHED: Final = f"causal, cached, batch {BATCH}"
WEIGHT_PASSES: Final = "passes through the live weights"
MODES: Final[tuple[Mode, ...]] = ("exact", "fast")
TINY: Final = replace(EMOAVA, d_text=32, d_model=32, d_inner=64, heads=4, d_head=8, layers=2, d_latent=32, dropout=0.0)
TEST_DATA: Final = Path(__file__).parent.parent / "tests" / "data"
CAUSAL: Final = replace(EMOAVA, expression_attention="causal")


def network_of(config: ModelConfig) -> CtegNetwork:
    """Return a network with random weights, the same every time."""
    torch.manual_seed(0)
    return CtegNetwork(config).eval()


def lines_of(config: ModelConfig, batch: int) -> Lines:
    """Return lines that last exactly 254 frames, each of another seed, all of the same number of tokens."""
    generator = torch.Generator().manual_seed(1)
    positions = FRAMES + 1
    return Lines(
        text=torch.randn(batch, TOKENS, config.d_text, generator=generator),
        text_mask=torch.ones(batch, 1, TOKENS, dtype=torch.bool),
        conditions=Conditions(
            emotion=torch.rand(batch, config.emotion_width, generator=generator),
            emotion_known=torch.ones(batch),
            plan=torch.rand(batch, positions, config.plan_width, generator=generator),
            elapsed=(torch.arange(positions) / 30).expand(batch, positions),
            remaining=(torch.arange(positions).flip(0) / 30).expand(batch, positions),
            remaining_known=torch.ones(batch),
            returns_to_rest=torch.ones(batch),
        ),
        start_frame=torch.zeros(batch, FRAME_WIDTH),
        draws=tuple(draws_for(seed, positions, config.d_latent, config.utterance_latent) for seed in range(batch)),
        least=(FRAMES,) * batch,
        most=(FRAMES,) * batch,
    )


def live_weights(network: CtegNetwork) -> list[nn.Linear]:
    """Return the matrices that a cached step must read, each once (text keys and values are made once a line)."""
    found: list[nn.Linear] = [network.frame_embedding, network.readout]
    for layer in network.layers:
        assert isinstance(layer, VariationalLayer)
        assert layer.temporal_attention is not None
        for attention in (layer.self_attention, layer.temporal_attention):
            found += [attention.query, attention.key, attention.value, attention.output]
        for attention in (layer.text_attention, layer.text_attention_second):
            found += [attention.query, attention.output]
        found += [layer.prior_mean, layer.prior_log_variance, layer.feed_forward.inner, layer.feed_forward.outer]
    return found


def weight_passes(network: CtegNetwork) -> Callable[[], None]:
    """Return what puts one row through every live matrix, 254 times, and does nothing else."""
    maps = [(Linear([module], 1), torch.randn(1, module.in_features)) for module in live_weights(network)]

    @torch.inference_mode()
    def sweep() -> None:
        for _ in range(FRAMES):
            for linear, row in maps:
                linear(row)

    return sweep


def interleaved(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each way's median time in seconds; the ways take turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def all_of(frames: Iterable[object]) -> None:
    """Use up an iterator."""
    for _ in frames:
        pass


def check(official: CtegNetwork, start: Tensor, text: Tensor, mask: Tensor) -> None:
    """Make sure that both sides of the comparison give the same frames."""
    slow = official_algorithm(official, start, text, mask, 20, sample=False)[:, 1:]
    fast = torch.stack(list(decode_official(official, start, text, mask, 20)), dim=1)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)


def gaps() -> dict[str, dict[str, float]]:
    """Return how far the fast mode of the official EwA is from the exact one, for two networks."""
    lines, generator = lines_of(EMOAVA, 1), torch.Generator().manual_seed(2)
    vectors = load_file(TEST_DATA / "cteg_vectors.safetensors")
    tiny = CtegNetwork(TINY).eval()
    tiny.load_state_dict(load_file(TEST_DATA / "emoava_tiny.safetensors"))
    return {
        "official size, random weights": gap(
            network_of(EMOAVA), torch.randn(1, FRAME_WIDTH, generator=generator), lines.text, lines.text_mask
        ),
        "golden vectors' network": gap(
            tiny, vectors["start_frame"].expand(2, FRAME_WIDTH), vectors["encoder_out"], vectors["src_mask"][:, None]
        ),
    }


def gap(network: CtegNetwork, start: Tensor, text: Tensor, text_mask: Tensor) -> dict[str, float]:
    """Return the absolute differences over 254 frames, latents at their means, in the frames' own units."""
    exact, fast = (
        torch.stack(list(decode_official(network, start, text, text_mask, FRAMES, mode=mode))) for mode in MODES
    )
    distance = (fast - exact).abs()
    return {
        "largest": float(distance.max()),
        "mean": float(distance.mean()),
        "jaw_largest": float(distance[..., EXPRESSION_COUNT:].max()),
        "mean_size_of_frames": float(exact.abs().mean()),
    }


def on_gpu(rounds: int) -> dict[str, float]:
    """Measure causal decoding on a CUDA device, in each number format; ``{}`` where there is none."""
    if not torch.cuda.is_available():
        print("CUDA: no device here, not measured")
        return {}
    times: dict[str, float] = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        network = network_of(CAUSAL).to("cuda", dtype)
        for batch in (1, BATCH):
            name = f"{torch.cuda.get_device_name()}, {dtype}, batch {batch}"
            lines = moved(lines_of(CAUSAL, batch), "cuda")
            all_of(decode(network, lines))
            times |= interleaved({name: lambda n=network, x=lines: all_of(decode(n, x))}, rounds)  # type: ignore[misc]
            print(f"{name:60}{times[name]:8.3f}{FRAMES * batch / times[name]:10.0f}")
    return times


def moved(lines: Lines, device: str) -> Lines:
    """Return lines on another device."""
    given = {name: value.to(device) for name, value in vars(lines.conditions).items() if value is not None}
    return replace(
        lines,
        text=lines.text.to(device),
        text_mask=lines.text_mask.to(device),
        conditions=replace(lines.conditions, **given),
        start_frame=lines.start_frame.to(device),
    )


def measure(threads: int, rounds: int, parts: Sequence[str]) -> dict[str, object]:
    """Measure the ways whose names hold one of ``parts``, with some threads; print and return the figures."""
    torch.set_num_threads(threads)
    calibration = calibrate()
    print(calibration, flush=True)
    official, causal = network_of(EMOAVA), network_of(CAUSAL)
    small = network_of(DEFAULT)
    one = lines_of(CAUSAL, 1)
    given = (one.start_frame, one.text, one.text_mask)
    check(official, *given)
    noise = torch.randn(1, FRAMES + 1, EMOAVA.d_latent)
    readout_noise = EMOAVA.readout_noise * torch.randn(1, FRAMES, EMOAVA.d_model)

    def imported(mode: Mode) -> None:
        all_of(decode_official(official, *given, FRAMES, mode=mode, latent_noise=noise, readout_noise=readout_noise))

    ways: dict[str, Callable[[], object]] = {
        OFFICIAL: lambda: official_algorithm(official, *given, FRAMES, sample=True),
        CACHED: lambda: all_of(decode(causal, lines_of(CAUSAL, 1))),
        "official EwA, exact": lambda: imported("exact"),
        "official EwA, fast": lambda: imported("fast"),
        BATCHED: lambda: all_of(decode(causal, lines_of(CAUSAL, BATCH))),
        "default size, cached": lambda: all_of(decode(small, lines_of(DEFAULT, 1))),
        f"default size, cached, batch {BATCH}": lambda: all_of(decode(small, lines_of(DEFAULT, BATCH))),
        WEIGHT_PASSES: weight_passes(causal),
    }
    needed = (OFFICIAL, CACHED, WEIGHT_PASSES)
    ways = {name: way for name, way in ways.items() if name in needed or any(part in name for part in parts)}
    for name in list(ways)[1:]:  # once before the clock runs
        ways[name]()
    times = interleaved(ways, rounds)
    sweep = times.pop(WEIGHT_PASSES) / FRAMES
    base = times[OFFICIAL]
    print(f"{'':36}{'s':>8}{'frames/s':>10}{'ratio':>8}")
    for name, value in times.items():
        frames = FRAMES * (BATCH if "batch" in name else 1)
        ratio = f"{base / value * frames / FRAMES:8.1f}" if "default" not in name else ""
        print(f"{name:36}{value:8.3f}{frames / value:10.0f}{ratio}")
    batch_ratio = BATCH * times[CACHED] / times[BATCHED] if BATCHED in times else math.nan
    frame = times[CACHED] / FRAMES
    print(f"batch {BATCH} against batch 1, frames a second: {batch_ratio:.1f}")
    print(
        f"one frame {frame * 1e3:.3f} ms, one pass through the live weights {sweep * 1e3:.3f} ms: {frame / sweep:.2f}"
    )
    print(flush=True)
    return {
        "calibration": calibration.to_record(),
        "seconds": times,
        "ratio": {name: base / value for name, value in times.items() if "batch" not in name and "default" not in name},
        "batch_ratio": batch_ratio,
        "weight_pass_seconds": sweep,
        "frame_over_weight_pass": frame / sweep,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", default=[""], help="measure only ways with these words in their names")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    found = gaps()
    for name, figures in found.items():
        print(f"fast against exact, {name}: {', '.join(f'{key} {value:.2e}' for key, value in figures.items())}")
    print(flush=True)
    record = {
        "gap": found,
        "cpu": [measure(threads, arguments.rounds, arguments.only) for threads in arguments.threads],
        "cuda_seconds": on_gpu(arguments.rounds),
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
