"""`parley coldstart` on the local platform: real SDK workers, and faults at known rates."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.coldstart_faults import MENDED, NOTHING, TROUBLES, measure, missed, troubles
from planner.coldstart.inference import proportion
from planner.coldstart.verdicts import examine

ONE_EACH = {name: 1 for name in TROUBLES if name != NOTHING}
RUNS = 12


async def test_known_faults_are_named_and_their_rates_found(tmp_path: Path) -> None:
    plan = troubles(ONE_EACH, runs=RUNS, seed=7)
    found = await measure(plan, folder=tmp_path, within=10.0)
    assert missed(plan, found.runs) == []
    findings = examine(found)
    injected = Counter(TROUBLES[name].found for name in plan if name not in {NOTHING, MENDED})
    assert findings.failures == {name: proportion(n, RUNS) for name, n in injected.items()}
    assert findings.mishaps["worker_lost"] == proportion(2, RUNS)
    assert findings.success == proportion(RUNS - sum(injected.values()), RUNS)
    assert findings.overall == "rejected"
    for run in found.good:
        assert sum(run.parts.values()) == pytest.approx(run.seconds, abs=1e-6)
        # the stub sleeps so long for each, and 0.3 s for the job
        assert run.parts["weights"] >= 0.1
        assert run.parts["load"] >= 0.1
        assert run.parts["first_result"] >= 0.3
        assert run.cold_by == "reply"
        assert ("lost" in run.parts) == ("worker_lost" in run.mishaps)
