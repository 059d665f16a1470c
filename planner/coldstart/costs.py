"""What trying cold starts may cost, before and while it is done."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from planner.coldstart.runs import Run

_TYPICAL: Final = 3
"""Runs from which on those that were done say what the next will take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a second costs, and how much may be spent.

    Attributes:
        dollars_per_second: of all workers that a run starts, together.
        source: of the price, for a reader.
        within: seconds that a run may last.
        idle_seconds: that are billed after each.
        at_most: dollars that all runs of the file may cost; None: no bound.

    """

    dollars_per_second: float
    source: str
    within: float
    idle_seconds: float
    at_most: float | None = None

    def spent(self, runs: Sequence[Run]) -> float:
        """Dollars of runs that ended, at least about."""
        return self.dollars_per_second * sum(run.billed_seconds or 0.0 for run in runs)

    def bound(self, count: int) -> float:
        """Dollars that so many further runs cost at most, one worker at a time."""
        return self.dollars_per_second * count * (self.within + self.idle_seconds)

    def estimate(self, count: int, *, done: Sequence[Run]) -> float | None:
        """Dollars that so many further runs may be expected to cost; None before some are done."""
        known = [run.billed_seconds for run in done if run.billed_seconds is not None]
        if len(known) < _TYPICAL:
            return None
        return self.dollars_per_second * count * statistics.fmean(known)

    def allows(self, runs: Sequence[Run]) -> bool:
        """Whether one more run stays within the bound, whatever it takes."""
        return self.at_most is None or self.spent(runs) + self.bound(1) <= self.at_most
