"""The three ways to ship, each made of fleets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from planner.errors import QuotaExceeded, RulesInvalid
from planner.simulator.fleet import (
    COLD,
    REVIVED,
    UNFINISHED,
    Finished,
    FleetRules,
    Floats,
    Jobs,
    Outcome,
)
from planner.simulator.latencies import Latencies
from planner.simulator.simulation import CHUNK, FleetSimulation
from planner.simulator.together import TeamSimulation, Whole
from planner.traffic.trace import Trace

ShapeName = Literal["single", "split", "orch"]
Role = Literal["single", "transcription", "diarization", "orchestrator"]

ROLES: Final[Mapping[ShapeName, tuple[Role, ...]]] = {
    "single": ("single",),
    "split": ("transcription", "diarization"),
    "orch": ("orchestrator", "transcription", "diarization"),
}
"""Whose fleets a shape has."""
WORKERS_QUOTA: Final = 5
"""RunPod's for a new account: the sum of `workers_max` of all endpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What a worker takes for a request.

    Args:
        fixed_seconds: whatever the recording; of an orchestrator, after both others are done.
        per_audio_second: for each second of audio.

    """

    fixed_seconds: float = 0.0
    per_audio_second: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fixed_seconds", "per_audio_second"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise RulesInvalid(rule=name, value=value, advice="Give 0 or more.")

    def work(self, audio_seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give the seconds of work for recordings of these seconds."""
        return self.fixed_seconds + self.per_audio_second * audio_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The workers of one endpoint: their rules, and how fast they are."""

    rules: FleetRules
    speed: Speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A way to ship.

    - single: one fleet does all.
    - split: the client asks both fleets at once, and has its answer when the slower one is done.
    - orch: a worker of the orchestrator's fleet asks both others at once, and holds the request
      until the slower one is done; its own `Speed` comes after that.

    Args:
        name: which of the three.
        fleets: one for each of `ROLES[name]`.
        workers_quota: of the account, over all endpoints.

    Raises:
        RulesInvalid: a role is missing, or is none of this shape.
        QuotaExceeded: the fleets may have more workers together.

    """

    name: ShapeName
    fleets: Mapping[Role, Fleet]
    workers_quota: int = WORKERS_QUOTA

    def __post_init__(self) -> None:
        wanted = ROLES[self.name]
        if set(self.fleets) != set(wanted):
            advice = f"{self.name} has a fleet for {' and '.join(wanted)}."
            raise RulesInvalid(rule="fleets", value=sorted(self.fleets), advice=advice)
        most = sum(fleet.rules.workers_max for fleet in self.fleets.values())
        if most > self.workers_quota:
            raise QuotaExceeded(quota=self.workers_quota, wanted=most, fleets=wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeOutcome:
    """What a shape did with a trace.

    Attributes:
        name: of the shape.
        outcomes: by role; their requests are the parts of whole requests.
        requests: whole ones.
        unfinished: of these, those of which a part was dropped or cut off.
        cold_requests: those of which a part met a cold start.
        revived_requests: those of which a part met a revival, and none a cold start.
        latency: of whole requests, from arrival until the caller has all; of those finished.
        span: seconds that were simulated as such: what a month is scaled from.

    """

    name: ShapeName
    outcomes: Mapping[Role, Outcome]
    requests: int
    unfinished: int
    cold_requests: int
    revived_requests: int
    latency: Latencies
    span: float

    @property
    def cold_share(self) -> float:
        """The share of whole requests that met a cold start, of 1."""
        return self.cold_requests / self.requests if self.requests else 0.0

    @property
    def billed_seconds(self) -> Mapping[Role, float]:
        """By role: they have different prices."""
        return {role: outcome.billed_seconds for role, outcome in self.outcomes.items()}


def simulate_shape(
    trace: Trace, shape: Shape, *, told: Callable[[int], None] = lambda _done: None
) -> ShapeOutcome:
    """Play a trace through a shape.

    Args:
        trace: when what came.
        shape: what it comes to.
        told: how many whole requests have arrived, now and then.

    Raises:
        RequestsInvalid: the trace has no span.

    """
    plays = {"single": _play_single, "split": _play_split, "orch": _play_orchestrated}
    tally = _Tally(trace)
    outcomes = plays[shape.name](trace, shape, tally, told)
    return ShapeOutcome(
        name=shape.name,
        outcomes=dict(zip(ROLES[shape.name], outcomes, strict=True)),
        requests=len(trace),
        unfinished=tally.unfinished,
        cold_requests=tally.cold,
        revived_requests=tally.revived,
        latency=tally.latency,
        span=trace.span,
    )


class _Tally:
    """Counts whole requests, which come in the order of their arrival."""

    def __init__(self, trace: Trace) -> None:
        self._arrivals = trace.seconds
        self._counted = 0
        self.unfinished = self.cold = self.revived = 0
        self.latency = Latencies.none()

    def add(self, finished: Finished) -> None:
        begin, end = self._counted, self._counted + len(finished.seconds)
        flags, latency = finished.flags, finished.seconds - self._arrivals[begin:end]
        is_cold, is_done = flags & COLD != 0, flags & UNFINISHED == 0
        self._counted = end
        self.unfinished += int((~is_done).sum())
        self.cold += int(is_cold.sum())
        self.revived += int((~is_cold & (flags & REVIVED != 0)).sum())
        self.latency += Latencies.of(latency[is_done])


def _chunks(trace: Trace, told: Callable[[int], None]) -> Iterator[tuple[Floats, Floats]]:
    """Give arrivals and audio seconds, some requests at a time."""
    for begin in range(0, len(trace), CHUNK):
        chosen = slice(begin, begin + CHUNK)
        yield trace.seconds[chosen], trace.audio_seconds[chosen]
        told(min(begin + CHUNK, len(trace)))


def _play_single(
    trace: Trace, shape: Shape, tally: _Tally, told: Callable[[int], None]
) -> Sequence[Outcome]:
    (fleet,) = shape.fleets.values()
    simulation = FleetSimulation(fleet.rules, start=trace.start, span=trace.span)
    for seconds, audio in _chunks(trace, told):
        tally.add(simulation.feed(Jobs(seconds, fleet.speed.work(audio))))
    left, outcome = simulation.close()
    tally.add(left)
    return (outcome,)


def _play_split(
    trace: Trace, shape: Shape, tally: _Tally, told: Callable[[int], None]
) -> Sequence[Outcome]:
    fleets = [shape.fleets[role] for role in ROLES["split"]]
    simulations = [
        FleetSimulation(fleet.rules, start=trace.start, span=trace.span) for fleet in fleets
    ]
    halves = _Halves(tally)
    for seconds, audio in _chunks(trace, told):
        halves.add(
            simulation.feed(Jobs(seconds, fleet.speed.work(audio)))
            for simulation, fleet in zip(simulations, fleets, strict=True)
        )
    closed = [simulation.close() for simulation in simulations]
    halves.add(left for left, _ in closed)
    return [outcome for _, outcome in closed]


def _play_orchestrated(
    trace: Trace, shape: Shape, tally: _Tally, told: Callable[[int], None]
) -> Sequence[Outcome]:
    fleets = [shape.fleets[role] for role in ROLES["orch"]]
    rules = [fleet.rules for fleet in fleets]
    simulation = TeamSimulation(rules, start=trace.start, span=trace.span)
    for seconds, audio in _chunks(trace, told):
        work = np.stack([fleet.speed.work(audio) for fleet in fleets])
        tally.add(simulation.feed(Whole(seconds, work)))
    left, outcomes = simulation.close()
    tally.add(left)
    return outcomes


class _Halves:
    """Joins what two fleets did of the same requests, of which one may be behind."""

    def __init__(self, tally: _Tally) -> None:
        self._tally = tally
        self._kept = [Finished(np.zeros(0), np.zeros(0, np.uint8)) for _ in range(2)]

    def add(self, halves: Iterable[Finished]) -> None:
        self._kept = [
            Finished(
                np.concatenate([kept.seconds, fresh.seconds]),
                np.concatenate([kept.flags, fresh.flags]),
            )
            for kept, fresh in zip(self._kept, halves, strict=True)
        ]
        known = min(len(kept.seconds) for kept in self._kept)
        one, other = (Finished(kept.seconds[:known], kept.flags[:known]) for kept in self._kept)
        self._kept = [Finished(k.seconds[known:], k.flags[known:]) for k in self._kept]
        self._tally.add(Finished(np.maximum(one.seconds, other.seconds), one.flags | other.flags))
