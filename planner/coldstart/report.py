"""Findings and comparisons, for people as tables and for programs as JSON."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from planner.coldstart.inference import Estimate, Interval, runs_to_bound
from planner.coldstart.outcomes import DEFINITIONS

if TYPE_CHECKING:
    from rich.console import Console

    from planner.coldstart.comparison import Comparison, Contrast
    from planner.coldstart.verdicts import Findings, Times

_GOOD: Final = frozenset({"good", "acceptable", "viable", "accepted"})
_BAD: Final = frozenset({"bad", "disqualified", "not viable", "rejected"})
_MOST_LISTED: Final = 20


def as_json(findings: "Findings") -> dict[str, Any]:
    """All of it; what is infinite or no number is null."""
    runs = findings.runs
    return {
        "experiment": runs.experiment.model_dump(mode="json"),
        "counts": {
            "runs": len(runs.runs),
            "counted": len(runs.counted),
            "ok": len(runs.good),
            "half_done": len(runs.half_done),
        },
        "success": _estimate(findings.success),
        "failures": {name: _estimate(share) for name, share in findings.failures.items()},
        "mishaps": {name: _estimate(share) for name, share in findings.mishaps.items()},
        "seconds": _times(findings.times) if findings.times else None,
        "parts": {name: _times(times) for name, times in findings.parts.items()},
        "verdicts": {
            verdict.about: {
                "answer": verdict.answer,
                "why": verdict.why,
                "estimate": _estimate(verdict.estimate) if verdict.estimate else None,
            }
            for verdict in findings.verdicts
        },
        "overall": findings.overall,
        "runs": [
            {**run.model_dump(mode="json", exclude={"sights"}), "parts": run.breakdown}
            for run in runs.runs
        ],
    }


def comparison_as_json(comparison: "Comparison") -> dict[str, Any]:
    """All of it; what is infinite or no number is null."""
    return {
        "first": comparison.first.experiment.model_dump(mode="json"),
        "second": comparison.second.experiment.model_dump(mode="json"),
        "success": _contrast(comparison.success),
        "seconds": _contrast(comparison.seconds),
        "parts": {name: _estimate(moved.estimate) for name, moved in comparison.parts.items()},
    }


def show(findings: "Findings", console: "Console") -> None:
    """Print what was found: verdicts, times, failures."""
    runs = findings.runs
    console.print(Text(runs.experiment.label, style="bold"))
    left_out = len(runs.runs) - len(runs.counted)
    beside = f", {left_out} more are not counted" if left_out else ""
    console.print(f"{len(runs.good)} of {len(runs.counted)} runs are ok{beside}.")
    console.print(_verdicts(findings))
    if findings.times:
        console.print(_seconds(findings))
        if math.isinf(findings.times.p95.interval.high):
            needed = runs_to_bound(0.95)
            console.print(f"It takes {needed} runs that are ok to bound p95 from above.")
    if findings.failures or findings.mishaps:
        console.print(_mishaps(findings))
    _list_bad(findings, console)
    console.print(Text.assemble("Overall: ", (findings.overall, _style(findings.overall))))


def show_comparison(comparison: "Comparison", console: "Console") -> None:
    """Print how two experiments compare."""
    first, second = comparison.first, comparison.second
    for place, runs in (("First: ", first), ("Second:", second)):
        # as text: a label that came with a file is no markup
        console.print(Text(f"{place} {runs.experiment.label}, {_ok(runs.good, runs.counted)}"))
    table = _table("", "answer", "second less first", "p", "")
    for contrast, percent in ((comparison.success, True), (comparison.seconds, False)):
        estimate = contrast.estimate
        told = "-" if estimate is None else _told(estimate, percent=percent, signed=True)
        chance = "-" if contrast.p_value is None else f"{contrast.p_value:.3g}"
        table.add_row(contrast.about, Text(contrast.answer, "bold"), told, chance, contrast.why)
    console.print(table)
    if comparison.parts:
        parts = _table("part", "second less first, s")
        for name, moved in comparison.parts.items():
            parts.add_row(Text(name), _told(moved.estimate, signed=True))
        console.print(parts)


def _verdicts(findings: "Findings") -> Table:
    table = _table("", "verdict", "measured", "")
    for verdict in findings.verdicts:
        told = _told(verdict.estimate, percent=True) if verdict.estimate else "-"
        answer = Text(verdict.answer, style=_style(verdict.answer))
        table.add_row(verdict.about, answer, told, verdict.why)
    return table


def _seconds(findings: "Findings") -> Table:
    table = _table("seconds", "p50", "p95", "mean", "least", "most", "variation")
    whole = {"whole": findings.times} if findings.times else {}
    for name, times in {**findings.parts, **whole}.items():
        varies = times.variation
        table.add_row(
            Text(name, "bold" if name == "whole" else ""),
            _told(times.p50),
            _told(times.p95),
            *(f"{value:.1f}" for value in (times.mean, times.least, times.most)),
            _told(varies, percent=True) if varies else "-",
        )
    return table


def _mishaps(findings: "Findings") -> Table:
    table = _table("what went wrong", "ended the run", "seen on the way", "")
    meanings = {str(name): meaning for name, meaning in DEFINITIONS.items()}
    for name in dict.fromkeys([*findings.failures, *findings.mishaps]):
        shares = (findings.failures.get(name), findings.mishaps.get(name))
        told = (_told(share, percent=True) if share else "-" for share in shares)
        table.add_row(name, *told, meanings[name])
    return table


def _list_bad(findings: "Findings", console: "Console") -> None:
    bad = [run for run in findings.runs.runs if not run.is_ok]
    for run in bad[:_MOST_LISTED]:
        console.print(Text(f"run {run.number}: {run.outcome}. {run.detail}"), style="dim")
    if len(bad) > _MOST_LISTED:
        console.print(f"and {len(bad) - _MOST_LISTED} more", style="dim")
    for begun in findings.runs.half_done:
        job = f", job {begun.job}" if begun.job else ""
        console.print(Text(f"run {begun.number}: half done{job}"), style="dim")


def _ok(good: list[Any], counted: list[Any]) -> str:
    return f"{len(good)} of {len(counted)} runs are ok"


def _table(*columns: str) -> Table:
    return Table(*columns, header_style="bold", show_edge=False, box=None, pad_edge=False)


def _style(answer: str) -> str:
    if answer in _GOOD:
        return "bold green"
    return "bold red" if answer in _BAD else "bold yellow"


def _told(estimate: Estimate, *, percent: bool = False, signed: bool = False) -> str:
    def number(value: float) -> str:
        if math.isnan(value):
            return "-"
        form = f"{'+' if signed else ''}{'.0%' if percent else '.1f'}"
        return format(value, form)

    return f"{number(estimate.value)} ({_range(estimate.interval, number)})"


def _range(interval: Interval, number: Any) -> str:  # noqa: ANN401  a function of `_told`
    low, high = interval.low, interval.high
    if math.isinf(low) and math.isinf(high):
        return "unbounded"
    if math.isinf(high):
        return f"at least {number(low)}"
    if math.isinf(low):
        return f"at most {number(high)}"
    return f"{number(low)} to {number(high)}"


def _estimate(estimate: Estimate) -> dict[str, Any]:
    interval = estimate.interval
    return {
        "value": _finite(estimate.value),
        "low": _finite(interval.low),
        "high": _finite(interval.high),
    }


def _times(times: "Times") -> dict[str, Any]:
    return {
        "count": times.count,
        "least": times.least,
        "mean": times.mean,
        "most": times.most,
        "p50": _estimate(times.p50),
        "p95": _estimate(times.p95),
        "variation": _estimate(times.variation) if times.variation else None,
    }


def _contrast(contrast: "Contrast") -> Mapping[str, Any]:
    return {
        "answer": contrast.answer,
        "estimate": _estimate(contrast.estimate) if contrast.estimate else None,
        "p_value": contrast.p_value,
        "method": contrast.method,
        "why": contrast.why,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
