"""RunPod's scaling in the plainest Python: what the compiled simulator has to agree with.

Written from the rules, not from `planner.simulator.kernel`: it looks at every worker at every
moment, and keeps no list that could go stale. Times should be exact in binary (quarters of a
second), then both agree to the last bit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from planner.simulator.fleet import COLD, REVIVED, UNFINISHED, FleetRules

State = Literal["starting", "ready", "stopping"]
PING = -1


@dataclass(eq=False)
class Request:
    tag: int
    arrival: float
    work: float
    flags: int = 0
    end: float | None = None
    taken: float | None = None


@dataclass(eq=False)
class Worker:
    born: float
    ready: float
    is_revived: bool
    state: State = "starting"
    held: list[Request] = field(default_factory=list)
    asked: int | None = None
    """Its turn in the line of those that ask; None: it does not."""
    idled: int | None = None
    """Its turn among those that have nothing."""
    since: float = 0.0
    full: float = 0.0
    looks: bool = False


@dataclass
class Event:
    time: float
    kind: int
    serial: int
    act: Callable[[float], None]
    is_void: Callable[[], bool] = lambda: False

    @property
    def order(self) -> tuple[float, int, int]:
        return self.time, self.kind, self.serial


@dataclass
class Change:
    time: float
    present: int
    work: int
    idle: int


class PlainFleet:
    def __init__(
        self,
        rules: FleetRules,
        minima: Sequence[tuple[float, int]],
        *,
        span: float,
        taken: Callable[[float, Worker, Request], None] | None = None,
    ) -> None:
        self.rules, self.span, self.taken = rules, span, taken
        self.workers: list[Worker] = []
        self.queue: list[Request] = []
        self.requests: list[Request] = []
        self.events: list[Event] = []
        self.minima = list(minima)
        self.minimum = 0
        self.ended: list[float] = []
        self.latest_start = -math.inf
        self.changed = 0.0
        self.serial = 0
        self.pings = 0
        self.lives: list[tuple[Worker, float]] = []
        self.cold_starts = self.revivals = 0
        self.backlog = 0
        self.time = 0.0
        self.work_seconds = self.idle_seconds = 0.0
        self.moments: list[float] = []
        while self.minima and self.minima[0][0] <= 0:
            _, self.minimum = self.minima.pop(0)
        for _ in range(self.minimum):
            self._add(Worker(0.0, 0.0, is_revived=False))

    # --- what happens when

    def next_event(self) -> float:
        self.events = [event for event in self.events if not event.is_void()]
        return min((event.time for event in self.events), default=math.inf)

    def next_ping(self) -> float:
        every = self.rules.ping_every
        if every is None or self.pings * every >= self.span:
            return math.inf
        return self.pings * every

    def next_timer(self) -> float:
        times = [self._decision()]
        times += [time for time, _ in self.minima[:1]]
        times += [request.arrival + self.rules.ttl_seconds for request in self.queue[:1]]
        return min(times)

    def happen(self) -> None:
        event = min(self.events, key=lambda event: event.order)
        self.events.remove(event)
        self._pass(event.time)
        event.act(event.time)
        self._decide(event.time)

    def ping(self) -> None:
        time = self.next_ping()
        self.pings += 1
        self.arrive(Request(PING, time, self.rules.ping_seconds))

    def ring(self) -> None:
        time = self.next_timer()
        self._pass(time)
        if self.queue and self.queue[0].arrival + self.rules.ttl_seconds <= time:
            request = self.queue.pop(0)
            request.end, request.flags = time, UNFINISHED
            self.changed = time
        if self.minima and self.minima[0][0] <= time:
            _, self.minimum = self.minima.pop(0)
            if not self.minima:
                self.backlog = len(self.queue)
        self._decide(time)

    def arrive(self, request: Request) -> None:
        time = request.arrival
        self._pass(time)
        self.changed = time
        self.queue.append(request)
        if request.tag != PING:
            self.requests.append(request)
        line = [worker for worker in self.workers if worker.asked is not None]
        if line:
            worker = min(line, key=lambda worker: worker.asked or 0)
            worker.asked = None
            self._take(worker, time)
            self._ask(worker, time)
        self._decide(time)

    # --- workers

    def _ask(self, worker: Worker, time: float) -> None:
        while len(worker.held) < self.rules.concurrency and self.queue:
            self._take(worker, time)
        if len(worker.held) == self.rules.concurrency:
            worker.full = time
        else:
            worker.asked = self._turn()

    def _take(self, worker: Worker, time: float) -> None:
        request = self.queue.pop(0)
        self.changed = time
        worker.held.append(request)
        worker.idled = None
        request.taken = time
        if worker.ready > request.arrival:
            request.flags |= REVIVED if worker.is_revived else COLD
        if self.taken is not None and request.tag != PING:
            self.taken(time, worker, request)
            return
        limit = request.arrival + self.rules.ttl_seconds
        work = min(request.work, self.rules.timeout_seconds)
        request.end = min(time + work, limit)
        if work < request.work or time + work > limit:
            request.flags |= UNFINISHED
        self.let_end(worker, request)

    def let_end(self, worker: Worker, request: Request) -> None:
        assert request.end is not None
        self._at(request.end, 0, lambda time: self._done(worker, request, time))

    def _done(self, worker: Worker, request: Request, time: float) -> None:
        worker.held.remove(request)
        self.changed = time
        if not worker.held:
            worker.since, worker.idled = time, self._turn()
        if worker.asked is not None:
            return
        if self.rules.pause_seconds == 0:
            self._ask(worker, time)
        elif not worker.looks:
            look = worker.full + self.rules.pause_seconds
            while look < time:
                look += self.rules.pause_seconds
            worker.looks = True
            void = lambda: worker.state != "ready"  # noqa: E731
            self._at(look, 3, lambda time: self._look(worker, time), void)

    def _look(self, worker: Worker, time: float) -> None:
        worker.looks = False
        self._ask(worker, time)

    def _hire(self, time: float) -> None:
        rules = self.rules
        window, kept = rules.revival_window, self.ended[-rules.workers_max :]
        revives = rules.revival_seconds is not None and kept and time - kept[-1] < window
        if revives:
            assert rules.revival_seconds is not None
            self.ended = kept[:-1]
            self.revivals += 1
            worker = Worker(time, time + rules.revival_seconds, is_revived=True)
        else:
            self.cold_starts += 1
            born = time + rules.placing_seconds
            worker = Worker(born, born + rules.start_seconds, is_revived=False)
        self.latest_start = time
        self._add(worker)

    def _add(self, worker: Worker) -> None:
        self.workers.append(worker)
        self._at(worker.ready, 2, lambda time: self._ready(worker, time))

    def _ready(self, worker: Worker, time: float) -> None:
        worker.state, worker.since, worker.idled = "ready", time, self._turn()
        self._ask(worker, time)

    def _stop(self, worker: Worker, time: float) -> None:
        worker.state, worker.asked, worker.idled = "stopping", None, None
        self._at(time + self.rules.stop_seconds, 1, lambda time: self._gone(worker, time))

    def _gone(self, worker: Worker, time: float) -> None:
        self.workers.remove(worker)
        self.lives.append((worker, time))
        self.ended = [*self.ended, time][-self.rules.workers_max :]

    # --- the scaler

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.state != "stopping"]

    def _jobs(self) -> int:
        return len(self.queue) + sum(len(worker.held) for worker in self.workers)

    def _wanted(self, time: float) -> int:
        rules, alive = self.rules, len(self.alive)
        if rules.scaler == "REQUEST_COUNT":
            wanted = math.ceil(self._jobs() / rules.scaler_value)
        elif not self.queue:
            wanted = 0
        else:
            late = time >= self._late() and alive < self._jobs()
            wanted = alive + (alive == 0 or late)
        return min(max(wanted, self.minimum), rules.workers_max)

    def _late(self) -> float:
        return max(self.queue[0].arrival, self.latest_start) + self.rules.scaler_value

    def _idle(self) -> list[Worker]:
        idle = [worker for worker in self.workers if worker.idled is not None]
        return sorted(idle, key=lambda worker: worker.idled or 0)

    def _decide(self, time: float) -> None:
        surplus = len(self.alive) - self._wanted(time)
        over = [w for w in self._idle() if time >= w.since + self.rules.idle_seconds]
        for worker in over[: max(surplus, 0)]:
            self._stop(worker, time)
        room = self.rules.workers_max - len(self.workers)
        for _ in range(min(-surplus, room)):
            self._hire(time)

    def _decision(self) -> float:
        """When the scaler would change something, were there no other news."""
        alive, when = len(self.alive), math.inf
        if self.queue and self.rules.scaler == "QUEUE_DELAY":
            most = self.rules.workers_max
            if alive < min(self._jobs(), most) and len(self.workers) < most:
                when = self._late()
        elif (idle := self._idle()) and alive > self._wanted(-math.inf):
            when = idle[0].since + self.rules.idle_seconds
        if self.rules.tick_seconds and self.changed < when < math.inf:
            tick = self.changed
            while tick < when:
                tick += self.rules.tick_seconds
            return tick
        return when

    # --- inside

    def _at(
        self,
        time: float,
        kind: int,
        act: Callable[[float], None],
        is_void: Callable[[], bool] = lambda: False,
    ) -> None:
        self.events.append(Event(time, kind, self._turn(), act, is_void))

    def _turn(self) -> int:
        self.serial += 1
        return self.serial

    def _pass(self, time: float) -> None:
        assert time >= self.time
        for worker in self.workers:
            if worker.state == "starting":
                continue
            is_idle = worker.state == "stopping" or (worker.asked is not None and not worker.held)
            if is_idle:
                self.idle_seconds += time - self.time
            else:
                self.work_seconds += time - self.time
        self.time = time
        self.moments.append(time)


def run(
    fleets: Sequence[PlainFleet],
    arrivals: Sequence[Request],
    *,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Let requests arrive at the first fleet, and all happen that comes of it."""
    left = list(arrivals)
    while True:
        event = min(fleet.next_event() for fleet in fleets)
        ping = min(fleet.next_ping() for fleet in fleets)
        timer = min(fleet.next_timer() for fleet in fleets)
        request = left[0].arrival if left else math.inf
        now = min(event, ping, timer, request)
        if now == math.inf:
            return
        if event == now:
            next(fleet for fleet in fleets if fleet.next_event() == now).happen()
        elif request == now:
            fleets[0].arrive(left.pop(0))
        elif ping == now:
            next(fleet for fleet in fleets if fleet.next_ping() == now).ping()
        else:
            next(fleet for fleet in fleets if fleet.next_timer() == now).ring()
        then()


class PlainTeam:
    """The first fleet holds each request until the two others have done it."""

    def __init__(
        self,
        rules: Sequence[FleetRules],
        minima: Sequence[Sequence[tuple[float, int]]],
        *,
        span: float,
        works: Sequence[tuple[float, float, float]],
    ) -> None:
        self.works = works
        self.under_way: list[tuple[Worker, Request, tuple[Request, Request]]] = []
        holding, one, other = rules
        self.holding = PlainFleet(holding, minima[0], span=span, taken=self._call)
        self.one = PlainFleet(one, minima[1], span=span)
        self.other = PlainFleet(other, minima[2], span=span)

    def run(self, arrivals: Sequence[Request]) -> None:
        run((self.holding, self.one, self.other), arrivals, then=self._collect)

    def _call(self, time: float, worker: Worker, request: Request) -> None:
        _, one, other = self.works[request.tag]
        parts = Request(request.tag, time, one), Request(request.tag, time, other)
        self.under_way.append((worker, request, parts))

    def _collect(self) -> None:
        for _, _, (one, other) in self.under_way:
            if one.taken is None and one not in self.one.requests:
                self.one.arrive(one)
                self.other.arrive(other)
        for worker, request, (one, other) in self.under_way:
            if one.end is not None and other.end is not None:
                request.end = max(one.end, other.end) + self.works[request.tag][0]
                request.flags |= one.flags | other.flags
                self.holding.let_end(worker, request)
        self.under_way = [known for known in self.under_way if known[1].end is None]
