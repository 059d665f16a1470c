"""Three shapes of one system: real engines, SDK workers and clients; one transcript."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from demo.hub import ENVIRONMENT
from demo.run import SAMPLE
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.manifest import SHAPES, Manifest, read_manifest
from handlers.formats import FORMATS
from parley import AsyncClient, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

SINGLE, WORDS, TURNS = "parley-single", "parley-transcription", "parley-diarization"
ORCHESTRATOR = "parley-orchestrator"
ANSWER_SECONDS = 280
DEVELOPMENT = {**ENVIRONMENT, "PARLEY_ALLOW_PRIVATE_ADDRESSES": "true"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runpod(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalRunPod]:
    """All shapes on one platform: orch brings the endpoints of split."""
    shapes = [read_manifest(SHAPES / f"{shape}.toml") for shape in ("single", "orch")]
    manifest = Manifest(endpoints=tuple(spec for shape in shapes for spec in shape.endpoints))
    logs = tmp_path_factory.mktemp("logs")
    async with local_runpod(manifest, logs=logs, environment=DEVELOPMENT) as running:
        yield running


def client_of(shape: str, runpod: LocalRunPod) -> AsyncClient:
    reach: Any = {"api_key": runpod.api_key, "base_url": runpod.base_url}
    if shape == "split":
        return AsyncClient.split(transcription=WORDS, diarization=TURNS, **reach)
    if shape == "orch":
        return AsyncClient.orch(ORCHESTRATOR, **reach)
    return AsyncClient.single(SINGLE, **reach)


def told(reply: Reply) -> dict[str, Any]:
    """What a reply says of the recording; the rest is how that was found out."""
    body = reply.body()
    for model in body["models"].values():
        del model["seconds"]  # of finding its weights
    return {name: body[name] for name in body if name not in {"timings", "usage", "cold_start"}}


@pytest.mark.timeout(600)
async def test_the_three_shapes_give_the_same_transcript(runpod: LocalRunPod) -> None:
    url = runpod.share(SAMPLE)
    replies = {}
    for shape in ("single", "split", "orch"):
        async with client_of(shape, runpod) as client:
            replies[shape] = await client.transcribe(
                url, within=ANSWER_SECONDS, formats=FORMATS, name="meeting"
            )
    assert len(replies["single"].speakers) == 3
    assert told(replies["split"]) == told(replies["single"])
    assert told(replies["orch"]) == told(replies["single"])
    both = ["transcription", "diarization"]
    for shape, roles in (
        ("single", ["single"]),
        ("split", both),
        ("orch", [*both, "orchestrator"]),
    ):
        usage = replies[shape].usage
        assert list(usage.workers) == roles
        assert usage.worker_seconds == pytest.approx(
            sum(spent.worker_seconds for spent in usage.workers.values()), abs=0.01
        )
        assert all(spent.machine == "CPU" for spent in usage.workers.values())
        assert usage.cost_dollars is None  # RunPod publishes no price of CPU workers
        assert "PARLEY_PRICE_PER_SECOND" in usage.cost_basis


async def test_a_local_file_goes_to_both_branches(runpod: LocalRunPod) -> None:
    async with client_of("split", runpod) as client:
        reply = await client.transcribe(SAMPLE, within=ANSWER_SECONDS, word_timestamps=False)
    assert len(reply.speakers) == 3


SDK_CALL = """
import sys, runpod
endpoint = runpod.Endpoint(sys.argv[1], api_key="local")
job = endpoint.run({"input": {"audio_url": sys.argv[2]}})
print(job.output(timeout=250)[sys.argv[3]][:1])
"""


@pytest.mark.parametrize(
    ("endpoint", "field"),
    [(SINGLE, "segments"), (WORDS, "words"), (TURNS, "turns"), (ORCHESTRATOR, "segments")],
)
async def test_the_unmodified_sdk_client_gets_a_result(
    runpod: LocalRunPod, endpoint: str, field: str
) -> None:
    environment = {**os.environ, "RUNPOD_ENDPOINT_BASE_URL": runpod.base_url}
    command = [sys.executable, "-c", SDK_CALL, endpoint, runpod.share(SAMPLE), field]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert "'start': 0." in done.stdout
