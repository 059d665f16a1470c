"""A hundred jobs on a day on which every tenth kills its worker."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from benchmarks.stubs import DIARIZATION, ORCHESTRATOR, TRANSCRIPTION, recording, stub_set
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.faults import Fault
from emulator.jobs import Job, State
from handlers.errors import ParleyError
from parley import AsyncClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOBS = 100
DAY_SECONDS = 240


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runpod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRunPod]:
    manifest = stub_set(environment={"STUB_CONCURRENCY": "5"}, workers=3)
    async with local_runpod(manifest, logs=tmp_path_factory.mktemp("logs")) as running:
        yield running


async def outcome(client: AsyncClient, number: int) -> str:
    """What a caller gets for one job: once, a reply or a typed error."""
    try:
        reply = await client.transcribe(recording(seconds=0.5, words=number + 1), within=200)
    except ParleyError as error:
        return error.code
    assert len(reply.text.split()) == number + 1  # of this job, and of no other
    return "reply"


async def test_every_job_ends_once_and_nothing_runs_on(runpod: LocalRunPod) -> None:
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        fault = Fault(kind="kill_worker", endpoint=endpoint, every=10, times=None, seconds=0.2)
        runpod.faults.add(fault)
    async with (
        asyncio.timeout(DAY_SECONDS),
        AsyncClient.orch(ORCHESTRATOR, api_key=runpod.api_key, base_url=runpod.base_url) as client,
    ):
        outcomes = Counter(await asyncio.gather(*(outcome(client, n) for n in range(JOBS))))
    assert outcomes["reply"] >= JOBS * 0.9, outcomes
    answered = runpod.platform.queues[ORCHESTRATOR].totals
    assert answered.completed + answered.failed == JOBS  # none twice
    assert set(outcomes) <= {"reply", "worker_lost"}
    deaths = sum(
        job.retries for endpoint in (TRANSCRIPTION, DIARIZATION) for job in jobs(runpod, endpoint)
    )
    assert deaths > 0
    for endpoint in (TRANSCRIPTION, DIARIZATION, ORCHESTRATOR):
        assert all(job.state.is_final for job in jobs(runpod, endpoint))


def jobs(runpod: LocalRunPod, endpoint: str) -> list[Job]:
    return runpod.platform.queues[endpoint].recent(10 * JOBS)


async def test_a_worker_that_dies_again_and_again_is_told(runpod: LocalRunPod) -> None:
    runpod.faults.clear()
    runpod.faults.add(Fault(kind="kill_worker", endpoint=DIARIZATION, times=None))
    queue = runpod.platform.queues[ORCHESTRATOR]
    job = queue.submit({"input": {"audio_url": recording(seconds=2)}})
    async with asyncio.timeout(DAY_SECONDS):
        while not job.state.is_final:
            await job.changed.wait()
    runpod.faults.clear()
    assert job.state is State.FAILED
    assert json.loads(str(job.error))["code"] == "worker_lost"


async def test_an_orchestrator_that_dies_loses_no_job(runpod: LocalRunPod) -> None:
    runpod.faults.clear()
    runpod.faults.add(Fault(kind="kill_worker", endpoint=ORCHESTRATOR, seconds=0.5))
    async with AsyncClient.orch(
        ORCHESTRATOR, api_key=runpod.api_key, base_url=runpod.base_url
    ) as client:
        outcomes = await asyncio.gather(
            *(client.transcribe(recording(seconds=2, words=n + 1), within=120) for n in range(10))
        )
    assert [len(reply.text.split()) for reply in outcomes] == list(range(1, 11))
    async with asyncio.timeout(DAY_SECONDS):  # what the dead one left ends by itself
        for endpoint in (TRANSCRIPTION, DIARIZATION):
            for job in jobs(runpod, endpoint):
                while not job.state.is_final:
                    await job.changed.wait()


async def test_no_process_is_left(tmp_path: Path) -> None:
    async with local_runpod(stub_set(), logs=tmp_path) as running:
        async with AsyncClient.orch(
            ORCHESTRATOR, api_key=running.api_key, base_url=running.base_url
        ) as client:
            await client.transcribe(recording(), within=60)
        started = {
            view.pid for fleet in running.fleets.values() for view in fleet.workers if view.pid
        }
        assert len(started) == 3
    assert not any(psutil.pid_exists(pid) for pid in started)
