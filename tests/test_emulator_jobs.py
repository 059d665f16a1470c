"""The jobs of a local endpoint: states, times, and who gets what."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from emulator.jobs import BadRequest, Job, Policy, State, UnknownJob
from emulator.limits import Limits
from emulator.queue import JobQueue


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> JobQueue:
    return JobQueue("echo", clock=clock)


def say(word: object, **extra: Any) -> dict[str, Any]:
    return {"input": {"say": word}, **extra}


async def take(queue: JobQueue, worker: str = "w1", *, most: int = 1) -> list[Job]:
    return await queue.take(worker, most=most, wait=0.01)


async def stops(queue: JobQueue, worker: str = "w1") -> list[str]:
    return await queue.to_stop(worker, wait=0.01)


async def test_jobs_are_taken_in_the_order_of_their_submission(queue: JobQueue) -> None:
    jobs = [queue.submit(say(number)) for number in range(5)]
    assert await take(queue) == jobs[:1]
    assert await take(queue, most=3) == jobs[1:4]
    assert await take(queue, most=3) == jobs[4:]
    assert await take(queue) == []


async def test_a_job_of_low_priority_waits_for_all_others_and_is_not_counted(
    queue: JobQueue, clock: Clock
) -> None:
    low = queue.submit(say("low", policy={"lowPriority": True}))
    clock.now += 5
    assert (queue.waiting, queue.waiting_low, queue.longest_wait) == (0, 1, 0)
    other = queue.submit(say("other"))
    clock.now += 2
    assert (queue.waiting, queue.longest_wait) == (1, 2)
    assert await take(queue, most=2) == [other, low]


async def test_whoever_waits_gets_the_next_job(queue: JobQueue) -> None:
    waiting = asyncio.create_task(queue.take("w1", most=1, wait=10))
    await asyncio.sleep(0)
    job = queue.submit(say("x"))
    assert await waiting == [job]
    assert queue.running_on("w1") == (job,)


async def test_each_of_those_who_wait_gets_a_job(queue: JobQueue) -> None:
    waiting = [asyncio.create_task(queue.take(f"w{n}", most=4, wait=1)) for n in range(3)]
    await asyncio.sleep(0)
    jobs = [queue.submit(say(n)) for n in range(3)]
    taken = await asyncio.gather(*waiting)
    assert sorted(job.id for part in taken for job in part) == sorted(job.id for job in jobs)


async def test_a_job_is_not_lost_with_one_who_gives_up_waiting(queue: JobQueue) -> None:
    gives_up = asyncio.create_task(queue.take("w1", most=1, wait=10))
    waits_on = asyncio.create_task(queue.take("w2", most=1, wait=10))
    await asyncio.sleep(0)
    job = queue.submit(say("x"))
    gives_up.cancel()
    assert await waits_on == [job]


async def test_a_job_that_did_not_arrive_is_the_next_again(queue: JobQueue) -> None:
    first, second = queue.submit(say(1)), queue.submit(say(2))
    queue.put_back("w1", await take(queue))
    assert (first.state, first.retries) == (State.IN_QUEUE, 0)
    assert await take(queue, "w2", most=2) == [first, second]


async def test_the_times_of_a_job_are_in_its_body(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit(say("x"))
    clock.now += 1.5
    await take(queue)
    clock.now += 2
    queue.finish("w1", job.id, {"output": {"echo": "x"}})
    assert job.body() == {
        "id": job.id,
        "status": "COMPLETED",
        "delayTime": 1500,
        "executionTime": 2000,
        "workerId": "w1",
        "output": {"echo": "x"},
    }


async def test_a_final_job_never_changes_again(queue: JobQueue) -> None:
    job = queue.submit(say("x"))
    await take(queue)
    assert queue.finish("w1", job.id, {"output": {"echo": "x"}})
    assert not queue.finish("w1", job.id, {"status": "IN_PROGRESS", "output": "late"})
    assert not queue.finish("w1", job.id, {"error": "later"})
    queue.cancel(job.id)
    assert (job.state, job.output, job.error) == (State.COMPLETED, {"echo": "x"}, None)


async def test_progress_is_the_output_until_the_job_is_final(queue: JobQueue) -> None:
    job = queue.submit(say("x"))
    await take(queue)
    queue.finish("w1", job.id, {"status": "IN_PROGRESS", "output": "half"})
    assert (job.state, job.output) == (State.IN_PROGRESS, "half")
    queue.finish("w1", job.id, {"error": "broken"})
    assert (job.state, job.output, job.error) == (State.FAILED, None, "broken")


async def test_a_job_that_is_cancelled_while_it_waits_is_never_taken(queue: JobQueue) -> None:
    first, second = queue.submit(say(1)), queue.submit(say(2))
    queue.cancel(first.id)
    assert first.state is State.CANCELLED
    assert await take(queue, most=2) == [second]


async def test_purging_cancels_what_waits_and_nothing_else(queue: JobQueue) -> None:
    running, waiting = queue.submit(say(1)), queue.submit(say(2))
    low = queue.submit(say(3, policy={"lowPriority": True}))
    await take(queue)
    assert queue.purge() == 2
    assert [job.state for job in (running, waiting, low)] == [
        State.IN_PROGRESS,
        State.CANCELLED,
        State.CANCELLED,
    ]


async def test_what_a_worker_leaves_behind_is_run_once_more_and_then_fails(
    queue: JobQueue, clock: Clock
) -> None:
    jobs = [queue.submit(say(number)) for number in range(3)]
    await take(queue, "w1", most=2)
    clock.now += 7
    queue.worker_gone("w1")
    assert [job.retries for job in jobs] == [1, 1, 0]
    assert await take(queue, "w2", most=2) == jobs[:2]
    assert jobs[0].delay_ms == 0
    queue.worker_gone("w2")
    assert {job.state for job in jobs[:2]} == {State.FAILED}
    assert jobs[0].error == "job timed out after 1 retries"
    assert queue.totals.retried == 2
    assert queue.totals.failed == 2


async def test_a_worker_that_lost_a_job_can_no_longer_answer_it(queue: JobQueue) -> None:
    job = queue.submit(say("x"))
    await take(queue, "w1")
    queue.worker_gone("w1")
    assert not queue.finish("w1", job.id, {"output": "first"})
    await take(queue, "w2")
    assert queue.finish("w2", job.id, {"output": "second"})
    assert job.output == "second"


async def test_a_job_that_its_worker_disowns_for_long_is_given_to_another(
    queue: JobQueue, clock: Clock
) -> None:
    job = queue.submit(say("x"))
    await take(queue)
    for named in ([job.id], [], [job.id], []):
        queue.holds("w1", named)
        clock.now += 39
        queue.sweep()
        assert job.state is State.IN_PROGRESS
    queue.holds("w1", [])
    clock.now += 2
    queue.sweep()
    assert (job.state, job.retries) == (State.IN_QUEUE, 1)


async def test_a_running_job_that_is_cancelled_is_a_signal_to_its_worker(queue: JobQueue) -> None:
    job, other = queue.submit(say(1)), queue.submit(say(2))
    await take(queue, "w1")
    await take(queue, "w2")
    queue.cancel(job.id)
    assert await stops(queue, "w2") == []
    assert await stops(queue, "w1") == [job.id]
    assert other.state is State.IN_PROGRESS


async def test_progress_of_a_cancelled_job_does_not_keep_its_worker_from_the_signal(
    queue: JobQueue,
) -> None:
    job = queue.submit(say("x"))
    await take(queue)
    queue.cancel(job.id)
    queue.finish("w1", job.id, {"status": "IN_PROGRESS", "output": "half"})
    assert await stops(queue) == [job.id]


async def test_a_signal_is_repeated_until_the_worker_has_nothing_left() -> None:
    queue = JobQueue("echo", limits=Limits(stop_repeat=0.01))
    job = queue.submit(say("x"))
    await take(queue)
    queue.cancel(job.id)
    for _ in range(3):
        assert await queue.to_stop("w1", wait=5) == [job.id]
    queue.idle("w1")
    assert await queue.to_stop("w1", wait=0.3) == []


async def test_a_job_that_runs_too_long_is_timed_out_and_stopped(
    queue: JobQueue, clock: Clock
) -> None:
    job = queue.submit(say("x", policy={"executionTimeout": 5000}))
    clock.now += 100  # waiting does not count
    await take(queue)
    seen = []
    for seconds in (4.9, 0.1):
        clock.now += seconds
        queue.sweep()
        seen.append(job.state)
    assert seen == [State.IN_PROGRESS, State.TIMED_OUT]
    assert await stops(queue) == [job.id]


@pytest.mark.parametrize("is_running", [False, True])
async def test_after_its_ttl_a_job_is_stopped_and_forgotten(
    queue: JobQueue, clock: Clock, *, is_running: bool
) -> None:
    job = queue.submit(say("x", policy={"ttl": 10_000}))
    if is_running:
        await take(queue)
    clock.now += 10
    queue.sweep()
    with pytest.raises(UnknownJob):
        queue.get(job.id)
    assert await stops(queue) == ([job.id] if is_running else [])
    assert (queue.waiting, queue.running, queue.recent(9)) == (0, 0, [])


@pytest.mark.parametrize(("sync", "seconds"), [(False, 1800), (True, 60)])
async def test_results_are_kept_for_a_while(
    queue: JobQueue, clock: Clock, *, sync: bool, seconds: float
) -> None:
    job = queue.submit(say("x"), sync=sync)
    await take(queue)
    queue.finish("w1", job.id, {"output": 1})
    clock.now += seconds - 1
    queue.sweep()
    assert queue.get(job.id) is job
    clock.now += 1
    with pytest.raises(UnknownJob):
        queue.get(job.id)


async def test_a_result_can_be_forgotten_earlier(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit(say("x"))
    queue.keep(job.id, 6)
    queue.cancel(job.id)
    clock.now += 5
    assert queue.get(job.id) is job
    clock.now += 1
    with pytest.raises(UnknownJob):
        queue.get(job.id)


async def test_a_failed_job_can_be_retried_under_its_id(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit(say("x"))
    clock.now += 3
    await take(queue)
    queue.finish("w1", job.id, {"error": "broken"})
    queue.retry(job.id)
    assert job.body() == {"id": job.id, "status": "IN_QUEUE", "retries": 1}
    clock.now += 1
    assert await take(queue, "w2") == [job]
    assert job.delay_ms == 1000
    queue.finish("w2", job.id, {"output": "mended"})
    assert (job.state, job.output, job.error) == (State.COMPLETED, "mended", None)
    with pytest.raises(BadRequest, match="COMPLETED"):
        queue.retry(job.id)


async def test_whoever_is_called_and_dismissed_at_once_passes_the_job_on(queue: JobQueue) -> None:
    first, second = (
        asyncio.create_task(queue.take(worker, most=1, wait=30)) for worker in ("w1", "w2")
    )
    await asyncio.sleep(0)
    job = queue.submit(say("hello"))
    queue.dismiss("w1")
    assert await asyncio.wait_for(second, 5) == [job]
    assert await first == []


async def test_whoever_is_dismissed_is_given_nothing_and_waits_no_more(queue: JobQueue) -> None:
    waits = asyncio.create_task(queue.take("w1", most=1, wait=60))
    listens = asyncio.create_task(queue.to_stop("w1", wait=60))
    await asyncio.sleep(0)
    queue.dismiss("w1")
    assert await asyncio.wait_for(waits, 5) == []
    assert await asyncio.wait_for(listens, 5) == []
    job = queue.submit(say("x"))
    assert await take(queue, "w1") == []
    assert await take(queue, "w2") == [job]


async def test_what_is_final_is_told_once(clock: Clock) -> None:
    told: list[Job] = []
    queue = JobQueue("echo", clock=clock, finished=told.append)
    jobs = [queue.submit(say(number)) for number in range(3)]
    await take(queue)
    queue.finish("w1", jobs[0].id, {"output": 1})
    queue.finish("w1", jobs[0].id, {"output": 2})
    queue.cancel(jobs[1].id)
    clock.now += 86400
    queue.sweep()
    assert told == jobs


async def test_a_worker_gets_the_request_as_it_was_but_no_empty_input(queue: JobQueue) -> None:
    extra = {"webhook": "http://127.0.0.1/", "s3Config": {"bucketName": "b"}}
    full = queue.submit({"id": "mine", "input": {"say": "x"}, **extra})
    assert full.work() == {"id": full.id, "input": {"say": "x"}, **extra}
    empty = queue.submit({"input": {}})
    assert empty.work() == {"id": empty.id}


def test_a_policy_is_in_milliseconds() -> None:
    default = Policy(execution_timeout=60)
    policy = {"executionTimeout": 7000, "ttl": 20_000, "lowPriority": True}
    assert Policy.read(policy, default=default) == Policy(
        execution_timeout=7, ttl=20, low_priority=True
    )
    assert Policy.read({}, default=default) == Policy.read(None, default=default) == default


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"input": None},
        {"input": {"a": 1}, "webhook": 5},
        {"input": {"a": 1}, "policy": "fast"},
        {"input": {"a": 1}, "policy": {"ttl": 9_999}},
        {"input": {"a": 1}, "policy": {"ttl": 7 * 86_400_000 + 1}},
        {"input": {"a": 1}, "policy": {"executionTimeout": 4_999}},
        {"input": {"a": 1}, "policy": {"executionTimeout": True}},
        {"input": {"a": 1}, "policy": {"executionTimeout": float("nan")}},
        {"input": {"a": 1}, "policy": {"lowPriority": "yes"}},
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    queue: JobQueue, request_body: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest):
        queue.submit(request_body)
    assert queue.waiting == 0
