"""How long requests took: millions of them in little memory."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

LEAST: Final = 1e-3
"""Seconds; what is shorter counts as nothing for `p`."""
STEP: Final = 0.005
"""How much wider each bucket is than the one before: what `p` may be wrong by, as a share."""
_LONGEST: Final = 1e10
SCALE: Final = float(1 / np.log1p(STEP))
BUCKETS: Final = int(np.ceil(np.log(_LONGEST / LEAST) * SCALE)) + 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latencies:
    """A histogram of durations in seconds, whose buckets grow with the duration.

    Quantiles are right within half a percent; count, mean, least and most are exact.

    Attributes:
        counts: int64 (BUCKETS,); the first counts what is shorter than `LEAST`.
        total: the sum of all, in seconds.
        least: the shortest; 0 where there is none.
        most: the longest; 0 where there is none.

    """

    counts: npt.NDArray[np.int64]
    total: float
    least: float
    most: float

    @classmethod
    def none(cls) -> Self:
        """Give the latencies of no request."""
        return cls(counts=np.zeros(BUCKETS, np.int64), total=0.0, least=0.0, most=0.0)

    @classmethod
    def of(cls, seconds: npt.ArrayLike) -> Self:
        """Sort durations into buckets.

        Args:
            seconds: float64 (n,), none below 0.

        """
        values = np.asarray(seconds, np.float64)
        if not values.size:
            return cls.none()
        places = np.floor(np.log(np.maximum(values, LEAST) / LEAST) * SCALE) + 1
        buckets = np.where(values < LEAST, 0, np.minimum(places, BUCKETS - 1)).astype(np.int64)
        return cls(
            counts=np.bincount(buckets, minlength=BUCKETS).astype(np.int64),
            total=float(values.sum()),
            least=float(values.min()),
            most=float(values.max()),
        )

    def __add__(self, other: "Latencies") -> "Latencies":
        if not (self.count and other.count):
            return self if self.count else other
        return Latencies(
            counts=self.counts + other.counts,
            total=self.total + other.total,
            least=min(self.least, other.least),
            most=max(self.most, other.most),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Latencies):
            return NotImplemented
        same = (self.total, self.least, self.most) == (other.total, other.least, other.most)
        return same and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # it holds an array

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """In seconds; 0 where there is none."""
        return self.total / self.count if self.count else 0.0

    def p(self, percent: float) -> float:
        """Give the duration that so many percent do not exceed; 0 where there is none.

        Raises:
            ValueError: not between 0 and 100.

        """
        if not 0 <= percent <= 100:  # noqa: PLR2004
            message = f"A percentile is between 0 and 100, not {percent}."
            raise ValueError(message)
        if not self.count:
            return 0.0
        rank = max(1, int(np.ceil(percent / 100 * self.count)))
        place = int(np.searchsorted(np.cumsum(self.counts), rank))
        middle = LEAST * (1 + STEP) ** (place - 0.5) if place else 0.0
        return float(min(max(middle, self.least), self.most))

    def share_within(self, seconds: float) -> float:
        """Give the share that took at most so long, of 1; 1 where there is none.

        The bucket that `seconds` lies in counts as a whole.
        """
        if not self.count:
            return 1.0
        place = 0 if seconds < LEAST else int(np.log(seconds / LEAST) * SCALE) + 1
        return float(self.counts[: min(place, BUCKETS - 1) + 1].sum() / self.count)
