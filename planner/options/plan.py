"""Every option simulated with one traffic, and what each costs and brings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import numpy as np

from handlers.prices import HOUR, MONTH_HOURS, Rate
from planner.options.speeds import Speeds
from planner.options.strategies import Option, gpu_roles, settings, wired
from planner.simulator.fleet import Outcome
from planner.simulator.shapes import Role, Shape, ShapeOutcome, simulate_shape
from planner.traffic.trace import DAY_SECONDS, Trace, window

MONTH_SECONDS: Final = MONTH_HOURS * HOUR

Told = Callable[[int, int], None]
"""How many requests of how many have been simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What every option is simulated with.

    Attributes:
        trace: the traffic; it holds a request.
        traffic_source: where it is from.
        speeds: how long work and starts take; the middle of what is said of each.
        gpu: price of a worker with a GPU.
        cpu: price of the orchestrator's worker.
        cpu_basis: whether that price is given, documented or assumed.
        quota: workers that the account allows, of all endpoints together.
        placing: seconds before each cold start in which a machine is found; not paid.

    """

    trace: Trace
    traffic_source: str
    speeds: Speeds
    gpu: Rate
    cpu: Rate
    cpu_basis: str
    quota: int
    placing: float = 0.0

    def rate(self, role: Role) -> Rate:
        """What a worker of a role costs."""
        return self.cpu if role == "orchestrator" else self.gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an option costs and brings; seconds and dollars.

    Attributes:
        option: what was simulated.
        cost_per_month: of thirty days like these; never more than all workers cost all the time.
        cost_per_audio_hour: all that is paid for an hour of audio.
        p50: of whole requests that were finished, from arrival to answer; p95 and p99 alike.
        p95: see there.
        p99: see there.
        longest: see there.
        cold_share: of requests that met a cold start, of 1.
        unfinished_share: of requests that got no answer, of 1: their work was cut off at the
            manifests' time limit, or they were dropped after a day.
        utilisation: of the time of ready GPU workers, the share in which they had work.
        starts_per_month: cold starts of GPU workers.
        cost_by_role: dollars a month.
        billed: of GPU workers, the shares of start, work and idle in what is billed.
        settings: what the manifest has to say, by role.

    """

    option: Option
    cost_per_month: float
    cost_per_audio_hour: float
    p50: float
    p95: float
    p99: float
    longest: float
    cold_share: float
    unfinished_share: float
    utilisation: float
    starts_per_month: float
    cost_by_role: Mapping[Role, float]
    billed: Mapping[str, float]
    settings: Mapping[Role, Mapping[str, object]]

    @property
    def name(self) -> str:
        return self.option.name


def _untold(_done: int) -> None:
    """Progress that nobody watches."""


def simulate(
    option: Option, premises: Premises, *, told: Callable[[int], None] = _untold
) -> Result:
    """Play the traffic through one option."""
    shape = wired(option, premises.speeds, quota=premises.quota, placing=premises.placing)
    return _result(option, shape, simulate_shape(premises.trace, shape, told=told), premises)


def simulate_all(
    found: Iterable[Option], premises: Premises, *, told: Told = lambda _done, _all: None
) -> tuple[Result, ...]:
    """Play the traffic through each option, in their order."""
    chosen = list(found)
    each = len(premises.trace)

    def tell(before: int, done: int) -> None:
        told(before + done, len(chosen) * each)

    return tuple(
        simulate(option, premises, told=partial(tell, number * each))
        for number, option in enumerate(chosen)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BusiestDay:
    """What an option did on the day with the most requests.

    Attributes:
        trace: the requests of that day, UTC.
        outcomes: by role, each with its series.

    """

    trace: Trace
    outcomes: Mapping[Role, Outcome]


def busiest_day(option: Option, premises: Premises) -> BusiestDay:
    """Play the day (UTC) with the most requests alone; it begins without a worker that was used."""
    trace = premises.trace
    midnight = trace.start.replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = (trace.start - midnight).total_seconds()
    days = ((trace.seconds + ahead) // DAY_SECONDS).astype(int)
    begins = midnight + timedelta(days=int(np.bincount(days).argmax()))
    day = window(
        trace,
        since=max(begins, trace.start),
        until=min(begins + timedelta(days=1), trace.end) if trace.end > begins else None,
    )
    shape = wired(option, premises.speeds, quota=premises.quota, placing=premises.placing)
    return BusiestDay(trace=day, outcomes=simulate_shape(day, shape).outcomes)


def _result(option: Option, shape: Shape, outcome: ShapeOutcome, premises: Premises) -> Result:
    scale = MONTH_SECONDS / outcome.span
    costs: dict[Role, float] = {
        role: premises.rate(role).cost(seconds) for role, seconds in outcome.billed_seconds.items()
    }
    monthly: dict[Role, float] = {
        # a worker that runs on after a short span is scaled with it, beyond what a month has
        role: min(cost * scale, premises.rate(role).cost(_most_seconds(shape, role)))
        for role, cost in costs.items()
    }
    workers = [outcome.outcomes[role] for role in gpu_roles(option.shape)]
    start, work, idle = (
        sum(getattr(fleet, f"{part}_seconds") for fleet in workers)
        for part in ("start", "work", "idle")
    )
    latency, audio_hours = outcome.latency, float(premises.trace.audio_seconds.sum()) / HOUR
    return Result(
        option=option,
        cost_per_month=sum(monthly.values()),
        cost_per_audio_hour=sum(costs.values()) / audio_hours,
        p50=latency.p(50),
        p95=latency.p(95),
        p99=latency.p(99),
        longest=latency.most,
        cold_share=outcome.cold_share,
        unfinished_share=outcome.unfinished / outcome.requests,
        utilisation=work / (work + idle) if work + idle else 0.0,
        starts_per_month=sum(fleet.cold_starts for fleet in workers) * scale,
        cost_by_role=monthly,
        billed={
            part: seconds / (start + work + idle) if start + work + idle else 0.0
            for part, seconds in (("start", start), ("work", work), ("idle", idle))
        },
        settings=settings(option, quota=premises.quota),
    )


def _most_seconds(shape: Shape, role: Role) -> float:
    """What the workers of a role are billed in a month at most."""
    return shape.fleets[role].rules.workers_max * MONTH_SECONDS
