"""The local platform, with a worker of the unmodified SDK."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import requests

from emulator.endpoint import LocalEndpoint, WorkerEnded, local_endpoint
from emulator.queue import JobQueue, State

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEndpoint]:
    log = tmp_path_factory.mktemp("echo") / "worker.log"
    async with local_endpoint("tests.echo_worker", environment={}, log=log) as found:
        yield found


async def test_an_output_completes_the_job(endpoint: LocalEndpoint) -> None:
    job = await asyncio.wait_for(endpoint.ask(say="hello"), 60)
    assert job.state is State.COMPLETED
    assert job.output == {"echo": "hello"}


async def test_progress_is_the_output_of_a_job_in_progress(endpoint: LocalEndpoint) -> None:
    job = await endpoint.submit(progress="half way", say="done")
    seen = [(update.state, update.output) async for update in endpoint.updates(job)]
    assert (State.IN_PROGRESS, "half way") in seen
    assert seen[-1] == (State.COMPLETED, {"echo": "done"})


async def test_an_exception_fails_the_job(endpoint: LocalEndpoint) -> None:
    job = await asyncio.wait_for(endpoint.ask(fail="no luck"), 60)
    assert job.state is State.FAILED
    assert "no luck" in (job.error or "")


async def test_a_cancelled_job_stops_and_the_next_one_runs(endpoint: LocalEndpoint) -> None:
    job = await endpoint.submit(progress="started", sleep=60)
    async for update in endpoint.updates(job):
        # the SDK drops a stop signal for a job that it has taken and not begun
        if update.output == "started":
            break
    await endpoint.platform.queue.cancel(job.id)
    after = await asyncio.wait_for(endpoint.ask(say="next"), 30)
    assert after.output == {"echo": "next"}
    assert job.state is State.CANCELLED


async def test_shared_files_are_served_under_their_key_alone(
    endpoint: LocalEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "a b.txt"
    file.write_text("content")
    url = endpoint.share(file)
    assert (await asyncio.to_thread(requests.get, url, timeout=5)).text == "content"
    guessed = url.replace("/files/", "/files/x")
    assert (await asyncio.to_thread(requests.get, guessed, timeout=5)).status_code == 404


async def test_a_worker_that_ends_is_told_to_whoever_waits(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    async with local_endpoint("no.such.module", environment={}, log=log) as endpoint:
        with pytest.raises(WorkerEnded, match=r"worker\.log"):
            await asyncio.wait_for(endpoint.ask(say="anyone?"), 30)
    assert "no.such" in log.read_text() or "No module" in log.read_text()


async def test_a_final_job_never_changes_again() -> None:
    queue = JobQueue()
    job = await queue.submit({"say": "x"})
    assert await queue.take(wait=1) is job
    queue.finish(job.id, {"output": {"echo": "x"}})
    queue.finish(job.id, {"status": "IN_PROGRESS", "output": "late"})
    queue.finish(job.id, {"error": "later"})
    assert (job.state, job.output, job.error) == (State.COMPLETED, {"echo": "x"}, None)


async def test_a_job_that_is_cancelled_while_it_waits_is_never_taken() -> None:
    queue = JobQueue()
    first, second = await queue.submit({"say": 1}), await queue.submit({"say": 2})
    await queue.cancel(first.id)
    assert await queue.take(wait=1) is second
    assert await queue.take(wait=0.01) is None
