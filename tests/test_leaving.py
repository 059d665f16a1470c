"""A worker that is asked to end, while the platform holds its poll for jobs open."""

import asyncio
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.test_worker_process import NAMES, QUEUE, environment
from tests.web import serving

LONG = 3600
"""Seconds that a poll is held open: longer than any test may take."""


@dataclass
class Platform:
    """Hands out what it has once, and holds every later poll."""

    jobs: list[dict[str, Any]]
    results: dict[str, Any] = field(default_factory=dict)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    polled: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if "/job-done/" in request.path:
            body = await request.json()
            if body.get("status") == "IN_PROGRESS":
                self.begun.set()
            else:
                self.results[request.path.rpartition("/")[2]] = body
            return web.Response()
        if "/job-take" in request.path:
            if self.jobs:
                jobs, self.jobs = self.jobs, []
                return web.json_response(jobs)
            self.polled.set()
            await asyncio.sleep(LONG)
        return web.Response(status=204)


async def ended(platform: Platform, *, after: asyncio.Event) -> int | None:
    """Ask a worker to end after something has happened; its exit status."""
    async with serving(platform) as host:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.gathering_worker"),
            env=environment(host),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await asyncio.wait_for(after.wait(), 60)
            worker.send_signal(signal.SIGTERM)
            await asyncio.wait_for(worker.wait(), 60)
        finally:
            if worker.returncode is None:
                worker.kill()
        return worker.returncode


async def test_an_idle_worker_ends_while_its_poll_is_open() -> None:
    platform = Platform([])
    assert await ended(platform, after=platform.polled) == 0


async def test_a_worker_with_jobs_delivers_them_first() -> None:
    platform = Platform(list(QUEUE))
    assert await ended(platform, after=platform.begun) == 0
    assert platform.results == {job["id"]: {"output": {"here": NAMES}} for job in QUEUE}
