"""What the local platform says that endpoints cost, by workers that really ran."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import Account, account
from tests.echo_runpod import PATIENCE
from tests.test_management_schema import published, validate

BILLING = "/v2/billing/serverless"


async def worked(runpod: Account, **body: Any) -> Any:
    """An endpoint with one worker that has ended."""
    endpoint = await runpod.create(**body)
    await runpod.ask(endpoint, say="hello")
    await runpod.patch(endpoint, workers={"min": 0, "max": 0, "idleTimeout": 1})
    async with asyncio.timeout(PATIENCE):
        while not (await records(runpod))["records"]:
            await asyncio.sleep(0.05)
    return endpoint


async def records(runpod: Account, query: str = "") -> Any:
    return (await runpod.call("GET", f"{BILLING}{query}")).facts


async def test_a_worker_that_has_ended_costs_its_seconds(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod:
        endpoint = await worked(runpod)
        found = await records(runpod, f"?serverlessId={endpoint['id']}")
        (record,) = found["records"]
        seconds = record["gpuAmount"] * 3600 / 1.12  # of ADA_24
        assert seconds >= 1
        assert seconds == pytest.approx(round(seconds))
        assert record["totalAmount"] == record["gpuAmount"]
        start, end = (datetime.fromisoformat(record[name]) for name in ("startTime", "endTime"))
        assert end - start == timedelta(days=1)
        assert start <= datetime.now(UTC)
        assert found["metadata"]["totals"]["totalAmount"] == record["totalAmount"]
        assert (await records(runpod, "?serverlessId=another"))["records"] == []


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("?lastN=7", 7),
        ("?startTime=2026-02-03T04:05:06Z&endTime=2026-02-05T00:00:00Z", 2),
    ],
)
async def test_windows_are_aligned_to_their_buckets(tmp_path: Path, query: str, days: int) -> None:
    async with account(tmp_path) as runpod:
        told = (await records(runpod, query))["metadata"]["query"]
        start, end = (datetime.fromisoformat(told[name]) for name in ("startTime", "endTime"))
        assert end - start == timedelta(days=days)
        assert start.hour == start.minute == start.second == 0


async def test_thirty_days_are_told_of_where_nothing_is_asked(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod:
        told = (await records(runpod))["metadata"]["query"]
        start, end = (datetime.fromisoformat(told[name]) for name in ("startTime", "endTime"))
        assert timedelta(days=30) <= end - start <= timedelta(days=31)
        assert told["bucketSize"] == "day"


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("?bucketSize=minute", 422, "bucketSize"),
        ("?lastN=0", 422, "lastN"),
        ("?lastN=2&startTime=2026-01-01T00:00:00Z", 400, "mutually exclusive"),
        ("?startTime=yesterday", 422, "startTime"),
        ("?startTime=2026-01-01T00:00:00", 422, "startTime"),
        ("?lastN=90000&bucketSize=year", 422, "years"),
    ],
)
async def test_questions_that_cannot_be_are_refused(
    tmp_path: Path, query: str, status: int, told: str
) -> None:
    async with account(tmp_path) as runpod:
        answer = await runpod.call("GET", f"{BILLING}{query}")
        assert answer.status == status
        assert told in answer.told


@published
async def test_it_answers_as_the_published_schema_promises(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod:
        await worked(runpod)
        for query in ("", "?bucketSize=hour&lastN=3", "?bucketSize=year"):
            found = await records(runpod, query)
            validate(found, "ListServerlessBillingResponse")
            assert found["metadata"]["recordCount"] == 1
