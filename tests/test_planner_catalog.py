"""Prices of the day, from the catalog that the local platform serves as RunPod describes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from emulator.faults import MANAGEMENT, Fault
from handlers.prices import PriceList
from planner.errors import (
    AccountAddressInvalid,
    AccountAnswerInvalid,
    AccountKeyMissing,
    AccountRefused,
    AccountUnreachable,
)
from planner.money.catalog import refresh, refreshed
from planner.money.management import Account, Management, Patience
from tests.accounts import account

TODAY = date(2026, 11, 21)
KEY = "rpa_SECRET"
HASTE = Patience(request_seconds=0.5, attempts=2, first_pause=0.01, longest_asked=0.5)


@asynccontextmanager
async def management(url: str, key: str = "local") -> AsyncIterator[Management]:
    variables = {"RUNPOD_API_KEY": key, "RUNPOD_API_BASE": url}
    async with aiohttp.ClientSession() as session:
        whom = Account.read(variables, what="prices")
        yield Management(whom, session=session, patience=HASTE)


@asynccontextmanager
async def answering(answer: Any, *, status: int = 200) -> AsyncIterator[Management]:
    async def handler(_request: web.Request) -> web.Response:
        if isinstance(answer, str):
            return web.Response(text=answer, status=status)
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    async with TestServer(app) as server, management(str(server.make_url("")), KEY) as asked:
        yield asked


async def test_the_catalog_prices_what_the_file_does_not(tmp_path: Path) -> None:
    listed = PriceList.read()
    async with account(tmp_path) as runpod, management(runpod.url) as asked:
        found = await refreshed(listed, management=asked, today=TODAY)
    assert found.cpu("cpu3c", vcpus=4).dollars_per_hour == pytest.approx(4 * 0.03)
    assert found.gpu("ADA_24").dollars_per_hour == pytest.approx(1.12)
    assert found.gpu("ADA_24").source == "RunPod's catalog, 2026-11-21"
    assert found.storage == listed.storage
    assert found.pools["ADA_32_PRO"].dollars_per_second is None  # the catalog says none either


async def test_both_lists_know_the_same_gpus(tmp_path: Path) -> None:
    """So a worker finds its GPU's pool without asking anybody."""
    listed = PriceList.read()
    async with account(tmp_path) as runpod, management(runpod.url) as asked:
        found = await refreshed(listed, management=asked)
    assert {n: (p.gpus, p.memory_gb) for n, p in found.pools.items()} == {
        n: (p.gpus, p.memory_gb) for n, p in listed.pools.items()
    }


async def test_a_stumbling_platform_is_asked_again(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod, management(runpod.url) as asked:
        runpod.arm(Fault(kind="answer_500", route=f"{MANAGEMENT}/listGpuTypes", times=1))
        runpod.arm(Fault(kind="answer_429", route=f"{MANAGEMENT}/listCpuTypes", times=1))
        assert (await refreshed(PriceList.read(), management=asked)).flavors


@pytest.mark.parametrize("kind", ["answer_500", "answer_429", "answer_late", "close_connection"])
async def test_it_is_not_asked_for_ever(tmp_path: Path, kind: Any) -> None:
    async with account(tmp_path) as runpod, management(runpod.url) as asked:
        runpod.arm(Fault(kind=kind, route=f"{MANAGEMENT}/listGpuTypes", seconds=30, times=None))
        with pytest.raises(AccountUnreachable, match="its prices"):
            await refreshed(PriceList.read(), management=asked)


async def test_a_wrong_key_is_named_and_not_shown(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod, management(runpod.url, KEY) as asked:
        with pytest.raises(AccountRefused, match="HTTP 401") as caught:
            await refreshed(PriceList.read(), management=asked)
        assert KEY not in repr(caught.value) + str(caught.value) + repr(asked._account)


async def test_what_the_platform_repeats_of_the_key_is_hidden() -> None:
    async with answering({"detail": f"no such key: {KEY}"}, status=403) as asked:
        with pytest.raises(AccountRefused, match=r"no such key: \*\*\*"):
            await refreshed(PriceList.read(), management=asked)


@pytest.mark.parametrize(
    "answer",
    [
        "<html>",
        [],
        {},
        {"gpus": {}, "cpus": []},
        {"gpus": [{"id": "a", "pool": "A", "price": {"serverless": -1}}], "cpus": []},
        {"gpus": [], "cpus": [{"id": "cpu3c", "price": {"serverlessPerVcpu": "dear"}}]},
    ],
)
async def test_what_is_no_catalog_is_refused(answer: Any) -> None:
    async with answering(answer) as asked:
        with pytest.raises(AccountAnswerInvalid):
            await refreshed(PriceList.read(), management=asked)


def test_a_key_is_needed_and_goes_nowhere_in_the_clear() -> None:
    with pytest.raises(AccountKeyMissing):
        refresh(PriceList.read(), variables={})
    for base in ("http://api.runpod.io", "ftp://x", "https://", "http://127.0.0.1.example.com"):
        with pytest.raises(AccountAddressInvalid):
            refresh(PriceList.read(), variables={"RUNPOD_API_KEY": KEY, "RUNPOD_API_BASE": base})


async def test_a_program_without_an_event_loop_asks_too(tmp_path: Path) -> None:
    async with account(tmp_path) as runpod:
        variables = {"RUNPOD_API_KEY": "local", "RUNPOD_API_BASE": runpod.url}
        found = await asyncio.to_thread(refresh, PriceList.read(), variables=variables)
    assert found.flavors
