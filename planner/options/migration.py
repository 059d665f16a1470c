"""The path from one endpoint to three, and what each of its steps brings to one traffic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, get_args

from planner.options.advice import Goal, Turn, choose, turns
from planner.options.plan import Result
from planner.options.strategies import Option

Stage = Literal["single", "cached", "split", "orch"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""One endpoint that downloads the diarizer, the same with all weights cached, two, three."""

Evaluate = Callable[[float, Stage], Sequence[Result]]
"""Results of a stage's options for so many times the traffic."""

PAYS: Final = "pays"
NOT: Final = "does not pay"

_GAINS: Final[Mapping[Stage, str]] = {
    "cached": "no start downloads weights; RunPod's model cache and the image cost nothing",
    "split": "both models at once on GPUs of their own, scaled apart; words without speakers",
    "orch": "callers make one plain call; retries, limits and the bucket are in one place",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one stage to the next, each with its best strategy for what is wanted.

    Attributes:
        before: the stage that is left, as an option's result.
        after: the stage that is reached.
        stage: its name, one of `STAGES`.
        gains: what it brings beside what is computed.
        pays: whether it does more of what is wanted, at this volume.
        breaks_even: where that changes; empty where it does not, in the volumes looked at.

    """

    before: Result
    after: Result
    stage: Stage
    gains: str
    pays: bool
    breaks_even: tuple[Turn, ...]

    @property
    def dollars(self) -> float:
        """What a month costs more than before; below 0: less."""
        return self.after.cost_per_month - self.before.cost_per_month

    @property
    def seconds(self) -> float:
        """How much more p95 is than before; below 0: less."""
        return self.after.p95 - self.before.p95


def stage_of(option: Option) -> Stage:
    """Give the stage that an option belongs to."""
    if option.shape != "single":
        return option.shape
    return "single" if option.starts == "downloading" else "cached"


def migration(
    evaluate: Evaluate, goal: Goal, *, stages: Sequence[Stage], largest: float
) -> tuple[Step, ...]:
    """Judge each step from one stage to the next.

    A step pays where the best option after it is better for what is wanted than the best before:
    it does what the other cannot, or does it for less (of a budget: sooner).

    Args:
        evaluate: results of a stage's options for so many times the traffic.
        goal: what is wanted.
        stages: those that can be simulated, in the order of `STAGES`.
        largest: up to how many times the traffic, and down to which part, is looked for a change.

    """
    return tuple(
        _step(evaluate, goal, before=before, after=after, largest=largest)
        for before, after in pairwise(stages)
    )


def _step(evaluate: Evaluate, goal: Goal, *, before: Stage, after: Stage, largest: float) -> Step:
    def best(factor: float, stage: Stage) -> Result:
        return choose(evaluate(factor, stage), goal).best

    def answer(factor: float) -> str:
        # without their names, so that equals are equal
        gained = goal.order(best(factor, after))[:-1] < goal.order(best(factor, before))[:-1]
        return PAYS if gained else NOT

    return Step(
        before=best(1.0, before),
        after=best(1.0, after),
        stage=after,
        gains=_GAINS[after],
        pays=answer(1.0) == PAYS,
        breaks_even=turns(answer, largest=largest),
    )
