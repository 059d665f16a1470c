"""What rules a fleet of workers follows, and what came of it: values only.

The rules are those of RunPod as the local platform reads them (`docs/emulator.md`); how they are
simulated is told in `planner.simulator.kernel`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf, isfinite
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from planner.errors import NoWorkers, RulesInvalid
from planner.simulator.hours import HoursSchedule
from planner.simulator.latencies import Latencies

Scaler = Literal["QUEUE_DELAY", "REQUEST_COUNT"]
Floats = npt.NDArray[np.float64]

DAY: Final = 86400.0
_LEAST: Final = 0.01
"""Seconds, or requests: what is less is a slip."""
_WORKERS: Final = 10_000
_JOBS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRules:
    """How the workers of one endpoint come and go; times in seconds.

    Args:
        start_seconds: a cold start, billed: from the container's start to the first job.
        workers_min: kept when there is nothing to do. Those of second 0, a schedule's included, are
            ready then: they were started before, and that start is not billed.
        workers_max: there are never more, those that are stopping included.
        idle_seconds: a worker above the minimum is stopped when it has had no job for so long.
        scaler: QUEUE_DELAY starts the first worker at once, and one more each `scaler_value`
            seconds while a request has waited for longer than that; REQUEST_COUNT keeps a worker
            for each `scaler_value` requests that wait or run.
        scaler_value: seconds, or requests.
        concurrency: requests that one worker has at a time.
        placing_seconds: before a cold start, not billed: a machine is found, image and cached
            model are brought there.
        revival_seconds: FlashBoot: what the start of a worker takes, without placing, where one
            ended less than `revival_window` ago and was not revived since; None: off.
        revival_window: see there; as many as `workers_max` can be revived.
        schedule: raises `workers_min` within its hours.
        ping_every: a ping comes each so many seconds, from the start to the span's end; None: off.
        ping_seconds: the work of a ping.
        timeout_seconds: work that takes longer is cut off there, and its request is unfinished.
        ttl_seconds: a request that is not done so long after its arrival is dropped, unfinished;
            RunPod's default is a day.
        pause_seconds: a worker that has as many requests as it may looks each so many seconds
            whether it may have more: RunPod's SDK sleeps one second; 0: it knows at once.
        stop_seconds: from when a worker is stopped until it has ended; billed.
        tick_seconds: between two looks of the platform at a queue that has no news; 0: it acts at
            once.

    Raises:
        RulesInvalid: a rule cannot be, or contradicts another; the message says what is allowed.
        NoWorkers: `workers_max` is 0.

    """

    start_seconds: float
    workers_min: int = 0
    workers_max: int = 3
    idle_seconds: float = 5.0
    scaler: Scaler = "QUEUE_DELAY"
    scaler_value: float = 4.0
    concurrency: int = 1
    placing_seconds: float = 0.0
    revival_seconds: float | None = None
    revival_window: float = 3600.0
    schedule: HoursSchedule | None = None
    ping_every: float | None = None
    ping_seconds: float = 1.0
    timeout_seconds: float = inf
    ttl_seconds: float = DAY
    pause_seconds: float = 1.0
    stop_seconds: float = 0.0
    tick_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.workers_max == 0:
            raise NoWorkers
        self._require("workers_max", low=1, high=_WORKERS)
        self._require("workers_min", low=0, high=self.workers_max)
        self._require("concurrency", low=1, high=_JOBS)
        for rule in ("start", "placing", "ping", "pause", "stop", "tick", "revival"):
            self._require(f"{rule}_seconds", low=0, high=7 * DAY)
        for rule in ("idle_seconds", "revival_window"):
            self._require(rule, low=0, high=inf)
        if self.scaler not in get_args(Scaler):
            advice = f"Choose {' or '.join(get_args(Scaler))}."
            raise RulesInvalid(rule="scaler", value=self.scaler, advice=advice)
        self._require("scaler_value", low=_LEAST, high=inf)
        for rule in ("timeout_seconds", "ttl_seconds"):
            self._require(rule, low=0, high=inf, above=True)
        self._require("ping_every", low=1, high=inf)
        for rule in ("pause_seconds", "tick_seconds"):
            if getattr(self, rule):
                self._require(rule, low=_LEAST, high=inf)
        if self.schedule and not 0 <= self.schedule.workers <= self.workers_max:
            advice = f"Give 0 to workers_max, which is {self.workers_max}."
            raise RulesInvalid(rule="schedule.workers", value=self.schedule.workers, advice=advice)

    def _require(self, rule: str, *, low: float, high: float, above: bool = False) -> None:
        value = getattr(self, rule)
        if value is None or (low <= value <= high and not (above and value == low)):
            return
        least = f"more than {low}" if above else f"{low} or more"
        most = f", at most {high:g}" if isfinite(high) else ""
        raise RulesInvalid(rule=rule, value=value, advice=f"Give {least}{most}.")


class Jobs(NamedTuple):
    """Some requests, in order of their arrival."""

    seconds: Floats
    """(k,) arrivals since the start, ascending."""
    work_seconds: Floats
    """(k,) what a worker takes for each; 0 or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What happened in equal parts of the span, for pictures; what comes after it is left out.

    Attributes:
        seconds: how long a part is.
        workers_max: (n,) most that were there or starting.
        workers_mean: (n,) the same, over time.
        queue_max: (n,) most that waited.
        requests: (n,) that arrived.

    """

    seconds: float
    workers_max: npt.NDArray[np.int64]
    workers_mean: Floats
    queue_max: npt.NDArray[np.int64]
    requests: npt.NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return self.seconds == other.seconds and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("workers_max", "workers_mean", "queue_max", "requests")
        )

    __hash__ = None  # type: ignore[assignment]  # it holds arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fleet did, from the start until its last worker has ended.

    After the span nothing arrives and no minimum holds: workers do what is left, idle for their
    timeout, and end. That is billed too.

    Attributes:
        requests: that arrived; pings are none.
        unfinished: of these, those that were dropped or cut off; an overload that never ends has
            them, and a utilisation of 1.
        cold_requests: those that a worker took which was not ready when they arrived, and came by
            a cold start.
        revived_requests: the same, by a revival.
        cold_starts: workers that were started anew.
        revivals: workers that FlashBoot brought back.
        pings: that were sent.
        start_seconds: billed, of workers that were starting.
        work_seconds: billed, of workers that had a request, or had not yet asked for the next.
        idle_seconds: billed, of workers that waited for a request, or were stopping.
        billed_seconds: the sum of the three, each worker's life rounded up to whole seconds.
        backlog: requests that waited when the span ended.
        latency: from arrival to the end of the work, of all requests that were finished.
        wait: from arrival until a worker took it, of all requests that one took.
        span: seconds that were simulated as such: what a month is scaled from.
        end: when the last worker had ended, in seconds since the start.
        series: the same over time.

    """

    requests: int
    unfinished: int
    cold_requests: int
    revived_requests: int
    cold_starts: int
    revivals: int
    pings: int
    start_seconds: float
    work_seconds: float
    idle_seconds: float
    billed_seconds: float
    backlog: int
    latency: Latencies
    wait: Latencies
    span: float
    end: float
    series: Series

    @property
    def utilisation(self) -> float:
        """The share of the time of ready workers in which they had work; 0 where none was."""
        ready = self.work_seconds + self.idle_seconds
        return self.work_seconds / ready if ready else 0.0

    @property
    def cold_share(self) -> float:
        """The share of requests that met a cold start, of 1."""
        return self.cold_requests / self.requests if self.requests else 0.0


class Finished(NamedTuple):
    """Requests whose end is known, in order of their arrival."""

    seconds: Floats
    """(k,) since the start; may lie ahead of what was simulated."""
    flags: npt.NDArray[np.uint8]
    """(k,) sums of COLD, REVIVED and UNFINISHED."""


COLD: Final = 1
REVIVED: Final = 2
UNFINISHED: Final = 4


def minima(rules: FleetRules, *, start: datetime, span: float) -> tuple[Floats, Sequence[int]]:
    """Give when the minimum of workers changes, and to what.

    Args:
        rules: of the fleet.
        start: second 0; it knows its zone.
        span: in seconds; after it there is no minimum.

    Returns:
        Seconds (n,), ascending from 0, and the minimum from each on.

    """
    changes = [(0.0, rules.workers_min)]
    if rules.schedule:
        for begin, end in rules.schedule.spells(start, span):
            changes.append((float(begin), max(rules.workers_min, rules.schedule.workers)))
            changes.append((float(end), rules.workers_min))
    changes.append((span, 0))
    seconds, workers = zip(*changes, strict=True)
    return np.array(seconds, np.float64), workers
