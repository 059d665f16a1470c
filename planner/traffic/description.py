"""What traffic looks like: when it comes, in which bursts, from whom. All hours are of UTC."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.traffic.trace import UNKNOWN, Trace

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BURST_GAP: Final = 300.0
"""Seconds that may pass from one request of a burst to its next."""
BURST_LEAST: Final = 3
"""Requests of the smallest burst."""

_HOURS: Final = 24
_WEEK: Final = 7 * _HOURS
_HOUR_SECONDS: Final = 3600.0
_MONDAY: Final = 3 * _HOURS
"""Hours from the Monday before to Unix time 0, a Thursday."""
_PEAK: Final = 3
"""Hours of a peak."""
_DEAD_SHARE: Final = 0.1
"""In a dead zone each hour brings less than this share of what the hours bring on average."""
_DEAD_LEAST: Final = 2
"""Hours of the shortest dead zone."""
_USERS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """Bursts of requests.

    A burst is as long a run of requests as there is in which each comes at most `BURST_GAP` after
    the one before, with `BURST_LEAST` of them or more. (The other reading, that many in any window
    of `BURST_GAP`, knows no burst of hours: 588 requests at a median gap of 40 s are none to it.)

    Attributes:
        count: how many there are.
        requests: within all of them.
        largest: requests of the largest.
        median_gap: seconds from one request of a burst to its next; None where there is no burst.

    """

    count: int
    requests: int
    largest: int
    median_gap: float | None

    @property
    def mean(self) -> float:
        """Requests of a burst, 0 where there is none."""
        return self.requests / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserShare:
    """What one user asks for.

    Attributes:
        name: of the user.
        requests: how many.
        share: of all requests, also of those whose user is unknown.

    """

    name: str
    requests: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRange:
    """Hours of the day, from the begin of `begins` to the begin of `ends`; over midnight too."""

    begins: int
    ends: int

    def __str__(self) -> str:
        return f"{self.begins:02}:00-{self.ends:02}:00"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """What was seen in a trace.

    Attributes:
        requests: how many.
        days: that were observed.
        audio_hours: of all requests.
        mean_audio: seconds of a request, 0 where there is none; as the median.
        median_audio: seconds.
        counts: int64[7, 24], requests by weekday from Monday, and hour.
        observed: float64[7, 24], hours that were observed of each of these.
        bursts: see there.
        peak: the three hours in a row that bring most; None where there is no request.
        dead_zones: two hours in a row or more, each with less than a tenth of the average; none
            where less than a day was observed.
        users: those who ask for most, up to ten; in descending order.
        user_count: how many are known.
        unknown: requests of nobody knows whom.

    """

    requests: int
    days: float
    audio_hours: float
    mean_audio: float
    median_audio: float
    counts: NDArray[np.int64]
    observed: NDArray[np.float64]
    bursts: Bursts
    peak: HourRange | None
    dead_zones: tuple[HourRange, ...]
    users: tuple[UserShare, ...]
    user_count: int
    unknown: int

    @property
    def per_day(self) -> float:
        """Requests of a day, 0 where nothing was observed."""
        return self.requests / self.days if self.days else 0.0

    @property
    def by_hour(self) -> tuple[int, ...]:
        """Requests by hour of the day."""
        return tuple(int(count) for count in self.counts.sum(axis=0))

    @property
    def by_weekday(self) -> tuple[int, ...]:
        """Requests by weekday, from Monday."""
        return tuple(int(count) for count in self.counts.sum(axis=1))

    @property
    def busiest_weekday(self) -> int:
        """The weekday that brings most in all, Monday being 0."""
        return int(np.argmax(self.counts.sum(axis=1)))

    @property
    def rates(self) -> NDArray[np.float64]:
        """float64[7, 24], requests an hour; NaN where nothing was observed."""
        rates = np.full(self.counts.shape, np.nan)
        seen = self.observed > 0
        rates[seen] = self.counts[seen] / self.observed[seen]
        return rates

    def body(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "requests": self.requests,
            "days": self.days,
            "requests_per_day": self.per_day,
            "audio_hours": self.audio_hours,
            "mean_audio_seconds": self.mean_audio,
            "median_audio_seconds": self.median_audio,
            "by_weekday": dict(zip(DAY_NAMES, self.by_weekday, strict=True)),
            "by_hour": list(self.by_hour),
            "by_weekday_and_hour": self.counts.tolist(),
            "bursts": {
                "count": self.bursts.count,
                "requests": self.bursts.requests,
                "mean": self.bursts.mean,
                "largest": self.bursts.largest,
                "median_gap_seconds": self.bursts.median_gap,
            },
            "peak": None if self.peak is None else str(self.peak),
            "dead_zones": [str(zone) for zone in self.dead_zones],
            "users": [asdict(user) for user in self.users],
            "user_count": self.user_count,
            "requests_of_unknown_users": self.unknown,
        }


def describe(trace: Trace) -> Traffic:
    """Look at the requests of a trace."""
    hours = hour_of_week(trace)
    counts = np.bincount(hours, minlength=_WEEK).reshape(7, _HOURS)
    observed = observed_hours(trace)
    known = trace.users[trace.users != UNKNOWN]
    audio = trace.audio_seconds
    return Traffic(
        requests=len(trace),
        days=trace.days,
        audio_hours=float(audio.sum()) / _HOUR_SECONDS,
        mean_audio=float(audio.mean()) if len(trace) else 0.0,
        median_audio=float(np.median(audio)) if len(trace) else 0.0,
        counts=counts,
        observed=observed,
        bursts=find_bursts(trace.seconds),
        peak=_peak(counts.sum(axis=0)),
        dead_zones=tuple(_dead_zones(counts.sum(axis=0), observed.sum(axis=0))),
        users=tuple(_largest(known, trace)),
        user_count=len(np.unique(known)),
        unknown=len(trace) - len(known),
    )


def hour_of_week(trace: Trace) -> NDArray[np.int64]:
    """int64[n], of each request: 0 is Monday from midnight to 01:00, 167 the last of Sunday."""
    hours = (trace.start.timestamp() + trace.seconds) // _HOUR_SECONDS
    return (hours.astype(np.int64) + _MONDAY) % _WEEK


def observed_hours(trace: Trace) -> NDArray[np.float64]:
    """float64[7, 24], how many hours of each hour of the week a trace covers."""
    begins = trace.start.timestamp() / _HOUR_SECONDS + _MONDAY
    ends = begins + trace.span / _HOUR_SECONDS
    of_week = np.arange(_WEEK, dtype=np.float64)
    return (_covered(ends, of_week) - _covered(begins, of_week)).reshape(7, _HOURS)


def find_bursts(
    seconds: NDArray[np.float64], *, gap: float = BURST_GAP, least: int = BURST_LEAST
) -> Bursts:
    """Find the bursts among arrivals.

    Args:
        seconds: float64[n], of each arrival; ascending.
        gap: seconds that may pass from one request of a burst to its next.
        least: requests of the smallest burst, at least 2.

    """
    gaps = np.diff(seconds)
    ends = np.flatnonzero(gaps > gap)
    edges = np.concatenate(([0], ends + 1, [len(seconds)]))
    sizes = np.diff(edges)
    burst_sizes = sizes[sizes >= least]
    # the gap after each request that is in a burst, and not the last of its run
    within = np.repeat(sizes >= least, sizes)[:-1] & (gaps <= gap)
    return Bursts(
        count=len(burst_sizes),
        requests=int(burst_sizes.sum()),
        largest=int(burst_sizes.max(initial=0)),
        median_gap=float(np.median(gaps[within])) if len(burst_sizes) else None,
    )


def _covered(moment: float, of_week: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hours of each hour of the week from a Monday's begin to a moment, in hours since then."""
    weeks, into = divmod(moment, _WEEK)
    return weeks + np.clip(into - of_week, 0.0, 1.0)


def _peak(by_hour: NDArray[np.int64]) -> HourRange | None:
    if not by_hour.sum():
        return None
    together = sum(np.roll(by_hour, -later) for later in range(_PEAK))
    begins = int(np.argmax(together))
    return HourRange(begins=begins, ends=(begins + _PEAK) % _HOURS)


def _dead_zones(by_hour: NDArray[np.int64], observed: NDArray[np.float64]) -> Iterator[HourRange]:
    if not by_hour.sum() or not observed.all():
        return
    rates = by_hour / observed
    dead = rates < _DEAD_SHARE * by_hour.sum() / observed.sum()
    # the busiest hour is alive, so that going round from it no zone is cut
    first = int(np.argmax(rates))
    begins: int | None = None
    for step in range(1, _HOURS + 1):
        hour = (first + step) % _HOURS
        if dead[hour] and begins is None:
            begins = step
        elif not dead[hour] and begins is not None:
            if step - begins >= _DEAD_LEAST:
                yield HourRange(begins=(first + begins) % _HOURS, ends=hour)
            begins = None


def _largest(known: NDArray[np.int32], trace: Trace) -> Iterator[UserShare]:
    counts = np.bincount(known, minlength=len(trace.names))
    for user in np.argsort(-counts, kind="stable")[:_USERS]:
        if counts[user]:
            count = int(counts[user])
            yield UserShare(name=trace.names[user], requests=count, share=count / len(trace))
