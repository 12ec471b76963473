"""``python -m cteg_core serve``."""

from __future__ import annotations

import argparse

from cteg_core.model_loading import load_performer
from cteg_core.serving import serve


def run(arguments: argparse.Namespace) -> int:
    """Be a sidecar until the input ends."""
    serve(
        lambda: load_performer(arguments.checkpoint, arguments.text_encoder, arguments.device, arguments.threads),
        arguments.log,
    )
