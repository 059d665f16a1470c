"""What is told of a worker's start."""

import time
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from handlers.cold_start import ColdStart, Stopwatch, since_process_start, tell_once
from handlers.progress import Progress


def test_phases_of_one_name_add_up_and_others_stand_beside_them() -> None:
    watch = Stopwatch()
    for name in ("built", "built", "warmed up"):
        with watch.phase(name):
            time.sleep(0.02)
    phases = watch.read().phases
    assert list(phases) == ["interpreter", "built", "warmed up"]
    assert phases["built"] >= 0.04
    assert 0.02 <= phases["warmed up"] <= phases["built"]


def test_a_part_that_fails_has_taken_its_time_too() -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.phase("built"):
        _ = 1 / 0
    assert "built" in watch.read().phases


def test_time_counts_from_the_start_of_the_process() -> None:
    first = since_process_start()
    time.sleep(0.05)
    assert 0.0 < first < since_process_start() < first + 60


def test_the_memory_of_this_process_is_tens_of_megabytes_at_least() -> None:
    assert 10**7 < Stopwatch().read().peak_bytes < 10**12


def test_a_start_is_frozen_and_says_all_in_one_line() -> None:
    start = ColdStart(4.567, {"interpreter": 0.5, "built": 2.0}, 3_340_000_000)
    assert str(start) == "ready after 4.57 s (interpreter 0.50, built 2.00), peak 3.34 GB"
    with pytest.raises(FrozenInstanceError):
        start.seconds = 1.0  # type: ignore[misc]


async def test_the_first_reply_carries_the_start_and_no_other_does() -> None:
    async def answer(raw: str, _progress: Progress) -> dict[str, Any]:
        if raw == "fails":
            raise LookupError
        return {"text": raw}

    start = ColdStart(1.5, {"built": 1.0}, 1000)
    told = tell_once(answer, start)
    with pytest.raises(LookupError):
        await told("fails", print)
    assert await told("a", print) == {"text": "a", "cold_start": start.body()}
    assert await told("b", print) == {"text": "b"}
