"""How long a year takes to simulate, on one core, and how much memory.

    python -m benchmarks.simulator --requests 10_000_000

Each shape runs in a process of its own that has never compiled anything: what the compiler takes is
measured with the first few requests, the year itself after that. Seconds are of the processor, so
what else the machine does counts little. Memory is what the simulation adds to the trace, which is
in memory as a whole. `overload` is one worker that gets twice what it can do.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from planner.simulator.fleet import FleetRules
from planner.simulator.shapes import Fleet, Role, Shape, Speed, simulate_shape
from planner.traffic.trace import Trace

YEAR: Final = 365 * 86400.0
_FEW: Final = 1000


def year(requests: int) -> Trace:
    """Give that many requests over a year, with days and nights, of 2 minutes on average."""
    rng = np.random.default_rng(1)
    days = rng.integers(0, 365, requests)
    hours = np.clip(rng.normal(16.0, 4.0, requests), 0, 23.99)
    return Trace(
        start=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=np.sort(days * 86400.0 + hours * 3600.0),
        audio_seconds=rng.exponential(120.0, requests) + 1,
        users=np.full(requests, -1, np.int32),
        names=(),
        span=YEAR,
    )


def shapes(requests: int) -> Mapping[str, Shape]:
    """Give each shape, with as many workers as that many requests a year need."""
    scale = max(1, round(requests / 2_500_000))
    single = Fleet(
        rules=FleetRules(start_seconds=15, workers_max=5 * scale, idle_seconds=30),
        speed=Speed(fixed_seconds=1.0, per_audio_second=0.05),
    )
    parts: dict[Role, Fleet] = {
        "transcription": _like(single, workers=2 * scale, per_audio_second=0.01),
        "diarization": _like(single, workers=4 * scale, per_audio_second=0.03),
    }
    orchestrator = Fleet(
        rules=FleetRules(start_seconds=3, workers_max=2, concurrency=50, idle_seconds=60),
        speed=Speed(fixed_seconds=0.3),
    )
    # twice what it does in a year
    each = 2 * YEAR / max(requests, 1)
    narrow = Fleet(
        rules=FleetRules(start_seconds=15, workers_max=1), speed=Speed(fixed_seconds=each)
    )
    quota = 100 * scale
    return {
        "single": Shape(name="single", fleets={"single": single}, workers_quota=quota),
        "split": Shape(name="split", fleets=parts, workers_quota=quota),
        "orch": Shape(
            name="orch", fleets={**parts, "orchestrator": orchestrator}, workers_quota=quota
        ),
        "overload": Shape(name="single", fleets={"single": narrow}),
    }


def _like(fleet: Fleet, *, workers: int, per_audio_second: float) -> Fleet:
    return Fleet(
        rules=replace(fleet.rules, workers_max=workers),
        speed=Speed(fixed_seconds=1.0, per_audio_second=per_audio_second),
    )


def measured(name: str, requests: int) -> dict[str, Any]:
    """Simulate a year in this process; give what it took."""
    shape, few, many = shapes(requests)[name], year(_FEW), year(requests)
    compiling, _ = _timed(lambda: simulate_shape(few, shape))
    again, _ = _timed(lambda: simulate_shape(few, shape))
    before = _forget_peak()
    seconds, found = _timed(lambda: simulate_shape(many, shape))
    return {
        "shape": name,
        "compiling": compiling - again,
        "seconds": seconds,
        "megabytes": _peak() - before,
        "cold": found.cold_share,
        "unfinished": found.unfinished,
        "p95": found.latency.p(95),
        "utilisation": {role: own.utilisation for role, own in found.outcomes.items()},
    }


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = act()
    return time.process_time() - began, result


def _peak() -> float:
    """Give the most memory that this process has had since it was forgotten, in megabytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _forget_peak() -> float:
    """Count the peak from now on; give the memory that there is now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _apart(name: str, requests: int) -> dict[str, Any]:
    """Measure in a process that finds nothing compiled."""
    with tempfile.TemporaryDirectory() as cache:
        words = [sys.executable, "-m", "benchmarks.simulator", "--only", name]
        run = subprocess.run(  # noqa: S603 - it is this module
            [*words, "--requests", str(requests)],
            env={**os.environ, "NUMBA_CACHE_DIR": cache},
            capture_output=True,
            text=True,
            check=True,
        )
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def _main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure the planner's simulator.")
    parser.add_argument("--requests", type=int, default=10_000_000, help="in a year")
    parser.add_argument("--only", help="one shape, in this process; prints JSON")
    asked = parser.parse_args(words)
    if asked.only:
        print(json.dumps(measured(asked.only, asked.requests)))
        return
    print(f"{asked.requests:,} requests in a year")
    print("| shape | compiling s | simulating s | memory MB | p95 s | cold | unfinished |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in shapes(asked.requests):
        found = _apart(name, asked.requests)
        print(
            f"| {name} | {found['compiling']:.1f} | {found['seconds']:.1f} | "
            f"{found['megabytes']:.0f} | {found['p95']:.1f} | {found['cold']:.2%} | "
            f"{found['unfinished']:,} |",
            flush=True,
        )


if __name__ == "__main__":
    _main()
