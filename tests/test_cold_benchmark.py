"""What `make bench-cold` says of a start is what happened."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from benchmarks.cold.contests import OURS, PLAIN, Allowed, Contest, Worker
from benchmarks.cold.floor import Floor
from benchmarks.cold.results import Result
from benchmarks.cold.start import Start, StartFailed, read_phases, start
from handlers.cold_start import ColdStart

CONTEST = Contest(
    name="echo",
    workers={PLAIN: Worker(module="benchmarks.plain_orchestrator")},
    job={"audio_url": "https://example.com/talk.wav"},
    allowed=Allowed(share={"warm": 0.5, "dropped": 0.5}, memory=100),
    weight_bytes=4_000_000_000,
)
PLAIN_START = Start(
    taken=10, answered=11, peak_bytes=200, peak_answered_bytes=210, phases={}, others=0
)
OUR_START = replace(PLAIN_START, taken=4.0, peak_bytes=90)


async def test_a_start_is_timed_to_the_first_job_and_to_its_answer(tmp_path: Path) -> None:
    found = await start(CONTEST, CONTEST.workers[PLAIN], log=tmp_path / "worker.log")
    assert 0 < found.taken < found.answered
    assert 20e6 < found.peak_bytes <= found.peak_answered_bytes


async def test_a_worker_that_ends_is_no_start(tmp_path: Path) -> None:
    nothing = Worker(module="benchmarks.no_such_worker")
    with pytest.raises(StartFailed, match="ended with status 1"):
        await start(CONTEST, nothing, log=tmp_path / "worker.log")


def test_phases_are_read_from_the_line_that_workers_log(tmp_path: Path) -> None:
    phases = {"interpreter": 0.25, "transcriber found": 1.5}
    said = ColdStart(seconds=3.0, phases=MappingProxyType(phases), peak_bytes=10**9)
    log = tmp_path / "worker.log"
    log.write_text(f"starting\n2026-11-21 INFO handlers.launch: {said}\ntaking jobs\n")
    assert read_phases(log) == phases


def test_the_floor_is_interpreter_and_torch_and_the_bytes_over_the_bandwidth() -> None:
    floor = Floor(interpreter=0.5, torch=1.5, bandwidth=1e9)
    assert floor.of(CONTEST) == 0.5 + 1.5 + 4.0
    assert floor.of(replace(CONTEST, is_orchestrator=True, weight_bytes=0)) == 0.5


def result(*ours: float) -> Result:
    return Result(
        contest=CONTEST,
        cache="warm",
        floor=Floor(interpreter=0, torch=0, bandwidth=1),
        starts={
            PLAIN: (PLAIN_START,) * len(ours),
            OURS: tuple(replace(OUR_START, taken=taken) for taken in ours),
        },
    )


def test_the_share_is_the_median_of_pairs() -> None:
    assert result(3.0, 4.0, 9.0).share(OURS) == 0.4


def test_what_is_above_what_is_allowed_is_a_miss() -> None:
    assert [*result(5.0).misses()] == []
    assert [*result(5.1).misses()] == ["echo, warm cache: 51% of plain, allowed 50%"]
    heavy = replace(OUR_START, peak_bytes=2_000_000)
    too_large = replace(result(4.0), starts={PLAIN: (PLAIN_START,), OURS: (heavy,)})
    assert [*too_large.misses()] == ["echo, warm cache: 2 MB, allowed 0 MB"]
