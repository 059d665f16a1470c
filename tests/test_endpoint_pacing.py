"""How long a caller of an endpoint waits before it asks again."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.retry_after import asked_pause
from orchestrator.patience import Patience

PATIENCE = Patience(
    first_pause=0.5,
    longest_pause=8.0,
    least_poll=0.1,
    longest_poll=5.0,
    poll_share=0.01,
    polls_per_second=80.0,
)


@given(failures=st.integers(1, 10**6), asked=st.floats(0, 3600))
def test_a_pause_is_what_was_asked_for_and_a_share_of_a_doubling_one(
    failures: int, asked: float
) -> None:
    longest = 0.5 * 2 ** (failures - 1) if failures < 5 else 8.0
    assert asked <= PATIENCE.backoff(failures, asked=asked) <= asked + longest


def test_those_who_failed_together_come_back_apart() -> None:
    pauses = [PATIENCE.backoff(1) for _ in range(100)]
    assert min(pauses) < 0.1
    assert max(pauses) > 0.4


@given(elapsed=st.floats(0, 86400))
def test_one_job_loses_a_hundredth_of_its_time_within_bounds(elapsed: float) -> None:
    due = 0.1 if elapsed < 10 else min(elapsed / 100, 5.0)
    assert 0.75 * due <= PATIENCE.poll_pause(elapsed=elapsed, waiting=1) <= 1.25 * due


@given(elapsed=st.floats(0, 400), waiting=st.integers(400, 10**5))
def test_many_jobs_share_the_requests_of_a_second(elapsed: float, waiting: int) -> None:
    pause = PATIENCE.poll_pause(elapsed=elapsed, waiting=waiting)
    assert 80 / 1.25 <= waiting / pause <= 80 / 0.75 + 1e-6


@given(seconds=st.integers(0, 10**9))
def test_retry_after_gives_seconds(seconds: int) -> None:
    assert asked_pause(f" {seconds} ") == seconds


def test_retry_after_gives_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(minutes=10)
    assert 590 < asked_pause(format_datetime(moment, usegmt=True)) <= 600
    assert asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@given(text=st.text())
def test_no_retry_after_breaks_anything(text: str) -> None:
    assert asked_pause(text) >= 0


@pytest.mark.parametrize("text", [None, "", "soon", "-3", "Wed, 21 Oct 99999999999999999999 0:0"])
def test_a_retry_after_that_says_nothing_asks_for_no_pause(text: str | None) -> None:
    assert asked_pause(text) == 0


def test_a_retry_after_of_too_many_digits_is_for_ever() -> None:
    assert asked_pause("9" * 400) == math.inf
