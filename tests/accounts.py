"""An account of the local platform, for tests of its management API: real workers, plain HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from emulator.endpoint import LocalRunPod, local_runpod
from emulator.faults import Fault
from emulator.fleet import Pace
from emulator.management.api import Setup
from emulator.management.images import Image, Images
from emulator.manifest import EndpointSpec, Manifest
from tests.echo_runpod import ECHO, PATIENCE

IMAGE = "ghcr.io/someone/echo:1.0"
IMAGES = Images({"echo": Image(command=ECHO)})
GPU: dict[str, Any] = {"pools": ["ADA_24"]}
DELAY: dict[str, Any] = {"type": "QUEUE_DELAY", "queueDelay": 4}
COUNT: dict[str, Any] = {"type": "REQUEST_COUNT", "requestCount": 1}
MINIMAL: dict[str, Any] = {
    "name": "echo",
    "image": IMAGE,
    "type": "QUEUE",
    "scaling": DELAY,
    "gpu": GPU,
}
KEY = {"Authorization": "Bearer local"}


@dataclass(frozen=True)
class Answer:
    status: int
    facts: Any
    headers: Mapping[str, str]

    @property
    def told(self) -> str:
        """What is said to be wrong."""
        return " ".join([self.facts["detail"], *self.facts.get("errors", [])])


@dataclass(frozen=True)
class Account:
    runpod: LocalRunPod
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.runpod.platform.url

    def arm(self, fault: Fault) -> None:
        self.runpod.faults.add(fault)

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        options.setdefault("headers", KEY)
        given = {} if body is None else {"json": body}
        timeout = aiohttp.ClientTimeout(total=options.pop("timeout", PATIENCE))
        async with self.session.request(
            method, self.url + path, timeout=timeout, **given, **options
        ) as answer:
            facts = await answer.json() if "json" in answer.content_type else await answer.text()
            return Answer(answer.status, facts, answer.headers)

    async def create(self, **body: Any) -> Any:
        """Create an endpoint; give what is answered."""
        answer = await self.call("POST", "/v2/serverless", {**MINIMAL, **body})
        assert answer.status == 201, answer
        return answer.facts

    async def refused(self, **body: Any) -> Answer:
        """Fail to create an endpoint."""
        answer = await self.call("POST", "/v2/serverless", {**MINIMAL, **body})
        assert answer.status >= 400, answer
        assert not (await self.call("GET", "/v2/serverless")).facts["endpoints"]
        return answer

    async def patch(self, endpoint: Any, **body: Any) -> Answer:
        return await self.call("PATCH", f"/v2/serverless/{endpoint['id']}", body)

    async def get(self, endpoint: Any, rest: str = "") -> Any:
        return (await self.call("GET", f"/v2/serverless/{endpoint['id']}{rest}")).facts

    async def ask(self, endpoint: Any, **wish: Any) -> Any:
        """Send a job where the endpoint says that jobs go; give its output."""
        path = endpoint["requestUrls"]["runSync"].removeprefix(self.url)
        answer = await self.call("POST", path, {"input": wish})
        assert answer.facts["status"] == "COMPLETED", answer
        return answer.facts["output"]

    async def graph(self, query: str, **variables: Any) -> Answer:
        return await self.call("POST", "/graphql", {"query": query, "variables": variables})

    async def graph_within(self, query: str, *, seconds: float) -> Answer:
        return await self.call("POST", "/graphql", {"query": query}, timeout=seconds)

    async def save(self, **given: Any) -> Answer:
        query = """
            mutation Save($input: EndpointInput!) {
                saveEndpoint(input: $input) {
                    id name templateId gpuIds gpuCount instanceIds workersMin workersMax
                    idleTimeout scalerType scalerValue executionTimeoutMs locations
                    networkVolumeIds { networkVolumeId dataCenterId }
                    allowedCudaVersions minCudaVersion flashBootType modelReferences computeType
                }
            }
        """
        return await self.graph(query, input=given)

    async def until(self, condition: Callable[[Any], object], endpoint: Any) -> Any:
        """Wait until what is told of an endpoint's workers is so; give it."""
        async with asyncio.timeout(PATIENCE):
            while not condition(facts := await self.get(endpoint, "/workers")):
                await asyncio.sleep(0.05)
        return facts


@asynccontextmanager
async def account(
    logs: Path,
    *,
    quota: int = 5,
    endpoints: tuple[EndpointSpec, ...] = (),
    setup: Setup | None = None,
) -> AsyncIterator[Account]:
    manifest = Manifest(endpoints=endpoints, workers_quota=quota)
    setup = setup or Setup(images=IMAGES)
    pace = Pace(grace=1.0)
    async with (
        local_runpod(manifest, logs=logs, pace=pace, setup=setup) as runpod,
        aiohttp.ClientSession() as session,
    ):
        yield Account(runpod, session)
