"""How long work and starts take, by role: from a file of figures, each with where it is from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from planner.errors import SpeedsInvalid, SpeedsUnknown
from planner.simulator.shapes import Role

Basis = Literal["measured", "claimed", "assumed"]
StartKind = Literal["cached", "downloading"]
End = Literal["low", "middle", "high"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
STARTS: Final[tuple[StartKind, ...]] = get_args(StartKind)
FILE: Final = Path(__file__).with_name("speeds.toml")
DEFAULT: Final = "documents"

_LONGEST: Final = 7 * 86400.0
"""No job of RunPod's lasts longer, in seconds."""
_PAIR: Final = 2
_MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is known within limits.

    Attributes:
        low: the least that is said.
        middle: what is computed with.
        high: the most that is said.

    """

    low: float
    middle: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Self:
        return cls(value, value, value)

    def at(self, end: End) -> float:
        """The number at one end, or in the middle."""
        return {"low": self.low, "middle": self.middle, "high": self.high}[end]

    def __str__(self) -> str:
        """Say it with its limits, where it has any."""
        if self.low == self.high:
            return f"{self.middle:.4g}"
        return f"{self.middle:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where figures are from.

    Attributes:
        basis: whether somebody measured them here.
        source: who says it, or how.
        day: of when.

    """

    basis: Basis
    source: str
    day: date

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.basis}: {self.source}, {self.day}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpeed:
    """What a worker of one role takes.

    Attributes:
        fixed: seconds of any job.
        per_audio_second: seconds of work for each second of audio.
        work: where both are from.
        starts: seconds from a container's start to its first job, as far as they are known.
        start: where these are from.
        at_once: jobs that a worker does at the same time, each at this pace.

    """

    fixed: Figure
    per_audio_second: Figure
    work: Origin
    starts: Mapping[StartKind, Figure]
    start: Origin
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashBoot:
    """How RunPod revives workers.

    Attributes:
        seconds: of such a start.
        window: seconds after a worker's end in which it can be revived.
        origin: where both are from.

    """

    seconds: Figure
    window: float
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What workers of all roles take on one kind of machine.

    Attributes:
        name: of the set.
        title: what it is, for a reader.
        pool: whose price belongs to these seconds.
        roles: all of `ROLES`.
        flashboot: of all roles; None where nothing is said of it.

    """

    name: str
    title: str
    pool: str
    roles: Mapping[Role, RoleSpeed]
    flashboot: FlashBoot | None = None

    def at(self, end: End) -> Self:
        """The same with every figure at one end of what is said of it."""

        def fixed(figure: Figure) -> Figure:
            return Figure.exactly(figure.at(end))

        moved: dict[Role, RoleSpeed] = {
            role: replace(
                speed,
                fixed=fixed(speed.fixed),
                per_audio_second=fixed(speed.per_audio_second),
                starts={kind: fixed(figure) for kind, figure in speed.starts.items()},
            )
            for role, speed in self.roles.items()
        }
        flashboot = self.flashboot and replace(
            self.flashboot, seconds=fixed(self.flashboot.seconds)
        )
        return replace(self, roles=moved, flashboot=flashboot)

    @property
    def bases(self) -> frozenset[Basis]:
        """What the figures rest on."""
        return frozenset(
            origin.basis for speed in self.roles.values() for origin in (speed.work, speed.start)
        )


def read_speeds(name: str, *, file: Path = FILE) -> Speeds:
    """Read a set of Parley's own, or a file that is written like `planner/options/speeds.toml`.

    Args:
        name: of a set in `file`, or a path to a file; there the first set is taken.
        file: that holds Parley's sets.

    Raises:
        SpeedsUnknown: it names neither.
        SpeedsInvalid: the file holds what cannot be; every key is named.

    """
    own = _sets(file)
    if name in own:
        return own[name]
    path = Path(name)
    if not path.is_file():
        raise SpeedsUnknown(name, known=own)
    return next(iter(_sets(path).values()))


def _sets(path: Path) -> dict[str, Speeds]:
    shown = str(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SpeedsInvalid(shown, [f"it has more than {_MOST_BYTES:,} bytes"])
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpeedsInvalid(shown, [f"it cannot be read: {error}"]) from None
    if not tables:
        raise SpeedsInvalid(shown, ["it holds no set of speeds"])
    found, problems = {}, []
    for name, table in tables.items():
        try:
            found[name] = _speeds(name, _Set.model_validate(table))
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                place = ".".join([name, *map(str, detail["loc"])])
                problems.append(f"{place}: {detail['msg'].removeprefix('Value error, ')}")
    if problems:
        raise SpeedsInvalid(shown, problems)
    return found


def _figure(value: object) -> object:
    """Make a figure of a number, `[low, high]` or `[low, middle, high]`."""
    given = value if isinstance(value, list) else [value]
    numbers = [n for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
    fits = bool(numbers) and len(numbers) == len(given) <= _PAIR + 1
    if not fits or sorted(numbers) != numbers or not 0 <= numbers[0] <= numbers[-1] <= _LONGEST:
        message = "write a number of seconds, [low, high] or [low, middle, high], none below 0"
        raise ValueError(message)
    low, high = float(numbers[0]), float(numbers[-1])
    middle = (low + high) / 2 if len(numbers) == _PAIR else float(numbers[len(numbers) // 2])
    return Figure(low, middle, high)


_Figure = Annotated[Figure, BeforeValidator(_figure)]
_Text = Annotated[str, Field(min_length=1, max_length=300)]


class _Starts(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    cached: _Figure
    downloading: _Figure | None = None


class _FlashBoot(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    seconds: _Figure
    window: Annotated[float, Field(ge=0, le=_LONGEST)]
    basis: Basis
    source: _Text
    date: date


class _Role(BaseModel):
    model_config = ConfigDict(extra="forbid")

    basis: Basis
    fixed: _Figure
    per_audio_second: _Figure
    start: _Starts
    at_once: Annotated[int, Field(ge=1, le=1000)]
    work_source: _Text | None = None
    start_source: _Text | None = None


class _Set(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: _Text
    pool: _Text
    source: _Text
    date: date
    flashboot: _FlashBoot | None = None
    single: _Role
    transcription: _Role
    diarization: _Role
    orchestrator: _Role


def _speeds(name: str, told: _Set) -> Speeds:
    roles: dict[Role, RoleSpeed] = {}
    for role in ROLES:
        table: _Role = getattr(told, role)
        work, start = (
            Origin(basis=table.basis, source=source or told.source, day=told.date)
            for source in (table.work_source, table.start_source)
        )
        starts = {kind: getattr(table.start, kind) for kind in STARTS}
        roles[role] = RoleSpeed(
            fixed=table.fixed,
            per_audio_second=table.per_audio_second,
            work=work,
            starts={kind: figure for kind, figure in starts.items() if figure is not None},
            start=start,
            at_once=table.at_once,
        )
    return Speeds(
        name=name,
        title=told.title,
        pool=told.pool,
        roles=roles,
        flashboot=_flashboot(told.flashboot) if told.flashboot else None,
    )


def _flashboot(told: _FlashBoot) -> FlashBoot:
    origin = Origin(basis=told.basis, source=told.source, day=told.date)
    return FlashBoot(seconds=told.seconds, window=told.window, origin=origin)
