"""Hours of the week in which workers are kept running."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

import numpy as np
import numpy.typing as npt

from planner.errors import RulesInvalid

EVERY_DAY: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursSchedule:
    """From one time of the day to another, on some days; over midnight where it ends earlier.

    Args:
        begins: by the clocks of `zone`, on one of `days`.
        ends: by the clocks of `zone`; the same time as `begins` means a whole day.
        days: on which it begins, 0 is Monday.
        zone: whose clocks count, summer time included.
        workers: how many are kept running meanwhile.

    Raises:
        RulesInvalid: there is no day, or one that is none of a week.

    """

    begins: time
    ends: time
    days: frozenset[int] = EVERY_DAY
    zone: tzinfo = UTC
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.days or not self.days <= EVERY_DAY:
            advice = "Give one or more of 0 (Monday) to 6 (Sunday)."
            raise RulesInvalid(rule="schedule.days", value=sorted(self.days), advice=advice)

    def spells(self, start: datetime, span: float) -> npt.NDArray[np.float64]:
        """Give when it begins and ends within a time.

        Args:
            start: second 0; it knows its zone.
            span: in seconds.

        Returns:
            float64 (n, 2), seconds since `start`: in order, apart from each other, not empty.

        """
        first = start.astimezone(self.zone).date() - timedelta(days=1)
        spells: list[tuple[float, float]] = []
        for number in range(int(span // 86400) + 4):
            day = first + timedelta(days=number)
            if day.weekday() not in self.days:
                continue
            last = day if self.begins < self.ends else day + timedelta(days=1)
            begins = datetime.combine(day, self.begins, self.zone).astimezone(UTC)
            ends = datetime.combine(last, self.ends, self.zone).astimezone(UTC)
            begin = max(0.0, (begins - start).total_seconds())
            end = min(span, (ends - start).total_seconds())
            if end <= begin:
                continue
            if spells and begin <= spells[-1][1]:
                spells[-1] = (spells[-1][0], max(end, spells[-1][1]))
            else:
                spells.append((begin, end))
        return np.array(spells, np.float64).reshape(-1, 2)
