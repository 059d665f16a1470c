"""A worker with both engines as public examples write it: one after the other, at the top."""

from typing import Any

import runpod

from benchmarks.plain_diarization import handler as diarize
from benchmarks.plain_transcription import handler as transcribe


def handler(job: dict[str, Any]) -> dict[str, Any]:
    return {**transcribe(job), **diarize(job)}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
