"""Long work and short work on one model: the short one does not wait for the end of the long."""

import asyncio
import threading

import pytest

from handlers.logs import current_job
from handlers.model_thread import CheckCancelled, ModelThread, Steps


class Diary:
    """Work in steps, each of which is written down."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.threads: set[str] = set()
        self.may_go_on = threading.Event()

    def steps(self, name: str, count: int) -> Steps[int]:
        for _ in range(count):
            assert self.may_go_on.wait(30)
            self.entries.append(name)
            self.threads.add(threading.current_thread().name)
            yield
        return count


async def test_those_who_wait_take_turns_and_each_gets_its_own_result() -> None:
    thread, diary = ModelThread("test"), Diary()

    async def work(name: str, count: int) -> int:
        return await thread.in_turns(lambda _check: diary.steps(name, count))

    jobs = [
        asyncio.create_task(work(name, count))
        for name, count in {"long": 50, "short": 3, "other": 2}.items()
    ]
    await asyncio.sleep(0.05)
    diary.may_go_on.set()
    assert await asyncio.wait_for(asyncio.gather(*jobs), 30) == [50, 3, 2]
    assert len(diary.threads) == 1
    last = len(diary.entries) - diary.entries[::-1].index("short")
    assert diary.entries[:last].count("long") <= 5
    assert diary.entries.count("long") == 50


async def test_whole_work_gets_a_turn_between_steps() -> None:
    thread, diary = ModelThread("test"), Diary()
    long = asyncio.create_task(thread.in_turns(lambda _check: diary.steps("long", 50)))
    whole = asyncio.create_task(thread.run(lambda _check: len(diary.entries)))
    await asyncio.sleep(0.05)
    diary.may_go_on.set()
    assert await asyncio.wait_for(whole, 30) <= 2
    assert await long == 50


async def test_steps_that_nobody_waits_for_any_more_end_and_their_neighbours_go_on() -> None:
    thread, diary = ModelThread("test"), Diary()
    diary.may_go_on.set()
    given_up = asyncio.create_task(thread.in_turns(lambda _check: diary.steps("given up", 10**9)))
    while not diary.entries:
        await asyncio.sleep(0.01)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await asyncio.wait_for(thread.in_turns(lambda _check: diary.steps("next", 5)), 30) == 5
    assert diary.entries[-5:] == ["next"] * 5


async def test_an_error_in_a_step_is_of_its_own_job_alone() -> None:
    thread, diary = ModelThread("test"), Diary()

    def failing(_check: CheckCancelled) -> Steps[int]:
        yield
        raise LookupError("here")  # noqa: EM101

    long = asyncio.create_task(thread.in_turns(lambda _check: diary.steps("long", 20)))
    failed = asyncio.create_task(thread.in_turns(failing))
    await asyncio.sleep(0.05)
    diary.may_go_on.set()
    with pytest.raises(LookupError, match="here"):
        await failed
    assert await asyncio.wait_for(long, 30) == 20


async def test_who_was_cancelled_in_the_line_makes_nobody_pause() -> None:
    """A pause costs a way to the event loop and back; here each would find the loop asleep."""
    thread, diary = ModelThread("test"), Diary()
    long = asyncio.create_task(thread.in_turns(lambda _check: diary.steps("long", 5)))
    waiting = asyncio.create_task(thread.run(lambda _check: None))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not thread._waiting
    diary.may_go_on.set()
    assert await asyncio.wait_for(long, 30) == 5


async def test_what_is_logged_on_the_thread_names_its_job() -> None:
    thread = ModelThread("test")

    def steps(_check: CheckCancelled) -> Steps[str | None]:
        yield
        return current_job.get()

    async def job(name: str) -> tuple[str | None, str | None]:
        current_job.set(name)
        return await thread.in_turns(steps), await thread.run(lambda _check: current_job.get())

    found = await asyncio.gather(*(asyncio.create_task(job(name)) for name in "abc"))
    assert found == [(name, name) for name in "abc"]
