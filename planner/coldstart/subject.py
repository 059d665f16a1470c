"""An endpoint that is tried: its jobs and workers, as the platform tells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from handlers.errors import EndpointNotFound, JobForgotten
from orchestrator.endpoint import Endpoint, Patience, Update
from orchestrator.exchange import Exchange

IN_QUEUE: Final = "IN_QUEUE"
IN_PROGRESS: Final = "IN_PROGRESS"
STATES: Final = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
"""What `/health` counts workers by."""
_JOBS: Final = ("inQueue", "inProgress")
_MOST: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The workers of an endpoint at a moment.

    Attributes:
        after: seconds since the job was submitted.
        workers: those of `STATES` that there were, by state.

    """

    after: float
    workers: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What `/health` says.

    Attributes:
        workers: those of `STATES` that there are, by state; None where it does not say.
        jobs: that wait or run, whoever sent them.

    """

    workers: Mapping[str, int] | None
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What `/status` says of a job.

    Attributes:
        update: as a client reads it.
        retries: how often the platform gave the job to another worker.

    """

    update: Update
    retries: int = 0

    @property
    def was_taken(self) -> bool:
        """Whether a worker had it."""
        return self.update.worker is not None or self.update.execution is not None


class Subject:
    """One endpoint.

    Args:
        id: RunPod's.
        session: its connections.
        api_key: may use it; shown nowhere.
        base_url: where it is.
        patience: of every request.

    """

    def __init__(
        self,
        id: str,  # noqa: A002  it is what RunPod calls it
        *,
        session: aiohttp.ClientSession,
        api_key: str,
        base_url: str,
        patience: Patience | None = None,
    ) -> None:
        self.id = id
        self.session = session
        self.patience = patience or Patience()
        told = {"session": session, "api_key": api_key, "base_url": base_url}
        self._endpoint = Endpoint(id, **told, patience=self.patience)  # type: ignore[arg-type]
        self._exchange = Exchange(id, **told, patience=self.patience)  # type: ignore[arg-type]

    async def submit(self, job_input: Mapping[str, Any], *, within: float) -> Update:
        """Submit a job once; the platform ends it by itself some time after `within` seconds.

        Raises:
            EndpointError: the platform did not take it.

        """
        return await self._endpoint.submit(job_input, within=within)

    async def look(self, job: str) -> Look:
        """Ask for the state of a job.

        Raises:
            JobForgotten: the platform does not know it, or not any more.
            EndpointError: it cannot be asked.

        """
        try:
            answer = await self._exchange.ask("GET", "status", job)
        except EndpointNotFound as error:
            raise JobForgotten(self.id, job=job) from error
        retries = _count(answer.get("retries"))
        return Look(update=Update.read(answer, endpoint=self.id), retries=retries)

    async def cancel(self, job: str) -> None:
        """Cancel a job; one that the platform does not know is none to cancel.

        Raises:
            EndpointError: the platform does not say that it did.

        """
        await self._endpoint.cancel(job)

    async def health(self) -> Health:
        """Ask for the counts of workers and jobs.

        Raises:
            EndpointError: the platform cannot be asked.

        """
        answer = await self._endpoint.health()
        workers, jobs = answer.get("workers"), answer.get("jobs")
        known = jobs if isinstance(jobs, Mapping) else {}
        return Health(
            workers=(
                {name: count for name in STATES if (count := _count(workers.get(name)))}
                if isinstance(workers, Mapping)
                else None
            ),
            jobs=sum(_count(known.get(name)) for name in _JOBS),
        )

    def excerpt(self, text: str) -> str:
        """Make a line of what somebody else wrote, short and without secrets."""
        return self._exchange.excerpt(text)


def _count(value: object) -> int:
    """A number that came from elsewhere; 0 where it is none."""
    return min(value, _MOST) if isinstance(value, int) and value > 0 else 0
