"""The simulator against the rules in plain Python, against itself, and at its edges."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import NoWorkers, QuotaExceeded, RequestsInvalid, RulesInvalid
from planner.simulator.fleet import COLD, UNFINISHED, FleetRules, Jobs, Outcome, minima
from planner.simulator.hours import HoursSchedule
from planner.simulator.latencies import Latencies
from planner.simulator.shapes import ROLES, Fleet, Role, Shape, ShapeName, Speed, simulate_shape
from planner.simulator.simulation import FleetSimulation, simulate
from planner.simulator.together import TeamSimulation, Whole
from planner.traffic.trace import Trace
from tests.plain_fleet import PlainFleet, PlainTeam, Request, run

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
SPAN = 1000.0

NOTHING = Jobs(np.zeros(0), np.zeros(0))
ORCH = Fleet(
    rules=FleetRules(start_seconds=10, workers_max=1, concurrency=100),
    speed=Speed(fixed_seconds=0.5),
)
TRANSCRIPTION: Role = "transcription"
DIARIZATION: Role = "diarization"
ORCHESTRATOR: Role = "orchestrator"
PLAIN: dict[str, Any] = {
    "concurrency": 1,
    "pause_seconds": 0.0,
    "revival_seconds": None,
    "ping_every": None,
    "timeout_seconds": math.inf,
    "ttl_seconds": math.inf,
    "schedule": None,
}
"""Requests of one kind, one at a time, of which none is dropped."""
ALONE: dict[str, Any] = {"workers_min": 0, "workers_max": 1}

# Quarters of a second are exact in binary: sums do not depend on their order.


def quarters(least: int, most: int) -> st.SearchStrategy[float]:
    return st.integers(least, most).map(lambda number: number / 4)


@st.composite
def any_rules(draw: st.DrawFn, /, **fixed: Any) -> FleetRules:
    most = draw(st.integers(1, 4))
    options: dict[str, Any] = {
        "workers_max": most,
        "workers_min": draw(st.integers(0, most)),
        "start_seconds": draw(quarters(0, 40)),
        "placing_seconds": draw(quarters(0, 20)),
        "idle_seconds": draw(quarters(0, 60)),
        "scaler": draw(st.sampled_from(["QUEUE_DELAY", "REQUEST_COUNT"])),
        "scaler_value": draw(quarters(1, 24)),
        "concurrency": draw(st.integers(1, 3)),
        "revival_seconds": draw(st.none() | quarters(0, 8)),
        "revival_window": draw(quarters(0, 100)),
        "ping_every": draw(st.none() | quarters(40, 400)),
        "ping_seconds": draw(quarters(0, 8)),
        "timeout_seconds": draw(st.just(math.inf) | quarters(4, 40)),
        "ttl_seconds": draw(st.just(math.inf) | quarters(4, 80)),
        "pause_seconds": draw(st.sampled_from([0.0, 1.0])),
        "stop_seconds": draw(quarters(0, 8)),
        "tick_seconds": draw(st.sampled_from([0.0, 0.25])),
        "schedule": draw(st.none() | any_hours(most=most)),
    }
    return FleetRules(**{**options, **fixed})


def any_hours(*, most: int) -> st.SearchStrategy[HoursSchedule]:
    minutes = st.integers(0, 16).map(lambda minute: time(0, minute))
    return st.builds(HoursSchedule, begins=minutes, ends=minutes, workers=st.integers(0, most))


@st.composite
def any_jobs(draw: st.DrawFn, *, most: int = 40) -> Jobs:
    pairs = st.tuples(quarters(0, 60), quarters(0, 60))
    drawn = draw(st.lists(pairs, max_size=most))
    gaps, work = zip(*drawn, strict=True) if drawn else ((), ())
    seconds = np.cumsum(np.array(gaps, np.float64))
    return Jobs(seconds, np.array(work, np.float64))


def requests(jobs: Jobs) -> list[Request]:
    pairs = zip(jobs.seconds.tolist(), jobs.work_seconds.tolist(), strict=True)
    return [Request(tag, seconds, work) for tag, (seconds, work) in enumerate(pairs)]


def changes(rules: FleetRules) -> list[tuple[float, int]]:
    times, workers = minima(rules, start=START, span=SPAN)
    return list(zip(times.tolist(), workers, strict=True))


def there_from_the_start(rules: FleetRules) -> int:
    return [workers for second, workers in changes(rules) if second == 0][-1]


def played(jobs: Jobs, rules: FleetRules) -> tuple[list[float], list[int], Outcome]:
    """The end and the flags of each request, and what came of it."""
    fleet = FleetSimulation(rules, start=START, span=SPAN)
    known = fleet.feed(jobs)
    left, outcome = fleet.close()
    ends = [*known.seconds.tolist(), *left.seconds.tolist()]
    return ends, [*known.flags.tolist(), *left.flags.tolist()], outcome


def outcome_of(jobs: Jobs, rules: FleetRules, *, span: float = SPAN) -> Outcome:
    return simulate([jobs], rules, start=START, span=span)


def kept(workers: int, **options: Any) -> FleetRules:
    """All workers are there from the start."""
    return FleetRules(start_seconds=0, workers_min=workers, workers_max=workers, **options)


def one_job(*, at: float, work: float) -> Jobs:
    return Jobs(np.array([at]), np.array([work]))


def poisson(*, seed: int, rate: float, work: float, count: int) -> Jobs:
    rng = np.random.default_rng(seed)
    return Jobs(np.cumsum(rng.exponential(1 / rate, count)), rng.exponential(work, count))


def fleet(per_audio_second: float, **options: Any) -> Fleet:
    rules = FleetRules(**{"start_seconds": 10.0, "workers_max": 2, **options})
    return Fleet(rules=rules, speed=Speed(fixed_seconds=1, per_audio_second=per_audio_second))


def some_trace(
    *,
    seconds: Sequence[float] | None = None,
    audio: Sequence[float] | None = None,
    count: int = 400,
    span: float = 40_000.0,
) -> Trace:
    rng = np.random.default_rng(3)
    arrivals = np.sort(rng.uniform(0, span, count)) if seconds is None else np.array(seconds)
    return Trace(
        start=START,
        seconds=arrivals,
        audio_seconds=rng.exponential(60, count) + 1 if audio is None else np.array(audio),
        users=np.full(len(arrivals), -1, np.int32),
        names=(),
        span=span,
    )


def same(fleet: PlainFleet, outcome: Outcome) -> None:
    """Both agree on everything but the latencies, which depend on who holds a request."""
    lives = fleet.lives
    assert outcome.requests == len(fleet.requests)
    assert outcome.cold_starts == fleet.cold_starts
    assert outcome.revivals == fleet.revivals
    assert outcome.pings == fleet.pings
    assert outcome.backlog == fleet.backlog
    assert outcome.work_seconds == fleet.work_seconds
    assert outcome.idle_seconds == fleet.idle_seconds
    assert outcome.start_seconds == sum(worker.ready - worker.born for worker, _ in lives)
    assert outcome.billed_seconds == sum(math.ceil(end - worker.born) for worker, end in lives)
    assert outcome.end == max((end for _, end in lives), default=0.0)
    taken = [request for request in fleet.requests if request.taken is not None]
    assert outcome.wait.count == len(taken)
    assert outcome.wait.total == sum(
        (request.taken or 0.0) - r.arrival for r in taken for request in [r]
    )
    assert outcome.unfinished == sum(r.flags & UNFINISHED != 0 for r in fleet.requests)


class TestItFollowsTheRules:
    """Whatever the rules and the requests, both simulators say the same, to the last bit."""

    @settings(max_examples=400, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules())
    def test_of_one_fleet(self, jobs: Jobs, rules: FleetRules) -> None:
        plain = PlainFleet(rules, changes(rules), span=SPAN)
        run([plain], requests(jobs))
        ends, flags, outcome = played(jobs, rules)
        assert ends == [request.end for request in plain.requests]
        assert flags == [request.flags for request in plain.requests]
        same(plain, outcome)
        done = [r for r in plain.requests if not r.flags & UNFINISHED]
        assert outcome.latency == Latencies.of([(r.end or 0.0) - r.arrival for r in done])

    @pytest.mark.parametrize(("workers", "concurrency"), [(1, 1), (3, 7), (10, 40)])
    def test_of_more_requests_than_there_is_room_for_at_first(
        self, workers: int, concurrency: int
    ) -> None:
        crowd = poisson(seed=1, rate=2, work=400, count=1500)
        jobs = Jobs(*(np.round(4 * part) / 4 for part in crowd))
        rules = kept(workers, concurrency=concurrency, ttl_seconds=math.inf)
        plain = PlainFleet(rules, changes(rules), span=SPAN)
        run([plain], requests(jobs))
        ends, _, outcome = played(jobs, rules)
        assert ends == [request.end for request in plain.requests]
        assert outcome.series.queue_max.max() > 100

    @settings(max_examples=120, deadline=None)
    @given(data=st.data())
    def test_of_an_orchestrator_and_two_others(self, data: st.DataObject) -> None:
        jobs = data.draw(any_jobs(most=25))
        rules = [data.draw(any_rules(timeout_seconds=math.inf)) for _ in range(3)]
        count = len(jobs.seconds)
        work = st.lists(quarters(0, 60), min_size=count, max_size=count)
        works = np.array([data.draw(work) for _ in range(3)]).reshape(3, count)
        triples = [tuple(row) for row in works.T.tolist()]
        plain = PlainTeam(rules, [changes(own) for own in rules], span=SPAN, works=triples)
        plain.run(requests(jobs))

        team = TeamSimulation(rules, start=START, span=SPAN)
        known = team.feed(Whole(jobs.seconds, works))
        left, outcomes = team.close()
        expected = plain.holding.requests
        assert [*known.seconds, *left.seconds] == [request.end for request in expected]
        assert [*known.flags, *left.flags] == [request.flags for request in expected]
        for fleet, outcome in zip((plain.holding, plain.one, plain.other), outcomes, strict=True):
            same(fleet, outcome)


class TestChunks:
    @settings(max_examples=150, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules(), cuts=st.lists(st.integers(0, 40), max_size=6))
    def test_change_nothing(self, jobs: Jobs, rules: FleetRules, cuts: list[int]) -> None:
        ends, flags, outcome = played(jobs, rules)
        places = [0, *sorted(min(cut, len(ends)) for cut in cuts), len(ends)]
        fleet = FleetSimulation(rules, start=START, span=SPAN)
        known = [fleet.feed(Jobs(*(part[a:b] for part in jobs))) for a, b in pairwise(places)]
        left, again = fleet.close()
        known.append(left)
        assert [end for part in known for end in part.seconds] == ends
        assert [flag for part in known for flag in part.flags] == flags
        assert again == outcome

    @settings(max_examples=60, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules(), cut=st.integers(0, 40))
    def test_change_nothing_for_an_orchestrator(
        self, jobs: Jobs, rules: FleetRules, cut: int
    ) -> None:
        work = np.stack([jobs.work_seconds / 2, jobs.work_seconds, jobs.work_seconds[::-1]])
        whole, halves = (TeamSimulation([rules] * 3, start=START, span=SPAN) for _ in range(2))
        known = [whole.feed(Whole(jobs.seconds, work))]
        parts = [
            halves.feed(Whole(jobs.seconds[:cut], work[:, :cut])),
            halves.feed(Whole(jobs.seconds[cut:], work[:, cut:])),
        ]
        left, outcomes = whole.close()
        rest, again = halves.close()
        ends = [end for part in [*known, left] for end in part.seconds]
        assert [end for part in [*parts, rest] for end in part.seconds] == ends
        assert again == outcomes


class TestWhateverHappens:
    @settings(max_examples=200, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules())
    def test_time_moves_forward_and_nothing_costs_less_than_nothing(
        self, jobs: Jobs, rules: FleetRules
    ) -> None:
        ends, flags, outcome = played(jobs, rules)
        whole = np.array(flags, int) & UNFINISHED == 0
        assert len(ends) == len(jobs.seconds)
        assert (np.array(ends) >= jobs.seconds).all()
        assert (np.array(ends)[whole] >= (jobs.seconds + jobs.work_seconds)[whole]).all()
        assert outcome.end >= max(ends, default=0.0)

        parts = (outcome.start_seconds, outcome.work_seconds, outcome.idle_seconds)
        lives = outcome.cold_starts + outcome.revivals + there_from_the_start(rules)
        assert min(parts) >= 0
        assert sum(parts) <= outcome.billed_seconds <= sum(parts) + lives
        assert 0 <= outcome.utilisation <= 1
        assert outcome.latency.count == outcome.requests - outcome.unfinished
        assert outcome.cold_requests + outcome.revived_requests <= outcome.requests

    @settings(max_examples=200, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules(placing_seconds=0.0))
    def test_the_series_add_up(self, jobs: Jobs, rules: FleetRules) -> None:
        series, outcome = outcome_of(jobs, rules).series, outcome_of(jobs, rules)
        assert series.requests.sum() == outcome.requests
        assert (series.workers_mean <= series.workers_max).all()
        assert series.workers_max.max() <= rules.workers_max
        there = series.workers_mean.sum() * series.seconds
        lived = outcome.start_seconds + outcome.work_seconds + outcome.idle_seconds
        assert there <= lived + 1e-6
        if outcome.end <= SPAN:
            assert there == pytest.approx(lived)

    @settings(max_examples=100, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules(concurrency=1, pause_seconds=0.0, ping_every=None))
    def test_what_is_worked_is_what_was_asked_for(self, jobs: Jobs, rules: FleetRules) -> None:
        _, flags, outcome = played(jobs, rules)
        if not any(flag & UNFINISHED for flag in flags):
            assert outcome.work_seconds == jobs.work_seconds.sum()


class TestMoreWorkers:
    """What is a theorem about them, and what only seems to be one."""

    @settings(max_examples=200, deadline=None)
    @given(jobs=any_jobs(), workers=st.integers(1, 5), pause=st.sampled_from([0.0, 1.0]))
    def test_that_are_kept_delay_no_request(self, jobs: Jobs, workers: int, pause: float) -> None:
        """Every request of every trace ends no later with one more worker that is always there.

        Requests are taken in order and work is the same, so sorted by when they are free, the
        workers of the larger fleet are never free later (J. Kiefer and J. Wolfowitz, On the theory
        of queues with many servers, 1955).
        """
        fewer, more = (
            played(jobs, kept(count, pause_seconds=pause))[0] for count in (workers, workers + 1)
        )
        assert all(later <= sooner for later, sooner in zip(more, fewer, strict=True))

    @settings(max_examples=200, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules(**PLAIN, idle_seconds=math.inf))
    def test_that_never_leave_delay_no_request(self, jobs: Jobs, rules: FleetRules) -> None:
        """The same for a higher maximum where no worker idles out.

        Until the lower maximum is reached both fleets do the same; from then on the larger one has
        the same workers and others beside them.
        """
        more = replace(rules, workers_max=rules.workers_max + 1)
        ends = zip(played(jobs, more)[0], played(jobs, rules)[0], strict=True)
        assert all(later <= sooner for later, sooner in ends)

    @settings(max_examples=200, deadline=None)
    @given(jobs=any_jobs(), rules=any_rules(**PLAIN))
    def test_that_are_all_kept_serve_each_request_soonest(
        self, jobs: Jobs, rules: FleetRules
    ) -> None:
        """No request ends later where the minimum is the maximum than with any lower minimum."""
        most = replace(rules, workers_min=rules.workers_max)
        ends = zip(played(jobs, most)[0], played(jobs, rules)[0], strict=True)
        assert all(later <= sooner for later, sooner in ends)

    def test_that_come_and_go_may_delay_one(self) -> None:
        """A higher maximum is no promise where workers idle out.

        The second worker takes what the first would have done a little later. So the first is
        idle earlier, is gone when the next request comes, and that one meets a cold start.
        """
        jobs = Jobs(np.array([12.75, 14.25, 27.0, 40.5]), np.array([10.5, 4.0, 4.25, 0.5]))
        one = FleetRules(
            workers_max=1, start_seconds=4.75, idle_seconds=8, scaler_value=3.75, pause_seconds=0
        )
        alone, both = (played(jobs, replace(one, workers_max=most)) for most in (1, 2))
        assert [later - sooner for later, sooner in zip(both[0], alone[0], strict=True)] == [
            0,
            -6.75,
            -5,
            4.75,
        ]
        assert (alone[2].cold_starts, both[2].cold_starts) == (1, 3)


class TestALongerIdleTimeout:
    @settings(max_examples=400, deadline=None)
    @given(
        jobs=any_jobs(),
        rules=any_rules(**PLAIN, **ALONE),
        longer=quarters(0, 60),
    )
    def test_adds_no_start_where_there_is_one_worker(
        self, jobs: Jobs, rules: FleetRules, longer: float
    ) -> None:
        """With one worker, whatever the trace.

        Let F be when the worker with the shorter timeout is free and G the same with the longer
        one, and D how many starts the first is ahead. A start delays by at most a stop and a start,
        so F - G is never more than that. Only the first starts: D grows. Only the second starts:
        it was idle for longer than its timeout, D falls by one and G is at least F. While D is 0
        and G is at least F, whenever the second has idled out, so has the first; so D stays
        above 0.
        """
        patient = replace(rules, idle_seconds=rules.idle_seconds + longer)
        few, many = outcome_of(jobs, patient), outcome_of(jobs, rules)
        assert few.cold_starts <= many.cold_starts

    def test_may_add_one_where_there_are_two(self) -> None:
        """Two workers are no theorem: here the longer timeout costs a start more.

        With the shorter one the request of second 32.5 calls for a worker that is still there when
        the last two come. With the longer one a worker has time for it, and no other is called for;
        so all have idled out when the last two come, and two are started for them.
        """
        jobs = Jobs(
            np.array([5.0, 19.0, 20.5, 26.5, 32.5, 46.0, 55.0]),
            np.array([0.0, 4.0, 0.25, 10.0, 5.5, 7.75, 2.5]),
        )
        rules = FleetRules(
            workers_max=2,
            start_seconds=14.75,
            idle_seconds=1.25,
            scaler_value=1.75,
            pause_seconds=0,
        )
        starts = [
            outcome_of(jobs, replace(rules, idle_seconds=idle)).cold_starts for idle in (1.25, 5)
        ]
        assert starts == [3, 4]

    def test_adds_none_to_traffic_as_it_comes(self) -> None:
        """What is no theorem for each trace holds for the sum of many random ones."""
        idle = (0.0, 5.0, 15.0, 60.0, 300.0, math.inf)
        totals = [
            sum(
                outcome_of(
                    poisson(seed=seed, rate=1 / 20, work=10, count=2000), rules, span=1e6
                ).cold_starts
                for seed in range(10)
            )
            for rules in (FleetRules(start_seconds=15, idle_seconds=idle) for idle in idle)
        ]
        assert totals == sorted(totals, reverse=True)
        assert totals[0] > 20 * totals[-1]
        assert totals[-1] <= 10 * 3


class TestEdges:
    def test_no_requests_cost_nothing(self) -> None:
        outcome = outcome_of(NOTHING, FleetRules(start_seconds=10))
        assert (outcome.billed_seconds, outcome.cold_starts, outcome.end) == (0, 0, 0)
        assert (outcome.latency.p(95), outcome.utilisation, outcome.cold_share) == (0, 0, 0)

    def test_no_requests_cost_the_whole_span_where_a_worker_is_kept(self) -> None:
        outcome = outcome_of(
            NOTHING, FleetRules(start_seconds=10, placing_seconds=30, workers_min=1)
        )
        assert (outcome.start_seconds, outcome.idle_seconds) == (0, SPAN)
        assert (outcome.billed_seconds, outcome.end) == (SPAN, SPAN)

    def test_workers_that_are_kept_are_ready_for_the_first_request(self) -> None:
        rules = FleetRules(start_seconds=10, placing_seconds=30, workers_min=2)
        ends, flags, outcome = played(Jobs(np.zeros(2), np.full(2, 5.0)), rules)
        assert (ends, flags) == ([5, 5], [0, 0])
        assert (outcome.cold_starts, outcome.cold_requests) == (0, 0)

    def test_workers_that_are_kept_from_then_on_are_ready_as_well(self) -> None:
        hours = HoursSchedule(begins=time(0), ends=time(0, 10))
        rules = FleetRules(start_seconds=10, idle_seconds=0, schedule=hours)
        _, flags, outcome = played(one_job(at=0, work=5), rules)
        assert (flags, outcome.cold_starts, outcome.billed_seconds) == ([0], 0, 600)

    def test_more_workers_are_kept_than_there_are_requests(self) -> None:
        rules = FleetRules(start_seconds=10, workers_min=500, workers_max=500)
        assert outcome_of(NOTHING, rules).billed_seconds == 500 * SPAN

    def test_the_last_request_is_done_and_its_worker_idles_out_beyond_the_span(self) -> None:
        rules = FleetRules(start_seconds=20, idle_seconds=5, placing_seconds=7)
        outcome = outcome_of(one_job(at=SPAN, work=3.5), rules)
        assert outcome.latency.most == 7 + 20 + 3.5
        assert outcome.end == SPAN + 7 + 20 + 3.5 + 5
        assert outcome.billed_seconds == math.ceil(20 + 3.5 + 5)
        assert outcome.series.workers_max.sum() == 1  # at the very end

    def test_a_request_longer_than_the_span_is_billed_to_its_end(self) -> None:
        rules = FleetRules(start_seconds=20, ttl_seconds=math.inf)
        outcome = outcome_of(one_job(at=10, work=9e6), rules)
        assert (outcome.unfinished, outcome.latency.most) == (0, 9e6 + 20)
        assert outcome.billed_seconds == 20 + 9e6 + 5

    @pytest.mark.parametrize("limit", [{"timeout_seconds": 600.0}, {"ttl_seconds": 620.0}])
    def test_a_request_longer_than_allowed_is_cut_off(self, limit: dict[str, Any]) -> None:
        outcome = outcome_of(one_job(at=10, work=9e6), FleetRules(start_seconds=20, **limit))
        assert (outcome.requests, outcome.unfinished, outcome.latency.count) == (1, 1, 0)
        assert outcome.work_seconds == 600

    def test_an_overload_that_never_ends_says_so(self) -> None:
        """A worker that does one request each 10 s gets one each 5 s, for a week."""
        seconds = np.arange(0.0, 7 * 86400, 5)
        jobs = Jobs(seconds, np.full(len(seconds), 9.5))
        outcome = outcome_of(jobs, FleetRules(start_seconds=20, workers_max=1), span=7 * 86400)
        # a request waits for a day, as RunPod lets it; half of those that come are in time
        assert outcome.unfinished > len(seconds) / 3
        assert outcome.backlog == pytest.approx(86400 / 5, rel=0.01)
        assert outcome.wait.most == pytest.approx(86400, rel=0.01)
        assert outcome.utilisation > 0.9999

    def test_requests_at_the_same_moment_are_all_served(self) -> None:
        jobs = Jobs(np.zeros(1000), np.full(1000, 0.25))
        rules = FleetRules(start_seconds=1, workers_max=2, concurrency=500, ttl_seconds=math.inf)
        outcome = outcome_of(jobs, rules)
        assert outcome.unfinished == 0
        assert outcome.cold_requests == 1000

    def test_cold_requests_are_those_that_waited_for_a_start(self) -> None:
        jobs = Jobs(np.array([0.0, 5.0, 15.0]), np.full(3, 1.0))
        ends, flags, outcome = played(jobs, FleetRules(start_seconds=10, workers_max=1))
        assert ends == [11, 12 + 0.0, 16]
        assert flags == [COLD, COLD, 0]
        assert outcome.cold_share == 2 / 3

    def test_pings_keep_a_worker_warm_and_are_no_requests(self) -> None:
        rules = FleetRules(start_seconds=10, idle_seconds=70, ping_every=60, ping_seconds=1)
        outcome = outcome_of(one_job(at=500.5, work=2), rules)
        assert (outcome.cold_starts, outcome.pings, outcome.requests) == (1, 17, 1)
        assert (outcome.cold_requests, outcome.latency.most) == (0, 2)
        assert outcome.series.requests.sum() == 1

    def test_a_revival_is_no_cold_start(self) -> None:
        jobs = Jobs(np.array([0.0, 50.0, 500.0]), np.full(3, 1.0))
        rules = FleetRules(
            start_seconds=20, placing_seconds=10, revival_seconds=2, revival_window=100
        )
        ends, _, outcome = played(jobs, rules)
        assert ends == [31, 53, 531]
        assert (outcome.cold_starts, outcome.revivals) == (2, 1)
        assert (outcome.cold_requests, outcome.revived_requests) == (2, 1)

    def test_queue_delay_starts_one_worker_after_another(self) -> None:
        """Each so many seconds, while the oldest request has waited for longer than that."""
        jobs = Jobs(np.zeros(5), np.full(5, 30.0))
        rules = FleetRules(start_seconds=40, scaler_value=2, workers_max=4)
        assert played(jobs, rules)[0] == [70, 72, 74, 76, 100]

    def test_request_count_starts_them_at_once(self) -> None:
        jobs = Jobs(np.zeros(5), np.full(5, 30.0))
        rules = FleetRules(start_seconds=40, scaler="REQUEST_COUNT", scaler_value=2, workers_max=4)
        assert played(jobs, rules)[0] == [70, 70, 70, 100, 100]

    def test_an_orchestrator_holds_as_many_as_come(self) -> None:
        """More than there is room for at first; the slower part decides."""
        seconds = np.arange(0, 250, 0.25)
        work = np.stack([np.full(1000, each) for each in (0.5, 0.75, 1.0)])
        rules = [kept(1, pause_seconds=0, concurrency=each) for each in (1000, 1, 1)]
        team = TeamSimulation(rules, start=START, span=SPAN)
        known = [team.feed(Whole(seconds[:300], work[:, :300]))]
        known.append(team.feed(Whole(seconds[300:], work[:, 300:])))
        left, _ = team.close()
        ends = [end for part in (*known, left) for end in part.seconds]
        assert ends == [number + 0.5 for number in range(1, 1001)]

    def test_the_sdk_sleeps_a_second_while_its_worker_is_full(self) -> None:
        jobs = Jobs(np.zeros(3), np.full(3, 0.25))
        ends, _, outcome = played(jobs, kept(1))
        assert ends == [0.25, 1.25, 2.25]
        assert outcome.work_seconds == 3

    def test_of_two_that_ask_the_first_is_served(self) -> None:
        """So both are kept busy in turn, and neither idles out, as on the local platform."""
        seconds = np.array([0.0, 0.0, *np.arange(10.0, 200.0, 8.0)])
        jobs = Jobs(seconds, np.full(len(seconds), 1.0))
        rules = FleetRules(
            start_seconds=1, idle_seconds=17, scaler="REQUEST_COUNT", scaler_value=1, workers_max=2
        )
        assert outcome_of(jobs, rules).cold_starts == 2
        assert outcome_of(jobs, replace(rules, idle_seconds=13)).series.workers_max[150] == 1


class TestWhatCannotBe:
    def test_no_workers_at_all(self) -> None:
        with pytest.raises(NoWorkers, match="workers_max is 0"):
            FleetRules(start_seconds=1, workers_max=0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"workers_min": 4},
            {"workers_min": -1},
            {"workers_max": -1},
            {"start_seconds": -1.0},
            {"start_seconds": math.inf},
            {"idle_seconds": math.nan},
            {"scaler": "REQUESTS"},
            {"scaler_value": 0.0},
            {"pause_seconds": 1e-9},
            {"tick_seconds": -1.0},
            {"concurrency": 0},
            {"ping_every": 0.5},
            {"ttl_seconds": 0.0},
            {"schedule": HoursSchedule(begins=time(1), ends=time(2), workers=4)},
        ],
    )
    def test_rules(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(RulesInvalid, match=rf"{next(iter(wrong))}.* is .*(Give|Choose)"):
            FleetRules(**{"start_seconds": 1.0, **wrong})

    @pytest.mark.parametrize(
        ("seconds", "work"),
        [
            ([2.0, 1.0], [1.0, 1.0]),
            ([-1.0], [1.0]),
            ([1.0], [-1.0]),
            ([1.0], [math.nan]),
            ([1.0], [math.inf]),
            ([math.nan], [1.0]),
            ([1.0, 2.0], [1.0]),
            ([SPAN + 1], [1.0]),
        ],
    )
    def test_requests(self, seconds: Sequence[float], work: Sequence[float]) -> None:
        jobs = Jobs(np.array(seconds), np.array(work))
        with pytest.raises(RequestsInvalid, match="The requests cannot be simulated"):
            outcome_of(jobs, FleetRules(start_seconds=1))

    def test_a_chunk_that_begins_before_the_last_one_ended(self) -> None:
        fleet = FleetSimulation(FleetRules(start_seconds=1), start=START, span=SPAN)
        fleet.feed(one_job(at=10, work=1))
        with pytest.raises(RequestsInvalid, match="comes before the one before it"):
            fleet.feed(one_job(at=9, work=1))

    @pytest.mark.parametrize("span", [0.0, -1.0, math.nan, math.inf])
    def test_a_span(self, span: float) -> None:
        with pytest.raises(RequestsInvalid, match="the span is"):
            outcome_of(NOTHING, FleetRules(start_seconds=1), span=span)

    def test_more_workers_than_the_account_allows(self) -> None:
        default = Fleet(rules=FleetRules(start_seconds=1), speed=Speed())
        with pytest.raises(QuotaExceeded, match=r"up to 6 workers together.* allows 5"):
            Shape(name="split", fleets={"transcription": default, "diarization": default})

    def test_a_shape_without_one_of_its_fleets(self) -> None:
        default = Fleet(rules=FleetRules(start_seconds=1), speed=Speed())
        with pytest.raises(RulesInvalid, match="split has a fleet for transcription and diariz"):
            Shape(name="split", fleets={"transcription": default})

    def test_a_speed_below_nothing(self) -> None:
        with pytest.raises(RulesInvalid, match="per_audio_second is -1"):
            Speed(per_audio_second=-1)


class TestActiveHours:
    def test_keep_a_worker_from_the_first_minute_to_the_last(self) -> None:
        hours = HoursSchedule(begins=time(17), ends=time(23))
        rules = FleetRules(start_seconds=10, idle_seconds=5, schedule=hours)
        outcome = outcome_of(NOTHING, rules, span=30 * 86400.0)
        assert outcome.billed_seconds == 30 * 6 * 3600
        assert outcome.cold_starts == 30

    def test_of_some_days_over_midnight(self) -> None:
        hours = HoursSchedule(begins=time(22), ends=time(2), days=frozenset({6, 0}))
        spells = hours.spells(START, 7 * 86400.0) / 3600
        assert spells.tolist() == [[0, 2], [22, 26], [6 * 24 + 22, 7 * 24]]

    def test_of_whole_days_are_one(self) -> None:
        hours = HoursSchedule(begins=time(8), ends=time(8))
        assert hours.spells(START, 3 * 86400.0).tolist() == [[0, 3 * 86400]]

    def test_follow_the_clocks_of_their_zone(self) -> None:
        """On 29 March 2026 Berlin's clocks are put forward: an hour earlier in UTC from then on."""
        hours = HoursSchedule(begins=time(9), ends=time(10), zone=ZoneInfo("Europe/Berlin"))
        start = datetime(2026, 3, 28, tzinfo=UTC)
        spells = hours.spells(start, 2 * 86400.0) / 3600
        assert spells.tolist() == [[8, 9], [24 + 7, 24 + 8]]

    def test_of_no_day_cannot_be(self) -> None:
        with pytest.raises(RulesInvalid, match=r"schedule.days is \[7\]. Give one or more of 0"):
            HoursSchedule(begins=time(1), ends=time(2), days=frozenset({7}))

    def test_change_nothing_where_they_keep_no_more_than_is_kept_anyway(self) -> None:
        hours = HoursSchedule(begins=time(0), ends=time(0, 10), workers=1)
        jobs, rules = (
            poisson(seed=1, rate=0.02, work=5, count=15),
            FleetRules(start_seconds=10, workers_min=1),
        )
        assert outcome_of(jobs, replace(rules, schedule=hours), span=5000.0) == outcome_of(
            jobs, rules, span=5000.0
        )


class TestLatencies:
    some = st.lists(st.floats(0, 1e7), min_size=1, max_size=60)

    @given(values=some, percent=st.floats(0, 100))
    def test_quantiles_are_right_within_half_a_percent(
        self, values: list[float], percent: float
    ) -> None:
        found = Latencies.of(values)
        exact = float(np.percentile(values, percent, method="inverted_cdf"))
        assert found.p(percent) == pytest.approx(exact, rel=0.005, abs=1e-3)
        assert (found.least, found.most) == (min(values), max(values))
        assert found.mean == pytest.approx(np.mean(values))

    @given(one=some, other=some)
    def test_of_parts_add_up(self, one: list[float], other: list[float]) -> None:
        both, added = Latencies.of([*one, *other]), Latencies.of(one) + Latencies.of(other)
        assert np.array_equal(both.counts, added.counts)
        assert (both.least, both.most) == (added.least, added.most)
        assert both.total == pytest.approx(added.total)
        assert Latencies.of(one) + Latencies.none() == Latencies.of(one)

    def test_share_within(self) -> None:
        found = Latencies.of([0.0, 1.0, 2.0, 4.0])
        assert [found.share_within(limit) for limit in (0, 1.5, 3, 10)] == [0.25, 0.5, 0.75, 1]
        assert Latencies.none().share_within(1) == 1

    def test_a_percentile_beyond_all(self) -> None:
        with pytest.raises(ValueError, match="between 0 and 100"):
            Latencies.none().p(101)


class TestShapes:
    def test_a_split_request_is_done_when_its_slower_half_is(self) -> None:
        trace, halves = some_trace(), {TRANSCRIPTION: fleet(0.05), DIARIZATION: fleet(0.1)}
        shape = Shape(name="split", fleets=halves)
        found = simulate_shape(trace, shape)
        ends, flags = [], []
        for own in shape.fleets.values():
            simulation = FleetSimulation(own.rules, start=trace.start, span=trace.span)
            known = simulation.feed(Jobs(trace.seconds, own.speed.work(trace.audio_seconds)))
            left, _ = simulation.close()
            ends.append(np.concatenate([known.seconds, left.seconds]))
            flags.append(np.concatenate([known.flags, left.flags]))
        assert found.latency == Latencies.of(np.maximum(*ends) - trace.seconds)
        assert found.cold_requests == ((flags[0] | flags[1]) & COLD != 0).sum()
        assert found.cold_requests > max(own.cold_requests for own in found.outcomes.values())
        assert found.requests == len(trace)

    def test_an_orchestrator_holds_a_request_until_both_parts_are_done(self) -> None:
        """Each of its three starts takes 10 s: its own, and then both others at once."""
        trace = some_trace(seconds=[5.0], audio=[100.0])
        fleets = {TRANSCRIPTION: fleet(0.05), DIARIZATION: fleet(0.1), ORCHESTRATOR: ORCH}
        found = simulate_shape(trace, Shape(name="orch", fleets=fleets, workers_quota=7))
        assert found.latency.most == 10 + 10 + (1 + 0.1 * 100) + 0.5
        assert found.outcomes["orchestrator"].work_seconds == 10 + 11 + 0.5
        assert found.billed_seconds["orchestrator"] == math.ceil(10 + 10 + 11 + 0.5 + 5)
        assert found.cold_share == 1

    def test_where_both_parts_are_fast_the_orchestrator_is_the_only_difference(self) -> None:
        trace, warm = some_trace(), {"workers_min": 2, "workers_max": 2, "start_seconds": 0.0}
        halves = {TRANSCRIPTION: fleet(0.01, **warm), DIARIZATION: fleet(0.02, **warm)}
        holding = replace(ORCH, rules=replace(ORCH.rules, workers_min=1, start_seconds=0.0))
        split = simulate_shape(trace, Shape(name="split", fleets=halves))
        orch = simulate_shape(trace, Shape(name="orch", fleets={**halves, ORCHESTRATOR: holding}))
        assert orch.latency.mean == pytest.approx(split.latency.mean + ORCH.speed.fixed_seconds)
        assert orch.cold_requests == split.cold_requests == 0

    @pytest.mark.parametrize("name", ["single", "split", "orch"])
    def test_tell_how_far_they_are_and_lose_no_request(self, name: ShapeName) -> None:
        told: list[int] = []
        trace = some_trace(count=300_000, span=3e8)
        shape = Shape(name=name, fleets={role: fleet(0.1) for role in ROLES[name]}, workers_quota=9)
        found = simulate_shape(trace, shape, told=told.append)
        assert found.latency.count + found.unfinished == len(trace)
        assert told == sorted(told)
        assert told[-1] == len(trace)


class TestWithoutRequests:
    @pytest.mark.parametrize("name", ["single", "split", "orch"])
    def test_every_shape_costs_nothing(self, name: ShapeName) -> None:
        shape = Shape(name=name, fleets={role: fleet(0.1) for role in ROLES[name]}, workers_quota=6)
        found = simulate_shape(some_trace(count=0), shape)
        assert sum(found.billed_seconds.values()) == 0
        assert (found.requests, found.latency.count) == (0, 0)
