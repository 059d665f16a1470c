"""RunPod's protocol towards workers, as the unmodified SDK speaks it.

A request without an `Authorization` sees an empty queue, or is answered 401. Any key will do: the
SDK prefers the one in `~/.runpod/config.toml` to the one it is given. Only ids in the URL count;
the SDK's `X-Request-ID` names some other job where several run at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from emulator.bodies import BodyTooLarge, read_object
from emulator.faults import Faults
from emulator.hosted import Hosted
from emulator.jobs import BadRequest, Job, State, UnknownJob
from emulator.limits import Limits

_GONE: Final = 499
"""For nobody: the connection is closed."""

_Handler = Callable[[web.Request, Hosted, str], Awaitable[web.StreamResponse]]


class WorkerApi:
    """job-take, job-take-batch, job-done, job-stream, job-stop and ping of all endpoints."""

    def __init__(self, endpoints: Mapping[str, Hosted], *, limits: Limits, faults: Faults) -> None:
        self._endpoints = endpoints
        self._limits = limits
        self._faults = faults

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        base = "/v2/{endpoint}"
        return [
            web.get(base + "/job-take/{worker}", self._known(self._take)),
            web.get(base + "/job-take-batch/{worker}", self._known(self._take_batch)),
            web.get(base + "/job-stop/{worker}", self._known(self._stop)),
            web.post(base + "/job-done/{worker}/{job}", self._known(self._done)),
            web.post(base + "/job-stream/{worker}/{job}", self._known(self._stream)),
            web.get(base + "/ping/{worker}", self._known(self._ping)),
        ]

    def environment(self, url: str, endpoint: str, worker: str) -> dict[str, str]:
        """What makes an unmodified SDK worker take its jobs here."""
        base = f"{url}/v2/{endpoint}"
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none",
            "RUNPOD_PING_INTERVAL": "10000",
            "RUNPOD_AI_API_KEY": "local-worker",
            "RUNPOD_POD_ID": worker,
            "RUNPOD_ENDPOINT_ID": endpoint,
            # they ask for a GPU and for the open internet
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def _known(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def known(request: web.Request) -> web.StreamResponse:
            if not request.headers.get("Authorization"):
                if "/job-take" not in request.path:
                    raise web.HTTPUnauthorized
                await asyncio.sleep(self._limits.poll_pace)
                return web.Response(status=HTTPStatus.NO_CONTENT)
            endpoint = self._endpoints.get(request.match_info["endpoint"])
            if endpoint is None:
                raise web.HTTPNotFound
            try:
                return await handler(request, endpoint, request.match_info["worker"])
            except (BadRequest, BodyTooLarge) as error:
                raise web.HTTPBadRequest(text=str(error)) from None
            except UnknownJob:
                raise web.HTTPNotFound from None

        return known

    async def _take(
        self, request: web.Request, endpoint: Hosted, worker: str
    ) -> web.StreamResponse:
        jobs = await self._next(request, endpoint, worker, most=1)
        return await self._hand_over(request, endpoint, worker, jobs, as_list=False)

    async def _take_batch(
        self, request: web.Request, endpoint: Hosted, worker: str
    ) -> web.StreamResponse:
        wanted = request.query.get("batch_size", "1")
        if not wanted.isdecimal() or wanted == "0":
            raise web.HTTPBadRequest
        jobs = await self._next(request, endpoint, worker, most=int(wanted))
        return await self._hand_over(request, endpoint, worker, jobs, as_list=True)

    async def _next(
        self, request: web.Request, endpoint: Hosted, worker: str, *, most: int
    ) -> list[Job]:
        if request.query.get("job_in_progress") == "0":
            endpoint.queue.idle(worker)
        endpoint.crew.asked(worker)
        return await endpoint.queue.take(worker, most=most, wait=self._limits.poll)

    async def _hand_over(
        self, request: web.Request, endpoint: Hosted, worker: str, jobs: list[Job], *, as_list: bool
    ) -> web.StreamResponse:
        if not jobs:
            await asyncio.sleep(self._limits.poll_pace)
            return web.Response(status=HTTPStatus.NO_CONTENT)
        work = [job.work() for job in jobs]
        response = web.json_response(work if as_list else work[0])
        try:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            await response.prepare(request)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError) as lost:
            endpoint.queue.put_back(worker, jobs)
            if isinstance(lost, asyncio.CancelledError):
                raise
            return web.Response(status=_GONE)
        endpoint.crew.job_taken(worker, jobs)
        return response

    async def _stop(
        self, _request: web.Request, endpoint: Hosted, worker: str
    ) -> web.StreamResponse:
        job_ids = await endpoint.queue.to_stop(worker, wait=self._limits.poll)
        if not job_ids:
            await asyncio.sleep(self._limits.poll_pace)
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return web.json_response({"jobsToStop": job_ids})

    async def _done(
        self, request: web.Request, endpoint: Hosted, worker: str
    ) -> web.StreamResponse:
        name, job_id = endpoint.queue.endpoint, request.match_info["job"]
        if self._faults.take("answer_500", name, route="job-done"):
            raise web.HTTPInternalServerError
        too_large = None
        try:
            body = await read_object(request, most=self._limits.result_bytes)
        except BodyTooLarge as error:
            # as on RunPod: the worker is refused, and the job is complete without an output
            body, too_large = {}, error
        if body.get("status") != State.IN_PROGRESS:
            if fault := self._faults.take("delay_result", name):
                await asyncio.sleep(fault.seconds)
            if self._faults.take("drop_result", name):
                return web.Response()
        endpoint.queue.finish(worker, job_id, body)
        if body.get("stopPod"):
            endpoint.crew.refresh(worker)
        if too_large is not None:
            raise too_large
        return web.Response()

    async def _stream(
        self, request: web.Request, endpoint: Hosted, worker: str
    ) -> web.StreamResponse:
        chunk = await read_object(request, most=self._limits.chunk_bytes)
        endpoint.queue.stream(worker, request.match_info["job"], chunk)
        return web.Response()

    async def _ping(
        self, request: web.Request, endpoint: Hosted, worker: str
    ) -> web.StreamResponse:
        if request.query.get("status") == "unhealthy":
            facts = (request.query.get(key, "") for key in ("check", "reason"))
            endpoint.crew.unhealthy(worker, ": ".join(fact for fact in facts if fact))
        else:
            endpoint.queue.holds(worker, request.query.get("job_id", "").split(","))
        return web.Response()
