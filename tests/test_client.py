"""The Python client against the local platform: SDK workers, stubs in place of the engines."""

import asyncio
import base64
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from benchmarks.stubs import DIARIZATION, ORCHESTRATOR, TRANSCRIPTION, recording, stub_set
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.jobs import Job, State
from handlers.errors import (
    BucketUnreachable,
    DeadlineExceeded,
    EndpointAccessDenied,
    EndpointNotConfigured,
    FileMissing,
    JobCancelled,
    RequestTooLarge,
    UnknownOption,
    WrongEndpoint,
)
from parley import AsyncClient, Client, Step
from tests.buckets import KEY_ID, SECRET, LocalBucket, local_bucket

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 60.0


@pytest.fixture(scope="module")
def bucket() -> Iterator[LocalBucket]:
    with local_bucket() as local:
        yield local


def variables(bucket: LocalBucket) -> dict[str, str]:
    """What tells a process of the bucket."""
    return {
        "PARLEY_BUCKET_NAME": bucket.name,
        "BUCKET_ENDPOINT_URL": bucket.url,
        "BUCKET_ACCESS_KEY_ID": KEY_ID,
        "BUCKET_SECRET_ACCESS_KEY": SECRET,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runpod(
    tmp_path_factory: pytest.TempPathFactory, bucket: LocalBucket
) -> AsyncIterator[LocalRunPod]:
    manifest = stub_set(settings=variables(bucket))
    async with local_runpod(manifest, logs=tmp_path_factory.mktemp("logs")) as running:
        yield running


def orch(runpod: LocalRunPod, **changed: str) -> AsyncClient:
    reach = {"api_key": runpod.api_key, "base_url": runpod.base_url, **changed}
    return AsyncClient.orch(ORCHESTRATOR, **reach)


def split(runpod: LocalRunPod) -> AsyncClient:
    return AsyncClient.split(
        transcription=TRANSCRIPTION,
        diarization=DIARIZATION,
        api_key=runpod.api_key,
        base_url=runpod.base_url,
    )


def latest(runpod: LocalRunPod, endpoint: str) -> Job:
    (job,) = runpod.platform.queues[endpoint].recent(1)
    return job


async def ended(job: Job) -> Job:
    async with asyncio.timeout(SECONDS):
        while not job.state.is_final:
            await job.changed.wait()
    return job


@pytest.mark.parametrize("shape", [orch, split])
async def test_steps_of_both_branches_are_told(runpod: LocalRunPod, shape: Any) -> None:
    steps: list[Step] = []
    async with shape(runpod) as client:
        await client.transcribe(recording(seconds=0.5), within=SECONDS, progress=steps.append)
    done = {step.phase for step in steps if step.done == 1.0}
    assert {"queue", "align", "format"} <= done


async def test_both_shapes_say_the_same_of_the_same_recording(runpod: LocalRunPod) -> None:
    async with orch(runpod) as one, split(runpod) as two:
        first = await one.transcribe(recording(words=20), within=SECONDS, formats=["srt"])
        second = await two.transcribe(recording(words=20), within=SECONDS, formats=["srt"])
    assert first.segments == second.segments
    assert first.formats == second.formats
    assert first.speakers == second.speakers


@pytest.mark.parametrize("shape", [orch, split])
async def test_local_audio_goes_through_the_bucket_once(
    runpod: LocalRunPod,
    bucket: LocalBucket,
    shape: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables(bucket).items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "large.wav"
    path.write_bytes(b"\0" * 12_000_000)  # more than a request can hold
    async with shape(runpod) as client:
        await client.transcribe(path, within=SECONDS)
    words, turns = latest(runpod, TRANSCRIPTION), latest(runpod, DIARIZATION)
    assert words.input["audio_url"] == turns.input["audio_url"]
    assert words.input["audio_url"].startswith(f"{bucket.url}/{bucket.name}/parley/")
    assert bucket.keys() == []


async def test_inline_audio_of_a_job_goes_through_the_orchestrators_bucket(
    runpod: LocalRunPod, bucket: LocalBucket
) -> None:
    content = base64.b64encode(b"\0" * 1000).decode()
    job = runpod.platform.queues[ORCHESTRATOR].submit({"input": {"audio_base64": content}})
    assert (await ended(job)).state is State.COMPLETED, job.error
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        assert latest(runpod, endpoint).input["audio_url"].startswith(bucket.url)
    assert bucket.keys() == []


async def test_without_a_bucket_small_audio_travels_in_the_request(runpod: LocalRunPod) -> None:
    async with split(runpod) as client:
        await client.transcribe(b"\0" * 1000, within=SECONDS)
        assert "audio_base64" in latest(runpod, DIARIZATION).input
        with pytest.raises(RequestTooLarge, match="PARLEY_BUCKET_NAME"):
            await client.transcribe(b"\0" * 12_000_000, within=SECONDS)


@pytest.mark.parametrize("shape", [orch, split])
async def test_a_deadline_ends_all_jobs(runpod: LocalRunPod, shape: Any) -> None:
    async with shape(runpod) as client:
        with pytest.raises(DeadlineExceeded):
            await client.transcribe(recording(seconds=50), within=3)
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        assert (await ended(latest(runpod, endpoint))).state in {State.CANCELLED, State.TIMED_OUT}


@pytest.mark.parametrize("shape", [orch, split])
async def test_a_cancelled_call_ends_all_jobs(runpod: LocalRunPod, shape: Any) -> None:
    async with shape(runpod) as client:
        call = asyncio.create_task(client.transcribe(recording(seconds=50), within=SECONDS))
        await under_way(runpod)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        assert (await ended(latest(runpod, endpoint))).state is State.CANCELLED


async def under_way(runpod: LocalRunPod) -> None:
    """Wait until both engines have a job."""
    async with asyncio.timeout(SECONDS):
        while not all(
            runpod.platform.queues[endpoint].running for endpoint in (TRANSCRIPTION, DIARIZATION)
        ):
            await asyncio.sleep(0.02)


async def test_what_can_be_told_at_once_is_told_at_once(runpod: LocalRunPod) -> None:
    before = latest(runpod, ORCHESTRATOR)
    async with orch(runpod) as client:
        with pytest.raises(FileMissing, match=r"talk\.wav"):
            await client.transcribe("talk.wav")
        with pytest.raises(UnknownOption, match="num_speakers"):
            await client.transcribe(recording(), number_speakers=2)  # type: ignore[call-arg]
    assert latest(runpod, ORCHESTRATOR) is before
    with pytest.raises(EndpointNotConfigured, match="RUNPOD_API_KEY"):
        AsyncClient.orch(ORCHESTRATOR)
    with pytest.raises(EndpointNotConfigured, match="id"):
        AsyncClient.orch("", api_key="local")


async def test_a_wrong_key_and_a_wrong_kind_of_endpoint_are_named(runpod: LocalRunPod) -> None:
    async with orch(runpod, api_key="stolen") as client:
        with pytest.raises(EndpointAccessDenied, match="RUNPOD_API_KEY"):
            await client.transcribe(recording(), within=SECONDS)
    swapped = AsyncClient.single(TRANSCRIPTION, api_key=runpod.api_key, base_url=runpod.base_url)
    async with swapped as client:
        with pytest.raises(WrongEndpoint, match="transcribe"):
            await client.transcribe(recording(), within=SECONDS, formats=["srt"])


async def test_one_client_serves_one_event_loop_after_another(runpod: LocalRunPod) -> None:
    client = orch(runpod)

    async def work() -> int:
        async with asyncio.timeout(SECONDS):
            return len((await client.transcribe(recording(words=3))).text.split())

    for _ in range(2):
        assert await asyncio.to_thread(asyncio.run, work()) == 3


async def test_leaving_the_block_cancels_what_is_under_way(runpod: LocalRunPod) -> None:
    async with split(runpod) as client:
        call = asyncio.create_task(client.transcribe(recording(seconds=50), within=SECONDS))
        await under_way(runpod)
    assert call.cancelled()
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        assert (await ended(latest(runpod, endpoint))).state is State.CANCELLED


async def test_a_closed_client_stays_closed(runpod: LocalRunPod) -> None:
    client = Client.orch(ORCHESTRATOR, api_key=runpod.api_key, base_url=runpod.base_url)
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(client.transcribe, recording(seconds=50), within=SECONDS)
        await under_way(runpod)
        await asyncio.to_thread(client.close)
        with pytest.raises(JobCancelled):
            call.result()
    with pytest.raises(RuntimeError, match="closed"):
        client.transcribe(recording())


async def test_the_upload_has_a_deadline_too(
    runpod: LocalRunPod, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", unused_tcp_port):
        monkeypatch.setenv("PARLEY_BUCKET_NAME", "talks")
        monkeypatch.setenv("BUCKET_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
        monkeypatch.setenv("BUCKET_ACCESS_KEY_ID", KEY_ID)
        monkeypatch.setenv("BUCKET_SECRET_ACCESS_KEY", SECRET)
        async with split(runpod) as client:
            with pytest.raises(BucketUnreachable, match="not uploaded within 1 s"):
                await client.transcribe(b"\0" * 1000, within=1)


async def test_threads_share_the_blocking_client(runpod: LocalRunPod) -> None:
    def work() -> list[int]:
        with (
            Client.orch(ORCHESTRATOR, api_key=runpod.api_key, base_url=runpod.base_url) as client,
            ThreadPoolExecutor(8) as threads,
        ):
            urls = [recording(words=count, seconds=0.3) for count in range(1, 9)]
            replies = threads.map(lambda url: client.transcribe(url, within=SECONDS), urls)
            return [len(reply.text.split()) for reply in replies]

    assert await asyncio.to_thread(work) == list(range(1, 9))


SCRIPT = """
import sys
from parley import Client
with Client.split(transcription=sys.argv[1], diarization=sys.argv[2]) as client:
    client.transcribe(sys.argv[3], within=60)
"""


async def test_an_interrupt_of_a_program_cancels_its_jobs(runpod: LocalRunPod) -> None:
    environment = {
        **os.environ,
        "RUNPOD_API_KEY": runpod.api_key,
        "RUNPOD_ENDPOINT_BASE_URL": runpod.base_url,
    }
    command = [sys.executable, "-c", SCRIPT, TRANSCRIPTION, DIARIZATION, recording(seconds=50)]
    program = await asyncio.create_subprocess_exec(*command, env=environment, stderr=PIPE)
    await under_way(runpod)
    began = time.monotonic()
    program.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(program.communicate(), 30)
    assert b"KeyboardInterrupt" in said
    assert time.monotonic() - began < 20
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        assert (await ended(latest(runpod, endpoint))).state is State.CANCELLED
