"""Ablations: what each change to CTEG does, at one short budget.

    python -m benchmarks.ablations run --text DATA --corpus CORPUS --out RUNS
    python -m benchmarks.ablations table --text DATA --corpus CORPUS --out RUNS

``run`` trains every variant of ``VARIANTS`` on the same first pairs of a corpus, for the same steps, with the same
batches, and keeps what it performs; it goes on where it was stopped. ``table`` measures what is there and prints a row
for each variant. Minutes of training act only partly: rows can be compared with one another, and with nothing else.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.ablation_scores import score_trials, table
from benchmarks.ablation_trial import FirstPairs, Stage, Variant, corpus_again, run_trial, stage_of
from cteg_core.model.config import DEFAULT, EMOAVA
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.training.batches import NO_DROPOUT, Dropout
from cteg_core.training.loop import TrainConfig, scaling_of
from cteg_core.training.losses import OFFICIAL_LOSS, LossConfig
from cteg_core.training.text_data import read_goemotions
from cteg_core.training.text_states import TextStateCache

PAIRS: Final = 10_000
LINES_EACH: Final = 15
"""Of each of the seven basic emotions."""
BASE: Final = TrainConfig(steps=300, batch=12, longest=140, warmup=40, save_every=60, held_out=0.0)
"""Performances of up to 140 frames, about half of the pairs: attention costs the square of a length."""

_OFFICIAL_IN_OUR_SIZE: Final = replace(
    EMOAVA,
    d_text=DEFAULT.d_text,
    d_model=DEFAULT.d_model,
    d_inner=DEFAULT.d_inner,
    heads=DEFAULT.heads,
    d_latent=DEFAULT.d_model,
    max_frames=DEFAULT.max_frames,
)

VARIANTS: Final[tuple[Variant, ...]] = (
    Variant("full", "the default", BASE),
    Variant("ewa-off", "no EwA", replace(BASE, model=replace(DEFAULT, expression_attention="off"))),
    Variant("lta-off", "no LTA", replace(BASE, model=replace(DEFAULT, latent_temporal_attention=False))),
    Variant("utterance-off", "no utterance latent", replace(BASE, model=replace(DEFAULT, utterance_latent=0))),
    Variant("guided-off", "no target-guided loss", replace(BASE, loss=LossConfig(guided_weight=0.0))),
    Variant("history-true", "the true past in training", replace(
        BASE, dropout=Dropout(frames=0.0, history=0.0, no_history=0.0, frame_noise=0.0))),
    Variant("emotion-off", "no emotion condition: text alone", replace(BASE, model=replace(DEFAULT, emotion_width=0))),
    Variant("plan-off", "no speech plan", replace(BASE, model=replace(DEFAULT, plan_width=0))),
    Variant("unscaled", "frames not scaled", BASE, scaled=False),
    Variant("squared-off", "distance without its square", replace(BASE, loss=LossConfig(squared_weight=0.0))),
    Variant("stop-timing-off", "no stop head, no time", replace(
        BASE, model=replace(DEFAULT, stop_head=False, timing=False))),
    Variant("readout-noise", "white noise before the readout", replace(
        BASE, model=replace(DEFAULT, readout_noise=EMOAVA.readout_noise))),
    Variant("latent-wide", "per-frame latent as wide as the network", replace(
        BASE, model=replace(DEFAULT, d_latent=DEFAULT.d_model))),
    Variant("kl-padding", "KL averaged over padding too", replace(BASE, loss=LossConfig(kl_over_padding=True))),
    Variant("frame-rates", "four frame rates instead of one", replace(BASE, model=replace(DEFAULT, frame_rate=True))),
    Variant("white-latents", "performed with white latent noise", BASE, correlation=0.0, trained_as="full"),
    Variant("full-noise", "performed with latent noise at full strength", BASE, temperature=1.0, trained_as="full"),
    Variant("ewa-official", "EwA over the whole sequence", replace(
        BASE, model=replace(DEFAULT, expression_attention="official"))),
    Variant("official", "all as in the official code, in this size", replace(
        BASE, model=_OFFICIAL_IN_OUR_SIZE, loss=OFFICIAL_LOSS, dropout=NO_DROPOUT),
        scaled=False, temperature=1.0, correlation=0.0),
)  # fmt: skip


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablations", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--text", type=Path, required=True, metavar="DIR", help="folder with goemotions/")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="corpus that synthesize wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the trials")
    parser.add_argument("--states", type=Path, metavar="DIR", help="text states of the corpus (default: in --out)")
    parser.add_argument("--text-encoder", type=Path, metavar="DIR", help="folder of the text encoder (default: found)")
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="variants to run (default: all)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    stage = _stage(arguments)
    if arguments.action == "run":
        _run(arguments, stage)
    else:
        deviation = scaling_of(FirstPairs(arguments.corpus, PAIRS)).deviation.numpy()
        print(table(VARIANTS, score_trials(VARIANTS, stage, corpus_again(stage), deviation, arguments.out)))
    return 0


def _stage(arguments: argparse.Namespace) -> Stage:
    def states(texts: list[str]) -> TextStateCache:
        return TextStateCache.of(
            texts, arguments.out / "states-lines", lambda: TextEncoder.load(arguments.text_encoder)
        )

    return stage_of(read_goemotions(arguments.text / "goemotions", "test"), LINES_EACH, states)


def _run(arguments: argparse.Namespace, stage: Stage) -> None:
    corpus = FirstPairs(arguments.corpus, PAIRS)
    folder = arguments.out / "states-corpus" if arguments.states is None else arguments.states
    states = TextStateCache.of(corpus.texts, folder, lambda: TextEncoder.load(arguments.text_encoder))
    unknown = set(arguments.only) - {variant.name for variant in VARIANTS}
    if unknown:
        raise SystemExit(f"There is no variant called {', '.join(sorted(unknown))}.")
    for variant in VARIANTS:
        for seed in variant.seeds if not arguments.only or variant.name in arguments.only else ():

            def report(line: str, trial: str = f"{variant.name}-{seed}") -> None:
                print(f"{trial}: {line}", flush=True)

            run_trial(variant, seed, corpus, states, stage, arguments.out, report)
            report("done")


if __name__ == "__main__":
    sys.exit(main())
