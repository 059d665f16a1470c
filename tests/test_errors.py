"""Failures that travel as JSON are the same failures at the other end."""

import json

import pytest

from handlers.errors import AudioTooLong, JobFailed, OutOfMemory, ParleyError, restored


@pytest.mark.parametrize("error", [AudioTooLong(limit=60), OutOfMemory("It does not fit.")])
def test_a_failure_survives_the_journey(error: ParleyError) -> None:
    arrived = restored(json.loads(json.dumps(error.body())))
    assert type(arrived) is type(error)
    assert arrived.body() == error.body()


def test_a_code_of_a_newer_worker_is_kept_readable() -> None:
    arrived = restored({"code": "moon_phase", "message": "Wait.", "retryable": True})
    assert isinstance(arrived, JobFailed)
    assert "moon_phase" in str(arrived)


@pytest.mark.parametrize("body", [{}, {"code": 1, "message": "x"}, {"error_type": "ValueError"}])
def test_what_is_no_body_restores_nothing(body: dict[str, object]) -> None:
    assert restored(body) is None
