"""One endpoint as the two APIs see it: its queue, its workers, its allowances."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from emulator.jobs import Job
from emulator.limits import Limits
from emulator.queue import JobQueue


class Crew(Protocol):
    """Whoever runs an endpoint's workers; it is told what they do."""

    def asked(self, worker: str) -> None:
        """Note that a worker asks for work."""

    def job_taken(self, worker: str, jobs: Sequence[Job]) -> None:
        """Note that a worker was given jobs."""

    def unhealthy(self, worker: str, reason: str) -> None:
        """Note that a worker says it cannot work."""

    def refresh(self, worker: str) -> None:
        """Note that a worker asks to be replaced."""

    def counts(self) -> Mapping[str, int]:
        """Count the workers in each state, under the keys of RunPod's `/health`."""


class Strangers:
    """A crew that runs nobody: workers come by themselves."""

    def asked(self, worker: str) -> None: ...

    def job_taken(self, worker: str, jobs: Sequence[Job]) -> None: ...

    def unhealthy(self, worker: str, reason: str) -> None: ...

    def refresh(self, worker: str) -> None: ...

    def counts(self) -> Mapping[str, int]:
        states = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
        return dict.fromkeys(states, 0)


class TooManyRequests(Exception):
    """The allowance is used up.

    Args:
        retry_after: seconds until a request may pass.

    """

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests.")
        self.retry_after = retry_after


class Meter:
    """Counts an endpoint's requests by kind against the allowances."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._open: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def admit(self, kind: str, *, running: int) -> Iterator[None]:
        """Let a request in, until the end of the block, with so many workers running.

        Raises:
            TooManyRequests: there were or are too many of its kind.

        """
        self._check(kind, running)
        self._recent[kind].append(time.monotonic())
        self._open[kind] += 1
        try:
            yield
        finally:
            self._open[kind] -= 1

    def _check(self, kind: str, running: int) -> None:
        rate = self._limits.rates.get(kind)
        recent, now = self._recent[kind], time.monotonic()
        while recent and recent[0] <= now - self._limits.rate_window:
            recent.popleft()
        if rate is None:
            return
        if len(recent) >= max(rate.requests, running * rate.requests_per_worker):
            raise TooManyRequests(recent[0] + self._limits.rate_window - now)
        most = math.inf if rate.concurrent is None else rate.concurrent
        if self._open[kind] >= max(most, running * rate.concurrent_per_worker):
            raise TooManyRequests(1.0)


@dataclass(slots=True)
class Hosted:
    """One endpoint."""

    queue: JobQueue
    crew: Crew
    meter: Meter
