"""Times a worker out of its image: until it takes its first job, and until it ends when idle.

    python docker/starts.py IMAGE [--store FOLDER] [--times 5]

The image must be here already; its content is in the page cache after the first time. `container`
counts from when the runtime has started the process, `podman` from the command.
"""  # noqa: INP001  a script

import argparse
import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from emulator.jobs import Job, State
from emulator.platform import LocalPlatform

ENDPOINT: Final = "timed"
WITHIN: Final = 300
RUN: Final = (
    *("podman", "run", "--rm", "--network", "host", "--runtime", "runc"),
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"),
    *("--env", "RUNPOD_*", "--env", "PARLEY_*"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start and end, in seconds."""

    podman: float
    container: float
    ending: float


def told(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


async def start(image: str, *, options: Sequence[str]) -> Start:
    """Start a worker that has a job waiting, let it finish, and ask it to end."""
    name = f"parley-timed-{os.getpid()}"
    async with LocalPlatform(api_key="local") as platform:
        queue = platform.add(ENDPOINT)
        job = queue.submit({"input": {"audio_url": "https://nowhere.invalid/a.wav"}})
        # what has to be there for the orchestrator to read its settings
        children = {
            "PARLEY_TRANSCRIPTION_ENDPOINT": "words",
            "PARLEY_DIARIZATION_ENDPOINT": "turns",
            "RUNPOD_API_KEY": "local",
            "RUNPOD_ENDPOINT_BASE_URL": platform.base_url,
        }
        connected = platform.worker_environment(ENDPOINT, "w1")
        began = time.time()
        process = await asyncio.create_subprocess_exec(
            *(*RUN, "--name", name, *options, image),
            env={**os.environ, **children, **connected},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(WITHIN):
                await _until(job, lambda: job.state is not State.IN_QUEUE)
                taken = time.time()
                await _until(job, lambda: job.state.is_final)
            await asyncio.sleep(2)  # now it waits for the next job
            ran = told("podman", "inspect", "--format", "{{.State.StartedAt.UnixNano}}", name)
            asked = time.time()
            told("podman", "kill", "--signal", "TERM", name)
            await asyncio.wait_for(process.wait(), WITHIN)
            ended = time.time()
        finally:
            told("podman", "rm", "--force", "--ignore", name)
    return Start(podman=taken - began, container=taken - int(ran) / 1e9, ending=ended - asked)


async def _until(job: Job, holds: Callable[[], bool]) -> None:
    while not holds():
        await job.changed.wait()


def main() -> None:
    """Time some starts and print their medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("image")
    parser.add_argument("--store", help="models, in the layout of the hub's cache")
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    options: list[str] = []
    if chosen.store:
        options += ["--volume", f"{chosen.store}:/runpod-volume/huggingface-cache/hub:ro"]
    starts = [asyncio.run(start(chosen.image, options=options)) for _ in range(chosen.times)]
    for one in starts:
        print(one)  # noqa: T201
    for part in ("podman", "container", "ending"):
        values = [getattr(one, part) for one in starts]
        print(f"{part}: median {statistics.median(values):.2f} s, least {min(values):.2f} s")  # noqa: T201


if __name__ == "__main__":
    main()
