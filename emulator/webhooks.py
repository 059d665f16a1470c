"""News of final jobs for those who asked for it with `webhook`."""

import asyncio
import json
import logging
from typing import Any, Final

import aiohttp

from emulator.jobs import Job
from emulator.limits import Limits

_log: Final = logging.getLogger(__name__)


class Webhooks:
    """Posts in the background and as best it can: a receiver that fails harms no job."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def tell(self, job: Job) -> None:
        """Post what `/status` says of a job, with its input; nothing where it has no webhook."""
        if job.webhook is None:
            return
        body = {**job.body(), "input": job.input, "webhook": job.webhook}
        task = asyncio.create_task(self._deliver(job.webhook, job.id, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is not delivered yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, url: str, job_id: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        for pause in (0.0, *self._limits.webhook_pauses):
            await asyncio.sleep(pause)
            problem = await self._post(url, data)
            if problem is None:
                return
            _log.warning("The webhook of job %s was not taken: %s", job_id, problem)

    async def _post(self, url: str, data: bytes) -> str | None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._limits.webhook_timeout)
            self._session = aiohttp.ClientSession(timeout=timeout)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(url, data=data, headers=headers) as response:
                return None if response.ok else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
