"""Whether two experiments differ: in how often they succeed, and in how long they take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from planner.coldstart.inference import Estimate, Shift, difference, fisher, shift
from planner.coldstart.runs import Runs
from planner.coldstart.verdicts import UNDECIDED, Criteria

Answer = Literal["first is better", "second is better", "no difference shown", "not enough runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One question to two experiments.

    Attributes:
        about: `success` or `seconds`.
        answer: `not enough runs` where no result of so few could have shown a difference.
        estimate: of the second less the first: a share, or seconds; None where there is none.
        p_value: that there is none, by the test that `method` names.
        method: of the test and the interval.
        why: one sentence.

    """

    about: str
    answer: Answer
    estimate: Estimate | None
    p_value: float | None
    method: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two experiments beside each other.

    Attributes:
        first, second: of runs.
        success: of all runs that count.
        seconds: of the runs that are ok, and so under the condition that they are.
        parts: how much later each part is in the second: where a difference is, not whether.

    """

    first: Runs
    second: Runs
    success: Contrast
    seconds: Contrast
    parts: Mapping[str, Shift]


def compare(first: Runs, second: Runs, criteria: Criteria | None = None) -> Comparison:
    """Compare two experiments.

    Each of the two questions is tested for itself, at the confidence of the criteria.
    """
    confidence = (criteria or Criteria()).intervals.confidence
    parts = {
        name: moved
        for name in dict.fromkeys([*first.parts, *second.parts])
        if (moved := shift(_part(first, name), _part(second, name), confidence=confidence))
    }
    return Comparison(
        first=first,
        second=second,
        success=_success(first, second, confidence=confidence),
        seconds=_seconds(first, second, confidence=confidence),
        parts=parts,
    )


def _part(runs: Runs, name: str) -> list[float]:
    return [run.breakdown.get(name, 0.0) for run in runs.good]


def _success(first: Runs, second: Runs, *, confidence: float) -> Contrast:
    hits = len(first.good), len(second.good)
    of = len(first.counted), len(second.counted)
    method = "Fisher's exact test, Newcombe's interval"
    if not all(of):
        why = "one of them has no run that counts"
        return Contrast(
            about="success", answer=UNDECIDED, estimate=None, p_value=None, method=method, why=why
        )
    chance, estimate = fisher(hits, of), difference(hits, of, confidence=confidence)
    least = min(fisher((0, of[1]), of), fisher((of[0], 0), of))
    answer: Answer = "no difference shown"
    if chance <= 1 - confidence:
        answer = "second is better" if estimate.value > 0 else "first is better"
        why = f"{abs(estimate.value):.0%} points apart"
    elif least > 1 - confidence:
        answer, why = UNDECIDED, "with so few, even all against none would show nothing"
    else:
        low, high = estimate.interval.low, estimate.interval.high
        why = f"the second may succeed {low:+.0%} to {high:+.0%} points more often"
    return Contrast(
        about="success", answer=answer, estimate=estimate, p_value=chance, method=method, why=why
    )


def _seconds(first: Runs, second: Runs, *, confidence: float) -> Contrast:
    found = shift(first.seconds, second.seconds, confidence=confidence)
    method = "Mann and Whitney's test, Hodges and Lehmann's shift with Moses's interval"
    if found is None:
        why = "one of them has no run that is ok"
        return Contrast(
            about="seconds", answer=UNDECIDED, estimate=None, p_value=None, method=method, why=why
        )
    value, interval = found.estimate.value, found.estimate.interval
    answer: Answer = "no difference shown"
    if found.p_value <= 1 - confidence:
        is_later = found.lean > 0
        answer = "first is better" if is_later else "second is better"
        why = f"the second takes {abs(value):.1f} s {'more' if is_later else 'less'}"
        if not value:  # most are the same, and of the others most lie on one side
            side = "later" if is_later else "earlier"
            why = f"the second is {side} by ranks; the median difference is 0"
    elif found.least_p_value > 1 - confidence or not math.isfinite(interval.low):
        answer, why = UNDECIDED, "with so few, even one all slower than the other shows nothing"
    else:
        why = f"the second may take {interval.low:+.1f} to {interval.high:+.1f} s more"
    return Contrast(
        about="seconds",
        answer=answer,
        estimate=found.estimate,
        p_value=found.p_value,
        method=method,
        why=why,
    )
