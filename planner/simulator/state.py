"""What the simulator knows of a fleet at a moment: arrays that compiled code can change."""

from datetime import datetime
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planner.simulator.fleet import FleetRules, minima
from planner.simulator.latencies import BUCKETS

Ints = npt.NDArray[np.int64]

PARTS: Final = 1000
"""Of the span, for `Series`."""
ROOM: Final = 64
"""Requests that there is room for at first; `widened` makes more."""

_RULES: Final = (
    "scaler_value idle placing start revival revival_window timeout ttl pause stop tick ping_every "
    "ping span bucket_seconds"
)
_TIMES: Final = (
    "time changed latest_start next_event next_timer next_ping bucket_end end start_seconds "
    "work_seconds idle_seconds billed_seconds latency_total latency_least latency_most wait_total "
    "wait_least wait_most"
)
"""`changed`: when the queue last had news; `latest_start`: of a worker."""
_COUNTS: Final = (
    "workers_max by_count concurrency revives holds minimum next_switch alive present waiting head "
    "running events serial line_first line_last idle_first idle_last ended ended_top free logged "
    "bucket requests unfinished pings cold_starts revivals cold_requests revived_requests backlog "
    "told told_before"
)
"""`holds`: its requests end when others say so, as an orchestrator's do; `alive`: workers that are
not stopping; `present`: all; `line_*`: who asks for a request, in order; `idle_*`: who has none, in
order; `ended`: workers that can be revived; `told`: whole requests whose end became known."""
_WORKER_COUNTS: Final = (
    "state held revived asks rests look_key line_before line_after idle_before idle_after free"
)
"""`held`: requests that it has; `asks`: whether it stands in line; `rests`: whether it asks and has
none; `look_key`: of the event at which it looks for more; `free`: not of this worker, but part of
the list of empty places."""
_WORKER_TIMES: Final = "born ready since mark full_at ended"
"""`born`: from when it is billed; `since`: when it was last seen busy; `mark`: until when its time
is accounted for; `full_at`: when it had no room left; `ended`: not of this worker, but part of the
list of ends."""


def _record(*, times: str = "", counts: str = "") -> np.dtype[np.void]:
    return np.dtype([(n, "f8") for n in times.split()] + [(n, "i8") for n in counts.split()])


CORE: Final = _record(times=f"{_RULES} {_TIMES}", counts=_COUNTS)
WORKER: Final = _record(times=_WORKER_TIMES, counts=_WORKER_COUNTS)
EVENT: Final = _record(times="time", counts="key worker")
REQUEST: Final = _record(times="arrival work", counts="tag")
"""A tag is the number of a request; -1 is a ping."""
END: Final = _record(times="end", counts="tag worker flags")
SWITCH: Final = _record(times="time", counts="minimum")
CALL: Final = _record(times="arrival after one other end", counts="left worker flags")
"""A request that is held. `after`, `one`, `other`: work of the holding fleet and of the two that it
calls; `left`: parts whose end is not known."""
BUCKET: Final = _record(times="area", counts="workers queue requests")
"""`area`: workers times seconds."""


class State(NamedTuple):
    """All there is to a fleet; all of it is in arrays, so that a chunk goes on from the last."""

    core: Any
    """(1,) of `CORE`."""
    workers: Any
    """(workers_max,) of `WORKER`."""
    events: Any
    """Those to come, of `EVENT`; a heap."""
    queue: Any
    """Requests that wait, of `REQUEST`; a circle."""
    log: Any
    """Requests whose end became known, of `END`."""
    switches: Any
    """When the minimum of workers changes, of `SWITCH`."""
    counts: Ints
    """(2, BUCKETS) latencies and waits."""
    buckets: Any
    """(parts,) of `BUCKET`."""


class Team(NamedTuple):
    """A fleet that holds each request until two others have done their part of it."""

    holding: State
    one: State
    other: State
    calls: Any
    """Requests under way, of `CALL`, each at its number modulo the length."""
    log: Any
    """Whole requests whose end became known, of `END`."""


def created(
    rules: FleetRules, *, start: datetime, span: float, parts: int = PARTS, holds: bool = False
) -> State:
    """Give the state of a fleet before anything happened.

    Args:
        rules: of the fleet.
        start: second 0; it knows its zone.
        span: in seconds.
        parts: of the span, for `Outcome.series`.
        holds: whether its requests end when others say so.

    """
    core = np.zeros(1, CORE)
    for name, value in _values(rules).items():
        core[name] = value
    core["span"], core["bucket_seconds"], core["bucket_end"] = span, span / parts, span / parts
    core["holds"] = holds
    core["latest_start"] = -inf
    core["next_ping"] = inf if rules.ping_every is None else 0.0
    core["latency_least"] = core["wait_least"] = inf
    core["free"] = rules.workers_max
    for name in ("line_first", "line_last", "idle_first", "idle_last"):
        core[name] = -1
    workers = np.zeros(rules.workers_max, WORKER)
    workers["look_key"] = -1
    workers["free"] = np.arange(rules.workers_max)[::-1]
    times, least = minima(rules, start=start, span=span)
    switches = np.zeros(len(times), SWITCH)
    switches["time"], switches["minimum"] = times, least
    return State(
        core=core,
        workers=workers,
        events=np.zeros(ROOM + rules.workers_max, EVENT),
        queue=np.zeros(ROOM, REQUEST),
        log=np.zeros(ROOM, END),
        switches=switches,
        counts=np.zeros((2, BUCKETS), np.int64),
        buckets=np.zeros(parts, BUCKET),
    )


def widened(state: State, *, jobs: int) -> State:
    """Give the same state with room for what may happen next.

    Args:
        state: of a fleet.
        jobs: that may arrive, or of which the end may become known, before this is called again.

    """
    core = state.core[0]
    waiting, events = int(core["waiting"]), int(core["events"])
    if waiting + jobs > len(state.queue):
        queue = np.zeros(2 * (waiting + jobs), REQUEST)
        places = (int(core["head"]) + np.arange(waiting)) % len(state.queue)
        queue[:waiting] = state.queue[places]
        core["head"] = 0
        state = state._replace(queue=queue)
    if (wanted := events + jobs + 2 * len(state.workers)) > len(state.events):
        heap = np.zeros(2 * wanted, EVENT)
        heap[:events] = state.events[:events]
        state = state._replace(events=heap)
    return state


def logging(state: State, *, jobs: int) -> State:
    """Give the same state with an empty log that has room for so many requests."""
    state.core["logged"] = 0
    return state._replace(log=np.zeros(jobs, END))


def _values(rules: FleetRules) -> dict[str, float]:
    revival = rules.revival_seconds
    return {
        "workers_max": rules.workers_max,
        "by_count": rules.scaler == "REQUEST_COUNT",
        "scaler_value": rules.scaler_value,
        "idle": rules.idle_seconds,
        "concurrency": rules.concurrency,
        "placing": rules.placing_seconds,
        "start": rules.start_seconds,
        "revives": revival is not None,
        "revival": revival or 0.0,
        "revival_window": rules.revival_window,
        "timeout": rules.timeout_seconds,
        "ttl": rules.ttl_seconds,
        "pause": rules.pause_seconds,
        "stop": rules.stop_seconds,
        "tick": rules.tick_seconds,
        "ping_every": rules.ping_every or inf,
        "ping": rules.ping_seconds,
    }
