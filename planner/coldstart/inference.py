"""What few runs say of all that could be: intervals and tests that hold for small samples.

Everything is a closed form, an exact count, or a bootstrap with a fixed seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
_EXACT: Final = 120
"""Values of both samples up to which the distribution of ranks is counted, not approximated."""
_RESAMPLES: Final = 4000
_BLOCK: Final = 10**6
_LEAST_RESAMPLED: Final = 3
_LIKELY_AS: Final = 1 + 1e-9
"""What rounding may add to a probability that is to count as the same."""

_Values = Sequence[float]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included; either may be infinite."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value of a sample, and where that of the population is."""

    value: float
    interval: Interval


def proportion(hits: int, of: int, *, confidence: float = CONFIDENCE) -> Estimate:
    """A share, with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927).

    Args:
        hits: among `of`.
        of: all; of none the share is not a number, and anything from 0 to 1.
        confidence: of the interval.

    """
    if not of:
        return Estimate(math.nan, Interval(0.0, 1.0))
    z, share = _z(confidence), hits / of
    middle = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z / (1 + z**2 / of) * math.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == of else min(1.0, middle + half)
    return Estimate(share, Interval(low, high))


def difference(
    hits: tuple[int, int], of: tuple[int, int], *, confidence: float = CONFIDENCE
) -> Estimate:
    """The second share less the first, with Newcombe's hybrid score interval.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), method 10.
    """
    first, second = (
        proportion(hit, count, confidence=confidence) for hit, count in zip(hits, of, strict=True)
    )
    if not all(of):
        return Estimate(math.nan, Interval(-1.0, 1.0))
    value = second.value - first.value
    below = math.hypot(second.value - second.interval.low, first.interval.high - first.value)
    above = math.hypot(second.interval.high - second.value, first.value - first.interval.low)
    return Estimate(value, Interval(max(-1.0, value - below), min(1.0, value + above)))


def fisher(hits: tuple[int, int], of: tuple[int, int]) -> float:
    """The two-sided p-value of Fisher's exact test that two shares are the same.

    R. A. Fisher, "On the interpretation of chi-squared from contingency tables", Journal of the
    Royal Statistical Society 85 (1922); two-sided by adding all tables that are no likelier.
    """
    total, every = sum(hits), sum(of)

    def ways(first: int) -> int:
        return math.comb(of[0], first) * math.comb(of[1], total - first)

    seen = ways(hits[0])
    low, high = max(0, total - of[1]), min(of[0], total)
    rarer = sum(count for first in range(low, high + 1) if (count := ways(first)) <= seen)
    return min(1.0, rarer / math.comb(every, total))


def quantile(values: _Values, share: float, *, confidence: float = CONFIDENCE) -> Estimate:
    """A quantile, with the interval between two order statistics.

    It holds for any distribution, and is infinite on a side where the sample is too small to bound
    it: `runs_to_bound` says how many are needed. W. J. Conover, "Practical Nonparametric
    Statistics" (1999), section 3.2.

    Args:
        values: at least one.
        share: of the population that is below it.
        confidence: of the interval; each side misses with at most half of what it leaves.

    """
    ordered = sorted(values)
    count, tail = len(ordered), (1 - confidence) / 2
    low, high = -math.inf, math.inf
    below = 0.0  # the chance that fewer than `place` values are below the quantile
    for place in range(count + 1):
        chance = _binomial(place, count, share)
        if below + chance <= tail and place < count:
            low = ordered[place]
        below += chance
        if below >= 1 - tail and place < count:
            high = ordered[place]
            break
    return Estimate(float(np.quantile(ordered, share)), Interval(low, high))


def runs_to_bound(share: float, *, confidence: float = CONFIDENCE) -> int:
    """How many values it takes until a quantile is bounded from both sides."""
    rarest = max(share, 1 - share)
    return math.ceil(math.log((1 - confidence) / 2) / math.log(rarest))


def variation(values: _Values, *, confidence: float = CONFIDENCE, seed: int = 0) -> Estimate | None:
    """The coefficient of variation, with a bias-corrected and accelerated bootstrap interval.

    B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical
    Association 82 (1987). Of fewer than about ten values it is too narrow.

    Returns:
        None of fewer than two values, and where all are 0.

    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2 or not sample.any():  # noqa: PLR2004  of one there is none
        return None
    value = float(_variations(sample[np.newaxis, :])[0])
    if len(sample) < _LEAST_RESAMPLED:
        return Estimate(value, Interval(0.0, math.inf))
    return Estimate(value, _accelerated(sample, value, confidence=confidence, seed=seed))


@dataclass(frozen=True, slots=True)
class Shift:
    """How much later the values of a second sample are than those of a first.

    Attributes:
        estimate: the median of all differences of two values (Hodges and Lehmann), in their unit.
        lean: the share of differences that are more than 0, less the share below 0; the side on
            which the test finds the second, also where the estimate is 0 because of ties.
        p_value: that both come from the same distribution.
        least_p_value: that samples of this size could have given at all.

    """

    estimate: Estimate
    lean: float
    p_value: float
    least_p_value: float


def shift(first: _Values, second: _Values, *, confidence: float = CONFIDENCE) -> Shift | None:
    """Compare two samples by ranks, so that no distribution is assumed and no outlier decides.

    The test is that of Mann and Whitney ("On a test of whether one of two random variables is
    stochastically larger than the other", Annals of Mathematical Statistics 18, 1947), exact and
    with ties counted as they are up to 120 values, else by its normal approximation. The estimate
    is that of J. L. Hodges and E. L. Lehmann ("Estimates of location based on rank tests", Annals
    of Mathematical Statistics 34, 1963), with L. E. Moses's interval.

    Returns:
        None where a sample is empty.

    """
    if not first or not second:
        return None
    differences = np.subtract.outer(np.asarray(second), np.asarray(first)).ravel()
    differences.sort()
    place = _moses(len(first), len(second), confidence=confidence)
    interval = Interval(-math.inf, math.inf)
    if place > 0:
        interval = Interval(float(differences[place - 1]), float(differences[-place]))
    estimate = Estimate(float(np.median(differences)), interval)
    least = min(1.0, 2 / math.comb(len(first) + len(second), len(first)))
    lean = float(np.sign(differences).mean())
    return Shift(estimate, lean, rank_test(first, second), least)


def rank_test(first: _Values, second: _Values) -> float:
    """The two-sided p-value of the test of Mann and Whitney; see `shift`."""
    if len(first) > len(second):
        first, second = second, first
    doubled = _doubled_ranks([*first, *second])
    size, total = len(first), len(doubled)
    seen, middle = int(doubled[:size].sum()), size * (total + 1)
    if total <= _EXACT:
        counts = _sums(doubled, size)
        away = np.abs(np.arange(len(counts)) - middle) >= abs(seen - middle)
        return float(min(1.0, counts[away].sum() / counts.sum()))
    _, ties = np.unique(doubled, return_counts=True)
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (total * (total - 1))
    spread = math.sqrt(size * (total - size) / 12 * (total + 1 - tied))
    if not spread:
        return 1.0
    # half a rank for continuity; the sums here are of twice the ranks
    z = max(0.0, abs(seen - middle) / 2 - 0.5) / spread
    return 2 * NormalDist().cdf(-z)


def _accelerated(sample: _Floats, value: float, *, confidence: float, seed: int) -> Interval:
    count, normal = len(sample), NormalDist()
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // count)
    drawn = np.concatenate(
        [
            _variations(sample[rng.integers(0, count, (min(rows, _RESAMPLES - begun), count))])
            for begun in range(0, _RESAMPLES, rows)
        ]
    )
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    bias = normal.inv_cdf(min(max(below, 1 / _RESAMPLES), 1 - 1 / _RESAMPLES))
    without = ~np.eye(count, dtype=bool)
    left = np.array([_variations(sample[keep][np.newaxis, :])[0] for keep in without])
    off = left.mean() - left
    spread = float((off**2).sum())
    bend = float((off**3).sum()) / (6 * spread**1.5) if spread else 0.0

    def end(z: float) -> float:
        moved = bias + (bias + z) / max(1e-9, 1 - bend * (bias + z))
        return float(np.quantile(drawn, normal.cdf(moved)))

    z = _z(confidence)
    return Interval(end(-z), end(z))


def _variations(samples: _Floats) -> _Floats:
    """Of each row: the standard deviation by its mean."""
    means = samples.mean(axis=1)
    spread = samples.std(axis=1, ddof=1)
    varies: _Floats = np.divide(spread, means, out=np.zeros_like(means), where=means > 0)
    return varies


def _moses(first: int, second: int, *, confidence: float) -> int:
    """The place of the interval's ends among all ordered differences; 0: there is no interval."""
    tail = (1 - confidence) / 2
    size, total = min(first, second), first + second
    if total > _EXACT:
        spread = math.sqrt(first * second * (total + 1) / 12)
        return max(0, math.floor(first * second / 2 - _z(confidence) * spread))
    counts = _sums(2 * np.arange(1, total + 1), size)[::2][size * (size + 1) // 2 :]
    chances = np.cumsum(counts) / math.comb(total, size)
    return int(np.searchsorted(chances, tail * _LIKELY_AS, side="right"))


def _doubled_ranks(values: _Values) -> NDArray[np.int64]:
    """Twice the rank of each value; those that are the same share the mean of theirs."""
    _, group, sizes = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    doubled: NDArray[np.int64] = (2 * last - sizes + 1)[group]
    return doubled


def _sums(numbers: NDArray[Any], size: int) -> _Floats:
    """In how many ways `size` of the numbers have each sum, by the sum."""
    most = int(np.sort(numbers)[-size:].sum())
    ways: _Floats = np.zeros((size + 1, most + 1))
    ways[0, 0] = 1
    for number in numbers:
        ways[1:, number:] += ways[:-1, : most + 1 - number].copy()
    found: _Floats = ways[size]
    return found


def _binomial(hits: int, of: int, share: float) -> float:
    """The chance of so many hits."""
    if share in {0.0, 1.0}:
        return float(hits == of * share)
    log = (
        math.lgamma(of + 1) - math.lgamma(hits + 1) - math.lgamma(of - hits + 1)
        + hits * math.log(share) + (of - hits) * math.log1p(-share)
    )  # fmt: skip
    return math.exp(log)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
