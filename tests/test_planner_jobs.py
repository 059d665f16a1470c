"""A log of what RunPod says of jobs: watched on the local platform over HTTP."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from aiohttp import web
from typer.testing import CliRunner, Result

from emulator.jobs import Job
from emulator.limits import Limits, Rate
from emulator.platform import LocalPlatform
from emulator.queue import JobQueue
from handlers.errors import EndpointAccessDenied, EndpointNotFound, EndpointUnreachable
from orchestrator.patience import Patience
from parley.plan import plan
from planner.errors import JobsUnlisted, RecordNotWritten
from planner.traffic.jobs import Recorded, record_jobs
from planner.traffic.log import read_log

KEY = "rpa-key-of-the-tests"
QUICK = Patience(request_seconds=10.0, attempts=2, first_pause=0.01, longest_pause=0.02)
MANY = {kind: Rate(requests=10_000, concurrent=None) for kind in ("run", "status", "requests")}
LIMITS = Limits(rates={**Limits().rates, **MANY})
LONG = 60.0


@dataclass
class Watching:
    """A watch that runs while a test plays caller and worker."""

    log: Path
    task: asyncio.Task[Recorded]
    stop: asyncio.Event
    polls: list[Recorded] = field(default_factory=list)

    async def look(self) -> None:
        """Wait for a poll that begins after now."""
        before = len(self.polls)
        async with asyncio.timeout(LONG):
            while len(self.polls) < before + 2:
                await asyncio.sleep(0.005)

    async def end(self) -> Recorded:
        self.stop.set()
        return await asyncio.wait_for(self.task, LONG)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@asynccontextmanager
async def watching(
    base_url: str, log: Path, *, endpoint: str = "ep", key: str = KEY
) -> AsyncIterator[Watching]:
    stop, polls = asyncio.Event(), list[Recorded]()
    async with aiohttp.ClientSession() as session:
        task = asyncio.create_task(
            record_jobs(
                endpoint,
                session=session,
                api_key=key,
                into=log,
                seconds=LONG,
                every=0.02,
                base_url=base_url,
                patience=QUICK,
                stop=stop,
                told=polls.append,
            )
        )
        try:
            yield Watching(log=log, task=task, stop=stop, polls=polls)
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task


@asynccontextmanager
async def local() -> AsyncIterator[tuple[LocalPlatform, JobQueue]]:
    async with LocalPlatform(api_key=KEY, limits=LIMITS) as platform:
        yield platform, platform.add("ep")


def submit(queue: JobQueue) -> Job:
    return queue.submit({"input": {"audio_url": "https://example.com/a.wav"}})


async def work(queue: JobQueue, output: object) -> None:
    (job,) = await queue.take("w1", most=1, wait=1.0)
    queue.finish("w1", job.id, {"output": output})


def spoken(seconds: object) -> dict[str, Any]:
    return {"text": "yes", "usage": {"audio_seconds": seconds, "processing_seconds": 1.0}}


async def test_a_job_is_written_once_it_is_done_with_its_audio_and_its_times(
    tmp_path: Path,
) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue), watching(platform.base_url, log) as watch:
        await watch.look()
        submitted = datetime.now(UTC)
        job = submit(queue)
        await watch.look()
        await work(queue, spoken(93.5))
        await watch.look()
        assert len(watch.lines()) == 1
        recorded = await watch.end()
    (line,) = watch.lines()
    assert recorded == Recorded(jobs=1)
    assert (line["id"], line["status"], line["worker"]) == (job.id, "COMPLETED", "w1")
    assert line["audio_seconds"] == 93.5
    assert line["delay_seconds"] > 0
    assert line["execution_seconds"] >= 0
    latest = datetime.fromisoformat(line["time"])
    tick = timedelta(milliseconds=2)  # the file has milliseconds
    assert latest - timedelta(seconds=line["within_seconds"]) - tick <= submitted <= latest + tick


async def test_what_it_wrote_is_a_log_of_requests(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue), watching(platform.base_url, log) as watch:
        await watch.look()
        for seconds in (10.0, 20.0, 30.0):
            submit(queue)
            await work(queue, spoken(seconds))
            await watch.look()
        await watch.end()
    trace = read_log(log)
    assert trace.audio_seconds.tolist() == [10.0, 20.0, 30.0]
    assert trace.users.tolist() == [-1, -1, -1]


async def test_jobs_that_were_there_before_are_counted_and_left_out(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue):
        submit(queue)
        async with watching(platform.base_url, log) as watch:
            await watch.look()
            await work(queue, spoken(10))
            await watch.look()
            recorded = await watch.end()
    assert recorded == Recorded(before=1)
    assert watch.lines() == []


@pytest.mark.parametrize(
    "output",
    [{"result_url": "https://b/r", "bytes": 9, "sha256": "0"}, "text", spoken("93"),
     spoken([1]), spoken(-1), spoken(0), spoken(10**400), {"usage": 3}],
)  # fmt: skip
async def test_a_job_whose_audio_nobody_tells_is_written_without(
    tmp_path: Path, output: object
) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue), watching(platform.base_url, log) as watch:
        await watch.look()
        submit(queue)
        await work(queue, output)
        await watch.look()
        recorded = await watch.end()
    assert recorded == Recorded(jobs=1, without_audio=1)
    assert [line["audio_seconds"] for line in watch.lines()] == [None]
    assert read_log(log, default_audio=120.0).audio_seconds.tolist() == [120.0]


async def test_a_job_that_failed_is_a_request_too(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue), watching(platform.base_url, log) as watch:
        await watch.look()
        submit(queue)
        (job,) = await queue.take("w1", most=1, wait=1.0)
        queue.finish("w1", job.id, {"error": "no"})
        await watch.look()
        await watch.end()
    assert [(line["status"], line["audio_seconds"]) for line in watch.lines()] == [("FAILED", None)]


async def test_a_job_that_waits_at_the_end_is_written_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue), watching(platform.base_url, log) as watch:
        await watch.look()
        submit(queue)
        await watch.look()
        assert watch.lines() == []
        recorded = await watch.end()
    assert recorded == Recorded(jobs=1, without_audio=1)
    assert [line["status"] for line in watch.lines()] == ["IN_QUEUE"]


async def test_a_job_that_the_platform_forgot_is_written_without_its_audio(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue), watching(platform.base_url, log) as watch:
        await watch.look()
        job = submit(queue)
        await watch.look()
        await work(queue, spoken(10))
        queue.keep(job.id, 0.0)
        await watch.look()
        recorded = await watch.end()
    assert recorded.jobs == 1
    assert [line["id"] for line in watch.lines()] == [job.id]


async def test_another_watch_adds_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    async with local() as (platform, queue):
        for seconds in (1.0, 2.0):
            async with watching(platform.base_url, log) as watch:
                await watch.look()
                submit(queue)
                await work(queue, spoken(seconds))
                await watch.look()
                await watch.end()
    assert [line["audio_seconds"] for line in watch.lines()] == [1.0, 2.0]


async def test_a_wrong_key_and_an_unknown_endpoint_are_told(tmp_path: Path) -> None:
    async with local() as (platform, _):
        async with watching(platform.base_url, tmp_path / "a", key="wrong-key") as watch:
            with pytest.raises(EndpointAccessDenied) as refused:
                await watch.task
        async with watching(platform.base_url, tmp_path / "a", endpoint="none") as watch:
            with pytest.raises(EndpointNotFound):
                await watch.task
    assert "wrong-key" not in str(refused.value)


async def test_a_platform_that_is_not_there_is_told(tmp_path: Path, unused_tcp_port: int) -> None:
    patience = Patience(attempts=2, first_pause=0.01, longest_pause=0.02, outage_seconds=0.2)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(EndpointUnreachable):
            await record_jobs(
                "ep",
                session=session,
                api_key=KEY,
                into=tmp_path / "a",
                seconds=LONG,
                base_url=f"http://127.0.0.1:{unused_tcp_port}/v2",
                patience=patience,
            )


async def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    log = tmp_path / "missing" / "jobs.jsonl"
    async with local() as (platform, _), watching(platform.base_url, log) as watch:
        with pytest.raises(RecordNotWritten, match="missing"):
            await watch.task


# --- a platform that lists in ways of its own: RunPod documents none


@asynccontextmanager
async def listing(*answers: object) -> AsyncIterator[str]:
    """Answer `/requests` in turn, then as at last; every job is done."""
    asked = 0

    async def requests(_request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response(answers[min(asked, len(answers)) - 1])

    async def status(request: web.Request) -> web.Response:
        job = request.match_info["job"]
        body = {"id": job, "status": "COMPLETED", "output": spoken(5.0)}
        return web.json_response(body)

    application = web.Application()
    application.add_routes(
        [web.get("/v2/ep/requests", requests), web.get("/v2/ep/status/{job}", status)]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v2"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "answer", [{"jobs": []}, {"requests": {}}, {"requests": [{"id": 3}]}, {"requests": ["a"]}]
)
async def test_a_list_that_is_not_known_is_told(tmp_path: Path, answer: object) -> None:
    async with listing(answer) as url, watching(url, tmp_path / "a") as watch:
        with pytest.raises(JobsUnlisted, match="write a log"):
            await watch.task


async def test_a_list_without_states_has_every_new_job_asked_for(tmp_path: Path) -> None:
    lists = ({"requests": [{"id": "a"}]}, {"requests": [{"id": "a"}, {"id": "b"}]})
    async with listing(*lists) as url, watching(url, tmp_path / "a") as watch:
        await watch.look()
        recorded = await watch.end()
    assert recorded == Recorded(jobs=1, before=1)
    assert [line["id"] for line in watch.lines()] == ["b"]


async def test_a_list_that_shares_nothing_with_the_one_before_is_counted(tmp_path: Path) -> None:
    lists = [{"requests": [{"id": name, "status": "COMPLETED"}]} for name in "abc"]
    async with listing(*lists) as url, watching(url, tmp_path / "a") as watch:
        await watch.look()
        await watch.look()
        recorded = await watch.end()
    assert recorded == Recorded(jobs=2, before=1, jumps=2)


# --- the command that watches, and then plans


async def planned(log: Path) -> Result:
    """What `parley plan --record` says of an endpoint that gets one job in a few seconds."""
    application = typer.Typer()
    application.command()(plan)
    command = f"{log} --record ep --hours 0.001 --shape single --volumes 1 --json -".split()
    async with listing({"requests": []}, {"requests": [{"id": "a"}]}) as url:
        environment = {
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_API_BASE": url.removesuffix("/v2"),
            "RUNPOD_ENDPOINT_BASE_URL": url,
        }
        runner = CliRunner(env=environment)
        return await asyncio.to_thread(runner.invoke, application, command)


async def test_what_a_new_log_observed_is_the_time_that_was_watched(tmp_path: Path) -> None:
    done = await planned(tmp_path / "jobs.jsonl")
    assert done.exit_code == 0, done.output
    traffic = json.loads(done.stdout)["traffic"]
    said = re.findall(r"--(?:since|until) ([-0-9]+T[0-9:]+)", done.stderr)
    since, until = map(datetime.fromisoformat, said)
    assert traffic["requests"] == 1
    assert traffic["days"] == pytest.approx((until - since) / timedelta(days=1), rel=1e-3)


async def test_what_was_in_the_log_before_is_still_planned_for(tmp_path: Path) -> None:
    log = tmp_path / "jobs.jsonl"
    before = datetime.now(UTC) - timedelta(days=1)
    log.write_text(json.dumps({"time": before.isoformat(), "audio_seconds": 5.0}) + "\n")
    done = await planned(log)
    assert done.exit_code == 0, done.output
    traffic = json.loads(done.stdout)["traffic"]
    assert (traffic["requests"], traffic["days"] > 1) == (2, True)
    assert "The time that was watched: --since" in done.stderr
