"""The glue in a worker of the unmodified SDK, which takes jobs from a queue of three."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.web import Host, serving

NAMES = ["ann", "bob", "eve"]
QUEUE = [{"id": f"job-{name}", "input": {"name": name}} for name in NAMES]


@dataclass
class Platform:
    """Hands out the queue once, and keeps what comes back and through which connections."""

    results: dict[str, Any] = field(default_factory=dict)
    messages: list[Any] = field(default_factory=list)
    progress_connections: set[Any] = field(default_factory=set)
    handed_out: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if "/job-done/" in request.path:
            return await self._told(request)
        if "/job-take-batch/" in request.path and not self.handed_out:
            self.handed_out = True
            return web.json_response(QUEUE)
        await asyncio.sleep(0.2)
        return web.Response(status=204)

    async def _told(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body.get("status") == "IN_PROGRESS":
            self.messages.append(body["output"])
            self.progress_connections.add(request.transport)
        else:
            self.results[request.path.rpartition("/")[2]] = body
            if len(self.results) == len(QUEUE):
                self.done.set()
        return web.Response()


def environment(host: Host) -> dict[str, str]:
    return {
        **os.environ,
        "RUNPOD_WEBHOOK_GET_JOB": host.url("/job-take/$ID?gpu=none"),
        "RUNPOD_WEBHOOK_POST_OUTPUT": host.url("/job-done/$RUNPOD_POD_ID/$ID?gpu=none"),
        "RUNPOD_POD_ID": "worker-1",
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


async def test_jobs_run_together_and_their_progress_shares_connections() -> None:
    platform = Platform()
    async with serving(platform) as host:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.gathering_worker"),
            env=environment(host),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await asyncio.wait_for(platform.done.wait(), 60)
            worker.send_signal(signal.SIGTERM)
            _, log = await asyncio.wait_for(worker.communicate(), 60)
        finally:
            if worker.returncode is None:
                worker.kill()
    reply = {"output": {"here": NAMES}}
    assert platform.results == {job["id"]: reply for job in QUEUE}
    assert len(platform.messages) > len(QUEUE)
    assert len(platform.progress_connections) <= len(QUEUE)
    assert worker.returncode == 0
    assert b"Unclosed" not in log
