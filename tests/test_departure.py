"""A worker whose engine is lost: it answers whom it has, takes nobody more, and is gone."""

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from emulator.faults import Fault
from emulator.jobs import Job, State
from emulator.platform import LocalPlatform
from handlers.departure import Departure
from handlers.errors import EngineCrashed, restored
from handlers.progress import Progress
from handlers.worker import Answer, create_handler
from tests.echo_runpod import final, until
from tests.sdk_workers import sdk_worker

MODULE = "tests.crashing_worker"
CRASH = EngineCrashed("transcriber")
LONG = 60.0


# --- workers of the unmodified SDK


def left_of(group: int) -> Iterator[str]:
    """The processes of a group that still do something."""
    for process in psutil.process_iter():
        try:
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            if is_alive and os.getpgid(process.pid) == group:
                yield " ".join(process.cmdline())
        except (psutil.Error, ProcessLookupError):
            continue


def failure(job: Job) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(job.error)
    return body


async def test_twenty_jobs_outlive_the_engine_that_the_third_one_crashes() -> None:
    """The platform here does not even stop a worker that asks for it."""
    async with LocalPlatform() as platform:
        queue = platform.add("engine")
        jobs = [queue.submit({"input": {"download": 0.001}}) for _ in range(15)]
        waiting = queue.submit({"input": {"download": 300}})
        jobs += [waiting, *(queue.submit({"input": {"say": n}}) for n in range(4))]
        crashing = {"CRASH_AT": "3"}
        async with sdk_worker(platform, "engine", module=MODULE, environment=crashing) as first:
            assert await asyncio.wait_for(first.wait(), LONG) == 1
            assert list(left_of(first.pid)) == []
        taken = [job for job in jobs if job.state is not State.IN_QUEUE]
        async with sdk_worker(platform, "engine", module=MODULE, name="w2"):
            await final(*jobs)
    assert waiting.state is State.FAILED  # it did not wait for its download to end
    failed = [job for job in jobs if job.state is State.FAILED]
    assert {(failure(job)["code"], failure(job)["retryable"]) for job in failed} == {
        ("engine_crashed", True)
    }
    replied = [job.output["by"] for job in jobs if job.state is State.COMPLETED]
    assert replied.count("w1") == 2
    assert set(failed) == {job for job in taken if job.output != {"by": "w1"}}
    assert len(taken) <= 18  # sixteen, and two more after two replies
    assert len(failed) + len(replied) == 20


async def test_a_job_that_comes_after_the_crash_is_left_to_another_worker() -> None:
    """The poll was open when the engine was lost, and the last results take a while."""
    async with LocalPlatform() as platform:
        queue = platform.add("engine")
        jobs = [queue.submit({"input": {"say": n}}) for n in range(3)]
        platform.faults.add(Fault("delay_result", seconds=3.0, times=3))
        crashing = {"CRASH_AT": "1"}
        async with sdk_worker(platform, "engine", module=MODULE, environment=crashing) as first:
            await until(lambda: jobs[0].state is State.IN_PROGRESS)
            await asyncio.sleep(1.0)
            late = queue.submit({"input": {"say": "late"}})
            await until(lambda: late.worker == "w1")
            await asyncio.wait_for(first.wait(), LONG)
        assert late.state is State.IN_QUEUE
        assert {job.state for job in jobs} == {State.FAILED}
        async with sdk_worker(platform, "engine", module=MODULE, name="w2"):
            await final(late)
    assert (late.output, late.retries) == ({"by": "w2"}, 1)


# --- job by job


class Door:
    """Where a process would end."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def __call__(self) -> None:
        self.left.set()


def asking(answer: Answer, departure: Departure) -> asyncio.Task[dict[str, Any]]:
    """One job, in a task of its own, as with the SDK."""

    async def post(_job: dict[str, Any], _message: dict[str, Any]) -> None:
        """Nobody looks at progress here."""

    handler = create_handler(
        departure.guarding(answer), post=post, max_result_bytes=1000, progress_interval=0.0
    )

    async def delivered() -> dict[str, Any]:
        return await handler({"id": "job-1", "input": {}})

    return asyncio.create_task(delivered())


async def crash(_raw: Any, _progress: Progress) -> dict[str, Any]:
    raise EngineCrashed("transcriber")  # noqa: EM101


async def endless(_raw: Any, _progress: Progress) -> dict[str, Any]:
    await asyncio.sleep(300)
    return {}


async def test_the_process_ends_once_every_job_in_hand_is_answered() -> None:
    door = Door()
    departure = Departure(leave=door)
    assert departure.concurrency(16) == 16
    waiting = [asking(endless, departure) for _ in range(3)]
    await asyncio.sleep(0.05)
    crashed = asking(crash, departure)
    for task in (crashed, *waiting):
        failed = await asyncio.wait_for(task, LONG)
        assert json.loads(failed["error"]) == CRASH.body()
        assert failed["refresh_worker"] is True
    await asyncio.wait_for(door.left.wait(), LONG)
    assert departure.concurrency(16) == 0


async def test_the_process_ends_although_a_result_cannot_be_delivered() -> None:
    door = Door()
    departure = Departure(leave=door, patience=0.1)

    async def stubborn(_raw: Any, _progress: Progress) -> dict[str, Any]:
        try:
            await asyncio.sleep(300)
        finally:
            await asyncio.sleep(300)
        return {}

    stuck = asking(stubborn, departure)
    await asyncio.sleep(0.05)
    await asking(crash, departure)
    await asyncio.wait_for(door.left.wait(), LONG)
    assert not stuck.done()
    stuck.cancel()


async def test_a_crash_that_another_worker_tells_of_ends_nobody_here() -> None:
    """As the orchestrator hears of it, which holds no engine."""
    door = Door()
    departure = Departure(leave=door)
    told = restored(CRASH.body())
    assert isinstance(told, EngineCrashed)

    async def elsewhere(_raw: Any, _progress: Progress) -> dict[str, Any]:
        raise told

    failed = await asking(elsewhere, departure)
    assert set(failed) == {"error"}
    assert json.loads(failed["error"])["code"] == "engine_crashed"
    assert not departure.has_begun
    assert not door.left.is_set()


async def test_a_deadline_of_a_jobs_own_is_no_crash() -> None:
    departure = Departure(leave=Door())

    async def late(_raw: Any, _progress: Progress) -> dict[str, Any]:
        async with asyncio.timeout(0):
            await asyncio.sleep(1)
        return {}

    failed = await asking(late, departure)
    assert json.loads(failed["error"])["code"] == "internal_error"
    assert not departure.has_begun


@pytest.mark.parametrize("after", [False, True])
async def test_after_a_crash_no_job_is_begun_and_each_can_still_be_cancelled(
    *, after: bool
) -> None:
    departure = Departure(leave=Door())
    begun: list[int] = []

    async def waits(_raw: Any, _progress: Progress) -> dict[str, Any]:
        begun.append(1)
        await asyncio.sleep(300)
        return {}

    if after:
        await asking(crash, departure)
    task = asking(waits, departure)
    await asyncio.sleep(0.05)
    assert not task.done()
    assert begun == ([] if after else [1])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
