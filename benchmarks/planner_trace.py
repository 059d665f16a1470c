"""One trace twice: in real workers on the local platform, and in the planner's simulator.

    python -m benchmarks.planner_trace --minutes 30
    python -m benchmarks.planner_trace --minutes 20 --faster 10

Two endpoints get the same trace, one with each of RunPod's scalers. Their workers are processes of
the unmodified SDK that sleep in place of work. `--faster` divides all times of the trace and of the
rules; what the SDK itself takes stays.

What a start takes, what a stop takes and what the SDK adds to each job are inputs of the simulator
and are measured in the same run. How many workers were started and for how many seconds they would
be billed are its results, and are compared. Where they differ by more than is allowed, the exit
status is 1.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import mean
from typing import Any, Final

import numpy as np

from benchmarks.stubs import recording, stub_endpoint
from emulator.endpoint import local_runpod
from emulator.fleet import Fleet, Pace
from emulator.jobs import Job
from emulator.manifest import EndpointSpec, Manifest, Scaling, ScalingKind
from emulator.queue import JobQueue
from planner.simulator.fleet import FleetRules, Floats, Jobs, Outcome
from planner.simulator.simulation import simulate

STARTS_WITHIN: Final = 0.10
BILLED_WITHIN: Final = 0.05
"""How far the simulator may be off, as a share of what the platform did."""

_SAMPLE: Final = 0.05
"""Seconds between two looks at the workers."""
_PACE: Final = Pace()
_LIMIT: Final = 120.0
"""Seconds after the trace until all workers must have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is played; all times in seconds.

    Args:
        seconds: how long jobs arrive.
        faster: what all other times are divided by.
        idle: until a worker without a job is stopped.
        start: that a worker sleeps before it asks for a job.
        scalings: by endpoint.
        workers_max: of each endpoint.
        seed: of the trace.

    """

    seconds: float
    faster: float = 1.0
    idle: float = 10.0
    start: float = 5.0
    scalings: tuple[Scaling, ...] = (
        Scaling(kind="QUEUE_DELAY", value=4.0),
        Scaling(kind="REQUEST_COUNT", value=2.0),
    )
    workers_max: int = 3
    seed: int = 7

    def jobs(self) -> Jobs:
        """Give sessions of some jobs each, with pauses around the idle timeout between them."""
        rng = np.random.default_rng(self.seed)
        count = ceil(self.seconds)  # more than there can be
        is_session = rng.random(count) < 1 / 4
        gaps = np.where(is_session, rng.exponential(40.0, count), rng.exponential(4.0, count))
        work = np.clip(rng.lognormal(1.0, 0.8, count), 0.5, 20.0)
        seconds = np.cumsum(gaps)
        chosen = seconds < self.seconds
        return Jobs(seconds[chosen] / self.faster, work[chosen] / self.faster)

    def specs(self) -> tuple[EndpointSpec, ...]:
        start = {"STUB_CONCURRENCY": "1", "STUB_START_SECONDS": f"{self.start / self.faster}"}
        stub = stub_endpoint("transcription", environment=start, workers=self.workers_max)
        return tuple(
            replace(
                stub,
                id=scaling.kind.lower().replace("_", "-"),
                idle_seconds=self.idle / self.faster,
                scaling=self.scaling(scaling.kind),
            )
            for scaling in self.scalings
        )

    def scaling(self, kind: ScalingKind) -> Scaling:
        """Give a scaling with its time divided; a count of jobs is none."""
        (found,) = (scaling for scaling in self.scalings if scaling.kind == kind)
        is_time = kind == "QUEUE_DELAY"
        return replace(found, value=found.value / self.faster) if is_time else found

    @property
    def tick(self) -> float:
        return _PACE.tick / self.faster


@dataclass(slots=True)
class Life:
    """One worker, in seconds of the platform's clock; None while it is not known."""

    wanted: float
    ready: float | None = None
    stopped: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float:
        return (self.ended or 0.0) - self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of one endpoint, and what the simulator needs to know of this machine."""

    starts: int
    billed: float
    lived: float
    """Without rounding up."""
    start: float
    """Seconds, on average, as are the next two."""
    stop: float
    overhead: float
    """Of a job, beside its sleep."""
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The same endpoint on the platform and in the simulator."""

    endpoint: str
    jobs: int
    measured: Measured
    simulated: Outcome

    @property
    def starts_off(self) -> float:
        return self.simulated.cold_starts / self.measured.starts - 1

    @property
    def billed_off(self) -> float:
        return self.simulated.billed_seconds / self.measured.billed - 1

    @property
    def is_close(self) -> bool:
        return abs(self.starts_off) <= STARTS_WITHIN and abs(self.billed_off) <= BILLED_WITHIN

    def facts(self) -> dict[str, Any]:
        """Give all figures, for JSON."""
        return {
            "endpoint": self.endpoint,
            "jobs": self.jobs,
            "measured": asdict(self.measured),
            "simulated": {
                "starts": self.simulated.cold_starts,
                "billed": self.simulated.billed_seconds,
                "latency": self.simulated.latency.mean,
            },
            "starts_off": self.starts_off,
            "billed_off": self.billed_off,
        }


async def play(plan: Plan) -> list[Comparison]:
    """Play a plan on the platform, and simulate it with what that has shown of this machine."""
    specs, jobs = plan.specs(), plan.jobs()
    quota = sum(spec.workers_max for spec in specs)
    manifest = Manifest(endpoints=specs, workers_quota=quota)
    with tempfile.TemporaryDirectory(prefix="parley-") as logs:
        async with (
            local_runpod(manifest, logs=Path(logs), pace=replace(_PACE, tick=plan.tick)) as runpod,
            asyncio.TaskGroup() as group,
        ):
            playing = [
                group.create_task(
                    _play(jobs, queue=runpod.platform.queues[spec.id], fleet=runpod.fleets[spec.id])
                )
                for spec in specs
            ]
    return [
        _compare(plan, spec, jobs, task.result()) for spec, task in zip(specs, playing, strict=True)
    ]


async def _play(jobs: Jobs, *, queue: JobQueue, fleet: Fleet) -> Measured:
    lives: dict[str, Life] = {}
    watching = asyncio.create_task(_watch(fleet, lives))
    try:
        done = await _submit(jobs, queue)
        async with asyncio.timeout(_LIMIT):
            for job in done:
                while not job.state.is_final:
                    await job.changed.wait()
            while any(life.ended is None for life in lives.values()):  # noqa: ASYNC110
                await asyncio.sleep(_SAMPLE)
    finally:
        watching.cancel()
    return _measured(jobs, done, lives.values())


async def _submit(jobs: Jobs, queue: JobQueue) -> list[Job]:
    clock = asyncio.get_running_loop().time
    zero, done = clock(), []
    for seconds, work in zip(jobs.seconds, jobs.work_seconds, strict=True):
        await asyncio.sleep(max(0.0, zero + seconds - clock()))
        url = recording(seconds=round(float(work), 4))
        done.append(queue.submit({"input": {"audio_url": url}}))
    return done


async def _watch(fleet: Fleet, lives: dict[str, Life]) -> None:
    """Keep when each worker was wanted, was ready, was stopped and was gone."""
    while True:
        now, seen = time.time(), set()
        for view in fleet.workers:
            life = lives.setdefault(view.id, Life(view.started))
            seen.add(view.id)
            if life.ready is None and view.state in {"idle", "running"}:
                life.ready = now
            if life.stopped is None and view.state == "stopping":
                life.stopped = now
        for worker, life in lives.items():
            if worker not in seen and life.ended is None:
                life.ended = now
        await asyncio.sleep(_SAMPLE)


def _measured(jobs: Jobs, done: Sequence[Job], lives: Iterable[Life]) -> Measured:
    known = list(lives)
    took = [(job.finished or 0.0) - (job.started or 0.0) for job in done]
    return Measured(
        starts=len(known),
        billed=float(sum(ceil(life.seconds) for life in known)),
        lived=sum(life.seconds for life in known),
        start=mean(life.ready - life.wanted for life in known if life.ready),
        stop=mean(life.ended - life.stopped for life in known if life.ended and life.stopped),
        overhead=mean(took) - float(jobs.work_seconds.mean()),
        latency=mean((job.finished or 0.0) - job.submitted for job in done),
    )


def rules(plan: Plan, spec: EndpointSpec, measured: Measured) -> FleetRules:
    """Give the rules of an endpoint on the local platform, on this machine."""
    return FleetRules(
        start_seconds=measured.start,
        workers_min=spec.workers_min,
        workers_max=spec.workers_max,
        idle_seconds=spec.idle_seconds,
        scaler=spec.scaling.kind,
        scaler_value=spec.scaling.value,
        stop_seconds=measured.stop,
        tick_seconds=plan.tick,
    )


def _compare(plan: Plan, spec: EndpointSpec, jobs: Jobs, measured: Measured) -> Comparison:
    work: Floats = jobs.work_seconds + max(0.0, measured.overhead)
    simulated = simulate(
        [Jobs(jobs.seconds, work)],
        rules(plan, spec, measured),
        start=datetime(2026, 1, 1, tzinfo=UTC),
        span=plan.seconds / plan.faster,
    )
    return Comparison(
        endpoint=spec.id, jobs=len(jobs.seconds), measured=measured, simulated=simulated
    )


def lines(comparisons: Iterable[Comparison]) -> Iterator[str]:
    """Give a table."""
    yield "| endpoint | jobs | workers started | simulated | off | billed s | simulated | off |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for found in comparisons:
        measured, simulated = found.measured, found.simulated
        yield (
            f"| {found.endpoint} | {found.jobs} | {measured.starts} | {simulated.cold_starts} | "
            f"{found.starts_off:+.1%} | {measured.billed:.0f} | {simulated.billed_seconds:.0f} | "
            f"{found.billed_off:+.1%} |"
        )
    for found in comparisons:
        measured = found.measured
        yield (
            f"{found.endpoint}: a start took {measured.start:.2f} s, a stop {measured.stop:.2f} s, "
            f"a job {measured.overhead:.3f} s beside its sleep; mean latency "
            f"{measured.latency:.2f} s, simulated {found.simulated.latency.mean:.2f} s"
        )


def _main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of the trace")
    parser.add_argument("--faster", type=float, default=1.0, help="divides all times")
    parser.add_argument("--seed", type=int, default=7, help="of the trace")
    parser.add_argument("--json", type=Path, help="takes all figures")
    asked = parser.parse_args(words)
    plan = Plan(seconds=60 * asked.minutes, faster=asked.faster, seed=asked.seed)
    comparisons = asyncio.run(play(plan))
    print("\n".join(lines(comparisons)))
    if asked.json:
        facts: list[Mapping[str, Any]] = [found.facts() for found in comparisons]
        asked.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return 0 if all(found.is_close for found in comparisons) else 1


if __name__ == "__main__":
    sys.exit(_main())
