"""What trying cold starts may cost, before and while it is done."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from planner.coldstart.runs import Run

_ROUNDED: Final = 1 + 1e-9
"""What rounding may add to a sum that is to count as the same."""
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
        """Dollars of runs that ended, about; one of which that is not known took all it could."""
        billed = (run.billed_seconds for run in runs)
        return self.dollars_per_second * sum(
            self._longest if seconds is None else seconds for seconds in billed
        )

    def bound(self, count: int) -> float:
        """Dollars that so many further runs cost at most, one worker at a time."""
        return self.dollars_per_second * count * self._longest

    def estimate(self, count: int, *, done: Sequence[Run]) -> float | None:
        """Dollars that so many further runs may be expected to cost; None before some are done."""
        known = [run.billed_seconds for run in done if run.billed_seconds is not None]
        if len(known) < _TYPICAL:
            return None
        return self.dollars_per_second * count * statistics.fmean(known)

    def allows(self, runs: Sequence[Run]) -> bool:
        """Whether one more run stays within the bound, whatever it takes."""
        if self.at_most is None:
            return True
        return self.spent(runs) + self.bound(1) <= self.at_most * _ROUNDED

    @property
    def _longest(self) -> float:
        """Seconds billed for a run; it is seen to end just after its deadline, in whole seconds."""
        return math.ceil(self.within + self.idle_seconds) + 1.0
