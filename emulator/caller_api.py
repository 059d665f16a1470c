"""RunPod's API towards callers: what curl, `runpod.Endpoint` and other clients use."""

import asyncio
import contextlib
import hmac
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from emulator.bodies import BodyTooLarge, read_object
from emulator.faults import Faults
from emulator.hosted import Hosted, TooManyRequests
from emulator.jobs import BadRequest, Job, UnknownJob
from emulator.limits import Limits

_RECENT: Final = 100
"""How many jobs `/requests` lists."""

_Handler = Callable[[web.Request, Hosted], Awaitable[web.Response]]


class CallerApi:
    """run, runsync, status, stream, cancel, retry, health, purge-queue, requests."""

    def __init__(
        self, endpoints: Mapping[str, Hosted], *, api_key: str, limits: Limits, faults: Faults
    ) -> None:
        self._endpoints = endpoints
        self._api_key = api_key.encode()
        self._limits = limits
        self._faults = faults

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        def post(kind: str, handler: _Handler, rest: str = "") -> web.RouteDef:
            return web.post(f"/v2/{{endpoint}}/{kind}{rest}", self._guarded(kind, handler))

        def get(kind: str, handler: _Handler, rest: str = "") -> web.RouteDef:
            return web.get(f"/v2/{{endpoint}}/{kind}{rest}", self._guarded(kind, handler))

        return [
            post("run", self._run),
            post("runsync", self._runsync),
            get("status", self._status, "/{job}"),
            get("stream", self._stream, "/{job}"),
            post("cancel", self._cancel, "/{job}"),
            post("retry", self._retry, "/{job}"),
            get("health", self._health),
            post("purge-queue", self._purge),
            get("requests", self._requests),
        ]

    def _guarded(
        self, kind: str, handler: _Handler
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            try:
                endpoint = self._endpoint(request, kind)
                running = endpoint.crew.counts().get("running", 0)
                with endpoint.meter.admit(kind, running=running):
                    return await handler(request, endpoint)
            except _Refused as error:
                return _refusal(error.status, error)
            except BadRequest as error:
                return _refusal(HTTPStatus.BAD_REQUEST, error)
            except UnknownJob:
                return _refusal(HTTPStatus.NOT_FOUND, "There is no such job, or none any more.")
            except BodyTooLarge as error:
                return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)
            except TooManyRequests as error:
                refusal = _refusal(HTTPStatus.TOO_MANY_REQUESTS, error)
                refusal.headers["Retry-After"] = str(math.ceil(error.retry_after))
                return refusal

        return guarded

    def _endpoint(self, request: web.Request, kind: str) -> Hosted:
        name = request.match_info["endpoint"]
        if self._faults.take("answer_500", name, route=kind):
            raise _Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault was asked for.")
        if not self._is_known(request):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "The API key is missing or wrong.")
        if name not in self._endpoints:
            raise _Refused(HTTPStatus.NOT_FOUND, f"There is no endpoint {name}.")
        return self._endpoints[name]

    def _is_known(self, request: web.Request) -> bool:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return hmac.compare_digest(shown.encode(), self._api_key)

    async def _run(self, request: web.Request, endpoint: Hosted) -> web.Response:
        job = endpoint.queue.submit(await read_object(request, most=self._limits.run_bytes))
        return _brief(job)

    async def _runsync(self, request: web.Request, endpoint: Hosted) -> web.Response:
        limits = self._limits
        bounds = (limits.shortest_sync_wait, limits.longest_sync_wait)
        wait = _milliseconds(request, "wait", bounds) or limits.sync_wait
        job = endpoint.queue.submit(
            await read_object(request, most=limits.runsync_bytes), sync=True
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not job.state.is_final:
                    await job.changed.wait()
        return _whole(job)

    async def _status(self, request: web.Request, endpoint: Hosted) -> web.Response:
        job = _job(request, endpoint)
        ttl = _milliseconds(request, "ttl", (0.0, self._limits.longest_ttl))
        if ttl is not None:
            endpoint.queue.keep(job.id, ttl)
        return _whole(job)

    async def _stream(self, request: web.Request, endpoint: Hosted) -> web.Response:
        job = _job(request, endpoint)
        chunks = endpoint.queue.drain_stream(job.id)
        return web.json_response({"status": str(job.state), "stream": chunks})

    async def _cancel(self, request: web.Request, endpoint: Hosted) -> web.Response:
        job = _job(request, endpoint)
        endpoint.queue.cancel(job.id)
        return _brief(job)

    async def _retry(self, request: web.Request, endpoint: Hosted) -> web.Response:
        job = _job(request, endpoint)
        endpoint.queue.retry(job.id)
        return _brief(job)

    async def _health(self, _request: web.Request, endpoint: Hosted) -> web.Response:
        queue = endpoint.queue
        jobs = {
            "completed": queue.totals.completed,
            "failed": queue.totals.failed,
            "inProgress": queue.running,
            "inQueue": queue.waiting + queue.waiting_low,
            "retried": queue.totals.retried,
        }
        return web.json_response({"jobs": jobs, "workers": dict(endpoint.crew.counts())})

    async def _purge(self, _request: web.Request, endpoint: Hosted) -> web.Response:
        return web.json_response({"removed": endpoint.queue.purge(), "status": "completed"})

    async def _requests(self, _request: web.Request, endpoint: Hosted) -> web.Response:
        jobs = [{"id": job.id, "status": str(job.state)} for job in endpoint.queue.recent(_RECENT)]
        return web.json_response({"requests": jobs})


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def _job(request: web.Request, endpoint: Hosted) -> Job:
    return endpoint.queue.get(request.match_info["job"])


def _milliseconds(request: web.Request, key: str, bounds: tuple[float, float]) -> float | None:
    """Read a query parameter; the result is in seconds, as are its bounds."""
    text = request.query.get(key)
    if text is None:
        return None
    least, most = bounds
    if not text.isdecimal() or not least <= int(text) / 1000 <= most:
        message = f"{key} must be from {least * 1000:.0f} to {most * 1000:.0f} ms."
        raise BadRequest(message)
    return int(text) / 1000


def _brief(job: Job) -> web.Response:
    return web.json_response({"id": job.id, "status": str(job.state)})


def _whole(job: Job) -> web.Response:
    return web.Response(body=job.encoded(), content_type="application/json")


def _refusal(status: HTTPStatus, reason: object) -> web.Response:
    return web.json_response({"error": str(reason)}, status=status)
