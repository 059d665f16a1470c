"""The orchestrator as RunPod runs it: SDK workers, real jobs; stubs in place of the engines."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import pytest_asyncio

from benchmarks.stubs import DIARIZATION, ORCHESTRATOR, TRANSCRIPTION, recording, stub_set
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.faults import Fault
from emulator.jobs import Job, State
from handlers.schema import documents

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_SECONDS = 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runpod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRunPod]:
    logs = tmp_path_factory.mktemp("logs")
    settings = {
        "PARLEY_JOB_SECONDS": "30",
        "PARLEY_PROGRESS_INTERVAL_SECONDS": "0.1",
        "PARLEY_PRICE_PER_SECOND": "0.0001",
    }
    async with local_runpod(stub_set(settings=settings), logs=logs) as running:
        yield running


def submit(runpod: LocalRunPod, *, url: str, **options: Any) -> Job:
    queue = runpod.platform.queues[ORCHESTRATOR]
    return queue.submit({"input": {"audio_url": url, **options}})


async def final(job: Job) -> Job:
    async with asyncio.timeout(ANSWER_SECONDS):
        while not job.state.is_final:
            await job.changed.wait()
    return job


async def ended(runpod: LocalRunPod, endpoint: str, *, jobs: int) -> list[Job]:
    """The latest jobs of an endpoint, once all of them have ended."""
    recent = runpod.platform.queues[endpoint].recent(jobs)
    return [await final(job) for job in recent]


async def failure(job: Job) -> dict[str, Any]:
    assert (await final(job)).state is State.FAILED, job.output
    body: dict[str, Any] = json.loads(str(job.error))
    jsonschema.validate(body, json.loads(documents()["failure.schema.json"]))
    return body


async def test_both_endpoints_are_asked_at_the_same_moment(runpod: LocalRunPod) -> None:
    job = await final(submit(runpod, url=recording(seconds=1.0), formats=["srt"]))
    assert job.state is State.COMPLETED, job.error
    reply = job.output
    jsonschema.validate(reply, json.loads(documents()["reply.schema.json"]))
    assert [speaker["label"] for speaker in reply["speakers"]] == ["SPEAKER_00", "SPEAKER_01"]
    assert reply["formats"]["srt"].startswith("1\n")
    assert set(reply["models"]) == {"transcriber", "diarizer"}
    assert reply["timings"]["transcribe.delay"] >= 0
    (words,) = await ended(runpod, TRANSCRIPTION, jobs=1)
    (turns,) = await ended(runpod, DIARIZATION, jobs=1)
    assert words.input["audio_url"] == turns.input["audio_url"]
    assert abs(words.submitted - turns.submitted) < 0.5


async def test_it_adds_its_own_seconds_to_what_the_endpoints_say(runpod: LocalRunPod) -> None:
    """The stubs answer as workers of an older version: what they cost nobody knows."""
    job = await final(submit(runpod, url=recording(seconds=1.0)))
    usage = job.output["usage"]
    assert list(usage["workers"]) == ["transcription", "diarization", "orchestrator"]
    own = usage["workers"]["orchestrator"]
    assert own["machine"] == "CPU"
    assert own["endpoint"] == ORCHESTRATOR
    assert own["cost_dollars"] == pytest.approx(0.0001 * own["worker_seconds"], abs=1e-7)
    assert usage["cost_dollars"] is None
    assert usage["cost_basis"].startswith("unknown for lack of transcription and diarization; ")


async def test_without_speakers_the_diarizer_is_not_asked(runpod: LocalRunPod) -> None:
    before = runpod.platform.queues[DIARIZATION].recent(1)
    job = await final(submit(runpod, url=recording(), diarize=False))
    assert job.state is State.COMPLETED, job.error
    assert job.output["speakers"] == []
    assert runpod.platform.queues[DIARIZATION].recent(1) == before


async def test_a_branch_that_fails_for_good_ends_the_other_and_the_job(
    runpod: LocalRunPod,
) -> None:
    url = recording(fail_transcription="audio_unreadable", seconds_diarization=50)
    body = await failure(submit(runpod, url=url))
    assert body == {"code": "audio_unreadable", "message": "As wished.", "retryable": False}
    (other,) = await ended(runpod, DIARIZATION, jobs=1)
    assert other.state is State.CANCELLED


async def test_a_failure_that_may_pass_is_tried_again_and_then_told(runpod: LocalRunPod) -> None:
    body = await failure(submit(runpod, url=recording(fail_diarization="out_of_memory")))
    assert body["code"] == "out_of_memory"
    tries = await ended(runpod, DIARIZATION, jobs=2)
    assert [job.state for job in tries] == [State.FAILED] * 2
    assert tries[0].input == tries[1].input


async def test_what_a_worker_has_tried_itself_is_not_tried_again(runpod: LocalRunPod) -> None:
    before = runpod.platform.queues[TRANSCRIPTION].totals.failed
    url = recording(fail_transcription="audio_host_failed")
    assert (await failure(submit(runpod, url=url)))["retryable"]
    assert runpod.platform.queues[TRANSCRIPTION].totals.failed == before + 1


async def test_words_without_speakers_come_only_where_they_were_chosen(
    runpod: LocalRunPod,
) -> None:
    url = recording(fail_diarization="model_missing")
    assert (await failure(submit(runpod, url=url)))["code"] == "model_missing"
    job = await final(submit(runpod, url=url, on_diarization_failure="transcript_only"))
    assert job.state is State.COMPLETED, job.error
    assert job.output["speakers"] == []
    assert "model_missing" in job.output["warnings"][0]


async def test_a_cancelled_job_cancels_both_of_its_own(runpod: LocalRunPod) -> None:
    job = submit(runpod, url=recording(seconds=50))
    await taken(runpod, DIARIZATION, TRANSCRIPTION)
    runpod.platform.queues[ORCHESTRATOR].cancel(job.id)
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        (child,) = await ended(runpod, endpoint, jobs=1)
        assert child.state is State.CANCELLED


async def test_a_job_that_is_out_of_time_cancels_both_of_its_own(runpod: LocalRunPod) -> None:
    queue = runpod.platform.queues[ORCHESTRATOR]
    job = queue.submit(
        {
            "input": {"audio_url": recording(seconds=50)},
            "policy": {"executionTimeout": 5000},
        }
    )
    await taken(runpod, DIARIZATION, TRANSCRIPTION)
    assert (await final(job)).state is State.TIMED_OUT
    for endpoint in (TRANSCRIPTION, DIARIZATION):
        (child,) = await ended(runpod, endpoint, jobs=1)
        assert child.state is State.CANCELLED


async def test_endpoints_get_no_more_time_than_the_job_has(runpod: LocalRunPod) -> None:
    job = submit(runpod, url=recording(seconds=50), deadline_seconds=3)
    await taken(runpod, DIARIZATION)
    (child,) = runpod.platform.queues[DIARIZATION].recent(1)
    assert child.policy.ttl < 20
    body = await failure(job)
    assert body["code"] == "deadline_exceeded"
    assert "stub-" in body["message"]  # it says which endpoint was waited for


async def test_words_alone_are_kept_where_no_diarizer_comes_in_time(runpod: LocalRunPod) -> None:
    url = recording(seconds_diarization=50)
    chosen = {"on_diarization_failure": "transcript_only", "deadline_seconds": 3}
    job = await final(submit(runpod, url=url, **chosen))
    assert job.state is State.COMPLETED, job.error
    assert "deadline_exceeded" in job.output["warnings"][0]


async def test_an_orchestrator_does_not_call_itself(tmp_path: Path) -> None:
    settings = {"PARLEY_TRANSCRIPTION_ENDPOINT": ORCHESTRATOR}
    async with local_runpod(stub_set(settings=settings), logs=tmp_path) as running:
        body = await failure(submit(running, url=recording()))
        assert body["code"] == "endpoint_not_configured"
        assert len(running.platform.queues[ORCHESTRATOR].recent(10)) == 1


async def test_progress_of_both_branches_is_one(runpod: LocalRunPod) -> None:
    job = submit(
        runpod, url=recording(seconds=2, progress_transcription=0.25, progress_diarization=0.5)
    )
    seen: list[dict[str, float]] = []
    while not job.state.is_final:
        if isinstance(job.output, dict) and "progress" in job.output:
            seen.append(job.output["progress"])
        await asyncio.wait_for(job.changed.wait(), ANSWER_SECONDS)
    both = {"queue": 1.0, "fetch": 1.0, "transcribe": 0.25, "diarize": 0.5}
    assert both in seen


async def test_a_platform_that_stumbles_is_asked_again(runpod: LocalRunPod) -> None:
    for route in ("run", "status"):
        runpod.faults.add(Fault(kind="answer_500", endpoint=TRANSCRIPTION, route=route, times=2))
    job = await final(submit(runpod, url=recording(seconds=0.5)))
    assert job.state is State.COMPLETED, job.error


async def test_an_endpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = {"PARLEY_TRANSCRIPTION_ENDPOINT": "nobody"}
    async with local_runpod(stub_set(settings=settings), logs=tmp_path) as running:
        body = await failure(submit(running, url=recording()))
    assert body["code"] == "endpoint_not_found"
    assert "nobody" in body["message"]


async def test_two_hundred_jobs_at_once_go_through_one_worker(runpod: LocalRunPod) -> None:
    began = time.monotonic()
    jobs = [submit(runpod, url=recording(seconds=5)) for _ in range(200)]
    states = [(await final(job)).state for job in jobs]
    assert states == [State.COMPLETED] * 200
    workers = {job.worker for job in jobs}
    assert len(workers) == 1
    assert time.monotonic() - began < ANSWER_SECONDS


async def taken(runpod: LocalRunPod, *endpoints: str) -> None:
    """Wait until an endpoint's latest job is under way."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while not all(
            job.state is State.IN_PROGRESS
            for endpoint in endpoints
            for job in runpod.platform.queues[endpoint].recent(1)
        ):
            await asyncio.sleep(0.05)


async def test_nothing_secret_and_nothing_said_is_logged(runpod: LocalRunPod) -> None:
    """Runs last: it looks at what all the jobs above have left."""
    (worker,) = runpod.fleets[ORCHESTRATOR].workers
    log = worker.log.read_text()
    assert "job" in log
    for private in ("word1", "Traceback", "talk.wav?"):
        assert private not in log
