"""All cores of a processor at once, each on a piece of its own.

torch divides every single operation among cores and has them wait for each other after it, awake:
hundreds of times for each second of sound. That costs a small network a tenth of its time. Where
another process computes on the same cores, as a second worker does, whoever is awake waits for one
that is not on a core, and both come to a standstill (measured: 6 seconds of work took minutes).
Pieces that nobody waits for but at their end cost neither.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_lock = threading.Lock()
_cores: list[int] = []


def cores() -> int:
    """How many cores torch may use; from the first call on, each thread uses one of them."""
    import torch  # noqa: PLC0415

    with _lock:
        if not _cores:
            _cores.append(torch.get_num_threads())
        torch.set_num_threads(1)  # here, and in every thread that has not computed yet
        return _cores[0]


class Team:
    """Threads that work on pieces side by side."""

    def __init__(self, name: str, *, size: int) -> None:
        """Start nothing yet.

        Args:
            name: of the threads.
            size: how many there are; one piece at a time is worked on by whoever asks.

        """
        self.size = size
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    def map(self, work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
        """Work on all pieces; their results in order.

        Raises:
            Exception: what the first piece that failed has raised, when all others are done.

        """
        if self.size == 1 or len(pieces) == 1:
            return [work(piece) for piece in pieces]
        begun = [self._pool.submit(work, piece) for piece in pieces]
        wait(begun)
        return [done.result() for done in begun]
