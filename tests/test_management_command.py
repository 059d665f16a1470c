"""`parley emulate empty`, and what it prints, pasted into a shell."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from emulator.management.images import OWN, read_images
from emulator.manifest import SHAPES, read_manifest
from parley.cli import app
from tests.accounts import MINIMAL
from tests.echo_runpod import PATIENCE

PARLEY = str(Path(sys.executable).with_name("parley"))
REPOSITORY = Path(__file__).parents[1]
IMAGES = """
[echo]
command = ["{python}", "-m", "tests.echo_worker"]
environment = { ECHO_CONCURRENCY = "1" }
"""


@asynccontextmanager
async def emptiness(folder: Path, *arguments: str) -> AsyncIterator[dict[str, str]]:
    """An empty platform; give what it wants to be exported."""
    images = folder / "images.toml"
    images.write_text(IMAGES)
    process = await asyncio.create_subprocess_exec(
        *(PARLEY, "emulate", "empty", "--port", "0", "--images", str(images)),
        *("--models", "real", "--env", f"PYTHONPATH={REPOSITORY}", *arguments),
        cwd=folder,
        env={**os.environ, "RUNPOD_SECRET_word": "hidden"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    try:
        guide = await asyncio.wait_for(process.stdout.readuntil(b"Ctrl-C stops all"), PATIENCE)
        yield dict(re.findall(r"export (\w+)=(\S+)", guide.decode()))
        process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        assert b"All workers are stopped." in rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_endpoint_is_deployed_with_what_it_prints(tmp_path: Path) -> None:
    async with emptiness(tmp_path) as exports:
        headers = {"Authorization": f"Bearer {exports['RUNPOD_API_KEY']}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            management = f"{exports['RUNPOD_API_BASE']}/v2/serverless"
            async with session.get(management) as answer:
                assert await answer.json() == {"endpoints": []}
            async with session.post(management, json=MINIMAL) as answer:
                endpoint = await answer.json()
            jobs = f"{exports['RUNPOD_ENDPOINT_BASE']}/{endpoint['id']}"
            async with session.post(f"{jobs}/runsync", json={"input": {"say": "a"}}) as answer:
                assert (await answer.json())["output"] == {"echo": "a"}
            async with session.get(f"{exports['RUNPOD_API_BASE']}/emulator/status.json") as answer:
                facts = json.loads(await answer.text())
        assert facts["quota"] == {"workers": 5, "promised": 3, "present": 1}
        assert exports["RUNPOD_ENDPOINT_BASE_URL"] == exports["RUNPOD_ENDPOINT_BASE"]


async def test_the_quota_and_faults_are_options(tmp_path: Path) -> None:
    options = ("--quota", "2", "--fault", "empty_pool:ADA_24")
    async with emptiness(tmp_path, *options) as exports:
        headers = {"Authorization": "Bearer local"}
        told = []
        async with aiohttp.ClientSession(headers=headers) as session:
            for most in (3, 2, 2):
                body = {**MINIMAL, "workers": {"max": most}}
                management = f"{exports['RUNPOD_API_BASE']}/v2/serverless"
                async with session.post(management, json=body) as answer:
                    told.append((answer.status, (await answer.json()).get("detail", "")[:20]))
    no_capacity = "There are no longer any instances available"[:20]
    assert told == [(400, "Max workers across all"[:20]), (400, no_capacity), (201, "")]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("empty", "--warm"), "There is no endpoint yet that could be kept warm"),
        (("empty", "--fault", "empty_pool:ADA_25"), "There is no endpoint 'ADA_25'"),
        (("empty", "--fault", "answer_401:*:route=management/x"), "There is no route"),
        (("empty", "--images", "missing.toml"), "missing.toml cannot be read"),
        (("empty", "--model-store", "missing"), "missing is no folder"),
        (("orch", "--quota", "2"), "must not exceed your workers quota (2)"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(arguments: tuple[str, ...], why: str) -> None:
    runner = CliRunner(env={"COLUMNS": "1000", "TERM": "dumb"})
    result = runner.invoke(app, ["emulate", *arguments])
    assert result.exit_code == 2
    assert why in result.output


def test_parleys_images_run_what_its_shapes_run() -> None:
    images = read_images(OWN)
    specs = [spec for path in SHAPES.glob("*.toml") for spec in read_manifest(path).endpoints]
    assert {spec.id for spec in specs}
    for spec in specs:
        for reference in (f"ghcr.io/me/{spec.id}:1.2", f"host:5000/{spec.id}@sha256:ab", spec.id):
            assert images.find(reference).command == spec.command


def test_a_wrong_table_of_images_is_told(tmp_path: Path) -> None:
    path = tmp_path / "images.toml"
    for text, told in (
        ("echo", "is not TOML"),
        ("[echo]", "echo is not a table of a command"),
        ('[echo]\ncommand = "sh"', "echo is not a table of a command"),
        ('[echo]\ncommand = ["sh"]\nenv = {}', "echo is not a table of a command"),
        ('[echo]\ncommand = ["sh"]\nenvironment = { A = 1 }', "echo is not a table of a command"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=told):
            read_images(path)
