"""What was spent: added up by day, endpoint and shape, and held against a plan.

Two sources tell of it. Replies know what each request took, and nothing of idle workers or failed
attempts; RunPod's records of billing know all that is paid for, and nothing of requests.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

Column = Literal["day", "endpoint", "shape"]
COLUMNS: Final[tuple[Column, ...]] = ("day", "endpoint", "shape")
MONTH_DAYS: Final = 30
UNKNOWN: Final = "unknown"

_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one worker gave to one request, or what one endpoint was billed for a stretch of time.

    Attributes:
        day: UTC; None where nobody says it.
        endpoint: its role or name, with its id where that is known.
        shape: `single`, `split` or `orch`, or `UNKNOWN`.
        request: counts up; parts of one request share it. None for a bill.
        audio_seconds: of the request.
        worker_seconds: of the worker; 0 for a bill, which tells none.
        dollars: of them, or of the bill; None where the price is not known.
        start_seconds: of the cold start that the request waited for.
        start_dollars: of these; None where the price is not known.

    """

    day: date | None
    endpoint: str
    shape: str
    request: int | None = None
    audio_seconds: float = 0.0
    worker_seconds: float = 0.0
    dollars: float | None = None
    start_seconds: float = 0.0
    start_dollars: float | None = 0.0


@dataclass(slots=True)
class Sum:
    """Several parts together.

    Attributes:
        audio_seconds: each request counted once.
        worker_seconds: without starts.
        dollars: without starts, where prices are known.
        unpriced_seconds: of workers without a price, starts included; `dollars` lack them.
        cold_requests: requests that waited for a start.
        start_seconds: of cold starts.
        start_dollars: of these, where prices are known.
        days: on which something was spent.

    """

    audio_seconds: float = 0.0
    worker_seconds: float = 0.0
    dollars: float = 0.0
    unpriced_seconds: float = 0.0
    cold_starts: int = 0
    start_seconds: float = 0.0
    start_dollars: float = 0.0
    days: set[date] = field(default_factory=set)
    _requests: set[int] = field(default_factory=set)

    @property
    def requests(self) -> int:
        return len(self._requests)

    @property
    def all_dollars(self) -> float:
        """With cold starts, where prices are known."""
        return self.dollars + self.start_dollars

    @property
    def per_audio_hour(self) -> float | None:
        """Dollars, cold starts included; None without audio, and where a price lacks."""
        if not self.audio_seconds or self.unpriced_seconds:
            return None
        return self.all_dollars * _HOUR / self.audio_seconds

    @property
    def per_month(self) -> float | None:
        """Dollars of thirty days like those from the first to the last; None without days."""
        if not self.days or self.unpriced_seconds:
            return None
        span = (max(self.days) - min(self.days)).days + 1
        return self.all_dollars * MONTH_DAYS / span

    def add(self, part: Part) -> None:
        """Count one more part."""
        if part.request is not None and part.request not in self._requests:
            self._requests.add(part.request)
            self.audio_seconds += part.audio_seconds
        self.worker_seconds += part.worker_seconds
        self.start_seconds += part.start_seconds
        self.cold_starts += bool(part.start_seconds)
        if part.dollars is None:
            self.unpriced_seconds += part.worker_seconds
        else:
            self.dollars += part.dollars
        if part.start_dollars is None:
            self.unpriced_seconds += part.start_seconds
        else:
            self.start_dollars += part.start_dollars
        if part.day is not None:
            self.days.add(part.day)


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums.

    Attributes:
        by: what tells the lines apart.
        lines: one for each combination that there is, in its order.
        total: of all.

    """

    by: tuple[Column, ...]
    lines: Mapping[tuple[str, ...], Sum]
    total: Sum


def summarise(parts: Iterable[Part], *, by: Collection[Column] = COLUMNS) -> Summary:
    """Add parts up.

    Args:
        parts: in any order; each is looked at once.
        by: what tells the lines apart; the order is always day, endpoint, shape.

    """
    columns = tuple(column for column in COLUMNS if column in by)
    lines: dict[tuple[str, ...], Sum] = {}
    total = Sum()
    for part in parts:
        values = {"day": str(part.day or UNKNOWN), "endpoint": part.endpoint, "shape": part.shape}
        key = tuple(values[column] for column in columns)
        lines.setdefault(key, Sum()).add(part)
        total.add(part)
    return Summary(by=columns, lines=dict(sorted(lines.items())), total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One option of a plan; dollars.

    Attributes:
        name: of the option.
        shape: of it.
        per_month: what it was to cost.
        per_audio_hour: the same, for an hour of audio; None where the plan does not say it.
        is_recommended: it is the plan's own choice.

    """

    name: str
    shape: str
    per_month: float
    per_audio_hour: float | None = None
    is_recommended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An option beside what its shape really cost; dollars, None where that is not known."""

    option: Planned
    per_month: float | None
    per_audio_hour: float | None

    @property
    def over(self) -> float | None:
        """Share of a month's plan that was spent beyond it; negative where less was."""
        if self.per_month is None or not self.option.per_month:
            return None
        return self.per_month / self.option.per_month - 1


def compare(by_shape: Summary, plan: Sequence[Planned]) -> list[Compared]:
    """Hold a plan against what was spent.

    An option is held against the spending of its own shape; the recommended one, where nothing of
    its shape was spent, against all. Options of shapes that nobody used are left out.

    Args:
        by_shape: what was spent, with a line for each shape alone.
        plan: its options.

    """
    spent = {shape: line for (shape,), line in by_shape.lines.items()}
    compared = []
    for option in plan:
        line = spent.get(option.shape)
        if line is None and (option.is_recommended or UNKNOWN in spent):
            line = by_shape.total
        if line is not None:
            compared.append(
                Compared(
                    option=option, per_month=line.per_month, per_audio_hour=line.per_audio_hour
                )
            )
    return compared
