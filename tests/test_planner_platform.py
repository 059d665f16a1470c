"""The simulator against the local platform: one trace in real workers, and simulated."""

from benchmarks.planner_trace import BILLED_WITHIN, STARTS_WITHIN, Plan, play

STEADY = 67
"""A seed whose trace starts as many workers whether a start takes 2 s or 5 s and a stop 0.3 s or
1.7 s: how busy this machine is does not change it. `benchmarks.planner_trace` plays others too.
"""


async def test_the_same_trace_starts_as_many_workers_and_is_billed_the_same() -> None:
    """Ten minutes of sessions, five times as fast, with each of RunPod's scalers."""
    for found in await play(Plan(seconds=600, faster=5, seed=STEADY)):
        assert (found.simulated.requests, found.simulated.unfinished) == (found.jobs, 0)
        assert found.measured.starts > 10
        assert abs(found.starts_off) <= STARTS_WITHIN, found.facts()
        assert abs(found.billed_off) <= BILLED_WITHIN, found.facts()
