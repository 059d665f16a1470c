"""A fleet simulated event by event, compiled by numba.

Nothing is approximated and nothing is drawn: between two events nothing changes. At one moment

1. what ends comes first: requests, then workers that were stopped, then those that become ready or
   look for more, each in the order in which it was set out;
2. then what arrives: requests, then pings;
3. then what time alone brings: a request too old, another minimum of workers, a worker to start or
   to stop.

After each of them the scaler decides. Requests are taken in the order of their arrival, by the
worker that has asked for longest. Since work is known beforehand, so is a request's end as soon as
a worker takes it: ends become known in the order of arrival.

All that is compiled is in this module: numba keeps its code on disk by the age of one file.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba

from planner.simulator.fleet import COLD, REVIVED, UNFINISHED, Floats
from planner.simulator.latencies import BUCKETS, LEAST, SCALE
from planner.simulator.state import State, Team

Function = TypeVar("Function", bound=Callable[..., Any])

DRAINED: Final = 0
"""Nothing is left to happen before the next arrival."""
FULL: Final = 1
"""There may not be room for what happens next."""

_ABSENT: Final = 0
_STARTING: Final = 1
_READY: Final = 2
_STOPPING: Final = 3

_DONE: Final = 0
_GONE: Final = 1
_STARTED: Final = 2
_LOOK: Final = 3
_KIND: Final = 1 << 56

_PING: Final = -1
_NOBODY: Final = -1
_NEVER: Final = -1
_NOT_CALLED: Final = 3
_INSTANT: Final = 1e-9
"""Seconds that a life may be beyond a whole second by rounding alone."""


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep its code where that is possible.

    Nothing compiled here allocates, so references need not be counted (`_nrt`), which would take
    three times as long as all the rest. numba may stop to know that word.
    """
    for options in ({"cache": True, "_nrt": False}, {"_nrt": False}, {}):
        try:
            return cast("Function", numba.njit(**options)(function))
        except (RuntimeError, KeyError):  # no folder can be written to; an option is not known
            continue
    return function


# --- events to come: a heap


@compiled
def _is_before(a: Any, b: Any) -> bool:  # noqa: ANN401  records have no type of their own
    return bool(a.time < b.time or (a.time == b.time and a.key < b.key))


@compiled
def _push(state: State, time: float, kind: int, worker: int) -> int:
    """Set out an event; give its key."""
    core, events = state.core[0], state.events
    key = int(kind * _KIND + core.serial)
    core.serial += 1
    at = core.events
    core.events += 1
    while at > 0:
        above = events[(at - 1) >> 1]
        if above.time < time or (above.time == time and above.key < key):
            break
        events[at] = above
        at = (at - 1) >> 1
    event = events[at]
    event.time, event.key, event.worker = time, key, worker
    return key


@compiled
def _pop(state: State) -> None:
    core, events = state.core[0], state.events
    core.events -= 1
    size = core.events
    last = events[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and _is_before(events[below + 1], events[below]):
            below += 1
        if _is_before(last, events[below]):
            break
        events[at] = events[below]
        at = below
    events[at] = last


@compiled
def _next_event(state: State) -> float:
    return state.events[0].time if state.core[0].events else math.inf


# --- who asks, and who has nothing: two lists


@compiled
def _join_line(state: State, worker: int) -> None:
    core, own = state.core[0], state.workers[worker]
    own.asks = 1
    own.line_before, own.line_after = core.line_last, _NOBODY
    if core.line_last == _NOBODY:
        core.line_first = worker
    else:
        state.workers[core.line_last].line_after = worker
    core.line_last = worker


@compiled
def _leave_line(state: State, worker: int) -> None:
    core, own = state.core[0], state.workers[worker]
    own.asks = 0
    if own.line_before == _NOBODY:
        core.line_first = own.line_after
    else:
        state.workers[own.line_before].line_after = own.line_after
    if own.line_after == _NOBODY:
        core.line_last = own.line_before
    else:
        state.workers[own.line_after].line_before = own.line_before


@compiled
def _fall_idle(state: State, worker: int, time: float) -> None:
    core, own = state.core[0], state.workers[worker]
    own.since = time
    own.idle_before, own.idle_after = core.idle_last, _NOBODY
    if core.idle_last == _NOBODY:
        core.idle_first = worker
    else:
        state.workers[core.idle_last].idle_after = worker
    core.idle_last = worker


@compiled
def _be_busy(state: State, worker: int) -> None:
    core, own = state.core[0], state.workers[worker]
    if own.idle_before == _NOBODY:
        core.idle_first = own.idle_after
    else:
        state.workers[own.idle_before].idle_after = own.idle_after
    if own.idle_after == _NOBODY:
        core.idle_last = own.idle_before
    else:
        state.workers[own.idle_after].idle_before = own.idle_before


# --- what is counted


@compiled
def _bucket(seconds: float) -> int:
    if seconds < LEAST:
        return 0
    return min(int(math.log(seconds / LEAST) * SCALE) + 1, BUCKETS - 1)


@compiled
def _note_latency(state: State, seconds: float) -> None:
    core = state.core[0]
    state.counts[0, _bucket(seconds)] += 1
    core.latency_total += seconds
    core.latency_least = min(core.latency_least, seconds)
    core.latency_most = max(core.latency_most, seconds)


@compiled
def _note_wait(state: State, seconds: float) -> None:
    core = state.core[0]
    state.counts[1, _bucket(seconds)] += 1
    core.wait_total += seconds
    core.wait_least = min(core.wait_least, seconds)
    core.wait_most = max(core.wait_most, seconds)


@compiled
def _pass_time(state: State, time: float) -> None:
    """Let time pass in which nothing changes."""
    core, buckets, last = state.core[0], state.buckets, len(state.buckets) - 1
    while time >= core.bucket_end and core.bucket < last:
        buckets[core.bucket].area += core.present * (core.bucket_end - core.time)
        core.time = core.bucket_end
        core.bucket += 1
        core.bucket_end = (core.bucket + 1) * core.bucket_seconds
        _note_peak(state)
    within = min(time, core.span)
    if within > core.time:
        buckets[core.bucket].area += core.present * (within - core.time)
    core.time = time


@compiled
def _note_peak(state: State) -> None:
    core = state.core[0]
    if core.time <= core.span:
        bucket = state.buckets[core.bucket]
        bucket.workers = max(bucket.workers, core.present)
        bucket.queue = max(bucket.queue, core.waiting)


@compiled
def _account(state: State, worker: int, time: float) -> None:
    """Note what a worker did since it was last asked."""
    own, core = state.workers[worker], state.core[0]
    if own.rests:
        core.idle_seconds += time - own.mark
    else:
        core.work_seconds += time - own.mark
    own.mark = time


@compiled
def _log(state: State, tag: int, worker: int, end: float, flags: int) -> None:
    core = state.core[0]
    known = state.log[core.logged]
    known.tag, known.worker, known.end, known.flags = tag, worker, end, flags
    core.logged += 1


# --- requests


@compiled
def _take(state: State, worker: int, time: float) -> None:
    """Give a worker the request that has waited for longest."""
    core, own = state.core[0], state.workers[worker]
    waits = state.queue[core.head]
    arrival, work, tag = waits.arrival, waits.work, waits.tag
    core.head = (core.head + 1) % len(state.queue)
    core.waiting -= 1
    core.running += 1
    core.changed = time
    if own.held == 0:
        _be_busy(state, worker)
        _account(state, worker, time)
        own.rests = 0
    own.held += 1
    flags = 0
    if own.ready > arrival:
        flags = REVIVED if own.revived else COLD
    if core.holds and tag != _PING:
        end = math.inf
    else:
        end = time + min(work, core.timeout)
        if work > core.timeout or end > arrival + core.ttl:
            flags += UNFINISHED
            end = min(end, arrival + core.ttl)
        _push(state, end, _DONE, worker)
    if tag == _PING:
        return
    _note_wait(state, time - arrival)
    core.cold_requests += flags & COLD != 0
    core.revived_requests += flags & REVIVED != 0
    if flags & UNFINISHED:
        core.unfinished += 1
    elif not core.holds:
        _note_latency(state, end - arrival)
    _log(state, tag, worker, end, flags)


@compiled
def _arrive(state: State, time: float, work: float, tag: int) -> None:
    """Queue a request, and give it to whoever has asked for longest."""
    core = state.core[0]
    _pass_time(state, time)
    core.changed = time
    last = state.queue[(core.head + core.waiting) % len(state.queue)]
    last.arrival, last.work, last.tag = time, work, tag
    core.waiting += 1
    if tag != _PING:
        core.requests += 1
        if time <= core.span:
            state.buckets[core.bucket].requests += 1
    worker = core.line_first
    if worker != _NOBODY:
        _leave_line(state, worker)
        _take(state, worker, time)
        _ask_again(state, worker, time)
    _decide(state, time)
    _note_peak(state)


@compiled
def _drop(state: State, time: float) -> None:
    """Let the request go that has waited for longest: it is too old."""
    core = state.core[0]
    tag = state.queue[core.head].tag
    core.head = (core.head + 1) % len(state.queue)
    core.waiting -= 1
    core.changed = time
    if tag != _PING:
        core.unfinished += 1
        _log(state, tag, _NOBODY, time, UNFINISHED)


# --- workers


@compiled
def _ask(state: State, worker: int, time: float) -> None:
    """Let a worker that has room take what waits, and stand in line for more."""
    core, own = state.core[0], state.workers[worker]
    while own.held < core.concurrency and core.waiting:
        _take(state, worker, time)
    _ask_again(state, worker, time)


@compiled
def _ask_again(state: State, worker: int, time: float) -> None:
    """Let a worker stand in line where it has room, or note since when it has none."""
    own = state.workers[worker]
    if own.held == state.core[0].concurrency:
        own.full_at = time
        return
    _join_line(state, worker)
    if own.held == 0 and not own.rests:
        _account(state, worker, time)
        own.rests = 1


@compiled
def _done(state: State, worker: int, time: float) -> None:
    core, own = state.core[0], state.workers[worker]
    own.held -= 1
    core.running -= 1
    core.changed = time
    if own.held == 0:
        _fall_idle(state, worker, time)
    if own.asks:
        if own.held == 0:
            _account(state, worker, time)
            own.rests = 1
    elif core.pause == 0:
        _ask(state, worker, time)
    elif own.look_key == _NEVER:
        pauses = math.ceil((time - own.full_at) / core.pause)
        while own.full_at + pauses * core.pause < time:
            pauses += 1
        # it sleeps at least once
        own.look_key = _push(state, own.full_at + max(pauses, 1) * core.pause, _LOOK, worker)


@compiled
def _look(state: State, worker: int, time: float, key: int) -> None:
    own = state.workers[worker]
    if own.look_key == key:
        own.look_key = _NEVER
        _ask(state, worker, time)


@compiled
def _hire(state: State, time: float) -> None:
    core = state.core[0]
    latest = (core.ended_top - 1) % len(state.workers)
    core.latest_start = time
    if core.revives and core.ended and time - state.workers[latest].ended < core.revival_window:
        core.ended_top = latest
        core.ended -= 1
        core.revivals += 1
        _add(state, time, time + core.revival, 1)
    else:
        core.cold_starts += 1
        born = time + core.placing
        _add(state, born, born + core.start, 0)


@compiled
def _add(state: State, born: float, ready: float, revived: int) -> None:
    core = state.core[0]
    core.free -= 1
    worker = state.workers[core.free].free
    own = state.workers[worker]
    own.born, own.ready, own.revived = born, ready, revived
    own.state, own.held, own.asks, own.rests = _STARTING, 0, 0, 0
    core.alive += 1
    core.present += 1
    _push(state, ready, _STARTED, worker)


@compiled
def _started(state: State, worker: int, time: float) -> None:
    own = state.workers[worker]
    own.state = _READY
    own.mark = time
    _fall_idle(state, worker, time)
    _ask(state, worker, time)


@compiled
def _stop(state: State, worker: int, time: float) -> None:
    own = state.workers[worker]
    own.state, own.look_key = _STOPPING, _NEVER
    state.core[0].alive -= 1
    if own.asks:
        _leave_line(state, worker)
    _be_busy(state, worker)
    _account(state, worker, time)
    _push(state, time + state.core[0].stop, _GONE, worker)


@compiled
def _gone(state: State, worker: int, time: float) -> None:
    core, own, most = state.core[0], state.workers[worker], len(state.workers)
    core.idle_seconds += time - own.mark
    core.start_seconds += own.ready - own.born
    core.billed_seconds += math.ceil(time - own.born - _INSTANT)
    core.end = max(core.end, time)
    own.state = _ABSENT
    state.workers[core.free].free = worker
    core.free += 1
    core.present -= 1
    state.workers[core.ended_top].ended = time
    core.ended_top = (core.ended_top + 1) % most
    core.ended = min(core.ended + 1, most)


# --- the scaler


@compiled
def _decide(state: State, time: float) -> None:
    """Start and stop workers, as `emulator.scaling` reads RunPod."""
    core = state.core[0]
    jobs = core.waiting + core.running
    if core.by_count:
        wanted = int(min(math.ceil(jobs / core.scaler_value), core.workers_max))
    elif core.waiting == 0:
        wanted = 0
    else:
        is_late = core.alive < jobs and time >= _late_at(state)
        wanted = core.alive + (core.alive == 0 or is_late)
    wanted = min(max(wanted, core.minimum), core.workers_max)
    surplus = core.alive - wanted
    while surplus > 0 and core.idle_first != _NOBODY:
        worker = core.idle_first
        if time < state.workers[worker].since + core.idle:
            break
        _stop(state, worker, time)
        surplus -= 1
    for _ in range(min(-surplus, core.workers_max - core.present)):
        _hire(state, time)


@compiled
def _late_at(state: State) -> float:
    """When the oldest request has waited for too long, and the latest start is long ago."""
    core = state.core[0]
    patience = core.scaler_value
    return float(max(state.queue[core.head].arrival, core.latest_start) + patience)


@compiled
def _next_decision(state: State) -> float:
    """When the scaler decides something new, if nothing happens before."""
    core = state.core[0]
    when = math.inf
    if core.waiting and not core.by_count:
        jobs = core.waiting + core.running
        can_grow = core.alive < min(jobs, core.workers_max) and core.present < core.workers_max
        if can_grow:
            when = _late_at(state)
    elif core.idle_first != _NOBODY:
        wanted = core.minimum
        if core.by_count:
            jobs = core.waiting + core.running
            wanted = max(wanted, int(min(math.ceil(jobs / core.scaler_value), core.workers_max)))
        if core.alive > wanted:
            when = state.workers[core.idle_first].since + core.idle
    changed = core.changed
    if core.tick > 0 and changed < when < math.inf:
        ticks = math.ceil((when - changed) / core.tick)
        while changed + ticks * core.tick < when:
            ticks += 1
        when = changed + ticks * core.tick
    return when


# --- what happens next


@compiled
def _next_timer(state: State) -> float:
    """When time alone brings something."""
    core = state.core[0]
    when = _next_decision(state)
    if core.next_switch < len(state.switches):
        when = min(when, state.switches[core.next_switch].time)
    if core.waiting:
        when = min(when, state.queue[core.head].arrival + core.ttl)
    return when


@compiled
def _ring(state: State, time: float) -> None:
    """Do what time alone brings now."""
    core = state.core[0]
    _pass_time(state, time)
    if core.waiting and state.queue[core.head].arrival + core.ttl <= time:
        _drop(state, time)
    if core.next_switch < len(state.switches) and state.switches[core.next_switch].time <= time:
        core.minimum = state.switches[core.next_switch].minimum
        core.next_switch += 1
        if core.next_switch == len(state.switches):
            core.backlog = core.waiting
    _decide(state, time)
    _note_peak(state)


@compiled
def _happen(state: State) -> None:
    """Do the next event."""
    event = state.events[0]
    time, key, worker = event.time, event.key, event.worker
    _pop(state)
    _pass_time(state, time)
    kind = key // _KIND
    if kind == _DONE:
        _done(state, worker, time)
    elif kind == _GONE:
        _gone(state, worker, time)
    elif kind == _STARTED:
        _started(state, worker, time)
    else:
        _look(state, worker, time, key)
    _decide(state, time)
    _note_peak(state)


@compiled
def _send_ping(state: State) -> None:
    core = state.core[0]
    time = core.next_ping
    core.pings += 1
    core.next_ping = core.pings * core.ping_every
    if core.next_ping >= core.span:
        core.next_ping = math.inf
    _arrive(state, time, core.ping, _PING)


@compiled
def _has_room(state: State, jobs: int) -> bool:
    """Whether so many may arrive and be taken before there must be more room."""
    core = state.core[0]
    events = core.events + jobs + 2 * len(state.workers)
    return bool(core.waiting + jobs <= len(state.queue) and events <= len(state.events))


@compiled
def begin(state: State) -> None:
    """Let the workers of the first minimum be there, ready, before anything happens.

    They were started before second 0, by whom and when is not known: no start of them is counted.

    Args:
        state: of a fleet to which nothing has happened; changed.

    """
    core, switches = state.core[0], state.switches
    while core.next_switch < len(switches) and switches[core.next_switch].time <= 0.0:
        core.minimum = switches[core.next_switch].minimum
        core.next_switch += 1
    for _ in range(core.minimum):
        _add(state, 0.0, 0.0, 0)


@compiled
def play(state: State, seconds: Floats, work: Floats, first: int) -> int:
    """Let requests arrive at a fleet, and happen what happens until the last of them has come.

    Where there are none, all happens that is left.

    Args:
        state: of the fleet; changed. Its log has room for these and for all that wait.
        seconds: (k,) arrivals, none before the state's time.
        work: (k,) seconds.
        first: the number of the first of them; those that have arrived already are left out.

    Returns:
        DRAINED; or FULL: make room and call it again.

    """
    core, size = state.core[0], len(seconds)
    while size == 0 or core.requests - first < size:
        if not _has_room(state, core.concurrency):
            return FULL
        at = core.requests - first
        request = seconds[at] if at < size else math.inf
        event, timer = _next_event(state), _next_timer(state)
        arrival = min(request, core.next_ping)
        if event <= arrival and event <= timer:
            if event == math.inf:
                break
            _happen(state)
        elif timer < arrival:
            _ring(state, timer)
        elif request <= core.next_ping:
            _arrive(state, request, work[at], core.requests)
        else:
            _send_ping(state)
    return DRAINED


# --- an orchestrator and those that it calls


@compiled
def play_together(team: Team, seconds: Floats, work: Floats, first: int) -> int:
    """Do the same for a fleet whose workers hold each request until two others have done it.

    Args:
        team: the fleets; changed. Its log has room for these and for all that are under way.
        seconds: (k,) arrivals at the holding fleet, none before its time.
        work: (3, k) seconds: of the holding fleet, once both others are done; of each of them.
        first: the number of the first of them; those that have arrived already are left out.

    Returns:
        DRAINED; or FULL: make room and call it again.

    """
    holding, one, other = team.holding, team.one, team.other
    core, first_core, second_core = holding.core[0], one.core[0], other.core[0]
    size, calls = len(seconds), team.calls
    jobs = core.concurrency + max(first_core.concurrency, second_core.concurrency)
    for fleet in (holding, one, other):
        _foresee(fleet)
    while size == 0 or core.requests - first < size:
        if core.requests - core.told >= len(calls) or not (
            _has_room(holding, jobs) and _has_room(one, jobs) and _has_room(other, jobs)
        ):
            return FULL
        at = core.requests - first
        request = seconds[at] if at < size else math.inf
        event = min(core.next_event, first_core.next_event, second_core.next_event)
        timer = min(core.next_timer, first_core.next_timer, second_core.next_timer)
        ping = min(core.next_ping, first_core.next_ping, second_core.next_ping)
        if request <= ping and request < event and request <= timer:
            call = calls[core.requests % len(calls)]
            call.arrival, call.end, call.left, call.flags = request, 0.0, _NOT_CALLED, 0
            call.after, call.one, call.other = work[0, at], work[1, at], work[2, at]
            _arrive(holding, request, 0.0, core.requests)
            _foresee(holding)
        elif min(event, timer, ping) == math.inf:
            break
        elif not (_proceed(holding, event, timer, ping) or _proceed(one, event, timer, ping)):
            _proceed(other, event, timer, ping)
        if core.logged:
            _call(team)
        if first_core.logged:
            _collect(team, one)
        if second_core.logged:
            _collect(team, other)
        _tell(team)
    return DRAINED


@compiled
def _foresee(state: State) -> None:
    """Note when something happens next."""
    core = state.core[0]
    core.next_event, core.next_timer = _next_event(state), _next_timer(state)


@compiled
def _proceed(state: State, event: float, timer: float, ping: float) -> bool:
    """Do what is next of all fleets, if that is this one's; the result is whether it was."""
    core = state.core[0]
    if event <= min(timer, ping):
        if core.next_event > event:
            return False
        _happen(state)
    elif ping <= timer:
        if core.next_ping > ping:
            return False
        _send_ping(state)
    else:
        if core.next_timer > timer:
            return False
        _ring(state, timer)
    _foresee(state)
    return True


@compiled
def _call(team: Team) -> None:
    """Pass requests that were taken on to the other fleets."""
    core, calls = team.holding.core[0], team.calls
    for at in range(core.logged):
        known = team.holding.log[at]
        call = calls[known.tag % len(calls)]
        call.flags, call.worker = known.flags, known.worker
        if known.worker == _NOBODY:
            call.end, call.left = known.end, 0
        else:
            call.left = 2
            _arrive(team.one, core.time, call.one, known.tag)
            _arrive(team.other, core.time, call.other, known.tag)
    core.logged = 0
    _foresee(team.one)
    _foresee(team.other)


@compiled
def _collect(team: Team, part: State) -> None:
    """Note when parts of requests are done, and set out the end of those that have both."""
    core, calls = team.holding.core[0], team.calls
    for at in range(part.core[0].logged):
        known = part.log[at]
        call = calls[known.tag % len(calls)]
        call.flags |= known.flags
        call.end = max(call.end, known.end)
        call.left -= 1
        if call.left:
            continue
        call.end += call.after
        _push(team.holding, call.end, _DONE, call.worker)
        if call.flags & UNFINISHED:
            core.unfinished += 1
        else:
            _note_latency(team.holding, call.end - call.arrival)
    part.core[0].logged = 0
    core.next_event = _next_event(team.holding)


@compiled
def _tell(team: Team) -> None:
    """Log whole requests whose end is known, in order of their arrival."""
    core, calls = team.holding.core[0], team.calls
    while core.told < core.requests and calls[core.told % len(calls)].left == 0:
        call, known = calls[core.told % len(calls)], team.log[core.told - core.told_before]
        known.tag, known.worker = core.told, call.worker
        known.end, known.flags = call.end, call.flags
        core.told += 1
