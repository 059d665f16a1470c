"""What came of a run, by facts alone."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from handlers.errors import (
    AudioUnreadable,
    DeadlineExceeded,
    EndpointFailed,
    HostFailed,
    JobCancelled,
    JobFailed,
    JobForgotten,
    JobTimedOut,
    ModelBroken,
    ParleyError,
    RequestRefused,
    ResultLost,
    UnknownOption,
    WorkerLost,
)
from orchestrator.update import Update
from planner.coldstart.outcomes import DEFINITIONS, Facts, Outcome, judge, mishaps
from planner.coldstart.subject import Look, Sight


def look(state: str, *, worker: str | None = None, retries: int = 0) -> Look:
    return Look(update=Update(job="j", state=state, worker=worker), retries=retries)


def sights(*workers: Mapping[str, int]) -> list[Sight]:
    return [Sight(after=float(place), workers=seen) for place, seen in enumerate(workers)]


def late(*seen: Mapping[str, int], **facts: Any) -> Outcome:
    waiting: dict[str, Any] = {"look": look("IN_QUEUE"), "states": ["IN_QUEUE"]}
    return judge(Facts(late=True, sights=sights(*seen), **{**waiting, **facts}))


def test_a_right_answer_of_a_cold_worker_is_ok() -> None:
    done = look("COMPLETED", worker="w")
    assert judge(Facts(look=done, was_cold=True)) == "ok"
    assert judge(Facts(look=done, was_cold=None)) == "ok"
    assert judge(Facts(look=done, was_cold=False)) == "warm"
    assert judge(Facts(look=done, was_cold=True, wrong="it holds no word")) == "wrong_answer"


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        ([{}], "no_worker"),
        ([], "no_worker"),
        ([{}, {"throttled": 1}], "no_capacity"),
        ([{"throttled": 1}, {}], "no_capacity"),
        ([{"throttled": 1}, {"initializing": 1}], "never_ready"),
        ([{"initializing": 1}, {"throttled": 2}], "no_capacity"),
        ([{"initializing": 1}, {}], "never_ready"),
        ([{"unhealthy": 1}], "never_ready"),
        ([{"initializing": 1}, {"idle": 1}], "not_taken"),
        ([{"idle": 1}, {}], "never_ready"),
    ],
)
def test_a_job_that_was_never_taken_is_named_by_the_last_workers(
    seen: list[dict[str, int]], outcome: Outcome
) -> None:
    assert late(*seen) == outcome


def test_a_job_that_was_taken_is_named_by_where_it_is() -> None:
    held = look("IN_PROGRESS", worker="w")
    assert late(look=held, states=["IN_QUEUE", "IN_PROGRESS"]) == "timed_out"
    back = ["IN_QUEUE", "IN_PROGRESS", "IN_QUEUE"]
    assert late(states=back) == "worker_lost"
    assert late(look=look("IN_QUEUE", retries=1)) == "worker_lost"
    assert late(look=None, states=[]) == "unreachable"


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (WorkerLost("ep", job="j"), "worker_lost"),
        (JobCancelled("ep", job="j"), "cancelled"),
        (ResultLost("ep", job="j"), "result_lost"),
        (ModelBroken("It cannot be loaded."), "models_failed"),
        (JobFailed("ep", job="j", reason="it fell"), "job_failed"),
        (HostFailed(address="host", reason="answered 500"), "job_failed"),
        (DeadlineExceeded("other", seconds=5, state="IN_QUEUE"), "timed_out"),
        (AudioUnreadable(reason="a poem"), "refused"),
        (UnknownOption("x", suggestion=None, known=["y"]), "refused"),
        # an orchestrator's worker that cannot reach its engines: the platform itself was there
        (EndpointFailed("other", status=500), "job_failed"),
    ],
)
def test_what_a_worker_or_the_platform_says_of_a_job_that_is_over(
    failure: ParleyError, outcome: Outcome
) -> None:
    assert judge(Facts(look=look("FAILED", worker="w"), failure=failure)) == outcome


def test_a_job_that_timed_out_on_the_platform_is_named_as_at_our_deadline() -> None:
    failure = JobTimedOut("ep", job="j")
    held = Facts(look=look("TIMED_OUT", worker="w"), failure=failure)
    never = Facts(look=look("TIMED_OUT"), failure=failure, sights=sights({"throttled": 1}))
    assert (judge(held), judge(never)) == ("timed_out", "no_capacity")


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (EndpointFailed("ep", status=500), "unreachable"),
        (RequestRefused("ep", status=400, reason="no"), "refused"),
        (JobForgotten("ep", job="j"), "forgotten"),
    ],
)
def test_what_asking_the_platform_gave(failure: ParleyError, outcome: Outcome) -> None:
    assert judge(Facts(look=look("IN_PROGRESS", worker="w"), failure=failure)) == outcome


def test_mishaps_are_told_of_runs_that_are_ok_too() -> None:
    seen = sights({"throttled": 1}, {"initializing": 1, "unhealthy": 1})
    facts = Facts(sights=seen, look=look("COMPLETED", worker="w", retries=1), outages=1)
    assert judge(facts) == "ok"
    assert mishaps(facts) == ("no_capacity", "never_ready", "worker_lost", "unreachable")
    assert mishaps(Facts(look=look("COMPLETED"))) == ()


def test_every_outcome_is_defined() -> None:
    assert set(DEFINITIONS) == set(get_args(Outcome))
