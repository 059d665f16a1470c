"""What no worker can do without: an interpreter, torch, and reading its weights once."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cold.cache import Cache, bandwidth, drop
from benchmarks.cold.contests import Contest


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What was measured, in one state of the page cache.

    Attributes:
        interpreter: seconds of a Python that does nothing.
        torch: seconds of `import torch`, beyond those.
        bandwidth: bytes a second of reading a large file.

    """

    interpreter: float
    torch: float
    bandwidth: float

    def reading(self, contest: Contest) -> float:
        """Seconds to read the weights of a worker."""
        return contest.weight_bytes / self.bandwidth

    def of(self, contest: Contest) -> float:
        """Seconds of all three, one after the other."""
        torch = 0.0 if contest.is_orchestrator else self.torch
        return self.interpreter + torch + self.reading(contest)


def measure_floor(cache: Cache, *, large: Path, weights: Iterable[Path], runs: int) -> Floor:
    """Measure it.

    Args:
        cache: its state before each measurement.
        large: a file to read.
        weights: taken out of the cache where the whole of it cannot be emptied.
        runs: of each; the median counts.

    """
    interpreter = _seconds_of("pass", cache=cache, weights=weights, runs=runs)
    torch = _seconds_of("import torch", cache=cache, weights=weights, runs=runs)
    return Floor(
        interpreter=interpreter,
        torch=torch - interpreter,
        bandwidth=bandwidth(large, cache=cache, runs=runs),
    )


def _seconds_of(code: str, *, cache: Cache, weights: Iterable[Path], runs: int) -> float:
    command = (sys.executable, "-c", code)
    if cache == "warm":
        subprocess.run(command, check=True)  # noqa: S603
    found = []
    for _ in range(runs):
        if cache == "dropped":
            drop(weights)
        began = time.monotonic()
        subprocess.run(command, check=True)  # noqa: S603
        found.append(time.monotonic() - began)
    return statistics.median(found)
