"""One queue before a model: what many jobs bring is worked on together."""

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from handlers.errors import EngineCrashed, OutOfMemory
from handlers.model_thread import ModelThread

Item = TypeVar("Item")
Found = TypeVar("Found")
Result = TypeVar("Result")

_LEAST_SHARE: Final = 0.5
"""What is shorter than this share of a batch's first item waits for a batch of its own kind."""
_FITS: Final = 32
"""Batches that fit in a row until larger ones are tried again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entry(Generic[Item, Found]):
    item: Item
    length: float
    found: asyncio.Future[Found]


class Batcher(Generic[Item, Found]):
    """Puts items of many jobs into batches for a model, fairly and with little padding.

    Jobs take turns. The job whose turn it is gives the item that waits longest, and round after
    round every job adds the one that is most like it in length, until the batch is full. So a
    short job next to a long one waits for as many batches as there are jobs, at most.

    A batch that fails is halved until the item that fails is alone; only its job is told. After
    `OutOfMemory` the next batches are smaller too. An item that nobody waits for any more is
    dropped before its batch begins.

    One event loop at a time may use it.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Found]],
        *,
        thread: ModelThread,
        length: Callable[[Item], float],
        most: int,
        budget: float,
    ) -> None:
        """Work on nothing yet.

        Args:
            work: answers items in their order; called on the thread.
            thread: owns the model.
            length: of an item, in what `budget` counts.
            most: items in a batch.
            budget: longest length times count; a single item may be beyond it.

        """
        self._work = work
        self._thread = thread
        self._length = length
        self._most = most
        self._budget = budget
        self._room = budget
        self._fitted = 0
        self._waiting: dict[Hashable, list[_Entry[Item, Found]]] = {}
        self._pump: asyncio.Task[None] | None = None

    async def do(self, item: Item, *, job: Hashable) -> Found:
        """Have an item worked on.

        Args:
            item: what to work on.
            job: whose turn it takes.

        Raises:
            Exception: what `work` raises for this item alone.

        """
        loop = asyncio.get_running_loop()
        entry: _Entry[Item, Found] = _Entry(item, self._length(item), loop.create_future())
        self._waiting.setdefault(job, []).append(entry)
        if self._pump is None or self._pump.done() or self._pump.get_loop() is not loop:
            # its log lines are of no job
            self._pump = loop.create_task(self._run(), context=contextvars.Context())
        return await entry.found

    async def _run(self) -> None:
        while batch := self._next():
            await self._answer(batch)

    def _next(self) -> list[_Entry[Item, Found]]:
        for job, entries in list(self._waiting.items()):
            entries[:] = [entry for entry in entries if not entry.found.done()]
            if not entries:
                del self._waiting[job]
        if not self._waiting:
            return []
        first = next(iter(self._waiting))
        self._waiting[first] = self._waiting.pop(first)  # its next turn comes after all others
        lead = self._waiting[first].pop(0)
        batch, longest, added = [lead], lead.length, True
        while added and len(batch) < self._most:
            added = False
            for entries, entry in self._candidates(lead):
                padded = max(longest, entry.length) * (len(batch) + 1)
                if len(batch) < self._most and padded <= self._room:
                    entries.remove(entry)
                    batch.append(entry)
                    longest, added = max(longest, entry.length), True
        return batch

    def _candidates(
        self, lead: _Entry[Item, Found]
    ) -> list[tuple[list[_Entry[Item, Found]], _Entry[Item, Found]]]:
        """For each job the item that is most like the first, and like it enough; by likeness."""

        def unlike(entry: _Entry[Item, Found]) -> float:
            return abs(entry.length - lead.length)

        found = [
            (entries, min(entries, key=unlike)) for entries in self._waiting.values() if entries
        ]
        alike = [
            pair
            for pair in found
            if min(pair[1].length, lead.length) >= _LEAST_SHARE * max(pair[1].length, lead.length)
        ]
        return sorted(alike, key=lambda pair: unlike(pair[1]))

    async def _answer(self, batch: Sequence[_Entry[Item, Found]]) -> None:
        batch = [entry for entry in batch if not entry.found.done()]
        if not batch:
            return
        items = [entry.item for entry in batch]
        failure: Exception | None = None
        try:
            found = await self._thread.run(lambda _check: self._work(items))
            answers = list(zip(batch, found, strict=True))
        except asyncio.CancelledError:
            for entry in batch:
                entry.found.cancel()
            raise
        except Exception as error:  # noqa: BLE001  whose fault it is shows when each is alone
            failure = error
        if failure is None:
            self._answered(answers)
        elif len(batch) == 1 or isinstance(failure, EngineCrashed):
            for entry in batch:
                if not entry.found.done():
                    entry.found.set_exception(failure)
        else:
            exhausted = isinstance(failure, OutOfMemory)
            failure = None  # its frames hold what did not fit
            await self._answer_apart(batch, exhausted=exhausted)

    def _answered(self, answers: Iterable[tuple[_Entry[Item, Found], Found]]) -> None:
        self._fitted += 1
        if self._fitted >= _FITS and self._room < self._budget:
            self._room, self._fitted = min(self._budget, 2 * self._room), 0
        for entry, answer in answers:
            if not entry.found.done():
                entry.found.set_result(answer)

    async def _answer_apart(self, batch: Sequence[_Entry[Item, Found]], *, exhausted: bool) -> None:
        """Halve a batch that failed; after `OutOfMemory` the next ones are smaller too."""
        by_length = sorted(batch, key=lambda entry: entry.length)
        if exhausted:
            self._room, self._fitted = by_length[-1].length * len(batch) / 2, 0
        middle = len(batch) // 2
        await self._answer(by_length[:middle])
        await self._answer(by_length[middle:])


async def in_order(
    work: Callable[[Item], Awaitable[Result]],
    items: Callable[[int], Awaitable[Iterable[Item]]],
    *,
    ahead: int,
) -> AsyncGenerator[Result]:
    """Work on many items at once and give what comes of them in their order.

    Where it ends early, by a failure or because nobody listens, everything that was begun is
    cancelled: close it (`contextlib.aclosing`).

    Args:
        work: on one item.
        items: gives the next ones, about as many as it is asked for; none when there are no more.
        ahead: how many are begun before the first of them is done.

    """
    begun: deque[asyncio.Future[Result]] = deque()
    more = True
    try:
        while True:
            while more and 2 * len(begun) <= ahead:
                fresh = [asyncio.ensure_future(work(item)) for item in await items(ahead // 2 + 1)]
                begun.extend(fresh)
                more = bool(fresh)
            if not begun:
                return
            yield await begun[0]
            begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
