"""What traffic is like, as somebody states it in a file; `making` makes requests of it.

start = 2026-08-03            # the first day, from midnight UTC
days = 90
requests_per_day = 65
hours = [...]                 # 24 weights, of UTC
weekdays = [...]              # 7 weights, from Monday

[bursts]                      # without it, requests come independently of each other
per_day = 3.8
mean = 15.4
largest = 588
within_minutes = 5
median_gap_minutes = 0.65
spread = 1.1
apart = true

[audio]
mean_seconds = 120
spread = 0.8
shortest_seconds = 1
longest_seconds = 21600

[users]
shares = [0.66, 0.18]
others = 24
"""

import datetime as dt
import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from planner.errors import ProfileInvalid

FOLDER: Final = Path(__file__).parent / "profiles"
"""The profiles of this repository, by name."""

_LARGEST_FILE: Final = 2**20
_MOST_REQUESTS: Final = 100_000_000
_List = Field(strict=False)  # TOML has lists, frozen values have tuples
_Weight = Annotated[float, Field(ge=0, le=1e9)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of the file: exactly these keys, of exactly these types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BurstsTable(Table):
    """Bursts of requests, as `planner.traffic.description.Bursts` counts them.

    Attributes:
        per_day: how many begin.
        mean: requests of one.
        largest: requests of the largest, which comes once; None lets chance say.
        within_minutes: that may pass from one request to the next; beyond it a burst is over.
        median_gap_minutes: between two requests of a burst; below half of `within_minutes`.
        spread: of the sizes, sigma of a lognormal; 0 makes all alike.
        apart: keep bursts, and requests outside them, further than `within_minutes` from each other
            wherever a day has the room, so that they are counted as stated. Without it they come
            independently, and some meet by chance.

    """

    per_day: _Positive
    mean: Annotated[float, Field(ge=3, allow_inf_nan=False)]
    largest: Annotated[int, Field(ge=3)] | None = None
    within_minutes: _Positive = 5.0
    median_gap_minutes: _Positive
    spread: Annotated[float, Field(ge=0, le=4)] = 1.0
    apart: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if 2 * self.median_gap_minutes >= self.within_minutes:
            message = "median_gap_minutes must be below half of within_minutes"
            raise ValueError(message)
        if self.largest is not None and self.largest < self.mean:
            message = f"largest must be at least mean, {self.mean:g}"
            raise ValueError(message)
        return self


class AudioTable(Table):
    """How long the audio of a request is: lognormal, within bounds.

    Attributes:
        mean_seconds: before the bounds.
        spread: sigma of the logarithm; 0 makes all alike.
        shortest_seconds: what is shorter is made so long.
        longest_seconds: what is longer is made so short.

    """

    mean_seconds: _Positive
    spread: Annotated[float, Field(ge=0, le=4)] = 0.8
    shortest_seconds: _Positive = 1.0
    longest_seconds: Annotated[float, Field(gt=0, le=7 * 86400)] = 6 * 3600.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.shortest_seconds <= self.mean_seconds <= self.longest_seconds:
            message = "mean_seconds must lie from shortest_seconds to longest_seconds"
            raise ValueError(message)
        return self


class UsersTable(Table):
    """Whose the requests are. A burst is of one user, but where a share would be missed.

    Attributes:
        shares: of all requests, by user.
        others: users who share the rest evenly.

    """

    shares: Annotated[tuple[_Positive, ...], _List] = ()
    others: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        rest = 1.0 - math.fsum(self.shares)
        if rest < -_ROUNDING:
            message = f"shares add up to {math.fsum(self.shares):g}, which is more than 1"
            raise ValueError(message)
        if not self.others and rest > _ROUNDING:
            message = f"others must be 1 or more: the shares leave {rest:.3g} of the requests"
            raise ValueError(message)
        return self


_ROUNDING: Final = 1e-9


class Profile(Table):
    """Traffic as it is stated; all times are of UTC.

    Attributes:
        start: the first day, from 2000 to 2099.
        days: how many.
        requests_per_day: on average; their number over all days is this, rounded, and not drawn.
        hours: 24 weights. In an hour of weight 0 nothing comes, nor does a burst reach into it
            wherever it can be placed otherwise.
        weekdays: 7 weights of a day, from Monday. What comes on all Mondays together follows from
            these, rounded, and is not drawn.
        bursts: None: requests come independently.
        audio: of a request.
        users: whose they are; None: nobody says.

    """

    start: Annotated[dt.date, Field(ge=dt.date(2000, 1, 1), lt=dt.date(2100, 1, 1))]
    days: Annotated[int, Field(ge=1, le=3660)]
    requests_per_day: _Positive
    hours: Annotated[tuple[_Weight, ...], _List, Field(min_length=24, max_length=24)] = (1.0,) * 24
    weekdays: Annotated[tuple[_Weight, ...], _List, Field(min_length=7, max_length=7)] = (1.0,) * 7
    bursts: BurstsTable | None = None
    audio: AudioTable
    users: UsersTable | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, weights in (("hours", self.hours), ("weekdays", self.weekdays)):
            if not any(weights):
                message = f"{name} must hold a weight above 0"
                raise ValueError(message)
        if not 1 <= self.requests <= _MOST_REQUESTS:
            message = f"requests_per_day makes {self.requests:,} requests: from 1 to 100,000,000"
            raise ValueError(message)
        if self.bursts and self.bursts.per_day * self.bursts.mean > self.requests_per_day * _SLACK:
            message = "bursts.per_day times bursts.mean must not be above requests_per_day"
            raise ValueError(message)
        return self

    @property
    def requests(self) -> int:
        """Requests of all days."""
        return round(self.requests_per_day * self.days)

    def scaled(self, factor: float) -> "Profile":
        """The same traffic, so many times as much: more bursts of the same sizes.

        Raises:
            ProfileInvalid: it would be none, or too much.

        """
        values = self.model_dump()
        values["requests_per_day"] *= factor
        if self.bursts:
            values["bursts"]["per_day"] *= factor
        return parse_profile(values, file=f"the profile, {factor:g} times")

    @classmethod
    def read(cls, named: str | Path) -> "Profile":
        """Read a profile.

        Args:
            named: one of this repository, as `brief`, or a file.

        Raises:
            ProfileInvalid: it cannot be used; the message names every key that is wrong.

        """
        ours = FOLDER / f"{named}.toml" if str(named) in names() else None
        return read_profile(ours or Path(named))


def names() -> list[str]:
    """The profiles of this repository."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_profile(path: Path) -> Profile:
    """Read a profile's file.

    Raises:
        ProfileInvalid: it cannot be used; the message names every key that is wrong.

    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise ProfileInvalid(str(path), ["it is larger than 1 MB"])
        values = tomllib.loads(text.decode())
    except OSError as error:
        known = ", ".join(names())
        reason = f"it cannot be read: {error.strerror}; give a file, or one of {known}"
        raise ProfileInvalid(str(path), [reason]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileInvalid(str(path), [f"it is no TOML: {error}"]) from None
    return parse_profile(values, file=str(path))


def parse_profile(values: Mapping[str, Any], *, file: str) -> Profile:
    """Read what a profile's file holds.

    Raises:
        ProfileInvalid: it cannot be used.

    """
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # a list with a wrong item is called too short as well
        listed = {detail["loc"][:-1] for detail in found}
        kept = [d for d in found if not (d["type"] == "too_short" and d["loc"] in listed)]
        raise ProfileInvalid(file, [_told(detail) for detail in kept]) from None


_TABLES: Final[Mapping[str, type[Table]]] = {
    "": Profile,
    "bursts": BurstsTable,
    "audio": AudioTable,
    "users": UsersTable,
}


def _told(detail: Any) -> str:  # noqa: ANN401  pydantic's own shape
    """One problem: the key, what is wrong with it, what is allowed."""
    path: Sequence[str | int] = detail["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
    if detail["type"] == "extra_forbidden":
        known = list(_TABLES[str(path[0]) if len(path) > 1 else ""].model_fields)
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        return f"{key}: is no key; {meant}"
    if detail["type"] == "missing":
        return f"{key}: is missing"
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    value = detail.get("input")
    told = f" and is {value!r}"[:60] if isinstance(value, str | int | float) else ""
    return f"{key}: {message}{told}" if key else message


_SLACK: Final = 1 + 1e-6
