"""Runs and experiments as they are kept: frozen, checked wherever they come from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from planner.coldstart.breakdown import DEFINITIONS, MOST_SECONDS, REST
from planner.coldstart.outcomes import NOT_COUNTED, Mishap, Outcome

FORMAT: Final = "parley-coldstart/1"
_TOLERANCE: Final = 0.01
"""Seconds by which rounded parts may be more than the whole."""
_MOST_SIGHTS: Final = 1000

Seconds = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]
_Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
_Text = Annotated[str, Field(max_length=1000)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Seen(_Kept):
    """The workers that were counted, `after` seconds since the job was submitted."""

    after: Seconds
    workers: Mapping[_Name, Annotated[int, Field(ge=0)]]


class Run(_Kept):
    """One cold start.

    Attributes:
        number: from 1.
        at: when the job was submitted.
        outcome: see `planner.coldstart.outcomes.DEFINITIONS`.
        seconds: from the submission until the answer was seen; None where there was none.
        parts: of them, in order of time; what they leave is `rest`.
        mishaps: what went wrong on the way, mended or not.
        code: of Parley's error tree, where a worker or the platform gave one.
        detail: what happened, for people.
        job: as the platform calls it.
        worker: that answered.
        cold_by: whether the reply says that its worker was started for the job, or nothing but
            the count of workers before it.
        sights: the workers meanwhile, at each change.
        billed_seconds: about what the platform bills for it, idle seconds included.

    """

    number: Annotated[int, Field(ge=1)]
    at: AwareDatetime | None = None
    outcome: Outcome
    seconds: Seconds | None = None
    parts: Mapping[_Name, Seconds] = Field(default_factory=dict)
    mishaps: tuple[Mishap, ...] = ()
    code: _Name | None = None
    detail: _Text = ""
    job: _Name | None = None
    worker: _Name | None = None
    cold_by: Literal["reply", "count"] | None = None
    sights: Annotated[tuple[Seen, ...], Field(max_length=_MOST_SIGHTS)] = ()
    billed_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.is_ok and self.seconds is None:
            message = "a run that is ok has seconds"
            raise ValueError(message)
        total = math.fsum(self.parts.values())
        if total > (math.inf if self.seconds is None else self.seconds + _TOLERANCE):
            message = f"its parts are {total:g} s, more than the whole of {self.seconds:g} s"
            raise ValueError(message)
        if REST in self.parts:
            message = f"{REST} is what other parts leave, and is not given"
            raise ValueError(message)
        return self

    @property
    def is_ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def is_counted(self) -> bool:
        """Whether it says anything of how reliably workers start."""
        return self.outcome not in NOT_COUNTED

    @property
    def breakdown(self) -> dict[str, float]:
        """Seconds of every part, `rest` among them: they add up to `seconds`."""
        left = (self.seconds or 0.0) - math.fsum(self.parts.values())
        return {**self.parts, REST: left} if left > _TOLERANCE else dict(self.parts)


class Experiment(_Kept):
    """What was tried.

    Attributes:
        format: of the file.
        label: what reports call it.
        endpoint: RunPod's id, or whatever names what was tried.
        platform: where it is; an address without user, path and query.
        kind: of the replies.
        input_sha256: of the job's input.
        deadline: of a run, in seconds.
        also_cold: other endpoints that had to be cold.
        note: anything that a reader should know.

    """

    format: Literal["parley-coldstart/1"] = FORMAT
    label: _Name
    endpoint: _Name
    platform: _Text = ""
    kind: Literal["conversation", "transcribe", "diarize", "any"] = "any"
    input_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    deadline: Seconds | None = None
    also_cold: tuple[_Name, ...] = ()
    note: _Text = ""

    def differs(self, other: "Experiment") -> list[str]:
        """The names of fields that make runs of both another experiment."""
        same = ("endpoint", "platform", "kind", "input_sha256", "deadline", "also_cold")
        return [name for name in same if getattr(self, name) != getattr(other, name)]


class Begun(_Kept):
    """A run that has begun; `job` once the platform took it."""

    number: Annotated[int, Field(ge=1)]
    at: AwareDatetime
    job: _Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """An experiment and what came of it.

    Attributes:
        experiment: what was tried.
        runs: that ended, in their order.
        half_done: runs that began and whose end nobody wrote down: this command was killed.

    """

    experiment: Experiment
    runs: Sequence[Run]
    half_done: Sequence[Begun] = ()

    @property
    def counted(self) -> list[Run]:
        return [run for run in self.runs if run.is_counted]

    @property
    def good(self) -> list[Run]:
        return [run for run in self.runs if run.is_ok]

    @property
    def seconds(self) -> list[float]:
        """Of the runs that are ok."""
        return [run.seconds for run in self.good if run.seconds is not None]

    @property
    def parts(self) -> list[str]:
        """Every part that a run has: ours in order of time, then others as they came."""
        seen = dict.fromkeys(name for run in self.runs for name in run.breakdown)
        own = [name for name in DEFINITIONS if name in seen]
        other = [name for name in seen if name not in DEFINITIONS and name != REST]
        return [*own, *other, *([REST] if REST in seen else [])]
