"""What goes wrong with the management API on demand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from emulator.faults import Fault, FaultKind, Faults
from emulator.limits import Limits
from emulator.management.account import Account as Records
from emulator.management.endpoints import Endpoints
from emulator.management.intake import endpoint_from
from emulator.management.mounts import Mounts
from emulator.management.schemas import CreateEndpoint
from emulator.manifest import EndpointSpec
from emulator.worker import WorkerView
from tests.accounts import IMAGES, MINIMAL, Account, account
from tests.echo_runpod import until

QUERY = "{ myself { id } }"
LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@pytest_asyncio.fixture
async def runpod(tmp_path: Path) -> AsyncIterator[Account]:
    async with account(tmp_path) as found:
        yield found


async def listed(runpod: Account) -> int:
    return len((await runpod.call("GET", "/v2/serverless")).facts["endpoints"])


@pytest.mark.parametrize(
    ("kind", "status"), [("answer_401", 401), ("answer_422", 422), ("answer_500", 500)]
)
async def test_the_next_call_is_refused(runpod: Account, kind: FaultKind, status: int) -> None:
    runpod.arm(Fault(kind, route="management"))
    answer = await runpod.call("POST", "/v2/serverless", MINIMAL)
    assert (answer.status, answer.facts["status"]) == (status, status)
    assert await listed(runpod) == 0
    runpod.arm(Fault(kind, route="management"))
    answer = await runpod.graph(QUERY)
    assert (answer.status, answer.facts["data"]) == (status, None)
    assert (await runpod.graph(QUERY)).status == 200


async def test_too_many_requests_are_told_when_to_come_again(runpod: Account) -> None:
    runpod.arm(Fault("answer_429", seconds=7, times=2))
    for answer in (await runpod.call("GET", "/v2/templates"), await runpod.graph(QUERY)):
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert (await runpod.call("GET", "/v2/templates")).status == 200


async def test_each_so_manieth_call_of_one_kind_goes_wrong(runpod: Account) -> None:
    fault = Fault("answer_500", route="management/listTemplates", every=2, times=None)
    runpod.arm(fault)
    assert await listed(runpod) == 0  # another kind
    calls = [await runpod.call("GET", "/v2/templates") for _ in range(4)]
    assert [answer.status for answer in calls] == [200, 500, 200, 500]


async def test_the_fault_of_one_endpoint_leaves_the_others_alone(runpod: Account) -> None:
    one, other = [await runpod.create(workers={"max": 1}) for _ in range(2)]
    runpod.arm(Fault("answer_500", endpoint=one["id"], times=None))
    assert (await runpod.patch(other, name="b")).status == 200
    assert (await runpod.patch(one, name="b")).status == 500
    saved = await runpod.save(id=one["id"], name="echo", gpuIds="ADA_24")
    assert saved.status == 500


async def test_a_closed_connection_has_done_nothing(runpod: Account) -> None:
    runpod.arm(Fault("close_connection"))
    with pytest.raises(LOST):
        await runpod.call("POST", "/v2/serverless", MINIMAL)
    assert await listed(runpod) == 0
    runpod.arm(Fault("close_connection"))
    with pytest.raises(LOST):
        await runpod.graph(QUERY)


async def test_a_lost_answer_was_carried_out(runpod: Account) -> None:
    runpod.arm(Fault("lose_answer", route="management/createEndpoint"))
    with pytest.raises(LOST):
        await runpod.call("POST", "/v2/serverless", MINIMAL)
    (endpoint,) = (await runpod.call("GET", "/v2/serverless")).facts["endpoints"]
    assert await runpod.ask(endpoint, say="here") == {"echo": "here"}
    runpod.arm(Fault("lose_answer", route="management/saveEndpoint"))
    with pytest.raises(LOST):
        await runpod.save(id=endpoint["id"], name="renamed", gpuIds="ADA_24")
    assert (await runpod.get(endpoint))["name"] == "renamed"


async def test_a_call_is_answered_late_or_never(runpod: Account) -> None:
    runpod.arm(Fault("answer_late", seconds=0.3))
    with pytest.raises(TimeoutError):
        await runpod.call("GET", "/v2/serverless", timeout=0.1)
    runpod.arm(Fault("answer_late", seconds=0.1))
    assert (await runpod.call("GET", "/v2/serverless", timeout=30)).status == 200
    runpod.arm(Fault("answer_late"))
    with pytest.raises(TimeoutError):
        await runpod.graph_within(QUERY, seconds=0.3)


async def test_graphql_fails_with_200(runpod: Account) -> None:
    runpod.arm(Fault("graphql_error"))
    answer = await runpod.graph(QUERY)
    assert (answer.status, answer.facts["data"]) == (200, None)
    assert answer.facts["errors"][0]["message"]
    assert (await runpod.graph(QUERY)).facts["data"]["myself"]


class SlowHost:
    """Runs nobody, and takes its time."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.ready = asyncio.Event()

    async def open(self, _spec: EndpointSpec, _settings: Mapping[str, str]) -> None:
        self.asked.set()
        await self.ready.wait()

    def change(self, spec: EndpointSpec, settings: Mapping[str, str], *, version: int) -> None: ...

    def close(self, endpoint: str) -> None: ...

    def workers(self, _endpoint: str) -> tuple[WorkerView, ...]:
        return ()

    def log(self, _endpoint: str, _worker: str) -> Path | None:
        return None

    def connection(self, _endpoint: str) -> tuple[str, ...]:
        return ()


async def test_a_caller_that_hangs_up_does_not_undo_what_it_began(tmp_path: Path) -> None:
    host, known = SlowHost(), Records(quota=5)
    endpoints = Endpoints(
        known,
        host,
        images=IMAGES,
        mounts=Mounts(state=tmp_path, store=None),
        secrets={},
        faults=Faults(),
        limits=Limits(),
    )
    wanted = endpoint_from(CreateEndpoint.model_validate(MINIMAL), known)
    call = asyncio.create_task(endpoints.create(wanted, base_url="http://here"))
    await host.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert known.endpoints == {}
    host.ready.set()
    await until(lambda: known.endpoints)
    assert [template.bound_to for template in known.templates.values()] == [wanted.id]


async def test_an_empty_pool_is_shown_and_refused_unless_there_is_another(
    runpod: Account,
) -> None:
    before = await runpod.create(workers={"max": 1})
    runpod.arm(Fault("empty_pool", endpoint="ADA_24", times=None))
    answer = await runpod.call("POST", "/v2/serverless", MINIMAL)
    assert answer.status == 400
    assert "no longer any instances available" in answer.told
    assert (await runpod.patch(before, name="on the GPU that it has")).status == 200
    saved = await runpod.save(
        name="echo", gpuIds="ADA_24", template={"name": "t", "imageName": "a"}
    )
    assert "no longer any instances available" in saved.facts["errors"][0]["message"]
    query = "include=AVAILABILITY&product=SERVERLESS"
    gpus = (await runpod.call("GET", f"/v2/catalog/gpus?{query}")).facts["gpus"]
    assert {gpu["pool"] for gpu in gpus if gpu["availability"] == "NONE"} == {"ADA_24"}
    endpoint = await runpod.create(gpu={"pools": ["ADA_24", "AMPERE_24"]})
    assert (await runpod.patch(endpoint, gpu={"pools": ["ADA_24"]})).status == 400


async def test_without_capacity_created_endpoints_are_throttled(runpod: Account) -> None:
    runpod.arm(Fault("no_capacity", times=None))
    endpoint = await runpod.create(workers={"min": 1})
    facts = await runpod.until(lambda facts: facts["summary"]["throttled"] == 1, endpoint)
    (worker,) = facts["workers"]
    assert (worker["status"], worker["startedAt"], worker["dataCenterId"]) == (
        "THROTTLED",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "answer_429", "route": "management/createEndpoint", "seconds": 2}, 201),
        ({"kind": "answer_429", "route": "management/createEndpoints"}, 400),
        ({"kind": "empty_pool", "endpoint": "ADA_24"}, 201),
        ({"kind": "empty_pool", "endpoint": "ADA_25"}, 400),
    ],
)
async def test_they_are_armed_by_curl_as_all_others(
    runpod: Account, fault: dict[str, Any], status: int
) -> None:
    answer = await runpod.call("POST", "/emulator/faults", fault)
    assert answer.status == status
    assert len(runpod.runpod.faults.active()) == (status == 201)
