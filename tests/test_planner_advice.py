"""Which option to take, which is next, and where that changes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.options.advice import Goal, choose, frontier, rule_of_thumb, turns
from planner.options.migration import NOT, PAYS, Stage, migration
from planner.options.plan import Result
from planner.options.strategies import SHAPES, options, strategies
from tests.plans import result_of

if TYPE_CHECKING:
    from planner.options.strategies import Starts
    from planner.simulator.shapes import ShapeName

CHEAP = result_of("cheap", 10, 90)
MIDDLE = result_of("middle", 100, 25, shape="split")
FAST = result_of("fast", 1000, 5)
WORSE = result_of("worse", 110, 26, shape="orch")
ALL = (FAST, WORSE, CHEAP, MIDDLE)


def test_the_cheapest_that_is_fast_enough_is_chosen() -> None:
    choice = choose(ALL, Goal(kind="p95", most=30))
    assert (choice.best, choice.met) == (MIDDLE, True)
    assert choice.following is WORSE
    assert choice.elsewhere == (WORSE, FAST)


def test_the_fastest_within_a_budget_is_chosen() -> None:
    choice = choose(ALL, Goal(kind="budget", most=110))
    assert (choice.best, choice.following) == (MIDDLE, WORSE)


@pytest.mark.parametrize(
    ("goal", "nearest"), [(Goal(kind="p95", most=1), FAST), (Goal(kind="budget", most=1), CHEAP)]
)
def test_where_nothing_does_it_the_nearest_is_named_and_called_so(
    goal: Goal, nearest: Result
) -> None:
    choice = choose(ALL, goal)
    assert (choice.best, choice.met) == (nearest, False)


def test_an_option_that_leaves_requests_without_an_answer_is_never_better() -> None:
    lossy = result_of("lossy", 1, 1, lost=0.2)
    assert choose([lossy, CHEAP], Goal(most=60)).best is CHEAP
    assert not choose([lossy], Goal(most=60)).met
    assert frontier([lossy, CHEAP]) == (CHEAP,)


def test_a_lone_option_has_no_next_best() -> None:
    assert choose([CHEAP], Goal()).following is None


figures = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=30, unique=True
)


@given(figures)
def test_nothing_beats_an_efficient_option_and_something_every_other(
    found: list[tuple[int, int]],
) -> None:
    results = [result_of(str(pair), *pair) for pair in found]
    efficient = frontier(results)

    def beaten(one: Result) -> bool:
        return any(
            other.cost_per_month <= one.cost_per_month and other.p95 <= one.p95
            for other in results
            if other is not one
        )

    assert all(beaten(result) == (result not in efficient) for result in results)
    costs = [result.cost_per_month for result in efficient]
    assert costs == sorted(costs)


@given(figures, st.integers(1, 50))
def test_the_chosen_option_is_efficient(found: list[tuple[int, int]], most: int) -> None:
    results = [result_of(str(pair), *pair) for pair in found]
    assert choose(results, Goal(kind="p95", most=most)).best in frontier(results)
    assert choose(results, Goal(kind="budget", most=most)).best in frontier(results)


@pytest.mark.parametrize(
    ("per_day", "name"),
    [(9, "single, idle 1 min"), (65, "single, min workers 1"), (101, "split, idle 1 min")],
)
def test_the_documents_rule_of_thumb_names_an_option(per_day: float, name: str) -> None:
    results = [
        replace(CHEAP, option=option)
        for option in options(strategies([1] * 24), shapes=SHAPES, quota=5)
    ]
    told = rule_of_thumb(results, per_day=per_day)
    assert told is not None
    assert told.name == name
    assert rule_of_thumb([], per_day=per_day) is None


@given(st.floats(1.05, 60))
def test_where_an_answer_changes_is_told_within_5_percent(at: float) -> None:
    (turn,) = turns(lambda factor: "more" if factor > at else "today", largest=64)
    assert turn.factor == pytest.approx(at, rel=0.05)
    assert (turn.before, turn.after) == ("today", "more")


@given(st.floats(1.05, 60))
def test_so_it_is_where_there_is_less(at: float) -> None:
    (turn,) = turns(lambda factor: "less" if factor < 1 / at else "today", largest=64)
    assert turn.factor == pytest.approx(1 / at, rel=0.05)


def test_what_does_not_change_has_no_turn_and_nothing_beyond_the_range_is_asked() -> None:
    asked: list[float] = []

    def answer(factor: float) -> str:
        asked.append(factor)
        return "the same"

    assert turns(answer, largest=10) == ()
    assert (min(asked), max(asked)) == (1 / 10, 10)


def test_a_range_of_one_asks_nothing() -> None:
    assert turns(str, largest=1) == ()


def evaluate(factor: float, stage: Stage) -> Sequence[Result]:
    """A split costs less per request and more per month; an orchestrator always costs more."""
    cost = {"single": 60 + 3 * factor, "cached": 20 + 3 * factor, "split": 23 + 2 * factor}
    if stage == "orch":
        return [result_of("s", cost["split"] + 5, 20, shape="orch")]
    shape: ShapeName = "split" if stage == "split" else "single"
    starts: Starts = "downloading" if stage == "single" else "cached"
    return [result_of("s", cost[stage], 20, shape=shape, starts=starts)]


def test_each_step_says_whether_it_pays_and_from_where() -> None:
    stages: list[Stage] = ["single", "cached", "split", "orch"]
    cached, split, orch = migration(evaluate, Goal(), stages=stages, largest=64)
    assert (cached.pays, cached.breaks_even, cached.dollars) == (True, (), -40)
    assert not split.pays
    (turn,) = split.breaks_even
    assert turn.factor == pytest.approx(3, rel=0.05)
    assert (turn.before, turn.after) == (NOT, PAYS)
    assert (orch.pays, orch.breaks_even, orch.dollars) == (False, (), 5)


def test_a_step_that_reaches_what_the_stage_before_cannot_pays_whatever_it_costs() -> None:
    def better(_factor: float, stage: Stage) -> Sequence[Result]:
        return [CHEAP] if stage == "cached" else [MIDDLE]

    (step,) = migration(better, Goal(most=30), stages=["cached", "split"], largest=2)
    assert step.pays
    assert (step.dollars, step.seconds) == (90, -65)


def test_equals_do_not_pay() -> None:
    (step,) = migration(
        lambda _factor, stage: [
            result_of("s", 10, 20, starts="downloading" if stage == "single" else "cached")
        ],
        Goal(),
        stages=["single", "cached"],
        largest=1,
    )
    assert not step.pays
