"""Places sessions of requests on days, by the weights of the hours, apart where that is wanted."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.traffic.profile import Profile
from planner.traffic.trace import DAY_SECONDS

_HOUR_SECONDS: Final = 3600.0
_HOURS: Final = 24
_MARGIN_SECONDS: Final = 1.0
"""By so much sessions that are kept apart are further from each other than within a burst, and all
end before the hour does."""
_ROUNDS: Final = 20
"""How often days that have no room are drawn again."""
_HOPELESS: Final = 0.5
"""Where a larger share of sessions has no room, other days have none either."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def occurrences(profile: Profile) -> _Ints:
    """int64[7], how many days of each weekday there are."""
    weekdays = (profile.start.weekday() + np.arange(profile.days)) % 7
    return np.bincount(weekdays, minlength=7)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Days:
    """Where sessions may be placed: in blocks, hours of a day in a row that have a weight.

    Attributes:
        firsts: int64[7], the first day of each weekday, counted from 0.
        occurrences: int64[7], how many days of each weekday there are.
        shares: float64[24], of a day's sessions by hour; they add up to 1.
        begins: float64[b], seconds of the day at which each block begins.
        ends: float64[b], at which it ends.
        block_of: int64[24], of each hour.
        guard: seconds between sessions; None where they come independently.

    """

    firsts: _Ints
    occurrences: _Ints
    shares: _Floats
    begins: _Floats
    ends: _Floats
    block_of: _Ints
    guard: float | None

    @classmethod
    def of(cls, profile: Profile) -> "Days":
        weights = np.array(profile.hours, dtype=np.float64)
        edges = np.diff(np.concatenate(([0], (weights > 0).astype(np.int64), [0])))
        bursts = profile.bursts
        apart = bursts.within_minutes * 60.0 + _MARGIN_SECONDS if bursts and bursts.apart else None
        return cls(
            firsts=(np.arange(7) - profile.start.weekday()) % 7,
            occurrences=occurrences(profile),
            shares=weights / weights.sum(),
            begins=_in_seconds(np.flatnonzero(edges == 1)),
            ends=_in_seconds(np.flatnonzero(edges == -1)),
            block_of=np.cumsum(edges[:-1] == 1) - 1,
            guard=apart,
        )

    def place(self, weekdays: _Ints, lengths: _Floats, draw: np.random.Generator) -> _Floats:
        """Say when sessions begin.

        Args:
            weekdays: int64[s], on which each comes; 0 is Monday.
            lengths: float64[s], seconds from its first request to its last.
            draw: chance.

        Returns:
            float64[s], seconds since the first day began.

        """
        days, seconds = self._drawn(weekdays, lengths, draw)
        if self.guard is None:
            return days * DAY_SECONDS + seconds
        for _ in range(_ROUNDS):
            crowded = self._crowded(days, seconds, lengths)
            if not crowded.any() or crowded.mean() > _HOPELESS:
                break
            days[crowded], seconds[crowded] = self._drawn(weekdays[crowded], lengths[crowded], draw)
        return self._apart(days, seconds, lengths, guard=self.guard)

    def _drawn(
        self, weekdays: _Ints, lengths: _Floats, draw: np.random.Generator
    ) -> tuple[_Ints, _Floats]:
        """Days of sessions, and seconds of the day; each ends within its block if it can."""
        weeks = (draw.random(len(weekdays)) * self.occurrences[weekdays]).astype(np.int64)
        days = self.firsts[weekdays] + 7 * weeks
        seconds = self._moments(len(weekdays), self.shares, draw)
        rooms = self.ends - self.begins - (self.guard or _MARGIN_SECONDS)
        blocks = self._blocks(seconds)
        long = np.flatnonzero(lengths > rooms[blocks])
        if len(long):
            widest = int(np.argmax(rooms))
            of_widest = np.where(self.block_of == widest, self.shares, 0.0)
            seconds[long] = self._moments(len(long), of_widest, draw)
            blocks[long] = widest
        # the moment that was drawn is one of the session, not its first
        seconds -= lengths * draw.random(len(lengths))
        latest = self.begins[blocks] + np.maximum(rooms[blocks] - lengths, 0.0)
        return days, np.clip(seconds, self.begins[blocks], latest)

    @staticmethod
    def _moments(count: int, shares: _Floats, draw: np.random.Generator) -> _Floats:
        """Seconds of the day, by shares of the hours."""
        hours = draw.choice(_HOURS, size=count, p=shares / shares.sum())
        seconds: _Floats = (hours + draw.random(count)) * _HOUR_SECONDS
        return seconds

    def _blocks(self, seconds: _Floats) -> _Ints:
        found = np.searchsorted(self.begins, seconds, side="right") - 1
        return np.maximum(found, 0)

    def _keys(self, days: _Ints, seconds: _Floats) -> _Ints:
        """Of the block of the day that each session is in."""
        keys: _Ints = days * len(self.begins) + self._blocks(seconds)
        return keys

    def _crowded(self, days: _Ints, seconds: _Floats, lengths: _Floats) -> NDArray[np.bool_]:
        """bool[s], which sessions are in a block that has no room for all of its sessions."""
        keys = self._keys(days, seconds)
        needed = np.bincount(keys, weights=lengths + (self.guard or 0.0))
        rooms = np.resize(self.ends - self.begins, len(needed))
        crowded: NDArray[np.bool_] = (needed > rooms)[keys]
        return crowded

    def _apart(self, days: _Ints, seconds: _Floats, lengths: _Floats, *, guard: float) -> _Floats:
        """Move sessions of a block, in their order, as little as keeps each off the one before.

        With w[j] seconds that the sessions before j take, each with its guard after it, j begins at
        w[j] + r[j] where r ascends from 0 to the block's slack: the largest of the r so far does.
        Blocks without the room stay as they are.
        """
        order = np.argsort(days * DAY_SECONDS + seconds, kind="stable")
        keys = self._keys(days, seconds)[order]
        _, firsts, ranks, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        takes = (lengths + guard)[order]
        before = np.cumsum(takes) - takes
        before -= np.repeat(before[firsts], counts)
        blocks = keys % len(self.begins)
        slack = (self.ends - self.begins)[blocks] - np.add.reduceat(takes, firsts)[ranks]
        rest = seconds[order] - self.begins[blocks] - before
        # each block lies above all of those before it, so that it starts anew
        lift = ranks * (2 * DAY_SECONDS)
        rest = np.maximum.accumulate(np.clip(rest, 0.0, np.maximum(slack, 0.0)) + lift) - lift
        moved = self.begins[blocks] + before + rest
        placed = np.empty(len(seconds))
        placed[order] = days[order] * DAY_SECONDS + np.where(slack >= 0, moved, seconds[order])
        return placed


def _in_seconds(hours: NDArray[np.intp]) -> _Floats:
    return hours.astype(np.float64) * _HOUR_SECONDS
