"""Intervals and tests for few runs, against another implementation and by their own laws."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.coldstart.inference import (
    difference,
    fisher,
    proportion,
    quantile,
    rank_test,
    runs_to_bound,
    shift,
    variation,
)

seconds = st.floats(min_value=0, max_value=1e4, allow_nan=False).map(lambda value: round(value, 3))
samples = st.lists(seconds, min_size=1, max_size=30)


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_share_has_wilsons_interval(hits: int, misses: int, confidence: float) -> None:
    found = proportion(hits, hits + misses, confidence=confidence)
    if hits + misses:
        wanted = scipy.stats.binomtest(hits, hits + misses).proportion_ci(confidence, "wilson")
        assert found.value == hits / (hits + misses)
        assert (found.interval.low, found.interval.high) == pytest.approx(tuple(wanted), abs=1e-12)
    else:
        assert math.isnan(found.value)
        assert (found.interval.low, found.interval.high) == (0, 1)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_shares_are_tested_as_fisher_did(a: int, b: int, c: int, d: int) -> None:
    wanted = scipy.stats.fisher_exact([[a, b], [c, d]]).pvalue
    assert fisher((a, c), (a + b, c + d)) == pytest.approx(wanted, rel=1e-6)


def test_the_difference_of_shares_is_newcombes() -> None:
    # his examples (a) and (h), with the first less the second
    found = difference((48, 56), (80, 70))
    assert found.value == pytest.approx(0.2)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    found = difference((0, 10), (10, 10))
    assert (found.interval.low, found.interval.high) == pytest.approx((0.6075, 1.0), abs=5e-5)


@settings(max_examples=50)
@given(samples, samples)
def test_without_ties_ranks_are_tested_as_mann_and_whitney_did(
    first: list[float], second: list[float]
) -> None:
    ranked = scipy.stats.rankdata([*first, *second], "ordinal")
    one, other = list(ranked[: len(first)]), list(ranked[len(first) :])
    wanted = scipy.stats.mannwhitneyu(one, other, method="exact").pvalue
    assert rank_test(one, other) == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=50)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
)
def test_with_ties_every_way_to_deal_the_ranks_is_counted(
    first: list[float], second: list[float]
) -> None:
    ranks = scipy.stats.rankdata([*first, *second])
    middle = len(first) * ranks.mean()
    seen = abs(sum(ranks[: len(first)]) - middle)
    dealt = [
        abs(sum(hand) - middle) >= seen - 1e-9 for hand in itertools.combinations(ranks, len(first))
    ]
    assert rank_test(first, second) == pytest.approx(np.mean(dealt))


def test_many_values_are_tested_by_the_normal_approximation() -> None:
    first, second = [float(n) for n in range(80)], [n + 0.5 for n in range(10, 90)]
    wanted = scipy.stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert rank_test(first, second) == pytest.approx(wanted, rel=1e-9)


@given(samples, samples, st.floats(0, 100))
def test_what_is_shifted_is_found_shifted(
    first: list[float], second: list[float], by: float
) -> None:
    before, after = shift(first, second), shift(first, [value + by for value in second])
    assert before
    assert after
    assert after.estimate.value == pytest.approx(before.estimate.value + by, abs=1e-6)
    assert before.estimate.interval.low <= before.estimate.value <= before.estimate.interval.high


def test_the_interval_of_a_shift_is_moses_s() -> None:
    # of 4 and 5 values, 1.6 % of all ranks lie at or below the first difference, 3.2 % the second
    found = shift([0, 0.1, 0.2, 0.3], [1, 2, 3, 4, 5])
    assert found
    assert (found.estimate.interval.low, found.estimate.interval.high) == pytest.approx((0.8, 4.9))
    assert found.p_value == found.least_p_value == pytest.approx(2 / 126)


def test_of_few_values_a_shift_is_not_bounded() -> None:
    found = shift([1, 2], [11, 12])
    assert found
    assert found.estimate.value == 10
    assert found.least_p_value == pytest.approx(1 / 3)
    assert math.isinf(found.estimate.interval.low)
    assert shift([], [1]) is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_interval_of_a_median_holds_it_as_often_as_it_says(seed: int) -> None:
    values = np.random.default_rng(seed).exponential(size=(400, 25))
    held = [math.log(2) in quantile(list(row), 0.5).interval for row in values]
    assert np.mean(held) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)


def test_a_quantile_is_bounded_by_order_statistics() -> None:
    ordered = [float(n) for n in range(1, 101)]
    median, late = quantile(ordered, 0.5), quantile(ordered, 0.95)
    assert (median.interval.low, median.interval.high) == (40, 61)
    assert (late.interval.low, late.interval.high) == (90, 100)


@pytest.mark.parametrize(("share", "runs"), [(0.5, 6), (0.95, 72)])
def test_a_quantile_of_too_few_is_not_bounded(share: float, runs: int) -> None:
    assert runs_to_bound(share) == runs
    enough = quantile([float(n) for n in range(runs)], share)
    few = quantile([float(n) for n in range(runs - 1)], share)
    assert math.isfinite(enough.interval.high)
    assert math.isinf(few.interval.high)


def test_variation_is_bootstrapped_as_efron_did() -> None:
    values = list(np.random.default_rng(3).lognormal(3, 0.4, 40))
    found = variation(values)
    assert found

    def cv(sample: Any, axis: int = -1) -> Any:
        return np.std(sample, axis=axis, ddof=1) / np.mean(sample, axis=axis)

    wanted = scipy.stats.bootstrap((values,), cv, method="BCa", rng=1).confidence_interval
    assert found.value == pytest.approx(cv(np.array(values)))
    assert found.interval.low == pytest.approx(wanted.low, rel=0.05)
    assert found.interval.high == pytest.approx(wanted.high, rel=0.05)


def test_variation_is_the_same_each_time_and_none_of_one_value() -> None:
    assert variation([1, 2, 3, 5, 8]) == variation([1, 2, 3, 5, 8])
    assert variation([7]) is None
    assert variation([0, 0, 0]) is None
    two = variation([1, 2])
    assert two
    assert two.interval.high == math.inf
