"""What the orchestrator adds to the endpoints that it calls: time of one job, memory of many.

The engines are stubs that take their time, so that everything else is the orchestrator's own, the
local platform's and the SDK's: `python -m benchmarks.fanout`.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.stubs import DIARIZATION, ORCHESTRATOR, TRANSCRIPTION, recording, stub_set
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.jobs import Job, State

ROUNDS: Final = 30
MANY: Final = 200
_MEGABYTE: Final = 1e6
_ALLOWED_ADDED: Final = 0.15
_ALLOWED_MANY_SECONDS: Final = 15.0
_ALLOWED_MEGABYTES: Final = 250.0


@dataclass(frozen=True, slots=True)
class Added:
    """Of one job, in seconds: the slower endpoint's, and what was added before and after it."""

    slower: float
    before: float
    after: float

    @property
    def added(self) -> float:
        return self.before + self.after


async def main() -> None:
    """Measure, and print the figures beside what is allowed."""
    with tempfile.TemporaryDirectory(prefix="parley-") as logs:
        async with local_runpod(stub_set(), logs=Path(logs)) as runpod:
            await _done(_submit(runpod, recording(words=1)))  # everything is warm from here on
            added = _tell("one job at a time, engines of 0.5 to 2 s", await _one_by_one(runpod))
            _tell("30 at once, engines of 8 to 12 s", await _at_once(runpod))
            seconds, memory = await _many(runpod)
    print(f"{MANY} jobs at once, engines of 5 s:")
    print(f"  all done after {seconds:.1f} s (allowed {_ALLOWED_MANY_SECONDS:.0f}, floor 5.0)")
    print(f"  the orchestrator's peak: {memory:.0f} MB (allowed {_ALLOWED_MEGABYTES:.0f})")
    allowed = (_ALLOWED_ADDED, _ALLOWED_MANY_SECONDS, _ALLOWED_MEGABYTES)
    if any(found > most for found, most in zip((added, seconds, memory), allowed, strict=True)):
        sys.exit("A figure is above what is allowed.")


async def _one_by_one(runpod: LocalRunPod) -> list[Added]:
    chance = random.Random(3)
    found = []
    for _ in range(ROUNDS):
        words, turns = (round(chance.uniform(0.5, 2.0), 2) for _ in range(2))
        url = recording(seconds_transcription=words, seconds_diarization=turns)
        job = await _done(_submit(runpod, url))
        found.append(_added(runpod, job, url))
    return found


async def _at_once(runpod: LocalRunPod) -> list[Added]:
    chance = random.Random(4)
    urls = [
        recording(
            seconds_transcription=round(chance.uniform(8, 12), 2),
            seconds_diarization=round(chance.uniform(8, 12), 2),
            words=number + 1,
        )
        for number in range(ROUNDS)
    ]
    jobs = [_submit(runpod, url) for url in urls]
    return [_added(runpod, await _done(job), url) for job, url in zip(jobs, urls, strict=True)]


async def _many(runpod: LocalRunPod) -> tuple[float, float]:
    (worker,) = runpod.fleets[ORCHESTRATOR].workers
    peak = _Peak(psutil.Process(worker.pid))
    watch = asyncio.create_task(peak.watch())
    began = time.monotonic()
    jobs = [_submit(runpod, recording(seconds=5, words=n + 1)) for n in range(MANY)]
    for job in jobs:
        await _done(job)
    seconds = time.monotonic() - began
    watch.cancel()
    return seconds, peak.bytes / _MEGABYTE


class _Peak:
    """The most memory that a process had; its heartbeat shares all but a little of it."""

    def __init__(self, process: psutil.Process) -> None:
        self.bytes = 0
        self._process = process

    async def watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, self._process.memory_info().rss)
            await asyncio.sleep(0.05)


def _submit(runpod: LocalRunPod, url: str) -> Job:
    return runpod.platform.queues[ORCHESTRATOR].submit({"input": {"audio_url": url}})


async def _done(job: Job) -> Job:
    while not job.state.is_final:
        await job.changed.wait()
    if job.state is not State.COMPLETED:
        message = f"a job failed: {job.error}"
        raise RuntimeError(message)
    return job


def _added(runpod: LocalRunPod, job: Job, url: str) -> Added:
    """Compare a job's time in its worker with its slower child's, from submission to end."""
    children = [
        child
        for endpoint in (TRANSCRIPTION, DIARIZATION)
        for child in runpod.platform.queues[endpoint].recent(2 * ROUNDS)
        if child.input["audio_url"] == url
    ]
    first, last = children[0], max(children, key=lambda child: child.finished or 0.0)
    return Added(
        slower=(last.finished or 0.0) - last.submitted,
        before=first.submitted - (job.started or 0.0),
        after=(job.finished or 0.0) - (last.finished or 0.0),
    )


def _tell(what: str, found: Sequence[Added]) -> float:
    """Print what was found; the result is the median of what was added, in seconds."""
    added = sorted(item.added for item in found)
    median, worst = statistics.median(added), added[-1]
    slower = statistics.median(item.slower for item in found)
    print(f"{what}: {len(found)} jobs, median of the slower endpoint {slower:.2f} s")
    print(
        f"  added by the orchestrator: median {median * 1000:.0f} ms, most {worst * 1000:.0f} ms"
        f" (allowed: median {_ALLOWED_ADDED * 1000:.0f}); ratio {1 + median / slower:.3f}"
    )
    before = statistics.median(item.before for item in found)
    print(
        f"  of it before the endpoints were asked: {before * 1000:.0f} ms, nearly all of it in the"
        " SDK's own loop, which looks for a job that it has taken every 100 ms"
    )
    return median


if __name__ == "__main__":
    asyncio.run(main())
