"""Profiles: what a file may state, and that the requests made of it are as stated."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import ProfileInvalid
from planner.traffic.description import HourRange, Traffic, describe, hour_of_week
from planner.traffic.making import make_trace
from planner.traffic.profile import FOLDER, Profile, names, parse_profile
from planner.traffic.shares import apportion

PLAIN = """
start = 2026-08-03
days = 28
requests_per_day = 100
[audio]
mean_seconds = 120
"""


def stated(**values: Any) -> Profile:
    return parse_profile(tomllib.loads(PLAIN) | values, file="p.toml")


def problems(values: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ProfileInvalid) as caught:
        parse_profile(values, file="p.toml")
    assert str(caught.value).startswith("p.toml cannot be used")
    return caught.value.problems


@pytest.fixture(scope="module", params=[0, 1, 2026])
def found(request: pytest.FixtureRequest) -> Traffic:
    return describe(make_trace(Profile.read("brief"), seed=request.param))


class TestTheBriefsActivity:
    """Section C of the brief: ninety days that strategies of staying warm are judged on."""

    def test_has_5817_requests_in_90_days_65_a_day(self, found: Traffic) -> None:
        assert (found.requests, found.days) == (5817, 90.0)
        assert round(found.per_day) == 65

    def test_has_338_bursts_of_15_point_4_the_largest_of_588(self, found: Traffic) -> None:
        bursts = found.bursts
        assert (bursts.count, bursts.requests, bursts.largest) == (338, 5205, 588)
        assert round(bursts.mean, 1) == 15.4

    def test_has_a_median_gap_of_0_point_6_to_0_point_7_minutes(self, found: Traffic) -> None:
        assert found.bursts.median_gap is not None
        assert 0.6 <= found.bursts.median_gap / 60 <= 0.7

    def test_has_its_peak_from_18_to_21(self, found: Traffic) -> None:
        assert found.peak == HourRange(begins=18, ends=21)

    def test_has_nothing_at_all_from_4_to_9(self, found: Traffic) -> None:
        assert found.dead_zones == (HourRange(begins=4, ends=9),)
        assert sum(found.by_hour[4:9]) == 0

    def test_has_1299_requests_on_mondays_which_are_the_busiest_day(self, found: Traffic) -> None:
        assert found.busiest_weekday == 0
        assert found.by_weekday == (1299, 842, 778, 764, 731, 683, 720)

    def test_has_users_with_66_and_18_percent(self, found: Traffic) -> None:
        # to one request: 66 % of 5,817 is none of whole requests
        assert [user.requests for user in found.users[:2]] == [3839, 1047]
        assert [round(user.share, 2) for user in found.users[:2]] == [0.66, 0.18]
        assert (found.user_count, found.unknown) == (26, 0)

    def test_has_audio_of_two_minutes_within_a_tenth(self, found: Traffic) -> None:
        assert found.mean_audio == pytest.approx(120, rel=0.1)


class TestMadeRequests:
    def test_are_the_same_for_the_same_seed_and_others_for_another(self) -> None:
        profile = Profile.read("brief")
        one, same, other = (make_trace(profile, seed=seed) for seed in (5, 5, 6))
        for name in ("seconds", "audio_seconds", "users"):
            assert np.array_equal(getattr(one, name), getattr(same, name))
            assert not np.array_equal(getattr(one, name), getattr(other, name))

    def test_come_independently_where_no_bursts_are_stated(self) -> None:
        # of independent arrivals the counts of equal times have their mean as variance
        trace = make_trace(stated(days=100, requests_per_day=1000), seed=1)
        counts = np.histogram(trace.seconds, bins=10_000, range=(0, trace.span))[0]
        assert counts.var() / counts.mean() == pytest.approx(1, abs=0.1)

    def test_come_in_hours_and_on_weekdays_as_weighted(self) -> None:
        hours = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] * 2
        weekdays = [7, 6, 5, 4, 3, 2, 0]
        profile = stated(requests_per_day=5000, hours=hours, weekdays=weekdays)
        found = describe(make_trace(profile, seed=3))
        shares = np.array(found.by_hour) / found.requests
        assert shares == pytest.approx(np.array(hours) / sum(hours), abs=0.003)
        total = 5000 * 28
        assert list(found.by_weekday) == apportion(total, np.array(weekdays)).tolist()

    def test_have_audio_that_is_lognormal_within_its_bounds(self) -> None:
        audio = {"mean_seconds": 90, "spread": 0.5, "shortest_seconds": 20, "longest_seconds": 400}
        trace = make_trace(stated(requests_per_day=2000, audio=audio), seed=3)
        lengths = trace.audio_seconds
        assert (lengths.min(), lengths.max()) == (20.0, 400.0)
        assert lengths.mean() == pytest.approx(90, rel=0.02)
        assert np.log(lengths).std() == pytest.approx(0.5, rel=0.03)
        assert np.median(lengths) == pytest.approx(90 * np.exp(-0.125), rel=0.02)

    def test_have_audio_of_one_length_where_nothing_spreads(self) -> None:
        trace = make_trace(stated(audio={"mean_seconds": 90, "spread": 0}), seed=3)
        assert trace.audio_seconds == pytest.approx(90)

    def test_are_nobodys_where_no_users_are_stated(self) -> None:
        trace = make_trace(stated(), seed=3)
        assert (trace.names, set(trace.users.tolist())) == ((), {-1})

    def test_of_a_burst_are_of_one_user(self) -> None:
        profile = Profile.read("brief")
        trace = make_trace(profile, seed=0)
        runs = np.split(trace.users, np.flatnonzero(np.diff(trace.seconds) > 300) + 1)
        mixed = [run for run in runs if len(set(run.tolist())) > 1]
        # one at each border between the shares of 26 users, at most
        assert len(mixed) <= 25

    def test_of_a_user_come_on_all_weekdays(self) -> None:
        trace = make_trace(Profile.read("brief"), seed=0)
        weekdays = hour_of_week(trace) // 24
        for user in (0, 1):
            assert set(weekdays[trace.users == user].tolist()) == set(range(7))

    def test_hold_no_burst_larger_than_the_largest(self) -> None:
        bursts = {
            "per_day": 2,
            "mean": 20,
            "largest": 40,
            "median_gap_minutes": 0.1,
            "spread": 2,
            "apart": True,
        }
        found = describe(make_trace(stated(bursts=bursts), seed=0))
        assert (found.bursts.count, found.bursts.requests) == (56, 1120)
        assert found.bursts.largest == 40

    @pytest.mark.parametrize("apart", [True, False])
    def test_of_long_bursts_come_where_there_are_enough_hours_for_them(
        self, *, apart: bool
    ) -> None:
        bursts = {
            "per_day": 0.5,
            "mean": 120,
            "largest": 250,
            "median_gap_minutes": 0.65,
            "spread": 0.3,
            "apart": apart,
        }
        hours = [3] * 2 + [0] * 7 + [1] * 15
        for seed in range(5):
            found = describe(make_trace(stated(hours=hours, bursts=bursts), seed=seed))
            assert found.bursts.largest >= 250
            assert sum(found.by_hour[2:9]) == 0
            assert min(found.by_hour[:2]) > 0

    def test_are_more_bursts_of_the_same_sizes_where_the_profile_is_scaled(self) -> None:
        twice = describe(make_trace(Profile.read("brief").scaled(2), seed=0))
        assert twice.requests == 11634
        assert twice.bursts.largest == 588
        assert twice.bursts.count == 676
        with pytest.raises(ProfileInvalid, match="requests_per_day"):
            Profile.read("brief").scaled(1e9)

    def test_are_fewer_bursts_where_it_is_scaled_down_and_the_largest_still_fits(self) -> None:
        tenth = make_trace(Profile.read("brief").scaled(0.1), seed=0)
        found = describe(tenth)
        assert found.requests == 582
        assert found.bursts.count == 34

    def test_are_no_burst_where_no_weekday_has_the_requests_for_one(self) -> None:
        bursts = {"per_day": 1 / 90, "mean": 3, "largest": 3, "median_gap_minutes": 1}
        found = describe(
            make_trace(stated(days=90, requests_per_day=1 / 30, bursts=bursts), seed=0)
        )
        assert (found.requests, found.bursts.count) == (3, 0)

    @pytest.mark.parametrize("seed", range(3))
    def test_meet_by_chance_where_bursts_are_not_kept_apart(self, seed: int) -> None:
        brief = Profile.read("brief")
        assert brief.bursts is not None
        bursts = brief.bursts.model_copy(update={"apart": False})
        found = describe(make_trace(brief.model_copy(update={"bursts": bursts}), seed=seed))
        assert found.requests == 5817
        assert (found.bursts.count, found.bursts.requests) != (338, 5205)
        assert found.by_weekday[0] == 1299

    def test_are_made_where_no_day_has_the_room_to_keep_them_apart(self) -> None:
        bursts = {"per_day": 200, "mean": 10, "median_gap_minutes": 2, "apart": True}
        trace = make_trace(stated(requests_per_day=2000, bursts=bursts), seed=0)
        assert len(trace) == 56_000

    def test_of_a_year_of_ten_million_are_as_many(self) -> None:
        profile = Profile.read("busy")
        assert profile.requests == 10_000_000
        day = profile.model_copy(update={"days": 7})
        assert len(make_trace(day, seed=0)) == round(27397.26 * 7)


weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0]), min_size=24, max_size=24).filter(any)
profiles = st.builds(
    stated,
    days=st.integers(1, 40),
    requests_per_day=st.floats(1, 300),
    hours=weights,
    weekdays=st.just([1.0] * 7) | st.just([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5]),
    bursts=st.none()
    | st.fixed_dictionaries(
        {
            "per_day": st.floats(0.01, 0.05),
            "mean": st.floats(3, 20),
            "largest": st.none() | st.integers(20, 90),
            "median_gap_minutes": st.floats(0.01, 2.4),
            "spread": st.floats(0, 3),
            "apart": st.booleans(),
        }
    ),
    users=st.none() | st.just({"shares": [0.5, 0.3], "others": 3}),
)


class TestAnyProfile:
    @given(profile=profiles, seed=st.integers(0, 2**31))
    @settings(max_examples=150, deadline=None)
    def test_makes_as_many_requests_as_stated_within_its_days(
        self, profile: Profile, seed: int
    ) -> None:
        trace = make_trace(profile, seed=seed)
        assert len(trace) == profile.requests
        assert trace.span == profile.days * 86400
        assert trace.seconds.max() <= trace.span
        if profile.users:
            shares = np.bincount(trace.users, minlength=5)
            assert (
                shares.tolist()
                == apportion(len(trace), np.array([0.5, 0.3, *([0.2 / 3] * 3)])).tolist()
            )

    @given(profile=profiles, seed=st.integers(0, 2**31))
    @settings(max_examples=100, deadline=None)
    def test_leaves_hours_without_a_weight_empty_where_nothing_bursts(
        self, profile: Profile, seed: int
    ) -> None:
        alone = profile.model_copy(update={"bursts": None})
        by_hour = describe(make_trace(alone, seed=seed)).by_hour
        for weight, count in zip(profile.hours, by_hour, strict=True):
            assert weight > 0 or count == 0


class TestAFile:
    def test_of_this_repository_is_read_by_its_name(self) -> None:
        assert names() == ["brief", "busy"]
        assert Profile.read("brief") == Profile.read(FOLDER / "brief.toml")

    @pytest.mark.parametrize("name", names())
    def test_of_this_repository_explains_every_value(self, name: str) -> None:
        lines = (FOLDER / f"{name}.toml").read_text().splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if " = " in line:
                assert "#" in line or before.startswith("#"), line

    def test_that_is_not_there_is_told_with_the_names_that_are(self, tmp_path: Path) -> None:
        with pytest.raises(ProfileInvalid, match="one of brief, busy"):
            Profile.read("brif")
        with pytest.raises(ProfileInvalid, match="cannot be read"):
            Profile.read(tmp_path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"days = ", "is no TOML"),
            (b"\xff", "is no TOML"),
            (b"#" * 1_100_000, "larger than 1 MB"),
            (b"a = " + b"[" * 50_000, "is no TOML"),
        ],
    )
    def test_that_is_no_profile_is_told(self, tmp_path: Path, content: bytes, reason: str) -> None:
        path = tmp_path / "p.toml"
        path.write_bytes(content)
        with pytest.raises(ProfileInvalid, match=reason):
            Profile.read(path)

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"days": 0}, "days: should be greater than or equal to 1 and is 0"),
            ({"days": 2.5}, "days: should be a valid integer and is 2.5"),
            ({"days": "90"}, "days: should be a valid integer and is '90'"),
            ({"day": 90}, "day: is no key; did you mean days?"),
            ({"start": "2026-08-03"}, "start: should be a valid date and is '2026-08-03'"),
            ({"requests_per_day": float("nan")}, "requests_per_day: "),
            ({"requests_per_day": -1}, "requests_per_day: should be greater than 0"),
            ({"requests_per_day": 1e9}, "requests_per_day makes 28,000,000,000 requests"),
            ({"requests_per_day": 0.001}, "requests_per_day makes 0 requests"),
            ({"hours": [1.0] * 23}, "hours: "),
            ({"hours": [0.0] * 24}, "hours must hold a weight above 0"),
            ({"hours": [-1.0] + [1.0] * 23}, "hours[0]: should be greater than or equal to 0"),
            ({"weekdays": [1.0] * 6 + [float("inf")]}, "weekdays[6]: should be less than"),
            ({"weekdays": [1.0] * 6 + [float("nan")]}, "weekdays[6]: "),
            ({"weekdays": [0] * 7}, "weekdays must hold a weight above 0"),
            ({"audio": {}}, "audio.mean_seconds: is missing"),
            ({"audio": {"mean_seconds": 9, "spred": 1}}, "audio.spred: is no key; did you mean s"),
            ({"audio": {"mean_seconds": 9, "shortest_seconds": 10}}, "audio: mean_seconds must"),
            ({"users": {"shares": [0.7, 0.4]}}, "users: shares add up to 1.1"),
            ({"users": {"shares": [0.7]}}, "users: others must be 1 or more"),
            ({"bursts": {"per_day": 1, "mean": 2, "median_gap_minutes": 1}}, "bursts.mean: "),
            (
                {"bursts": {"per_day": 1, "mean": 9, "median_gap_minutes": 2.5}},
                "bursts: median_gap_minutes must be below half",
            ),
            (
                {"bursts": {"per_day": 1, "mean": 9, "largest": 5, "median_gap_minutes": 1}},
                "bursts: largest must be at least mean",
            ),
            (
                {"bursts": {"per_day": 20, "mean": 9, "median_gap_minutes": 1}},
                "bursts.per_day times bursts.mean must not be above requests_per_day",
            ),
            ({"start": date.min}, "start: should be greater than or equal to 2000-01-01"),
            ({"start": date(9999, 12, 1)}, "start: should be less than 2100-01-01"),
        ],
    )
    def test_that_states_what_cannot_be_is_told_by_key(
        self, change: dict[str, Any], problem: str
    ) -> None:
        (found,) = problems(tomllib.loads(PLAIN) | change)
        assert found.startswith(problem)

    def test_has_all_its_problems_told_at_once(self) -> None:
        found = problems({"days": 0, "what": 1})
        assert [text.split(":")[0] for text in found] == [
            "start",
            "days",
            "requests_per_day",
            "audio",
            "what",
        ]


class TestShares:
    @given(
        total=st.integers(0, 10**6),
        heavy=st.lists(st.floats(0, 1e300), min_size=1, max_size=30),
    )
    def test_add_up_and_differ_from_their_quotas_by_less_than_one(
        self, total: int, heavy: list[float]
    ) -> None:
        parts = apportion(total, np.array(heavy))
        assert parts.sum() == total
        assert parts.min() >= 0
        relative = np.array(heavy) / max(heavy) if max(heavy) > 0 else np.ones(len(heavy))
        quotas = relative / relative.sum() * total
        assert np.abs(parts - quotas).max() < 1 + 1e-6

    @given(
        total=st.integers(0, 1000),
        bounded=st.lists(
            st.tuples(st.floats(0, 100), st.integers(0, 100)), min_size=1, max_size=20
        ),
    )
    def test_stay_within_their_bounds_and_leave_nothing_that_fits(
        self, total: int, bounded: list[tuple[float, int]]
    ) -> None:
        heavy, most = (np.array(values) for values in zip(*bounded, strict=True))
        parts = apportion(total, heavy, most=most)
        assert (parts <= most).all()
        assert parts.sum() == min(total, most.sum())

    def test_of_nobody_are_none(self) -> None:
        assert apportion(5, np.zeros(0)).tolist() == []
