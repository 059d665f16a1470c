"""Jobs share batches: fairly, within a budget, and without harm to each other."""

import asyncio
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.batching import Batcher, in_order
from handlers.errors import EngineCrashed, OutOfMemory
from handlers.model_thread import ModelThread


class Recorder:
    """Work that remembers its batches, and begins only when it may."""

    def __init__(self, fail: Callable[[Sequence[float]], None] = lambda _items: None) -> None:
        self.batches: list[tuple[float, ...]] = []
        self.may = threading.Event()
        self.may.set()
        self._fail = fail

    def __call__(self, items: Sequence[float]) -> list[str]:
        self.may.wait(5)
        self.batches.append(tuple(items))
        self._fail(items)
        return [f"<{item}>" for item in items]


def batcher(work: Recorder, *, most: int = 4, budget: float = 100) -> Batcher[float, str]:
    return Batcher(
        work, thread=ModelThread("test"), length=lambda item: item, most=most, budget=budget
    )


@given(
    jobs=st.lists(st.lists(st.integers(1, 30), max_size=12), max_size=6),
    most=st.integers(1, 8),
    budget=st.integers(1, 100),
)
def test_every_item_is_answered_within_the_budget(
    jobs: list[list[int]], most: int, budget: int
) -> None:
    work = Recorder()

    async def run() -> list[list[str]]:
        shared = batcher(work, most=most, budget=budget)
        answers = [
            asyncio.gather(*(shared.do(item, job=number) for item in items))
            for number, items in enumerate(jobs)
        ]
        return [await answer for answer in answers]

    assert asyncio.run(run()) == [[f"<{item}>" for item in items] for items in jobs]
    assert sorted(sum(work.batches, ())) == sorted(sum(jobs, []))  # noqa: RUF017
    for batch in work.batches:
        assert len(batch) <= most
        assert len(batch) == 1 or max(batch) * len(batch) <= budget


async def test_a_short_job_waits_for_one_batch_of_a_long_one() -> None:
    work = Recorder()
    work.may.clear()
    shared = batcher(work)
    long = [asyncio.ensure_future(shared.do(30.0, job="long")) for _ in range(100)]
    await asyncio.sleep(0.01)
    short = asyncio.ensure_future(shared.do(5.0, job="short"))
    await asyncio.sleep(0.01)
    work.may.set()
    assert await short == "<5.0>"
    assert next(n for n, batch in enumerate(work.batches) if 5.0 in batch) <= 2
    await asyncio.gather(*long)


async def test_many_short_jobs_go_together() -> None:
    work = Recorder()
    work.may.clear()
    shared = batcher(work, most=8)
    jobs = [asyncio.ensure_future(shared.do(2.0 + n / 8, job=n)) for n in range(16)]
    await asyncio.sleep(0.01)
    work.may.set()
    await asyncio.gather(*jobs)
    assert len(work.batches) == 2


async def test_items_of_like_length_go_together() -> None:
    work = Recorder()
    work.may.clear()
    shared = batcher(work, most=3)
    items = [9.0, 30.0, 10.0, 29.0, 11.0, 31.0]
    jobs = [asyncio.ensure_future(shared.do(item, job="one")) for item in items]
    await asyncio.sleep(0.01)
    work.may.set()
    await asyncio.gather(*jobs)
    assert sorted(map(sorted, work.batches)) == [[9.0, 10.0, 11.0], [29.0, 30.0, 31.0]]


async def test_one_item_that_fails_fails_its_own_job_alone() -> None:
    def fail(items: Sequence[float]) -> None:
        if 3.0 in items:
            raise LookupError

    work = Recorder(fail)
    work.may.clear()
    shared = batcher(work, most=8)
    items = [2.0, 2.5, 3.0, 3.5]
    jobs = [asyncio.ensure_future(shared.do(item, job=item)) for item in items]
    await asyncio.sleep(0.01)
    work.may.set()
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert found[:2] + found[3:] == ["<2.0>", "<2.5>", "<3.5>"]
    assert isinstance(found[2], LookupError)


async def test_what_does_not_fit_is_halved_and_later_batches_are_smaller() -> None:
    def fail(items: Sequence[float]) -> None:
        if len(items) > 2:
            raise OutOfMemory

    work = Recorder(fail)
    work.may.clear()
    shared = batcher(work, most=8)
    jobs = [asyncio.ensure_future(shared.do(4.0, job=n)) for n in range(24)]
    await asyncio.sleep(0.01)
    work.may.set()
    assert await asyncio.gather(*jobs) == ["<4.0>"] * 24
    assert len([batch for batch in work.batches if len(batch) > 2]) <= 3
    assert {len(batch) for batch in work.batches[-4:]} == {2}


async def test_an_item_that_never_fits_says_so() -> None:
    def fail(_items: Sequence[float]) -> None:
        message = "too much"
        raise OutOfMemory(message)

    shared = batcher(Recorder(fail))
    with pytest.raises(OutOfMemory, match="too much"):
        await shared.do(30.0, job="one")


async def test_a_gpu_that_crashed_is_not_asked_again() -> None:
    def fail(_items: Sequence[float]) -> None:
        engine = "transcriber"
        raise EngineCrashed(engine)

    work = Recorder(fail)
    work.may.clear()
    shared = batcher(work)
    jobs = [asyncio.ensure_future(shared.do(2.0, job=n)) for n in range(4)]
    await asyncio.sleep(0.01)
    work.may.set()
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(one, EngineCrashed) for one in found)
    assert max(map(len, work.batches)) > 1
    assert sum(map(len, work.batches)) == 4


async def test_a_cancelled_job_drops_out() -> None:
    work = Recorder()
    work.may.clear()
    shared = batcher(work, most=1)
    first = asyncio.ensure_future(shared.do(1.0, job="first"))
    await asyncio.sleep(0.01)
    gone = [asyncio.ensure_future(shared.do(2.0, job="gone")) for _ in range(5)]
    last = asyncio.ensure_future(shared.do(3.0, job="last"))
    await asyncio.sleep(0.01)
    for job in gone:
        job.cancel()
    work.may.set()
    await asyncio.gather(first, last)
    assert work.batches == [(1.0,), (3.0,)]


def test_one_batcher_serves_one_loop_after_the_other() -> None:
    shared = batcher(Recorder())
    assert [asyncio.run(shared.do(item, job="one")) for item in (1.0, 2.0)] == ["<1.0>", "<2.0>"]


@given(count=st.integers(0, 50), ahead=st.integers(1, 12))
def test_results_come_in_order_and_no_more_is_begun_than_asked(count: int, ahead: int) -> None:
    begun = ended = most = 0
    left = iter(range(count))

    async def items(number: int) -> list[int]:
        return [item for _, item in zip(range(number), left, strict=False)]

    async def work(item: int) -> int:
        nonlocal begun, ended, most
        begun += 1
        most = max(most, begun - ended)
        await asyncio.sleep(0 if item % 3 else 0.0001)
        ended += 1
        return item

    async def run() -> list[int]:
        return [result async for result in in_order(work, items, ahead=ahead)]

    assert asyncio.run(run()) == list(range(count))
    assert most <= ahead + 1


async def test_what_was_begun_is_cancelled_when_one_fails() -> None:
    cancelled = []

    async def items(_number: int) -> list[int]:
        return [0, 1, 2]

    async def work(item: int) -> int:
        if item == 0:
            raise LookupError
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        return item

    async def run() -> None:
        async with aclosing(in_order(work, items, ahead=2)) as results:
            async for _ in results:
                pass

    with pytest.raises(LookupError):
        await run()
    assert cancelled == [1, 2]


def test_a_job_that_is_gone_before_anything_began_harms_no_later_one() -> None:
    shared = batcher(Recorder())

    async def gone() -> None:
        job = asyncio.ensure_future(shared.do(1.0, job="gone"))
        await asyncio.sleep(0)
        job.cancel()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(gone())
    assert asyncio.run(asyncio.wait_for(shared.do(2.0, job="next"), 5)) == "<2.0>"


async def test_what_a_batch_held_that_did_not_fit_is_free_when_its_halves_are_tried() -> None:
    held: list[weakref.ref[Recorder]] = []
    alive: list[int] = []

    def work(items: Sequence[float]) -> list[str]:
        alive.append(sum(ref() is not None for ref in held))
        activations = Recorder()  # stands for tensors: anything that dies with its frame
        held.append(weakref.ref(activations))
        if len(items) > 1:
            message = "too much"
            raise OutOfMemory(message)
        return [f"<{item}>" for item in items]

    shared = Batcher(work, thread=ModelThread("test"), length=lambda _item: 1.0, most=8, budget=100)
    found = await asyncio.gather(*(shared.do(float(n), job=n) for n in range(8)))
    assert found == [f"<{float(n)}>" for n in range(8)]
    assert len(held) == 15  # 8, twice 4, four times 2, eight times 1
    assert alive == [0] * 15


async def test_an_engine_that_leaves_an_answer_out_fails_its_jobs_and_hangs_none() -> None:
    shared: Batcher[float, str] = Batcher(
        lambda _items: [], thread=ModelThread("test"), length=float, most=4, budget=100
    )
    jobs = (asyncio.wait_for(shared.do(float(n), job=n), 5) for n in range(3))
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(one) for one in found] == [ValueError] * 3
