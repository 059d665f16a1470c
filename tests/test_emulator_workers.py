"""The local platform towards workers: those of the unmodified SDK, and what they send."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from emulator.faults import Fault
from emulator.jobs import Job, State
from emulator.limits import Limits
from emulator.platform import LocalPlatform
from emulator.queue import JobQueue
from tests.sdk_workers import sdk_worker

KEY = {"Authorization": "any"}
SMALL = Limits(shortest_execution_timeout=0.5, result_bytes=100_000)
FORGETFUL = Limits(lost_job=1.0)


class Diary:
    """A crew that writes down what it is told."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, ...]] = []
        self.news = asyncio.Event()

    def asked(self, worker: str) -> None:
        self.entries.append(("asked", worker))
        self.news.set()

    def job_taken(self, worker: str, jobs: Sequence[Job]) -> None:
        self.entries.append(("taken", worker, *(job.id for job in jobs)))

    def unhealthy(self, worker: str, reason: str) -> None:
        self.entries.append(("unhealthy", worker, reason))

    def refresh(self, worker: str) -> None:
        self.entries.append(("refresh", worker))

    def counts(self) -> Mapping[str, int]:
        return {}


@asynccontextmanager
async def hosting(limits: Limits = SMALL) -> AsyncIterator[tuple[LocalPlatform, JobQueue, Diary]]:
    async with LocalPlatform(limits=limits) as platform:
        diary = Diary()
        yield platform, platform.add("echo", crew=diary), diary


def wish(**wishes: Any) -> dict[str, Any]:
    return {"input": wishes}


async def until(job: Job, state: State, *, output: object = None) -> Job:
    async with asyncio.timeout(60):
        while job.state is not state or (output is not None and job.output != output):
            await job.changed.wait()
    return job


# --- with workers of the unmodified SDK


async def test_a_job_walks_through_an_sdk_worker() -> None:
    async with hosting() as (platform, queue, diary), sdk_worker(platform, "echo"):
        job = queue.submit(wish(say="hello", progress="half way"))
        await until(job, State.IN_PROGRESS, output="half way")
        await until(job, State.COMPLETED)
        assert (job.output, job.worker) == ({"echo": "hello"}, "w1")
        assert diary.entries[:2] == [("asked", "w1"), ("taken", "w1", job.id)]

        failed = await until(queue.submit(wish(fail="no luck")), State.FAILED)
        assert "no luck" in failed.error


async def test_a_job_is_stopped_at_whatever_moment_it_is_cancelled() -> None:
    async with hosting() as (platform, queue, _), sdk_worker(platform, "echo"):
        for pause in (0.0, 0.05, 0.6):
            job = await until(queue.submit(wish(sleep=300)), State.IN_PROGRESS)
            await asyncio.sleep(pause)
            queue.cancel(job.id)
            await until(queue.submit(wish(say="next")), State.COMPLETED)
            assert job.state is State.CANCELLED


async def test_one_of_many_jobs_of_a_worker_is_stopped_alone() -> None:
    many = {"ECHO_CONCURRENCY": "3"}
    async with hosting() as (platform, queue, diary):
        jobs = [queue.submit(wish(sleep=seconds)) for seconds in (3, 300, 3)]
        async with sdk_worker(platform, "echo", environment=many):
            await until(jobs[2], State.IN_PROGRESS)
            assert diary.entries[-1] == ("taken", "w1", *(job.id for job in jobs))
            queue.cancel(jobs[1].id)
            await until(jobs[0], State.COMPLETED)
            await until(jobs[2], State.COMPLETED)
            both = [queue.submit(wish(say=number)) for number in range(3)]
            for job in both:  # the worker holds nothing of what it was told to stop
                await until(job, State.COMPLETED)


async def test_a_job_that_runs_too_long_is_timed_out_and_its_worker_goes_on() -> None:
    async with hosting() as (platform, queue, _), sdk_worker(platform, "echo"):
        job = queue.submit({**wish(sleep=300), "policy": {"executionTimeout": 1000}})
        await until(job, State.TIMED_OUT)
        await until(queue.submit(wish(say="next")), State.COMPLETED)


async def test_an_empty_input_reaches_no_handler_and_fails_after_one_retry() -> None:
    async with hosting(FORGETFUL) as (platform, queue, _), sdk_worker(platform, "echo"):
        job = await until(queue.submit({"input": {}}), State.FAILED)
        assert (job.error, job.retries) == ("job timed out after 1 retries", 1)


async def test_a_result_that_is_too_large_is_lost_without_a_word() -> None:
    async with hosting() as (platform, queue, _), sdk_worker(platform, "echo"):
        job = await until(queue.submit(wish(size=200_000)), State.COMPLETED)
        assert "output" not in job.body()
        fits = await until(queue.submit(wish(size=90_000)), State.COMPLETED)
        assert len(fits.output["text"]) == 90_000


async def test_parts_of_an_output_can_be_had_before_the_whole() -> None:
    async with (
        hosting() as (platform, queue, _),
        sdk_worker(platform, "echo", module="tests.stream_worker"),
    ):
        job = queue.submit(wish(count=5))
        parts: list[dict[str, Any]] = []
        async with asyncio.timeout(60):
            while len(parts) < 2:
                await job.changed.wait()
                parts += queue.drain_stream(job.id)
        await until(job, State.COMPLETED)
        parts += queue.drain_stream(job.id)
        assert [part["output"] for part in parts] == job.output == [0, 1, 2, 3, 4]


async def test_a_dismissed_worker_ends_at_once_although_it_waits_for_work() -> None:
    async with hosting() as (platform, queue, _), sdk_worker(platform, "echo") as process:
        await until(queue.submit(wish(say="ready")), State.COMPLETED)
        await asyncio.sleep(1.5)  # it asks again, and waits
        queue.dismiss("w1")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0  # a poll is held for 60 s


async def test_a_worker_that_is_unfit_says_so_and_ends() -> None:
    unfit = {"ECHO_UNFIT": "no feet"}
    async with (
        hosting() as (platform, _, diary),
        sdk_worker(platform, "echo", environment=unfit) as process,
    ):
        assert await asyncio.wait_for(process.wait(), 60) == 1
        (entry,) = diary.entries
        assert entry[:2] == ("unhealthy", "w1")
        assert "no feet" in entry[2]


async def test_a_result_is_sent_again_after_a_500() -> None:
    async with hosting() as (platform, queue, _), sdk_worker(platform, "echo"):
        platform.faults.add(Fault("answer_500", route="job-done"))
        job = await until(queue.submit(wish(say="again")), State.COMPLETED)
        assert job.output == {"echo": "again"}


# --- byte by byte


@asynccontextmanager
async def by_hand(
    platform: LocalPlatform, headers: Mapping[str, str] = KEY
) -> AsyncIterator[aiohttp.ClientSession]:
    base = platform.base_url + "/echo/"
    async with aiohttp.ClientSession(base, headers=headers) as session:
        yield session


async def test_whoever_shows_no_key_sees_an_empty_queue() -> None:
    async with hosting() as (platform, queue, _), by_hand(platform, {}) as stranger:
        job = queue.submit(wish(say="x"))
        for path in ("job-take/w1", "job-take-batch/w1?batch_size=2"):
            assert (await stranger.get(path)).status == 204
        assert (await stranger.post(f"job-done/w1/{job.id}", json={})).status == 401
        assert job.state is State.IN_QUEUE


async def test_a_worker_that_hung_up_is_given_nothing() -> None:
    async with hosting() as (platform, queue, diary):
        async with by_hand(platform) as worker:
            poll = asyncio.create_task(worker.get("job-take/w1"))
            await asyncio.wait_for(diary.news.wait(), 10)
            poll.cancel()
            await asyncio.wait([poll])
        job = queue.submit(wish(say="x"))
        async with by_hand(platform) as other:
            taken = await (await other.get("job-take/w2")).json()
        assert taken["id"] == job.id
        assert job.worker == "w2"
        assert job.retries == 0


async def test_one_job_is_an_object_and_a_batch_is_a_list() -> None:
    async with hosting() as (platform, queue, _), by_hand(platform) as worker:
        ids = [queue.submit(wish(say=number)).id for number in range(3)]
        one = await (await worker.get("job-take/w1?job_in_progress=0")).json()
        batch = await (await worker.get("job-take-batch/w1?batch_size=5")).json()
        assert [one["id"], *(job["id"] for job in batch)] == ids


async def test_a_poll_in_vain_ends_with_204() -> None:
    quick = Limits(poll=0.05)
    async with hosting(quick) as (platform, _, _), by_hand(platform) as worker:
        assert (await worker.get("job-take/w1")).status == 204
        assert (await worker.get("job-stop/w1")).status == 204


async def test_a_late_result_is_taken_kindly_and_changes_nothing() -> None:
    async with hosting() as (platform, queue, _), by_hand(platform) as worker:
        job = queue.submit(wish(say="x"))
        await worker.get("job-take/w1")
        for body in ({"output": "first"}, {"output": "second"}, {"status": "IN_PROGRESS"}):
            answer = await worker.post(f"job-done/w1/{job.id}", json=body)
            assert answer.status == 200
        assert (job.state, job.output) == (State.COMPLETED, "first")


async def test_ids_in_the_url_decide_and_bodies_may_be_declared_forms() -> None:
    async with hosting() as (platform, queue, _), by_hand(platform) as worker:
        job, other = queue.submit(wish(say="x")), queue.submit(wish(say="y"))
        await worker.get("job-take-batch/w1?batch_size=2")
        misleading = {
            "X-Request-ID": other.id,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        url = f"job-done/w1/{job.id}?gpu=none&isStream=false"
        await worker.post(url, data='{"output": "a=b&c"}', headers=misleading)
        assert (job.output, other.state) == ("a=b&c", State.IN_PROGRESS)


async def test_nonsense_is_refused() -> None:
    async with hosting() as (platform, queue, _), by_hand(platform) as worker:
        job = queue.submit(wish(say="x"))
        await worker.get("job-take/w1")
        for data in (b"", b"{", b"5", b"\xff"):
            assert (await worker.post(f"job-done/w1/{job.id}", data=data)).status == 400
        assert (await worker.post("job-done/w1/unknown", json={})).status == 404
        assert (await worker.get("../other/job-take/w1")).status == 404
        assert job.state is State.IN_PROGRESS


async def test_a_dropped_result_is_acknowledged_and_a_delayed_one_comes_later() -> None:
    async with hosting() as (platform, queue, _), by_hand(platform) as worker:
        job, slow = queue.submit(wish(say="x")), queue.submit(wish(say="y"))
        await worker.get("job-take-batch/w1?batch_size=2")
        platform.faults.add(Fault("drop_result"))
        assert (await worker.post(f"job-done/w1/{job.id}", json={"output": 1})).status == 200
        platform.faults.add(Fault("delay_result", seconds=0.3))
        asked = asyncio.get_running_loop().time()
        await worker.post(f"job-done/w1/{slow.id}", json={"output": 2})
        assert asyncio.get_running_loop().time() - asked >= 0.3
        assert (job.state, slow.output) == (State.IN_PROGRESS, 2)


async def test_a_ping_tells_which_jobs_a_worker_has() -> None:
    async with hosting(FORGETFUL) as (platform, queue, _), by_hand(platform) as worker:
        held, lost = queue.submit(wish(say="x")), queue.submit(wish(say="y"))
        await worker.get("job-take-batch/w1?batch_size=2")
        await worker.get(f"ping/w1?job_id={held.id}&runpod_version=1.12.0")
        await until(lost, State.IN_QUEUE)
        assert (held.state, lost.retries) == (State.IN_PROGRESS, 1)


async def test_a_ping_may_name_very_many_jobs() -> None:
    async with hosting(FORGETFUL) as (platform, queue, _), by_hand(platform) as worker:
        jobs = [queue.submit(wish(say=number)) for number in range(1000)]
        await worker.get("job-take-batch/w1?batch_size=1000")
        named = ",".join(job.id for job in jobs[1:])
        assert (await worker.get("ping/w1", params={"job_id": named})).status == 200
        await until(jobs[0], State.IN_QUEUE)
        assert {job.state for job in jobs[1:]} == {State.IN_PROGRESS}


@pytest.mark.parametrize("path", ["/guess/a.txt", "/../a.txt"])
async def test_a_shared_file_is_served_under_its_key_alone(path: str, tmp_path: Any) -> None:
    file = tmp_path / "a b.txt"
    file.write_text("content")
    async with LocalPlatform() as platform, aiohttp.ClientSession() as session:
        url = platform.share(file)
        assert await (await session.get(url)).text() == "content"
        part = await session.get(url, headers={"Range": "bytes=3-"})
        assert (part.status, await part.text()) == (206, "tent")
        assert (await session.head(url)).headers["Content-Length"] == "7"
        assert (await session.get(f"{platform.url}/files{path}")).status == 404
