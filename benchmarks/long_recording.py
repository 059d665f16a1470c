"""What a long recording takes: `python -m benchmarks.long_recording`.

A conversation of thirty minutes goes through the single endpoint as on RunPod: one worker process,
demo models, the audio by URL. Printed and written to `out/bench/long_recording.json` are the peak
memory of the worker with its heartbeat process, the time of each phase, and how right the answer
is.

The floor of memory is what the worker holds before its first job, the libraries and the models;
all above it is for the recording.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.scoring import hypothesis_of, score
from demo.generate import conversation
from demo.hub import ENVIRONMENT
from demo.references import Case, write_case
from emulator.endpoint import LocalEndpoint, local_endpoint
from emulator.jobs import State

_OUT: Final = Path("out/bench")
_MINUTES: Final = 30.0
_SEED: Final = 2026
_SPEAKERS: Final = 4


async def measure(recording: Path, truth: Case, *, log: Path) -> dict[str, Any]:
    """Transcribe one recording in a fresh worker.

    Args:
        recording: the file.
        truth: what is said in it.
        log: takes the worker's output.

    """
    environment = {**ENVIRONMENT, "PARLEY_ALLOW_PRIVATE_ADDRESSES": "true"}
    async with local_endpoint("handlers.single", environment=environment, log=log) as endpoint:
        job = await endpoint.submit(audio_url=endpoint.share(recording))
        floor: int | None = None
        async for update in endpoint.updates(job):
            if floor is None and update.state is not State.IN_QUEUE:
                floor = _peak_bytes(endpoint)
        peak = _peak_bytes(endpoint)
    if job.state is not State.COMPLETED:
        sys.exit(f"The job is {job.state}: {job.error}")
    found = score(truth, hypothesis_of(job.output))
    return {
        "audio_seconds": round(truth.seconds, 1),
        "peak_gigabytes": round(peak / 1e9, 3),
        "floor_gigabytes": round((floor or 0) / 1e9, 3),
        "timings": job.output["timings"],
        "cpwer": found.cpwer.value,
        "der": found.der.value,
        "speakers": found.speakers,
        "speakers_found": found.speakers_found,
    }


def _peak_bytes(endpoint: LocalEndpoint) -> int:
    """The most that the worker ever held, and what its children hold beside it.

    The heartbeat is forked from the worker: what both share is counted once, with the worker.
    """
    worker = psutil.Process(endpoint.process.pid)
    children = worker.children(recursive=True)
    own = [int(child.memory_full_info().uss) for child in children]
    return _high_water(worker.pid) + sum(own)


def _high_water(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_recording")
    parser.add_argument("--minutes", type=float, default=_MINUTES)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--out", type=Path, default=_OUT)
    options = parser.parse_args(arguments)
    folder = options.out / "long_recording"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"conversation-{options.minutes:g}-minutes"
    seconds = 60 * options.minutes
    pieces = conversation(
        seed=f"{name}-{options.seed}", speakers=(_SPEAKERS, _SPEAKERS), seconds=(seconds, seconds)
    )
    truth = write_case(folder, name, pieces)
    found = asyncio.run(measure(folder / f"{name}.flac", truth, log=folder / "worker.log"))
    text = json.dumps(found, indent=1)
    print(text)
    (options.out / "long_recording.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
