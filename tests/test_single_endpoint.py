"""The single endpoint as RunPod runs it: an unmodified SDK worker, real engines, real jobs."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import pytest_asyncio
import soundfile

from demo.hub import ENVIRONMENT, TRANSCRIBER
from demo.run import SAMPLE
from emulator.endpoint import LocalEndpoint, local_endpoint
from emulator.jobs import State
from handlers.formats import FORMATS
from handlers.schema import documents

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_SECONDS = 240


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worker keeps its temporary files."""
    return tmp_path_factory.mktemp("scratch")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(
    tmp_path_factory: pytest.TempPathFactory, scratch: Path
) -> AsyncIterator[LocalEndpoint]:
    environment = {
        **ENVIRONMENT,
        "PARLEY_ALLOW_PRIVATE_ADDRESSES": "true",
        "PARLEY_MAX_AUDIO_SECONDS": "600",
        "PARLEY_MAX_AUDIO_BYTES": "8000000",
        "PARLEY_DOWNLOAD_TOTAL_SECONDS": "5",
        "PARLEY_DOWNLOAD_ATTEMPTS": "2",
        "HF_TOKEN": "hf_neverinanylogofours",
        "TMPDIR": str(scratch),
    }
    log = tmp_path_factory.mktemp("endpoint") / "worker.log"
    async with local_endpoint("handlers.single", environment=environment, log=log) as found:
        yield found


async def reply_of(endpoint: LocalEndpoint, **job_input: object) -> dict[str, Any]:
    job = await asyncio.wait_for(endpoint.ask(**job_input), ANSWER_SECONDS)
    assert job.state is State.COMPLETED, job.error
    reply: dict[str, Any] = job.output
    return reply


async def failure_of(endpoint: LocalEndpoint, **job_input: object) -> dict[str, Any]:
    job = await asyncio.wait_for(endpoint.ask(**job_input), ANSWER_SECONDS)
    assert job.state is State.FAILED
    assert job.error is not None
    failure: dict[str, Any] = json.loads(job.error)
    jsonschema.validate(failure, json.loads(documents()["failure.schema.json"]))
    return failure


def inline(samples: np.ndarray[Any, Any], rate: int = 16_000) -> str:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return base64.b64encode(file.getvalue()).decode()


async def test_the_sample_comes_back_as_who_said_what_when(endpoint: LocalEndpoint) -> None:
    reply = await reply_of(
        endpoint, audio_url=endpoint.share(SAMPLE), formats=list(FORMATS), name="meeting"
    )
    jsonschema.validate(reply, json.loads(documents()["reply.schema.json"]))
    assert len(reply["speakers"]) == 3
    assert reply["segments"][0]["speaker"] == "SPEAKER_00"
    words = [word for segment in reply["segments"] for word in segment["words"]]
    assert all(word["speaker"] for word in words)
    assert all(0 <= word["confidence"] <= 1 for word in words)
    assert set(reply["formats"]) == set(FORMATS)
    assert reply["formats"]["rttm"].startswith("SPEAKER meeting 1 ")
    assert reply["audio"]["container"]
    assert reply["models"]["transcriber"]["name"] == TRANSCRIBER
    assert reply["models"]["diarizer"]["revision"]
    assert set(reply["timings"]) >= {"fetch", "decode", "transcribe", "diarize", "align", "total"}


async def test_diarize_false_gives_words_and_no_speakers(endpoint: LocalEndpoint) -> None:
    reply = await reply_of(endpoint, audio_url=endpoint.share(SAMPLE), diarize=False)
    assert "diarizer" not in reply["models"]
    assert "diarize" not in reply["timings"]
    assert reply["speakers"] == []
    assert len(reply["text"].split()) > 100


async def test_a_stated_number_of_speakers_is_found(endpoint: LocalEndpoint) -> None:
    reply = await reply_of(
        endpoint, audio_url=endpoint.share(SAMPLE), num_speakers=2, word_timestamps=False
    )
    assert len(reply["speakers"]) == 2
    assert all(segment["words"] == [] for segment in reply["segments"])


@pytest.mark.parametrize("seconds", [0.02, 10.0])
async def test_silence_is_answered_without_words(endpoint: LocalEndpoint, seconds: float) -> None:
    samples = np.zeros(int(seconds * 16_000), dtype=np.float32)
    reply = await reply_of(endpoint, audio_base64=inline(samples))
    assert reply["text"] == ""
    assert reply["segments"] == []
    assert reply["warnings"]


@pytest.mark.parametrize("level", [0.001, 0.05, 0.3])
async def test_noise_is_answered_without_words(endpoint: LocalEndpoint, level: float) -> None:
    noise = np.random.default_rng(7).normal(0, level, 160_000).clip(-1, 1).astype(np.float32)
    reply = await reply_of(endpoint, audio_base64=inline(noise))
    assert reply["text"] == ""


@pytest.mark.parametrize(
    ("job_input", "code"),
    [
        ({"diarize": True}, "audio_missing"),
        ({"audio_url": "https://example.com/a.wav", "audio_base64": "AAAA"}, "audio_ambiguous"),
        ({"audio_base64": base64.b64encode(b"no audio at all" * 99).decode()}, "audio_unreadable"),
        ({"audio_base64": "%%%%"}, "audio_encoding_invalid"),
        ({"audio_base64": inline(np.zeros(0, dtype=np.float32))}, "audio_empty"),
        ({"audio_url": "http://127.0.0.1:9/a.wav"}, "audio_host_unreachable"),
        ({"audio_url": "ftp://example.com/a.wav"}, "audio_address_forbidden"),
        ({"audio_url": "https://example.com/a.wav", "num_speakers": 0}, "invalid_speaker_count"),
        ({"audio_url": "https://example.com/a.wav", "speaker": 1}, "unknown_option"),
        ({"audio_url": "https://example.com/a.wav", "formats": ["doc"]}, "unknown_format"),
    ],
)
async def test_bad_input_is_told_why_and_the_worker_goes_on(
    endpoint: LocalEndpoint, job_input: dict[str, Any], code: str
) -> None:
    failure = await failure_of(endpoint, **job_input)
    assert failure["code"] == code
    assert endpoint.process.returncode is None


async def test_a_missing_file_is_told_apart(endpoint: LocalEndpoint) -> None:
    url = endpoint.share(SAMPLE).replace("/files/", "/files/x")
    failure = await failure_of(endpoint, audio_url=url)
    assert failure["code"] == "audio_download_refused"
    assert "404" in failure["message"]


async def test_too_long_and_truncated_audio_are_told_apart(
    endpoint: LocalEndpoint, tmp_path: Path
) -> None:
    long = tmp_path / "long.flac"
    soundfile.write(long, np.zeros(700 * 8000, dtype=np.int16), 8000)
    assert (await failure_of(endpoint, audio_url=endpoint.share(long)))["code"] == "audio_too_long"
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, np.zeros(160_000, dtype=np.int16), 16_000)
    cut.write_bytes(cut.read_bytes()[:100_000])
    assert (await failure_of(endpoint, audio_url=endpoint.share(cut)))["code"] == "audio_truncated"


async def test_a_cancelled_job_frees_the_worker(endpoint: LocalEndpoint) -> None:
    job = await endpoint.submit(audio_url=endpoint.share(SAMPLE))
    async for update in endpoint.updates(job):
        if update.output is not None:
            break
    endpoint.queue.cancel(job.id)
    reply = await reply_of(endpoint, audio_base64=inline(np.zeros(16_000, dtype=np.float32)))
    assert reply["text"] == ""
    assert job.state is State.CANCELLED


async def test_nothing_is_left_behind_and_nothing_said_is_logged(
    endpoint: LocalEndpoint, scratch: Path
) -> None:
    """Runs last: it looks at what all the jobs above have left."""
    assert list(scratch.glob("parley-*")) == []
    log = endpoint.log.read_text()
    assert "job" in log
    for private in ("printer", "budget", "hf_neverinanylogofours", "Traceback"):
        assert private not in log


async def test_missing_models_are_told_to_every_job(tmp_path: Path) -> None:
    environment = {
        "PARLEY_TRANSCRIBER_MODEL": "nobody/nothing",
        "PARLEY_DIARIZER_MODEL": "pyannote/nothing",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
    }
    log = tmp_path / "worker.log"
    async with local_endpoint("handlers.single", environment=environment, log=log) as endpoint:
        for _ in range(2):
            failure = await failure_of(endpoint, audio_base64=inline(np.ones(16_000) * 0.1))
            assert failure["code"] == "model_missing"
            assert "nobody/nothing" in failure["message"]
            assert "pyannote/nothing" in failure["message"]
