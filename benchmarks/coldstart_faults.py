"""Whether `parley coldstart` finds what goes wrong: known faults at known rates, on this machine.

    python -m benchmarks.coldstart_faults --runs 60

Workers are processes of the unmodified SDK that take their time in place of an engine. Each run has
at most one fault; how many have which is known before, and a seed decides which ones.
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.stub_cold import WORDS
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.faults import Fault
from emulator.fleet import Pace
from emulator.manifest import EndpointSpec, Manifest
from orchestrator.endpoint import Patience
from planner.coldstart.answers import Expected
from planner.coldstart.chart import draw
from planner.coldstart.command import Request, run
from planner.coldstart.cooling import Cooling
from planner.coldstart.experiment import News
from planner.coldstart.outcomes import Outcome
from planner.coldstart.report import show
from planner.coldstart.runs import Run, Runs
from planner.coldstart.store import read
from planner.coldstart.verdicts import examine

ENDPOINT: Final = "stub-cold"
MENDED: Final = "worker_lost, mended"
NOTHING: Final = "nothing"
_TOO_LATE: Final = 1.0
"""Seconds after the deadline at which a worker starts that is too slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is done to one run, and what has to be found.

    Attributes:
        faults: of the platform.
        mood: of the worker; see `benchmarks.stub_cold`.
        found: the outcome.
        mishaps: that must be among those that are seen.

    """

    faults: tuple[Fault, ...] = ()
    mood: str = ""
    found: Outcome
    mishaps: frozenset[str] = frozenset()


TROUBLES: Final[Mapping[str, Trouble]] = MappingProxyType(
    {
        NOTHING: Trouble(found="ok"),
        "no_capacity": Trouble(
            faults=(Fault("no_capacity", times=None),),
            found="no_capacity",
            mishaps=frozenset({"no_capacity"}),
        ),
        "never_ready": Trouble(faults=(Fault("slow_start"),), found="never_ready"),
        "worker_lost": Trouble(
            faults=(Fault("kill_worker", times=2),),
            found="worker_lost",
            mishaps=frozenset({"worker_lost"}),
        ),
        MENDED: Trouble(
            faults=(Fault("kill_worker"),), found="ok", mishaps=frozenset({"worker_lost"})
        ),
        "timed_out": Trouble(faults=(Fault("drop_result"),), found="timed_out"),
        "unreachable": Trouble(
            faults=(Fault("answer_500", route="run", times=None),), found="unreachable"
        ),
        "models_failed": Trouble(mood="break", found="models_failed"),
        "wrong_answer": Trouble(mood="lie", found="wrong_answer"),
    }
)


def troubles(counts: Mapping[str, int], *, runs: int, seed: int) -> list[str]:
    """Say what befalls each run: so many of each, and nothing for the rest, in some order."""
    listed = [name for name, count in counts.items() for _ in range(count)]
    listed += [NOTHING] * (runs - len(listed))
    random.Random(seed).shuffle(listed)
    return listed


async def measure(
    plan: Sequence[str], *, folder: Path, within: float, start_seconds: float = 0.1
) -> Runs:
    """Make a run for each trouble, and give what was found.

    Args:
        plan: what befalls each run, by the names of `TROUBLES`.
        folder: takes the runs and the logs of workers.
        within: seconds of a run.
        start_seconds: that a worker takes to find weights, and again to load them.

    """
    slow = defaultdict(float, slow_start=within + _TOO_LATE)
    mood = folder / "mood"
    mood.write_text("")
    spec = EndpointSpec(
        id=ENDPOINT,
        command=("{python}", "-m", "benchmarks.stub_cold"),
        environment={
            "STUB_MOOD": str(mood),
            "STUB_START_SECONDS": str(start_seconds),
            "STUB_SECONDS": "0.3",
        },
        workers_max=1,
        idle_seconds=0.1,
    )
    pace = Pace(tick=0.05, grace=1.0, capacity=0.5)
    manifest = Manifest(endpoints=(spec,))
    async with local_runpod(manifest, logs=folder / "logs", pace=pace) as runpod:

        def told(news: News) -> None:
            if news.what == "begins":
                trouble = TROUBLES[plan[news.number - 1]]
                mood.write_text(trouble.mood)
                for fault in trouble.faults:
                    runpod.faults.add(replace(fault, seconds=slow[fault.kind]))
            elif news.what == "ended":
                runpod.faults.clear()
                mood.write_text("")

        request = request_to(runpod, folder / "runs.jsonl", runs=len(plan), within=within)
        await run(request, agreed=lambda _: False, tell=lambda _: None, told=told)
    return read(request.file)


def request_to(runpod: LocalRunPod, file: Path, *, runs: int, within: float) -> Request:
    """What is asked of the stub."""
    return Request(
        file=file,
        endpoint=ENDPOINT,
        api_key=runpod.api_key,
        base_url=runpod.base_url,
        job_input={"audio_url": "https://stub.invalid/talk.wav", "task": "transcribe"},
        expected=Expected(kind="transcribe", text=WORDS),
        runs=runs,
        within=within,
        idle_seconds=0.1,
        cooling=Cooling(within=60.0, settle=0.1, pause=0.1),
        watch=0.1,
        patience=Patience(outage_seconds=2.0, first_pause=0.1),
        label="stub workers on this machine",
    )


def missed(plan: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Say which runs were not named as what befell them."""
    wrong = []
    for name, found in zip(plan, runs, strict=True):
        wanted = TROUBLES[name]
        if found.outcome != wanted.found or not wanted.mishaps <= set(found.mishaps):
            seen = f"{found.outcome} {found.mishaps}: {found.detail}"
            wrong.append(f"run {found.number}: {name} was found as {seen}")
    return wrong


def main() -> None:
    """Measure, and print what was injected beside what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--each", type=float, default=0.05, help="rate of each fault")
    parser.add_argument("--within", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    count = round(arguments.each * arguments.runs)
    counts = {name: count for name in TROUBLES if name != NOTHING}
    plan = troubles(counts, runs=arguments.runs, seed=arguments.seed)
    with tempfile.TemporaryDirectory(prefix="parley-") as folder:
        found = asyncio.run(measure(plan, folder=Path(folder), within=arguments.within))
    console = Console(highlight=False)
    _tell(plan, found, console)
    show(examine(found), console)
    if arguments.picture:
        draw([found], arguments.picture)


def _tell(plan: Sequence[str], found: Runs, console: Console) -> None:
    outcomes = Counter(zip(plan, (run.outcome for run in found.runs), strict=True))
    table = Table("injected", "found", "runs", show_edge=False, box=None)
    for (name, outcome), count in sorted(outcomes.items()):
        table.add_row(name, outcome, str(count))
    console.print(table)
    for line in missed(plan, found.runs):
        console.print(line, style="red")


if __name__ == "__main__":
    main()
