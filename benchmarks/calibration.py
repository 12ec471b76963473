"""How fast this machine is: figures that every benchmark prints beside its own, so that they can be compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from benchmarks.timing import seconds

GEMM_SIZE = 1024
READ_BYTES = 256 << 20


@dataclass(frozen=True)
class Calibration:
    """What the processor can do at most, in float32.

    Attributes:
        threads: torch's.
        gemm_gflops: torch's matrix product of two 1024 x 1024 matrices, in 1e9 floating point operations a second.
        read_gb_per_second: summing 256 MB, in 1e9 bytes a second.
    """

    threads: int
    gemm_gflops: float
    read_gb_per_second: float

    def __str__(self) -> str:
        return (
            f"calibration, {self.threads} thread(s): GEMM {self.gemm_gflops:.0f} GFLOP/s, "
            f"memory {self.read_gb_per_second:.1f} GB/s"
        )

    def to_record(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return asdict(self)


def calibrate() -> Calibration:
    """Measure the machine with as many threads as torch uses now."""
    square = torch.randn(GEMM_SIZE, GEMM_SIZE)
    numbers = torch.zeros(READ_BYTES // 4)
    gemm = seconds(lambda: square @ square)
    read = seconds(numbers.sum)
    return Calibration(torch.get_num_threads(), 2 * GEMM_SIZE**3 / gemm / 1e9, READ_BYTES / read / 1e9)


if __name__ == "__main__":
    print(calibrate())
