"""The walk's sidecar where no other is named: the fake one, about as fast as a network, so that it can be cancelled."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cteg_core.serving import serve
from tests.fakes import fake_sidecar

_SECONDS = 0.03
"""For each chunk: some 230 frames a second."""


def _take_time(*_: object) -> None:
    time.sleep(_SECONDS)


if __name__ == "__main__":
    fake_sidecar.act = _take_time
    serve(fake_sidecar.FakePerformer, None)
