"""The orchestrator in an environment of its own: what its lock names, and nothing else."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.stubs import ORCHESTRATOR, recording, stub_set
from emulator.endpoint import local_runpod
from parley import AsyncClient

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "docker" / "locks" / "orchestrator.txt"


def uv(*arguments: str) -> str:
    """Run the installer; what it prints."""
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


@pytest.fixture(scope="module")
def python() -> Path:
    """An interpreter that has what the lock names; made anew where the lock changes."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = ROOT / "build" / f"orchestrator-{digest}"
    found = home / "bin" / "python"
    if not (home / ".ready").exists():
        uv("venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        uv("pip", "sync", "--quiet", "--require-hashes", "--python", str(found), str(LOCK))
        (home / ".ready").touch()
    return found


def test_no_engine_is_in_it(python: Path) -> None:
    listed = uv("pip", "freeze", "--python", str(python))
    names = {line.partition("==")[0] for line in listed.splitlines()}
    assert {"runpod", "aiohttp", "pydantic"} <= names
    assert names.isdisjoint({"torch", "numpy", "nemo-toolkit", "pyannote-audio", "av", "soundfile"})


async def test_it_answers_a_job(python: Path, tmp_path: Path) -> None:
    manifest = stub_set()
    endpoints = tuple(
        replace(spec, command=(str(python), *spec.command[1:])) if spec.id == ORCHESTRATOR else spec
        for spec in manifest.endpoints
    )
    async with (
        local_runpod(replace(manifest, endpoints=endpoints), logs=tmp_path) as runpod,
        AsyncClient.orch(ORCHESTRATOR, api_key=runpod.api_key, base_url=runpod.base_url) as client,
    ):
        reply = await client.transcribe(recording(words=7), within=60, formats=["srt", "rttm"])
    assert len(reply.text.split()) == 7
    assert set(reply.formats) == {"srt", "rttm"}
