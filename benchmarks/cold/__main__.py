"""From the start of the process to the first job: our workers, plain ones, and the floor.

    python -m benchmarks.cold

Each start is a fresh process beside a platform that has a job waiting; ours and the plain one take
turns. A start that other programs disturb is done again. Models are of full size with random
weights, made once, in `build/full-size/`. Writes `out/bench/cold.{json,md,svg}`.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from benchmarks.cold.cache import CACHES, Cache, drop, fill
from benchmarks.cold.calm import DISTURBED, Others
from benchmarks.cold.chart import draw
from benchmarks.cold.contests import Contest, contests
from benchmarks.cold.floor import Floor, measure_floor
from benchmarks.cold.results import Result
from benchmarks.cold.start import Start, start
from benchmarks.cold.table import tables
from benchmarks.cold.weights import full_size

_OUT: Final = Path("out/bench")
_TRIES: Final = 2
_PATIENCE: Final = 60.0
"""Seconds to wait for other programs to end before a start."""


def main() -> None:
    """Measure, print, write; end with an error where a figure is above what is allowed."""
    arguments = _arguments()
    models = full_size()
    chosen = [contest for contest in contests(models) if contest.name in arguments.only]
    runs = 1 if arguments.quick else arguments.runs
    print(f"{_machine()}; {runs} runs each; load {os.getloadavg()[0]:.2f}")
    floors: dict[Cache, Floor] = {}
    results = []
    for cache in CACHES:
        if cache == "dropped":
            print(drop(models.files), flush=True)
        floors[cache] = measure_floor(cache, large=models.nemo, weights=models.files, runs=runs)
        for contest in chosen:
            if cache == "warm":
                fill(models.files)
            starts = _race(contest, cache, weights=models.files, runs=runs)
            results.append(Result(contest=contest, cache=cache, floor=floors[cache], starts=starts))
    results.sort(key=lambda result: arguments.only.index(result.contest.name))
    report = tables(results, floors)
    print(f"\n{report}")
    _write(results, floors)
    (_OUT / "cold.md").write_text(f"{_machine()}\n\n{report}\n")
    if misses := [miss for result in results for miss in result.misses()]:
        sys.exit("\n".join(("Above what is allowed:", *misses)))


def _race(
    contest: Contest, cache: Cache, *, weights: Sequence[Path], runs: int
) -> dict[str, tuple[Start, ...]]:
    """Start all workers of a contest in turn, so many times; whoever is first changes."""
    names = list(contest.workers)
    found: dict[str, list[Start]] = {name: [] for name in names}
    for number in range(runs):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(_calm_start(contest, name, cache, weights=weights))
    return {name: tuple(starts) for name, starts in found.items()}


def _calm_start(contest: Contest, name: str, cache: Cache, *, weights: Sequence[Path]) -> Start:
    """Start a worker while nothing else runs here: again, where something came between."""
    log = _OUT / "cold" / f"{contest.name}-{name.replace(', ', '-')}.log"
    for _ in range(_TRIES):
        os.sync()  # nobody pays for what the one before has left to write
        Others.wait(patience=_PATIENCE)
        if cache == "dropped":
            drop(weights)
        one = asyncio.run(start(contest, contest.workers[name], log=log))
        print(
            f"{contest.name}, {cache}, {name}: taken {one.taken:.2f} s, answered "
            f"{one.answered:.2f} s, peak {one.peak_bytes / 1e6:.0f} MB, others {one.others:.2f}",
            flush=True,
        )
        if one.others < DISTURBED:
            break
    return one


def _write(results: Iterable[Result], floors: dict[Cache, Floor]) -> None:
    results = list(results)
    _OUT.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": _machine(),
        "floors": {
            cache: {
                "interpreter_seconds": round(floor.interpreter, 3),
                "import_torch_seconds": round(floor.torch, 3),
                "bytes_per_second": round(floor.bandwidth),
            }
            for cache, floor in floors.items()
        },
        "results": [result.as_json() for result in results],
    }
    (_OUT / "cold.json").write_text(json.dumps(report, indent=2) + "\n")
    draw(results, _OUT / "cold.svg")


def _machine() -> str:
    memory = psutil.virtual_memory().total / 1e9
    libraries = ("torch", "nemo_toolkit", "pyannote.audio", "runpod")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory, Python {platform.python_version()}, "
        f"{versions}"
    )


def _arguments() -> argparse.Namespace:
    names = ("transcription", "single", "diarization", "orchestrator")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--runs", type=int, default=5, help="starts of each worker (5)")
    parser.add_argument("--quick", action="store_true", help="one start of each")
    parser.add_argument(
        "--only",
        type=lambda text: tuple(text.split(",")),
        default=names,
        help=f"some of {','.join(names)}",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    main()
