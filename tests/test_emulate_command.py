"""`parley emulate` as a process of its own, and what it prints, pasted into a shell."""

import asyncio
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import aiohttp
import pytest
from typer.testing import CliRunner

from emulator.faults import FaultKind
from parley.cli import app
from parley.emulate import sample
from tests.echo_runpod import PATIENCE, marked, until

PARLEY = str(Path(sys.executable).with_name("parley"))
REPOSITORY = Path(__file__).parents[1]
ECHO = """
[[endpoints]]
id = "echo"
command = ["{python}", "-m", "tests.echo_worker"]
environment = { ECHO_CONCURRENCY = "1", PYTHONPATH = "%s" }
"""


@dataclass
class Emulation:
    process: asyncio.subprocess.Process
    guide: str

    @property
    def page(self) -> str:
        (url,) = re.findall(r"Status page +(\S+)", self.guide)
        return str(url)

    def commands(self, start: str) -> list[str]:
        lines = (line.strip() for line in self.guide.splitlines())
        return [line for line in lines if line.startswith(start)]

    async def end(self) -> str:
        """Press Ctrl-C; give what it says then."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(self.process.communicate(), PATIENCE)
        assert self.process.returncode == 0
        return rest.decode()


@asynccontextmanager
async def emulation(folder: Path, *arguments: str) -> AsyncIterator[Emulation]:
    process = await asyncio.create_subprocess_exec(
        *(PARLEY, "emulate", "--port", "0", *arguments),
        cwd=folder,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    try:
        guide = await asyncio.wait_for(process.stdout.readuntil(b"Ctrl-C stops all"), PATIENCE)
        yield Emulation(process, guide.decode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def pasted(*lines: str) -> str:
    """What a shell prints for these lines."""
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", "\n".join(lines)),
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        stdout=subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(shell.communicate(), 280)
    assert shell.returncode == 0
    return out.decode()


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    manifest = tmp_path / "echo.toml"
    manifest.write_text(ECHO % REPOSITORY)
    return manifest


async def test_warm_workers_come_at_once_and_ctrl_c_ends_all_of_them(
    echo: Path, tmp_path: Path
) -> None:
    mark = secrets.token_hex(8)
    options = ("--manifest", str(echo), "--warm", "--models", "real", "--env", f"ECHO_MARK={mark}")
    async with emulation(tmp_path, *options) as running:
        await until(lambda: len(marked(mark)) > 0)
        said = await running.end()
    assert marked(mark) == []
    logs = tmp_path / "out" / "logs"
    assert f"All workers are stopped. Their logs are in {logs}." in said
    assert len(list((logs / "echo").glob("*.log"))) == 1


async def test_the_curl_lines_send_a_job_and_ask_for_it(echo: Path, tmp_path: Path) -> None:
    async with emulation(tmp_path, "--manifest", str(echo)) as running:
        (send,), (ask,) = running.commands("JOB="), running.commands("curl")
        wait = f"while {{ {ask}; }} | grep -q IN_; do sleep 0.2; done"
        job = json.loads(await pasted(send, wait, ask))
        assert (job["status"], job["output"]) == ("COMPLETED", {"echo": None})
        async with aiohttp.ClientSession() as session, session.get(running.page) as answer:
            assert "<title>Local RunPod</title>" in await answer.text()


async def test_faults_of_the_command_line_are_armed(echo: Path, tmp_path: Path) -> None:
    options = ("--fault", "answer_500:echo:route=run:times=2", "--fault", "no_capacity:*")
    async with emulation(tmp_path, "--manifest", str(echo), *options) as running:
        (send,), url = running.commands("JOB="), f"{running.page}emulator/faults"
        async with aiohttp.ClientSession() as session:
            await pasted(send)
            async with session.get(url) as answer:
                assert (await answer.json())["faults"] == [
                    {
                        "kind": kind,
                        "endpoint": endpoint,
                        "every": 1,
                        "times": times,
                        "seconds": 0,
                        "route": route,
                    }
                    for kind, endpoint, times, route in (
                        ("answer_500", "echo", 2, "run"),
                        ("no_capacity", "*", 1, "*"),
                    )
                ]


@pytest.mark.timeout(400)
async def test_the_line_for_transcribe_transcribes(tmp_path: Path) -> None:
    async with emulation(tmp_path, "single") as running:
        (line,) = running.commands("RUNPOD_API_KEY=local ")
        assert "Did Robert finish the report" in await pasted(line)


@pytest.mark.parametrize(
    ("shape", "flags"),
    [
        ("orch", "--shape orch --endpoint parley-orchestrator"),
        (
            "split",
            "--shape split --transcription parley-transcription --diarization parley-diarization",
        ),
    ],
)
async def test_each_shape_has_its_own_line(tmp_path: Path, shape: str, flags: str) -> None:
    async with emulation(tmp_path, shape) as running:
        (line,) = running.commands("RUNPOD_API_KEY=local ")
        assert flags in line
        assert f"--base-url {running.page}v2 " in line


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            *(PARLEY, "emulate", "single", "--port", port),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 2
    assert f"Port {port} cannot be used: Address already in use." in said.decode()


def refusal(*arguments: str) -> str:
    """Why the command refuses, on one line."""
    result = CliRunner(env={"COLUMNS": "1000", "TERM": "dumb"}).invoke(app, ["emulate", *arguments])
    assert result.exit_code == 2
    return result.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("single", "--manifest", "echo.toml"), "or else --manifest FILE"),
        (("--warm",), "Give single, split or orch"),
        (("--manifest", "missing.toml"), "missing.toml cannot be read"),
        (("single", "--env", "HF_TOKEN"), "'HF_TOKEN' is no variable; write KEY=VALUE"),
        (("single", "--env", "A=${B}"), "Only ${PLATFORM_URL} and ${API_KEY}"),
        (("single", "--fault", "burn:*"), "There is no fault 'burn'"),
        (("single", "--fault", "kill_worker"), "It names no endpoint"),
        (("single", "--fault", "kill_worker:parley-orch"), "there are parley-single, and *"),
        (("single", "--fault", "kill_worker:*:every=x"), "'every' of a fault cannot be 'x'"),
        (("single", "--fault", "kill_worker:*:seconds=inf"), "must be finite"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(arguments: tuple[str, ...], why: str) -> None:
    assert why in refusal(*arguments)


def test_without_the_demo_its_models_are_said_to_live_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "demo.hub", None)
    said = refusal("single")
    assert "live in Parley's repository" in said
    assert "--models real" in said


def test_without_the_demo_there_is_a_recording_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "demo", None)
    with wave.open(str(sample(tmp_path))) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 16000)


def test_help_names_every_fault() -> None:
    said = CliRunner().invoke(app, ["emulate", "--help"]).output
    assert all(kind in said for kind in get_args(FaultKind))
