"""The local platform towards callers: the SDK's clients, curl, and what is refused."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import runpod
from aiohttp import web
from runpod.http_client import AsyncClientSession

from emulator.faults import Fault
from emulator.hosted import Strangers
from emulator.limits import Limits, Rate
from emulator.platform import LocalPlatform
from emulator.queue import JobQueue
from tests.sdk_workers import sdk_worker

KEY = "secret"
BEARER = {"Authorization": f"Bearer {KEY}"}


# --- with a worker of the SDK


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy() -> AsyncIterator[LocalPlatform]:
    """A platform with an endpoint that echoes and one that counts."""
    async with LocalPlatform(api_key=KEY) as platform:
        platform.add("echo")
        platform.add("count")
        async with (
            sdk_worker(platform, "echo"),
            sdk_worker(platform, "count", module="tests.stream_worker"),
        ):
            yield platform


@pytest.fixture
def _sdk(busy: LocalPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """What RUNPOD_ENDPOINT_BASE_URL sets when the SDK is imported."""
    monkeypatch.setattr(runpod, "endpoint_url_base", busy.base_url)


async def client(call: Callable[[], Any]) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(call), 60)


@pytest.mark.usefixtures("_sdk")
@pytest.mark.asyncio(loop_scope="module")
class TestTheSdkClient:
    async def test_runs_a_job_and_waits_for_its_output(self) -> None:
        endpoint = runpod.Endpoint("echo", api_key=KEY)
        job = await client(lambda: endpoint.run({"say": "hello"}))
        assert await client(lambda: job.output(timeout=50)) == {"echo": "hello"}
        assert await client(job.status) == "COMPLETED"

    async def test_runs_a_job_in_one_call(self) -> None:
        endpoint = runpod.Endpoint("echo", api_key=KEY)
        output = await client(lambda: endpoint.run_sync({"say": "hello"}, timeout=50))
        assert output == {"echo": "hello"}

    async def test_streams_an_output(self) -> None:
        endpoint = runpod.Endpoint("count", api_key=KEY)
        job = await client(lambda: endpoint.run({"count": 4}))
        assert await client(lambda: list(job.stream())) == [0, 1, 2, 3]

    async def test_cancels_a_job(self) -> None:
        endpoint = runpod.Endpoint("echo", api_key=KEY)
        job = await client(lambda: endpoint.run({"sleep": 300}))
        assert (await client(job.cancel))["status"] == "CANCELLED"
        assert await client(job.status) == "CANCELLED"

    async def test_asks_for_health_and_purges(self, busy: LocalPlatform) -> None:
        endpoint = runpod.Endpoint("echo", api_key=KEY)
        await client(lambda: endpoint.run_sync({"say": "one"}, timeout=50))
        health = await client(endpoint.health)
        assert health["jobs"]["completed"] == busy.queues["echo"].totals.completed >= 1
        assert set(health["workers"]) == {
            "idle",
            "initializing",
            "ready",
            "running",
            "throttled",
            "unhealthy",
        }
        assert await client(endpoint.purge_queue) == {"removed": 0, "status": "completed"}

    async def test_is_told_that_its_key_is_wrong(self) -> None:
        endpoint = runpod.Endpoint("echo", api_key="wrong")
        with pytest.raises(RuntimeError, match="401"):
            await client(lambda: endpoint.run({"say": "hello"}))

    async def test_works_in_asyncio_too(self) -> None:
        async with AsyncClientSession() as session:
            endpoint = runpod.AsyncioEndpoint("echo", session, api_key=KEY)
            job = await endpoint.run({"say": "hello"})
            assert await job.output(timeout=50) == {"echo": "hello"}
            other = await endpoint.run({"sleep": 300})
            assert (await other.cancel())["status"] == "CANCELLED"
            assert (await endpoint.health())["jobs"]["inQueue"] == 0
            counter = runpod.AsyncioEndpoint("count", session, api_key=KEY)
            counting = await counter.run({"count": 3})
            assert [part async for part in counting.stream()] == [0, 1, 2]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_program_finds_the_platform_by_its_environment(busy: LocalPlatform) -> None:
    program = (
        "import runpod; print(runpod.Endpoint('echo', api_key='secret')"
        ".run_sync({'say': 'hello'}, timeout=50))"
    )
    said = await output_of(sys.executable, "-c", program, RUNPOD_ENDPOINT_BASE_URL=busy.base_url)
    assert said.strip().endswith("{'echo': 'hello'}")


@pytest.mark.parametrize("key", [KEY, f"Bearer {KEY}"])
@pytest.mark.asyncio(loop_scope="module")
async def test_curl_gets_an_answer(busy: LocalPlatform, key: str) -> None:
    request = json.dumps({"input": {"say": "hello"}})
    url = f"{busy.base_url}/echo/runsync"
    said = await output_of("curl", "-s", "-H", f"Authorization: {key}", "-d", request, url)
    answer = json.loads(said)
    assert (answer["status"], answer["output"]) == ("COMPLETED", {"echo": "hello"})


async def output_of(*command: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode()


# --- without workers


class Caller:
    """Calls one endpoint and gives status and body."""

    def __init__(self, session: aiohttp.ClientSession, queue: JobQueue) -> None:
        self.session = session
        self.queue = queue

    async def post(self, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post(path, **request) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.session.get(path) as response:
            return response.status, await response.json()

    async def run(self, **request: Any) -> str:
        status, body = await self.post("run", json={"input": {"say": "x"}, **request})
        assert (status, body["status"]) == (200, "IN_QUEUE")
        job_id: str = body["id"]
        return job_id

    async def finish(self, **body: Any) -> None:
        """Do the next job as a worker does it."""
        (job,) = await self.queue.take("w1", most=1, wait=1)
        self.queue.finish("w1", job.id, body)


@asynccontextmanager
async def calling(
    *, limits: Limits | None = None, headers: dict[str, str] = BEARER
) -> AsyncIterator[tuple[LocalPlatform, Caller]]:
    async with LocalPlatform(api_key=KEY, limits=limits) as platform:
        queue = platform.add("echo")
        base = platform.base_url + "/echo/"
        async with aiohttp.ClientSession(base, headers=headers) as session:
            yield platform, Caller(session, queue)


async def test_a_job_can_be_followed_from_queue_to_result() -> None:
    async with calling() as (_, caller):
        job = await caller.run()
        assert await caller.get(f"status/{job}") == (200, {"id": job, "status": "IN_QUEUE"})
        await caller.finish(output={"echo": "x"})
        _, body = await caller.get(f"status/{job}")
        assert (body["status"], body["output"], body["workerId"]) == (
            "COMPLETED",
            {"echo": "x"},
            "w1",
        )
        assert set(body) >= {"delayTime", "executionTime"}


async def test_runsync_gives_the_job_as_it_is_when_the_wait_ends() -> None:
    async with calling() as (_, caller):
        status, body = await caller.post("runsync?wait=1000", json={"input": {"say": "x"}})
        assert (status, body["status"]) == (200, "IN_QUEUE")
        assert body["id"].startswith("sync-")
        await caller.finish(error="broken")
        _, body = await caller.get(f"status/{body['id']}")
        assert (body["status"], body["error"]) == ("FAILED", "broken")


async def test_a_stream_is_drained_part_by_part() -> None:
    async with calling() as (_, caller):
        job = await caller.run()
        await caller.queue.take("w1", most=1, wait=1)
        for part in (1, 2):
            caller.queue.stream("w1", job, {"output": part})
        _, body = await caller.get(f"stream/{job}")
        assert body == {"status": "IN_PROGRESS", "stream": [{"output": 1}, {"output": 2}]}
        _, body = await caller.get(f"stream/{job}")
        assert body["stream"] == []


async def test_only_what_failed_can_be_retried() -> None:
    async with calling() as (_, caller):
        job = await caller.run()
        assert (await caller.post(f"retry/{job}"))[0] == 400
        await caller.finish(error="broken")
        assert await caller.post(f"retry/{job}") == (200, {"id": job, "status": "IN_QUEUE"})
        await caller.finish(output="mended")
        _, body = await caller.get(f"status/{job}")
        assert (body["status"], body["output"], body["retries"]) == ("COMPLETED", "mended", 1)


async def test_purging_tells_how_many_jobs_waited() -> None:
    async with calling() as (_, caller):
        jobs = [await caller.run() for _ in range(3)]
        assert (await caller.get("health"))[1]["jobs"]["inQueue"] == 3
        assert await caller.post("purge-queue") == (200, {"removed": 3, "status": "completed"})
        listed = (await caller.get("requests"))[1]["requests"]
        assert [job["id"] for job in listed] == jobs[::-1]
        assert {job["status"] for job in listed} == {"CANCELLED"}


async def test_results_are_forgotten() -> None:
    async with calling(limits=Limits(async_retention=0.2)) as (_, caller):
        job = await caller.run()
        await caller.finish(output=1)
        await asyncio.sleep(0.3)
        assert (await caller.get(f"status/{job}"))[0] == 404


async def test_a_caller_can_have_a_result_forgotten_earlier() -> None:
    async with calling() as (_, caller):
        job = await caller.run()
        await caller.finish(output=1)
        assert (await caller.get(f"status/{job}?ttl=200"))[1]["output"] == 1
        await asyncio.sleep(0.3)
        assert (await caller.get(f"status/{job}"))[0] == 404


async def test_a_job_past_its_ttl_is_gone_and_one_that_runs_too_long_is_timed_out() -> None:
    quick = Limits(shortest_ttl=0.1, shortest_execution_timeout=0.1)
    async with calling(limits=quick) as (_, caller):
        short_lived = await caller.run(policy={"ttl": 300})
        long_running = await caller.run(policy={"executionTimeout": 300})
        await caller.queue.take("w1", most=2, wait=1)
        stopped = await caller.queue.to_stop("w1", wait=5)
        stopped += await caller.queue.to_stop("w1", wait=5)
        assert set(stopped) == {short_lived, long_running}
        assert (await caller.get(f"status/{short_lived}"))[0] == 404
        assert (await caller.get(f"status/{long_running}"))[1]["status"] == "TIMED_OUT"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_whoever_shows_no_key_is_refused_everywhere(headers: dict[str, str]) -> None:
    async with calling(headers=headers) as (_, caller):
        for path in ("run", "runsync", "cancel/x", "retry/x", "purge-queue"):
            assert (await caller.post(path, json={"input": {"a": 1}}))[0] == 401
        for path in ("status/x", "stream/x", "health", "requests"):
            assert (await caller.get(path))[0] == 401


async def test_what_does_not_exist_is_not_found() -> None:
    async with calling() as (_, caller):
        for path in ("cancel/x", "retry/x", "../other/run"):
            assert (await caller.post(path, json={"input": {"a": 1}}))[0] == 404
        for path in ("status/x", "stream/x", "../other/health"):
            assert (await caller.get(path))[0] == 404


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", '{"input": null}', '{"input":1,"policy":1}'])
@pytest.mark.parametrize("path", ["run", "runsync", "runsync?wait=999"])
async def test_a_request_that_makes_no_sense_is_refused(path: str, data: str) -> None:
    async with calling() as (_, caller):
        status, body = await caller.post(path, data=data)
        assert status == 400
        assert body["error"]
        assert caller.queue.recent(1) == []


async def test_requests_may_be_10_and_20_megabytes_large() -> None:
    def request(size: int) -> bytes:
        text = base64.b64encode(bytes(size * 3 // 4)).decode()
        return json.dumps({"input": {"audio_base64": text}}).encode()

    mega = 1024**2
    async with calling() as (_, caller):
        assert (await caller.post("run", data=request(10 * mega - 100)))[0] == 200
        assert (await caller.post("run", data=request(10 * mega + 100)))[0] == 413
        url = "runsync?wait=1000"
        assert (await caller.post(url, data=request(20 * mega - 100)))[0] == 200
        assert (await caller.post(url, data=request(20 * mega + 100)))[0] == 413
        assert caller.queue.waiting == 2


async def test_too_many_requests_are_put_off() -> None:
    few = Limits(rates={"status": Rate(requests=3, concurrent=None)}, rate_window=0.5)
    async with calling(limits=few) as (_, caller):
        job = await caller.run()
        answers = [await caller.get(f"status/{job}") for _ in range(5)]
        assert [status for status, _ in answers] == [200, 200, 200, 429, 429]
        async with caller.session.get(f"status/{job}") as response:
            assert response.headers["Retry-After"] == "1"
        assert (await caller.get(f"stream/{job}"))[0] == 200
        await asyncio.sleep(0.6)
        assert (await caller.get(f"status/{job}"))[0] == 200


async def test_too_many_requests_at_once_are_put_off() -> None:
    few = Limits(rates={"runsync": Rate(requests=100, concurrent=2)})
    async with calling(limits=few) as (_, caller):
        request = {"input": {"say": "x"}}
        calls = [caller.post("runsync?wait=1000", json=request) for _ in range(5)]
        statuses = [status for status, _ in await asyncio.gather(*calls)]
        assert sorted(statuses) == [200, 200, 429, 429, 429]


class TestRunningWorkers:
    async def test_raise_the_allowance(self) -> None:
        rate = Rate(requests=2, concurrent=None, requests_per_worker=3)
        async with calling(limits=Limits(rates={"health": rate})) as (platform, caller):
            platform.attach("echo", Two())
            answers = [await caller.get("health") for _ in range(7)]
            assert [status for status, _ in answers] == [200] * 6 + [429]


class Two(Strangers):
    """A crew of two running workers."""

    def counts(self) -> dict[str, int]:
        return {"running": 2}


async def test_a_500_can_be_asked_for() -> None:
    async with calling() as (platform, caller):
        platform.faults.add(Fault("answer_500", endpoint="echo", route="run"))
        assert (await caller.post("run", json={"input": {"a": 1}}))[0] == 500
        await caller.run()


# --- webhooks


@asynccontextmanager
async def receiver(*answers: int) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Answer with each of these in turn, and with the last for ever; keep what came."""
    received: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response(status=answers[min(len(received), len(answers)) - 1])

    application = web.Application()
    application.add_routes([web.post("/hook", take)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", received
    finally:
        await runner.cleanup()


async def gathered(received: list[dict[str, Any]], count: int) -> None:
    async with asyncio.timeout(30):
        while len(received) < count:
            await asyncio.sleep(0.02)


async def test_a_webhook_is_told_the_result_with_the_input() -> None:
    async with receiver(200) as (url, received), calling() as (_, caller):
        job = await caller.run(webhook=url)
        await caller.finish(output={"echo": "x"})
        await gathered(received, 1)
        _, status = await caller.get(f"status/{job}")
        assert received == [{**status, "input": {"say": "x"}, "webhook": url}]


async def test_a_webhook_is_tried_three_times_and_its_failure_harms_no_job() -> None:
    quick = Limits(webhook_pauses=(0.05, 0.05))
    async with receiver(500) as (url, received), calling(limits=quick) as (_, caller):
        job = await caller.run(webhook=url)
        await caller.finish(output=1)
        await gathered(received, 3)
        await asyncio.sleep(0.3)
        assert len(received) == 3
        assert (await caller.get(f"status/{job}"))[1]["status"] == "COMPLETED"


async def test_a_webhook_that_recovers_is_not_told_again() -> None:
    quick = Limits(webhook_pauses=(0.05, 0.05))
    async with receiver(503, 201) as (url, received), calling(limits=quick) as (_, caller):
        await caller.run(webhook=url)
        assert (await caller.post("purge-queue"))[1]["removed"] == 1
        await gathered(received, 2)
        await asyncio.sleep(0.3)
        assert [body["status"] for body in received] == ["CANCELLED", "CANCELLED"]


async def test_a_webhook_that_nobody_answers_is_given_up() -> None:
    quick = Limits(webhook_pauses=(0.05,))
    async with calling(limits=quick) as (_, caller):
        job = await caller.run(webhook="http://127.0.0.1:9/nobody")
        await caller.finish(output=1)
        assert (await caller.get(f"status/{job}"))[1]["status"] == "COMPLETED"
