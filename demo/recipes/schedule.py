"""A training schedule in minutes of processor time.

Training runs on one thread: on a quiet machine that is the time it takes, and on a busy one it
takes longer, but reaches the same.
"""

import math
import time
from typing import Final

import torch

_WARM_UP: Final = 0.04


class Schedule:
    """Learning rate by time spent: a short linear rise, then half a cosine down to nothing."""

    def __init__(self, optimiser: torch.optim.Optimizer, *, peak: float, minutes: float) -> None:
        self._optimiser = optimiser
        self._peak = peak
        self._seconds = minutes * 60
        self._began = time.process_time()

    @property
    def minutes(self) -> float:
        """Minutes of processor time since training began."""
        return (time.process_time() - self._began) / 60

    @property
    def progress(self) -> float:
        """From 0 at the start to 1 when time is up."""
        return min((time.process_time() - self._began) / self._seconds, 1.0)

    def step(self) -> bool:
        """Set the rate for the next step; false when time is up."""
        progress = self.progress
        rate = self._peak * min(progress / _WARM_UP, 0.5 * (1 + math.cos(math.pi * progress)))
        for group in self._optimiser.param_groups:
            group["lr"] = max(rate, self._peak * 0.01)
        return progress < 1.0
