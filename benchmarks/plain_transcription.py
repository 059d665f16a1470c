"""A transcription worker as public examples write it: everything at the level of the module."""

import base64
import os
import tempfile
from typing import Any

import nemo.collections.asr as nemo_asr
import runpod
import torch

model = nemo_asr.models.ASRModel.restore_from(os.environ["PLAIN_NEMO"])
model.eval()
if torch.cuda.is_available():
    model = model.cuda()


def handler(job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(base64.b64decode(job["input"]["audio_base64"]))
        file.flush()
        hypotheses = model.transcribe([file.name], timestamps=True)
    return {"text": hypotheses[0].text, "words": hypotheses[0].timestamp["word"]}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
