"""The simulator against what queueing theory says exactly."""

import math
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from planner.simulator.fleet import FleetRules, Jobs, Outcome
from planner.simulator.queueing import mm1, mmc
from planner.simulator.simulation import simulate

WORK = 10.0
"""Mean seconds."""
SEEDS = range(12)
COUNT = 200_000
SURE = 4.0
"""Standard errors of the mean over the seeds: further off is one case in some hundred, by chance;
the seeds are fixed, so it is the same case each time."""


@cache
def outcomes(workers: int, busy: float, concurrency: int = 1) -> tuple[Outcome, ...]:
    """Random arrivals and exponential work at workers that are always there."""
    return tuple(_outcome(seed, workers, busy, concurrency) for seed in SEEDS)


def _outcome(seed: int, workers: int, busy: float, concurrency: int) -> Outcome:
    rng = np.random.default_rng(seed)
    slots = workers * concurrency
    seconds = np.cumsum(rng.exponential(WORK / (busy * slots), COUNT))
    jobs = Jobs(seconds, rng.exponential(WORK, COUNT))
    rules = FleetRules(
        start_seconds=0,
        workers_min=workers,
        workers_max=workers,
        concurrency=concurrency,
        pause_seconds=0,
        ttl_seconds=math.inf,
    )
    span = float(seconds[-1])
    return simulate([jobs], rules, start=datetime(2026, 1, 1, tzinfo=UTC), span=span)


def off(values: list[float], expected: float) -> float:
    """How many standard errors the mean of independent values is off."""
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return abs(float(np.mean(values)) - expected) / error


CASES = [(1, 0.3), (1, 0.6), (1, 0.8), (2, 0.5), (3, 0.8), (8, 0.85), (20, 0.9)]


@pytest.mark.parametrize(("workers", "busy"), CASES)
def test_the_mean_wait_is_that_of_theory(workers: int, busy: float) -> None:
    theory = mmc(arrivals=busy * workers / WORK, work=WORK, workers=workers)
    waits = [outcome.wait.mean for outcome in outcomes(workers, busy)]
    assert off(waits, theory.wait) < SURE
    assert np.mean(waits) == pytest.approx(theory.wait, rel=0.05)


@pytest.mark.parametrize(("workers", "busy"), CASES)
def test_as_many_requests_wait_as_in_theory(workers: int, busy: float) -> None:
    theory = mmc(arrivals=busy * workers / WORK, work=WORK, workers=workers)
    # a wait below a millisecond counts as none: of 10 s of work that is one in ten thousand
    shares = [1 - outcome.wait.counts[0] / COUNT for outcome in outcomes(workers, busy)]
    assert off(shares, theory.wait_probability) < SURE
    assert np.mean(shares) == pytest.approx(theory.wait_probability, rel=0.02)


@pytest.mark.parametrize(("workers", "busy"), CASES)
def test_workers_are_as_busy_as_in_theory(workers: int, busy: float) -> None:
    shares = [outcome.utilisation for outcome in outcomes(workers, busy)]
    assert np.mean(shares) == pytest.approx(busy, rel=0.005)


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_the_latency_of_one_worker_is_exponential(percent: float) -> None:
    theory = mm1(arrivals=0.6 / WORK, work=WORK)
    expected = -math.log(1 - percent / 100) * theory.latency
    found = [outcome.latency.p(percent) for outcome in outcomes(1, 0.6)]
    assert np.mean(found) == pytest.approx(expected, rel=0.02)


def test_two_workers_with_four_requests_each_are_as_eight_with_one() -> None:
    together = [outcome.wait.mean for outcome in outcomes(2, 0.85, 4)]
    apart = [outcome.wait.mean for outcome in outcomes(8, 0.85)]
    assert together == pytest.approx(apart, rel=1e-9)


class TestTheory:
    def test_of_one_worker_is_a_case_of_many(self) -> None:
        one, many = mm1(arrivals=0.07, work=WORK), mmc(arrivals=0.07, work=WORK, workers=1)
        assert (one.wait, one.wait_probability) == pytest.approx((many.wait, many.wait_probability))
        assert one.wait == pytest.approx(0.7 / 0.3 * WORK)
        assert one.latency == one.wait + WORK

    def test_of_many_workers_is_erlangs(self) -> None:
        """Erlang C in its own words: a term of the sum that it is usually written with."""
        load, workers = 6.8, 8
        last = load**workers / math.factorial(workers) * workers / (workers - load)
        every = sum(load**number / math.factorial(number) for number in range(workers))
        found = mmc(arrivals=load / WORK, work=WORK, workers=workers)
        assert found.wait_probability == pytest.approx(last / (every + last))

    def test_holds_for_very_many_workers(self) -> None:
        found = mmc(arrivals=95.0, work=WORK, workers=1000)
        assert 0 < found.wait_probability < 1
        assert found.utilisation == pytest.approx(0.95)

    @pytest.mark.parametrize("arrivals", [0.1, 0.2, -0.1])
    def test_knows_no_balance_where_there_is_none(self, arrivals: float) -> None:
        with pytest.raises(ValueError, match="are no balance"):
            mm1(arrivals=arrivals, work=WORK)
