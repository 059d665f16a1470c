"""Makes the requests of a stated traffic: the same for the same seed.

How much comes is not drawn: the requests in all, of each weekday, of all bursts and of each user
are as stated, rounded. Drawn are the sizes of bursts, the days, the hours, the gaps and the audio.

Requests come in sessions: a burst is one, and so is each request outside of bursts. Two laws are
chosen, not measured: sizes of bursts follow a lognormal, and gaps within a burst an exponential
that ends at the longest gap a burst may have, as in a Poisson process.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.traffic.description import BURST_LEAST
from planner.traffic.placing import Days, occurrences
from planner.traffic.profile import BurstsTable, Profile
from planner.traffic.shares import apportion
from planner.traffic.trace import DAY_SECONDS, UNKNOWN, Trace

_WITHIN: Final = 1 - 1e-6
"""What rounding may add to a gap keeps it within a burst."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def make_trace(profile: Profile, *, seed: int) -> Trace:
    """Make requests as a profile states them.

    Args:
        profile: what is wanted.
        seed: the same one makes the same requests, with the same version of numpy.

    """
    draw = np.random.default_rng(seed)
    sessions = _sessions(profile, draw)
    gaps = _gaps(sessions, profile.bursts, draw)
    begins = Days.of(profile).place(sessions.weekdays, gaps.lengths, draw)
    seconds = np.repeat(begins, sessions.sizes)
    seconds += gaps.offsets
    span = profile.days * DAY_SECONDS
    np.clip(seconds, 0.0, span, out=seconds)  # of a burst that is longer than all days
    users, names = _users(profile, sessions.sizes, draw)
    order = np.argsort(seconds, kind="stable")
    return Trace(
        start=datetime.combine(profile.start, time(), tzinfo=UTC),
        seconds=seconds[order],
        audio_seconds=_audio(profile, len(seconds), draw),
        users=users[order],
        names=names,
        span=span,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sessions:
    """What comes together: `sizes` int64[s] of requests, `weekdays` int64[s] on which."""

    sizes: _Ints
    weekdays: _Ints


def _sessions(profile: Profile, draw: np.random.Generator) -> _Sessions:
    left = apportion(profile.requests, np.array(profile.weekdays) * occurrences(profile))
    weekdays = np.arange(len(left))
    sizes: list[_Ints] = []
    where: list[_Ints] = []
    if profile.bursts:
        for weekday, burst_sizes in _bursts(profile, profile.bursts, left, draw):
            sizes.append(burst_sizes)
            where.append(np.full(len(burst_sizes), weekday))
            left[weekday] -= burst_sizes.sum()
    return _Sessions(
        sizes=np.concatenate((*sizes, np.ones(left.sum(), dtype=np.int64))),
        weekdays=np.concatenate((*where, np.repeat(weekdays, left))),
    )


def _bursts(
    profile: Profile, bursts: BurstsTable, requests: _Ints, draw: np.random.Generator
) -> list[tuple[int, _Ints]]:
    """Sizes of bursts, by weekday: as many as are stated, where the requests suffice.

    Args:
        profile: what is wanted.
        bursts: of it.
        requests: int64[7], of each weekday.
        draw: chance.

    """
    count = round(bursts.per_day * profile.days)
    within = min(round(count * bursts.mean), profile.requests)
    found: list[tuple[int, _Ints]] = []
    free = requests.copy()
    longest: int | None = None
    room = int(free.max())
    if bursts.largest and count and room >= BURST_LEAST:
        longest = max(BURST_LEAST, min(bursts.largest, room, within - BURST_LEAST * (count - 1)))
        chances = np.maximum(free - longest, 0) + (free == room) * (room == longest)
        weekday = int(draw.choice(len(free), p=chances / chances.sum()))
        found.append((weekday, np.array([longest])))
        free[weekday] -= longest
        count, within = count - 1, within - longest
    of_bursts = free - apportion(int(free.sum()) - within, free)
    counts = apportion(count, of_bursts, most=of_bursts // BURST_LEAST)
    for weekday, (burst_count, total) in enumerate(zip(counts, of_bursts, strict=True)):
        if burst_count:
            shares = draw.lognormal(0.0, bursts.spread, burst_count)
            rest = int(total) - BURST_LEAST * int(burst_count)
            most = None if longest is None else np.full(burst_count, longest - 1 - BURST_LEAST)
            found.append((weekday, BURST_LEAST + apportion(rest, shares, most=most)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gaps:
    """`offsets` float64[n] of each request from its session's begin; `lengths` float64[s]."""

    offsets: _Floats
    lengths: _Floats


def _gaps(sessions: _Sessions, bursts: BurstsTable | None, draw: np.random.Generator) -> _Gaps:
    sizes = sessions.sizes
    if bursts is None:
        return _Gaps(offsets=np.zeros(sizes.sum()), lengths=np.zeros(len(sizes)))
    longest = bursts.within_minutes * 60.0 * _WITHIN
    scale = _scale(bursts.median_gap_minutes * 60.0, longest)
    firsts = np.cumsum(sizes) - sizes
    steps = -scale * np.log1p(draw.random(sizes.sum()) * math.expm1(-longest / scale))
    passed = np.cumsum(steps)
    return _Gaps(
        offsets=passed - np.repeat(passed[firsts], sizes),
        lengths=passed[firsts + sizes - 1] - passed[firsts],
    )


def _scale(median: float, longest: float) -> float:
    """The mean of an exponential that, cut off at `longest`, has this median; by bisection."""
    low, high = median, longest * 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        # the half of what lies below `longest`
        if middle * math.log(2 / (1 + math.exp(-longest / middle))) < median:
            low = middle
        else:
            high = middle
    return low


def _users(
    profile: Profile, sizes: _Ints, draw: np.random.Generator
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """int32[n], users of requests; each takes sessions in a row of some order, and a last part."""
    requests = int(sizes.sum())
    users = profile.users
    if users is None:
        return np.full(requests, UNKNOWN, dtype=np.int32), ()
    rest = max(0.0, 1.0 - math.fsum(users.shares))
    shares = [*users.shares, *([rest / users.others] * users.others if users.others else [])]
    counts = apportion(requests, np.array(shares))
    taken = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    order = draw.permutation(len(sizes))
    begins = np.empty(len(sizes), dtype=np.int64)
    begins[order] = np.cumsum(sizes[order]) - sizes[order]
    places = np.repeat(begins - (np.cumsum(sizes) - sizes), sizes) + np.arange(requests)
    return taken[places], tuple(f"user-{number}" for number in range(1, len(counts) + 1))


def _audio(profile: Profile, count: int, draw: np.random.Generator) -> _Floats:
    audio = profile.audio
    middle = math.log(audio.mean_seconds) - audio.spread**2 / 2
    drawn = draw.lognormal(middle, audio.spread, count)
    return np.clip(drawn, audio.shortest_seconds, audio.longest_seconds, out=drawn)
