"""Runs all four workers, gives each shape one job, and prints what came back as JSON.

For `test_offline_start.py`, which runs it where there is no network: `STORE FOLDER`.
"""

import asyncio
import base64
import io
import json
import socket
import sys
from pathlib import Path
from typing import Any, Final

import soundfile

from demo.hub import DIARIZER, TRANSCRIBER
from demo.run import SAMPLE
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.jobs import State
from emulator.manifest import SHAPES, Manifest, read_manifest

_SHAPES: Final = {"single": "parley-single", "orch": "parley-orchestrator"}
_AUDIO_SECONDS: Final = 6
_ANSWER_SECONDS: Final = 120
_OUTSIDE: Final = ("192.0.2.1", 443)  # of a network that is kept for documents


async def ask(runpod: LocalRunPod, endpoint: str) -> dict[str, Any]:
    """Give an endpoint the beginning of the sample; its reply, or why there is none."""
    samples, rate = soundfile.read(SAMPLE, frames=_AUDIO_SECONDS * 16_000)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    audio = base64.b64encode(file.getvalue()).decode()
    job = runpod.platform.queues[endpoint].submit({"input": {"audio_base64": audio}})
    async with asyncio.timeout(_ANSWER_SECONDS):
        while not job.state.is_final:
            await job.changed.wait()
    if job.state is not State.COMPLETED:
        return {"error": job.error}
    reply: dict[str, Any] = job.output
    return reply


def outside() -> str:
    """What becomes of a connection that leaves this machine."""
    try:
        socket.create_connection(_OUTSIDE, timeout=5).close()
    except OSError as error:
        return str(error.strerror)
    return "connected"


async def main(store: Path, folder: Path) -> None:
    manifests = [read_manifest(SHAPES / f"{shape}.toml") for shape in _SHAPES]
    together = Manifest(endpoints=tuple(spec for one in manifests for spec in one.endpoints))
    environment = {
        "PARLEY_TRANSCRIBER_MODEL": TRANSCRIBER,
        "PARLEY_DIARIZER_MODEL": DIARIZER,
        "PARLEY_MODEL_STORE": str(store),
        "MODELS_DIR": str(folder / "volume"),
    }
    async with local_runpod(together, logs=folder / "logs", environment=environment) as runpod:
        replies = {shape: await ask(runpod, endpoint) for shape, endpoint in _SHAPES.items()}
    interfaces = [name for _, name in socket.if_nameindex()]
    json.dump({"interfaces": interfaces, "outside": outside(), "replies": replies}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
