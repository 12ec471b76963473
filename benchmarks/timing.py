"""How long a call takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def seconds(work: Callable[[], object], repeats: int = 7, warm_up: bool = True) -> float:
    """Return the median time of some calls; ``warm_up`` makes one before them that does not count."""
    if warm_up:
        work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
