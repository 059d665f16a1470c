"""Options simulated with more traffic, or less."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import numpy as np

from planner.options.migration import Stage
from planner.options.plan import Premises, Result, Told, simulate_all
from planner.options.scaling import scaled
from planner.options.strategies import Option
from planner.traffic.trace import DAY_SECONDS, Trace, window

REQUESTS: Final = 400_000
"""About as many are simulated of each option at another volume; of one day at least, all."""
_WEEK: Final = 7


class Volumes:
    """Results of options for so many times the traffic, each simulated once.

    Args:
        found: options, by stage.
        premises: the traffic of today, and the rest.
        today: what is known of that already.
        told: how far a simulation is.

    """

    def __init__(
        self,
        found: Mapping[Stage, Sequence[Option]],
        premises: Premises,
        *,
        today: Mapping[Stage, Sequence[Result]],
        told: Told,
    ) -> None:
        self._found, self._premises, self._told = found, premises, told
        self._known = {(1.0, stage): tuple(results) for stage, results in today.items()}

    def __call__(self, factor: float, stage: Stage) -> Sequence[Result]:
        """Give the results of a stage's options."""
        factor = round(factor, 9)  # the same volume by another way
        if (factor, stage) not in self._known:
            premises = self.premises(factor)
            # of very few requests none may be drawn, but of a whole copy all are
            self._known[factor, stage] = (
                simulate_all(self._found[stage], premises, told=self._told)
                if len(premises.trace)
                else tuple(self(factor * 2, stage))
            )
        return self._known[factor, stage]

    def days(self, factor: float) -> float:
        """Days that are simulated at a volume: weeks where there is more than one, or days."""
        trace = self._premises.trace
        wanted = trace.days * REQUESTS / (len(trace) * factor)
        whole = wanted // _WEEK * _WEEK if wanted >= _WEEK else max(1.0, wanted // 1)
        return min(trace.days, whole)

    def premises(self, factor: float) -> Premises:
        """Give the traffic of these days, times a factor."""
        part = usual(self._premises.trace, days=self.days(factor))
        return replace(self._premises, trace=scaled(part, factor))


def usual(trace: Trace, *, days: float) -> Trace:
    """Give so many days on end that stand for all.

    They hold as many requests as days of this number do on average, or else the next more that any
    do: never none.

    Args:
        trace: holds a request.
        days: at least 1; the whole trace where it has no more.

    """
    if days >= trace.days:
        return trace
    latest = trace.days - days
    begins = np.append(np.arange(0.0, latest), latest)
    edges = [begins * DAY_SECONDS, (begins + days) * DAY_SECONDS]
    first, after = (np.searchsorted(trace.seconds, edge) for edge in edges)
    after[-1] = len(trace)  # the last request may lie at the very end
    counts = after - first
    enough = min(len(trace) * days / trace.days, counts.max())
    chosen = float(begins[np.where(counts >= enough, counts, len(trace) + 1).argmin()])
    since = trace.start + timedelta(days=chosen)
    until = None if chosen == latest else since + timedelta(days=days)
    return window(trace, since=since, until=until)
