"""An engine's endpoint that holds no engine: it takes its time, and answers as one would.

What it does is told by its environment (`STUB_ENGINE`: `transcription` or `diarization`;
`STUB_SECONDS` for each job; `STUB_START_SECONDS` until it takes jobs; `STUB_CONCURRENCY`) and,
job by job, by the query of the audio's URL: `seconds`, or `seconds.diarization` for one engine
alone; `fail=out_of_memory`, `fail.transcription=audio_unreadable`, and so on; `progress`; `words`.
"""

import asyncio
import json
import os
import time
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from handlers.errors import ParleyError
from handlers.jobs import AudioJob, DiarizationJob, TranscriptionJob, read_job
from handlers.lean_imports import import_leanly

import_leanly()
import runpod  # noqa: E402

ENGINE: Final = os.environ.get("STUB_ENGINE", "transcription")
SECONDS: Final = float(os.environ.get("STUB_SECONDS", "0"))
START_SECONDS: Final = float(os.environ.get("STUB_START_SECONDS", "0"))
CONCURRENCY: Final = int(os.environ.get("STUB_CONCURRENCY", "1"))

_KINDS: Final[dict[str, type[AudioJob]]] = {
    "transcription": TranscriptionJob,
    "diarization": DiarizationJob,
}
_PHASES: Final = {"transcription": "transcribe", "diarization": "diarize"}
_WORD_SECONDS: Final = 0.4
_RETRYABLE: Final = ("out_of_memory", "engine_crashed", "audio_host_failed")


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    """Answer like `handlers.transcription` or `handlers.diarization`."""
    try:
        return await _answer(job)
    except ParleyError as error:
        return {"error": json.dumps(error.body())}


async def _answer(job: dict[str, Any]) -> dict[str, Any]:
    asked = read_job(job["input"], _KINDS[ENGINE])  # refuses what an engine would refuse
    wish = _wish(asked.audio_url or "")
    if done := wish.get("progress"):
        told = {"fetch": 1.0, _PHASES[ENGINE]: float(done)}
        runpod.serverless.progress_update(job, {"progress": told})
    await asyncio.sleep(float(wish.get("seconds", SECONDS)))
    if code := wish.get("fail"):
        failure = {"code": code, "message": "As wished.", "retryable": code in _RETRYABLE}
        return {"error": json.dumps(failure)}
    count = int(wish.get("words", 10))
    return {**_found(count), **_facts(count * _WORD_SECONDS)}


def _wish(url: str) -> dict[str, str]:
    """What a URL asks of this engine."""
    wish: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(url).query):
        key, _, engine = name.partition(".")
        if engine in {"", ENGINE}:
            wish[key] = value
    return wish


def _found(count: int) -> dict[str, Any]:
    starts = [round(number * _WORD_SECONDS, 3) for number in range(count)]
    if ENGINE == "transcription":
        words = [
            {"text": f"word{n}.", "start": start, "end": round(start + 0.3, 3), "confidence": 0.9}
            for n, start in enumerate(starts)
        ]
        return {"words": words, "language": "en", "model": _model("stub/words")}
    turns = [
        {"start": start, "end": round(start + 0.35, 3), "speaker": f"S{n // 5 % 2}"}
        for n, start in enumerate(starts)
    ]
    return {
        "turns": turns,
        "exclusive": turns,
        "embeddings": {},
        "model": _model("stub/turns"),
    }


def _model(name: str) -> dict[str, str]:
    return {"name": name, "revision": "0", "source": "stub"}


def _facts(seconds: float) -> dict[str, Any]:
    return {
        "audio": {
            "seconds": seconds,
            "sha256": "0" * 64,
            "bytes": 1,
            "container": "wav",
            "codec": "pcm_s16le",
            "sample_rate": 16_000,
            "channels": 1,
        },
        "timings": {"total": SECONDS},
        "usage": {"audio_seconds": seconds, "processing_seconds": SECONDS},
        "warnings": [],
    }


if __name__ == "__main__":
    time.sleep(START_SECONDS)
    runpod.serverless.start(
        {"handler": handler, "concurrency_modifier": lambda _current: CONCURRENCY}
    )
