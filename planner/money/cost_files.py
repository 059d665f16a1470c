"""Replies, bills and plans out of files; what is wrong is named by file and line."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from planner.errors import CostFileInvalid, CostFileUnusable
from planner.money.cost import UNKNOWN, Part, Planned

_MOST_BYTES: Final = 512 * 1024**2
"""Of a file that is read as a whole."""
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_KIND: Final = "replies or RunPod's records of billing"
_STARTS: Final = {"transcribe": "transcription", "diarize": "diarization"}
"""Phases of a reply, and the role of the endpoint whose start they tell of."""

_HALVES: Final = frozenset({"words", "exclusive"})
"""What tells the reply of an engine's endpoint, where there are no segments."""
_Amount = Annotated[float, Field(ge=0, le=1e9)]


class _Spent(BaseModel):
    worker_seconds: _Amount
    dollars_per_second: _Amount | None = None
    cost_dollars: _Amount | None = None
    endpoint: str | None = None


class _Usage(BaseModel):
    audio_seconds: _Amount
    processing_seconds: _Amount
    finished: datetime | None = None
    workers: dict[str, _Spent] = Field(default_factory=dict)


class _ColdStart(BaseModel):
    seconds: _Amount


class _Reply(BaseModel):
    usage: _Usage
    timings: dict[str, float] = Field(default_factory=dict)
    cold_start: _ColdStart | None = None


class BillingRecord(BaseModel):
    """One record of GET /v2/billing/serverless."""

    model_config = ConfigDict(frozen=True)

    start: datetime = Field(validation_alias=AliasChoices("startTime", "start"))
    endpoint: str = Field(validation_alias=AliasChoices("serverlessId", "endpoint"))
    dollars: float = Field(validation_alias="totalAmount", allow_inf_nan=False)

    def part(self, *, names: Mapping[str, str], shapes: Mapping[str, str]) -> Part:
        """As a part of a sum.

        Args:
            names: of endpoints, by id.
            shapes: of endpoints, by id.

        """
        name = names.get(self.endpoint)
        return Part(
            day=_day(self.start),
            endpoint=f"{name} ({self.endpoint})" if name else self.endpoint,
            shape=shapes.get(self.endpoint, UNKNOWN),
            dollars=self.dollars,
        )


class _Option(BaseModel):
    name: str
    shape: str
    cost_per_month: _Amount
    cost_per_audio_hour: _Amount | None = None


class _Plan(BaseModel):
    options: Annotated[list[_Option], Field(min_length=1)]
    recommended: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What files hold.

    Attributes:
        parts: of replies.
        bills: records of RunPod's.
        skipped: what could not be read, as sentences.

    """

    parts: list[Part]
    bills: list[BillingRecord]
    skipped: list[str]


def read_files(paths: Iterable[Path], *, skip_bad: bool = False) -> Found:
    """Read replies and bills.

    A file holds one reply, as `parley transcribe` writes it; or what RunPod says of a job that is
    done; or a list of those; or one of them a line; or the answer of GET /v2/billing/serverless.

    Args:
        paths: of files.
        skip_bad: leave out what cannot be read, and say so, instead of refusing all.

    Raises:
        CostFileUnusable: a file cannot be opened, or is too large.
        CostFileInvalid: it holds something else; the message names the lines.

    """
    found = Found(parts=[], bills=[], skipped=[])
    numbers = count()
    for path in paths:
        problems: list[tuple[int, str]] = []
        for line, value in _values(path, problems):
            try:
                _take(value, found, numbers)
            except ValueError as error:
                problems.append((line, _told(error)))
        if problems and not skip_bad:
            raise CostFileInvalid(str(path), sorted(problems), kind=_KIND)
        found.skipped.extend(f"{path}, line {line}: {why}" for line, why in sorted(problems))
    return found


def read_plan(path: Path) -> list[Planned]:
    """Read what `parley plan --json` wrote.

    Raises:
        CostFileUnusable: the file cannot be opened.
        CostFileInvalid: it is no plan.

    """
    kind = "a plan of `parley plan --json`"
    try:
        plan = _Plan.model_validate(json.loads(_text(path)))
    except json.JSONDecodeError as error:
        raise CostFileInvalid(str(path), [(error.lineno, _told(error))], kind=kind) from None
    except (ValueError, RecursionError) as error:
        raise CostFileInvalid(str(path), [(1, _told(error))], kind=kind) from None
    return [
        Planned(
            name=option.name,
            shape=option.shape,
            per_month=option.cost_per_month,
            per_audio_hour=option.cost_per_audio_hour,
            is_recommended=option.name == plan.recommended,
        )
        for option in plan.options
    ]


def _values(path: Path, problems: list[tuple[int, str]]) -> Iterator[tuple[int, Any]]:
    """What a file holds, with the line that it begins on; adds lines that hold no JSON."""
    if path.suffix.lower() in _LINES or _is_lines(path):
        yield from _by_line(path, problems)
        return
    try:
        whole = json.loads(_text(path))
    except json.JSONDecodeError as error:
        problems.append((error.lineno, _told(error)))
        return
    except (ValueError, RecursionError) as error:
        problems.append((1, _told(error)))
        return
    yield from ((1, value) for value in (whole if isinstance(whole, list) else [whole]))


def _is_lines(path: Path) -> bool:
    """Whether the first line is an object by itself."""
    with _opened(path) as file:
        first = file.readline()
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _by_line(path: Path, problems: list[tuple[int, str]]) -> Iterator[tuple[int, Any]]:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                problems.append((number, _told(error)))


def _take(value: Any, found: Found, numbers: Iterator[int]) -> None:  # noqa: ANN401  JSON
    """Add what a value holds.

    Raises:
        ValueError: it is nothing of what is looked for.

    """
    if not isinstance(value, dict):
        message = "it is no JSON object"
        raise ValueError(message)  # noqa: TRY004  as every other value that is none
    if "records" in value:
        records = value["records"]
        if not isinstance(records, list):
            message = "`records` is no list"
            raise ValueError(message)
        found.bills.extend([BillingRecord.model_validate(record) for record in records])
        return
    output = value.get("output", value)
    if "usage" not in value and isinstance(output, dict) and "result_url" in output:
        message = "a link stands for the reply; give the reply itself"
        raise ValueError(message)
    if isinstance(output, dict) and "segments" not in output and _HALVES & output.keys():
        message = "it is an engine's half of an answer; the whole one counts it"
        raise ValueError(message)
    found.parts.extend(_parts(_Reply.model_validate(output), request=next(numbers)))


def _parts(reply: _Reply, *, request: int) -> Iterator[Part]:
    usage = reply.usage
    day = None if usage.finished is None else _day(usage.finished)
    starts = dict(_starts(reply))
    untold = {UNKNOWN: _Spent(worker_seconds=usage.processing_seconds)}
    for role, spent in (usage.workers or untold).items():
        price, start = spent.dollars_per_second, starts.get(role, 0.0)
        yield Part(
            day=day,
            endpoint=f"{role} ({spent.endpoint})" if spent.endpoint else role,
            shape=_shape(usage.workers),
            request=request,
            audio_seconds=usage.audio_seconds,
            worker_seconds=spent.worker_seconds,
            dollars=spent.cost_dollars,
            start_seconds=start,
            start_dollars=start * price if price is not None else (None if start else 0.0),
        )


def _starts(reply: _Reply) -> Iterator[tuple[str, float]]:
    """Seconds of the cold starts that a reply tells of, by role."""
    for phase, role in _STARTS.items():
        seconds = reply.timings.get(f"{phase}.cold_start", 0.0)
        if 0 < seconds < float("inf"):
            yield role, seconds
    if reply.cold_start:  # of the worker that answered
        roles = reply.usage.workers
        own = next((role for role in ("single", "orchestrator") if role in roles), None)
        yield own or next(iter(roles), UNKNOWN), reply.cold_start.seconds


def _shape(roles: Mapping[str, object]) -> str:
    if "single" in roles:
        return "single"
    if "orchestrator" in roles:
        return "orch"
    return "split" if roles else UNKNOWN


def _day(moment: datetime) -> date:
    """The day in UTC.

    Raises:
        ValueError: it is not of this calendar there.

    """
    try:
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    except OverflowError as error:
        message = "usage.finished: it is no day that can be meant"
        raise ValueError(message) from error


def _told(error: Exception) -> str:
    """What is wrong, in a line, without what the file holds."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON ({error.msg}, column {error.colno})"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _text(path: Path) -> str:
    with _opened(path) as file:
        return file.read()


def _opened(path: Path) -> TextIO:
    """Open a file that can be read as a whole; what is no UTF-8 shows as no JSON, by its line."""
    try:
        if path.is_dir():
            raise CostFileUnusable(str(path), reason="is a folder; name the files in it")
        if path.suffix.lower() not in _LINES and path.stat().st_size > _MOST_BYTES:
            reason = f"has more than {_MOST_BYTES // 1024**2} MiB; write one reply a line (.jsonl)"
            raise CostFileUnusable(str(path), reason=reason)
        return path.open(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise CostFileUnusable(str(path), reason=reason) from None
