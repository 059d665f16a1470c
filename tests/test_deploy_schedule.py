"""Active hours: from a manifest's text to whether workers are kept running now."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.schedule import DAYS, Day, Schedule

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(day: int, clock: str) -> datetime:
    """A moment of the week that begins on Monday, in UTC."""
    hour, minute = map(int, clock.split(":"))
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("hours", "days", "moment", "active"),
    [
        ("17:00-23:00", DAYS, at(0, "16:59"), False),
        ("17:00-23:00", DAYS, at(0, "17:00"), True),
        ("17:00-23:00", DAYS, at(0, "22:59"), True),
        ("17:00-23:00", DAYS, at(0, "23:00"), False),
        ("17:00-23:00", ["tue"], at(0, "18:00"), False),
        ("17:00-23:00", ["tue"], at(1, "18:00"), True),
        ("10:00-02:00", ["mon"], at(0, "09:00"), False),
        ("10:00-02:00", ["mon"], at(0, "23:30"), True),
        ("10:00-02:00", ["mon"], at(1, "01:59"), True),
        ("10:00-02:00", ["mon"], at(1, "02:00"), False),
        ("10:00-02:00", ["sun"], at(7, "01:00"), True),
        ("00:00-00:00", ["mon"], at(0, "13:00"), True),
        ("00:00-00:00", ["mon"], at(1, "00:00"), False),
    ],
)
def test_hours_count_on_the_days_on_which_they_begin(
    hours: str, days: Iterable[Day], moment: datetime, *, active: bool
) -> None:
    assert Schedule.read(hours, days=days, zone="UTC").is_active(moment) is active


def test_the_clocks_of_the_zone_count_with_their_summer_time() -> None:
    schedule = Schedule.read("09:00-10:00", days=DAYS, zone="Europe/Berlin")
    assert schedule.is_active(datetime(2026, 1, 5, 8, 30, tzinfo=UTC))
    assert schedule.is_active(datetime(2026, 7, 6, 7, 30, tzinfo=UTC))
    assert not schedule.is_active(datetime(2026, 7, 6, 8, 30, tzinfo=UTC))


clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


@given(clocks, clocks, st.integers(0, 7 * 24 * 60 - 1))
def test_hours_and_their_complement_fill_every_day(begin: str, end: str, minute: int) -> None:
    moment = MONDAY + timedelta(minutes=minute)
    first = Schedule.read(f"{begin}-{end}", days=DAYS, zone="UTC")
    second = Schedule.read(f"{end}-{begin}", days=DAYS, zone="UTC")
    assert (begin == end) or first.is_active(moment) != second.is_active(moment)
    assert (begin != end) or first.is_active(moment)
