"""A diarization worker as public examples write it: everything at the level of the module."""

import base64
import io
import os
from typing import Any

import runpod
import soundfile
import torch
from pyannote.audio import Pipeline

pipeline = Pipeline.from_pretrained(os.environ["PLAIN_PIPELINE"])
pipeline.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def handler(job: dict[str, Any]) -> dict[str, Any]:
    audio = io.BytesIO(base64.b64decode(job["input"]["audio_base64"]))
    samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    found = pipeline({"waveform": torch.from_numpy(samples.T), "sample_rate": rate})
    turns = [
        {"start": turn.start, "end": turn.end, "speaker": speaker}
        for turn, _, speaker in found.speaker_diarization.itertracks(yield_label=True)
    ]
    return {"turns": turns}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
