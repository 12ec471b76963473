"""Trains without randomness in a step, alone or as one process of several: ``python shared_training.py CORPUS RUN``.

The environment says which: RANK, WORLD_SIZE and so on, as accelerate's and torch's launchers set them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from cteg_core.training.batches import NO_DROPOUT
from cteg_core.training.loop import train
from cteg_core.training.losses import LossConfig
from tests.fakes.tiny_training import TINY, read_data

torch.set_num_threads(1)
torch.randn_like = lambda tensor: torch.zeros_like(tensor)  # latents at their mean: processes draw different noise
# The other terms are means of other things than frames, which part_of does not weigh.
LOSS = LossConfig(velocity_weight=0.0, utterance_weight=0.0)
CONFIG = replace(
    TINY, model=replace(TINY.model, dropout=0.0), dropout=NO_DROPOUT, loss=LOSS, steps=6, log_every=1, save_every=6
)
network = train(read_data(Path(sys.argv[1])), CONFIG, Path(sys.argv[2]), device="cpu")
rank = os.environ.get("RANK", "alone")
torch.set_printoptions(precision=9)
print(rank, float(sum(value.double().abs().sum() for value in network.state_dict().values())))
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
