"""What the tables of the project's first documents are made of, out of a file."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from planner.errors import TablesInvalid

INPUTS: Final = Path(__file__).parent / "inputs" / "brief.toml"


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the most; both are the same where only one figure is known."""

    low: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> "Range":
        return Range(self.low * factor, self.high * factor)

    def over(self, other: "Range") -> "Range":
        """Low by low and high by high."""
        return Range(self.low / other.low, self.high / other.high)

    @classmethod
    def of(cls, value: float) -> "Range":
        return cls(value, value)


def _ranged(value: object) -> object:
    """A range from `[low, high]`, or from one number."""
    numbers = value if isinstance(value, list) else [value, value]
    if len(numbers) != 2 or not all(_is_number(number) for number in numbers):  # noqa: PLR2004
        message = "must be a number, or [low, high]"
        raise ValueError(message)
    low, high = map(float, numbers)
    if low > high:
        message = "must begin with the lower one"
        raise ValueError(message)
    return Range(low, high)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9  # noqa: PLR2004


def _above_zero(found: Range) -> Range:
    if not found.low:
        message = "must be more than 0"
        raise ValueError(message)
    return found


_Ranged = Annotated[Range, BeforeValidator(_ranged)]
_Work = Annotated[Range, BeforeValidator(_ranged), AfterValidator(_above_zero)]
_Positive = Annotated[float, Field(gt=0, lt=1e9)]
_Natural = Annotated[float, Field(ge=0, lt=1e9)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class _RequestsOnRunPod(_Closed):
    pool: str
    idle_seconds: _Natural
    single_start_seconds: _Ranged
    split_start_seconds: _Ranged
    orchestrator_start_seconds: _Ranged


class Requests(_Closed):
    """What one request takes in each shape."""

    audio_seconds: _Positive
    dollars_per_second: _Positive
    diarization_seconds: _Work
    transcription_seconds: _Work
    orchestrator_seconds: _Natural
    orchestrator_dollars_per_second: _Natural
    per_month: list[int]
    runpod: _RequestsOnRunPod


class _SchedulesOnRunPod(_Closed):
    pool: str
    start_seconds: _Natural
    idle_seconds: _Natural


class Schedules(_Closed):
    """One worker that is kept during some hours of each day."""

    dollars_per_hour: _Positive
    days: _Positive
    hours: list[Annotated[float, Field(gt=0, le=24)]]
    names: list[str]
    runpod: _SchedulesOnRunPod

    @model_validator(mode="after")
    def _are_all_named(self) -> Self:
        if len(self.names) != len(self.hours):
            message = "as many names as hours are needed"
            raise ValueError(message)
        return self


class _ReactiveOnRunPod(_Closed):
    pool: str
    start_seconds: _Ranged


class Reactive(_Closed):
    """One worker that is kept while a session lasts, and some minutes more."""

    dollars_per_hour: _Positive
    days: _Positive
    sessions_per_day: _Positive
    active_minutes: _Positive
    idle_minutes: _Natural
    start_minutes: _Natural
    margin: _Ranged
    runpod: _ReactiveOnRunPod


class _WeightsOnRunPod(_Closed):
    pool: str
    container_seconds: _Natural
    check_seconds: _Natural
    load_seconds: _Natural
    download_seconds: _Natural
    idle_seconds: _Natural


class Weights(_Closed):
    """Weights in the image, or on a volume."""

    restarts: Annotated[int, Field(ge=1)]
    dollars_per_hour: _Positive
    baked_build_minutes: _Natural
    baked_launch_minutes: _Natural
    thin_build_minutes: _Natural
    first_launch_minutes: _Natural
    later_launch_minutes: _Natural
    volume_gb: _Natural
    volume_dollars_per_gb_month: _Natural
    counted_seconds_per_restart: _Natural
    runpod: _WeightsOnRunPod


class Inputs(_Closed):
    """What all tables are made of."""

    requests: Requests
    schedules: Schedules
    reactive: Reactive
    weights: Weights

    @classmethod
    def read(cls, path: Path = INPUTS) -> "Inputs":
        """Read a file of inputs.

        Raises:
            TablesInvalid: it holds what cannot be; the message names each key.

        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
                for detail in error.errors(include_url=False, include_input=False)
            ]
            raise TablesInvalid(str(path), problems) from None
        except (OSError, ValueError) as error:
            raise TablesInvalid(str(path), [str(error)]) from None
