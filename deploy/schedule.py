"""Hours of the week in which workers are kept running."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = get_args(Day)

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """From one time of the day to another, on some days; over midnight where it ends earlier.

    Attributes:
        begins: in `zone`, on one of `days`.
        ends: in `zone`; the same time as `begins` means a whole day.
        days: on which it begins.
        zone: whose clocks count, summer time included.

    """

    begins: time
    ends: time
    days: frozenset[Day]
    zone: ZoneInfo

    @classmethod
    def read(cls, hours: str, *, days: Iterable[Day], zone: str) -> Self:
        """Read `17:00-23:00`.

        Raises:
            ValueError: the hours or the zone cannot be; the message says what is allowed.

        """
        match = _HOURS.fullmatch(hours)
        if match is None:
            message = f"{hours!r} are no hours; write for instance 17:00-23:00"
            raise ValueError(message)
        try:
            known = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"{zone!r} is no time zone; write for instance UTC or Europe/Berlin"
            raise ValueError(message) from None
        begin_hour, begin_minute, end_hour, end_minute = map(int, match.groups())
        return cls(
            begins=time(begin_hour, begin_minute),
            ends=time(end_hour, end_minute),
            days=frozenset(days),
            zone=known,
        )

    def is_active(self, moment: datetime) -> bool:
        """Whether workers are kept running at this moment, which knows its zone."""
        local = moment.astimezone(self.zone)
        clock = local.timetz().replace(tzinfo=None)
        today = DAYS[local.weekday()] in self.days
        yesterday = DAYS[(local - timedelta(days=1)).weekday()] in self.days
        if self.begins < self.ends:
            return today and self.begins <= clock < self.ends
        return (today and clock >= self.begins) or (yesterday and clock < self.ends)
