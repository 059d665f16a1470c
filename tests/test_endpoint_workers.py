"""The client of an endpoint, against the local platform and an unmodified SDK worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from emulator.faults import Fault
from emulator.jobs import State
from emulator.platform import LocalPlatform
from emulator.queue import JobQueue
from handlers.errors import DeadlineExceeded, EndpointAccessDenied, JobFailed
from orchestrator.endpoint import Endpoint, Update
from tests.sdk_workers import sdk_worker

LONG = 60.0


@dataclass(frozen=True)
class Echo:
    platform: LocalPlatform
    queue: JobQueue
    endpoint: Endpoint


@asynccontextmanager
async def echoing() -> AsyncIterator[Echo]:
    async with LocalPlatform() as platform, aiohttp.ClientSession() as session:
        queue = platform.add("echo")
        endpoint = Endpoint(
            "echo", session=session, api_key=platform.api_key, base_url=platform.base_url
        )
        async with sdk_worker(platform, "echo"):
            yield Echo(platform, queue, endpoint)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_worker_answers_with_progress_on_the_way() -> None:
    seen: list[Update] = []
    wish = {"say": "hello", "progress": {"progress": {"decode": 0.5}}, "sleep": 0.5}
    async with echoing() as echo:
        result = await echo.endpoint.run(wish, within=LONG, update=seen.append)
        health = await echo.endpoint.health()
    assert result.output == {"echo": "hello"}
    assert result.worker == "w1"
    assert result.delay > 0
    assert result.execution >= 1
    assert {"progress": {"decode": 0.5}} in [update.output for update in seen]
    assert health["jobs"]["completed"] == 1


async def test_a_worker_that_raises_is_a_job_that_failed() -> None:
    async with echoing() as echo:
        with pytest.raises(JobFailed, match="no such thing"):
            await echo.endpoint.run({"fail": "no such thing"}, within=LONG)


async def test_an_errand_given_up_stops_the_worker() -> None:
    async with echoing() as echo:
        errand = asyncio.create_task(echo.endpoint.run({"sleep": 3600}, within=LONG))
        await until(lambda: echo.queue.running)
        errand.cancel()
        with pytest.raises(asyncio.CancelledError):
            await errand
        (given_up,) = echo.queue.recent(10)
        assert given_up.state is State.CANCELLED
        # the worker does one job at a time: it is free again
        assert (await echo.endpoint.run({"say": "next"}, within=LONG)).output == {"echo": "next"}


async def test_a_deadline_stops_the_worker() -> None:
    async with echoing() as echo:
        await echo.endpoint.run({"say": "the worker is there"}, within=LONG)
        with pytest.raises(DeadlineExceeded):
            await echo.endpoint.run({"sleep": 3600}, within=3)
        assert {job.state for job in echo.queue.recent(10)} == {State.COMPLETED, State.CANCELLED}
        assert (await echo.endpoint.run({"say": "next"}, within=LONG)).output == {"echo": "next"}


async def test_a_platform_with_a_bad_moment_loses_no_job() -> None:
    async with echoing() as echo:
        for route in ("run", "status"):
            echo.platform.faults.add(Fault("answer_500", endpoint="echo", route=route, times=2))
        result = await echo.endpoint.run({"say": "hello"}, within=LONG)
    assert (result.output, result.submissions) == ({"echo": "hello"}, 1)
    assert echo.queue.totals.completed == 1


async def test_a_wrong_key_is_told() -> None:
    async with LocalPlatform() as platform, aiohttp.ClientSession() as session:
        platform.add("echo")
        endpoint = Endpoint("echo", session=session, api_key="no", base_url=platform.base_url)
        with pytest.raises(EndpointAccessDenied):
            await endpoint.run({"say": "hello"}, within=LONG)
