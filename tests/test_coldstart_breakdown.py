"""Where the seconds of a cold start went."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.coldstart.breakdown import (
    DEFINITIONS,
    Start,
    engines_were_warm,
    split,
    was_cold,
)

SINGLE: dict[str, Any] = {
    "seconds": 20.0,
    "phases": {
        "interpreter": 0.5,
        "transcriber found": 1.0,
        "transcriber imported": 4.0,
        "transcriber built": 6.0,
        "transcriber moved": 1.0,
        "transcriber warmed up": 2.0,
        "diarizer found": 0.1,
        "diarizer imported": 3.0,
        "diarizer built": 2.0,
    },
}


def parts(*, wall: float = 30.0, delay: float = 25.0, retries: int = 0, **output: Any) -> Any:
    return split(wall=wall, delay=delay, execution=4.0, retries=retries, output=output)


def test_a_cold_start_is_what_the_platform_and_the_reply_say() -> None:
    whole, found = parts(cold_start=SINGLE)
    assert whole == 30.0
    assert found == {
        "queue": 5.0,  # 25 until the job was taken, less the 20 of the process
        "start": 10.0,
        "weights": 1.0,  # the transcriber's: it took longer than the diarizer beside it
        "load": 9.0,
        "first_result": 4.0,
        "network": 1.0,
    }


def test_a_reply_that_says_nothing_leaves_the_wait_undivided() -> None:
    assert parts()[1] == {"wait": 25.0, "first_result": 4.0, "network": 1.0}


def test_what_a_lost_worker_took_is_a_part() -> None:
    _, found = parts(retries=1, wall=50.0, cold_start=SINGLE)
    assert found["lost"] == 21.0
    assert "network" not in found


def test_behind_an_orchestrator_the_slower_endpoint_counts() -> None:
    timings = {
        "transcribe": 2.0,
        "transcribe.delay": 1.0,
        "transcribe.cold_start": 0.5,
        "diarize": 3.5,
        "diarize.delay": 3.0,
        "diarize.cold_start": 2.0,
    }
    orchestrator = {"seconds": 1.0, "phases": {"interpreter": 0.4}}
    _, found = parts(delay=3.0, cold_start=orchestrator, timings=timings)
    assert (found["queue"], found["engines"], found["first_result"]) == (3.0, 2.0, 1.0)


def test_an_engine_that_tells_of_no_start_was_warm() -> None:
    cold = {"diarize": 3.5, "diarize.delay": 3.0, "diarize.cold_start": 2.0}
    warm = {"transcribe": 0.5, "transcribe.delay": 0.1}
    assert not engines_were_warm({"timings": cold})
    assert engines_were_warm({"timings": {**cold, **warm}})
    assert not engines_were_warm({"timings": {"transcribe": 2.0}})  # of one worker alone


def test_the_platform_is_believed_where_its_clock_runs_faster() -> None:
    whole, found = parts(wall=28.0)
    assert (whole, found) == (29.0, {"wait": 25.0, "first_result": 4.0})


others = st.sampled_from([math.nan, math.inf, 1e308, 10**400, -1, True, None, "x"])
numbers = st.floats(0, 1e5) | others
names = st.sampled_from(["interpreter", "diarizer found", "transcriber built", "weights", "x"])
outputs = st.fixed_dictionaries(
    {},
    optional={
        "cold_start": st.fixed_dictionaries(
            {"seconds": numbers, "phases": st.dictionaries(names, numbers) | numbers}
        )
        | numbers,
        "timings": st.dictionaries(
            st.sampled_from(["diarize", "diarize.delay", "diarize.cold_start"]), numbers
        )
        | numbers,
    },
)


@given(
    st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e5), st.integers(0, 2), outputs | numbers
)
def test_parts_add_up_to_the_whole_whatever_is_told(
    wall: float, delay: float, execution: float, retries: int, output: object
) -> None:
    whole, found = split(
        wall=wall, delay=delay, execution=execution, retries=retries, output=output
    )
    assert math.fsum(found.values()) == pytest.approx(whole, abs=1e-6)
    assert whole >= wall
    assert set(found) <= set(DEFINITIONS)
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.parametrize(
    ("start", "delay", "retries", "tells", "cold"),
    [
        (20.0, 25.0, 0, True, True),
        (20.0, 2.0, 0, True, False),  # its process is older than the job
        (20.0, 2.0, 1, True, True),  # the delay is that of a second try
        (None, 25.0, 0, True, False),  # another reply told of the start before
        (None, 25.0, 0, False, None),
    ],
)
def test_a_worker_is_cold_whose_process_is_younger_than_the_job(
    start: float | None, delay: float, retries: int, *, tells: bool, cold: bool | None
) -> None:
    told = None if start is None else Start(seconds=start, phases={})
    assert was_cold(start=told, delay=delay, retries=retries, tells=tells) is cold
