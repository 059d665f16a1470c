"""`parley coldstart` as a process of its own, against a platform on loopback."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import planner.coldstart
from planner.coldstart.store import read
from tests.scripted_platform import KEY, Platform, gives, says, scripted

COMMAND = "from parley.coldstart import app; app(prog_name='parley coldstart')"
PROVIDER = Path(planner.coldstart.__file__).with_name("examples") / "provider.jsonl"
START = {"seconds": 1.5, "phases": {"transcriber built": 1.0}}
DONE = says(
    "COMPLETED",
    output={"text": "good morning", "cold_start": START},
    delayTime=2000,
    executionTime=500,
    workerId="w",
)
QUICK = ("--watch", "0.05", "--settle", "0", "--kind", "any", "--expect", "good morning")


@dataclass
class Ended:
    status: int
    stdout: str
    stderr: str


@asynccontextmanager
async def started(
    *arguments: str, folder: Path, platform: Platform | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        *arguments,
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "COLUMNS": "160",
            "RUNPOD_API_KEY": KEY,
            "RUNPOD_ENDPOINT_BASE_URL": platform.base_url if platform else "http://127.0.0.1:9",
            "PARLEY_ENDPOINT": "ep",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def ended(process: asyncio.subprocess.Process) -> Ended:
    stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())


async def coldstart(*arguments: str, folder: Path, platform: Platform | None = None) -> Ended:
    async with started(*arguments, folder=folder, platform=platform) as process:
        return await ended(process)


def job(folder: Path) -> tuple[str, str]:
    (folder / "job.json").write_text('{"say": "good morning"}')
    return "--input", "job.json"


async def test_runs_are_made_judged_and_drawn(tmp_path: Path) -> None:
    more = ("--json", "found.json", "--chart", "found.svg", "--label", "here")
    async with scripted(status=[DONE]) as platform:
        made = await coldstart(
            "run",
            "a.jsonl",
            *job(tmp_path),
            *QUICK,
            *more,
            "-n",
            "2",
            folder=tmp_path,
            platform=platform,
        )
    assert made.status == 0, made.stderr
    assert "2 of 2 runs are ok" in made.stdout
    assert "run 2: ok after" in made.stderr
    assert KEY not in made.stdout + made.stderr + (tmp_path / "a.jsonl").read_text()
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["overall"], found["counts"]["ok"]) == ("not enough runs", 2)
    assert (tmp_path / "found.svg").read_text().count("<svg") == 1


async def test_ctrl_c_cancels_the_job_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = ("run", "a.jsonl", *job(tmp_path), *QUICK, "-n", "1")
    async with scripted(status=[says("IN_PROGRESS")]) as platform:
        async with started(*arguments, folder=tmp_path, platform=platform) as process:
            await platform.until_asked("status")
            process.send_signal(signal.SIGINT)
            stopped = await ended(process)
        assert stopped.status == 130
        assert [asked.job for asked in platform.to("cancel")] == ["job-1"]
        assert [run.outcome for run in read(tmp_path / "a.jsonl").runs] == ["interrupted"]
        platform.scripts["status"] = [DONE]
        again = await coldstart(*arguments, folder=tmp_path, platform=platform)
    assert again.status == 0, again.stderr
    assert "1 of 1 runs are ok, 1 more are not counted" in again.stdout


async def test_a_command_that_was_killed_goes_on(tmp_path: Path) -> None:
    arguments = ("run", "a.jsonl", *job(tmp_path), *QUICK, "-n", "1")
    async with scripted(status=[says("IN_PROGRESS")]) as platform:
        async with started(*arguments, folder=tmp_path, platform=platform) as process:
            await platform.until_asked("status")
            process.kill()
            await process.wait()
        assert [one.job for one in read(tmp_path / "a.jsonl").half_done] == ["job-1"]
        told = await coldstart("report", "a.jsonl", folder=tmp_path)
        assert "run 1: half done, job job-1" in told.stdout
        platform.scripts["status"] = [DONE]
        again = await coldstart(*arguments, folder=tmp_path, platform=platform)
        assert [asked.job for asked in platform.to("cancel")] == ["job-1"]
    assert again.status == 0
    assert "run 1 was half done" in again.stderr
    assert [run.outcome for run in read(tmp_path / "a.jsonl").runs] == ["interrupted", "ok"]


async def test_what_costs_too_much_is_not_begun(tmp_path: Path) -> None:
    arguments = ("run", "a.jsonl", *job(tmp_path), *QUICK, "-n", "1", "--price", "0.01")
    async with scripted(status=[DONE]) as platform:
        asked = await coldstart(*arguments, folder=tmp_path, platform=platform)
        assert not platform.to("run")
        agreed = await coldstart(*arguments, "--yes", folder=tmp_path, platform=platform)
        bounded = await coldstart(
            *arguments[:-4], "-n", "9", "--price", "0.01", "--yes", "--at-most", "6.21",
            folder=tmp_path, platform=platform,
        )  # fmt: skip
    assert asked.status == 2
    assert "it may cost up to $6.06. Give --yes" in asked.stderr
    assert agreed.status == 0
    assert bounded.status == 3
    assert "higher --at-most" in bounded.stderr
    assert len(read(tmp_path / "a.jsonl").runs) == 3


async def test_an_endpoint_that_stays_warm_may_be_tried_later(tmp_path: Path) -> None:
    busy = gives({"workers": {"running": 1}})
    async with scripted(health=[busy]) as platform:
        stayed = await coldstart(
            "run", "a.jsonl", *job(tmp_path), *QUICK, "--cool-within", "0.2",
            folder=tmp_path, platform=platform,
        )  # fmt: skip
    assert stayed.status == 3
    assert "1 workers running" in stayed.stderr


async def test_a_report_of_the_provider_of_the_document(tmp_path: Path) -> None:
    told = await coldstart("report", str(PROVIDER), "--strict", folder=tmp_path)
    assert told.status == 1
    assert "1 of 5 runs are ok" in told.stdout
    assert "Overall: rejected" in told.stdout
    printed = await coldstart("report", str(PROVIDER), "--json", "-", folder=tmp_path)
    assert json.loads(printed.stdout)["overall"] == "rejected"


async def test_two_files_are_compared(tmp_path: Path) -> None:
    async with scripted(status=[DONE]) as platform:
        await coldstart(
            "run", "a.jsonl", *job(tmp_path), *QUICK, "-n", "2", "--label", "this one",
            folder=tmp_path, platform=platform,
        )  # fmt: skip
    told = await coldstart(
        "compare", "a.jsonl", str(PROVIDER), "--chart", "both.svg", folder=tmp_path
    )
    assert told.status == 0, told.stderr
    assert "First:  this one, 2 of 2 runs are ok" in told.stdout
    assert "not enough runs" in told.stdout
    assert (tmp_path / "both.svg").exists()


async def test_wrong_usage_is_one_sentence(tmp_path: Path) -> None:
    job(tmp_path)
    (tmp_path / "bad.toml").write_text("[failures]\ndisqualify_above = 10\n")
    for arguments, words in (
        (("report", "none.jsonl"), "cannot be used: No such file"),
        (("report", str(PROVIDER), "--criteria", "bad.toml"), "failures.disqualify_above"),
        (("run", "a.jsonl", "--within", "soon"), "no duration"),
        (("run", "a.jsonl", "--watch", "0"), "no time at all"),
        (("run", "a.jsonl", "--price", "nan"), "Invalid value for '--price'"),
        (("run", "a.jsonl", "--price", "inf"), "inf is no amount"),
        (("run", "a.jsonl", "--ask-above", "inf"), "inf is no amount"),
        (("run", "a.jsonl", "--at-most", "inf"), "inf is no amount"),
        (("run", "a.jsonl", "--input", "job.json", "--note", "x" * 1001), "The note cannot be"),
        (("run", "a.jsonl", "--audio", "a", "--input", "b"), "contradicts"),
        (("run", "a.jsonl", "--audio", "none.wav"), "cannot be read"),
    ):
        told = await coldstart(*arguments, folder=tmp_path)
        assert told.status == 2, arguments
        assert words in " ".join(told.stderr.replace("│", " ").split()), told.stderr
        assert "Traceback" not in told.stderr
