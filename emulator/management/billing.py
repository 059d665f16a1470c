"""What endpoints cost, over REST: GET /v2/billing/serverless.

A worker is billed by the second from the start of its process to its end, rounded up, at the price
of the first of its machines in the catalog. Workers that still run, and endpoints that are deleted,
are not told of; disks and fees cost nothing here.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from emulator.management.account import Account
from emulator.management.catalog import cpu_price, gpu_price
from emulator.management.problems import require, unprocessable
from emulator.management.records import Endpoint
from emulator.management.views import moment
from emulator.worker import Life

_SIZES: Final = ("hour", "day", "week", "month", "year")
_DEFAULT: Final = timedelta(days=30)
_FIXED: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_HOUR: Final = 3600.0
_MONTHS: Final = 12
_MOST_BUCKETS: Final = 100_000
"""Of `lastN`; ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    start: datetime
    end: datetime
    size: str

    def parts(self, life: Life) -> Iterator[tuple[datetime, float]]:
        """The buckets that a worker was billed in, each with its seconds."""
        began = datetime.fromtimestamp(life.began, UTC)
        stopped = began + timedelta(seconds=math.ceil(life.ended - life.began))
        start = max(_down(began, self.size), self.start)
        while start < min(stopped, self.end):
            end = _after(start, self.size)
            yield start, (min(stopped, end) - max(began, start)).total_seconds()
            start = end


class Billing:
    """The records of an account.

    Args:
        account: its endpoints.
        lives: gives the workers that ended.
        now: tells the time, UTC.

    """

    def __init__(
        self,
        account: Account,
        *,
        lives: Callable[[], Sequence[Life]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._account = account
        self._lives = lives
        self._now = now

    async def serverless(self, request: web.Request) -> web.Response:
        window = self._window(request.query)
        only = request.query.get("serverlessId")
        records = [
            record
            for endpoint in self._account.endpoints.values()
            if only in {None, endpoint.id}
            for record in self._records(endpoint, window)
        ]
        totals = {name: sum(record[name] for record in records) for name in _amounts(0, 0)}
        query = {**_range(window.start, window.end), "bucketSize": window.size}
        return web.json_response(
            {
                "records": sorted(records, key=lambda record: record["startTime"]),
                "metadata": {
                    "query": query | ({"serverlessId": only} if only else {}),
                    "recordCount": len(records),
                    "totals": totals,
                    "uniqueServerlessCount": len({one["serverlessId"] for one in records}),
                },
            }
        )

    def _records(self, endpoint: Endpoint, window: _Window) -> Iterator[dict[str, Any]]:
        seconds: defaultdict[datetime, float] = defaultdict(float)
        for life in self._lives():
            if life.endpoint == endpoint.id:
                for start, part in window.parts(life):
                    seconds[start] += part
        for start, total in seconds.items():
            dollars = _dollars_per_second(endpoint) * total
            amounts = _amounts(dollars, 0) if endpoint.gpu else _amounts(0, dollars)
            bucket = _range(start, _after(start, window.size))
            yield {**bucket, "serverlessId": endpoint.id, **amounts}

    def _window(self, query: Mapping[str, str]) -> _Window:
        size = query.get("bucketSize", "day")
        if size not in _SIZES:
            message = f"bucketSize: value must be one of {', '.join(_SIZES)}"
            raise unprocessable(message)
        message = "lastN and startTime/endTime are mutually exclusive"
        timed = {"startTime", "endTime"} & query.keys()
        require(message, holds=not ("lastN" in query and timed))
        try:
            return self._aligned(query, size)
        except OverflowError:
            message = "startTime: before or after all years"
            raise unprocessable(message) from None

    def _aligned(self, query: Mapping[str, str], size: str) -> _Window:
        now = self._now()
        end = _up(_moment(query, "endTime") or now, size)
        start = _moment(query, "startTime") or now - _DEFAULT
        if "lastN" in query:
            end = _up(now, size)
            start = _down(now, size)
            for _ in range(_count(query["lastN"]) - 1):
                start = _down(start - timedelta(seconds=1), size)
        return _Window(start=_down(start, size), end=end, size=size)


def _dollars_per_second(endpoint: Endpoint) -> float:
    if endpoint.gpu is not None:
        return (gpu_price(endpoint.gpu.pools[0]) or 0.0) * endpoint.gpu.count / _HOUR
    return cpu_price() * endpoint.cpu[0].vcpus / _HOUR


def _amounts(gpu: float, cpu: float) -> dict[str, float]:
    return {
        "totalAmount": gpu + cpu,
        "gpuAmount": gpu,
        "cpuAmount": cpu,
        "diskAmount": 0,
        "feeAmount": 0,
    }


def _range(start: datetime, end: datetime) -> dict[str, str]:
    return {"startTime": moment(start), "endTime": moment(end)}


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        found = datetime.fromisoformat(query[name])
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        message = f"{name}: {query[name]!r} is not a valid date-time"
        raise unprocessable(message)
    return found.astimezone(UTC)


def _count(text: str) -> int:
    wrong = f"lastN: must be a whole number from 1 to {_MOST_BUCKETS}"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_BUCKETS):
        raise unprocessable(wrong)
    return int(text)


def _down(when: datetime, size: str) -> datetime:
    """The start of the bucket that a moment lies in; weeks begin on Monday."""
    hour = when.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    return {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(day=1, month=1),
    }[size]


def _up(when: datetime, size: str) -> datetime:
    start = _down(when, size)
    return start if start == when else _after(start, size)


def _after(start: datetime, size: str) -> datetime:
    """The end of the bucket that begins then."""
    if size in _FIXED:
        return start + _FIXED[size]
    if size == "month":
        return start.replace(year=start.year + start.month // _MONTHS, month=start.month % 12 + 1)
    return start.replace(year=start.year + 1)
