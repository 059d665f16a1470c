"""One job from zero workers: both endpoints at once through the orchestrator, and one by one.

Prints the timeline of each run and their ratio, and draws both:

    python -m benchmarks.cold_start --engines demo --picture docs/cold-start.svg

`stubs` are workers that only take their time, as if each had a machine of its own; `demo` runs the
real engines on the demo's models, which share the cores of this machine.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.stubs import ORCHESTRATOR, orchestrator, recording, stub_endpoint
from demo.hub import ENVIRONMENT
from demo.run import SAMPLE
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.jobs import Job, State
from emulator.manifest import SHAPES, EndpointSpec, Manifest, read_manifest
from orchestrator.endpoint import Endpoint

_WITHIN: Final = 600.0
_STUB_SECONDS: Final = {"transcription": (8.0, 3.0), "diarization": (10.0, 6.0)}
"""Until a stub takes jobs, and for each job."""
_COLOURS: Final = ("#c9ced6", "#3b6fb6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What one endpoint did: times in seconds since the first job was submitted."""

    endpoint: str
    submitted: float
    taken: float
    finished: float

    @property
    def starting(self) -> float:
        return self.taken - self.submitted

    @property
    def seconds(self) -> float:
        return self.finished - self.submitted


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run from zero workers."""

    name: str
    bars: tuple[Bar, ...]

    @property
    def total(self) -> float:
        return max(bar.finished for bar in self.bars)

    def after(self, seconds: float) -> "Timeline":
        """The same, that much later."""
        bars = (
            replace(
                bar,
                submitted=bar.submitted + seconds,
                taken=bar.taken + seconds,
                finished=bar.finished + seconds,
            )
            for bar in self.bars
        )
        return Timeline(self.name, tuple(bars))


@dataclass(frozen=True, slots=True)
class Setting:
    """What is started, and what it is asked."""

    manifest: Manifest
    environment: Mapping[str, str]
    audio: Path | str

    def url(self, runpod: LocalRunPod) -> str:
        return runpod.share(self.audio) if isinstance(self.audio, Path) else self.audio

    @property
    def engines(self) -> tuple[str, str]:
        transcription, diarization, _ = (spec.id for spec in self.manifest.endpoints)
        return transcription, diarization


def setting(engines: str) -> Setting:
    """Give the orchestrated set with real engines, or with stubs."""
    if engines == "demo":
        environment = {**ENVIRONMENT, "PARLEY_ALLOW_PRIVATE_ADDRESSES": "true"}
        return Setting(read_manifest(SHAPES / "orch.toml"), environment, SAMPLE)
    stubs = tuple(_stub(engine) for engine in ("transcription", "diarization"))
    return Setting(Manifest(endpoints=(*stubs, orchestrator())), {}, recording())


def _stub(engine: str) -> EndpointSpec:
    start, seconds = _STUB_SECONDS[engine]
    environment = {"STUB_START_SECONDS": str(start), "STUB_SECONDS": str(seconds)}
    return stub_endpoint(engine, environment=environment)


async def at_once(chosen: Setting) -> Timeline:
    """Through the orchestrator."""
    async with _from_zero(chosen) as runpod:
        job = await _run(runpod, ORCHESTRATOR, chosen.url(runpod))
        children = [runpod.platform.queues[endpoint].recent(1)[0] for endpoint in chosen.engines]
        bars = tuple(_bar(found, job.submitted) for found in (job, *children))
    return Timeline("both endpoints at once", bars)


async def one_by_one(chosen: Setting, *, orchestrator_start: float) -> Timeline:
    """As a sequential orchestrator would: its own start, then one endpoint after the other."""
    async with _from_zero(chosen) as runpod:
        url = chosen.url(runpod)
        jobs = [await _run(runpod, endpoint, url) for endpoint in chosen.engines]
        bars = tuple(_bar(job, jobs[0].submitted) for job in jobs)
    later = Timeline("one endpoint after the other", bars).after(orchestrator_start)
    whole = Bar(endpoint=ORCHESTRATOR, submitted=0, taken=orchestrator_start, finished=later.total)
    return replace(later, bars=(whole, *later.bars))


@asynccontextmanager
async def _from_zero(chosen: Setting) -> AsyncIterator[LocalRunPod]:
    with tempfile.TemporaryDirectory(prefix="parley-") as logs:
        async with local_runpod(
            chosen.manifest, logs=Path(logs), environment=chosen.environment
        ) as runpod:
            yield runpod


async def _run(runpod: LocalRunPod, endpoint: str, url: str) -> Job:
    async with aiohttp.ClientSession() as session:
        asked = Endpoint(
            endpoint, session=session, api_key=runpod.api_key, base_url=runpod.base_url
        )
        result = await asked.run({"audio_url": url}, within=_WITHIN)
    job = runpod.platform.queues[endpoint].get(result.job)
    if job.state is not State.COMPLETED:
        message = f"a job of {endpoint} failed: {job.error}"
        raise RuntimeError(message)
    return job


def _bar(job: Job, zero: float) -> Bar:
    return Bar(
        endpoint=job.endpoint,
        submitted=job.submitted - zero,
        taken=(job.started or 0.0) - zero,
        finished=(job.finished or 0.0) - zero,
    )


def tell(together: Timeline, apart: Timeline) -> None:
    """Print both timelines, and how they compare."""
    for timeline in (together, apart):
        print(f"{timeline.name}: {timeline.total:.1f} s")
        for bar in timeline.bars:
            print(
                f"  {bar.endpoint:<22} asked at {bar.submitted:5.1f}  worker after "
                f"{bar.starting:5.1f}  done at {bar.finished:5.1f}"
            )
    own, *branches = together.bars
    slower = max(bar.seconds for bar in branches)
    alone = max(bar.seconds for bar in apart.bars[1:])
    print(f"the orchestrator's own start {own.starting:.1f} s + the slower branch {slower:.1f} s")
    print(f"  = {own.starting + slower:.1f} s, of {together.total:.1f} s measured")
    print(f"the slower branch with the machine to itself: {alone:.1f} s")
    print(f"ratio to one by one: {together.total / apart.total:.2f}")


def draw(together: Timeline, apart: Timeline, path: Path) -> None:
    """Draw both timelines below each other."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "parley"
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(8, 4), layout="constrained")
    for axis, timeline in zip(axes, (together, apart), strict=True):
        bars = timeline.bars[::-1]
        names = [bar.endpoint for bar in bars]
        axis.barh(
            names,
            [bar.starting for bar in bars],
            left=[bar.submitted for bar in bars],
            color=_COLOURS[0],
            label="waits for a worker to start",
        )
        axis.barh(
            names,
            [bar.finished - bar.taken for bar in bars],
            left=[bar.taken for bar in bars],
            color=_COLOURS[1],
            label="works",
        )
        axis.set_title(f"{timeline.name}: {timeline.total:.1f} s", loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(loc="upper right", fontsize=8, frameon=False)
    axes[1].set_xlabel("seconds since the job was submitted, from zero workers")
    figure.savefig(path, metadata={"Date": None})


async def main() -> None:
    """Measure, print, and draw where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engines", choices=("demo", "stubs"), default="demo")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    chosen = setting(arguments.engines)
    print(f"engines: {arguments.engines}, {os.cpu_count()} cores")
    together = await at_once(chosen)
    apart = await one_by_one(chosen, orchestrator_start=together.bars[0].starting)
    tell(together, apart)
    if arguments.picture:
        draw(together, apart, arguments.picture)


if __name__ == "__main__":
    asyncio.run(main())
