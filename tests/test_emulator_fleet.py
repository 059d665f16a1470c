"""The workers of an endpoint, as processes of the unmodified SDK."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from emulator.faults import Fault
from emulator.fleet import Pace
from emulator.jobs import State
from emulator.manifest import Scaling
from tests.echo_runpod import echo_runpod, final, marked, until

EACH_JOB = Scaling(kind="REQUEST_COUNT", value=1)


async def test_the_first_job_starts_a_worker_and_waits_for_it(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path) as echo:
        assert not echo.fleet.workers
        job = echo.submit(say="hello")
        await until(lambda: echo.fleet.counts()["initializing"] == 1)
        await final(job)
        assert (job.state, job.output) == (State.COMPLETED, {"echo": "hello"})
        # no interpreter imports the SDK faster
        assert (job.delay_ms or 0) > 200
        (worker,) = echo.fleet.workers
        assert (worker.id, worker.jobs_done, worker.state) == (job.worker, 1, "idle")
        assert echo.fleet.counts() == {
            "idle": 1,
            "initializing": 0,
            "ready": 1,
            "running": 0,
            "throttled": 0,
            "unhealthy": 0,
        }


async def test_jobs_that_wait_too_long_start_one_worker_after_another(tmp_path: Path) -> None:
    scaling = Scaling(kind="QUEUE_DELAY", value=0.2)
    async with echo_runpod(tmp_path, workers_max=3, scaling=scaling) as echo:
        jobs = [echo.submit(sleep=600) for _ in range(4)]
        await until(lambda: echo.queue.running == 3)
        assert len(echo.fleet.workers) == 3
        assert len({job.worker for job in jobs[:3]}) == 3
        assert jobs[3].state is State.IN_QUEUE


async def test_so_many_jobs_start_so_many_workers_at_once(tmp_path: Path) -> None:
    scaling = Scaling(kind="REQUEST_COUNT", value=2)
    async with echo_runpod(tmp_path, workers_max=3, scaling=scaling) as echo:
        jobs = [echo.submit(say=number) for number in range(3)]
        await until(lambda: echo.fleet.workers)
        assert len(echo.fleet.workers) == 2
        await final(*jobs)
        assert [job.output for job in jobs] == [{"echo": number} for number in range(3)]


async def test_an_idle_worker_is_stopped_and_its_log_stays(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, idle_seconds=0.3, pace=Pace()) as echo:
        first = await echo.ask(pid=True)
        await until(lambda: not echo.fleet.workers)
        assert echo.processes() == []
        second = await echo.ask(pid=True)
        assert second.worker != first.worker
        assert second.retries == first.retries == 0
        logs = {path.stem: path.read_text() for path in echo.logs.iterdir()}
    assert set(logs) == {first.worker, second.worker}
    assert all("Started." in text for text in logs.values())


async def test_the_minimum_is_there_without_a_job_and_stays(tmp_path: Path) -> None:
    async with echo_runpod(
        tmp_path, workers_min=1, workers_max=2, idle_seconds=0.3, scaling=EACH_JOB
    ) as echo:
        await until(lambda: echo.fleet.counts()["idle"] == 1)
        jobs = [echo.submit(sleep=600) for _ in range(2)]
        await until(lambda: echo.queue.running == 2)
        for job in jobs:
            echo.queue.cancel(job.id)
        await until(lambda: len(echo.fleet.workers) == 1)
        await asyncio.sleep(0.8)
        assert echo.fleet.counts()["idle"] == 1


async def test_a_job_whose_worker_dies_is_given_to_another_worker_once(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=1) as echo:
        echo.runpod.faults.add(Fault("kill_worker", seconds=0.3))
        job = echo.submit(say="again", sleep=1.5)
        await until(lambda: job.worker)
        first = job.worker
        await final(job)
        assert (job.state, job.output) == (State.COMPLETED, {"echo": "again"})
        assert (job.retries, job.body()["retries"]) == (1, 1)
        assert job.worker != first
        assert {path.stem for path in echo.logs.iterdir()} == {first, job.worker}
        (worker,) = echo.fleet.workers
        # the heartbeat of the first went with it
        assert {os.getpgid(process.pid) for process in echo.processes()} == {worker.pid}


async def test_a_job_that_kills_every_worker_fails_after_one_retry(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=1) as echo:
        job = await echo.ask(die=True)
        assert (job.state, job.error) == (State.FAILED, "job timed out after 1 retries")
        assert (await echo.ask(say="next")).output == {"echo": "next"}
        totals = echo.queue.totals
        assert (totals.failed, totals.completed, totals.retried) == (1, 1, 1)


async def test_every_job_ends_once_although_every_fifth_worker_dies(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=3, scaling=EACH_JOB) as echo:
        echo.runpod.faults.add(Fault("kill_worker", every=5, times=None))
        jobs = [echo.submit(say=number, sleep=0.5) for number in range(20)]
        await final(*jobs)
        assert [job.output for job in jobs] == [{"echo": number} for number in range(20)]
        totals = echo.queue.totals
        assert (totals.completed, totals.failed, totals.retried) == (20, 0, 4)
        assert echo.queue.running == echo.queue.waiting == 0
        mark = echo.mark
    assert marked(mark) == []


async def test_a_worker_that_asks_to_be_replaced_is_replaced(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, workers_max=1) as echo:
        first = await echo.ask(refresh=True)
        second = await echo.ask(say="fresh")
        assert second.output == {"echo": "fresh"}
        assert second.worker != first.worker
        assert second.retries == 0


async def test_workers_that_cannot_start_are_tried_ever_more_rarely(tmp_path: Path) -> None:
    repaired = tmp_path / "repaired"
    program = (
        "import pathlib, runpy, sys\n"
        f"if not pathlib.Path({str(repaired)!r}).exists(): sys.exit('there is no model')\n"
        "runpy.run_module('tests.echo_worker', run_name='__main__')"
    )
    pace = Pace(grace=1, pause=0.2, longest_pause=1)
    command = ("{python}", "-c", program)
    async with echo_runpod(tmp_path / "logs", command=command, pace=pace) as echo:
        job = echo.submit(say="patience")
        await asyncio.wait_for(echo.fleet.troubled(), 60)
        assert job.state is State.IN_QUEUE
        *_, crashed = echo.fleet.workers
        assert "3 workers of echo in a row ended before they asked" in echo.fleet.trouble
        assert str(crashed.log) in echo.fleet.trouble
        assert "there is no model" in crashed.log.read_text()
        assert (crashed.state, crashed.reason) == ("unhealthy", "ended with status 1")
        assert echo.fleet.counts()["unhealthy"] == 3
        await until(lambda: echo.fleet.counts()["unhealthy"] == 4)
        repaired.touch()
        await final(job)
        assert job.output == {"echo": "patience"}
        assert (echo.fleet.trouble, echo.fleet.counts()["unhealthy"]) == ("", 0)


async def test_a_command_that_does_not_exist_is_told(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, command=("/no/such/program",)) as echo:
        echo.submit(say="anyone?")
        await asyncio.wait_for(echo.fleet.troubled(), 60)
        assert "could not be started" in echo.fleet.trouble
        assert "/no/such/program" in echo.fleet.workers[0].log.read_text()


async def test_a_worker_says_why_it_is_unhealthy(tmp_path: Path) -> None:
    async with echo_runpod(tmp_path, environment={"ECHO_UNFIT": "there is no GPU"}) as echo:
        job = echo.submit(say="x")
        await asyncio.wait_for(echo.fleet.troubled(), 60)
        worker = echo.fleet.workers[0]
        assert worker.state == "unhealthy"
        assert worker.reason.startswith("reported itself unhealthy: ")
        assert "there is no GPU" in worker.reason
        assert job.state is State.IN_QUEUE


async def test_a_worker_that_never_asks_is_given_up(tmp_path: Path) -> None:
    pace = Pace(grace=1, start=0.2, crashes=1, pause=60)
    command = ("{python}", "-c", "import time; time.sleep(600)")
    async with echo_runpod(tmp_path, command=command, pace=pace) as echo:
        echo.submit(say="x")
        await asyncio.wait_for(echo.fleet.troubled(), 60)
        assert "did not ask for a job" in echo.fleet.trouble


async def test_a_worker_gets_its_settings_and_nothing_of_another_runpod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_REALTIME_PORT", "1")
    monkeypatch.setenv("OF_THIS_PROCESS", "inherited")
    settings = {"BASE": "${PLATFORM_URL}/v2", "KEY": "${API_KEY}"}
    async with echo_runpod(tmp_path, workers_min=1, environment=settings) as echo:
        await until(lambda: echo.fleet.processes)
        (process,) = echo.fleet.processes.values()
        environment = psutil.Process(process.pid).environ()
        assert environment["BASE"] == echo.runpod.base_url
        assert environment["KEY"] == echo.runpod.api_key
    assert "RUNPOD_REALTIME_PORT" not in environment
    assert environment["OF_THIS_PROCESS"] == "inherited"


async def test_no_process_is_left_at_the_end_even_in_the_middle_of_a_job(tmp_path: Path) -> None:
    before = psutil.Process().children(recursive=True)
    async with echo_runpod(tmp_path, pace=Pace(grace=0.2), scaling=EACH_JOB) as echo:
        for _ in range(2):
            echo.submit(sleep=600)
        await until(lambda: echo.queue.running == 2)
        assert len(echo.processes()) >= 2
        echo.submit(sleep=600)  # its worker is about to start
        mark = echo.mark
    assert marked(mark) == []
    assert psutil.Process().children(recursive=True) == before


ORPHANS = """
import asyncio, pathlib, sys
from emulator.guard import Guard
from emulator.process import WorkerProcess

async def main():
    guard = Guard()
    await guard.start()
    command = ("sh", "-c", "sleep 600 & sleep 600")
    log = pathlib.Path(sys.argv[1])
    await WorkerProcess.start(command, environment={"ECHO_MARK": sys.argv[2]}, log=log, guard=guard)
    print("started", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_no_worker_outlives_a_platform_that_was_killed(tmp_path: Path) -> None:
    mark = f"orphans of {os.getpid()}"
    platform = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANS, str(tmp_path / "log"), mark, stdout=asyncio.subprocess.PIPE
    )
    assert platform.stdout is not None
    assert await asyncio.wait_for(platform.stdout.readline(), 60) == b"started\n"
    await until(lambda: len(marked(mark)) == 3)
    platform.send_signal(signal.SIGKILL)
    await platform.wait()
    await until(lambda: not marked(mark))
