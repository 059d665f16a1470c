"""What goes wrong on demand."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.faults import Fault, FaultKind, Faults
from emulator.fleet import Pace
from emulator.jobs import State
from tests.echo_runpod import EchoRunPod, echo_runpod, final, until


def strikes(faults: Faults, kind: FaultKind, chances: int, *, endpoint: str = "a") -> list[bool]:
    return [faults.take(kind, endpoint) is not None for _ in range(chances)]


def test_a_fault_strikes_once_unless_it_says_else() -> None:
    faults = Faults()
    faults.add(Fault("no_capacity"))
    assert strikes(faults, "no_capacity", 3) == [True, False, False]
    assert faults.active() == ()


def test_a_fault_strikes_at_each_so_manieth_chance_so_often() -> None:
    faults = Faults()
    faults.add(Fault("kill_worker", every=2, times=2))
    assert strikes(faults, "kill_worker", 6) == [False, True, False, True, False, False]


def test_a_fault_without_an_end_strikes_until_it_is_cleared() -> None:
    faults = Faults()
    endless = Fault("slow_start", times=None, seconds=2)
    faults.add(endless)
    assert strikes(faults, "slow_start", 3) == [True] * 3
    assert faults.active() == (endless,)
    faults.clear()
    assert strikes(faults, "slow_start", 1) == [False]


def test_a_fault_concerns_its_kind_endpoint_and_route_alone() -> None:
    faults = Faults()
    fault = Fault("answer_500", endpoint="a", route="status")
    faults.add(fault)
    assert faults.take("answer_500", "b", route="status") is None
    assert faults.take("answer_500", "a", route="run") is None
    assert faults.take("drop_result", "a") is None
    assert faults.take("answer_500", "a", route="status") == fault


def test_of_two_faults_each_has_its_turn() -> None:
    faults = Faults()
    faults.add(Fault("delay_result", seconds=1))
    faults.add(Fault("delay_result", seconds=2))
    taken = [faults.take("delay_result", "a") for _ in range(3)]
    assert [fault and fault.seconds for fault in taken] == [1, 2, None]


@pytest.mark.parametrize(
    "wrong", [{"kind": "explode"}, {"every": 0}, {"times": 0}, {"seconds": -1.0}]
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault"):
        Fault(**{"kind": "kill_worker", **wrong})


async def test_without_capacity_a_worker_is_throttled_until_there_is_some(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, pace=Pace(grace=1, capacity=0.1)) as echo:
        echo.runpod.faults.add(Fault("no_capacity", times=None))
        job = echo.submit(say="at last")
        await until(lambda: echo.fleet.counts()["throttled"] == 1)
        await asyncio.sleep(0.5)
        assert (job.state, echo.processes()) == (State.IN_QUEUE, [])
        echo.runpod.faults.clear()
        await final(job)
        assert (job.output, echo.fleet.counts()["throttled"]) == ({"echo": "at last"}, 0)


async def test_a_throttled_worker_that_nobody_wants_is_let_go(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path) as echo:
        echo.runpod.faults.add(Fault("no_capacity", times=None))
        job = echo.submit(say="x")
        await until(lambda: echo.fleet.counts()["throttled"] == 1)
        echo.queue.cancel(job.id)
        await until(lambda: not echo.fleet.workers)


async def test_a_slow_start_shows_in_the_delay(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path) as echo:
        echo.runpod.faults.add(Fault("slow_start", seconds=1))
        job = echo.submit(say="x")
        await until(lambda: echo.fleet.counts()["initializing"] == 1)
        assert echo.fleet.workers[0].pid is None
        await final(job)
        assert (job.delay_ms or 0) >= 1000


async def test_results_are_delayed_and_lost(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, execution_timeout_seconds=5) as echo:
        echo.runpod.faults.add(Fault("delay_result", seconds=1))
        delayed = await echo.ask(say="late")
        assert delayed.output == {"echo": "late"}
        assert (delayed.execution_ms or 0) >= 1000
        echo.runpod.faults.add(Fault("drop_result"))
        dropped = await echo.ask(say="lost")
        assert (dropped.state, dropped.output) == (State.TIMED_OUT, None)
        assert (await echo.ask(say="next")).output == {"echo": "next"}


async def status(echo: EchoRunPod, job_id: str) -> int:
    url = f"{echo.runpod.base_url}/echo/status/{job_id}"
    key = {"Authorization": f"Bearer {echo.runpod.api_key}"}
    async with aiohttp.ClientSession(headers=key) as session, session.get(url) as response:
        return response.status


async def test_callers_and_workers_are_answered_500(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path) as echo:
        echo.runpod.faults.add(Fault("answer_500", route="job-done"))
        job = await echo.ask(say="posted twice")
        assert job.output == {"echo": "posted twice"}
        assert echo.queue.totals.completed == 1
        echo.runpod.faults.add(Fault("answer_500", endpoint="echo", route="status", times=2))
        assert [await status(echo, job.id) for _ in range(3)] == [500, 500, 200]
