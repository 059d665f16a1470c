"""What is said of traffic: hours, bursts, peaks, dead zones, users; and what a trace may be."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.traffic.description import (
    HourRange,
    describe,
    find_bursts,
    hour_of_week,
    observed_hours,
)
from planner.traffic.trace import UNKNOWN, Trace, window

MONDAY = datetime(2026, 8, 3, tzinfo=UTC)
DAY = 86400.0
HOUR = 3600.0
WEEK = 7 * DAY


def traced(
    *seconds: float,
    start: datetime = MONDAY,
    span: float | None = None,
    users: Sequence[int] | None = None,
    names: Sequence[str] = (),
) -> Trace:
    return Trace(
        start=start,
        seconds=np.array(seconds, dtype=np.float64),
        audio_seconds=np.full(len(seconds), 60.0),
        users=np.array([UNKNOWN] * len(seconds) if users is None else users, dtype=np.int32),
        names=tuple(names),
        span=max(seconds, default=0.0) + 1.0 if span is None else span,
    )


class TestATrace:
    def test_cannot_be_written_to(self) -> None:
        trace = traced(1.0, 2.0)
        with pytest.raises(ValueError, match="read-only"):
            trace.seconds[0] = 5.0

    @pytest.mark.parametrize(
        ("make", "problem"),
        [
            (lambda: traced(2.0, 1.0), "do not ascend"),
            (lambda: traced(-1.0), "do not ascend"),
            (lambda: traced(float("nan"), span=9.0), "do not ascend"),
            (lambda: traced(5.0, span=4.0), "beyond its span"),
            (lambda: traced(span=float("inf")), "no length of time"),
            (lambda: traced(span=-1.0), "no length of time"),
            (lambda: traced(1.0, users=[0]), "has no name"),
            (lambda: traced(1.0, users=[-2]), "has no name"),
            (lambda: traced(1.0, users=[0, 0], names=["a"]), "differ in length"),
            (lambda: traced(start=MONDAY.replace(tzinfo=None)), "not told in UTC"),
            (lambda: traced(start=MONDAY.astimezone(timezone(timedelta(hours=2)))), "in UTC"),
        ],
    )
    def test_that_cannot_be_is_refused(self, make: Callable[[], Any], problem: str) -> None:
        with pytest.raises(ValueError, match=problem):
            make()

    @pytest.mark.parametrize("audio", [0.0, -1.0, float("nan"), float("inf")])
    def test_without_audio_is_refused(self, audio: float) -> None:
        with pytest.raises(ValueError, match="has no audio"):
            Trace(
                start=MONDAY,
                seconds=np.zeros(1),
                audio_seconds=np.array([audio]),
                users=np.array([UNKNOWN], dtype=np.int32),
                names=(),
                span=1.0,
            )

    def test_has_windows_that_hold_what_came_from_their_begin_to_before_their_end(self) -> None:
        trace = traced(0.0, 10.0, 20.0, 30.0, span=40.0)
        part = window(trace, since=MONDAY + timedelta(seconds=10), until=trace.end)
        assert (part.seconds.tolist(), part.span) == ([0.0, 10.0, 20.0], 30.0)
        part = window(trace, since=None, until=MONDAY + timedelta(seconds=20))
        assert (part.seconds.tolist(), part.span) == ([0.0, 10.0], 20.0)
        with pytest.raises(ValueError, match="is not after"):
            window(trace, since=MONDAY, until=MONDAY)


class TestTheHoursOfTheWeek:
    def test_begin_on_monday_at_midnight(self) -> None:
        trace = traced(0.0, HOUR - 1, HOUR, DAY, WEEK - 1, WEEK)
        assert hour_of_week(trace).tolist() == [0, 0, 1, 24, 167, 0]

    def test_are_those_of_the_clock_wherever_the_trace_begins(self) -> None:
        begins = datetime(2026, 8, 8, 23, 30, tzinfo=UTC)
        trace = traced(0.0, 1799.0, 1800.0, start=begins)
        counts = describe(trace).counts
        assert (counts[5, 23], counts[6, 0], counts.sum()) == (2, 1, 3)

    @given(
        begins=st.integers(0, 10**6),
        seconds=st.lists(st.floats(0, 3 * WEEK), max_size=40).map(sorted),
    )
    def test_count_as_the_calendar_does(self, begins: int, seconds: list[float]) -> None:
        start = MONDAY + timedelta(seconds=begins)
        found = describe(traced(*seconds, start=start))
        moments = [start + timedelta(seconds=second) for second in seconds]
        expected = Counter((moment.weekday(), moment.hour) for moment in moments)
        # a calendar has microseconds: what is nearer to an hour's end may be in either
        if all(abs((begins + second + 1) % HOUR - 1) > 1e-4 for second in seconds):
            assert {
                cell: int(found.counts[cell]) for cell in np.ndindex(7, 24) if found.counts[cell]
            } == expected
        assert found.counts.sum() == found.requests == len(seconds)

    @given(begins=st.integers(0, 10**6), hours=st.floats(0, 1000))
    def test_that_were_observed_are_all_of_the_span(self, begins: int, hours: float) -> None:
        start = MONDAY + timedelta(seconds=begins)
        observed = observed_hours(traced(start=start, span=hours * HOUR))
        assert observed.sum() == pytest.approx(hours, abs=1e-6)
        assert observed.min() >= int(hours / 168) - 1e-6
        assert observed.max() <= int(hours / 168) + 1 + 1e-6

    def test_that_were_observed_make_rates(self) -> None:
        found = describe(traced(0.0, 1.0, WEEK, span=WEEK + HOUR / 2))
        assert found.observed[0, 0] == pytest.approx(1.5)
        assert found.rates[0, 0] == pytest.approx(2.0)
        short = describe(traced(0.0, span=HOUR))
        assert short.rates[0, 0] == pytest.approx(1.0)
        assert np.isnan(short.rates[0, 1])


def bursts_by_walking(seconds: Sequence[float]) -> list[list[float]]:
    runs: list[list[float]] = []
    for second in seconds:
        if runs and second - runs[-1][-1] <= 300:
            runs[-1].append(second)
        else:
            runs.append([second])
    return [run for run in runs if len(run) >= 3]


class TestBursts:
    def test_are_runs_of_three_or_more_five_minutes_apart_at_most(self) -> None:
        pair, three = [0.0, 300.0], [601.0, 901.0, 1201.0]
        lone, four = [1502.0], [2000.0, 2010.0, 2030.0, 2060.0]
        found = find_bursts(np.array([*pair, *three, *lone, *four]))
        assert (found.count, found.requests, found.largest) == (2, 7, 4)
        assert found.mean == 3.5
        assert found.median_gap == 30.0

    def test_last_as_long_as_their_requests_go_on(self) -> None:
        found = find_bursts(np.arange(588, dtype=np.float64) * np.float64(39))
        assert (found.count, found.largest, found.median_gap) == (1, 588, 39.0)

    def test_are_none_where_nothing_comes_together(self) -> None:
        for seconds in ([], [0.0], [0.0, 1.0], [0.0, 1.0, 400.0, 401.0]):
            found = find_bursts(np.array(seconds, dtype=np.float64))
            assert (found.count, found.requests, found.largest, found.mean) == (0, 0, 0, 0.0)
            assert found.median_gap is None

    @given(st.lists(st.integers(0, 20_000), max_size=80).map(sorted))
    def test_are_those_that_walking_finds(self, seconds: list[int]) -> None:
        found = find_bursts(np.array(seconds, dtype=np.float64))
        walked = bursts_by_walking(seconds)
        gaps = [gap for run in walked for gap in np.diff(run)]
        assert found.count == len(walked)
        assert found.requests == sum(map(len, walked))
        assert found.largest == max(map(len, walked), default=0)
        assert found.median_gap == (float(np.median(gaps)) if gaps else None)


def hourly(counts: Sequence[int], *, days: int = 7) -> Trace:
    """So many requests in each hour of each day."""
    seconds = [
        day * DAY + hour * HOUR + number * HOUR / count
        for day in range(days)
        for hour, count in enumerate(counts)
        for number in range(count)
    ]
    return traced(*seconds, span=days * DAY)


class TestPeaksAndDeadZones:
    def test_are_the_busiest_three_hours_and_those_with_nearly_nothing(self) -> None:
        counts = [10] * 4 + [0] * 5 + [10] * 9 + [30, 20, 30] + [10] * 3
        found = describe(hourly(counts))
        assert found.peak == HourRange(begins=18, ends=21)
        assert str(found.peak) == "18:00-21:00"
        assert found.dead_zones == (HourRange(begins=4, ends=9),)

    def test_may_lie_over_midnight(self) -> None:
        late = [20, 10] + [1] * 20 + [5, 20]
        assert describe(hourly(late)).peak == HourRange(begins=23, ends=2)
        dead = [0, 0] + [10] * 20 + [0, 0]
        assert describe(hourly(dead)).dead_zones == (HourRange(begins=22, ends=2),)

    def test_are_hours_with_less_than_a_tenth_of_the_average(self) -> None:
        busy = [10] * 20
        assert describe(hourly([*busy, 1, 1, 1, 1])).dead_zones == ()
        assert describe(hourly([*busy, 0, 0, 1, 0])).dead_zones == (HourRange(begins=20, ends=22),)

    def test_are_not_told_of_less_than_a_day(self) -> None:
        assert describe(traced(0.0, 60.0, span=DAY / 2)).dead_zones == ()

    def test_are_none_of_no_request(self) -> None:
        found = describe(traced(span=WEEK))
        assert (found.peak, found.dead_zones, found.per_day) == (None, (), 0.0)
        assert (found.mean_audio, found.median_audio, found.users) == (0.0, 0.0, ())


class TestUsers:
    def test_are_told_by_what_they_ask_for_and_the_unknown_apart(self) -> None:
        users = [0, 1, 1, UNKNOWN, 1]
        found = describe(traced(*range(5), users=users, names=["anna", "ben", "silent"]))
        assert [(user.name, user.requests, user.share) for user in found.users] == [
            ("ben", 3, 0.6),
            ("anna", 1, 0.2),
        ]
        assert (found.user_count, found.unknown) == (2, 1)

    def test_are_told_up_to_ten(self) -> None:
        names = [f"user {number}" for number in range(30)]
        found = describe(traced(*range(30), users=range(30), names=names))
        assert len(found.users) == 10
        assert found.user_count == 30


def test_what_is_told_is_ready_for_json() -> None:
    found = describe(traced(0.0, 1.0, 2.0, users=[0, 0, UNKNOWN], names=["anna"], span=2 * DAY))
    body = json.loads(json.dumps(found.body()))
    assert (body["requests"], body["requests_per_day"]) == (3, 1.5)
    assert body["by_weekday"]["mon"] == 3
    assert body["bursts"] == {
        "count": 1,
        "requests": 3,
        "mean": 3.0,
        "largest": 3,
        "median_gap_seconds": 1.0,
    }
    assert body["peak"] == "00:00-03:00"
