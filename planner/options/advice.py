"""Which option to take, which is next, and at what volume that would change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from planner.options.plan import Result
from planner.options.strategies import MANIFEST_IDLE

DEFAULT_P95: Final = 30.0
"""Seconds within which 19 of 20 requests are to be answered where nobody says."""
LARGEST: Final = 64.0
"""How many times as much traffic, and as little, the answer is looked for at."""

_FEW: Final = 10
_MANY: Final = 100
"""Requests a day between which the documents' rule changes."""
_HALVINGS: Final = 3
_ENOUGH: Final = 0.999
"""Of requests have to be answered at all."""

NOTHING: Final = "none"
"""The answer where no option does what is wanted."""
SOME: Final = "some"
"""Whatever the answer is, where one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is wanted.

    Attributes:
        kind: `p95`: the cheapest within so many seconds; `budget`: the fastest within so many
            dollars a month.
        most: seconds, or dollars.
        stated: whether the user said so.

    """

    kind: Literal["p95", "budget"] = "p95"
    most: float = DEFAULT_P95
    stated: bool = False

    def met(self, result: Result) -> bool:
        """Whether an option does what is wanted."""
        answered = result.unfinished_share <= 1 - _ENOUGH
        told = result.p95 if self.kind == "p95" else result.cost_per_month
        return answered and told <= self.most

    def order(self, result: Result) -> tuple[bool, float, float, float, str]:
        """Sort options that do what is wanted first, the best of these first.

        Where none does, those come first that miss it least.
        """
        met = self.met(result)
        by_cost = (result.cost_per_month, result.p95)
        by_time = (result.p95, result.cost_per_month)
        first = by_cost if (self.kind == "p95") is met else by_time
        return not met, _lost(result), *first, result.name

    def __str__(self) -> str:
        """Say it as the end of a sentence."""
        if self.kind == "p95":
            return f"the cheapest that answers 95 % of requests within {self.most:g} s"
        return f"the fastest (p95) that costs at most ${self.most:,.2f} a month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An answer.

    Attributes:
        best: what to take.
        met: whether it does what is wanted.
        following: the next best; None where there is no other option.
        elsewhere: the best of each other shape.

    """

    best: Result
    met: bool
    following: Result | None
    elsewhere: tuple[Result, ...]


def choose(results: Iterable[Result], goal: Goal) -> Choice:
    """Choose among options; there has to be one."""
    ordered = sorted(results, key=goal.order)
    best = ordered[0]
    others: dict[str, Result] = {}
    for result in ordered:
        if result.option.shape != best.option.shape:
            others.setdefault(result.option.shape, result)
    return Choice(
        best=best,
        met=goal.met(best),
        following=ordered[1] if ordered[1:] else None,
        elsewhere=tuple(others.values()),
    )


def frontier(results: Iterable[Result]) -> tuple[Result, ...]:
    """Give the options that no other one beats in cost and p95 at once, from cheap to fast."""
    found: list[Result] = []
    answered = [result for result in results if _lost(result) == 0]
    for result in sorted(answered, key=lambda r: (r.cost_per_month, r.p95, r.name)):
        if not found or result.p95 < found[-1].p95:
            found.append(result)
    return tuple(found)


def rule_of_thumb(results: Iterable[Result], *, per_day: float) -> Result | None:
    """Give what the documents' rule says for so many requests a day; None where it is no option.

    Few, and while developing: one endpoint. Low to medium production: one endpoint with a worker
    that is kept. High volume: two endpoints, asked at once.
    """
    if per_day < _FEW:
        shape, kind, kept = "single", "reactive", 0
    elif per_day <= _MANY:
        shape, kind, kept = "single", "min", 1
    else:
        shape, kind, kept = "split", "reactive", 0
    for result in results:
        strategy = result.option.strategy
        wanted = (shape, kind, kept, MANIFEST_IDLE)
        if wanted == (result.option.shape, strategy.kind, strategy.kept, strategy.idle_seconds):
            return result
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A volume at which something changes.

    Attributes:
        factor: times the traffic, between the last volume of before and the first of after.
        before: what holds from today's traffic up, or down, to it.
        after: what holds beyond.

    """

    factor: float
    before: str
    after: str


def turns(answer: Callable[[float], str], *, largest: float = LARGEST) -> tuple[Turn, ...]:
    """Look for the nearest smaller and the nearest larger volume at which an answer changes.

    The volume is doubled, and halved, until the answer is another, and the last step is then
    halved `_HALVINGS` times, by ratio: a change is told within 5 %. Where an answer changes and
    changes back within one doubling, that is not seen.

    Args:
        answer: to so many times the traffic.
        largest: up to how many times, and down to which part.

    """
    found = [_turn(answer, end=end) for end in (1 / largest, largest)]
    return tuple(turn for turn in found if turn is not None)


def _turn(answer: Callable[[float], str], *, end: float) -> Turn | None:
    """Look from today's traffic to `end` times as much."""
    today = answer(1.0)
    near = far = 1.0
    while answer(far) == today:
        if far == end:
            return None
        near, far = far, min(far * 2, end) if end > 1 else max(far / 2, end)
    for _ in range(_HALVINGS):
        middle = (near * far) ** 0.5
        if answer(middle) == today:
            near = middle
        else:
            far = middle
    return Turn(factor=(near * far) ** 0.5, before=today, after=answer(far))


def _lost(result: Result) -> float:
    """The share of requests without an answer, where it is more than may be."""
    return 0.0 if result.unfinished_share <= 1 - _ENOUGH else result.unfinished_share
