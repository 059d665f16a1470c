"""What options cost and bring, by the real simulator."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import QuotaTooSmall
from planner.options.advice import NOTHING, Goal
from planner.options.migration import stage_of
from planner.options.plan import busiest_day, simulate, simulate_all
from planner.options.scaling import scaled
from planner.options.strategies import SHAPES, Option, Strategy
from planner.options.study import Study, study
from planner.options.volumes import REQUESTS, Volumes, usual
from planner.traffic.description import describe, hour_of_week
from planner.traffic.making import make_trace
from planner.traffic.profile import Profile
from planner.traffic.trace import Trace
from tests.plans import CPU, DAY, GPU, premises_of, trace_of

IDLE = Strategy(name="idle 60 s", kind="reactive", idle_seconds=60)
ALWAYS = Strategy(name="always", kind="always", kept=1, grows=False)
EVENINGS = [
    day * DAY + 18 * 3600 + minute * 60 for day in range(21) for minute in (0, 1, 2, 5, 8, 40)
]


def test_one_request_pays_start_work_and_idle_and_waits_for_the_start() -> None:
    result = simulate(Option(shape="single", strategy=IDLE), premises_of(trace_of([3600])))
    start, work, idle = 15, 0.0875 * 120, 60
    assert result.p50 == pytest.approx(start + work, abs=1.1)
    assert result.cold_share == 1
    paid = result.cost_per_month / 30 / GPU.dollars_per_second
    assert paid == pytest.approx(start + work + idle, abs=2)  # rounded up to a second
    assert result.cost_per_audio_hour == pytest.approx(result.cost_per_month / 30 * 30)
    assert sum(result.billed.values()) == pytest.approx(1)


def test_a_worker_that_is_always_there_is_paid_for_a_month_of_thirty_days() -> None:
    result = simulate(Option(shape="single", strategy=ALWAYS), premises_of(trace_of([3600])))
    assert result.cost_per_month == pytest.approx(30 * DAY * GPU.dollars_per_second, rel=0.001)
    assert result.cold_share == 0


@pytest.mark.parametrize("idle", [60, 1800])
def test_a_month_costs_at_most_what_all_workers_cost_in_it(idle: float) -> None:
    moments = premises_of(trace_of([0, 10, 20], days=40 / DAY))
    strategy = replace(IDLE, idle_seconds=idle)
    result = simulate(Option(shape="split", strategy=strategy), moments)
    worker = 30 * DAY * GPU.dollars_per_second
    assert result.cost_by_role["transcription"] <= 2 * worker
    assert result.cost_by_role["diarization"] <= 3 * worker
    assert result.cost_per_month == pytest.approx(sum(result.cost_by_role.values()))


def test_work_beyond_the_time_limit_of_the_manifests_has_no_answer() -> None:
    trace = trace_of([3600, 40_000])
    audio = np.array([3500, 3700]) / 0.0875  # so many seconds of work
    result = simulate(
        Option(shape="single", strategy=IDLE), premises_of(replace(trace, audio_seconds=audio))
    )
    assert result.unfinished_share == 0.5
    assert result.longest == pytest.approx(3515, abs=2)


def test_endpoints_are_paid_at_their_own_price() -> None:
    result = simulate(Option(shape="orch", strategy=ALWAYS), premises_of(trace_of([3600])))
    month = 30 * DAY
    assert result.cost_by_role["orchestrator"] == pytest.approx(
        month * CPU.dollars_per_second, rel=0.001
    )
    assert result.cost_per_month == pytest.approx(sum(result.cost_by_role.values()))


def test_progress_goes_forward_to_the_number_of_all_requests_of_all_options() -> None:
    told: list[tuple[int, int]] = []
    found = [Option(shape=shape, strategy=IDLE) for shape in SHAPES]
    simulate_all(found, premises_of(trace_of(EVENINGS, days=21)), told=lambda *so: told.append(so))
    assert told == sorted(told)
    assert told[-1] == (3 * len(EVENINGS), 3 * len(EVENINGS))


def test_the_busiest_day_is_seen_alone_from_midnight() -> None:
    seconds = [*EVENINGS, *(5 * DAY + 3600 + minute * 60 for minute in range(30))]
    day = busiest_day(Option(shape="split", strategy=IDLE), premises_of(trace_of(seconds, days=21)))
    assert day.trace.start.date().isoformat() == "2026-08-08"
    assert len(day.trace) == 36
    assert set(day.outcomes) == {"transcription", "diarization"}


def test_a_day_is_found_in_a_log_that_begins_at_noon() -> None:
    trace = trace_of([0, 13 * 3600, 13.1 * 3600], days=1)
    noon = type(trace)(
        start=trace.start + timedelta(hours=12),
        **{name: getattr(trace, name) for name in
           ("seconds", "audio_seconds", "users", "names", "span")},
    )  # fmt: skip
    day = busiest_day(Option(shape="single", strategy=IDLE), premises_of(noon))
    assert len(day.trace) == 2
    assert day.trace.start.isoformat() == "2026-08-04T00:00:00+00:00"


@settings(max_examples=30)
@given(
    factor=st.floats(0.05, 12), days=st.integers(1, 40), seed=st.integers(0, 5),
    count=st.integers(100, 400),
)  # fmt: skip
def test_scaled_traffic_is_as_much_as_asked_in_the_same_time(
    factor: float, days: int, seed: int, count: int
) -> None:
    random = np.random.default_rng(seed)
    trace = trace_of(list(random.uniform(0, days * DAY, count)), days=days)
    more = scaled(trace, factor, seed=seed)
    assert more.span == trace.span
    assert len(more) == pytest.approx(factor * count, abs=4 * count**0.5)
    again = scaled(trace, factor, seed=seed)
    assert np.array_equal(more.seconds, again.seconds)


def test_scaled_traffic_keeps_its_hours_of_the_week() -> None:
    trace = trace_of(EVENINGS, days=21)
    more = scaled(trace, 5)
    before, after = (
        np.bincount(hour_of_week(some), minlength=168) / len(some) for some in (trace, more)
    )
    # a copy is moved by up to half an hour beside its weeks
    near = before + np.roll(before, 1) + np.roll(before, -1) > 0
    assert set(np.flatnonzero(after)) <= set(np.flatnonzero(near))
    assert after[before > 0].sum() > 0.6
    assert np.array_equal(scaled(trace, 1).seconds, trace.seconds)


def test_bursts_stay_bursts_in_more_traffic() -> None:
    trace = trace_of(EVENINGS, days=21)
    bursts = describe(scaled(trace, 2)).bursts
    assert bursts.requests >= 2 * describe(trace).bursts.requests


def evenly(count: int, *, days: float) -> Trace:
    return trace_of(list(np.linspace(0, days * DAY - 1, count)), days=days)


def volumes_of(trace: Trace) -> Volumes:
    return Volumes(
        {"cached": [Option(shape="single", strategy=IDLE)]},
        premises_of(trace),
        today={},
        told=lambda _done, _whole: None,
    )


def test_other_volumes_are_simulated_as_long_as_they_are_not_too_many_requests() -> None:
    volumes = volumes_of(evenly(REQUESTS // 10, days=60))
    assert volumes.days(1) == 60
    assert volumes.days(20) == 28  # whole weeks
    assert len(volumes.premises(20).trace) <= 1.1 * REQUESTS
    assert volumes.days(1e6) == 1


def test_a_volume_of_which_no_request_is_drawn_is_not_simulated() -> None:
    assert volumes_of(evenly(1, days=3))(1 / 64, "cached")[0].p95 > 0


def test_more_of_a_profile_waits_as_long_as_a_profile_of_so_much() -> None:
    profile = Profile.read("brief")
    assert profile.bursts is not None
    mixed = profile.model_copy(
        update={"bursts": profile.bursts.model_copy(update={"apart": False})}
    )
    volumes = volumes_of(make_trace(profile, seed=0))
    split = Option(shape="split", strategy=replace(IDLE, idle_seconds=5))
    for factor in (15.3, 30):
        made = premises_of(make_trace(mixed.scaled(factor), seed=1))
        scaled_up = simulate(split, volumes.premises(factor))
        assert scaled_up.p95 == pytest.approx(simulate(split, made).p95, rel=0.1)


def test_days_in_which_nothing_came_do_not_stand_for_the_others() -> None:
    late = trace_of(list(np.linspace(50 * DAY, 52 * DAY, 1000)), days=90)
    volumes = volumes_of(late)
    assert volumes.days(1000) == 35
    assert len(volumes.premises(1000).trace) >= 1000 * 1000 * 35 / 90
    assert volumes(0.001, "cached")[0].p95 > 0


@settings(max_examples=50)
@given(
    whole=st.integers(1, 40), days=st.floats(1, 45), seed=st.integers(0, 9),
    count=st.integers(1, 300),
)  # fmt: skip
def test_usual_days_hold_their_share_of_the_requests_or_the_next_more(
    whole: int, days: float, seed: int, count: int
) -> None:
    random = np.random.default_rng(seed)
    trace = trace_of(list(random.uniform(0, 1, count) ** 4 * whole * DAY), days=whole)
    part = usual(trace, days=days)
    assert len(part) > 0
    assert part.days == pytest.approx(min(days, whole))
    usual_of_even = usual(evenly(whole * 100, days=whole), days=days)
    assert len(usual_of_even) == pytest.approx(100 * usual_of_even.days, abs=2)


def test_what_machines_and_speeds_change_is_told_of_the_whole_traffic() -> None:
    quiet = [day * DAY for day in range(20)]
    busy = list(np.linspace(20 * DAY, 21 * DAY - 1, REQUESTS))
    launch = trace_of([*quiet, *busy], audio=1, days=21)
    told = study(premises_of(launch), goal=Goal(most=60), shapes=["single"], largest=1)
    for end, there in told.ends:
        premises = replace(told.premises, speeds=told.premises.speeds.at(end))
        assert there.best == simulate(there.best.option, premises)


@pytest.fixture(scope="module")
def found() -> Study:
    premises = premises_of(trace_of(EVENINGS, days=21))
    return study(premises, goal=Goal(most=40), shapes=SHAPES, largest=4)


def test_a_study_simulates_every_shape_and_kind_of_strategy(found: Study) -> None:
    assert {result.option.shape for result in found.results} == set(SHAPES)
    kinds = {result.option.strategy.kind for result in found.results}
    assert kinds == {"always", "min", "hours", "reactive", "pings"}
    assert {result.option.starts for result in found.results} == {"cached"}
    assert {stage_of(step.before.option) for step in found.steps} == {"single", "cached", "split"}


def test_its_choice_is_the_cheapest_that_does_what_is_wanted(found: Study) -> None:
    able = [result for result in found.results if result.p95 <= 40]
    assert found.choice.met
    assert found.choice.best.cost_per_month == min(result.cost_per_month for result in able)
    assert found.choice.best in found.efficient


def test_it_says_what_finding_a_machine_may_take(found: Study) -> None:
    assert found.placing is not None
    slower = premises_of(found.premises.trace, placing=found.placing + 1)
    assert simulate(found.choice.best.option, slower).p95 > 40


def test_what_finding_a_machine_takes_anyway_counts_too(found: Study) -> None:
    premises = premises_of(found.premises.trace, placing=2)
    asked = study(premises, goal=found.goal, shapes=SHAPES, largest=1)
    assert asked.choice.best.name == found.choice.best.name
    assert asked.placing == pytest.approx(found.placing, abs=0.5)


def test_it_looks_at_both_ends_of_what_is_said_of_speeds(found: Study) -> None:
    (low, quick), (high, slow) = found.ends
    assert (low, high) == ("low", "high")
    assert quick.best.cost_per_month < slow.best.cost_per_month


def test_flashboot_lowers_and_downloads_raise_what_a_start_costs(found: Study) -> None:
    starts = {variant.option.starts: variant for variant in found.variants}
    best = found.choice.best
    assert starts["flashboot"].p95 <= best.p95 < starts["downloading"].p95
    assert starts["flashboot"].cost_per_month <= best.cost_per_month


def test_too_much_for_the_account_is_an_answer_too() -> None:
    crowd = trace_of([hour * 3600 + at * 20 for hour in range(24) for at in range(100)])
    crowded = study(premises_of(crowd, quota=3), goal=Goal(most=30), shapes=["split"], largest=8)
    assert crowded.peak_load["diarization"] == pytest.approx(100 * 0.0542 * 120 / 3600, rel=0.01)
    assert [turn.after for turn in crowded.limits] == [NOTHING]
    assert crowded.limits[0].factor > 1


def test_a_plan_for_no_possible_shape_is_refused() -> None:
    with pytest.raises(QuotaTooSmall):
        study(premises_of(trace_of([1]), quota=1), goal=Goal(), shapes=["split"], largest=1)


def test_a_log_of_one_request_has_a_plan() -> None:
    alone = study(premises_of(trace_of([60])), goal=Goal(), shapes=SHAPES, largest=2)
    assert alone.choice.best.cost_per_month > 0
