"""Reads a log of requests, and names every row that cannot be.

CSV with a header (`,`, `;`, tab or `|` between fields) or JSON lines, in UTF-8. A row tells when
a request came, how many seconds its audio has and, where somebody knows, whose it is. Rows may
come in any order; what else they tell is not looked at.

Times are ISO 8601 with a date and a time of day, or Unix seconds. A time that names no zone is in
`zone`; where some rows name one and others do not, the others are bad, because nobody knows whether
they mean the same.

Nothing of a log is trusted: not its encoding, its lines' lengths, nor its numbers.
"""

import math
from array import array
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

import numpy as np

from planner.errors import ROWS_SHOWN, LogEmpty, LogRowsBad, LogUnreadable
from planner.traffic.log_columns import Columns
from planner.traffic.log_rows import Row, rows
from planner.traffic.log_values import BadValue, audio_seconds, moment, user_name
from planner.traffic.trace import DAY_SECONDS, UNKNOWN, Trace, window

_TOLD_EVERY: Final = 50_000


def ignore(_rows: int) -> None:
    """Progress that nobody watches."""


def pass_over(_bad: LogRowsBad) -> None:
    """Rows left out that nobody asks about."""


def read_log(  # noqa: PLR0913  each says one thing about the file, by name
    path: Path,
    *,
    columns: Columns | None = None,
    zone: tzinfo = UTC,
    since: datetime | None = None,
    until: datetime | None = None,
    default_audio: float | None = None,
    skip_bad: bool = False,
    skipped: Callable[[LogRowsBad], None] = pass_over,
    told: Callable[[int], None] = ignore,
) -> Trace:
    """Read the requests of a log.

    Without `since` and `until`, what was observed goes from the first request to one mean gap after
    the last, and is a day at least: nobody knows that nothing came later that day, but a month
    scaled from a minute would cost more than it can. With only one of them the other end is the
    first request or one mean gap after the last: the day after it where all came at one moment.

    Args:
        path: of the log.
        columns: which are meant; None, or None in them, finds them by their usual names.
        zone: of times that name none.
        since: when the log begins, aware; requests before it are left out.
        until: when it ends, aware; requests from then on are left out.
        default_audio: seconds of a request whose audio the log does not tell; None: it must.
        skip_bad: leave bad rows out, as long as one is good.
        skipped: told what was left out, once, where anything was.
        told: told the rows that were read, now and then and at the end.

    Raises:
        LogUnreadable: it cannot be opened, or is no text.
        LogColumnsUnknown: its columns cannot be made out.
        LogRowsBad: rows are bad, and `skip_bad` is false or no row is good.
        LogEmpty: it holds no request, or none from `since` to `until`.

    """
    columns = columns or Columns()
    if default_audio is not None:
        columns = replace(columns, needed=columns.needed - {"audio"})
    found = _Requests(zone=zone, default_audio=default_audio)
    try:
        with closing(rows(path, columns)) as lines:
            for row in lines:
                found.add(row)
                if found.read % _TOLD_EVERY == 0:
                    told(found.read)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        advice = "Give the path of a log, CSV or JSON lines."
        raise LogUnreadable(str(path), reason=reason, advice=advice) from error
    told(found.read)
    if found.bad_count:
        bad = LogRowsBad(str(path), found.bad, count=found.bad_count, of=found.read)
        if not (skip_bad and found.times):
            raise bad
        skipped(bad)
    if not found.times:
        raise LogEmpty(str(path))
    whole = found.trace(least=DAY_SECONDS if since is None and until is None else 0.0)
    begins, ends = since or whole.start, until or whole.end
    if begins >= whole.end or ends <= whole.start or begins >= ends:
        raise LogEmpty(str(path))
    trace = window(whole, since=since, until=until)
    if not len(trace):
        raise LogEmpty(str(path))
    return trace


@dataclass(slots=True, kw_only=True, eq=False)
class _Requests:
    """What was read so far."""

    zone: tzinfo
    default_audio: float | None
    times: "array[float]" = field(default_factory=lambda: array("d"))
    audio: "array[float]" = field(default_factory=lambda: array("d"))
    users: "array[int]" = field(default_factory=lambda: array("i"))
    names: dict[str, int] = field(default_factory=dict)
    bad: list[tuple[int, str]] = field(default_factory=list)
    bad_count: int = 0
    read: int = 0
    zoned: bool | None = None
    """Whether the first ISO time names its zone."""

    def add(self, row: Row) -> None:
        self.read += 1
        try:
            when, audio, name = self._values(row)
        except BadValue as error:
            self.bad_count += 1
            if len(self.bad) < ROWS_SHOWN:
                self.bad.append((row.line, str(error)))
            return
        self.times.append(when)
        self.audio.append(audio)
        self.users.append(UNKNOWN if name is None else self.names.setdefault(name, len(self.names)))

    def _values(self, row: Row) -> tuple[float, float, str | None]:
        if row.problem:
            raise BadValue(row.problem)
        when, zoned = moment(row.time, zone=self.zone)
        if zoned is not None and self.zoned is not None and zoned != self.zoned:
            raise BadValue(_ZONES[zoned])
        audio = row.audio if row.audio not in (None, "") else self.default_audio
        seconds, name = audio_seconds(audio), user_name(row.user)
        if self.zoned is None:
            self.zoned = zoned
        return when, seconds, name

    def trace(self, *, least: float) -> Trace:
        """The requests in order; `least` are the seconds that were observed at least."""
        times = np.frombuffer(self.times)
        order = np.argsort(times, kind="stable")
        times = times[order]
        begins = math.floor(times[0])
        seconds = times - begins
        lasted = float(times[-1] - times[0])
        gap = lasted / (len(times) - 1) if lasted else DAY_SECONDS
        return Trace(
            start=datetime.fromtimestamp(begins, tz=UTC),
            seconds=seconds,
            audio_seconds=np.frombuffer(self.audio)[order],
            users=np.frombuffer(self.users, dtype=np.int32)[order],
            names=tuple(self.names),
            span=max(float(seconds[-1]) + gap, least),
        )


_ZONES: Final = {
    False: "the time names no zone, as others do; add it (for instance Z, or +02:00)",
    True: "the time names a zone, as others do not; name it everywhere, or nowhere",
}
