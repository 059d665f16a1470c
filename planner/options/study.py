"""The whole answer for one traffic: options, advice, and what it rests on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final

import numpy as np

from handlers.prices import HOUR
from planner.options.advice import (
    LARGEST,
    NOTHING,
    SOME,
    Choice,
    Goal,
    Turn,
    choose,
    frontier,
    turns,
)
from planner.options.evidence import Input, inputs
from planner.options.migration import STAGES, Stage, Step, migration, stage_of
from planner.options.plan import BusiestDay, Premises, Result, busiest_day, simulate, simulate_all
from planner.options.speeds import End, Speeds
from planner.options.strategies import Option, Starts, gpu_roles, options, strategies
from planner.options.volumes import Volumes
from planner.simulator.shapes import Role, ShapeName
from planner.traffic.description import Traffic, describe
from planner.traffic.trace import Trace

_PLACING_MOST: Final = 120.0
_PLACING_WITHIN: Final = 0.5
_ENDS: Final[tuple[End, ...]] = ("low", "high")

Told = Callable[[str, int, int | None], None]
"""What is being done, how far it is, and of how many; None where nobody knows yet."""


def untold(_what: str, _done: int, _all: int | None) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What was found out.

    Attributes:
        premises: what all was simulated with.
        traffic: what the requests look like.
        goal: what is wanted.
        results: of every option, weights cached.
        choice: what to take, and what is next.
        efficient: options that none other beats in cost and p95 at once, from cheap to fast.
        variants: the chosen option where starts find something else.
        ends: the choice where every speed is at the low, and at the high end of what is said.
        placing: seconds before each start, of finding a machine, all of them, with which the chosen
            option still does what is wanted; None where it always does, or never.
        option_turns: volumes at which another option is to be taken.
        shape_turns: volumes at which another shape is.
        limits: volumes from which on no option does what is wanted, or, where none does, one would.
        largest: how many times the traffic, and as little, was looked at for these.
        volume_days: days of the traffic that were simulated at the largest volume.
        steps: of the way from one endpoint to three.
        busiest: what the chosen option does on the day with most requests.
        peak_load: by role of the chosen shape, workers that the busiest hour keeps busy.
        longest_gap: seconds in which nothing came.
        inputs: what all of it rests on.

    """

    premises: Premises
    traffic: Traffic
    goal: Goal
    results: tuple[Result, ...]
    choice: Choice
    efficient: tuple[Result, ...]
    variants: tuple[Result, ...]
    ends: tuple[tuple[End, Choice], ...]
    placing: float | None
    option_turns: tuple[Turn, ...]
    shape_turns: tuple[Turn, ...]
    limits: tuple[Turn, ...]
    largest: float
    volume_days: float
    steps: tuple[Step, ...]
    busiest: BusiestDay
    peak_load: Mapping[Role, float]
    longest_gap: float
    inputs: tuple[Input, ...]

    def per_day(self, factor: float) -> float:
        """Requests a day at so many times the traffic."""
        return self.traffic.per_day * factor


def study(
    premises: Premises,
    *,
    goal: Goal,
    shapes: Sequence[ShapeName],
    largest: float = LARGEST,
    told: Told = untold,
) -> Study:
    """Simulate every option, choose, and look at what would change the answer.

    Args:
        premises: traffic, speeds, prices and quota; the traffic holds a request.
        goal: what is wanted.
        shapes: to choose among.
        largest: how many times the traffic, and as little, is looked at; 1 for not at all.
        told: what is being done.

    Raises:
        QuotaTooSmall: the account's workers go for none of the shapes.

    """
    traffic = describe(premises.trace)
    found = options(strategies(traffic.by_hour), shapes=shapes, quota=premises.quota)
    by_stage = _by_stage([*found, *_downloading(found, premises)])
    simulated = simulate_all(
        chain.from_iterable(by_stage.values()), premises, told=partial(told, "Simulating options")
    )
    today = {
        stage: [result for result in simulated if stage_of(result.option) == stage]
        for stage in by_stage
    }
    volumes = Volumes(by_stage, premises, today=today, told=partial(told, "Other volumes"))
    results = tuple(result for result in simulated if result.option.starts == "cached")
    choice = choose(results, goal)
    best = choice.best
    candidates = _candidates(by_stage)

    def chosen(factor: float) -> Result | None:
        there = choose(chain(*(volumes(factor, stage) for stage in candidates)), goal)
        return there.best if there.met else None

    def changed(options: Sequence[Option], premises: Premises, what: str) -> Choice:
        return choose(simulate_all(options, premises, told=partial(told, what)), goal)

    return Study(
        premises=premises,
        traffic=traffic,
        goal=goal,
        results=results,
        choice=choice,
        efficient=frontier(results),
        variants=tuple(_variants(best, premises)),
        ends=tuple(
            (end, changed(found, replace(premises, speeds=premises.speeds.at(end)), "Other speeds"))
            for end in (_ENDS if _uncertain(premises.speeds) else ())
        ),
        placing=_placing(best, premises, goal) if choice.met else None,
        option_turns=turns(lambda factor: _name(chosen(factor)), largest=largest),
        shape_turns=turns(lambda factor: _shape(chosen(factor)), largest=largest),
        limits=turns(lambda factor: _able(chosen(factor)), largest=largest),
        largest=largest,
        volume_days=volumes.days(largest),
        steps=migration(volumes, goal, stages=tuple(by_stage), largest=largest),
        busiest=busiest_day(best.option, premises),
        peak_load=_peak_load(best.option, premises),
        longest_gap=_longest_gap(premises.trace),
        inputs=inputs(premises),
    )


def _by_stage(found: Sequence[Option]) -> Mapping[Stage, Sequence[Option]]:
    """Sort options by stage, those stages in their order that have any."""
    stages = {stage: [o for o in found if stage_of(o) == stage] for stage in STAGES}
    return {stage: options for stage, options in stages.items() if options}


def _candidates(by_stage: Mapping[Stage, Sequence[Option]]) -> Sequence[Stage]:
    """Stages that can be the answer.

    Beside `split`, `orch` cannot: its GPU endpoints are the same, or smaller, and the
    orchestrator's time and price come on top.
    """
    stages = [stage for stage in by_stage if stage != "single"]
    return [stage for stage in stages if stage != "orch" or "split" not in stages]


def _name(result: Result | None) -> str:
    return result.name if result else NOTHING


def _shape(result: Result | None) -> str:
    return result.option.shape if result else NOTHING


def _able(result: Result | None) -> str:
    return SOME if result else NOTHING


def _placing(best: Result, premises: Premises, goal: Goal) -> float | None:
    """Seconds of finding a machine before each start up to which an option does what is wanted.

    None where it does with `_PLACING_MOST` more than there are.
    """

    def met(seconds: float) -> bool:
        there = replace(premises, placing=premises.placing + seconds)
        return goal.met(simulate(best.option, there))

    if met(_PLACING_MOST):
        return None
    low, high = 0.0, _PLACING_MOST
    while high - low > _PLACING_WITHIN:
        middle = (low + high) / 2
        low, high = (middle, high) if met(middle) else (low, middle)
    return premises.placing + low


def _uncertain(speeds: Speeds) -> bool:
    """Whether anything is said within limits alone."""
    return any(speeds.at(end) != speeds.at("middle") for end in _ENDS)


def _downloading(found: Sequence[Option], premises: Premises) -> list[Option]:
    """Give the single endpoint as it was before all weights were cached, where that is known."""
    if "downloading" not in premises.speeds.roles["single"].starts:
        return []
    return [replace(option, starts="downloading") for option in found if option.shape == "single"]


def _variants(best: Result, premises: Premises) -> list[Result]:
    """Give the chosen option where starts find something else, as far as it is known."""
    speeds = premises.speeds
    kinds: list[Starts] = []
    if any("downloading" in speeds.roles[role].starts for role in best.cost_by_role):
        kinds.append("downloading")
    if speeds.flashboot:
        kinds.append("flashboot")
    return [simulate(replace(best.option, starts=kind), premises) for kind in kinds]


def _peak_load(option: Option, premises: Premises) -> dict[Role, float]:
    """Work that comes in the busiest hour, in hours of one worker, of each GPU endpoint."""
    trace = premises.trace
    hours = (trace.seconds // HOUR).astype(np.int64)
    loads: dict[Role, float] = {}
    for role in gpu_roles(option.shape):
        speed = premises.speeds.roles[role]
        work = speed.fixed.middle + speed.per_audio_second.middle * trace.audio_seconds
        loads[role] = float(np.bincount(hours, weights=work).max()) / HOUR / speed.at_once
    return loads


def _longest_gap(trace: Trace) -> float:
    edges = np.concatenate(([0.0], trace.seconds, [trace.span]))
    return float(np.diff(edges).max())
