"""`parley transcribe` as a process of its own, against a platform on loopback."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from handlers.errors import AudioUnreadable
from handlers.replies import Reply, Usage
from handlers.timeline import AudioFacts, Segment, Speaker

PARLEY = Path(sys.executable).with_name("parley")
KEY = "rpa_0123456789ABCDEFGHIJ"


def reply(job: dict[str, Any]) -> dict[str, Any]:
    said = Segment(start=0.5, end=1.5, text="Good morning.", speaker="SPEAKER_00")
    return Reply(
        text=said.text,
        language=None,
        segments=(said,),
        speakers=(Speaker("SPEAKER_00", 1.0, 1),),
        turns=(),
        formats={wanted: f"{wanted} of {job['name']}\n" for wanted in job["formats"]},
        audio=AudioFacts(2.0, "0" * 64, 10, "wav", "pcm_s16le", 16000, 1),
        models={},
        timings={},
        usage=Usage(audio_seconds=2.0, processing_seconds=0.1),
        warnings=(),
    ).body()


@dataclass
class Platform:
    """Answers as RunPod does; a recording named `broken` fails, one named `slow` never ends."""

    url: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    asked_for_slow: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def names(self) -> list[str]:
        return [job["name"] for job in self.jobs.values()]

    async def run(self, request: web.Request) -> web.Response:
        if request.match_info["endpoint"] != "known":
            return web.json_response({"error": "not found"}, status=404)
        self.keys.add(request.headers["Authorization"])
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = (await request.json())["input"]
        return web.json_response({"id": job_id, "status": "IN_QUEUE"})

    async def status(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job"]
        job = self.jobs[job_id]
        if job["name"] == "slow":
            self.asked_for_slow.set()
            return web.json_response({"id": job_id, "status": "IN_QUEUE"})
        times = {"delayTime": 10, "executionTime": 20, "workerId": "worker"}
        if job["name"] == "broken":
            error = json.dumps(AudioUnreadable(reason="it is a poem").body())
            return web.json_response({"id": job_id, "status": "FAILED", "error": error, **times})
        answer = {"id": job_id, "status": "COMPLETED", "output": reply(job), **times}
        return web.json_response(answer)

    async def cancel(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job"]
        self.cancelled.append(self.jobs[job_id]["name"])
        return web.json_response({"id": job_id, "status": "CANCELLED"})


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    platform = Platform()
    application = web.Application(client_max_size=2**24)
    application.router.add_post("/{endpoint}/run", platform.run)
    application.router.add_get("/{endpoint}/status/{job}", platform.status)
    application.router.add_post("/{endpoint}/cancel/{job}", platform.cancel)
    async with TestServer(application, host="127.0.0.1") as server:
        platform.url = str(server.make_url("")).rstrip("/")
        yield platform


@dataclass
class Run:
    status: int
    stdout: str
    stderr: str


@asynccontextmanager
async def started(
    *arguments: str, platform: Platform, folder: Path, endpoint: str = "known"
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        PARLEY,
        *arguments,
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_ENDPOINT_BASE_URL": platform.url,
            "PARLEY_ENDPOINT": endpoint,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def parley(*arguments: str, platform: Platform, folder: Path, endpoint: str = "known") -> Run:
    async with started(*arguments, platform=platform, folder=folder, endpoint=endpoint) as process:
        return await ended(process)


async def ended(process: asyncio.subprocess.Process) -> Run:
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Run(process.returncode, stdout.decode(), stderr.decode())


def recordings(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).write_bytes(b"not really sound")
    return list(names)


async def test_a_recording_becomes_files_in_the_current_folder(
    platform: Platform, tmp_path: Path
) -> None:
    run = await parley(
        "transcribe", *recordings(tmp_path, "talk.mp3"), platform=platform, folder=tmp_path
    )
    assert (run.status, run.stdout) == (0, "")
    assert "talk.json, talk.txt" in run.stderr
    assert (tmp_path / "talk.txt").read_text() == "txt of talk\n"
    written = json.loads((tmp_path / "talk.json").read_text())
    assert written["segments"][0]["text"] == "Good morning."
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "talk.json",
        "talk.mp3",
        "talk.txt",
    ]
    assert platform.keys == {f"Bearer {KEY}"}


async def test_a_second_run_does_what_the_first_left(platform: Platform, tmp_path: Path) -> None:
    first = recordings(tmp_path, "a.mp3")
    both = recordings(tmp_path, "a.mp3", "b.mp3")
    await parley("transcribe", *first, "-f", "txt", platform=platform, folder=tmp_path)
    run = await parley("transcribe", *both, "-f", "txt", platform=platform, folder=tmp_path)
    assert (run.status, platform.names) == (0, ["a", "b"])
    assert "1 done, 1 already there" in run.stderr


async def test_a_dash_prints_the_one_format_and_nothing_else(
    platform: Platform, tmp_path: Path
) -> None:
    source = recordings(tmp_path, "talk.mp3")
    run = await parley(
        "transcribe", *source, "-f", "srt", "-o", "-", platform=platform, folder=tmp_path
    )
    assert (run.status, run.stdout) == (0, "srt of talk\n")
    assert [path.name for path in tmp_path.iterdir()] == source


async def test_one_failure_is_told_and_the_others_are_kept(
    platform: Platform, tmp_path: Path
) -> None:
    sources = recordings(tmp_path, "a.mp3", "broken.mp3", "c.mp3")
    run = await parley("transcribe", *sources, platform=platform, folder=tmp_path)
    assert run.status == 1
    assert "broken.mp3: audio_unreadable: The audio cannot be decoded" in run.stderr
    assert "2 done, 1 failed" in run.stderr
    assert (tmp_path / "a.json").exists()
    assert (tmp_path / "c.json").exists()
    assert "Traceback" not in run.stderr


async def test_what_is_wrong_for_all_recordings_stops_the_run(
    platform: Platform, tmp_path: Path
) -> None:
    sources = recordings(tmp_path, "a.mp3", "b.mp3", "c.mp3")
    run = await parley(
        "transcribe",
        *sources,
        "--jobs",
        "1",
        platform=platform,
        folder=tmp_path,
        endpoint="unknown",
    )
    assert run.status == 2
    assert run.stderr.count("There is no endpoint 'unknown' for this key.") == 1
    assert "1 failed, 2 not finished" in run.stderr


async def test_an_interrupt_cancels_what_is_under_way_and_keeps_what_is_done(
    platform: Platform, tmp_path: Path
) -> None:
    sources = recordings(tmp_path, "a.mp3", "slow.mp3", "z.mp3")
    async with started(
        "transcribe", *sources, "--jobs", "1", platform=platform, folder=tmp_path
    ) as process:
        await asyncio.wait_for(platform.asked_for_slow.wait(), 60)
        process.send_signal(signal.SIGINT)
        run = await ended(process)
    assert run.status == 130
    assert (platform.cancelled, platform.names) == (["slow"], ["a", "slow"])
    assert (tmp_path / "a.json").exists()
    assert "1 done, 2 not finished" in run.stderr
    assert "Traceback" not in run.stderr


async def test_a_request_that_cannot_be_sends_no_job(platform: Platform, tmp_path: Path) -> None:
    source = recordings(tmp_path, "talk.mp3")
    for wrong, why in {
        ("--num-speakers", "2", "--max-speakers", "3"): "num_speakers is exact",
        ("-f", "strt"): "--format knows no 'strt'",
        ("--timeout", "soon"): "'soon' is no duration",
        ("--profile", "studio"): "no profile 'studio'",
        ("missing.mp3",): "missing.mp3 does not exist",
        (".",): ". is a folder",
        ("--frobnicate",): "No such option",
    }.items():
        run = await parley("transcribe", *source, *wrong, platform=platform, folder=tmp_path)
        assert run.status == 2
        assert why in run.stderr
        assert "Traceback" not in run.stderr
    assert platform.jobs == {}


async def test_config_tells_where_each_value_comes_from_and_masks_the_key(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / ".config" / "parley").mkdir(parents=True)
    (tmp_path / ".config" / "parley" / "config.toml").write_text("jobs = 9\n")
    run = await parley("config", platform=platform, folder=tmp_path)
    assert run.status == 0
    rows = {line.split("│")[0].strip(): line for line in run.stdout.splitlines() if "│" in line}
    assert "...GHIJ" in rows["api_key"]
    assert KEY not in run.stdout
    assert "PARLEY_ENDPOINT" in rows["endpoint"]
    assert "config.toml" in run.stdout


async def test_the_version_is_told(platform: Platform, tmp_path: Path) -> None:
    run = await parley("--version", platform=platform, folder=tmp_path)
    assert run.stdout.startswith("parley 0.")
