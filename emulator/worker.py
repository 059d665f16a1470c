"""One worker of an endpoint, from when it is wanted until it has ended."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from emulator.process import WorkerProcess

WorkerState = Literal["initializing", "idle", "running", "throttled", "unhealthy", "stopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a worker's process gets.

    Args:
        environment: its variables, beside those of this process.
        log: the file that its output is added to.

    """

    environment: Mapping[str, str]
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One worker as it is at the moment.

    Args:
        id: its name towards the platform.
        state: as `/health` counts it, or `stopping`.
        pid: of its process; None where it has none yet.
        log: takes its output, and stays when it has ended.
        started: when it was wanted, in seconds since the epoch.
        jobs_done: how many jobs it took and no longer has, however they ended.
        reason: why it is unhealthy, else empty.
        version: of its endpoint's configuration, when it was started.

    """

    id: str
    state: WorkerState
    pid: int | None
    log: Path
    started: float
    jobs_done: int
    reason: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Life:
    """A worker's process that has ended; times are in seconds since the epoch."""

    endpoint: str
    began: float
    ended: float


@dataclass(eq=False, slots=True)
class Worker:
    """What its fleet knows about a worker."""

    id: str
    equipment: Equipment
    version: int = 1
    started: float = field(default_factory=time.time)
    since: float = field(default_factory=time.monotonic)
    """When it was last seen busy; before that, when it was started."""
    process: WorkerProcess | None = None
    life: asyncio.Task[None] | None = None
    held: frozenset[str] = frozenset()
    """The jobs that it was last seen with."""
    jobs_done: int = 0
    is_throttled: bool = False
    has_asked: bool = False
    """Whether it ever asked for a job: it is ready then."""
    is_stopping: bool = False
    reason: str = ""

    def see(self, jobs: frozenset[str]) -> None:
        """Note which jobs it has now."""
        self.jobs_done += len(self.held - jobs)
        if self.held or jobs:
            self.since = time.monotonic()
        self.held = jobs

    @property
    def idle_seconds(self) -> float:
        """For how long it has had nothing to do; 0 where it is busy or not ready."""
        is_idle = self.has_asked and not self.held
        return time.monotonic() - self.since if is_idle else 0.0

    @property
    def state(self) -> WorkerState:
        if self.reason:
            return "unhealthy"
        if self.is_stopping:
            return "stopping"
        if self.is_throttled:
            return "throttled"
        if not self.has_asked:
            return "initializing"
        return "running" if self.held else "idle"

    def view(self) -> WorkerView:
        return WorkerView(
            id=self.id,
            state=self.state,
            pid=self.process.pid if self.process else None,
            log=self.equipment.log,
            started=self.started,
            jobs_done=self.jobs_done,
            reason=self.reason,
            version=self.version,
        )
