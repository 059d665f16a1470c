"""Premises and results for tests of the planner."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from handlers.prices import Rate
from planner.options.plan import Premises, Result
from planner.options.speeds import read_speeds
from planner.options.strategies import Option, Starts, Strategy
from planner.simulator.shapes import ShapeName
from planner.traffic.trace import UNKNOWN, Trace

MONDAY = datetime(2026, 8, 3, tzinfo=UTC)
DAY = 86400.0
GPU = Rate(name="AMPERE_48", dollars_per_second=0.00034, source="a page, 2026-06-08")
CPU = Rate(name="2 vCPUs", dollars_per_second=0.00002, source="nobody")


def trace_of(seconds: Sequence[float], *, audio: float = 120.0, days: float = 1.0) -> Trace:
    """Requests at these seconds since a Monday's midnight, all with as much audio."""
    return Trace(
        start=MONDAY,
        seconds=np.array(sorted(seconds), np.float64),
        audio_seconds=np.full(len(seconds), audio),
        users=np.full(len(seconds), UNKNOWN, np.int32),
        names=(),
        span=days * DAY,
    )


def premises_of(trace: Trace, **changed: Any) -> Premises:
    """A plan for this traffic with the documents' speeds."""
    given: dict[str, Any] = {
        "trace": trace,
        "traffic_source": "a test",
        "speeds": read_speeds("documents"),
        "gpu": GPU,
        "cpu": CPU,
        "cpu_basis": "assumed",
        "quota": 5,
    }
    return Premises(**given | changed)


def result_of(  # noqa: PLR0913  one a figure
    name: str,
    cost: float,
    p95: float,
    *,
    shape: ShapeName = "single",
    starts: Starts = "cached",
    lost: float = 0.0,
) -> Result:
    """An option of this strategy's name with these figures."""
    option = Option(shape=shape, strategy=Strategy(name=name, kind="reactive"), starts=starts)
    return Result(
        option=option,
        cost_per_month=cost,
        cost_per_audio_hour=cost / 50,
        p50=p95 / 2,
        p95=p95,
        p99=p95 * 1.2,
        longest=p95 * 2,
        cold_share=0.1,
        unfinished_share=lost,
        utilisation=0.5,
        starts_per_month=10.0,
        cost_by_role={"single": cost},
        billed={"start": 0.2, "work": 0.3, "idle": 0.5},
        settings={"single": {"workers.min": 0}},
    )
