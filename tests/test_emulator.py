"""The door to one endpoint alone: a worker of the unmodified SDK, started at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from emulator.endpoint import LocalEndpoint, WorkerEnded, local_endpoint
from emulator.jobs import State

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEndpoint]:
    log = tmp_path_factory.mktemp("echo") / "worker.log"
    async with local_endpoint("tests.echo_worker", environment={}, log=log) as found:
        yield found


async def test_an_output_completes_the_job(endpoint: LocalEndpoint) -> None:
    job = await asyncio.wait_for(endpoint.ask(say="hello"), 60)
    assert (job.state, job.output) == (State.COMPLETED, {"echo": "hello"})
    assert endpoint.process.returncode is None
    assert "Started." in endpoint.log.read_text()


async def test_progress_is_the_output_of_a_job_in_progress(endpoint: LocalEndpoint) -> None:
    job = await endpoint.submit(progress="half way", say="done")
    seen = [(update.state, update.output) async for update in endpoint.updates(job)]
    assert (State.IN_PROGRESS, "half way") in seen
    assert seen[-1] == (State.COMPLETED, {"echo": "done"})


async def test_an_exception_fails_the_job(endpoint: LocalEndpoint) -> None:
    job = await asyncio.wait_for(endpoint.ask(fail="no luck"), 60)
    assert job.state is State.FAILED
    assert "no luck" in (job.error or "")


async def test_a_worker_that_ends_is_told_to_whoever_waits(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    async with local_endpoint("no.such.module", environment={}, log=log) as endpoint:
        with pytest.raises(WorkerEnded, match=r"worker\.log"):
            await asyncio.wait_for(endpoint.ask(say="anyone?"), 30)
    assert "No module" in log.read_text()
