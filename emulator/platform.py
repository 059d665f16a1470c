"""The worker's side of RunPod's protocol over HTTP, and files for jobs to fetch."""

import asyncio
import json
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from aiohttp import web

from emulator.queue import JobQueue

_POLL_SECONDS: Final = 20.0
"""How long a worker's request for work is held; the SDK gives up after 90 s."""
_PACE_SECONDS: Final = 0.1
"""How long a worker that asks in vain waits at least: the SDK asks again at once."""
_MOST_BYTES: Final = 20 * 1024**2
"""Largest result that is taken."""


class LocalPlatform:
    """One endpoint on loopback: `async with LocalPlatform() as platform`.

    Workers need nothing but `worker_environment`.
    """

    def __init__(self) -> None:
        self.queue = JobQueue()
        self.pings = 0
        self._files: dict[str, Path] = {}
        application = web.Application(client_max_size=_MOST_BYTES)
        base = "/v2/local"
        application.add_routes(
            [
                web.get(base + "/job-take/{worker}", self._take),
                web.get(base + "/job-stop/{worker}", self._stop),
                web.post(base + "/job-done/{worker}/{job}", self._done),
                web.get(base + "/ping/{worker}", self._ping),
                web.get("/files/{key}/{name}", self._file),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def worker_environment(self) -> dict[str, str]:
        """What makes an unmodified SDK worker take its jobs here."""
        base = f"{self._url}/v2/local"
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none",
            "RUNPOD_PING_INTERVAL": "10000",
            "RUNPOD_AI_API_KEY": "local",
            "RUNPOD_POD_ID": "worker-1",
            "RUNPOD_ENDPOINT_ID": "local",
            # they ask for a GPU and for the open internet
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def share(self, path: Path) -> str:
        """Serve one file under a URL that nobody can guess."""
        key = secrets.token_urlsafe(16)
        self._files[key] = path
        return f"{self._url}/files/{key}/{quote(path.name)}"

    async def _take(self, _request: web.Request) -> web.Response:
        job = await self.queue.take(wait=_POLL_SECONDS)
        if job is None:
            await asyncio.sleep(_PACE_SECONDS)
            return web.Response(status=204)
        return web.json_response({"id": job.id, "input": job.input})

    async def _stop(self, _request: web.Request) -> web.Response:
        job_id = await self.queue.to_stop(wait=_POLL_SECONDS)
        if job_id is None:
            await asyncio.sleep(_PACE_SECONDS)
            return web.Response(status=204)
        return web.json_response({"jobsToStop": [job_id]})

    async def _done(self, request: web.Request) -> web.Response:
        # the SDK declares JSON as a form
        body: dict[str, Any] = json.loads(await request.read())
        try:
            self.queue.finish(request.match_info["job"], body)
        except KeyError:
            raise web.HTTPNotFound from None
        return web.Response()

    async def _ping(self, _request: web.Request) -> web.Response:
        self.pings += 1
        return web.Response()

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = self._files.get(request.match_info["key"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path)
