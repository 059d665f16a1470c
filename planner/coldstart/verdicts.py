"""What an experiment says, and what follows from it: verdicts that its intervals bear out."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from planner.coldstart.inference import Estimate, proportion, quantile, variation
from planner.coldstart.runs import Runs
from planner.errors import CriteriaInvalid

FILE: Final = Path(__file__).with_name("criteria.toml")
_MOST_BYTES: Final = 2**16

_Share = Annotated[float, Field(gt=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Variance(_Table):
    good_below: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.30
    bad_above: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.50
    least_runs: Annotated[int, Field(ge=3)] = 10

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.good_below > self.bad_above:
            message = "good_below is above bad_above"
            raise ValueError(message)
        return self


class _Failures(_Table):
    disqualify_above: _Share = 0.10


class _Success(_Table):
    pool_viable_above: _Share = 0.80


class _Intervals(_Table):
    confidence: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95


class Criteria(_Table):
    """When a provider is good enough; see criteria.toml."""

    variance: _Variance = _Variance()
    failures: _Failures = _Failures()
    success: _Success = _Success()
    intervals: _Intervals = _Intervals()

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read a file of criteria; what it leaves out is as usual.

        Raises:
            CriteriaInvalid: it cannot be read, or a value in it is wrong.

        """
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode()
            return cls.model_validate(tomllib.loads(text))
        except OSError as error:
            problems = [error.strerror or type(error).__name__]
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, detail['loc']))}: "
                f"{detail['msg'].removeprefix('Value error, ')}"
                for detail in error.errors(include_url=False, include_input=False)
            ]
        except ValueError as error:
            problems = [f"it is no TOML: {error}"]
        raise CriteriaInvalid(str(path), problems=problems)


UNDECIDED: Final = "not enough runs"
Answer = Literal[
    "good", "fair", "bad", "disqualified", "acceptable", "viable", "not viable", "not enough runs"
]
Overall = Literal["rejected", "accepted", "not enough runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one criterion.

    Attributes:
        about: `variance`, `failures` or `reactive pool`.
        answer: `not enough runs` where the interval does not bear out any other.
        estimate: what it is about; None where there is none.
        why: one sentence.

    """

    about: str
    answer: Answer
    estimate: Estimate | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds of the runs that are ok.

    Attributes:
        count: of the runs.
        least, mean, most: of them.
        p50, p95: with intervals between order statistics.
        variation: the standard deviation by the mean; None of fewer than two runs.

    """

    count: int
    least: float
    mean: float
    most: float
    p50: Estimate
    p95: Estimate
    variation: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What an experiment says.

    Attributes:
        runs: what was found.
        success: the share of runs that are ok, among those that count.
        failures: of each kind, the share among those that count.
        mishaps: of each kind, the share of runs that count in which it was seen, mended or not.
        times: of the whole; None where no run is ok.
        parts: of each part of the runs that are ok.
        verdicts: one for each criterion.
        overall: what follows for user-facing work.

    """

    runs: Runs
    success: Estimate
    failures: Mapping[str, Estimate]
    mishaps: Mapping[str, Estimate]
    times: Times | None
    parts: Mapping[str, Times]
    verdicts: tuple[Verdict, ...]
    overall: Overall


def examine(runs: Runs, criteria: Criteria | None = None) -> Findings:
    """Find what an experiment says, and judge it.

    It is rejected once one criterion is surely missed, and accepted once all that may disqualify it
    are surely met.
    """
    criteria = criteria or Criteria()
    confidence = criteria.intervals.confidence
    counted = runs.counted
    total = len(counted)
    failed = Counter(run.outcome for run in counted if not run.is_ok)
    seen = Counter(mishap for run in counted for mishap in run.mishaps)
    verdicts = (
        _of_variance(runs, criteria),
        _of_failures(sum(failed.values()), total, criteria),
        _of_pool(len(runs.good), total, criteria),
    )
    parts = {name: [run.breakdown.get(name, 0.0) for run in runs.good] for name in runs.parts}
    return Findings(
        runs=runs,
        success=proportion(len(runs.good), total, confidence=confidence),
        failures={n: proportion(c, total, confidence=confidence) for n, c in failed.most_common()},
        mishaps={n: proportion(c, total, confidence=confidence) for n, c in seen.most_common()},
        times=_times(runs.seconds, confidence=confidence),
        parts={
            name: times
            for name, seconds in parts.items()
            if any(seconds) and (times := _times(seconds, confidence=confidence))
        },
        verdicts=verdicts,
        overall=_overall({verdict.answer for verdict in verdicts}),
    )


def _times(seconds: list[float], *, confidence: float) -> Times | None:
    if not seconds:
        return None
    return Times(
        count=len(seconds),
        least=min(seconds),
        mean=sum(seconds) / len(seconds),
        most=max(seconds),
        p50=quantile(seconds, 0.5, confidence=confidence),
        p95=quantile(seconds, 0.95, confidence=confidence),
        variation=variation(seconds, confidence=confidence),
    )


def _of_variance(runs: Runs, criteria: Criteria) -> Verdict:
    good, bad = criteria.variance.good_below, criteria.variance.bad_above
    least = criteria.variance.least_runs
    seconds = runs.seconds
    found = variation(seconds, confidence=criteria.intervals.confidence)
    answer: Answer = UNDECIDED
    if found is None or len(seconds) < least:
        why = f"{len(seconds)} runs are ok, and it takes {least} to judge how they vary"
        return Verdict(about="variance", answer=answer, estimate=found, why=why)
    if found.interval.high < good:
        answer, why = "good", f"surely below {good:.0%}"
    elif found.interval.low > bad:
        answer, why = "bad", f"surely above {bad:.0%}"
    elif found.interval.high <= bad:
        answer, why = "fair", f"surely not above {bad:.0%}"
    else:
        why = f"the interval lies on both sides of {bad:.0%}"
    return Verdict(about="variance", answer=answer, estimate=found, why=why)


def _of_failures(failed: int, total: int, criteria: Criteria) -> Verdict:
    most = criteria.failures.disqualify_above
    found = proportion(failed, total, confidence=criteria.intervals.confidence)
    answer: Answer = UNDECIDED
    if found.interval.low > most:
        answer, why = "disqualified", f"surely above {most:.0%}: not for user-facing work"
    elif found.interval.high <= most:
        answer, why = "acceptable", f"surely not above {most:.0%}"
    else:
        why = f"the interval lies on both sides of {most:.0%}"
    return Verdict(about="failures", answer=answer, estimate=found, why=why)


def _of_pool(good: int, total: int, criteria: Criteria) -> Verdict:
    least = criteria.success.pool_viable_above
    found = proportion(good, total, confidence=criteria.intervals.confidence)
    answer: Answer = UNDECIDED
    if found.interval.low > least:
        answer, why = "viable", f"success is surely above {least:.0%}"
    elif found.interval.high <= least:
        answer, why = "not viable", f"success is surely not above {least:.0%}"
    else:
        why = f"the interval of success lies on both sides of {least:.0%}"
    return Verdict(about="reactive pool", answer=answer, estimate=found, why=why)


def _overall(answers: set[Answer]) -> Overall:
    if answers & {"bad", "disqualified"}:
        return "rejected"
    return "accepted" if "acceptable" in answers and answers & {"good", "fair"} else UNDECIDED
