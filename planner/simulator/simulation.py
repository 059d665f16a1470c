"""A fleet that requests are fed to, chunk by chunk."""

from collections.abc import Callable, Iterable
from datetime import datetime
from math import isfinite
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planner.errors import RequestsInvalid
from planner.simulator.fleet import DAY, Finished, FleetRules, Floats, Jobs, Outcome, Series
from planner.simulator.kernel import FULL, begin, play
from planner.simulator.latencies import Latencies
from planner.simulator.state import PARTS, State, created, logging, widened

CHUNK: Final = 1 << 17
"""Requests that are simulated at a time."""
MOST_SECONDS: Final = 100 * 366 * DAY

_NOTHING: Final = Finished(np.zeros(0), np.zeros(0, np.uint8))


class FleetSimulation:
    """One fleet under simulation.

    What is fed in several chunks gives the same as all at once. Memory is bounded by the longest
    chunk and by the requests that wait at once; `FleetRules.ttl_seconds` bounds those.

    Args:
        rules: of the fleet.
        start: second 0; it knows its zone.
        span: in seconds, at least until the last arrival.
        parts: of the span, for `Outcome.series`.

    Raises:
        RequestsInvalid: the span is no length of time.

    """

    def __init__(
        self, rules: FleetRules, *, start: datetime, span: float, parts: int = PARTS
    ) -> None:
        self._span = checked_span(span)
        self._state = created(rules, start=start, span=span, parts=parts)
        begin(self._state)
        self._latest = 0.0

    def feed(self, jobs: Jobs) -> Finished:
        """Let requests arrive; give those whose end has become known.

        Raises:
            RequestsInvalid: they are not in order, or cannot be.

        """
        seconds, work = checked(jobs, after=self._latest, span=self._span)
        return self._play(seconds, work) if len(seconds) else _NOTHING

    def close(self) -> tuple[Finished, Outcome]:
        """Let no more arrive; give the requests that were left, and what the fleet did."""
        finished = self._play(np.zeros(0), np.zeros(0))
        return finished, outcome(self._state)

    def _play(self, seconds: Floats, work: Floats) -> Finished:
        core = self._state.core[0]
        first, waiting = int(core["requests"]), int(core["waiting"])
        self._state = logging(self._state, jobs=waiting + len(seconds))
        while play(self._state, seconds, work, first) == FULL:
            self._state = widened(self._state, jobs=int(core["concurrency"]))
        self._latest = float(seconds[-1]) if len(seconds) else self._latest
        return finished(self._state.log[: core["logged"]])


def simulate(  # noqa: PLR0913 - each has a default but four
    chunks: Iterable[Jobs],
    rules: FleetRules,
    *,
    start: datetime,
    span: float,
    parts: int = PARTS,
    told: Callable[[int], None] = lambda _done: None,
) -> Outcome:
    """Let requests arrive at a fleet of their own.

    Args:
        chunks: the requests, each chunk after the one before.
        rules: of the fleet.
        start: second 0; it knows its zone.
        span: in seconds, at least until the last arrival.
        parts: of the span, for `Outcome.series`.
        told: how many requests are behind, after each chunk.

    Raises:
        RequestsInvalid: requests are not in order, or cannot be.

    """
    fleet = FleetSimulation(rules, start=start, span=span, parts=parts)
    done = 0
    for jobs in chunks:
        fleet.feed(jobs)
        done += len(jobs.seconds)
        told(done)
    return fleet.close()[1]


def finished(log: np.ndarray[Any, np.dtype[np.void]]) -> Finished:
    """Give what a log of `planner.simulator.state.END` says."""
    return Finished(log["end"].copy(), log["flags"].astype(np.uint8))


def checked_span(span: float) -> float:
    """Give a span that can be simulated.

    Raises:
        RequestsInvalid: it cannot.

    """
    if not 0 < span < MOST_SECONDS:
        advice = "Give the seconds that were observed, more than 0."
        raise RequestsInvalid(reason=f"the span is {span}", advice=advice)
    return float(span)


def checked(jobs: Jobs, *, after: float, span: float) -> tuple[Floats, Floats]:
    """Give requests as compiled code wants them.

    Raises:
        RequestsInvalid: they cannot be simulated.

    """
    seconds = np.array(jobs.seconds, np.float64)  # a copy that may be written to: one type
    work = np.array(jobs.work_seconds, np.float64)
    reason = ""
    if seconds.ndim != 1 or seconds.shape != work.shape:
        reason = "there are not as many arrivals as amounts of work"
    elif len(seconds) and not (isfinite(seconds.sum()) and isfinite(work.sum())):
        reason = "a number is not finite"
    elif len(seconds) and (seconds[0] < after or (np.diff(seconds) < 0).any()):
        reason = "an arrival comes before the one before it, or before the start"
    elif len(seconds) and seconds[-1] > span:
        reason = f"an arrival at {seconds[-1]} s lies beyond the span of {span} s"
    elif len(work) and work.min() < 0:
        reason = "work is below 0"
    if reason:
        raise RequestsInvalid(reason=reason, advice="Give them in order of arrival.")
    return seconds, work


def outcome(state: State) -> Outcome:
    """Give what a fleet did; it has nothing left to do."""
    core = state.core[0]
    return Outcome(
        requests=int(core["requests"]),
        unfinished=int(core["unfinished"]),
        cold_requests=int(core["cold_requests"]),
        revived_requests=int(core["revived_requests"]),
        cold_starts=int(core["cold_starts"]),
        revivals=int(core["revivals"]),
        pings=int(core["pings"]),
        start_seconds=float(core["start_seconds"]),
        work_seconds=float(core["work_seconds"]),
        idle_seconds=float(core["idle_seconds"]),
        billed_seconds=float(core["billed_seconds"]),
        backlog=int(core["backlog"]),
        latency=_latencies(state.counts[0], core, "latency"),
        wait=_latencies(state.counts[1], core, "wait"),
        span=float(core["span"]),
        end=float(core["end"]),
        series=Series(
            seconds=float(core["bucket_seconds"]),
            workers_max=state.buckets["workers"].copy(),
            workers_mean=state.buckets["area"] / core["bucket_seconds"],
            queue_max=state.buckets["queue"].copy(),
            requests=state.buckets["requests"].copy(),
        ),
    )


def _latencies(counts: npt.NDArray[np.int64], core: np.void, name: str) -> Latencies:
    if not counts.any():
        return Latencies.none()
    return Latencies(
        counts=counts,
        total=float(core[f"{name}_total"]),
        least=float(core[f"{name}_least"]),
        most=float(core[f"{name}_most"]),
    )
